//! A client comes back for a call that is suspended: with answers, which are the results of what
//! the server asked, or without, to hear what became of it.

use crate::base::digest::sha256;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::json::envelope::JsonId;
use crate::json::span::{Span, members, string_is};
use crate::json::write;
use crate::language::PoolKey;
use crate::limits::{GATHER_MS, RETRY_AGAIN_MS, RETRY_WAITERS_MAX};
use crate::route::asks::declared;
use crate::route::calls::{Caller, Origin};
use crate::route::errors::Failure;
use crate::route::retry::Again;
use crate::route::seal::stale;
use crate::route::suspended::{Question, Round, Spent, Stage, SuspendedKey, Waiter};
use crate::route::tasks::Whose;
use crate::route::{Desk, Hall};

/// What a retry is to a call.
enum Comes {
    /// The first with its round.
    First,
    /// The same as the one before: it hears the same.
    Again,
}

impl Hall {
    /// A retry of a call that is suspended.
    pub(crate) fn resume(
        &mut self,
        desk: &mut Desk<'_, '_>,
        caller: Caller,
        text: &[u8],
        again: Again,
        (key, round): (SuspendedKey, Round),
    ) {
        let responses = again.responses;
        let (client, at) = (caller.client, caller.at);
        // What is read may be another server's by now than the one that asked.
        let asked = self.suspended.get(key).map(|suspended| suspended.server);
        if let Some(Err(failure)) = asked.map(|server| self.admit(client, server)) {
            return desk.fail(client, at, &caller.id, &failure);
        }
        if responses.is_some_and(|at| !at.of(text).starts_with(b"{")) {
            let failure = Failure::params("params.inputResponses is not an object");
            return desk.fail(client, at, &caller.id, &failure);
        }
        let answers = sha256(&[responses.map(|at| at.of(text)).unwrap_or_default()]);
        let waiter = Waiter::of(&caller);
        match self.comes(desk, key, round, answers) {
            Some(Comes::First) => {
                let spent = Spent {
                    round,
                    answers,
                    until: None,
                };
                self.take_up(desk, key, caller, spent);
                self.deliver(desk, key, text, responses);
            }
            Some(Comes::Again) => {
                Mark::SuspendAgain.hit();
                self.join(desk, key, waiter);
            }
            None => {
                Mark::SuspendStale.hit();
                desk.fail(client, at, &caller.id, &stale());
            }
        }
        self.wake_for_suspended(desk);
    }

    fn comes(
        &self,
        desk: &Desk<'_, '_>,
        key: SuspendedKey,
        with: Round,
        saying: [u8; 32],
    ) -> Option<Comes> {
        let suspended = self.suspended.get(key)?;
        let open = match suspended.stage {
            Stage::Away { round, .. } => Some(round),
            Stage::Over { round, .. } => round,
            Stage::Running | Stage::Gathering { .. } => None,
        };
        if open == Some(with) {
            return Some(Comes::First);
        }
        let spent = suspended.spent.as_ref()?;
        let still = spent.until.is_none_or(|until| desk.cx.now.tick < until);
        (spent.round == with && spent.answers == saying && still).then_some(Comes::Again)
    }

    /// The client that comes takes the place of the one that waited last.
    fn take_up(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: SuspendedKey,
        caller: Caller,
        spent: Spent,
    ) {
        let now = desk.cx.now.tick;
        let Some(suspended) = self.suspended.get_mut(key) else {
            return;
        };
        suspended.spent = Some(spent);
        if let Stage::Over { round, until, .. } = &mut suspended.stage {
            Mark::SuspendOutcomeFetched.hit();
            *round = None;
            *until = now.after(RETRY_AGAIN_MS);
            return self.join(desk, key, Waiter::of(&caller));
        }
        suspended.stage = Stage::Running;
        let call = suspended.call;
        self.hand_over(desk, key, caller);
        self.calls.renew(now, call);
    }

    /// Another request waits for the call from now on: what its last one had is the new one's.
    pub(super) fn hand_over(&mut self, desk: &mut Desk<'_, '_>, key: SuspendedKey, to: Caller) {
        let facts = desk.clients.facts(to.client);
        let Some(suspended) = self.suspended.get_mut(key) else {
            return;
        };
        let (call, new, session) = (suspended.call, to.client, suspended.pool);
        let old = std::mem::replace(&mut suspended.waiter.client, new);
        suspended.waiter.at = to.at;
        suspended.waiter.id = to.id.clone();
        suspended.facts = facts.unwrap_or(suspended.facts);
        let origin = self.calls.get_mut(call).map(|call| &mut call.origin);
        if let Some(Origin::Task(about)) = origin {
            if let Some(task) = self.tasks.get_mut(about.task) {
                task.whose = Whose::Driven(to.client, to.at);
                let ours = task.token.take().map(|(ours, _)| ours);
                task.token = ours.zip(to.token.clone());
            }
            about.caller = Some(to);
        } else if let Some(Origin::Client { caller, .. }) = origin {
            // What it was told stays told: progress goes on from there (D10).
            let progress = caller.progress;
            *caller = Caller { progress, ..to };
        }
        let Some(before) = self.clients.get_mut(&old) else {
            return;
        };
        before.suspended = None;
        let calls = std::mem::take(&mut before.calls);
        let leases = std::mem::take(&mut before.leases);
        for lease in &leases {
            if let Some(pool) = self.pools.get_mut(lease) {
                pool.owner = Some(new);
            }
        }
        let known = self.clients.entry(new).or_default();
        known.calls = calls;
        known.leases = leases;
        known.suspended = Some(key);
        self.release_client(desk, old);
        self.raise_level(desk, new, session);
    }

    /// One more request waits for what was asked for already, or hears it now.
    fn join(&mut self, desk: &mut Desk<'_, '_>, key: SuspendedKey, waiter: Waiter) {
        let Some(suspended) = self.suspended.get_mut(key) else {
            return;
        };
        match &suspended.stage {
            Stage::Running | Stage::Gathering { .. } => {
                if suspended.others.len() + 1 >= RETRY_WAITERS_MAX {
                    Mark::SuspendWaitersFull.hit();
                    return desk.fail(waiter.client, waiter.at, &waiter.id, &stale());
                }
                if let Some(client) = self.clients.get_mut(&waiter.client) {
                    client.suspended = Some(key);
                }
                suspended.others.push(waiter);
            }
            Stage::Away { .. } => self.give_questions(desk, key, &waiter),
            Stage::Over { outcome, .. } => {
                let outcome = outcome.clone();
                outcome.give(desk, &waiter);
            }
        }
    }

    /// Answers go to the server as they are. What it still asks is asked again.
    fn deliver(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: SuspendedKey,
        text: &[u8],
        responses: Option<Span>,
    ) {
        let Some(suspended) = self.suspended.get_mut(key) else {
            return;
        };
        let pool = suspended.pool;
        let mut questions = std::mem::take(&mut suspended.questions);
        let facts = suspended.facts;
        for (name, answer) in responses.into_iter().flat_map(|at| members(text, at)) {
            let known = |question: &Question| string_is(text, name, &question.key);
            // No result is anything but an object: it counts as missing.
            if answer.of(text).starts_with(b"{")
                && let Some(place) = questions.iter().position(known)
            {
                let question = questions.remove(place);
                send_result(desk, pool, &question.server_id, answer.of(text));
            }
        }
        questions.retain(|question| match declared(question.want, facts) {
            Ok(()) => true,
            Err((code, why)) => {
                Mark::SuspendUndeclared.hit();
                self.refuse_ask(desk, pool, &question.server_id, code, why);
                false
            }
        });
        let until = desk.cx.now.tick.after(GATHER_MS);
        if let Some(suspended) = self.suspended.get_mut(key) {
            if !questions.is_empty() {
                suspended.stage = Stage::Gathering { until };
            }
            suspended.questions = questions;
        }
    }
}

/// The answer to a question, as a server gets it.
pub(super) fn send_result(desk: &mut Desk<'_, '_>, pool: PoolKey, id: &JsonId, result: &[u8]) {
    let message = write::result(id.raw(), result);
    // A session that is down has forgotten its question.
    let _ = desk.backends.send(desk.cx, pool, &[Part::Copy(&message)]);
}
