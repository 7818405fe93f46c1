//! The servers in an application's file: where they stand, and for each whether it is 1mcp itself,
//! can be carried over, or must stay.

use std::collections::BTreeSet;

use super::app::{Automatic, File, OWN_NAME};
use super::draft::Draft;
use super::plan::{OwnEntry, Request};
use super::tree::{self, Json};
use crate::base::url::Url;
use crate::config::entry;
use crate::config::environment::Environment;
use crate::config::itself::leads_to_one;
use crate::config::jsonc::{Kind, Value};
use crate::config::model::ReadError;
use crate::config::position::Positions;
use crate::config::recursion::runs_1mcp;
use crate::config::resolve;

/// What an application's file holds.
pub(super) struct Servers {
    /// The way that leads to them; they need not exist yet.
    pub(super) way: &'static [&'static str],
    /// Where their object or array stands, if it does.
    pub(super) at: Option<crate::json::span::Span>,
    /// Whether they are an array.
    pub(super) is_array: bool,
    /// All of the file.
    pub(super) file: Json,
    /// In file order.
    pub(super) entries: Vec<Server>,
}

/// One server.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) json: Json,
    pub(super) fate: Fate,
}

/// What becomes of a server.
pub(super) enum Fate {
    /// It is 1mcp.
    Own,
    /// It becomes an entry of ours.
    Carried(Carried),
    /// It stays; the end of a sentence that begins with its name.
    Kept(String),
}

/// An entry of ours, made of one of an application.
pub(super) struct Carried {
    pub(super) json: Json,
    /// Keys that it needs with us to be the same, and did not have.
    pub(super) added: Vec<&'static str>,
}

/// Reads the servers of a file.
pub(super) fn read(
    how: &Automatic,
    file: &File,
    request: &Request<'_>,
) -> Result<Servers, ReadError> {
    let text = request.app_text;
    let first = file.ways.first().copied().unwrap_or_default();
    let mut servers = Servers {
        way: first,
        at: None,
        is_array: file.is_array,
        file: Json::of_file(text)?,
        entries: Vec::new(),
    };
    let Some(root) = tree::parse(text)? else {
        return Ok(servers);
    };
    let reader = Reader {
        text,
        positions: Positions::new(text),
    };
    reader.need_object(&root, "the file")?;
    for way in file.ways {
        if let Some(value) = reader.follow(&root, way)? {
            servers.way = way;
            servers.at = Some(value.at);
            let found = match &value.kind {
                Kind::Null => Vec::new(),
                Kind::Array(_) if !file.is_array => {
                    return Err(reader.wrong(value, "an object", &way.join(".")));
                }
                Kind::Array(elements) => reader.array(elements)?,
                Kind::Object(_) => {
                    servers.is_array = false;
                    reader.object(value)?
                }
                Kind::Bool(_) | Kind::Number | Kind::String(_) => {
                    let expected = if file.is_array {
                        "an array"
                    } else {
                        "an object"
                    };
                    return Err(reader.wrong(value, expected, &way.join(".")));
                }
            };
            servers.entries = found
                .into_iter()
                .map(|(name, json)| {
                    let fate = fate(how, request, &servers.file, &name, &json);
                    Server { name, json, fate }
                })
                .collect();
            break;
        }
    }
    Ok(servers)
}

struct Reader<'a> {
    text: &'a [u8],
    positions: Positions<'a>,
}

impl Reader<'_> {
    fn error(&self, at: usize, message: String) -> ReadError {
        let (line, column) = self.positions.of(at);
        ReadError {
            line,
            column,
            message,
        }
    }

    fn wrong(&self, value: &Value, expected: &str, what: &str) -> ReadError {
        let message = format!("{what} must be {expected}, found {}", value.noun());
        self.error(value.at.start, message)
    }

    fn need_object(&self, value: &Value, what: &str) -> Result<(), ReadError> {
        match value.kind {
            Kind::Object(_) => Ok(()),
            _ => Err(self.wrong(value, "an object", what)),
        }
    }

    /// What is at the end of a way; `None` if a key on it is missing. What is no object before the
    /// end is an error: our entry could not be put there.
    fn follow<'v>(&self, root: &'v Value, way: &[&str]) -> Result<Option<&'v Value>, ReadError> {
        let mut value = root;
        let mut what = "the file";
        for key in way {
            self.need_object(value, what)?;
            let mut found = value.members().iter().filter(|member| member.key == *key);
            let Some(member) = found.next() else {
                return Ok(None);
            };
            if let Some(second) = found.next() {
                return Err(self.twice(key, second.key_at.start));
            }
            value = &member.value;
            what = key;
        }
        Ok(Some(value))
    }

    fn twice(&self, name: &str, at: usize) -> ReadError {
        let message = format!("{name:?} appears twice; remove one of the two first");
        self.error(at, message)
    }

    fn object(&self, servers: &Value) -> Result<Vec<(String, Json)>, ReadError> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for member in servers.members() {
            if !seen.insert(member.key.as_str()) {
                return Err(self.twice(&member.key, member.key_at.start));
            }
            found.push((member.key.clone(), Json::of(self.text, &member.value)));
        }
        Ok(found)
    }

    fn array(&self, elements: &[Value]) -> Result<Vec<(String, Json)>, ReadError> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let json = Json::of(self.text, element);
            let name = match json.get("name").and_then(Json::as_str) {
                Some(name) => name.to_owned(),
                None => format!("server {}", index + 1),
            };
            if !seen.insert(name.clone()) {
                return Err(self.twice(&name, element.at.start));
            }
            found.push((name, json));
        }
        Ok(found)
    }
}

/// Decides about one server.
fn fate(how: &Automatic, request: &Request<'_>, file: &Json, name: &str, json: &Json) -> Fate {
    if is_own(name, json, request) {
        return Fate::Own;
    }
    match carry(how, request, json) {
        Ok(mut carried) => {
            if !(how.lets_run)(file, name) {
                carried.json.set(&["disabled"], Json::Bool(true));
            }
            Fate::Carried(carried)
        }
        Err(reason) => Fate::Kept(reason),
    }
}

/// Whether an entry is 1mcp, in any spelling. The name is ours in every application.
fn is_own(name: &str, json: &Json, request: &Request<'_>) -> bool {
    let args = match json.get("command") {
        Some(command @ Json::Object(_)) => command.get("args"),
        _ => json.get("args"),
    };
    let args = args.map(Json::as_strings);
    let program = program(json).unwrap_or_default();
    let mut urls = ["url", "httpUrl", "serverUrl"]
        .iter()
        .filter_map(|key| json.get(key)?.as_str());
    let is_ours = |url: &str| {
        matches!(request.own, Some(OwnEntry::Url(own)) if own == url)
            || Url::parse(url).is_ok_and(|url| leads_to_one(&url, request.running))
    };
    name == OWN_NAME
        || runs_1mcp(program, &args.unwrap_or_default(), request.own_path)
        || urls.any(is_ours)
}

/// The program that an entry starts; the oldest of Zed have it one level deeper.
pub(super) fn program(json: &Json) -> Option<&str> {
    match json.get("command")? {
        command @ Json::Object(_) => command.get("path")?.as_str(),
        command => command.as_str(),
    }
}

/// An entry of ours, or why there is none.
fn carry(how: &Automatic, request: &Request<'_>, json: &Json) -> Result<Carried, String> {
    let Json::Object(members) = json else {
        return Err(format!("is {}, not an object", json.noun()));
    };
    let mut draft = Draft::new(members, request.around, request.level)?;
    (how.carry)(&mut draft)?;
    draft.directory()?;
    let (json, added) = draft.finish();
    check(&json)?;
    Ok(Carried { json, added })
}

/// Whether our reader takes an entry.
fn check(json: &Json) -> Result<(), String> {
    let text = json.text();
    let value = tree::parse(text.as_bytes()).map_err(|error| error.message)?;
    let Some(value) = value else {
        return Err("is empty".to_owned());
    };
    let (entry, wrong) = entry::read(text.as_bytes(), &value);
    if let Some(wrong) = wrong.first() {
        return Err(format!("cannot be read: {}", wrong.text));
    }
    match resolve::server("x", entry, &Environment::default()) {
        Ok(_) => Ok(()),
        Err(why) => Err(format!("cannot be read: it {why}")),
    }
}
