//! The way out: who is still waited for after SIGTERM, and what everybody is told at the end. No
//! request that was read ends without an answer. Never decides when the process leaves.
//!
//! ```text
//! open ---- told to stop ----> last call: requests on open connections are still served
//!                                | STOP_LAST_CALL_MS
//!                                v
//!                              draining: requests get 503, what was read is still answered
//!                                | nobody waits, or STOP_ANSWER_MS
//!                                v
//!                              stopped: what is left gets an error, streams and connections end
//!                                | all have closed, or STOP_PART_MS
//!                                v
//!                              gone
//! ```

use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::client::Clients;
use crate::client::connection::{Connection, Doing};
use crate::client::exchange::Way;
use crate::client::http::Http;
use crate::client::refusal::Refusal;
use crate::client::session::{Channel, Session};
use crate::client::stream::Stream;
use crate::cx::Cx;
use crate::http1::server::Waiting;
use crate::language::ClientKey;
use crate::limits::{STOP_LAST_CALL_MS, STOP_PART_MS, STOP_STREAM_MS};
use crate::links::LinkKey;
use crate::now::Tick;
use crate::tally::End;
use crate::web::app::Route;

/// Whether new requests are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Taking {
    /// They are.
    #[default]
    Yes,
    /// We were told to stop: each answer is the last one of its connection.
    LastCall {
        /// From then on requests are refused.
        until: Tick,
    },
    /// Nothing is taken any more.
    No {
        /// Until then everybody has had the time to read that, and to close.
        parted: Tick,
    },
}

/// Who still keeps us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Somebody waits for an answer.
    Answers,
    /// Nobody waits, but somebody was here a moment ago and may be writing his next request: until
    /// then it is not lost in a connection that we close meanwhile.
    Requests {
        /// The last one is given up then.
        until: Tick,
    },
    /// Nobody.
    Nobody,
}

impl Clients {
    /// We were told to stop: streams without a request end, and each answer is the last one of its
    /// connection. What was read is still answered.
    pub fn drain(&mut self, cx: &mut Cx<'_>) {
        let until = cx.now.tick.after(STOP_LAST_CALL_MS);
        self.http.taking = Taking::LastCall { until };
        self.end_streams(cx);
    }

    /// Who is still waited for. Streams that came meanwhile, or whose last request was answered,
    /// end here.
    pub fn awaited(&mut self, cx: &mut Cx<'_>) -> Awaited {
        self.end_streams(cx);
        let now = cx.now.tick;
        if self.somebody_waits(|connection| !connection.eof) {
            return Awaited::Answers;
        }
        // Who closed his half may have left, or still read: he is waited for as long as for a
        // request.
        let half = match self.http.taking {
            Taking::LastCall { until } if self.somebody_waits(|_| true) => Some(until),
            Taking::Yes | Taking::LastCall { .. } | Taking::No { .. } => None,
        };
        let reads = |connection: &&Connection| connection.doing == Doing::Reading;
        let reading = self.http.connections.values().filter(reads);
        match reading.map(Connection::warm_until).chain(half).max() {
            Some(until) if until > now => Awaited::Requests { until },
            Some(_) | None => Awaited::Nobody,
        }
    }

    /// We leave: who still waits is told so, and everything ends.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        let parted = cx.now.tick.after(STOP_PART_MS);
        self.http.taking = Taking::No { parted };
        for client in self.sessions.keys() {
            self.tell_stop(cx, client);
        }
        self.end_streams(cx);
        self.http.stop(cx);
        self.leave_sessions(cx);
    }

    /// Until when some wait to read our last word, if there are any.
    #[must_use]
    pub fn parting(&self, now: Tick) -> Option<Tick> {
        let Taking::No { parted } = self.http.taking else {
            return None;
        };
        let open = |one: &Connection| one.doing == Doing::Lingering && !one.eof;
        let some = self.http.connections.values().any(open);
        (some && now < parted).then_some(parted)
    }

    /// Whether a request is refused since we are stopping. Streams would end at once.
    pub(super) fn is_too_late(&self, cx: &Cx<'_>, route: &Route) -> bool {
        match (self.http.taking, route) {
            (Taking::Yes, _) | (_, Route::Page(_) | Route::Start | Route::Metrics) => false,
            (Taking::LastCall { .. }, Route::McpGet | Route::Sse) => true,
            // What is posted may be what a call waits for: the message decides.
            (Taking::LastCall { .. }, Route::McpPost | Route::MessagesPost) => false,
            (Taking::LastCall { .. }, _) => self.is_last_call_over(cx),
            (Taking::No { .. }, _) => true,
        }
    }

    /// Whether requests are refused. Answers to what we asked and notifications are still taken:
    /// calls that are waited for may need them.
    pub(super) fn is_last_call_over(&self, cx: &Cx<'_>) -> bool {
        match self.http.taking {
            Taking::Yes => false,
            Taking::LastCall { until } => until <= cx.now.tick,
            Taking::No { .. } => true,
        }
    }

    /// Whether somebody is there who waits for an answer, on a connection of this kind.
    fn somebody_waits(&self, counts: impl Fn(&Connection) -> bool) -> bool {
        let connections = &self.http.connections;
        let is_there = |link: LinkKey| connections.get(&link).is_some_and(&counts);
        let mut sessions = self.sessions.iter();
        let mut pages = connections.values().filter(|one| one.doing == Doing::Page);
        sessions.any(|(_, session)| waits(session, is_there)) || pages.any(&counts)
    }

    /// Ends the streams on which no answer is owed.
    fn end_streams(&mut self, cx: &mut Cx<'_>) {
        for client in self.sessions.keys() {
            let Some(session) = self.sessions.get_mut(client) else {
                continue;
            };
            match &mut session.channel {
                Channel::Sse { link, .. } if session.outstanding.is_empty() => {
                    let link = *link;
                    self.http.retry(cx, link);
                    self.end(cx, client);
                    self.http.cools(link);
                }
                Channel::Streamable(own) => {
                    if let Some(link) = own.main.take() {
                        // It was in use until now.
                        session.used = cx.now.tick;
                        self.http.retry(cx, link);
                        self.http.end(cx, link);
                        self.http.cools(link);
                    }
                }
                Channel::Exchange(exchange) if exchange.listens => {
                    let way = exchange.way;
                    self.end_listen(cx, client);
                    if let Way::Open(link) = way {
                        self.http.cools(link);
                    }
                }
                Channel::Sse { .. } | Channel::Exchange(_) | Channel::Stdio { .. } => {}
            }
        }
    }

    /// Answers what the hall has left unanswered.
    fn tell_stop(&mut self, cx: &mut Cx<'_>, client: ClientKey) {
        let Some(session) = self.sessions.get(client) else {
            return;
        };
        if let Channel::Exchange(exchange) = &session.channel {
            if !exchange.listens && !matches!(exchange.way, Way::Line(_)) {
                Mark::StopAnswersRequest.hit();
                let body = Refusal::Stopping.body(Some(exchange.id.raw()));
                let code = Refusal::Stopping.code();
                self.answer_exchange(cx, client, (End::Lost, Some(code)), &[Part::Copy(&body)]);
            }
            return;
        }
        if let Channel::Stdio { .. } = session.channel {
            return;
        }
        let owed = session.outstanding.iter();
        let owed: Vec<_> = owed.map(|one| (one.at, one.id.clone())).collect();
        for (at, id) in owed {
            Mark::StopAnswersRequest.hit();
            let body = Refusal::Stopping.body(Some(id.raw()));
            self.answer(cx, client, at, End::Lost, &[Part::Copy(&body)]);
        }
    }
}

/// Whether somebody waits for an answer on a connection that counts.
fn waits(session: &Session, is_there: impl Fn(LinkKey) -> bool) -> bool {
    match &session.channel {
        // Who lost his connection can come back to nobody.
        Channel::Streamable(own) => own.streams.iter().filter_map(Stream::link).any(is_there),
        Channel::Sse { .. } => !session.outstanding.is_empty(),
        Channel::Exchange(exchange) => match exchange.way {
            Way::Held { link, .. } | Way::Open(link) => !exchange.listens && is_there(link),
            Way::Line(_) => !exchange.listens,
        },
        Channel::Stdio { .. } => false,
    }
}

impl Connection {
    /// Until then its next request may be under way.
    fn warm_until(&self) -> Tick {
        self.since.max(self.read_at).after(self.warm_ms)
    }
}

impl Http {
    /// A request of which a part is here is refused, and idle connections end. Whoever is writing
    /// his next request at this very moment would lose it without a word: 408 is what he can take
    /// for the answer to it, and send it again (RFC 9110 section 15.5.9). Who is not writing sees
    /// the connection closed behind it.
    fn stop(&mut self, cx: &mut Cx<'_>) {
        let unanswered: Vec<(LinkKey, bool)> = self
            .connections
            .iter()
            .filter_map(|(link, one)| match one.doing {
                Doing::Page => Some((*link, false)),
                Doing::Reading => Some((*link, one.server.waiting() == Waiting::IdleHead)),
                Doing::Held { .. } | Doing::Streaming { .. } | Doing::Lingering => None,
            })
            .collect();
        for (link, idle) in unanswered {
            if idle {
                Mark::StopEndsIdle.hit();
                self.turn_away(cx, link, 408);
            } else {
                Mark::StopRefusesPart.hit();
                self.turn_late_away(cx, link);
            }
        }
    }

    /// The stream of this connection was ended, and its head has not said that the connection ends
    /// with it: a pool has taken it for free at that moment and writes what has waited for one, or
    /// does not use it for now.
    fn cools(&mut self, link: LinkKey) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.warm_ms = STOP_STREAM_MS;
        }
    }

    /// Somebody wants a stream that would end at once: it does, and he shall come back. (An
    /// `EventSource` that gets an error never comes back.)
    pub(super) fn stream_ends(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        self.stream_head(cx, link, None);
        self.retry(cx, link);
        self.end(cx, link);
    }

    /// Outside MCP: we are stopping.
    pub(super) fn turn_late_away(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        self.turn_away(cx, link, 503);
    }

    fn turn_away(&mut self, cx: &mut Cx<'_>, link: LinkKey, status: u16) {
        let hint = "send the request again in a moment";
        let fields = [("Retry-After", "1")];
        self.problem(cx, link, status, "1mcp is stopping", hint, &fields);
    }
}
