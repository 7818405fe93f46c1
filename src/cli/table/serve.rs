//! `serve` and its flags.

use super::{Action, Command, Flag, command, switch, value};

pub(super) const SERVE: Command = Command {
    flags: FLAGS,
    examples: &["1mcp serve --demo", "1mcp serve --transport stdio"],
    ..command(
        Action::Serve,
        &["serve"],
        "Serve all configured servers as one",
    )
};

const FLAGS: &[Flag] = &[
    value(
        "transport",
        "WAY",
        "stdio: one client on stdin and stdout; http: /mcp and /sse on a port",
    )
    .short('t')
    .default("http")
    .of(&["stdio", "http"]),
    value("port", "PORT", "Port; 0 takes any free one and prints it")
        .short('P')
        .default("3050"),
    value(
        "host",
        "HOST",
        "Address to listen on; 127.0.0.1 includes ::1",
    )
    .short('H')
    .default("127.0.0.1"),
    value(
        "external-url",
        "URL",
        "Origin under which clients see us, such as https://mcp.example.com",
    )
    .short('u'),
    switch(
        "enable-auth",
        "Whoever asks over HTTP needs a token; you log in and let clients in",
    ),
    value(
        "trust-proxy",
        "WHOM",
        "Whose X-Forwarded-For counts: loopback, none, or networks such as 10.0.0.0/8",
    )
    .default("loopback"),
    value(
        "tags",
        "A,B",
        "Serve only servers with one of these tags or names",
    )
    .default("all"),
    value(
        "filter",
        "EXPR",
        "Serve only servers whose tags fit, such as \"web and not db\"",
    )
    .short('f')
    .also(&["tag-filter"])
    .default("all"),
    value(
        "preset",
        "PRESET",
        "Serve only servers that this preset of presets.json admits",
    )
    .default("all"),
    value(
        "pagination",
        "N",
        "Entries of one page of a list; 0 puts everything in one",
    )
    .default("0"),
    value(
        "allowed-hosts",
        "A,B",
        "Host names accepted beside loopback and the bound one",
    ),
    value(
        "allowed-origins",
        "A,B",
        "Browser origins accepted beside loopback and our own",
    ),
    value(
        "session-ttl",
        "MIN",
        "A session without requests ends after this many minutes",
    )
    .default("1440"),
    value(
        "health-info-level",
        "LEVEL",
        "What /health tells: minimal, basic or full",
    )
    .default("minimal")
    .of(&["minimal", "basic", "full"]),
    value(
        "list-wait",
        "MS",
        "How long the first list waits for servers that still start",
    )
    .default("10000"),
    value(
        "stream-max",
        "SECONDS",
        "Close event streams this early, for proxies with hard limits",
    )
    .default("never"),
    value("name-max", "N", "Length of offered tool names, 16 to 128").default("55"),
    value(
        "ca-file",
        "PEM",
        "Authorities to trust for https servers beside those that browsers trust",
    ),
    switch(
        "no-config-reload",
        "Do not watch the configuration for changes",
    ),
    switch(
        "demo",
        "Serve a small built-in server instead of the configuration",
    ),
];
