//! What can be said of one session at this moment, for errors, `/health` and `mcp status`. Reads
//! only.

use crate::backend::lifecycle::{Closing, Phase};
use crate::backend::session::Session;
use crate::backend::stderr::Stderr;
use crate::language::PoolState;
use crate::now::{Now, Tick};

/// Figures and texts of one session.
pub struct Facts<'a> {
    /// The process, while there is one.
    pub pid: Option<u32>,
    /// Since when it serves.
    pub ready_since: Option<Tick>,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it was down last.
    pub last_error: Option<&'a str>,
    stderr: &'a Stderr,
}

impl<'a> Facts<'a> {
    /// The last lines of its stderr, oldest first, fit to be shown.
    pub fn stderr(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.stderr.lines()
    }
}

impl Session {
    /// Everything known about it.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            pid: self.child.pid(),
            ready_since: match self.phase {
                Phase::Ready { since } => Some(since),
                Phase::Queued
                | Phase::Opening { .. }
                | Phase::Handshaking { .. }
                | Phase::Closing(_)
                | Phase::Leaving
                | Phase::Backoff { .. }
                | Phase::Failed { .. }
                | Phase::Gone => None,
            },
            restarts: self.runs.saturating_sub(1),
            last_error: self.last_error.as_deref(),
            stderr: &self.stderr,
        }
    }

    /// How it is doing.
    pub(super) fn state(&self, now: Now) -> PoolState {
        match &self.phase {
            Phase::Queued | Phase::Opening { .. } | Phase::Handshaking { .. } => {
                PoolState::Starting
            }
            Phase::Ready { .. } => PoolState::Ready,
            Phase::Closing(Closing { again: true, .. }) => PoolState::Starting,
            // The pause is not decided before the end is complete.
            Phase::Closing(Closing { why, .. }) => PoolState::Restarting {
                in_ms: 0,
                why: why.clone(),
            },
            Phase::Backoff { until, why } => PoolState::Restarting {
                in_ms: until.since(now.tick),
                why: why.clone(),
            },
            Phase::Failed { why } => PoolState::Failed { why: why.clone() },
            Phase::Leaving | Phase::Gone => PoolState::Stopping,
        }
    }
}
