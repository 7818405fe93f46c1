//! Heads of requests that we send (RFC 9112 section 3). What could begin a second request is
//! refused here, at the one place where it becomes bytes.

use std::fmt;
use std::ops::Range;

use crate::base::few::Few;
use crate::base::origin::Scheme;
use crate::base::url::Url;
use crate::http1::head::Method;
use crate::http1::proxy::Proxy;
use crate::http1::response::push_decimal;
use crate::http1::syntax::{is_field_value, is_token, is_token_byte, trim};

/// A request head that is being written.
#[derive(Clone)]
pub struct RequestHead {
    text: Vec<u8>,
    /// Where the names of the fields lie.
    names: Few<Range<usize>, 16>,
}

/// Why a field cannot be sent. Says nothing of its value, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadField {
    /// The name is not a token.
    Name,
    /// The field frames the message or names its target; we write it ourselves.
    Reserved,
    /// The value has control characters.
    Value,
}

impl fmt::Display for BadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name of the header has characters that names do not have",
            Self::Reserved => "this header is written by 1mcp itself",
            Self::Value => "the value of the header has line ends or control characters",
        })
    }
}

/// Fields of the connection and the framing.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a field of this name and value can be sent.
///
/// # Errors
/// Why not.
pub fn check_field(name: &str, value: &str) -> Result<(), BadField> {
    if !is_token(name.as_bytes()) {
        return Err(BadField::Name);
    }
    if RESERVED.iter().any(|one| one.eq_ignore_ascii_case(name)) {
        return Err(BadField::Reserved);
    }
    if !is_field_value(value.as_bytes()) {
        return Err(BadField::Value);
    }
    Ok(())
}

impl RequestHead {
    /// Begins a request. With a proxy, `http` goes to the proxy as a whole URL (RFC 9112 section
    /// 3.2.2); `https` goes through its tunnel and looks as without.
    #[must_use]
    pub fn new(method: &Method, url: &Url, proxy: Option<&Proxy>) -> Self {
        let (origin, target) = (url.origin(), url.target());
        let mut text = Vec::with_capacity(target.len() + 512);
        // Methods that are read are tokens; one made by hand may be anything.
        text.extend(method.name().bytes().filter(|byte| is_token_byte(*byte)));
        text.push(b' ');
        let proxy = proxy.filter(|_| origin.scheme == Scheme::Http);
        if proxy.is_some() {
            text.extend_from_slice(origin.to_string().as_bytes());
        }
        text.extend_from_slice(target.as_bytes());
        text.extend_from_slice(b" HTTP/1.1\r\n");
        let names = Few::default();
        let mut head = Self { text, names };
        head.push("Host", &origin.authority());
        if let Some(secret) = proxy.and_then(Proxy::authorization) {
            head.push("Proxy-Authorization", secret);
        }
        head
    }

    /// Appends a field. The first of a name stays: a later one of the same name is left out, so
    /// what the protocol needs goes in first, then what the user wishes, then what we would
    /// otherwise say.
    ///
    /// # Errors
    /// If it cannot be sent; the head is as before.
    pub fn field(&mut self, name: &str, value: &str) -> Result<(), BadField> {
        check_field(name, value)?;
        if !self.has(name) {
            self.push(name, value);
        }
        Ok(())
    }

    /// Asks for a word before the body is sent; see
    /// [`Asked::withholds_body`](crate::http1::client::Asked::withholds_body).
    pub fn expect_continue(&mut self) {
        self.push("Expect", "100-continue");
    }

    /// Makes it the last request of its connection.
    pub fn close(&mut self) {
        self.push("Connection", "close");
    }

    /// The whole head; `length` is that of the body that follows. Without one there is none, and a
    /// server is told so where it would expect one.
    #[must_use]
    pub fn finish(mut self, length: Option<usize>) -> Vec<u8> {
        let expects_one = self.text.starts_with(b"P");
        if let Some(length) = length.or(expects_one.then_some(0)) {
            self.text.extend_from_slice(b"Content-Length: ");
            push_decimal(&mut self.text, length);
            self.text.extend_from_slice(b"\r\n");
        }
        self.text.extend_from_slice(b"\r\n");
        self.text
    }

    /// Whether a field of this name was written.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|written| {
            let written = self.text.get(written.clone()).unwrap_or_default();
            written.eq_ignore_ascii_case(name.as_bytes())
        })
    }

    fn push(&mut self, name: &str, value: &str) {
        let start = self.text.len();
        self.names.push(start..start + name.len());
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        self.text.extend_from_slice(trim(value.as_bytes()));
        self.text.extend_from_slice(b"\r\n");
    }
}

impl fmt::Debug for RequestHead {
    /// Heads hold secrets: only how long it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestHead({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &Method, url: &str) -> RequestHead {
        RequestHead::new(method, &Url::parse(url).unwrap(), None)
    }

    fn text(head: RequestHead, length: Option<usize>) -> String {
        String::from_utf8(head.finish(length)).unwrap()
    }

    #[test]
    fn rfc9112_3_heads() {
        let mut post = head(&Method::Post, "https://Mcp.example.com:8443/mcp?key=a b#c");
        post.field("Content-Type", "application/json").unwrap();
        post.field("X-Name", " K\u{f6}ln\t ").unwrap();
        assert_eq!(
            text(post, Some(120)),
            "POST /mcp?key=a%20b HTTP/1.1\r\nHost: mcp.example.com:8443\r\n\
             Content-Type: application/json\r\nX-Name: K\u{f6}ln\r\nContent-Length: 120\r\n\r\n"
        );
        for (method, url, length, expected) in [
            (
                Method::Get,
                "http://a",
                None,
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            (
                Method::Delete,
                "http://[::1]:80/x",
                None,
                "DELETE /x HTTP/1.1\r\nHost: [::1]\r\n\r\n",
            ),
            (
                Method::Post,
                "http://a:81/?",
                None,
                "POST /? HTTP/1.1\r\nHost: a:81\r\nContent-Length: 0\r\n\r\n",
            ),
            (
                Method::Get,
                "https://a:443",
                Some(0),
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            ),
        ] {
            assert_eq!(text(head(&method, url), length), expected);
        }
        let mut both = head(&Method::Post, "http://a");
        both.expect_continue();
        both.close();
        let both = text(both, Some(1));
        assert!(
            both.contains("\r\nExpect: 100-continue\r\nConnection: close\r\n"),
            "{both}"
        );
    }

    #[test]
    fn rfc9112_3_2_2_a_proxy_gets_the_whole_url_of_http_only() {
        let proxy = Proxy::parse("http://u:p@proxy:3128").unwrap();
        let url = Url::parse("http://a:81/mcp?q").unwrap();
        assert_eq!(
            text(RequestHead::new(&Method::Get, &url, Some(&proxy)), None),
            "GET http://a:81/mcp?q HTTP/1.1\r\nHost: a:81\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
        );
        let url = Url::parse("https://a/mcp").unwrap();
        let head = text(RequestHead::new(&Method::Get, &url, Some(&proxy)), None);
        assert_eq!(head, "GET /mcp HTTP/1.1\r\nHost: a\r\n\r\n");
    }

    #[test]
    fn a_field_cannot_begin_a_second_request() {
        for (name, value, bad) in [
            ("X", "a\r\nHost: evil", BadField::Value),
            ("X", "a\nb", BadField::Value),
            ("X", "a\rb", BadField::Value),
            ("X", "a\0", BadField::Value),
            ("X", "\u{7f}", BadField::Value),
            ("X\r\nY", "a", BadField::Name),
            ("X: y", "a", BadField::Name),
            ("X ", "a", BadField::Name),
            ("", "a", BadField::Name),
            ("K\u{f6}ln", "a", BadField::Name),
            ("host", "evil", BadField::Reserved),
            ("Content-Length", "0", BadField::Reserved),
            ("TRANSFER-ENCODING", "chunked", BadField::Reserved),
            ("Connection", "close", BadField::Reserved),
            ("Expect", "100-continue", BadField::Reserved),
            ("Upgrade", "h2c", BadField::Reserved),
        ] {
            let mut head = head(&Method::Get, "http://a");
            assert_eq!(head.field(name, value), Err(bad), "{name:?}");
            assert_eq!(check_field(name, value), Err(bad));
            assert!(!bad.to_string().is_empty());
            assert_eq!(text(head, None), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        let odd = Method::Other("GET / HTTP/1.1\r\nX: ".into());
        assert!(text(head(&odd, "http://a"), None).starts_with("GETHTTP1.1X / HTTP/1.1\r\n"));
    }

    #[test]
    fn the_first_field_of_a_name_stays() {
        let mut head = head(&Method::Get, "http://a/Accept:x");
        assert!(!head.has("accept") && head.has("HOST"));
        for (name, value) in [
            ("Accept", "one"),
            ("accept", "two"),
            ("ACCEPT-X", "3"),
            ("x", ""),
        ] {
            head.field(name, value).unwrap();
        }
        let text = text(head.clone(), None);
        assert!(
            text.ends_with("Host: a\r\nAccept: one\r\nACCEPT-X: 3\r\nx: \r\n\r\n"),
            "{text}"
        );
        assert_eq!(
            format!("{head:?}"),
            format!("RequestHead({} bytes)", text.len() - 2)
        );
    }
}
