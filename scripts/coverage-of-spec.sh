#!/usr/bin/env bash
# Lists the rows of tests/spec-rows.toml that no test shows on both databases, or at all where no database has a part
# in it. Fails if there are any.
#
# Only tests that a run would run count: their names come from the compiled test binaries, not from the sources.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=$(cargo nextest list --workspace --features ropewalk/faults --message-format oneline)

# shown TABLE ROW BINARY DATABASE: is there a test of the row in that binary on that database (`any`: wherever)?
shown() {
    local of_row
    of_row=$(grep -E "^[^ ]*${3:+::$3} (.*::)?${1}_0*${2}_" <<<"$tests") && { [ "$4" = any ] || grep -q "$4" <<<"$of_row"; }
}

table='' binary='' databases='' missing=0 asked=0
while IFS= read -r line; do
    line=${line%%#*}
    case $line in
        '[[asked]]') table='' binary='' databases='sqlite postgres' ;;
        'table = '*) table=$(cut -d'"' -f2 <<<"$line") ;;
        'binary = '*) binary=$(cut -d'"' -f2 <<<"$line") ;;
        'databases = []') databases=any ;;
        'rows = '* | ' '*[0-9]*)
            for row in $(grep -oE '[0-9]+' <<<"$line" || true); do
                asked=$((asked + 1))
                for database in $databases; do
                    if ! shown "$table" "$row" "$binary" "$database"; then
                        echo "no test${binary:+ with $binary} shows $table row $row on $database" >&2
                        missing=$((missing + 1))
                    fi
                done
            done
            ;;
    esac
done <tests/spec-rows.toml
if [ "$asked" -eq 0 ]; then echo "tests/spec-rows.toml asks for no row" >&2 && exit 1; fi
if [ "$missing" -gt 0 ]; then exit 1; fi
echo "$asked of $asked rows have a test of their name, on both databases where there is one"
