//! What an edit means, on a plain tree: the yardstick for the splices, used by tests and fuzzing.
//!
//! For every text and edit: `parse(edit(text)) == edit(parse(text))`.

use super::super::jsonc::{self, Dialect, Kind, Value};
use super::{EditError, Splice, apply, remove_splices, set_splices};

/// A value without positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Plain {
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

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let value = jsonc::parse(text, Dialect::Relaxed).ok()?;
        Some(Self::of(text, &value))
    }

    /// Sets a member; the way there consists of objects.
    pub(super) fn set(&mut self, path: &[&str], value: Self) {
        let (Self::Object(members), Some((key, rest))) = (self, path.split_first()) else {
            return;
        };
        let index = match members.iter().position(|(name, _)| name == key) {
            Some(index) => index,
            None => {
                members.push(((*key).to_owned(), Self::Object(Vec::new())));
                members.len() - 1
            }
        };
        if let Some((_, member)) = members.get_mut(index) {
            if rest.is_empty() {
                *member = value;
            } else {
                member.set(rest, value);
            }
        }
    }

    /// Removes a member that exists.
    pub(super) fn remove(&mut self, path: &[&str]) {
        let (Self::Object(members), Some((key, rest))) = (self, path.split_first()) else {
            return;
        };
        if rest.is_empty() {
            members.retain(|(name, _)| name != key);
        } else if let Some((_, member)) = members.iter_mut().find(|(name, _)| name == key) {
            member.remove(rest);
        }
    }
}

/// Makes an edit and checks everything that must hold of it; `None` if the text cannot be edited.
pub(in super::super) fn checked_set(text: &[u8], path: &[&str], json: &str) -> Option<Vec<u8>> {
    let splices = match set_splices(text, path, json) {
        Ok(splices) => splices,
        Err(error) => return refused(text, &error),
    };
    let edited = apply(text, &splices);
    check_untouched(text, &splices);
    let mut model = Plain::parse(text).unwrap_or(Plain::Object(Vec::new()));
    let value = Plain::parse(json.as_bytes());
    assert!(value.is_some(), "{json}");
    model.set(path, value.unwrap_or(Plain::Null));
    assert_eq!(
        Plain::parse(&edited),
        Some(model),
        "{}",
        show(text, &edited)
    );
    Some(edited)
}

/// The same for a removal.
pub(in super::super) fn checked_remove(text: &[u8], path: &[&str]) -> Option<Vec<u8>> {
    let splices = match remove_splices(text, path) {
        Ok(splices) => splices,
        Err(error) => return refused(text, &error),
    };
    let edited = apply(text, &splices);
    check_untouched(text, &splices);
    let mut model = Plain::parse(text).unwrap_or(Plain::Null);
    model.remove(path);
    assert_eq!(
        Plain::parse(&edited),
        Some(model),
        "{}",
        show(text, &edited)
    );
    Some(edited)
}

fn refused(text: &[u8], error: &EditError) -> Option<Vec<u8>> {
    let readable = Plain::parse(text).is_some();
    assert_eq!(readable, !matches!(error, EditError::NotJson(_)), "{error}");
    None
}

/// Splices are in order and end where they may; a comma and blanks are all that goes beside one
/// value.
fn check_untouched(text: &[u8], splices: &[Splice]) {
    let mut at = 0;
    for Splice { range, .. } in splices {
        assert!(at <= range.start && range.start <= range.end && range.end <= text.len());
        at = range.end;
    }
    let bytes = |splice: &Splice| text.get(splice.range.clone()).unwrap_or_default();
    let small = |splice: &&Splice| {
        let mut bytes = bytes(splice).iter();
        bytes.all(|byte| byte.is_ascii_whitespace() || *byte == b',')
    };
    assert!(splices.iter().filter(|splice| !small(splice)).count() <= 1);
}

fn show(text: &[u8], edited: &[u8]) -> String {
    format!(
        "\n{}\n---\n{}",
        String::from_utf8_lossy(text),
        String::from_utf8_lossy(edited)
    )
}
