//! Requests on their way to servers without sessions (2026-07-28): each says of itself in its
//! `_meta` what such a server has to know (protocol 3.2). The rest stays as it came.

use std::borrow::Cow;
use std::rc::Rc;

use crate::json::envelope::Envelope;
use crate::json::span::{Span, members, string_begins, string_is};
use crate::mcp::meta::{self, HOP_LOCAL};
use crate::mcp::tasks::EXTENSIONS;
use crate::route::calls::{Caller, Method};
use crate::route::forward::Request;
use crate::route::rounds::Rounds;
use crate::route::splice::{Edits, member_with_comma};
use crate::route::tasks::Manner;
use crate::route::{Desk, Hall, ServerKey};

/// A request as it can be sent, any number of times: with names replaced, but for the id, the
/// token and the `_meta`.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// The request as it came.
    pub(crate) buffer: Rc<Vec<u8>>,
    /// Its members.
    pub(crate) envelope: Envelope,
    /// Where its progress token is.
    pub(crate) token_at: Option<Span>,
    /// What is replaced.
    pub(crate) edits: Edits,
    /// What its server calls the tool, if one is called.
    pub(crate) tool: Option<Rc<str>>,
}

impl Hall {
    /// Makes a request one that describes itself. It is kept if its answer may be a question: who
    /// has a session does not know such answers, and for who has none it is sealed what was asked.
    pub(crate) fn describe(
        &self,
        desk: &Desk<'_, '_>,
        server: ServerKey,
        request: &mut Request,
    ) -> Option<Box<Rounds>> {
        let asks = request.method.may_ask();
        let share = self.kept.keep(request.buffer.len()).filter(|_| asks);
        let again = share.map(|share| {
            let letter = Letter {
                buffer: Rc::clone(&request.buffer),
                envelope: request.envelope,
                token_at: request.token_at,
                edits: request.edits.clone(),
                tool: request.tool.clone(),
            };
            Box::new(Rounds::new(letter, share))
        });
        let text = &request.buffer;
        let (caller, method) = (&request.caller, request.method);
        let said = self.description(desk, server, caller, method, (text, request.envelope.meta));
        put_description(text, &request.envelope, &said, &mut request.edits);
        again
    }

    /// What a request says of itself: that we send it, and what its client can be asked.
    pub(crate) fn description(
        &self,
        desk: &Desk<'_, '_>,
        server: ServerKey,
        caller: &Caller,
        method: Method,
        (text, meta): (&[u8], Option<Span>),
    ) -> Vec<u8> {
        let known = self.clients.get(&caller.client);
        let level = known.and_then(|known| known.level);
        let declared = match meta.filter(|_| known.is_some_and(|known| known.modern)) {
            Some(meta) => relayable(text, meta),
            None => Cow::Owned(self.translated_capabilities(desk, server, caller)),
        };
        let declared = if method.manner() == Some(Manner::Offer) {
            Cow::Owned(with_tasks(&declared))
        } else {
            declared
        };
        let mut said = Vec::with_capacity(declared.len() + 256);
        meta::outgoing(&mut said, &declared, &self.settings.version, level);
        said
    }

    /// What a client declared in `initialize`, in words of the revision without sessions.
    fn translated_capabilities(
        &self,
        desk: &Desk<'_, '_>,
        server: ServerKey,
        caller: &Caller,
    ) -> String {
        let facts = desk.clients.facts(caller.client);
        // Who can say nothing more cannot answer.
        let facts = facts.filter(|_| !self.deaf);
        let mut declared = facts.map(|facts| facts.capabilities).unwrap_or_default();
        if let Some(server) = self.server(server) {
            declared = server.static_roots(declared);
        }
        declared.render_modern()
    }
}

/// What a client declared with its request, without the extensions: we could not keep such promises
/// for it.
fn relayable(text: &[u8], meta: Span) -> Cow<'_, str> {
    let declared = members(text, meta)
        .find(|(key, _)| string_is(text, *key, meta::CAPABILITIES))
        .map(|(_, value)| value);
    let Some(declared) = declared.filter(|at| at.of(text).starts_with(b"{")) else {
        return Cow::Borrowed("{}");
    };
    let raw =
        |from: usize, to: usize| String::from_utf8_lossy(text.get(from..to).unwrap_or_default());
    match member_with_comma(text, declared, "extensions") {
        Some(cut) => raw(declared.start, cut.start) + raw(cut.end, declared.end),
        None => raw(declared.start, declared.end),
    }
}

/// The same with the one extension whose promises we keep for it.
pub(crate) fn with_tasks(declared: &str) -> String {
    let rest = declared.strip_prefix('{').unwrap_or("}").trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    format!("{{{EXTENSIONS}{comma}{rest}")
}

/// Puts members into the `_meta` of a request, which may have none. What concerned the hop that it
/// comes from is cut out already.
pub(crate) fn put_description(text: &[u8], envelope: &Envelope, said: &[u8], edits: &mut Edits) {
    let has_more = |object: Span| members(text, object).next().is_some();
    let comma = |more: bool| if more { &b","[..] } else { b"" };
    if let Some(meta) = envelope.meta {
        if !meta.of(text).starts_with(b"{") {
            return edits.replace(meta, [b"{", said, b"}"].concat());
        }
        let more = members(text, meta).any(|(key, _)| !string_begins(text, key, HOP_LOCAL));
        edits.insert(meta.start + 1, [said, comma(more)].concat());
    } else if let Some(params) = envelope.params {
        let comma = comma(has_more(params));
        let own = [b"\"_meta\":{", said, b"}", comma].concat();
        edits.insert(params.start + 1, own);
    } else {
        let own = [b",\"params\":{\"_meta\":{", said, b"}}"].concat();
        edits.insert(envelope.whole.end.saturating_sub(1), own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::envelope;

    fn described(text: &str, said: &str) -> String {
        let buffer = Rc::new(text.as_bytes().to_vec());
        let envelope = envelope::read(&buffer).unwrap();
        let mut edits = Edits::default();
        edits.cut_hop_local(&buffer, envelope.meta);
        put_description(&buffer, &envelope, said.as_bytes(), &mut edits);
        let parts = edits.parts(&buffer, envelope.whole);
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.bytes().to_vec())
            .collect();
        let text = String::from_utf8(bytes).unwrap();
        crate::json::span::validate(text.as_bytes()).unwrap();
        text.replace(r#"{"jsonrpc":"2.0","id":1,"method":"m""#, "")
    }

    #[test]
    fn p32_only_the_meta_changes() {
        for (params, after) in [
            ("", r#","params":{"_meta":{S}}}"#),
            (r#","params":{}"#, r#","params":{"_meta":{S}}}"#),
            (
                r#","params": { "a":1.0 }"#,
                r#","params": {"_meta":{S}, "a":1.0 }}"#,
            ),
            (
                r#","params":{"a":1,"_meta":null}"#,
                r#","params":{"a":1,"_meta":{S}}}"#,
            ),
            (r#","params":{"_meta":{ }}"#, r#","params":{"_meta":{S }}}"#),
            (
                r#","params":{"_meta":{"io.modelcontextprotocol/related-task":{},"v" : 1}}"#,
                r#","params":{"_meta":{S,"v" : 1}}}"#,
            ),
            (
                r#","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":1}}"#,
                r#","params":{"_meta":{S}}}"#,
            ),
            (
                r#","params":{"_meta":{"traceparent":"x","io.modelcontextprotocol/x":1}}"#,
                r#","params":{"_meta":{S,"traceparent":"x"}}}"#,
            ),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m"{params}}}"#);
            let said = r#""said":1"#;
            assert_eq!(described(&text, said).replace(said, "S"), after, "{params}");
        }
    }

    #[test]
    fn p32_extensions_are_not_promised_for_a_client() {
        let text = |declared: &str| format!(r#"{{"{}":{declared}}}"#, meta::CAPABILITIES);
        for (declared, relayed) in [
            (r#"{"roots":{},"x":1}"#, r#"{"roots":{},"x":1}"#),
            (r#"{"extensions":{"a/b":{}},"roots":{}}"#, r#"{"roots":{}}"#),
            (r#"{"roots":{} , "extensions":{}}"#, r#"{"roots":{}}"#),
            ("7", "{}"),
        ] {
            let text = text(declared);
            let whole = Span::whole(text.as_bytes());
            assert_eq!(relayable(text.as_bytes(), whole), relayed);
        }
        assert_eq!(relayable(b"{}", Span { start: 0, end: 2 }), "{}");
    }
}
