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
mod plan;
mod remove;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_arrays;
#[cfg(test)]
mod tests_properties;
mod value;

use std::fmt;
use std::ops::Range;

use super::jsonc::{self, Dialect, Unreadable, Why};
use super::model::ReadError;
use path::{Found, find, steps};
use plan::{append_splices, remove_splices, rename_splices, set_splices};

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
