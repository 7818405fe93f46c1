//! Time: one alarm for all connections and all that wait. It is set to the earliest of their
//! deadlines when one comes up, and looked at again when it rings; that of a matter which ended
//! meanwhile rings for nothing, once.

use crate::cx::{Alarm, Cx};
use crate::fetch::answers::moment;
use crate::fetch::connection::State;
use crate::fetch::{FetchFailure, Fetcher};
use crate::links::DialKey;
use crate::now::Tick;

impl<W: Copy> Fetcher<W> {
    /// `Alarm::Fetch` rang.
    pub fn alarm(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        while let Some(dial) = self.idle.pop_due(now) {
            self.drop_connection(cx, dial);
        }
        let is_due = |deadline: Option<Tick>| deadline.is_some_and(|deadline| deadline <= now);
        for dial in self.connections.keys() {
            let connection = self.connections.get(dial);
            if is_due(connection.and_then(|connection| connection.deadline())) {
                self.overdue(cx, dial);
            }
        }
        for key in self.waiting.clone() {
            let open_by = self.exchanges.get(key).map(|exchange| exchange.open_by);
            if is_due(open_by) {
                self.fail(cx, key, FetchFailure::busy);
            }
        }
        let connections = self.connections.iter();
        let connections = connections.filter_map(|(_, connection)| connection.deadline());
        let waiting = self.waiting.iter();
        let waiting = waiting.filter_map(|key| Some(self.exchanges.get(*key)?.open_by));
        let next = connections.chain(waiting).chain(self.idle.deadline()).min();
        match next {
            Some(next) => cx.timers.set(Alarm::Fetch, next),
            None => cx.timers.clear(Alarm::Fetch),
        }
    }

    fn overdue(&mut self, cx: &mut Cx<'_>, dial: DialKey) {
        let Some(connection) = self.connections.get_mut(dial) else {
            return;
        };
        match &mut connection.state {
            State::Idle { .. } => {}
            State::Opening { exchange, .. } => {
                let key = *exchange;
                self.drop_connection(cx, dial);
                self.fail(cx, key, FetchFailure::open_timed_out);
            }
            State::Busy {
                exchange,
                skip_until: Some(until),
                ..
            } if *until <= cx.now.tick => {
                let key = *exchange;
                self.drop_connection(cx, dial);
                self.follow(cx, key);
            }
            State::Busy { link, client, .. } => {
                let step = client.tick(moment(cx, *link));
                self.step(cx, dial, step);
            }
        }
    }
}
