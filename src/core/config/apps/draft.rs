//! An entry of an application on its way to an entry of ours. Each application's file says in
//! which steps; the steps are here.

use std::collections::BTreeSet;

use super::places::{Level, Platform, Surroundings};
use super::texts::{self, Text};
use super::tree::Json;
use crate::config::model::RemoteKind;
use crate::config::resolve::kind_of;

/// Done, or why the entry cannot be carried over; the end of a sentence that begins with its name.
pub(super) type Step = Result<(), String>;

/// What the handshake is given at least, milliseconds: where a timeout is for calls only, the
/// applications wait so long for a server that starts.
const HANDSHAKE_MS: f64 = 60_000.0;
/// Longer timeouts are not believed, milliseconds.
const TIMEOUT_MS_MAX: f64 = 1e12;

/// The members of an entry.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    members: Vec<(String, Json)>,
    /// Keys that the entry did not have and needs with us to be the same.
    added: Vec<&'static str>,
    pub(super) around: &'a Surroundings,
    level: Level,
}

/// What a URL without a type means to an application.
#[derive(Clone, Copy, Debug)]
pub(super) enum Untyped {
    /// Both are tried: we look at the URL.
    Either,
    /// HTTP+SSE.
    Sse,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        members: &[(String, Json)],
        around: &'a Surroundings,
        level: Level,
    ) -> Result<Self, String> {
        // A file of a project may come from anybody, and may have a million members.
        let mut seen = BTreeSet::new();
        for (key, _) in members {
            if !seen.insert(key.as_str()) {
                return Err(format!("has {key:?} twice"));
            }
        }
        let mut draft = Self {
            members: members.to_vec(),
            added: Vec::new(),
            around,
            level,
        };
        // Forms of settings leave such keys behind; they say nothing.
        for key in ["cwd", "url", "httpUrl", "serverUrl"] {
            if draft.text(key) == Some("") {
                draft.take(key);
            }
        }
        Ok(draft)
    }

    /// The entry as it is now, and the keys that were added.
    pub(super) fn finish(self) -> (Json, Vec<&'static str>) {
        (Json::Object(self.members), self.added)
    }

    /// A value that is there and not `null`.
    pub(super) fn get(&self, key: &str) -> Option<&Json> {
        let mut members = self.members.iter();
        members
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
            .filter(|value| **value != Json::Null)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Json::as_str)
    }

    pub(super) fn is_stdio(&self) -> bool {
        self.get("command").is_some()
    }

    /// Sets a value, in its place if it is there.
    pub(super) fn set(&mut self, key: &str, value: Json) {
        match self.members.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.members.push((key.to_owned(), value)),
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Json> {
        let index = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.remove(index).1)
    }

    /// Another name for the same thing. If the entry has ours too, the other one stays beside it
    /// and means nothing.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if self.get(to).is_none() && self.get(from).is_some() {
            self.take(to);
            if let Some((name, _)) = self.members.iter_mut().find(|(name, _)| name == from) {
                to.clone_into(name);
            }
        }
    }

    /// A key that makes the entry something we cannot do.
    pub(super) fn refuse(&self, key: &str, why: &str) -> Step {
        match self.get(key) {
            None | Some(Json::Bool(false)) => Ok(()),
            Some(Json::String(text)) if text.is_empty() => Ok(()),
            Some(_) => Err(format!("{why} ({key:?})")),
        }
    }

    /// `"enabled": false` is our `"disabled": true`.
    pub(super) fn flip_enabled(&mut self) {
        if let Some(Json::Bool(enabled)) = self.get("enabled") {
            let disabled = !*enabled;
            self.take("enabled");
            if disabled {
                self.set("disabled", Json::Bool(true));
            }
        }
    }

    /// A timeout in seconds for calls becomes milliseconds; the handshake keeps its minute.
    pub(super) fn seconds_to_milliseconds(&mut self) -> Step {
        let Some(Json::Number(digits)) = self.get("timeout") else {
            return Ok(());
        };
        let ms = digits.parse::<f64>().unwrap_or(f64::NAN) * 1000.0;
        if !(1.0..=TIMEOUT_MS_MAX).contains(&ms) {
            return Err(format!("has a timeout of {digits} seconds"));
        }
        self.set("timeout", Json::Number(format!("{ms:.0}")));
        self.keep_handshake(ms);
        Ok(())
    }

    /// The same for a timeout that is in milliseconds already.
    pub(super) fn milliseconds(&mut self) {
        if let Some(Json::Number(digits)) = self.get("timeout") {
            let ms = digits.parse().unwrap_or(f64::NAN);
            self.keep_handshake(ms);
        }
    }

    fn keep_handshake(&mut self, ms: f64) {
        if ms < HANDSHAKE_MS && self.get("connectionTimeout").is_none() {
            let minute = Json::Number(format!("{HANDSHAKE_MS:.0}"));
            self.set("connectionTimeout", minute);
        }
    }

    /// The type in our spelling. An entry with a URL always gets one: what an application makes of
    /// a missing one differs.
    pub(super) fn set_type(&mut self, untyped: Untyped) -> Step {
        let Some(url) = self.text("url").map(str::to_owned) else {
            return Ok(());
        };
        let scheme = url.split("://").next().unwrap_or_default();
        let is_web = ["http", "https"]
            .iter()
            .any(|web| scheme.eq_ignore_ascii_case(web));
        if !is_web && !url.starts_with('$') {
            return Err("has a \"url\" that is neither http:// nor https://".to_owned());
        }
        let kind = match (self.text("type"), untyped) {
            (Some("http" | "streamableHttp" | "streamable-http" | "streamable_http"), _) => "http",
            (Some("sse"), _) | (None, Untyped::Sse) => "sse",
            (None, Untyped::Either) => match kind_of(&url) {
                RemoteKind::Http => "http",
                RemoteKind::Sse => "sse",
            },
            (Some(_), _) => return Ok(()),
        };
        if !(self.is_stdio() && self.get("type").is_none()) {
            self.set("type", Json::string(kind));
        }
        Ok(())
    }

    /// The application starts its servers with all of its own environment; ours get little of it
    /// unless they say so.
    pub(super) fn inherit(&mut self) {
        if self.is_stdio() && self.get("inheritParentEnv").is_none() {
            self.set("inheritParentEnv", Json::Bool(true));
            self.added.push("inheritParentEnv");
        }
    }

    /// Every string in which we substitute, in our spelling.
    pub(super) fn texts(&mut self, ours: &dyn Fn(&str) -> Text) -> Step {
        for key in ["command", "args", "cwd", "env", "url", "headers", "oauth"] {
            if let Some((_, value)) = self.members.iter_mut().find(|(name, _)| name == key) {
                leaves(value, ours)?;
            }
        }
        Ok(())
    }

    /// Where it starts. In a project, the application starts it there; a path relative to a
    /// directory that we do not know cannot be carried over.
    pub(super) fn directory(&mut self) -> Step {
        if !self.is_stdio() {
            return Ok(());
        }
        let project = match (self.level, &self.around.project) {
            (Level::Project, Some(project)) => project.to_str().map(texts::literal),
            _ => None,
        };
        let cwd = self.text("cwd").filter(|cwd| !self.is_absolute(cwd));
        match (cwd.map(str::to_owned), project) {
            (Some(cwd), Some(project)) => {
                let cwd = cwd.trim_start_matches("./");
                self.set("cwd", Json::string(format!("{project}/{cwd}")));
            }
            (Some(cwd), None) => {
                return Err(format!(
                    "has a \"cwd\" ({cwd:?}) relative to a directory that only the application \
                     knows"
                ));
            }
            (None, Some(project)) if self.get("cwd").is_none() => {
                self.set("cwd", Json::string(project));
                self.added.push("cwd");
            }
            (None, _) => {}
        }
        let command = self.text("command").unwrap_or_default();
        let has_directory = command.contains('/')
            || (self.around.platform == Platform::Windows && command.contains('\\'));
        if has_directory && !self.is_absolute(command) && self.get("cwd").is_none() {
            return Err(format!(
                "has a \"command\" ({command:?}) relative to a directory that only the \
                 application knows"
            ));
        }
        Ok(())
    }

    /// A path that begins with a variable is taken for one: it says itself where it leads.
    fn is_absolute(&self, path: &str) -> bool {
        let refers = path.starts_with("${");
        let drive = path.as_bytes().get(1) == Some(&b':') || path.starts_with('\\');
        refers || path.starts_with('/') || (self.around.platform == Platform::Windows && drive)
    }
}

/// Changes every string in a value.
fn leaves(value: &mut Json, ours: &dyn Fn(&str) -> Text) -> Step {
    match value {
        Json::String(text) => *text = ours(text)?,
        Json::Array(elements) => {
            for element in elements {
                leaves(element, ours)?;
            }
        }
        Json::Object(members) => {
            for (_, member) in members {
                leaves(member, ours)?;
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
    Ok(())
}
