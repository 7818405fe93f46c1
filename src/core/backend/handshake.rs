//! The handshake of the legacy dialect as its client: `initialize`, the answer, and
//! `notifications/initialized` (protocol F4). Bytes in, bytes out; knows no process.

use crate::backend::words::plain;
use crate::base::mark::Mark;
use crate::json::envelope::{Envelope, Kind};
use crate::json::span::{self, Span};
use crate::json::write;
use crate::language::Hello;
use crate::limits::{INSTRUCTIONS_BYTES_MAX, QUOTE_BYTES_MAX};
use crate::mcp::capabilities::{ClientCapabilities, ServerCapabilities};
use crate::mcp::version::Version;

/// The id of `initialize`. The hall numbers its requests from 1.
pub(super) const INITIALIZE_ID: &[u8] = b"0";

/// Sent when the server has answered.
pub(super) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What the server's answer means.
#[derive(Debug)]
pub(super) enum Answer {
    /// It speaks with us.
    Hello(Hello),
    /// It refused our revision and named another that we know: ask again.
    Again,
    /// It cannot be spoken with; the reason.
    Refused(String),
}

/// The handshake with one run of a server.
#[derive(Debug)]
pub(super) struct Handshake {
    asked: Version,
    /// Once only, or two that disagree would ask each other for ever.
    asked_again: bool,
}

impl Default for Handshake {
    fn default() -> Self {
        Self {
            asked: Version::LATEST,
            asked_again: false,
        }
    }
}

impl Handshake {
    /// The `initialize` request.
    pub(super) fn request(&self, declare: ClientCapabilities, our_version: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        out.extend_from_slice(INITIALIZE_ID);
        out.extend_from_slice(br#","method":"initialize","params":{"protocolVersion":""#);
        out.extend_from_slice(self.asked.name().as_bytes());
        out.extend_from_slice(br#"","capabilities":"#);
        out.extend_from_slice(declare.render().as_bytes());
        out.extend_from_slice(br#","clientInfo":{"name":"1mcp","version":"#);
        write::push_string(&mut out, our_version);
        out.extend_from_slice(b"}}}");
        out
    }

    /// Reads the response with our id.
    pub(super) fn answer(&mut self, text: &[u8], envelope: &Envelope) -> Answer {
        let outcome = envelope.outcome.unwrap_or_default();
        match envelope.kind {
            Kind::Result => hello(text, outcome),
            Kind::Error => match self.other_version(text, outcome) {
                Some(version) => {
                    Mark::HandshakeAgain.hit();
                    self.asked = version;
                    self.asked_again = true;
                    Answer::Again
                }
                None => Answer::Refused(refusal(text, outcome)),
            },
            Kind::Request | Kind::Notification => {
                Answer::Refused("answered the handshake with no response".to_owned())
            }
        }
    }

    /// The newest of the revisions that the error lists and we know. The code is not looked at:
    /// servers disagree on it, and the list says all.
    fn other_version(&self, text: &[u8], error: Span) -> Option<Version> {
        if self.asked_again {
            return None;
        }
        let listed = span::path(text, error, &["data", "supported"])?;
        span::elements(text, listed)
            .filter_map(|at| span::string(text, at))
            .filter_map(|name| Version::parse(name.as_bytes()))
            .filter(|version| *version != self.asked)
            .max()
    }
}

fn hello(text: &[u8], result: Span) -> Answer {
    let named = span::member(text, result, "protocolVersion");
    let Some(named) = named.and_then(|at| span::string(text, at)) else {
        return Answer::Refused("answered the handshake without a protocolVersion".to_owned());
    };
    let Some(version) = Version::parse(named.as_bytes()) else {
        let named = plain(named.as_bytes(), QUOTE_BYTES_MAX);
        return Answer::Refused(format!(
            "speaks protocol version {named}, which 1mcp does not know"
        ));
    };
    let info = span::member(text, result, "serverInfo");
    Answer::Hello(read_hello(text, version, result, info))
}

/// What a server says of itself, in either era.
pub(super) fn read_hello(text: &[u8], version: Version, result: Span, info: Option<Span>) -> Hello {
    let capabilities = span::member(text, result, "capabilities")
        .map(|at| ServerCapabilities::read(text, at))
        .unwrap_or_default();
    let instructions = span::member(text, result, "instructions")
        .and_then(|at| span::string(text, at))
        .map(|words| cut(&words, INSTRUCTIONS_BYTES_MAX).to_owned())
        .filter(|words| !words.is_empty());
    let said = |key: &str| {
        let value = span::string(text, span::member(text, info?, key)?)?;
        let value = plain(value.as_bytes(), QUOTE_BYTES_MAX);
        Some(value).filter(|value| !value.is_empty())
    };
    Hello {
        version,
        name: said("name"),
        server_version: said("version"),
        capabilities,
        instructions,
        initialize_first: false,
    }
}

/// A server's error as a sentence.
pub(super) fn refusal(text: &[u8], error: Span) -> String {
    let message = span::member(text, error, "message").and_then(|at| span::string(text, at));
    let message = plain(message.unwrap_or_default().as_bytes(), QUOTE_BYTES_MAX);
    let code = span::member(text, error, "code").map_or(&b"none"[..], |at| at.of(text));
    let code = plain(code, QUOTE_BYTES_MAX);
    format!("refused the handshake: {message} (code {code})")
}

/// The beginning of a text, whole characters only.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = text.floor_char_boundary(bytes_max);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::envelope;

    fn answer(handshake: &mut Handshake, outcome: &str) -> Answer {
        let text = format!(r#"{{"jsonrpc":"2.0","id":0,{outcome}}}"#);
        let envelope = envelope::read(text.as_bytes()).unwrap();
        handshake.answer(text.as_bytes(), &envelope)
    }

    fn greet(outcome: &str) -> Hello {
        match answer(&mut Handshake::default(), outcome) {
            Answer::Hello(hello) => hello,
            other => panic!("{other:?}"),
        }
    }

    fn refused(outcome: &str) -> String {
        match answer(&mut Handshake::default(), outcome) {
            Answer::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn f4_initialize_asks_for_the_newest_revision_and_declares_what_it_is_told() {
        let declare = ClientCapabilities {
            sampling: true,
            ..ClientCapabilities::default()
        };
        assert_eq!(
            String::from_utf8(Handshake::default().request(declare, "1.2\"3")).unwrap(),
            concat!(
                r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"#,
                r#""protocolVersion":"2025-11-25","capabilities":{"sampling":{}},"#,
                r#""clientInfo":{"name":"1mcp","version":"1.2\"3"}}}"#
            )
        );
    }

    #[test]
    fn f4_any_known_revision_is_accepted() {
        for version in Version::ALL {
            let name = version.name();
            let hello = greet(&format!(r#""result":{{"protocolVersion":"{name}"}}"#));
            assert_eq!(hello.version, version);
            assert_eq!(hello.capabilities, ServerCapabilities::default());
            assert_eq!(hello.instructions, None);
        }
        let full = greet(
            r#""result":{"instructions":"a\nb","capabilities":{"tools":{}},
                "protocolVersion":"2025-06-18","serverInfo":{"name":"x\u001b[2J"}}"#,
        );
        assert_eq!(full.name.as_deref(), Some(r"x\u{1b}[2J"));
        assert_eq!(full.server_version, None);
        assert_eq!(full.instructions.as_deref(), Some("a\nb"));
        assert!(full.capabilities.tools && !full.capabilities.prompts);
    }

    #[test]
    fn f4_an_unknown_revision_or_none_is_refused_with_a_sentence() {
        assert_eq!(
            refused(r#""result":{"protocolVersion":"2019-01-01\u0007"}"#),
            r"speaks protocol version 2019-01-01\u{7}, which 1mcp does not know"
        );
        for outcome in [
            r#""result":{}"#,
            r#""result":null"#,
            r#""result":{"protocolVersion":1}"#,
        ] {
            let why = "answered the handshake without a protocolVersion";
            assert_eq!(refused(outcome), why);
        }
        assert_eq!(
            refused(r#""error":{"code":-32000,"message":"no token"}"#),
            "refused the handshake: no token (code -32000)"
        );
        assert_eq!(
            refused(r#""error":{}"#),
            "refused the handshake:  (code none)"
        );
    }

    #[test]
    fn f4_a_refusal_that_lists_revisions_is_followed_once() {
        let error = r#""error":{"code":-32602,"message":"Unsupported protocol version",
            "data":{"supported":["2024-11-05","2025-03-26","2030-01-01",7]}}"#;
        let mut handshake = Handshake::default();
        assert!(matches!(answer(&mut handshake, error), Answer::Again));
        let again = handshake.request(ClientCapabilities::default(), "1");
        let again = String::from_utf8(again).unwrap();
        assert!(
            again.contains(r#""protocolVersion":"2025-03-26""#),
            "{again}"
        );
        assert!(matches!(answer(&mut handshake, error), Answer::Refused(_)));
        let useless = r#""error":{"data":{"supported":["2025-11-25","2030-01-01"]}}"#;
        assert!(refused(useless).starts_with("refused the handshake"));
    }

    #[test]
    fn long_instructions_are_cut_between_characters() {
        let long = "é".repeat(INSTRUCTIONS_BYTES_MAX);
        let hello = greet(&format!(
            r#""result":{{"protocolVersion":"2025-11-25","instructions":"{long}"}}"#
        ));
        let kept = hello.instructions.unwrap();
        assert!(kept.len() <= INSTRUCTIONS_BYTES_MAX && kept.len() > INSTRUCTIONS_BYTES_MAX - 2);
    }
}
