//! One question of a round (see [`crate::route::rounds`]): how it is put to the client, and what
//! its answer does.

use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::base::short::ShortBytes;
use crate::json::envelope::{Envelope, Kind as Message};
use crate::json::span::{Span, member, members, string};
use crate::json::write;
use crate::language::{At, ClientKey, PoolKey};
use crate::limits::ROUND_QUESTIONS_MAX;
use crate::route::asks::{Ask, AskKey, Asker, Want, want_of};
use crate::route::calls::CallKey;
use crate::route::errors::{Failure, INTERNAL};
use crate::route::from_modern::Told;
use crate::route::outcome::error_code;
use crate::route::splice::{Edits, fields};
use crate::route::stamp::cut_meta;
use crate::route::{Desk, Hall, downgrade};

/// A question as it stands in a result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Its key (raw).
    pub(crate) key: Span,
    /// What is wanted.
    pub(crate) want: Want,
    /// Its parameters, if it has any.
    pub(crate) params: Option<Span>,
}

/// The questions of a result, in their order.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn questions(text: &[u8], told: &Told) -> Result<Vec<Asked>, &'static str> {
    if told.state.is_some_and(|at| !at.of(text).starts_with(b"\"")) {
        return Err("a requestState that is no string");
    }
    let Some(requests) = told.requests else {
        return match told.state {
            Some(_) => Ok(Vec::new()),
            None => Err("neither inputRequests nor requestState"),
        };
    };
    if !requests.of(text).starts_with(b"{") {
        return Err("inputRequests that are no object");
    }
    let mut asked = Vec::new();
    for (key, request) in members(text, requests) {
        let read = fields(text, Some(request), ["method", "params"]);
        let [method, params] = read.map_err(|_| "a member of an input request twice")?;
        let method = method.and_then(|at| string(text, at)).unwrap_or_default();
        // Whoever reads the other of two modes would ask what its client never declared.
        let once = fields(text, params, ["mode", "_meta", "elicitationId"]);
        once.map_err(|_| "a member of an input request twice")?;
        let want = want_of(text, &method, params).ok_or("an input request of an unknown kind")?;
        if asked.len() >= ROUND_QUESTIONS_MAX {
            Mark::RoundQuestionsFull.hit();
            return Err("too many input requests");
        }
        asked.push(Asked { key, want, params });
    }
    Ok(asked)
}

impl Hall {
    /// Puts a question to the client whose call waits for it, on the stream `at` of that call.
    pub(crate) fn ask_for_round(
        &mut self,
        desk: &mut Desk<'_, '_>,
        asker: Asker,
        (pool, client, at): (PoolKey, ClientKey, At),
        asked: &Asked,
        buffer: &Rc<Vec<u8>>,
    ) -> Result<AskKey, Failure> {
        let name = self.pool_name(pool);
        let cannot = |code: i32, why: &str| Failure {
            code,
            ..Failure::about(&name, format!("server {name} asks something: {why}"))
        };
        let Some(facts) = desk.clients.facts(client) else {
            return Err(cannot(INTERNAL, "the client is gone"));
        };
        if let Err((_, why)) = self.askable(client, asked.want, facts) {
            return Err(cannot(INTERNAL, &why));
        }
        let mut edits = Edits::default();
        let (want, params) = (asked.want, asked.params);
        if downgrade::question(facts.version, want, buffer, params, &mut edits).is_err() {
            Mark::AskInexpressible.hit();
            return Err(cannot(INTERNAL, downgrade::INEXPRESSIBLE));
        }
        let key = self.asks.insert(Ask {
            pool,
            asker,
            client,
            token: None,
        });
        let wire = ShortBytes::decimal(self.ask_ids.to_wire(key));
        if prepare(asked, buffer, &name, &wire, &mut edits).is_none() {
            self.asks.remove(key);
            return Err(cannot(INTERNAL, "a member of params stands twice"));
        }
        let method = asked.want.method();
        let mut message = vec![
            Part::from("{\"jsonrpc\":\"2.0\",\"id\":"),
            Part::Copy(&wire),
            Part::from(",\"method\":\""),
            Part::from(method),
        ];
        let params = edits.parts(buffer, asked.params.unwrap_or_default());
        if asked.params.is_some() {
            message.push(Part::from("\",\"params\":"));
            message.extend(params.iter().cloned());
            message.push(Part::from("}"));
        } else {
            message.push(Part::from("\"}"));
        }
        if !self.put(desk, client, at, &message) {
            Mark::AskNowhere.hit();
            self.asks.remove(key);
            let why = "the client has no open stream on which it could be asked";
            return Err(cannot(INTERNAL, why));
        }
        self.note_ask(desk, client, key);
        Ok(key)
    }

    /// A client answered a question of a round.
    pub(crate) fn round_response(
        &mut self,
        desk: &mut Desk<'_, '_>,
        ask: &Ask,
        (call, index): (CallKey, usize),
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let outcome = envelope.outcome.unwrap_or_default();
        let name = self.pool_name(ask.pool);
        if envelope.kind == Message::Error {
            Mark::RoundRefusedByClient.hit();
            let code = error_code(text, outcome).and_then(|code| i32::try_from(code).ok());
            let said = member(text, outcome, "message").and_then(|at| string(text, at));
            let said = said.unwrap_or_default();
            let text = format!("the client did not answer a question of server {name}: {said}");
            let failure = Failure::new(code.unwrap_or(INTERNAL), text);
            return self.unanswered(desk, call, &failure);
        }
        if !outcome.of(text).starts_with(b"{") {
            let text = format!("the client's answer to a question of server {name} is no object");
            return self.unanswered(desk, call, &Failure::new(INTERNAL, text));
        }
        let mut edits = Edits::default();
        cut_meta(text, envelope, &mut edits);
        if edits.is_empty() {
            return self.round_answered(desk, (call, index), frame.shared(), outcome);
        }
        let own = edits.joined(text, outcome);
        let whole = Span::whole(&own);
        self.round_answered(desk, (call, index), &Rc::new(own), whole);
    }
}

/// What in the parameters concerns one hop: the `_meta`, a progress token, and the id that url
/// elicitations have up to 2025-11-25; `None` if a member stands twice.
fn prepare(
    asked: &Asked,
    text: &[u8],
    server: &str,
    wire: &ShortBytes,
    edits: &mut Edits,
) -> Option<()> {
    let Some(params) = asked.params else {
        return Some(());
    };
    let [meta, elicitation] = fields(text, Some(params), ["_meta", "elicitationId"]).ok()?;
    let [token] = fields(text, meta, ["progressToken"]).ok()?;
    edits.cut_hop_local(text, meta);
    if let Some(token) = token {
        edits.replace(token, wire.clone());
    }
    if asked.want == Want::Url {
        let id = String::from_utf8_lossy(wire);
        let id = write::string(&format!("{server}:round {id}"));
        match elicitation {
            Some(at) => edits.replace(at, id.into_bytes()),
            None => {
                let own = format!("\"elicitationId\":{id},");
                edits.insert(params.start + 1, own.into_bytes());
            }
        }
    }
    Some(())
}
