//! Every command and flag, once: the parser, `--help` and the tables of the README are made from
//! this page and from nothing else. One file for each group of commands.

mod app;
mod auth;
mod mcp;
mod other;
mod preset;
mod serve;

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
    /// The values that it may have, if they are few; for completions.
    pub(crate) choices: &'static [&'static str],
    /// What holds without it, for the reader.
    pub(crate) default: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Serve,
    McpAdd,
    McpList,
    McpStatus,
    McpRemove,
    McpUpdate,
    McpEnable,
    McpDisable,
    McpTools,
    McpToolsDisable,
    McpToolsEnable,
    AppDiscover,
    AppList,
    AppStatus,
    AppConsolidate,
    AppBackups,
    AppRestore,
    PresetCreate,
    PresetList,
    PresetShow,
    PresetEdit,
    PresetDelete,
    PresetUrl,
    PresetTest,
    AuthSetPassword,
    AuthClientAdd,
    AuthClientList,
    AuthClientRemove,
    AuthTokensList,
    AuthTokensRevoke,
    Health,
    Completions,
    Man,
    /// `__complete`: what may stand at the cursor of a command line.
    Complete,
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
        choices: &[],
        default: "",
        help,
    }
}

const fn value(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag {
        value: Some(value),
        ..switch(long, help)
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

    const fn of(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = choices;
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
        variable(self.long)
    }

    /// That one, and those of its other spellings.
    pub(crate) fn variables(&self) -> impl Iterator<Item = String> + use<> {
        let aliases = self.aliases.iter().copied();
        std::iter::once(self.long).chain(aliases).map(variable)
    }
}

fn variable(long: &str) -> String {
    let name = long.replace('-', "_").to_ascii_uppercase();
    format!("ONE_MCP_{name}")
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
    value("log-level", "LEVEL", "error, warn, info, debug or trace")
        .default("info")
        .of(&["error", "warn", "info", "debug", "trace"]),
    value("log-file", "FILE", "Append the log to FILE").default("stderr"),
    value("log-format", "FORMAT", "text or json")
        .default("text")
        .of(&["text", "json"]),
    switch("json", "Print one JSON document instead of text"),
    HELP,
    VERSION,
];

pub(crate) const HELP: Flag = switch("help", "Show help").short('h');
pub(crate) const VERSION: Flag = switch("version", "Show the version").short('V');

/// All commands.
pub(crate) const COMMANDS: &[Command] = &[
    serve::SERVE,
    mcp::ADD,
    mcp::LIST,
    mcp::STATUS,
    mcp::REMOVE,
    mcp::UPDATE,
    mcp::ENABLE,
    mcp::DISABLE,
    mcp::TOOLS,
    mcp::TOOLS_DISABLE,
    mcp::TOOLS_ENABLE,
    app::DISCOVER,
    app::LIST,
    app::STATUS,
    app::CONSOLIDATE,
    app::BACKUPS,
    app::RESTORE,
    preset::CREATE,
    preset::LIST,
    preset::SHOW,
    preset::EDIT,
    preset::DELETE,
    preset::URL,
    preset::TEST,
    auth::SET_PASSWORD,
    auth::CLIENT_ADD,
    auth::CLIENT_LIST,
    auth::CLIENT_REMOVE,
    auth::TOKENS_LIST,
    auth::TOKENS_REVOKE,
    other::HEALTH,
    other::COMPLETIONS,
    other::MAN,
    hidden(Action::Complete, &["__complete"]),
    hidden(Action::Guard, &["__guard"]),
    hidden(Action::Demo, &["__demo"]),
    hidden(Action::ReadmeFlags, &["__readme-flags"]),
];

/// Commands that the contract promises and this version does not have.
pub(crate) const LATER: &[&[&str]] = &[&["proxy"], &["inspect"], &["run"]];

const fn hidden(action: Action, words: &'static [&'static str]) -> Command {
    Command {
        hidden: true,
        ..command(action, words, "")
    }
}

/// The command without a name: `1mcp` alone serves.
pub(crate) const DEFAULT: &Command = &COMMANDS[0];

/// The start of every command's entry.
const fn command(action: Action, words: &'static [&'static str], help: &'static str) -> Command {
    Command {
        action,
        words,
        operands: "",
        help,
        flags: &[],
        examples: &[],
        hidden: false,
    }
}

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
