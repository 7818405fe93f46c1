//! Changes a JSON file that a person wrote by splicing bytes: everything that is not touched stays
//! as it is, with its order, indentation, line ends, comments, unknown keys and missing last
//! newline. Never writes a file; never re-serialises what was there.
//!
//! Comments are never removed, except those inside a value that is removed or replaced. If a key
//! on the way stands twice, nothing is edited: which of the two counts differs from program to
//! program.

mod insert;
mod layout;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod model;
mod remove;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use super::jsonc::{self, BOM, Dialect, Kind, Member, Unreadable, Value, Why};
use super::model::ReadError;
use super::position::Positions;
use super::render::{self, Layout};
use crate::json::write;

/// Why a file was left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The file is not JSON.
    NotJson(ReadError),
    /// Something on the way is no object.
    NotAnObject(ReadError),
    /// A key on the way stands twice.
    Twice(ReadError),
    /// There is nothing to remove.
    Missing(String),
    /// The new value is not JSON.
    BadValue(Unreadable),
    /// The path has no key.
    EmptyPath,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) | Self::NotAnObject(error) | Self::Twice(error) => error.fmt(f),
            Self::Missing(key) => write!(f, "there is no {key:?}"),
            Self::BadValue(error) => write!(f, "the new value is not JSON: {}", error.why),
            Self::EmptyPath => f.write_str("no key was named"),
        }
    }
}

impl std::error::Error for EditError {}

/// Sets the member at `path` (keys from the outermost object inwards) to a value given as strict
/// JSON: replaces it, or appends it to its object; missing objects on the way are made. An empty
/// file becomes a new document.
///
/// # Errors
/// Why the file cannot be edited; it is to be left as it is then.
pub fn set(text: &[u8], path: &[&str], value_json: &str) -> Result<Vec<u8>, EditError> {
    set_splices(text, path, value_json).map(|splices| apply(text, &splices))
}

/// Removes the member at `path`.
///
/// # Errors
/// Why the file cannot be edited; it is to be left as it is then.
pub fn remove(text: &[u8], path: &[&str]) -> Result<Vec<u8>, EditError> {
    remove_splices(text, path).map(|splices| apply(text, &splices))
}

/// Whether there is a member at `path`. An empty file has none.
///
/// # Errors
/// Why the file could not be edited there.
pub fn contains(text: &[u8], path: &[&str]) -> Result<bool, EditError> {
    match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => Ok(matches!(find(text, &root, path)?, Found::Member { .. })),
        Err(error) if error.why == Why::Empty => Ok(false),
        Err(error) => Err(EditError::NotJson(error.locate(text))),
    }
}

/// One change: these bytes give way to that text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Splice {
    range: Range<usize>,
    text: String,
}

impl Splice {
    fn insert(at: usize, text: String) -> Self {
        Self {
            range: at..at,
            text,
        }
    }

    const fn delete(range: Range<usize>) -> Self {
        Self {
            range,
            text: String::new(),
        }
    }
}

/// The text with the changes made; they are in order and do not overlap.
fn apply(text: &[u8], splices: &[Splice]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for splice in splices {
        out.extend_from_slice(text.get(at..splice.range.start).unwrap_or_default());
        out.extend_from_slice(splice.text.as_bytes());
        at = splice.range.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

fn set_splices(text: &[u8], path: &[&str], value_json: &str) -> Result<Vec<Splice>, EditError> {
    if path.is_empty() {
        return Err(EditError::EmptyPath);
    }
    let value = New::parse(value_json)?;
    let root = match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => root,
        Err(error) if error.why == Why::Empty => return new_document(text, path, &value),
        Err(error) => return Err(EditError::NotJson(error.locate(text))),
    };
    let layout = layout::detect(text, &root);
    match find(text, &root, path)? {
        Found::Member { member, .. } => Ok(vec![replace(text, member, &value, &layout)]),
        Found::Nothing { object, own, rest } => {
            let Some((key, inner)) = rest.split_first() else {
                return Err(EditError::EmptyPath);
            };
            let value = value.inside(inner)?;
            let new = insert::NewMember { key, value: &value };
            Ok(insert::member(text, object, own, &new, &layout))
        }
    }
}

fn remove_splices(text: &[u8], path: &[&str]) -> Result<Vec<Splice>, EditError> {
    let root = jsonc::parse(text, Dialect::Relaxed)
        .map_err(|error| EditError::NotJson(error.locate(text)))?;
    match find(text, &root, path)? {
        Found::Member { object, index, .. } => Ok(remove::member(text, object, index)),
        Found::Nothing { rest, .. } => {
            let key = rest.first().copied().unwrap_or_default();
            Err(EditError::Missing(key.to_owned()))
        }
    }
}

/// A value to be put in, with the text that its positions refer to.
struct New {
    text: String,
    value: Value,
}

impl New {
    fn parse(json: &str) -> Result<Self, EditError> {
        let value = jsonc::parse(json.as_bytes(), Dialect::Strict).map_err(EditError::BadValue)?;
        Ok(Self {
            text: json.to_owned(),
            value,
        })
    }

    /// `{"a": {"b": VALUE}}` for the keys a, b.
    fn inside(&self, keys: &[&str]) -> Result<Self, EditError> {
        let mut json = self.text.clone();
        for key in keys.iter().rev() {
            json = format!("{{{}:{json}}}", write::string(key));
        }
        Self::parse(&json)
    }

    fn line(&self, layout: &Layout) -> String {
        render::line(self.text.as_bytes(), &self.value, layout)
    }

    fn lines(&self, layout: &Layout, indent: &str) -> String {
        render::lines(self.text.as_bytes(), &self.value, layout, indent)
    }
}

/// Where a path leads.
enum Found<'v, 'p> {
    /// To `member`, which stands at `index` in `object`.
    Member {
        object: &'v Value,
        index: usize,
        member: &'v Member,
    },
    /// `object` has no member `rest[0]`.
    Nothing {
        object: &'v Value,
        /// Whether the object begins a document or a line of its own.
        own: bool,
        rest: &'p [&'p str],
    },
}

/// Follows a path as far as it goes.
fn find<'v, 'p>(
    text: &[u8],
    root: &'v Value,
    path: &'p [&'p str],
) -> Result<Found<'v, 'p>, EditError> {
    let mut object = root;
    let mut own = true;
    let mut rest = path;
    let error = |at: usize, message: String| {
        let (line, column) = Positions::new(text).of(at);
        ReadError {
            line,
            column,
            message,
        }
    };
    while let Some((key, inner)) = rest.split_first() {
        if !matches!(object.kind, Kind::Object(_)) {
            let message = format!("expected an object, found {}", object.noun());
            return Err(EditError::NotAnObject(error(object.at.start, message)));
        }
        let mut found = object.members().iter().enumerate();
        let Some((index, member)) = found.find(|(_, member)| member.key == *key) else {
            return Ok(Found::Nothing { object, own, rest });
        };
        if let Some((_, second)) = found.find(|(_, member)| member.key == *key) {
            let message = format!("{key:?} appears twice; remove one of the two first");
            return Err(EditError::Twice(error(second.key_at.start, message)));
        }
        if inner.is_empty() {
            return Ok(Found::Member {
                object,
                index,
                member,
            });
        }
        own = layout::begins_line(text, member.key_at.start);
        object = &member.value;
        rest = inner;
    }
    Err(EditError::EmptyPath)
}

/// A new value in the place of an old one: on one line if the old one was an object or array on
/// one line, or if the whole neighbourhood is.
fn replace(text: &[u8], member: &Member, value: &New, layout: &Layout) -> Splice {
    let old = &member.value;
    let on_lines = match layout::container_is_on_one_line(text, old) {
        Some(on_one_line) => !on_one_line,
        None => layout::begins_line(text, member.key_at.start),
    };
    let written = if on_lines {
        value.lines(layout, layout::indent_of_line(text, old.at.start))
    } else {
        value.line(layout)
    };
    Splice {
        range: old.at.range(),
        text: written,
    }
}

/// The first document of a file that holds nothing but blanks and comments, which stay.
fn new_document(text: &[u8], path: &[&str], value: &New) -> Result<Vec<Splice>, EditError> {
    let layout = Layout {
        line_end: layout::line_end(text),
        ..Layout::new_file()
    };
    let document = value.inside(path)?.lines(&layout, "");
    let begin = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let comments = layout::last_comment(text, begin..text.len());
    let at = comments.map_or(begin, |comment| comment.end);
    let rest = text.get(at..).unwrap_or_default();
    let before = if comments.is_some() {
        layout.line_end
    } else {
        ""
    };
    let after = if layout::has_line_end(rest) {
        ""
    } else {
        layout.line_end
    };
    let written = format!("{before}{document}{after}");
    Ok(vec![Splice::insert(at, written)])
}
