//! `mcp`: the servers of the configuration.

use super::{Action, Command, Flag, command, switch, value};

pub(super) const ADD: Command = Command {
    operands: "NAME [-- COMMAND ARGS...]",
    flags: ENTRY,
    examples: &[
        "1mcp mcp add files -- npx -y @modelcontextprotocol/server-filesystem /data",
        "1mcp mcp add remote --url https://mcp.example.com/mcp",
    ],
    ..command(
        Action::McpAdd,
        &["mcp", "add"],
        "Add a server to the configuration",
    )
};

pub(super) const LIST: Command = Command {
    flags: SHOWN,
    examples: &["1mcp mcp list --json"],
    ..command(
        Action::McpList,
        &["mcp", "list"],
        "List the configured servers",
    )
};

pub(super) const STATUS: Command = Command {
    operands: "[NAME]",
    flags: &[value(
        "wait",
        "MS",
        "Give servers that are starting at most this long",
    )
    .default("an instance: none, a check: connectionTimeout")],
    examples: &["1mcp mcp status", "1mcp mcp status files --json"],
    ..command(
        Action::McpStatus,
        &["mcp", "status"],
        "Show whether the servers work: ask the running instances, or start the servers briefly",
    )
};

pub(super) const REMOVE: Command = Command {
    operands: "NAME",
    examples: &["1mcp mcp remove files"],
    ..command(
        Action::McpRemove,
        &["mcp", "remove"],
        "Remove a server from the configuration",
    )
};

pub(super) const UPDATE: Command = Command {
    operands: "NAME [-- COMMAND ARGS...]",
    flags: &[],
    examples: &["1mcp mcp update files --tags fs,local"],
    ..command(
        Action::McpUpdate,
        &["mcp", "update"],
        "Change what is given of a server, and nothing else",
    )
};

pub(super) const ENABLE: Command = Command {
    operands: "NAME",
    ..command(
        Action::McpEnable,
        &["mcp", "enable"],
        "Start a disabled server again",
    )
};

pub(super) const DISABLE: Command = Command {
    operands: "NAME",
    ..command(
        Action::McpDisable,
        &["mcp", "disable"],
        "Stop a server and keep its entry",
    )
};

pub(super) const TOOLS: Command = Command {
    operands: "[NAME]",
    ..command(
        Action::McpTools,
        &["mcp", "tools"],
        "List the tools of the servers",
    )
};

pub(super) const TOOLS_DISABLE: Command = Command {
    operands: "SERVER TOOL",
    examples: &["1mcp mcp tools disable files delete_file"],
    ..command(
        Action::McpToolsDisable,
        &["mcp", "tools", "disable"],
        "Stop offering a tool",
    )
};

pub(super) const TOOLS_ENABLE: Command = Command {
    operands: "SERVER TOOL",
    ..command(
        Action::McpToolsEnable,
        &["mcp", "tools", "enable"],
        "Offer a tool again",
    )
};

const ENTRY: &[Flag] = &[
    value("url", "URL", "A remote server instead of a command"),
    value("type", "TYPE", "stdio, http or sse").default("inferred"),
    value(
        "env",
        "K=V",
        "Variable for the command; K alone passes ours on; repeatable",
    ),
    value("cwd", "DIR", "Working directory of the command"),
    value("header", "K=V", "Header for the remote server; repeatable"),
    value("tags", "A,B", "Tags"),
    value("timeout", "MS", "For the handshake and for each call"),
    switch("disabled", "Add it without starting it"),
    switch(
        "restart-on-exit",
        "Start it again when it ends (this is the default)",
    ),
    value(
        "max-restarts",
        "N",
        "Give up after N failed starts in a row; 0 never does",
    )
    .default("0"),
    value("restart-delay", "MS", "First pause before a restart").default("1000"),
    switch("force", "Replace an entry of the same name"),
];

const SHOWN: &[Flag] = &[
    switch("show-disabled", "Show disabled servers too"),
    value("tags", "A,B", "Only servers with one of these tags"),
    switch(
        "show-secrets",
        "Show values of variables and headers, keys and passwords",
    ),
];
