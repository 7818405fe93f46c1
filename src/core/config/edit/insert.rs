//! A new member or element at the end of its object or array, laid out like its neighbours.

use super::super::jsonc::Value;
use super::super::render::Layout;
use super::path::{Item, items};
use super::value::New;
use super::{Splice, layout as place};
use crate::json::write;

/// What is put in: a member, or an element if it has no key.
pub(super) struct NewItem<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) value: &'a New,
}

impl NewItem<'_> {
    /// `"key": value`, its later lines indented; the first one is wherever it is put.
    fn lines(&self, layout: &Layout, indent: &str) -> String {
        self.with_key(layout, self.value.lines(layout, indent))
    }

    fn line(&self, layout: &Layout) -> String {
        self.with_key(layout, self.value.line(layout))
    }

    fn with_key(&self, layout: &Layout, value: String) -> String {
        match self.key {
            Some(key) => format!("{}{}{value}", write::string(key), layout.colon()),
            None => value,
        }
    }
}

/// Appends an item. `own` says whether the container stands in a document or on a line of its own.
pub(super) fn item(
    text: &[u8],
    container: &Value,
    own: bool,
    new: &NewItem<'_>,
    layout: &Layout,
) -> Vec<Splice> {
    let neighbours = items(text, container);
    match neighbours.last() {
        Some(last) if place::begins_line(text, last.start) => {
            after_line(text, &neighbours, last, new, layout)
        }
        Some(last) => after_neighbour(text, last, new, layout),
        None => into_empty(text, container, own, new, layout),
    }
}

/// The last item has a line of its own: so gets the new one. A comma that is missing goes right
/// behind the last value, before the remarks on its line.
fn after_line(
    text: &[u8],
    neighbours: &[Item<'_>],
    last: &Item<'_>,
    new: &NewItem<'_>,
    layout: &Layout,
) -> Vec<Splice> {
    let indent = place::indent_of_line(text, last.start);
    let written = if are_on_one_line(text, neighbours) {
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
fn are_on_one_line(text: &[u8], neighbours: &[Item<'_>]) -> bool {
    let mut lines = neighbours
        .iter()
        .filter_map(|item| place::container_is_on_one_line(text, item.value))
        .peekable();
    lines.peek().is_some() && lines.all(|on_one_line| on_one_line)
}

/// The last item shares its line: the new one goes right behind it, and spreads if that does
/// (`[{` LINES `}, {` LINES `}]`).
fn after_neighbour(
    text: &[u8],
    last: &Item<'_>,
    new: &NewItem<'_>,
    layout: &Layout,
) -> Vec<Splice> {
    let behind = last.comma.unwrap_or(last.value.at.end);
    let written = match place::container_is_on_one_line(text, last.value) {
        Some(false) => new.lines(layout, place::indent_of_line(text, behind)),
        Some(true) | None => new.line(layout),
    };
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
    container: &Value,
    own: bool,
    new: &NewItem<'_>,
    layout: &Layout,
) -> Vec<Splice> {
    let inside = container.at.start + 1..container.at.end - 1;
    let outer = place::indent_of_line(text, container.at.start);
    let inner = format!("{outer}{}", layout.unit);
    let line_end = layout.line_end;
    if let Some(comment) = place::last_comment(text, inside.clone()) {
        // Behind the comments. A line comment ends with its line, so a line end follows it.
        let rest = comment.end..inside.end;
        let on_lines = place::has_line_end(text.get(rest).unwrap_or_default());
        let (at, written) = if on_lines {
            let written = format!("{line_end}{inner}{}", new.lines(layout, &inner));
            (place::blanks_after(text, comment.end), written)
        } else {
            (comment.end, format!(" {}", new.line(layout)))
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
