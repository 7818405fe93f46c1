//! Changes a JSON file that a person wrote by splicing bytes: everything that is not touched stays
//! as it is, with its order, indentation, line ends, comments, unknown keys and missing last
//! newline. Never writes a file; never re-serialises what was there.
//!
//! Comments are never removed, except those inside a value that is removed or replaced. If a key
//! on the way stands twice, nothing is edited: which of the two counts differs from program to
//! program. Several edits are made one after the other, each on the text that the last one gave.

#[cfg(test)]
mod generator;
mod insert;
mod layout;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod model;
mod path;
mod remove;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_arrays;
#[cfg(test)]
mod tests_properties;

use std::fmt;
use std::ops::Range;

use super::jsonc::{self, BOM, Dialect, Kind, Unreadable, Value, Why};
use super::model::ReadError;
use super::render::{self, Layout};
use crate::json::write;
use path::{Found, expected, find, steps};

pub use path::Step;

/// Why a file was left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The file is not JSON.
    NotJson(ReadError),
    /// Something on the way is no object.
    NotAnObject(ReadError),
    /// Something on the way, or at its end, is no array.
    NotAnArray(ReadError),
    /// A key on the way stands twice.
    Twice(ReadError),
    /// There is no member of this key.
    Missing(String),
    /// There is no element at this position, counted from 0.
    NoElement(usize),
    /// The new name of a key is that of another one in the same object.
    Taken(ReadError),
    /// The new value is not JSON.
    BadValue(Unreadable),
    /// With the new value nobody could read the file any more: too long, too deep, too many values.
    TooMuch(Why),
    /// The path has no key.
    EmptyPath,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error)
            | Self::NotAnObject(error)
            | Self::NotAnArray(error)
            | Self::Twice(error)
            | Self::Taken(error) => error.fmt(f),
            Self::Missing(key) => write!(f, "there is no {}", Step::Key(key)),
            Self::NoElement(index) => write!(f, "there is no {}", Step::Index(*index)),
            Self::BadValue(error) => write!(f, "the new value is not JSON: {}", error.why),
            Self::TooMuch(why) => write!(f, "there is no room for the new value: {why}"),
            Self::EmptyPath => f.write_str("no key was named"),
        }
    }
}

impl std::error::Error for EditError {}

/// Sets the value at `path` (keys, or [`Step`]s, from the outermost object inwards) to one given as
/// strict JSON: replaces it, or appends a member to its object; missing objects on the way are
/// made. An empty file becomes a new document.
///
/// # Errors
/// Why the file cannot be edited; it is to be left as it is then.
pub fn set<'p, S: Copy + Into<Step<'p>>>(
    text: &[u8],
    path: &[S],
    value_json: &str,
) -> Result<Vec<u8>, EditError> {
    readable(apply(text, &set_splices(text, &steps(path), value_json)?))
}

/// Removes the member or element at `path`.
///
/// # Errors
/// Why the file cannot be edited; it is to be left as it is then.
pub fn remove<'p, S: Copy + Into<Step<'p>>>(text: &[u8], path: &[S]) -> Result<Vec<u8>, EditError> {
    remove_splices(text, &steps(path)).map(|splices| apply(text, &splices))
}

/// Puts a value behind the last element of the array at `path`; an array that is missing is made,
/// as [`set`] makes objects. No path at all means that the document is the array.
///
/// # Errors
/// Why the file cannot be edited; it is to be left as it is then.
pub fn append_element<'p, S: Copy + Into<Step<'p>>>(
    text: &[u8],
    path: &[S],
    value_json: &str,
) -> Result<Vec<u8>, EditError> {
    readable(apply(
        text,
        &append_splices(text, &steps(path), value_json)?,
    ))
}

/// Removes an element, counted from 0, of the array at `path`.
///
/// # Errors
/// Why the file cannot be edited; it is to be left as it is then.
pub fn remove_element<'p, S: Copy + Into<Step<'p>>>(
    text: &[u8],
    path: &[S],
    index: usize,
) -> Result<Vec<u8>, EditError> {
    let mut path = steps(path);
    path.push(Step::Index(index));
    remove_splices(text, &path).map(|splices| apply(text, &splices))
}

/// Gives the member at `path` another key; its place and value stay.
///
/// # Errors
/// Why the file cannot be edited; it is to be left as it is then.
pub fn rename<'p, S: Copy + Into<Step<'p>>>(
    text: &[u8],
    path: &[S],
    key: &str,
) -> Result<Vec<u8>, EditError> {
    readable(apply(text, &rename_splices(text, &steps(path), key)?))
}

/// The text of the value at `path`, as it was written. An empty file has none.
///
/// # Errors
/// Why the file could not be edited there.
pub fn get<'t, 'p, S: Copy + Into<Step<'p>>>(
    text: &'t [u8],
    path: &[S],
) -> Result<Option<&'t [u8]>, EditError> {
    let root = match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => root,
        Err(error) if error.why == Why::Empty => return Ok(None),
        Err(error) => return Err(EditError::NotJson(error.locate(text))),
    };
    Ok(match find(text, &root, &steps(path))? {
        Found::Root => Some(root.at.of(text)),
        Found::Item { value, .. } => Some(value.at.of(text)),
        Found::Nothing { .. } => None,
    })
}

/// Whether there is a value at `path`. An empty file has none.
///
/// # Errors
/// Why the file could not be edited there.
pub fn contains<'p, S: Copy + Into<Step<'p>>>(text: &[u8], path: &[S]) -> Result<bool, EditError> {
    get(text, path).map(|found| found.is_some())
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

/// A text that was made longer, unless it is one that would be refused from now on.
fn readable(text: Vec<u8>) -> Result<Vec<u8>, EditError> {
    match jsonc::parse(&text, Dialect::Relaxed) {
        Ok(_) => Ok(text),
        Err(error) => Err(EditError::TooMuch(error.why)),
    }
}

fn set_splices(text: &[u8], path: &[Step<'_>], value_json: &str) -> Result<Vec<Splice>, EditError> {
    if path.is_empty() {
        return Err(EditError::EmptyPath);
    }
    let value = New::parse(value_json)?;
    let root = match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => root,
        Err(error) if error.why == Why::Empty => return new_document(text, path, &value),
        Err(error) => return Err(EditError::NotJson(error.locate(text))),
    };
    put(text, &root, path, &value)
}

/// A value at a place that exists or not, in a document that does.
fn put(
    text: &[u8],
    root: &Value,
    path: &[Step<'_>],
    value: &New,
) -> Result<Vec<Splice>, EditError> {
    let layout = layout::detect(text, root);
    match find(text, root, path)? {
        Found::Root => Err(EditError::EmptyPath),
        Found::Item {
            value: old, own, ..
        } => Ok(vec![replace(text, old, own, value, &layout)]),
        Found::Nothing {
            container,
            own,
            rest,
        } => {
            let (key, inner) = first_key(rest)?;
            let value = value.inside(inner)?;
            let new = insert::NewItem {
                key: Some(key),
                value: &value,
            };
            Ok(insert::item(text, container, own, &new, &layout))
        }
    }
}

fn append_splices(
    text: &[u8],
    path: &[Step<'_>],
    value_json: &str,
) -> Result<Vec<Splice>, EditError> {
    let value = New::parse(value_json)?;
    let alone = || New::parse(&format!("[{value_json}]"));
    let root = match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => root,
        Err(error) if error.why == Why::Empty => return new_document(text, path, &alone()?),
        Err(error) => return Err(EditError::NotJson(error.locate(text))),
    };
    let (array, own) = match find(text, &root, path)? {
        Found::Root => (&root, true),
        Found::Item { value, own, .. } => (value, own),
        Found::Nothing { .. } => return put(text, &root, path, &alone()?),
    };
    if !matches!(array.kind, Kind::Array(_)) {
        return Err(EditError::NotAnArray(expected(text, "an array", array)));
    }
    let layout = layout::detect(text, &root);
    let new = insert::NewItem {
        key: None,
        value: &value,
    };
    Ok(insert::item(text, array, own, &new, &layout))
}

fn remove_splices(text: &[u8], path: &[Step<'_>]) -> Result<Vec<Splice>, EditError> {
    let root = jsonc::parse(text, Dialect::Relaxed)
        .map_err(|error| EditError::NotJson(error.locate(text)))?;
    match find(text, &root, path)? {
        Found::Root => Err(EditError::EmptyPath),
        Found::Item {
            container, index, ..
        } => Ok(remove::item(text, container, index)),
        Found::Nothing { rest, .. } => {
            let (key, _) = first_key(rest)?;
            Err(EditError::Missing(key.to_owned()))
        }
    }
}

fn rename_splices(text: &[u8], path: &[Step<'_>], key: &str) -> Result<Vec<Splice>, EditError> {
    let root = jsonc::parse(text, Dialect::Relaxed)
        .map_err(|error| EditError::NotJson(error.locate(text)))?;
    let (container, index) = match find(text, &root, path)? {
        Found::Root => return Err(EditError::EmptyPath),
        Found::Item {
            container, index, ..
        } => (container, index),
        Found::Nothing { rest, .. } => {
            let (key, _) = first_key(rest)?;
            return Err(EditError::Missing(key.to_owned()));
        }
    };
    let Some(member) = container.members().get(index) else {
        let error = expected(text, "an object", container);
        return Err(EditError::NotAnObject(error));
    };
    if member.key == key {
        return Ok(Vec::new());
    }
    if let Some(other) = container.members().iter().find(|other| other.key == key) {
        let message = format!("there is a {key:?} already");
        let error = path::error(text, other.key_at.start, message);
        return Err(EditError::Taken(error));
    }
    Ok(vec![Splice {
        range: member.key_at.range(),
        text: write::string(key),
    }])
}

/// The key that is missing and what would come below it. An array gets no elements that way.
fn first_key<'p>(rest: &'p [Step<'p>]) -> Result<(&'p str, &'p [Step<'p>]), EditError> {
    match rest.split_first() {
        Some((Step::Key(key), inner)) => Ok((key, inner)),
        Some((Step::Index(index), _)) => Err(EditError::NoElement(*index)),
        None => Err(EditError::EmptyPath),
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
    fn inside(&self, path: &[Step<'_>]) -> Result<Self, EditError> {
        let mut json = self.text.clone();
        for step in path.iter().rev() {
            match step {
                Step::Key(key) => json = format!("{{{}:{json}}}", write::string(key)),
                Step::Index(index) => return Err(EditError::NoElement(*index)),
            }
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

/// A new value in the place of an old one: on one line if the old one was an object or array on
/// one line, or if the whole neighbourhood is.
fn replace(text: &[u8], old: &Value, own: bool, value: &New, layout: &Layout) -> Splice {
    let on_lines = match layout::container_is_on_one_line(text, old) {
        Some(on_one_line) => !on_one_line,
        None => own,
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
fn new_document(text: &[u8], path: &[Step<'_>], value: &New) -> Result<Vec<Splice>, EditError> {
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
