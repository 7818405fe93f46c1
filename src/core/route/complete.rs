//! Completion: the reference in the request names a prompt or a template, and so a server.

use crate::json::span::{Span, string};
use crate::json::write;
use crate::mcp::version::Version;
use crate::route::calls::Method;
use crate::route::catalog::Kind;
use crate::route::errors::Failure;
use crate::route::router::Incoming;
use crate::route::sight::Seen;
use crate::route::splice::{fields, member_with_comma};
use crate::route::{Desk, Hall, ServerKey};

/// What a server that has no completions would answer.
pub(crate) const NO_VALUES: &str = r#"{"completion":{"values":[],"total":0,"hasMore":false}}"#;

/// What a reference stands for.
struct Reference {
    server: ServerKey,
    /// The value to be replaced, and by what.
    at: Span,
    original: Vec<u8>,
}

impl Hall {
    /// `completion/complete`.
    pub(crate) fn complete(&mut self, desk: &mut Desk<'_, '_>, incoming: Incoming<'_>) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let found = incoming
            .params(["ref"])
            .and_then(|[reference]| self.reference_of(&incoming, reference));
        let reference = match found {
            Ok(found) => found,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        let Some(server) = self.server(reference.server) else {
            return;
        };
        if !self.completes(desk, server) {
            let result = self.own_result(client, NO_VALUES);
            return desk.succeed(client, at, &id, &result);
        }
        // Servers before 2025-06-18 do not know the member; strict ones would refuse the request.
        let context = self
            .version_of(desk, server)
            .filter(|version| *version < Version::V2025_06_18)
            .and(incoming.envelope.params)
            .and_then(|params| member_with_comma(incoming.text(), params, "context"));
        match incoming.into_request(Method::Complete) {
            Ok(mut request) => {
                request.edits.replace(reference.at, reference.original);
                if let Some(context) = context {
                    request.edits.cut(context);
                }
                self.forward(desk, request, reference.server);
            }
            Err(failure) => desk.fail(client, at, &id, &failure),
        }
    }

    fn reference_of(
        &self,
        incoming: &Incoming<'_>,
        reference: Option<Span>,
    ) -> Result<Reference, Failure> {
        let text = incoming.text();
        let [name, uri] = fields(text, reference, ["name", "uri"]).map_err(|_| Failure::twice())?;
        let decoded = |at: Span| string(text, at).map(std::borrow::Cow::into_owned);
        if let Some((at, uri)) = uri.and_then(|at| Some((at, decoded(at)?))) {
            let target = self
                .directory
                .find(Kind::Templates, &uri)
                .or_else(|| self.directory.find(Kind::Resources, &uri))
                .ok_or_else(|| Failure::no_resource(&uri))?;
            if self.permit(incoming.client, target.server)? == Seen::LeftOut {
                return Err(Failure::no_resource(&uri));
            }
            return Ok(Reference {
                server: target.server,
                at,
                original: target.json.to_vec(),
            });
        }
        let Some((at, name)) = name.and_then(|at| Some((at, decoded(at)?))) else {
            return Err(Failure::params("params.ref has neither a name nor a uri"));
        };
        let target = self.find_named(incoming.client, Kind::Prompts, &name)?;
        let original = write::string(&target.original).into_bytes();
        Ok(Reference {
            server: target.server,
            at,
            original,
        })
    }

    /// A 2024-11-05 server has no flag for it and is simply asked (protocol 3.1).
    fn completes(&self, desk: &Desk<'_, '_>, server: &super::servers::Server) -> bool {
        self.capabilities_of(desk, server, None).completions
            || self.version_of(desk, server) == Some(Version::V2024_11_05)
    }

    /// The revision that a server speaks, or spoke when it was last up.
    pub(crate) fn version_of(
        &self,
        desk: &Desk<'_, '_>,
        server: &super::servers::Server,
    ) -> Option<Version> {
        let pools = server
            .shared
            .into_iter()
            .chain(server.private.values().copied());
        let hello = pools.filter_map(|pool| desk.backends.hello(pool)).next();
        hello
            .map(|hello| hello.version)
            .or(server.memory.as_ref().map(|memory| memory.version))
    }
}
