//! Reading resources: URIs stay as they are, so the server has to be found (contract 3).

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::json::span::string;
use crate::json::write;
use crate::language::ClientKey;
use crate::mcp::meta::survey;
use crate::mcp::names;
use crate::route::calls::{Caller, Method, Resource, Search};
use crate::route::catalog::Kind;
use crate::route::errors::Failure;
use crate::route::forward::Request;
use crate::route::pools::Life;
use crate::route::retry::{Again, cut_params};
use crate::route::router::Incoming;
use crate::route::seal::{INPUT_RESPONSES, REQUEST_STATE};
use crate::route::servers::Server;
use crate::route::sight::Seen;
use crate::route::splice::{Edits, fields};
use crate::route::{Desk, Hall, ServerKey};
use crate::tally::End;

/// Where a URI leads.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The server that is asked (first).
    pub(crate) server: ServerKey,
    /// The resource there.
    pub(crate) resource: Resource,
    /// If nobody is known to have it: who is asked next, last one first.
    pub(crate) left: Option<Vec<ServerKey>>,
}

impl Hall {
    /// `resources/read`.
    pub(crate) fn read(&mut self, desk: &mut Desk<'_, '_>, incoming: Incoming<'_>) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let found = incoming
            .params(["uri", REQUEST_STATE, INPUT_RESPONSES])
            .and_then(|[uri_at, state, responses]| {
                let uri = incoming.text_of(uri_at, "uri")?;
                let place = self
                    .locate(desk, client, &uri)?
                    .ok_or_else(|| self.not_found(desk, client, &uri))?;
                Ok((place, uri, uri_at, Again { state, responses }))
            });
        let (place, uri, uri_at, again) = match found {
            Ok(found) => found,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        self.bind(desk, &incoming, Method::Read);
        match incoming.into_request(Method::Read) {
            Ok(mut request) => {
                let original = &place.resource.original;
                if let Some(uri_at) = uri_at.filter(|_| **original != *uri) {
                    request
                        .edits
                        .replace(uri_at, write::string(original).into_bytes());
                }
                request.resource = Some(place.resource);
                let (buffer, envelope) = (&request.buffer, request.envelope);
                request.search = place.left.map(|left| {
                    Box::new(Search {
                        buffer: Rc::clone(buffer),
                        envelope,
                        left,
                    })
                });
                if self.is_modern(client) && !again.is_none() {
                    self.concern(desk, (client, at), place.server, None);
                    return self.retry(desk, request, place.server, again);
                }
                self.forward(desk, request, place.server);
            }
            Err(failure) => desk.fail(client, at, &id, &failure),
        }
    }

    /// A listed URI leads to its server; a qualified one to the server it names; else the first
    /// template that matches; else the servers that have resources are asked in file order. What
    /// the client does not see is passed over, but for names that say exactly what is meant.
    pub(crate) fn locate(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        uri: &str,
    ) -> Result<Option<Place>, Failure> {
        let here = |server, resource| {
            Ok(Some(Place {
                server,
                resource,
                left: None,
            }))
        };
        // What the client leaves out does not exist, and another server may have the same.
        if let Some(target) = self.directory.find(Kind::Resources, uri)
            && self.permit(client, target.server)? == Seen::Yes
        {
            return here(
                target.server,
                self.resource(target.server, uri, &target.original),
            );
        }
        if let Some((name, original)) = names::split_uri(uri)
            && let Some(server) = self.reached_by(client, name, original)?
        {
            return here(server, self.resource(server, uri, original));
        }
        let same = |original: &str| Resource {
            original: original.into(),
            prefix: None,
        };
        if let Some((name, original)) = names::split_plain(uri)
            && let Some(server) = self.reached_by(client, name, original)?
        {
            return here(server, same(original));
        }
        let visible = self.visible(client).map(|(key, _)| key);
        if let Some(server) = self.directory.by_template(uri, visible) {
            return here(server, same(uri));
        }
        let answered = self.answered.iter().rev();
        let mut answered = answered.filter(|(known, _)| **known == *uri);
        if let Some((_, server)) = answered.find(|(_, server)| self.sees(client, *server)) {
            return here(*server, same(uri));
        }
        Ok(self.search(desk, client, uri))
    }

    /// The server that a name of a resource mentions, if the client sees it.
    fn reached_by(
        &self,
        client: ClientKey,
        name: &str,
        original: &str,
    ) -> Result<Option<ServerKey>, Failure> {
        let Some(server) = self.server_by_name(name) else {
            return Ok(None);
        };
        let lists = |kind| self.directory.own(kind, server, original).is_some();
        if lists(Kind::Resources) {
            self.permit(client, server)?;
        }
        Ok(Some(server).filter(|server| self.sees(client, *server)))
    }

    /// Who is asked for a URI that nobody is known to have.
    fn search(&self, desk: &Desk<'_, '_>, client: ClientKey, uri: &str) -> Option<Place> {
        let servers = self.with_resources(desk, client);
        let in_life = |wanted| {
            let life = |key: &&ServerKey| self.life(client, **key) == Some(wanted);
            servers
                .iter()
                .filter(life)
                .copied()
                .rev()
                .collect::<Vec<_>>()
        };
        // A server that is down or does not start delays no search, unless there is no other.
        let mut left = in_life(Life::Up);
        if left.is_empty() {
            left = in_life(Life::Fresh);
        }
        let sure = left.len() == 1 && servers.len() == 1;
        let server = left.pop()?;
        Some(Place {
            server,
            resource: Resource {
                original: uri.into(),
                prefix: None,
            },
            left: (!sure).then_some(left),
        })
    }

    /// The servers that have resources and that a client sees, in file order.
    fn with_resources(&self, desk: &Desk<'_, '_>, client: ClientKey) -> Vec<ServerKey> {
        let has = |server: &Server| {
            let offered = self.capabilities_of(desk, server, Some(client));
            server.fault().is_none() && offered.resources
        };
        let visible = self.visible(client).filter(|(_, server)| has(server));
        visible.map(|(key, _)| key).collect()
    }

    /// How far the session has come in which a client would ask a server.
    fn life(&self, client: ClientKey, key: ServerKey) -> Option<Life> {
        let server = self.server(key)?;
        let own = server.private.get(&client).copied().or(server.shared);
        own.and_then(|pool| self.pools.get(&pool))
            .map(|pool| pool.life)
    }

    /// No server that could be asked has it. Perhaps one does that could not.
    fn not_found(&self, desk: &Desk<'_, '_>, client: ClientKey, uri: &str) -> Failure {
        let servers = self.with_resources(desk, client);
        let away = |key: &ServerKey| self.life(client, *key) != Some(Life::Up);
        let away = servers.into_iter().find(away);
        let Some((key, server)) = away.and_then(|key| Some((key, self.server(key)?))) else {
            return Failure::no_resource(uri);
        };
        let state = self.server_state(desk, server, Some(client));
        let down = Failure::down(self.server_name(key), &state);
        Failure {
            message: format!("no server that is up has {uri}; {}", down.message),
            ..down
        }
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
        let found = fields(text, search.envelope.params, ["uri"]);
        let [uri_at] = found.unwrap_or_default();
        let hop = survey(text, search.envelope.meta).hop;
        let uri = uri_at
            .and_then(|at| string(text, at))
            .unwrap_or_default()
            .into_owned();
        let client = caller.client;
        while search
            .left
            .pop_if(|next| {
                self.life(client, *next) == Some(Life::Down) || !self.sees(client, *next)
            })
            .is_some()
        {}
        let Some(next) = search.left.pop() else {
            Mark::ReadSearchedInVain.hit();
            let failure = self.not_found(desk, client, &uri).ending(End::Error);
            return desk.fail(client, caller.at, &caller.id, &failure);
        };
        let mut edits = Edits::default();
        edits.cut_all(&hop.cuts);
        if self.is_modern(client) {
            let names = [REQUEST_STATE, INPUT_RESPONSES];
            cut_params(text, search.envelope.params, &names, &mut edits);
        }
        let request = Request {
            tool: None,
            token_at: hop.token,
            caller,
            method: Method::Read,
            buffer: Rc::clone(&search.buffer),
            envelope: search.envelope,
            edits,
            resource: Some(Resource {
                original: uri.into(),
                prefix: None,
            }),
            search: Some(search),
        };
        self.forward(desk, request, next);
    }
}
