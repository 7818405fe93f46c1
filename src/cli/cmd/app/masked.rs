//! The text of a configuration file with its secrets hidden, for showing differences.
//!
//! Works on the text itself, so that lines and layout stay as they are in the file.

use onemcp::config::jsonc::{self, Dialect, Kind, Value};
use onemcp::config::mask;

/// Hides the secrets. What is no JSON is not shown at all.
pub(super) fn text(text: &[u8]) -> Vec<u8> {
    let Ok(root) = jsonc::parse(text, Dialect::Relaxed) else {
        let blank = text.iter().all(u8::is_ascii_whitespace);
        return if blank {
            text.to_vec()
        } else {
            b"(not JSON, so it is not shown)\n".to_vec()
        };
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
    shown
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
        assert!(!shown("{\"apiKey\": \"abc\"").contains("abc"));
    }
}
