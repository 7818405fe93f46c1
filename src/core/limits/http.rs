//! Bounds of the connections that come to us, and of what is asked on them.

/// Length of a request head, all of it; more is answered 431.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Number of header fields in a request; more is answered 431.
pub const HEADERS_MAX: usize = 100;
/// Length of a request target; more is answered 414.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Length of a URL that we are to call, and of a reference that is resolved against one; a longer
/// one is refused. Written out, its target fits into what servers take.
pub const URL_BYTES_MAX: usize = 8 * 1024;
/// Length of a method; a longer one is answered 501.
pub const METHOD_BYTES_MAX: usize = 32;
/// Digits of a chunk size, leading zeros and all; more is answered 400.
pub const CHUNK_SIZE_DIGITS_MAX: usize = 16;
/// Extensions of all chunks of one body, which are thrown away; more is answered 400 (work without
/// progress).
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 8 * 1024;
/// Trailer fields of one body, which are thrown away; more is answered 431.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// Room that an empty inbox of a connection keeps (and one of a child that now sends shorter
/// lines): most are idle most of the time.
pub const INBOX_KEPT_BYTES_MAX: usize = 4 * 1024;
/// Length of a request body; more is answered 413.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Length of a body that is taken before anybody looked at its head, and of those of pages and of
/// OAuth. A longer one is read on only for who may send it, the others get 401, 403, 404, 405 or
/// 413 at once: a stranger cannot fill our memory.
pub const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longer bodies that are being received, all of them together, by what they announce (or may have,
/// if they announce nothing); one more is answered 503 with `Retry-After`.
pub const LARGE_BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// From the end of a head to the end of its body; then 408 and close. The longest body gets through
/// at 28 KB a second; whoever sends a byte now and then does not hold its room for ever.
pub const BODY_MS_MAX: u64 = 10 * 60 * 1000;
/// From the first byte of a head to its end; then 408 and close (slow senders).
pub const HEAD_MS_MAX: u64 = 10_000;
/// Between two pieces of a body; then 408 and close.
pub const BODY_IDLE_MS_MAX: u64 = 30_000;
/// A kept-alive connection without a request; then close. Longer than proxies do (Caddy 120 s).
pub const KEEP_ALIVE_IDLE_MS_MAX: u64 = 150_000;
/// After our last byte we wait this long for the peer to close, so that a reset does not destroy
/// the answer on its way; then close.
pub const LINGER_MS_MAX: u64 = 2_000;
/// An answer of which the peer takes no byte for this long; then close. An event stream can be
/// resumed.
pub const WRITE_STALL_MS_MAX: u64 = 120_000;
/// Bytes that wait unread behind a request that is still being answered (pipelining); then we stop
/// reading until it is answered.
pub const PIPELINED_BYTES_MAX: usize = 64 * 1024;
/// Event streams that get their keep-alive comment in one turn; the rest follows in the next.
pub const KEEP_ALIVE_STREAMS_PER_TURN_MAX: usize = 256;
/// Connections at once; one more is accepted and closed at once.
pub const CONNECTIONS_MAX: usize = 4096;
/// Connections at once from one peer address that is not loopback; one more is closed at once.
pub const CONNECTIONS_PER_PEER_MAX: usize = 256;
/// After how long a socket is tried again on which a connection waits that could not even be
/// dropped, for want of descriptors: not only closed connections give some back.
pub const ACCEPT_AGAIN_MS: u64 = 100;
/// How often the log says that connections are dropped since no descriptor is left: at the edge
/// one connection is taken and the next one is not.
pub const DROPPED_SAID_MS: u64 = 60_000;
/// Gateways above us that are passed on in one field; of more the one that was silent for longest
/// is forgotten: who passes a request on at this moment is never among those.
pub const PARENTS_MAX: usize = 64;
/// Length of one of their names; longer ones are ignored.
pub const PARENT_NAME_BYTES_MAX: usize = 32;
/// A gateway that asked nothing for so long is not above us any more.
pub const PARENT_MS: u64 = 5 * 60 * 1000;
/// How long an answer may be awaited before an event stream is opened for it, so that no proxy
/// on the way times out (contract 5).
pub const STREAM_HOLD_MS: u64 = 5_000;
/// Comment lines on open event streams, so that proxies keep them.
pub const KEEP_ALIVE_COMMENT_MS: u64 = 15_000;
/// What `retry:` tells a client before we close a stream early.
pub const SSE_RETRY_MS: u64 = 500;
