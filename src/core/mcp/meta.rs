//! The `_meta` of a modern request (2026-07-28), by which it describes itself. Read anew for each
//! request: nothing is remembered (D14).

use std::borrow::Cow;

use crate::base::few::Few;
use crate::json::cuts::runs;
use crate::json::span::{Span, name, string};
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

/// What of a `_meta` is not for the next hop as it is.
#[derive(Clone, Debug, Default)]
pub struct HopLocal {
    /// Members that concern only the hop they come from (A12), with their commas, so that cutting
    /// all of them leaves a valid object.
    pub cuts: Few<Span, 2>,
    /// The value of `progressToken`.
    pub token: Option<Span>,
    /// That stands twice.
    pub token_twice: bool,
}

/// Where everything in a `_meta` stands that concerns us.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What the next hop does not get as it is.
    pub hop: HopLocal,
    version: Option<Span>,
    capabilities: Option<Span>,
    /// What the capabilities are, if they are an object.
    declared: Option<ClientCapabilities>,
    level: Option<Span>,
    /// One of the three stands twice.
    twice: bool,
}

/// Goes through a `_meta` once. The text must have been validated.
#[must_use]
pub fn survey(text: &[u8], meta: Option<Span>) -> Survey {
    let mut found = Survey::default();
    let Some(meta) = meta else {
        return found;
    };
    found.hop.cuts = runs(text, meta, &mut |key, value| {
        let name = name(text, key);
        if !name.starts_with(HOP_LOCAL.as_bytes()) {
            if *name == *b"progressToken" {
                found.hop.token_twice |= found.hop.token.replace(value).is_some();
            }
            return false;
        }
        let slots = [
            (VERSION, &mut found.version),
            (CAPABILITIES, &mut found.capabilities),
            (LOG_LEVEL, &mut found.level),
        ];
        for (known, slot) in slots {
            if *name == *known.as_bytes() {
                found.twice |= slot.replace(value).is_some();
            }
        }
        true
    });
    let object = found.capabilities;
    let object = object.filter(|at| at.of(text).starts_with(b"{"));
    found.declared = object.map(|at| ClientCapabilities::read(text, at));
    found
}

impl Survey {
    /// The same for a `_meta` that begins `by` bytes later.
    #[must_use]
    pub(super) fn later(&self, by: usize) -> Self {
        let move_on = |at: &mut Span| {
            at.start += by;
            at.end += by;
        };
        let mut moved = self.clone();
        let Self {
            hop: HopLocal { cuts, token, .. },
            version,
            capabilities,
            level,
            ..
        } = &mut moved;
        cuts.iter_mut().for_each(move_on);
        let others = [token, version, capabilities, level];
        others.into_iter().flatten().for_each(move_on);
        moved
    }

    /// Whether the same bytes may well come again: they describe a request, and nothing in them is
    /// of this one request only.
    pub(super) const fn recurs(&self) -> bool {
        self.version.is_some() && self.hop.token.is_none()
    }

    /// What the message says of itself; `None` if it names no revision.
    #[must_use]
    pub fn described<'a>(&self, text: &'a [u8]) -> Option<RequestMeta<'a>> {
        let version = self.version?;
        let level = self.level.map(|at| {
            let name = string(text, at).unwrap_or_else(|| String::from_utf8_lossy(at.of(text)));
            levels::level(&name).ok_or(name)
        });
        Some(RequestMeta {
            version: string(text, version).unwrap_or_default(),
            capabilities: self.declared,
            level,
            twice: self.twice,
        })
    }
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
        survey(text.as_bytes(), Some(Span::whole(text.as_bytes()))).described(text.as_bytes())
    }

    #[test]
    fn d1_only_a_revision_makes_a_message_modern() {
        assert_eq!(survey(b"", None).described(b""), None);
        assert_eq!(read_meta("{}"), None);
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
            let found = survey(&out, Some(Span::whole(&out)));
            let read = found.described(&out).unwrap();
            assert_eq!((&*read.version, read.twice), ("2026-07-28", false));
            assert!(read.capabilities.is_some_and(|c| c.sampling && !c.roots));
            assert_eq!(read.level, told);
            let info = crate::json::span::member(&out, Span::whole(&out), CLIENT_INFO);
            let info = info.map(|at| at.of(&out));
            assert_eq!(info, Some(&br#"{"name":"1mcp","version":"1.0"}"#[..]));
        }
    }
}
