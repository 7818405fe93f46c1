//! Writing JSON strings and the few messages that are ours.

use crate::base::word;

/// Appends the text as a JSON string with its quotes.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.push(b'"');
    while let Some((plain, special)) = rest.split_at_checked(word::plain_run(rest)) {
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else {
            break;
        };
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0x08 => out.extend(b"\\b"),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            0x0c => out.extend(b"\\f"),
            b'\r' => out.extend(b"\\r"),
            control => out.extend(format!("\\u{control:04x}").into_bytes()),
        }
        rest = after;
    }
    out.push(b'"');
}

/// The text as a JSON string with its quotes.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// An object of the members that there are; the values are JSON.
#[must_use]
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let members = members.into_iter();
    let there = members.filter_map(|(name, value)| Some(format!("{}:{}", string(name), value?)));
    format!("{{{}}}", there.collect::<Vec<_>>().join(","))
}

/// `{"jsonrpc":"2.0","id":ID,"error":{"code":CODE,"message":MESSAGE}}`; `id` is raw JSON, `null` if
/// absent; `data` is raw JSON.
#[must_use]
pub fn error(id: Option<&[u8]>, code: i32, message: &str, data: Option<&[u8]>) -> Vec<u8> {
    let mut out = begin(id.unwrap_or(b"null"));
    out.extend_from_slice(br#""error":{"code":"#);
    out.extend_from_slice(code.to_string().as_bytes());
    out.extend_from_slice(br#","message":"#);
    push_string(&mut out, message);
    if let Some(data) = data {
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(data);
    }
    out.extend_from_slice(b"}}");
    out
}

/// `{"jsonrpc":"2.0","id":ID,"result":RESULT}`; both raw JSON.
#[must_use]
pub fn result(id: &[u8], result: &[u8]) -> Vec<u8> {
    let mut out = begin(id);
    out.reserve_exact(result.len() + 10);
    out.extend_from_slice(br#""result":"#);
    out.extend_from_slice(result);
    out.push(b'}');
    out
}

fn begin(id: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id);
    out.push(b',');
    out
}

/// Turns raw line ends into blanks, in place. In valid JSON they can only stand between tokens, so
/// the meaning is the same and the text fits on one line (DESIGN 6).
pub fn flatten(text: &mut [u8]) {
    if word::is_one_line(text) {
        return;
    }
    for byte in text {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_comes_back() {
        let all: String = ('\0'..='\u{2100}').chain("😀\u{10ffff}".chars()).collect();
        let written = string(&all);
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), all);
        assert_eq!(
            string("a\"\\\n\u{1}/\u{7f}"),
            "\"a\\\"\\\\\\n\\u0001/\u{7f}\""
        );
        assert_eq!(string(""), "\"\"");
        let mut after = b"x".to_vec();
        push_string(&mut after, "y");
        assert_eq!(after, b"x\"y\"");
    }

    #[test]
    fn a1_messages_carry_the_id_as_it_stood() {
        assert_eq!(
            error(Some(b"\"\\u0061\""), -32601, "no \"x\"", None),
            br#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":-32601,"message":"no \"x\""}}"#
        );
        assert_eq!(
            error(None, -32700, "m", Some(br#"{"a":1}"#)),
            br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":{"a":1}}}"#
        );
        assert_eq!(
            result(b"7", b"{}"),
            br#"{"jsonrpc":"2.0","id":7,"result":{}}"#
        );
    }

    #[test]
    fn flattened_text_means_the_same_on_one_line() {
        let mut text = b"{\r\n  \"a\":\n[1,\r2]\n}\n".to_vec();
        let meant: serde_json::Value = serde_json::from_slice(&text).unwrap();
        flatten(&mut text);
        assert!(!text.contains(&b'\n') && !text.contains(&b'\r'));
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&text).unwrap(),
            meant
        );
    }
}
