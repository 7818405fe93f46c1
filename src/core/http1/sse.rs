//! Event streams (WHATWG HTML, section 9.2.6): writing events as a server, reading them as a
//! client of a remote server.
//!
//! The writer frames a payload that stays where it is: [`push_head`], the payload, [`EVENT_TAIL`].
//! The reader takes any line end, split anywhere, and bounds what it holds.

use crate::http1::response::push_decimal;
use crate::http1::syntax::decimal;

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

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` if none was sent.
    pub event: Box<str>,
    /// Its data, lines joined by LF; may be empty (the priming event of 2025-11-25).
    pub data: Vec<u8>,
}

/// An event or a line is longer than the reader may hold; the stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Reads events from bytes as they come.
#[derive(Debug)]
pub struct Reader {
    bytes_max: usize,
    inbox: Vec<u8>,
    /// Bytes at the front of the inbox that were read; the present line begins there.
    taken: usize,
    /// Everything before this offset was searched for line ends.
    scanned: usize,
    /// The last line ended in CR: an LF right behind it belongs to that end.
    after_cr: bool,
    /// No line was read yet, so that a byte order mark may stand before the first.
    at_start: bool,
    failed: bool,
    event: Option<Box<str>>,
    /// Data lines, each with an LF behind it.
    data: Vec<u8>,
    /// `id` of the event that is being read.
    id: Option<Box<str>>,
    last_id: Option<Box<str>>,
    retry_ms: Option<u64>,
}

impl Reader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            inbox: Vec::new(),
            taken: 0,
            scanned: 0,
            after_cr: false,
            at_start: true,
            failed: false,
            event: None,
            data: Vec::new(),
            id: None,
            last_id: None,
            retry_ms: None,
        }
    }

    /// Takes bytes in.
    pub fn receive(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.inbox.drain(..self.taken.min(self.inbox.len()));
            self.scanned = self.scanned.saturating_sub(self.taken);
            self.taken = 0;
            self.inbox.extend_from_slice(bytes);
        }
    }

    /// The next complete event.
    ///
    /// # Errors
    /// [`TooLong`], from then on always.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        while !self.failed {
            let fresh = self.inbox.get(self.scanned..).unwrap_or_default();
            if let Some(first) = fresh.first().filter(|_| self.after_cr) {
                let skip = usize::from(*first == b'\n');
                self.after_cr = false;
                self.taken += skip;
                self.scanned += skip;
                continue;
            }
            let found = fresh.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let end = found.map_or(self.inbox.len(), |at| self.scanned + at);
            if end - self.taken + self.data.len() > self.bytes_max {
                self.failed = true;
                self.inbox = Vec::new();
                self.data = Vec::new();
                break;
            }
            self.scanned = end;
            if found.is_none() {
                return Ok(None);
            }
            if let Some(event) = self.take_line(end) {
                return Ok(Some(event));
            }
        }
        Err(TooLong)
    }

    /// Reads the line that ends at this offset of the inbox.
    fn take_line(&mut self, end: usize) -> Option<Event> {
        let inbox = std::mem::take(&mut self.inbox);
        let mut line = inbox.get(self.taken..end).unwrap_or_default();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        self.after_cr = inbox.get(end) == Some(&b'\r');
        let event = if line.is_empty() {
            self.dispatch()
        } else {
            self.field(line);
            None
        };
        self.inbox = inbox;
        self.taken = end + 1;
        self.scanned = end + 1;
        event
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let (name, rest) = line.split_at(colon);
        let value = rest.strip_prefix(b":").unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.event = Some(text(value)),
            b"id" if !value.contains(&0) => self.id = Some(text(value)),
            b"retry" => self.retry_ms = decimal(value).ok().or(self.retry_ms),
            // Comments (an empty name) and fields of later revisions.
            _ => {}
        }
    }

    /// The empty line behind an event. Without data there is none, but its id counts.
    fn dispatch(&mut self) -> Option<Event> {
        if let Some(id) = self.id.take() {
            self.last_id = Some(id);
        }
        let event = self.event.take().filter(|event| !event.is_empty());
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        Some(Event {
            event: event.unwrap_or_else(|| "message".into()),
            data,
        })
    }

    /// The last `id` of a complete event, for `Last-Event-ID`.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The last `retry`.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }
}

fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fuzzing::{events, splits};

    /// Events as `name|data|last id`, the same whatever the split.
    fn read(text: &str) -> Vec<String> {
        let whole = events([text.as_bytes()]);
        for pieces in splits(text.as_bytes()) {
            assert_eq!(events(pieces), whole, "{text:?}");
        }
        let (events, readable, _) = whole;
        assert!(readable);
        let show = |(name, data, id): (String, Vec<u8>, Option<String>)| {
            let data = String::from_utf8(data).unwrap();
            format!("{name}|{data}|{}", id.unwrap_or_default())
        };
        events.into_iter().map(show).collect()
    }

    #[test]
    fn whatwg_9_2_6_events() {
        for (text, expected) in [
            ("data: a\n\n", &["message|a|"][..]),
            ("data:a\r\n\r\n", &["message|a|"]),
            ("data:  a\r\r", &["message| a|"]),
            (
                "data: a\r\ndata:b\rdata\ndata: c\n\n",
                &["message|a\nb\n\nc|"],
            ),
            ("event: x\ndata: a\n\ndata: b\n\n", &["x|a|", "message|b|"]),
            ("event:\ndata: a\n\n", &["message|a|"]),
            (
                "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
                &["message|a|1", "message|b|1", "message|c|"],
            ),
            ("id: 1\ndata:\n\n", &["message||1"]),
            ("id: 1\n\ndata: b\n\n", &["message|b|1"]),
            ("id: a\0b\ndata: c\n\n", &["message|c|"]),
            (": comment\n\n:\n\ndata: a\n\n", &["message|a|"]),
            ("\u{feff}data: a\n\n", &["message|a|"]),
            ("data: a\n\n\u{feff}data: b\n\n", &["message|a|"]),
            (" data: a\nDATA: b\nx: y\ndata : c\n\n", &[]),
            ("event: x\n\ndata: a\n\n", &["message|a|"]),
            ("data: a\n", &[]),
            ("data: a", &[]),
            ("\n\n\r\r\n", &[]),
            (
                "data: a\r\n\ndata: b\r\n\r\n",
                &["message|a|", "message|b|"],
            ),
            (
                "data: {\"a\": \"b: c\"}\n\n",
                &["message|{\"a\": \"b: c\"}|"],
            ),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn whatwg_9_2_6_retry_is_digits_only() {
        for (text, expected) in [
            ("retry: 500\n", Some(500)),
            ("retry:500\nretry: x\nretry: +1\nretry:\n", Some(500)),
            ("retry: 99999999999999999999999\n", None),
            ("", None),
        ] {
            assert_eq!(events([text.as_bytes()]).2, expected, "{text:?}");
        }
    }

    #[test]
    fn too_long_ends_the_stream() {
        for text in [
            format!("data: {}\n\n", "x".repeat(994)),
            format!("data: {}", "x".repeat(994)),
        ] {
            assert!(events([text.as_bytes()]).1);
        }
        for text in [
            format!("data: {}\n\n", "x".repeat(995)),
            format!("data: {}", "x".repeat(995)),
            format!(":{}", "x".repeat(1000)),
            "data:\n".repeat(1001),
            format!("data: {}\ndata: {}\n", "x".repeat(500), "x".repeat(500)),
        ] {
            for pieces in [vec![text.as_bytes()], text.as_bytes().chunks(7).collect()] {
                assert_eq!(events(pieces), (Vec::new(), false, None), "{text:?}");
            }
        }
        let mut reader = Reader::new(3);
        reader.receive(b"data");
        assert_eq!(reader.next_event(), Err(TooLong));
        reader.receive(b"\n\n");
        assert_eq!(reader.next_event(), Err(TooLong));
    }

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
            read(&text),
            [
                "message|{\"a\":1}|s1-7",
                "message| a\nb\nc\n|s1-7",
                "xdata: evil||1"
            ]
        );
        assert_eq!(events([text.as_bytes()]).2, Some(70));
    }
}
