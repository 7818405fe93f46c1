//! What a server says, as bytes.

use std::fmt::Write;

/// A whole response with a length.
pub(crate) fn response(status: u16, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in fields {
        write!(out, "{name}: {value}\r\n").unwrap();
    }
    let typed = fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !body.is_empty() && !typed {
        out.push_str("Content-Type: application/json\r\n");
    }
    write!(out, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    out.into_bytes()
}

/// The head of an event stream, its body in chunks.
pub(crate) fn stream_head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n".to_owned();
    for (name, value) in fields {
        write!(out, "{name}: {value}\r\n").unwrap();
    }
    out.push_str("Transfer-Encoding: chunked\r\n\r\n");
    out.into_bytes()
}

/// One event, without framing.
pub(crate) fn event(id: Option<&str>, data: &str) -> String {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    format!("{id}event: message\ndata: {data}\n\n")
}

/// One chunk; an empty one ends the body.
pub(crate) fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
