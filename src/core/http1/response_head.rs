//! Response heads (RFC 9112 sections 2, 4 and 5): the status line and the field lines, each read as
//! soon as it is complete. As strict as for requests: what a server writes that two readers could
//! read as two things is refused, for its connection is used again.

use std::ops::Range;

use crate::base::word;
use crate::http1::head::field_line;
use crate::http1::headers::{Field, Headers};
use crate::http1::syntax::is_field_value;
use crate::limits::{RESPONSE_HEAD_BYTES_MAX, RESPONSE_HEADERS_MAX};

/// One response; its body is to come.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status, from 100.
    pub status: u16,
    /// The server speaks HTTP/1.0.
    pub http_1_0: bool,
    /// The fields.
    pub headers: Headers,
}

/// What a server sent is no response that can be read. One sentence, which holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl ResponseHead {
    /// Whether it announces another one (RFC 9110 section 15.2).
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// The type of the body without its parameters, blanks trimmed; compare it without regard to
    /// case.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        let value = self.headers.get("content-type")?;
        let end = value.find(';').unwrap_or(value.len());
        value.get(..end).map(|kind| kind.trim_matches([' ', '\t']))
    }

    /// Whether the body is compressed. We never ask for that and cannot read it.
    #[must_use]
    pub fn is_encoded(&self) -> bool {
        let mut codings = self.headers.list("content-encoding");
        codings.any(|coding| !coding.eq_ignore_ascii_case("identity"))
    }

    /// A head for a test.
    #[cfg(test)]
    pub(crate) fn of(status: u16, http_1_0: bool, headers: &[(&str, &str)]) -> Self {
        Self {
            status,
            http_1_0,
            headers: Headers::of(headers),
        }
    }
}

/// A status line.
#[derive(Clone, Copy, Debug)]
struct Start {
    status: u16,
    http_1_0: bool,
}

/// Reads one head out of bytes that grow.
#[derive(Debug, Default)]
pub(crate) struct ResponseParser {
    /// Everything before this offset was searched for line ends.
    scanned: usize,
    /// Where the present line begins.
    line: usize,
    start: Option<Start>,
    fields: Vec<Field>,
}

/// How every response begins that we read.
const BEGINNING: &[u8] = b"HTTP/1.";

impl ResponseParser {
    /// Goes on with bytes that begin with this head and only ever grow at their end. Tells the
    /// response and the length of its head once it is complete.
    ///
    /// # Errors
    /// What is wrong with the first line that is wrong.
    pub(crate) fn parse(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(ResponseHead, usize)>, Unreadable> {
        begins_well(bytes)?;
        while let Some(end) = self.find_line_end(bytes)? {
            let range = self.line..end;
            self.line = end + 1;
            let line = bytes
                .get(range.clone())
                .and_then(|line| line.strip_suffix(b"\r"))
                .ok_or(Unreadable("a line of the response head ends without CR"))?;
            if !line.is_empty() {
                self.take_line(line, &range)?;
                continue;
            }
            let start = self
                .start
                .ok_or(Unreadable("the response begins with an empty line"))?;
            let head = bytes.get(..self.line).unwrap_or_default();
            let headers = Headers::of_response(head, std::mem::take(&mut self.fields))
                .map_err(|reject| Unreadable(reject.why))?;
            let head = ResponseHead {
                status: start.status,
                http_1_0: start.http_1_0,
                headers,
            };
            return Ok(Some((head, self.line)));
        }
        Ok(None)
    }

    /// The offset of the next LF. Checks the length first, so that a head is refused for it whether
    /// it comes at once or in pieces.
    fn find_line_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
        let fresh = bytes.get(self.scanned..).unwrap_or_default();
        let found = word::find(fresh, b'\n');
        let end = found.map_or(bytes.len(), |at| self.scanned + at);
        self.scanned = found.map_or(end, |_| end + 1);
        if end >= RESPONSE_HEAD_BYTES_MAX {
            return Err(Unreadable("the response head is too long"));
        }
        Ok(found.map(|_| end))
    }

    fn take_line(&mut self, line: &[u8], range: &Range<usize>) -> Result<(), Unreadable> {
        if self.start.is_none() {
            self.start = Some(status_line(line)?);
        } else if self.fields.len() == RESPONSE_HEADERS_MAX {
            return Err(Unreadable("the response has too many header fields"));
        } else if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(Unreadable("a header line goes on in the next (obs-fold)"));
        } else {
            let field = field_line(line, range.start).map_err(|reject| Unreadable(reject.why))?;
            self.fields.push(field);
        }
        Ok(())
    }
}

/// Says at once what cannot become a response, before its first line is complete: a peer of another
/// protocol may never send a line end.
fn begins_well(bytes: &[u8]) -> Result<(), Unreadable> {
    let length = bytes.len().min(BEGINNING.len());
    if bytes.get(..length) == BEGINNING.get(..length) {
        return Ok(());
    }
    Err(Unreadable(match bytes.first() {
        // A TLS alert or handshake record.
        Some(0x15 | 0x16) => "the server speaks TLS on this port; its URL begins with https://",
        _ => "what the server sent is not HTTP/1.1",
    }))
}

/// `HTTP/1.x SP STATUS [SP REASON]` (RFC 9112 section 4). The blank before a reason that is empty
/// is left out by some servers.
fn status_line(line: &[u8]) -> Result<Start, Unreadable> {
    let http_1_0 = match line.get(..8) {
        Some(b"HTTP/1.1") => false,
        Some(b"HTTP/1.0") => true,
        _ => return Err(Unreadable("the response is neither HTTP/1.1 nor HTTP/1.0")),
    };
    let malformed = Unreadable("the status line has no status of three digits");
    let [b' ', digits @ .., last] = line.get(8..12).unwrap_or_default() else {
        return Err(malformed);
    };
    let mut status = 0_u16;
    for digit in digits.iter().chain([last]) {
        if !digit.is_ascii_digit() {
            return Err(malformed);
        }
        status = status * 10 + u16::from(digit - b'0');
    }
    let reason = line.get(12..).unwrap_or_default();
    if status < 100 || !(reason.is_empty() || reason.starts_with(b" ")) {
        return Err(malformed);
    }
    if !is_field_value(reason) {
        return Err(Unreadable("the status line has control characters"));
    }
    Ok(Start { status, http_1_0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fuzzing::splits;

    type Outcome = Result<Option<(u16, bool, Vec<(String, String)>, usize)>, &'static str>;

    fn outcome(parsed: &Result<Option<(ResponseHead, usize)>, Unreadable>) -> Outcome {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        match parsed {
            Err(Unreadable(why)) => Err(why),
            Ok(None) => Ok(None),
            Ok(Some((head, length))) => {
                let fields = head.headers.iter().map(owned).collect();
                Ok(Some((head.status, head.http_1_0, fields, *length)))
            }
        }
    }

    /// The pieces one after the other, each with all that came before it.
    fn dripped(pieces: &[&[u8]]) -> Outcome {
        let mut parser = ResponseParser::default();
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend_from_slice(piece);
            let parsed = outcome(&parser.parse(&bytes));
            if parsed != Ok(None) {
                return parsed;
            }
        }
        Ok(None)
    }

    /// Whole, split everywhere, and with bytes behind that must remain.
    fn read(text: &[u8]) -> Outcome {
        let whole = outcome(&ResponseParser::default().parse(text));
        for pieces in splits(text) {
            assert_eq!(dripped(&pieces), whole, "{}", text.escape_ascii());
        }
        if let Ok(Some((.., length))) = &whole {
            assert_eq!(*length, text.len());
            let more = [text, b"HTTP/1.1 500 no\r\n\r\n"].concat();
            assert_eq!(outcome(&ResponseParser::default().parse(&more)), whole);
        }
        whole
    }

    fn good(text: &str) -> (u16, bool, Vec<(String, String)>) {
        let (status, old, fields, _) = read(text.as_bytes()).unwrap().unwrap();
        (status, old, fields)
    }

    #[test]
    fn rfc9112_4_status_lines() {
        for (line, status, old) in [
            ("HTTP/1.1 200 OK", 200, false),
            ("HTTP/1.0 404 Not Found", 404, true),
            ("HTTP/1.1 204 ", 204, false),
            ("HTTP/1.1 202", 202, false),
            ("HTTP/1.1 100 Continue", 100, false),
            ("HTTP/1.1 999 K\u{f6}ln \t x", 999, false),
        ] {
            let found = good(&format!("{line}\r\n\r\n"));
            assert_eq!(found, (status, old, Vec::new()), "{line}");
        }
        let latin = read(b"HTTP/1.1 200 K\xf6ln\r\nA: \xff\r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(latin.2, [("A".to_owned(), "?".to_owned())]);
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nA: b\r\n"), Ok(None));
    }

    #[test]
    fn rfc9112_4_malformed_status_lines_are_refused() {
        for line in [
            "HTTP/1.1",
            "HTTP/1.1 ",
            "HTTP/1.1 20",
            "HTTP/1.1 2000",
            "HTTP/1.1 099 x",
            "HTTP/1.1 +20 x",
            "HTTP/1.1 2 0 x",
            "HTTP/1.1  200 OK",
            "HTTP/1.1\t200 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.1 200\tOK",
            "HTTP/1.1 200 a\0b",
            "HTTP/1.1 200 a\rb",
            "HTTP/1.2 200 OK",
            "HTTP/1.11 200 OK",
            "HTTP/1. 200 OK",
        ] {
            let text = format!("{line}\r\n\r\n");
            assert!(read(text.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn what_is_not_http_is_told_before_a_line_is_complete() {
        let other = Err("what the server sent is not HTTP/1.1");
        for text in [
            "h",
            "HTTP/2",
            "ICY 200 OK",
            "http/1.1 200",
            "{\"a\":1}",
            "\r\nHTTP/1.1 200",
        ] {
            assert_eq!(read(text.as_bytes()), other, "{text:?}");
        }
        let tls = "the server speaks TLS on this port; its URL begins with https://";
        assert_eq!(read(b"\x15\x03\x01\0\x02\x02\x46"), Err(tls));
        assert_eq!(read(b"HTTP/1"), Ok(None));
    }

    #[test]
    fn rfc9112_5_fields() {
        let (_, _, fields) = good("HTTP/1.1 200 OK\r\nA-b:\t c d \r\nE:\r\nA-B: f\r\n\r\n");
        let pairs: Vec<_> = fields
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(pairs, [("A-b", "c d"), ("E", ""), ("A-B", "f")]);
        for (field, why) in [
            ("Name : value", "a header name is not a token"),
            ("Name", "a header line has no colon"),
            (": value", "a header name is not a token"),
            ("Name: a\0b", "a header value has control characters"),
            ("Name: a\rb", "a header value has control characters"),
            (" folded", "a header line goes on in the next (obs-fold)"),
            (
                "\tfolded: x",
                "a header line goes on in the next (obs-fold)",
            ),
            (
                "Content-Length: 1",
                "a header field that has one value has two",
            ),
        ] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{field}\r\n\r\n");
            assert_eq!(read(text.as_bytes()), Err(why), "{field:?}");
        }
    }

    #[test]
    fn rfc9112_2_2_line_ends_are_crlf() {
        for text in [
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\nA: b\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n\n",
        ] {
            let why = "a line of the response head ends without CR";
            assert_eq!(read(text.as_bytes()), Err(why), "{text:?}");
        }
    }

    #[test]
    fn response_head_bytes_max_and_response_headers_max_are_refused() {
        let of_length = |length: usize, end: &str| {
            let start = "HTTP/1.1 200 OK\r\nA: ";
            let fill = "a".repeat(length - start.len() - end.len());
            format!("{start}{fill}{end}").into_bytes()
        };
        let long = |text: &[u8]| {
            let whole = outcome(&ResponseParser::default().parse(text));
            for size in [1000, 4096, 65536] {
                assert_eq!(dripped(&text.chunks(size).collect::<Vec<_>>()), whole);
            }
            whole.map(|found| found.map(|(.., length)| length))
        };
        let max = RESPONSE_HEAD_BYTES_MAX;
        assert_eq!(long(&of_length(max, "\r\n\r\n")), Ok(Some(max)));
        let why = Err("the response head is too long");
        assert_eq!(long(&of_length(max + 1, "\r\n\r\n")), why);
        assert_eq!(long(&of_length(max, "")), why);
        assert_eq!(long(&of_length(max - 1, "")), Ok(None));
        let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(long(many(RESPONSE_HEADERS_MAX).as_bytes()).is_ok_and(|found| found.is_some()));
        let over = long(many(RESPONSE_HEADERS_MAX + 1).as_bytes());
        assert_eq!(over, Err("the response has too many header fields"));
    }

    #[test]
    fn the_type_and_the_coding_of_the_body_are_told() {
        for (value, kind) in [
            ("text/event-stream", "text/event-stream"),
            ("application/json; charset=utf-8", "application/json"),
            ("Text/HTML \t;x", "Text/HTML"),
            ("", ""),
        ] {
            let head = ResponseHead::of(200, false, &[("content-type", value)]);
            assert_eq!(head.content_type(), Some(kind));
        }
        let plain = ResponseHead::of(200, false, &[("content-encoding", "Identity")]);
        assert!(plain.content_type().is_none() && !plain.is_encoded());
        let zipped = ResponseHead::of(200, false, &[("Content-Encoding", "identity, gzip")]);
        assert!(zipped.is_encoded());
        assert!(ResponseHead::of(103, false, &[]).is_interim());
    }
}
