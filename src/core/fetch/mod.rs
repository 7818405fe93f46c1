//! Asks other people's HTTP servers: one exchange is one request and its response, on connections
//! that are opened, shared, kept and closed here. Knows HTTP and no MCP; follows redirects within
//! an origin only; sends again only what cannot have arrived.
//!
//! ```text
//! ask -> Waiting -> Opening -> Asked -> Ended, Failed        (a kept connection skips Opening)
//!          for a place           |  \-> Redirected -> Opening, Asked (at most REDIRECTS_MAX times)
//!                                \-> Opening (once, if a kept connection was dead)
//! ```
//!
//! One exchange at a time is on a connection (`connection`); how many there may be is counted for
//! each origin, calls and streams apart (`sites`), and what finds no place waits in order. What has
//! happened to an exchange (`exchange`) is told by [`Fetcher::next`]. The verbs are here, the way
//! out is in `begin`, what comes back in `answers`, time in `deadlines`, ends in `settle`.

mod answers;
mod begin;
mod connection;
mod deadlines;
mod exchange;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod order;
mod settle;
mod sites;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fuzzing"))]
mod world;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::base::public::is_private_host;
use crate::base::slab::Slab;
use crate::base::url::Url;
use crate::cx::Cx;
use crate::fetch::connection::{Connection, State};
use crate::fetch::exchange::{Body, Exchange};
use crate::fetch::sites::{Sites, Way};
use crate::http1::origins::Origins;
use crate::http1::proxy::Proxies;
use crate::links::DialKey;

pub use crate::fetch::failure::{FailureKind, FetchFailure};
pub use crate::fetch::order::{Asker, Errand, Field, Lane, News, Order, Reach};

crate::slab_keys! {
    /// One exchange, from the order until its end was told.
    FetchKey;
    /// One origin that something is asked of, or kept open to.
    SiteKey;
}

/// All exchanges and all connections. `W` says for whom an exchange is.
#[derive(Debug)]
pub struct Fetcher<W> {
    proxies: Rc<Proxies>,
    exchanges: Slab<FetchKey, Exchange<W>>,
    connections: Slab<DialKey, Connection>,
    sites: Sites,
    /// Which of the connections are idle.
    idle: Origins<Way, DialKey>,
    /// Exchanges that wait for a place, in order.
    waiting: VecDeque<FetchKey>,
    /// Exchanges with news; some may be gone by now.
    line: VecDeque<FetchKey>,
    /// We are leaving: no connection is kept.
    leaves: bool,
}

impl<W: Copy> Fetcher<W> {
    /// No exchanges.
    #[must_use]
    pub fn new(proxies: Rc<Proxies>) -> Self {
        Self {
            proxies,
            exchanges: Slab::default(),
            connections: Slab::default(),
            sites: Sites::default(),
            idle: Origins::default(),
            waiting: VecDeque::new(),
            line: VecDeque::new(),
            leaves: false,
        }
    }

    // --- what is wanted ---

    /// Begins an exchange. Whatever becomes of it is told by [`Fetcher::next`], after this returns.
    pub fn ask(&mut self, cx: &mut Cx<'_>, whose: W, order: Order) -> FetchKey {
        let site = self.sites.enter(order.url.origin(), order.reach);
        let bytes = order.body.len();
        // Redirects stay within the origin, so this is asked once. What can be told without looking
        // it up is not left to a proxy.
        let host = &order.url.origin().host;
        let private = order.reach == Reach::Public && is_private_host(host);
        let proxy = self.proxies.on_the_way_to(order.url.origin());
        let head = order::head(&order, bytes, proxy);
        let exchange = Exchange::new(whose, order, site, cx.now.tick);
        let key = self.exchanges.insert(exchange);
        let held = self.sites.hold(site, bytes);
        if let Some(exchange) = self.exchanges.get_mut(key).filter(|_| held) {
            exchange.payload = Some(Rc::new(std::mem::take(&mut exchange.order.body)));
        }
        match head {
            Err((name, bad)) => {
                self.fail(cx, key, |origin| FetchFailure::field(origin, &name, bad));
            }
            Ok(_) if private => {
                Mark::FetchPrivate.hit();
                self.fail(cx, key, FetchFailure::private);
            }
            Ok(_) if !held => self.fail(cx, key, FetchFailure::busy),
            Ok(head) => {
                if let Some(exchange) = self.exchanges.get_mut(key) {
                    exchange.head = head;
                }
                self.admit(cx, key);
            }
        }
        key
    }

    /// The response may have a body of so many bytes and no longer one, unless it is a stream. To
    /// be called right after [`Fetcher::ask`].
    pub fn limit(&mut self, key: FetchKey, body_bytes_max: usize) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.body_bytes_max = exchange.body_bytes_max.min(body_bytes_max);
        }
    }

    /// Nobody wants the response any more: a connection on which it is under way is closed, and
    /// nothing more is told of it.
    pub fn give_up(&mut self, cx: &mut Cx<'_>, key: FetchKey) {
        let Some(dial) = self.exchanges.get(key).map(Exchange::dial) else {
            return;
        };
        if let Some(dial) = dial {
            self.drop_connection(cx, dial);
        }
        self.retire(key);
        self.exchanges.remove(key);
        self.start_waiting(cx);
        self.rest(cx);
    }

    /// The body is a stream of events: it may be as long as it pleases and pause for as long as it
    /// likes, and is told as it comes. To be called on [`News::Head`].
    pub fn stream(&mut self, key: FetchKey) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.body == Body::Gathered {
            exchange.body = Body::Streamed;
        }
        let dial = exchange.dial();
        if let Some(Connection { state, .. }) = dial.and_then(|dial| self.connections.get_mut(dial))
            && let State::Busy { client, .. } = state
        {
            client.stream();
        }
        self.scatter(key);
        self.tell(key);
    }

    /// Stops or resumes a stream: whoever takes its events cannot keep up. A response that is no
    /// stream goes on, for it has an end.
    pub fn pause(&mut self, cx: &mut Cx<'_>, key: FetchKey, paused: bool) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.paused = paused;
            exchange.untold |= !paused;
            self.flow(cx, key);
            self.tell(key);
        }
    }

    /// Takes what has come of the body and was not taken: `into` holds it afterwards, and nothing
    /// of what it held before.
    pub fn take_body(&mut self, cx: &mut Cx<'_>, key: FetchKey, into: &mut Vec<u8>) {
        into.clear();
        if let Some(exchange) = self.exchanges.get_mut(key) {
            std::mem::swap(into, &mut exchange.untaken);
            exchange.untold = false;
            self.flow(cx, key);
        }
    }

    /// Where the exchange is asked, redirects included.
    #[must_use]
    pub fn url(&self, key: FetchKey) -> Option<&Rc<Url>> {
        self.exchanges.get(key).map(|exchange| &exchange.order.url)
    }

    /// The next thing to know. To be called until `None` after every input and every order.
    #[expect(
        clippy::should_implement_trait,
        reason = "orders are given between two news, and a loop over an iterator would borrow it"
    )]
    pub fn next(&mut self) -> Option<(W, FetchKey, News)> {
        while let Some(key) = self.line.front().copied() {
            let Some(exchange) = self.exchanges.get_mut(key) else {
                self.line.pop_front();
                continue;
            };
            let whose = exchange.whose;
            let Some(news) = exchange.news() else {
                exchange.in_line = false;
                self.line.pop_front();
                continue;
            };
            if matches!(news, News::End(_) | News::Failed(_)) {
                self.exchanges.remove(key);
            }
            return Some((whose, key, news));
        }
        None
    }

    /// We are leaving: idle connections are closed, and others as soon as they would be idle.
    pub fn leave(&mut self, cx: &mut Cx<'_>) {
        self.leaves = true;
        while let Some(dial) = self.idle.pop() {
            self.drop_connection(cx, dial);
        }
        self.rest(cx);
    }

    /// How many exchanges there are, told or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.exchanges.len()
    }

    /// How many connections there are, idle ones and those being opened included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether nothing is under way and no connection is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty() && self.connections.is_empty()
    }
}
