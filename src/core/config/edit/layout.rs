//! How a file is laid out around a place: lines, indentation, comments.

use std::ops::Range;

use super::super::jsonc::{BOM, Kind, Value};
use super::super::render::Layout;
use super::super::scan::{Trivia, trivia};

/// The layout of a document, found from its first examples.
pub(super) fn detect(text: &[u8], root: &Value) -> Layout {
    let usual = Layout::new_file();
    Layout {
        line_end: line_end(text),
        unit: unit(text, root).unwrap_or(usual.unit),
        spaced: spaced(text, root).unwrap_or(usual.spaced),
    }
}

/// The first line end of the text.
pub(super) fn line_end(text: &[u8]) -> &'static str {
    let first = text.iter().position(|byte| is_line_end(*byte));
    match first.and_then(|at| text.get(at..)) {
        Some([b'\r', b'\n', ..]) => "\r\n",
        Some([b'\r', ..]) => "\r",
        Some(_) | None => "\n",
    }
}

pub(super) const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn has_line_end(text: &[u8]) -> bool {
    text.iter().any(|byte| is_line_end(*byte))
}

/// Where the line of this byte begins.
pub(super) fn line_start(text: &[u8], at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    match before.iter().rposition(|byte| is_line_end(*byte)) {
        Some(end) => end + 1,
        None if before.starts_with(BOM) => BOM.len(),
        None => 0,
    }
}

/// Where the line before the line of this byte ends; the text begins there if there is none.
pub(super) fn line_end_before(text: &[u8], at: usize) -> usize {
    let start = line_start(text, at);
    match text.get(..start).unwrap_or_default() {
        [.., b'\r', b'\n'] => start - 2,
        [.., b'\r' | b'\n'] => start - 1,
        _ => start,
    }
}

/// The blanks at the beginning of the line of this byte.
pub(super) fn indent_of_line(text: &[u8], at: usize) -> &str {
    let start = line_start(text, at);
    let line = text.get(start..).unwrap_or_default();
    let length = line.iter().take_while(|byte| is_blank(**byte)).count();
    // Blanks and tabs are UTF-8.
    std::str::from_utf8(line.get(..length).unwrap_or_default()).unwrap_or_default()
}

/// Whether nothing but blanks stands before this byte on its line.
pub(super) fn begins_line(text: &[u8], at: usize) -> bool {
    // Not by the start of its line, which is far away where a whole document stands on one: each
    // of its members would look back over all of it.
    match text.get(..blanks_before(text, at)).unwrap_or_default() {
        [] => true,
        [.., last] if is_line_end(*last) => true,
        before => before == BOM,
    }
}

/// Where the blanks (no line ends) that stand before this byte begin.
pub(super) fn blanks_before(text: &[u8], at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let blanks = before.iter().rev().take_while(|byte| is_blank(**byte));
    at - blanks.count()
}

/// Where the blanks (no line ends) that stand here end.
pub(super) fn blanks_after(text: &[u8], at: usize) -> usize {
    let after = text.get(at..).unwrap_or_default();
    at + after.iter().take_while(|byte| is_blank(**byte)).count()
}

/// If nothing but blanks follows on this line: where the next line begins.
pub(super) fn next_line(text: &[u8], at: usize) -> Option<usize> {
    let end = blanks_after(text, at);
    match text.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => Some(end + 2),
        [b'\r' | b'\n', ..] => Some(end + 1),
        _ => None,
    }
}

/// Where the comma stands that follows a value behind nothing but blanks and comments.
pub(super) fn comma_after(text: &[u8], mut at: usize) -> Option<usize> {
    while let Ok(piece) = trivia(text, at) {
        match piece {
            Trivia::Blank(end) | Trivia::LineComment(end) | Trivia::BlockComment(end) => at = end,
            Trivia::None => return (text.get(at) == Some(&b',')).then_some(at),
        }
    }
    None
}

/// Where the line with everything that belongs to the token before `at` ends: comments that do
/// not go on in the next line belong to it. If another token follows on the line, the place is
/// before the blanks in front of that.
pub(super) fn end_of_remarks(text: &[u8], at: usize) -> usize {
    let mut end = at;
    let mut cursor = at;
    while let Ok(piece) = trivia(text, cursor) {
        match piece {
            Trivia::Blank(to) => {
                let blanks = text.get(cursor..to).unwrap_or_default();
                if let Some(line_end) = blanks.iter().position(|byte| is_line_end(*byte)) {
                    return cursor + line_end;
                }
                cursor = to;
            }
            Trivia::BlockComment(to) if has_line_end(text.get(cursor..to).unwrap_or_default()) => {
                return end;
            }
            Trivia::LineComment(to) | Trivia::BlockComment(to) => {
                end = to;
                cursor = to;
            }
            Trivia::None => return end,
        }
    }
    end
}

/// A comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Comment {
    /// Where it ends.
    pub(super) end: usize,
    /// `//`: the line end after it must stay.
    pub(super) needs_line_end: bool,
}

/// The last comment in a stretch of blanks and comments.
pub(super) fn last_comment(text: &[u8], range: Range<usize>) -> Option<Comment> {
    let mut last = None;
    let mut cursor = range.start;
    while cursor < range.end
        && let Ok(piece) = trivia(text, cursor)
    {
        let (end, needs_line_end) = match piece {
            Trivia::Blank(end) => {
                cursor = end;
                continue;
            }
            Trivia::LineComment(end) => (end, true),
            Trivia::BlockComment(end) => (end, false),
            Trivia::None => break,
        };
        last = Some(Comment {
            end,
            needs_line_end,
        });
        cursor = end;
    }
    last.filter(|comment| comment.end <= range.end)
}

/// For an object or array that is not empty: whether it stands on one line.
pub(super) fn container_is_on_one_line(text: &[u8], value: &Value) -> Option<bool> {
    let empty = match &value.kind {
        Kind::Object(members) => members.is_empty(),
        Kind::Array(elements) => elements.is_empty(),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::String(_) => true,
    };
    (!empty).then(|| !has_line_end(value.at.of(text)))
}

fn children(value: &Value) -> Box<dyn Iterator<Item = (usize, &Value)> + '_> {
    match &value.kind {
        Kind::Object(members) => Box::new(
            members
                .iter()
                .map(|member| (member.key_at.start, &member.value)),
        ),
        Kind::Array(elements) => {
            Box::new(elements.iter().map(|element| (element.at.start, element)))
        }
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::String(_) => Box::new(std::iter::empty()),
    }
}

/// One step of indentation: what a child on a line of its own is indented beyond its parent.
fn unit(text: &[u8], value: &Value) -> Option<String> {
    for (start, child) in children(value) {
        if begins_line(text, start)
            && let outer = indent_of_line(text, value.at.start)
            && let Some(step) = indent_of_line(text, start).strip_prefix(outer)
            && !step.is_empty()
        {
            return Some(step.to_owned());
        }
        if let Some(step) = unit(text, child) {
            return Some(step);
        }
    }
    None
}

/// Whether a blank follows the colon of the first member.
fn spaced(text: &[u8], value: &Value) -> Option<bool> {
    if let Some(first) = value.members().first() {
        let between = text.get(first.key_at.end..first.value.at.start);
        return Some(between.is_some_and(|between| between.len() > 1));
    }
    children(value).find_map(|(_, child)| spaced(text, child))
}
