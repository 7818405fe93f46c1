//! The internal language between the two edges (DESIGN 4): what a client edge tells the hall, and
//! what a backend edge tells it. `client` and `backend` know this page and never each other.

mod edges;

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::rc::Rc;

use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::effect::SpawnSpec;
use crate::http1::head::Request;
use crate::json::envelope::{Envelope, JsonId};
use crate::links::LinkKey;
use crate::mcp::capabilities::{ClientCapabilities, ServerCapabilities};
use crate::mcp::meta::HopLocal;
use crate::mcp::version::{Era, Version};
use crate::now::Tick;
use crate::tally::Slot;

pub use edges::{BackendEdge, ClientEdge, ClientFacts};

crate::slab_keys! {
    /// One client: a session on `/mcp`, a stream on `/sse`, or our own stdin.
    ClientKey;
    /// One session with a backend: a child that runs, starts, waits or was given up.
    PoolKey;
}

/// Where an answer goes. Every request gets one of its own, on every transport, so that ending one
/// ends exactly that request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub u32);

impl At {
    /// No request in particular: the client's only channel (stdio, `/sse`), or the GET stream of
    /// `/mcp`.
    pub const MAIN: Self = Self(0);
}

/// What a client edge tells the hall. The bytes of a message are in the frame that was passed
/// along; spans point into it.
#[derive(Debug)]
pub enum ClientEvent {
    /// `initialize`. The client key is new (or, on stdio and `/sse`, starts over).
    Initialize {
        /// Who.
        client: ClientKey,
        /// Where the answer goes.
        at: At,
        /// Its id.
        id: JsonId,
        /// The revision that will be spoken, already negotiated.
        version: Version,
        /// What it declared.
        capabilities: ClientCapabilities,
    },
    /// A session that another run opened goes on here; the client key is new.
    Restored {
        /// Who.
        client: ClientKey,
    },
    /// `notifications/initialized`: from now on we may speak first.
    Initialized {
        /// Who.
        client: ClientKey,
    },
    /// Any other request.
    Request {
        /// Who.
        client: ClientKey,
        /// Where the answer goes.
        at: At,
        /// Its id.
        id: JsonId,
        /// The message.
        envelope: Envelope,
        /// What of its `_meta` the next hop does not get as it is.
        hop: HopLocal,
        /// For a POST of the revision without sessions: fields that repeat arguments (D20).
        fields: Option<ParamFields>,
    },
    /// Any other notification.
    Notification {
        /// Who.
        client: ClientKey,
        /// The message.
        envelope: Envelope,
    },
    /// A response to a request of ours; the id is one that we gave out, or none of ours at all.
    Response {
        /// Who.
        client: ClientKey,
        /// The message; its id is not checked yet.
        envelope: Envelope,
    },
    /// What a client sees may be something else from now on, and no message came with it.
    Turned {
        /// Who.
        client: ClientKey,
    },
    /// Nothing more can be answered on `at` (only for edges where that cancels: `/sse` closed is
    /// `Gone`, a dropped POST of `/mcp` is not reported at all, C10).
    Gone {
        /// Who. The key is free afterwards.
        client: ClientKey,
    },
    /// A client without a session is over: its one request was answered, or nobody waits for the
    /// answer any more. The key is free afterwards.
    Released {
        /// Who.
        client: ClientKey,
    },
    /// Our own stdin has ended and every message in it was told. What is still owed to this client
    /// can be written until its stdout breaks.
    InputEnded {
        /// Who.
        client: ClientKey,
    },
    /// A request of the pages and of OAuth.
    Web {
        /// The connection that waits for `Clients::page`.
        link: LinkKey,
        /// All of it.
        request: Box<WebRequest>,
    },
    /// A request outside MCP that needs the hall's knowledge.
    Page {
        /// The connection that waits for `Clients::page`.
        link: LinkKey,
        /// What is wanted.
        page: Page,
        /// Whether who asks may know more than the status.
        full: bool,
    },
}

/// The `Mcp-Param-*` fields of a POST: names in lower case without the prefix, raw values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamFields(pub Vec<(String, String)>);

/// A request of the pages and of OAuth, whole.
#[derive(Debug)]
pub struct WebRequest {
    /// The head: method, path, query, fields.
    pub head: Request,
    /// The body.
    pub body: Vec<u8>,
    /// Who is at the other end of the connection.
    pub peer: IpAddr,
    /// Who asks: the peer, or, if that is a trusted proxy, for whom it says that it asks. For
    /// throttles only; never a reason to trust.
    pub client: IpAddr,
}

/// A page outside MCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/health`.
    Health,
    /// `/health/live`.
    Live,
    /// `/health/ready`.
    Ready,
    /// `/health/mcp`, `/health/mcp/NAME`.
    Servers(Option<String>),
}

/// What a backend edge tells the hall.
#[derive(Debug)]
pub enum BackendEvent {
    /// The handshake is done; `Backends::hello` has what the server said.
    Ready {
        /// Which session.
        pool: PoolKey,
    },
    /// A response; the id is one that we gave out (`id` as a number), or none of ours at all.
    Response {
        /// Which session.
        pool: PoolKey,
        /// Our id, if it is a number as we write them.
        id: Option<u64>,
        /// The message.
        envelope: Envelope,
    },
    /// The server asks us something.
    Request {
        /// Which session.
        pool: PoolKey,
        /// Our id of the request on whose stream it came (protocol S3).
        about: Option<NonZeroU64>,
        /// Its id, to be given back.
        id: JsonId,
        /// The message.
        envelope: Envelope,
    },
    /// The server tells us something.
    Notification {
        /// Which session.
        pool: PoolKey,
        /// Our id of the request on whose stream it came (protocol S3).
        about: Option<NonZeroU64>,
        /// The message.
        envelope: Envelope,
    },
    /// A request of ours gets no answer; the session goes on.
    CallLost {
        /// Which session.
        pool: PoolKey,
        /// Our id, if it is known.
        id: Option<u64>,
        /// Why.
        loss: CallLoss,
    },
    /// The server wants a token, or another one (401, 403 with `insufficient_scope`). A session
    /// without any waits in [`PoolState::Awaiting`] until `Backends::set_token` or
    /// `Backends::no_token`; one that serves goes on.
    Challenged {
        /// Which session.
        pool: PoolKey,
        /// What it said.
        challenge: Challenge,
    },
    /// The child ended or never came up. What was in flight there is lost. It will be tried again
    /// (then `Ready` comes), unless the state is `Failed`.
    Down {
        /// Which session.
        pool: PoolKey,
    },
    /// What a server without sessions tells us of from now on. Follows [`BackendEdge::watch`], and
    /// the loss of a stream.
    Watching {
        /// Which session.
        pool: PoolKey,
        /// The URIs that were asked for, each with whether the server will tell of it. What was
        /// asked for since then is not among them and will be answered by another such event.
        uris: Vec<(Rc<str>, bool)>,
        /// For a while nothing was heard: all lists count as changed (F13).
        missed: bool,
    },
    /// Stopped for good, as we asked. The key is free afterwards.
    Ended {
        /// Which session.
        pool: PoolKey,
    },
}

/// What a protected server said instead of an answer (RFC 6750 section 3, RFC 9728 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// 401 or 403.
    pub status: u16,
    /// The values of its `WWW-Authenticate` fields.
    pub fields: Vec<String>,
    /// Which token it refused ([`Token::number`]); `None`: none was sent.
    pub token: Option<u32>,
    /// What was asked for: the method of the request, and a tool's name behind it.
    pub operation: String,
    /// Of a 401: the server has accepted this very token before.
    pub accepted: bool,
}

/// A token for a protected server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Each is a new one: what is said of an old one concerns nobody any more.
    pub number: u32,
    /// The token itself.
    pub secret: Secret,
}

/// Why a request has no answer though its session goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallLoss {
    /// The answer was longer than `LINE_BYTES_MAX`.
    TooLong,
    /// What happened to the exchange that carried it: one sentence, fit to stand behind
    /// "server NAME: ".
    Exchange(String),
    /// The server does it only once its owner has authorized us, or has authorized us for more.
    Unauthorized {
        /// Our page where he does that.
        page: Rc<str>,
        /// Why, in words.
        why: String,
    },
}

/// What a server said of itself in its handshake.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The revision it speaks.
    pub version: Version,
    /// What it offers.
    pub capabilities: ServerCapabilities,
    /// What it calls itself, fit to be shown.
    pub name: Option<String>,
    /// Which version of itself it names, fit to be shown.
    pub server_version: Option<String>,
    /// Its instructions, if any, decoded.
    pub instructions: Option<String>,
    /// It cannot be asked for its era: it does not answer, or dies of it. The next handshake
    /// had better begin with `initialize` ([`PoolSpec::initialize_first`]).
    pub initialize_first: bool,
}

/// Which transport a remote server is tried with first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteKind {
    /// Streamable HTTP; a server that refuses it may still speak the other one (protocol F2).
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// A server that somebody else runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSpec {
    /// How it is spoken to.
    pub kind: RemoteKind,
    /// Where.
    pub url: Rc<Url>,
    /// What is sent along with every request to this origin, and to no other.
    pub headers: Rc<[(Box<str>, Secret)]>,
    /// Whether we may ask for a token when the server wants one: not if the entry has an
    /// `Authorization` of its own.
    pub oauth: bool,
}

/// What carries the messages of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A child's stdin and stdout.
    Child(SpawnSpec),
    /// HTTP.
    Remote(RemoteSpec),
}

/// How one backend session is to be run.
#[derive(Clone, Debug)]
pub struct PoolSpec {
    /// The server's name in the configuration, for logs and errors.
    pub name: Rc<str>,
    /// Where it is counted.
    pub slot: Slot,
    /// What carries its messages.
    pub carrier: Carrier,
    /// What we declare to it.
    pub declare: ClientCapabilities,
    /// Which dialect is spoken.
    pub era: Era,
    /// With [`Era::Auto`]: it is known not to answer the question for its era.
    pub initialize_first: bool,
    /// From spawn to the end of the handshake.
    pub connect_ms: u64,
    /// Whether it is started again after it ended (`restartOnExit`).
    pub restart: bool,
    /// After this many failed starts in a row it is given up; 0 = never.
    pub restarts_max: u32,
    /// First pause before a restart.
    pub restart_delay_ms: u64,
}

/// How a backend session is doing, in words that an error and `/health` can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolState {
    /// Waits for its turn to start, or starts, or shakes hands.
    Starting,
    /// Serves.
    Ready,
    /// Ended; is tried again in this many milliseconds.
    Restarting {
        /// Until the next try.
        in_ms: u64,
        /// Why it ended.
        why: String,
    },
    /// Waits for its owner to authorize us there.
    Awaiting {
        /// Where he can do that: a page of ours. Empty while that is being found out.
        url: Rc<str>,
        /// What is the matter, in words.
        why: String,
    },
    /// Given up.
    Failed {
        /// Why.
        why: String,
    },
    /// Being stopped.
    Stopping,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The session is not up.
    NotReady,
    /// The child does not read: `CHILD_OUTBOX_BYTES_MAX`.
    Busy,
}

/// The process behind a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolFacts {
    /// Its process id while it runs.
    pub pid: Option<u32>,
    /// Since when it is ready.
    pub ready_since: Option<Tick>,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it ended last.
    pub last_error: Option<String>,
}
