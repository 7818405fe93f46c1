//! What follows from an end: places are given back, connections closed, news told, alarms cleared.

use crate::base::origin::Origin;
use crate::cx::{Alarm, Cx};
use crate::effect::Effect;
use crate::fetch::connection::{Connection, State};
use crate::fetch::exchange::Phase;
use crate::fetch::{FetchFailure, FetchKey, Fetcher};
use crate::links::DialKey;

impl<W: Copy> Fetcher<W> {
    /// There is no response.
    pub(super) fn fail(
        &mut self,
        cx: &mut Cx<'_>,
        key: FetchKey,
        failure: impl FnOnce(&Origin) -> FetchFailure,
    ) {
        let Some(exchange) = self.exchanges.get(key) else {
            return;
        };
        let failure = failure(exchange.order.url.origin());
        self.finish(cx, key, Phase::Failed(failure));
    }

    /// The exchange is over; its connection, if it had one, has been seen to.
    pub(super) fn finish(&mut self, cx: &mut Cx<'_>, key: FetchKey, end: Phase) {
        self.retire(key);
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.phase = end;
            self.tell(key);
        }
        self.start_waiting(cx);
    }

    /// Gives back what the exchange holds of the tables. Whoever calls this sets its end, or
    /// removes it.
    pub(super) fn retire(&mut self, key: FetchKey) {
        self.release_payload(key);
        let Some(exchange) = self.exchanges.get(key) else {
            return;
        };
        let (site, lane) = (exchange.site, exchange.order.lane);
        match exchange.phase {
            Phase::New => {}
            Phase::Waiting => {
                self.waiting.retain(|waiting| *waiting != key);
                self.sites.wait_over(site);
            }
            Phase::Opening(_) | Phase::Asked(_) | Phase::Redirected(..) => {
                self.sites.give_place(site, lane);
            }
            Phase::Ended | Phase::Failed(_) => return,
        }
        self.scatter(key);
        self.sites.leave(site);
    }

    /// The request need not be sent again.
    pub(super) fn release_payload(&mut self, key: FetchKey) {
        if let Some(exchange) = self.exchanges.get_mut(key)
            && let Some(payload) = exchange.payload.take()
        {
            exchange.head = Vec::new();
            self.sites.release(exchange.site, payload.len());
        }
    }

    /// What came of a response is told, thrown away, or taken as it comes from now on.
    pub(super) fn scatter(&mut self, key: FetchKey) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            let bytes = std::mem::take(&mut exchange.gathered);
            self.sites.scatter(exchange.site, bytes);
        }
    }

    /// There is something to be told of an exchange.
    pub(super) fn tell(&mut self, key: FetchKey) {
        if let Some(exchange) = self.exchanges.get_mut(key)
            && !std::mem::replace(&mut exchange.in_line, true)
        {
            self.line.push_back(key);
        }
    }

    /// Closes a connection, in whatever state it is, and forgets it.
    pub(super) fn drop_connection(&mut self, cx: &mut Cx<'_>, dial: DialKey) {
        let Some(connection) = self.connections.remove(dial) else {
            return;
        };
        match connection.state {
            State::Opening { .. } => cx.effects.push(Effect::GiveUpOpen { dial }),
            State::Busy { link, .. } => cx.close(link),
            State::Idle { link } => {
                self.idle.remove(dial);
                cx.close(link);
            }
        }
        self.sites.leave(connection.site);
    }

    /// Stops or resumes reading, as the exchange wishes.
    pub(super) fn flow(&mut self, cx: &mut Cx<'_>, key: FetchKey) {
        let Some(exchange) = self.exchanges.get(key) else {
            return;
        };
        let full = exchange.is_full();
        let connection = exchange
            .dial()
            .and_then(|dial| self.connections.get_mut(dial));
        if let Some(Connection { state, .. }) = connection
            && let State::Busy { link, paused, .. } = state
            && *paused != full
        {
            *paused = full;
            let (link, paused) = (*link, full);
            cx.effects.push(Effect::PauseRead { link, paused });
        }
    }

    /// After everything that may have ended something: nothing rings for nobody.
    pub(super) fn rest(&mut self, cx: &mut Cx<'_>) {
        if self.connections.is_empty() && self.waiting.is_empty() {
            cx.timers.clear(Alarm::Fetch);
        }
    }
}
