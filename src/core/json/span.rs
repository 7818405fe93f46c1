//! Finding values in JSON text by byte range.

use std::borrow::Cow;
use std::ops::Range;

/// A byte range of a JSON text that holds exactly one value, without blanks around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Why a text is not JSON that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON, at this byte.
    NotJson {
        /// Offset of the first byte that cannot be.
        at: usize,
    },
    /// Deeper than `JSON_DEPTH_MAX`.
    TooDeep,
}

impl Span {
    /// The span of a text that is one value, blanks around it left out. The text must be valid.
    #[must_use]
    pub fn whole(text: &[u8]) -> Self {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let start = text
            .iter()
            .position(|byte| !blank(byte))
            .unwrap_or(text.len());
        let end = text
            .iter()
            .rposition(|byte| !blank(byte))
            .map_or(start, |last| last + 1);
        Self { start, end }
    }

    /// Its bytes; empty if the text is shorter.
    #[must_use]
    pub fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// As a range.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Checks the whole text: UTF-8, exactly one JSON value, depth. Everything below may then be
/// called on it.
///
/// # Errors
/// Says what is wrong; the peer gets -32700.
pub fn validate(_text: &[u8]) -> Result<Span, Malformed> {
    todo!()
}

/// The value of a member of an object, by its decoded name; `None` if `object` is no object or has
/// no such member. The text must have been validated. The first of several wins.
#[must_use]
pub fn member(_text: &[u8], _object: Span, _name: &str) -> Option<Span> {
    todo!()
}

/// Whether an object has a member of this name.
#[must_use]
pub fn has_member(text: &[u8], object: Span, name: &str) -> bool {
    member(text, object, name).is_some()
}

/// Follows member names from object to object.
#[must_use]
pub fn path(text: &[u8], object: Span, names: &[&str]) -> Option<Span> {
    names
        .iter()
        .try_fold(object, |at, name| member(text, at, name))
}

/// The members of an object: key (with its quotes) and value, in order. Empty if it is no object.
pub fn members(_text: &[u8], _object: Span) -> impl Iterator<Item = (Span, Span)> {
    std::iter::empty()
}

/// The elements of an array, in order. Empty if it is no array.
pub fn elements(_text: &[u8], _array: Span) -> impl Iterator<Item = Span> {
    std::iter::empty()
}

/// A string value, escapes decoded (a lone surrogate becomes U+FFFD); `None` if it is no string.
#[must_use]
pub fn string(_text: &[u8], _at: Span) -> Option<Cow<'_, str>> {
    todo!()
}
