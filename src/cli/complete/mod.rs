//! What may stand at the cursor of a command line that is being typed, from the table of commands.
//!
//! The scripts for the shells ask the program itself (`1mcp __complete -- WORDS`), so they know
//! every command of the version that is installed and the servers that are configured. Never
//! fails: a line that makes no sense has no candidates.

mod scripts;
mod typed;

pub(crate) use scripts::{SHELLS, script};

use onemcp::config::apps;

use super::table::{Action, COMMANDS, Command, DEFAULT, Flag, GLOBAL};
use typed::Typed;

/// One thing that may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    /// This word.
    Word {
        /// As it is to be typed.
        text: String,
        /// One line about it; may be empty.
        help: String,
    },
    /// The name of a file.
    Files,
    /// The name of a directory.
    Directories,
    /// The name of a program.
    Programs,
}

/// What is configured, looked up only if it matters.
pub(crate) trait World {
    /// The servers that a command can be about.
    fn servers(&self, which: Servers) -> Vec<String>;
    /// The tools of a server: those that are offered, or those that are not.
    fn tools(&self, server: &str, offered: bool) -> Vec<String>;
    /// The names of all presets.
    fn presets(&self) -> Vec<String>;
    /// The names of clients, and the ids of those without a name of their own.
    fn clients(&self) -> Vec<String>;
    /// The ids of what clients were given.
    fn tokens(&self) -> Vec<String>;
}

/// Which servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    All,
    Enabled,
    Disabled,
}

/// What may stand in the place of the last word; the words before it are those behind `1mcp`.
pub(crate) fn candidates(words: &[String], world: &dyn World) -> Vec<Candidate> {
    let (words, apart) = typed::join(words);
    let Some((current, before)) = words.split_last() else {
        return Vec::new();
    };
    let typed = Typed::read(before);
    if let Some(flag) = typed.pending {
        return matching(values(flag, world), current, "");
    }
    if typed.dashes {
        return behind_dashes(&typed);
    }
    if let Some((name, value)) = current
        .strip_prefix("--")
        .and_then(|rest| rest.split_once('='))
    {
        let Some(flag) = typed.flags().find(|flag| flag.is(name)) else {
            return Vec::new();
        };
        // Bash takes `=` for a border between words, the others do not.
        let before = if apart {
            String::new()
        } else {
            format!("--{name}=")
        };
        return matching(values(flag, world), value, &before);
    }
    if current.starts_with('-') {
        return matching(flags(&typed), current, "");
    }
    let mut found = next_words(&typed);
    if let Some(command) = typed.command {
        found.extend(operands(command, &typed, world));
    }
    matching(found, current, "")
}

/// Those that begin with what is typed already; what is looked up by the shell stays.
fn matching(found: Vec<Candidate>, begin: &str, before: &str) -> Vec<Candidate> {
    let mut kept = Vec::new();
    for candidate in found {
        match candidate {
            Candidate::Word { text, help } if text.starts_with(begin) => {
                let text = format!("{before}{text}");
                kept.push(Candidate::Word { text, help });
            }
            Candidate::Word { .. } => {}
            other => kept.push(other),
        }
    }
    kept
}

fn word(text: &str, help: &str) -> Candidate {
    Candidate::Word {
        text: text.to_owned(),
        help: help.to_owned(),
    }
}

fn values(flag: &Flag, world: &dyn World) -> Vec<Candidate> {
    match flag.value {
        _ if !flag.choices.is_empty() => flag.choices.iter().map(|text| word(text, "")).collect(),
        Some("FILE" | "PEM") => vec![Candidate::Files],
        Some("DIR") => vec![Candidate::Directories],
        Some("PRESET") => {
            let presets = world.presets();
            presets.iter().map(|text| word(text, "")).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

fn flags(typed: &Typed<'_>) -> Vec<Candidate> {
    typed
        .flags()
        .map(|flag| word(&format!("--{}", flag.long), flag.help))
        .collect()
}

/// The words that continue what is typed: commands, and commands of a group.
fn next_words(typed: &Typed<'_>) -> Vec<Candidate> {
    if !typed.operands.is_empty() {
        return Vec::new();
    }
    let depth = typed.words.len();
    let mut found: Vec<Candidate> = Vec::new();
    for command in COMMANDS.iter().filter(|command| !command.hidden) {
        let begins = command.words.iter().zip(&typed.words).all(|(a, b)| a == b);
        let Some(next) = command.words.get(depth).filter(|_| begins) else {
            continue;
        };
        let is_whole = command.words.len() == depth + 1;
        let is_known =
            |known: &Candidate| matches!(known, Candidate::Word { text, .. } if text == next);
        if !found.iter().any(is_known) {
            found.push(word(next, if is_whole { command.help } else { "" }));
        }
    }
    found
}

/// What the operands of a command are: its servers, tools, applications, words.
fn operands(command: &Command, typed: &Typed<'_>, world: &dyn World) -> Vec<Candidate> {
    let spec = command.operands.replace(['[', ']'], " ");
    let names: Vec<&str> = spec
        .split_whitespace()
        .take_while(|name| *name != "--")
        .collect();
    let at = typed.operands.len();
    let Some(name) = names
        .get(at)
        .or_else(|| names.last().filter(|name| name.ends_with("...")))
    else {
        return Vec::new();
    };
    let words: Vec<String> = match name.trim_end_matches('.') {
        // A new name is for the person to find.
        "NAME" if command.action == Action::McpAdd => Vec::new(),
        "NAME" | "SERVER" => world.servers(match command.action {
            Action::McpEnable => Servers::Disabled,
            Action::McpDisable => Servers::Enabled,
            _ => Servers::All,
        }),
        "TOOL" => {
            let offered = command.action == Action::McpToolsDisable;
            let server = typed.operands.first().copied().unwrap_or_default();
            world.tools(server, offered)
        }
        "PRESET" => world.presets(),
        "CLIENT" => world.clients(),
        "TOKEN" => world.tokens(),
        "APP" => apps::all().iter().map(|app| app.id.to_owned()).collect(),
        "FILE" => return vec![Candidate::Files],
        choices if choices.contains('|') => choices.split('|').map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let is_new = |text: &String| !typed.operands.contains(&text.as_str());
    words
        .iter()
        .filter(|text| is_new(text))
        .map(|text| word(text, ""))
        .collect()
}

/// `mcp add x -- npx FILE`.
fn behind_dashes(typed: &Typed<'_>) -> Vec<Candidate> {
    let takes = |command: &Command| command.operands.contains("-- COMMAND");
    match typed.operands.len() {
        _ if !typed.command.is_some_and(takes) => Vec::new(),
        0 => Vec::new(),
        1 => vec![Candidate::Programs],
        _ => vec![Candidate::Files],
    }
}

impl Typed<'_> {
    /// The flags that can stand here.
    fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        let own = match self.command {
            Some(command) => command.flags,
            None if self.words.is_empty() => DEFAULT.flags,
            None => &[],
        };
        own.iter().chain(GLOBAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Few;

    impl World for Few {
        fn servers(&self, which: Servers) -> Vec<String> {
            let names: &[&str] = match which {
                Servers::All => &["files", "fetch", "off"],
                Servers::Enabled => &["files", "fetch"],
                Servers::Disabled => &["off"],
            };
            names.iter().map(|name| (*name).to_owned()).collect()
        }

        fn tools(&self, server: &str, offered: bool) -> Vec<String> {
            assert_eq!(server, "files");
            vec![if offered { "read" } else { "write" }.to_owned()]
        }

        fn presets(&self) -> Vec<String> {
            vec!["dev".to_owned(), "prod".to_owned()]
        }

        fn clients(&self) -> Vec<String> {
            vec!["claude".to_owned()]
        }

        fn tokens(&self) -> Vec<String> {
            vec!["AAAA".to_owned()]
        }
    }

    /// The line up to the cursor; a blank at its end begins a new word.
    fn at(line: &str) -> Vec<Candidate> {
        let words: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
        candidates(&words, &Few)
    }

    #[track_caller]
    fn offers(line: &str, expected: &str) {
        let texts = at(line).into_iter().map(|candidate| match candidate {
            Candidate::Word { text, .. } => text,
            Candidate::Files => ":files".to_owned(),
            Candidate::Directories => ":directories".to_owned(),
            Candidate::Programs => ":programs".to_owned(),
        });
        assert_eq!(texts.collect::<Vec<_>>().join(" "), expected, "{line:?}");
    }

    #[test]
    fn commands_and_their_groups() {
        offers("1mcp ", "serve mcp app preset auth health completions man");
        offers("1mcp preset ", "create list show edit delete url test");
        offers("1mcp auth ", "set-password client tokens");
        offers("1mcp auth client ", "add list remove");
        offers("1mcp auth client add ", "");
        offers("1mcp auth client add x --re", "--redirect");
        offers("1mcp he", "health");
        offers(
            "1mcp mcp ",
            "add list status remove update enable disable tools",
        );
        offers("1mcp -c x mcp e", "enable");
        offers("1mcp mcp tools d", "disable");
        offers("1mcp mcp list ", "");
        offers("1mcp nonsense ", "");
        let Some(Candidate::Word { help, .. }) = at("1mcp hea").pop() else {
            panic!("no candidate");
        };
        assert!(help.starts_with("Ask a running instance"));
    }

    #[test]
    fn flags_of_the_command_and_of_all() {
        offers("1mcp --pa", "--pagination");
        offers("1mcp mcp --pa", "");
        offers(
            "1mcp mcp add x --restart",
            "--restart-on-exit --restart-delay",
        );
        offers(
            "1mcp --json mcp list --sho",
            "--show-disabled --show-secrets",
        );
        offers("1mcp serve --enable", "--enable-auth");
        offers("1mcp mcp add x -- npx --re", ":files");
    }

    #[test]
    fn values_with_a_known_set_and_file_names() {
        offers("1mcp --log-level ", "error warn info debug trace");
        offers("1mcp mcp list --log-level=d", "--log-level=debug");
        offers("1mcp mcp list --log-level = d", "debug");
        offers("1mcp mcp list --log-level =", "error warn info debug trace");
        offers("1mcp serve -t ", "stdio http");
        offers("1mcp mcp add x --type s", "stdio sse");
        offers("1mcp --config ", ":files");
        offers("1mcp -d ", ":directories");
        offers("1mcp --port ", "");
        offers("1mcp mcp list --nonsense=", "");
    }

    #[test]
    fn operands_are_servers_tools_applications_and_words() {
        offers("1mcp mcp remove f", "files fetch");
        offers("1mcp mcp remove files ", "");
        offers("1mcp mcp enable ", "off");
        offers("1mcp mcp disable ", "files fetch");
        offers("1mcp mcp add ", "");
        offers("1mcp mcp tools f", "files fetch");
        offers("1mcp mcp tools disable files ", "read");
        offers("1mcp mcp tools enable files ", "write");
        offers(
            "1mcp app consolidate cl",
            "claude-desktop claude-code cline",
        );
        offers(
            "1mcp app consolidate claude-desktop cl",
            "claude-code cline",
        );
        offers("1mcp preset show ", "dev prod");
        offers("1mcp preset create ", "");
        offers("1mcp serve --preset p", "prod");
        offers("1mcp auth client remove c", "claude");
        offers("1mcp auth tokens revoke ", "AAAA");
        offers("1mcp completions ", "bash zsh fish");
        offers("1mcp mcp add x -- ", ":programs");
        offers("1mcp mcp add x -- npx ", ":files");
        offers("1mcp mcp list -- ", "");
    }

    #[test]
    fn nothing_that_is_typed_is_a_failure() {
        for line in [
            "1mcp",
            "1mcp = =",
            "1mcp --",
            "1mcp -",
            "1mcp --=x",
            "1mcp mcp add -- -- -",
        ] {
            let _candidates = at(line);
        }
    }
}
