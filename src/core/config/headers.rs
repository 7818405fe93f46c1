//! `headers` of a remote server: which may be configured, and which are left to us.

use std::fmt;

use super::user_info;
use crate::base::secret::Secret;
use crate::base::url::BadUrl;
use crate::http1::requests::{self, BadField};

/// Names that the protocol gives a meaning for one request or session; a fixed value would be
/// wrong in all others.
const OF_THE_PROTOCOL: [&str; 6] = [
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "x-1mcp-parents",
];

/// How we speak, which the transport decides. Many write these down since other clients need them:
/// they are accepted and have no effect.
const OURS: [&str; 3] = ["accept", "accept-encoding", "content-type"];

/// Why a header cannot be configured. Says nothing of its value, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHeader(BadField);

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether a header of this name and value can be sent with every request.
///
/// # Errors
/// Why not.
pub fn check(name: &str, value: &str) -> Result<(), BadHeader> {
    requests::check_field(name, value).map_err(BadHeader)?;
    let lower = name.to_ascii_lowercase();
    if OF_THE_PROTOCOL.contains(&lower.as_str()) || lower.starts_with("mcp-param-") {
        return Err(BadHeader(BadField::Reserved));
    }
    Ok(())
}

/// Whether a text can be the URL of a remote server.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(text: &str) -> Result<(), BadUrl> {
    user_info::locate(text).map(drop)
}

/// The headers that are sent, in order; each value as `complete` makes it.
pub(super) fn resolve<'a>(
    headers: impl Iterator<Item = (&'a String, &'a String)>,
    mut complete: impl FnMut(&str, &str) -> String,
) -> Vec<(Box<str>, Secret)> {
    let ours = |name: &str| OURS.iter().any(|one| one.eq_ignore_ascii_case(name));
    let mut sent = Vec::new();
    for (name, value) in headers {
        let value = complete(name, value);
        if !ours(name) {
            sent.push((Box::from(name.as_str()), Secret::from(value)));
        }
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_headers_that_we_write_ourselves_are_refused_and_no_error_tells_a_value() {
        for (name, value) in [
            ("Host", "evil"),
            ("content-length", "0"),
            ("Transfer-Encoding", "chunked"),
            ("Mcp-Session-Id", "s3cret"),
            ("MCP-Protocol-Version", "2025-06-18"),
            ("Mcp-Param-Region", "x"),
            ("Last-Event-ID", "1"),
            ("X-1mcp-Parents", "aa"),
        ] {
            let bad = check(name, value).unwrap_err();
            assert_eq!(bad, BadHeader(BadField::Reserved), "{name}");
            assert_eq!(bad.to_string(), "this header is written by 1mcp itself");
        }
        let bad = check("X", "s3cret\n").unwrap_err().to_string();
        assert!(bad.contains("control characters") && !bad.contains("s3cret"));
        assert_eq!(check("X y", ""), Err(BadHeader(BadField::Name)));
        for name in [
            "Authorization",
            "X-Api-Key",
            "Accept",
            "User-Agent",
            "Cookie",
        ] {
            assert_eq!(check(name, "v \u{e4}"), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_the_transport_decides_is_left_out() {
        let of = |name: &str| (name.to_owned(), "v".to_owned());
        let all = ["ACCEPT", "Authorization", "Content-Type", "accept-encoding"].map(of);
        let sent = resolve(all.iter().map(|(name, value)| (name, value)), |_, value| {
            value.to_uppercase()
        });
        assert_eq!(sent, [(Box::from("Authorization"), Secret::from("V"))]);
    }
}
