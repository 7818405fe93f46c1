//! The edge towards MCP clients: every HTTP connection, every client session and its streams, and
//! our own stdin. Speaks [`crate::language`] upward; knows nothing of servers, tools or routing.
//!
//! The way of a POST to `/mcp`: `http` finds a request in the bytes of its connection, `request`
//! asks [`web::guard`](crate::web::guard) and [`web::app`](crate::web::app), `post` finds the
//! session and makes a [`ClientEvent`] of it. The answer comes back through `down`, which sends one
//! JSON body or an event stream, as `stream` and the client's `Accept` say, by `reply`.

mod accept;
mod admission;
mod batch;
mod classify;
mod connection;
mod down;
mod exchange;
mod filters;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod get;
mod grants;
mod http;
mod kept;
mod large;
mod leaving;
mod message;
mod modern;
mod post;
mod refusal;
mod replay;
mod reply;
mod request;
mod resume;
mod sealed;
mod session;
mod session_id;
mod sse_legacy;
mod stdio;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod waits;

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::slab::Slab;
use crate::base::timers::DeadlineQueue;
use crate::client::batch::Batch;
use crate::client::connection::Doing;
use crate::client::filters::Filters;
use crate::client::grants::Grants;
use crate::client::http::{Found, Http};
use crate::client::resume::Resume;
use crate::client::session::{Caller, Channel, Session};
use crate::client::session_id::SessionIds;
use crate::client::stdio::Stdio;
use crate::cx::{Alarm, Cx};
use crate::input::Port;
use crate::language::{ClientEvent, ClientKey};
use crate::links::LinkKey;
use crate::mcp::familiar::Familiar;
use crate::oauth::door::Door;
use crate::settings::Settings;

pub use crate::client::leaving::Awaited;
pub use crate::client::resume::RECORD;
pub use crate::client::session::{ClientFacts, Transport};

/// Every client and the connections they come by.
///
/// After each input, also one that came from elsewhere, [`Clients::next`] is called until it tells
/// nothing more: an answer given to one request may let the next one be read.
pub struct Clients {
    settings: Settings,
    http: Http,
    stdio: Option<Stdio>,
    sessions: Slab<ClientKey, Session>,
    ids: SessionIds,
    resume: Resume,
    /// What is to be told before anything else is read.
    events: VecDeque<ClientEvent>,
    /// What was read with the session that was opened again for it, and its message.
    after: Option<(ClientEvent, Frame)>,
    /// A batch whose messages are being told.
    batch: Option<Batch>,
    /// POSTs that become event streams unless they are answered first.
    holds: DeadlineQueue<(ClientKey, u32)>,
    /// POSTs whose event stream is closed early (`--stream-max`).
    early: DeadlineQueue<(ClientKey, u32)>,
    /// Bytes kept for replay in all sessions.
    replay_bytes: Rc<Cell<usize>>,
    /// How many of `sessions` are requests without one.
    exchanges: usize,
    /// How many of those are subscriptions.
    listens: usize,
    /// What they say of themselves, again and again.
    familiar: Familiar,
    door: Door,
    /// The last `Host`, and under which origin its sender knows us.
    known_as: (Box<str>, Rc<str>),
    /// Who sent the request on HTTP that is being read.
    caller: Caller,
    grants: Grants,
    filters: Filters,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open HTTP connections.
    pub connections: usize,
    /// Clients, our own stdin included.
    pub sessions: usize,
    /// Requests without a session that are not answered.
    pub exchanges: usize,
}

impl Clients {
    /// Nobody yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            http: Http::default(),
            stdio: None,
            sessions: Slab::default(),
            ids: SessionIds::default(),
            resume: Resume::new(settings),
            events: VecDeque::new(),
            after: None,
            batch: None,
            holds: DeadlineQueue::default(),
            early: DeadlineQueue::default(),
            replay_bytes: Rc::default(),
            exchanges: 0,
            listens: 0,
            familiar: Familiar::default(),
            door: Door::default(),
            known_as: Default::default(),
            caller: Caller::default(),
            grants: Grants::default(),
            filters: Filters::default(),
        }
    }

    /// A connection was accepted.
    pub fn accepted(&mut self, cx: &mut Cx<'_>, link: LinkKey, peer: SocketAddr, port: Port) {
        if port == Port::Clients {
            self.prepare_sessions(cx);
        }
        let trusted = &self.settings.trusted;
        self.http.accepted(cx, link, (peer, port), trusted);
    }

    /// The port for browsers is closed: nobody who came to it stays longer than his answer takes.
    pub fn port_closed(&mut self, cx: &mut Cx<'_>) {
        self.http
            .dismiss(cx, |connection| connection.port == Port::Browsers);
    }

    /// Bytes came in. They are only put into the inbox: ask [`Clients::next`] what they say.
    pub fn receive(&mut self, cx: &mut Cx<'_>, link: LinkKey, bytes: &[u8]) {
        match self.stdio_of(link) {
            Some(stdio) => stdio.receive(bytes),
            None => self.http.receive(cx, link, bytes),
        }
    }

    /// The peer closed its writing half.
    pub fn eof(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        if let Some(stdio) = self.stdio_of(link) {
            stdio.eof();
        } else if self.cancels(link) {
            let doing = self.http.close(cx, link);
            self.lost(cx, link, doing);
        } else {
            let doing = self.http.eof(cx, link);
            self.lost(cx, link, doing);
        }
    }

    /// The link is dead; the shell has closed it.
    pub fn broken(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        if let Some(stdio) = self.stdio_of(link) {
            let client = stdio.client();
            cx.links.forget(link);
            self.end(cx, client);
        } else {
            let doing = self.http.broken(cx, link);
            self.lost(cx, link, doing);
        }
    }

    /// What clients want, one thing at a time, its message in the frame. Faults of the protocol are
    /// answered here and not told.
    pub fn next(&mut self, cx: &mut Cx<'_>, frame: &mut Frame) -> Option<ClientEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if let Some((event, message)) = self.after.take() {
                *frame = message;
                return Some(event);
            }
            if let Some(event) = self.next_of_batch(frame) {
                return Some(event);
            }
            if let Some(event) = self.next_of_stdio(cx, frame) {
                return Some(event);
            }
            if self.batch.is_some() || !self.events.is_empty() {
                continue;
            }
            let link = self.http.ready()?;
            match self.http.step(cx, frame) {
                None => {}
                Some(Found::Large(request)) => self.large(cx, link, request),
                Some(Found::Request(request)) => {
                    let event = self.request(cx, frame, link, request);
                    if self.has_restored() {
                        self.after = event.map(|event| (event, frame.keep()));
                    } else if event.is_some() {
                        return event;
                    }
                }
            }
        }
    }

    /// An alarm rang; those of other rooms are none of ours.
    pub fn alarm(&mut self, cx: &mut Cx<'_>, alarm: Alarm) {
        match alarm {
            Alarm::Http(link) => {
                let doing = self.http.alarm(cx, link);
                self.lost(cx, link, doing);
            }
            Alarm::Holds => self.waits_over(cx),
            Alarm::KeepAlive => self.http.keep_alive(cx),
            Alarm::Session(client) => self.session_alarm(cx, client),
            Alarm::Door => self.tokens_over(cx),
            Alarm::Sessions => self.sessions_alarm(cx),
            Alarm::Pool(_)
            | Alarm::Fetch
            | Alarm::Instance(_)
            | Alarm::Calls
            | Alarm::Waiting
            | Alarm::Changed
            | Alarm::Asks
            | Alarm::Suspended
            | Alarm::Tasks
            | Alarm::AuthServer
            | Alarm::Login
            | Alarm::Keyring
            | Alarm::Exit => {}
        }
    }

    /// The kernel was offered the bytes of this link (call after [`crate::links::Links::wrote`]).
    pub fn wrote(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        if self.stdio_of(link).is_some() {
            return self.pace(cx);
        }
        self.http.wrote(cx, link);
    }

    /// What is known of a client; `None` once it is gone.
    #[must_use]
    pub fn facts(&self, client: ClientKey) -> Option<ClientFacts> {
        self.sessions.get(client).map(|session| session.facts)
    }

    /// Stops or resumes taking requests of a client: our own stdin is not read meanwhile, an HTTP
    /// client gets an error.
    pub fn set_busy(&mut self, cx: &mut Cx<'_>, client: ClientKey, busy: bool) {
        if let Some(session) = self.sessions.get_mut(client) {
            session.busy = busy;
            self.pace(cx);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> Counts {
        Counts {
            connections: self.http.connections.len(),
            sessions: self.sessions.len().saturating_sub(self.exchanges),
            exchanges: self.exchanges,
        }
    }

    /// How many requests are owed an answer.
    #[must_use]
    pub fn owed(&self) -> usize {
        let owed = self.sessions.iter().map(|(_, one)| match &one.channel {
            Channel::Exchange(exchange) => usize::from(exchange.account.is_some()),
            Channel::Stdio { .. } | Channel::Sse { .. } | Channel::Streamable(_) => {
                one.outstanding.len()
            }
        });
        owed.sum()
    }

    /// Sessions by the way they came.
    #[must_use]
    pub fn sessions_by_transport(&self) -> Vec<(&'static str, usize)> {
        let count = |is: fn(&Channel) -> bool| {
            let sessions = self.sessions.iter();
            sessions.filter(|(_, one)| is(&one.channel)).count()
        };
        vec![
            ("http", count(|by| matches!(by, Channel::Streamable(_)))),
            ("sse", count(|by| matches!(by, Channel::Sse { .. }))),
            ("stdio", count(|by| matches!(by, Channel::Stdio { .. }))),
        ]
    }

    /// A connection has gone that was used for this.
    fn lost(&mut self, cx: &mut Cx<'_>, link: LinkKey, doing: Option<Doing>) {
        let (client, number) = match doing {
            Some(Doing::Held { client, stream } | Doing::Streaming { client, stream }) => {
                (client, stream)
            }
            Some(Doing::Reading | Doing::Page | Doing::Lingering) | None => return,
        };
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        session.used = cx.now.tick;
        match &mut session.channel {
            // The stream was the session (E4).
            Channel::Sse { .. } => self.end(cx, client),
            Channel::Streamable(own) if own.main == Some(link) => own.main = None,
            Channel::Streamable(own) => {
                if let Some(stream) = own.stream_mut(number)
                    && stream.link() == Some(link)
                {
                    stream.lost();
                }
            }
            // Who hangs up does not want the answer (D7).
            Channel::Exchange(_) => self.end(cx, client),
            Channel::Stdio { .. } => {}
        }
    }

    /// Whether the end of this connection's input cancels what it waits for: nobody half-closes
    /// while a request without a session is being answered (D7).
    fn cancels(&self, link: LinkKey) -> bool {
        let doing = self.http.connections.get(&link).map(|one| one.doing);
        matches!(doing, Some(Doing::Held { client, .. }) if self.exchange(client).is_some())
    }
}
