#!/usr/bin/env bash
# Brings the official Python packages of both eras, each into an environment of its own: the
# versions that python/*.txt name, nothing built here.
set -euo pipefail
cd "$(dirname "$0")"

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            python3 python3-venv >/dev/null
    fi
fi
if ! python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "outside: needs Python 3.10 or later with its venv module on the PATH" >&2
    exit 1
fi

for era in legacy modern; do
    home=out/python/$era
    # The lock file's hash and Python's version say whether the environment is what they ask for.
    want="$(sha256sum "python/$era.txt") $(python3 --version)"
    if [ "$(cat "$home/.lock.sha256" 2>/dev/null)" != "$want" ]; then
        rm -rf "$home"
        python3 -m venv "$home"
        "$home/bin/pip" install --quiet --no-deps --only-binary :all: \
            --disable-pip-version-check -r "python/$era.txt"
        echo "$want" > "$home/.lock.sha256"
    fi
done
