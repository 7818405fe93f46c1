//! Which era a message belongs to (protocol D1, B2): the one place where that is decided.

use crate::json::envelope::{Envelope, Kind};
use crate::json::span;
use crate::mcp::meta;
use crate::mcp::version::Version;

/// Which dialect a message is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// With `initialize` and sessions.
    Legacy,
    /// Self-describing.
    Modern,
}

/// Decides by `_meta` and by the `MCP-Protocol-Version` header, if there is one.
pub(super) fn classify(text: &[u8], envelope: &Envelope, header: Option<&str>) -> Era {
    let path = ["_meta", meta::VERSION];
    let in_body = envelope
        .params
        .and_then(|params| span::path(text, params, &path));
    let in_head = header.filter(|name| Version::parse(name.as_bytes()).is_none());
    if in_body.is_some() || in_head.is_some() {
        Era::Modern
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

    fn era(params: &str, header: Option<&str>) -> Era {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{params}}}"#);
        let envelope = envelope::read(text.as_bytes()).unwrap();
        assert!(is_initialize(text.as_bytes(), &envelope));
        classify(text.as_bytes(), &envelope, header)
    }

    #[test]
    fn d1_meta_or_an_unknown_header_make_a_message_modern_even_initialize() {
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
        assert_eq!(era("{}", None), Era::Legacy);
        assert_eq!(era("{}", Some("2025-06-18")), Era::Legacy);
        assert_eq!(era(r#"{"_meta":{"progressToken":1}}"#, None), Era::Legacy);
        assert_eq!(era(meta, Some("2025-06-18")), Era::Modern);
        assert_eq!(era("{}", Some("2026-07-28")), Era::Modern);
        assert_eq!(era("{}", Some("garbage")), Era::Modern);
        let number = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}"#;
        assert_eq!(era(number, None), Era::Modern);
    }
}
