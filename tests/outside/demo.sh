#!/usr/bin/env bash
# Serves the built-in demo from an empty chroot (no Node, no Python, no files) and calls it.
set -euo pipefail
binary="$1"
jail="$(mktemp -d)"
log="$jail.log"
cp "$binary" "$jail/1mcp"
inside=()
[ "$(id -u)" = 0 ] && inside=("$(PATH="$PATH:/usr/sbin" command -v chroot)" "$jail")
program=/1mcp
[ "$(id -u)" = 0 ] || program="$jail/1mcp"

env -i "${inside[@]}" "$program" serve --demo --port 0 2>"$log" &
gateway=$!
finish() {
    kill "$gateway" 2>/dev/null || true
    wait "$gateway" 2>/dev/null || true
    rm -rf "$jail" "$log"
}
trap finish EXIT

fail() {
    echo "demo: $*" >&2
    sed 's/^/demo: log: /' "$log" >&2
    exit 1
}

url=
for _ in $(seq 100); do
    url="$(grep -om1 'http://[^ ]*/mcp' "$log" || true)"
    [ -n "$url" ] && break
    kill -0 "$gateway" 2>/dev/null || fail "ended before it was ready"
    sleep 0.05
done
[ -n "$url" ] || fail "printed no ready line"

post() {
    curl -sS --max-time 20 -H 'Content-Type: application/json' \
        -H 'Accept: application/json, text/event-stream' "$@" "$url"
}
headers="$(post -D - -o /dev/null -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":
    {"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"demo","version":"1"}}}')"
session="$(printf '%s' "$headers" | tr -d '\r' | sed -n 's/^mcp-session-id: //Ip')"
[ -n "$session" ] || fail "initialize gave no session: $headers"
post -o /dev/null -H "Mcp-Session-Id: $session" \
    -d '{"jsonrpc":"2.0","method":"notifications/initialized"}'
list="$(post -H "Mcp-Session-Id: $session" -d '{"jsonrpc":"2.0","id":2,"method":"tools/list"}')"
echo_tool="$(printf '%s' "$list" | grep -o '"name":"[^"]*echo"' | head -1 | cut -d'"' -f4 || true)"
[ -n "$echo_tool" ] || fail "no tool named echo in $list"
answer="$(post -H "Mcp-Session-Id: $session" -d '{"jsonrpc":"2.0","id":3,"method":"tools/call",
    "params":{"name":"'"$echo_tool"'","arguments":{"text":"grüße","message":"grüße"}}}')"
case "$answer" in
    *grüße*) echo "demo: $echo_tool answered from an empty chroot" ;;
    *) fail "$echo_tool answered $answer" ;;
esac
