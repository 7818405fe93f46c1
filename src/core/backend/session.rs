//! One session with one server: binds the life of it, the child that carries it and the dialect
//! that is spoken on it. Passes events between them; each of the three decides for itself.

use std::rc::Rc;

use crate::backend::backoff::Backoff;
use crate::backend::child::{Child, ChildEvent, News};
use crate::backend::greeting::Greeting;
use crate::backend::lifecycle::{After, Closing, Event, Order, Phase, Policy};
use crate::backend::listen::Listening;
use crate::backend::stderr::Stderr;
use crate::backend::stdio::Stdout;
use crate::backend::words::{quoted, span};
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, Level};
use crate::input::ExitStatus;
use crate::language::{Carrier, Hello, PoolKey, PoolSpec};
use crate::now::Tick;

/// What the table of sessions has to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Tell the hall that it serves.
    Ready,
    /// Tell the hall that it is down.
    Down,
    /// Tell the hall that it is over, and free the key.
    Ended,
    /// Let it wait for its turn to start.
    Queue,
}

/// See the module.
pub(super) struct Session {
    pub(super) spec: PoolSpec,
    /// Our own version, for the handshake.
    pub(super) our_version: Rc<str>,
    pub(super) phase: Phase,
    pub(super) child: Child,
    pub(super) stdout: Stdout,
    pub(super) stderr: Stderr,
    pub(super) greeting: Greeting,
    /// The server cannot be asked for its era, as far as is known.
    pub(super) initialize_first: bool,
    /// The last child died, or said nothing more, when it was asked: the next one is not.
    ask_not: bool,
    /// The last run that came up had answered the question.
    pub(super) answered: bool,
    /// One such death is forgiven; a server that just does not come up has to wait.
    forgiven: bool,
    /// What the hall wants to hear of, if the server has no sessions.
    pub(super) watched: Vec<Rc<str>>,
    /// The stream of changes of a server without sessions, while it serves. That it is there means
    /// that such a server speaks.
    pub(super) listening: Option<Box<Listening>>,
    /// What the server said last time; stays while it is down.
    pub(super) hello: Option<Hello>,
    backoff: Backoff,
    /// When the present child was ordered.
    began: Tick,
    /// How many children were ordered.
    pub(super) runs: u32,
    pub(super) last_error: Option<String>,
}

impl Session {
    /// Waits for its turn.
    pub(super) fn new(spec: PoolSpec, our_version: Rc<str>) -> Self {
        Self {
            backoff: Backoff::new(&spec),
            greeting: Greeting::new(&spec, false),
            initialize_first: spec.initialize_first,
            ask_not: false,
            answered: false,
            forgiven: false,
            watched: Vec::new(),
            listening: None,
            spec,
            our_version,
            phase: Phase::Queued,
            child: Child::default(),
            stdout: Stdout::default(),
            stderr: Stderr::default(),
            hello: None,
            began: Tick::default(),
            runs: 0,
            last_error: None,
        }
    }

    /// The same server by other rules; strikes are counted anew.
    pub(super) fn update(&mut self, spec: PoolSpec) {
        self.backoff = Backoff::new(&spec);
        self.forgiven = false;
        self.spec = spec;
    }

    // --- what happens ---

    /// Something happened to its life.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>, me: PoolKey, event: Event) -> Option<Report> {
        let phase = std::mem::replace(&mut self.phase, Phase::Gone);
        let asked = matches!(phase, Phase::Handshaking { .. }) && self.greeting.only_asked();
        let asked = asked && !self.answered_before(&event);
        let only_asked = asked && matches!(event, Event::Lost(_));
        let mut policy = Policy {
            connect_ms: self.spec.connect_ms,
            only_asked: only_asked && !self.forgiven,
            backoff: &mut self.backoff,
            entropy: cx.entropy,
        };
        let (phase, order) = phase.on(cx.now.tick, event, &mut policy);
        self.phase = phase;
        self.ask_not |= asked && matches!(self.phase, Phase::Closing(_));
        if only_asked && !std::mem::replace(&mut self.forgiven, true) {
            let name = &self.spec.name;
            cx.log(Level::Info, || {
                format!("server={name} ended when asked for its era, started again without asking")
            });
        }
        match order {
            // No child asks for tokens.
            Order::Nothing | Order::Await => None,
            Order::Greet => {
                self.greet(cx);
                None
            }
            Order::Open => {
                self.open(cx, me);
                None
            }
            Order::Close(pace) => self.child_step(cx, me, ChildEvent::Stop(pace)),
            Order::Ready => Some(self.ready(cx)),
            Order::Down => Some(self.down(cx)),
            Order::Ended => {
                let name = &self.spec.name;
                cx.log(Level::Info, || format!("server={name} stopped"));
                Some(Report::Ended)
            }
            Order::Queue => Some(Report::Queue),
        }
    }

    /// Who has answered the question in the run before dies of something else, the first time.
    fn answered_before(&mut self, event: &Event) -> bool {
        matches!(event, Event::Lost(_)) && std::mem::take(&mut self.answered)
    }

    /// Something happened to its child.
    pub(super) fn child_step(
        &mut self,
        cx: &mut Cx<'_>,
        me: PoolKey,
        event: ChildEvent,
    ) -> Option<Report> {
        let (child, act, news) = self.child.on(cx.now.tick, event);
        self.child = child;
        act.perform(cx, me);
        let ran_ms = cx.now.tick.since(self.began);
        match news {
            News::Nothing => None,
            News::Opened => self.step(cx, me, Event::Opened),
            News::Mute => {
                let why = format!("closed its output after {}", span(ran_ms));
                self.step(cx, me, Event::Lost(why))
            }
            News::Died(status) => self.step(cx, me, Event::Lost(obituary(status, ran_ms))),
            News::Closed(died) => {
                if let Some(status) = died {
                    self.step(cx, me, Event::Lost(obituary(status, ran_ms)));
                }
                let last_words = self.end_run(cx);
                if let Phase::Closing(Closing {
                    after: After::Again,
                    ..
                }) = self.phase
                {
                    // It is as if it had never been asked.
                    self.stderr = Stderr::default();
                    self.runs = self.runs.saturating_sub(1);
                }
                self.step(cx, me, Event::Closed(last_words))
            }
            News::Stuck => self.step(cx, me, Event::Stuck),
        }
    }

    /// The shell could not start the child.
    pub(super) fn spawn_failed(
        &mut self,
        cx: &mut Cx<'_>,
        me: PoolKey,
        why: String,
    ) -> Option<Report> {
        if !matches!(self.child, Child::Spawning { .. }) {
            return None;
        }
        let (child, act, _) = self.child.on(cx.now.tick, ChildEvent::SpawnFailed);
        self.child = child;
        act.perform(cx, me);
        self.step(cx, me, Event::Unopened(why))
    }

    /// Its alarm rang.
    pub(super) fn alarm(&mut self, cx: &mut Cx<'_>, me: PoolKey) -> Option<Report> {
        let due = |at: Option<Tick>| at.is_some_and(|at| at <= cx.now.tick);
        if due(self.child.deadline()) {
            self.child_step(cx, me, ChildEvent::Alarm)
        } else if due(self.asking_until()) {
            self.probe_alarm(cx, me)
        } else if due(self.phase.deadline()) {
            self.step(cx, me, Event::Alarm)
        } else {
            None
        }
    }

    /// Until when the question for its era may be answered.
    fn asking_until(&self) -> Option<Tick> {
        let asking = matches!(self.phase, Phase::Handshaking { .. });
        self.greeting.deadline().filter(|_| asking)
    }

    /// Sets the alarm to the earliest of its reasons.
    pub(super) fn set_alarm(&self, cx: &mut Cx<'_>, me: PoolKey) {
        let deadlines = [
            self.child.deadline(),
            self.phase.deadline(),
            self.asking_until(),
            self.listening_until(),
        ];
        match deadlines.into_iter().flatten().min() {
            Some(at) => cx.timers.set(Alarm::Pool(me), at),
            None => cx.timers.clear(Alarm::Pool(me)),
        }
    }

    /// The child wrote to stderr.
    pub(super) fn stderr(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        self.greeting.spoke(cx.now.tick);
        self.stderr.push(cx, &self.spec.name, bytes);
    }

    // --- orders of its life ---

    fn open(&mut self, cx: &mut Cx<'_>, me: PoolKey) {
        self.began = cx.now.tick;
        if self.runs > 0 {
            cx.tally.restarted(self.spec.slot);
        }
        self.runs = self.runs.saturating_add(1);
        self.stdout = Stdout::default();
        let initialize_first = self.initialize_first || std::mem::take(&mut self.ask_not);
        self.greeting = Greeting::new(&self.spec, initialize_first);
        self.listening = None;
        let (child, _, _) = self.child.on(cx.now.tick, ChildEvent::Spawn);
        self.child = child;
        if let Carrier::Child(spawn) = &self.spec.carrier {
            cx.effects.push(Effect::Spawn {
                pool: me,
                spec: Box::new(spawn.clone()),
            });
        }
    }

    fn ready(&self, cx: &mut Cx<'_>) -> Report {
        let (name, ms) = (&self.spec.name, cx.now.tick.since(self.began));
        cx.log(Level::Info, || format!("server={name} ready in={ms}ms"));
        Report::Ready
    }

    fn down(&mut self, cx: &mut Cx<'_>) -> Report {
        if let Some(why) = note_down(cx, &self.spec.name, &self.phase) {
            self.last_error = Some(why.to_owned());
        }
        Report::Down
    }

    /// Nothing of the child is left.
    fn end_run(&mut self, cx: &mut Cx<'_>) -> Option<String> {
        let name = &self.spec.name;
        let skipped = self.stdout.skipped();
        if skipped > 1 {
            cx.log(Level::Info, || {
                format!("server={name} had {skipped} lines on stdout that were no messages")
            });
        }
        self.stderr.end_run(cx, name).map(str::to_owned)
    }
}

/// Logs that a session is down, and tells why.
pub(super) fn note_down<'a>(cx: &mut Cx<'_>, name: &str, phase: &'a Phase) -> Option<&'a str> {
    match phase {
        Phase::Backoff { until, why } => {
            let pause = span(until.since(cx.now.tick));
            cx.log(Level::Warn, || {
                format!("server={name} down why={} next try in={pause}", quoted(why))
            });
            Some(why)
        }
        Phase::Failed { why } => {
            cx.log(Level::Error, || {
                format!("server={name} failed why={}", quoted(why))
            });
            Some(why)
        }
        Phase::Queued
        | Phase::Opening { .. }
        | Phase::Handshaking { .. }
        | Phase::Ready { .. }
        | Phase::Closing(_)
        | Phase::Leaving
        | Phase::Awaiting { .. }
        | Phase::Gone => None,
    }
}

fn obituary(status: ExitStatus, ran_ms: u64) -> String {
    let after = span(ran_ms);
    match status {
        ExitStatus::Code(_) => format!("exited with {status} after {after}"),
        ExitStatus::Signal(_) => format!("was killed by {status} after {after}"),
    }
}
