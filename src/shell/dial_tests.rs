//! Connections over real sockets, with a resolver that answers as each test says.

use super::*;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream as Socket};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use mio::{Events, Poll};
use onemcp::base::authority::Authority;
use onemcp::base::secret::Secret;
use onemcp::base::slab::Key;
use onemcp::input::OpenFault;

use crate::shell::link::subject;
use crate::shell::tls;

pub(super) fn key(index: u32) -> DialKey {
    DialKey(Key {
        index,
        generation: 0,
    })
}

/// The part of the loop that a dial needs, with a clock that the test moves.
pub(super) struct Dialer {
    pub(super) dials: Dials,
    poll: Poll,
    events: Events,
    pub(super) now: Tick,
}

impl Dialer {
    pub(super) fn new(
        resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            dials: Dials::new(Arc::new(resolve), tls::tests::trusting()),
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(64),
            now: Tick(0),
        }
    }

    pub(super) fn open(&mut self, index: u32, spec: DialSpec) {
        let registry = self.poll.registry();
        self.dials.open(registry, self.now, key(index), spec.into());
    }

    /// Waits for one event, or for nothing at all if something is due.
    pub(super) fn turn(&mut self) {
        let due = self.dials.deadline().is_some_and(|at| at <= self.now);
        let time = due.then_some(Duration::ZERO);
        self.poll.poll(&mut self.events, time).unwrap();
        for event in self.events.iter() {
            if let Subject::Dial(key) = subject(event.token()) {
                self.dials.note(DialKey(key));
            }
        }
        self.dials.act(self.poll.registry(), self.now);
    }

    /// Turns until an order has an outcome.
    pub(super) fn outcome(&mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.dials.next() {
                return outcome;
            }
            self.turn();
        }
    }

    pub(super) fn opened(&mut self) -> Stream {
        self.outcome().1.unwrap()
    }

    #[track_caller]
    pub(super) fn failed(&mut self, fault: OpenFault, words: &str) {
        let failure = self.outcome().1.unwrap_err();
        assert_eq!(failure.fault, fault, "{failure:?}");
        assert!(failure.why.contains(words), "{failure:?}");
    }
}

pub(super) fn unasked(_: &str) -> io::Result<Vec<IpAddr>> {
    unreachable!("nobody asks the resolver");
}

pub(super) fn spec(host: &str, port: u16) -> DialSpec {
    DialSpec {
        host: Host::of(&Authority::parse(host).unwrap()).unwrap(),
        port,
        tunnel: None,
        tls: None,
        open_ms_max: 10_000,
        public_only: false,
    }
}

pub(super) fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    listen().1
}

/// Listeners whose queues are full, so that whoever connects hears nothing.
pub(super) fn silent(address: &str) -> (Vec<Socket>, TcpListener, u16) {
    use std::os::fd::AsRawFd;
    let listener = TcpListener::bind((address, 0)).unwrap();
    sys::tests::set_backlog(listener.as_raw_fd(), 0);
    let at = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(socket) = Socket::connect_timeout(&at, Duration::from_millis(100)) {
        held.push(socket);
    }
    (held, listener, at.port())
}

#[test]
fn an_open_port_opens_and_is_probed_and_does_not_delay() {
    let (listener, port) = listen();
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, spec("127.0.0.1", port));
    let (who, stream) = dialer.outcome();
    let Ok(Stream::Dialed(socket)) = stream else {
        panic!("{stream:?}");
    };
    assert_eq!(who, key(1));
    assert!(socket.nodelay().unwrap());
    let (mut accepted, _) = listener.accept().unwrap();
    (&socket).write_all(b"hello").unwrap();
    let mut bytes = [0; 5];
    accepted.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    assert_eq!(dialer.dials.deadline(), None);
}

#[test]
fn refused_names_host_and_port() {
    let port = free_port();
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, spec("127.0.0.1", port));
    let words = format!("nothing listens on 127.0.0.1:{port}");
    dialer.failed(OpenFault::Refused, &words);
}

#[test]
fn rfc6761_6_3_localhost_is_both_loopbacks_and_never_looked_up() {
    let (_listener, port) = listen();
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, spec("localhost", port));
    dialer.opened();
    let Ok(six) = TcpListener::bind("[::1]:0") else {
        return;
    };
    dialer.open(2, spec("LocalHost.", six.local_addr().unwrap().port()));
    dialer.opened();
}

#[test]
fn a_silent_host_times_out_with_its_name() {
    let (_held, _listener, port) = silent("127.0.0.1");
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, spec("127.0.0.1", port));
    assert_eq!(dialer.dials.deadline(), Some(Tick(10_000)));
    dialer.now = Tick(10_000);
    let words = format!("127.0.0.1:{port} did not answer within 10 s");
    dialer.failed(OpenFault::TimedOut, &words);
}

#[test]
fn rfc8305_5_a_second_address_is_tried_when_the_first_is_silent() {
    let (_held, _silent, port) = silent("127.0.0.1");
    let Ok(listener) = TcpListener::bind(("127.0.0.2", port)) else {
        return;
    };
    let found = ["127.0.0.1", "127.0.0.2"].map(|one| one.parse().unwrap());
    let mut dialer = Dialer::new(move |_: &str| Ok(found.to_vec()));
    dialer.open(1, spec("two.example", port));
    while dialer.dials.deadline() != Some(Tick(250)) {
        dialer.turn();
    }
    dialer.now = Tick(250);
    let Stream::Dialed(socket) = dialer.opened() else {
        panic!("not TCP");
    };
    assert_eq!(socket.peer_addr().unwrap(), listener.local_addr().unwrap());
}

#[test]
fn rfc8305_5_a_second_address_is_tried_at_once_when_the_first_refuses() {
    let (_listener, port) = listen();
    let found = ["127.0.0.9", "127.0.0.1"].map(|one| one.parse().unwrap());
    let mut dialer = Dialer::new(move |_: &str| Ok(found.to_vec()));
    dialer.open(1, spec("two.example", port));
    dialer.opened();
}

#[test]
fn a_name_without_addresses_and_one_that_the_resolver_refuses_are_told() {
    let mut dialer = Dialer::new(|name: &str| match name {
        "empty.example" => Ok(Vec::new()),
        _ => Err(io::Error::other(
            "failed to lookup address information: Name or service not known",
        )),
    });
    dialer.open(1, spec("empty.example", 1));
    dialer.failed(OpenFault::Lookup, "no address for empty.example");
    dialer.open(2, spec("nowhere.example", 1));
    dialer.failed(
        OpenFault::Lookup,
        "no address for nowhere.example: Name or service not known (check",
    );
}

#[test]
fn a_name_that_two_want_is_looked_up_once() {
    let (_listener, port) = listen();
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let (go, wait) = gate();
    let mut dialer = Dialer::new(move |_: &str| {
        *count.lock().unwrap() += 1;
        wait();
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    });
    dialer.open(1, spec("a.example", port));
    dialer.open(2, spec("a.example", port));
    go.send(()).unwrap();
    dialer.opened();
    dialer.opened();
    assert_eq!(*asked.lock().unwrap(), 1);
}

/// What lets one look-up go on for each message.
fn gate() -> (Sender<()>, impl Fn() + Send + Sync) {
    let (go, wait): (_, Receiver<()>) = mpsc::channel();
    let wait = Mutex::new(wait);
    (go, move || wait.lock().unwrap().recv().unwrap_or(()))
}

/// Answers a `CONNECT` with this text and tells what it read.
pub(super) fn proxy(answer: &'static str) -> (u16, thread::JoinHandle<String>) {
    let (listener, port) = listen();
    let serve = move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        socket.write_all(answer.as_bytes()).unwrap();
        // Held open until the other side has decided.
        let _end = socket.read(&mut [0]);
        String::from_utf8(head).unwrap()
    };
    (port, thread::spawn(serve))
}

fn through(port: u16) -> DialSpec {
    DialSpec {
        tunnel: Some(Secret::from(
            "CONNECT a.b:443 HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n",
        )),
        ..spec("127.0.0.1", port)
    }
}

#[test]
fn rfc9110_9_3_6_a_tunnel_opens_when_the_proxy_agrees() {
    let (port, proxy) = proxy("HTTP/1.1 200 OK\r\n\r\n");
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, through(port));
    drop(dialer.opened());
    assert!(proxy.join().unwrap().starts_with("CONNECT a.b:443 "));
}

#[test]
fn rfc9110_9_3_6_a_proxy_that_does_not_let_us_through_is_told_without_secrets() {
    for (answer, words) in [
        (
            "HTTP/1.1 407 Auth\r\n\r\n",
            "answered 407: it wants a user name",
        ),
        ("HTTP/1.1 503 Busy\r\n\r\n", "answered 503"),
        ("SSH-2.0-x\r\n", "cannot be used: "),
        ("HTTP/1.1 200 OK\r\n\r\nmore", "sent something behind"),
    ] {
        let (port, proxy) = proxy(answer);
        let mut dialer = Dialer::new(unasked);
        dialer.open(1, through(port));
        dialer.failed(OpenFault::Proxy, words);
        proxy.join().unwrap();
    }
    let (listener, port) = listen();
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, through(port));
    drop(listener.accept().unwrap());
    let failure = dialer.outcome().1.unwrap_err();
    assert_eq!(failure.fault, OpenFault::Proxy);
    assert!(
        failure
            .why
            .contains(&format!("proxy 127.0.0.1:{port} did not answer"))
    );
}

#[test]
fn a_proxy_that_says_nothing_times_out() {
    let (_listener, port) = listen();
    let mut dialer = Dialer::new(unasked);
    dialer.open(1, through(port));
    dialer.turn();
    dialer.now = Tick(10_000);
    dialer.failed(OpenFault::TimedOut, "did not answer CONNECT within 10 s");
}

#[test]
fn an_order_is_given_up_in_every_state_and_leaves_nothing() {
    let (_held, _silent, port) = silent("127.0.0.1");
    let (_listener, proxy) = listen();
    let (_go, wait) = gate();
    let mut dialer = Dialer::new(move |_: &str| {
        wait();
        Ok(Vec::new())
    });
    dialer.open(1, spec("a.example", 1));
    dialer.open(2, spec("127.0.0.1", port));
    dialer.open(3, through(proxy));
    dialer.turn();
    dialer.open(4, spec("127.0.0.1", free_port()));
    for index in 1..=4 {
        dialer.dials.give_up(key(index));
        dialer.dials.give_up(key(index));
    }
    assert!(dialer.dials.dials.is_empty() && dialer.dials.outcomes.is_empty());
}

#[test]
fn dials_max_fails_one_more() {
    let (_held, _silent, port) = silent("127.0.0.1");
    let (_go, wait) = gate();
    let mut dialer = Dialer::new(move |_: &str| {
        wait();
        Ok(Vec::new())
    });
    for index in 0..DIALS_MAX {
        dialer.open(u32::try_from(index).unwrap(), spec("a.example", port));
    }
    dialer.open(9999, spec("127.0.0.1", port));
    dialer.failed(OpenFault::Exhausted, "too many are being opened at once");
}

#[path = "dial_tls_tests.rs"]
mod over_tls;

#[test]
fn x6_public_only_connects_to_no_address_of_ours_however_it_is_named() {
    let (listener, port) = listen();
    let public = |host: &str| DialSpec {
        public_only: true,
        ..spec(host, port)
    };
    let mut dialer = Dialer::new(|_| {
        let names = ["127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1"];
        Ok(names.map(|name| name.parse().unwrap()).to_vec())
    });
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "rebound.example",
    ] {
        dialer.open(1, public(host));
        dialer.failed(OpenFault::Private, "no address of the public internet");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came");
    // The same name is fine for who chose it himself.
    dialer.open(2, spec("rebound.example", port));
    dialer.opened();
}

#[test]
fn x6_of_mixed_addresses_only_the_public_ones_are_tried() {
    let of = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let mixed: Vec<IpAddr> = of(&["10.0.0.1", "93.184.216.34", "::1", "2606:4700::1"]);
    let mut wanted = spec("a.example", 1);
    assert_eq!(allowed(&wanted, mixed.clone()), Some(mixed.clone()));
    wanted.public_only = true;
    let public = of(&["93.184.216.34", "2606:4700::1"]);
    assert_eq!(allowed(&wanted, mixed), Some(public));
}
