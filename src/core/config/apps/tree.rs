//! JSON values without positions, to be changed and compared. Numbers keep their digits.

use crate::config::jsonc::{self, Dialect, Kind, Value, Why};
use crate::config::model::ReadError;
use crate::config::render::{self, Layout};
use crate::json::write;

/// A value; members of objects in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Reads a file; `None` if it holds nothing but blanks and comments.
pub(super) fn parse(text: &[u8]) -> Result<Option<Value>, ReadError> {
    match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => Ok(Some(root)),
        Err(error) if error.why == Why::Empty => Ok(None),
        Err(error) => Err(error.locate(text)),
    }
}

impl Json {
    pub(super) fn of(text: &[u8], value: &Value) -> Self {
        match &value.kind {
            Kind::Null => Self::Null,
            Kind::Bool(is) => Self::Bool(*is),
            Kind::Number => Self::Number(String::from_utf8_lossy(value.at.of(text)).into_owned()),
            Kind::String(string) => Self::String(string.clone()),
            Kind::Array(elements) => {
                Self::Array(elements.iter().map(|value| Self::of(text, value)).collect())
            }
            Kind::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|member| (member.key.clone(), Self::of(text, &member.value)))
                    .collect(),
            ),
        }
    }

    /// A whole file; an empty object if it holds nothing.
    pub(super) fn of_file(text: &[u8]) -> Result<Self, ReadError> {
        let root = parse(text)?;
        Ok(root.map_or(Self::Object(Vec::new()), |root| Self::of(text, &root)))
    }

    pub(super) fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    pub(super) fn strings<T: AsRef<str>>(texts: &[T]) -> Self {
        Self::Array(
            texts
                .iter()
                .map(|text| Self::string(text.as_ref()))
                .collect(),
        )
    }

    pub(super) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }

    /// The first member of this key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let mut members = self.members().iter();
        members
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    pub(super) fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    pub(super) fn elements(&self) -> &[Self] {
        match self {
            Self::Array(elements) => elements,
            _ => &[],
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Its strings; whatever else stands in it is left out.
    pub(super) fn as_strings(&self) -> Vec<String> {
        let texts = self.elements().iter().filter_map(Self::as_str);
        texts.map(str::to_owned).collect()
    }

    /// Sets what is at `path`; objects on the way are made.
    pub(super) fn set(&mut self, path: &[&str], value: Self) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { return };
        let index = match members.iter().position(|(name, _)| name == key) {
            Some(index) => index,
            None => {
                members.push(((*key).to_owned(), Self::Object(Vec::new())));
                members.len() - 1
            }
        };
        if let Some((_, member)) = members.get_mut(index) {
            member.set(rest, value);
        }
    }

    /// On one line, without blanks.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.push(&mut out, false);
        out
    }

    /// The same with the keys of all objects sorted: equal for values that mean the same.
    pub(super) fn canonical(&self) -> String {
        let mut out = String::new();
        self.push(&mut out, true);
        out
    }

    /// On several lines, for people.
    pub(super) fn pretty(&self) -> String {
        let text = self.text();
        match jsonc::parse(text.as_bytes(), Dialect::Strict) {
            Ok(value) => render::lines(text.as_bytes(), &value, &Layout::new_file(), ""),
            Err(_) => text,
        }
    }

    fn push(&self, out: &mut String, sorted: bool) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
            Self::Number(digits) => out.push_str(digits),
            Self::String(text) => out.push_str(&write::string(text)),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    element.push(out, sorted);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut members: Vec<&(String, Self)> = members.iter().collect();
                if sorted {
                    members.sort_by(|one, other| one.0.cmp(&other.0));
                }
                out.push('{');
                for (index, (key, value)) in members.into_iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(&write::string(key));
                    out.push(':');
                    value.push(out, sorted);
                }
                out.push('}');
            }
        }
    }

    /// What it is, for "found a string".
    pub(super) const fn noun(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}
