//! Sessions that clients without a session take turns in (protocol S2): where a server gives each
//! client a session of its own, a stateless call borrows one for as long as it lasts, so that
//! whatever the server says there meanwhile belongs to that call. It declares exactly what the
//! caller declares, and stays borrowed while the caller is asked.

use crate::base::mark::Mark;
use crate::language::{ClientKey, PoolKey, PoolState};
use crate::limits::LEASES_PER_SERVER_MAX;
use crate::mcp::capabilities::ClientCapabilities;
use crate::route::errors::Failure;
use crate::route::pools::{Life, Pool};
use crate::route::{Desk, Hall, ServerKey};

impl Hall {
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
        let declare = server.static_roots(ClientCapabilities {
            // Who has no session cannot tell of a change.
            roots_list_changed: false,
            ..declared.unwrap_or_default()
        });
        let now = desk.cx.now.tick;
        let sessions = server
            .leases
            .iter()
            .filter_map(|pool| Some((*pool, self.pools.get(pool)?)));
        // What a cancelled call may still be doing there must not look like this one's (S3).
        let is_free = |pool: &Pool| {
            pool.owner.is_none()
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
                self.start_lease(desk, key, declare)
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
                .start_lease(desk, key, declare)
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
        declare: ClientCapabilities,
    ) -> Option<PoolKey> {
        let server = self.servers.get_mut(key)?;
        let spec = server.pool_spec(declare)?;
        let pool = desk.backends.start(desk.cx, spec);
        server.leases.push(pool);
        let mut session = Pool::new(desk.cx.now.tick, key, None, declare, None);
        session.leased = true;
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
