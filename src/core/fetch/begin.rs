//! The way out: an order finds its place, its connection and its request.

use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::cx::{Alarm, Cx};
use crate::effect::Effect;
use crate::fetch::connection::{Connection, State, dial_spec};
use crate::fetch::exchange::Phase;
use crate::fetch::{FetchFailure, FetchKey, Fetcher};
use crate::http1::client::{Asked, Client};
use crate::http1::head::Method;
use crate::limits::OPEN_GRACE_MS;
use crate::links::{DialKey, LinkKey};

impl<W: Copy> Fetcher<W> {
    /// Begins an exchange, or lets it wait for its turn.
    pub(super) fn admit(&mut self, cx: &mut Cx<'_>, key: FetchKey) {
        let Some(exchange) = self.exchanges.get(key) else {
            return;
        };
        let (site, lane, open_by) = (exchange.site, exchange.order.lane, exchange.open_by);
        if self.sites.take_place(site, lane) {
            self.begin(cx, key);
        } else if self.sites.wait(site) {
            if let Some(exchange) = self.exchanges.get_mut(key) {
                exchange.phase = Phase::Waiting;
            }
            Mark::FetchWaits.hit();
            self.waiting.push_back(key);
            cx.timers.set_by(Alarm::Fetch, open_by);
        } else {
            self.fail(cx, key, FetchFailure::busy);
        }
    }

    /// Sends the request on a connection that is idle, or opens one. The exchange has a place.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, key: FetchKey) {
        let Some(exchange) = self.exchanges.get(key) else {
            return;
        };
        let way = self.sites.way(exchange.site);
        let Some(dial) = way.and_then(|way| self.idle.take(way, cx.now.tick)) else {
            return self.open(cx, key);
        };
        if let Some(Connection { state, .. }) = self.connections.get_mut(dial)
            && let State::Idle { link } = *state
        {
            self.send(cx, key, dial, link, true);
        }
    }

    /// Orders a connection.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>, key: FetchKey) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let (site, reach) = (exchange.site, exchange.order.reach);
        self.sites.enter_again(site);
        let until = exchange.open_by.after(OPEN_GRACE_MS);
        let dial = self.connections.insert(Connection {
            site,
            state: State::Opening {
                exchange: key,
                until,
            },
        });
        exchange.phase = Phase::Opening(dial);
        let open_ms_max = exchange.open_by.since(cx.now.tick).max(1);
        let spec = dial_spec(
            exchange.order.url.origin(),
            reach,
            &self.proxies,
            open_ms_max,
        );
        let spec = Box::new(spec);
        cx.effects.push(Effect::Open { dial, spec });
        cx.timers.set_by(Alarm::Fetch, until);
    }

    /// Sends the request, head and body at once.
    pub(super) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        key: FetchKey,
        dial: DialKey,
        link: LinkKey,
        kept: bool,
    ) {
        let (Some(exchange), Some(connection)) =
            (self.exchanges.get_mut(key), self.connections.get_mut(dial))
        else {
            return;
        };
        let body = exchange.payload.as_ref();
        let body = body.map_or(Part::default(), |body| Part::Share(body, 0..body.len()));
        cx.links
            .send(link, &[exchange.head.as_slice().into(), body]);
        let asked = Asked {
            head_only: exchange.order.method == Method::Head,
            withholds_body: false,
            first_byte_ms_max: exchange.order.response_ms_max,
            pauses: exchange.order.is_watched(),
        };
        let mut client = Client::new(cx.now.tick);
        client.opened();
        let asks = client.request(asked, cx.now.tick);
        debug_assert!(asks, "nothing was asked on it before");
        if let Some(deadline) = client.deadline() {
            cx.timers.set_by(Alarm::Fetch, deadline);
        }
        exchange.phase = Phase::Asked(dial);
        connection.state = State::Busy {
            link,
            exchange: key,
            client,
            kept,
            paused: false,
            skip_until: None,
        };
    }

    /// Begins those that wait, as far as there are places. The lanes do not wait for each other.
    pub(super) fn start_waiting(&mut self, cx: &mut Cx<'_>) {
        let mut at = 0;
        while let Some(key) = self.waiting.get(at).copied() {
            let Some(exchange) = self.exchanges.get(key) else {
                self.waiting.remove(at);
                continue;
            };
            let (site, lane) = (exchange.site, exchange.order.lane);
            if self.sites.take_place(site, lane) {
                self.waiting.remove(at);
                self.sites.wait_over(site);
                self.begin(cx, key);
            } else {
                at += 1;
            }
        }
    }
}
