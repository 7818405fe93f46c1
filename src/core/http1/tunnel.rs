//! `CONNECT` (RFC 9110 section 9.3.6): asks a proxy for a way through to a server, before TLS
//! begins on it. Never writes: the caller sends what [`connect_head`] made.

use std::fmt;

use crate::base::origin::Origin;
use crate::http1::awaited::{Asked, Awaited};
use crate::http1::proxy::Proxy;
use crate::http1::response_head::Unreadable;
use crate::now::Tick;

/// The request.
#[must_use]
pub fn connect_head(origin: &Origin, proxy: &Proxy) -> Vec<u8> {
    let target = origin.host_and_port();
    let mut text = ["CONNECT ", &target, " HTTP/1.1\r\nHost: ", &target].concat();
    if let Some(secret) = proxy.authorization() {
        text.push_str("\r\nProxy-Authorization: ");
        text.push_str(secret);
    }
    text.push_str("\r\n\r\n");
    text.into_bytes()
}

/// Why there is no way through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// Announcements (1xx) without end.
    Interim,
    /// The proxy sent something behind its answer, where only the server may speak, and speaks
    /// second.
    Leftover,
    /// The proxy refused with this status.
    Refused(u16),
    /// What the proxy sent is no response.
    Unreadable(&'static str),
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interim => f.write_str("the proxy announces an answer without end"),
            Self::Leftover => f.write_str("the proxy sent something behind its answer"),
            Self::Refused(407) => f.write_str(
                "the proxy wants a user name and password (http://USER:PASSWORD@HOST:PORT)",
            ),
            Self::Refused(status) => write!(f, "the proxy refused with status {status}"),
            Self::Unreadable(why) => write!(f, "the proxy does not answer as one: {why}"),
        }
    }
}

/// The answer of the proxy as it comes.
#[derive(Debug)]
pub struct Tunnel {
    awaited: Awaited,
}

impl Default for Tunnel {
    fn default() -> Self {
        let awaited = Awaited::new(Asked::default(), Tick::default());
        Self { awaited }
    }
}

impl Tunnel {
    /// Takes received bytes. `true` once the way is open.
    ///
    /// # Errors
    /// If there is none.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<bool, NoWay> {
        let mut input = bytes;
        while !input.is_empty() {
            let read = self.awaited.read(Tick::default(), &mut input);
            match read {
                Err(Unreadable(why)) => return Err(NoWay::Unreadable(why)),
                Ok(None) => return Ok(false),
                Ok(Some(head)) if head.is_interim() && self.awaited.goes_on() => {}
                Ok(Some(head)) if head.is_interim() => return Err(NoWay::Interim),
                Ok(Some(head)) if head.status >= 300 => return Err(NoWay::Refused(head.status)),
                // Whatever its fields say, such a response has no body.
                Ok(Some(_)) if input.is_empty() => return Ok(true),
                Ok(Some(_)) => return Err(NoWay::Leftover),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::url::Url;
    use crate::http1::fuzzing::splits;
    use crate::limits::INTERIM_RESPONSES_MAX;

    #[test]
    fn rfc9110_9_3_6_connect_heads() {
        let head = |url, proxy| {
            let (url, proxy) = (Url::parse(url).unwrap(), Proxy::parse(proxy).unwrap());
            String::from_utf8(connect_head(url.origin(), &proxy)).unwrap()
        };
        assert_eq!(
            head("https://a.b/mcp", "proxy:1"),
            "CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n"
        );
        assert_eq!(
            head("https://[::1]:8443", "u:p@proxy:1"),
            "CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
        );
    }

    #[test]
    fn rfc9110_9_3_6_answers_whatever_the_split() {
        let many = "HTTP/1.1 102 x\r\n\r\n".repeat(INTERIM_RESPONSES_MAX + 1);
        for (text, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Ok(true)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Ok(true)),
            ("HTTP/1.1 100 x\r\n\r\nHTTP/1.1 299 x\r\n\r\n", Ok(true)),
            ("HTTP/1.1 200 OK\r\n", Ok(false)),
            ("", Ok(false)),
            (
                "HTTP/1.1 407 Auth\r\nContent-Length: 5\r\n\r\n",
                Err(NoWay::Refused(407)),
            ),
            ("HTTP/1.1 502 Bad\r\n\r\n", Err(NoWay::Refused(502))),
            (
                "HTTP/1.1 302 Bad\r\nLocation: x\r\n\r\n",
                Err(NoWay::Refused(302)),
            ),
            (
                "SSH-2.0",
                Err(NoWay::Unreadable("what the server sent is not HTTP/1.1")),
            ),
            (&many, Err(NoWay::Interim)),
        ] {
            assert_eq!(
                Tunnel::default().receive(text.as_bytes()),
                expected,
                "{text:?}"
            );
            for pieces in splits(text.as_bytes()) {
                let mut tunnel = Tunnel::default();
                let mut outcome = Ok(false);
                for piece in pieces {
                    if outcome == Ok(false) {
                        outcome = tunnel.receive(piece);
                    }
                }
                assert_eq!(outcome, expected, "{text:?}");
            }
            assert!(expected.err().is_none_or(|no| !no.to_string().is_empty()));
        }
        let more = Tunnel::default().receive(b"HTTP/1.1 200 OK\r\n\r\n\x16");
        assert_eq!(more, Err(NoWay::Leftover));
    }
}
