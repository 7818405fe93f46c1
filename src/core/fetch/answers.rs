//! What comes back: connections that open or do not, bytes, and ends.

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::base::slab::Slab;
use crate::cx::{Alarm, Cx};
use crate::effect::Effect;
use crate::fetch::connection::State;
use crate::fetch::exchange::{Body, Exchange, Phase};
use crate::fetch::order::{self, Order};
use crate::fetch::{FetchFailure, FetchKey, Fetcher};
use crate::http1::client::{After, Ended, Moment, Step};
use crate::http1::fault::{Failure, Fault};
use crate::http1::head::Method;
use crate::http1::redirect;
use crate::http1::response_head::ResponseHead;
use crate::input::OpenFailure;
use crate::limits::{REDIRECT_BODY_BYTES_MAX, REDIRECT_BODY_MS_MAX};
use crate::links::{DialKey, LinkKey, Owner};

impl<W: Copy> Fetcher<W> {
    /// `Input::Opened`.
    pub fn opened(&mut self, cx: &mut Cx<'_>, dial: DialKey, link: LinkKey) {
        cx.links.open(link, Owner::Dialed(dial));
        let connection = self.connections.get(dial);
        match connection.map(|connection| &connection.state) {
            Some(State::Opening { exchange, .. }) => {
                let exchange = *exchange;
                self.send(cx, exchange, dial, link, false);
            }
            // Given up while it opened.
            Some(State::Busy { .. } | State::Idle { .. }) | None => {
                Mark::FetchOpenedLate.hit();
                cx.close(link);
            }
        }
    }

    /// `Input::OpenFailed`.
    pub fn open_failed(&mut self, cx: &mut Cx<'_>, dial: DialKey, failure: OpenFailure) {
        let Some(key) = self.opening(dial) else {
            return;
        };
        self.forget_connection(dial);
        self.finish(cx, key, Phase::Failed(FetchFailure::open(failure)));
        self.rest(cx);
    }

    /// `Input::Bytes` of a link that we opened.
    pub fn receive(&mut self, cx: &mut Cx<'_>, dial: DialKey, bytes: &[u8]) {
        let mut input = bytes;
        while let Some(connection) = self.connections.get_mut(dial) {
            let (link, client) = match &mut connection.state {
                State::Busy {
                    link,
                    exchange,
                    client,
                    kept: true,
                    ..
                } if !input.is_empty()
                    && is_unsent(&self.exchanges, *exchange, cx.links.unsent(*link)) =>
                {
                    // A farewell (408) that crossed our request, which is still here: it must not
                    // be taken for the answer.
                    Mark::FetchFarewell.hit();
                    let fault = Fault::Unsolicited;
                    let reached = false;
                    client.give_up();
                    self.step(cx, dial, Step::Failed(Failure { fault, reached }));
                    break;
                }
                State::Busy { link, client, .. } => (*link, client),
                State::Idle { .. } if !input.is_empty() => {
                    // Nobody asked for that: perhaps a farewell (408), surely nothing to trust.
                    self.drop_connection(cx, dial);
                    break;
                }
                State::Idle { .. } | State::Opening { .. } => break,
            };
            let step = client.next(moment(cx, link), &mut input);
            if matches!(step, Step::NeedMore) {
                self.note_deadline(cx, dial);
                break;
            }
            self.step(cx, dial, step);
        }
        self.rest(cx);
    }

    /// `Input::Eof` of a link that we opened.
    pub fn eof(&mut self, cx: &mut Cx<'_>, dial: DialKey) {
        self.ended(cx, dial, Ended::Closed);
    }

    /// `Input::Broken` of a link that we opened. To be called before the link is forgotten.
    pub fn broken(&mut self, cx: &mut Cx<'_>, link: LinkKey, dial: DialKey) {
        self.ended(cx, dial, Ended::Reset);
        cx.links.forget(link);
    }

    fn ended(&mut self, cx: &mut Cx<'_>, dial: DialKey, how: Ended) {
        let Some(connection) = self.connections.get_mut(dial) else {
            return;
        };
        match &mut connection.state {
            State::Opening { .. } => {}
            State::Idle { link } => {
                let link = *link;
                lose(cx, link, how);
                self.drop_connection(cx, dial);
            }
            State::Busy { link, client, .. } => {
                let (link, step) = (*link, client.ended(how, moment(cx, *link)));
                lose(cx, link, how);
                self.step(cx, dial, step);
            }
        }
        self.rest(cx);
    }

    /// For whom a connection is being opened.
    pub(super) fn opening(&self, dial: DialKey) -> Option<FetchKey> {
        match self.connections.get(dial)?.state {
            State::Opening { exchange, .. } => Some(exchange),
            State::Busy { .. } | State::Idle { .. } => None,
        }
    }

    /// A connection is gone without our doing.
    fn forget_connection(&mut self, dial: DialKey) {
        if let Some(connection) = self.connections.remove(dial) {
            self.sites.leave(connection.site);
        }
    }

    /// A client was fed and wants to be asked again at some moment.
    fn note_deadline(&self, cx: &mut Cx<'_>, dial: DialKey) {
        let connection = self.connections.get(dial);
        if let Some(deadline) = connection.and_then(|connection| connection.deadline()) {
            cx.timers.set_by(Alarm::Fetch, deadline);
        }
    }

    /// One thing came out of the bytes, the end or the time of a busy connection.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>, dial: DialKey, step: Step<'_>) {
        let exchange = self.connections.get(dial).and_then(|one| one.exchange());
        let Some(key) = exchange else {
            return;
        };
        match step {
            // No body is ever withheld.
            Step::NeedMore | Step::Continue => {}
            Step::Head(head) => self.head(cx, key, dial, head),
            Step::Data(piece) => self.data(cx, key, dial, piece),
            Step::End(after) => self.end(cx, key, dial, after),
            Step::Failed(failure) => self.failed(cx, key, dial, failure),
        }
    }

    fn head(&mut self, cx: &mut Cx<'_>, key: FetchKey, dial: DialKey, head: ResponseHead) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let Order { method, url, .. } = &exchange.order;
        match redirect::target(&head, method, url, exchange.redirects) {
            Err(bad) => {
                self.drop_connection(cx, dial);
                return self.fail(cx, key, |origin| FetchFailure::redirect(origin, &bad));
            }
            Ok(Some(url)) => {
                exchange.phase = Phase::Redirected(dial, Rc::new(url));
                return self.skip_body(cx, dial);
            }
            Ok(None) => {}
        }
        let has_body = *method != Method::Head && !matches!(head.status, 204 | 304);
        if has_body && head.is_encoded() {
            // What went wrong is in the status. Its explanation is lost, which is no reason to
            // lose both.
            if head.status < 400 {
                self.drop_connection(cx, dial);
                return self.fail(cx, key, FetchFailure::encoded);
            }
            exchange.body = Body::ThrownAway;
        }
        exchange.response = Some(head);
        self.release_payload(key);
        self.tell(key);
    }

    /// The rest of a redirect is waited for, but not for long: the connection may stay then.
    fn skip_body(&mut self, cx: &mut Cx<'_>, dial: DialKey) {
        if let Some(connection) = self.connections.get_mut(dial)
            && let State::Busy { skip_until, .. } = &mut connection.state
        {
            let until = cx.now.tick.after(REDIRECT_BODY_MS_MAX);
            *skip_until = Some(until);
            cx.timers.set_by(Alarm::Fetch, until);
        }
    }

    fn data(&mut self, cx: &mut Cx<'_>, key: FetchKey, dial: DialKey, piece: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if matches!(exchange.phase, Phase::Redirected(..)) {
            exchange.skipped += piece.len();
            if exchange.skipped > REDIRECT_BODY_BYTES_MAX {
                self.drop_connection(cx, dial);
                self.follow(cx, key);
            }
            return;
        }
        exchange.receive(piece);
        match exchange.body {
            Body::Streamed => {
                self.flow(cx, key);
                self.tell(key);
            }
            Body::Gathered => {
                let before = exchange.gathered;
                exchange.gathered = before.saturating_add(piece.len());
                if exchange.gathered > exchange.body_bytes_max {
                    Mark::ErrandTooLong.hit();
                    self.drop_connection(cx, dial);
                    self.fail(cx, key, |origin| {
                        FetchFailure::exchange(origin, Fault::BodyTooLong, true)
                    });
                } else if !self.sites.gather(exchange.site, piece.len(), before) {
                    self.drop_connection(cx, dial);
                    self.fail(cx, key, FetchFailure::too_much);
                }
            }
            Body::ThrownAway => {}
        }
    }

    fn end(&mut self, cx: &mut Cx<'_>, key: FetchKey, dial: DialKey, after: After) {
        match after {
            After::Keep { idle_ms_max } if !self.leaves => self.keep(cx, dial, idle_ms_max),
            After::Keep { .. } | After::Close => self.drop_connection(cx, dial),
        }
        match self.exchanges.get(key).map(|exchange| &exchange.phase) {
            Some(Phase::Redirected(..)) => self.follow(cx, key),
            _ => self.finish(cx, key, Phase::Ended),
        }
    }

    /// A connection has nothing to do.
    fn keep(&mut self, cx: &mut Cx<'_>, dial: DialKey, idle_ms_max: u64) {
        let Some(connection) = self.connections.get_mut(dial) else {
            return;
        };
        let State::Busy { link, paused, .. } = connection.state else {
            return;
        };
        if paused {
            let paused = false;
            cx.effects.push(Effect::PauseRead { link, paused });
        }
        connection.state = State::Idle { link };
        let Some(way) = self.sites.way(connection.site) else {
            return;
        };
        let until = cx.now.tick.after(idle_ms_max);
        cx.timers.set_by(Alarm::Fetch, until);
        if let Some(oldest) = self.idle.put(way, dial, until) {
            self.drop_connection(cx, oldest);
        }
    }

    fn failed(&mut self, cx: &mut Cx<'_>, key: FetchKey, dial: DialKey, failure: Failure) {
        let kept = match self.connections.get(dial).map(|one| &one.state) {
            Some(State::Busy { kept, .. }) => *kept,
            _ => false,
        };
        self.drop_connection(cx, dial);
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if matches!(exchange.phase, Phase::Redirected(..)) {
            return self.follow(cx, key);
        }
        let Failure { fault, reached } = failure;
        let is_dead = matches!(
            fault,
            Fault::Closed(_) | Fault::Reset(_) | Fault::Unsolicited
        );
        if kept && is_dead && !reached && !exchange.repeated {
            Mark::FetchRepeats.hit();
            exchange.repeated = true;
            exchange.renew(cx.now.tick);
            return self.open(cx, key);
        }
        self.fail(cx, key, |origin| {
            FetchFailure::exchange(origin, fault, reached)
        });
    }

    /// Asks where the server said to; the connection has been seen to.
    pub(super) fn follow(&mut self, cx: &mut Cx<'_>, key: FetchKey) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let Phase::Redirected(_, url) = &exchange.phase else {
            return;
        };
        exchange.order.url = Rc::clone(url);
        Mark::FetchRedirected.hit();
        exchange.redirects += 1;
        exchange.skipped = 0;
        exchange.renew(cx.now.tick);
        let proxy = self.proxies.on_the_way_to(exchange.order.url.origin());
        let length = exchange.payload.as_ref().map_or(0, |body| body.len());
        match order::head(&exchange.order, length, proxy) {
            Ok(head) => {
                exchange.head = head;
                self.begin(cx, key);
            }
            Err((name, bad)) => {
                self.fail(cx, key, |origin| FetchFailure::field(origin, &name, bad));
            }
        }
    }
}

/// Whether nothing of the request has left yet.
fn is_unsent<W>(exchanges: &Slab<FetchKey, Exchange<W>>, key: FetchKey, unsent: usize) -> bool {
    exchanges.get(key).is_some_and(|exchange| {
        let body = exchange.payload.as_ref().map_or(0, |body| body.len());
        !exchange.head.is_empty() && unsent == exchange.head.len() + body
    })
}

/// What a client has to know of the moment.
pub(super) fn moment(cx: &Cx<'_>, link: LinkKey) -> Moment {
    Moment {
        now: cx.now.tick,
        unsent: cx.links.unsent(link),
    }
}

/// The shell has closed a broken link already.
fn lose(cx: &mut Cx<'_>, link: LinkKey, how: Ended) {
    if how == Ended::Reset {
        cx.links.forget(link);
    }
}
