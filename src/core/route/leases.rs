//! Sessions that clients without a session take turns in (protocol S2): where a server gives each
//! client a session of its own, a stateless call borrows one for as long as it lasts, so that
//! whatever the server says there meanwhile belongs to that call. It declares exactly what the
//! caller declares, and stays borrowed while the caller is asked.

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::language::{ClientKey, PoolKey, PoolState};
use crate::limits::LEASES_PER_SERVER_MAX;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::names;
use crate::principal::GrantId;
use crate::route::catalog::Kind;
use crate::route::directory::Target;
use crate::route::errors::Failure;
use crate::route::pools::{Life, Pool};
use crate::route::servers::Server;
use crate::route::{Desk, Hall, ServerKey};

/// What a session declares for a stateless call.
fn lent(server: &Server, declared: ClientCapabilities) -> ClientCapabilities {
    server.static_roots(ClientCapabilities {
        // Who has no session cannot tell of a change.
        roots_list_changed: false,
        ..declared
    })
}

impl Hall {
    /// What a stateless client needs a session of its own for declares there; `None` if the common
    /// one does for it.
    fn borrows(&self, server: &Server, client: ClientKey) -> Option<ClientCapabilities> {
        let known = self.clients.get(&client).filter(|known| known.modern)?;
        if self.settings.stdio || !server.isolates(known.declares) {
            return None;
        }
        let declare = lent(server, known.declares);
        let shared = server.shared.and_then(|pool| self.pools.get(&pool));
        shared
            .is_none_or(|pool| pool.declares != declare)
            .then_some(declare)
    }

    /// The session of its own whose lists a client sees. Servers may offer more to who declares
    /// more: to a client without a session, what they offer to any that declares the same.
    pub(crate) fn lister(&self, server: &Server, client: ClientKey) -> Option<PoolKey> {
        if let Some(pool) = server.private.get(&client) {
            return Some(*pool);
        }
        let declare = self.borrows(server, client)?;
        let grant = self.grant(client);
        let fits = |pool: &&PoolKey| {
            let pool = self.pools.get(pool);
            pool.is_some_and(|pool| {
                pool.lists
                    && pool.grant == grant
                    && pool.declares == declare
                    && pool.life != Life::Down
                    && !pool.retired
            })
        };
        server.leases.iter().find(fits).copied()
    }

    /// A client without a session asks for a list: where it needs sessions of its own, there has
    /// to be one that knows.
    pub(crate) fn want_lists(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        for at in 0..self.order.len() {
            let Some(key) = self.order.get(at).copied() else {
                continue;
            };
            let server = self.servers.get(key).filter(|_| self.sees(client, key));
            let server = server.filter(|server| server.fault().is_none());
            let Some(server) = server.filter(|server| self.borrows(server, client).is_some())
            else {
                continue;
            };
            if self.lister(server, client).is_some() {
                continue;
            }
            // If there is none to be had, the common one's lists have to do.
            let Ok(pool) = self.lease(desk, client, key) else {
                continue;
            };
            if let Some(session) = self.pools.get_mut(&pool) {
                session.lists = true;
            }
            for kind in Kind::ALL {
                self.fetch_offered(desk, pool, kind);
            }
        }
    }

    /// A name that only servers know which tell clients apart, in the form that says whose it is.
    pub(crate) fn find_lent(&self, client: ClientKey, kind: Kind, name: &str) -> Option<Target> {
        let (server, original) = names::split_plain(name)?;
        let key = self.server_by_name(server)?;
        let server = self.servers.get(key)?;
        let offered = kind != Kind::Tools || server.offers_tool(original);
        (offered && self.sees(client, key) && self.borrows(server, client).is_some())
            .then(|| Target::new(key, &Rc::from(original)))
    }

    /// A session for one stateless call: the one it has already, a free one, or a new one.
    pub(crate) fn lease(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        key: ServerKey,
    ) -> Result<PoolKey, Failure> {
        let Some(server) = self.servers.get(key) else {
            return Err(Failure::params(
                "this server was removed from the configuration",
            ));
        };
        let declared = desk.clients.facts(client).map(|facts| facts.capabilities);
        let declare = lent(server, declared.unwrap_or_default());
        let now = desk.cx.now.tick;
        // What one person left behind in a session is no other's.
        let grant = self.grant(client);
        let sessions = server
            .leases
            .iter()
            .filter_map(|pool| Some((*pool, self.pools.get(pool)?)));
        // What a cancelled call may still be doing there must not look like this one's (S3).
        let is_free = |pool: &Pool| {
            pool.owner.is_none()
                && pool.grant == grant
                && pool.declares == declare
                && pool.life != Life::Down
                && !pool.retired
                && !pool.ghosts.of_others(now, client)
        };
        let own = sessions
            .clone()
            .find(|(_, pool)| pool.owner == Some(client));
        if let Some((pool, _)) = own {
            return Ok(pool);
        }
        let free = sessions.clone().find(|(_, pool)| is_free(pool));
        let full = server.leases.len() >= LEASES_PER_SERVER_MAX;
        // What works on a task is not idle.
        let is_idle = |key: PoolKey, pool: &Pool| pool.owner.is_none() && !self.has_tasks(key);
        let idle = sessions
            .clone()
            .find(|(key, pool)| full && is_idle(*key, pool));
        let pool = match (free, idle) {
            (Some((pool, _)), _) => pool,
            (None, Some((idle, _))) => {
                Mark::LeaseReplaced.hit();
                self.stop_pool(desk, idle);
                self.start_lease(desk, key, (declare, grant))
                    .ok_or_else(|| Failure::down(self.server_name(key), &PoolState::Starting))?
            }
            (None, None) if full => {
                let name = server.name();
                let text = format!(
                    "server {name} is busy: {LEASES_PER_SERVER_MAX} calls without a session have a \
                     session of it each; try again when some were answered"
                );
                return Err(Failure::about(name, text));
            }
            (None, _) => self
                .start_lease(desk, key, (declare, grant))
                .ok_or_else(|| Failure::down(self.server_name(key), &PoolState::Starting))?,
        };
        if let Some(session) = self.pools.get_mut(&pool) {
            session.owner = Some(client);
        }
        self.clients.entry(client).or_default().leases.push(pool);
        Ok(pool)
    }

    fn start_lease(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: ServerKey,
        (declare, grant): (ClientCapabilities, Option<GrantId>),
    ) -> Option<PoolKey> {
        let server = self.servers.get_mut(key)?;
        let spec = server.pool_spec(declare)?;
        let pool = desk.backends.start(desk.cx, spec);
        server.leases.push(pool);
        let mut session = Pool::new(desk.cx.now.tick, key, None, declare, None);
        session.leased = true;
        session.grant = grant;
        session.lists = false;
        self.pools.insert(pool, session);
        self.watch_idle(desk);
        Some(pool)
    }

    /// A stateless call is over: the next one may have its sessions.
    pub(crate) fn return_leases(&mut self, desk: &mut Desk<'_, '_>, leases: Vec<PoolKey>) {
        for key in leases {
            if let Some(pool) = self.pools.get_mut(&key) {
                pool.owner = None;
                pool.used = desk.cx.now.tick;
            }
            self.end_if_retired(desk, key);
        }
    }
}
