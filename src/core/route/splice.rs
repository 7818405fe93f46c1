//! Changing a few values of a message whose other bytes are not ours (DESIGN 4): ids, names,
//! tokens and URIs are replaced by byte range, everything else passes as it came.

use std::rc::Rc;

use crate::base::few::Few;
use crate::base::outbox::Part;
use crate::base::short::ShortBytes;
use crate::json::cuts::runs;
use crate::json::span::{Span, members_beside, string_is};
use crate::mcp::meta::survey;

/// Bytes to stand in the place of a value.
#[derive(Clone, Debug)]
pub enum With {
    /// Written for this message.
    Own(Vec<u8>),
    /// An id or a number.
    Short(ShortBytes),
    /// Kept elsewhere, such as the original name of a tool.
    Kept(Rc<[u8]>),
    /// A piece of another message, not copied when it is long.
    Piece(Rc<Vec<u8>>, Span),
}

impl With {
    fn part(&self) -> Part<'_> {
        match self {
            Self::Own(bytes) => Part::Copy(bytes),
            Self::Short(bytes) => Part::Copy(bytes),
            Self::Kept(bytes) => Part::Copy(bytes),
            Self::Piece(buffer, at) => Part::Share(buffer, at.range()),
        }
    }
}

impl Default for With {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl From<Vec<u8>> for With {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Own(bytes)
    }
}

impl From<ShortBytes> for With {
    fn from(bytes: ShortBytes) -> Self {
        Self::Short(bytes)
    }
}

impl From<Rc<[u8]>> for With {
    fn from(bytes: Rc<[u8]>) -> Self {
        Self::Kept(bytes)
    }
}

/// Name, id and progress token, and what is cut out of a `_meta`: more is rarely replaced in one
/// message.
const EDITS: usize = 4;

/// The pieces of a message with that many replacements.
pub type Parts<'a> = Few<Part<'a>, { 2 * EDITS + 1 }>;

/// Replacements in one message.
#[derive(Clone, Debug, Default)]
pub struct Edits(Few<(Span, With), EDITS>);

impl Edits {
    /// Puts `with` in the place of the value at `at`.
    pub fn replace(&mut self, at: Span, with: impl Into<With>) {
        self.0.push((at, with.into()));
    }

    /// Cuts out what concerns only the hop that a message comes from.
    pub fn cut_hop_local(&mut self, text: &[u8], meta: Option<Span>) {
        if let Some(meta) = meta {
            self.cut_all(&survey(text, Some(meta)).hop.cuts);
        }
    }

    /// Cuts out several pieces.
    pub fn cut_all(&mut self, cuts: &[Span]) {
        for cut in cuts {
            self.cut(*cut);
        }
    }

    /// Whether the message stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `with` in front of what begins at `at`, behind what was put there before.
    pub fn insert(&mut self, at: usize, with: impl Into<With>) {
        self.replace(Span { start: at, end: at }, with);
    }

    /// Cuts bytes out: a member with its comma.
    pub fn cut(&mut self, at: Span) {
        self.replace(at, Vec::new());
    }

    /// What is inserted stands before what is replaced or cut there.
    fn sort(&mut self) {
        self.0.sort_by_key(|(at, _)| (at.start, at.end));
    }

    /// The value `whole` of a text, replacements in, as bytes of its own.
    pub fn joined(&mut self, text: &[u8], whole: Span) -> Vec<u8> {
        self.sort();
        let mut out = Vec::with_capacity(whole.range().len());
        let mut start = whole.start;
        for (at, with) in self.0.iter() {
            let end = at.start;
            out.extend_from_slice(Span { start, end }.of(text));
            out.extend_from_slice(with.part().bytes());
            start = at.end;
        }
        let end = whole.end;
        out.extend_from_slice(Span { start, end }.of(text));
        out
    }

    /// The message `whole` of `buffer` in pieces, replacements in. Replacements do not overlap,
    /// since they stand for different values.
    pub fn parts<'a>(&'a mut self, buffer: &'a Rc<Vec<u8>>, whole: Span) -> Parts<'a> {
        self.sort();
        let mut parts = Parts::default();
        let mut from = whole.start;
        for (at, with) in self.0.iter() {
            // Of what is cut out, and of what stands side by side, nothing is left between.
            if from < at.start {
                parts.push(Part::Share(buffer, from..at.start));
            }
            let with = with.part();
            if !with.bytes().is_empty() {
                parts.push(with);
            }
            from = at.end;
        }
        parts.push(Part::Share(buffer, from..whole.end));
        parts
    }
}

/// A member that we route by stands twice. The receiver might read the other one, so a filter
/// could be walked around: such a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice;

/// The values of some members of an object, each of which may stand at most once.
///
/// # Errors
/// One of them stands twice.
pub fn fields<const N: usize>(
    text: &[u8],
    object: Option<Span>,
    names: [&str; N],
) -> Result<[Option<Span>; N], Twice> {
    fields_beside(text, object, None, names)
}

/// The same where the value of another member is known already, so that nobody has to look for its
/// end.
///
/// # Errors
/// As [`fields`].
pub fn fields_beside<const N: usize>(
    text: &[u8],
    object: Option<Span>,
    known: Option<Span>,
    names: [&str; N],
) -> Result<[Option<Span>; N], Twice> {
    let mut found = [None; N];
    let Some(object) = object else {
        return Ok(found);
    };
    for (key, value) in members_beside(text, object, known) {
        for (slot, name) in found.iter_mut().zip(names) {
            if string_is(text, key, name) && slot.replace(value).is_some() {
                return Err(Twice);
            }
        }
    }
    Ok(found)
}

/// The span of a whole member, its comma included, so that cutting it leaves a valid object.
#[must_use]
pub fn member_with_comma(text: &[u8], object: Span, name: &str) -> Option<Span> {
    let mut found = false;
    let first = runs(text, object, &mut |key, _| {
        let is_it = !found && string_is(text, key, name);
        found |= is_it;
        is_it
    });
    first.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::span::member;

    fn joined(parts: &[Part<'_>]) -> String {
        String::from_utf8(
            parts
                .iter()
                .flat_map(|part| part.bytes().to_vec())
                .collect(),
        )
        .unwrap()
    }

    #[test]
    fn only_the_replaced_values_change() {
        let text = Rc::new(br#"{"id": 1.0 ,"a":{"b":"c"}, "x" : 1e5}"#.to_vec());
        let whole = Span::whole(&text);
        let mut edits = Edits::default();
        edits.replace(member(&text, whole, "a").unwrap(), b"\"new\"".to_vec());
        edits.replace(member(&text, whole, "id").unwrap(), ShortBytes::decimal(77));
        assert_eq!(
            joined(&edits.parts(&text, whole)),
            r#"{"id": 77 ,"a":"new", "x" : 1e5}"#
        );
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_however_it_is_written() {
        let read = |text: &str| {
            fields(
                text.as_bytes(),
                Some(Span::whole(text.as_bytes())),
                ["name", "_meta"],
            )
            .map(|found| found.map(|at| at.map(|at| at.of(text.as_bytes()).to_vec())))
        };
        assert_eq!(
            read(r#"{"name":"a","x":1}"#),
            Ok([Some(b"\"a\"".to_vec()), None])
        );
        assert_eq!(read(r#"{"name":"a","name":"b"}"#), Err(Twice));
        assert_eq!(read(r#"{"name":"a","n\u0061me":"b"}"#), Err(Twice));
        assert_eq!(fields(b"", None, ["name"]), Ok([None]));
    }

    #[test]
    fn a12_hop_local_members_go_and_leave_a_valid_object() {
        let (x, y) = (
            r#""io.modelcontextprotocol/x":{"a":[1]}"#,
            r#""io\u002emodelcontextprotocol/y" : 2"#,
        );
        let (a, b) = (r#""a":1.0"#, r#""io.modelcontextprotocolx":"b""#);
        for (members, left) in [
            (vec![a, b], vec![a, b]),
            (vec![x], vec![]),
            (vec![x, y], vec![]),
            (vec![x, a], vec![a]),
            (vec![a, x], vec![a]),
            (vec![a, x, y], vec![a]),
            (vec![x, y, a], vec![a]),
            (vec![a, x, b, y], vec![a, b]),
            (vec![x, a, y, b, x, y], vec![a, b]),
            (vec![], vec![]),
        ] {
            let buffer = Rc::new(format!("{{ {} }}", members.join(" , ")).into_bytes());
            let whole = Span::whole(&buffer);
            let mut edits = Edits::default();
            edits.cut_all(&survey(&buffer, Some(whole)).hop.cuts);
            let cut = joined(&edits.parts(&buffer, whole));
            let plain: String = cut.split_whitespace().collect();
            assert_eq!(plain, format!("{{{}}}", left.join(",")), "{members:?}");
        }
    }

    #[test]
    fn a_cut_member_leaves_a_valid_object() {
        for (text, left) in [
            (r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
            (r#"{"b":2 , "a":1 }"#, r#"{"b":2 }"#),
            (r#"{ "a" : 1 }"#, r#"{  }"#),
        ] {
            let buffer = Rc::new(text.as_bytes().to_vec());
            let whole = Span::whole(&buffer);
            let mut edits = Edits::default();
            edits.cut(member_with_comma(&buffer, whole, "a").unwrap());
            assert_eq!(joined(&edits.parts(&buffer, whole)), left);
        }
    }
}
