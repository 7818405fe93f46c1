//! The servers of the configuration: how each is offered, and which of its sessions serve whom.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::config::{self, Isolation, Prefix, Transport};
use crate::effect::{Effect, Level};
use crate::language::{Carrier, ClientKey, PoolKey, PoolSpec, PoolState};
use crate::mcp::capabilities::{ClientCapabilities, ServerCapabilities};
use crate::mcp::headers::Annotated;
use crate::mcp::names;
use crate::now::Tick;
use crate::principal::GrantId;
use crate::route::catalog::{Catalog, Kind, List};
use crate::route::directory::Listing;
use crate::route::memory::{self, Memory};
use crate::route::pools::{Life, Pool};
use crate::route::subscriptions::Listeners;
use crate::route::{Desk, Hall, Running, ServerKey};
use crate::tally::Slot;

/// One server of the configuration.
pub(crate) struct Server {
    /// What the file says.
    pub(crate) entry: config::Server,
    /// Put before its names.
    pub(crate) prefix: String,
    /// Where it is counted.
    pub(crate) slot: Slot,
    /// The session that all clients have in common (protocol S1).
    pub(crate) shared: Option<PoolKey>,
    /// Sessions of single clients.
    pub(crate) private: BTreeMap<ClientKey, PoolKey>,
    /// Sessions that clients without one take turns in.
    pub(crate) leases: Vec<PoolKey>,
    /// It asks clients for things: each client that can answer has its own session.
    pub(crate) interactive: bool,
    /// It has no sessions (2026-07-28): each request says what its sender can be asked, so that all
    /// clients share one, whatever was so before (protocol S1).
    pub(crate) stateless: bool,
    /// What it said when it was last up, in this process or an earlier one.
    pub(crate) memory: Option<Memory>,
    /// Who listened to its resources before its entry changed: they go on in its common session.
    pub(crate) listeners: Listeners,
    /// The state directory was asked for `memory` and has answered.
    pub(crate) recalled: bool,
}

impl Server {
    /// A server that was never started.
    #[must_use]
    pub(crate) fn new(entry: config::Server, slot: Slot) -> Self {
        let mut server = Self {
            entry,
            prefix: String::new(),
            slot,
            shared: None,
            private: BTreeMap::new(),
            leases: Vec::new(),
            interactive: false,
            stateless: false,
            memory: None,
            listeners: Listeners::new(),
            recalled: false,
        };
        server.update_prefix();
        server
    }

    /// Takes a new entry over that needs no other process.
    pub(crate) fn update(&mut self, entry: config::Server) {
        self.entry = entry;
        self.update_prefix();
    }

    fn update_prefix(&mut self) {
        self.prefix = match &self.entry.prefix {
            Prefix::Default => names::default_prefix(&self.entry.name),
            Prefix::Text(text) => text.clone(),
        };
    }

    /// Its name in the configuration.
    #[must_use]
    pub(crate) fn name(&self) -> &Rc<str> {
        &self.entry.name
    }

    /// Whether a tool is offered at all (`disabledTools`, `enabledTools`).
    #[must_use]
    pub(crate) fn offers_tool(&self, original: &str) -> bool {
        let named = |list: &Vec<String>| list.iter().any(|name| name == original);
        !named(&self.entry.disabled_tools) && self.entry.enabled_tools.as_ref().is_none_or(named)
    }

    /// Whether a name that somebody asks for can be one of its names, by its configured prefix. Its
    /// names in the default form are known to be its own without asking.
    #[must_use]
    pub(crate) fn may_offer(&self, name: &str) -> bool {
        match &self.entry.prefix {
            Prefix::Default => false,
            Prefix::Text(prefix) => names::begins(prefix, name),
        }
    }

    /// Why it cannot be started although it is configured.
    #[must_use]
    pub(crate) fn fault(&self) -> Option<&str> {
        self.entry.fault.as_deref()
    }

    /// Whether each client has a session of its own, given what it declared.
    #[must_use]
    pub(crate) fn isolates(&self, capabilities: ClientCapabilities) -> bool {
        match self.entry.isolation {
            Isolation::Shared => false,
            Isolation::Session => true,
            Isolation::Auto => self.interactive && !self.stateless && capabilities.interactive(),
        }
    }

    /// What the common session declares. While nothing is known of the server it is lured into
    /// showing whether it asks; roots are never declared for several clients at once, since a
    /// server applies them to its whole process (protocol S1).
    #[must_use]
    pub(crate) fn shared_declares(&self) -> ClientCapabilities {
        if self.entry.isolation != Isolation::Auto || self.interactive {
            return self.static_roots(ClientCapabilities::default());
        }
        self.static_roots(ClientCapabilities {
            sampling: true,
            sampling_tools: true,
            sampling_context: true,
            elicitation_form: true,
            elicitation_url: true,
            ..ClientCapabilities::default()
        })
    }

    /// A static list of roots is answered by us, so that it can always be declared.
    #[must_use]
    pub(crate) fn static_roots(&self, declared: ClientCapabilities) -> ClientCapabilities {
        ClientCapabilities {
            roots: declared.roots || self.entry.roots.is_some(),
            // Of the revision without sessions only.
            tasks: false,
            ..declared
        }
    }

    /// How to run one of its sessions; `None` for a URL that leads nowhere.
    #[must_use]
    pub(crate) fn pool_spec(&self, declare: ClientCapabilities) -> Option<PoolSpec> {
        let carrier = match &self.entry.transport {
            Transport::Stdio(spawn) => Carrier::Child(spawn.clone()),
            Transport::Remote(remote) => Carrier::Remote(remote.spec()?),
        };
        Some(PoolSpec {
            name: Rc::clone(&self.entry.name),
            slot: self.slot,
            carrier,
            declare,
            era: self.entry.era,
            initialize_first: self
                .memory
                .as_ref()
                .is_some_and(|memory| memory.unasked.is_some()),
            connect_ms: self.entry.connect_ms,
            restart: self.entry.restart.on_exit,
            restarts_max: self.entry.restart.max,
            restart_delay_ms: self.entry.restart.delay_ms,
        })
    }
}

impl Hall {
    /// A server, unless it was removed.
    pub(crate) fn server(&self, key: ServerKey) -> Option<&Server> {
        self.servers.get(key)
    }

    /// Its name, for errors; empty once it was removed.
    pub(crate) fn server_name(&self, key: ServerKey) -> &str {
        self.servers.get(key).map_or("", |server| server.name())
    }

    /// A server by the name it has in the file.
    pub(crate) fn server_by_name(&self, name: &str) -> Option<ServerKey> {
        let mut keys = self.order.iter().copied();
        keys.find(|key| self.server_name(*key) == name)
    }

    /// Adds a server and asks for what is remembered of it; it starts when the answer is there.
    pub(crate) fn add_server(
        &mut self,
        desk: &mut Desk<'_, '_>,
        entry: config::Server,
    ) -> ServerKey {
        let name = memory::record_name(&entry.process_hash);
        let startable = entry.fault.is_none();
        if let Some(fault) = &entry.fault {
            desk.cx.log(Level::Error, || {
                format!("server={} not started: {fault}", entry.name)
            });
        }
        let slot = desk.cx.tally.server(&entry.name);
        let key = self.servers.insert(Server::new(entry, slot));
        if startable {
            desk.cx.effects.push(Effect::LoadState { name });
        } else if let Some(server) = self.servers.get_mut(key) {
            server.recalled = true;
        }
        key
    }

    /// The state directory answered.
    pub fn state_loaded(&mut self, desk: &mut Desk<'_, '_>, name: &str, bytes: Option<&[u8]>) {
        let waits = |server: &Server| {
            !server.recalled && memory::record_name(&server.entry.process_hash) == name
        };
        let keys: Vec<ServerKey> = self
            .servers
            .iter()
            .filter(|(_, server)| waits(server))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            let Some(server) = self.servers.get_mut(key) else {
                continue;
            };
            server.recalled = true;
            server.memory = bytes.and_then(Memory::read);
            if bytes.is_some() && server.memory.is_none() {
                Mark::RecordDamaged.hit();
            }
            if let Some(memory) = &server.memory {
                server.interactive = memory.interactive;
                server.stateless = memory.version.is_modern();
            }
            self.start_shared(desk, key);
        }
        self.names_stale = true;
        self.settle(desk);
    }

    /// Starts the common session of a server, if it may run and does not yet.
    pub(crate) fn start_shared(&mut self, desk: &mut Desk<'_, '_>, key: ServerKey) {
        let single = self.single.and_then(|client| desk.clients.facts(client));
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let startable = server.recalled && server.fault().is_none();
        if self.running != Running::Yes || !startable || server.shared.is_some() {
            return;
        }
        // The one client of a stdio gateway is nobody else's neighbour: exactly its capabilities.
        let owner = self.single;
        let declare = match single.map(|facts| facts.capabilities).or(self.first) {
            Some(capabilities) => server.static_roots(capabilities),
            None => server.shared_declares(),
        };
        if let Some(spec) = server.pool_spec(declare) {
            let pool = desk.backends.start(desk.cx, spec);
            server.shared = Some(pool);
            let listeners = std::mem::take(&mut server.listeners);
            let known = self
                .servers
                .get(key)
                .and_then(|server| self.known_for(server, declare, None));
            let mut session = Pool::new(desk.cx.now.tick, key, owner, declare, known);
            session.subscriptions = listeners;
            self.pools.insert(pool, session);
        }
    }

    /// The lists by which a server is known: those of its common session once they are there, else
    /// what is remembered.
    pub(crate) fn reference<'a>(&'a self, server: &'a Server) -> Option<&'a Catalog> {
        let shared = server.shared.and_then(|pool| self.pools.get(&pool));
        let known = shared
            .map(|pool| &pool.catalog)
            .filter(|catalog| catalog.known());
        let private = || {
            let pools = server
                .private
                .values()
                .filter_map(|pool| self.pools.get(pool));
            let mut catalogs = pools.map(|pool| &pool.catalog);
            catalogs.find(|catalog| catalog.known())
        };
        known
            .or_else(|| server.memory.as_ref().map(|memory| &memory.catalog))
            .or_else(private)
    }

    /// The lists that a session begins with: those of one that declared the same. Others may hold
    /// tools that the server offers only to clients that can answer, or lack them. Nor are those of
    /// a session that is another grant's.
    pub(crate) fn known_for<'a>(
        &'a self,
        server: &'a Server,
        declares: ClientCapabilities,
        grant: Option<GrantId>,
    ) -> Option<&'a Catalog> {
        let live = server.shared.iter().chain(server.private.values());
        let live = live.filter_map(|pool| self.pools.get(pool));
        let live = live.filter(|pool| pool.grant.is_none() || pool.grant == grant);
        let mut same = live.filter(|pool| pool.declares == declares && pool.catalog.known());
        let remembered = server.memory.as_ref();
        let remembered = remembered.filter(|memory| memory.declared == declares);
        same.next()
            .map(|pool| &pool.catalog)
            .or(remembered.map(|memory| &memory.catalog))
    }

    /// What a server offers as far as anybody knows.
    pub(crate) fn capabilities_of(
        &self,
        desk: &Desk<'_, '_>,
        server: &Server,
        client: Option<ClientKey>,
    ) -> ServerCapabilities {
        let own = client.and_then(|client| server.private.get(&client).copied());
        for pool in [own, server.shared].into_iter().flatten() {
            if let Some(hello) = desk.backends.hello(pool) {
                return hello.capabilities;
            }
        }
        if let Some(memory) = &server.memory {
            return memory.capabilities;
        }
        let known = server
            .private
            .values()
            .find_map(|pool| desk.backends.hello(*pool));
        match known {
            Some(hello) => hello.capabilities,
            None if server.fault().is_some() => ServerCapabilities::default(),
            None => ServerCapabilities::ANYTHING,
        }
    }

    /// The union over all servers that a client sees; before there is any everything may come
    /// (contract 3).
    pub(crate) fn capabilities(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
    ) -> ServerCapabilities {
        let servers = self.visible(client);
        let mut known = servers
            .map(|(_, server)| self.capabilities_of(desk, server, Some(client)))
            .peekable();
        if known.peek().is_none() {
            return ServerCapabilities::ANYTHING;
        }
        known.fold(ServerCapabilities::default(), ServerCapabilities::or)
    }

    /// Whether any server that a client sees offers something, asked one after the other. Before
    /// there is any everything may come.
    pub(crate) fn offers(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        what: fn(ServerCapabilities) -> bool,
    ) -> bool {
        let mut servers = self.visible(client).peekable();
        let has = |server: &Server| what(self.capabilities_of(desk, server, Some(client)));
        servers.peek().is_none() || servers.any(|(_, server)| has(server))
    }

    /// Builds the names anew if a catalog or the configuration changed since. Done when a name is
    /// needed, or a hundred servers that start would build the names of all of them at each list.
    pub(crate) fn refresh_names(&mut self, desk: &mut Desk<'_, '_>) {
        if !std::mem::take(&mut self.names_stale) {
            return;
        }
        let mut directory = std::mem::take(&mut self.directory);
        let listings: Vec<Listing<'_>> = self
            .order
            .iter()
            .filter_map(|key| self.servers.get(*key).map(|server| (*key, server)))
            .map(|(key, server)| Listing {
                server: key,
                name: server.name(),
                prefix: &server.prefix,
                keys: Kind::ALL.map(|kind| self.known_keys(server, kind)),
            })
            .collect();
        let lost_before = std::mem::take(&mut directory.lost);
        directory.rebuild(&listings, self.settings.name_bytes_max);
        desk.cx.tally.renumber(directory.tools() as usize);
        directory.annotate(self.annotated_tools());
        directory.support(self.task_tools());
        for lost in directory
            .lost
            .iter()
            .filter(|lost| !lost_before.contains(lost))
        {
            desk.cx.log(Level::Warn, || {
                format!("name taken: {lost} is offered with its default prefix")
            });
        }
        drop(listings);
        self.directory = directory;
    }

    /// Tools whose arguments have header fields of their own (D20).
    fn annotated_tools(&self) -> Vec<(ServerKey, Rc<str>, Vec<Annotated>)> {
        let mut found = Vec::new();
        for key in &self.order {
            let list = self
                .server(*key)
                .and_then(|server| self.known_list(server, Kind::Tools));
            for entry in list.map(List::entries).unwrap_or_default() {
                let annotated = entry.annotated().unwrap_or_default();
                if !annotated.is_empty() {
                    found.push((*key, Rc::clone(&entry.key), annotated));
                }
            }
        }
        found
    }

    /// One list of a server as its common session has it, or as it is remembered.
    pub(crate) fn known_list<'a>(&'a self, server: &'a Server, kind: Kind) -> Option<&'a List> {
        let shared = server.shared.and_then(|pool| self.pools.get(&pool));
        let shared = shared.map(|pool| pool.catalog.list(kind));
        let remembered = || Some(server.memory.as_ref()?.catalog.list(kind));
        // One list may be there while another of the same session is still awaited.
        shared.filter(|list| list.known()).or_else(remembered)
    }

    /// All keys of one kind that any session of a server knows, the common one first.
    fn known_keys(&self, server: &Server, kind: Kind) -> Vec<Rc<str>> {
        let lists = |pool: &PoolKey| Some(self.pools.get(pool)?.catalog.list(kind));
        let known = self.known_list(server, kind);
        let private = server
            .private
            .values()
            .chain(&server.leases)
            .filter_map(lists);
        let entries = known.into_iter().chain(private).flat_map(List::entries);
        entries
            .filter(|entry| kind != Kind::Tools || server.offers_tool(&entry.key))
            .map(|entry| Rc::clone(&entry.key))
            .collect()
    }

    /// How a server is doing, seen by a client (or by nobody in particular).
    pub(crate) fn server_state(
        &self,
        desk: &Desk<'_, '_>,
        server: &Server,
        client: Option<ClientKey>,
    ) -> PoolState {
        if let Some(fault) = server.fault() {
            return PoolState::Failed {
                why: fault.to_owned(),
            };
        }
        let own = client.and_then(|client| server.private.get(&client).copied());
        let any = own
            .or(server.shared)
            .or_else(|| server.private.values().next().copied());
        any.map_or(PoolState::Starting, |pool| {
            desk.backends.state(desk.cx.now, pool)
        })
    }

    /// Until when it is worth waiting for what a server offers to a client; `None` if that is known
    /// or was waited for long enough: a server that hangs delays the first lists, not every one.
    pub(crate) fn unsettled(&self, now: Tick, server: &Server, client: ClientKey) -> Option<Tick> {
        if server.fault().is_some() {
            return None;
        }
        let own = self.lister(server, client).or(server.shared);
        let since = match own.and_then(|pool| self.pools.get(&pool)) {
            Some(pool) if pool.life == Life::Down || pool.catalog.known() => return None,
            Some(pool) => pool.since,
            None => now,
        };
        Some(since.after(self.settings.list_wait_ms)).filter(|until| *until > now)
    }
}
