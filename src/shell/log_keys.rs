//! What a line of the log says by `key=value`, as members of its JSON object.
//!
//! Only the pairs with which our own lines begin are read: `server=files ready`, and after the
//! words `call` and `http`. What follows is prose, and may be somebody else's.

use serde_json::{Deserializer, Value};

/// Keys that become members, each always with the same meaning.
const KEYS: [&str; 10] = [
    "server",
    "tool",
    "method",
    "path",
    "status",
    "outcome",
    "ms",
    "bytes_in",
    "bytes_out",
    "tools",
];
/// Words that stand before the pairs of a line.
const EVENTS: [&str; 2] = ["call", "http"];

/// The members, each with a comma before it.
pub(crate) fn members(text: &str) -> String {
    let mut members = String::new();
    let mut rest = text;
    if let Some((word, after)) = text.split_once(' ')
        && EVENTS.contains(&word)
    {
        members = format!(",\"event\":\"{word}\"");
        rest = after;
    }
    let mut seen = Vec::new();
    while let Some((key, value, after)) = pair(rest) {
        if seen.contains(&key) {
            break;
        }
        seen.push(key);
        members.push_str(&format!(",\"{key}\":{value}"));
        rest = after;
    }
    members
}

/// The pair with which a text begins, the value as JSON, and what follows.
fn pair(text: &str) -> Option<(&str, Value, &str)> {
    let (key, rest) = text.split_once('=')?;
    if !KEYS.contains(&key) {
        return None;
    }
    if rest.starts_with('"') {
        let mut values = Deserializer::from_str(rest).into_iter::<String>();
        let value = values.next()?.ok()?;
        let after = rest.get(values.byte_offset()..)?;
        return Some((key, Value::from(value), after.trim_start()));
    }
    let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let value = match word.parse::<u64>() {
        // A server may be called 7, or 007.
        Ok(number) if !matches!(key, "server" | "tool" | "path") => Value::from(number),
        Ok(_) | Err(_) => Value::from(word),
    };
    Some((key, value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Value {
        serde_json::from_str(&format!("{{\"x\":0{}}}", members(text))).unwrap()
    }

    #[test]
    fn contract_8_the_pairs_of_our_lines_become_members() {
        let line = "call method=tools/call server=7 tool=\"a \\\"b\\\" = c\" outcome=ok ms=12 \
                    bytes_in=3 bytes_out=4";
        assert_eq!(
            object(line),
            serde_json::json!({
                "x": 0, "event": "call", "method": "tools/call", "server": "7",
                "tool": "a \"b\" = c", "outcome": "ok", "ms": 12, "bytes_in": 3, "bytes_out": 4
            })
        );
        let ready = object("server=files ready tools=11 in=412ms");
        assert_eq!(ready, serde_json::json!({"x": 0, "server": "files"}));
        let http = object("http method=GET path=/sse status=200 ms=0 bytes_in=0 stream");
        assert_eq!(http["status"], 200);
    }

    #[test]
    fn prose_of_others_makes_no_members() {
        for line in [
            "",
            "ready",
            "[files] server=evil time=1",
            "time=1 level=2",
            "http refused: server=evil",
            "call server",
            "calls server=evil",
            "server=\"evil",
        ] {
            let object = object(line);
            assert!(!object.to_string().contains("evil"), "{line} {object}");
            assert!(object.get("time").is_none() && object.get("level").is_none());
        }
        let twice = object("server=a server=evil");
        assert_eq!(twice, serde_json::json!({"x": 0, "server": "a"}));
    }
}
