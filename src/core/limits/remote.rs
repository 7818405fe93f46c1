//! Bounds of sessions with servers that somebody else runs.

use super::{
    CALLS_PER_CLIENT_MAX, FETCH_CALLS_PER_ORIGIN_MAX, FETCH_WAITING_PER_ORIGIN_MAX, LINE_BYTES_MAX,
};

/// Sessions over HTTP that may start at the same time; further ones wait their turn.
pub const REMOTE_STARTING_MAX: usize = 32;
/// Requests under way in one session over HTTP; one more is refused as busy. Fewer than may wait
/// for a place at an origin.
pub const REMOTE_CALLS_MAX: usize = 320;
/// Notifications and answers under way in one session over HTTP; one more is thrown away.
pub const REMOTE_TELLS_MAX: usize = 256;
/// Bytes of requests that one session over HTTP keeps because they may have to be sent again, until
/// their server begins to answer; what does not fit is lost if the session is.
pub const REMOTE_KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of messages that come as events, or on lines, and are not complete, over all exchanges of
/// a session over HTTP; whatever comes then is thrown away, and its call is lost.
pub const REMOTE_HELD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a server may take to take a notification or an answer; then it counts as not taken. So
/// long again may the body behind its status take; then it is cut.
pub const TELL_MS_MAX: u64 = 30_000;
/// How long the answer to a request that was cancelled is still listened to; then its exchange is
/// given up.
pub const CANCELLED_MS_MAX: u64 = 10_000;
/// How long an event stream may go on behind the answer that it was for; then it is cut.
pub const LINGER_STREAM_MS_MAX: u64 = 1_000;
/// A server that wants to be left alone for longer (`Retry-After`) is asked nevertheless: what it
/// said may be meant for one kind of request.
pub const PAUSE_MS_MAX: u64 = 60_000;
/// From the head of a stream of 2024-11-05 to the event that says where to send messages; then the
/// session is over. Servers say it at once; what waits is somebody else's stream.
pub const ENDPOINT_MS_MAX: u64 = 10_000;
/// Beginning of what a server wrote that is searched for our secrets, if some of it is to be told.
/// What is told is far shorter, so that a secret cut at this limit is not told.
pub const REDACT_BYTES_MAX: usize = 64 * 1024;
/// How long after a session was renewed a refusal is taken for one of the request alone, if the new
/// session works; twice as long for each renewal that follows soon. Such a call is lost.
pub const RENEWAL_MS_MIN: u64 = 1_000;
/// The longest such time.
pub const RENEWAL_MS_MAX: u64 = 60_000;
/// Answers in a row that only a server without sessions would give to a call of a session that
/// worked: they are told to their clients, and one more means that the server is another one now.
pub const ERA_DOUBTS_MAX: u32 = 2;
/// How long a session waits for its owner until it sees whether a token is still wanted: a server
/// that gives none may have asked for one by mistake, and an owner comes when he comes.
pub const AWAITING_MS: u64 = 300_000;
/// How long a request that was refused waits for another token; then it is lost. A refresh takes
/// one exchange with an authorization server, and a lock on a file before that.
pub const TOKEN_MS_MAX: u64 = 30_000;
/// Tokens sent last that a session remembers, so that no error repeats them; a server that shows
/// an older one shows one that is of no use any more.
pub const TOKENS_REMEMBERED_MAX: usize = 4;
/// The longest notification or answer that is sent again if its token is refused; a longer one is
/// lost then.
pub const WORD_KEPT_BYTES_MAX: usize = 64 * 1024;
/// Streams in a row that a server may refuse for our token; further ones say nothing of it, or one
/// that refuses every token there would be brought new ones without end.
pub const STREAMS_REFUSED_MAX: u32 = 2;
/// Handshakes in a row that a server may refuse together with their tokens (one of before, its
/// successor, one that the owner brought); after that a session starts with a pause, as after any
/// other failure.
pub const TOKENS_REFUSED_MAX: u32 = 3;
/// `WWW-Authenticate` fields of one response that are looked at; further ones are not.
pub const CHALLENGE_FIELDS_MAX: usize = 8;
/// What is told of a refused request: its method and a tool's name, cut here.
pub const OPERATION_BYTES_MAX: usize = 200;
/// How long after the end of an event stream it is asked for again, if the server does not say.
pub const RESUME_MS: u64 = 1_000;
/// The same if the server says less: one that ends every stream at once would be asked without
/// pause.
pub const RESUME_MS_MIN: u64 = 100;
/// The same if the server says more, and the longest pause between two tries.
pub const RESUME_MS_MAX: u64 = 60_000;
/// Tries in a row to get a stream back; then its call has failed.
pub const RESUMES_FAILED_MAX: u32 = 5;

const _: () = assert!(CALLS_PER_CLIENT_MAX <= REMOTE_CALLS_MAX);
const _: () = assert!(REMOTE_CALLS_MAX < FETCH_CALLS_PER_ORIGIN_MAX + FETCH_WAITING_PER_ORIGIN_MAX);
const _: () = assert!(LINE_BYTES_MAX <= REMOTE_KEPT_BYTES_MAX);
const _: () = assert!(LINE_BYTES_MAX < REMOTE_HELD_BYTES_MAX);
/// A stream that is a session and lasted this long is asked for again without regard to how often
/// it broke off before: proxies cut every stream after a minute or an hour.
pub const STREAM_STABLE_MS: u64 = 10_000;
