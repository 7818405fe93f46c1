//! The answer to a call broke off (F6). A legacy server that numbered its events is asked for the
//! rest of them; from any other nothing more can come.

use crate::backend::remote::call::Place;
use crate::backend::remote::exchange::{Exchange, Role};
use crate::backend::remote::{Hands, Remote};
use crate::base::mark::Mark;
use crate::fetch::Lane;

impl Remote {
    /// An answer ended, was cut or was refused before the response was in it.
    pub(super) fn broke_off(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: u64,
        exchange: &Exchange,
        why: String,
    ) {
        let goes_on = !self.is_modern() && exchange.talk == self.talk.number;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let wait_ms = match exchange.reader() {
            Some(reader) => Some(call.resume.ended(reader)),
            None => call.resume.failed(),
        };
        match wait_ms {
            Some(ms) if goes_on && call.resume.last_id().is_some() => {
                let until = hands.cx.now.tick.after(ms);
                call.place = Place::Pausing { until };
            }
            Some(_) | None => self.lose(hands, id, why),
        }
    }

    /// Whether the rest of an answer is asked for, so that a status is about that.
    pub(super) fn resumes(&self, id: u64) -> bool {
        let call = self.calls.get(&id);
        call.is_some_and(|call| call.resume.last_id().is_some())
    }

    /// Asks for the rest.
    pub(super) fn resume(&mut self, hands: &mut Hands<'_, '_>, id: u64) {
        if !self.calls.contains_key(&id) {
            // It was given up at the same moment.
            return;
        }
        Mark::CallResumed.hit();
        let last_id = self.calls.get(&id).and_then(|call| call.resume.last_id());
        let order = self.get(last_id, Lane::Call);
        let key = self.exchange(hands, Role::Call(id), order);
        if let Some(call) = self.calls.get_mut(&id) {
            call.place = Place::Asked(key);
        }
    }
}
