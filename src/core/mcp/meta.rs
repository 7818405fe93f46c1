//! The `_meta` of a modern request (2026-07-28), by which it describes itself. Read anew for each
//! request: nothing is remembered (D14).

use std::borrow::Cow;

use crate::json::span::{Span, members, string, string_begins, string_is};
use crate::json::write;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::levels;
use crate::mcp::version::Version;

/// Keys that begin like this belong to the protocol and to one hop (A12).
pub const HOP_LOCAL: &str = "io.modelcontextprotocol/";
/// Names the revision of a message; makes it a modern one (D1).
pub const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What its sender can be asked.
pub const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What its sender calls itself.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// From which level on it wants log messages (D9).
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Who answers, in results.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Which `subscriptions/listen` a message belongs to (D18).
pub const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// What a modern message says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMeta<'a> {
    /// The revision; empty if it is no string.
    pub version: Cow<'a, str>,
    /// What can be asked back; `None` if that is missing or no object.
    pub capabilities: Option<ClientCapabilities>,
    /// The log level: its place in [`levels::LEVELS`], or what was said instead of one.
    pub level: Option<Result<u8, Cow<'a, str>>>,
    /// A key stands twice: two readers could take two different requests for this one.
    pub twice: bool,
}

/// Reads the `_meta` of a message; `None` if it has none, or one that names no revision. The text
/// must have been validated.
#[must_use]
pub fn read(text: &[u8], meta: Option<Span>) -> Option<RequestMeta<'_>> {
    let meta = meta?;
    let mut found = [None; 3];
    let mut twice = false;
    for (key, value) in members(text, meta) {
        if !string_begins(text, key, HOP_LOCAL) {
            continue;
        }
        for (slot, name) in found.iter_mut().zip([VERSION, CAPABILITIES, LOG_LEVEL]) {
            if string_is(text, key, name) {
                twice |= slot.replace(value).is_some();
            }
        }
    }
    let [version, capabilities, level] = found;
    let capabilities = capabilities.filter(|at| at.of(text).starts_with(b"{"));
    let level = level.map(|at| {
        let name = string(text, at).unwrap_or_else(|| String::from_utf8_lossy(at.of(text)));
        levels::level(&name).ok_or(name)
    });
    Some(RequestMeta {
        version: string(text, version?).unwrap_or_default(),
        capabilities: capabilities.map(|at| ClientCapabilities::read(text, at)),
        level,
        twice,
    })
}

/// Writes the members by which a request of ours describes itself to a server without sessions
/// (protocol 3.2), without braces and without a comma at either end. `capabilities` is a JSON
/// object: what whoever caused the request can be asked. We are who sends it.
pub fn outgoing(out: &mut Vec<u8>, capabilities: &str, our_version: &str, level: Option<u8>) {
    let name = level.and_then(|level| levels::LEVELS.get(usize::from(level)));
    for piece in [
        "\"",
        VERSION,
        "\":\"",
        Version::MODERN.name(),
        "\",\"",
        CAPABILITIES,
        "\":",
        capabilities,
        ",\"",
        CLIENT_INFO,
        "\":{\"name\":\"1mcp\",\"version\":",
    ] {
        out.extend_from_slice(piece.as_bytes());
    }
    write::push_string(out, our_version);
    out.push(b'}');
    if let Some(name) = name {
        for piece in [",\"", LOG_LEVEL, "\":\"", name, "\""] {
            out.extend_from_slice(piece.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_meta(meta: &str) -> Option<RequestMeta<'static>> {
        let text: &'static str = Box::leak(meta.to_owned().into_boxed_str());
        read(text.as_bytes(), Some(Span::whole(text.as_bytes())))
    }

    #[test]
    fn d1_only_a_revision_makes_a_message_modern() {
        assert_eq!(read(b"", None), None);
        assert_eq!(read(b"{}", Some(Span { start: 0, end: 2 })), None);
        assert_eq!(read_meta("7"), None);
        assert_eq!(read_meta(r#"{"progressToken":1}"#), None);
        let number = read_meta(r#"{"io.modelcontextprotocol/protocolVersion":7}"#).unwrap();
        assert_eq!((&*number.version, number.capabilities), ("", None));
    }

    #[test]
    fn d14_what_a_request_declares_is_read_from_it() {
        let meta = read_meta(
            r#"{"io\u002emodelcontextprotocol/protocolVersion":"2026-07-28","x":1,
                "io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}},
                "io.modelcontextprotocol/logLevel":"warning"}"#,
        )
        .unwrap();
        assert_eq!((&*meta.version, meta.twice), ("2026-07-28", false));
        assert_eq!(meta.level, Some(Ok(3)));
        assert!(
            meta.capabilities
                .is_some_and(|c| c.elicitation_url && !c.sampling)
        );
    }

    #[test]
    fn d9_an_unknown_level_and_a_repeated_key_are_seen() {
        let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        let level = |level: &str| {
            let text = format!(r#"{{{version},"io.modelcontextprotocol/logLevel":{level}}}"#);
            read_meta(&text).unwrap().level
        };
        assert_eq!(level(r#""loud""#), Some(Err("loud".into())));
        assert_eq!(level("7"), Some(Err("7".into())));
        assert!(
            read_meta(&format!("{{{version},{version}}}"))
                .unwrap()
                .twice
        );
    }

    #[test]
    fn what_we_write_of_a_request_reads_back_the_same() {
        for (level, told) in [(None, None), (Some(3), Some(Ok(3)))] {
            let mut out = b"{".to_vec();
            outgoing(&mut out, r#"{"sampling":{}}"#, "1.0", level);
            out.push(b'}');
            let read = read(&out, Some(Span::whole(&out))).unwrap();
            assert_eq!((&*read.version, read.twice), ("2026-07-28", false));
            assert!(read.capabilities.is_some_and(|c| c.sampling && !c.roots));
            assert_eq!(read.level, told);
            let info = crate::json::span::member(&out, Span::whole(&out), CLIENT_INFO);
            let info = info.map(|at| at.of(&out));
            assert_eq!(info, Some(&br#"{"name":"1mcp","version":"1.0"}"#[..]));
        }
    }
}
