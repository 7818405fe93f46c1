//! Sessions with servers: who may use which (protocol S1), and what goes on in them.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::budget::Budget;
use crate::base::mark::Mark;
use crate::effect::Level;
use crate::language::{ClientKey, PoolKey, PoolState};
use crate::limits::{POOL_IDLE_MS, POOL_SESSIONS_PER_SERVER_MAX};
use crate::mcp::capabilities::ClientCapabilities;
use crate::now::Tick;
use crate::principal::GrantId;
use crate::route::calls::CallKey;
use crate::route::catalog::Catalog;
use crate::route::changes::Concerns;
use crate::route::errors::Failure;
use crate::route::ghosts::Ghosts;
use crate::route::subscriptions::Listeners;
use crate::route::watches::Waiters;
use crate::route::{Desk, Hall, ServerKey};

/// How far a session has come, as far as its lists are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Never up yet: what is remembered of the server still counts.
    Fresh,
    /// Serves.
    Up,
    /// Was up, or failed to come up: its lists are withdrawn until it is back.
    Down,
}

/// One session with a server.
pub(crate) struct Pool {
    /// Whose session.
    pub(crate) server: ServerKey,
    /// The only client that uses it, if it is not common.
    pub(crate) owner: Option<ClientKey>,
    /// What was declared to the server.
    pub(crate) declares: ClientCapabilities,
    /// How far it has come.
    pub(crate) life: Life,
    /// What it offers.
    pub(crate) catalog: Catalog,
    /// Calls of clients that it works on.
    pub(crate) in_flight: Vec<CallKey>,
    /// Calls that it may still work on although nobody waits for them.
    pub(crate) ghosts: Ghosts,
    /// Clients without a session take turns in it: `owner` is the one that has it now.
    pub(crate) leased: bool,
    /// Whose clients those are: what one leaves behind in it is for no other grant.
    pub(crate) grant: Option<GrantId>,
    /// Its lists are of use to somebody.
    pub(crate) lists: bool,
    /// Nobody begins anything here any more; it ends with its last call.
    pub(crate) retired: bool,
    /// The level that was last sent to it.
    pub(crate) level: Option<u8>,
    /// Its log messages of the last seconds.
    pub(crate) logged: Budget,
    /// Who listens to which of its resources.
    pub(crate) subscriptions: Listeners,
    /// Who waits to hear whether a server without sessions will tell of a resource.
    pub(crate) waiters: Waiters,
    /// It was not asked yet for the last of them.
    pub(crate) unwatched: bool,
    /// URL elicitations whose completion is still to be told, with the client that was asked.
    pub(crate) elicitations: VecDeque<(String, ClientKey)>,
    /// A question is held here until calls end: new calls of others wait (protocol S3).
    pub(crate) holding: bool,
    /// It was logged that questions of it are refused.
    pub(crate) refusal_told: bool,
    /// When it was queued to start, or came up.
    pub(crate) since: Tick,
    /// When it last had anything to do.
    pub(crate) used: Tick,
}

impl Pool {
    /// A session that was just queued to start.
    #[must_use]
    pub(crate) fn new(
        now: Tick,
        server: ServerKey,
        owner: Option<ClientKey>,
        declares: ClientCapabilities,
        known: Option<&Catalog>,
    ) -> Self {
        let mut catalog = Catalog::default();
        if let Some(known) = known {
            catalog.seed(known);
        }
        Self {
            server,
            owner,
            declares,
            life: Life::Fresh,
            catalog,
            in_flight: Vec::new(),
            ghosts: Ghosts::default(),
            leased: false,
            grant: None,
            lists: true,
            retired: false,
            level: None,
            logged: Budget::default(),
            subscriptions: Listeners::new(),
            waiters: Waiters::new(),
            unwatched: false,
            elicitations: VecDeque::new(),
            holding: false,
            refusal_told: false,
            since: now,
            used: now,
        }
    }
}

/// The clients that have calls in flight in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    /// Nobody.
    Nobody,
    /// One client, and one of its calls.
    One(ClientKey, CallKey),
    /// Several clients.
    Several,
}

impl Hall {
    /// The session that serves a client, started if need be.
    pub(crate) fn pool_for(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        key: ServerKey,
    ) -> Result<PoolKey, Failure> {
        let capabilities = desk
            .clients
            .facts(client)
            .map(|facts| facts.capabilities)
            .unwrap_or_default();
        // A request that needs a server does not wait for the moment at which all are started.
        self.run(desk);
        let Some(server) = self.servers.get(key) else {
            return Err(Failure::params(
                "this server was removed from the configuration",
            ));
        };
        if let Some(fault) = server.fault() {
            let state = PoolState::Failed {
                why: fault.to_owned(),
            };
            return Err(Failure::down(server.name(), &state));
        }
        if self.settings.stdio || !server.isolates(capabilities) {
            self.start_shared(desk, key);
            let shared = self.servers.get(key).and_then(|server| server.shared);
            return shared
                .ok_or_else(|| Failure::down(self.server_name(key), &PoolState::Starting));
        }
        if self.is_modern(client) {
            return self.lease(desk, client, key);
        }
        if let Some(pool) = server.private.get(&client) {
            return Ok(*pool);
        }
        if server.private.len() >= POOL_SESSIONS_PER_SERVER_MAX {
            Mark::PrivatesFull.hit();
            let name = server.name();
            return Err(Failure::about(
                name,
                format!(
                    "server {name} is busy: {POOL_SESSIONS_PER_SERVER_MAX} clients have a session \
                     of their own with it; try again later"
                ),
            ));
        }
        self.start_private(desk, client, key, capabilities)
            .ok_or_else(|| Failure::down(self.server_name(key), &PoolState::Starting))
    }

    fn start_private(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        key: ServerKey,
        capabilities: ClientCapabilities,
    ) -> Option<PoolKey> {
        let server = self.servers.get_mut(key)?;
        let declare = server.static_roots(capabilities);
        let spec = server.pool_spec(declare)?;
        let pool = desk.backends.start(desk.cx, spec);
        server.private.insert(client, pool);
        let grant = self.grant(client);
        let known = self
            .servers
            .get(key)
            .and_then(|server| self.known_for(server, declare, grant));
        let mut session = Pool::new(desk.cx.now.tick, key, Some(client), declare, known);
        session.grant = grant;
        self.pools.insert(pool, session);
        self.move_subscriptions(desk, client, key, pool);
        self.watch_idle(desk);
        Some(pool)
    }

    /// Notes a call of a client as in flight in its session.
    pub(crate) fn enter(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        if let Some(pool) = self.pools.get_mut(&call.pool) {
            call.place = pool.in_flight.len();
            pool.in_flight.push(key);
        }
    }

    /// A call of a client has left its session; the last call there fills its place.
    pub(crate) fn leave(&mut self, desk: &mut Desk<'_, '_>, pool_key: PoolKey, place: usize) {
        let Some(pool) = self.pools.get_mut(&pool_key) else {
            return;
        };
        if place < pool.in_flight.len() {
            pool.in_flight.swap_remove(place);
        }
        pool.used = desk.cx.now.tick;
        if let Some(moved) = pool.in_flight.get(place)
            && let Some(call) = self.calls.get_mut(*moved)
        {
            call.place = place;
        }
        if pool.holding {
            self.release_held(desk, pool_key);
        }
        self.end_if_retired(desk, pool_key);
    }

    /// Who has calls in flight in a session.
    pub(crate) fn in_flight(&self, now: Tick, pool: &Pool) -> InFlight {
        let mut found: Option<(ClientKey, CallKey)> = None;
        for key in &pool.in_flight {
            let Some(client) = self.caller_of(*key) else {
                continue;
            };
            if found.is_some_and(|(other, _)| other != client) {
                return InFlight::Several;
            }
            found = Some((client, *key));
        }
        match found {
            None => InFlight::Nobody,
            Some((client, _)) if pool.ghosts.of_others(now, client) => {
                Mark::GhostCounts.hit();
                InFlight::Several
            }
            Some((client, call)) => InFlight::One(client, call),
        }
    }

    /// A server answered a call that nobody waits for: it does not work on it any more.
    pub(crate) fn lay(&mut self, desk: &mut Desk<'_, '_>, pool_key: PoolKey, call: CallKey) {
        let Some(pool) = self.pools.get_mut(&pool_key) else {
            return;
        };
        if !pool.ghosts.remove(call) {
            return;
        }
        Mark::GhostAnswered.hit();
        if pool.holding {
            self.release_held(desk, pool_key);
        }
    }

    /// Ends a session that nobody uses any more once its last call is done.
    pub(crate) fn end_if_retired(&mut self, desk: &mut Desk<'_, '_>, key: PoolKey) {
        if self
            .pools
            .get(&key)
            .is_some_and(|pool| pool.retired && pool.in_flight.is_empty())
            && !self.has_tasks(key)
            && !self.has_rounds(key)
        {
            Mark::RetiredEnds.hit();
            self.stop_pool(desk, key);
        }
    }

    /// Stops a session; what is in flight there fails.
    pub(crate) fn stop_pool(&mut self, desk: &mut Desk<'_, '_>, key: PoolKey) {
        self.lose_waiters(desk, key, &PoolState::Stopping);
        let Some(pool) = self.pools.remove(&key) else {
            return;
        };
        if !pool.in_flight.is_empty() {
            Mark::ReloadDuringCall.hit();
        }
        desk.backends.stop(desk.cx, key);
        let name = Rc::from(self.server_name(pool.server));
        let calls = self.calls.of_pool(key);
        self.fail_calls(desk, &name, calls, &PoolState::Stopping);
        self.lose_tasks(desk, key);
        self.drop_asks_of_pool(desk, key);
        self.forget_listeners(&pool.subscriptions);
        if let Some(server) = self.servers.get_mut(pool.server) {
            if server.shared == Some(key) {
                server.shared = None;
            }
            server.private.retain(|_, private| *private != key);
            server.leases.retain(|lease| *lease != key);
        }
        self.refuse_parked(desk, key);
    }

    /// A server asked a client something: from now on clients that can answer have sessions of
    /// their own. The asked client keeps the running child if nobody else has calls there.
    pub(crate) fn mark(&mut self, desk: &mut Desk<'_, '_>, key: PoolKey, asked: Option<ClientKey>) {
        let Some(server_key) = self.pools.get(&key).map(|pool| pool.server) else {
            return;
        };
        let now = desk.cx.now.tick;
        let alone = self.pools.get(&key).is_some_and(|pool| {
            let in_flight = self.in_flight(now, pool);
            matches!(in_flight, InFlight::One(client, _) if asked == Some(client))
        });
        let interactive = asked
            .and_then(|client| desk.clients.facts(client))
            .is_some_and(|facts| facts.capabilities.interactive());
        let modern = asked.is_some_and(|client| self.is_modern(client));
        let grant = asked.and_then(|client| self.grant(client));
        let Some(server) = self.servers.get_mut(server_key) else {
            return;
        };
        if server.interactive || self.settings.stdio {
            return;
        }
        server.interactive = true;
        server.shared = None;
        let name = Rc::clone(server.name());
        desk.cx.log(Level::Info, || {
            format!("server={name} asks its clients: each gets a session of its own from now on")
        });
        if let Some(pool) = self.pools.get_mut(&key) {
            match asked {
                Some(client) if alone && interactive && modern => {
                    // For its one call: nobody else was ever declared so much.
                    Mark::IsolationLeasesChild.hit();
                    pool.owner = Some(client);
                    pool.leased = true;
                    pool.grant = grant;
                    pool.lists = false;
                    pool.retired = true;
                    server.leases.push(key);
                    self.clients.entry(client).or_default().leases.push(key);
                }
                Some(client) if alone && interactive => {
                    Mark::IsolationKeepsChild.hit();
                    pool.owner = Some(client);
                    pool.grant = grant;
                    server.private.insert(client, key);
                }
                _ => {
                    Mark::IsolationRetires.hit();
                    pool.retired = true;
                }
            }
        }
        self.watch_idle(desk);
        self.keep_listeners(desk, server_key, key);
        self.remember(desk, server_key);
        self.changes.note_all(desk.cx, Concerns::Server(server_key));
        self.start_shared(desk, server_key);
        self.end_if_retired(desk, key);
    }

    /// There is a session of one client now: it is looked at when it may have been idle for long.
    pub(crate) fn watch_idle(&mut self, desk: &mut Desk<'_, '_>) {
        if self.idle_check.is_none() {
            self.idle_check = Some(desk.cx.now.tick.after(POOL_IDLE_MS));
            self.wake_for_calls(desk);
        }
    }

    /// Ends sessions of single clients that have had nothing to do for long.
    pub(crate) fn end_idle(&mut self, desk: &mut Desk<'_, '_>) {
        let now = desk.cx.now.tick;
        if self.single.is_some() || self.idle_check.is_none_or(|at| at > now) {
            return;
        }
        self.idle_check = None;
        let mut over = Vec::new();
        let single = |pool: &Pool| pool.owner.is_some() || pool.leased;
        for (key, pool) in self.pools.iter().filter(|(_, pool)| single(pool)) {
            let has_work = !pool.in_flight.is_empty()
                || !pool.subscriptions.is_empty()
                || self.has_tasks(*key)
                || self.has_rounds(*key);
            let since = if has_work { now } else { pool.used };
            let until = since.after(POOL_IDLE_MS);
            if until <= now {
                over.push(*key);
            } else {
                self.idle_check = Some(self.idle_check.map_or(until, |at| at.min(until)));
            }
        }
        for key in over {
            Mark::PrivateIdleEnds.hit();
            self.stop_pool(desk, key);
        }
    }
}
