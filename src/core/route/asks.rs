//! Questions of servers to clients: sampling, elicitation, roots (protocol S1, S3). A question goes
//! to the one client it can only be for, or it is refused. Nobody is ever guessed.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::gather;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::base::short::ShortBytes;
use crate::base::slab::{Key, SlabKey};
use crate::effect::Level;
use crate::json::envelope::{Envelope, JsonId};
use crate::json::span::{Span, has_member, string};
use crate::json::write;
use crate::language::{At, ClientFacts, ClientKey, PoolKey};
use crate::limits::{ASK_MS_MAX, ASKS_PER_CLIENT_MAX, ATTRIBUTION_HOLD_MS, ID_BYTES_MAX};
use crate::route::calls::{CallKey, ID_MAX};
use crate::route::errors::{INTERNAL, INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::route::held::HeldAsk;
use crate::route::pools::InFlight;
use crate::route::splice::{Edits, fields};
use crate::route::tasks::TaskKey;
use crate::route::{Desk, Hall, downgrade};

crate::slab_keys! {
    /// One question that waits for a client's answer.
    AskKey;
}

/// What a server wants of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// `roots/list`.
    Roots,
    /// `sampling/createMessage`, with tools or without.
    Sampling {
        /// `params.tools` or `params.toolChoice` is there.
        tools: bool,
    },
    /// `elicitation/create` in form mode.
    Form,
    /// `elicitation/create` in url mode.
    Url,
}

impl Want {
    /// The method by which it is asked for.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Roots => "roots/list",
            Self::Sampling { .. } => "sampling/createMessage",
            Self::Form | Self::Url => "elicitation/create",
        }
    }
}

/// Who waits for the answer to a question.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// The server, under this id of its own.
    Server(JsonId),
    /// A call that is made again with all answers; this is one of them.
    Round(CallKey, usize),
    /// A task that the client does not know of, under this key (raw) of its server.
    Task(TaskKey, Box<[u8]>),
}

/// One question that waits for a client's answer.
#[derive(Debug)]
pub(crate) struct Ask {
    /// In which session it came up.
    pub(crate) pool: PoolKey,
    /// Where the answer goes.
    pub(crate) asker: Asker,
    /// Who is asked: nobody else's answer counts.
    pub(crate) client: ClientKey,
    /// The server's progress token (raw JSON).
    pub(crate) token: Option<Box<[u8]>>,
}

/// The ids that clients see for questions. They begin somewhere else in every process: whoever
/// answers a question from before a restart must not answer another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskIds {
    begin: u64,
}

impl AskIds {
    /// Ids that begin behind this number.
    pub(crate) const fn after(begin: u64) -> Self {
        Self { begin }
    }

    pub(crate) fn to_wire(self, ask: AskKey) -> u64 {
        let plain = super::calls::to_wire(CallKey::wrap(ask.key())) - 1;
        (plain.wrapping_add(self.begin) & ID_MAX) + 1
    }

    pub(crate) fn key_of(self, id: u64) -> Option<AskKey> {
        let plain = id.checked_sub(1).filter(|id| *id <= ID_MAX)?;
        let key = super::calls::from_wire((plain.wrapping_sub(self.begin) & ID_MAX) + 1)?;
        let Key { index, generation } = key.key();
        Some(AskKey(Key { index, generation }))
    }
}

/// What a question is about; `None` if clients know no such question.
pub(crate) fn want_of(text: &[u8], method: &str, params: Option<Span>) -> Option<Want> {
    let has = |name| params.is_some_and(|params| has_member(text, params, name));
    match method {
        "roots/list" => Some(Want::Roots),
        "sampling/createMessage" => Some(Want::Sampling {
            tools: has("tools") || has("toolChoice"),
        }),
        "elicitation/create" => {
            let mode = fields(text, params, ["mode"]).ok().and_then(|[at]| at);
            let url = mode
                .and_then(|at| string(text, at))
                .is_some_and(|mode| mode == "url");
            Some(if url { Want::Url } else { Want::Form })
        }
        _ => None,
    }
}

impl Hall {
    /// A server asks something.
    pub fn server_request(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, about): (PoolKey, Option<NonZeroU64>),
        id: JsonId,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let method = envelope
            .method
            .and_then(|at| string(text, at))
            .unwrap_or_default();
        let Some(want) = want_of(text, &method, envelope.params) else {
            let text = format!("method not found: {method}");
            return self.refuse_ask(desk, pool, &id, METHOD_NOT_FOUND, &text);
        };
        let Some(session) = self.pools.get(&pool) else {
            return;
        };
        let roots = self
            .server(session.server)
            .and_then(|server| server.entry.roots.clone());
        if let Some(roots) = roots.filter(|_| want == Want::Roots) {
            let result = format!("{{\"roots\":{roots}}}");
            let message = write::result(id.raw(), result.as_bytes());
            let _ = desk.backends.send(desk.cx, pool, &[Part::Copy(&message)]);
            return;
        }
        let buffer = Rc::clone(frame.shared());
        let deadline = desk.cx.now.tick.after(ATTRIBUTION_HOLD_MS);
        let held = HeldAsk {
            pool,
            about: about.and_then(|id| super::calls::from_wire(id.get())),
            id,
            envelope: *envelope,
            buffer,
            want,
            deadline,
        };
        self.attribute(desk, held);
    }

    /// Finds the client that a question is for (protocol S3).
    pub(crate) fn attribute(&mut self, desk: &mut Desk<'_, '_>, ask: HeldAsk) {
        if self.asked_by_task(desk, &ask) {
            return;
        }
        let Some(session) = self.pools.get(&ask.pool) else {
            return;
        };
        let about = ask.about.and_then(|call| self.asked_in(ask.pool, call));
        if let Some(owner) = session.owner {
            if let Some((client, at)) = about {
                return self.relay(desk, &ask, client, at);
            }
            // On stdio, next to the owner there may be requests without a session.
            return match self.in_flight(desk.cx.now.tick, session) {
                InFlight::Nobody => self.relay(desk, &ask, owner, At::MAIN),
                InFlight::One(client, call) => {
                    let at = self.stream_of(call);
                    self.relay(desk, &ask, client, at);
                }
                InFlight::Several => self.hold_unless_one_person(desk, ask),
            };
        }
        let declares = session.declares;
        // A static list of roots is declared as well, but never asked for here.
        if !declares.sampling && !declares.elicitation_form && !declares.elicitation_url {
            Mark::AskUnlured.hit();
            return self.unattributable(desk, &ask, "it was told that no client can be asked");
        }
        if let Some((client, at)) = about {
            Mark::AskOnStream.hit();
            self.relay(desk, &ask, client, at);
            return self.mark(desk, ask.pool, Some(client));
        }
        match self.in_flight(desk.cx.now.tick, session) {
            InFlight::Nobody => {
                Mark::AskOfNobody.hit();
                self.unattributable(desk, &ask, "no client has a call in flight there");
            }
            InFlight::One(client, call) => {
                let at = self.stream_of(call);
                Mark::AskAttributed.hit();
                self.relay(desk, &ask, client, at);
                self.mark(desk, ask.pool, Some(client));
            }
            InFlight::Several => self.hold_unless_one_person(desk, ask),
        }
    }

    /// Whose call it is on whose stream something came, and where its answer goes.
    pub(crate) fn asked_in(&self, pool: PoolKey, call: CallKey) -> Option<(ClientKey, At)> {
        let client = self.caller_of(call)?;
        let here = self.pools.get(&pool)?.in_flight.contains(&call);
        here.then(|| (client, self.stream_of(call)))
    }

    fn stream_of(&self, call: CallKey) -> At {
        let caller = self.calls.get(call).and_then(|call| call.caller());
        caller.map_or(At::MAIN, |caller| caller.at)
    }

    /// Refuses a question that could be for several clients, or for none.
    pub(crate) fn unattributable(&mut self, desk: &mut Desk<'_, '_>, ask: &HeldAsk, why: &str) {
        let name = self.pool_name(ask.pool);
        let session = self.pools.get_mut(&ask.pool);
        let told = session.is_some_and(|pool| std::mem::replace(&mut pool.refusal_told, true));
        let level = if told { Level::Debug } else { Level::Warn };
        desk.cx.log(level, || {
            format!(
                "server={name} asked a question that cannot be attributed to one client: {why} \
                 (\"isolation\": \"session\" in its entry gives each client a session of its own)"
            )
        });
        match ask.want {
            Want::Form | Want::Url => {
                let message = write::result(ask.id.raw(), br#"{"action":"cancel"}"#);
                let _ = desk
                    .backends
                    .send(desk.cx, ask.pool, &[Part::Copy(&message)]);
            }
            Want::Roots | Want::Sampling { .. } => {
                let text = format!("1mcp cannot tell which client this question is for: {why}");
                self.refuse_ask(desk, ask.pool, &ask.id, METHOD_NOT_FOUND, &text);
            }
        }
    }

    /// Answers a question with an error in the client's place.
    pub(crate) fn refuse_ask(
        &self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        id: &JsonId,
        code: i32,
        text: &str,
    ) {
        let message = write::error(Some(id.raw()), code, text, None);
        // A session that is down has forgotten its question.
        let _ = desk.backends.send(desk.cx, pool, &[Part::Copy(&message)]);
    }

    /// Puts a question to the client it is for.
    pub(crate) fn relay(
        &mut self,
        desk: &mut Desk<'_, '_>,
        ask: &HeldAsk,
        client: ClientKey,
        at: At,
    ) {
        let (pool, text) = (ask.pool, &*ask.buffer);
        if self.is_modern(client) {
            return self.suspend_for(desk, ask, client);
        }
        let Some(facts) = desk.clients.facts(client) else {
            return self.refuse_ask(desk, pool, &ask.id, INTERNAL, "the client is gone");
        };
        if let Err((code, why)) = self.askable(client, ask.want, facts) {
            return self.refuse_ask(desk, pool, &ask.id, code, &why);
        }
        let params = ask.envelope.params;
        let read = fields(text, params, ["_meta", "elicitationId", "mode"]);
        let Ok([meta, elicitation, _]) = read else {
            let text = "a member of params stands twice";
            return self.refuse_ask(desk, pool, &ask.id, INVALID_PARAMS, text);
        };
        let token_at = fields(text, meta, ["progressToken"])
            .ok()
            .and_then(|[at]| at);
        if token_at.is_some_and(|at| at.range().len() > ID_BYTES_MAX) {
            let text = "the progress token is too long";
            return self.refuse_ask(desk, pool, &ask.id, INVALID_PARAMS, text);
        }
        let mut edits = Edits::default();
        if downgrade::question(facts.version, ask.want, text, params, &mut edits).is_err() {
            Mark::AskInexpressible.hit();
            let text = downgrade::INEXPRESSIBLE;
            return self.refuse_ask(desk, pool, &ask.id, METHOD_NOT_FOUND, text);
        }
        let key = self.asks.insert(Ask {
            pool,
            asker: Asker::Server(ask.id.clone()),
            client,
            token: token_at.map(|at| Box::from(at.of(text))),
        });
        let wire = ShortBytes::decimal(self.ask_ids.to_wire(key));
        for at in [ask.envelope.id, token_at].into_iter().flatten() {
            edits.replace(at, wire.clone());
        }
        self.rename_related(pool, text, meta, &mut edits);
        if let Some(at) = elicitation {
            self.rename_elicitation(pool, client, text, at, &mut edits);
        }
        let message = edits.parts(&ask.buffer, ask.envelope.whole);
        if !self.put(desk, client, at, &message) {
            Mark::AskNowhere.hit();
            self.asks.remove(key);
            let text = "the client has no open stream on which it could be asked";
            return self.refuse_ask(desk, pool, &ask.id, INTERNAL, text);
        }
        self.note_ask(desk, client, key);
    }

    /// A client was asked: from now on its answer is awaited, but not for ever.
    pub(crate) fn note_ask(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey, key: AskKey) {
        self.clients.entry(client).or_default().asks.push(key);
        let asks = &self.asks;
        let deadline = desk.cx.now.tick.after(ASK_MS_MAX);
        self.ask_deadlines.push(deadline, key);
        self.ask_deadlines
            .prune(asks.len(), |key| !asks.contains(key));
        self.wake_for_asks(desk);
    }

    /// Whether a client can answer this, and has not too much to answer already.
    pub(crate) fn askable(
        &self,
        client: ClientKey,
        want: Want,
        facts: ClientFacts,
    ) -> Result<(), (i32, Cow<'static, str>)> {
        if self.deaf {
            Mark::AskClientDeaf.hit();
            let text = "the client's input has ended, it cannot answer";
            return Err((INTERNAL, text.into()));
        }
        if let Err((code, why)) = declared(want, facts) {
            Mark::AskUndeclared.hit();
            return Err((code, why.into()));
        }
        let client = self.clients.get(&client);
        let waiting = client.map_or(0, |client| client.asks.len());
        if waiting >= ASKS_PER_CLIENT_MAX {
            Mark::AsksFull.hit();
            let text = format!("{waiting} questions wait for this client already");
            return Err((INTERNAL, text.into()));
        }
        Ok(())
    }

    /// On the stream of the call that caused it, else on the client's own, else on any call's.
    pub(crate) fn put(
        &self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        at: At,
        message: &[Part<'_>],
    ) -> bool {
        if desk.clients.ask(desk.cx, client, at, message) {
            return true;
        }
        let calls = self
            .clients
            .get(&client)
            .map(|client| client.calls.as_slice());
        let callers = calls.unwrap_or_default().iter();
        let callers = callers.filter_map(|call| self.calls.get(*call)?.caller());
        let streams = callers.map(|caller| caller.at);
        let streams = gather::set(streams.filter(|other| *other != at));
        let put = streams
            .into_iter()
            .any(|at| desk.clients.ask(desk.cx, client, at, message));
        if put {
            Mark::AskElsewhere.hit();
        }
        put
    }
}

/// Whether a client declared that it can be asked this.
pub(crate) fn declared(want: Want, facts: ClientFacts) -> Result<(), (i32, &'static str)> {
    let ClientFacts { capabilities, .. } = facts;
    let missing = |what| Err((METHOD_NOT_FOUND, what));
    match want {
        Want::Roots if !capabilities.roots => missing("the client declared no roots"),
        Want::Sampling { .. } if !capabilities.sampling => {
            missing("the client declared no sampling")
        }
        Want::Sampling { tools: true } if !capabilities.sampling_tools => {
            Err((INVALID_PARAMS, "the client declared sampling without tools"))
        }
        Want::Form if !capabilities.elicitation_form => {
            missing("the client declared no elicitation by form")
        }
        Want::Url if !capabilities.elicitation_url => {
            missing("the client declared no elicitation by url")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_ids_of_questions_lead_back_and_those_of_another_process_lead_nowhere() {
        let key = |index, generation| AskKey(Key { index, generation });
        let keys = [key(0, 0), key(3, 9), key((1 << 20) - 1, u32::MAX)];
        for begin in [0, 1, 77 << 30, ID_MAX] {
            let ids = AskIds::after(begin);
            for key in keys {
                let wire = ids.to_wire(key);
                assert!((1..1 << 53).contains(&wire));
                assert_eq!(ids.key_of(wire), Some(key));
                assert_ne!(AskIds::after(begin / 2 + 5).key_of(wire), Some(key));
            }
            for wire in [0, ID_MAX + 2, u64::MAX] {
                assert_eq!(ids.key_of(wire), None);
            }
        }
    }
}
