# Before it stand, without a trace: kind, url, branch, path, repo, arch, force.
server=${ROPEWALK_SERVER:-${JOB_URL%%/~*}}
export GIT_TERMINAL_PROMPT=0

say() { printf '+ %s\n' "$*"; }
run() { say "$@"; "$@"; }
fail() { printf '==> %s\n' "$*" >&2; exit 1; }

# Asks the server until it answers: it may be starting again. Prints the status; the answer is in ~/answer.
ask() {
	local tries status
	for tries in 1 2 3 4 5 6 8 10 15 20 30 30 30 30; do
		status=$(printf 'header = "X-Api-Key: %s"\n' "$OAUTH2_TOKEN" |
			curl --silent --show-error --config - --output ~/answer --write-out '%{http_code}' "$@") || status=000
		case $status in
		000 | 429 | 5*) sleep "$tries" ;;
		*) break ;;
		esac
	done
	printf %s "$status"
}

# Whether every package of this PKGBUILD is in the repository in the very version. Packages of debug symbols are left
# out: one is made only if there are any.
is_there() {
	local file entry status base
	base=$(source ./PKGBUILD >/dev/null 2>&1 && printf %s "${pkgbase:-$pkgname}")
	for file in "$@"; do
		entry=${file##*/}
		entry=${entry%.pkg.tar*}
		entry=${entry%-*}
		[ "${entry%-*-*}" != "$base-debug" ] || continue
		status=$(ask --head "$server/$repo/$arch/$entry")
		case $status in
		200) say "$entry is in $repo" ;;
		404) return 1 ;;
		*) fail "cannot ask $server for $entry: status $status" ;;
		esac
	done
}

command -v makepkg >/dev/null || fail "this image has no makepkg: set arch.base-image to one that has"
say "adding the repository $repo to /etc/pacman.conf"
printf '\n[%s]\nSigLevel = Optional\nServer = %s/$repo/$arch\n' "$repo" "$server" |
	sudo tee -a /etc/pacman.conf >/dev/null
if [ -d /etc/sudoers.d ]; then
	# pacman gets to its mirrors as everything else here does.
	echo 'Defaults env_keep += "http_proxy https_proxy ftp_proxy all_proxy no_proxy"' |
		sudo tee /etc/sudoers.d/proxies >/dev/null
fi
# It looks there for what is mounted; images that no container runtime has touched may lack it.
[ -e /etc/mtab ] || sudo ln -s /proc/self/mounts /etc/mtab
run sudo pacman -Syu --needed --noconfirm
if pacman -Si base-devel >/dev/null 2>&1; then
	run sudo pacman -S --needed --noconfirm base-devel git
fi

case $kind in
git)
	run git -c protocol.ext.allow=never clone --depth 1 --single-branch ${branch:+"--branch=$branch"} -- "$url" repo
	;;
url)
	run mkdir repo
	run curl --fail --location --no-progress-meter --proto =http,https,ftp --output repo/PKGBUILD -- "$url"
	;;
esac
run cd "./repo/$path"

export MAKEFLAGS="-j$(nproc)" PKGDEST=$HOME/packages
mkdir "$PKGDEST"
run makepkg --nobuild --syncdeps --needed --noconfirm
if [ -z "$force" ]; then
	list=$(makepkg --packagelist)
	mapfile -t files <<<"$list"
	if is_there "${files[@]}"; then
		say "nothing is built: this version is in $repo"
		exit 0
	fi
fi
run makepkg --syncdeps --noconfirm --needed --noextract

for file in "$PKGDEST"/*.pkg.tar*; do
	case $file in *.sig) continue ;; esac
	say "publishing ${file##*/} to $repo"
	status=$(ask --request POST --upload-file "$file" "$server/$repo/publish")
	cat ~/answer
	echo
	[ "$status" = 200 ] || fail "$server did not take ${file##*/}: status $status"
done
