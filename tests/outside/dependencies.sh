#!/usr/bin/env bash
# Compares the crates that are compiled for the binary with the list that explains each of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
list=tests/outside/dependencies.txt

names() {
    cargo tree --locked --prefix none --format '{p}' "$@" | awk 'NF { print $1 }' | sort -u
}

used="$(names -e normal,build)"
allowed="$(awk '/^[^#]/ && NF { print $1 }' "$list" | sort -u)"

unknown="$(comm -23 <(echo "$used") <(echo "$allowed"))"
if [ -n "$unknown" ]; then
    echo "deps: not in $list:" $unknown >&2
    for name in $unknown; do
        echo "deps: brought by:" >&2
        cargo tree --locked -e normal,build -i "$name" >&2 || true
    done
    echo "deps: remove it, or add a line there that says why the binary needs it" >&2
    exit 1
fi
unused="$(comm -13 <(echo "$used") <(echo "$allowed"))"
[ -z "$unused" ] || echo "deps: listed but not used here:" $unused

direct="$(cargo tree --locked -e normal --depth 1 --prefix none --format '{p}' |
    awk 'NF { print $1 }' | sort -u | grep -vcx onemcp)"
linked="$(names -e normal,no-proc-macro | grep -vcx onemcp)"
echo "deps: $direct direct, $linked in the binary, $(echo "$used" | grep -vcx onemcp) with build tools; all explained"
