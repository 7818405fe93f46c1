//! What must hold after every step, whatever happened.

use onemcp::input::Input;
use onemcp::limits::{
    CHILD_OUTBOX_BYTES_MAX, CLIENT_OUTBOX_BYTES_MAX, LINE_BYTES_MAX, STOP_ANSWER_MS,
};
use onemcp::tally::End;

use crate::model::State;
use crate::net::Peer;
use crate::world::World;

/// From the order to stop until we are gone, beside the wait for calls that run over HTTP: clients
/// on a pipe give us two seconds.
const STOP_MS_MAX: u64 = 2000;

impl World {
    /// Checks the hub after an input.
    pub(crate) fn check(&mut self) {
        if self.exited.is_some() {
            return;
        }
        let now = self.now.tick;
        if self.hub.next_deadline().is_some_and(|at| at < now) {
            let at = self.hub.next_deadline();
            self.model.violation(format!(
                "the deadline {at:?} was left in the past, now {now:?}"
            ));
        }
        let (links, held) = (self.hub.counts().links, self.net.held());
        if links != held {
            self.model
                .violation(format!("the hub has {links} links, the shell {held}"));
        }
        let answers_ms = if self.stdio { 0 } else { STOP_ANSWER_MS };
        let most = STOP_MS_MAX + answers_ms;
        if self.stopped_at.is_some_and(|at| now.0 > at + most) {
            self.model.violation("the hub does not leave in time");
        }
        if self.model.stats.steps.is_multiple_of(32) {
            self.check_outboxes();
            self.check_tally();
        }
    }

    /// Every request is counted once, and everything that is owed is in flight.
    pub(crate) fn check_tally(&mut self) {
        if let Some(wrong) = self.hub.miscounted() {
            self.model.violation(wrong);
        }
        let tally = self.hub.tally();
        let answered = tally.ended() - tally.ended_as(End::Cancelled);
        let heard = self.model.calls.iter();
        let heard = heard.filter(|call| call.state == State::Answered).count() as u64;
        if heard > answered {
            self.model
                .violation(format!("{heard} answers were heard, {answered} counted"));
        }
    }

    fn check_outboxes(&mut self) {
        let mut over = Vec::new();
        for id in &self.net.live {
            let conn = &self.net.conns[*id];
            let Some(key) = conn.key.filter(|_| conn.blocked) else {
                continue;
            };
            let unsent: usize = self.hub.pending(key).map(<[u8]>::len).sum();
            let most = match conn.peer {
                Peer::Client(_) => CLIENT_OUTBOX_BYTES_MAX,
                Peer::Process(_) | Peer::Site(_) => CHILD_OUTBOX_BYTES_MAX,
            };
            if unsent > most + LINE_BYTES_MAX {
                over.push(format!("{unsent} bytes wait for {:?}", conn.peer));
            }
        }
        for what in over {
            self.model.violation(what);
        }
    }

    /// Time is up for something: the hub acts on it, and does not want to be called at once again
    /// for ever.
    pub(crate) fn tick(&mut self) {
        let now = self.now.tick;
        for _ in 0..5 {
            self.handle(Input::Tick);
            if self.exited.is_some() || self.hub.next_deadline().is_none_or(|at| at > now) {
                return;
            }
        }
        self.model
            .violation("the hub wants to be called again and again at one moment");
    }
}
