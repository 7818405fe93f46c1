//! Request heads (RFC 9112 sections 2 to 5): the request line and the field lines, each read as
//! soon as it is complete, so that a head that drips in byte by byte is looked at once.

use std::ops::Range;

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
    /// The path of the target, undecoded, beginning with `/`; `*` for `OPTIONS *`.
    pub path: Box<str>,
    /// What follows the first `?`, undecoded.
    pub query: Option<Box<str>>,
    /// The peer speaks HTTP/1.0.
    pub http_1_0: bool,
    /// The fields.
    pub headers: Headers,
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
                return Ok(Some((request(head, start, headers)?, self.line)));
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
        let found = fresh.iter().position(|byte| *byte == b'\n');
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
fn field_line(line: &[u8], at: usize) -> Result<Field, Reject> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
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
fn request(head: &[u8], start: Start, headers: Headers) -> Result<Request, Reject> {
    let host = match headers.get("host").map(Authority::parse) {
        Some(None) => return Err(Reject::bad("the Host field is not a host")),
        Some(Some(host)) => Some(host),
        None if start.http_1_0 => None,
        None => return Err(Reject::bad("a request of HTTP/1.1 needs a Host field")),
    };
    let target = head
        .get(start.target)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .unwrap_or_default();
    let local = if target.starts_with('/') {
        target
    } else if target == "*" && start.method == Method::Options {
        "*"
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
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.into())),
        None => (local, None),
    };
    Ok(Request {
        method: start.method,
        path: if path.is_empty() { "/" } else { path }.into(),
        query,
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
