//! Our side: entries come into `mcp.json` under names that are free, or are there already.

use super::plan::{AlreadyThere, Imported, Refusal};
use super::servers::Carried;
use super::texts;
use super::tree::{self, Json};
use crate::base::digest::{hex, sha256};
use crate::config::edit::{self, EditError};
use crate::config::entry::{self, Entry, EntryKind, Variable};
use crate::config::environment::Environment;
use crate::config::model::RemoteKind;
use crate::config::read::read;
use crate::config::resolve::{check_name, kind_of};
use crate::limits::{SERVER_NAME_BYTES_MAX, SERVERS_MAX};

/// `mcp.json` on its way to a new one.
pub(super) struct Merge<'a> {
    old: &'a [u8],
    file: Json,
    new: Vec<(String, Json)>,
}

/// What became of an entry.
pub(super) enum Placed {
    AlreadyThere(AlreadyThere),
    Imported(Imported),
}

impl<'a> Merge<'a> {
    pub(super) fn new(old: &'a [u8]) -> Result<Self, Refusal> {
        let file = Json::of_file(old).map_err(Refusal::Mcp)?;
        // What cannot be read now cannot be verified later.
        if !file.members().is_empty() {
            read(old, &Environment::default()).map_err(Refusal::Mcp)?;
        }
        Ok(Self {
            old,
            file,
            new: Vec::new(),
        })
    }

    fn known(&self, name: &str) -> Option<&Json> {
        let old = self.file.get("mcpServers").and_then(|it| it.get(name));
        let mut new = self.new.iter();
        old.or_else(|| new.find(|(known, _)| known == name).map(|(_, json)| json))
    }

    /// Finds a name for an entry: its own, else one with the application's, else with a number.
    pub(super) fn place(&mut self, name_in_app: &str, app: &str, carried: &Carried) -> Placed {
        let own = valid_name(name_in_app);
        let with_app = join(&own, app);
        let mut number = 1usize;
        let mut name = own.clone();
        loop {
            match self.known(&name) {
                None => break,
                Some(known) if is_same(known, carried) => {
                    let name_in_app = name_in_app.to_owned();
                    return Placed::AlreadyThere(AlreadyThere { name_in_app, name });
                }
                Some(_) => {}
            }
            name = match number {
                1 => with_app.clone(),
                _ => join(&with_app, &number.to_string()),
            };
            number += 1;
        }
        let renamed = if name != own {
            Some(format!("mcp.json has another server {own}"))
        } else if own != name_in_app {
            check_name(name_in_app).err().map(str::to_owned)
        } else {
            None
        };
        self.new.push((name.clone(), carried.json.clone()));
        Placed::Imported(Imported {
            name_in_app: name_in_app.to_owned(),
            name,
            renamed,
            is_stdio: carried.json.get("command").is_some(),
            is_disabled: carried.json.get("disabled") == Some(&Json::Bool(true)),
            fingerprint: fingerprint(&carried.json),
        })
    }

    /// The new text, read back.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, Refusal> {
        let mut text = self.old.to_vec();
        if self.new.is_empty() {
            return Ok(text);
        }
        let count = self
            .file
            .get("mcpServers")
            .map_or(0, |it| it.members().len());
        if count + self.new.len() > SERVERS_MAX {
            return Err(Refusal::TooMany);
        }
        let is_first = self.file.get("mcpServers").is_none();
        for (name, json) in &self.new {
            let path = ["mcpServers", name.as_str()];
            self.file.set(&path, json.clone());
            if !is_first {
                text = edit::set(&text, &path, &json.text()).map_err(refusal)?;
            }
        }
        if is_first {
            let all = Json::Object(self.new.clone());
            text = edit::set(&text, &["mcpServers"], &all.text()).map_err(refusal)?;
        }
        let not_as_meant = Refusal::NotAsMeant("mcp.json");
        let all_read = read(&text, &Environment::default()).is_ok_and(|config| {
            self.new.iter().all(|(name, _)| {
                let mut servers = config.servers.iter();
                servers.any(|server| *server.name == **name)
            })
        });
        if all_read && Json::of_file(&text).as_ref() == Ok(&self.file) {
            Ok(text)
        } else {
            Err(not_as_meant)
        }
    }

    /// Whether `serverDefaults` says something that changes what is imported.
    pub(super) fn has_defaults(&self) -> bool {
        let defaults = self.file.get("serverDefaults");
        ["env", "cwd", "envFilter", "inheritParentEnv"]
            .iter()
            .any(|key| {
                let value = defaults.and_then(|it| it.get(key));
                value.is_some_and(|value| *value != Json::Object(Vec::new()))
            })
    }
}

fn refusal(error: EditError) -> Refusal {
    match error {
        EditError::NotJson(error)
        | EditError::NotAnObject(error)
        | EditError::NotAnArray(error)
        | EditError::Twice(error) => Refusal::Mcp(error),
        EditError::TooMuch(why) => Refusal::NoRoom("mcp.json", why.to_string()),
        _ => Refusal::NotAsMeant("mcp.json"),
    }
}

/// Hexadecimal SHA-256 of a definition, however it is written.
pub(super) fn fingerprint(json: &Json) -> String {
    hex(&sha256(&[json.canonical().as_bytes()]))
}

/// A name that we take, as near to the given one as possible.
fn valid_name(name: &str) -> String {
    let mut valid = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '_' | '-') {
            valid.push(character);
        } else if !valid.ends_with('-') {
            valid.push('-');
        }
    }
    if valid != name {
        valid = valid.trim_matches('-').to_owned();
    }
    while valid.contains("_1mcp_") {
        valid = valid.replace("_1mcp_", "-1mcp-");
    }
    valid.truncate(SERVER_NAME_BYTES_MAX);
    match valid.as_str() {
        "" => "server".to_owned(),
        "1mcp" => "1mcp-server".to_owned(),
        _ => valid,
    }
}

/// Both with a dash, the first one shortened if need be.
fn join(name: &str, suffix: &str) -> String {
    let room = SERVER_NAME_BYTES_MAX.saturating_sub(suffix.len() + 1);
    let name: String = name.chars().take(room).collect();
    format!("{name}-{suffix}")
}

/// Whether a server of ours is what an application's entry says: it starts or reaches the same, and
/// offers no more tools. Timeouts, tags and the like are ours to choose.
fn is_same(known: &Json, carried: &Carried) -> bool {
    let (Some(known), Some(new)) = (entry_of(known), entry_of(&carried.json)) else {
        return false;
    };
    let was_added = |key: &str| carried.added.contains(&key);
    let cwd = text(known.cwd.as_ref()) == text(new.cwd.as_ref())
        || (was_added("cwd") && known.cwd.is_none());
    let inherit = was_added("inheritParentEnv")
        || known.inherit.unwrap_or_default() == new.inherit.unwrap_or_default();
    let runs = new.disabled.unwrap_or_default() || !known.disabled.unwrap_or_default();
    let no_new_tools = (new.enabled_tools.is_none() || known.enabled_tools == new.enabled_tools)
        && (new.disabled_tools.is_none() || known.disabled_tools == new.disabled_tools);
    kind(&known) == kind(&new)
        && text(known.command.as_ref()) == text(new.command.as_ref())
        && text(known.url.as_ref()) == text(new.url.as_ref())
        && all(known.args.iter().flatten()) == all(new.args.iter().flatten())
        && env(&known) == env(&new)
        && headers(&known) == headers(&new)
        && cwd
        && inherit
        && runs
        && no_new_tools
}

fn entry_of(json: &Json) -> Option<Entry> {
    let text = json.text();
    let value = tree::parse(text.as_bytes()).ok()??;
    let (entry, wrong) = entry::read(text.as_bytes(), &value);
    wrong.is_empty().then_some(entry)
}

fn kind(entry: &Entry) -> EntryKind {
    let of_url = entry
        .url
        .as_deref()
        .map_or(EntryKind::Stdio, |url| match kind_of(url) {
            RemoteKind::Http => EntryKind::Http,
            RemoteKind::Sse => EntryKind::Sse,
        });
    entry.kind.unwrap_or(of_url)
}

fn text(value: Option<&String>) -> Option<String> {
    value.map(|value| texts::canonical(value))
}

fn all<'a>(values: impl Iterator<Item = &'a String>) -> Vec<String> {
    values.map(|value| texts::canonical(value)).collect()
}

fn env(entry: &Entry) -> Vec<(&String, Option<String>)> {
    let variables = entry.env.iter().flatten();
    variables
        .map(|(name, variable)| match variable {
            Variable::Text(value) => (name, Some(texts::canonical(value))),
            Variable::Copied => (name, None),
        })
        .collect()
}

fn headers(entry: &Entry) -> Vec<(&String, String)> {
    let headers = entry.headers.iter().flatten();
    headers
        .map(|(name, value)| (name, texts::canonical(value)))
        .collect()
}
