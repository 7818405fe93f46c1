//! One run: chaos, in which everything must stay safe; calm, in which everything must get done; the
//! end, at which nothing may be left.

use std::net::SocketAddr;

use onemcp::input::{Input, Port};
use onemcp::limits::{CONNECTIONS_PER_PEER_MAX, SUSPENDED_MS_MAX};

use crate::clients::stateless::Stateless;
use crate::clients::stdio::Stdio;
use crate::clients::web::{Stage, Web};
use crate::faults::{Fault, Faults};
use crate::model::{State, Stats};
use crate::net::Peer;
use crate::plan::Entry;
use crate::servers::definition::Definition;
use crate::world::{Client, World};

/// Longer than anything may take once nothing goes wrong: a question may be open for half an hour.
const CALM_MS_MAX: u64 = 45 * 60 * 1000;
/// The longest that an entry grants a request, and a little.
const REQUEST_MS_MAX: u64 = 70_000;
/// A day, and a little.
const DAY_MS: u64 = 25 * 60 * 60 * 1000;

/// How a run went.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) sum: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) stats: Stats,
}

/// Runs one seed.
pub(crate) fn run(seed: u64, verbose: bool) -> Report {
    let mut world = World::new(seed, verbose);
    if verbose {
        println!("faults: {}", world.faults.describe());
        println!("stdio: {} entries: {:#?}", world.stdio, world.plan.entries);
    }
    world.begin();
    world.chaos();
    if world.goes_on() {
        world.calm_down();
    }
    if world.goes_on() {
        world.end();
    }
    Report {
        sum: world.sum.0,
        violations: std::mem::take(&mut world.model.violations),
        stats: world.model.stats.clone(),
    }
}

impl World {
    fn goes_on(&self) -> bool {
        self.model.violations.is_empty() && self.exited.is_none()
    }

    fn begin(&mut self) {
        if self.settings.auth {
            self.lock_door();
        }
        self.handle(Input::Config(Box::new(self.plan.config())));
        if self.stdio {
            let conn = self.net.open(Peer::Client(0), 1 << self.rng.within(9, 16));
            let client = Stdio::new(&mut self.cx(), 0, conn);
            self.clients.push(Client::Stdio(Box::new(client)));
            let link = self.net.give_key(conn);
            self.handle(Input::Stdio { link });
        } else {
            for _ in 0..1 + self.rng.index(5) {
                self.add_client();
            }
        }
    }

    fn add_client(&mut self) {
        let me = self.clients.len();
        if me >= 999 {
            return;
        }
        let kind = self.rng.below(20);
        self.give_token();
        let cx = &mut self.cx();
        let client = match kind {
            0..=4 => Client::Stateless(Box::new(Stateless::new(cx, me))),
            5..=8 => Client::Web(Box::new(Web::new(cx, me, true))),
            _ => Client::Web(Box::new(Web::new(cx, me, false))),
        };
        self.clients.push(client);
    }

    fn alive(&self) -> usize {
        let gone = |client: &&Client| match client {
            Client::Web(web) => web.stage == Stage::Gone,
            Client::Stateless(one) => one.gone,
            Client::Stdio(stdio) => stdio.gone,
        };
        self.clients.len() - self.clients.iter().filter(gone).count()
    }

    fn chaos(&mut self) {
        let steps = 500 + self.rng.below(15_500);
        let mut at = |fault| self.hit(fault).then(|| self.rng.below(steps));
        let (stops_at, floods_at, rushes_at) = (at(Fault::Stop), at(Fault::Flood), at(Fault::Rush));
        for step in 0..steps {
            if !self.goes_on() || !self.step(u64::MAX) {
                break;
            }
            if self.hit(Fault::Config) && self.rng.chance(200) {
                self.reload();
            }
            if floods_at == Some(step) {
                self.flood();
            }
            if rushes_at == Some(step) {
                self.rush();
            }
            if stops_at == Some(step) {
                self.stop();
            }
            if !self.stdio && self.alive() < 5 && self.rng.chance(10) {
                self.add_client();
            }
        }
        // What was begun is ended: the hub leaves although nothing is calm.
        while self.stopped_at.is_some() && self.goes_on() && self.step(u64::MAX) {}
    }

    /// One address opens more connections than it may, and says nothing.
    fn flood(&mut self) {
        if self.stdio {
            return;
        }
        self.model.trace(|| "flood".to_owned());
        for _ in 0..=CONNECTIONS_PER_PEER_MAX {
            let conn = self.net.open(Peer::Client(0), 1000);
            let link = self.net.give_key(conn);
            let peer = SocketAddr::from(([192, 0, 2, 8], 4000));
            self.handle(Input::Accepted {
                link,
                peer,
                port: Port::Clients,
            });
        }
    }

    /// All clients at once want more of one server than they may, often while it starts.
    fn rush(&mut self) {
        let names = std::rc::Rc::clone(&self.names);
        if names.is_empty() {
            return;
        }
        let name = self.rng.pick(&names);
        self.model.trace(|| format!("rush to {name}"));
        if self.rng.chance(500) {
            self.plan.restart(&name);
            self.reconfigure();
        }
        for at in 0..self.clients.len() {
            if self.clients[at].is_open() {
                self.with_client(at, |client, cx, _| match client {
                    Client::Web(web) => web.rush(cx, &name),
                    Client::Stateless(one) => one.rush(cx, &name),
                    Client::Stdio(stdio) => stdio.rush(cx, &name),
                });
            }
        }
    }

    fn reload(&mut self) {
        for _ in 0..1 + self.rng.index(3) {
            self.plan.change(&mut self.rng);
        }
        self.reconfigure();
    }

    fn reconfigure(&mut self) {
        self.names = self.plan.names();
        let names = self
            .plan
            .entries
            .iter()
            .map(|entry| (entry.name, entry.variant));
        let names: Vec<_> = names.collect();
        self.model.trace(|| format!("config {names:?}"));
        self.handle(Input::Config(Box::new(self.plan.config())));
    }

    fn stop(&mut self) {
        self.model.trace(|| "stop".to_owned());
        self.stopped_at.get_or_insert(self.now.tick.0);
        self.model.stopping = true;
        self.handle(Input::Stop);
    }

    fn calm_down(&mut self) {
        self.model.trace(|| "--- calm".to_owned());
        self.faults = Faults::none();
        self.calm = true;
        for at in 0..self.processes.len() {
            self.with_process(at, crate::servers::process::Process::calm);
        }
        self.calm_sites();
        for at in 0..self.clients.len() {
            self.with_client(at, |client, cx, _| match client {
                Client::Web(web) => web.calm(cx),
                Client::Stateless(one) => one.calm(cx.now.0),
                Client::Stdio(stdio) => {
                    stdio.calm = true;
                    stdio.slow_until = 0;
                    stdio.talk.calm(cx.now.0);
                }
            });
        }
        self.all_get_answers();
        if self.goes_on() {
            self.all_servers_work();
        }
        self.all_calls_end();
    }

    /// A call whose client never comes back is given up, although nobody leaves.
    fn all_calls_end(&mut self) {
        self.rest(SUSPENDED_MS_MAX + REQUEST_MS_MAX);
        let counts = self.hub.counts();
        if self.goes_on() && counts.suspended > 0 {
            self.model
                .violation(format!("calls are suspended for ever: {counts:?}"));
        }
    }

    /// The calls that somebody still waits for.
    fn waits(&self) -> Vec<usize> {
        let waits = |call: &crate::model::Call| call.state == State::Open;
        let calls = self.model.calls.iter().enumerate();
        calls
            .filter(|(_, call)| waits(call))
            .map(|(at, _)| at)
            .collect()
    }

    fn all_get_answers(&mut self) {
        let until = self.now.tick.0 + CALM_MS_MAX;
        while self.goes_on() && !self.waits().is_empty() && self.now.tick.0 < until {
            if !self.step(until) {
                break;
            }
        }
        if self.goes_on() && !self.waits().is_empty() {
            let open = self.waits();
            let first = self.model.calls[open[0]].clone();
            self.model.violation(format!(
                "{} calls get no answer, first {first:?}",
                open.len()
            ));
        }
    }

    /// Lets so much time pass.
    fn rest(&mut self, ms: u64) {
        let until = self.now.tick.0 + ms;
        while self.goes_on() && self.now.tick.0 < until && self.step(until) {}
    }

    /// Every server that has to work does, for every client.
    fn all_servers_work(&mut self) {
        if !self.stdio && !self.clients.iter().any(|client| client.is_open()) {
            self.add_client();
            self.rest(10_000);
        }
        let names = std::rc::Rc::clone(&self.names);
        let alone = names.iter().map(|name| self.remotes.left_alone_until(name));
        let until = alone.max().unwrap_or(0);
        let is_late = until > self.now.tick.0;
        self.they_work();
        if is_late && self.goes_on() {
            // Who wanted to be left alone has to work as well, as soon as that is over.
            self.rest(until.saturating_sub(self.now.tick.0));
            self.they_work();
        }
    }

    /// Every server does that is not to be left alone, after some rounds at the latest.
    fn they_work(&mut self) {
        let mut failing = Vec::new();
        for _round in 0..8 {
            failing.clear();
            let names = std::rc::Rc::clone(&self.names);
            for name in names.iter() {
                for at in 0..self.clients.len() {
                    if self.clients[at].is_open() && !self.works(at, name) {
                        failing.push((at, name.clone()));
                    }
                }
            }
            if failing.is_empty() || !self.goes_on() {
                return;
            }
            self.rest(60_000);
        }
        if self.goes_on() {
            self.model
                .violation(format!("these do not work (client, server): {failing:?}"));
        }
    }

    fn works(&mut self, at: usize, server: &str) -> bool {
        let Some(entry) = self.plan.entry(server) else {
            return true;
        };
        let definition = Definition::new(self.seed, server, entry.variant);
        let must = entry.must_work(&definition)
            && self.model.sees(at, server)
            && self.remotes.left_alone_until(server) <= self.now.tick.0;
        let results = self.model.stats.results;
        let call = self.with_client(at, |client, cx, _| {
            let one = match client {
                Client::Web(web) => web.talk.echo(cx, server),
                Client::Stateless(one) => one.talk.stateless_echo(cx, server),
                Client::Stdio(stdio) => stdio.echo(cx, server),
            };
            match client {
                Client::Web(web) => web.post_calls(cx, &one.body, vec![one.call]),
                Client::Stateless(client) => client.post(cx, &one),
                Client::Stdio(stdio) => stdio.say(cx, &one.body),
            }
            one.call
        });
        self.all_get_answers();
        let answered = self.model.calls[call].state == State::Answered;
        !must || answered && self.model.stats.results > results
    }

    /// Everybody leaves, a day passes, and nothing is left but what the configuration keeps.
    fn end(&mut self) {
        self.model.trace(|| "--- end".to_owned());
        if self.stdio {
            self.stopped_at.get_or_insert(self.now.tick.0);
            self.model.stopping = true;
        }
        for at in 0..self.clients.len() {
            self.with_client(at, |client, cx, _| match client {
                Client::Web(web) => web.leave(cx),
                Client::Stateless(one) => one.leave(cx),
                Client::Stdio(stdio) => stdio.leave(cx, false),
            });
        }
        self.rest(DAY_MS);
        if self.goes_on() {
            let counts = self.hub.counts();
            let children = self
                .processes
                .iter()
                .filter(|process| process.alive && process.far.is_none())
                .count();
            let left = (counts.sessions, counts.calls + counts.suspended);
            let forgotten = (counts.exchanges, counts.remembered) == (0, 0);
            // One that is asked in the wrong era is started again for ever.
            let mute = |entry: &&Entry| {
                let definition = Definition::new(self.seed, entry.name, entry.variant);
                !entry.can_speak(&definition)
            };
            let mute = self.plan.entries.iter().filter(mute).count();
            let streams = self.lasting_streams();
            // A locked gateway looks after its keys.
            let keys = usize::from(self.settings.auth);
            let alarms = keys + mute + usize::from(streams + mute > 0);
            // A connection to one that is asked in the wrong era is kept for some seconds.
            let kept = children + streams;
            let links = kept..=kept + mute;
            self.check_tally();
            let forgotten = forgotten && self.hub.tally().open() == 0;
            let clean = forgotten && links.contains(&counts.links);
            if left != (0, 0) || counts.alarms > alarms || !clean {
                let ours = |conn: &&crate::net::Conn| {
                    conn.key.is_some() && !matches!(conn.peer, Peer::Process(_))
                };
                let links: Vec<_> = self.net.conns.iter().filter(ours).collect();
                self.model.violation(format!(
                    "left at the end: {counts:?}, {children} children, {links:?}"
                ));
            }
            self.stop();
            self.rest(10_000);
        }
        if self.model.violations.is_empty() && self.exited.is_none() {
            self.model.violation("the hub does not leave");
        }
        let alive = self
            .processes
            .iter()
            .filter(|process| process.alive && process.far.is_none())
            .count();
        if self.model.violations.is_empty() && alive > 0 {
            self.model
                .violation(format!("{alive} children outlive the hub"));
        }
        // Who is left asks nobody any more.
        for at in 0..self.processes.len() {
            if self.processes[at].far.is_some() {
                self.end_process(at);
            }
        }
        let open = self.model.asks.iter().filter(|ask| !ask.over).count();
        if self.model.violations.is_empty() && open > 0 {
            self.model
                .violation(format!("{open} questions were never answered"));
        }
    }
}

impl Client {
    fn is_open(&self) -> bool {
        match self {
            Self::Web(web) => web.stage == Stage::Open,
            Self::Stateless(one) => !one.gone,
            Self::Stdio(stdio) => stdio.greeted && !stdio.gone && !stdio.closed,
        }
    }
}
