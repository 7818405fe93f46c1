//! `server/discover` as its client: the question by which a server's era is found out (protocol
//! F1), and what its answer means. Bytes in, bytes out; knows no process and no clock.

use crate::backend::handshake::{read_hello, refusal};
use crate::backend::listen::Lists;
use crate::backend::words::plain;
use crate::json::envelope::{Envelope, Kind};
use crate::json::span::{self, Span};
use crate::language::Hello;
use crate::limits::QUOTE_BYTES_MAX;
use crate::mcp::meta::{SERVER_INFO, outgoing};
use crate::mcp::modern::{HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION};
use crate::mcp::version::Version;

/// The id of `server/discover`. The hall numbers its requests, and `initialize` is number 0, so
/// that an answer that comes late is never taken for that of another request.
pub(super) const DISCOVER_ID: &[u8] = b"\"1mcp-discover\"";

/// What an answer to `server/discover` says of the server.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It speaks the revision without sessions, and tells of these changes.
    Modern(Hello, Lists),
    /// It knows our revision although it refused it: ask again.
    Again,
    /// It has sessions, or anything else that is to be found out by `initialize`.
    Legacy,
    /// It speaks no revision that we know; the reason.
    Unknown(String),
}

/// The `server/discover` request. Nobody stands behind it who could be asked anything.
pub(super) fn request(our_version: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(320);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(DISCOVER_ID);
    out.extend_from_slice(br#","method":"server/discover","params":{"_meta":{"#);
    outgoing(&mut out, "{}", our_version, None);
    out.extend_from_slice(b"}}}");
    out
}

/// Reads the response with our id.
pub(super) fn verdict(text: &[u8], envelope: &Envelope) -> Verdict {
    let outcome = envelope.outcome.unwrap_or_default();
    let listed = match envelope.kind {
        Kind::Result => span::member(text, outcome, "supportedVersions"),
        // Only these three codes can come from nobody but a server of this era. Which one it is
        // does not matter: the list says all.
        Kind::Error if is_modern_error(text, outcome) => {
            span::path(text, outcome, &["data", "supported"])
        }
        Kind::Error | Kind::Request | Kind::Notification => None,
    };
    // Servers with sessions answer what they do not know in every way there is, and with a result
    // too. One that lists no revision is asked for one.
    let Some(listed) = listed.filter(|at| at.of(text).starts_with(b"[")) else {
        return Verdict::Legacy;
    };
    let names = span::elements(text, listed).filter_map(|at| span::string(text, at));
    let known = names.filter_map(|name| Version::named(name.as_bytes()));
    match (known.max(), envelope.kind) {
        (Some(Version::MODERN), Kind::Result) => modern(text, outcome),
        (Some(Version::MODERN), _) => Verdict::Again,
        (Some(_), _) => Verdict::Legacy,
        (None, _) => {
            let listed = plain(listed.of(text), QUOTE_BYTES_MAX);
            let why = format!("speaks protocol versions {listed}, none of which 1mcp knows");
            Verdict::Unknown(why)
        }
    }
}

fn is_modern_error(text: &[u8], error: Span) -> bool {
    let Some(code) = span::member(text, error, "code") else {
        return false;
    };
    let code = std::str::from_utf8(code.of(text)).unwrap_or_default();
    let code = code.parse::<i32>();
    code.is_ok_and(|code| {
        matches!(
            code,
            HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION
        )
    })
}

/// Its name stands in `_meta`; older drafts had it in the body (protocol 6.7).
fn modern(text: &[u8], result: Span) -> Verdict {
    let info = span::path(text, result, &["_meta", SERVER_INFO])
        .or_else(|| span::member(text, result, "serverInfo"));
    let hello = read_hello(text, Version::MODERN, result, info);
    Verdict::Modern(hello, Lists::read(text, result))
}

/// What a server that has to be modern answered instead.
pub(super) fn not_modern(text: &[u8], envelope: &Envelope) -> String {
    let said = match envelope.kind {
        Kind::Error => refusal(text, envelope.outcome.unwrap_or_default()),
        Kind::Result | Kind::Request | Kind::Notification => {
            "answered server/discover without naming protocol version 2026-07-28".to_owned()
        }
    };
    format!("{said}; its entry says \"era\": \"modern\"")
}
