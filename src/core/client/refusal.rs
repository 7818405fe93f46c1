//! What a client is told when its message is not taken: one JSON-RPC error, and the HTTP status
//! that goes with it.

use crate::base::mark::Mark;
use crate::client::message;
use crate::cx::Cx;
use crate::filter::query;
use crate::json::envelope::{Envelope, Fault, Kind};
use crate::json::span::Span;
use crate::json::write;
use crate::limits::{BATCH_MAX, BODY_BYTES_MAX, CALLS_PER_CLIENT_MAX, LISTENS_MAX};
use crate::mcp::levels::LEVELS;
use crate::mcp::modern::{HEADER_MISMATCH, UNSUPPORTED_VERSION};
use crate::mcp::version::Version;
use crate::oauth::door::Turned;
use crate::tally::{End, Method};

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No message at all.
    Fault(Fault),
    /// 403: host or origin.
    Forbidden { error: String, hint: String },
    /// 401, 400 or 503: it does not come in (R1-R4).
    Turned {
        turned: Turned,
        challenge: Option<String>,
    },
    /// 400: what its URL asks to see cannot be read (contract 4).
    Filter(Box<query::Fault>),
    /// 508: the request has passed through us already (contract 3).
    Loop,
    /// 405: the path has other methods.
    Method { allow: &'static str },
    /// 415 (C7).
    ContentType,
    /// 406 (C7).
    NotAcceptable,
    /// 406 on GET (C6).
    NoEventStream,
    /// A revision that is not spoken.
    Version { requested: String },
    /// A modern message where only revisions with sessions are spoken.
    ModernElsewhere,
    /// A header field contradicts the body, is missing or malformed (D19).
    Field { what: String },
    /// A modern request without this key in its `_meta`.
    Meta { key: &'static str },
    /// A log level that there is not (D9).
    Level { level: String },
    /// A method that the modern revision does not have (D21).
    UnknownMethod { method: String },
    /// A response, where nobody was asked.
    Response,
    /// Too many subscriptions.
    TooManyListens,
    /// `initialize` without a protocol version.
    NoVersion,
    /// No session header (C2).
    NoSession,
    /// No session in the query of `/messages`.
    NoSessionParameter,
    /// No such session (C2, E3).
    UnknownSession,
    /// Anything but ping before `initialize` (B3).
    NotInitialized,
    /// An array, on a revision that has none, or an empty or too long one (B8, C12).
    Batch,
    /// `initialize` in an array (C12).
    BatchedInitialize,
    /// A request with this id is being answered.
    DuplicateId,
    /// A line longer than the limit.
    LineTooLong,
    /// Too many calls at once, or the hall asked for a pause.
    Busy,
    /// Too many connections of one client behind a proxy.
    TooManyConnections,
    /// 503: as much is being received as may be.
    TooManyLargeBodies,
    /// 413: a message that is longer than any may be.
    BodyTooLong,
    /// Too many sessions.
    TooManySessions,
    /// Too many streams of one session.
    TooManyStreams,
    /// The session was ended while its request waited: by its client, or with its grant.
    SessionEnded,
    /// We are stopping.
    Stopping,
}

/// A refusal, and the id of the request that gets it.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// Raw; `None` becomes null.
    pub(super) id: Option<Box<[u8]>>,
    /// Of a request of this method, which is counted.
    pub(super) method: Option<Method>,
}

impl Refused {
    /// The refusal of a whole message that was read.
    pub(super) fn request(refusal: Refusal, text: &[u8], envelope: &Envelope) -> Self {
        let is_request = envelope.kind == Kind::Request;
        Self {
            method: is_request.then(|| message::method(text, envelope)),
            ..Self::named(refusal, text, message::asked(envelope))
        }
    }

    /// It is said now: the request is counted.
    pub(super) fn counted(&self, cx: &mut Cx<'_>) -> &Self {
        if let Some(method) = self.method {
            let account = cx.tally.begin(cx.now.tick, method, 0);
            cx.settle(account, End::Refused, || 0);
        }
        self
    }

    /// The refusal of what was no whole message.
    pub(super) fn named(refusal: Refusal, text: &[u8], id: Option<Span>) -> Self {
        Self {
            refusal,
            id: id.map(|id| id.of(text).into()),
            method: None,
        }
    }

    /// The JSON-RPC error.
    pub(super) fn body(&self) -> Vec<u8> {
        self.refusal.body(self.id.as_deref())
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            id: None,
            method: None,
        }
    }
}

impl Refusal {
    /// A request came while we are stopping.
    pub(super) fn too_late() -> Self {
        Mark::RequestWhileStopping.hit();
        Self::Stopping
    }

    /// Status of the HTTP answer.
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Fault(_)
            | Self::Filter(_)
            | Self::Version { .. }
            | Self::NoSession
            | Self::NoSessionParameter
            | Self::NotInitialized
            | Self::Batch
            | Self::BatchedInitialize
            | Self::DuplicateId
            | Self::ModernElsewhere
            | Self::Field { .. }
            | Self::Meta { .. }
            | Self::Level { .. }
            | Self::Response
            | Self::LineTooLong => 400,
            Self::Forbidden { .. } => 403,
            Self::UnknownSession | Self::SessionEnded | Self::UnknownMethod { .. } => 404,
            Self::Method { .. } => 405,
            Self::NotAcceptable | Self::NoEventStream => 406,
            Self::BodyTooLong => 413,
            Self::ContentType => 415,
            Self::TooManyConnections
            | Self::TooManySessions
            | Self::TooManyStreams
            | Self::TooManyListens => 429,
            Self::Stopping | Self::TooManyLargeBodies => 503,
            Self::Turned { turned, .. } => turned.status(),
            Self::Loop => 508,
            // The message was fine, its method could not be served: an error of JSON-RPC only.
            Self::NoVersion | Self::Busy => 200,
        }
    }

    /// Whether the client may try again soon.
    pub(super) const fn retry_after(&self) -> bool {
        matches!(self.status(), 429 | 503)
    }

    pub(super) const fn code(&self) -> i32 {
        match self {
            Self::Fault(fault) => fault.code(),
            Self::Version { .. } | Self::ModernElsewhere => UNSUPPORTED_VERSION,
            Self::Field { .. } => HEADER_MISMATCH,
            Self::UnknownMethod { .. } => -32601,
            Self::NoVersion | Self::Meta { .. } | Self::Level { .. } => -32602,
            Self::Busy
            | Self::TooManyConnections
            | Self::TooManyLargeBodies
            | Self::TooManySessions
            | Self::TooManyStreams
            | Self::TooManyListens
            | Self::Stopping => -32603,
            Self::Forbidden { .. }
            | Self::Turned { .. }
            | Self::Filter(_)
            | Self::Loop
            | Self::Method { .. }
            | Self::ContentType
            | Self::BodyTooLong
            | Self::NotAcceptable
            | Self::NoEventStream
            | Self::NoSession
            | Self::NoSessionParameter
            | Self::UnknownSession
            | Self::SessionEnded
            | Self::NotInitialized
            | Self::Batch
            | Self::BatchedInitialize
            | Self::DuplicateId
            | Self::Response
            | Self::LineTooLong => -32600,
        }
    }

    fn message(&self) -> String {
        match self.fixed() {
            Ok(text) => text.to_owned(),
            Err(text) => text,
        }
    }

    /// What is wrong and what to do; `Err` if values stand in it.
    fn fixed(&self) -> Result<&'static str, String> {
        Ok(match self {
            Self::Fault(fault) => fault.message(),
            Self::Loop => {
                "Loop detected: this request has passed through this 1mcp before. Remove the \
                 server entry that leads back here, on this side or the other."
            }
            Self::Method { .. } => "Method not allowed: see the Allow header of this answer.",
            Self::ContentType => "Unsupported media type: send Content-Type: application/json.",
            Self::NotAcceptable => {
                "Not acceptable: Accept must allow application/json or text/event-stream."
            }
            Self::NoEventStream => "Not acceptable: Accept must allow text/event-stream.",
            Self::Response => {
                "Invalid request: nobody is asked in this revision, so there is nothing to answer."
            }
            Self::NoVersion => "Invalid params: initialize needs params.protocolVersion, a string.",
            Self::NoSession => {
                "Invalid request: Mcp-Session-Id is missing. Send initialize first, then the id \
                 from its answer with every request."
            }
            Self::NoSessionParameter => {
                "Invalid request: post to the URI that the endpoint event of /sse told."
            }
            Self::UnknownSession => {
                "Session not found: it has ended. Send initialize to open another."
            }
            Self::SessionEnded => "The session has ended.",
            Self::NotInitialized => "Invalid request: send initialize first.",
            Self::BatchedInitialize => "Invalid request: initialize must not be part of a batch.",
            Self::DuplicateId => "Invalid request: a request with this id is still being answered.",
            Self::LineTooLong => "Invalid request: the message is too long.",
            Self::TooManyConnections => {
                "Too many connections of one address are open. Try again when some were closed."
            }
            Self::TooManyLargeBodies => {
                "Busy: too many large requests are being received. Try again soon."
            }
            Self::BodyTooLong => {
                const { assert!(BODY_BYTES_MAX == 16 * 1024 * 1024) };
                "The message is too long: a request body may have at most 16 MiB."
            }
            Self::TooManySessions => "Too many sessions are open. Try again later.",
            Self::TooManyStreams => {
                "Too many streams of this session are open. Try again when some were answered."
            }
            Self::Stopping => "1mcp is stopping. Send the request again in a moment.",
            Self::Forbidden { .. }
            | Self::Turned { .. }
            | Self::Filter(_)
            | Self::Version { .. }
            | Self::ModernElsewhere
            | Self::Field { .. }
            | Self::Meta { .. }
            | Self::Level { .. }
            | Self::UnknownMethod { .. }
            | Self::Batch
            | Self::Busy
            | Self::TooManyListens => return Err(self.filled()),
        })
    }

    /// The texts with values in them.
    fn filled(&self) -> String {
        let modern = Version::MODERN.name();
        let legacy = || Version::ALL.map(Version::name).join(", ");
        match self {
            Self::Forbidden { error, hint } => format!("Forbidden: {error}. {hint}"),
            Self::Turned { turned, .. } => format!("Unauthorized: {}.", turned.why()),
            Self::Filter(fault) => format!("Invalid request: {fault}."),
            Self::Version { requested } => format!(
                "Unsupported protocol version {requested:?}: use {modern}, or one of {} after \
                 initialize.",
                legacy()
            ),
            Self::ModernElsewhere => format!(
                "Unsupported protocol version: {modern} is not spoken on /sse nor in batches. Post \
                 each message to /mcp, or send initialize with one of {}.",
                legacy()
            ),
            Self::Field { what } => format!(
                "Header mismatch: {what}. The header fields of a POST repeat its body: \
                 MCP-Protocol-Version, Mcp-Method, Mcp-Name."
            ),
            Self::Meta { key } => {
                format!("Invalid params: params._meta needs {key}, once, on every request.")
            }
            Self::Level { level } => format!(
                "Invalid params: unknown log level {level:?}: it is one of {}.",
                LEVELS.join(", ")
            ),
            Self::UnknownMethod { method } => {
                format!("Method not found: {method:?} does not exist in {modern}.")
            }
            Self::Batch => format!(
                "Invalid request: a batch is an array of 1 to {BATCH_MAX} messages, and only \
                 revision 2025-03-26 has batches."
            ),
            Self::Busy => format!(
                "Busy: at most {CALLS_PER_CLIENT_MAX} requests of one client run at once. Try \
                 again when some were answered."
            ),
            Self::TooManyListens => format!(
                "Busy: {LISTENS_MAX} subscriptions/listen streams are open. Try again later."
            ),
            _ => String::new(),
        }
    }

    /// The JSON-RPC error; `id` is raw, `None` becomes null.
    pub(super) fn body(&self, id: Option<&[u8]>) -> Vec<u8> {
        let data = match self {
            Self::Version { requested } => {
                let supported = Version::supported();
                let requested = write::string(requested);
                Some(format!(
                    r#"{{"supported":{supported},"requested":{requested}}}"#
                ))
            }
            Self::ModernElsewhere => {
                let supported = Version::ALL.map(|version| write::string(version.name()));
                let requested = Version::MODERN.name();
                Some(format!(
                    r#"{{"supported":[{}],"requested":"{requested}"}}"#,
                    supported.join(",")
                ))
            }
            _ => None,
        };
        write::error(
            id,
            self.code(),
            &self.message(),
            data.as_deref().map(str::as_bytes),
        )
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
