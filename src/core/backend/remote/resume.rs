//! The answer to a call broke off (F6). A legacy server that numbered its events is asked for the
//! rest of them; from any other nothing more can come.

use crate::backend::remote::call::Place;
use crate::backend::remote::exchange::{Exchange, Role};
use crate::backend::remote::{Hands, Remote};
use crate::base::mark::Mark;
use crate::fetch::Lane;
use crate::limits::{BACKOFF_MS_MIN, RESUMES_MAX, RETRY_AFTER_MS_MAX};

/// How long to wait before a stream is asked for again: as the server says, which is a must.
pub(super) fn pause_ms(retry_ms: Option<u64>) -> u64 {
    retry_ms.unwrap_or(BACKOFF_MS_MIN).min(RETRY_AFTER_MS_MAX)
}

impl Remote {
    /// An answer ended, or was cut, before the response was in it.
    pub(super) fn broke_off(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: u64,
        exchange: &Exchange,
        why: String,
    ) {
        let modern = self.is_modern();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let (last_id, retry_ms) = exchange.trail();
        if last_id.is_some() {
            call.tries = 0;
        }
        call.last_id = last_id.or(call.last_id.take());
        call.tries += 1;
        let current = exchange.talk == self.talk.number;
        if modern || !current || call.last_id.is_none() || call.tries > RESUMES_MAX {
            return self.lose(hands, id, why);
        }
        let until = hands.cx.now.tick.after(pause_ms(retry_ms));
        call.place = Place::Pausing { until };
    }

    /// Asks for the rest.
    pub(super) fn resume(&mut self, hands: &mut Hands<'_, '_>, id: u64) {
        Mark::CallResumed.hit();
        let last_id = self.calls.get(&id).and_then(|call| call.last_id.clone());
        let order = self.get(last_id.as_deref(), Lane::Call);
        let key = self.exchange(hands, Role::Call(id), order);
        if let Some(call) = self.calls.get_mut(&id) {
            call.place = Place::Asked(key);
        }
    }
}
