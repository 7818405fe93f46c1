//! Event streams that go on although what they were for has come. Servers end them then, and the
//! connection is used again; one that does not would use up all the places that its origin has.

use crate::backend::remote::exchange::{Role, Step};
use crate::backend::remote::{Hands, Remote};
use crate::base::mark::Mark;
use crate::fetch::FetchKey;
use crate::limits::{LINGER_STREAM_MS_MAX, TELL_MS_MAX};
use crate::now::Tick;

impl Remote {
    /// What an exchange was for has come.
    pub(super) fn is_answered(&mut self, now: Tick, key: FetchKey) {
        let Some(exchange) = self.exchanges.get_mut(&key) else {
            return;
        };
        let before = std::mem::replace(&mut exchange.answered, true);
        if !before && exchange.head_is_stream() && exchange.ended.is_none() {
            self.lingering.push(now.after(LINGER_STREAM_MS_MAX), key);
            self.tidy_lingering();
        }
    }

    /// The response to what is answered by its status has begun (F5). What comes behind that is
    /// read for a moment: a stream may go on for days, and a body may come a byte at a time.
    pub(super) fn took(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey) {
        let now = hands.cx.now.tick;
        let Some(exchange) = self.exchanges.get(&key) else {
            return;
        };
        let (role, streams) = (exchange.role, exchange.head_is_stream());
        match role {
            Role::Hello(Step::Initialized) if streams => {
                let current = exchange.talk == self.talk.number && !exchange.answered;
                if let Some(exchange) = self.exchanges.remove(&key).filter(|_| current) {
                    self.initialized(hands, &exchange, b"");
                    self.exchanges.insert(key, exchange);
                    self.is_answered(now, key);
                }
            }
            Role::Tell if streams => self.is_answered(now, key),
            // There are servers that answer there and not on the stream of the session.
            Role::Call(id) if self.old.is_some() && streams => {
                if !self.calls.contains_key(&id) {
                    self.is_answered(now, key);
                }
            }
            Role::Call(_) if self.old.is_none() => {}
            Role::Tell | Role::Call(_) => {
                self.dripping.push(now.after(TELL_MS_MAX), key);
                self.tidy_lingering();
            }
            Role::Hello(_) | Role::Ears | Role::Stream | Role::Changes(_) | Role::Goodbye => {}
        }
    }

    /// A call of HTTP+SSE is over, and so is what its POST is answered by.
    pub(super) fn posted_over(&mut self, now: Tick, id: u64) {
        let mut posts = self.exchanges.iter();
        let post = posts.find(|(_, one)| one.role == Role::Call(id) && one.head_is_stream());
        if let Some(key) = post.map(|(key, _)| *key) {
            self.is_answered(now, key);
        }
    }

    /// An exchange is over: the first that still goes on is looked for anew.
    pub(super) fn tidy_lingering(&mut self) {
        let exchanges = &self.exchanges;
        let over = |key| !exchanges.contains_key(&key);
        self.dripping.prune(exchanges.len(), over);
        let first = [self.lingering.next(over), self.dripping.next(over)];
        self.lingers_until = first.into_iter().flatten().min();
    }

    /// The moment that [`Remote::tidy_lingering`] found has come.
    pub(super) fn linger_alarm(&mut self, hands: &mut Hands<'_, '_>) {
        let now = hands.cx.now.tick;
        while let Some(key) = self.lingering.pop_due(now) {
            if self.exchanges.contains_key(&key) {
                Mark::StreamLingers.hit();
                self.give_up(hands, key);
            }
        }
        while let Some(key) = self.dripping.pop_due(now) {
            self.give_up(hands, key);
        }
        self.tidy_lingering();
    }
}
