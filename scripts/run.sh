#!/usr/bin/env bash
# make run: installs what is missing, builds the program, serves, runs examples/hello.yml, and goes on serving.
# Data lies in target/run; ROPEWALK_LISTEN chooses another address.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
scripts/packages.sh run
cargo build --release --package ropewalk

ropewalk=${CARGO_TARGET_DIR:-target}/release/ropewalk
data=target/run
listen=${ROPEWALK_LISTEN:-127.0.0.1:8420}
origin=http://$listen
mkdir -p "$data"

"$ropewalk" --data "$data" serve --listen "$listen" &
server=$!
# A Ctrl-C reaches the server too; this shell only waits for it to end.
trap 'kill -TERM "$server" 2>/dev/null || true' TERM EXIT
trap : INT

for _ in $(seq 300); do
    kill -0 "$server" 2>/dev/null || { wait "$server" || exit $?; exit 1; }
    # Not the answer of another server on this folder, with which ours is about to end.
    if grep -qsx "$server" "$data/lock" && curl --noproxy '*' -fs "$origin/readyz" >/dev/null; then break; fi
    sleep 0.1
done

# A token of our own: settings of the client for another server stay as they are.
token=$data/token
if [ ! -s "$token" ]; then
    (umask 077 && "$ropewalk" --data "$data" token create --user admin --comment 'make run' >"$token")
fi

echo
echo "--- examples/hello.yml"
"$ropewalk" submit --server "$origin" --token-file "$token" --follow examples/hello.yml
cat <<END
---
Server   $origin
API      $origin/api/n1/openapi.json
Log in   as admin; the password was shown at the first start$([ ! -e "$data/first-run.txt" ] || echo " and is in $data/first-run.txt")
Submit   $ropewalk submit --server $origin --token-file $token --follow FILE
hut      paste into ~/.config/hut/config:

    instance "ropewalk" {
        access-token "$(cat "$token")"
        builds {
            origin "$origin"
        }
    }

Ctrl-C ends the server.
END
wait "$server" || true
