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

mod tunnel;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry};
use onemcp::base::attempts::Attempts;
use onemcp::base::origin::Host;
use onemcp::effect::DialSpec;
use onemcp::input::OpenFailure;
use onemcp::limits::DIALS_MAX;
use onemcp::links::DialKey;
use onemcp::now::Tick;

use crate::shell::event_loop::{fixed, fixed_token};
use crate::shell::link::{Stream, Subject, token};
use crate::shell::lookup::{Answer, Lookups, Resolve, Unknown};
use crate::shell::sys;
use crate::shell::unopened::{self, Late};
use tunnel::Way;

/// What became of one order.
pub(crate) type Outcome = (DialKey, Result<Stream, OpenFailure>);

/// All connections that are being opened.
#[derive(Debug)]
pub(crate) struct Dials {
    dials: BTreeMap<DialKey, Dial>,
    lookups: Lookups,
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
    /// One socket for each address that is being tried.
    Connecting {
        attempts: Attempts,
        sockets: Vec<TcpStream>,
        /// The failure that says most of those so far.
        worst: Option<OpenFailure>,
    },
    /// The proxy was asked for a way through.
    Tunnel { socket: TcpStream, way: Way },
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
    pub(crate) fn new(resolve: Arc<Resolve>) -> Self {
        Self {
            dials: BTreeMap::new(),
            lookups: Lookups::new(resolve),
            noted: Vec::new(),
            outcomes: VecDeque::new(),
        }
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
            Ok(addresses) => connecting(&spec, &addresses, now),
            Err(name) => {
                self.lookups
                    .ask(registry, fixed_token(fixed::LOOKUP), now, name);
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
                    dial.state = connecting(&dial.spec, addresses, now);
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
            match step(registry, now, key, &spec, state) {
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
}

impl Dial {
    /// When something is to be done though nothing happens.
    fn due(&self) -> Tick {
        let next = match &self.state {
            State::Connecting { attempts, .. } => attempts.deadline(),
            State::LookingUp(_) | State::Tunnel { .. } | State::Open(_) => None,
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

fn connecting(spec: &DialSpec, addresses: &[IpAddr], now: Tick) -> State {
    let at = |ip: &IpAddr| SocketAddr::new(*ip, spec.port);
    let addresses: Vec<SocketAddr> = addresses.iter().map(at).collect();
    State::Connecting {
        attempts: Attempts::new(&addresses, now),
        sockets: Vec::new(),
        worst: None,
    }
}

fn late(spec: &DialSpec, state: &State) -> OpenFailure {
    let late = match state {
        State::LookingUp(_) => Late::Lookup,
        State::Connecting { .. } => Late::Connect,
        State::Tunnel { .. } => Late::Tunnel,
        State::Open(_) => Late::Handshake,
    };
    unopened::too_late(spec, late)
}

fn step(registry: &Registry, now: Tick, key: DialKey, spec: &DialSpec, state: State) -> Step {
    match state {
        State::Connecting {
            attempts,
            sockets,
            worst,
        } => connect(registry, now, key, spec, attempts, sockets, worst),
        State::Tunnel {
            mut socket,
            mut way,
        } => match way.advance(spec, &mut socket) {
            Ok(true) => connected_through(spec, socket),
            Ok(false) => Step::Wait(State::Tunnel { socket, way }),
            Err(failure) => Step::Fail(failure),
        },
        state @ (State::LookingUp(_) | State::Open(_)) => Step::Wait(state),
    }
}

/// Looks at the sockets that are connecting, and begins with further addresses.
fn connect(
    registry: &Registry,
    now: Tick,
    key: DialKey,
    spec: &DialSpec,
    mut attempts: Attempts,
    mut sockets: Vec<TcpStream>,
    mut worst: Option<OpenFailure>,
) -> Step {
    let mut failed = |attempts: &mut Attempts, error: &io::Error| {
        attempts.failed(now);
        worst = Some(unopened::worse(
            worst.take(),
            unopened::not_connected(spec, error),
        ));
    };
    let mut index = 0;
    while let Some(socket) = sockets.get(index) {
        match is_connected(socket) {
            Ok(true) => return connected(spec, sockets.swap_remove(index)),
            Ok(false) => index += 1,
            Err(error) => {
                drop(sockets.swap_remove(index));
                failed(&mut attempts, &error);
            }
        }
    }
    while let Some(address) = attempts.next(now) {
        match begin(registry, key, address) {
            Ok(socket) => sockets.push(socket),
            Err(error) => failed(&mut attempts, &error),
        }
    }
    match worst {
        Some(worst) if attempts.is_over() => Step::Fail(worst),
        worst => Step::Wait(State::Connecting {
            attempts,
            sockets,
            worst,
        }),
    }
}

fn begin(registry: &Registry, key: DialKey, address: SocketAddr) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    let about = token(Subject::Dial(key.0));
    registry.register(&mut socket, about, Interest::READABLE | Interest::WRITABLE)?;
    Ok(socket)
}

/// Whether a socket that was connecting is connected.
fn is_connected(socket: &TcpStream) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        // macOS says so of a socket that is still connecting.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A socket is connected; the others are dropped with their states.
fn connected(spec: &DialSpec, socket: TcpStream) -> Step {
    // A refusal costs latency only.
    let _set = socket.set_nodelay(true);
    sys::probe_dead_peers(socket.as_fd());
    if spec.tunnel.is_some() {
        let way = Way::default();
        return Step::Go(State::Tunnel { socket, way });
    }
    connected_through(spec, socket)
}

/// There is a way to the server.
fn connected_through(spec: &DialSpec, socket: TcpStream) -> Step {
    if spec.tls.is_some() {
        return Step::Fail(unopened::no_tls_yet(spec));
    }
    Step::Go(State::Open(Stream::Dialed(socket)))
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
