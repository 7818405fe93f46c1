//! Calls that are suspended (protocol 3.5, S2, S4): a server with sessions asks in the midst of a
//! call, and its client, which has none, is asked in the answer to that call. The call stays open
//! at its server until the client comes back, with answers, in a request of its own.
//!
//! ```text
//!            question                    a moment over
//! Running ------------> Gathering ------------------------> Away
//!    ^  ^                   |  \                            |  |  \
//!    |  '-------------------'   \ the server answered       |  |   \ TTL over: all ends
//!    |   questions taken back    \                          |  |
//!    |                            v                         |  | the server answered, or died
//!    '-- the client came back ----|-------------------------'  |
//!    |                            v                            v
//!    '---- the server answered --> Over <----------------------'  (a while for who comes for it)
//! ```
//!
//! Owns the questions and what becomes of the call; the call itself stands in the table of all
//! calls, under the client that waits for it now, or did so last: that one keeps the session of the
//! server. A client that hangs up while it waits has cancelled the call.

mod end;
mod outcome;
mod question;
mod resume;

use crate::base::mark::Mark;
use crate::base::slab::Slab;
use crate::cx::Alarm;
use crate::json::envelope::JsonId;
use crate::language::{At, ClientFacts, ClientKey, PoolKey};
use crate::limits::{SUSPENDED_BYTES_MAX, SUSPENDED_MAX, SUSPENDED_PER_PRINCIPAL_MAX};
use crate::now::Tick;
use crate::principal::GrantId;
use crate::route::asks::Want;
use crate::route::calls::{CallKey, Caller};
use crate::route::seal::Bound;
use crate::route::suspended::outcome::Outcome;
use crate::route::{Desk, Hall, ServerKey};

crate::slab_keys! {
    /// One call that is suspended.
    SuspendedKey;
}

/// Names one round of a call: good for one retry.
pub(crate) type Round = [u8; 16];

/// All calls that are suspended.
pub(crate) type Table = Slab<SuspendedKey, Suspended>;

/// Somebody who waits for an answer.
#[derive(Clone, Debug)]
struct Waiter {
    client: ClientKey,
    at: At,
    id: JsonId,
}

impl Waiter {
    /// Whoever made this request.
    fn of(caller: &Caller) -> Self {
        Self {
            client: caller.client,
            at: caller.at,
            id: caller.id.clone(),
        }
    }
}

/// One question of a server, not answered yet.
#[derive(Debug)]
struct Question {
    /// What the client knows it by.
    key: String,
    /// What the server called its request.
    server_id: JsonId,
    want: Want,
    /// `{"method":..,"params":..}` as the client gets it.
    request: String,
}

/// How far a call is.
#[derive(Debug)]
enum Stage {
    /// A client waits; it is owed nothing but the outcome.
    Running,
    /// A client waits and will be given the questions then, with those that come meanwhile.
    Gathering { until: Tick },
    /// The client was given the questions, and may come back with this until then.
    Away { round: Round, until: Tick },
    /// The server has answered. Who was not told may come for it with this round; who was told may
    /// come once more.
    Over {
        outcome: Outcome,
        round: Option<Round>,
        until: Tick,
    },
}

/// A round whose retry has come: the same one again is told the same.
#[derive(Debug)]
struct Spent {
    round: Round,
    /// What it answered.
    answers: [u8; 32],
    /// Until when, once it was told anything.
    until: Option<Tick>,
}

/// One call that is suspended.
#[derive(Debug)]
pub(crate) struct Suspended {
    call: CallKey,
    /// The session that works on it.
    pool: PoolKey,
    /// Whose that is.
    server: ServerKey,
    /// Who waits, or did so last.
    waiter: Waiter,
    /// What that one declared.
    facts: ClientFacts,
    /// Others that sent the same retry.
    others: Vec<Waiter>,
    bound: Bound,
    questions: Vec<Question>,
    stage: Stage,
    spent: Option<Spent>,
}

impl Suspended {
    /// When something has to be done about it.
    const fn due(&self) -> Option<Tick> {
        match self.stage {
            Stage::Running => None,
            Stage::Gathering { until } | Stage::Away { until, .. } | Stage::Over { until, .. } => {
                Some(until)
            }
        }
    }

    fn bytes(&self) -> usize {
        let asked: usize = self.questions.iter().map(|one| one.request.len()).sum();
        match &self.stage {
            Stage::Over { outcome, .. } => asked + outcome.message.len(),
            Stage::Running | Stage::Gathering { .. } | Stage::Away { .. } => asked,
        }
    }

    /// Whether the clock of the call stands still, since a person is being asked.
    pub(crate) fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Away { .. }) || !self.questions.is_empty()
    }
}

impl Hall {
    /// How many calls are suspended.
    #[must_use]
    pub fn calls_suspended(&self) -> usize {
        self.suspended.len()
    }

    /// Whether one more call may be suspended. One whose client was told the outcome, and is kept
    /// only for the case that it did not hear it, makes room.
    fn admits_suspended(&mut self, principal: Option<GrantId>) -> bool {
        let (mut same, mut told) = (0, None);
        for (key, suspended) in self.suspended.iter() {
            if suspended.bound.principal != principal {
                continue;
            }
            same += 1;
            if let Stage::Over {
                round: None, until, ..
            } = suspended.stage
                && told.is_none_or(|(first, _)| until < first)
            {
                told = Some((until, key));
            }
        }
        if self.suspended.len() < SUSPENDED_MAX && same < SUSPENDED_PER_PRINCIPAL_MAX {
            return true;
        }
        let Some((_, first)) = told else {
            return false;
        };
        self.suspended.remove(first).is_some()
    }

    /// Outcomes that were told are kept for who sends the same retry twice, but never in the way of
    /// others.
    fn forget_told(&mut self) {
        let told = |one: &Suspended| matches!(one.stage, Stage::Over { round: None, .. });
        let over = self.suspended.iter().filter(|(_, one)| told(one));
        for key in over.map(|(key, _)| key).collect::<Vec<_>>() {
            Mark::SuspendForgetsTold.hit();
            self.suspended.remove(key);
        }
    }

    /// Whether that many bytes more may be kept.
    fn keeps(&mut self, bytes: usize) -> bool {
        if !self.has_bytes(bytes) {
            self.forget_told();
        }
        self.has_bytes(bytes)
    }

    fn has_bytes(&self, bytes: usize) -> bool {
        let kept: usize = self
            .suspended
            .iter()
            .map(|(_, suspended)| suspended.bytes())
            .sum();
        kept.saturating_add(bytes) <= SUSPENDED_BYTES_MAX
    }

    /// Whoever has to be told, or was waited for long enough: [`Alarm::Suspended`].
    pub fn suspended_alarm(&mut self, desk: &mut Desk<'_, '_>) {
        let now = desk.cx.now.tick;
        let due = self.suspended.iter();
        let due = due.filter(|(_, suspended)| suspended.due().is_some_and(|at| at <= now));
        let due: Vec<SuspendedKey> = due.map(|(key, _)| key).collect();
        for key in due {
            match self.suspended.get(key).map(|suspended| &suspended.stage) {
                Some(Stage::Gathering { .. }) => self.ask_in_answer(desk, key),
                Some(Stage::Away { .. }) => self.expire_suspended(desk, key),
                Some(Stage::Over { .. }) => {
                    self.suspended.remove(key);
                }
                Some(Stage::Running) | None => {}
            }
        }
        self.wake_for_suspended(desk);
    }

    /// Sets the alarm of suspended calls.
    fn wake_for_suspended(&self, desk: &mut Desk<'_, '_>) {
        let due = self
            .suspended
            .iter()
            .filter_map(|(_, suspended)| suspended.due());
        match due.min() {
            Some(at) => desk.cx.timers.set(Alarm::Suspended, at),
            None => desk.cx.timers.clear(Alarm::Suspended),
        }
    }
}
