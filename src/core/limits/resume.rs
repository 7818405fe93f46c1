//! Bounds of what outlives a restart, and of the way out.

/// Ranges of ended sessions, unused ones, and sessions of other runs, that the record of sessions
/// holds. Runs of which no session is in use make room, then those whose sessions are unused for
/// longest: sessions of theirs are judged by their age alone.
pub const ENDED_SESSIONS_MAX: usize = 20_000;
/// Runs of this program that the record of sessions tells of; more as above.
pub const SESSION_BOOTS_MAX: usize = 64;
/// Keys that names of sessions are sealed with: one each for processes that began at the same
/// moment. Sessions under further ones end with their process.
pub const SESSION_KEYS_MAX: usize = 16;
/// How often the record says that a process with sessions is alive, or four times per
/// `--session-ttl` if that is more often (never more than once a minute). After `kill -9` an unused
/// session lasts longer by twice as much at most: one that was used since so long is not told of.
pub const SESSION_ALIVE_MS: u64 = 3_600_000;
/// How soon it says that a session is used again, or is used by a process that has not opened it.
pub const SESSION_NEWS_MS: u64 = 5_000;
/// How long the answer to a DELETE waits for the disk. Then it is given anyway: here the session is
/// over, only a crash within the next moments could bring it back.
pub const SESSION_END_MS_MAX: u64 = 2_000;
/// How long the record of sessions is left alone after it could not be written; twice as long each
/// time, up to [`SESSION_ALIVE_MS`]. Then what is missing is written without being asked for.
pub const SESSION_RETRY_MS: u64 = 60_000;
/// Streams and events of a session that was opened by another run are numbered from here on: none
/// that its client knows from there is so large.
pub const FOREIGN_NUMBERS_MIN: u32 = 1 << 30;
/// How long calls that run are still answered after SIGTERM, over HTTP; then they fail clearly.
/// Docker kills ten seconds after it.
pub const STOP_ANSWER_MS: u64 = 5_000;
/// How long requests on open connections are still served after SIGTERM; then they get 503. Also
/// how long a connection is kept after its last request: who calls again and again is told that
/// this answer is the last one here, where the end of an idle one would refuse the request that is
/// just being written. (No official client sends it again.)
pub const STOP_LAST_CALL_MS: u64 = 1_000;
/// How long the connection of an event stream that we ended is kept for the request that a pool of
/// its client may have waiting for a free connection.
pub const STOP_STREAM_MS: u64 = 150;
/// How long idle connections are waited for to be closed by their clients, who were told that they
/// end: a request that was on its way meets that answer, if the way is no longer than this.
pub const STOP_PART_MS: u64 = 100;
/// What `retry:` tells clients whose streams end because we stop: longer than a restart takes. Who
/// comes back sooner by way of a proxy meets its 502, after which an `EventSource` never returns.
pub const STOP_RETRY_MS: u64 = 2_000;
/// Sockets that whoever starts us may pass on (`LISTEN_FDS`); more of them are a mistake, and the
/// start fails.
pub const PASSED_SOCKETS_MAX: usize = 16;

const _: () = assert!(STOP_LAST_CALL_MS < STOP_ANSWER_MS);
