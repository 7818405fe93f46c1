//! Clients that come and go: the answer to `initialize`, and what ends with a client.

use crate::base::mark::Mark;
use crate::cx::Alarm;
use crate::json::envelope::JsonId;
use crate::json::write;
use crate::language::{At, ClientKey};
use crate::limits::{INITIALIZE_WAIT_MS, STDIO_START_MS};
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::names::SEPARATOR;
use crate::mcp::version::Version;
use crate::route::changes::Concerns;
use crate::route::lists::{Waiting, Want};
use crate::route::servers::Server;
use crate::route::sight::shown;
use crate::route::{Client, Desk, Hall, Running};

impl Hall {
    /// `initialize`. In stdio mode servers start only now, since they are told exactly what the one
    /// client declared; and a millisecond later, since the input may have ended already: who
    /// only asks for our version shall not wait for npx.
    pub fn initialize(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        at: At,
        id: JsonId,
        version: Version,
    ) {
        if self.clients.contains_key(&client) {
            Mark::InitializeAgain.hit();
            self.end_client(desk, client);
        }
        let known = Client {
            sight: shown(desk, client),
            ..Client::default()
        };
        self.clients.insert(client, known);
        let now = desk.cx.now.tick;
        if self.settings.stdio {
            self.single = Some(client);
            self.take_over(desk, client);
            self.wake_at(desk, now.after(STDIO_START_MS));
            if self.strangers(now, client) {
                let deadline = now.after(INITIALIZE_WAIT_MS);
                self.waiting.push(Waiting {
                    client,
                    at,
                    id,
                    what: Want::Initialize(version),
                    deadline,
                });
                return;
            }
        }
        self.greet(desk, client, at, &id, version);
    }

    /// Requests without a session came first on our stdin, and servers run already: they go on for
    /// this client if it declares what they were told, else they start anew.
    fn take_over(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        let facts = desk.clients.facts(client);
        let declared = facts.map(|facts| facts.capabilities).unwrap_or_default();
        for key in self.order.clone() {
            let Some(server) = self.servers.get_mut(key) else {
                continue;
            };
            let wanted = server.static_roots(declared);
            let Some(pool) = server.shared else {
                continue;
            };
            match self.pools.get_mut(&pool) {
                Some(session) if session.owner.is_some() => {}
                Some(session) if session.declares == wanted => session.owner = Some(client),
                Some(session) => {
                    session.retired = true;
                    server.shared = None;
                    self.keep_listeners(desk, key, pool);
                    self.end_if_retired(desk, pool);
                }
                None => {}
            }
        }
    }

    /// The answer to `initialize`.
    pub(crate) fn greet(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        at: At,
        id: &JsonId,
        version: Version,
    ) {
        let capabilities = self.offered(desk, client, version);
        let mut result = format!(
            "{{\"protocolVersion\":\"{}\",\"capabilities\":{},\"serverInfo\":{{\"name\":\"1mcp\",\
             \"version\":{}}}",
            version.name(),
            capabilities.render(),
            write::string(&self.settings.version),
        );
        if let Some(instructions) = self.instructions(desk, client) {
            result.push_str(",\"instructions\":");
            result.push_str(&write::string(&instructions));
        }
        result.push('}');
        if let Some(client) = self.clients.get_mut(&client) {
            client.advertised = capabilities;
        }
        desk.succeed(client, at, id, &result);
    }

    /// What we tell a client with a session that we offer.
    fn offered(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        version: Version,
    ) -> ServerCapabilities {
        let mut capabilities = self.capabilities(desk, client);
        capabilities.tasks_extension = false;
        capabilities.tasks = version >= Version::V2025_11_25 && self.bridges_tasks(desk, client);
        capabilities
    }

    /// One line about the naming, then each server's own text under its name (contract 3).
    pub(crate) fn instructions(&self, desk: &Desk<'_, '_>, client: ClientKey) -> Option<String> {
        let own = |server: &Server| {
            let live = server.shared.and_then(|pool| desk.backends.hello(pool));
            let said = match live {
                Some(hello) => hello.instructions.as_deref(),
                None => server
                    .memory
                    .as_ref()
                    .and_then(|memory| memory.instructions.as_deref()),
            };
            let text = server.entry.instructions.as_deref().or(said)?;
            Some(format!("\n\n## {}\n{text}", server.name()))
        };
        let mut servers = self.visible(client).peekable();
        servers.peek()?;
        let mut text = format!(
            "Tools and prompts of several servers; a name has the form <server>{SEPARATOR}<name>."
        );
        for part in servers.filter_map(|(_, server)| own(server)) {
            text.push_str(&part);
        }
        Some(text)
    }

    /// Servers of a stdio gateway may start now.
    pub(crate) fn run(&mut self, desk: &mut Desk<'_, '_>) {
        let nobody = self.single.is_none() && self.first.is_none();
        if self.running != Running::NotYet || nobody {
            return;
        }
        self.running = Running::Yes;
        for key in self.order.clone() {
            self.start_shared(desk, key);
        }
    }

    /// A client goes on with a session that another run of this program opened. What it was told
    /// there is not known, so everything may have been, and every list is news (A3, contract 5).
    /// Its log level and its subscriptions are lost.
    pub fn restored(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        let Some(facts) = desk.clients.facts(client) else {
            return;
        };
        let known = Client {
            sight: shown(desk, client),
            ..Client::default()
        };
        self.clients.insert(client, known);
        let offered = self.offered(desk, client, facts.version);
        if let Some(known) = self.clients.get_mut(&client) {
            known.advertised = offered.or(ServerCapabilities::ANYTHING);
        }
        self.changes.note_all(desk.cx, Concerns::Client(client));
        self.initialized(desk, client);
    }

    /// The client speaks already.
    pub fn initialized(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        self.look(desk, client);
        let capabilities = desk.clients.facts(client).map(|facts| facts.capabilities);
        let own = |server: &Server| {
            self.single.is_none() && server.isolates(capabilities.unwrap_or_default())
        };
        let own = self.visible(client).filter(|(_, server)| own(server));
        for key in own.map(|(key, _)| key).collect::<Vec<_>>() {
            // Started ahead of the first call; a refusal is told when that comes.
            drop(self.pool_for(desk, client, key));
        }
    }

    /// A client is gone, or starts over.
    pub fn end_client(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        self.drop_parked(client, None);
        self.drop_waiting(client, None);
        self.drop_waiters(desk, client, None);
        self.drop_asks_of_client(desk, client);
        let calls = self
            .clients
            .get(&client)
            .map(|c| c.calls.clone())
            .unwrap_or_default();
        for key in calls {
            self.abandon(desk, key, Some(b"\"the client is gone\""));
        }
        self.end_tasks(desk, client);
        self.end_subscriptions(desk, client);
        let gone = self.clients.remove(&client);
        if gone.is_some_and(|client| client.level.is_some()) {
            self.send_levels(desk);
        }
        let private = self
            .pools
            .iter()
            .filter(|(_, pool)| pool.owner == Some(client));
        let private: Vec<_> = private.map(|(key, _)| *key).collect();
        for pool in private {
            if self.single != Some(client) {
                self.stop_pool(desk, pool);
            }
        }
    }

    /// Something waits for a moment that has come: [`Alarm::Waiting`].
    pub fn waiting_alarm(&mut self, desk: &mut Desk<'_, '_>) {
        desk.cx.timers.clear(Alarm::Waiting);
        self.run(desk);
        self.settle(desk);
        self.expire_parked(desk);
        let next = self.waiting.iter().map(|waiting| waiting.deadline).min();
        if let Some(at) = [next, self.parked_deadline()].into_iter().flatten().min() {
            self.wake_at(desk, at);
        }
    }
}
