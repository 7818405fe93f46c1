//! How a question ends: answered by the client it was put to, cancelled by the server, or either of
//! them gone. The one table that maps a client's answer to the server that asked.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::effect::Level;
use crate::json::envelope::{Envelope, our_number};
use crate::language::{ClientKey, PoolKey};
use crate::route::asks::{Ask, AskKey, Asker};
use crate::route::calls::CallKey;
use crate::route::errors::{Failure, INTERNAL};
use crate::route::splice::{Edits, fields};
use crate::route::{Desk, Hall};

impl Hall {
    /// A client answered one of our requests. It counts only if that client was asked.
    pub fn client_response(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        self.look(desk, client);
        let Some(id_at) = envelope.id else { return };
        let id = our_number(id_at.of(frame.bytes()));
        let key = id.and_then(|id| self.ask_ids.key_of(id));
        let asked = key.filter(|key| self.asks.get(*key).is_some_and(|ask| ask.client == client));
        let Some(ask) = asked.and_then(|key| self.end_ask(desk, key)) else {
            Mark::AnswerUnasked.hit();
            desk.cx.log(Level::Debug, || {
                "a client answered what it was not asked".to_owned()
            });
            return;
        };
        let server_id = match &ask.asker {
            Asker::Server(id) => id,
            Asker::Round(call, index) => {
                let place = (*call, *index);
                return self.round_response(desk, &ask, place, envelope, frame);
            }
            Asker::Task(task, name) => {
                return self.task_response(desk, (*task, name), envelope, frame);
            }
        };
        let mut edits = Edits::default();
        edits.replace(id_at, server_id.kept());
        let message = edits.parts(frame.shared(), envelope.whole);
        // A server that went down meanwhile does not wait any more.
        let _ = desk.backends.send(desk.cx, ask.pool, &message);
    }

    /// Takes a question out of the tables.
    pub(crate) fn end_ask(&mut self, desk: &mut Desk<'_, '_>, key: AskKey) -> Option<Ask> {
        let ask = self.asks.remove(key)?;
        if let Some(client) = self.clients.get_mut(&ask.client) {
            client.asks.retain(|other| *other != key);
        }
        if self.asks.is_empty() {
            self.wake_for_asks(desk);
        }
        Some(ask)
    }

    /// A client tells how far it is with a question.
    pub(crate) fn ask_progress(
        &self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let Ok([Some(at)]) = fields(text, envelope.params, ["progressToken"]) else {
            return;
        };
        let key = our_number(at.of(text)).and_then(|id| self.ask_ids.key_of(id));
        let ask = key
            .and_then(|key| self.asks.get(key))
            .filter(|ask| ask.client == client);
        let Some((ask, token)) = ask.and_then(|ask| Some((ask, ask.token.as_ref()?))) else {
            return;
        };
        Mark::AskProgress.hit();
        let mut edits = Edits::default();
        edits.replace(at, token.to_vec());
        let _ = desk.backends.send(
            desk.cx,
            ask.pool,
            &edits.parts(frame.shared(), envelope.whole),
        );
    }

    /// A server does not want an answer to its question any more.
    pub(crate) fn ask_cancelled(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let Ok([Some(at)]) = fields(text, envelope.params, ["requestId"]) else {
            return;
        };
        let id = at.of(text);
        self.task_question_withdrawn(pool, id);
        let before = self.held.len();
        self.held
            .retain(|held| held.pool != pool || !held.id.same(id));
        if self.held.len() < before && !self.held.iter().any(|held| held.pool == pool) {
            Mark::HeldAskWithdrawn.hit();
            self.stop_holding(desk, pool);
            return;
        }
        let named = |ask: &Ask| matches!(&ask.asker, Asker::Server(own) if own.same(id));
        let theirs = |ask: &Ask| ask.pool == pool && named(ask);
        let Some(key) = self
            .asks
            .iter()
            .find(|(_, ask)| theirs(ask))
            .map(|(key, _)| key)
        else {
            self.question_withdrawn(desk, pool, id);
            return;
        };
        Mark::AskWithdrawn.hit();
        self.cancel_ask(desk, key);
    }

    /// Tells the client that its answer is not wanted any more.
    pub(crate) fn cancel_ask(&mut self, desk: &mut Desk<'_, '_>, key: AskKey) -> Option<Ask> {
        let ask = self.end_ask(desk, key)?;
        let message = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
             \"params\":{{\"requestId\":{}}}}}",
            self.ask_ids.to_wire(key)
        );
        desk.clients
            .tell(desk.cx, ask.client, &[message.as_str().into()]);
        Some(ask)
    }

    /// A session ended: nobody waits for the answers to its questions.
    pub(crate) fn drop_asks_of_pool(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        self.held.retain(|held| held.pool != pool);
        let theirs = self.asks.iter().filter(|(_, ask)| ask.pool == pool);
        let keys: Vec<AskKey> = theirs.map(|(key, _)| key).collect();
        for key in keys {
            Mark::AskDiesWithServer.hit();
            self.cancel_ask(desk, key);
        }
    }

    /// A client is gone: the servers that asked it are told.
    pub(crate) fn drop_asks_of_client(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        let why = if self.deaf {
            "the client's input has ended, it cannot answer"
        } else {
            "the client is gone"
        };
        let keys = self
            .clients
            .get(&client)
            .map(|client| client.asks.clone())
            .unwrap_or_default();
        for key in keys {
            if let Some(ask) = self.end_ask(desk, key) {
                Mark::AskedClientLeaves.hit();
                self.never_answered(desk, &ask, why);
            }
        }
    }

    /// There will be no answer to a question.
    pub(crate) fn never_answered(&mut self, desk: &mut Desk<'_, '_>, ask: &Ask, why: &str) {
        match &ask.asker {
            Asker::Server(id) => self.refuse_ask(desk, ask.pool, id, INTERNAL, why),
            Asker::Round(call, _) => {
                self.unanswered(desk, *call, &Failure::new(INTERNAL, why));
            }
            Asker::Task(task, _) => self.give_up_driven(desk, *task, why),
        }
    }

    /// Whether a person is being asked on behalf of a call, so that its clock stands still.
    pub(crate) fn asked_meanwhile(&self, key: CallKey) -> bool {
        let Some(call) = self.calls.get(key) else {
            return false;
        };
        if let Some(suspended) = call.suspended.and_then(|key| self.suspended.get(key)) {
            return suspended.is_asking();
        }
        let client = call
            .caller()
            .and_then(|caller| self.clients.get(&caller.client));
        let asks = client.map(|client| client.asks.as_slice());
        asks.unwrap_or_default()
            .iter()
            .filter_map(|ask| self.asks.get(*ask))
            .any(|ask| ask.pool == call.pool)
    }

    /// `notifications/roots/list_changed` of a client: to the servers whose session is its own.
    pub(crate) fn roots_changed(&self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        let message = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}";
        let fixed = |server| {
            self.server(server)
                .is_some_and(|server| server.entry.roots.is_some())
        };
        for (key, session) in &self.pools {
            let theirs = session.owner == Some(client) && session.declares.roots;
            if theirs && !fixed(session.server) && !Self::is_stateless(desk, *key) {
                let _ = desk.backends.send(desk.cx, *key, &[message.into()]);
            }
        }
    }
}
