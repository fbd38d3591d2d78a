#!/usr/bin/env bash
# Prints the path of hut of this version; unpacks it below target/ from a newer Debian suite, at the mirror that this
# machine already trusts, if it is not there yet.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.8.0
suites="forky sid"

folder=$PWD/${CARGO_TARGET_DIR:-target}/tools/hut-$version
hut=$folder/usr/bin/hut
if [ -x "$hut" ]; then echo "$hut"; exit; fi

if ! command -v apt-get >/dev/null; then echo "hut $version: no apt here to fetch it with" >&2; exit 1; fi
# shellcheck disable=SC2016 # the words are apt's own
format='$(ORIGIN) $(COMPONENT) $(REPO_URI)'
mirror=$(apt-get indextargets --format "$format" 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "main" && $3 !~ /security/ { print $3; exit }')
if [ -z "$mirror" ]; then echo "hut $version: apt names no mirror of Debian here" >&2; exit 1; fi

mkdir -p "$(dirname "$folder")"
new=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$new"' EXIT
mkdir -p "$new"/{lists/partial,cache/archives/partial,etc,down}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in $suites; do
    echo "deb [signed-by=$keyring] $mirror $suite main" >"$new/etc/sources.list"
    own=(-o "Dir::State::lists=$new/lists" -o "Dir::Cache=$new/cache" -o "Dir::Etc::sourcelist=$new/etc/sources.list"
        -o Dir::Etc::sourceparts=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User=)
    if (cd "$new/down" && apt-get "${own[@]}" update -qq && apt-get "${own[@]}" download -qq "hut=$version*") >&2; then
        mkdir "$new/tree"
        dpkg-deb --extract "$new"/down/hut_*.deb "$new/tree"
        # Another run may have been faster; theirs is as good.
        mv -T "$new/tree" "$folder" 2>/dev/null || [ -x "$hut" ]
        echo "$hut"
        exit
    fi
done
echo "hut $version: in none of the suites $suites of $mirror" >&2
exit 1
