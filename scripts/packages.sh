#!/usr/bin/env bash
# Makes sure that the programs of a purpose are on this machine: packages.sh run | test | bench
# On Debian and Ubuntu missing ones are installed, as root or through sudo; elsewhere it says what to install.
set -euo pipefail

# program:package, one a word
run="git:git curl:curl newuidmap:uidmap slirp4netns:slirp4netns cc:gcc"
test="$run hg:mercurial mmdebstrap:mmdebstrap ip:iproute2 nft:nftables sudo:sudo c++:g++ jq:jq python3:python3 docker-registry:docker-registry skopeo:skopeo openssl:openssl \
    chromium:chromium node:nodejs npm:npm script:bsdutils makepkg:makepkg pacman:pacman-package-manager bsdtar:libarchive-tools \
    fakeroot:fakeroot zstd:zstd xz:xz-utils nix-store:nix-bin busybox:busybox-static bzip2:bzip2"
bench="$test strace:strace setpriv:util-linux"

case "${1:-}" in
    run) wanted=$run ;;
    test) wanted=$test ;;
    bench) wanted=$bench ;;
    *) echo "usage: packages.sh run|test|bench" >&2; exit 2 ;;
esac

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
packages=()
for pair in $wanted; do
    program=${pair%%:*} package=${pair#*:}
    if ! command -v "$program" >/dev/null; then packages+=("$package"); fi
done
if [ "$1" != run ] && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && ! command -v initdb >/dev/null; then
    packages+=(postgresql)
fi
# Debian's python3 makes no environments by itself.
if [ "$1" = test ] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then packages+=(python3-venv); fi
# A browser without any font draws nothing.
if [ "$1" = test ] && ! compgen -G '/usr/share/fonts/*/*/*' >/dev/null; then packages+=(fonts-dejavu-core); fi

if [ ${#packages[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "missing, please install what your system calls: ${packages[*]}" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing, please run as root: apt-get install ${packages[*]}" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    echo "installing ${packages[*]}"
    # A package must not start a server of its own here: the tests run their own.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# Tools of cargo's that no distribution packages. A debug build of them is soon made and fast enough.
tool() {
    command -v "$1" >/dev/null || { echo "installing $1"; cargo install --quiet --locked --debug --no-default-features "$@"; }
}
if [ "$1" = test ]; then
    tool cargo-nextest --features default-no-update
    tool cargo-deny
    # The browser's driver, and what looks at pages as WCAG does. No packages of theirs come along.
    browser=$(dirname "$0")/../target/browser
    if ! cmp -s "$(dirname "$0")/../tests/browser/package.json" "$browser/package.json"; then
        echo "installing playwright-core, axe-core"
        mkdir -p "$browser"
        npm install --silent --no-package-lock --prefix "$browser" $(sed -n 's/^ *"\([a-z-]*\)": "\([0-9.]*\)",\?$/\1@\2/p' \
            "$(dirname "$0")/../tests/browser/package.json") >/dev/null
        cp "$(dirname "$0")/../tests/browser/package.json" "$browser/"
    fi
    # What holds answers against their description, and descriptions against the standard.
    schema=$(dirname "$0")/../target/tools/schema
    if ! cmp -s "$(dirname "$0")/../tests/schema/requirements.txt" "$schema/requirements.txt"; then
        echo "installing schemathesis"
        rm -rf "$schema"
        python3 -m venv "$schema"
        "$schema/bin/python" -m pip install --quiet --disable-pip-version-check \
            --requirement "$(dirname "$0")/../tests/schema/requirements.txt"
        cp "$(dirname "$0")/../tests/schema/requirements.txt" "$schema/"
    fi
fi
