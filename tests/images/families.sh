#!/bin/sh
# Run in the root of the image "families" when it is made: for pacman and for dnf a repository with one package.
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
printf '[options]\nArchitecture = auto\nSigLevel = Never\n[own]\nServer = file:///srv/arch\n' >/etc/pacman.conf

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
