//! Bounds of what outlives a restart, and of the way out.

/// Ended sessions that are kept on disk so that none of them comes back; the oldest make room.
pub const ENDED_SESSIONS_MAX: usize = 10_000;
/// How long calls that run are still answered after SIGTERM, over HTTP; then they fail clearly.
/// Docker kills ten seconds after it.
pub const STOP_ANSWER_MS: u64 = 5_000;
