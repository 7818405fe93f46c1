//! Questions that several clients may have caused: held until all but one of them are done, but not
//! for long (protocol S3). New calls of that session wait meanwhile. Also when questions that a
//! client has are given up.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::cx::Alarm;
use crate::json::envelope::{Envelope, JsonId};
use crate::language::PoolKey;
use crate::limits::{ASK_MS_MAX, HELD_PER_POOL_MAX};
use crate::now::Tick;
use crate::route::asks::Want;
use crate::route::calls::CallKey;
use crate::route::errors::seconds;
use crate::route::pools::InFlight;
use crate::route::{Desk, Hall};

/// A question that several clients may have caused: held until all but one are done.
#[derive(Debug)]
pub(crate) struct HeldAsk {
    pub(crate) pool: PoolKey,
    /// The call on whose stream it came.
    pub(crate) about: Option<CallKey>,
    pub(crate) id: JsonId,
    pub(crate) envelope: Envelope,
    pub(crate) buffer: Rc<Vec<u8>>,
    pub(crate) want: Want,
    pub(crate) deadline: Tick,
}

impl Hall {
    /// Holds a question, or refuses it if too many are held there.
    pub(crate) fn hold(&mut self, desk: &mut Desk<'_, '_>, ask: HeldAsk) {
        let pool = ask.pool;
        if self.held.iter().filter(|held| held.pool == pool).count() >= HELD_PER_POOL_MAX {
            Mark::HeldFull.hit();
            return self.unattributable(desk, &ask, "too many questions wait there already");
        }
        Mark::AskHeld.hit();
        if let Some(session) = self.pools.get_mut(&pool) {
            session.holding = true;
        }
        self.held.push_back(ask);
        self.wake_for_asks(desk);
    }

    /// A call ended in a session where questions are held: they may be attributable now.
    pub(crate) fn release_held(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let several = self
            .pools
            .get(&pool)
            .is_some_and(|session| self.in_flight(desk.cx.now.tick, session) == InFlight::Several);
        if several {
            return;
        }
        if let Some(session) = self.pools.get_mut(&pool) {
            session.holding = false;
        }
        let (ready, rest): (VecDeque<HeldAsk>, VecDeque<HeldAsk>) =
            self.held.drain(..).partition(|held| held.pool == pool);
        self.held = rest;
        for ask in ready {
            Mark::HeldAskReleased.hit();
            self.attribute(desk, ask);
        }
        self.unpark(desk, pool);
    }

    /// Questions that were held long enough: they stay unattributable, and mark the server.
    fn expire_held(&mut self, desk: &mut Desk<'_, '_>) {
        let now = desk.cx.now.tick;
        while self.held.front().is_some_and(|held| held.deadline <= now) {
            let Some(ask) = self.held.pop_front() else {
                break;
            };
            Mark::HeldAskExpires.hit();
            self.unattributable(desk, &ask, "several clients have calls in flight there");
            if !self.held.iter().any(|held| held.pool == ask.pool) {
                self.mark(desk, ask.pool, None);
                self.stop_holding(desk, ask.pool);
            }
        }
    }

    /// No question is held any more in a session: calls go on there.
    pub(crate) fn stop_holding(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        if let Some(session) = self.pools.get_mut(&pool) {
            session.holding = false;
        }
        self.unpark(desk, pool);
    }

    /// Questions that a client has had for as long as it may: [`ASK_MS_MAX`].
    fn expire_asks(&mut self, desk: &mut Desk<'_, '_>) {
        while let Some(key) = self.ask_deadlines.pop_due(desk.cx.now.tick) {
            let Some(ask) = self.cancel_ask(desk, key) else {
                continue;
            };
            Mark::AskExpires.hit();
            let text = format!("the client did not answer within {}", seconds(ASK_MS_MAX));
            self.never_answered(desk, &ask, &text);
        }
    }

    /// Questions that have been held, or asked, long enough: [`Alarm::Asks`].
    pub fn asks_alarm(&mut self, desk: &mut Desk<'_, '_>) {
        self.expire_held(desk);
        self.expire_asks(desk);
        self.wake_for_asks(desk);
    }

    /// Sets the alarm of all questions.
    pub(crate) fn wake_for_asks(&mut self, desk: &mut Desk<'_, '_>) {
        let held = self.held.front().map(|held| held.deadline);
        let asks = &self.asks;
        let asked = self.ask_deadlines.next(|key| !asks.contains(key));
        match held.into_iter().chain(asked).min() {
            Some(at) => desk.cx.timers.set(Alarm::Asks, at),
            None => desk.cx.timers.clear(Alarm::Asks),
        }
    }
}
