//! Which era a message belongs to (protocol D1, B2): the one place where that is decided.

use crate::json::envelope::{Envelope, Kind};
use crate::json::span;
use crate::mcp::meta::{HopLocal, RequestMeta, Survey};
use crate::mcp::version::Version;

/// Which dialect a message is written in.
#[derive(Clone, Debug)]
pub(super) enum Era<'a> {
    /// With `initialize` and sessions.
    Legacy,
    /// Self-describing, in its `_meta` or only in its header.
    Modern(Described<'a>),
}

/// What a modern message says of itself, if it does, and what of it goes no further.
pub(super) type Described<'a> = (Option<RequestMeta<'a>>, HopLocal);

/// Decides by what was `found` in the `_meta`, and by the `MCP-Protocol-Version` header, if there
/// is one.
pub(super) fn classify<'a>(text: &'a [u8], found: Survey, header: Option<&str>) -> Era<'a> {
    let meta = found.described(text);
    let in_head = header.filter(|name| Version::parse(name.as_bytes()).is_none());
    if meta.is_some() || in_head.is_some() {
        Era::Modern((meta, found.hop))
    } else {
        Era::Legacy
    }
}

/// Whether a message is a request or notification with this method.
pub(super) fn is_method(text: &[u8], envelope: &Envelope, name: &str) -> bool {
    envelope
        .method
        .is_some_and(|method| span::string_is(text, method, name))
}

/// Whether a message asks to open a session.
pub(super) fn is_initialize(text: &[u8], envelope: &Envelope) -> bool {
    envelope.kind == Kind::Request && is_method(text, envelope, "initialize")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::envelope;
    use crate::mcp::meta::survey;

    /// Whether it is modern, and what it names in its `_meta`.
    fn era(params: &str, header: Option<&str>) -> Option<Option<String>> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{params}}}"#);
        let envelope = envelope::read(text.as_bytes()).unwrap();
        assert!(is_initialize(text.as_bytes(), &envelope));
        let found = survey(text.as_bytes(), envelope.meta);
        match classify(text.as_bytes(), found, header) {
            Era::Legacy => None,
            Era::Modern((meta, _)) => Some(meta.map(|meta| meta.version.into_owned())),
        }
    }

    #[test]
    fn d1_meta_or_an_unknown_header_make_a_message_modern_even_initialize() {
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
        let named = |version: &str| Some(Some(version.to_owned()));
        assert_eq!(era("{}", None), None);
        assert_eq!(era("{}", Some("2025-06-18")), None);
        assert_eq!(era(r#"{"_meta":{"progressToken":1}}"#, None), None);
        assert_eq!(era(meta, Some("2025-06-18")), named("2026-07-28"));
        assert_eq!(era("{}", Some("2026-07-28")), Some(None));
        assert_eq!(era("{}", Some("garbage")), Some(None));
        let number = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}"#;
        assert_eq!(era(number, None), named(""));
    }
}
