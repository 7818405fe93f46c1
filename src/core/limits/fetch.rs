//! Bounds of the exchanges that we begin ourselves.

use super::{
    BODY_BYTES_MAX, CHILD_OUTBOX_BYTES_MAX, POOL_SESSIONS_PER_SERVER_MAX, READ_BYTES_PER_TURN_MAX,
    RESPONSE_BODY_BYTES_MAX, SERVERS_MAX,
};

/// Calls under way with one origin, each on a connection of its own; further ones wait. A gateway
/// asks for many people at once, and a call may take minutes.
pub const FETCH_CALLS_PER_ORIGIN_MAX: usize = 256;
/// Streams held open to one origin; further ones wait. Some hosts are the origin of hundreds of
/// servers. Counted apart from the calls, so that these always have places of their own.
pub const FETCH_STREAMS_PER_ORIGIN_MAX: usize = 1024;
/// Calls under way in all; further ones wait.
pub const FETCH_CALLS_MAX: usize = 1024;
/// Streams held open in all; further ones wait. More than there can be servers.
pub const FETCH_STREAMS_MAX: usize = 2048;
/// Orders that wait for a place at one origin; one more fails as busy.
pub const FETCH_WAITING_PER_ORIGIN_MAX: usize = 256;
/// Orders that wait for a place in all; one more fails as busy.
pub const FETCH_WAITING_MAX: usize = 1024;
/// Bodies of requests to one origin that have no response yet; one more fails as busy.
pub const FETCH_BYTES_PER_ORIGIN_MAX: usize = CHILD_OUTBOX_BYTES_MAX;
/// Bytes of a stream that nobody has taken, from which on it is not read.
pub const FETCH_UNTAKEN_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of responses of one origin that are not complete and are no streams; the one by which they
/// are too many fails, unless it is the only one.
pub const FETCH_GATHERED_BYTES_PER_ORIGIN_MAX: usize = 64 * 1024 * 1024;
/// Rest of a redirecting response that is thrown away so that its connection can stay; of a longer
/// one the connection is closed.
pub const REDIRECT_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long that rest is waited for; then its connection is closed.
pub const REDIRECT_BODY_MS_MAX: u64 = 1_000;
/// How much longer than it was told the shell may take to say that a connection did not open: it
/// has more to say about it than we.
pub const OPEN_GRACE_MS: u64 = 500;
/// Answer to an errand of OAuth: a document of somebody whom we need not trust. A longer one fails.
pub const ERRAND_BODY_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(RESPONSE_BODY_BYTES_MAX < FETCH_GATHERED_BYTES_PER_ORIGIN_MAX);
const _: () = assert!(POOL_SESSIONS_PER_SERVER_MAX < FETCH_STREAMS_PER_ORIGIN_MAX);
const _: () = assert!(SERVERS_MAX < FETCH_STREAMS_MAX);
const _: () = assert!(BODY_BYTES_MAX < FETCH_BYTES_PER_ORIGIN_MAX);
const _: () = assert!(READ_BYTES_PER_TURN_MAX < FETCH_UNTAKEN_BYTES_MAX);
