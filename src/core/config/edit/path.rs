//! The way to a place in a document: keys of objects and positions in arrays.

use std::fmt;

use super::super::jsonc::{Kind, Value};
use super::super::model::ReadError;
use super::super::position::Positions;
use super::{EditError, layout};

/// One step inwards. A text is a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Into the member of an object.
    Key(&'a str),
    /// Into the element of an array, counted from 0.
    Index(usize),
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(key: &'a str) -> Self {
        Self::Key(key)
    }
}

impl<'a> From<&'a String> for Step<'a> {
    fn from(key: &'a String) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key:?}"),
            // People count from one.
            Self::Index(index) => write!(f, "element {}", index.saturating_add(1)),
        }
    }
}

/// The steps that a caller gave in whatever form.
pub(super) fn steps<'p, S: Copy + Into<Step<'p>>>(path: &[S]) -> Vec<Step<'p>> {
    path.iter().map(|step| (*step).into()).collect()
}

/// A member or an element, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'v> {
    /// Its first byte: that of its key, if it has one.
    pub(super) start: usize,
    pub(super) value: &'v Value,
    /// Where the comma after it stands, if there is one.
    pub(super) comma: Option<usize>,
}

/// The members of an object, the elements of an array.
pub(super) fn items<'v>(text: &[u8], container: &'v Value) -> Vec<Item<'v>> {
    match &container.kind {
        Kind::Object(members) => members
            .iter()
            .map(|member| Item {
                start: member.key_at.start,
                value: &member.value,
                comma: member.comma,
            })
            .collect(),
        Kind::Array(elements) => elements
            .iter()
            .map(|value| Item {
                start: value.at.start,
                value,
                comma: layout::comma_after(text, value.at.end),
            })
            .collect(),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::String(_) => Vec::new(),
    }
}

/// Where a path leads.
pub(super) enum Found<'v, 'p> {
    /// To the document itself.
    Root,
    /// To the item at `index` in `container`.
    Item {
        container: &'v Value,
        index: usize,
        value: &'v Value,
        /// Whether the value begins a document or a line of its own.
        own: bool,
    },
    /// `container` has no `rest[0]`.
    Nothing {
        container: &'v Value,
        /// The same for the container.
        own: bool,
        rest: &'p [Step<'p>],
    },
}

/// Follows a path as far as it goes.
pub(super) fn find<'v, 'p>(
    text: &[u8],
    root: &'v Value,
    path: &'p [Step<'p>],
) -> Result<Found<'v, 'p>, EditError> {
    let mut container = root;
    let mut own = true;
    let mut rest = path;
    while let Some((step, inner)) = rest.split_first() {
        let Some((index, start, value)) = enter(text, container, *step)? else {
            return Ok(Found::Nothing {
                container,
                own,
                rest,
            });
        };
        own = layout::begins_line(text, start);
        if inner.is_empty() {
            return Ok(Found::Item {
                container,
                index,
                value,
                own,
            });
        }
        container = value;
        rest = inner;
    }
    Ok(Found::Root)
}

/// The item that one step leads to: its position, its first byte and its value.
fn enter<'v>(
    text: &[u8],
    container: &'v Value,
    step: Step<'_>,
) -> Result<Option<(usize, usize, &'v Value)>, EditError> {
    match (step, &container.kind) {
        (Step::Key(key), Kind::Object(members)) => {
            let mut found = members.iter().enumerate();
            let Some((index, member)) = found.find(|(_, member)| member.key == key) else {
                return Ok(None);
            };
            if let Some((_, second)) = found.find(|(_, member)| member.key == key) {
                let message = format!("{key:?} appears twice; remove one of the two first");
                return Err(EditError::Twice(error(text, second.key_at.start, message)));
            }
            Ok(Some((index, member.key_at.start, &member.value)))
        }
        (Step::Index(index), Kind::Array(elements)) => Ok(elements
            .get(index)
            .map(|value| (index, value.at.start, value))),
        (Step::Key(_), _) => {
            let error = expected(text, "an object", container);
            Err(EditError::NotAnObject(error))
        }
        (Step::Index(_), _) => Err(EditError::NotAnArray(expected(text, "an array", container))),
    }
}

/// "expected an object, found a string".
pub(super) fn expected(text: &[u8], what: &str, found: &Value) -> ReadError {
    let message = format!("expected {what}, found {}", found.noun());
    error(text, found.at.start, message)
}

/// A remark on a place.
pub(super) fn error(text: &[u8], at: usize, message: String) -> ReadError {
    let (line, column) = Positions::new(text).of(at);
    ReadError {
        line,
        column,
        message,
    }
}
