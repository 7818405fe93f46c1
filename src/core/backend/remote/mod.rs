//! Sessions with servers that somebody else runs: Streamable HTTP of both eras (protocol F2 to
//! F13), with a legacy server one conversation, with a modern one a request at a time.
//!
//! One [`Remote`] binds the life of a session (`lifecycle`, as for children) to the exchanges that
//! carry it. It says what is asked and understands what comes; how an exchange gets to its server
//! is the affair of `fetch`. What passes through is never looked into beyond its envelope.
//!
//! ```text
//! era     which era, by which first message; `initialize` and `notifications/initialized`
//! post    heads of requests: what a request repeats of its body, which session it belongs to
//! call    requests of the hall, each its own exchange; notifications and answers
//! redact  keeps our secrets out of what is told
//! hear    what comes: heads, events, bodies, ends; `over` what the end of an exchange means
//! renew   the server does not know our session any more
//! ears    the GET stream of a legacy server
//! resume  the answer to a call goes on in another exchange
//! linger  event streams that do not end
//! modern  the stream of changes of a modern server
//! unauthorized  the server wants a token, or another one
//! sse     HTTP+SSE of 2024-11-05, and which of the two transports is tried; `sse_talk` speaks it
//! ```

mod call;
mod ears;
mod era;
mod exchange;
mod hear;
mod linger;
mod modern;
mod over;
mod post;
mod redact;
mod renew;
mod resume;
mod sse;
mod sse_resume;
mod sse_talk;
#[cfg(test)]
mod tests;
mod unauthorized;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::backend::backoff::Backoff;
use crate::backend::batch::Batch;
use crate::backend::facts::Facts;
use crate::backend::greeting::Greeting;
use crate::backend::lifecycle::{Event, Order, Pace, Phase, Policy};
use crate::backend::listen::Listening;
use crate::backend::locks::{LockName, Locks};
use crate::backend::remote::call::Call;
use crate::backend::remote::ears::Ears;
use crate::backend::remote::exchange::{Exchange, Role};
use crate::backend::remote::sse_talk::{Old, Ways};
use crate::backend::session::{Report, note_down};
use crate::base::mark::Mark;
use crate::base::parents::Parents;
use crate::base::secret::Secret;
use crate::base::timers::DeadlineQueue;
use crate::cx::{Alarm, Cx};
use crate::effect::Level;
use crate::fetch::{Asker, FetchKey, Fetcher};
use crate::language::{BackendEvent, Hello, PoolKey, PoolSpec, RemoteSpec};
use crate::mcp::version::Version;
use crate::now::{Tick, UnixSeconds};

/// What a remote session works with.
pub(super) struct Hands<'a, 'b> {
    /// The moment, the orders, the alarms.
    pub(super) cx: &'a mut Cx<'b>,
    /// Exchanges.
    pub(super) fetch: &'a mut Fetcher<Asker>,
    /// What the hall has to know and needs no frame.
    pub(super) events: &'a mut VecDeque<BackendEvent>,
    /// Who passes on what is sent.
    pub(super) parents: &'a Parents,
    /// Tokens for protected servers.
    pub(super) locks: &'a mut Locks,
    /// Which session this is.
    pub(super) me: PoolKey,
}

/// What belongs to one session in the sense of a legacy server.
#[derive(Debug, Default)]
struct Talk {
    /// `Mcp-Session-Id`. Who has it can take part, so it is told to nobody else.
    id: Option<Rc<str>>,
    /// What was agreed upon.
    version: Option<Version>,
    /// How many there were before; what comes of an earlier one is known by it.
    number: u32,
    /// A request was answered in it. A server that forgets a session which never was of any use
    /// would be asked for another one without end.
    proved: bool,
    /// Answers in a row that a server with sessions would hardly give.
    doubts: u32,
}

/// See the module.
pub(super) struct Remote {
    pub(super) spec: PoolSpec,
    at: RemoteSpec,
    /// Which tokens are for it.
    pub(super) lock: LockName,
    /// The tokens that were sent last, and their numbers: neither is ever told.
    spoken: VecDeque<(u32, Secret)>,
    our_version: Rc<str>,
    pub(super) phase: Phase,
    backoff: Backoff,
    began: Tick,
    runs: u32,
    last_error: Option<String>,
    /// What the server said last time; stays while it is down.
    pub(super) hello: Option<Hello>,
    greeting: Greeting,
    /// The server cannot be asked for its era, as far as is known.
    initialize_first: bool,
    /// It was a legacy server last time (F3).
    was_legacy: bool,
    talk: Talk,
    /// The handshake is repeated while the hall takes the session for ready; until when.
    renewing: Option<Tick>,
    /// When that was done last, and for how long after it a refusal is none of the session.
    renewed: Option<(Tick, u64)>,
    /// The server wants to be left alone until then (`Retry-After`).
    alone_until: Option<Tick>,
    /// What the hall wants to hear of, if the server has no sessions.
    watched: Vec<Rc<str>>,
    /// The stream of changes; that it is there means that a modern server speaks.
    listening: Option<Box<Listening>>,
    ears: Ears,
    /// What is known of the way to it.
    ways: Ways,
    /// The session over HTTP+SSE; that it is there means that this transport is spoken.
    old: Option<Box<Old>>,
    exchanges: BTreeMap<FetchKey, Exchange>,
    /// Requests of the hall that are not answered, by its id.
    calls: BTreeMap<u64, Call>,
    /// Bytes of requests that are kept because they may have to be sent again.
    kept_bytes: usize,
    /// Exchanges of which something came and was not read.
    unread: VecDeque<FetchKey>,
    batch: Batch,
    /// Exchanges that go on behind their answer, and when the first of them is given up.
    lingering: DeadlineQueue<FetchKey>,
    /// The same of bodies behind a status that says all.
    dripping: DeadlineQueue<FetchKey>,
    lingers_until: Option<Tick>,
    /// Notifications and answers that wait for a token.
    words: Vec<Vec<u8>>,
    /// Streams that were refused for a token, in a row.
    streams_refused: u32,
    /// It pauses since there was no token.
    denied: bool,
    /// Handshakes in a row that the server refused together with their tokens.
    tokens_refused: u32,
    /// Calls wait to be sent as soon as the hall has heard that the session is a new one.
    resend: bool,
    /// How long the last exchange may take before the session is over.
    leaving_until: Option<Tick>,
    report: Option<Report>,
    /// For dates in what the server says.
    wall: UnixSeconds,
    /// It was logged that the server says what nobody asked for.
    strange_told: bool,
}

impl Remote {
    /// Waits for its turn.
    pub(super) fn new(spec: PoolSpec, at: RemoteSpec, our_version: Rc<str>) -> Self {
        Self {
            lock: (Rc::clone(&spec.name), at.url.to_string().into()),
            spoken: VecDeque::new(),
            at,
            our_version,
            phase: Phase::Queued,
            backoff: backoff(&spec),
            began: Tick::default(),
            runs: 0,
            last_error: None,
            hello: None,
            greeting: Greeting::new(&spec, false),
            initialize_first: spec.initialize_first,
            was_legacy: false,
            talk: Talk::default(),
            renewing: None,
            renewed: None,
            alone_until: None,
            watched: Vec::new(),
            listening: None,
            ears: Ears::new(&spec),
            ways: Ways::default(),
            old: None,
            exchanges: BTreeMap::new(),
            calls: BTreeMap::new(),
            kept_bytes: 0,
            unread: VecDeque::new(),
            batch: Batch::default(),
            lingering: DeadlineQueue::default(),
            dripping: DeadlineQueue::default(),
            lingers_until: None,
            words: Vec::new(),
            streams_refused: 0,
            denied: false,
            tokens_refused: 0,
            resend: false,
            leaving_until: None,
            report: None,
            wall: UnixSeconds::default(),
            strange_told: false,
            spec,
        }
    }

    /// The same server by other rules; strikes are counted anew.
    pub(super) fn update(&mut self, spec: PoolSpec) {
        self.backoff = backoff(&spec);
        self.spec = spec;
    }

    // --- its life ---

    /// Somebody wants something of its life.
    pub(super) fn wish(&mut self, hands: &mut Hands<'_, '_>, event: Event) -> Option<Report> {
        self.step(hands, event);
        self.report.take()
    }

    /// Something happened to its life. There is nothing to open and nothing that has to end before
    /// the next try: a connection is a matter of each exchange.
    fn step(&mut self, hands: &mut Hands<'_, '_>, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let phase = std::mem::replace(&mut self.phase, Phase::Gone);
            let mut policy = Policy {
                connect_ms: self.spec.connect_ms,
                only_asked: false,
                backoff: &mut self.backoff,
                entropy: hands.cx.entropy,
            };
            let (phase, order) = phase.on(hands.cx.now.tick, event, &mut policy);
            self.phase = phase;
            next = self.follow(hands, order);
            if next.is_none() && matches!(self.phase, Phase::Closing(_)) {
                self.drop_all(hands);
                next = Some(Event::Closed(None));
            }
        }
    }

    fn follow(&mut self, hands: &mut Hands<'_, '_>, order: Order) -> Option<Event> {
        match order {
            Order::Nothing => {}
            Order::Open => {
                self.began = hands.cx.now.tick;
                if self.runs > 0 {
                    hands.cx.tally.restarted(self.spec.slot);
                }
                self.runs = self.runs.saturating_add(1);
                self.streams_refused = 0;
                self.denied = false;
                return Some(Event::Opened);
            }
            Order::Greet => self.greet(hands),
            Order::Close(pace) => return self.close(hands, pace),
            Order::Ready => {
                let (name, ms) = (&self.spec.name, hands.cx.now.tick.since(self.began));
                hands
                    .cx
                    .log(Level::Info, || format!("server={name} ready in={ms}ms"));
                self.tokens_refused = 0;
                self.report = Some(Report::Ready);
            }
            Order::Down => self.down(hands),
            Order::Await => {
                // It is as if it had not been tried.
                self.runs = self.runs.saturating_sub(1);
                if hands.locks.owner(&self.lock).is_some() {
                    Mark::AwaitsOwner.hit();
                    self.report = Some(Report::Down);
                }
            }
            Order::Ended => {
                let name = &self.spec.name;
                hands
                    .cx
                    .log(Level::Info, || format!("server={name} stopped"));
                self.report = Some(Report::Ended);
            }
            Order::Queue => self.report = Some(Report::Queue),
        }
        None
    }

    fn down(&mut self, hands: &mut Hands<'_, '_>) {
        if let (Phase::Backoff { until, .. }, Some(alone)) = (&mut self.phase, self.alone_until) {
            *until = (*until).max(alone);
        }
        if let Some(why) = note_down(hands.cx, &self.spec.name, &self.phase) {
            self.last_error = Some(why.to_owned());
        }
        self.report = Some(Report::Down);
    }

    /// Ends everything. A legacy server is told that its session is over, and gets a moment to
    /// hear that: sessions that nobody ends pile up there (F5).
    fn close(&mut self, hands: &mut Hands<'_, '_>, pace: Pace) -> Option<Event> {
        let leaving = self.phase == Phase::Leaving;
        if self.leaving_until.is_some() && leaving {
            let until = hands.cx.now.tick.after(pace.term_after_ms());
            self.leaving_until = self.leaving_until.map(|earlier| earlier.min(until));
            return None;
        }
        let farewell = self.farewell(pace);
        self.drop_all(hands);
        match farewell {
            Some(order) if leaving => {
                self.leaving_until = Some(hands.cx.now.tick.after(pace.term_after_ms()));
                self.exchange(hands, Role::Goodbye, order);
                None
            }
            Some(_) | None => leaving.then_some(Event::Closed(None)),
        }
    }

    /// Gives up all that is under way. What the hall waits for it learns from the end itself.
    fn drop_all(&mut self, hands: &mut Hands<'_, '_>) {
        for key in std::mem::take(&mut self.exchanges).into_keys() {
            hands.fetch.give_up(hands.cx, key);
        }
        self.calls.clear();
        self.words.clear();
        self.kept_bytes = 0;
        self.unread.clear();
        self.batch = Batch::default();
        self.tidy_lingering();
        self.resend = false;
        self.listening = None;
        self.renewing = None;
        self.leaving_until = None;
        self.ears.close();
        self.old = None;
        self.talk.id = None;
    }

    /// The server cannot be reached, or does not speak as it did: down, and everything anew.
    fn lost(&mut self, hands: &mut Hands<'_, '_>, why: String) {
        match self.phase {
            Phase::Handshaking { .. } | Phase::Ready { .. } => {
                let why = self.redact(why);
                self.step(hands, Event::Lost(why));
            }
            Phase::Queued
            | Phase::Opening { .. }
            | Phase::Closing(_)
            | Phase::Leaving
            | Phase::Awaiting { .. }
            | Phase::Backoff { .. }
            | Phase::Failed { .. }
            | Phase::Gone => {}
        }
    }

    // --- alarms ---

    fn deadlines(&self) -> [Option<Tick>; 9] {
        [
            self.phase.deadline(),
            self.asking_until(),
            self.renewing,
            self.leaving_until,
            self.listening_until(),
            self.ears_until(),
            self.sse_until(),
            self.calls_until(),
            self.lingers_until,
        ]
    }

    /// Sets the alarm to the earliest of its reasons.
    pub(super) fn set_alarm(&self, cx: &mut Cx<'_>, me: PoolKey) {
        match self.deadlines().into_iter().flatten().min() {
            Some(at) => cx.timers.set(Alarm::Pool(me), at),
            None => cx.timers.clear(Alarm::Pool(me)),
        }
    }

    /// Its alarm rang.
    pub(super) fn alarm(&mut self, hands: &mut Hands<'_, '_>) -> Option<Report> {
        let now = hands.cx.now.tick;
        let due = |at: Option<Tick>| at.is_some_and(|at| at <= now);
        if due(self.leaving_until) {
            self.drop_all(hands);
            self.step(hands, Event::Closed(None));
        } else if due(self.renewing) {
            self.renewal_late(hands);
        } else if due(self.asking_until()) {
            self.probe_late(hands);
        } else if due(self.sse_until()) {
            self.sse_alarm(hands);
        } else if due(self.phase.deadline()) {
            self.step(hands, Event::Alarm);
        } else {
            if due(self.listening_until()) {
                self.listen_alarm(hands);
            }
            if due(self.ears_until()) {
                self.ears_alarm(hands);
            }
            if due(self.calls_until()) {
                self.calls_alarm(hands);
            }
            if due(self.lingers_until) {
                self.linger_alarm(hands);
            }
        }
        self.report.take()
    }

    // --- what is so ---

    /// Bytes that are kept because they may have to be sent again.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.kept_bytes
    }

    /// What the table of sessions has to do.
    pub(super) fn report(&mut self) -> Option<Report> {
        self.report.take()
    }

    /// Everything known about it.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            pid: None,
            ready_since: self.phase.ready_since(),
            restarts: self.runs.saturating_sub(1),
            last_error: self.last_error.as_deref(),
            stderr: None,
        }
    }

    /// Whether a modern server speaks.
    pub(super) fn is_modern(&self) -> bool {
        self.listening.is_some()
    }

    fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }
}

/// A remote server is always tried again: that it did not answer says nothing of what it will do
/// later, and `restartOnExit` is about processes of ours.
fn backoff(spec: &PoolSpec) -> Backoff {
    Backoff::new(&PoolSpec {
        restart: true,
        restarts_max: 0,
        ..spec.clone()
    })
}
