#!/usr/bin/env bash
# make test: installs what the tests need, then lints, tests and says what this machine could not run.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/packages.sh test
make --no-print-directory lint
[ ! -x tests/images/make.sh ] || tests/images/make.sh
rm -f target/nextest/default/junit.xml
result=0
# Most tests wait for builds more than they compute: with three threads on two processors half of these were idle.
threads=$(( $(nproc) * 2 ))
cargo nextest run --workspace --features ropewalk/faults --test-threads "$threads" || result=$?
# A row of the acceptance tables that lost its test is as bad as a test that fails.
scripts/coverage-of-spec.sh || result=$?
# The project's own manifest, by the program that was just built, in a folder that is called as the project is.
rm -rf target/own && git clone -q . target/own/ropewalk && git -C target/own/ropewalk remote remove origin
(cd target/own/ropewalk && ../../debug/ropewalk --data ../data run) || result=$?
scripts/fuzz.sh "${FUZZ_SECONDS:-5}" || result=$?
not_run=$(grep -ohE 'NOT RUN here: [^<]*' target/nextest/default/junit.xml | sort -u || true)
if [ -n "$not_run" ]; then printf '\n%s\n' "$not_run"; fi
exit "$result"
