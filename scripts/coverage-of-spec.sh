#!/usr/bin/env bash
# Lists the rows of tests/spec-rows.toml that no test names. Fails if there are any.
set -euo pipefail
cd "$(dirname "$0")/.."
names=$(grep -rhoE '\b(srht|hydra|vieter)_[0-9]+_[a-z0-9_]+' --include='*.rs' crates/*/tests crates/*/src | sort -u)
table='' missing=0 asked=0
while IFS= read -r line; do
    line=${line%%#*}
    if [[ $line =~ ^table\ =\ \"([a-z]+)\" ]]; then
        table=${BASH_REMATCH[1]}
        continue
    fi
    [[ $line =~ ^rows|^[[:space:]]+[0-9] ]] || continue
    for row in $(grep -oE '[0-9]+' <<<"$line" || true); do
        asked=$((asked + 1))
        if ! grep -qE "^${table}_0*${row}_" <<<"$names"; then
            echo "no test shows ${table} row ${row}"
            missing=$((missing + 1))
        fi
    done
done <tests/spec-rows.toml
echo "$((asked - missing)) of $asked rows have a test of their name"
[ "$missing" -eq 0 ]
