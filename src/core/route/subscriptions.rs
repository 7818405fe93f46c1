//! Who listens to which resource: counted for each session and URI, so that a server is told once,
//! and the listeners follow when they move to another session.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::json::envelope::Envelope;
use crate::json::span::string;
use crate::json::write;
use crate::language::{ClientKey, PoolKey};
use crate::limits::{ANSWERED_URIS_MAX, SUBSCRIPTIONS_PER_CLIENT_MAX};
use crate::mcp::meta::SUBSCRIPTION;
use crate::route::calls::{Call, Caller, Method, Origin, Resource};
use crate::route::errors::{Failure, INTERNAL, METHOD_NOT_FOUND};
use crate::route::pools::{Life, Pool};
use crate::route::resources::Place;
use crate::route::router::Incoming;
use crate::route::splice::{Edits, fields};
use crate::route::stamp::{cut_meta, put_into_params};
use crate::route::{Desk, Hall, ServerKey};

/// The clients that listen to one URI of one session, each with the prefix it uses.
pub(crate) type Subscribers = Vec<(ClientKey, Option<Rc<str>>)>;

/// Who listens to which URI.
pub(crate) type Listeners = BTreeMap<Rc<str>, Subscribers>;

pub(crate) fn params(uri: &str) -> String {
    format!("{{\"uri\":{}}}", write::string(uri))
}

/// Whether an update of `uri` concerns those who listen to `listened`: the same, or below it.
fn concerns(listened: &str, uri: &str) -> bool {
    uri.strip_prefix(listened)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || listened.ends_with('/'))
}

/// What a call subscribes to for a client.
fn subscribes_to(call: &Call) -> Option<&Rc<str>> {
    match &call.origin {
        Origin::Client {
            method: Method::Subscribe,
            resource: Some(resource),
            ..
        }
        | Origin::Listen { resource, .. } => Some(&resource.original),
        _ => None,
    }
}

/// Whether an `unsubscribe` would end what is just beginning.
pub(crate) fn overtaken(begun: &[Rc<str>], uri: &Rc<str>) -> bool {
    let overtaken = begun.contains(uri);
    if overtaken {
        Mark::UnsubscribeOvertaken.hit();
    }
    overtaken
}

impl Hall {
    /// `resources/subscribe`.
    pub(crate) fn subscribe(&mut self, desk: &mut Desk<'_, '_>, incoming: Incoming<'_>) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let Place {
            server, resource, ..
        } = match self.listened_by(desk, &incoming) {
            Ok(place) => place,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        let count = self
            .clients
            .get(&client)
            .map_or(0, |client| client.subscriptions);
        if count >= SUBSCRIPTIONS_PER_CLIENT_MAX {
            Mark::SubscriptionsFull.hit();
            let text = format!("this client has {count} subscriptions: unsubscribe from some");
            return desk.fail(client, at, &id, &Failure::new(INTERNAL, text));
        }
        let subscribes = self
            .server(server)
            .is_some_and(|server| self.capabilities_of(desk, server, Some(client)).subscribe);
        if !subscribes {
            let name = self.server_name(server);
            let text = format!("server {name} has no subscriptions");
            return desk.fail(client, at, &id, &Failure::new(METHOD_NOT_FOUND, text));
        }
        let pool = self.pool_for(desk, client, server).ok();
        let session = pool.and_then(|pool| self.pools.get_mut(&pool));
        let known = session.and_then(|session| session.subscriptions.get_mut(&resource.original));
        if let Some(subscribers) = known.filter(|subscribers| !subscribers.is_empty()) {
            if !subscribers.iter().any(|(other, _)| *other == client) {
                subscribers.push((client, resource.prefix));
                self.count_subscriptions(client, 1);
            }
            return desk.succeed(client, at, &id, "{}");
        }
        self.pass_on(desk, incoming, Method::Subscribe, server, resource);
    }

    /// `resources/unsubscribe`.
    pub(crate) fn unsubscribe(&mut self, desk: &mut Desk<'_, '_>, incoming: Incoming<'_>) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let Place {
            server, resource, ..
        } = match self.listened_by(desk, &incoming) {
            Ok(place) => place,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        let mut last = None;
        for (pool, session) in self
            .pools
            .iter_mut()
            .filter(|(_, pool)| pool.server == server)
        {
            let Some(subscribers) = session.subscriptions.get_mut(&resource.original) else {
                continue;
            };
            let before = subscribers.len();
            subscribers.retain(|(other, _)| *other != client);
            if subscribers.len() < before {
                if subscribers.is_empty() {
                    session.subscriptions.remove(&resource.original);
                    last = Some(*pool);
                }
                self.count_subscriptions(client, -1);
                break;
            }
        }
        if last.is_some_and(|pool| !overtaken(&self.begins(pool), &resource.original)) {
            self.pass_on(desk, incoming, Method::Unsubscribe, server, resource);
        } else {
            desk.succeed(client, at, &id, "{}");
        }
    }

    /// The resources of a session that somebody is just beginning to listen to: if the last who
    /// did so leaves meanwhile, an `unsubscribe` would end that too.
    pub(crate) fn begins(&self, pool: PoolKey) -> Vec<Rc<str>> {
        let calls = self.calls.of_pool(pool).into_iter();
        let calls = calls.filter_map(|key| self.calls.get(key));
        calls.filter_map(subscribes_to).cloned().collect()
    }

    fn listened_by(&self, desk: &Desk<'_, '_>, incoming: &Incoming<'_>) -> Result<Place, Failure> {
        let [uri_at] = incoming.params(["uri"])?;
        let uri = incoming.text_of(uri_at, "uri")?;
        self.listened(desk, incoming.client, &uri)
    }

    /// Which server can tell of a resource.
    pub(crate) fn listened(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        uri: &str,
    ) -> Result<Place, Failure> {
        let place = self.locate(desk, client, uri)?;
        let place = place.ok_or_else(|| Failure::no_resource(uri))?;
        // Nobody lists it and nobody has answered a read of it: only if there is no choice.
        let subscribes = |key: &ServerKey| {
            self.server(*key)
                .is_some_and(|server| self.capabilities_of(desk, server, Some(client)).subscribe)
        };
        let Some(left) = &place.left else {
            return Ok(place);
        };
        let candidates = [place.server].into_iter().chain(left.iter().copied());
        match candidates.filter(subscribes).collect::<Vec<_>>().as_slice() {
            [only] => Ok(Place {
                server: *only,
                left: None,
                ..place
            }),
            _ => Err(Failure::no_resource(uri)),
        }
    }

    fn pass_on(
        &mut self,
        desk: &mut Desk<'_, '_>,
        incoming: Incoming<'_>,
        method: Method,
        server: ServerKey,
        resource: Resource,
    ) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let [uri_at] = match incoming.params(["uri"]) {
            Ok(found) => found,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        match incoming.into_request(method) {
            Ok(mut request) => {
                if let Some(uri_at) = uri_at {
                    let uri = write::string(&resource.original).into_bytes();
                    request.edits.replace(uri_at, uri);
                }
                request.resource = Some(resource);
                self.forward(desk, request, server);
            }
            Err(failure) => desk.fail(client, at, &id, &failure),
        }
    }

    pub(crate) fn count_subscriptions(&mut self, client: ClientKey, change: isize) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.subscriptions = client.subscriptions.saturating_add_signed(change);
        }
    }

    /// A server did as it was asked about a resource.
    pub(crate) fn note_resource(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, server): (PoolKey, ServerKey),
        caller: &Caller,
        method: Method,
        resource: &Resource,
        searched: bool,
    ) {
        match method {
            Method::Subscribe => {
                self.note_subscription(desk, (pool, server), caller.client, resource);
            }
            Method::Read if searched => {
                self.forget_answered(resource, server);
                self.answered
                    .push_back((Rc::clone(&resource.original), server));
                if self.answered.len() > ANSWERED_URIS_MAX {
                    Mark::AnsweredUrisFull.hit();
                    self.answered.pop_front();
                }
            }
            _ => {}
        }
    }

    /// A server is not known any more to have answered a read that was for anybody.
    pub(crate) fn forget_answered(&mut self, resource: &Resource, server: ServerKey) {
        self.answered
            .retain(|(uri, by)| *uri != resource.original || *by != server);
    }

    /// A server tells a client of a resource from now on.
    pub(crate) fn note_subscription(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, server): (PoolKey, ServerKey),
        client: ClientKey,
        resource: &Resource,
    ) {
        if !self.sees(client, server) {
            // It was hidden from the client meanwhile.
            let known = self.pools.get(&pool).map(|session| &session.subscriptions);
            if known.is_some_and(|known| !known.contains_key(&resource.original)) {
                self.resubscribe(desk, pool, "resources/unsubscribe", &resource.original);
            }
            return;
        }
        let stays = |session: &Pool| !session.retired;
        let to = match self.pools.get(&pool) {
            Some(session) if stays(session) => Some(pool),
            // It was granted by a session on its way out: the one that follows has to grant it too.
            Some(_) | None => {
                Mark::SubscriptionOutlivesSession.hit();
                if self.is_modern(client) {
                    self.start_shared(desk, server);
                    self.server(server).and_then(|server| server.shared)
                } else {
                    self.pool_for(desk, client, server).ok()
                }
            }
        };
        let Some(to) = to else { return };
        let Some(session) = self.pools.get_mut(&to) else {
            return;
        };
        let uri = Rc::clone(&resource.original);
        let subscribers = session.subscriptions.entry(uri).or_default();
        let is_first = subscribers.is_empty();
        if !subscribers.iter().any(|(other, _)| *other == client) {
            subscribers.push((client, resource.prefix.clone()));
            self.count_subscriptions(client, 1);
        }
        let is_up = self
            .pools
            .get(&to)
            .is_some_and(|session| session.life == Life::Up);
        if to != pool && is_first && is_up {
            self.resubscribe(desk, to, "resources/subscribe", &resource.original);
        }
    }

    /// A server says that a resource changed: those who listen to it, or to what it lies below, are
    /// told by the name they use.
    pub(crate) fn updated(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let Some(session) = self.pools.get(&pool) else {
            return;
        };
        let Ok([Some(uri_at)]) = fields(frame.bytes(), envelope.params, ["uri"]) else {
            return;
        };
        let Some(uri) = string(frame.bytes(), uri_at) else {
            return;
        };
        let mut told: BTreeSet<ClientKey> = BTreeSet::new();
        let listening = session
            .subscriptions
            .iter()
            .filter(|(listened, _)| concerns(listened, &uri));
        for (client, prefix) in listening.flat_map(|(_, subscribers)| subscribers) {
            if !told.insert(*client) || !self.sees(*client, session.server) {
                continue;
            }
            let mut edits = Edits::default();
            if let Some(prefix) = prefix {
                edits.replace(
                    uri_at,
                    write::string(&format!("{prefix}{uri}")).into_bytes(),
                );
            }
            let known = self.clients.get(client);
            match known.and_then(|known| known.listen.as_deref()) {
                Some(listen) if !listen.acknowledged => continue,
                Some(listen) => {
                    let id = String::from_utf8_lossy(listen.id());
                    let member = format!("\"{SUBSCRIPTION}\":{id}");
                    if let Some(params) = envelope.params {
                        put_into_params(frame.bytes(), params, &member, &mut edits);
                    }
                }
                None => cut_meta(frame.bytes(), envelope, &mut edits),
            }
            let message = edits.parts(frame.shared(), envelope.whole);
            desk.clients.tell(desk.cx, *client, &message);
        }
    }

    /// A session is up: what its clients listen to is subscribed to (again).
    pub(crate) fn renew_subscriptions(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let Some(session) = self.pools.get(&pool) else {
            return;
        };
        let uris: Vec<Rc<str>> = session.subscriptions.keys().cloned().collect();
        if Self::is_stateless(desk, pool) {
            return self.rewatch(desk, pool);
        }
        for uri in uris {
            Mark::SubscriptionRenewed.hit();
            self.resubscribe(desk, pool, "resources/subscribe", &uri);
        }
    }

    /// A client has a session of its own now: what it listened to in the common one comes along.
    pub(crate) fn move_subscriptions(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        server: ServerKey,
        to: PoolKey,
    ) {
        let Some(from) = self.server(server).and_then(|server| server.shared) else {
            return;
        };
        let theirs = self.take_subscriptions(desk, from, |other| other == client);
        self.give_subscriptions(to, theirs);
    }

    /// A common session became one client's own: the others' subscriptions go to the new common
    /// one, which is about to start.
    pub(crate) fn keep_listeners(
        &mut self,
        desk: &mut Desk<'_, '_>,
        server: ServerKey,
        from: PoolKey,
    ) {
        self.start_shared(desk, server);
        let owner = self.pools.get(&from).and_then(|pool| pool.owner);
        let Some(to) = self.server(server).and_then(|server| server.shared) else {
            return;
        };
        let others = self.take_subscriptions(desk, from, |client| Some(client) != owner);
        self.give_subscriptions(to, others);
    }

    /// What was taken out of one session goes on in another, which asks for it when it is up.
    fn give_subscriptions(&mut self, to: PoolKey, given: Vec<(Rc<str>, Subscribers)>) {
        let Some(session) = self.pools.get_mut(&to) else {
            return;
        };
        for (uri, subscribers) in given {
            Mark::SubscriptionMoves.hit();
            let known = session.subscriptions.entry(uri).or_default();
            known.extend(subscribers);
        }
    }

    /// Takes subscriptions out of a session and tells the server of those that nobody has any more.
    pub(crate) fn take_subscriptions(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        whose: impl Fn(ClientKey) -> bool,
    ) -> Vec<(Rc<str>, Subscribers)> {
        let mut taken = Vec::new();
        let mut ended = Vec::new();
        let Some(session) = self.pools.get_mut(&pool) else {
            return taken;
        };
        session.subscriptions.retain(|uri, subscribers| {
            let (theirs, rest): (Subscribers, Subscribers) = subscribers
                .drain(..)
                .partition(|(client, _)| whose(*client));
            *subscribers = rest;
            if !theirs.is_empty() {
                taken.push((Rc::clone(uri), theirs));
                if subscribers.is_empty() {
                    ended.push(Rc::clone(uri));
                }
            }
            !subscribers.is_empty()
        });
        if session.life == Life::Up && !ended.is_empty() {
            if Self::is_stateless(desk, pool) {
                self.rewatch(desk, pool);
                return taken;
            }
            let begun = self.begins(pool);
            for uri in ended.into_iter().filter(|uri| !overtaken(&begun, uri)) {
                self.resubscribe(desk, pool, "resources/unsubscribe", &uri);
            }
        }
        taken
    }

    /// A client is gone.
    pub(crate) fn end_subscriptions(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        for (_, server) in self.servers.iter_mut() {
            server.listeners.retain(|_, subscribers| {
                subscribers.retain(|(other, _)| *other != client);
                !subscribers.is_empty()
            });
        }
        let pools: Vec<PoolKey> = self.pools.keys().copied().collect();
        for pool in pools {
            self.take_subscriptions(desk, pool, |other| other == client);
        }
    }

    /// All who listen to the resources of a server that is about to be replaced.
    pub(crate) fn take_listeners(&mut self, server: ServerKey) -> Listeners {
        let mut listeners = Listeners::new();
        for (_, pool) in self
            .pools
            .iter_mut()
            .filter(|(_, pool)| pool.server == server)
        {
            for (uri, subscribers) in std::mem::take(&mut pool.subscriptions) {
                listeners.entry(uri).or_default().extend(subscribers);
            }
        }
        listeners
    }

    /// A session is gone, and with it what was subscribed to there.
    pub(crate) fn forget_listeners(&mut self, listeners: &Listeners) {
        for (client, _) in listeners.values().flatten() {
            self.count_subscriptions(*client, -1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_concerns_those_who_listen_to_it_or_above_it() {
        assert!(concerns("file:///a", "file:///a") && concerns("file:///a", "file:///a/b"));
        assert!(concerns("file:///a/", "file:///a/b"));
        assert!(!concerns("file:///a", "file:///ab") && !concerns("file:///a/b", "file:///a"));
    }
}
