//! Event streams (WHATWG HTML, section 9.2.6): writing events as a server. Frames a payload that
//! stays where it is: [`push_head`], the payload, [`EVENT_TAIL`]. Reading is in
//! [`sse_reader`](crate::http1::sse_reader).

use crate::http1::response::push_decimal;

/// What stands before the data of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventHead<'a> {
    /// `event:`; the reader takes `message` if there is none.
    pub event: Option<&'a str>,
    /// `id:`, for `Last-Event-ID`.
    pub id: Option<&'a str>,
    /// `retry:`.
    pub retry_ms: Option<u64>,
}

/// What stands behind the data of an event.
pub const EVENT_TAIL: &[u8] = b"\n\n";

/// A comment that keeps proxies from closing an idle stream.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Appends everything before the data of an event whose data is one line (JSON without raw line
/// ends); the data and [`EVENT_TAIL`] are to follow.
pub fn push_head(out: &mut Vec<u8>, head: &EventHead<'_>) {
    push_fields(out, head);
    out.extend_from_slice(b"data: ");
}

/// Appends a whole event; line ends in the data (LF, CR, CRLF) arrive as LF.
pub fn push_event(out: &mut Vec<u8>, head: &EventHead<'_>, data: &[u8]) {
    push_fields(out, head);
    let mut rest = Some(data);
    while let Some(text) = rest {
        let (line, after) = split_line(text);
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
        rest = after;
    }
    out.push(b'\n');
}

/// Appends `retry:` alone: the next connection is to come after this pause.
pub fn push_retry(out: &mut Vec<u8>, retry_ms: u64) {
    push_retry_field(out, retry_ms);
    out.push(b'\n');
}

fn push_retry_field(out: &mut Vec<u8>, retry_ms: u64) {
    out.extend_from_slice(b"retry: ");
    push_decimal(out, usize::try_from(retry_ms).unwrap_or(usize::MAX));
    out.push(b'\n');
}

fn push_fields(out: &mut Vec<u8>, head: &EventHead<'_>) {
    for (name, value) in [("event: ", head.event), ("id: ", head.id)] {
        if let Some(value) = value {
            out.extend_from_slice(name.as_bytes());
            // A line end would begin another field, and a zero byte voids an id.
            out.extend(value.bytes().filter(|byte| !byte.is_ascii_control()));
            out.push(b'\n');
        }
    }
    if let Some(retry_ms) = head.retry_ms {
        push_retry_field(out, retry_ms);
    }
}

/// The first line, and what follows its line end if it has one.
fn split_line(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(end) = text.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return (text, None);
    };
    let (line, rest) = text.split_at(end);
    let after = rest.strip_prefix(b"\r\n").or_else(|| rest.get(1..));
    (line, after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fuzzing::{events, shown};

    #[test]
    fn pair_what_the_writer_writes_the_reader_reads() {
        let mut out = Vec::new();
        let head = EventHead {
            event: Some("message"),
            id: Some("s1-7"),
            retry_ms: Some(500),
        };
        push_head(&mut out, &head);
        out.extend_from_slice(b"{\"a\":1}");
        out.extend_from_slice(EVENT_TAIL);
        out.extend_from_slice(KEEP_ALIVE);
        push_retry(&mut out, 70);
        push_event(&mut out, &EventHead::default(), b" a\r\nb\rc\n");
        let injected = EventHead {
            event: Some("x\ndata: evil\n\n"),
            id: Some("1\r\n"),
            retry_ms: None,
        };
        push_event(&mut out, &injected, b"");
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("event: message\nid: s1-7\nretry: 500\ndata: {\"a\":1}\n\n: "));
        assert_eq!(
            shown(&text),
            [
                "message|{\"a\":1}|s1-7",
                "message| a\nb\nc\n|s1-7",
                "xdata: evil||1"
            ]
        );
        assert_eq!(events([text.as_bytes()]).2, Some(70));
    }
}
