#!/usr/bin/env bash
# Builds the static musl binary, checks it and leaves it at target/dist/1mcp.
#
# Two ways, the first that works is taken and named:
#   rustup  the toolchain's own musl target (a user's machine, any host that can fetch targets);
#   debian  Debian's Rust with its own std source, built for musl (a host that can fetch none).
# STATIC_WAY=rustup|debian forces one. `static.sh --check FILE` only checks.
set -euo pipefail
cd "$(dirname "$0")/../.."

target="$(uname -m)-unknown-linux-musl"
target_dir=target/static
dist=target/dist/1mcp
# 2 MiB were enough for all but TLS: 1,968,304 bytes. What speaks it (rustls, the curves and ciphers
# of ring, the reading of certificates, the list of authorities) is 1.15 MB more, as much again as
# half of the rest; the way to remote servers had what was left of 3.5 MiB. OAuth is 0.8 MB: an
# authorization server, a client of others' with all their documents, the owner's pages, the keeping
# of secrets, and what a client may see. Filters and presets, sessions that outlive a restart and what
# is counted are 0.25 MB, less what TLS is smaller since it is built for size.
size_bytes_max=$((4200 * 1024))

say() { echo "static: $*"; }
fail() { echo "static: $*" >&2; exit 1; }

# Installs Debian packages, but only those that are missing and only if we may.
need() {
    local missing=()
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "needs these Debian packages: ${missing[*]}"
        return 1
    fi
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >/dev/null
}

# ring has C and assembly parts: they must be compiled against musl's headers.
need_musl_gcc() {
    command -v musl-gcc >/dev/null || need musl-tools
}

have_rustup_target() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$target" && return 0
    timeout 120 rustup target add "$target" >/dev/null 2>&1 || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$target"
}

# Names of directories of the building machine do not belong into the binary.
flags_common="--remap-path-prefix=$HOME=home --remap-path-prefix=$PWD=1mcp"
# No tables for unwinding (the file says why), and relocations in their short form, which musl reads
# since 1.2.4.
flags_common+=" -C link-arg=-Wl,-T,$PWD/tests/outside/static.ld"
# Code is copied into its callers only where it is short: with the usual threshold the binary is
# 600 KB larger and a call takes only 5 % less instructions.
flags_common+=" -C llvm-args=-inline-threshold=30"
# The library, where messages pass, is built as Cargo.toml says; the commands, which run once, for
# size: what the shell does for a call are system calls. This holds for linking too, so the hot
# loops of the library must not count on the compiler for wide instructions (base/word.rs).
flags_bin="-C opt-level=z"
flags_packed="-C link-arg=-Wl,-z,pack-relative-relocs"

export "CC_${target//-/_}=musl-gcc"

build_with_rustup() {
    have_rustup_target || return 1
    need_musl_gcc || return 1
    say "way: rustup target $target, $(rustc --version)"
    RUSTFLAGS="$flags_common $flags_packed" cargo rustc --release --bin 1mcp --locked \
        --target "$target" --target-dir "$target_dir/rustup" -- $flags_bin || return 1
    built="$target_dir/rustup/$target/release/1mcp"
}

build_with_debian() {
    need rustc-web cargo-web rust-web-src musl-tools libunwind-14-dev || return 1
    say "way: Debian's std source, $(/usr/bin/rustc --version)"
    # GNU's libgcc_eh does not link against musl (_dl_find_object); LLVM's unwinder does.
    local lib="$PWD/$target_dir/lib" unwind
    unwind="$(dpkg -L libunwind-14-dev | grep -m1 '/llvm.*/libunwind\.a$')"
    mkdir -p "$lib"
    ln -sf "$unwind" "$lib/libunwind.a"
    # Without relocation-model=static musl-gcc writes an interpreter into the "static-pie".
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        RUSTFLAGS="$flags_common -C target-feature=+crt-static -C linker=musl-gcc \
            -C link-self-contained=no -C relocation-model=static -L native=$lib" \
        /usr/bin/cargo rustc -Zbuild-std=std,panic_abort --release --bin 1mcp --locked \
        --target "$target" --target-dir "$target_dir/debian" -- $flags_bin || return 1
    built="$target_dir/debian/$target/release/1mcp"
}

check() {
    local file="$1" version bytes jail answer
    version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
    bytes="$(stat -c %s "$file")"
    readelf -l "$file" | grep -q INTERP && fail "$file names an interpreter (readelf -l: INTERP)"
    readelf -d "$file" 2>/dev/null | grep -q NEEDED && fail "$file needs shared libraries"
    grep -aq ONE_MCP_FAIL_AT "$file" && fail "$file holds the tests' rehearsed failures"
    [ "$bytes" -le "$size_bytes_max" ] || fail "$file has $bytes bytes, at most $size_bytes_max"

    jail="$(mktemp -d)"
    cp "$file" "$jail/1mcp"
    if [ "$(id -u)" = 0 ]; then
        answer="$(chroot "$jail" /1mcp --version)" || fail "does not run in an empty chroot"
    elif unshare -r true 2>/dev/null; then
        answer="$(unshare -r chroot "$jail" /1mcp --version)" || fail "does not run in a chroot"
    else
        say "no right to chroot here: run as is"
        answer="$("$jail/1mcp" --version)"
    fi
    rm -r "$jail"
    case "$answer" in
        *"$version"*) ;;
        *) fail "--version printed '$answer', not $version" ;;
    esac
    say "$file: $bytes bytes, static, no interpreter, runs in an empty chroot ($answer)"
}

if [ "${1:-}" = --check ]; then
    check "$2"
    exit
fi

built=
case "${STATIC_WAY:-first}" in
    rustup) build_with_rustup || fail "the rustup way did not work here" ;;
    debian) build_with_debian || fail "the Debian way did not work here" ;;
    first) build_with_rustup || build_with_debian || fail "neither way works here" ;;
    *) fail "STATIC_WAY is rustup or debian" ;;
esac
[ -n "$built" ] || fail "no binary came out of the build"
mkdir -p "$(dirname "$dist")"
cp "$built" "$dist.new"
mv "$dist.new" "$dist"
check "$dist"
