//! The edge towards MCP servers: starts them, shakes hands with them, keeps them alive, and passes
//! messages between them and the hall. Speaks [`crate::language`] upwards and knows nothing of
//! clients. What a server says is never understood here beyond its envelope.
//!
//! One *session* is one conversation with one server; the hall decides how many there are. The way
//! in: an input comes to one of the verbs of [`Backends`], which moves the session's life
//! (`lifecycle`), its child (`child`) or its output (`stdio`); then the hub pulls events out
//! with [`Backends::next`] until there are none. Sessions over HTTP are in `remote`; what comes for
//! them comes through `fetch`, from which [`Backends::next`] pulls it.

/// What a session works with; a session is borrowed beside it.
macro_rules! hands {
    ($self:ident, $cx:ident, $pool:ident) => {
        crate::backend::remote::Hands {
            cx: &mut *$cx,
            fetch: &mut $self.fetch,
            events: &mut $self.events,
            parents: &$self.parents,
            locks: &mut $self.locks,
            me: $pool,
        }
    };
}

mod backoff;
mod batch;
mod changes;
mod child;
mod dialed;
mod edge;
mod either;
mod facts;
mod greeting;
mod handshake;
mod lifecycle;
mod listen;
mod locks;
mod modern;
mod probe;
mod remote;
mod session;
mod stderr;
mod stdio;
mod talk;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::backend::child::ChildEvent;
use crate::backend::either::Either;
use crate::backend::lifecycle::{Event, Pace};
use crate::backend::locks::Locks;
use crate::backend::session::{Report, Session};
use crate::backend::talk::Read;
use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::outbox::{Part, length};
use crate::base::parents::Parents;
use crate::base::slab::Slab;
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, StopSignal};
use crate::fetch::{Asker, Errand, FetchKey, Fetcher, News};
use crate::input::ExitStatus;
use crate::language::{BackendEvent, Hello, PoolKey, PoolSpec, PoolState, Refused};
use crate::limits::{REMOTE_STARTING_MAX, STARTING_MAX};
use crate::links::{LinkKey, Owner};
use crate::now::Now;
use crate::settings::Settings;
use crate::tally::Slot;

pub use crate::backend::facts::Facts;

/// All sessions with servers.
pub struct Backends {
    sessions: Slab<PoolKey, Either>,
    /// Those that wait for their turn to start, in order; some may be gone or stopped by now.
    queue: VecDeque<PoolKey>,
    /// The same for those over HTTP: they start no process, so more of them start at once.
    remote_queue: VecDeque<PoolKey>,
    fetch: Fetcher<Asker>,
    /// What came for errands of OAuth, which have their exchanges here.
    errands: VecDeque<(Errand, News)>,
    /// Their exchanges.
    errand_keys: BTreeMap<Errand, FetchKey>,
    /// Those whose output is not read to its end yet.
    unread: VecDeque<PoolKey>,
    /// For the hall.
    events: VecDeque<BackendEvent>,
    our_version: Rc<str>,
    /// Who passes on what is sent over HTTP.
    parents: Rc<Parents>,
    /// Tokens for protected servers.
    locks: Locks,
}

impl Backends {
    /// No sessions.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            sessions: Slab::default(),
            queue: VecDeque::new(),
            remote_queue: VecDeque::new(),
            fetch: Fetcher::new(Rc::clone(&settings.proxies)),
            errands: VecDeque::new(),
            errand_keys: BTreeMap::new(),
            unread: VecDeque::new(),
            events: VecDeque::new(),
            our_version: settings.version.as_str().into(),
            parents: Rc::clone(&settings.parents),
            locks: Locks::default(),
        }
    }

    // --- what the hall wants ---

    /// Begins a session. It starts at once, or when one of those that are starting is through.
    pub fn start(&mut self, cx: &mut Cx<'_>, spec: PoolSpec) -> PoolKey {
        let session = Either::new(spec, Rc::clone(&self.our_version));
        let pool = self.sessions.insert(session);
        self.queue_up(pool);
        self.start_queued(cx);
        pool
    }

    /// Keeps a session alive by other rules from now on. Whoever changed them did something about a
    /// server that does not come up: it is tried at once.
    pub fn update(&mut self, cx: &mut Cx<'_>, pool: PoolKey, spec: PoolSpec) {
        if let Some(session) = self.sessions.get_mut(pool) {
            session.update(spec);
            self.retry_now(cx, pool);
        }
    }

    /// Ends a session: its child's stdin is closed, then it is asked, then forced to end. `Ended`
    /// comes when nothing of it is left; nothing else comes before. Calls in flight there are the
    /// hall's to fail.
    pub fn stop(&mut self, cx: &mut Cx<'_>, pool: PoolKey) {
        self.step(cx, pool, Event::Stop(Pace::Calm));
    }

    /// Ends all sessions, in less time: we are about to leave ourselves.
    pub fn stop_all(&mut self, cx: &mut Cx<'_>) {
        self.queue.clear();
        self.remote_queue.clear();
        for pool in self.sessions.keys() {
            self.step(cx, pool, Event::Stop(Pace::Quick));
        }
        // What is said to servers as a farewell takes the connections that there are.
        self.fetch.leave(cx);
    }

    /// Starts a session now that waits for its next try or was given up; else does nothing.
    pub fn retry_now(&mut self, cx: &mut Cx<'_>, pool: PoolKey) {
        self.step(cx, pool, Event::Retry);
    }

    /// Sends one JSON-RPC message, without line end.
    ///
    /// # Errors
    /// The server does not serve now, or does not read.
    pub fn send(
        &mut self,
        cx: &mut Cx<'_>,
        pool: PoolKey,
        message: &[Part<'_>],
    ) -> Result<(), Refused> {
        self.send_with_fields(cx, pool, message, &[])
    }

    /// The same, with arguments that are repeated in fields.
    ///
    /// # Errors
    /// As [`Backends::send`].
    pub fn send_with_fields(
        &mut self,
        cx: &mut Cx<'_>,
        pool: PoolKey,
        message: &[Part<'_>],
        fields: &[(String, String)],
    ) -> Result<(), Refused> {
        let session = self.sessions.get_mut(pool).ok_or(Refused::NotReady)?;
        let slot = session.slot();
        let sent = match session {
            Either::Child(session) => session.send(cx.links, message),
            Either::Remote(session) => {
                let sent = session.send(&mut hands!(self, cx, pool), message, fields);
                self.settle(cx, pool, None);
                sent
            }
        };
        if sent.is_ok() {
            cx.tally.said(slot, length(message));
        }
        sent
    }

    /// The next thing that the hall has to know; what it points into is in the frame. To be called
    /// until `None` after every input.
    pub fn next(&mut self, cx: &mut Cx<'_>, frame: &mut Frame) -> Option<BackendEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let Some(pool) = self.unread.front().copied() else {
                if !self.hear_fetch(cx) {
                    return None;
                }
                continue;
            };
            let session = self.sessions.get_mut(pool);
            let slot = session.as_ref().map(|session| session.slot());
            let read = match session {
                Some(Either::Child(session)) => session.read(cx, pool, frame),
                Some(Either::Remote(session)) => session.read(&mut hands!(self, cx, pool), frame),
                None => {
                    self.unread.pop_front();
                    continue;
                }
            };
            match read {
                Read::Event(event) => {
                    let slot = slot.unwrap_or(Slot::NONE);
                    cx.tally.heard(slot, frame.bytes().len());
                    return Some(event);
                }
                Read::Report(report) => self.settle(cx, pool, Some(report)),
                Read::Again => {}
                Read::Nothing => {
                    self.unread.pop_front();
                    self.settle(cx, pool, None);
                }
            }
        }
    }

    /// Listens to these resources of a server without sessions, and to no others.
    pub fn watch(&mut self, cx: &mut Cx<'_>, pool: PoolKey, uris: Vec<Rc<str>>) {
        if let Some(session) = self.sessions.get_mut(pool) {
            session.watch(&mut hands!(self, cx, pool), uris);
            self.settle(cx, pool, None);
        }
    }

    // --- what happens ---

    /// `Input::Spawned`.
    pub fn spawned(&mut self, cx: &mut Cx<'_>, pool: PoolKey, link: LinkKey, pid: u32) {
        if cx.links.owner(link).is_none() {
            cx.links.open(link, Owner::Child(pool));
        }
        if self.sessions.contains(pool) {
            self.child_step(cx, pool, ChildEvent::Spawned { link, pid });
        } else {
            // Nobody is left who would ever stop it.
            Mark::SpawnForNobody.hit();
            let signal = StopSignal::Kill;
            cx.effects.push(Effect::Signal { pool, signal });
            cx.close(link);
        }
    }

    /// `Input::SpawnFailed`.
    pub fn spawn_failed(&mut self, cx: &mut Cx<'_>, pool: PoolKey, why: String) {
        if let Some(session) = self.child_of(pool) {
            let report = session.spawn_failed(cx, pool, why);
            self.settle(cx, pool, report);
        }
    }

    /// `Input::Stderr`.
    pub fn stderr(&mut self, cx: &mut Cx<'_>, pool: PoolKey, bytes: &[u8]) {
        if let Some(session) = self.child_of(pool) {
            session.stderr(cx, bytes);
            session.set_alarm(cx, pool);
        }
    }

    /// `Input::Exited`.
    pub fn exited(&mut self, cx: &mut Cx<'_>, pool: PoolKey, status: ExitStatus) {
        self.child_step(cx, pool, ChildEvent::Exited(status));
    }

    /// `Input::Bytes` of a link that a child owns.
    pub fn receive(&mut self, cx: &mut Cx<'_>, link: LinkKey, bytes: &[u8]) {
        let now = cx.now.tick;
        if let Some((pool, session)) = self.session_of(cx, link) {
            session.receive(now, bytes);
            self.unread.push_back(pool);
        }
    }

    /// `Input::Eof` of a link that a child owns.
    pub fn eof(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        if let Some((pool, session)) = self.session_of(cx, link) {
            session.end_of_output(false);
            self.unread.push_back(pool);
        }
    }

    /// `Input::Broken` of a link that a child owns. To be called before the link is forgotten.
    pub fn broken(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        if let Some((pool, session)) = self.session_of(cx, link) {
            session.end_of_output(true);
            self.unread.push_back(pool);
        }
        cx.links.forget(link);
    }

    /// `Alarm::Pool` rang.
    pub fn alarm(&mut self, cx: &mut Cx<'_>, pool: PoolKey) {
        if let Some(session) = self.sessions.get_mut(pool) {
            let report = session.alarm(&mut hands!(self, cx, pool));
            self.settle(cx, pool, report);
        }
    }

    // --- what is so ---

    /// How a session is doing. A key that is free belongs to one that was stopped.
    #[must_use]
    pub fn state(&self, now: Now, pool: PoolKey) -> PoolState {
        let of_remote = self.state_of_remote(now, pool);
        of_remote.unwrap_or_else(|| {
            let session = self.sessions.get(pool);
            session.map_or(PoolState::Stopping, |session| session.phase().state(now))
        })
    }

    /// What the server said in its last handshake.
    #[must_use]
    pub fn hello(&self, pool: PoolKey) -> Option<&Hello> {
        self.sessions.get(pool)?.hello()
    }

    /// Figures and texts for `/health` and `mcp status`.
    #[must_use]
    pub fn facts(&self, pool: PoolKey) -> Option<Facts<'_>> {
        self.sessions.get(pool).map(Either::facts)
    }

    /// Whether no session is left, not even one that is being stopped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many sessions there are, in whatever state.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    // --- inside ---

    /// Whose output a link is now. A late word of an earlier child finds nobody.
    fn session_of(&mut self, cx: &Cx<'_>, link: LinkKey) -> Option<(PoolKey, &mut Session)> {
        let Some(Owner::Child(pool)) = cx.links.owner(link) else {
            return None;
        };
        let session = self.child_of(pool)?;
        (session.child.link() == Some(link)).then_some((pool, session))
    }

    fn child_of(&mut self, pool: PoolKey) -> Option<&mut Session> {
        self.sessions.get_mut(pool)?.child()
    }

    fn queue_up(&mut self, pool: PoolKey) {
        match self.sessions.get(pool) {
            Some(Either::Child(_)) => self.queue.push_back(pool),
            Some(Either::Remote(_)) => self.remote_queue.push_back(pool),
            None => {}
        }
    }

    fn step(&mut self, cx: &mut Cx<'_>, pool: PoolKey, event: Event) {
        if let Some(session) = self.sessions.get_mut(pool) {
            let report = session.step(&mut hands!(self, cx, pool), event);
            self.settle(cx, pool, report);
        }
    }

    fn child_step(&mut self, cx: &mut Cx<'_>, pool: PoolKey, event: ChildEvent) {
        if let Some(session) = self.child_of(pool) {
            let report = session.child_step(cx, pool, event);
            self.settle(cx, pool, report);
        }
    }

    /// After every step of a session: its alarm, its place in the tables, whose turn it is.
    fn settle(&mut self, cx: &mut Cx<'_>, pool: PoolKey, report: Option<Report>) {
        match report {
            None => {}
            Some(Report::Ready) => self.events.push_back(BackendEvent::Ready { pool }),
            Some(Report::Down) => self.events.push_back(BackendEvent::Down { pool }),
            Some(Report::Queue) => self.queue_up(pool),
            Some(Report::Ended) => {
                self.sessions.remove(pool);
                self.events.push_back(BackendEvent::Ended { pool });
            }
        }
        match self.sessions.get(pool) {
            Some(session) => session.set_alarm(cx, pool),
            None => cx.timers.clear(Alarm::Pool(pool)),
        }
        self.start_queued(cx);
    }

    /// Starts those whose turn it is. The places are counted anew each time, so that no path can
    /// forget to give one back; it is only done while somebody waits.
    fn start_queued(&mut self, cx: &mut Cx<'_>) {
        for (remote, places) in [(false, STARTING_MAX), (true, REMOTE_STARTING_MAX)] {
            let queue = if remote {
                &mut self.remote_queue
            } else {
                &mut self.queue
            };
            if queue.is_empty() {
                continue;
            }
            let sessions = self.sessions.iter().map(|(_, session)| session);
            let kind = sessions.filter(|one| matches!(one, Either::Remote(_)) == remote);
            let mut taken = kind.filter(|one| one.phase().takes_a_place()).count();
            while taken < places
                && let Some(pool) = queue.pop_front()
            {
                if let Some(session) = self.sessions.get_mut(pool) {
                    session.step(&mut hands!(self, cx, pool), Event::Turn);
                    session.set_alarm(cx, pool);
                    taken += usize::from(session.phase().takes_a_place());
                }
            }
            if !queue.is_empty() {
                Mark::StartsQueued.hit();
            }
        }
    }
}
