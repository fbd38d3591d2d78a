#!/bin/sh
# Build the Debian (or Ubuntu) image that tests run builds in, and print the path of its tar.
#
#   tests/images/make.sh            target/test-images/base.tar: minbase with sudo, git, curl, ...
#   tests/images/make.sh bare       target/test-images/bare.tar: minbase alone, without sudo
#   tests/images/make.sh families   families-SUM.tar: minbase with pacman and dnf; repositories for them and for apt
#   tests/images/make.sh arch       target/test-images/arch.tar: minbase with makepkg, pacman and what they use
#   tests/images/make.sh NAME PACKAGE...    NAME.tar: minbase and these packages
#   tests/images/make.sh NAME.oci   NAME.oci: an OCI layout with NAME.tar as its only layer
#
# Needs mmdebstrap and this machine's own apt sources; works as root and, with newuidmap, as an
# ordinary user. The result is kept (delete the file to build it anew); two at once wait for each
# other. ROPEWALK_TEST_IMAGES names another folder than target/test-images.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
folder=${ROPEWALK_TEST_IMAGES:-$here/target/test-images}
name=${1:-base}
[ $# -eq 0 ] || shift
case $name in
  base) set -- sudo git ca-certificates curl iproute2 procps ;;
  arch) set -- binutils file makepkg pacman-package-manager libarchive-tools fakeroot git curl zstd ca-certificates sudo ;;
  families) set -- pacman-package-manager makepkg libarchive-tools dnf dnf-plugins-core rpm createrepo-c gnupg apt-utils ;;
esac

# An OCI layout by the image specification, from a root's tar.
layout() {
  new=$2.new
  rm -rf "$new"; mkdir -p "$new/blobs/sha256"
  sum() { sha256sum "$1" | cut -d' ' -f1; }
  keep() { digest=$(sum "$1"); size=$(stat -c %s "$1"); mv "$1" "$new/blobs/sha256/$digest"; }
  case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
  media=application/vnd.oci.image
  plain=$(sum "$1")
  gzip -1n <"$1" >"$new/part"; keep "$new/part"
  layer="{\"mediaType\":\"$media.layer.v1.tar+gzip\",\"digest\":\"sha256:$digest\",\"size\":$size}"
  printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$arch" "$plain" >"$new/part"; keep "$new/part"
  config="{\"mediaType\":\"$media.config.v1+json\",\"digest\":\"sha256:$digest\",\"size\":$size}"
  printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":%s,"layers":[%s]}' "$media" "$config" "$layer" >"$new/part"; keep "$new/part"
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json","digest":"sha256:%s","size":%s}]}' "$media" "$digest" "$size" >"$new/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$new/oci-layout"
  mv "$new" "$2"
}

case $name in
  *.oci)
    [ -d "$folder/$name" ] || {
      tar=$("$0" "${name%.oci}")
      exec 9>"$folder/$name.lock"; flock 9
      [ -d "$folder/$name" ] || layout "$tar" "$folder/$name"
    }
    echo "$folder/$name"; exit 0 ;;
esac
hook=
[ "$name" != families ] || hook=$here/tests/images/families.sh
packages=$(IFS=,; echo "$*")
result=$folder/$name.tar
# By what it is made from: its own script changes.
[ "$name" != families ] || result=$folder/families-$(cat "$0" "$hook" | cksum | cut -d' ' -f1).tar

mkdir -p "$folder"
exec 9>"$folder/$name.lock"
flock 9
if [ -s "$result" ]; then echo "$result"; exit 0; fi
command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing: apt-get install mmdebstrap" >&2; exit 1; }

. /etc/os-release
sources=
for file in /etc/apt/sources.list.d/"$ID".sources /etc/apt/sources.list; do
  if [ -s "$file" ]; then sources=$file; break; fi
done
# On a tmpfs where there is one: unpacking writes every file twice.
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "$folder")" ropewalk-image.XXXXXX)
trap 'rm -rf "$work"' EXIT
proxy=$(apt-config shell p Acquire::http::Proxy 2>/dev/null | sed -n "s/^p='\(.*\)'$/\1/p")
TMPDIR=$work mmdebstrap --quiet --variant=minbase ${packages:+--include="$packages"} \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  ${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
  ${hook:+--customize-hook="copy-in $hook /tmp"} \
  ${hook:+--customize-hook='chroot "$1" /tmp/families.sh && rm "$1"/tmp/families.sh'} \
  "$VERSION_CODENAME" "$work/image.tar" ${sources:+"$sources"} >&2
cp "$work/image.tar" "$result.new"
[ "$name" != families ] || rm -f "$folder"/families*.tar
mv "$result.new" "$result"
echo "$result"
