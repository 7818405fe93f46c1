//! Reading resources: URIs stay as they are, so the server has to be found (contract 3).

use std::rc::Rc;

use crate::json::span::string;
use crate::json::write;
use crate::mcp::names;
use crate::route::calls::{Caller, Method, Resource, Search};
use crate::route::catalog::Kind;
use crate::route::errors::Failure;
use crate::route::forward::Request;
use crate::route::router::Incoming;
use crate::route::splice::{Edits, fields};
use crate::route::{Desk, Hall, ServerKey};

/// Where a URI leads.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The server that is asked (first).
    pub(crate) server: ServerKey,
    /// The resource there.
    pub(crate) resource: Resource,
    /// Who is asked next if it does not know the URI, last one first.
    pub(crate) left: Vec<ServerKey>,
}

impl Hall {
    /// `resources/read`.
    pub(crate) fn read(&mut self, desk: &mut Desk<'_, '_>, incoming: Incoming<'_>) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let found = incoming
            .params(["uri", "_meta"])
            .and_then(|[uri_at, meta]| {
                let uri = incoming.text_of(uri_at, "uri")?;
                let place = self
                    .locate(desk, &uri)
                    .ok_or_else(|| Failure::no_resource(&uri))?;
                Ok((place, uri, uri_at, meta))
            });
        let (place, uri, uri_at, meta) = match found {
            Ok(found) => found,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        match incoming.into_request(Method::Read, meta) {
            Ok(mut request) => {
                let original = &place.resource.original;
                if let Some(uri_at) = uri_at.filter(|_| **original != *uri) {
                    request
                        .edits
                        .replace(uri_at, write::string(original).into_bytes());
                }
                request.resource = Some(place.resource);
                if !place.left.is_empty() {
                    request.search = Some(Box::new(Search {
                        buffer: Rc::clone(&request.buffer),
                        envelope: request.envelope,
                        left: place.left,
                    }));
                }
                self.forward(desk, request, place.server);
            }
            Err(failure) => desk.fail(client, at, &id, &failure),
        }
    }

    /// A listed URI leads to its server; a qualified one to the server it names; else the first
    /// template that matches; else the servers that have resources are asked in file order.
    pub(crate) fn locate(&self, desk: &Desk<'_, '_>, uri: &str) -> Option<Place> {
        let here = |server, resource| {
            Some(Place {
                server,
                resource,
                left: Vec::new(),
            })
        };
        if let Some(target) = self.directory.find(Kind::Resources, uri) {
            return here(
                target.server,
                self.resource(target.server, uri, &target.original),
            );
        }
        if let Some((name, original)) = names::split_uri(uri)
            && let Some(server) = self.server_by_name(name)
        {
            return here(server, self.resource(server, uri, original));
        }
        let same = |original: &str| Resource {
            original: original.into(),
            prefix: None,
        };
        if let Some((name, original)) = names::split_plain(uri)
            && let Some(server) = self.server_by_name(name)
        {
            return here(server, same(original));
        }
        if let Some(server) = self.directory.by_template(uri, &self.order) {
            return here(server, same(uri));
        }
        if let Some((_, server)) = self.answered.iter().find(|(known, _)| **known == *uri)
            && self.server(*server).is_some()
        {
            return here(*server, same(uri));
        }
        let has_resources = |key: &ServerKey| {
            self.server(*key).is_some_and(|server| {
                server.fault().is_none() && self.capabilities_of(desk, server, None).resources
            })
        };
        let mut left: Vec<ServerKey> = self
            .order
            .iter()
            .copied()
            .filter(has_resources)
            .rev()
            .collect();
        let server = left.pop()?;
        Some(Place {
            server,
            resource: same(uri),
            left,
        })
    }

    fn resource(&self, server: ServerKey, uri: &str, original: &str) -> Resource {
        let prefix = || names::qualify_uri(self.server_name(server), "").into();
        Resource {
            original: original.into(),
            prefix: (uri != original).then(prefix),
        }
    }

    /// The server does not know the URI: the next one is asked.
    pub(crate) fn search_on(
        &mut self,
        desk: &mut Desk<'_, '_>,
        caller: Caller,
        mut search: Box<Search>,
    ) {
        let text = &search.buffer;
        let found = fields(text, search.envelope.params, ["uri", "_meta"]);
        let [uri_at, meta] = found.unwrap_or_default();
        let uri = uri_at
            .and_then(|at| string(text, at))
            .unwrap_or_default()
            .into_owned();
        let Some(next) = search.left.pop() else {
            return desk.fail(
                caller.client,
                caller.at,
                &caller.id,
                &Failure::no_resource(&uri),
            );
        };
        let token = fields(text, meta, ["progressToken"]);
        let request = Request {
            token_at: token.ok().and_then(|[at]| at),
            caller,
            method: Method::Read,
            buffer: Rc::clone(&search.buffer),
            envelope: search.envelope,
            edits: Edits::default(),
            resource: Some(Resource {
                original: uri.into(),
                prefix: None,
            }),
            search: Some(search),
        };
        self.forward(desk, request, next);
    }
}
