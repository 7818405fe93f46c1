//! What can be said of one session at this moment, for errors, `/health` and `mcp status`. Reads
//! only.

use crate::backend::lifecycle::{After, Closing, Phase};
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
    pub(super) stderr: Option<&'a Stderr>,
}

impl<'a> Facts<'a> {
    /// The last lines of its stderr, oldest first, fit to be shown.
    pub fn stderr(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.stderr.into_iter().flat_map(Stderr::lines)
    }
}

impl Session {
    /// Everything known about it.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            pid: self.child.pid(),
            ready_since: self.phase.ready_since(),
            restarts: self.runs.saturating_sub(1),
            last_error: self.last_error.as_deref(),
            stderr: Some(&self.stderr),
        }
    }
}

impl Phase {
    /// Since when it serves.
    pub(super) const fn ready_since(&self) -> Option<Tick> {
        match self {
            Self::Ready { since } => Some(*since),
            Self::Queued
            | Self::Opening { .. }
            | Self::Handshaking { .. }
            | Self::Closing(_)
            | Self::Leaving
            | Self::Awaiting { .. }
            | Self::Backoff { .. }
            | Self::Failed { .. }
            | Self::Gone => None,
        }
    }

    /// How a session in this phase is doing.
    pub(super) fn state(&self, now: Now) -> PoolState {
        match self {
            // While nobody says that it needs its owner, a token may come at any moment.
            Self::Queued
            | Self::Opening { .. }
            | Self::Handshaking { .. }
            | Self::Awaiting { .. } => PoolState::Starting,
            Self::Ready { .. } => PoolState::Ready,
            Self::Closing(Closing {
                after: After::Again,
                ..
            }) => PoolState::Starting,
            // The pause is not decided before the end is complete.
            Self::Closing(Closing { why, .. }) => PoolState::Restarting {
                in_ms: 0,
                why: why.clone(),
            },
            Self::Backoff { until, why } => PoolState::Restarting {
                in_ms: until.since(now.tick),
                why: why.clone(),
            },
            Self::Failed { why } => PoolState::Failed { why: why.clone() },
            Self::Leaving | Self::Gone => PoolState::Stopping,
        }
    }
}
