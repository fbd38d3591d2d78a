#!/bin/sh
# Run in the root of the image "families" when it is made: for pacman, dnf and apt repositories with one package each.
# The image trusts the key "known"; the key "far" is only where its gpg looks instead of a keyserver.
set -eu
work=$(mktemp -d)
mkdir -p "$work/usr/bin" /srv/arch /srv/fedora /var/lib/pacman
printf '#!/bin/sh\necho hello from a package\n' >"$work/usr/bin/hello-family"
chmod 755 "$work/usr/bin/hello-family"

cat >"$work/.PKGINFO" <<EOF
pkgname = hello-family
pkgbase = hello-family
pkgver = 1-1
pkgdesc = says hello
builddate = 1
packager = nobody
size = 40
arch = any
EOF
tar -C "$work" --owner=0 --group=0 -czf /srv/arch/hello-family-1-1-any.pkg.tar.gz .PKGINFO usr
mkdir "$work/hello-family-1-1"
cat >"$work/hello-family-1-1/desc" <<EOF
%FILENAME%
hello-family-1-1-any.pkg.tar.gz

%NAME%
hello-family

%BASE%
hello-family

%VERSION%
1-1

%CSIZE%
$(stat -c %s /srv/arch/hello-family-1-1-any.pkg.tar.gz)

%ISIZE%
40

%SHA256SUM%
$(sha256sum /srv/arch/hello-family-1-1-any.pkg.tar.gz | cut -d' ' -f1)

%ARCH%
any

EOF
tar -C "$work" -czf /srv/arch/own.db hello-family-1-1
printf '%s\n' '[options]' 'Architecture = auto' 'SigLevel = Required DatabaseOptional' \
  '[own]' 'SigLevel = Never' 'Server = file:///srv/arch' >/etc/pacman.conf

export GNUPGHOME="$work/keys"
mkdir -m 700 "$GNUPGHOME"
mkdir /srv/keys
for who in known far; do
  gpg --batch --quiet --passphrase '' --quick-generate-key "$who@example.org" ed25519 sign never
done
gpg --batch --export known@example.org >/etc/apt/trusted.gpg.d/known.gpg
gpg --batch --list-keys --with-colons far@example.org | awk -F: '/^fpr/ { print $10; exit }' >/srv/keys/far
gpg --batch --export far@example.org >"/srv/keys/$(cat /srv/keys/far)"
cat >/usr/local/bin/gpg <<'EOF'
#!/bin/sh
# No keyserver can be reached from here: what would be fetched from one is in a folder. The key comes last.
for word; do key=$word; done
case " $* " in
  *" --recv-keys "*)
    count=$#
    while [ "$count" -gt 0 ]; do
      word=$1; shift; count=$((count - 1))
      [ "$word" != --recv-keys ] || word=--import
      [ "$word" != "$key" ] || word=/srv/keys/$key
      set -- "$@" "$word"
    done ;;
esac
exec /usr/bin/gpg "$@"
EOF
chmod 755 /usr/local/bin/gpg

# By pacman's own tool, its package signed.
mkdir /srv/far
sed -i 's/hello-family/hello-far/' "$work/.PKGINFO"
mv "$work/usr/bin/hello-family" "$work/usr/bin/hello-far"
tar -C "$work" --owner=0 --group=0 -czf /srv/far/hello-far-1-1-any.pkg.tar.gz .PKGINFO usr
gpg --batch --detach-sign -u far@example.org /srv/far/hello-far-1-1-any.pkg.tar.gz
repo-add --quiet /srv/far/far.db.tar.gz /srv/far/hello-far-1-1-any.pkg.tar.gz
mv "$work/usr/bin/hello-far" "$work/usr/bin/hello-family"

arch=$(dpkg --print-architecture)
mkdir -p "$work/deb/DEBIAN"
cp -r "$work/usr" "$work/deb/"
printf '%s\n' 'Package: hello-family' 'Version: 1' 'Architecture: all' 'Maintainer: nobody <nobody@example.org>' \
  'Description: says hello' >"$work/deb/DEBIAN/control"
for who in known far; do
  mkdir -p "/srv/debian/$who/pool" "/srv/debian/$who/dists/stable/main/binary-$arch"
  cd "/srv/debian/$who"
  dpkg-deb --root-owner-group --build "$work/deb" pool/hello-family.deb >/dev/null
  apt-ftparchive packages pool >"dists/stable/main/binary-$arch/Packages"
  apt-ftparchive -o APT::FTPArchive::Release::Suite=stable release dists/stable >"$work/Release"
  mv "$work/Release" dists/stable/
  gpg --batch --clearsign -u "$who@example.org" -o dists/stable/InRelease dists/stable/Release
done
cd /
gpgconf --kill all
unset GNUPGHOME
# What is installed comes from here.
: >/etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*

cat >"$work/hello-family.spec" <<EOF
Name: hello-family
Version: 1
Release: 1
Summary: says hello
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
says hello
%install
mkdir -p %{buildroot}/usr/bin
cp $work/usr/bin/hello-family %{buildroot}/usr/bin/
%files
/usr/bin/hello-family
EOF
rpmbuild --quiet -bb --define "_rpmdir /srv/fedora" --define "_topdir $work/rpm" "$work/hello-family.spec"
createrepo_c --quiet /srv/fedora
printf '[own]\nname=own\nbaseurl=file:///srv/fedora\nenabled=0\ngpgcheck=0\n' >/srv/fedora/own.repo
# Debian's dnf looks into a repository of its own, whose packages nobody signs.
printf '[main]\nenabled = false\n' >/etc/dnf/plugins/local.conf
rm -rf "$work"
