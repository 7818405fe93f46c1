#!/usr/bin/env bash
# Builds the image of Dockerfile around target/dist/1mcp, and uses it as README says. Needs buildah and
# root; Podman runs it where it can, else it is unpacked and run in a chroot with the user, variables
# and commands that it names. What a machine cannot do is said, and is no failure; but with CI=true
# buildah and root must be there.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { echo "container: $*"; }
fail() { echo "container: $*" >&2; exit 1; }

[ -x target/dist/1mcp ] || fail "no target/dist/1mcp: make static"
if ! command -v buildah >/dev/null || [ "$(id -u)" != 0 ]; then
    [ "${CI:-}" != true ] || fail "no buildah here, or no root"
    say "no buildah here, or no root: not tried"
    exit 0
fi

# Podman's runtime knows the control groups of version 1 or 2, and not both at once. What is unmounted
# here comes back by itself: nobody else sees this.
if [ "${1:-}" != inside ] && unshare --mount true 2>/dev/null; then
    exec unshare --mount "$0" inside
fi
[ "${1:-}" != inside ] || umount -l /sys/fs/cgroup/unified 2>/dev/null || true

work="$(mktemp -d)"
stores=(--storage-driver vfs --root "$work/store" --runroot "$work/run")
quiet() { grep -vE 'healthcheck|get systemd connection' || true; }
buildah() { command buildah "${stores[@]}" "$@"; }
podman() { command podman "${stores[@]}" --cgroup-manager cgroupfs --events-backend file "$@" 2> >(quiet >&2); }
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    ! command -v podman >/dev/null || podman rm --force --all >/dev/null 2>&1 || true
    command buildah "${stores[@]}" rm --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
initialize='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}'
answers() {
    curl -sS --max-time 10 -X POST "http://127.0.0.1:$port/mcp" -H "Host: $1:$port" \
        -H 'Content-Type: application/json' -d "$initialize" | grep -q '"serverInfo"'
}
# Until a command succeeds, for ten seconds.
until_done() {
    for _ in $(seq 100); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    fail "never: $*"
}

buildah bud --quiet --isolation chroot --format docker --target prebuilt -t 1mcp . >/dev/null
box="$(buildah from localhost/1mcp)"
root="$(buildah mount "$box")"
of_image() { buildah inspect --type image --format "{{$1}}" localhost/1mcp; }
files="$(cd "$root" && find . -type f | sort | tr '\n' ' ')"
[ "$files" = "./usr/local/bin/1mcp " ] || fail "the image has $files"
user="$(of_image .Docker.Config.User)"
[ "$user" = 65534:65534 ] || fail "runs as $user"
[ "$(of_image .Docker.Config.Healthcheck.Test)" = "[CMD 1mcp health]" ] || fail "checks another health"
[ "$(stat -c %u "$root/config")" = 65534 ] || fail "/config belongs to somebody else"
[ "$(stat -c %a "$root/tmp")" = 1777 ] || fail "/tmp is not for everybody"
say "one file, $(stat -c %s "$root/usr/local/bin/1mcp") bytes, user $user"

# Whether `mcp status` finds the instance; its exit code is about the servers, of which one is nowhere.
tells_instance() {
    local said
    said="$("$@" 1mcp mcp status 2>&1)" || [ $? = 1 ] || fail "no status: $said"
    grep -q '^instance ' <<<"$said" || fail "the instance is not found: $said"
}

# Without Podman: what it would run, run.
enter() {
    local chroot
    chroot="$(PATH="$PATH:/usr/sbin" command -v chroot)"
    inside=(env -i PATH=/usr/local/bin ONE_MCP_CONFIG_DIR=/config ONE_MCP_HOST=0.0.0.0
        "ONE_MCP_PORT=$port" "$chroot" "--userspec=$user" "$root")
}

in_chroot() {
    enter
    "${inside[@]}" 1mcp serve --transport http 2>"$work/log" &
    server=$!
    until_done "${inside[@]}" 1mcp health
    answers localhost || fail "does not answer: $(cat "$work/log")"
    "${inside[@]}" 1mcp mcp add docs --url http://127.0.0.1:1/mcp
    kill "$server"
    wait "$server" || fail "ended with $?"
    server=
    if "${inside[@]}" 1mcp health 2>/dev/null; then fail "healthy, and does not run"; fi
    say "run in a chroot as the image says: serves, healthy, keeps its configuration, stops"
}

# `--user`: any number, with a directory of its own. Its instance is found below /tmp.
another_in_chroot() {
    rm -rf "$root/config"
    install -d -o 1234 -g 1234 "$root/config"
    user=1234:1234
    enter
    "${inside[@]}" 1mcp serve --transport http 2>"$work/log" &
    server=$!
    until_done "${inside[@]}" 1mcp health
    tells_instance "${inside[@]}"
    kill "$server"
    wait "$server" || fail "ended with $?"
    server=
    say "run in a chroot as user 1234: serves, healthy, tells its status, stops"
}

usual=(--network host --cgroups=disabled --ulimit nofile=1024:1024 --ulimit nproc=1024:1024)
can_podman() {
    command -v podman >/dev/null && podman run --rm "${usual[@]}" 1mcp --version >/dev/null 2>&1
}

in_podman() {
    # As in README, with the network of this machine in place of a port that is passed on.
    podman run -d --name 1mcp "${usual[@]}" -e "ONE_MCP_PORT=$port" -v 1mcp:/config 1mcp >/dev/null
    until_done podman exec 1mcp 1mcp health
    podman healthcheck run 1mcp || fail "not healthy"
    podman exec 1mcp 1mcp mcp add docs --url http://127.0.0.1:1/mcp
    tells_instance podman exec 1mcp
    answers localhost || fail "does not answer"
    podman restart 1mcp >/dev/null
    until_done podman exec 1mcp 1mcp health
    podman exec 1mcp 1mcp mcp list | grep -q '^docs' || fail "forgot its configuration"
    podman stop 1mcp >/dev/null
    [ "$(podman inspect 1mcp --format '{{.State.ExitCode}}')" = 0 ] || fail "did not stop in order"
    podman rm 1mcp >/dev/null
    say "podman: serves, healthy, keeps its configuration over a restart, stops with 0"

    # The compose file's: nothing writable but the volume; and then not even that.
    local strict=(--read-only --cap-drop all --security-opt no-new-privileges)
    podman run -d --name strict "${usual[@]}" "${strict[@]}" --read-only-tmpfs=false \
        -e "ONE_MCP_PORT=$port" -v 1mcp:/config:ro 1mcp >/dev/null
    until_done podman exec strict 1mcp health
    answers 127.0.0.1 || fail "does not answer"
    podman stop strict >/dev/null
    podman rm strict >/dev/null
    if podman run --rm "${usual[@]}" "${strict[@]}" -v 1mcp:/config:ro 1mcp serve --enable-auth \
        2>"$work/log"; then fail "needs no place for keys?"; fi
    grep -q '^1mcp: .*/config' "$work/log" || fail "does not say what it misses: $(cat "$work/log")"
    say "podman: serves with everything read-only; with --enable-auth: $(grep '^1mcp: ' "$work/log")"
    podman run -d --name own "${usual[@]}" --user 1234:1234 -e "ONE_MCP_PORT=$port" \
        -v "$work/own:/config" 1mcp serve --tags a >/dev/null
    until_done podman exec own 1mcp health
    tells_instance podman exec own
    podman stop own >/dev/null
    say "podman: runs as another user with a directory of his"
}

install -d -o 1234 -g 1234 "$work/own"
in_chroot
another_in_chroot
if can_podman; then in_podman; else say "Podman cannot run here: not tried"; fi
