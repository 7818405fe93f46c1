//! Resources of servers without sessions: what clients listen to there is asked for as a whole, on
//! the one stream that the backend edge keeps open (protocol F13). The counterpart of
//! `resources/subscribe` and `resources/unsubscribe`, which such servers do not have.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::config::Isolation;
use crate::json::envelope::JsonId;
use crate::language::{At, ClientKey, PoolKey, PoolState};
use crate::limits::WATCHED_URIS_MAX;
use crate::mcp::meta::outgoing;
use crate::route::calls::{Caller, Method, Origin, Resource};
use crate::route::catalog::Kind;
use crate::route::changes::Concerns;
use crate::route::errors::{Failure, METHOD_NOT_FOUND};
use crate::route::forward::Request;
use crate::route::{Desk, Hall, ServerKey};

/// Who waits to hear whether a server will tell of a resource.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A client that said `resources/subscribe`.
    Subscriber {
        /// Who.
        client: ClientKey,
        /// Where the answer goes.
        at: At,
        /// What it called the request.
        id: JsonId,
    },
    /// A client that said `subscriptions/listen`, and which of its URIs it is.
    Listener {
        /// Who.
        client: ClientKey,
        /// Which.
        index: usize,
    },
}

/// What is asked of a server and not answered yet.
pub(crate) type Waiters = Vec<(Resource, Waiter)>;

impl Hall {
    /// Whether a session is with a server without sessions: each request stands for itself there.
    pub(crate) fn is_stateless(desk: &Desk<'_, '_>, pool: PoolKey) -> bool {
        let hello = desk.backends.hello(pool);
        hello.is_some_and(|hello| hello.version.is_modern())
    }

    /// A session came up: which era the server lives in may be news.
    pub(crate) fn note_era(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let stateless = Self::is_stateless(desk, pool);
        let Some(key) = self.pools.get(&pool).map(|session| session.server) else {
            return;
        };
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let was = std::mem::replace(&mut server.stateless, stateless);
        if !stateless || was || server.entry.isolation != Isolation::Auto {
            return;
        }
        let private = std::mem::take(&mut server.private).into_values();
        let single: Vec<PoolKey> = private.chain(server.leases.drain(..)).collect();
        if single.is_empty() {
            return;
        }
        Mark::SessionsMerge.hit();
        self.start_shared(desk, key);
        for pool in single {
            self.merge_session(desk, key, pool);
        }
        self.changes.note_all(desk.cx, Concerns::Server(key));
    }

    /// A session of one client is not needed any more: what goes on there ends there, everything
    /// else goes on in the common one.
    fn merge_session(&mut self, desk: &mut Desk<'_, '_>, key: ServerKey, pool: PoolKey) {
        let listeners = self.take_subscriptions(desk, pool, |_| true);
        let shared = self.servers.get(key).and_then(|server| server.shared);
        if let Some(to) = shared.and_then(|shared| self.pools.get_mut(&shared)) {
            for (uri, subscribers) in listeners {
                to.subscriptions.entry(uri).or_default().extend(subscribers);
            }
        }
        if let Some(shared) = shared {
            self.rewatch(desk, shared);
        }
        if let Some(session) = self.pools.get_mut(&pool) {
            session.retired = true;
        }
        self.unpark(desk, pool);
        self.end_if_retired(desk, pool);
    }

    /// The `params` member of a message of our own to a server without sessions, with a comma in
    /// front. `params`: an object, or none.
    pub(crate) fn described(&self, params: Option<&str>) -> String {
        let mut out = b",\"params\":{\"_meta\":{".to_vec();
        outgoing(&mut out, "{}", &self.settings.version, None);
        out.push(b'}');
        // What follows the brace that opens them.
        let rest = params.and_then(|params| params.strip_prefix('{'));
        match rest.filter(|rest| *rest != "}") {
            Some(rest) => {
                out.push(b',');
                out.extend_from_slice(rest.as_bytes());
            }
            None => out.push(b'}'),
        }
        String::from_utf8(out).unwrap_or_default()
    }

    /// Notes that a server without sessions is to tell of a resource; [`Hall::watch_all`] asks it,
    /// and the answer is [`Hall::watching`]. `false` if this would be one too many.
    pub(crate) fn watch_for(&mut self, pool: PoolKey, resource: Resource, waiter: Waiter) -> bool {
        let Some(session) = self.pools.get_mut(&pool) else {
            return false;
        };
        if session.subscriptions.len() + session.waiters.len() >= WATCHED_URIS_MAX {
            Mark::WatchedFull.hit();
            return false;
        }
        session.waiters.push((resource, waiter));
        session.unwatched = true;
        true
    }

    /// Asks for what [`Hall::watch_for`] collected: a client may name a thousand resources at once.
    pub(crate) fn watch_all(&mut self, desk: &mut Desk<'_, '_>) {
        for key in self.pools.keys().copied().collect::<Vec<_>>() {
            if self
                .pools
                .get(&key)
                .is_some_and(|session| session.unwatched)
            {
                self.rewatch(desk, key);
            }
        }
    }

    /// `resources/subscribe` or `resources/unsubscribe` for a server that has neither.
    pub(crate) fn watch_request(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        request: Request,
    ) {
        let Caller { client, at, id, .. } = request.caller;
        match (request.method, request.resource) {
            (Method::Subscribe, Some(resource)) => {
                let key = id.clone();
                let waiter = Waiter::Subscriber { client, at, id };
                if !self.watch_for(pool, resource, waiter) {
                    let name = self.pool_name(pool);
                    let text = format!(
                        "clients subscribe to {WATCHED_URIS_MAX} resources of server {name}: \
                         unsubscribe from some"
                    );
                    desk.fail(client, at, &key, &Failure::about(&name, text));
                }
                self.watch_all(desk);
            }
            _ => {
                self.rewatch(desk, pool);
                desk.succeed(client, at, &id, "{}");
            }
        }
    }

    /// Tells a server without sessions what is listened to now.
    pub(crate) fn rewatch(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        session.unwatched = false;
        let mut uris: Vec<Rc<str>> = session.subscriptions.keys().cloned().collect();
        // As many may wait as may be subscribed to, and this is done for each that comes.
        let mut awaited = BTreeSet::new();
        for (resource, _) in &session.waiters {
            let uri = &resource.original;
            if !session.subscriptions.contains_key(uri) && awaited.insert(&**uri) {
                uris.push(Rc::clone(uri));
            }
        }
        desk.backends.watch(desk.cx, pool, uris);
    }

    /// A subscription that nobody of ours waits for began or ended: with a request of its own, or
    /// as part of the whole.
    pub(crate) fn resubscribe(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        method: &str,
        uri: &str,
    ) {
        if Self::is_stateless(desk, pool) {
            return self.rewatch(desk, pool);
        }
        let params = super::subscriptions::params(uri);
        self.call_quietly(desk, pool, Origin::Quiet, method, Some(&params));
    }

    /// A server without sessions tells of these resources from now on.
    pub fn watching(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        uris: &[(Rc<str>, bool)],
        missed: bool,
    ) {
        if missed {
            // Whatever happened meanwhile, nobody told us.
            for kind in Kind::ALL {
                self.fetch_offered(desk, pool, kind);
            }
        }
        let answer_to = |resource: &Resource| {
            let same = uris.iter().find(|(uri, _)| *uri == resource.original);
            same.map(|(_, granted)| *granted)
        };
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let (answered, waiting): (Waiters, Waiters) = std::mem::take(&mut session.waiters)
            .into_iter()
            .partition(|(resource, _)| answer_to(resource).is_some());
        session.waiters = waiting;
        let mut refused = false;
        for (resource, waiter) in answered {
            let granted = answer_to(&resource) == Some(true);
            refused |= !granted;
            self.watch_answered(desk, pool, &resource, waiter, granted);
        }
        if refused {
            // What cannot be had is not asked for with the next change.
            self.rewatch(desk, pool);
        }
    }

    fn watch_answered(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        resource: &Resource,
        waiter: Waiter,
        granted: bool,
    ) {
        let Some(server) = self.pools.get(&pool).map(|session| session.server) else {
            return;
        };
        match waiter {
            Waiter::Subscriber { client, at, id } if granted => {
                self.note_subscription(desk, (pool, server), client, resource);
                desk.succeed(client, at, &id, "{}");
            }
            Waiter::Subscriber { client, at, id } => {
                Mark::WatchRefused.hit();
                let name = self.server_name(server);
                let text = format!("server {name} does not tell of changes of this resource");
                desk.fail(client, at, &id, &Failure::new(METHOD_NOT_FOUND, text));
            }
            Waiter::Listener { client, index } => {
                let from = (pool, server);
                self.listen_answered(desk, from, (client, index, resource), granted);
            }
        }
    }

    /// The session went down: who waits is told why.
    pub(crate) fn lose_waiters(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        state: &PoolState,
    ) {
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let (server, waiters) = (session.server, std::mem::take(&mut session.waiters));
        for (resource, waiter) in waiters {
            if let Waiter::Subscriber { client, at, id } = waiter {
                let failure = Failure::down(self.server_name(server), state);
                desk.fail(client, at, &id, &failure);
            } else {
                self.watch_answered(desk, pool, &resource, waiter, false);
            }
        }
    }

    /// Takes out what a client waits for: it cancelled one request, or is gone. Tells where answers
    /// would have gone.
    pub(crate) fn drop_waiters(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        id: Option<&[u8]>,
    ) -> Vec<At> {
        let theirs = |waiter: &Waiter| match waiter {
            Waiter::Subscriber {
                client: own,
                at,
                id: own_id,
            } => Some(*at).filter(|_| *own == client && id.is_none_or(|id| own_id.same(id))),
            // What is answered for a listener that is gone is taken back then.
            Waiter::Listener { .. } => None,
        };
        let (mut dropped, mut touched) = (Vec::new(), Vec::new());
        for (key, session) in &mut self.pools {
            let before = dropped.len();
            session.waiters.retain(|(_, waiter)| {
                dropped.extend(theirs(waiter));
                theirs(waiter).is_none()
            });
            if dropped.len() > before {
                touched.push(*key);
            }
        }
        for pool in touched {
            self.rewatch(desk, pool);
        }
        dropped
    }
}
