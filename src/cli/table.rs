//! Every command and flag, once: the parser, `--help` and the tables of the README are made from
//! this page and from nothing else.

/// One flag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    /// `--long`.
    pub(crate) long: &'static str,
    /// `-s`.
    pub(crate) short: Option<char>,
    /// Other spellings that are accepted.
    pub(crate) aliases: &'static [&'static str],
    /// What its value is called; `None` for a switch.
    pub(crate) value: Option<&'static str>,
    /// What holds without it, for the reader.
    pub(crate) default: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
    /// Known, but refused by this version: ignoring `--enable-auth` would open what should be
    /// closed.
    pub(crate) later: bool,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Serve,
    McpAdd,
    McpList,
    McpRemove,
    Health,
    /// `__guard`: watches over process groups.
    Guard,
    /// `__demo`: the demo server.
    Demo,
    /// `__readme-flags`: the tables of the README.
    ReadmeFlags,
}

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) action: Action,
    /// `["mcp", "add"]`.
    pub(crate) words: &'static [&'static str],
    /// What stands behind it: `NAME [-- COMMAND ARGS...]`.
    pub(crate) operands: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
    pub(crate) flags: &'static [Flag],
    pub(crate) examples: &'static [&'static str],
    /// Not for people.
    pub(crate) hidden: bool,
}

const fn switch(long: &'static str, help: &'static str) -> Flag {
    Flag {
        long,
        short: None,
        aliases: &[],
        value: None,
        default: "",
        help,
        later: false,
    }
}

const fn value(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag {
        value: Some(value),
        ..switch(long, help)
    }
}

const fn later(long: &'static str) -> Flag {
    Flag {
        later: true,
        ..switch(long, "comes in a later version")
    }
}

impl Flag {
    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// A later flag that takes a value.
    const fn taking(mut self, value: &'static str) -> Self {
        self.value = Some(value);
        self
    }

    const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Whether this is what somebody means by `--name`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.long == name || self.aliases.contains(&name)
    }

    /// The variable that can stand for it: `ONE_MCP_ALLOWED_HOSTS`.
    pub(crate) fn variable(&self) -> String {
        let name = self.long.replace('-', "_").to_ascii_uppercase();
        format!("ONE_MCP_{name}")
    }
}

/// Flags of every command, before or after it.
pub(crate) const GLOBAL: &[Flag] = &[
    value(
        "config",
        "FILE",
        "Configuration file; its directory becomes the configuration directory",
    )
    .short('c')
    .default("mcp.json in the directory"),
    value(
        "config-dir",
        "DIR",
        "Configuration directory; state is kept in DIR/state",
    )
    .short('d')
    .default("$XDG_CONFIG_HOME/1mcp or ~/.config/1mcp"),
    value("log-level", "LEVEL", "error, warn, info, debug or trace").default("info"),
    value("log-file", "FILE", "Append the log to FILE").default("stderr"),
    value("log-format", "FORMAT", "text or json").default("text"),
    switch("json", "Print one JSON document instead of text"),
    HELP,
    VERSION,
];

pub(crate) const HELP: Flag = switch("help", "Show help").short('h');
pub(crate) const VERSION: Flag = switch("version", "Show the version").short('V');

const SERVE: &[Flag] = &[
    value(
        "transport",
        "WAY",
        "stdio: one client on stdin and stdout; http: /mcp and /sse on a port",
    )
    .short('t')
    .default("http"),
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
    value(
        "tags",
        "A,B",
        "Serve only servers with one of these tags or names",
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
    .default("minimal"),
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
    switch(
        "no-config-reload",
        "Do not watch the configuration for changes",
    ),
    switch(
        "demo",
        "Serve a small built-in server instead of the configuration",
    ),
    later("enable-auth"),
    later("filter")
        .short('f')
        .taking("EXPR")
        .also(&["tag-filter"]),
    later("preset").taking("NAME"),
    later("trust-proxy").taking("WHOM"),
    later("ca-file").taking("PEM"),
];

const MCP_ADD: &[Flag] = &[
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

const MCP_LIST: &[Flag] = &[
    switch("show-disabled", "Show disabled servers too"),
    value("tags", "A,B", "Only servers with one of these tags"),
    switch(
        "show-secrets",
        "Show values of variables and headers, keys and passwords",
    ),
];

/// All commands.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        action: Action::Serve,
        words: &["serve"],
        operands: "",
        help: "Serve all configured servers as one",
        flags: SERVE,
        examples: &["1mcp serve --demo", "1mcp serve --transport stdio"],
        hidden: false,
    },
    Command {
        action: Action::McpAdd,
        words: &["mcp", "add"],
        operands: "NAME [-- COMMAND ARGS...]",
        help: "Add a server to the configuration",
        flags: MCP_ADD,
        examples: &[
            "1mcp mcp add files -- npx -y @modelcontextprotocol/server-filesystem /data",
            "1mcp mcp add remote --url https://mcp.example.com/mcp",
        ],
        hidden: false,
    },
    Command {
        action: Action::McpList,
        words: &["mcp", "list"],
        operands: "",
        help: "List the configured servers",
        flags: MCP_LIST,
        examples: &["1mcp mcp list --json"],
        hidden: false,
    },
    Command {
        action: Action::McpRemove,
        words: &["mcp", "remove"],
        operands: "NAME",
        help: "Remove a server from the configuration",
        flags: &[],
        examples: &["1mcp mcp remove files"],
        hidden: false,
    },
    Command {
        action: Action::Health,
        words: &["health"],
        operands: "",
        help: "Ask a running instance how it is: exit code 0 healthy, 1 not, 3 not running",
        flags: &[value("url", "URL", "Where it runs").default("http://127.0.0.1:3050")],
        examples: &["1mcp health --url http://127.0.0.1:4000"],
        hidden: false,
    },
    hidden(Action::Guard, &["__guard"]),
    hidden(Action::Demo, &["__demo"]),
    hidden(Action::ReadmeFlags, &["__readme-flags"]),
];

/// Commands that the contract promises and this version does not have.
pub(crate) const LATER: &[&[&str]] = &[
    &["app"],
    &["preset"],
    &["auth"],
    &["completions"],
    &["man"],
    &["proxy"],
    &["inspect"],
    &["run"],
    &["mcp", "status"],
    &["mcp", "update"],
    &["mcp", "enable"],
    &["mcp", "disable"],
    &["mcp", "tools"],
];

const fn hidden(action: Action, words: &'static [&'static str]) -> Command {
    Command {
        action,
        words,
        operands: "",
        help: "",
        flags: &[],
        examples: &[],
        hidden: true,
    }
}

/// The command without a name: `1mcp` alone serves.
pub(crate) const DEFAULT: &Command = &COMMANDS[0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_1_no_command_means_serve() {
        assert_eq!(DEFAULT.words, ["serve"]);
    }

    #[test]
    fn no_two_flags_of_a_command_can_be_confused() {
        for command in COMMANDS {
            let flags: Vec<&Flag> = GLOBAL.iter().chain(command.flags).collect();
            for (index, flag) in flags.iter().enumerate() {
                assert!(!flag.help.is_empty() && flag.long.len() > 1, "{flag:?}");
                for other in &flags[index + 1..] {
                    assert!(!other.is(flag.long), "{}", flag.long);
                    assert!(flag.short.is_none() || flag.short != other.short);
                }
            }
        }
    }
}
