//! The shell of the fuzz target: gives out keys, does what the hub orders, lets time pass, and
//! checks what must hold after every input.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

use crate::base::slab::Key;
use crate::effect::{Effect, Effects, RecordTicket, StopSignal};
use crate::hub::Hub;
use crate::hub::fuzzing::peer::{self, Heard, Peer, Role};
use crate::hub::fuzzing::words;
use crate::input::{ExitStatus, Input, Port, ProcessFacts};
use crate::json::envelope::{self, Kind};
use crate::json::span::{self, Span};
use crate::language::PoolKey;
use crate::limits::{CHILD_OUTBOX_BYTES_MAX, CLIENT_OUTBOX_BYTES_MAX, LINE_BYTES_MAX};
use crate::links::{DialKey, LinkKey};
use crate::now::{Now, Tick, UnixSeconds};

/// Orders that one input may cause; far above what a few links and servers can.
const EFFECTS_PER_INPUT_MAX: usize = 10_000;
/// From the order to stop until we are gone (contract 1).
pub(super) const STOP_MS_MAX: u64 = 2_000;

/// A process, from its start until it was reaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) pool: PoolKey,
    pub(super) link: LinkKey,
}

/// See the module.
pub(super) struct World {
    hub: Hub,
    pub(super) now: u64,
    effects: Effects,
    pub(super) peers: Vec<Peer>,
    free: Vec<Key>,
    keys: u32,
    /// Children that the hub ordered and that were not started.
    pub(super) orders: VecDeque<PoolKey>,
    pub(super) processes: Vec<Process>,
    /// Connections that the hub ordered and that are not open.
    pub(super) dials: VecDeque<DialKey>,
    pub(super) store: BTreeMap<String, Vec<u8>>,
    /// Records that are locked.
    pub(super) locks: BTreeMap<RecordTicket, String>,
    /// What becomes of a record that is loaded.
    pub(super) damage: u8,
    /// Servers start, shake hands and list at once; without it each answer is an operation.
    pub(super) easy: bool,
    pub(super) sessions: Vec<String>,
    pub(super) endpoints: Vec<String>,
    pub(super) event: String,
    /// Raw ids of questions that clients got.
    pub(super) questions: Vec<String>,
    /// States that clients got (raw), and the keys of the questions that came with them.
    pub(super) states: Vec<String>,
    pub(super) keys_asked: Vec<String>,
    /// How often an id was used in requests of clients, less the answers to it.
    pub(super) owed: BTreeMap<String, i64>,
    /// Somebody told the hub to leave.
    pub(super) stopped_at: Option<u64>,
    pub(super) gone: bool,
}

impl World {
    /// A hub that was not told anything.
    pub(super) fn new(settings: u8) -> Self {
        Self {
            hub: Hub::new(words::settings(settings), &[7; 32]),
            now: 1_000,
            effects: Effects::default(),
            peers: Vec::new(),
            free: Vec::new(),
            keys: 0,
            orders: VecDeque::new(),
            processes: Vec::new(),
            dials: VecDeque::new(),
            store: BTreeMap::new(),
            locks: BTreeMap::new(),
            damage: 0,
            easy: true,
            sessions: Vec::new(),
            endpoints: Vec::new(),
            event: "0".to_owned(),
            questions: Vec::new(),
            states: Vec::new(),
            keys_asked: Vec::new(),
            owed: BTreeMap::new(),
            stopped_at: None,
            gone: false,
        }
    }

    fn moment(&self) -> Now {
        Now {
            tick: Tick(self.now),
            wall: UnixSeconds(1_800_000_000 + self.now / 1000),
        }
    }

    /// One input, what the shell does about it, and what must hold then.
    pub(super) fn input(&mut self, input: Input<'_>) {
        if self.gone {
            return;
        }
        self.hub.handle(self.moment(), input, &mut self.effects);
        self.turn();
        self.check();
    }

    fn turn(&mut self) {
        for _ in 0..EFFECTS_PER_INPUT_MAX {
            if self.gone {
                return;
            }
            if let Some(effect) = self.effects.pop() {
                self.perform(effect);
            } else if let Some(link) = self.hub.next_dirty() {
                self.write(link, usize::MAX);
            } else if !(self.easy && self.servers_act()) {
                return;
            }
        }
        assert!(self.gone, "the turn does not end");
    }

    fn check(&self) {
        if self.gone {
            return;
        }
        let open = self.peers.iter().filter(|peer| peer.open).count();
        assert_eq!(self.hub.counts().links, open, "links");
        for peer in self.peers.iter().filter(|peer| peer.open) {
            let unsent: usize = self.hub.pending(peer.link).map(<[u8]>::len).sum();
            let most = if peer.is_child() || peer.role == Role::Remote {
                CHILD_OUTBOX_BYTES_MAX
            } else {
                CLIENT_OUTBOX_BYTES_MAX
            };
            assert!(unsent <= most + LINE_BYTES_MAX);
        }
        let late = |at: u64| self.now > at.saturating_add(STOP_MS_MAX);
        assert!(!self.stopped_at.is_some_and(late), "it does not leave");
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn { pool, .. } => self.orders.push_back(pool),
            Effect::Signal { pool, signal } => self.signal(pool, signal),
            Effect::Open { dial, .. } => self.dials.push_back(dial),
            Effect::GiveUpOpen { dial } => self.dials.retain(|one| *one != dial),
            Effect::Close { link } => {
                let open = self.find(link);
                assert!(open.is_some(), "{link:?} is closed twice");
                self.closed(open);
            }
            Effect::PauseRead { link, paused } => {
                let Some(index) = self.find(link) else { return };
                let held = std::mem::take(&mut self.peers[index].paused);
                if paused {
                    self.peers[index].paused = Some(held.unwrap_or_default());
                } else if let Some(bytes) = held.filter(|bytes| !bytes.is_empty()) {
                    self.follow(Input::Bytes {
                        link,
                        bytes: &bytes,
                    });
                }
            }
            Effect::Measure { link } => {
                let process = ProcessFacts::default();
                self.follow(Input::Measured { link, process });
            }
            Effect::LoadState { name } => self.load(name),
            Effect::StoreState { name, bytes } => drop(self.store.insert(name, bytes)),
            Effect::Log { line, .. } => {
                assert!(!line.contains('\n'), "{line:?}");
                assert!(!line.contains(words::SECRET), "{line:?}");
            }
            Effect::Exit { .. } => {
                assert!(self.stopped_at.is_some(), "it leaves unasked");
                self.gone = true;
            }
            secret => self.keep(secret),
        }
    }

    fn signal(&mut self, pool: PoolKey, signal: StopSignal) {
        if self.easy || signal == StopSignal::Kill {
            self.end_process(pool);
        }
    }

    /// An input within a turn.
    pub(super) fn follow(&mut self, input: Input<'_>) {
        self.hub.handle(self.moment(), input, &mut self.effects);
    }

    /// The peer takes at most so many bytes.
    pub(super) fn write(&mut self, link: LinkKey, most: usize) {
        let Some(index) = self.find(link).filter(|_| !self.gone) else {
            return;
        };
        let peer = &mut self.peers[index];
        let most = if peer.stalled && most == usize::MAX {
            0
        } else {
            most
        };
        let bytes: Vec<u8> = self
            .hub
            .pending(link)
            .flatten()
            .take(most)
            .copied()
            .collect();
        let mut heard = Vec::new();
        peer.hear(&bytes, &mut heard);
        let now = self.moment();
        let shut = self.hub.wrote(now, link, bytes.len(), &mut self.effects);
        for heard in heard {
            self.heard(index, heard);
        }
        if shut && self.easy {
            match self.peers[index].role {
                Role::Child(pool) => self.end_process(pool),
                Role::Http | Role::Stdio | Role::Instance | Role::Remote => self.end(index),
            }
        }
    }

    /// The same as an event of its own.
    pub(super) fn take(&mut self, index: usize, most: usize) {
        if let Some(link) = self.peers.get(index).map(|peer| peer.link) {
            self.write(link, most);
            self.turn();
            self.check();
        }
    }

    fn heard(&mut self, index: usize, heard: Heard) {
        match heard {
            Heard::Session(id) => self.sessions.push(id),
            Heard::Endpoint(path) => self.endpoints.push(path),
            Heard::Event(id) => self.event = id,
            Heard::Message(line) if self.peers[index].is_child() => {
                self.peers[index].child_reads(&line);
            }
            Heard::Message(text) if self.peers[index].role == Role::Remote => {
                self.peers[index].far_reads(&text);
            }
            Heard::Message(text) if text.starts_with(b"[") => {
                for at in span::elements(&text, Span::whole(&text)) {
                    self.client_reads(index, at.of(&text));
                }
            }
            Heard::Message(text) => self.client_reads(index, &text),
        }
    }

    /// A client reads a message: an answer was asked for, once.
    fn client_reads(&mut self, index: usize, text: &[u8]) {
        assert!(!String::from_utf8_lossy(text).contains(words::SECRET));
        let envelope = peer::message(text);
        let Some(id) = envelope.id else { return };
        let id = String::from_utf8_lossy(id.of(text)).into_owned();
        self.note_round(text, envelope.outcome);
        let peer = &self.peers[index];
        match envelope.kind {
            Kind::Request => self.questions.push(id),
            Kind::Notification => {}
            Kind::Result | Kind::Error if peer.wild => {}
            // A stream may bring answers to requests of other links, and once more those that it
            // brought before.
            Kind::Result | Kind::Error if peer.stream => {}
            Kind::Result | Kind::Error => {
                assert_eq!(origin(&id), Some(index), "{id} is answered to link {index}");
                let owed = self.owed.entry(id).or_default();
                *owed -= 1;
                assert!(*owed >= 0, "answered too often");
            }
        }
    }

    /// An answer may bring a state and questions.
    fn note_round(&mut self, text: &[u8], outcome: Option<Span>) {
        let Some(outcome) = outcome else { return };
        let raw = |at: Span| String::from_utf8_lossy(at.of(text)).into_owned();
        let state = span::member(text, outcome, "requestState").map(raw);
        self.states.extend(state);
        if let Some(asked) = span::member(text, outcome, "inputRequests") {
            let keys = span::members(text, asked).map(|(key, _)| raw(key));
            self.keys_asked.extend(keys);
        }
    }

    /// Servers that behave: they start, and answer what a script can.
    fn servers_act(&mut self) -> bool {
        if let Some(pool) = self.orders.pop_front() {
            self.start(pool);
            return true;
        }
        if let Some(dial) = self.dials.pop_front() {
            self.connect(dial);
            return true;
        }
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            if !peer.open || peer.ended || peer.paused.is_some() {
                continue;
            }
            let told = |(_, method, _): &(String, String, String)| method.is_empty();
            if peer.role == Role::Remote
                && let Some(at) = peer.pending.iter().position(told)
            {
                peer.pending.remove(at);
                let link = peer.link;
                let text = words::response(4, "");
                self.follow(Input::Bytes {
                    link,
                    bytes: text.as_bytes(),
                });
                return true;
            }
            let scripted =
                |(_, method, _): &(String, String, String)| words::by_itself(method, 0).is_some();
            let found = peer.pending.iter().position(scripted);
            if let Some(at) = found {
                let (id, method, _) = peer.pending.remove(at);
                let result = words::by_itself(&method, 0).unwrap_or_default();
                let (link, far) = (peer.link, peer.role == Role::Remote);
                let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n");
                let line = if far { words::response(0, &line) } else { line };
                self.follow(Input::Bytes {
                    link,
                    bytes: line.as_bytes(),
                });
                return true;
            }
        }
        false
    }

    /// A child that was ordered runs.
    pub(super) fn start(&mut self, pool: PoolKey) {
        let link = self.key();
        let pid = 100 + link.0.index;
        self.peers.push(Peer::new(link, Role::Child(pool)));
        self.processes.push(Process { pool, link });
        self.follow(Input::Spawned { pool, link, pid });
    }

    /// A connection that was ordered is open.
    pub(super) fn connect(&mut self, dial: DialKey) {
        let link = self.key();
        self.peers.push(Peer::new(link, Role::Remote));
        self.follow(Input::Opened { dial, link });
    }

    /// A process ends with its pipe.
    fn end_process(&mut self, pool: PoolKey) {
        let Some(at) = self
            .processes
            .iter()
            .position(|process| process.pool == pool)
        else {
            return;
        };
        let process = self.processes.remove(at);
        if let Some(index) = self.find(process.link) {
            self.end(index);
        }
        let status = ExitStatus::Code(0);
        self.follow(Input::Exited { pool, status });
    }

    /// A peer says nothing more.
    fn end(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if peer.open && !peer.ended && peer.paused.is_none() {
            peer.ended = true;
            let link = peer.link;
            self.stop_with(index);
            self.follow(Input::Eof { link });
        }
    }

    /// The end of our own stdin is a reason to leave, after as long as answers may take.
    pub(super) fn stop_with(&mut self, index: usize) {
        if self.peers[index].role == Role::Stdio && self.stopped_at.is_none() {
            self.stopped_at = Some(self.now + 10_000);
        }
    }

    /// A new link.
    pub(super) fn accept(&mut self, role: Role) -> LinkKey {
        let link = self.key();
        self.peers.push(Peer::new(link, role));
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        // A stdio gateway has none but the port for browsers.
        let port = match self.peers.iter().any(|peer| peer.role == Role::Stdio) {
            true => Port::Browsers,
            false => Port::Clients,
        };
        self.input(match role {
            Role::Stdio => Input::Stdio { link },
            Role::Instance => Input::Instance { link },
            Role::Http | Role::Child(_) | Role::Remote => Input::Accepted { link, peer, port },
        });
        link
    }

    fn key(&mut self) -> LinkKey {
        let fresh = Key {
            index: self.keys,
            generation: 0,
        };
        let key = self.free.pop().unwrap_or(fresh);
        if key == fresh {
            self.keys += 1;
        }
        LinkKey(key)
    }

    /// The open peer of this link.
    pub(super) fn find(&self, link: LinkKey) -> Option<usize> {
        self.peers
            .iter()
            .rposition(|peer| peer.open && peer.link == link)
    }

    /// A link is closed: its place is free for another.
    pub(super) fn closed(&mut self, index: Option<usize>) {
        if let Some(peer) = index.and_then(|index| self.peers.get_mut(index)) {
            peer.open = false;
            self.free.push(Key {
                index: peer.link.0.index,
                generation: peer.link.0.generation + 1,
            });
        }
    }

    /// Lets time pass: with every alarm on the way, or all of them late.
    pub(super) fn advance(&mut self, ms: u64, late: bool) {
        let until = self.now + ms;
        // Whoever is to leave in time must be called in time.
        let late = late && self.stopped_at.is_none();
        for _ in 0..100_000 {
            let next = self.hub.next_deadline().filter(|at| at.0 <= until);
            if late || next.is_none() || self.gone {
                self.now = until;
                return self.tick();
            }
            self.now = self.now.max(next.map_or(until, |at| at.0));
            self.tick();
        }
        assert!(self.gone, "alarms ring for ever");
    }

    /// What is due is done, and is not due again at this moment for ever.
    fn tick(&mut self) {
        for _ in 0..5 {
            self.input(Input::Tick);
            if self.gone || self.hub.next_deadline().is_none_or(|at| at.0 > self.now) {
                return;
            }
        }
        assert!(self.gone, "an alarm rings again and again");
    }

    /// What the hub holds.
    pub(super) fn counts(&self) -> crate::hub::Counts {
        self.hub.counts()
    }

    /// An id was used in a request.
    pub(super) fn owes(&mut self, text: &str) {
        if let Ok(envelope) = envelope::read(text.as_bytes())
            && let (Kind::Request, Some(id)) = (envelope.kind, envelope.id)
        {
            let id = String::from_utf8_lossy(id.of(text.as_bytes())).into_owned();
            *self.owed.entry(id).or_default() += 1;
        }
    }
}

/// The id of a request on a link; requests of one link have four ids.
pub(super) fn id(link: usize, choice: u8) -> String {
    match choice % 4 {
        3 => format!("\"{link}000\""),
        choice => (link * 1000 + usize::from(choice)).to_string(),
    }
}

/// The link of an id.
fn origin(id: &str) -> Option<usize> {
    let number: usize = id.trim_matches('"').parse().ok()?;
    Some(number / 1000)
}
