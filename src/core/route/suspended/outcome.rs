//! What becomes of a call that is suspended. The answer is made as for every other call, but
//! caught before it leaves: it may be for several who wait, or for one who has yet to come.

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::cx::Cx;
use crate::json::span::{Span, member};
use crate::language::{At, ClientEdge, ClientFacts, ClientKey};
use crate::limits::RETRY_AGAIN_MS;
use crate::principal::Sight;
use crate::route::errors::{Failure, INTERNAL};
use crate::route::splice::Edits;
use crate::route::suspended::{Stage, SuspendedKey, Waiter};
use crate::route::{Desk, Hall};
use crate::tally::{About, End};

/// An answer, whoever gets it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The whole message.
    pub(super) message: Rc<Vec<u8>>,
    /// How the request ends that gets it.
    end: End,
    /// The code, if it may have a status of its own.
    code: Option<i32>,
}

impl Outcome {
    /// Answers one request with it.
    pub(super) fn give(&self, desk: &mut Desk<'_, '_>, to: &Waiter) {
        let whole = Span::whole(&self.message);
        let mut edits = Edits::default();
        if let Some(id) = member(&self.message, whole, "id") {
            edits.replace(id, to.id.kept());
        }
        let message = edits.parts(&self.message, whole);
        match self.code {
            Some(code) => {
                let how = (self.end, code);
                desk.clients
                    .refuse(desk.cx, to.client, to.at, how, &message);
            }
            None => desk
                .clients
                .answer(desk.cx, to.client, to.at, self.end, &message),
        }
    }
}

/// The edge towards clients, but for what answers one of them.
pub(crate) struct Catch<'a> {
    edge: &'a mut dyn ClientEdge,
    client: ClientKey,
    facts: Option<ClientFacts>,
    caught: Option<Outcome>,
}

impl Catch<'_> {
    fn keep(&mut self, end: End, code: Option<i32>, message: &[Part<'_>]) {
        let mut bytes = Vec::with_capacity(crate::base::outbox::length(message));
        for part in message {
            bytes.extend_from_slice(part.bytes());
        }
        let message = Rc::new(bytes);
        self.caught = Some(Outcome { message, end, code });
    }
}

impl ClientEdge for Catch<'_> {
    fn concern(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, about: About<'_>) {
        self.edge.concern(cx, client, at, about);
    }

    fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        end: End,
        message: &[Part<'_>],
    ) {
        if client == self.client {
            return self.keep(end, None, message);
        }
        self.edge.answer(cx, client, at, end, message);
    }

    fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        (end, code): (End, i32),
        message: &[Part<'_>],
    ) {
        if client == self.client {
            return self.keep(end, Some(code), message);
        }
        self.edge.refuse(cx, client, at, (end, code), message);
    }

    fn forbid(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        scopes: &str,
        message: &[Part<'_>],
    ) {
        if client == self.client {
            return self.keep(End::Refused, None, message);
        }
        self.edge.forbid(cx, client, at, scopes, message);
    }

    fn drop_request(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At) {
        self.edge.drop_request(cx, client, at);
    }

    fn note(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, message: &[Part<'_>]) {
        self.edge.note(cx, client, at, message);
    }

    fn ask(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, message: &[Part<'_>]) -> bool {
        self.edge.ask(cx, client, at, message)
    }

    fn tell(&mut self, cx: &mut Cx<'_>, client: ClientKey, message: &[Part<'_>]) {
        self.edge.tell(cx, client, message);
    }

    fn sight(&self, client: ClientKey) -> Sight {
        self.edge.sight(client)
    }

    fn facts(&self, client: ClientKey) -> Option<ClientFacts> {
        match self.facts {
            // It may have gone away, and is still who it was.
            Some(facts) if client == self.client => Some(facts),
            Some(_) | None => self.edge.facts(client),
        }
    }
}

impl Hall {
    /// The call is over: `answer` gives the answer to whom it takes to wait for it.
    pub(crate) fn end_suspended(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: SuspendedKey,
        answer: impl FnOnce(&mut Self, &mut Desk<'_, '_>),
    ) {
        let Some(suspended) = self.suspended.get(key) else {
            return;
        };
        let mut catch = Catch {
            edge: &mut *desk.clients,
            client: suspended.waiter.client,
            facts: Some(suspended.facts),
            caught: None,
        };
        let inner = &mut Desk {
            cx: &mut *desk.cx,
            clients: &mut catch,
            backends: &mut *desk.backends,
        };
        answer(self, inner);
        if let Some(outcome) = catch.caught {
            self.conclude(desk, key, outcome);
        }
    }

    /// Tells all who wait, and keeps the answer for who has yet to come.
    fn conclude(&mut self, desk: &mut Desk<'_, '_>, key: SuspendedKey, outcome: Outcome) {
        self.drop_questions(desk, key);
        let fits = self.keeps(outcome.message.len());
        let Some(suspended) = self.suspended.get_mut(key) else {
            return;
        };
        let until = desk.cx.now.tick.after(RETRY_AGAIN_MS);
        let mut waiters = std::mem::take(&mut suspended.others);
        waiters.push(suspended.waiter.clone());
        let away = match suspended.stage {
            Stage::Away { round, until } => Some((round, until)),
            Stage::Running | Stage::Gathering { .. } | Stage::Over { .. } => None,
        };
        if let Some((round, until)) = away {
            Mark::SuspendOutcomeKept.hit();
            let outcome = if fits { outcome } else { too_long() };
            let round = Some(round);
            suspended.stage = Stage::Over {
                outcome,
                round,
                until,
            };
            self.forget_waiter(desk, key);
            return self.wake_for_suspended(desk);
        }
        for waiter in &waiters {
            outcome.give(desk, waiter);
        }
        match &mut suspended.spent {
            Some(spent) if fits => {
                spent.until = Some(until);
                suspended.stage = Stage::Over {
                    outcome,
                    round: None,
                    until,
                };
            }
            // The first request knows of no state, so nobody can come for it again.
            Some(_) | None => {
                self.suspended.remove(key);
            }
        }
        self.wake_for_suspended(desk);
    }
}

fn too_long() -> Outcome {
    let failure = Failure::new(
        INTERNAL,
        "the server answered while you were asked, and too many answers wait already: call again",
    );
    let message = crate::json::write::error(None, failure.code, &failure.message, None);
    Outcome {
        message: Rc::new(message),
        end: End::Refused,
        code: Some(failure.code),
    }
}
