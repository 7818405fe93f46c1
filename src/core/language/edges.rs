//! The downward halves of both edges: what the hall may tell them.

use std::rc::Rc;

use crate::base::outbox::Part;
use crate::cx::Cx;
use crate::language::{At, ClientKey, Hello, PoolFacts, PoolKey, PoolSpec, PoolState, Refused};
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::version::Version;
use crate::now::Now;
use crate::principal::Sight;
use crate::tally::{About, End};

/// What the hall may know of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientFacts {
    /// The revision it speaks.
    pub version: Version,
    /// What it declared.
    pub capabilities: ClientCapabilities,
    /// Whether `notifications/initialized` came: only then may we speak first.
    pub initialized: bool,
    /// The log level that came with the request of a client without a session (D9).
    pub level: Option<u8>,
}

/// The downward half of a client edge. `message` is one whole JSON-RPC message on one line,
/// without framing.
pub trait ClientEdge {
    /// The request turns out to be about this: so it is counted.
    fn concern(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, about: About<'_>);
    /// The response to a request, which ends as it is said.
    fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        end: End,
        message: &[Part<'_>],
    );
    /// The response to a request is this error, which may have a status of its own.
    fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        how: (End, i32),
        message: &[Part<'_>],
    );
    /// The response to a request is this error: what the client may see does not include what it
    /// asked for, and `scopes` are all that this needs (R3). The status is 403, unless the answer
    /// has become an event stream. Never called where [`ClientEdge::sight`] is everything.
    fn forbid(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        scopes: &str,
        message: &[Part<'_>],
    );
    /// The request will never be answered: the client cancelled it (C11).
    fn drop_request(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At);
    /// Progress or a log line about a request; may be dropped when the client reads slowly.
    fn note(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, message: &[Part<'_>]);
    /// A request of ours; `false` if it can reach nobody.
    fn ask(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, message: &[Part<'_>]) -> bool;
    /// A notification about nothing in particular.
    fn tell(&mut self, cx: &mut Cx<'_>, client: ClientKey, message: &[Part<'_>]);
    /// What is known of the client; `None` once it is gone.
    fn facts(&self, client: ClientKey) -> Option<ClientFacts>;
    /// What the client may see, by the token of its latest request; everything without
    /// `--enable-auth`. One that is gone sees nothing any more, whatever this says.
    fn sight(&self, client: ClientKey) -> Sight;
}

/// The downward half of a backend edge.
pub trait BackendEdge {
    /// Queues a session to be started.
    fn start(&mut self, cx: &mut Cx<'_>, spec: PoolSpec) -> PoolKey;
    /// The same process is to be kept alive by other rules; one that was given up or waits for its
    /// next try is tried at once.
    fn update(&mut self, cx: &mut Cx<'_>, pool: PoolKey, spec: PoolSpec);
    /// Stops a session for good; `Ended` follows.
    fn stop(&mut self, cx: &mut Cx<'_>, pool: PoolKey);
    /// Sends one message.
    ///
    /// # Errors
    /// The session is not ready, or does not read.
    fn send(&mut self, cx: &mut Cx<'_>, pool: PoolKey, message: &[Part<'_>])
    -> Result<(), Refused>;
    /// Sends a `tools/call` whose arguments are repeated in fields (D20, `x-mcp-header`): names in
    /// lower case without `Mcp-Param-`, values not encoded yet. Only where
    /// [`BackendEdge::wants_fields`].
    ///
    /// # Errors
    /// As [`BackendEdge::send`].
    fn send_with_fields(
        &mut self,
        cx: &mut Cx<'_>,
        pool: PoolKey,
        message: &[Part<'_>],
        fields: &[(String, String)],
    ) -> Result<(), Refused>;
    /// Whether the session speaks the revision without sessions over HTTP.
    fn wants_fields(&self, pool: PoolKey) -> bool;
    /// Of these resources, and of no others, a server without sessions is to tell us; the answer
    /// is [`super::BackendEvent::Watching`]. Remembered for as long as the session lasts.
    fn watch(&mut self, cx: &mut Cx<'_>, pool: PoolKey, uris: Vec<Rc<str>>);
    /// How the session is doing.
    fn state(&self, now: Now, pool: PoolKey) -> PoolState;
    /// What the server said of itself; `None` before its first handshake.
    fn hello(&self, pool: PoolKey) -> Option<&Hello>;
    /// The process behind the session.
    fn facts(&self, pool: PoolKey) -> Option<PoolFacts>;
}
