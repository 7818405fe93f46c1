//! The whole hub in memory: clients that speak HTTP or lines to it, children whose stdin and
//! stdout are byte vectors, a state directory that is a map, a clock that a test moves.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use onemcp::base::slab::Key;
use onemcp::config::{self, Environment};
use onemcp::effect::{Effect, Effects, Level, StopSignal};
use onemcp::filter::{Expr, Preset, Presets};
use onemcp::hub::Hub;
use onemcp::input::{ExitStatus, Input, Port, ProcessFacts};
use onemcp::instance::survey::{Detail, Survey, ToolSurvey};
use onemcp::limits::READ_BYTES_PER_TURN_MAX;
use onemcp::links::LinkKey;
use onemcp::now::{Now, Tick, UnixSeconds};
use onemcp::oauth::door::Keys;
use onemcp::settings::Settings;

use crate::client::{Client, ClientState};
use crate::remote::{Net, SiteState};
use crate::server::{Child, ChildState, Script};
use crate::vault::Vault;

/// The other side of one link.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// What the hub wrote and nobody has read yet.
    pub(crate) received: Vec<u8>,
    /// It takes nothing for now.
    pub(crate) stalled: bool,
    /// It stays when the hub has closed its half.
    pub(crate) stays: bool,
    /// The hub closed it, or its writing half.
    pub(crate) closed: bool,
}

/// See the module.
pub(crate) struct World {
    hub: Hub,
    /// Where connections come to.
    port: Port,
    now: u64,
    effects: Effects,
    pub(crate) peers: Vec<Peer>,
    pub(crate) scripts: BTreeMap<String, Script>,
    pub(crate) children: Vec<ChildState>,
    pub(crate) clients: Vec<ClientState>,
    /// What is not on this machine.
    pub(crate) net: Net,
    /// The state directory.
    pub(crate) store: BTreeMap<String, Vec<u8>>,
    pub(crate) vault: Vault,
    /// What `presets.json` says at the next configuration.
    pub(crate) presets: Presets,
    /// How many tokens were given.
    pub(crate) tokens: u8,
    /// All log lines.
    pub(crate) log: Vec<String>,
    /// Whether the hub asked not to read from a link.
    pub(crate) paused: BTreeMap<LinkKey, bool>,
    /// The exit code, once there is one.
    pub(crate) exit: Option<u8>,
}

/// A world that is being set up.
pub(crate) struct Builder {
    settings: Settings,
    entries: Vec<String>,
    scripts: BTreeMap<String, Script>,
    sites: Vec<SiteState>,
    store: BTreeMap<String, Vec<u8>>,
    presets: Presets,
    seed: u8,
}

impl Builder {
    /// Another process than the one that other worlds are.
    pub(crate) fn seed(mut self, seed: u8) -> Self {
        self.seed = seed;
        self
    }

    /// A server of this name; its command line is its name.
    pub(crate) fn server(self, name: &str, script: Script) -> Self {
        self.server_with(name, "", script)
    }

    /// The same with further members of its entry.
    pub(crate) fn server_with(mut self, name: &str, members: &str, script: Script) -> Self {
        self.entries.push(entry(name, members));
        self.scripts.insert(name.to_owned(), script);
        self
    }

    /// A remote server of this name, at the host `NAME.test`.
    pub(crate) fn remote(self, name: &str, site: impl Into<SiteState>) -> Self {
        self.remote_with(name, "", site)
    }

    /// The same with further members of its entry.
    pub(crate) fn remote_with(self, name: &str, members: &str, site: impl Into<SiteState>) -> Self {
        let host = format!("{name}.test");
        let mut with = self.site(&host, site);
        let url = with.sites[with.sites.len() - 1].url();
        with.entries.push(remote_entry(name, &url, members));
        with
    }

    /// Something on the network that no entry names.
    pub(crate) fn site(mut self, host: &str, site: impl Into<SiteState>) -> Self {
        let host = host.to_owned();
        self.sites.push(SiteState {
            host,
            ..site.into()
        });
        self
    }

    #[expect(dead_code, reason = "stories of faults follow")]
    /// An entry for a server that is no site, or is one already.
    pub(crate) fn entry(mut self, name: &str, url: &str, members: &str) -> Self {
        self.entries.push(remote_entry(name, url, members));
        self
    }

    /// What the command line said.
    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// What an earlier run left in the state directory.
    pub(crate) fn store(mut self, store: BTreeMap<String, Vec<u8>>) -> Self {
        self.store = store;
        self
    }

    /// What `presets.json` says.
    pub(crate) fn presets(mut self, all: &[(&str, &str)]) -> Self {
        self.presets = presets(all);
        self
    }

    /// Starts it, and waits a moment: all is up, and who was connected was told.
    pub(crate) fn start(self) -> World {
        let mut world = self.begin();
        world.advance(300);
        world
    }

    /// Starts it.
    pub(crate) fn begin(self) -> World {
        self.begin_with(|_| {})
    }

    /// Starts it, when what is around it was changed.
    pub(crate) fn begin_with(self, change: impl FnOnce(&mut World)) -> World {
        let port = match self.settings.stdio {
            true => Port::Browsers,
            false => Port::Clients,
        };
        let mut world = World {
            port,
            hub: Hub::new(self.settings, &[self.seed; 32]),
            now: 1_000,
            effects: Effects::default(),
            peers: Vec::new(),
            scripts: self.scripts,
            children: Vec::new(),
            clients: Vec::new(),
            net: Net::new(self.sites),
            store: self.store,
            vault: Vault::default(),
            presets: self.presets,
            tokens: 0,
            log: Vec::new(),
            paused: BTreeMap::new(),
            exit: None,
        };
        change(&mut world);
        world.configure(&self.entries);
        world
    }
}

/// Presets, each a name and an expression.
pub(crate) fn presets(all: &[(&str, &str)]) -> Presets {
    let mut presets = Presets::default();
    for (name, text) in all {
        let expr = Expr::parse(text).unwrap().into();
        let description = None;
        presets.insert(name, Preset { description, expr });
    }
    presets
}

/// One entry of `mcpServers`.
pub(crate) fn entry(name: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#""{name}":{{"command":"{name}"{comma}{members}}}"#)
}

/// One entry of `mcpServers` for a remote server.
pub(crate) fn remote_entry(name: &str, url: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#""{name}":{{"url":"{url}"{comma}{members}}}"#)
}

impl World {
    /// A gateway that serves HTTP.
    pub(crate) fn http() -> Builder {
        let settings = Settings {
            log_level: Level::Debug,
            ..Settings::default()
        };
        Builder {
            settings,
            entries: Vec::new(),
            scripts: BTreeMap::new(),
            sites: Vec::new(),
            store: BTreeMap::new(),
            presets: Presets::default(),
            seed: 7,
        }
    }

    /// A gateway whose one client is its own stdin.
    pub(crate) fn stdio() -> Builder {
        Self::http().settings(|settings| {
            settings.stdio = true;
            settings.port = 0;
        })
    }

    /// Lets in who has a token of these keys.
    pub(crate) fn let_in(&mut self, keys: Keys) {
        let now = self.moment();
        self.hub.let_in(now, keys, &mut self.effects);
        self.pump();
    }

    /// What is on the disk of another world is told, as at the start.
    pub(crate) fn finds_records_of(&mut self, other: &Self) {
        for (name, bytes) in &other.vault.records {
            self.vault.records.insert(name.clone(), bytes.clone());
            let (name, bytes) = (name.clone(), Some(bytes.clone()));
            self.input(Input::Record { name, bytes });
        }
    }

    /// A new `mcp.json`, given as its entries.
    pub(crate) fn configure(&mut self, entries: &[String]) {
        let text = format!(r#"{{"mcpServers":{{{}}}}}"#, entries.join(","));
        let mut config = config::read(text.as_bytes(), &Environment::default()).unwrap();
        for server in &mut config.servers {
            if server.spawn().is_none() {
                server.fault = None;
            }
        }
        assert_eq!(config.problems, []);
        config.presets = Rc::new(self.presets.clone());
        self.input(Input::Config(Box::new(config)));
        self.rest();
    }

    // --- time ---

    /// The moment.
    pub(crate) fn tick(&self) -> u64 {
        self.now
    }

    /// Lets time pass, with every alarm on the way.
    pub(crate) fn advance(&mut self, ms: u64) {
        let until = self.now + ms;
        self.alarms(until);
        self.now = until;
        self.input(Input::Tick);
        self.rest();
    }

    /// Whatever is due at this moment happens.
    pub(crate) fn rest(&mut self) {
        let now = self.now;
        self.alarms(now);
    }

    fn alarms(&mut self, until: u64) {
        for _ in 0..100_000 {
            let alarm = self.next_alarm().into_iter();
            let next = alarm.chain(self.next_net_event()).min();
            let Some(at) = next.filter(|at| *at <= until) else {
                return;
            };
            self.now = self.now.max(at);
            self.net_events();
            self.input(Input::Tick);
        }
        panic!("an alarm rings again and again at {}", self.now);
    }

    // --- inputs and what follows ---

    /// One input, and everything that the shell and the peers do about it at once.
    pub(crate) fn input(&mut self, input: Input<'_>) {
        let now = self.moment();
        self.hub.handle(now, input, &mut self.effects);
        self.pump();
    }

    pub(crate) fn moment(&self) -> Now {
        Now {
            tick: Tick(self.now),
            wall: UnixSeconds(1_800_000_000 + self.now / 1000),
        }
    }

    fn pump(&mut self) {
        loop {
            let mut quiet = !self.obey();
            while let Some(link) = self.hub.next_dirty() {
                quiet = false;
                self.write(link);
            }
            if quiet && !self.children_read() && !self.sites_read() {
                return;
            }
        }
    }

    /// What the hub wants done is done; whether there was anything.
    pub(crate) fn obey(&mut self) -> bool {
        let mut any = false;
        while let Some(effect) = self.effects.pop() {
            any = true;
            self.perform(effect);
        }
        any
    }

    /// What follows at once from what was fed.
    pub(crate) fn settle_now(&mut self) {
        self.pump();
    }

    /// Everything that follows from what was fed.
    pub(crate) fn settle(&mut self) {
        self.pump();
        self.rest();
        assert_eq!(self.hub.miscounted(), None);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn { pool, spec } => {
                let name = spec.program.into_string().unwrap();
                self.spawn(pool, name);
            }
            Effect::Signal { pool, signal } => {
                let alive = self
                    .children
                    .iter()
                    .position(|child| child.alive && child.pool == pool);
                if let Some(index) = alive {
                    let stubborn = self.script_of(index).ignores_term;
                    self.children[index].signals.push(signal);
                    if signal == StopSignal::Kill || !stubborn {
                        self.end_child(index, ExitStatus::Signal(15));
                    }
                }
            }
            Effect::Open { dial, spec } => self.dial(dial, &spec),
            Effect::GiveUpOpen { dial } => self.give_up_dial(dial),
            Effect::Close { link } => {
                self.peer(link).closed = true;
                self.conn_closed(link);
            }
            Effect::PauseRead { link, paused } => {
                self.paused.insert(link, paused);
            }
            Effect::LoadState { name } => {
                let bytes = self.store.get(&name).cloned();
                self.feed_input(Input::StateLoaded { name, bytes });
            }
            Effect::StoreState { name, bytes } => {
                self.store.insert(name, bytes);
            }
            secret @ (Effect::LockRecord { .. }
            | Effect::StoreRecord { .. }
            | Effect::ReleaseRecord { .. }
            | Effect::Stretch { .. }
            | Effect::ListenLocal { .. }
            | Effect::UnlistenLocal) => self.keep(secret),
            Effect::Measure { link } => {
                let process = ProcessFacts {
                    open_fds: Some(7),
                    ..ProcessFacts::default()
                };
                self.feed_input(Input::Measured { link, process });
            }
            Effect::Log { level, line } => self.log.push(format!("{level:?} {line}")),
            Effect::Exit { code } => {
                assert_eq!(self.exit.replace(code), None, "it left twice");
            }
        }
    }

    /// An input that follows from an effect: handled before any other.
    pub(crate) fn feed_input(&mut self, input: Input<'_>) {
        let now = self.moment();
        self.hub.handle(now, input, &mut self.effects);
    }

    /// The shell writes what a peer takes.
    fn write(&mut self, link: LinkKey) {
        let stalled = self.peer(link).stalled;
        let bytes: Vec<u8> = if stalled {
            Vec::new()
        } else {
            self.hub.pending(link).flatten().copied().collect()
        };
        let now = self.moment();
        let shut = self.hub.wrote(now, link, bytes.len(), &mut self.effects);
        self.peer(link).received.extend_from_slice(&bytes);
        if shut {
            self.peer(link).closed = true;
            self.shut(link);
        }
    }

    /// The hub closed its writing half: a child goes, a client closes too.
    fn shut(&mut self, link: LinkKey) {
        let child = self
            .children
            .iter()
            .position(|child| child.alive && child.link == Some(link));
        match child {
            Some(index) if self.script_of(index).ignores_eof => {}
            Some(index) => {
                self.child_reads_all(index);
                self.end_child(index, ExitStatus::Code(0));
            }
            None if self.peer(link).stays => {}
            None => self.feed_input(Input::Eof { link }),
        }
    }

    /// Lets a peer take what waits for it.
    pub(crate) fn unstall(&mut self, link: LinkKey) {
        self.peer(link).stalled = false;
        self.write(link);
        self.pump();
        self.rest();
    }

    /// Bytes that the hub keeps for a peer.
    pub(crate) fn unsent(&self, link: LinkKey) -> usize {
        self.hub.pending(link).map(<[u8]>::len).sum()
    }

    /// When an alarm rings, if nothing else happens before.
    pub(crate) fn next_alarm(&self) -> Option<u64> {
        self.hub.next_deadline().map(|at| at.0)
    }

    /// How much the hub holds.
    pub(crate) fn counts(&self) -> onemcp::hub::Counts {
        self.hub.counts()
    }

    /// How everything is doing.
    pub(crate) fn survey(&mut self) -> Survey {
        let now = self.moment();
        self.hub.survey(now, &Detail::default())
    }

    /// The tools of one server.
    pub(crate) fn tools_of(&self, name: &str) -> Vec<ToolSurvey> {
        self.hub.tools_of(name)
    }

    // --- links ---

    pub(crate) fn peer(&mut self, link: LinkKey) -> &mut Peer {
        &mut self.peers[link.0.index as usize]
    }

    pub(crate) fn new_link(&mut self) -> LinkKey {
        let index = u32::try_from(self.peers.len()).unwrap();
        self.peers.push(Peer::default());
        LinkKey(Key {
            index,
            generation: 0,
        })
    }

    /// A new HTTP connection: of a client, or, where our own stdin is the client, to the port that
    /// is for browsers.
    pub(crate) fn connect(&mut self) -> LinkKey {
        let link = self.new_link();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        let port = self.port;
        self.input(Input::Accepted { link, peer, port });
        link
    }

    /// Bytes from a peer, in pieces as the shell reads them.
    pub(crate) fn bytes(&mut self, link: LinkKey, bytes: &[u8]) {
        for piece in bytes.chunks(READ_BYTES_PER_TURN_MAX) {
            self.input(Input::Bytes { link, bytes: piece });
        }
    }

    // --- handles ---

    /// The child that serves under this name now: the latest one alive.
    #[track_caller]
    pub(crate) fn server(&self, name: &str) -> Child {
        *self
            .running(name)
            .last()
            .unwrap_or_else(|| panic!("no child {name} runs"))
    }

    /// All children of this name that are alive, the oldest first.
    pub(crate) fn running(&self, name: &str) -> Vec<Child> {
        let all = self.children.iter().enumerate();
        all.filter(|(_, child)| child.alive && child.name == name)
            .map(|(index, _)| Child(index))
            .collect()
    }

    /// How often a server of this name was started.
    pub(crate) fn starts(&self, name: &str) -> usize {
        self.children
            .iter()
            .filter(|child| child.name == name)
            .count()
    }

    /// How its servers of this name behave from now on.
    pub(crate) fn script(&mut self, name: &str) -> &mut Script {
        self.scripts.get_mut(name).unwrap()
    }

    /// A client on `/mcp` that has said `initialize` and `initialized` and opened its GET stream.
    pub(crate) fn client(&mut self, capabilities: &str) -> Client {
        let client = Client::http(self);
        client.initialize(self, "2025-11-25", capabilities);
        client.initialized(self);
        client.listen(self);
        client
    }

    /// The one client of a stdio gateway: nothing was said yet.
    pub(crate) fn stdin(&mut self) -> Client {
        Client::stdio(self)
    }

    /// Whether a log line has all of these words.
    pub(crate) fn logged(&self, words: &[&str]) -> bool {
        self.log
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)))
    }
}
