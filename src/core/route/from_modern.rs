//! Results of servers without sessions on their way back (protocol 3.1, columns LM and MM): what
//! concerns only the hop they come from is cut out or replaced, the rest passes as it came.

use crate::base::few::Few;
use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::json::cuts::runs;
use crate::json::envelope::{Envelope, Kind as Message};
use crate::json::span::{Span, elements, member, string, string_is, validate};
use crate::json::write;
use crate::language::{ClientKey, PoolKey};
use crate::limits::REQUEST_STATE_MS_MAX;
use crate::mcp::modern::{HEADER_MISMATCH, UNSUPPORTED_VERSION};
use crate::route::asks::declared;
use crate::route::calls::{Call, Method, Origin, Resource};
use crate::route::errors::{Failure, INTERNAL, INVALID_PARAMS, RESOURCE_NOT_FOUND};
use crate::route::outcome::{answer, error_code};
use crate::route::round_asks::questions;
use crate::route::seal::{Bound, State};
use crate::route::splice::Edits;
use crate::route::stamp::{COMPLETE, Stamp};
use crate::route::tasks::Manner;
use crate::route::{Desk, Hall, downgrade};
use crate::tally::End;

/// What kind of result it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultType {
    /// `complete`, or nothing was said (F11).
    Complete,
    /// `input_required`.
    InputRequired,
    /// `task`.
    Task,
    /// None that is known.
    Unknown,
}

/// What a result says of itself, found in one pass.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// What kind it is.
    pub(crate) kind: ResultType,
    /// Whether that was said.
    typed: bool,
    meta: Option<Span>,
    ttl: Option<Span>,
    scope: Option<Span>,
    content: Option<Span>,
    /// A `structuredContent` that is no object.
    odd: Option<Span>,
    /// `inputRequests`.
    pub(crate) requests: Option<Span>,
    /// `requestState`.
    pub(crate) state: Option<Span>,
    /// What clients with sessions do not get.
    cuts: Few<Span, 2>,
    /// Something else is there.
    left: bool,
}

/// Whether a result is one that ends its request (F11).
pub(crate) fn complete(text: &[u8], result: Span) -> bool {
    let said = member(text, result, "resultType");
    said.is_none_or(|at| string_is(text, at, "complete"))
}

impl Told {
    /// Reads a result; `None` if it is no object, or says something twice.
    pub(crate) fn read(method: Method, text: &[u8], result: Span) -> Option<Self> {
        if !result.of(text).starts_with(b"{") {
            return None;
        }
        let names = [
            "resultType",
            "_meta",
            "ttlMs",
            "cacheScope",
            "content",
            "structuredContent",
            "inputRequests",
            "requestState",
        ];
        let mut found: [Option<Span>; 8] = [None; 8];
        let (mut twice, mut left) = (false, false);
        let cuts = runs(text, result, &mut |key, value| {
            let index = names.iter().position(|name| string_is(text, key, name));
            if let Some(slot) = index.and_then(|index| found.get_mut(index)) {
                twice |= slot.replace(value).is_some();
            }
            let goes = match index {
                Some(0) => true,
                Some(2 | 3) => method == Method::Read,
                Some(5) => method == Method::Tool && !value.of(text).starts_with(b"{"),
                _ => false,
            };
            left |= !goes;
            goes
        });
        let [kind, meta, ttl, scope, content, structured, requests, state] = found;
        let said = kind.map(|at| string(text, at).unwrap_or_default());
        Some(Self {
            kind: match said.as_deref() {
                None | Some("complete") => ResultType::Complete,
                Some("input_required") => ResultType::InputRequired,
                Some("task") => ResultType::Task,
                Some(_) => ResultType::Unknown,
            },
            typed: kind.is_some(),
            meta,
            ttl,
            scope,
            content,
            odd: structured.filter(|at| !at.of(text).starts_with(b"{")),
            requests,
            state,
            cuts,
            left,
        })
        .filter(|_| !twice)
    }

    /// For a client with a session: nothing of the other era is left.
    pub(crate) fn for_session(&self, method: Method, text: &[u8], at: Span, edits: &mut Edits) {
        edits.cut_all(&self.cuts);
        edits.cut_hop_local(text, self.meta);
        if let Some(odd) = self.odd.filter(|_| method == Method::Tool) {
            self.say_in_words(text, (at, odd), edits);
        }
    }

    /// Puts a structured content that official clients of older revisions refuse into a text block,
    /// unless there is one with JSON in it.
    fn say_in_words(&self, text: &[u8], (result, odd): (Span, Span), edits: &mut Edits) {
        Mark::StructuredToText.hit();
        let content = self.content.unwrap_or_default();
        let mut blocks = elements(text, content).peekable();
        let some = blocks.peek().is_some();
        let mut said = blocks.filter_map(|block| string(text, member(text, block, "text")?));
        if odd.of(text) == b"null" || said.any(|said| validate(said.as_bytes()).is_ok()) {
            return;
        }
        let json = write::string(&String::from_utf8_lossy(odd.of(text)));
        let block = format!("{{\"type\":\"text\",\"text\":{json}}}");
        if !content.of(text).starts_with(b"[") {
            let comma = if self.left { "," } else { "" };
            let own = format!("\"content\":[{block}]{comma}");
            return edits.insert(result.start + 1, own.into_bytes());
        }
        let comma = if some { "," } else { "" };
        edits.insert(content.end - 1, format!("{comma}{block}").into_bytes());
    }

    /// For a client without one: it is we who answer. What has to be said and was not is added.
    pub(crate) fn for_stateless(
        &self,
        stamp: &Stamp,
        method: Method,
        text: &[u8],
        result: Span,
        edits: &mut Edits,
    ) {
        let cached = method == Method::Read && self.kind == ResultType::Complete;
        let mut missing = String::new();
        for (there, member) in [
            (self.typed, COMPLETE),
            (self.ttl.is_some() || !cached, "\"ttlMs\":0"),
            (
                self.scope.is_some() || !cached,
                "\"cacheScope\":\"private\"",
            ),
        ] {
            if !there {
                missing.push_str(member);
                missing.push(',');
            }
        }
        stamp.sign(text, result, self.meta, missing, edits);
    }

    /// Who may see a result depends on who asks: what a server gives to everybody may be kept for
    /// one of our clients only (X11).
    fn keep_private(&self, text: &[u8], edits: &mut Edits) {
        let public = self.scope.filter(|at| string_is(text, *at, "public"));
        if let Some(at) = public {
            edits.replace(at, b"\"private\"".to_vec());
        }
    }
}

impl Hall {
    /// The call, if its answer is one that ends it; what a server without sessions says of its
    /// result was read then. A question is dealt with here.
    pub(crate) fn unless_asked(
        &mut self,
        desk: &mut Desk<'_, '_>,
        call: Call,
        envelope: &Envelope,
        frame: &Frame,
    ) -> Option<(Call, Option<Told>)> {
        let Origin::Client { caller, method, .. } = &call.origin else {
            return Some((call, None));
        };
        if envelope.kind != Message::Result || !Self::is_stateless(desk, call.pool) {
            return Some((call, None));
        }
        let result = envelope.outcome.unwrap_or_default();
        let name = self.pool_name(call.pool);
        let what = match Told::read(method.plain(), frame.bytes(), result) {
            Some(told) => match told.kind {
                ResultType::Complete => return Some((call, Some(told))),
                ResultType::InputRequired if self.is_modern(caller.client) => {
                    self.pass_questions(desk, &call, &told, result, (envelope, frame));
                    return None;
                }
                ResultType::InputRequired => {
                    self.begin_round(desk, call, &told, frame.shared());
                    return None;
                }
                ResultType::Task if method.manner() == Some(Manner::Offer) => {
                    return Some((call, Some(told)));
                }
                ResultType::Task => "a task, which was not asked for",
                ResultType::Unknown => "a result of a kind that is not known",
            },
            None => "a result that is no object, or says something twice",
        };
        Mark::ResultUnreadable.hit();
        let failure = Failure::about(&name, format!("server {name} answered with {what}"));
        let failure = failure.ending(End::Error);
        desk.fail(caller.client, caller.at, &caller.id, &failure);
        None
    }

    /// A question to a client that has no session either: it comes back with the answers.
    fn pass_questions(
        &mut self,
        desk: &mut Desk<'_, '_>,
        call: &Call,
        told: &Told,
        result: Span,
        (envelope, frame): (&Envelope, &Frame),
    ) {
        let text = frame.bytes();
        let Origin::Client {
            caller,
            method,
            rounds,
            ..
        } = &call.origin
        else {
            return;
        };
        let facts = desk.clients.facts(caller.client);
        let wrong = match (questions(text, told), facts) {
            (Err(wrong), _) => Some(wrong),
            (Ok(_), None) => return,
            (Ok(_), _) if rounds.is_none() => Some(call.unasked()),
            (Ok(asked), Some(facts)) => asked
                .iter()
                .find_map(|asked| declared(asked.want, facts).err())
                .map(|_| "a question that its client cannot be asked"),
        };
        if let Some(what) = wrong {
            Mark::RoundRefused.hit();
            let name = self.pool_name(call.pool);
            let failure = Failure::about(&name, format!("server {name} answered with {what}"));
            let failure = failure.ending(End::Error);
            return desk.fail(caller.client, caller.at, &caller.id, &failure);
        }
        let mut edits = Edits::default();
        if let Some(rounds) = rounds
            // What is read is looked for, so the answers have to say who asked.
            && (told.state.is_some() || *method == Method::Read)
        {
            let asked = rounds.letter();
            let grant = self.grant(caller.client);
            let of = Bound::of(grant, *method, &asked.buffer, asked.envelope.params);
            let state = State::Nested {
                server: self.pool_name(call.pool).to_string(),
                state: told.state.map(|at| at.of(text).to_vec()),
            };
            let until = desk.cx.now.tick.after(REQUEST_STATE_MS_MAX);
            let Some(sealed) = self.seal.seal(of, until, &state) else {
                let text = "the server's requestState is too long to be passed on";
                let failure = Failure::about(&self.pool_name(call.pool), text.to_owned());
                let failure = failure.ending(End::Error);
                return desk.fail(caller.client, caller.at, &caller.id, &failure);
            };
            match told.state {
                Some(at) => edits.replace(at, format!("\"{sealed}\"").into_bytes()),
                None => {
                    let own = format!("\"requestState\":\"{sealed}\",");
                    edits.insert(result.start + 1, own.into_bytes());
                }
            }
        }
        told.for_stateless(&self.stamp, *method, text, result, &mut edits);
        answer(desk, caller, edits, envelope, frame);
    }

    /// A result that is no question goes back, in the words of the client's era.
    pub(crate) fn finish(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        method: Method,
        (text, result): (&[u8], Span),
        told: &Told,
        edits: &mut Edits,
    ) {
        if self.is_modern(client) {
            told.for_stateless(&self.stamp, method, text, result, edits);
            if self.is_apart(client) {
                told.keep_private(text, edits);
            }
        } else if let Some(facts) = desk.clients.facts(client) {
            told.for_session(method, text, result, edits);
            downgrade::result(facts.version, method, text, result, edits);
        }
    }

    /// What a client with a session gets for an error of a server without; `None` if it may have
    /// that. Codes of the newer revision that only concern our hop are our failure.
    pub(crate) fn older_error(
        &self,
        (method, resource): (Method, Option<&Resource>),
        pool: PoolKey,
        text: &[u8],
        error: Span,
    ) -> Option<Failure> {
        let code = error_code(text, error)?;
        let said = member(text, error, "message").and_then(|at| string(text, at));
        if code == i64::from(INVALID_PARAMS) && method == Method::Read {
            let data = member(text, error, "data");
            let named = data.and_then(|data| member(text, data, "uri"));
            let named = named.and_then(|at| string(text, at))?;
            let resource = resource.filter(|resource| *resource.original == *named)?;
            let prefix = resource.prefix.as_deref().unwrap_or_default();
            let uri = write::string(&format!("{prefix}{named}"));
            return Some(Failure {
                code: RESOURCE_NOT_FOUND,
                message: said.unwrap_or_default().into_owned(),
                data: Some(format!("{{\"uri\":{uri}}}")),
                scopes: None,
                end: End::Error,
            });
        }
        self.error_of_hop(pool, text, error)
    }

    /// What any client gets for an error that only concerns our hop: nothing that it could have
    /// done better.
    pub(crate) fn error_of_hop(&self, pool: PoolKey, text: &[u8], error: Span) -> Option<Failure> {
        let code = error_code(text, error)?;
        let ours = [HEADER_MISMATCH, UNSUPPORTED_VERSION];
        ours.into_iter().any(|own| i64::from(own) == code).then(|| {
            let name = self.pool_name(pool);
            let said = member(text, error, "message").and_then(|at| string(text, at));
            let said = said.unwrap_or_default();
            Failure {
                code: INTERNAL,
                message: format!("server {name} refused our request: {said}"),
                data: Some(String::from_utf8_lossy(error.of(text)).into_owned()),
                scopes: None,
                end: End::Error,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn edited(
        method: Method,
        text: &str,
        edit: impl FnOnce(&Told, &[u8], Span, &mut Edits),
    ) -> String {
        let buffer = Rc::new(text.as_bytes().to_vec());
        let whole = Span::whole(&buffer);
        let told = Told::read(method, &buffer, whole).unwrap();
        let mut edits = Edits::default();
        edit(&told, &buffer, whole, &mut edits);
        let parts = edits.parts(&buffer, whole);
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.bytes().to_vec())
            .collect();
        let text = String::from_utf8(bytes).unwrap();
        validate(text.as_bytes()).unwrap();
        text
    }

    fn for_session(method: Method, text: &str) -> String {
        edited(method, text, |told, text, at, edits| {
            told.for_session(method, text, at, edits);
        })
    }

    #[test]
    fn f11_what_kind_of_result_it_is() {
        let kind = |text: &str| {
            let whole = Span::whole(text.as_bytes());
            Told::read(Method::Tool, text.as_bytes(), whole).map(|told| told.kind)
        };
        assert_eq!(kind("{}"), Some(ResultType::Complete));
        assert_eq!(
            kind(r#"{"resultType":"complete"}"#),
            Some(ResultType::Complete)
        );
        assert_eq!(
            kind(r#"{"resultType":"input\u005frequired"}"#),
            Some(ResultType::InputRequired)
        );
        assert_eq!(kind(r#"{"resultType":"task"}"#), Some(ResultType::Task));
        assert_eq!(kind(r#"{"resultType":"else"}"#), Some(ResultType::Unknown));
        assert_eq!(kind(r#"{"resultType":7}"#), Some(ResultType::Unknown));
        assert_eq!(
            kind(r#"{"resultType":"task","resultType":"complete"}"#),
            None
        );
        assert_eq!(kind("[]"), None);
    }

    #[test]
    fn p31_a_session_gets_nothing_of_the_other_era() {
        let text = r#"{"resultType":"complete","contents":[ 1.0 ],"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{},"v":1}}"#;
        assert_eq!(
            for_session(Method::Read, text),
            r#"{"contents":[ 1.0 ],"_meta":{"v":1}}"#
        );
        let text =
            r#"{ "content":[],"ttlMs":5,"structuredContent":{"a":[1e5]},"resultType":"complete" }"#;
        assert_eq!(
            for_session(Method::Tool, text),
            r#"{ "content":[],"ttlMs":5,"structuredContent":{"a":[1e5]} }"#
        );
    }

    #[test]
    fn p33_structured_content_that_is_no_object_is_said_in_words() {
        let _reached = crate::base::mark::must_hit(Mark::StructuredToText);
        let block = r#"{"type":"text","text":"[\"a\", 1]"}"#;
        for (text, result) in [
            (
                r#"{"content":[],"structuredContent":["a", 1],"resultType":"complete"}"#.to_owned(),
                format!(r#"{{"content":[{block}]}}"#),
            ),
            (
                r#"{"structuredContent":["a", 1]}"#.to_owned(),
                format!(r#"{{"content":[{block}]}}"#),
            ),
            (
                r#"{"structuredContent":["a", 1],"isError":false}"#.to_owned(),
                format!(r#"{{"content":[{block}],"isError":false}}"#),
            ),
            (
                r#"{"structuredContent":["a", 1],"content":[{"type":"text","text":"two"}]}"#
                    .to_owned(),
                format!(r#"{{"content":[{{"type":"text","text":"two"}},{block}]}}"#),
            ),
            (
                format!(r#"{{"structuredContent":["a", 1],"content":[{block}]}}"#),
                format!(r#"{{"content":[{block}]}}"#),
            ),
            (
                r#"{"structuredContent":null,"content":[]}"#.to_owned(),
                r#"{"content":[]}"#.to_owned(),
            ),
        ] {
            assert_eq!(for_session(Method::Tool, &text), result, "{text}");
        }
    }

    #[test]
    fn d3_d4_a_client_without_a_session_gets_what_the_server_said_and_our_name() {
        let stamp = Stamp::new("1");
        let info = r#""io.modelcontextprotocol/serverInfo":{"name":"1mcp","version":"1"}"#;
        for (text, result) in [
            (
                r#"{"contents":[],"resultType":"complete","ttlMs":7,"cacheScope":"public"}"#,
                r#"{"_meta":{I},"contents":[],"resultType":"complete","ttlMs":7,"cacheScope":"public"}"#,
            ),
            (
                r#"{"contents":[ ],"_meta":{"io.modelcontextprotocol/serverInfo":{},"v":1}}"#,
                r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[ ],"_meta":{I,"v":1}}"#,
            ),
            (
                "{}",
                r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{I}}"#,
            ),
        ] {
            let signed = edited(Method::Read, text, |told, text, at, edits| {
                told.for_stateless(&stamp, Method::Read, text, at, edits);
            });
            assert_eq!(signed.replace(info, "I"), result, "{text}");
        }
    }
}
