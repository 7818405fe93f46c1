//! Bounds of what outlives a restart, and of the way out.

/// Ended sessions that are kept on disk so that none of them comes back; the oldest make room.
pub const ENDED_SESSIONS_MAX: usize = 10_000;
/// How long calls that run are still answered after SIGTERM, over HTTP; then they fail clearly.
/// Docker kills ten seconds after it.
pub const STOP_ANSWER_MS: u64 = 5_000;
/// How long requests on open connections are still served after SIGTERM; then they get 503. Also
/// how long a connection without a request is kept after its last answer: closed at once, it would
/// lose the request that its client is just writing, without a word.
pub const STOP_LAST_CALL_MS: u64 = 250;
/// Sockets that whoever starts us may pass on (`LISTEN_FDS`); more of them are a mistake, and the
/// start fails.
pub const PASSED_SOCKETS_MAX: usize = 16;

const _: () = assert!(STOP_LAST_CALL_MS < STOP_ANSWER_MS);
