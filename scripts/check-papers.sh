#!/usr/bin/env bash
# Every relative link in our documents leads somewhere, and every script parses.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
while IFS= read -r file; do
    while IFS= read -r link; do
        target=${link%%#*}
        case "$target" in '' | *://* | mailto:*) continue ;; esac
        if [ ! -e "$(dirname "$file")/$target" ]; then
            echo "$file: the link $link leads nowhere" >&2
            bad=1
        fi
    done < <(grep -oE '\]\([^) ]+\)' "$file" | sed 's/^](//; s/)$//')
done < <(find . -name '*.md' -not -path './target/*' -not -path './fuzz/target/*')
for script in .ci/run scripts/*.sh; do
    bash -n "$script" || bad=1
done
exit "$bad"
