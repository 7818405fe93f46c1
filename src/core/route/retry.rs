//! A request that goes on where an earlier one ended (protocol 3.5): it brings the `requestState`
//! that it was given, and perhaps answers. What that means is sealed in the state; what a client
//! made up itself means nothing.

use crate::json::cuts::runs;
use crate::json::span::{Span, string, string_is};
use crate::language::ClientKey;
use crate::now::Tick;
use crate::route::authorize::declines;
use crate::route::calls::Method;
use crate::route::errors::Failure;
use crate::route::forward::Request;
use crate::route::router::{Incoming, TASK};
use crate::route::seal::{Bound, INPUT_RESPONSES, REQUEST_STATE, State, stale};
use crate::route::splice::Edits;
use crate::route::{Desk, Hall, ServerKey};

/// The members of a request that make it a retry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Again {
    /// `requestState`.
    pub(crate) state: Option<Span>,
    /// `inputResponses`.
    pub(crate) responses: Option<Span>,
}

impl Again {
    /// The request is an ordinary one.
    pub(crate) const fn is_none(&self) -> bool {
        self.state.is_none() && self.responses.is_none()
    }
}

impl Hall {
    /// Notes what a `requestState` for this request would be bound to. Only calls that may get one
    /// are bound: those of clients without a session that can be asked something.
    pub(crate) fn bind(&mut self, desk: &Desk<'_, '_>, of: &Incoming<'_>, method: Method) {
        if !self.is_modern(of.client) {
            return;
        }
        let facts = desk.clients.facts(of.client);
        if facts.is_some_and(|facts| facts.capabilities.interactive()) {
            self.bind_always(of, method);
        }
    }

    /// The same for a server that may answer with a `requestState` whatever its client declares.
    pub(crate) fn bind_always(&mut self, of: &Incoming<'_>, method: Method) {
        let grant = self.grant(of.client);
        if let Some(client) = self.clients.get_mut(&of.client) {
            let bound = Bound::of(grant, method, of.text(), of.envelope.params);
            client.bound = Some(Box::new(bound));
        }
    }

    /// A state for the client of a call, good until then; `None` if it may have none, or what a
    /// server put into it is too long.
    pub(crate) fn sealed(
        &mut self,
        client: ClientKey,
        until: Tick,
        state: &State,
    ) -> Option<String> {
        let bound = self.clients.get(&client)?.bound.as_deref()?;
        self.seal.seal(*bound, until, state)
    }

    /// Goes on with a call of a client without a session.
    pub(crate) fn retry(
        &mut self,
        desk: &mut Desk<'_, '_>,
        mut request: Request,
        server: ServerKey,
        again: Again,
    ) {
        let (client, at) = (request.caller.client, request.caller.at);
        match self.opened(desk, &request, again) {
            // A server that keeps nothing, and gave no state: what it is told it can judge itself.
            // A URI may lead to another server than the one that asked, a name does not.
            Ok(None)
                if request.method != Method::Read
                    && self.server(server).is_some_and(|server| server.stateless) =>
            {
                request.cut_params(&[TASK]);
                self.forward(desk, request, server);
            }
            Ok(None | Some(State::Elicited)) => {
                if let Some(known) = self.clients.get_mut(&client) {
                    known.declined = declines(&request.buffer, again.responses);
                }
                request.cut_params(&[INPUT_RESPONSES, REQUEST_STATE, TASK]);
                self.forward(desk, request, server);
            }
            Ok(Some(State::Nested {
                server: name,
                state,
            })) if *name == *self.server_name(server) => {
                match (state, again.state) {
                    (Some(state), Some(at)) => {
                        request.edits.replace(at, state);
                        request.cut_params(&[TASK]);
                    }
                    _ => request.cut_params(&[REQUEST_STATE, TASK]),
                }
                self.forward(desk, request, server);
            }
            Ok(Some(State::Suspended { suspended, round })) => {
                let Request { caller, buffer, .. } = request;
                self.resume(desk, caller, &buffer, again, (suspended, round));
            }
            Ok(Some(State::Nested { .. })) => {
                desk.fail(client, at, &request.caller.id, &stale());
            }
            Err(failure) => desk.fail(client, at, &request.caller.id, &failure),
        }
    }

    /// What the state of a retry says; `None` if it brings none.
    fn opened(
        &self,
        desk: &Desk<'_, '_>,
        request: &Request,
        again: Again,
    ) -> Result<Option<State>, Failure> {
        let Some(state) = again.state else {
            return Ok(None);
        };
        let text = &request.buffer;
        let grant = self.grant(request.caller.client);
        let of = Bound::of(grant, request.method, text, request.envelope.params);
        let state = string(text, state).ok_or_else(stale)?;
        self.seal.open(of, desk.cx.now.tick, &state).map(Some)
    }
}

impl Request {
    /// Cuts members out of the parameters, with their commas.
    pub(crate) fn cut_params(&mut self, names: &[&str]) {
        cut_params(&self.buffer, self.envelope.params, names, &mut self.edits);
    }
}

/// Cuts members out of the parameters of a request, with their commas.
pub(crate) fn cut_params(text: &[u8], params: Option<Span>, names: &[&str], edits: &mut Edits) {
    let mut goes = |key, _| names.iter().any(|name| string_is(text, key, name));
    if let Some(params) = params {
        edits.cut_all(&runs(text, params, &mut goes));
    }
}
