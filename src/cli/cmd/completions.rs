//! `completions`: the script of a shell; and the answers to what that script asks.

use onemcp::config;
use onemcp::config::jsonc::{self, Dialect, Kind, Value};

use super::{auth, config_file, known_tools, preset};
use crate::cli::args::{self, Line};
use crate::cli::complete::{self, Candidate, Servers, World};
use crate::cli::failure::Failure;
use crate::cli::places::{self, Places};
use crate::cli::terminal::readable;
use crate::cli::{out, suggest, variable};

/// Prints the script.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let names = || complete::SHELLS.map(|(name, _)| name);
    let shell = match &line.operands[..] {
        [shell] => shell.to_string_lossy(),
        _ => {
            let text = format!(
                "completions needs the name of a shell, one of {}",
                names().join(", ")
            );
            return Err(Failure::Usage(text));
        }
    };
    let Some(script) = complete::script(&shell) else {
        let hint = suggest::hint(&shell, names(), "");
        let text = format!(
            "there are no completions for {shell:?}, only for {}{hint}",
            names().join(", ")
        );
        return Err(Failure::Usage(text));
    };
    out::result(script).map(|()| 0)
}

/// `__complete`: candidates for the last of these words, one a line.
pub(crate) fn answer(line: &Line) -> Result<u8, Failure> {
    let words = line.operands.iter();
    let words: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let world = Configured {
        places: places_of(&words),
    };
    let mut text = String::new();
    for candidate in complete::candidates(&words, &world) {
        match candidate {
            Candidate::Word { text: word, help } => {
                text.push_str(&readable(&word));
                if !help.is_empty() {
                    text.push('\t');
                    text.push_str(&readable(&help));
                }
            }
            Candidate::Files => text.push_str(":files"),
            Candidate::Directories => text.push_str(":directories"),
            Candidate::Programs => text.push_str(":programs"),
        }
        text.push('\n');
    }
    out::result(&text).map(|()| 0)
}

/// The configuration that the typed line is about, as far as that can be told.
fn places_of(words: &[String]) -> Option<Places> {
    let before = words.split_last().map_or(&[][..], |(_, before)| before);
    let typed = args::parse(before.iter().map(Into::into), variable);
    let usual = || args::parse(["mcp".into(), "list".into()], variable);
    let line = typed.or_else(|_| usual()).ok()?;
    places::resolve(&line, variable).ok()
}

struct Configured {
    places: Option<Places>,
}

impl World for Configured {
    fn servers(&self, which: Servers) -> Vec<String> {
        let Some(root) = self.read() else {
            return Vec::new();
        };
        let servers = root.get("mcpServers").map(Value::members);
        let is_disabled = |entry: &Value| {
            let disabled = entry.get("disabled").map(|value| &value.kind);
            matches!(disabled, Some(Kind::Bool(true)))
        };
        let wanted = servers
            .unwrap_or_default()
            .iter()
            .filter(|server| match which {
                Servers::All => true,
                Servers::Enabled => !is_disabled(&server.value),
                Servers::Disabled => is_disabled(&server.value),
            });
        wanted.map(|server| server.key.clone()).collect()
    }

    fn tools(&self, server: &str, offered: bool) -> Vec<String> {
        self.tools_of(server, offered).unwrap_or_default()
    }

    fn presets(&self) -> Vec<String> {
        let presets = self.places.as_ref().map(preset::completions);
        presets.unwrap_or_default()
    }

    fn clients(&self) -> Vec<String> {
        let clients = self.places.as_ref().map(auth::client::completions);
        clients.unwrap_or_default()
    }

    fn tokens(&self) -> Vec<String> {
        let tokens = self.places.as_ref().map(auth::tokens::completions);
        tokens.unwrap_or_default()
    }
}

impl Configured {
    fn read(&self) -> Option<Value> {
        let text = config_file::read(&self.places.as_ref()?.config_file).ok()??;
        jsonc::parse(&text, Dialect::Relaxed).ok()
    }

    fn tools_of(&self, name: &str, offered: bool) -> Option<Vec<String>> {
        let places = self.places.as_ref()?;
        let text = config_file::read(&places.config_file).ok()??;
        let config = config::read(&text, &config_file::environment(places)).ok()?;
        let server = config.servers.iter().find(|server| &*server.name == name)?;
        Some(match known_tools::of(places, server) {
            Some(tools) => {
                let wanted = tools.into_iter().filter(|tool| tool.offered == offered);
                wanted.map(|tool| tool.name).collect()
            }
            // Never seen running: what the entry itself names is known all the same.
            None if offered => server.enabled_tools.clone().unwrap_or_default(),
            None => server.disabled_tools.clone(),
        })
    }
}
