//! The text of a configuration file with its secrets hidden, for showing differences.
//!
//! Works on the text itself, so that lines and layout stay as they are in the file.

use onemcp::config::jsonc::{self, Dialect, Kind, Value};
use onemcp::config::mask;

/// Hides the secrets. What is no JSON is not shown at all.
pub(super) fn text(text: &[u8]) -> Vec<u8> {
    let root = match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => root,
        Err(error) if error.why == jsonc::Why::Empty => return comments(text),
        Err(_) => return b"(not JSON, so it is not shown)\n".to_vec(),
    };
    let mut hidden = Vec::new();
    find(&root, "", false, &mut hidden);
    let mut shown = Vec::with_capacity(text.len());
    let mut at = 0;
    for (value, instead) in hidden {
        let range = value.at.range();
        shown.extend_from_slice(text.get(at..range.start).unwrap_or_default());
        shown.extend_from_slice(onemcp::json::write::string(&instead).as_bytes());
        at = range.end;
    }
    shown.extend_from_slice(text.get(at..).unwrap_or_default());
    comments(&shown)
}

/// The same in comments: servers that somebody switched off have their keys still.
fn comments(text: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let (length, is_comment) = match (byte, rest.get(1)) {
            (b'"', _) => (string_length(rest), false),
            (b'/', Some(b'/')) => (find_in(rest, b"\n", 0), true),
            (b'/', Some(b'*')) => (find_in(rest, b"*/", 2), true),
            _ => (1, false),
        };
        let (piece, later) = rest.split_at(length.min(rest.len()));
        match std::str::from_utf8(piece) {
            Ok(comment) if is_comment => shown.extend_from_slice(prose(comment).as_bytes()),
            _ => shown.extend_from_slice(piece),
        }
        rest = later;
    }
    shown
}

/// How long the string is that the text begins with.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let is_end = |byte: &u8| {
        let is_end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    };
    let inside = text.get(1..).unwrap_or_default();
    inside
        .iter()
        .position(is_end)
        .map_or(text.len(), |at| at + 2)
}

/// Where it stands first; the end if it stands nowhere.
fn find_in(text: &[u8], wanted: &[u8], from: usize) -> usize {
    let mut windows = text.windows(wanted.len()).skip(from);
    windows
        .position(|window| window == wanted)
        .map_or(text.len(), |at| at + from)
}

/// A comment: of what stands in quotes only keys stay, other words as arguments do.
fn prose(comment: &str) -> String {
    let mut shown = String::with_capacity(comment.len());
    let mut pieces = comment.split('"').peekable();
    let mut quoted = false;
    while let Some(piece) = pieces.next() {
        match (quoted, pieces.peek()) {
            (true, Some(after)) if after.trim_start().starts_with(':') => shown.push_str(piece),
            (true, Some(_)) => shown.push_str(mask::MASKED),
            (true, None) | (false, _) => {
                let lines: Vec<String> = piece.split('\n').map(mask_words).collect();
                shown.push_str(&lines.join("\n"));
            }
        }
        quoted = !quoted;
        if pieces.peek().is_some() {
            shown.push('"');
        }
    }
    shown
}

fn mask_words(line: &str) -> String {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    mask::arguments(&words).join(" ")
}

/// Collects strings that are shown as something else, in their order. `all`: everything below is a
/// secret.
fn find<'v>(value: &'v Value, key: &str, all: bool, hidden: &mut Vec<(&'v Value, String)>) {
    match &value.kind {
        Kind::String(string) if all => hidden.push((value, hide_after_name(string, key))),
        Kind::String(string) => {
            // As an argument `KEY=VALUE` would be shown.
            let named = mask::arguments(&[format!("{key}={string}")]);
            let shown = named.first().and_then(|named| named.get(key.len() + 1..));
            if let Some(shown) = shown.filter(|shown| shown != string) {
                hidden.push((value, shown.to_owned()));
            }
        }
        Kind::Array(elements) if !all && elements.iter().all(is_string) => {
            let strings: Vec<String> = elements.iter().filter_map(string).collect();
            let shown = mask::arguments(&strings);
            for ((element, shown), string) in elements.iter().zip(shown).zip(&strings) {
                if shown != *string {
                    hidden.push((element, shown));
                }
            }
        }
        Kind::Array(elements) => elements
            .iter()
            .for_each(|element| find(element, key, all, hidden)),
        Kind::Object(members) => {
            for member in members {
                let all = all || is_secret(&member.key);
                find(&member.value, &member.key, all, hidden);
            }
        }
        Kind::Number if all => hidden.push((value, mask::MASKED.to_owned())),
        Kind::Null | Kind::Bool(_) | Kind::Number => {}
    }
}

/// In a list of `K=V` the names may be seen.
fn hide_after_name(string: &str, key: &str) -> String {
    match string.split_once('=') {
        Some((name, _)) if key == "env" && !name.is_empty() => format!("{name}={}", mask::MASKED),
        _ => mask::MASKED.to_owned(),
    }
}

/// Objects whose values are hidden whatever their names are.
fn is_secret(key: &str) -> bool {
    matches!(
        key,
        "env" | "headers" | "requestInit" | "oauth" | "http_headers" | "requestHeaders"
    )
}

fn is_string(value: &Value) -> bool {
    matches!(value.kind, Kind::String(_))
}

fn string(value: &Value) -> Option<String> {
    match &value.kind {
        Kind::String(string) => Some(string.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        String::from_utf8(text(json.as_bytes())).unwrap()
    }

    #[test]
    fn contract_1_secrets_are_hidden_and_the_layout_stays() {
        for (json, expected) in [
            (
                "{ // c\r\n\t\"env\" : {\"A\":\"x\", \"B\": 5}, }",
                "{ // c\r\n\t\"env\" : {\"A\":\"***\", \"B\": \"***\"}, }",
            ),
            (r#"{"env": ["A=x", "B"]}"#, r#"{"env": ["A=***", "***"]}"#),
            (r#"{"headers": {"X": "y"}}"#, r#"{"headers": {"X": "***"}}"#),
            (
                r#"{"args": ["--api-key", "abc", "/data"]}"#,
                r#"{"args": ["--api-key", "***", "/data"]}"#,
            ),
            (
                r#"{"url": "https://u:p@h/mcp?key=1"}"#,
                r#"{"url": "https://***@h/mcp?***"}"#,
            ),
            (
                r#"{"theme": "dark", "apiKey": "abc"}"#,
                r#"{"theme": "dark", "apiKey": "***"}"#,
            ),
            (r#"{"command": "npx"}"#, r#"{"command": "npx"}"#),
            ("", ""),
        ] {
            assert_eq!(shown(json), expected);
        }
        for (json, expected) in [
            (
                "// \"K\": \"a\", [\"--x\"]\n{} // don't --token a",
                "// \"K\": \"***\", [\"***\"]\n{} // don't --token ***",
            ),
            (
                "{/* A_KEY=a */ \"// b\\\" c\": 1 /* \"a\"\n\"b\": */}",
                "{/* A_KEY=*** */ \"// b\\\" c\": 1 /* \"***\"\n\"b\": */}",
            ),
            ("// ghp_0123456789abcdef", "// ***"),
            ("/* hello\r\nworld */\n", "/* hello\r\nworld */\n"),
        ] {
            assert_eq!(shown(json), expected);
        }
        assert!(!shown("{\"apiKey\": \"abc\"").contains("abc"));
    }
}
