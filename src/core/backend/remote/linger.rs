//! Event streams that go on although what they were for has come. Servers end them then, and the
//! connection is used again; one that does not would use up all the places that its origin has.

use crate::backend::remote::{Hands, Remote};
use crate::base::mark::Mark;
use crate::fetch::FetchKey;
use crate::limits::LINGER_STREAM_MS_MAX;
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

    /// An exchange is over: the first that still goes on is looked for anew.
    pub(super) fn tidy_lingering(&mut self) {
        let exchanges = &self.exchanges;
        self.lingers_until = self.lingering.next(|key| !exchanges.contains_key(&key));
    }

    /// The moment that [`Remote::tidy_lingering`] found has come.
    pub(super) fn linger_alarm(&mut self, hands: &mut Hands<'_, '_>) {
        while let Some(key) = self.lingering.pop_due(hands.cx.now.tick) {
            if self.exchanges.contains_key(&key) {
                Mark::StreamLingers.hit();
                self.give_up(hands, key);
            }
        }
        self.tidy_lingering();
    }
}
