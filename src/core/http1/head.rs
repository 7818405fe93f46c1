//! Request heads (RFC 9112 sections 2 to 5): the request line and the field lines, each read as
//! soon as it is complete, so that a head that drips in byte by byte is looked at once.

use std::ops::Range;

use crate::base::word;
use crate::http1::authority::Authority;
use crate::http1::headers::{Field, Headers};
use crate::http1::reject::Reject;
use crate::http1::syntax::{is_field_value, is_token, is_token_byte, trim};
use crate::limits::{HEAD_BYTES_MAX, HEADERS_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};

/// What a request asks to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// HEAD: GET without the body of the answer.
    Head,
    /// Any other token.
    Other(Box<str>),
}

/// One request; its body is in the frame.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where in the head path and query lie.
    target: Target,
    /// The peer speaks HTTP/1.0.
    pub http_1_0: bool,
    /// The fields.
    pub headers: Headers,
}

/// Where in a head the local part of the target lies.
#[derive(Clone, Debug)]
struct Target {
    path: Range<usize>,
    query: Option<Range<usize>>,
}

impl Request {
    /// The path of the target, undecoded, beginning with `/`; `*` for `OPTIONS *`.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.headers.text(&self.target.path) {
            "" => "/",
            path => path,
        }
    }

    /// What follows the first `?`, undecoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        let query = self.target.query.as_ref()?;
        Some(self.headers.text(query))
    }

    /// A request of `/` for a test.
    #[cfg(test)]
    pub(crate) fn of(method: Method, http_1_0: bool, headers: Headers) -> Self {
        let target = Target {
            path: 0..0,
            query: None,
        };
        Self {
            method,
            target,
            http_1_0,
            headers,
        }
    }
}

/// A request line.
#[derive(Debug)]
struct Start {
    method: Method,
    target: Range<usize>,
    http_1_0: bool,
}

/// Reads one head out of an inbox that grows.
#[derive(Debug, Default)]
pub(crate) struct HeadParser {
    /// Everything before this offset was searched for line ends.
    scanned: usize,
    /// Where the present line begins.
    line: usize,
    skipped_blank: bool,
    start: Option<Start>,
    fields: Vec<Field>,
}

/// A request line is method, blank, target, blank, version and CR.
const START_BYTES_MAX: usize = METHOD_BYTES_MAX + 1 + TARGET_BYTES_MAX + 1 + VERSION.len() + 1;
const VERSION: &str = "HTTP/1.1";

impl HeadParser {
    /// Goes on with the inbox, which begins with this head and only ever grows at its end.
    /// Tells the request and the length of its head once it is complete.
    ///
    /// # Errors
    /// The refusal of the first line that is wrong.
    pub(crate) fn parse(&mut self, inbox: &[u8]) -> Result<Option<(Request, usize)>, Reject> {
        if inbox
            .first()
            .is_some_and(|byte| !is_token_byte(*byte) && *byte != b'\r')
        {
            return Err(Reject::bad("this port speaks HTTP without TLS"));
        }
        while let Some(end) = self.find_line_end(inbox)? {
            let range = self.line..end;
            self.line = end + 1;
            let Some(line) = inbox
                .get(range.clone())
                .and_then(|line| line.strip_suffix(b"\r"))
            else {
                return Err(Reject::bad("a line of the head ends without CR"));
            };
            if !line.is_empty() {
                self.take_line(line, range.start)?;
            } else if let Some(start) = self.start.take() {
                let head = inbox.get(..self.line).unwrap_or_default();
                let headers = Headers::new(head, std::mem::take(&mut self.fields))?;
                return Ok(Some((request(start, headers)?, self.line)));
            } else if std::mem::replace(&mut self.skipped_blank, true) {
                // One empty line is what old clients send after a body (RFC 9112 section 2.2).
                return Err(Reject::bad("empty lines before the request line"));
            }
        }
        Ok(None)
    }

    /// The offset of the next LF. Checks lengths first, so that a line is refused for its length
    /// whether it comes at once or in pieces.
    fn find_line_end(&mut self, inbox: &[u8]) -> Result<Option<usize>, Reject> {
        let fresh = inbox.get(self.scanned..).unwrap_or_default();
        let found = word::find(fresh, b'\n');
        let end = found.map_or(inbox.len(), |at| self.scanned + at);
        self.scanned = found.map_or(end, |_| end + 1);
        if self.start.is_none() && end - self.line > START_BYTES_MAX {
            return Err(Reject::with(414, "the request line is too long"));
        }
        if end >= HEAD_BYTES_MAX {
            return Err(Reject::with(431, "the request head is too long"));
        }
        Ok(found.map(|_| end))
    }

    fn take_line(&mut self, line: &[u8], at: usize) -> Result<(), Reject> {
        if self.start.is_none() {
            self.start = Some(start_line(line, at)?);
            // As many as most requests have.
            self.fields.reserve(12);
        } else if self.fields.len() == HEADERS_MAX {
            return Err(Reject::with(431, "too many header fields"));
        } else {
            self.fields.push(field_line(line, at)?);
        }
        Ok(())
    }
}

/// `METHOD SP TARGET SP VERSION`, exactly one blank each (RFC 9112 section 3).
fn start_line(line: &[u8], at: usize) -> Result<Start, Reject> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Reject::bad("the request line is not METHOD TARGET VERSION"));
    };
    if !is_token(method) {
        return Err(Reject::bad("the method is not a token"));
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(Reject::with(501, "no method is that long"));
    }
    if target.len() > TARGET_BYTES_MAX {
        return Err(Reject::with(414, "the request target is too long"));
    }
    if target.is_empty()
        || !target
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
    {
        return Err(Reject::bad(
            "the request target has characters that must be escaped",
        ));
    }
    let http_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Reject::with(
                505,
                "only HTTP/1.1 and HTTP/1.0 are spoken here",
            ));
        }
        _ => {
            return Err(Reject::bad(
                "the request line does not end in an HTTP version",
            ));
        }
    };
    let target_at = at + method.len() + 1;
    Ok(Start {
        method: Method::of(method),
        target: target_at..target_at + target.len(),
        http_1_0,
    })
}

/// `NAME ":" OWS VALUE OWS` (RFC 9112 section 5). A blank before the colon and a line that goes on
/// (obs-fold) both fail as names.
pub(crate) fn field_line(line: &[u8], at: usize) -> Result<Field, Reject> {
    let Some(colon) = word::find(line, b':') else {
        return Err(Reject::bad("a header line has no colon"));
    };
    let (name, rest) = line.split_at(colon);
    if !is_token(name) {
        return Err(Reject::bad("a header name is not a token"));
    }
    let raw = rest.get(1..).unwrap_or_default();
    if !is_field_value(raw) {
        return Err(Reject::bad("a header value has control characters"));
    }
    let value = trim(raw);
    let blanks = raw.len() - raw.trim_ascii_start().len();
    let value_at = if value.is_empty() {
        at + colon + 1
    } else {
        at + colon + 1 + blanks
    };
    Ok(Field {
        name: at..at + colon,
        value: value_at..value_at + value.len(),
    })
}

/// Host and target (RFC 9112 sections 3.2 and 3.3).
fn request(start: Start, headers: Headers) -> Result<Request, Reject> {
    let host = match headers.get("host").map(Authority::parse) {
        Some(None) => return Err(Reject::bad("the Host field is not a host")),
        Some(Some(host)) => Some(host),
        None if start.http_1_0 => None,
        None => return Err(Reject::bad("a request of HTTP/1.1 needs a Host field")),
    };
    let target = headers.text(&start.target);
    let local = if target.starts_with('/') || target == "*" && start.method == Method::Options {
        target
    } else {
        let Some((authority, local)) = absolute(target) else {
            return Err(Reject::bad(
                "the request target is neither a path nor an http URL",
            ));
        };
        // RFC 9112 section 3.2.2 lets the target win over Host; a request in which they differ is
        // one that two readers route differently.
        let equal = |host: Authority<'_>| host.same_host(&authority) && host.port == authority.port;
        if !host.is_some_and(equal) {
            return Err(Reject::bad("the request target and the Host field differ"));
        }
        local
    };
    let end = start.target.end;
    let path = end - local.len();
    let target = match word::find(local.as_bytes(), b'?') {
        Some(mark) => Target {
            path: path..path + mark,
            query: Some(path + mark + 1..end),
        },
        None => Target {
            path: path..end,
            query: None,
        },
    };
    Ok(Request {
        method: start.method,
        target,
        http_1_0: start.http_1_0,
        headers,
    })
}

/// `http://AUTHORITY` and the rest, which may be empty.
fn absolute(target: &str) -> Option<(Authority<'_>, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let (authority, local) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Some((Authority::parse(authority)?, local))
}

impl Method {
    /// Methods are case-sensitive (RFC 9110 section 9.1).
    fn of(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"POST" => Self::Post,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"HEAD" => Self::Head,
            _ => Self::Other(String::from_utf8_lossy(token).into()),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Head => "HEAD",
            Self::Other(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fuzzing::{splits, transcript};

    /// The head whole and split everywhere; `None` if it is not complete.
    fn read(text: &[u8]) -> Result<Option<Request>, Reject> {
        let mut parser = HeadParser::default();
        let parsed = parser.parse(text);
        let all = transcript([text]);
        for pieces in splits(text) {
            assert_eq!(transcript(pieces), all);
        }
        Ok(parsed?.map(|(request, _)| request))
    }

    fn refusal(text: &[u8]) -> (u16, &'static str) {
        match read(text) {
            Err(reject) => (reject.status, reject.why),
            Ok(found) => panic!("{} gives {found:?}", String::from_utf8_lossy(text)),
        }
    }

    fn good(text: &str) -> Request {
        read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn rfc9112_3_request_lines() {
        let request =
            good("POST /mcp?tags=a?b HTTP/1.1\r\nHost: x\r\nA-b:\t c d \r\nE:\r\n\r\nbody");
        assert_eq!(request.method, Method::Post);
        assert_eq!(
            (request.path(), request.query()),
            ("/mcp", Some("tags=a?b"))
        );
        assert_eq!(request.headers.get("a-B"), Some("c d"));
        assert_eq!(request.headers.get("e"), Some(""));
        assert!(!request.http_1_0);
        for (name, method) in [
            ("GET", Method::Get),
            ("DELETE", Method::Delete),
            ("HEAD", Method::Head),
            ("OPTIONS", Method::Options),
            ("get", Method::Other("get".into())),
            ("M-SEARCH", Method::Other("M-SEARCH".into())),
        ] {
            let request = good(&format!("{name} / HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert_eq!((request.method.name(), &request.method), (name, &method));
        }
        assert!(read(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap().is_none());
    }

    #[test]
    fn rfc9112_3_malformed_request_lines_get_400() {
        for line in [
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET\t/ HTTP/1.1",
            "GET /",
            "GET",
            "GET / HTTP/1.1 x",
            "GET / HTTP/11",
            "GET / HTTP/1.1.1",
            "GET / HTTP/+1.1",
            "GET / http/1.1",
            "GET / HTTQ/1.1",
            "G(T / HTTP/1.1",
            "G\u{e9}T / HTTP/1.1",
            "GET /a\rb HTTP/1.1",
            "GET /a\0b HTTP/1.1",
            "GET /a\x7fb HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET /a#b HTTP/1.1",
            "GET * HTTP/1.1",
            "GET mcp HTTP/1.1",
            "CONNECT x:80 HTTP/1.1",
            "GET ftp://x/ HTTP/1.1",
            "GET http:///mcp HTTP/1.1",
            "GET http://u@x/mcp HTTP/1.1",
            "GET http:x/mcp HTTP/1.1",
        ] {
            let head = format!("{line}\r\nHost: x\r\n\r\n");
            assert_eq!(refusal(head.as_bytes()).0, 400, "{line:?}");
        }
    }

    #[test]
    fn rfc9112_2_2_line_ends_are_crlf() {
        for head in [
            "GET / HTTP/1.1\nHost: x\n\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n",
            "GET / HTTP/1.1\r\nA: x\rHost: y\r\nHost: x\r\n\r\n",
            "\n",
            "\r\n\r\n",
        ] {
            assert_eq!(refusal(head.as_bytes()).0, 400, "{head:?}");
        }
        let request = good("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(request.path(), "/");
    }

    #[test]
    fn rfc9112_5_malformed_fields_get_400() {
        for field in [
            "Name : value",
            "Name\t: value",
            " Name: value",
            "\tfolded",
            "Name",
            ": value",
            "Na me: value",
            "Na\u{e9}: value",
            "Name: a\0b",
            "Name: a\x0bb",
            "Name: a\x7fb",
            "Name\0: a",
            "Host: y",
            "host: x",
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n");
            assert_eq!(refusal(head.as_bytes()).0, 400, "{field:?}");
        }
    }

    #[test]
    fn rfc9110_5_5_opaque_bytes_in_a_value_become_question_marks() {
        let utf8 = good("GET / HTTP/1.1\r\nHost: x\r\nCity: K\u{f6}ln\r\n\r\n");
        assert_eq!(utf8.headers.get("city"), Some("K\u{f6}ln"));
        let latin = read(b"GET / HTTP/1.1\r\nHost: x\r\nCity: K\xf6ln\r\nB: c\r\n\r\n").unwrap();
        let latin = latin.unwrap();
        assert_eq!(latin.headers.get("city"), Some("K?ln"));
        assert_eq!(latin.headers.get("b"), Some("c"));
        assert_eq!(refusal(b"GET / HTTP/1.1\r\nHost: \xe9x\r\n\r\n").0, 400);
    }

    #[test]
    fn rfc9112_3_2_exactly_one_host() {
        assert_eq!(refusal(b"GET / HTTP/1.1\r\n\r\n").0, 400);
        for host in [
            "", "a b", "a,b", "u@x", "x/y", "http://x", "x:y", "[::1", "x:99999",
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(refusal(head.as_bytes()).0, 400, "{host}");
        }
        assert_eq!(
            refusal(b"GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n").0,
            400
        );
        assert!(good("GET / HTTP/1.0\r\n\r\n").http_1_0);
    }

    #[test]
    fn rfc9112_3_2_2_absolute_targets_agree_with_host() {
        for (target, path, query) in [
            ("http://x:80/mcp?a", "/mcp", Some("a")),
            ("HTTPS://X:80", "/", None),
            ("http://x:80?q", "/", Some("q")),
        ] {
            let request = good(&format!("GET {target} HTTP/1.1\r\nHost: x:80\r\n\r\n"));
            assert_eq!((request.path(), request.query()), (path, query));
        }
        for target in [
            "http://y:80/",
            "http://x/",
            "http://x:81/",
            "http://x.y:80/",
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: x:80\r\n\r\n");
            assert_eq!(refusal(head.as_bytes()).0, 400, "{target}");
        }
        assert_eq!(refusal(b"GET http://x/ HTTP/1.0\r\n\r\n").0, 400);
        assert_eq!(good("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").path(), "*");
    }

    #[test]
    fn rfc9110_2_5_other_versions_get_505() {
        for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"] {
            let head = format!("GET / {version}\r\nHost: x\r\n\r\n");
            assert_eq!(refusal(head.as_bytes()).0, 505, "{version}");
        }
        // The preface of HTTP/2 without upgrade.
        assert_eq!(refusal(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").0, 505);
    }

    #[test]
    fn a_tls_client_is_told_at_its_first_byte() {
        assert_eq!(
            refusal(b"\x16\x03\x01\x02\0"),
            (400, "this port speaks HTTP without TLS")
        );
    }

    fn of_length(start: &str, length: usize, end: &str) -> Vec<u8> {
        let fill = length - start.len() - end.len();
        format!("{start}{}{end}", "a".repeat(fill)).into_bytes()
    }

    /// Whole, and in pieces that are not too many for long heads.
    fn long(text: &[u8]) -> Result<Option<usize>, (u16, &'static str)> {
        let whole = HeadParser::default().parse(text);
        for size in [1, 1000, 4096] {
            let mut parser = HeadParser::default();
            let mut ends = (size..text.len()).step_by(size).chain([text.len()]);
            let split = ends
                .find_map(|end| parser.parse(&text[..end]).transpose())
                .transpose();
            let outcome = |parsed: &Result<Option<(Request, usize)>, Reject>| match parsed {
                Ok(found) => Ok(found.as_ref().map(|(_, length)| *length)),
                Err(reject) => Err(*reject),
            };
            assert_eq!(outcome(&split), outcome(&whole), "{size}");
        }
        whole
            .map(|found| found.map(|(_, length)| length))
            .map_err(|reject| (reject.status, reject.why))
    }

    #[test]
    fn target_bytes_max_gets_414() {
        let tail = " HTTP/1.1\r\nHost: x\r\n\r\n";
        let fits = of_length("GET /", 4 + TARGET_BYTES_MAX + tail.len(), tail);
        assert_eq!(long(&fits), Ok(Some(fits.len())));
        let over = of_length("GET /", 4 + TARGET_BYTES_MAX + 1 + tail.len(), tail);
        assert_eq!(long(&over), Err((414, "the request target is too long")));
        let endless = of_length("GET /", START_BYTES_MAX, "");
        assert_eq!(long(&endless), Ok(None));
        let endless = of_length("GET /", START_BYTES_MAX + 1, "");
        assert_eq!(long(&endless), Err((414, "the request line is too long")));
    }

    #[test]
    fn method_bytes_max_gets_501() {
        let line = |length| format!("{} / HTTP/1.1\r\nHost: x\r\n\r\n", "M".repeat(length));
        assert_eq!(
            good(&line(METHOD_BYTES_MAX)).method.name().len(),
            METHOD_BYTES_MAX
        );
        assert_eq!(refusal(line(METHOD_BYTES_MAX + 1).as_bytes()).0, 501);
    }

    #[test]
    fn head_bytes_max_gets_431() {
        let start = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
        let fits = of_length(start, HEAD_BYTES_MAX, "\r\n\r\n");
        assert_eq!(long(&fits), Ok(Some(HEAD_BYTES_MAX)));
        let over = of_length(start, HEAD_BYTES_MAX + 1, "\r\n\r\n");
        assert_eq!(long(&over), Err((431, "the request head is too long")));
        let endless = of_length(start, HEAD_BYTES_MAX, "");
        assert_eq!(long(&endless), Err((431, "the request head is too long")));
        let megabyte = of_length(start, 1024 * 1024, "\r\n\r\n");
        assert_eq!(
            HeadParser::default().parse(&megabyte).unwrap_err().status,
            431
        );
    }

    #[test]
    fn headers_max_gets_431() {
        let head = |count| {
            let fields = "A: b\r\n".repeat(count);
            format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
        };
        let fits = head(HEADERS_MAX - 1);
        assert_eq!(long(fits.as_bytes()), Ok(Some(fits.len())));
        let over = head(HEADERS_MAX);
        assert_eq!(long(over.as_bytes()), Err((431, "too many header fields")));
    }
}
