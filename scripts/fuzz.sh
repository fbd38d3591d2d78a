#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET…]]: gives each reader of untrusted bytes that many seconds of mutated input, from seeds and
# from what earlier runs found, as many at once as there are processors.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then mapfile -t targets < <(basename -s .rs -a fuzz_targets/*.rs); fi

# What libFuzzer needs to see which branches an input reaches. A nightly compiler could watch memory too, for which
# code without `unsafe` has no use.
flags="-Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks"
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -Cllvm-args=-sanitizer-coverage-$flag"
done
# Naming the target keeps the flags away from build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS=$flags cargo build --quiet --locked --release --bins --target "$host"

run() {
    local name=$1 log=target/$1.log
    mkdir -p "corpus/$name" "seeds/$name" target/found
    if timeout $((seconds + 120)) "target/$host/release/$name" "corpus/$name" "seeds/$name" \
        "-artifact_prefix=target/found/$name-" -max_total_time="$seconds" -max_len=16384 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 >"$log" 2>&1; then
        echo "fuzz $name: nothing found in $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
    else
        tail -n 40 "$log"
        echo "fuzz $name: found what is named above"
        return 1
    fi
}
export -f run
export seconds host
printf '%s\0' "${targets[@]}" | xargs -0 -P "$(nproc)" -I NAME bash -c 'run NAME'
