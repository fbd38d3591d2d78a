#!/usr/bin/env bash
# make bench: installs what is missing, builds the program and what measures it, and measures. See docs/run/performance.md.
# Arguments go to ropewalk-bench; ROPEWALK_BENCH=quick takes a tenth of everything.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
scripts/packages.sh bench
target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet --package ropewalk
cargo build --release --quiet --package ropewalk-bench
"$target/release/ropewalk-bench" --program "$target/release/ropewalk" --folder "$target/bench" \
    --json "$target/bench.json" ${ROPEWALK_BENCH:+--quick} "$@"
# These have floors of their own, and print them.
if [ $# -eq 0 ] && [ -z "${ROPEWALK_BENCH:-}" ]; then
    printf '\nEvaluations, and publishes of packages\n'
    for part in evaluation publish; do
        case $part in evaluation) needs=nix-instantiate ;; publish) needs=repo-add ;; esac
        if command -v "$needs" >/dev/null; then
            make --no-print-directory "measure-$part"
        else
            echo "NOT RUN here: measure-$part: there is no $needs"
        fi
    done
fi
