# Unpacks standard input, an archive whose members lie below $1.
set -e
tar -xf -
cd "$1"
if [ -f .gitmodules ]; then
	git submodule update --init --recursive
fi
