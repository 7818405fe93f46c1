//! Every bound of the program, with its unit, its reason and what the peer gets when it is hit.
//! Sums that must hold are asserted at the end, at compile time.

mod auth;
mod door;
mod fetch;
mod files;
mod filter;
mod http;
mod keyring;
mod metrics;
mod opening;
mod pages;
mod remote;
mod resume;
mod vault;

pub use auth::*;
pub use door::*;
pub use fetch::*;
pub use files::*;
pub use filter::*;
pub use http::*;
pub use keyring::*;
pub use metrics::*;
pub use opening::*;
pub use pages::*;
pub use remote::*;
pub use resume::*;
pub use vault::*;

// --- buffers -----------------------------------------------------------------------------------

/// Bytes that the shell reads from one link in one turn. A client on loopback would otherwise hold
/// the loop while it sends a 10 MB request.
pub const READ_BYTES_PER_TURN_MAX: usize = 64 * 1024;
/// Bytes that the shell writes to one link in one turn; the rest waits for the next. A reader on
/// loopback that keeps up would otherwise hold the loop for as long as a large answer lasts.
pub const WRITE_BYTES_PER_TURN_MAX: usize = 1024 * 1024;
/// Pieces that one vectored write takes; the rest goes with the next. Kernels take at most 1024.
pub const WRITE_SLICES_MAX: usize = 64;
/// Connections accepted from one listener in one turn; the rest waits for the next.
pub const ACCEPTS_PER_TURN_MAX: usize = 128;
/// Size of the pipes to and from a child, where the system lets us choose: four reads' worth. Not
/// more, since Linux gives one user 64 MiB of pipes before it makes further ones tiny.
pub const CHILD_PIPE_BYTES: i32 = 256 * 1024;
/// An outgoing piece of at least this length is shared instead of copied.
pub const SHARE_BYTES_MIN: usize = 32 * 1024;
/// Short pieces are gathered in one buffer up to this length before a new one is begun.
pub const OUTBOX_TAIL_BYTES_MAX: usize = 64 * 1024;
/// Room of a fresh buffer in an outbox: the head of an answer and a short message.
pub const SPARE_BYTES_MIN: usize = 512;
/// Sent buffers up to this size are kept for the next message; larger ones are given back.
pub const SPARE_BYTES_MAX: usize = 4 * 1024;
/// Sent buffers that are kept: about as many as messages wait at once in one busy turn.
pub const SPARES_MAX: usize = 16;

// --- lines (own stdin, children's stdout) ------------------------------------------------------

/// Length of one JSON-RPC line from a child or from our own stdin. A longer line of a child is
/// thrown away and the call it answers gets -32603; a longer line of a client gets -32600.
pub const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Depth of arrays and objects in one message; a deeper one is refused with -32700. serde_json's
/// own limit does not reach into raw values, so the scan holds it.
pub const JSON_DEPTH_MAX: usize = 128;
/// Descriptions that clients without sessions send again and again (`_meta`), of which we remember
/// what they say: as many as there are different programs. One more takes the oldest one's place.
pub const FAMILIAR_METAS_MAX: usize = 8;
/// Length of such a description, in bytes. A longer one is read anew each time.
pub const FAMILIAR_META_BYTES_MAX: usize = 1024;
/// Length of a request id or progress token; a longer one is refused with -32600. They are kept
/// for as long as the call runs.
pub const ID_BYTES_MAX: usize = 1024;

// --- outboxes ----------------------------------------------------------------------------------

/// Unsent bytes to one child from which on a new call is refused with -32603 "busy".
pub const CHILD_OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Unsent bytes to one client from which on its progress and log notifications are dropped, and our
/// own stdin is not read.
pub const CLIENT_OUTBOX_BYTES_SOFT: usize = 1024 * 1024;
/// Unsent bytes to one client at which its link is closed: it does not read. Above the longest
/// line, since one answer of that length must get through.
pub const CLIENT_OUTBOX_BYTES_MAX: usize = 128 * 1024 * 1024;

// --- HTTP, where we ask --------------------------------------------------------------------------

/// Length of a response head; a longer one fails the request. Twice ours: servers behind several
/// proxies send cookies and policies of some ten kilobytes.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Number of header fields in a response; more fail the request.
pub const RESPONSE_HEADERS_MAX: usize = 256;
/// Length of a response body that is no event stream, as of one line of a child; a longer one fails
/// the request.
pub const RESPONSE_BODY_BYTES_MAX: usize = LINE_BYTES_MAX;
/// Interim responses (1xx) before one that answers; more fail the request.
pub const INTERIM_RESPONSES_MAX: usize = 16;
/// From the order to connect until the link is open, proxy and TLS included; then the request fails
/// before it was sent.
pub const OPEN_MS_MAX: u64 = 10_000;
/// From the first byte of a response head to its end; then the request fails.
pub const RESPONSE_HEAD_MS_MAX: u64 = 10_000;
/// Between two pieces of a response body that is no event stream; then the request fails. Not of an
/// answer to a call, which has the time of the call.
pub const RESPONSE_IDLE_MS_MAX: u64 = 30_000;
/// How long `100 Continue` is waited for; then the body is sent all the same (RFC 9110 10.1.1).
pub const CONTINUE_MS_MAX: u64 = 1_000;
/// Redirects followed for one request, all within its origin; one more fails it.
pub const REDIRECTS_MAX: u32 = 5;
/// Idle connections kept for one origin; of more the oldest is closed.
pub const IDLE_CONNECTIONS_PER_ORIGIN_MAX: usize = 8;
/// Idle connections kept in all; of more the oldest is closed.
pub const IDLE_CONNECTIONS_MAX: usize = 64;
/// How long an idle connection is kept if its server does not say for how long it keeps it. Node
/// and uvicorn close after five seconds, and a request that meets the close is lost.
pub const IDLE_CONNECTION_MS: u64 = 4_000;
/// The same if the server says more, and how much earlier than the server we close.
pub const IDLE_CONNECTION_MS_MAX: u64 = 60_000;
/// See [`IDLE_CONNECTION_MS_MAX`].
pub const IDLE_CONNECTION_MARGIN_MS: u64 = 1_000;
/// Addresses of one host that are tried; the rest is left out.
pub const ADDRESSES_MAX: usize = 16;
/// How long one address may take to connect until the next is tried beside it (RFC 8305).
pub const ATTEMPT_MS_MIN: u64 = 250;
/// How long a server can ask to be left alone (`Retry-After`); more is taken for this.
pub const RETRY_AFTER_MS_MAX: u64 = 60 * 60 * 1000;
/// Length of an event's id that is kept for `Last-Event-ID`; a longer one is ignored.
pub const EVENT_ID_BYTES_MAX: usize = 1024;
/// Hosts in `NO_PROXY`; further ones are left out.
pub const NO_PROXY_HOSTS_MAX: usize = 1_000;

// --- sessions ----------------------------------------------------------------------------------

/// Sessions at once; for one more `initialize` the one unused for longest ends, or it is answered
/// 429.
pub const SESSIONS_MAX: usize = 10_000;
/// A session that was used within this time is not ended for another one.
pub const SESSION_SPARE_MS: u64 = 5 * 60 * 1000;
/// An idle session ends after this long unless `--session-ttl` says otherwise.
pub const SESSION_IDLE_MS: u64 = 24 * 60 * 60 * 1000;
/// Calls of one session in flight; we stop reading from a stdio client and answer -32603 to an
/// HTTP client beyond it.
pub const CALLS_PER_CLIENT_MAX: usize = 256;
/// Questions to one client that wait for its answer; one more is refused to the asking server.
pub const ASKS_PER_CLIENT_MAX: usize = 64;
/// Questions in one answer of a server without sessions; with more of them the call gets -32603.
pub const ROUND_QUESTIONS_MAX: usize = 32;
/// How often a call is made again because its server asked something first (protocol 3.4); then it
/// gets -32603.
pub const ROUNDS_MAX: u32 = 10;
/// Bytes kept in all for calls that may have to be made again: their requests, and what is asked
/// and answered in between; a call that would need more gets -32603 when its server asks something.
pub const ROUNDS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Open or unread event streams of one session; one more request is answered 429.
pub const STREAMS_PER_SESSION_MAX: usize = 300;
/// Events kept for replay on one stream; older ones are forgotten.
pub const REPLAY_EVENTS_PER_STREAM_MAX: u32 = 256;
/// Bytes kept for replay in one session; the oldest events are forgotten first.
pub const REPLAY_BYTES_PER_SESSION_MAX: usize = 64 * 1024 * 1024;
/// Bytes kept for replay in all sessions together; a session that stores beyond it keeps only its
/// newest event.
pub const REPLAY_BYTES_MAX: usize = 512 * 1024 * 1024;
/// How long a finished stream stays replayable.
pub const REPLAY_MS_MAX: u64 = 5 * 60 * 1000;
/// Messages that wait for a client that has no open stream (protocol 6.6); the oldest goes first.
pub const UNDELIVERED_PER_SESSION_MAX: usize = 64;
/// Their bytes; beyond it a notification is dropped and a question refused.
pub const UNDELIVERED_BYTES_PER_SESSION_MAX: usize = 4 * 1024 * 1024;
/// Messages in one batch of 2025-03-26; more is answered -32600.
pub const BATCH_MAX: usize = 100;
/// Subscriptions of one client; one more is refused with -32603.
pub const SUBSCRIPTIONS_PER_CLIENT_MAX: usize = 1024;

/// Arguments of one tool that have a header field of their own (`x-mcp-header`); a tool with more
/// is taken for one without.
pub const PARAM_HEADERS_MAX: usize = 64;
/// How deep such an argument may lie; a deeper one is not looked for.
pub const PARAM_HEADERS_DEPTH_MAX: usize = 16;
/// `subscriptions/listen` streams at once (X10); one more is answered 429, on stdio -32603.
pub const LISTENS_MAX: usize = 1024;
/// How long a listen waits for servers that were asked to tell of a resource; those that have not
/// answered by then are left out of what is acknowledged.
pub const LISTEN_ACK_MS: u64 = 5_000;

/// Tasks of one client, or of all clients without a session together: one more call is not made a
/// task, or answered -32603 if it has to be one.
pub const TASKS_PER_PRINCIPAL_MAX: usize = 1024;
/// Tasks of all clients together; as above.
pub const TASKS_MAX: usize = 4096;
/// For how long a task is known at most, whatever its server says (X10); then its id is unknown.
pub const TASK_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// For how long a server is asked to keep a task that its client did not ask for.
pub const TASK_ASKED_MS: u64 = 60 * 60 * 1000;
/// Length of a task's `statusMessage`; a longer one is left out.
pub const TASK_MESSAGE_BYTES_MAX: usize = 4096;
/// Between two looks at a task that its client waits for; servers that want less get this.
pub const TASK_POLL_MS_MIN: u64 = 100;
/// The same for servers that say nothing, or want more.
pub const TASK_POLL_MS_MAX: u64 = 5_000;
/// Questions of one task that wait for `tasks/update`; one more is refused to its server.
pub const TASK_QUESTIONS_MAX: usize = 16;
/// Length of such a question; a longer one is refused to its server.
pub const TASK_QUESTION_BYTES_MAX: usize = 256 * 1024;
/// After the question of a server to a client without a session, this long until the client is
/// asked: what the server asks at the same time is asked with it.
pub const GATHER_MS: u64 = 20;
/// How long a client without a session may take to come back with answers; then its server is told
/// that it will not, and the call is cancelled.
pub const SUSPENDED_MS_MAX: u64 = 10 * 60 * 1000;
/// After an answer, this long until the same retry is not told the same again but refused: a client
/// whose connection was cut repeats itself at once or not at all.
pub const RETRY_AGAIN_MS: u64 = 5_000;
/// Requests that wait for one call because they are the same retry; one more is refused.
pub const RETRY_WAITERS_MAX: usize = 4;
/// Calls that wait for clients without a session; one more question is refused to its server.
pub const SUSPENDED_MAX: usize = 1024;
/// The same for one person (X10).
pub const SUSPENDED_PER_PRINCIPAL_MAX: usize = 256;
/// Bytes of all questions and answers that are kept for them; a question beyond it is refused to
/// its server, an answer beyond it is lost, and whoever comes for it is told to call again.
pub const SUSPENDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Length of a `requestState` as text, what a server put into it included; a server that puts more
/// in has its call answered with -32603, and a longer one that comes back is refused with -32602.
pub const REQUEST_STATE_BYTES_MAX: usize = 256 * 1024;
/// How long the `requestState` of a server without sessions is good; then its client has to start
/// over.
pub const REQUEST_STATE_MS_MAX: u64 = 60 * 60 * 1000;

// --- backends ----------------------------------------------------------------------------------

/// Servers that may be starting at the same time; the others wait (contract 7).
pub const STARTING_MAX: usize = 4;
/// How long one server may hold one of the places of [`STARTING_MAX`]; then the next one begins
/// beside it, or four servers that hang would hold up all the others.
pub const STARTING_PLACE_MS: u64 = 5_000;
/// From spawn to the end of the handshake, for stdio children: npx may have to download.
pub const CONNECT_STDIO_MS: u64 = 120_000;
/// The same for remote servers: nothing is downloaded there.
pub const CONNECT_REMOTE_MS: u64 = 30_000;
/// A connection that does not open is given up so much earlier than its session, or a tenth of its
/// time: enough for the reason to arrive first, too little to be missed.
pub const DIAL_AHEAD_MS_MAX: u64 = 250;
/// A server that has written anything gets this long to answer the question for its era; then it is
/// sent `initialize`. Who answers later is still heard.
pub const PROBE_MS: u64 = 3_000;
/// A server that has written nothing at all gets this long from its start: it may be downloading.
pub const PROBE_SILENT_MS: u64 = 10_000;
/// How long a server may take to acknowledge `subscriptions/listen`; then the stream is given up
/// and tried again. Clients that wait for the same are answered a moment later.
pub const LISTEN_OPEN_MS: u64 = 4_000;
/// URIs of one server that we listen to on behalf of all clients; one more is refused.
pub const WATCHED_URIS_MAX: usize = 2048;
/// One call, unless the entry's `requestTimeout` says otherwise. Progress begins it anew.
pub const REQUEST_MS: u64 = 60_000;
/// One call with all the progress that it may tell; then it is given up like one without (F12).
pub const CALL_MS_MAX: u64 = 6 * 60 * 60 * 1000;
/// First pause of the restart backoff; doubles up to [`BACKOFF_MS_MAX`].
pub const BACKOFF_MS_MIN: u64 = 1_000;
/// Longest pause of the restart backoff.
pub const BACKOFF_MS_MAX: u64 = 60_000;
/// A child that stayed ready this long has its strikes forgiven.
pub const STABLE_MS: u64 = 5 * 60 * 1000;
/// Stopping one child: stdin closed, then this long until SIGTERM to its group.
pub const STOP_TERM_AFTER_MS: u64 = 2_000;
/// ... and this long from SIGTERM to SIGKILL.
pub const STOP_KILL_AFTER_MS: u64 = 2_000;
/// The same two when 1mcp itself stops: clients give us 2 s in all before they kill.
pub const EXIT_TERM_AFTER_MS: u64 = 300;
/// See [`EXIT_TERM_AFTER_MS`].
pub const EXIT_KILL_AFTER_MS: u64 = 300;
/// After the children are gone, this long until what is unsent to clients is given up.
pub const EXIT_FLUSH_MS: u64 = 200;
/// Requests read before our stdin ended get this long for their answers.
pub const EXIT_ANSWER_MS: u64 = 1_000;
/// Lines of a child's stderr that are kept for `mcp status`.
pub const STDERR_LINES_KEPT_MAX: usize = 200;
/// Bytes of these lines in all; the oldest lines go first.
pub const STDERR_KEPT_BYTES_MAX: usize = 64 * 1024;
/// Length of one stderr line in the log and in the kept ring; the rest is cut.
pub const STDERR_LINE_BYTES_MAX: usize = 1024;
/// `notifications/message` passed on from one session of a server in ten seconds (A11); more are
/// counted, left out and reported in one line.
pub const LOG_MESSAGES_PER_10S_MAX: u32 = 2_000;
/// Stderr lines logged for one child in ten seconds; more are counted and reported in one line.
pub const STDERR_LINES_PER_10S_MAX: u64 = 100;
/// Length of a server's text (stdout that is no message, an error message) in our log or in a
/// reason; the rest is cut.
pub const QUOTE_BYTES_MAX: usize = 200;
/// Length of a server's instructions; the rest is cut. Every client gets those of all servers.
pub const INSTRUCTIONS_BYTES_MAX: usize = 64 * 1024;
/// Sessions with one server at once (`isolation: session`); one more client gets -32603 "busy".
pub const POOL_SESSIONS_PER_SERVER_MAX: usize = 64;
/// Sessions with one server that stateless callers take turns in (protocol S2), one call each; one
/// more caller gets -32603 "busy".
pub const LEASES_PER_SERVER_MAX: usize = 16;
/// A backend session of one client without calls ends after this long.
pub const POOL_IDLE_MS: u64 = 10 * 60 * 1000;
/// Calls that wait for a server that is still starting; one more is refused with -32603.
pub const WAITING_PER_SERVER_MAX: usize = 256;

// --- this instance's own socket ---------------------------------------------------------------

/// Connections at once on the socket that `mcp status` asks on; one more is closed at once.
pub const INSTANCE_LINKS_MAX: usize = 32;
/// From the connection to its end; a peer that says nothing, or does not read, is closed then.
pub const INSTANCE_MS_MAX: u64 = 5_000;
/// Length of a question; a longer one is answered with an error.
pub const INSTANCE_QUESTION_BYTES_MAX: usize = 256;
/// Length of an answer that `mcp status` reads; an instance that says more is reported as one that
/// does not answer.
pub const INSTANCE_ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Instances of one configuration that `mcp status` asks; more sockets are left alone, with a note.
pub const INSTANCES_ASKED_MAX: usize = 64;
/// Lines of stderr that the answer about all servers holds for each of them.
pub const STDERR_LINES_BRIEF: usize = 5;
/// Tools of one server that `mcp tools` and its like are told of; the rest is only counted.
pub const TOOLS_SHOWN_MAX: usize = 2_000;
/// Names in one line of the log; how many there are in all is told beside them.
pub const NAMES_LOGGED_MAX: usize = 16;
/// Length of a tool's name and of its description there; the rest is cut.
pub const TOOL_TEXT_BYTES_MAX: usize = 1_000;

// --- catalogs ----------------------------------------------------------------------------------

/// Pages that are fetched of one list; the rest is left out with a warning.
pub const LIST_PAGES_MAX: usize = 1000;
/// Entries of one list of one server; the rest is left out with a warning.
pub const LIST_ENTRIES_MAX: usize = 100_000;
/// Several list changes within this time are told to clients as one.
pub const LIST_CHANGED_COALESCE_MS: u64 = 50;
/// Between two fetches of one list: a server that announces a change whenever it is asked would
/// otherwise be asked without pause.
pub const LIST_REFETCH_MS_MIN: u64 = 250;
/// The same where no change is announced, but the server said how long its list holds and somebody
/// asks for it later: clients that are told of a change ask again at once, so a list that is never
/// twice the same would go round and round.
pub const LIST_STALE_MS_MIN: u64 = 5_000;
/// A list that could not be had is asked for again after this long; doubles with each failure in a
/// row up to [`LIST_RETRY_MS_MAX`]. Else one slow start would hide a server's tools for good.
pub const LIST_RETRY_MS_MIN: u64 = 5_000;
/// The longest pause before a list is asked for again.
pub const LIST_RETRY_MS_MAX: u64 = 5 * 60 * 1000;
/// The first list waits this long for servers that are still starting (`--list-wait`).
pub const LIST_WAIT_MS: u64 = 10_000;
/// In stdio mode servers are started this long after `initialize`: if our input turns out to have
/// ended with it, none is.
pub const STDIO_START_MS: u64 = 1;
/// In stdio mode `initialize` waits this long for servers never seen before (contract 3).
pub const INITIALIZE_WAIT_MS: u64 = 300;
/// Length of offered names unless `--name-max` says otherwise: what Cursor leaves beside `1mcp`.
pub const NAME_BYTES_MAX: usize = 55;

/// URIs that nobody lists, with the server that answered a read of them; the oldest is forgotten.
pub const ANSWERED_URIS_MAX: usize = 256;

// --- attribution of questions (protocol S3) ----------------------------------------------------

/// How long a question of a shared server is held while calls of other clients end there.
pub const ATTRIBUTION_HOLD_MS: u64 = 5_000;

// --- shell -------------------------------------------------------------------------------------

/// Bytes of log lines that wait for a slow reader of our stderr; further lines are counted and
/// reported in one.
pub const LOG_RING_BYTES_MAX: usize = 256 * 1024;
/// Length of one log line; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 16 * 1024;
/// How long the end of the process waits for a slow reader of the log.
pub const EXIT_LOG_MS_MAX: u16 = 100;
/// How long the end of the process waits for a slow disk; what is not written by then is lost,
/// which state may be at any time.
pub const EXIT_STATE_MS_MAX: u64 = 300;
/// Open files that we ask the system for: all connections and some children. The soft limit is
/// often 1024.
pub const OPEN_FILES_WANTED: u64 = 8192;
/// Files that must be allowed to be open, or `serve` says so and ends: its own, which are 12, and
/// a few for clients and children.
pub const OPEN_FILES_MIN: u64 = 32;
/// After our ports were opened, this long until the first child is started: the start of a program
/// holds the loop for some milliseconds, and a client that waits for us gets its answer before.
pub const FIRST_SPAWN_MS: u64 = 10;
/// Process groups that the guard remembers; one more is not stopped by it.
pub const GUARD_GROUPS_MAX: usize = 4096;
/// From the SIGTERM of the guard to its SIGKILL.
pub const GUARD_KILL_AFTER_MS: u32 = 500;
/// How often the guard is started anew when somebody kills it; then we do without.
pub const GUARD_STARTS_MAX: u32 = 8;
/// How long a client may take to answer a question. A person is asked, so this is long; but a call
/// must end some time: then the server gets -32603.
pub const ASK_MS_MAX: u64 = 30 * 60 * 1000;
/// Calls of one session that were given up and may still run there; with more of them a question
/// is attributed to nobody until as long as a call may take has passed.
pub const GHOSTS_PER_POOL_MAX: usize = 64;
/// A call that was given up counts for at least this long when a question is attributed, also where
/// `requestTimeout` is short: servers that ignore a cancel go on for as long as they please.
pub const GHOST_MS_MIN: u64 = REQUEST_MS;
/// Questions held for attribution in one session; one more is refused at once.
pub const HELD_PER_POOL_MAX: usize = 16;
/// URL elicitations of one session whose completion is awaited; the oldest is forgotten.
pub const ELICITATIONS_PER_POOL_MAX: usize = 64;

const _: () = assert!(HEAD_BYTES_MAX < READ_BYTES_PER_TURN_MAX);
const _: () = assert!(TARGET_BYTES_MAX < HEAD_BYTES_MAX);
const _: () = assert!(URL_BYTES_MAX <= TARGET_BYTES_MAX);
const _: () = assert!(IDLE_CONNECTIONS_PER_ORIGIN_MAX <= IDLE_CONNECTIONS_MAX);
const _: () = assert!(IDLE_CONNECTION_MARGIN_MS < IDLE_CONNECTION_MS);
const _: () = assert!(OPEN_MS_MAX < CONNECT_REMOTE_MS);
const _: () = assert!(ADDRESSES_MAX as u64 * ATTEMPT_MS_MIN < OPEN_MS_MAX);
const _: () = assert!(BODY_BYTES_MAX <= LINE_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX <= LARGE_BODIES_BYTES_MAX);
const _: () = assert!(AUTH_BODY_BYTES_MAX <= SMALL_BODY_BYTES_MAX);
const _: () = assert!(SHARE_BYTES_MIN <= SMALL_BODY_BYTES_MAX);
const _: () = assert!(LINE_BYTES_MAX < CLIENT_OUTBOX_BYTES_MAX);
const _: () = assert!(LINE_BYTES_MAX < CHILD_OUTBOX_BYTES_MAX);
const _: () = assert!(CLIENT_OUTBOX_BYTES_SOFT < CLIENT_OUTBOX_BYTES_MAX);
const _: () =
    assert!(EXIT_ANSWER_MS + EXIT_TERM_AFTER_MS + EXIT_KILL_AFTER_MS + EXIT_FLUSH_MS < 2_000);
const _: () = assert!(EXIT_ANSWER_MS + EXIT_TERM_AFTER_MS + EXIT_KILL_AFTER_MS < 2_000);
const _: () = assert!(LOG_LINE_BYTES_MAX * 8 < LOG_RING_BYTES_MAX);
const _: () = assert!(REPLAY_BYTES_PER_SESSION_MAX < REPLAY_BYTES_MAX);
const _: () = assert!(REPLAY_BYTES_PER_SESSION_MAX < CLIENT_OUTBOX_BYTES_MAX);
const _: () = assert!(CALLS_PER_CLIENT_MAX <= STREAMS_PER_SESSION_MAX);
const _: () = assert!(BACKOFF_MS_MIN < BACKOFF_MS_MAX);
const _: () = assert!(RESUME_MS_MIN < RESUME_MS && RESUME_MS < RESUME_MS_MAX);
const _: () = assert!(SERVER_NAME_BYTES_MAX < NAME_BYTES_MAX);
const _: () = assert!(STARTING_PLACE_MS < CONNECT_STDIO_MS);
const _: () = assert!(SUSPENDED_PER_PRINCIPAL_MAX <= SUSPENDED_MAX);
const _: () = assert!(LINE_BYTES_MAX < SUSPENDED_BYTES_MAX);
const _: () = assert!(PROBE_MS < PROBE_SILENT_MS && PROBE_SILENT_MS < CONNECT_STDIO_MS);
const _: () = assert!(LISTEN_OPEN_MS < LISTEN_ACK_MS);
const _: () = assert!(STDERR_LINE_BYTES_MAX < STDERR_KEPT_BYTES_MAX);
