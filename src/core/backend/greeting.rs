//! The handshake with one run of a server, in whichever era it lives: what is asked first, for how
//! long an answer is awaited, what is asked then (protocol F1, F3). Bytes in, bytes out; knows no
//! process.
//!
//! ```text
//!            DiscoverResult, late or not
//!   Asking ------------------------------> Hello
//!     |  any other answer, or too long       ^
//!     v                                      | result
//!   Initializing ----------------------------+
//! ```
//!
//! `initialize` follows only when the question for the era has failed: a server without sessions
//! would take it for a mistake of ours, and one with sessions expects it to be the first thing it
//! hears. So the two are never sent at once. Giving the question up does no harm either way: its
//! answer may still come, and counts as long as `initialize` is not answered. That is what a
//! server does that takes long to start, for it reads both at once.

use crate::backend::handshake::{Answer, Handshake, INITIALIZE_ID};
use crate::backend::listen::Lists;
use crate::backend::probe::{self, DISCOVER_ID, Verdict};
use crate::base::mark::Mark;
use crate::json::envelope::{Envelope, Kind};
use crate::language::{Hello, PoolSpec};
use crate::limits::{PROBE_MS, PROBE_SILENT_MS};
use crate::mcp::version::Era;
use crate::now::Tick;

/// What follows.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing.
    Wait,
    /// A message to the server.
    Send(Vec<u8>),
    /// It speaks with us, in the era that its revision belongs to.
    Hello(Hello, Lists),
    /// It cannot be spoken with; the reason.
    Refused(String),
}

/// How far the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `server/discover` was sent, and nothing else; `spoke`: when it first wrote anything.
    Asking { since: Tick, spoke: Option<Tick> },
    /// `initialize` was sent.
    Initializing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Greeting {
    era: Era,
    stage: Stage,
    /// `server/discover` was sent and is not answered.
    unanswered: bool,
    /// `server/discover` was sent twice.
    again: bool,
    /// Why `initialize` was refused, if that came first: there is nothing else left to try.
    refused: Option<String>,
    initialize: Handshake,
    /// It began with `initialize` although its era is not configured.
    initialize_first: bool,
    connect_ms: u64,
    /// When it is too late for anything.
    until: Tick,
}

impl Greeting {
    /// A handshake that has not begun. `initialize_first`: the server cannot be asked for its era.
    pub(super) fn new(spec: &PoolSpec, initialize_first: bool) -> Self {
        Self {
            era: spec.era,
            stage: Stage::Initializing,
            unanswered: false,
            again: false,
            refused: None,
            initialize: Handshake::default(),
            initialize_first: initialize_first && spec.era == Era::Auto,
            connect_ms: spec.connect_ms,
            until: Tick::default(),
        }
    }

    /// What is sent first. `until`: when the handshake has to be done.
    pub(super) fn begin(
        &mut self,
        (now, until): (Tick, Tick),
        spec: &PoolSpec,
        our_version: &str,
    ) -> Vec<u8> {
        self.until = until;
        if self.era == Era::Legacy || self.initialize_first {
            self.initialize(spec, our_version)
        } else {
            self.ask(now, our_version)
        }
    }

    fn initialize(&mut self, spec: &PoolSpec, our_version: &str) -> Vec<u8> {
        self.stage = Stage::Initializing;
        self.initialize.request(spec.declare, our_version)
    }

    fn ask(&mut self, now: Tick, our_version: &str) -> Vec<u8> {
        let (since, spoke) = (now, None);
        self.stage = Stage::Asking { since, spoke };
        self.unanswered = true;
        probe::request(our_version)
    }

    /// Whether all that the server may have read is the question for its era: if it dies or hangs
    /// now, it may be because of that. That `initialize` was sent says nothing: both wait for a
    /// server that takes long to start.
    pub(super) fn only_asked(&self) -> bool {
        self.unanswered && self.era == Era::Auto && self.refused.is_none()
    }

    /// It wrote something, be it to its stderr: it runs, and takes no longer to start.
    pub(super) fn spoke(&mut self, now: Tick) {
        if let Stage::Asking { spoke, .. } = &mut self.stage {
            spoke.get_or_insert(now);
        }
    }

    /// When [`Greeting::alarm`] is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let Stage::Asking { since, spoke } = self.stage else {
            return None;
        };
        if self.era == Era::Modern {
            return Some(self.until);
        }
        let silent = since.after(PROBE_SILENT_MS.min(self.connect_ms / 2));
        let spoken = spoke.map_or(silent, |spoke| spoke.after(PROBE_MS));
        Some(silent.min(spoken))
    }

    /// The question for its era was not answered in time.
    pub(super) fn alarm(&mut self, spec: &PoolSpec, our_version: &str) -> Next {
        Mark::ProbeTimesOut.hit();
        if self.era == Era::Modern {
            let why = "did not answer server/discover; its entry says \"era\": \"modern\"";
            return Next::Refused(why.to_owned());
        }
        self.no_answer(spec, our_version)
    }

    fn no_answer(&mut self, spec: &PoolSpec, our_version: &str) -> Next {
        match self.refused.take() {
            Some(why) => Next::Refused(why),
            None => Next::Send(self.initialize(spec, our_version)),
        }
    }

    /// Whether what is sent next, or was sent last, is the question for its era.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Asking { .. })
    }

    /// The question for its era was answered by something that is no message (over HTTP: a status).
    pub(super) fn unanswered(&mut self, spec: &PoolSpec, our_version: &str) -> Next {
        self.unanswered = false;
        if !self.is_asking() {
            return Next::Wait;
        }
        if self.era == Era::Modern {
            let why = "does not know server/discover; its entry says \"era\": \"modern\"";
            return Next::Refused(why.to_owned());
        }
        self.no_answer(spec, our_version)
    }

    /// Whether `initialize` was sent on the strength of an earlier handshake.
    pub(super) fn can_ask(&self) -> bool {
        self.initialize_first
    }

    /// That was a mistake: `initialize` was answered by something that is no message.
    pub(super) fn ask_after_all(&mut self, why: String, now: Tick, our_version: &str) -> Next {
        Mark::ProbeAfterInitialize.hit();
        self.initialize_first = false;
        self.refused = Some(why);
        Next::Send(self.ask(now, our_version))
    }

    /// A response of the server.
    pub(super) fn hear(
        &mut self,
        now: Tick,
        (text, envelope): (&[u8], &Envelope),
        spec: &PoolSpec,
        our_version: &str,
    ) -> Next {
        let id = envelope.id.map(|id| id.of(text));
        let discovered = id == Some(DISCOVER_ID);
        // An error without id means the first request that is not answered, in whatever order.
        let of_nothing = id.is_none() && envelope.kind == Kind::Error;
        if self.unanswered && (discovered || of_nothing) {
            self.unanswered = false;
            return self.discovered(now, text, envelope, spec, our_version);
        }
        let awaited = self.stage == Stage::Initializing;
        if awaited && (id == Some(INITIALIZE_ID) || of_nothing) {
            return self.initialized(now, text, envelope, spec, our_version);
        }
        Next::Wait
    }

    fn discovered(
        &mut self,
        now: Tick,
        text: &[u8],
        envelope: &Envelope,
        spec: &PoolSpec,
        our_version: &str,
    ) -> Next {
        let late = self.stage == Stage::Initializing;
        if late {
            Mark::ProbeAnsweredLate.hit();
        }
        match probe::verdict(text, envelope) {
            Verdict::Modern(hello, lists) => Next::Hello(hello, lists),
            Verdict::Again if !self.again && !late => {
                self.again = true;
                Next::Send(self.ask(now, our_version))
            }
            Verdict::Unknown(why) if !late => Next::Refused(why),
            Verdict::Again | Verdict::Legacy | Verdict::Unknown(_) if late => Next::Wait,
            Verdict::Again | Verdict::Legacy | Verdict::Unknown(_) if self.era == Era::Modern => {
                Next::Refused(probe::not_modern(text, envelope))
            }
            Verdict::Again | Verdict::Legacy | Verdict::Unknown(_) => {
                self.no_answer(spec, our_version)
            }
        }
    }

    fn initialized(
        &mut self,
        now: Tick,
        text: &[u8],
        envelope: &Envelope,
        spec: &PoolSpec,
        our_version: &str,
    ) -> Next {
        match self.initialize.answer(text, envelope) {
            Answer::Hello(hello) => {
                let initialize_first = self.unanswered || self.initialize_first;
                let hello = Hello {
                    initialize_first,
                    ..hello
                };
                Next::Hello(hello, Lists::default())
            }
            Answer::Again => Next::Send(self.initialize(spec, our_version)),
            // It is no more what it was when it could not be asked.
            Answer::Refused(why) if self.initialize_first => {
                Mark::ProbeAfterInitialize.hit();
                self.initialize_first = false;
                self.refused = Some(why);
                Next::Send(self.ask(now, our_version))
            }
            Answer::Refused(why) => Next::Refused(why),
        }
    }
}
