//! `mcp`: the servers of the configuration.

use super::{Action, Command, Flag, command, switch, value};

/// What both `add` and `update` say about an entry.
macro_rules! entry {
    ($($more:expr),*) => {
        &[
            URL, TYPE, ENV, CWD, HEADER, TAGS, TIMEOUT, DISABLED, RESTART, NO_RESTART, MAX_RESTARTS,
            RESTART_DELAY, $($more),*
        ]
    };
}

pub(super) const ADD: Command = Command {
    operands: "NAME [-- COMMAND ARGS...]",
    flags: entry![FORCE],
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
    flags: entry![UNSET],
    examples: &[
        "1mcp mcp update files --tags fs,local",
        "1mcp mcp update files --env LOG=debug --unset env.OLD",
        "1mcp mcp update remote --url https://mcp.example.com/v2",
    ],
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
    operands: "SERVER TOOL...",
    examples: &["1mcp mcp tools disable files delete_file"],
    ..command(
        Action::McpToolsDisable,
        &["mcp", "tools", "disable"],
        "Stop offering a tool",
    )
};

pub(super) const TOOLS_ENABLE: Command = Command {
    operands: "SERVER TOOL...",
    ..command(
        Action::McpToolsEnable,
        &["mcp", "tools", "enable"],
        "Offer a tool again",
    )
};

const URL: Flag = value("url", "URL", "A remote server instead of a command");
const TYPE: Flag = value("type", "TYPE", "stdio, http or sse")
    .default("inferred")
    .of(&["stdio", "http", "sse"]);
const ENV: Flag = value(
    "env",
    "K=V",
    "Variable for the command; K alone passes ours on; repeatable",
);
const CWD: Flag = value("cwd", "DIR", "Working directory of the command");
const HEADER: Flag = value("header", "K=V", "Header for the remote server; repeatable");
const TAGS: Flag = value("tags", "A,B", "Tags");
const TIMEOUT: Flag = value("timeout", "MS", "For the handshake and for each call");
const DISABLED: Flag = switch("disabled", "Keep the entry without starting the server");
const RESTART: Flag = switch(
    "restart-on-exit",
    "Start it again when it ends (this is the default)",
);
const NO_RESTART: Flag = switch("no-restart-on-exit", "Do not start it again when it ends");
const MAX_RESTARTS: Flag = value(
    "max-restarts",
    "N",
    "Give up after N failed starts in a row; 0 never does",
)
.default("0");
const RESTART_DELAY: Flag =
    value("restart-delay", "MS", "First pause before a restart").default("1000");
const FORCE: Flag = switch("force", "Replace an entry of the same name");
const UNSET: Flag = value(
    "unset",
    "KEY",
    "Remove a key of the entry, such as tags or env.TOKEN; repeatable",
);

const SHOWN: &[Flag] = &[
    switch("show-disabled", "Show disabled servers too"),
    value("tags", "A,B", "Only servers with one of these tags"),
    switch(
        "show-secrets",
        "Show values of variables and headers, keys and passwords",
    ),
];
