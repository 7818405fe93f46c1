//! A parsed value written anew as strict JSON: on one line, or laid out like the file around it.
//!
//! Strings and numbers are copied as they were written, so nothing is lost to a number type or to
//! another way of escaping.

use super::jsonc::{Kind, Member, Value};

/// How a file is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// `\n` or `\r\n`.
    pub(super) line_end: &'static str,
    /// One step of indentation.
    pub(super) unit: String,
    /// Whether blanks follow `:` and `,` on one line.
    pub(super) spaced: bool,
}

impl Layout {
    /// What a new file looks like.
    pub(super) fn new_file() -> Self {
        Self {
            line_end: "\n",
            unit: "  ".to_owned(),
            spaced: true,
        }
    }

    /// `: ` or `:`.
    pub(super) const fn colon(&self) -> &'static str {
        if self.spaced { ": " } else { ":" }
    }

    /// `, ` or `,`, between members on one line.
    pub(super) const fn comma(&self) -> &'static str {
        if self.spaced { ", " } else { "," }
    }
}

/// An array of short scalars longer than this is written on several lines.
const ARRAY_CHARACTERS_MAX: usize = 80;

/// On one line, without blanks.
pub(super) fn compact(text: &[u8], value: &Value) -> String {
    let layout = Layout {
        spaced: false,
        ..Layout::new_file()
    };
    line(text, value, &layout)
}

/// On one line, as the file does it.
pub(super) fn line(text: &[u8], value: &Value, layout: &Layout) -> String {
    let mut out = String::new();
    push_line(&mut out, text, value, layout);
    out
}

/// Objects and long arrays on several lines; `indent` is that of the line on which it begins.
pub(super) fn lines(text: &[u8], value: &Value, layout: &Layout, indent: &str) -> String {
    let mut out = String::new();
    push_lines(&mut out, text, value, layout, indent);
    out
}

fn raw(text: &[u8], at: crate::json::span::Span) -> &str {
    // The text was parsed, so it is UTF-8, and tokens end at character borders.
    std::str::from_utf8(at.of(text)).unwrap_or_default()
}

fn push_line(out: &mut String, text: &[u8], value: &Value, layout: &Layout) {
    match &value.kind {
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::String(_) => {
            out.push_str(raw(text, value.at));
        }
        Kind::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index > 0 { layout.comma() } else { "" });
                push_line(out, text, element, layout);
            }
            out.push(']');
        }
        Kind::Object(members) => {
            out.push('{');
            for (index, member) in members.iter().enumerate() {
                out.push_str(if index > 0 { layout.comma() } else { "" });
                out.push_str(raw(text, member.key_at));
                out.push_str(layout.colon());
                push_line(out, text, &member.value, layout);
            }
            out.push('}');
        }
    }
}

fn push_lines(out: &mut String, text: &[u8], value: &Value, layout: &Layout, indent: &str) {
    let inner = format!("{indent}{}", layout.unit);
    let next_line = |out: &mut String, index: usize| {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(layout.line_end);
        out.push_str(&inner);
    };
    let close = match &value.kind {
        Kind::Object(members) if !members.is_empty() => {
            out.push('{');
            for (index, Member { key_at, value, .. }) in members.iter().enumerate() {
                next_line(out, index);
                out.push_str(raw(text, *key_at));
                out.push_str(layout.colon());
                push_lines(out, text, value, layout, &inner);
            }
            '}'
        }
        Kind::Array(elements) if !fits(text, value, elements, layout) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                next_line(out, index);
                push_lines(out, text, element, layout, &inner);
            }
            ']'
        }
        _ => return push_line(out, text, value, layout),
    };
    out.push_str(layout.line_end);
    out.push_str(indent);
    out.push(close);
}

/// Whether an array is written on one line: scalars only, and not many.
fn fits(text: &[u8], array: &Value, elements: &[Value], layout: &Layout) -> bool {
    let scalar = |element: &Value| match &element.kind {
        Kind::Array(inner) => inner.is_empty(),
        Kind::Object(inner) => inner.is_empty(),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::String(_) => true,
    };
    elements.iter().all(scalar) && line(text, array, layout).chars().count() <= ARRAY_CHARACTERS_MAX
}

#[cfg(test)]
mod tests {
    use super::super::jsonc::{Dialect, parse};
    use super::*;

    #[test]
    fn comments_and_trailing_commas_vanish_and_tokens_stay() {
        let text = b"{ /* c */ \"a\" : 1.0e+2, // d\n \"b\\u0041\": [ \"x\", {}, [], null, ], }";
        let value = parse(text, Dialect::Relaxed).unwrap();
        assert_eq!(
            compact(text, &value),
            r#"{"a":1.0e+2,"b\u0041":["x",{},[],null]}"#
        );
        let layout = Layout {
            line_end: "\r\n",
            unit: "\t".into(),
            spaced: true,
        };
        assert_eq!(
            lines(text, &value, &layout, " "),
            "{\r\n \t\"a\": 1.0e+2,\r\n \t\"b\\u0041\": [\"x\", {}, [], null]\r\n }"
        );
    }

    #[test]
    fn long_arrays_and_arrays_of_objects_go_on_several_lines() {
        let text = format!(r#"[["{}"],[{{"a":1}}]]"#, "x".repeat(80));
        let value = parse(text.as_bytes(), Dialect::Strict).unwrap();
        let written = lines(text.as_bytes(), &value, &Layout::new_file(), "");
        assert_eq!(written.lines().count(), 10);
        assert!(written.ends_with("  [\n    {\n      \"a\": 1\n    }\n  ]\n]"));
    }
}
