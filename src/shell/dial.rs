//! Connections that the core ordered, until they are open: one machine for each, from the name to
//! the end of the TLS handshake.
//!
//! ```text
//! LookingUp -> Connecting -> [Tunnel] -> [Handshake] -> Open
//! ```
//!
//! Any state may fail instead, or be given up, or run out of time. All sockets of one order have
//! the same token: whatever event comes for it, the machine looks at all of them. What is open
//! leaves as a [`Stream`]; to read and write it is no business of this file.

mod connecting;
mod tunnel;

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::Arc;

use mio::Registry;
use mio::net::TcpStream;
use onemcp::base::origin::Host;
use onemcp::base::public::is_public;
use onemcp::effect::DialSpec;
use onemcp::input::OpenFailure;
use onemcp::limits::DIALS_MAX;
use onemcp::links::DialKey;
use onemcp::now::Tick;

use crate::shell::bell::Bell;
use crate::shell::link::{Stream, Subject, token};
use crate::shell::lookup::{Answer, Lookups, Resolve, Unknown};
use crate::shell::sys;
use crate::shell::tls::{Fault, Tls, TlsStream};
use crate::shell::unopened::{self, Late};
use connecting::Connecting;
use tunnel::Way;

/// What became of one order.
pub(crate) type Outcome = (DialKey, Result<Stream, OpenFailure>);

/// All connections that are being opened.
#[derive(Debug)]
pub(crate) struct Dials {
    dials: BTreeMap<DialKey, Dial>,
    lookups: Lookups,
    tls: Tls,
    /// Those for which an event came.
    noted: Vec<DialKey>,
    outcomes: VecDeque<Outcome>,
}

#[derive(Debug)]
struct Dial {
    spec: Box<DialSpec>,
    deadline: Tick,
    state: State,
}

/// How far one order is.
#[derive(Debug)]
enum State {
    /// The resolver was asked for this name.
    LookingUp(Box<str>),
    /// Its addresses are being tried.
    Connecting(Connecting),
    /// The proxy was asked for a way through.
    Tunnel { socket: TcpStream, way: Way },
    /// There is a way to the server.
    Connected(TcpStream),
    /// TLS is agreed upon.
    Handshake(Box<TlsStream>),
    /// Done.
    Open(Stream),
}

/// What a state makes of an event.
enum Step {
    /// Nothing more to do until the next one.
    Wait(State),
    /// The next state may go on at once.
    Go(State),
    /// It does not open.
    Fail(OpenFailure),
}

impl Dials {
    /// Nothing is being opened.
    pub(crate) fn new(resolve: Arc<Resolve>, tls: Tls) -> Self {
        Self {
            dials: BTreeMap::new(),
            lookups: Lookups::new(resolve),
            tls,
            noted: Vec::new(),
            outcomes: VecDeque::new(),
        }
    }

    /// What wakes the loop, for others who start helper threads.
    pub(crate) fn bell(&self) -> Bell {
        self.lookups.bell()
    }

    /// Begins with one order.
    pub(crate) fn open(
        &mut self,
        registry: &Registry,
        now: Tick,
        dial: DialKey,
        spec: Box<DialSpec>,
    ) {
        if self.dials.len() >= DIALS_MAX {
            let failure = unopened::too_many(&spec);
            return self.outcomes.push_back((dial, Err(failure)));
        }
        let state = match addresses(&spec.host) {
            Ok(addresses) => match allowed(&spec, addresses) {
                Some(addresses) => State::Connecting(Connecting::new(&spec, &addresses, now)),
                None => {
                    let failure = unopened::private(&spec);
                    return self.outcomes.push_back((dial, Err(failure)));
                }
            },
            Err(name) => {
                self.lookups.ask(registry, now, name);
                State::LookingUp(name.into())
            }
        };
        let deadline = now.after(spec.open_ms_max);
        let dialed = Dial {
            spec,
            deadline,
            state,
        };
        self.dials.insert(dial, dialed);
        self.advance(registry, now, dial);
    }

    /// Nobody waits for this one any more.
    pub(crate) fn give_up(&mut self, dial: DialKey) {
        self.outcomes.retain(|(one, _)| *one != dial);
        let Some(State::LookingUp(name)) = self.dials.remove(&dial).map(|dial| dial.state) else {
            return;
        };
        self.forget_name(&name);
    }

    /// Notes that an event came for a socket of this order. Acts later, in [`Self::act`].
    pub(crate) fn note(&mut self, dial: DialKey) {
        if !self.noted.contains(&dial) {
            self.noted.push(dial);
        }
    }

    /// Goes on with whatever has an answer, an event or no time left.
    pub(crate) fn act(&mut self, registry: &Registry, now: Tick) {
        for answer in self.lookups.answers(now) {
            self.found(registry, now, answer);
        }
        for dial in mem::take(&mut self.noted) {
            self.advance(registry, now, dial);
        }
        let due = |(key, dial): (&DialKey, &Dial)| (dial.due() <= now).then_some(*key);
        let due: Vec<DialKey> = self.dials.iter().filter_map(due).collect();
        for dial in due {
            self.advance(registry, now, dial);
        }
    }

    /// When [`Self::act`] is to be called if no event comes.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let dials = self.dials.values().map(Dial::due);
        dials.chain(self.lookups.deadline()).min()
    }

    /// What became of an order, each once.
    pub(crate) fn next(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// What is worth a line of the log, each once.
    pub(crate) fn warnings(&mut self) -> Vec<String> {
        self.tls.warnings()
    }

    /// The resolver has answered, or did not.
    fn found(&mut self, registry: &Registry, now: Tick, (name, found): Answer) {
        let asked = |dial: &Dial| matches!(&dial.state, State::LookingUp(one) if *one == name);
        let who = self.dials.iter().filter(|(_, dial)| asked(dial));
        let who: Vec<DialKey> = who.map(|(key, _)| *key).collect();
        for key in who {
            let Some(dial) = self.dials.get_mut(&key) else {
                continue;
            };
            let none = || Unknown::No("it has none".to_owned());
            match &found {
                Ok(addresses) if !addresses.is_empty() => {
                    let Some(addresses) = allowed(&dial.spec, addresses.clone()) else {
                        self.fail(key, unopened::private);
                        continue;
                    };
                    dial.state = State::Connecting(Connecting::new(&dial.spec, &addresses, now));
                    self.advance(registry, now, key);
                }
                Ok(_) => self.fail(key, |spec| unopened::no_address(spec, &none())),
                Err(why) => self.fail(key, |spec| unopened::no_address(spec, why)),
            }
        }
    }

    fn fail(&mut self, key: DialKey, why: impl FnOnce(&DialSpec) -> OpenFailure) {
        if let Some(dial) = self.dials.remove(&key) {
            self.outcomes.push_back((key, Err(why(&dial.spec))));
        }
    }

    fn forget_name(&mut self, name: &str) {
        let wants = |dial: &Dial| matches!(&dial.state, State::LookingUp(one) if **one == *name);
        if !self.dials.values().any(wants) {
            self.lookups.forget(name);
        }
    }

    /// Goes on with one order as far as it goes without waiting.
    fn advance(&mut self, registry: &Registry, now: Tick, key: DialKey) {
        let Some(Dial {
            spec,
            deadline,
            mut state,
        }) = self.dials.remove(&key)
        else {
            return;
        };
        loop {
            match self.step(registry, now, key, &spec, state) {
                Step::Go(State::Open(stream)) | Step::Wait(State::Open(stream)) => {
                    return self.outcomes.push_back((key, Ok(stream)));
                }
                Step::Go(next) => state = next,
                Step::Wait(next) if deadline <= now => {
                    let failure = late(&spec, &next);
                    if let State::LookingUp(name) = next {
                        self.forget_name(&name);
                    }
                    return self.outcomes.push_back((key, Err(failure)));
                }
                Step::Wait(state) => {
                    let dial = Dial {
                        spec,
                        deadline,
                        state,
                    };
                    self.dials.insert(key, dial);
                    return;
                }
                Step::Fail(failure) => return self.outcomes.push_back((key, Err(failure))),
            }
        }
    }

    /// What one state makes of things as they are.
    fn step(
        &mut self,
        registry: &Registry,
        now: Tick,
        key: DialKey,
        spec: &DialSpec,
        state: State,
    ) -> Step {
        match state {
            State::Connecting(mut connecting) => {
                let about = token(Subject::Dial(key.0));
                match connecting.advance(registry, about, now, spec) {
                    Ok(Some(socket)) => Step::Go(connected(spec, socket)),
                    Ok(None) => Step::Wait(State::Connecting(connecting)),
                    Err(failure) => Step::Fail(failure),
                }
            }
            State::Tunnel {
                mut socket,
                mut way,
            } => match way.advance(spec, &mut socket) {
                Ok(true) => Step::Go(State::Connected(socket)),
                Ok(false) => Step::Wait(State::Tunnel { socket, way }),
                Err(failure) => Step::Fail(failure),
            },
            State::Connected(socket) => match &spec.tls {
                None => Step::Go(State::Open(Stream::Dialed(socket))),
                Some(host) => match self.tls.begin(host) {
                    Ok(tls) => {
                        let stream = Box::new(TlsStream::new(socket, tls));
                        Step::Go(State::Handshake(stream))
                    }
                    Err(error) => Step::Fail(unopened::no_tls(spec, &Fault::Tls(error))),
                },
            },
            State::Handshake(mut stream) => match stream.handshake() {
                Ok(true) => Step::Go(State::Open(Stream::Tls(stream))),
                Ok(false) => Step::Wait(State::Handshake(stream)),
                Err(fault) => Step::Fail(unopened::no_tls(spec, &fault)),
            },
            state @ (State::LookingUp(_) | State::Open(_)) => Step::Wait(state),
        }
    }
}

impl Dial {
    /// When something is to be done though nothing happens.
    fn due(&self) -> Tick {
        let next = match &self.state {
            State::Connecting(connecting) => connecting.deadline(),
            State::LookingUp(_)
            | State::Tunnel { .. }
            | State::Connected(_)
            | State::Handshake(_)
            | State::Open(_) => None,
        };
        next.map_or(self.deadline, |next| next.min(self.deadline))
    }
}

/// The addresses of a host that needs no looking up, or its name.
fn addresses(host: &Host) -> Result<Vec<IpAddr>, &str> {
    match host {
        Host::V4(address) => Ok(vec![(*address).into()]),
        Host::V6(address) => Ok(vec![(*address).into()]),
        // Not every resolver knows it, and some know it as something else (RFC 6761 section 6.3).
        Host::Name(_) if host.is_loopback() => {
            Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
        }
        Host::Name(name) => Err(name),
    }
}

/// Those of the addresses that may be connected to; `None` if there are none. What is connected to
/// are these very addresses: the name is not looked up again, so nobody can have it say something
/// else then (DNS rebinding).
fn allowed(spec: &DialSpec, mut addresses: Vec<IpAddr>) -> Option<Vec<IpAddr>> {
    if spec.public_only {
        addresses.retain(|address| is_public(*address));
    }
    (!addresses.is_empty()).then_some(addresses)
}

fn late(spec: &DialSpec, state: &State) -> OpenFailure {
    let late = match state {
        State::LookingUp(_) => Late::Lookup,
        State::Connecting(_) => Late::Connect,
        State::Tunnel { .. } => Late::Tunnel,
        State::Connected(_) | State::Handshake(_) | State::Open(_) => Late::Handshake,
    };
    unopened::too_late(spec, late)
}

/// A socket is connected.
fn connected(spec: &DialSpec, socket: TcpStream) -> State {
    // A refusal costs latency only.
    let _set = socket.set_nodelay(true);
    sys::probe_dead_peers(socket.as_fd());
    if spec.tunnel.is_none() {
        return State::Connected(socket);
    }
    let way = Way::default();
    State::Tunnel { socket, way }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
