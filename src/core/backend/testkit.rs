//! What the tests of this room share: a world without a shell, and a server's specification.

use std::ffi::OsString;

use crate::base::timers::Timers;
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, Effects, Level, SpawnSpec};
use crate::entropy::Entropy;
use crate::language::{Carrier, PoolSpec};
use crate::limits::{BACKOFF_MS_MIN, CONNECT_STDIO_MS};
use crate::links::Links;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::version::Era;
use crate::now::{Now, Tick};
use crate::tally::{Slot, Tally};

/// A server named `files` with the usual settings.
pub(super) fn spec() -> PoolSpec {
    PoolSpec {
        name: "files".into(),
        slot: Slot::NONE,
        carrier: Carrier::Child(SpawnSpec {
            program: OsString::from("server-files"),
            ..SpawnSpec::default()
        }),
        declare: ClientCapabilities::default(),
        era: Era::Legacy,
        initialize_first: false,
        connect_ms: CONNECT_STDIO_MS,
        restart: true,
        restarts_max: 0,
        restart_delay_ms: BACKOFF_MS_MIN,
    }
}

/// Everything that a [`Cx`] points to.
pub(super) struct World {
    pub(super) now: Now,
    pub(super) links: Links,
    pub(super) timers: Timers<Alarm>,
    pub(super) effects: Effects,
    pub(super) log_level: Level,
    entropy: Entropy,
    tally: Tally,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: Now {
                tick: Tick(1_000_000),
                ..Now::default()
            },
            links: Links::default(),
            timers: Timers::default(),
            effects: Effects::default(),
            log_level: Level::Info,
            entropy: Entropy::new(&[9; 32]),
            tally: Tally::default(),
        }
    }
}

impl World {
    pub(super) fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now,
            log_level: self.log_level,
            links: &mut self.links,
            timers: &mut self.timers,
            effects: &mut self.effects,
            entropy: &mut self.entropy,
            tally: &mut self.tally,
        }
    }

    /// Lets time pass; rings nothing.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now.tick = self.now.tick.after(ms);
    }

    /// Takes all orders out.
    pub(super) fn orders(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.effects.pop()).collect()
    }

    /// Takes all orders out, and tells the lines of the log among them.
    pub(super) fn log_lines(&mut self) -> Vec<String> {
        let line = |order| match order {
            Effect::Log { line, .. } => Some(line),
            _ => None,
        };
        self.orders().into_iter().filter_map(line).collect()
    }
}
