//! The command line, read by the table: which command, which flags, which operands.
//!
//! Global flags may stand anywhere; so may those of `serve` before its (optional) name. Values are
//! only collected here; each command turns them into what it needs.

use std::ffi::{OsStr, OsString};

use lexopt::Arg;

use onemcp::config::mask;

use super::failure::Failure;
use super::suggest;
use super::table::{Action, COMMANDS, Command, DEFAULT, Flag, GLOBAL, HELP, LATER, VERSION};

/// A command line that was understood.
#[derive(Debug)]
pub(crate) struct Line {
    /// `None` for `--help` of a group.
    pub(crate) command: Option<&'static Command>,
    /// The words of the command as far as they were given.
    pub(crate) words: Vec<String>,
    /// What stands behind the command and is no flag.
    pub(crate) operands: Vec<OsString>,
    pub(crate) help: bool,
    pub(crate) version: bool,
    given: Vec<Given>,
}

/// One flag with its value, from the command line or from a variable.
#[derive(Debug)]
struct Given {
    flag: &'static Flag,
    value: OsString,
    /// `--port` or `ONE_MCP_PORT`.
    source: String,
    from_variable: bool,
}

/// Reads a command line (without the program's name); `variable` looks into the environment.
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Line, Failure> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut reader = Reader::default();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(result) = reader.next(&mut parser).transpose() {
        // Who asks for help gets it, whatever else is wrong.
        if !reader.help {
            result?;
        } else if result.is_err() {
            break;
        }
    }
    reader.finish(variable)
}

#[derive(Default)]
struct Reader {
    command: Option<&'static Command>,
    words: Vec<String>,
    operands: Vec<OsString>,
    given: Vec<Given>,
    help: bool,
    version: bool,
}

impl Reader {
    /// Takes one argument; `None` at the end.
    fn next(&mut self, parser: &mut lexopt::Parser) -> Result<Option<()>, Failure> {
        let (name, flag) = match parser.next().map_err(|error| self.lexical(&error))? {
            None => return Ok(None),
            Some(Arg::Value(word)) => return self.word(word).map(Some),
            Some(Arg::Long(name)) => (format!("--{name}"), self.find(|flag| flag.is(name))),
            Some(Arg::Short(short)) => (
                format!("-{short}"),
                self.find(|flag| flag.short == Some(short)),
            ),
        };
        if flag.is_none_or(|flag| *flag != HELP) {
            self.refuse_behind_command(&name)?;
        }
        let Some(flag) = flag else {
            return Err(self.unknown_flag(&name));
        };
        if *flag == HELP {
            self.help = true;
        } else if *flag == VERSION {
            self.version = true;
        } else {
            let value = match flag.value {
                Some(what) => parser
                    .value()
                    .map_err(|_| Failure::Usage(format!("{name} needs a value: {name} {what}")))?,
                None => OsString::from("true"),
            };
            self.given.push(Given {
                flag,
                value,
                source: name,
                from_variable: false,
            });
        }
        Ok(Some(()))
    }

    fn lexical(&self, error: &lexopt::Error) -> Failure {
        match error {
            lexopt::Error::UnexpectedValue { option, .. } => {
                Failure::Usage(format!("{option} takes no value"))
            }
            other => Failure::Usage(other.to_string()),
        }
    }

    /// The flags that can stand here.
    fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        let own = match self.command {
            Some(command) => command.flags,
            None if self.words.is_empty() => DEFAULT.flags,
            None => &[],
        };
        GLOBAL.iter().chain(own)
    }

    fn find(&self, matches: impl Fn(&Flag) -> bool) -> Option<&'static Flag> {
        self.flags().find(|flag| matches(flag))
    }

    /// `mcp add x npx -y pkg`: is `-y` ours or npx's? `mcp add x sh -c ..` would even find a flag
    /// of ours. Two dashes tell, and nothing is guessed.
    fn refuse_behind_command(&self, name: &str) -> Result<(), Failure> {
        let takes_command = |command: &Command| command.operands.contains("-- COMMAND");
        let Some(command) = self.command.filter(|command| takes_command(command)) else {
            return Ok(());
        };
        let [server, program, args @ ..] = &self.operands[..] else {
            return Ok(());
        };
        let words = command.words.join(" ");
        let (server, program) = (server.to_string_lossy(), program.to_string_lossy());
        let args: String = args
            .iter()
            .map(|arg| format!(" {}", arg.to_string_lossy()))
            .collect();
        Err(Failure::Usage(format!(
            "{name} stands behind the command {program}; put -- before the command, and flags of \
             1mcp before that: 1mcp {words} {server} -- {program}{args} {name} ..."
        )))
    }

    fn unknown_flag(&self, name: &str) -> Failure {
        let hint = match name.strip_prefix("--") {
            Some(long) => suggest::hint(long, self.flags().map(|flag| flag.long), "--"),
            None => String::new(),
        };
        let help = match self.command {
            Some(command) => format!("1mcp {} --help", command.words.join(" ")),
            None => "1mcp --help".to_owned(),
        };
        Failure::Usage(format!("unknown flag {name}{hint} (see {help})"))
    }

    fn word(&mut self, word: OsString) -> Result<(), Failure> {
        let shown = word.to_string_lossy().into_owned();
        if self.command.is_some() {
            match self.longer(&shown) {
                // Flags of `mcp tools` that were read before `disable` are refused at the end.
                Some(command) => {
                    self.command = Some(command);
                    self.words.push(shown);
                }
                None => self.operands.push(word),
            }
            return Ok(());
        }
        if self.words.is_empty() && shown == "help" {
            self.help = true;
            return Ok(());
        }
        let mut words = self.words.clone();
        words.push(shown.clone());
        let begins = |known: &[&str]| {
            known.len() >= words.len() && known.iter().zip(&words).all(|(a, b)| a == b)
        };
        if let Some(command) = COMMANDS.iter().find(|command| command.words == words) {
            self.command = Some(command);
        } else if LATER.iter().any(|known| *known == words) {
            let text = format!("{} comes in a later version", words.join(" "));
            return Err(Failure::Usage(text));
        } else if !COMMANDS.iter().any(|command| begins(command.words)) {
            let shown_commands = COMMANDS.iter().filter(|command| !command.hidden);
            let here =
                shown_commands.filter(|command| command.words.starts_with_words(&self.words));
            let candidates =
                here.filter_map(|command| command.words.get(self.words.len()).copied());
            let hint = suggest::hint(&shown, candidates, "");
            let text = format!(
                "unknown command {:?}{hint} (see 1mcp --help)",
                words.join(" ")
            );
            return Err(Failure::Usage(text));
        }
        self.words = words;
        Ok(())
    }

    /// The command that this word makes of the one before: `mcp tools` and `disable`.
    fn longer(&self, word: &str) -> Option<&'static Command> {
        let whole = self.words.iter().map(String::as_str).chain([word]);
        let mut commands = COMMANDS.iter();
        commands.find(|command| {
            self.operands.is_empty() && command.words.iter().copied().eq(whole.clone())
        })
    }

    fn finish(mut self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Line, Failure> {
        if self.command.is_none() && self.words.is_empty() && !self.help {
            self.command = Some(DEFAULT);
        }
        if !self.help && !self.version {
            let Some(command) = self.command else {
                let words = &self.words;
                let group = COMMANDS.iter().filter(|c| c.words.starts_with_words(words));
                let next = words.len();
                let names = group.filter_map(|c| c.words.get(next).copied());
                let mut names: Vec<&str> = names.collect();
                names.dedup();
                let group = words.join(" ");
                let names = names.join(", ");
                let text = format!("{group} needs one of {names} (see 1mcp {group} --help)");
                return Err(Failure::Usage(text));
            };
            // Flags of `serve` were read before another command's name was seen.
            let known: Vec<&Flag> = GLOBAL.iter().chain(command.flags).collect();
            if let Some(stray) = self.given.iter().find(|given| !known.contains(&given.flag)) {
                let text = format!("{} is no flag of {}", stray.source, command.words.join(" "));
                return Err(Failure::Usage(text));
            }
            self.take_variables(command, variable)?;
        }
        Ok(Line {
            command: self.command,
            words: self.words,
            operands: self.operands,
            help: self.help,
            version: self.version,
            given: self.given,
        })
    }

    /// Variables stand for the global flags and those of `serve`, and for no others: a variable
    /// must not answer questions or narrow other commands (contract 1). The command line beats
    /// them.
    fn take_variables(
        &mut self,
        command: &'static Command,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(), Failure> {
        let own: &[Flag] = match command.action {
            Action::Serve => command.flags,
            _ => &[],
        };
        for flag in GLOBAL.iter().chain(own) {
            if *flag == HELP || *flag == VERSION {
                continue;
            }
            let typed = self.given.iter().any(|given| given.flag == flag);
            for source in flag.variables() {
                let Some(value) = variable(&source).filter(|value| !value.is_empty()) else {
                    continue;
                };
                let value = match flag.value {
                    Some(_) => value,
                    None if truth(&value, &source)? => OsString::from("true"),
                    None => continue,
                };
                if !typed {
                    self.given.push(Given {
                        flag,
                        value,
                        source,
                        from_variable: true,
                    });
                }
            }
        }
        Ok(())
    }
}

fn truth(value: &OsStr, source: &str) -> Result<bool, Failure> {
    match value.to_str().map(str::to_ascii_lowercase).as_deref() {
        Some("1" | "true" | "yes" | "on") => Ok(true),
        Some("0" | "false" | "no" | "off") => Ok(false),
        _ => Err(Failure::Usage(format!("{source} must be true or false"))),
    }
}

trait StartsWithWords {
    fn starts_with_words(&self, words: &[String]) -> bool;
}

impl StartsWithWords for [&str] {
    fn starts_with_words(&self, words: &[String]) -> bool {
        self.len() >= words.len() && self.iter().zip(words).all(|(a, b)| a == b)
    }
}

impl Line {
    fn given(&self, long: &str) -> impl DoubleEndedIterator<Item = &Given> {
        self.given
            .iter()
            .filter(move |given| given.flag.long == long)
    }

    /// Whether a switch was set.
    pub(crate) fn is_set(&self, long: &str) -> bool {
        self.given(long).next().is_some()
    }

    /// Whether a flag has its value from a variable only.
    pub(crate) fn is_from_variable(&self, long: &str) -> bool {
        self.given(long).all(|given| given.from_variable)
    }

    /// The value of a flag as it was given; the last of several counts.
    pub(crate) fn raw(&self, long: &str) -> Option<&OsStr> {
        self.given(long)
            .next_back()
            .map(|given| given.value.as_os_str())
    }

    /// The value of a flag, turned into what is needed.
    pub(crate) fn get<T>(
        &self,
        long: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        match self.given(long).next_back() {
            Some(given) => given.read(&read).map(Some),
            None => Ok(None),
        }
    }

    /// Two spellings of a flag, or one given twice, that say different things: who gave them.
    pub(crate) fn contradiction(&self, long: &str) -> Option<(&str, &str)> {
        let first = self.given(long).next()?;
        let other = self.given(long).find(|given| given.value != first.value)?;
        Some((&first.source, &other.source))
    }

    /// The values of a flag that may be repeated.
    pub(crate) fn all<T>(
        &self,
        long: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Failure> {
        self.given(long).map(|given| given.read(&read)).collect()
    }

    /// All parts of lists like `a,b`.
    pub(crate) fn list(&self, long: &str) -> Result<Vec<String>, Failure> {
        let parts = self.all(long, |text| {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Ok(parts.map(str::to_owned).collect::<Vec<String>>())
        })?;
        Ok(parts.concat())
    }

    /// The one operand of a command that takes a name.
    pub(crate) fn one_name(&self, command: &str) -> Result<String, Failure> {
        match &self.operands[..] {
            [name] => Ok(name.to_string_lossy().into_owned()),
            [] => Err(Failure::Usage(format!(
                "{command} needs the name of a server (1mcp mcp list shows them)"
            ))),
            [_, ..] => Err(Failure::Usage(format!("{command} takes one name"))),
        }
    }

    /// Refuses operands where the command takes none.
    pub(crate) fn no_operands(&self) -> Result<(), Failure> {
        match self.operands.first() {
            None => Ok(()),
            Some(extra) => Err(Failure::Usage(format!(
                "unexpected {:?} after {}",
                extra.to_string_lossy(),
                self.words.join(" ")
            ))),
        }
    }
}

impl Given {
    fn read<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Failure> {
        let source = &self.source;
        let Some(text) = self.value.to_str() else {
            return Err(Failure::Usage(format!("{source} is not UTF-8")));
        };
        read(text).map_err(|expected| {
            let shown = mask::mistyped(text);
            Failure::Usage(format!("{source} must be {expected}, found {shown:?}"))
        })
    }
}

/// A whole number within bounds, for [`Line::get`].
pub(crate) fn number(min: u64, max: u64) -> impl Fn(&str) -> Result<u64, String> {
    // A range is helpful where its end can be remembered.
    const RANGE_MAX: u64 = 1_000_000;
    move |text| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u64> = text.parse().ok().filter(|_| digits);
        match number {
            Some(number) if (min..=max).contains(&number) => Ok(number),
            _ if max <= RANGE_MAX => Err(format!("a number from {min} to {max}")),
            Some(number) if number < min => Err(format!("at least {min}")),
            _ if digits => Err(format!("at most {max}")),
            _ => Err("a whole number".to_owned()),
        }
    }
}

/// One of several words, for [`Line::get`].
pub(crate) fn choice<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = choices.iter().find(|(name, _)| *name == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            format!("one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_with(args: &str, variables: &[(&str, &str)]) -> Result<Line, Failure> {
        parse(args.split_whitespace().map(OsString::from), |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn line(args: &str) -> Line {
        line_with(args, &[]).unwrap()
    }

    fn port(line: &Line) -> Option<u64> {
        line.get("port", number(0, 65_535)).unwrap()
    }

    #[track_caller]
    fn refused(args: &str, expected: &str) {
        match line_with(args, &[]) {
            Err(Failure::Usage(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    fn action(line: &Line) -> Action {
        line.command.unwrap().action
    }

    #[test]
    fn contract_1_no_command_is_serve() {
        assert_eq!(action(&line("")), Action::Serve);
        assert_eq!(port(&line("-P 5")), Some(5));
        assert_eq!(port(&line("--port=5 serve")), Some(5));
        assert_eq!(port(&line("-P5 serve -P6")), Some(6));
    }

    #[test]
    fn contract_1_global_flags_stand_anywhere() {
        for args in [
            "-c f mcp list",
            "mcp -c f list",
            "mcp list -cf",
            "mcp list --config=f",
        ] {
            let line = line(args);
            assert_eq!(action(&line), Action::McpList);
            assert_eq!(line.raw("config"), Some(OsStr::new("f")));
        }
        assert!(line("--json mcp list").is_set("json"));
    }

    #[test]
    fn the_longest_command_counts() {
        assert_eq!(action(&line("mcp tools")), Action::McpTools);
        let tools = line("mcp tools files disable");
        assert_eq!(action(&tools), Action::McpTools);
        assert_eq!(tools.operands, ["files", "disable"]);
        let disable = line("mcp tools disable files x");
        assert_eq!(action(&disable), Action::McpToolsDisable);
        assert_eq!(disable.operands, ["files", "x"]);
    }

    #[test]
    fn everything_behind_two_dashes_is_an_operand() {
        let line = line("mcp add x --env A=1 -- npx --port 5 -h");
        assert_eq!(line.operands, ["x", "npx", "--port", "5", "-h"]);
        assert!(!line.help);
    }

    #[test]
    fn contract_1_wrong_usage_says_what_was_meant() {
        refused(
            "--prot 5",
            "unknown flag --prot; did you mean --port? (see 1mcp --help)",
        );
        refused("serve --prot 5", "(see 1mcp serve --help)");
        refused("srve", "unknown command \"srve\"; did you mean serve?");
        refused("mcp lst", "unknown command \"mcp lst\"; did you mean list?");
        refused("mcp", "mcp needs one of add, list, status, remove");
        refused("--port", "--port needs a value: --port PORT");
        refused("--demo=yes", "--demo takes no value");
        refused("-x", "unknown flag -x");
        refused("--port 5 mcp list", "--port is no flag of mcp list");
        refused("mcp --port 5 list", "unknown flag --port");
        refused("health extra --bogus", "unknown flag --bogus");
    }

    #[test]
    fn contract_1_flags_behind_a_command_without_dashes_are_not_guessed_at() {
        refused("mcp add x npx -y pkg", "1mcp mcp add x -- npx -y ...");
        refused(
            "mcp add x sh script -c y",
            "1mcp mcp add x -- sh script -c ...",
        );
        refused("mcp update x npx --env A=1", "put -- before the command");
        assert!(line("mcp add x npx --help").help);
        assert_eq!(line("mcp add --env A=1 x npx").operands, ["x", "npx"]);
    }

    #[test]
    fn contract_1_what_comes_later_is_refused_not_ignored() {
        refused("proxy", "proxy comes in a later version");
        refused("preset", "preset needs one of create, list, show, edit");
        refused("auth", "auth needs one of set-password, client, tokens");
        refused("auth client", "auth client needs one of add, list, remove");
        refused("auth login", "unknown command");
        refused("auth client lsit", "did you mean list?");
    }

    #[test]
    fn contract_1_auth_can_be_enabled_by_a_variable() {
        let enabled = |value| line_with("", &[("ONE_MCP_ENABLE_AUTH", value)]);
        assert!(enabled("true").unwrap().is_set("enable-auth"));
        assert!(!enabled("0").unwrap().is_set("enable-auth"));
        assert_eq!(enabled("perhaps").unwrap_err().code(), 2);
    }

    #[test]
    fn contract_1_flag_beats_variable_beats_built_in() {
        let variables = [("ONE_MCP_PORT", "7"), ("ONE_MCP_ALLOWED_HOSTS", "a,b")];
        let from_variable = line_with("", &variables).unwrap();
        assert_eq!(port(&from_variable), Some(7));
        assert!(from_variable.is_from_variable("port"));
        assert_eq!(from_variable.list("allowed-hosts").unwrap(), ["a", "b"]);
        let typed = line_with("-P 8", &variables).unwrap();
        assert_eq!(port(&typed), Some(8));
        assert_eq!(port(&line_with("", &[("ONE_MCP_PORT", "")]).unwrap()), None);
        let bad = line_with("", &[("ONE_MCP_PORT", "x")]).unwrap();
        let error = bad.get("port", number(0, 9)).unwrap_err();
        assert!(
            error
                .line()
                .unwrap()
                .starts_with("ONE_MCP_PORT must be a number")
        );
    }

    #[test]
    fn contract_1_other_spellings_have_variables_too() {
        let also = ("ONE_MCP_TAG_FILTER", "web");
        let other = line_with("", &[also]).unwrap();
        assert_eq!(other.raw("filter"), Some(OsStr::new("web")));
        assert_eq!(other.contradiction("filter"), None);
        let same = line_with("", &[("ONE_MCP_FILTER", "web"), also]).unwrap();
        assert_eq!(same.contradiction("filter"), None);
        let two = line_with("", &[("ONE_MCP_FILTER", "db"), also]).unwrap();
        let sources = ("ONE_MCP_FILTER", "ONE_MCP_TAG_FILTER");
        assert_eq!(two.contradiction("filter"), Some(sources));
        let typed = line_with("-f db", &[also]).unwrap();
        assert_eq!(typed.raw("filter"), Some(OsStr::new("db")));
        assert_eq!(typed.contradiction("filter"), None);
    }

    #[test]
    fn contract_1_variables_stand_for_global_and_serve_flags_only() {
        let variables = [
            ("ONE_MCP_TAGS", "a"),
            ("ONE_MCP_FORCE", "1"),
            ("ONE_MCP_CONFIG_DIR", "/d"),
            ("ONE_MCP_HELP", "1"),
            ("ONE_MCP_UNKNOWN", "x"),
        ];
        let line = line_with("mcp add x c", &variables).unwrap();
        assert!(!line.is_set("tags") && !line.is_set("force") && !line.help);
        assert_eq!(line.raw("config-dir"), Some(OsStr::new("/d")));
        for (value, expected) in [("1", true), ("TRUE", true), ("no", false)] {
            let line = line_with("", &[("ONE_MCP_DEMO", value)]).unwrap();
            assert_eq!(line.is_set("demo"), expected);
        }
        assert_eq!(
            line_with("", &[("ONE_MCP_DEMO", "x")]).unwrap_err().code(),
            2
        );
    }

    #[test]
    fn who_asks_for_help_gets_it() {
        for args in ["-h", "help", "--help --bogus", "-h nonsense"] {
            let line = line(args);
            assert!(line.help && line.command.is_none(), "{args}");
        }
        for args in [
            "mcp add --help",
            "help mcp add",
            "--help mcp add",
            "mcp -h add --port",
        ] {
            let line = line(args);
            assert!(line.help && action(&line) == Action::McpAdd, "{args}");
        }
        let group = line("mcp --help");
        assert!(group.help && group.command.is_none() && group.words == ["mcp"]);
        assert!(line("-V").version && line("mcp -V").version);
    }

    #[cfg(unix)]
    #[test]
    fn text_that_is_not_utf8_is_named() {
        use std::os::unix::ffi::OsStrExt;
        let bad = OsStr::from_bytes(b"\xff").to_owned();
        let line = parse(["--host".into(), bad.clone()], |_| None).unwrap();
        let error = line.get("host", |text| Ok(text.to_owned())).unwrap_err();
        assert_eq!(error.line(), Some("--host is not UTF-8"));
        assert_eq!(line.raw("host"), Some(bad.as_os_str()));
        assert!(parse([bad], |_| None).is_err());
    }

    #[test]
    fn numbers_are_digits_only() {
        let read = number(1, 9);
        assert_eq!(read("9"), Ok(9));
        for bad in [
            "",
            "0",
            "10",
            "+5",
            "-5",
            "5 ",
            "5.0",
            "99999999999999999999999",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
