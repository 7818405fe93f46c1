//! One step of a run: one of all the things that could happen next.

use std::net::SocketAddr;

use onemcp::input::{Input, Port};
use onemcp::limits::READ_BYTES_PER_TURN_MAX;
use onemcp::now::{Tick, UnixSeconds};

use crate::faults::Fault;
use crate::model::{Cx, ProcessFacts};
use crate::net::{ConnId, End, Peer};
use crate::servers::definition::Definition;
use crate::servers::process::{Birth, Process};
use crate::world::{Client, Spawning, World};

/// One thing that could happen.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Accept(ConnId),
    Deliver(ConnId),
    DeliverEnd(ConnId),
    Writable(ConnId),
    PeerReads(ConnId),
    PeerEnd(ConnId),
    Process(usize),
    Exited(usize),
    Stderr(usize),
    Spawn(usize),
    Dial(usize),
    Site(ConnId),
    Client(usize),
    Vault,
    Tick,
}

impl World {
    /// Lets one thing happen; if nothing can, lets time pass. `false` if nothing ever will.
    pub(crate) fn step(&mut self, until: u64) -> bool {
        self.model.stats.steps += 1;
        self.model.now = self.now.tick.0;
        if self.model.stats.steps.is_multiple_of(64) {
            self.net.sweep();
        }
        let choices = self.choices();
        if choices.is_empty() {
            return self.pass_time(until);
        }
        match self.rng.pick(&choices) {
            Choice::Accept(id) => self.accept(id),
            Choice::Deliver(id) => self.deliver(id),
            Choice::DeliverEnd(id) => self.deliver_end(id),
            Choice::Writable(id) => {
                if let Some(key) = self.net.conns[id].key {
                    self.write(id, key);
                    self.flush();
                }
            }
            Choice::PeerReads(id) => self.peer_reads(id),
            Choice::PeerEnd(id) => self.peer_end(id),
            Choice::Process(at) => self.with_process(at, Process::act),
            Choice::Exited(at) => {
                let process = &mut self.processes[at];
                if let Some(status) = process.exit.take() {
                    let pool = process.pool;
                    self.handle(Input::Exited { pool, status });
                }
            }
            Choice::Stderr(at) => {
                let process = &mut self.processes[at];
                let (pool, bytes) = (process.pool, std::mem::take(&mut process.stderr));
                self.handle(Input::Stderr {
                    pool,
                    bytes: &bytes,
                });
            }
            Choice::Spawn(at) => self.spawn(at),
            Choice::Dial(at) => self.answer_dial(at),
            Choice::Site(id) => self.site_acts(id),
            Choice::Client(at) => self.with_client(at, |client, cx, names| match client {
                Client::Web(web) => web.act(cx, names),
                Client::Stateless(one) => one.act(cx, names),
                Client::Stdio(stdio) => stdio.act(cx, names),
            }),
            Choice::Vault => self.vault_acts(),
            Choice::Tick => self.tick(),
        }
        true
    }

    fn choices(&self) -> Vec<Choice> {
        let now = self.now.tick.0;
        let mut all = Vec::new();
        for id in self.net.live.iter().copied() {
            self.choices_of(id, &mut all);
        }
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        for (at, process) in self.processes.iter().enumerate() {
            if due(process.next_due()) {
                all.push(Choice::Process(at));
            }
            if process.exit.is_some() {
                all.push(Choice::Exited(at));
            }
            if !process.stderr.is_empty() {
                all.push(Choice::Stderr(at));
            }
        }
        for (at, spawning) in self.spawning.iter().enumerate() {
            if spawning.due <= now {
                all.push(Choice::Spawn(at));
            }
        }
        for (at, dialing) in self.remotes.dialing.iter().enumerate() {
            if dialing.due <= now {
                all.push(Choice::Dial(at));
            }
        }
        for (id, line) in &self.remotes.lines {
            if line.next_due() <= now {
                all.push(Choice::Site(*id));
            }
        }
        for (at, client) in self.clients.iter().enumerate() {
            if due(client.next_due()) {
                all.push(Choice::Client(at));
            }
        }
        if self.vault_due() {
            all.push(Choice::Vault);
        }
        if due(self.hub.next_deadline().map(|at| at.0)) {
            all.push(Choice::Tick);
        }
        all
    }

    fn choices_of(&self, id: ConnId, all: &mut Vec<Choice>) {
        let conn = &self.net.conns[id];
        if conn.knocks {
            all.push(Choice::Accept(id));
        } else if conn.key.is_some() {
            if !conn.inbound.is_empty() {
                if !conn.paused {
                    all.push(Choice::Deliver(id));
                }
            } else if conn.inbound_end != End::Open && !conn.end_told {
                all.push(Choice::DeliverEnd(id));
            }
            if conn.blocked && (conn.outbound.len() < conn.room || conn.refused) {
                all.push(Choice::Writable(id));
            }
        }
        if !conn.peer_told && self.peer_listens(conn.peer) {
            if !conn.outbound.is_empty() {
                all.push(Choice::PeerReads(id));
            } else if conn.outbound_end != End::Open {
                all.push(Choice::PeerEnd(id));
            }
        }
    }

    fn peer_listens(&self, peer: Peer) -> bool {
        match peer {
            Peer::Process(at) => self.processes[at].reads(),
            Peer::Site(_) => true,
            Peer::Client(at) => match &self.clients[at] {
                Client::Web(web) => web.reads(),
                Client::Stateless(one) => one.reads(),
                Client::Stdio(stdio) => stdio.slow_until == 0 && !stdio.gone,
            },
        }
    }

    /// Jumps to the next moment at which something happens.
    fn pass_time(&mut self, until: u64) -> bool {
        self.flush();
        if !self.choices().is_empty() {
            // The kernel refused some bytes: no time passes while it would take them.
            return true;
        }
        let now = self.now.tick.0;
        let hub = self.hub.next_deadline().map(|at| at.0);
        let processes = self.processes.iter().filter_map(Process::next_due);
        let clients = self.clients.iter().filter_map(Client::next_due);
        let spawning = self.spawning.iter().map(|one| one.due);
        let far = self.remotes.next_due();
        let next = processes
            .chain(clients)
            .chain(spawning)
            .chain(hub)
            .chain(far)
            .chain(self.vault.next_due())
            .min();
        let Some(mut next) = next.filter(|next| *next <= until) else {
            if until < u64::MAX {
                self.now.tick = Tick(until.max(now));
            }
            return false;
        };
        // Who is told to leave must do so in time, and cannot be blamed for a jump.
        if self.stopped_at.is_none() && self.hit(Fault::TimeJumps) {
            next += self.rng.time(4_000_000);
        }
        let seconds = next.saturating_sub(now) / 1000;
        self.now.wall = UnixSeconds(self.now.wall.0 + seconds);
        // The keys of a locked gateway are drawn anew with the months, and tokens end.
        if !self.settings.auth && self.hit(Fault::WallJumps) {
            self.now.wall = UnixSeconds(self.rng.below(4_000_000_000));
        }
        self.model.stats.virtual_ms += next.saturating_sub(now);
        self.now.tick = Tick(next.max(now));
        self.model.now = self.now.tick.0;
        true
    }

    fn accept(&mut self, id: ConnId) {
        let link = self.net.give_key(id);
        self.net.conns[id].knocks = false;
        let peer: SocketAddr = match self.rng.below(3) {
            0 => "192.0.2.7:4000".parse().unwrap(),
            1 => "[::ffff:127.0.0.1]:4000".parse().unwrap(),
            _ => "127.0.0.1:4000".parse().unwrap(),
        };
        self.handle(Input::Accepted {
            link,
            peer,
            port: Port::Clients,
        });
    }

    fn deliver(&mut self, id: ConnId) {
        let Some(link) = self.net.conns[id].key else {
            return;
        };
        let most = self.net.conns[id]
            .inbound
            .len()
            .min(READ_BYTES_PER_TURN_MAX);
        let scale: usize = 1 << self.rng.below(17);
        let count = match self.hit(Fault::SplitRead) {
            true if self.rng.chance(200) => 1,
            true => 1 + self.rng.index(most.min(scale)),
            false => most,
        };
        let conn = &mut self.net.conns[id];
        let bytes = conn.deliver(self.net.turn, count);
        self.model
            .trace(|| format!("conn {id} -> hub {count} bytes"));
        if self.hit(Fault::StaleKey) && !self.old_keys.is_empty() {
            let link = self.rng.pick(&self.old_keys);
            self.handle(Input::Bytes {
                link,
                bytes: &bytes,
            });
            self.handle(Input::Eof { link });
        }
        self.handle(Input::Bytes {
            link,
            bytes: &bytes,
        });
    }

    fn deliver_end(&mut self, id: ConnId) {
        let conn = &mut self.net.conns[id];
        let Some(link) = conn.key else { return };
        conn.end_told = true;
        let child = matches!(conn.peer, Peer::Process(_));
        let broken =
            conn.inbound_end == End::Reset || child && conn.refused && self.rng.chance(300);
        if broken {
            self.net.take_key(id);
            self.old_keys.push(link);
            if let Peer::Client(at) = self.net.conns[id].peer
                && matches!(self.clients[at], Client::Stdio(_))
            {
                self.stopped_at.get_or_insert(self.now.tick.0);
                self.model.stopping = true;
            }
            self.handle(Input::Broken { link });
        } else {
            if self.stdio && matches!(conn.peer, Peer::Client(_)) {
                // Nothing more will be asked: what was is answered, then the hub leaves. Who has
                // not said `initialized` is a script, and its answers are worth a longer wait.
                let client = self.clients.first();
                let spoken = matches!(client, Some(Client::Stdio(one)) if one.talk.initialized);
                let wait_ms = if spoken {
                    0
                } else {
                    self.settings.list_wait_ms
                };
                self.stopped_at.get_or_insert(self.now.tick.0 + wait_ms);
                self.model.stopping = true;
            }
            self.handle(Input::Eof { link });
        }
    }

    fn peer_reads(&mut self, id: ConnId) {
        let now = self.now.tick.0;
        let conn = &mut self.net.conns[id];
        let most = conn.outbound.len();
        let count = 1 + if self.rng.chance(500) {
            most - 1
        } else {
            self.rng.index(most)
        };
        let bytes: Vec<u8> = conn.outbound.drain(..count).collect();
        if let Some(since) = conn.unread_since.take() {
            conn.unread_ms_max = conn.unread_ms_max.max(now - since);
        }
        if !conn.outbound.is_empty() {
            conn.unread_since = Some(now);
        }
        match conn.peer {
            Peer::Process(at) => self.with_process(at, |process, cx| process.hear(cx, &bytes)),
            Peer::Site(_) => self.site_hears(id, &bytes),
            Peer::Client(at) => self.with_client(at, |client, cx, _| match client {
                Client::Web(web) => web.hear(cx, id, &bytes),
                Client::Stateless(one) => one.hear(cx, id, &bytes),
                Client::Stdio(stdio) => stdio.hear(cx, &bytes),
            }),
        }
    }

    fn peer_end(&mut self, id: ConnId) {
        let now = self.now.tick.0;
        let conn = &mut self.net.conns[id];
        conn.peer_told = true;
        if let Some(since) = conn.unread_since.take() {
            conn.unread_ms_max = conn.unread_ms_max.max(now - since);
        }
        let end = conn.outbound_end;
        match conn.peer {
            Peer::Process(at) => self.with_process(at, Process::stdin_ended),
            Peer::Site(_) => self.site_line_ended(id),
            Peer::Client(at) => self.with_client(at, |client, cx: &mut Cx<'_>, _| match client {
                Client::Web(web) => {
                    web.line_ended(cx, id, end);
                    cx.net.abandon(id, false);
                }
                Client::Stateless(one) => {
                    one.line_ended(cx, id, end);
                    cx.net.abandon(id, false);
                }
                Client::Stdio(stdio) => stdio.leave(cx, true),
            }),
        }
    }

    fn spawn(&mut self, at: usize) {
        let Spawning { pool, spec, .. } = self.spawning.swap_remove(at);
        if self.hit(Fault::SpawnFails) {
            let why = "cannot start sim: No such file or directory (os error 2)".to_owned();
            return self.handle(Input::SpawnFailed { pool, why });
        }
        let text = |at: usize| spec.args[at].to_str().unwrap().to_owned();
        let (server, variant) = (text(0), text(1).parse().unwrap());
        let definition = Definition::new(self.seed, &server, variant);
        let id = self.processes.len();
        let conn = self
            .net
            .open(Peer::Process(id), 1 << self.rng.within(10, 16));
        let private = self
            .plan
            .entry(&server)
            .is_some_and(|entry| entry.isolation == onemcp::config::Isolation::Session);
        let facts = ProcessFacts {
            server: server.clone(),
            private,
            roots: self.plan.entry(&server).is_some_and(|entry| entry.roots),
            ..ProcessFacts::default()
        };
        self.model.processes.push(facts);
        let link = self.net.give_key(conn);
        let calm = self.calm;
        let birth = Birth {
            id,
            server,
            pool,
            conn,
            definition,
        };
        let process = Process::new(&mut self.cx(), birth, calm);
        let pid = process.pid;
        self.model
            .trace(|| format!("process {id} {} begins", process.server));
        self.processes.push(process);
        self.handle(Input::Spawned { pool, link, pid });
    }
}

impl Client {
    /// When it has something to do.
    pub(crate) fn next_due(&self) -> Option<u64> {
        match self {
            Self::Web(web) => web.next_due(),
            Self::Stateless(one) => one.next_due(),
            Self::Stdio(stdio) => stdio.next_due(),
        }
    }
}
