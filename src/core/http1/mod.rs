//! HTTP/1.1 (RFC 9110, RFC 9112) as bytes, both roles: a pure machine per connection.
//!
//! Owns the bytes a connection has received and what may be sent on it next. Strict where two
//! readers could read two things (request smuggling); such a message is refused and the connection
//! closed. Never knows MCP, paths or sockets; never writes into an outbox itself.
//!
//! The way of one request to us: [`server`] collects bytes, [`head`] reads the request line and the
//! fields, [`framing`] decides what body follows, [`body`] takes it out, [`response`] writes the
//! head of the answer, [`sse`] the events inside it.
//!
//! The way of one request of ours: [`proxy`] tells whom to connect to, [`tunnel`] gets TLS through,
//! [`origins`] has a connection that is still open, [`requests`] writes the head, [`client`] tells
//! what comes back ([`response_head`] reads its head, [`sse_reader`] the events inside it,
//! [`fault`] says why there is none), [`redirect`] whether to ask again elsewhere and
//! [`retry_after`] when.

mod awaited;
pub mod body;
pub mod client;
pub mod fault;
pub mod framing;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod head;
pub mod headers;
pub mod no_proxy;
pub mod origins;
#[cfg(test)]
mod pair;
pub mod proxy;
pub mod redirect;
pub mod reject;
pub mod requests;
pub mod response;
mod response_body;
mod response_framing;
pub mod response_head;
pub mod retry_after;
pub mod server;
pub mod sse;
pub mod sse_reader;
pub mod syntax;
pub mod tunnel;

pub use crate::base::authority;
