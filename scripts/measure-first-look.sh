#!/usr/bin/env bash
# measure-first-look.sh: how long the page of a running job takes whose log has a gigabyte, when nobody has looked at it
# since the server was killed and started again; beside it what wc and cat take for the same file.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/packages.sh run
cargo build --release --quiet -p ropewalk
data=$PWD/target/measure-first-look address=127.0.0.1:8433
program=$PWD/target/release/ropewalk
rm -rf "$data" && mkdir -p "$data/home"
printf '[limits]\nlog-step = 2147483648\nlog-job = 2147483648\n' >"$data/ropewalk.toml"
export HOME=$data/home
unset XDG_CONFIG_HOME ROPEWALK_SERVER ROPEWALK_TOKEN
server=
serve() {
    "$program" --data "$data" serve --listen "$address" >>"$data/serve.log" 2>&1 &
    server=$!
    until curl -sf -o "$data/ready" "http://$address/readyz"; do kill -0 "$server"; sleep 0.1; done
}
trap '"$program" cancel 1 >/dev/null 2>&1 || true; kill "$server" 2>/dev/null || true; wait; rm -rf "$data"' EXIT

serve
"$program" submit - >/dev/null <<'MANIFEST'
image: host
tasks:
  - log: |
      set +x
      seq -f 'line %012.0f of a log that grows while somebody waits for it' 1 16500000
      echo written
      sleep 1200
MANIFEST
log=$data/logs/1/step-0
for _ in $(seq 300); do
    if [ -e "$log" ] && [ "$(tail -n 1 "$log")" = written ]; then break; fi
    sleep 1
done
[ "$(tail -n 1 "$log")" = written ]
for round in 1 2 3; do
    kill -KILL "$server"
    wait "$server" 2>/dev/null || true
    serve
    for look in first second; do
        curl -sf -o "$data/page" -w "start $round, $look look: %{time_total} s\n" "http://$address/~admin/job/1"
        grep -q 'line 0000' "$data/page"
    done
done
TIMEFORMAT='%R s'
echo "floors for the same $(stat -c %s "$log") bytes:"
for floor in "wc -l" cat; do printf '%s: ' "$floor"; time $floor "$log" >/dev/null; done
