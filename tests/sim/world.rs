//! The shell's part: holds the hub, gives out keys, does what the hub orders, lets time pass.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use onemcp::effect::{Effect, Effects, Level, SpawnSpec};
use onemcp::hub::Hub;
use onemcp::input::{Input, ProcessFacts};
use onemcp::language::PoolKey;
use onemcp::links::LinkKey;
use onemcp::now::{Now, Tick, UnixSeconds};
use onemcp::settings::{HealthLevel, Settings};

use crate::clients::stateless::Stateless;
use crate::clients::stdio::Stdio;
use crate::clients::web::Web;
use crate::faults::{Fault, Faults};
use crate::model::{Cx, Model};
use crate::net::{ConnId, End, Net, Peer};
use crate::plan::{NAMES, Plan};
use crate::remotes::{Remotes, place};
use crate::rng::Rng;
use crate::secrets::Vault;
use crate::servers::process::Process;

/// One client.
#[derive(Debug)]
pub(crate) enum Client {
    Web(Box<Web>),
    Stateless(Box<Stateless>),
    Stdio(Box<Stdio>),
}

/// A child that is being started.
#[derive(Debug)]
pub(crate) struct Spawning {
    pub(crate) pool: PoolKey,
    pub(crate) spec: SpawnSpec,
    pub(crate) due: u64,
}

/// Sums up everything that the hub did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) u64);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

impl std::fmt::Write for Sum {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}

/// See the module.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) hub: Hub,
    effects: Effects,
    pub(crate) net: Net,
    pub(crate) rng: Rng,
    pub(crate) faults: Faults,
    pub(crate) model: Model,
    pub(crate) now: Now,
    pub(crate) processes: Vec<Process>,
    pub(crate) clients: Vec<Client>,
    pub(crate) spawning: Vec<Spawning>,
    pub(crate) remotes: Remotes,
    pub(crate) plan: Plan,
    pub(crate) names: Rc<[String]>,
    /// The state directory.
    state: BTreeMap<String, Vec<u8>>,
    asked_state: VecDeque<String>,
    pub(crate) vault: Vault,
    pub(crate) sum: Sum,
    pub(crate) exited: Option<u8>,
    /// When the hub was told to stop, or its input ended.
    pub(crate) stopped_at: Option<u64>,
    pub(crate) stdio: bool,
    /// Nothing goes wrong any more.
    pub(crate) calm: bool,
    /// Old keys, for late words.
    pub(crate) old_keys: Vec<LinkKey>,
    pub(crate) settings: Settings,
}

impl World {
    /// A world of a seed.
    pub(crate) fn new(seed: u64, verbose: bool) -> Self {
        let mut rng = Rng::new(seed);
        let faults = Faults::swarm(&mut rng);
        let stdio = rng.chance(200);
        let auth = !stdio && rng.chance(300);
        let log_level = rng.pick(&[Level::Info, Level::Trace]);
        let settings = Settings {
            version: "9.9.9".to_owned(),
            stdio,
            auth,
            page_entries: if rng.chance(300) { 1 + rng.index(4) } else { 0 },
            stream_ms_max: rng.chance(200).then(|| 1 + rng.time(20_000)),
            list_wait_ms: rng.pick(&[10_000, 1000, 0]),
            health: rng.pick(&[HealthLevel::Minimal, HealthLevel::Full]),
            log_level: if verbose { Level::Trace } else { log_level },
            ..Settings::default()
        };
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&rng.next().to_le_bytes());
        let plan = Plan::new(&mut rng);
        Self {
            seed,
            hub: Hub::new(settings.clone(), &entropy),
            effects: Effects::default(),
            net: Net::default(),
            faults,
            model: Model {
                verbose,
                stdio,
                ..Model::default()
            },
            now: Now {
                tick: Tick(1 + rng.time(1_000_000)),
                wall: UnixSeconds(1_800_000_000),
            },
            rng,
            processes: Vec::new(),
            clients: Vec::new(),
            spawning: Vec::new(),
            remotes: Remotes::new(seed),
            names: plan.names(),
            plan,
            state: BTreeMap::new(),
            asked_state: VecDeque::new(),
            vault: Vault::default(),
            sum: Sum(0xcbf2_9ce4_8422_2325),
            exited: None,
            stopped_at: None,
            stdio,
            calm: false,
            old_keys: Vec::new(),
            settings,
        }
    }

    /// What an actor works with.
    pub(crate) fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now.tick,
            rng: &mut self.rng,
            faults: &self.faults,
            net: &mut self.net,
            model: &mut self.model,
        }
    }

    /// Whether something goes wrong this time.
    pub(crate) fn hit(&mut self, fault: Fault) -> bool {
        self.faults.hit(fault, &mut self.rng)
    }

    /// Gives the hub one input, and does what it orders.
    pub(crate) fn handle(&mut self, input: Input<'_>) {
        if self.exited.is_some() {
            return;
        }
        self.hub.handle(self.now, input, &mut self.effects);
        self.obey();
        while let Some(name) = self.asked_state.pop_front() {
            let bytes = self.load(&name);
            let input = Input::StateLoaded { name, bytes };
            self.hub.handle(self.now, input, &mut self.effects);
            self.obey();
        }
        if !self.hit(Fault::LateFlush) {
            self.flush();
        }
        self.check();
    }

    fn load(&mut self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = self.state.get(name).cloned();
        if self.hit(Fault::StateLost) {
            bytes = None;
        }
        if self.hit(Fault::StateCorrupt)
            && let Some(bytes) = &mut bytes
        {
            let at = self.rng.index(bytes.len());
            match self.rng.below(3) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << self.rng.below(8),
                _ => bytes.push(b'}'),
            }
        }
        bytes
    }

    /// Does what the hub has ordered.
    fn obey(&mut self) {
        use std::fmt::Write;
        while let Some(effect) = self.effects.pop() {
            match &effect {
                Effect::StoreState { name, bytes } => {
                    self.sum.add(name.as_bytes());
                    self.sum.add(bytes);
                }
                other => write!(self.sum, "{other:?}").unwrap(),
            }
            self.obey_one(effect);
        }
    }

    fn obey_one(&mut self, effect: Effect) {
        match effect {
            Effect::Log { level, line } => {
                self.model.stats.logs += 1;
                self.model.trace(|| format!("hub {level:?} {line}"));
                if line.contains(place::SECRET) || line.contains(place::SESSION) {
                    self.model.violation(format!("a secret is logged: {line}"));
                }
                if line.contains('\n') {
                    self.model
                        .violation(format!("a log line of two lines: {line:?}"));
                }
            }
            Effect::Spawn { pool, spec } => {
                self.model
                    .trace(|| format!("hub spawns {:?} for {pool:?}", spec.args));
                let slow = if self.hit(Fault::SlowStart) { 3000 } else { 20 };
                let due = self.now.tick.0 + self.rng.time(slow);
                self.spawning.push(Spawning {
                    pool,
                    spec: *spec,
                    due,
                });
            }
            Effect::Signal { pool, signal } => {
                let group = self
                    .processes
                    .iter()
                    .rposition(|process| process.pool == pool);
                if let Some(at) = group {
                    self.with_process(at, |process, cx| process.signal(cx, signal));
                }
            }
            Effect::Open { dial, spec } => self.dial(dial, &spec),
            Effect::GiveUpOpen { dial } => self.give_up_dial(dial),
            Effect::Close { link } => match self.net.find(link) {
                Some(id) => {
                    self.model.trace(|| format!("hub closes {id}"));
                    let lost = !self.net.conns[id].inbound.is_empty() && self.rng.chance(500);
                    self.net.closed_by_hub(id, lost);
                    self.old_keys.push(link);
                }
                None => self
                    .model
                    .violation(format!("{link:?} is closed, which is not open")),
            },
            Effect::PauseRead { link, paused } => {
                if let Some(id) = self.net.find(link) {
                    self.net.conns[id].paused = paused;
                }
            }
            Effect::Measure { link } => {
                let process = ProcessFacts::default();
                self.handle(Input::Measured { link, process });
            }
            Effect::LoadState { name } => self.asked_state.push_back(name),
            Effect::StoreState { name, bytes } => {
                if !self.hit(Fault::StateLost) {
                    self.state.insert(name, bytes);
                }
            }
            secret @ (Effect::LockRecord { .. }
            | Effect::StoreRecord { .. }
            | Effect::ReleaseRecord { .. }
            | Effect::Stretch { .. }
            | Effect::ListenLocal { .. }
            | Effect::UnlistenLocal) => self.keep(secret),
            Effect::Exit { code } => {
                self.model.trace(|| "hub exits".to_owned());
                if self.stopped_at.is_none() {
                    self.model.violation("the hub leaves unasked");
                }
                self.exited = Some(code);
            }
        }
    }

    /// Ends the turn: every link with something to write is written once.
    pub(crate) fn flush(&mut self) {
        while let Some(link) = self.hub.next_dirty() {
            if let Some(id) = self.net.find(link) {
                self.write(id, link);
            }
        }
        self.net.turn += 1;
    }

    /// Writes as much as the kernel takes.
    pub(crate) fn write(&mut self, id: ConnId, link: LinkKey) {
        let conn = &self.net.conns[id];
        let mut room = conn.room.saturating_sub(conn.outbound.len());
        let refused = conn.refused;
        if self.hit(Fault::WouldBlock) {
            room = 0;
        } else if self.hit(Fault::ShortWrite) {
            room = self.rng.index(room + 1);
        }
        if refused {
            room = usize::MAX;
        }
        let conn = &mut self.net.conns[id];
        let was_empty = conn.outbound.is_empty();
        let mut taken = 0;
        let mut left = false;
        for chunk in self.hub.pending(link) {
            let some = chunk.len().min(room - taken);
            left |= some < chunk.len();
            if !refused {
                conn.outbound.extend(&chunk[..some]);
                self.sum.add(&chunk[..some]);
            }
            taken += some;
        }
        conn.blocked = left;
        if was_empty && !conn.outbound.is_empty() {
            conn.unread_since = Some(self.now.tick.0);
        }
        if refused && taken > 0 && !matches!(conn.peer, Peer::Process(_)) {
            // The kernel tells that nobody is there.
            conn.reset();
        }
        if let Peer::Site(site) = conn.peer
            && taken > 0
            && let Some(line) = self.remotes.lines.get_mut(&id)
        {
            let entry = self.plan.entry(NAMES[site]);
            line.roots = entry.is_some_and(|entry| entry.roots);
        }
        let shut = self.hub.wrote(self.now, link, taken, &mut self.effects);
        let turn = self.net.turn;
        if shut {
            let conn = &mut self.net.conns[id];
            conn.shut(turn);
            if conn.outbound_end == End::Open {
                conn.outbound_end = End::Eof;
            }
        }
        self.obey();
    }

    /// Lets a process do something.
    pub(crate) fn with_process<T>(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Process, &mut Cx<'_>) -> T,
    ) -> T {
        let cx = &mut Cx {
            now: self.now.tick,
            rng: &mut self.rng,
            faults: &self.faults,
            net: &mut self.net,
            model: &mut self.model,
        };
        let done = act(&mut self.processes[at], cx);
        if self.processes[at].far.is_some() {
            self.speak(at);
        }
        done
    }

    /// Lets a client do something.
    pub(crate) fn with_client<T>(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Client, &mut Cx<'_>, &[String]) -> T,
    ) -> T {
        let cx = &mut Cx {
            now: self.now.tick,
            rng: &mut self.rng,
            faults: &self.faults,
            net: &mut self.net,
            model: &mut self.model,
        };
        act(&mut self.clients[at], cx, &self.names)
    }
}
