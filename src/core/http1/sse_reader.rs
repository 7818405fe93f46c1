//! Event streams (WHATWG HTML, section 9.2.6) as a client reads them: any line end, split
//! anywhere, and a bound on what is held. Owns the bytes of the present event; knows nothing of
//! what is in it.

use crate::base::word;
use crate::http1::syntax::{decimal, is_field_value};
use crate::limits::{EVENT_ID_BYTES_MAX, INBOX_KEPT_BYTES_MAX};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name; `None` for `message`, which is meant when none is sent.
    pub event: Option<Box<str>>,
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
            let found = word::find_line_end(fresh);
            let end = found.map_or(self.inbox.len(), |at| self.scanned + at);
            if end - self.taken + self.data.len() > self.bytes_max {
                self.failed = true;
                self.inbox = Vec::new();
                self.data = Vec::new();
                break;
            }
            self.scanned = end;
            if found.is_none() {
                self.tidy();
                return Ok(None);
            }
            if let Some(event) = self.take_line(end) {
                return Ok(Some(event));
            }
        }
        Err(TooLong)
    }

    /// Gives the inbox back when it is empty: most streams are silent most of the time.
    fn tidy(&mut self) {
        if self.taken == self.inbox.len() {
            (self.taken, self.scanned) = (0, 0);
            self.inbox.clear();
            if self.inbox.capacity() > INBOX_KEPT_BYTES_MAX {
                self.inbox = Vec::new();
            }
        }
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
        let colon = word::find(line, b':').unwrap_or(line.len());
        let (name, rest) = line.split_at(colon);
        let value = rest.strip_prefix(b":").unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.event = Some(text(value)).filter(|name| names_another(name)),
            // The standard ignores an id with a zero byte; one with other control characters, or
            // of any length, could not be sent back either.
            b"id" if is_field_value(value) && value.len() <= EVENT_ID_BYTES_MAX => {
                self.id = Some(text(value));
            }
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
        let event = self.event.take();
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        Some(Event { event, data })
    }

    /// How many bytes are held of what is not complete.
    #[must_use]
    pub fn held(&self) -> usize {
        self.inbox.len().saturating_sub(self.taken) + self.data.len()
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

fn names_another(name: &str) -> bool {
    !matches!(name, "" | "message")
}

fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fuzzing::{events, shown};

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
            ("id: 1\nid: a\u{1}b\ndata: c\n\n", &["message|c|1"]),
            ("event: x\nevent: message\ndata: c\n\n", &["message|c|"]),
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
            assert_eq!(shown(text), expected, "{text:?}");
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
    fn event_id_bytes_max_is_ignored() {
        let of_length = |length| format!("id: 1\nid: {}\ndata: x\n\n", "i".repeat(length));
        let last = |text: String| {
            let mut reader = Reader::new(10_000);
            reader.receive(text.as_bytes());
            assert!(reader.next_event().unwrap().is_some());
            reader.last_id().map(str::len)
        };
        assert_eq!(
            last(of_length(EVENT_ID_BYTES_MAX)),
            Some(EVENT_ID_BYTES_MAX)
        );
        assert_eq!(last(of_length(EVENT_ID_BYTES_MAX + 1)), Some(1));
    }

    #[test]
    fn a_long_event_is_not_searched_again_with_every_piece() {
        let mut reader = Reader::new(4 << 20);
        reader.receive(b"data: ");
        for _ in 0..1024 {
            reader.receive(&[b'x'; 1024]);
            assert_eq!(reader.next_event(), Ok(None));
            assert_eq!(reader.scanned, reader.inbox.len());
        }
        reader.receive(b"\r\n\r\n");
        let event = reader.next_event().unwrap().unwrap();
        assert_eq!((event.event, event.data.len()), (None, 1 << 20));
        assert_eq!(reader.next_event(), Ok(None));
        assert!(reader.inbox.capacity() <= INBOX_KEPT_BYTES_MAX);
    }
}
