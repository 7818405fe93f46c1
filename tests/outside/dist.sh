#!/usr/bin/env bash
# Makes the files of a release from target/dist/1mcp and leaves them in target/dist:
#   1mcp-VERSION-ARCH-linux-musl          the static binary
#   1mcp-VERSION-ARCH-linux-musl.tar.gz   with manual, completions, units, README and CHANGELOG
#   SHA256SUMS                            of the two
# The same binary gives the same bytes, wherever and whenever. `dist.sh --check` checks what is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C TZ=UTC
umask 022

say() { echo "dist: $*"; }
fail() { echo "dist: $*" >&2; exit 1; }

version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
name="1mcp-$version-$(uname -m)-linux-musl"
dist=target/dist
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# When the release's source was made. Without git, or unpacked inside somebody else's tree, whose
# commits are not this source's, the same for everybody.
made_s() {
    local top
    top="$(git rev-parse --show-toplevel 2>/dev/null)" && [ "$top" -ef . ] || { echo 0; return; }
    git log -1 --format=%ct 2>/dev/null || echo 0
}

make_tree() {
    local tree="$1" made="$2" file
    install -D -m 755 "$dist/1mcp" "$tree/bin/1mcp"
    for file in README.md CHANGELOG.md LICENSE*; do
        [ ! -f "$file" ] || install -D -m 644 "$file" "$tree/$file"
    done
    mkdir -p "$tree/share/man/man1" "$tree/share/bash-completion/completions" \
        "$tree/share/zsh/site-functions" "$tree/share/fish/vendor_completions.d"
    # The program knows no date; the page of a release has that of its source.
    "$dist/1mcp" man | sed "1s/ \"\" / \"$(date -d "@$made" +%F)\" /" > "$tree/share/man/man1/1mcp.1"
    "$dist/1mcp" completions bash > "$tree/share/bash-completion/completions/1mcp"
    "$dist/1mcp" completions zsh > "$tree/share/zsh/site-functions/_1mcp"
    "$dist/1mcp" completions fish > "$tree/share/fish/vendor_completions.d/1mcp.fish"
    for file in src/dist/*.service src/dist/*.socket; do
        [ ! -f "$file" ] || install -D -m 644 "$file" "$tree/lib/systemd/system/${file##*/}"
    done
}

build() {
    local made
    made="${SOURCE_DATE_EPOCH:-$(made_s)}"
    make_tree "$work/$name" "$made"
    install -m 755 "$dist/1mcp" "$dist/$name"
    # Names sorted, nobody's files, one time for all, and gzip without name and time.
    tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner \
        --mtime="@$made" -C "$work" "$name" | gzip -9 -n > "$dist/$name.tar.gz"
    (cd "$dist" && sha256sum "$name" "$name.tar.gz" > SHA256SUMS)
    say "$(cd "$dist" && stat -c '%n %s bytes' "$name.tar.gz")"
}

# Runs a checker if the machine has it.
checked=()
with() {
    command -v "$1" >/dev/null || return 0
    "$@" </dev/null || fail "$* found a fault"
    checked+=("$1")
}

check() {
    local tree="$work/unpacked/$name" said page
    (cd "$dist" && sha256sum --check --strict --quiet SHA256SUMS) || fail "SHA256SUMS do not hold"
    mkdir -p "$work/unpacked"
    tar -xzf "$dist/$name.tar.gz" -C "$work/unpacked"
    cmp "$tree/bin/1mcp" "$dist/$name" || fail "the archive has another binary"
    for file in "$dist/$name" "$tree/bin/1mcp"; do
        said="$("$file" --version)"
        [ "$said" = "1mcp $version" ] || fail "$file --version printed '$said'"
    done
    # What README takes from the archive is there.
    while read -r file; do
        [ -f "$tree/$file" ] || fail "README installs $file, which is not in the archive"
    done < <(sed -n 's/^    sudo install -m [0-7]* \(.*\) [^ ]*$/\1/p' "$tree/README.md" | tr ' ' '\n')
    page="$tree/share/man/man1/1mcp.1"
    with bash -n "$tree/share/bash-completion/completions/1mcp"
    with zsh -n "$tree/share/zsh/site-functions/_1mcp"
    with fish --no-execute "$tree/share/fish/vendor_completions.d/1mcp.fish"
    with mandoc -Tlint -Wwarning "$page"
    if command -v groff >/dev/null; then
        said="$(groff -man -Tascii -ww -z "$page" 2>&1)"
        [ -z "$said" ] || fail "groff says of the manual: $said"
        checked+=(groff)
    fi
    if command -v systemd-analyze >/dev/null && [ -f "$tree/lib/systemd/system/1mcp.service" ]; then
        units "$tree"
    fi
    say "checked: sums, archive, binary, ${checked[*]}"
}

# The program that the units name is not installed here: the one of the archive stands for it.
units() {
    local tree="$1" copy="$work/units" said
    cp -r "$tree/lib/systemd/system" "$copy"
    sed -i "s|^\(Exec[A-Za-z]*=\)/[^ ]*/1mcp|\1$tree/bin/1mcp|" "$copy"/*.service
    said="$(systemd-analyze verify --man=no "$copy"/1mcp.* 2>&1)" || fail "units: $said"
    checked+=(systemd-analyze)
}

case "${1:-}" in
    --check) check ;;
    "")
        [ -x "$dist/1mcp" ] || fail "no $dist/1mcp: make static"
        build
        before="$(cat "$dist/SHA256SUMS")"
        rm -rf "${work:?}/$name"
        build >/dev/null
        [ "$before" = "$(cat "$dist/SHA256SUMS")" ] || fail "twice is not the same: $before"
        check
        ;;
    *) fail "--check, or nothing" ;;
esac
