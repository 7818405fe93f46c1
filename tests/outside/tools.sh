#!/usr/bin/env bash
# Brings what the outside suites need: Node with the packages of the lock file, and Python with its.
set -euo pipefail
cd "$(dirname "$0")"

node_major() { node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

if [ "$(node_major)" -lt 20 ] || ! command -v npm >/dev/null; then
    if [ "$(node_major)" = 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm \
            >/dev/null
    fi
fi
if [ "$(node_major)" -lt 18 ] || ! command -v npm >/dev/null; then
    echo "outside: needs Node 20 or later with npm on the PATH" >&2
    exit 1
fi

# The lock file's hash says whether the folder is what it asks for.
stamp=node_modules/.lock.sha256
want="$(sha256sum package-lock.json)"
if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
    # No package may run scripts on this machine just by being installed.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    echo "$want" > "$stamp"
fi

./python.sh
