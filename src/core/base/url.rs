//! URLs of servers that we call: `http` and `https`, taken apart once and written in one form.
//!
//! Owns what a URL may be and how a reference found in an answer is resolved against it (RFC 3986
//! section 5). User names and passwords are refused, fragments dropped. Everything but the origin
//! may be a secret (many hosted servers put a key into the path), so `Debug` shows the origin only.

use std::fmt;

use crate::base::authority::Authority;
use crate::base::origin::{Host, Origin, Scheme};
use crate::limits::{TARGET_BYTES_MAX, URL_BYTES_MAX};

/// An `http` or `https` URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    origin: Origin,
    /// Path and query, ready to be sent; begins with `/`.
    target: Box<str>,
    /// How much of it is the path.
    path_bytes: usize,
}

/// Why a text is not a URL that we call. Says nothing of the text itself, which may hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// A control character or a backslash.
    Character,
    /// The host is neither a name nor an address.
    Host,
    /// Nothing where the host should be.
    NoHost,
    /// The port is none.
    Port,
    /// Another scheme, or none.
    Scheme,
    /// Longer than [`URL_BYTES_MAX`].
    TooLong,
    /// A user name or a password.
    UserInfo,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "the URL has control characters or backslashes",
            Self::Host => {
                "the host of the URL is neither a name nor an address (a name with letters beyond \
                 a-z is written in its xn-- form)"
            }
            Self::NoHost => "the URL has no host",
            Self::Port => "the port of the URL is not a number from 1 to 65535",
            Self::Scheme => "the URL does not begin with http:// or https://",
            Self::TooLong => "the URL is too long",
            Self::UserInfo => {
                "the user name or password before the host of the URL is malformed, or not allowed here"
            }
        })
    }
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let text = checked(text)?;
        let (name, rest) = text.split_once(':').ok_or(BadUrl::Scheme)?;
        let scheme = Scheme::of(name).ok_or(BadUrl::Scheme)?;
        let rest = rest.strip_prefix("//").ok_or(BadUrl::NoHost)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = split_query(target);
        Self::build(origin(scheme, authority)?, path, query)
    }

    /// Resolves a reference, as `Location` and `endpoint` events have it, against this URL (RFC
    /// 3986 section 5.2, strictly: `http:g` is not a relative reference).
    ///
    /// # Errors
    /// What is wrong with the URL that it leads to.
    pub fn join(&self, reference: &str) -> Result<Self, BadUrl> {
        let reference = checked(reference)?;
        if has_scheme(reference) {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&[self.origin.scheme.name(), ":", reference].concat());
        }
        let (path, query) = split_query(reference);
        let origin = self.origin.clone();
        if path.is_empty() {
            return Self::build(origin, self.path(), query.or(self.query()));
        }
        if path.starts_with('/') {
            return Self::build(origin, path, query);
        }
        let folder = self.path().rfind('/').map_or(0, |slash| slash + 1);
        let folder = self.path().get(..folder).unwrap_or_default();
        Self::build(origin, &[folder, path].concat(), query)
    }

    /// Puts the parts together; the path is empty or begins with `/`.
    fn build(origin: Origin, path: &str, query: Option<&str>) -> Result<Self, BadUrl> {
        if path.contains('\\') {
            return Err(BadUrl::Character);
        }
        let mut target = String::with_capacity(path.len() + 8);
        push_without_dots(&mut target, path);
        let path_bytes = target.len();
        if let Some(query) = query {
            target.push('?');
            push_escaped(&mut target, query);
        }
        if target.len() > TARGET_BYTES_MAX {
            return Err(BadUrl::TooLong);
        }
        Ok(Self {
            origin,
            target: target.into(),
            path_bytes,
        })
    }

    /// Where it leads.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Path and query, as a request line has them.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path; begins with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.get(..self.path_bytes).unwrap_or_default()
    }

    /// What follows the first `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.get(self.path_bytes..)?.strip_prefix('?')
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.target)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/..", self.origin)
    }
}

/// The text without its fragment, if no part of it can be misread.
fn checked(text: &str) -> Result<&str, BadUrl> {
    if text.len() > URL_BYTES_MAX {
        return Err(BadUrl::TooLong);
    }
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(BadUrl::Character);
    }
    Ok(text.split_once('#').map_or(text, |(before, _)| before))
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

/// Whether a reference begins with a scheme (RFC 3986 section 3.1).
fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?']).unwrap_or(reference.len());
    let (name, rest) = reference.split_at(end);
    rest.starts_with(':')
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn origin(scheme: Scheme, text: &str) -> Result<Origin, BadUrl> {
    if text.contains('@') {
        return Err(BadUrl::UserInfo);
    }
    if text.contains('\\') {
        return Err(BadUrl::Character);
    }
    if text.is_empty() || text.starts_with(':') {
        return Err(BadUrl::NoHost);
    }
    let Some(authority) = Authority::parse(text) else {
        let host = text.rsplit_once(':').map(|(host, _)| host);
        let host = host.filter(|host| host.ends_with(']') || !host.contains(':'));
        let is_host = host.and_then(Authority::parse).is_some();
        return Err(if is_host { BadUrl::Port } else { BadUrl::Host });
    };
    let port = authority.port.unwrap_or(scheme.port());
    if port == 0 {
        return Err(BadUrl::Port);
    }
    Ok(Origin {
        scheme,
        host: Host::of(&authority).ok_or(BadUrl::Host)?,
        port,
    })
}

/// Appends the path without its `.` and `..` (RFC 3986 section 5.2.4); at least `/`.
fn push_without_dots(out: &mut String, path: &str) {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    if kept.is_empty() {
        out.push('/');
    }
    for segment in kept {
        out.push('/');
        push_escaped(out, segment);
    }
}

/// Appends the text with everything escaped that may not stand in a request line, or that servers
/// do not agree on. Escapes that are there already, also broken ones, stay as they are.
fn push_escaped(out: &mut String, text: &str) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or_default();
    for byte in text.bytes() {
        let odd = matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        );
        if byte.is_ascii_graphic() && !odd {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"))
    }

    #[test]
    fn urls_are_written_in_one_form() {
        for (text, form) in [
            ("http://localhost", "http://localhost/"),
            (
                "HTTPS://Mcp.Example.COM:443/Mcp",
                "https://mcp.example.com/Mcp",
            ),
            ("http://a:80?x=/../#f", "http://a/?x=/../"),
            ("https://a:80/", "https://a:80/"),
            ("http://[0::1]:3000/mcp#", "http://[::1]:3000/mcp"),
            ("http://1.2.3.4:/", "http://1.2.3.4/"),
            ("http://a/b/../c/./d//e", "http://a/c/d//e"),
            ("http://a/../..", "http://a/"),
            ("http://a/b/..", "http://a/"),
            ("http://a/%2e%2E/b%zz", "http://a/%2e%2E/b%zz"),
            (
                "http://a/K\u{f6}ln <{|}>^`\"?q=\u{e9} \\'",
                "http://a/K%C3%B6ln%20%3C%7B%7C%7D%3E%5E%60%22?q=%C3%A9%20%5C'",
            ),
            (
                "http://a/x;y=1,2&z=@:!$'()*+[]~",
                "http://a/x;y=1,2&z=@:!$'()*+[]~",
            ),
            ("http://a/@b:c", "http://a/@b:c"),
            ("http://a?", "http://a/?"),
            ("http://a/b?c?d", "http://a/b?c?d"),
        ] {
            assert_eq!(url(text).to_string(), form, "{text}");
            assert_eq!(url(form), url(text));
        }
    }

    #[test]
    fn parts_of_a_url() {
        let one = url("https://Api.example.com:8443/mcp/v1?key=s3cret");
        assert_eq!((one.path(), one.query()), ("/mcp/v1", Some("key=s3cret")));
        assert_eq!(one.target(), "/mcp/v1?key=s3cret");
        assert_eq!(one.origin().authority(), "api.example.com:8443");
        assert_eq!(url("http://a").query(), None);
        assert_eq!(format!("{one:?}"), "https://api.example.com:8443/..");
    }

    #[test]
    fn rfc9110_4_3_1_origins() {
        let same = |a, b| url(a).origin() == url(b).origin();
        assert!(same("https://a/x", "HTTPS://A:443/y?z"));
        assert!(same("http://[::1]/", "http://[0:0::0:1]:80"));
        for other in [
            "http://a",
            "https://a:444",
            "https://b",
            "https://a.b",
            "https://a.",
        ] {
            assert!(!same("https://a/x", other), "{other}");
        }
    }

    #[test]
    fn bad_urls_are_told_by_what_is_wrong() {
        for (text, bad) in [
            ("", BadUrl::Scheme),
            ("localhost:3000/mcp", BadUrl::Scheme),
            ("example.com", BadUrl::Scheme),
            (" http://a", BadUrl::Scheme),
            ("ftp://a", BadUrl::Scheme),
            ("file:///etc/passwd", BadUrl::Scheme),
            ("ws://a", BadUrl::Scheme),
            ("//a/b", BadUrl::Scheme),
            ("javascript:alert(1)", BadUrl::Scheme),
            ("http:", BadUrl::NoHost),
            ("http:a", BadUrl::NoHost),
            ("http:/a", BadUrl::NoHost),
            ("http://", BadUrl::NoHost),
            ("http:///a", BadUrl::NoHost),
            ("http://?a", BadUrl::NoHost),
            ("http://#a", BadUrl::NoHost),
            ("http://:80", BadUrl::NoHost),
            ("http://u@a", BadUrl::UserInfo),
            ("http://u:p@a:80/", BadUrl::UserInfo),
            ("http://@a", BadUrl::UserInfo),
            ("http://good.com:80@evil.com", BadUrl::UserInfo),
            ("http://a b", BadUrl::Host),
            ("http://a%2eb", BadUrl::Host),
            ("http://b\u{fc}cher.example", BadUrl::Host),
            ("http://\u{ff0e}com", BadUrl::Host),
            ("http://[::1", BadUrl::Host),
            ("http://[::1]x", BadUrl::Host),
            ("http://[fe80::1%25eth0]/", BadUrl::Host),
            ("http://::1/", BadUrl::NoHost),
            ("http://fe80::1/", BadUrl::Host),
            ("http://127.1", BadUrl::Host),
            ("http://2130706433/", BadUrl::Host),
            ("http://a..b", BadUrl::Host),
            ("http://a,b", BadUrl::Host),
            ("http://${HOST}/", BadUrl::Host),
            ("http://a:0", BadUrl::Port),
            ("http://a:65536", BadUrl::Port),
            ("http://a:-1", BadUrl::Port),
            ("http://a:http", BadUrl::Port),
            ("http://[::1]:x", BadUrl::Port),
            ("http://a\\b", BadUrl::Character),
            ("http://a/b\\..\\c", BadUrl::Character),
            ("http://a/\r\nHost: b", BadUrl::Character),
            ("http://a/\tb", BadUrl::Character),
            ("http://a/\0", BadUrl::Character),
            ("http://a/\x7f", BadUrl::Character),
            ("ht\ntp://a", BadUrl::Character),
        ] {
            assert_eq!(Url::parse(text), Err(bad), "{text:?}");
            assert!(!bad.to_string().is_empty());
        }
    }

    #[test]
    fn url_bytes_max_is_refused_and_so_is_a_target_that_grows_beyond_its_own() {
        let of_length = |length: usize| format!("http://a/{}", "b".repeat(length - 9));
        assert!(Url::parse(&of_length(URL_BYTES_MAX)).is_ok());
        let over = of_length(URL_BYTES_MAX + 1);
        assert_eq!(Url::parse(&over), Err(BadUrl::TooLong));
        assert_eq!(url("http://a").join(&over), Err(BadUrl::TooLong));
        let grows = format!("http://a/{}", " ".repeat(URL_BYTES_MAX / 2));
        assert_eq!(Url::parse(&grows), Err(BadUrl::TooLong));
    }

    #[test]
    fn rfc3986_5_4_references() {
        let base = url("http://a/b/c/d;p?q");
        for (reference, target) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g"),
            ("g#s/../x", "http://a/b/c/g"),
            // Beyond the table of the RFC.
            ("HTTPS://X/y/../z", "https://x/z"),
            ("//x:81?z", "http://x:81/?z"),
            ("?", "http://a/b/c/d;p?"),
            ("1:2", "http://a/b/c/1:2"),
            ("./a:b", "http://a/b/c/a:b"),
            ("?a:b", "http://a/b/c/d;p?a:b"),
            ("/messages?session_id=1", "http://a/messages?session_id=1"),
        ] {
            let joined = base.join(reference);
            let shown = joined.map(|url| url.to_string());
            assert_eq!(shown.as_deref(), Ok(target), "{reference}");
        }
    }

    #[test]
    fn references_that_lead_nowhere_are_refused() {
        let base = url("https://a/b");
        for (reference, bad) in [
            ("g:h", BadUrl::Scheme),
            ("http:g", BadUrl::NoHost),
            ("data:,x", BadUrl::Scheme),
            ("//", BadUrl::NoHost),
            ("///x", BadUrl::NoHost),
            ("//u@evil", BadUrl::UserInfo),
            ("\\\\evil\\x", BadUrl::Character),
            ("/\\evil", BadUrl::Character),
            ("/x\r\nSet-Cookie: y", BadUrl::Character),
            ("//a b/", BadUrl::Host),
        ] {
            assert_eq!(base.join(reference), Err(bad), "{reference:?}");
        }
    }
}
