//! Connections that the hub opens, and how they end.

use onemcp::effect::DialSpec;
use onemcp::input::{Input, OpenFailure, OpenFault};
use onemcp::links::DialKey;

use crate::faults::Fault;
use crate::net::{ConnId, Peer};
use crate::remotes::{Dialing, Late, Line, place};
use crate::world::World;

const FAULTS: [OpenFault; 6] = [
    OpenFault::Lookup,
    OpenFault::Refused,
    OpenFault::Unreachable,
    OpenFault::TimedOut,
    OpenFault::Certificate,
    OpenFault::Tls,
];

impl World {
    /// The hub wants a connection.
    pub(crate) fn dial(&mut self, dial: DialKey, spec: &DialSpec) {
        let host = spec.host.to_string();
        self.model.trace(|| format!("hub dials {host} as {dial:?}"));
        let Some(site) = place::of_host(&host) else {
            return self.model.violation(format!("{host} is dialed"));
        };
        let (tls, port) = place::port(site);
        if spec.tls.is_some() != tls || spec.port != port || spec.tunnel.is_some() {
            self.model
                .violation(format!("{host} is dialed like this: {spec:?}"));
        }
        let slow = if self.hit(Fault::SlowStart) { 3000 } else { 20 };
        let due = match self.hit(Fault::OpenHangs) {
            true => u64::MAX,
            false => self.now.tick.0 + self.rng.time(slow),
        };
        self.remotes.dialing.push(Dialing { dial, site, due });
    }

    /// Connections that stay although nobody wants anything: streams of changes.
    pub(crate) fn lasting_streams(&self) -> usize {
        let lasts = |line: &&Line| {
            let stream = line.stream.map(|stream| &self.remotes.streams[stream]);
            stream.is_some_and(|stream| {
                stream.about.is_none() && self.processes[stream.process].lasts()
            })
        };
        self.remotes.lines.values().filter(lasts).count()
    }

    /// The hub does not want it any more. What was on its way comes nevertheless.
    pub(crate) fn give_up_dial(&mut self, dial: DialKey) {
        let crossed = self.rng.chance(300);
        let now = self.now.tick.0;
        self.remotes
            .dialing
            .retain(|one| one.dial != dial || crossed && one.due <= now);
    }

    /// A connection is there, or not.
    pub(crate) fn answer_dial(&mut self, at: usize) {
        let Dialing { dial, site, .. } = self.remotes.dialing.swap_remove(at);
        let away = self.remotes.away_until.get(&site);
        let away = away.is_some_and(|until| *until > self.now.tick.0);
        if away || self.hit(Fault::OpenFails) {
            let fault = self.rng.pick(&FAULTS);
            let why = format!("cannot connect to {}: {fault:?}", place::host(site));
            let failure = OpenFailure { fault, why };
            return self.handle(Input::OpenFailed { dial, failure });
        }
        let conn = self.net.open(Peer::Site(site), 1 << self.rng.within(9, 16));
        let link = self.net.give_key(conn);
        self.model
            .trace(|| format!("conn {conn} to site {site} is open"));
        self.remotes.lines.insert(conn, Line::default());
        self.handle(Input::Opened { dial, link });
    }

    /// A server does to a connection what it has put off.
    pub(crate) fn site_acts(&mut self, id: ConnId) {
        let line = self.remotes.lines.get_mut(&id);
        match line.and_then(|line| line.late.pop_front()) {
            Some((_, Late::Bytes(bytes))) => self.net.send(id, &bytes),
            Some((_, Late::Close { reset })) => self.hang_up(id, reset),
            None => {}
        }
    }

    /// A server closes a connection.
    pub(crate) fn hang_up(&mut self, id: ConnId, reset: bool) {
        if !self.remotes.lines.contains_key(&id) {
            return;
        }
        self.model
            .trace(|| format!("site closes conn {id} (reset: {reset})"));
        self.net.abandon(id, reset);
        self.forget_line(id);
    }

    /// The hub closed a connection.
    pub(crate) fn site_line_ended(&mut self, id: ConnId) {
        self.net.abandon(id, false);
        self.forget_line(id);
    }

    fn forget_line(&mut self, id: ConnId) {
        let line = self.remotes.lines.remove(&id);
        let Some(at) = line.and_then(|line| line.stream) else {
            return;
        };
        let stream = &mut self.remotes.streams[at];
        stream.conn = None;
        let (process, over, about) = (stream.process, stream.over, stream.about);
        let far = self.processes[process].far.as_ref();
        let solo = far.is_some_and(|far| far.solo);
        if solo && !over {
            // Nobody waits for what it was asked.
            self.end_process(process);
        } else if about.is_none() {
            self.remotes.streams[at].over = true;
            self.remotes.open.remove(&(process, None));
        }
    }

    /// A script is over: its session, or the one request that it is for.
    pub(crate) fn end_process(&mut self, at: usize) {
        let status = onemcp::input::ExitStatus::Code(0);
        self.with_process(at, |process, cx| process.die(cx, status));
    }

    /// Nothing is left of the session of a script that has ended.
    pub(crate) fn bury(&mut self, at: usize) {
        let far = self.processes[at].far.as_mut();
        if let Some(session) = far.and_then(|far| far.session.take()) {
            self.remotes.sessions.remove(&session);
        }
        let of = |key: &&(usize, Option<u64>)| key.0 == at;
        let open: Vec<_> = self.remotes.open.keys().filter(of).copied().collect();
        for key in open {
            if let Some(stream) = self.remotes.open.remove(&key) {
                let stream = &mut self.remotes.streams[stream];
                stream.over = true;
                if let Some(conn) = stream.conn.take() {
                    let reset = self.rng.chance(500);
                    self.hang_up(conn, reset);
                }
            }
        }
    }
}
