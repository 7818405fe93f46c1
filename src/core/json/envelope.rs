//! A JSON-RPC message seen only as far as its routing members. One scan, no tree.

use crate::json::span::{Malformed, Span};

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `id` and `method`.
    Request,
    /// `method` without `id`.
    Notification,
    /// `id` and `result`.
    Result,
    /// `error`, and `id` (which may be null: the peer could not read our id).
    Error,
}

/// The routing members of one message. Spans point into the text it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What it is.
    pub kind: Kind,
    /// The whole object.
    pub whole: Span,
    /// Raw `id`: a string with its quotes, or an integer. `None` for notifications and for errors
    /// with a null id.
    pub id: Option<Span>,
    /// `method` with its quotes.
    pub method: Option<Span>,
    /// `params`: an object (arrays are refused), if present.
    pub params: Option<Span>,
    /// `result` or `error`: its value.
    pub outcome: Option<Span>,
}

/// Why a text is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// -32700.
    Malformed(Malformed),
    /// -32600: an array (a batch), where only one message may stand.
    Array,
    /// -32600: some other value than an object.
    NotAnObject,
    /// -32600: `jsonrpc` is missing or not "2.0".
    NotVersion2,
    /// -32600: the id is null on a request, or no string and no integer, or too long.
    BadId,
    /// -32600: a routing member stands twice.
    DuplicateMember,
    /// -32600: `method` is no string, or `params` no object, or `error` no object.
    BadMember,
    /// -32600: neither method nor result nor error, or several of them.
    NotAMessage,
}

/// Reads one message.
///
/// # Errors
/// The fault, and the id if one could be read, so that the refusal can carry it.
pub fn read(_text: &[u8]) -> Result<Envelope, (Fault, Option<Span>)> {
    todo!()
}

/// An id as it stood on the wire, kept to be given back byte for byte (A1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonId(Box<[u8]>);

impl JsonId {
    /// Keeps the bytes of an id.
    #[must_use]
    pub fn new(raw: &[u8]) -> Self {
        Self(raw.into())
    }

    /// The bytes, as they stood.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.0
    }
}

/// The id if it is a non-negative integer written as we write ours: digits only, no leading zero.
#[must_use]
pub fn our_number(_raw: &[u8]) -> Option<u64> {
    todo!()
}
