//! Writing JSON strings and the few messages that are ours.

/// Appends the text as a JSON string with its quotes.
pub fn push_string(_out: &mut Vec<u8>, _text: &str) {
    todo!()
}

/// The text as a JSON string with its quotes.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// `{"jsonrpc":"2.0","id":ID,"error":{"code":CODE,"message":MESSAGE}}`; `id` is raw JSON, `null` if
/// absent; `data` is raw JSON.
#[must_use]
pub fn error(_id: Option<&[u8]>, _code: i32, _message: &str, _data: Option<&[u8]>) -> Vec<u8> {
    todo!()
}

/// `{"jsonrpc":"2.0","id":ID,"result":RESULT}`; both raw JSON.
#[must_use]
pub fn result(_id: &[u8], _result: &[u8]) -> Vec<u8> {
    todo!()
}

/// Turns raw line ends into blanks, in place. In valid JSON they can only stand between tokens, so
/// the meaning is the same and the text fits on one line (DESIGN 6).
pub fn flatten(text: &mut [u8]) {
    for byte in text {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}
