//! A new member at the end of an object, laid out like its neighbours.

use super::super::jsonc::{Member, Value};
use super::super::render::Layout;
use super::{New, Splice, layout as place};
use crate::json::write;

/// What is put in.
pub(super) struct NewMember<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a New,
}

impl NewMember<'_> {
    /// `"key": value`, its later lines indented; the first one is wherever it is put.
    fn lines(&self, layout: &Layout, indent: &str) -> String {
        let value = self.value.lines(layout, indent);
        format!("{}{}{value}", write::string(self.key), layout.colon())
    }

    fn line(&self, layout: &Layout) -> String {
        let value = self.value.line(layout);
        format!("{}{}{value}", write::string(self.key), layout.colon())
    }
}

/// Appends a member. `own` says whether the object stands in a document or on a line of its own.
pub(super) fn member(
    text: &[u8],
    object: &Value,
    own: bool,
    new: &NewMember<'_>,
    layout: &Layout,
) -> Vec<Splice> {
    match object.members().last() {
        Some(last) if place::begins_line(text, last.key_at.start) => {
            after_line(text, object, last, new, layout)
        }
        Some(last) => after_neighbour(last, new, layout),
        None => into_empty(text, object, own, new, layout),
    }
}

/// The last member has a line of its own: so gets the new one. A comma that is missing goes right
/// behind the last value, before the remarks on its line.
fn after_line(
    text: &[u8],
    object: &Value,
    last: &Member,
    new: &NewMember<'_>,
    layout: &Layout,
) -> Vec<Splice> {
    let indent = place::indent_of_line(text, last.key_at.start);
    let written = if neighbours_are_on_one_line(text, object) {
        new.line(layout)
    } else {
        new.lines(layout, indent)
    };
    let line_end = layout.line_end;
    match last.comma {
        Some(comma) => {
            let at = place::end_of_remarks(text, comma + 1);
            let written = format!("{line_end}{indent}{written},");
            vec![Splice::insert(at, written)]
        }
        None => {
            let end = last.value.at.end;
            let at = place::end_of_remarks(text, end);
            let written = format!("{line_end}{indent}{written}");
            vec![
                Splice::insert(end, ",".to_owned()),
                Splice::insert(at, written),
            ]
        }
    }
}

/// Whether the objects and arrays beside the new value all stand on one line each.
fn neighbours_are_on_one_line(text: &[u8], object: &Value) -> bool {
    let mut lines = object
        .members()
        .iter()
        .filter_map(|member| place::container_is_on_one_line(text, &member.value))
        .peekable();
    lines.peek().is_some() && lines.all(|on_one_line| on_one_line)
}

/// The last member shares its line: the new one goes right behind it.
fn after_neighbour(last: &Member, new: &NewMember<'_>, layout: &Layout) -> Vec<Splice> {
    let written = new.line(layout);
    match last.comma {
        Some(comma) => {
            let blank = if layout.spaced { " " } else { "" };
            vec![Splice::insert(comma + 1, format!("{blank}{written},"))]
        }
        None => {
            let written = format!("{}{written}", layout.comma());
            vec![Splice::insert(last.value.at.end, written)]
        }
    }
}

fn into_empty(
    text: &[u8],
    object: &Value,
    own: bool,
    new: &NewMember<'_>,
    layout: &Layout,
) -> Vec<Splice> {
    let inside = object.at.start + 1..object.at.end - 1;
    let outer = place::indent_of_line(text, object.at.start);
    let inner = format!("{outer}{}", layout.unit);
    let line_end = layout.line_end;
    if let Some(comment) = place::last_comment(text, inside.clone()) {
        let at = comment.end;
        // Behind the comments. A line comment ends with its line, so a line end follows it.
        let on_lines = place::has_line_end(text.get(at..inside.end).unwrap_or_default());
        let written = if on_lines {
            format!("{line_end}{inner}{}", new.lines(layout, &inner))
        } else {
            format!(" {}", new.line(layout))
        };
        return vec![Splice::insert(at, written)];
    }
    let blanks = text.get(inside.clone()).unwrap_or_default();
    if own || place::has_line_end(blanks) {
        let written = new.lines(layout, &inner);
        let text = format!("{line_end}{inner}{written}{line_end}{outer}");
        return vec![Splice {
            range: inside,
            text,
        }];
    }
    let blank = if blanks.is_empty() { "" } else { " " };
    let text = format!("{blank}{}{blank}", new.line(layout));
    vec![Splice {
        range: inside,
        text,
    }]
}
