//! The loop that everything runs in: wait, note what is ready, act on it, write, spawn, sleep.
//!
//! Readiness is edge-triggered and so told once: it is collected first, and what could not be read
//! within a turn's budget stays on the ready queue. Links are written at the end of the turn, once
//! each. Without events and deadlines the process sleeps for good. Knows no MCP: what bytes mean
//! is the core's business. `reading` and `writing` hold the two halves of a turn.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};
use onemcp::effect::{Effects, Level, SpawnSpec};
use onemcp::input::Input;
use onemcp::language::PoolKey;
use onemcp::limits::{EXIT_LOG_MS_MAX, EXIT_STATE_MS_MAX, READ_BYTES_PER_TURN_MAX};
use onemcp::links::{DialKey, LinkKey};
use onemcp::now::Tick;

use crate::shell::children::{ChildKey, Children};
use crate::shell::clock::Clock;
use crate::shell::configuration::{Configuration, Loaded};
use crate::shell::dial::Dials;
use crate::shell::driven::Core;
use crate::shell::instance::InstanceSocket;
use crate::shell::link::{Link, LinkTable, Reading, Stream, Subject, Writing, subject, token};
use crate::shell::listener::{Listener, Reserve};
use crate::shell::log::Log;
use crate::shell::notify::Notify;
use crate::shell::signals::Signals;
use crate::shell::state::StateDir;
use crate::shell::stuck::Stuck;
use crate::shell::vault::Vault;
use crate::shell::wait::Waiter;
use crate::shell::watch::Watch;

/// The loop's own descriptors, as [`Subject::Fixed`].
pub(crate) mod fixed {
    /// The signal pipe.
    pub(crate) const SIGNALS: u32 = 0;
    /// The inotify queue.
    pub(crate) const WATCH: u32 = 1;
    /// Stderr, while it refuses bytes.
    pub(crate) const LOG: u32 = 2;
    /// This instance's own socket.
    pub(crate) const INSTANCE: u32 = 3;
    /// Answers of helper threads.
    pub(crate) const HELPERS: u32 = 4;
    /// The inotify queue of the directory of secrets.
    pub(crate) const VAULT: u32 = 5;
    /// The loopback port that the core ordered.
    pub(crate) const LOCAL: u32 = 6;
    /// The inotify queue of the directory of sessions.
    pub(crate) const SESSIONS: u32 = 7;
    /// The first listener; the others follow.
    pub(crate) const LISTENER: u32 = 8;
}

/// The token of one of the loop's own descriptors.
pub(crate) fn fixed_token(number: u32) -> Token {
    token(Subject::Fixed(number))
}

/// What may be read without waiting for another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Link(LinkKey),
    Stderr(ChildKey),
    Listener(usize),
    Local,
    Instance,
}

/// Everything that a running `serve` holds.
pub(crate) struct EventLoop<C> {
    pub(super) poll: Poll,
    pub(super) waiter: Waiter,
    pub(super) core: C,
    pub(super) clock: Clock,
    pub(super) effects: Effects,
    pub(super) links: LinkTable,
    pub(super) children: Children,
    pub(super) dials: Dials,
    pub(super) listeners: Vec<Listener>,
    /// The loopback port that the core ordered.
    pub(super) local: Option<Listener>,
    pub(super) reserve: Reserve,
    pub(super) instance: Option<InstanceSocket>,
    pub(super) stuck: Stuck,
    pub(super) ready: VecDeque<Ready>,
    /// Links that take bytes again, or did not get all of theirs in the last turn.
    pub(super) writable: Vec<LinkKey>,
    /// Links found dead, of which the core does not know yet.
    pub(super) broken: Vec<LinkKey>,
    pub(super) buffer: Box<[u8]>,
    pub(super) log: Log,
    pub(super) signals: Option<Signals>,
    signalled: bool,
    watch: Option<Watch>,
    watch_event: bool,
    configuration: Configuration,
    pub(super) state: StateDir,
    pub(super) vault: Vault,
    pub(super) sessions: Vault,
    /// State was written since we last asked how that went.
    pub(super) state_asked: bool,
    pub(super) spawns: VecDeque<(PoolKey, Box<SpawnSpec>)>,
    /// Before this moment no child is started.
    spawn_from: Tick,
    /// Whoever looks at the core between turns wants to do so then, though nothing may happen.
    pub(super) look_at: Option<Tick>,
    pub(super) notify: Notify,
    pub(super) stopping: bool,
    pub(super) exit: Option<u8>,
}

/// What a loop is made of.
pub(crate) struct Parts<C> {
    pub(crate) poll: Poll,
    pub(crate) core: C,
    pub(crate) clock: Clock,
    pub(crate) children: Children,
    pub(crate) dials: Dials,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) instance: Option<InstanceSocket>,
    pub(crate) log: Log,
    pub(crate) signals: Option<Signals>,
    pub(crate) watch: Option<Watch>,
    pub(crate) configuration: Configuration,
    pub(crate) state: StateDir,
    /// Of secrets, and of sessions.
    pub(crate) vaults: [Vault; 2],
    pub(crate) notify: Notify,
}

impl<C: Core> EventLoop<C> {
    /// A loop that has not run yet. Its listeners and signals are registered already.
    pub(crate) fn new(parts: Parts<C>) -> Self {
        let mut clock = parts.clock;
        let [vault, sessions] = parts.vaults;
        clock.read();
        Self {
            poll: parts.poll,
            waiter: Waiter::default(),
            core: parts.core,
            clock,
            effects: Effects::default(),
            links: LinkTable::default(),
            children: parts.children,
            dials: parts.dials,
            listeners: parts.listeners,
            instance: parts.instance,
            local: None,
            reserve: Reserve::new(),
            stuck: Stuck::default(),
            ready: VecDeque::new(),
            writable: Vec::new(),
            broken: Vec::new(),
            buffer: vec![0; READ_BYTES_PER_TURN_MAX].into_boxed_slice(),
            log: parts.log,
            signals: parts.signals,
            signalled: false,
            watch: parts.watch,
            watch_event: false,
            configuration: parts.configuration,
            state: parts.state,
            vault,
            sessions,
            state_asked: false,
            spawns: VecDeque::new(),
            spawn_from: Tick(0),
            look_at: None,
            notify: parts.notify,
            stopping: false,
            exit: None,
        }
    }

    /// Runs until the core asks for the end, or one SIGTERM too many does; the exit code.
    pub(crate) fn run(&mut self) -> u8 {
        let mut events = Events::with_capacity(256);
        loop {
            if let Some(code) = self.turn(&mut events) {
                return self.leave(code);
            }
        }
    }

    /// One turn: ends what the last one or the start left to do, waits, acts.
    pub(super) fn turn(&mut self, events: &mut Events) -> Option<u8> {
        self.finish_turn();
        if self.exit.is_some() {
            return self.exit;
        }
        let time = self.timeout();
        match self.waiter.wait(&mut self.poll, events, time) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => {
                let line = format!("cannot wait for events: {error}");
                self.log.line(Level::Error, &line);
                return Some(1);
            }
        }
        self.clock.read();
        for event in events.iter() {
            self.note(event);
        }
        self.act();
        None
    }

    /// How long nothing but an event can give us work. Counted from the beginning of this turn,
    /// so a deadline may be kept late by as long as the turn was.
    fn timeout(&self) -> Option<Duration> {
        let now = self.clock.tick();
        let spawn = (!self.spawns.is_empty()).then_some(self.spawn_from);
        if !self.ready.is_empty()
            || !self.writable.is_empty()
            || spawn.is_some_and(|from| from <= now)
        {
            return Some(Duration::ZERO);
        }
        let watch = self.watch.as_ref().and_then(Watch::deadline);
        let (core, dials) = (self.core.next_deadline(), self.dials.deadline());
        let (vault, sessions) = (self.vault.deadline(), self.sessions.deadline());
        let own = [spawn, self.look_at, self.stuck.deadline()];
        let deadline = [core, dials, watch, vault, sessions]
            .into_iter()
            .chain(own)
            .flatten()
            .min()?;
        // At least a millisecond: an owner of deadlines that lets one stand in the past must not
        // make us spin.
        let wait = deadline.since(now).max(1);
        Some(Duration::from_millis(wait))
    }

    /// Notes what an event says. Acts on nothing yet: what is done for one event may be the end of
    /// what the next one is about.
    fn note(&mut self, event: &Event) {
        match subject(event.token()) {
            Subject::Link(key) => self.note_link(LinkKey(key), event),
            Subject::LinkOutput(key) => self.note_output(LinkKey(key), event),
            Subject::Stderr(key) => self.ready.push_back(Ready::Stderr(ChildKey(key))),
            Subject::Dial(key) => self.dials.note(DialKey(key)),
            Subject::Fixed(fixed::SIGNALS) => self.signalled = true,
            Subject::Fixed(fixed::WATCH) => self.watch_event = true,
            // The log is flushed at the end of every turn anyway, and answers are looked for then.
            Subject::Fixed(fixed::LOG | fixed::HELPERS) => {}
            Subject::Fixed(fixed::VAULT) => self.vault.note(),
            Subject::Fixed(fixed::SESSIONS) => self.sessions.note(),
            Subject::Fixed(fixed::INSTANCE) => self.ready.push_back(Ready::Instance),
            Subject::Fixed(fixed::LOCAL) => self.ready.push_back(Ready::Local),
            Subject::Fixed(number) => {
                let index = number.saturating_sub(fixed::LISTENER) as usize;
                self.ready.push_back(Ready::Listener(index));
            }
        }
    }

    fn note_link(&mut self, key: LinkKey, event: &Event) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let closed = event.is_read_closed() || event.is_error();
        link.hung_up |= closed;
        let waits = link.writing == Writing::Blocked || link.holds();
        if waits && (event.is_writable() || event.is_error()) {
            self.writable.push(key);
        }
        if event.is_readable() || closed {
            self.queue_link(key);
        }
    }

    fn note_output(&mut self, key: LinkKey, event: &Event) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let gone = event.is_error() || event.is_write_closed();
        match link.stream {
            // Whoever read our stdout is gone: the client is gone.
            Stream::Stdio { .. } if gone => self.broken.push(key),
            Stream::Stdio { .. }
            | Stream::Child { .. }
            | Stream::Socket(_)
            | Stream::Dialed(_)
            | Stream::Tls(_)
            | Stream::Local(_) => {
                if link.writing == Writing::Blocked {
                    self.writable.push(key);
                }
            }
        }
    }

    /// Acts on what was noted.
    fn act(&mut self) {
        if std::mem::take(&mut self.signalled) {
            self.act_on_signals();
        }
        self.ready.extend(self.stuck.take_due(self.clock.tick()));
        self.read_ready();
        self.act_on_watch();
        self.act_on_dials();
        self.act_on_vault();
        let due = self.core.next_deadline();
        if due.is_some_and(|at| at <= self.clock.tick()) {
            self.dispatch(Input::Tick);
        }
    }

    fn act_on_watch(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        let now = self.clock.tick();
        if std::mem::take(&mut self.watch_event) {
            watch.on_event(now);
        }
        if watch.poll(now) {
            self.reload();
        }
    }

    pub(super) fn reload(&mut self) {
        if self.stopping {
            return;
        }
        match self.configuration.load() {
            Ok(Loaded::Unchanged) => {}
            Ok(Loaded::Missing) => {
                let file = self.configuration.file().display();
                let line = format!("{file} is gone; what it said last stays in force");
                self.log.line(Level::Warn, &line);
            }
            Ok(Loaded::New(config)) => {
                self.log.line(Level::Info, "configuration read again");
                self.configure(config);
            }
            Err(line) => {
                let line = format!("{line}; the old configuration stays in force");
                self.log.line(Level::Error, &line);
            }
        }
    }

    /// Passes a configuration on, and says what is wrong with parts of it.
    pub(crate) fn configure(&mut self, config: Box<onemcp::config::Config>) {
        self.clock.read();
        for line in self.configuration.complaints() {
            self.log.line(Level::Error, &line);
        }
        self.dispatch(Input::Config(config));
    }

    /// Starts no child for a while: a client that waited for our port to open gets its first
    /// answer before we wait for programs to be loaded.
    pub(crate) fn hold_spawns(&mut self, ms: u64) {
        self.spawn_from = self.clock.tick().after(ms);
    }

    /// Our own stdin and stdout become a link.
    pub(crate) fn open_stdio(&mut self, stream: Stream) {
        let key = self.open_link(stream);
        self.dispatch(Input::Stdio { link: key });
        let is_always_ready = matches!(
            self.links.get(key),
            Some(Link { stream: Stream::Stdio { input, .. }, .. }) if input.is_always_ready()
        );
        if is_always_ready {
            self.queue_link(key);
        }
    }

    /// Takes a stream into the table. A stream that the kernel gives no events for is dead.
    pub(super) fn open_link(&mut self, stream: Stream) -> LinkKey {
        let key = self.links.insert(Link::new(stream));
        let registered = match self.links.get_mut(key) {
            Some(link) => link.register(self.poll.registry(), key),
            None => Ok(()),
        };
        if registered.is_err() {
            self.broken.push(key);
        }
        key
    }

    /// Puts a link on the ready queue as if an event had come.
    pub(super) fn queue_link(&mut self, key: LinkKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        match link.reading {
            Reading::Waiting => {
                link.reading = Reading::Queued;
                self.ready.push_back(Ready::Link(key));
            }
            Reading::Paused(_) => link.reading = Reading::Paused(true),
            Reading::Queued | Reading::Ended => {}
        }
    }

    /// Gives one input to the core and does what it orders.
    pub(super) fn dispatch(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        self.core.handle(now, input, &mut self.effects);
        self.obey();
    }

    /// Closes a link; `false` if it was closed before. Its key is never valid again, so an event
    /// that was fetched for it already reaches nobody.
    pub(super) fn close_link(&mut self, key: LinkKey) -> bool {
        let Some(mut link) = self.links.remove(key) else {
            return false;
        };
        link.leave(self.poll.registry());
        if matches!(link.stream, Stream::Child { .. }) {
            self.children.link_closed(key);
        }
        drop(link);
        self.ready.extend(self.stuck.take());
        true
    }

    /// The end of a turn: everything is written, one child is started, the log goes out.
    fn finish_turn(&mut self) {
        self.flush();
        if self.exit.is_none() && self.spawn_next() {
            self.flush();
        }
        for warning in self.children.warnings() {
            self.log.line(Level::Warn, &warning);
        }
        if std::mem::take(&mut self.state_asked) && self.log.wants(Level::Debug) {
            for complaint in self.state.complaints() {
                self.log.line(Level::Debug, &complaint);
            }
        }
        self.log
            .flush(self.poll.registry(), fixed_token(fixed::LOG));
    }

    /// Starts at most one child: each start blocks until the program runs or fails to.
    fn spawn_next(&mut self) -> bool {
        if self.clock.tick() < self.spawn_from {
            return false;
        }
        let Some((pool, spec)) = self.spawns.pop_front() else {
            return false;
        };
        let spawned = self.children.spawn(self.poll.registry(), pool, &spec);
        self.clock.read();
        match spawned {
            Ok(spawned) => {
                let link = self.open_link(spawned.stream);
                self.children.set_link(spawned.child, link);
                let pid = spawned.pid;
                self.dispatch(Input::Spawned { pool, link, pid });
            }
            Err(why) => self.dispatch(Input::SpawnFailed { pool, why }),
        }
        true
    }

    /// Whether a signal asked us to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    pub(super) fn leave(&mut self, code: u8) -> u8 {
        self.instance = None;
        self.children.finish();
        self.vault.finish(Duration::from_millis(EXIT_STATE_MS_MAX));
        self.sessions
            .finish(Duration::from_millis(EXIT_STATE_MS_MAX));
        self.state.finish(Duration::from_millis(EXIT_STATE_MS_MAX));
        self.log.flush_last(EXIT_LOG_MS_MAX);
        code
    }
}

#[cfg(test)]
#[path = "event_loop_tests.rs"]
mod tests;
