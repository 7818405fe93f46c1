//! Values that are put in: as members, in the place of others, as new documents.

use super::super::jsonc::{self, BOM, Dialect, Value};
use super::super::render::{self, Layout};
use super::path::Step;
use super::{EditError, Splice, layout};
use crate::json::write;

/// A value to be put in, with the text that its positions refer to.
pub(super) struct New {
    text: String,
    value: Value,
}

impl New {
    pub(super) fn parse(json: &str) -> Result<Self, EditError> {
        let value = jsonc::parse(json.as_bytes(), Dialect::Strict).map_err(EditError::BadValue)?;
        Ok(Self {
            text: json.to_owned(),
            value,
        })
    }

    /// `{"a": {"b": VALUE}}` for the keys a, b.
    pub(super) fn inside(&self, path: &[Step<'_>]) -> Result<Self, EditError> {
        let mut json = self.text.clone();
        for step in path.iter().rev() {
            match step {
                Step::Key(key) => json = format!("{{{}:{json}}}", write::string(key)),
                Step::Index(index) => return Err(EditError::NoElement(*index)),
            }
        }
        Self::parse(&json)
    }

    /// Whether this value of the document is the same, token for token.
    pub(super) fn is(&self, text: &[u8], old: &Value) -> bool {
        render::compact(self.text.as_bytes(), &self.value) == render::compact(text, old)
    }

    pub(super) fn line(&self, layout: &Layout) -> String {
        render::line(self.text.as_bytes(), &self.value, layout)
    }

    pub(super) fn lines(&self, layout: &Layout, indent: &str) -> String {
        render::lines(self.text.as_bytes(), &self.value, layout, indent)
    }
}

/// A new value in the place of an old one: on one line if the old one was an object or array on
/// one line, or if the whole neighbourhood is.
pub(super) fn replace(text: &[u8], old: &Value, own: bool, value: &New, layout: &Layout) -> Splice {
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
pub(super) fn new_document(
    text: &[u8],
    path: &[Step<'_>],
    value: &New,
) -> Result<Vec<Splice>, EditError> {
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
