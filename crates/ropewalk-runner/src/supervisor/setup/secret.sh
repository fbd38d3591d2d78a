# Puts standard input where $1 says, with mode $2: the bytes on a tmpfs, a link at the path.
set -e
umask 077
case $1 in
'~/'*) path=$HOME/${1#'~/'} ;;
/*) path=$1 ;;
*) path=$HOME/$1 ;;
esac
file=$(mktemp /run/secrets/file.XXXXXX)
cat >"$file"
chmod "$2" "$file"
mkdir -p "$(dirname "$path")"
ln -sf "$file" "$path"
