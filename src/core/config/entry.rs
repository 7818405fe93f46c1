//! One entry of `mcpServers` (or `serverDefaults`) as far as types go: which keys it has, each of
//! the right shape. Substitutes nothing and fills in no default: that is [`super::resolve`].

use std::collections::{BTreeMap, BTreeSet};

use super::jsonc::{Kind, Member, Value};
use super::model::Isolation;
use super::oauth::{self, OauthText};
use super::{headers, render, user_info};
use crate::base::gather;
use crate::json::span::Span;
use crate::mcp::version::Era;

/// Every known key; `None` where the entry says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) kind: Option<EntryKind>,
    pub(super) command: Option<String>,
    pub(super) args: Option<Vec<String>>,
    pub(super) cwd: Option<String>,
    pub(super) env: Option<BTreeMap<String, Variable>>,
    pub(super) inherit: Option<bool>,
    pub(super) env_filter: Option<Vec<String>>,
    pub(super) url: Option<String>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) oauth: Option<OauthText>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) disabled: Option<bool>,
    pub(super) disabled_tools: Option<Vec<String>>,
    pub(super) enabled_tools: Option<Vec<String>>,
    pub(super) tool_descriptions: Option<BTreeMap<String, String>>,
    pub(super) instructions: Option<String>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) connect_ms: Option<u64>,
    pub(super) request_ms: Option<u64>,
    pub(super) restart_on_exit: Option<bool>,
    pub(super) restarts_max: Option<u32>,
    pub(super) restart_delay_ms: Option<u64>,
    pub(super) prefix: Option<String>,
    pub(super) isolation: Option<Isolation>,
    pub(super) era: Option<Era>,
    pub(super) roots: Option<String>,
}

/// `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Stdio,
    Http,
    Sse,
}

/// One variable of `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// `"K": "V"`, `"K=V"`.
    Text(String),
    /// `"K"` in a list: passed on as it is around us, left out if it is not set there.
    Copied,
}

/// A key of the wrong type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: Span,
    pub(super) text: String,
}

type Read<T> = Result<T, Wrong>;

/// Reads an entry; wrong keys are left out and named. `null` counts as absent.
pub(super) fn read(text: &[u8], entry: &Value) -> (Entry, Vec<Wrong>) {
    let mut read = Entry::default();
    let mut wrong = Vec::new();
    if !matches!(entry.kind, Kind::Object(_)) {
        wrong.push(Wrong {
            at: entry.at,
            text: format!("must be an object, found {}", entry.noun()),
        });
    }
    let mut seen = BTreeSet::new();
    for member in entry.members() {
        if KEYS.contains(&member.key.as_str()) && !seen.insert(member.key.as_str()) {
            wrong.push(Wrong {
                at: member.key_at,
                text: format!("\"{}\" appears twice", member.key),
            });
        } else if member.value.kind != Kind::Null
            && let Err(error) = read.take(text, member)
        {
            wrong.push(Wrong {
                at: error.at,
                text: format!("\"{}\" {}", member.key, error.text),
            });
        }
    }
    (read, wrong)
}

/// The keys that [`Entry::take`] knows; others may appear as often as they like.
const KEYS: [&str; 27] = [
    "type",
    "command",
    "args",
    "cwd",
    "env",
    "inheritParentEnv",
    "envFilter",
    "url",
    "headers",
    "oauth",
    "tags",
    "disabled",
    "disabledTools",
    "enabledTools",
    "toolDescriptionOverrides",
    "instructionOverride",
    "timeout",
    "connectionTimeout",
    "requestTimeout",
    "restartOnExit",
    "maxRestarts",
    "restartDelay",
    "prefix",
    "isolation",
    "era",
    "roots",
    "transport",
];

impl Entry {
    fn take(&mut self, text: &[u8], member: &Member) -> Read<()> {
        let value = &member.value;
        match member.key.as_str() {
            "type" => self.kind = Some(choice(value, &KINDS)?),
            "command" => self.command = Some(filled(value)?),
            "args" => self.args = Some(strings(value)?),
            "cwd" => self.cwd = Some(filled(value)?),
            "env" => self.env = Some(variables(value)?),
            "inheritParentEnv" => self.inherit = Some(boolean(value)?),
            "envFilter" => self.env_filter = Some(strings(value)?),
            "url" => self.url = Some(url(value)?),
            "headers" => self.headers = Some(headers(value)?),
            "oauth" => {
                let read = oauth::read(value).map_err(|(at, text)| Wrong { at, text })?;
                self.oauth = Some(read);
            }
            "tags" => self.tags = Some(strings(value)?),
            "disabled" => self.disabled = Some(boolean(value)?),
            "disabledTools" => self.disabled_tools = Some(strings(value)?),
            "enabledTools" => self.enabled_tools = Some(strings(value)?),
            "toolDescriptionOverrides" => self.tool_descriptions = Some(string_map(value)?),
            "instructionOverride" => self.instructions = Some(string(value)?),
            "timeout" => self.timeout_ms = Some(milliseconds(text, value)?),
            "connectionTimeout" => self.connect_ms = Some(milliseconds(text, value)?),
            "requestTimeout" => self.request_ms = Some(milliseconds(text, value)?),
            "restartOnExit" => self.restart_on_exit = Some(boolean(value)?),
            "maxRestarts" => self.restarts_max = Some(number(text, value)?),
            "restartDelay" => self.restart_delay_ms = Some(milliseconds(text, value)?),
            "prefix" => self.prefix = Some(string(value)?),
            "isolation" => self.isolation = Some(choice(value, &ISOLATIONS)?),
            "era" => self.era = Some(choice(value, &ERAS)?),
            "roots" => self.roots = Some(roots(text, value)?),
            // `transport` is of other programs, unknown keys are of no concern.
            _ => {}
        }
        Ok(())
    }

    /// What this entry does not say is taken from the defaults; `env` is merged. What makes an
    /// entry this server and no other has no default.
    pub(super) fn or(self, defaults: &Self) -> Self {
        let env = match (self.env, &defaults.env) {
            (Some(own), Some(shared)) => {
                let mut merged = shared.clone();
                merged.extend(own);
                Some(merged)
            }
            (own, shared) => own.or_else(|| shared.clone()),
        };
        // The general timeout of an entry beats the special ones of the defaults.
        let connect_ms = self.connect_ms.or(self.timeout_ms).or(defaults.connect_ms);
        let request_ms = self.request_ms.or(self.timeout_ms).or(defaults.request_ms);
        Self {
            kind: self.kind,
            command: self.command,
            args: self.args,
            url: self.url,
            // A secret for one server's issuer is for no other.
            oauth: self.oauth,
            disabled: self.disabled,
            env,
            connect_ms,
            request_ms,
            timeout_ms: self.timeout_ms.or(defaults.timeout_ms),
            cwd: self.cwd.or_else(|| defaults.cwd.clone()),
            inherit: self.inherit.or(defaults.inherit),
            env_filter: self.env_filter.or_else(|| defaults.env_filter.clone()),
            headers: self.headers.or_else(|| defaults.headers.clone()),
            tags: self.tags.or_else(|| defaults.tags.clone()),
            disabled_tools: self
                .disabled_tools
                .or_else(|| defaults.disabled_tools.clone()),
            enabled_tools: self
                .enabled_tools
                .or_else(|| defaults.enabled_tools.clone()),
            tool_descriptions: self
                .tool_descriptions
                .or_else(|| defaults.tool_descriptions.clone()),
            instructions: self.instructions.or_else(|| defaults.instructions.clone()),
            restart_on_exit: self.restart_on_exit.or(defaults.restart_on_exit),
            restarts_max: self.restarts_max.or(defaults.restarts_max),
            restart_delay_ms: self.restart_delay_ms.or(defaults.restart_delay_ms),
            prefix: self.prefix.or_else(|| defaults.prefix.clone()),
            isolation: self.isolation.or(defaults.isolation),
            era: self.era.or(defaults.era),
            roots: self.roots.or_else(|| defaults.roots.clone()),
        }
    }
}

const KINDS: [(&str, EntryKind); 5] = [
    ("stdio", EntryKind::Stdio),
    ("http", EntryKind::Http),
    ("streamableHttp", EntryKind::Http),
    ("sse", EntryKind::Sse),
    // How VS Code and others spell it.
    ("streamable-http", EntryKind::Http),
];
const ISOLATIONS: [(&str, Isolation); 3] = [
    ("auto", Isolation::Auto),
    ("shared", Isolation::Shared),
    ("session", Isolation::Session),
];
const ERAS: [(&str, Era); 3] = [
    ("auto", Era::Auto),
    ("legacy", Era::Legacy),
    ("modern", Era::Modern),
];

fn wrong<T>(value: &Value, expected: &str) -> Read<T> {
    Err(Wrong {
        at: value.at,
        text: format!("must be {expected}, found {}", value.noun()),
    })
}

fn fault<T>(value: &Value, text: impl Into<String>) -> Read<T> {
    Err(Wrong {
        at: value.at,
        text: text.into(),
    })
}

fn text_of<'a>(value: &'a Value, expected: &str) -> Read<&'a str> {
    match &value.kind {
        // Neither arguments nor variables nor headers can hold one; the kernel cuts there.
        Kind::String(text) if text.contains('\0') => fault(value, "must not hold a NUL character"),
        Kind::String(text) => Ok(text),
        _ => wrong(value, expected),
    }
}

fn string(value: &Value) -> Read<String> {
    text_of(value, "a string").map(str::to_owned)
}

fn filled(value: &Value) -> Read<String> {
    match text_of(value, "a string")? {
        "" => fault(value, "must not be empty"),
        text => Ok(text.to_owned()),
    }
}

fn boolean(value: &Value) -> Read<bool> {
    match value.kind {
        Kind::Bool(is) => Ok(is),
        _ => wrong(value, "true or false"),
    }
}

fn elements<'a>(value: &'a Value, expected: &str) -> Read<&'a [Value]> {
    match &value.kind {
        Kind::Array(elements) => Ok(elements),
        _ => wrong(value, expected),
    }
}

fn strings(value: &Value) -> Read<Vec<String>> {
    let expected = "an array of strings";
    elements(value, expected)?
        .iter()
        .map(|element| text_of(element, expected).map(str::to_owned))
        .collect()
}

fn string_map(value: &Value) -> Read<BTreeMap<String, String>> {
    let expected = "an object of strings";
    if !matches!(value.kind, Kind::Object(_)) {
        return wrong(value, expected);
    }
    let mut map = BTreeMap::new();
    for member in value.members() {
        let text = text_of(&member.value, expected)?.to_owned();
        if map.insert(member.key.clone(), text).is_some() {
            let at = member.key_at;
            let text = format!("names {:?} twice", member.key);
            return Err(Wrong { at, text });
        }
    }
    Ok(map)
}

/// An `http` or `https` URL. What variables make of one is looked at when they are known.
fn url(value: &Value) -> Read<String> {
    let text = filled(value)?;
    match user_info::locate(&text) {
        Err(bad) if !text.contains('$') => fault(value, format!("cannot be used: {bad}")),
        _ => Ok(text),
    }
}

/// Header fields that can be sent, no name twice in any letter case.
fn headers(value: &Value) -> Read<BTreeMap<String, String>> {
    let map = string_map(value)?;
    let mut seen = BTreeSet::new();
    for member in value.members() {
        let (name, at) = (&member.key, member.key_at);
        // A value with a variable in it is looked at when the variable is known.
        let text = map.get(name).filter(|text| !text.contains('$'));
        let text = match headers::check(name, text.map_or("", String::as_str)) {
            Err(bad) => format!("cannot have {name:?}: {bad}"),
            Ok(()) if !seen.insert(name.to_ascii_lowercase()) => format!("names {name:?} twice"),
            Ok(()) => continue,
        };
        return Err(Wrong { at, text });
    }
    Ok(map)
}

/// `{"K": "V"}` or `["K=V", "K"]`.
fn variables(value: &Value) -> Read<BTreeMap<String, Variable>> {
    let expected = "an object of strings, or an array of \"NAME=value\" or \"NAME\"";
    let map: BTreeMap<String, Variable> = match &value.kind {
        Kind::Object(_) => {
            let texts = string_map(value)?.into_iter();
            gather::map(texts.map(|(name, text)| (name, Variable::Text(text))))
        }
        Kind::Array(elements) => {
            let mut map = BTreeMap::new();
            for element in elements {
                let text = text_of(element, expected)?;
                match text.split_once('=') {
                    Some((name, text)) => {
                        map.insert(name.to_owned(), Variable::Text(text.to_owned()))
                    }
                    None => map.insert(text.to_owned(), Variable::Copied),
                };
            }
            map
        }
        _ => return wrong(value, expected),
    };
    let bad = |name: &str| name.is_empty() || name.contains(['=', '\0']);
    match map.keys().find(|name| bad(name)) {
        Some(name) => fault(value, format!("holds {name:?}, which is no variable name")),
        None => Ok(map),
    }
}

fn choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Read<T> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let expected = format!("one of {}", names.join(", "));
    let text = text_of(value, &expected)?;
    match choices.iter().find(|(name, _)| *name == text) {
        Some((_, choice)) => Ok(*choice),
        None => fault(value, format!("must be {expected}, found {text:?}")),
    }
}

fn number<T: std::str::FromStr>(text: &[u8], value: &Value) -> Read<T> {
    let expected = "a whole number";
    if value.kind != Kind::Number {
        return wrong(value, expected);
    }
    // The grammar of JSON has no leading plus, so parse() sees digits, a minus, or a fraction.
    let digits = std::str::from_utf8(value.at.of(text)).unwrap_or_default();
    match digits.parse() {
        Ok(number) => Ok(number),
        Err(_) => fault(value, format!("must be {expected}, found {digits}")),
    }
}

fn milliseconds(text: &[u8], value: &Value) -> Read<u64> {
    match number(text, value)? {
        0 => fault(value, "must be at least 1 (milliseconds)"),
        ms => Ok(ms),
    }
}

/// A list of roots as a server is given it: every element names a `uri`.
fn roots(text: &[u8], value: &Value) -> Read<String> {
    let expected = "an array of objects with a \"uri\"";
    for element in elements(value, expected)? {
        match element.get("uri").map(|uri| &uri.kind) {
            Some(Kind::String(_)) => {}
            Some(_) | None => return wrong(element, expected),
        }
    }
    Ok(render::compact(text, value))
}
