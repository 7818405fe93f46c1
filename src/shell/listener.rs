//! The listening sockets: bound before anything else is started, accepted from until nothing is
//! left. Running out of descriptors drops the connection and never spins.

use std::io;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use onemcp::limits::DROPPED_SAID_MS;
use onemcp::now::Tick;

use crate::shell::disk::reason;

/// One listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    /// Whoever started us has opened it, and keeps it.
    passed: bool,
}

/// What one try to accept gave.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// A connection.
    Connection(TcpStream, SocketAddr),
    /// Nothing more until the next event.
    Nothing,
    /// A connection that ended before we took it; there may be another.
    Lost,
    /// No descriptor was free; the connection was dropped, there may be another.
    Dropped,
    /// No descriptor was free, not even for dropping the connection: try again when one is.
    Stuck,
}

/// Opens the ports of `host`. For 127.0.0.1 and localhost also `[::1]` on the same port, where
/// that exists. The error is one line for the user.
pub(crate) fn bind(host: &str, port: u16) -> Result<Vec<Listener>, String> {
    let addresses: Vec<SocketAddr> = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .map_err(|error| format!("cannot listen on {host}: {}", reason(&error)))?
        .collect();
    // A name may have several addresses; the IPv4 one is what other programs try first.
    let address = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .ok_or_else(|| format!("cannot listen on {host}: it has no address"))?;
    let first = open(*address).map_err(|error| bind_failed(*address, &error))?;
    let mut listeners = vec![first];
    if matches!(host, "127.0.0.1" | "localhost")
        && address.is_ipv4()
        && let Some(bound) = listeners[0].address()
        && let Ok(second) = open((Ipv6Addr::LOCALHOST, bound.port()).into())
    {
        listeners.push(second);
    }
    Ok(listeners)
}

/// A port of 127.0.0.1: the one that is wanted if it is free, else any.
pub(crate) fn bind_local(port: u16) -> Result<Listener, String> {
    let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    open(at(port))
        .or_else(|_taken| open(at(0)))
        .map_err(|error| bind_failed(at(0), &error))
}

fn open(address: SocketAddr) -> io::Result<Listener> {
    let socket = TcpListener::bind(address)?;
    Ok(Listener {
        socket,
        passed: false,
    })
}

fn bind_failed(address: SocketAddr, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is already in use; stop what uses it or choose another one with --port"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied; ports below 1024 need more rights, choose another with --port"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; choose another one with --host".to_owned()
        }
        _ => reason(error),
    };
    format!("cannot listen on {address}: {why}")
}

/// The URL that a client is given, as far as we know it.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}/mcp")
}

impl Listener {
    /// A socket that whoever started us has opened.
    pub(crate) fn passed(socket: net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: TcpListener::from_std(socket),
            passed: true,
        })
    }

    /// Whether whoever started us has opened it: then it outlives us.
    pub(crate) fn is_passed(&self) -> bool {
        self.passed
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// Asks for events.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// Asks for no more events.
    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.socket)
    }

    /// Takes one connection.
    pub(crate) fn accept(&self, reserve: &mut Reserve) -> Accepted {
        match self.socket.accept() {
            Ok((stream, peer)) => {
                // A refusal costs latency only.
                let _set = stream.set_nodelay(true);
                Accepted::Connection(stream, canonical(peer))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Accepted::Nothing,
            Err(error) => match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE) => reserve.drop_one(&self.socket),
                Some(libc::ENOBUFS | libc::ENOMEM) => Accepted::Stuck,
                // accept(2): errors of a connection that ended meanwhile are reported here.
                _ => Accepted::Lost,
            },
        }
    }
}

/// An IPv4 peer of a dual-stack socket is counted as what it is.
fn canonical(peer: SocketAddr) -> SocketAddr {
    let ip: IpAddr = peer.ip().to_canonical();
    SocketAddr::new(ip, peer.port())
}

/// One descriptor kept back, so that a connection can be taken and closed when none is left.
#[derive(Debug)]
pub(crate) struct Reserve {
    kept: Option<OwnedFd>,
    /// When the log last said that connections are dropped.
    said: Option<Tick>,
}

impl Reserve {
    /// Keeps a descriptor back.
    pub(crate) fn new() -> Self {
        Self {
            kept: Self::spare(),
            said: None,
        }
    }

    fn drop_one(&mut self, socket: &TcpListener) -> Accepted {
        if self.kept.take().is_none() {
            *self = Self {
                said: self.said,
                ..Self::new()
            };
            if self.kept.take().is_none() {
                return Accepted::Stuck;
            }
        }
        let outcome = match socket.accept() {
            Ok((stream, _peer)) => {
                drop(stream);
                Accepted::Dropped
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Accepted::Nothing,
            Err(error) => match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE) => Accepted::Stuck,
                _ => Accepted::Lost,
            },
        };
        self.kept = Self::spare();
        outcome
    }

    /// Any descriptor will do. One of no file, as an empty root has not even `/dev/null`.
    fn spare() -> Option<OwnedFd> {
        io::stderr().as_fd().try_clone_to_owned().ok()
    }

    /// A connection was dropped; `true` = say so, it was not said for a while.
    pub(crate) fn is_news(&mut self, now: Tick) -> bool {
        let is_known = |said: Tick| now.since(said) < DROPPED_SAID_MS;
        let news = !self.said.is_some_and(is_known);
        if news {
            self.said = Some(now);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn port_0_is_any_free_port_and_loopback_has_both_families() {
        let listeners = bind("127.0.0.1", 0).unwrap();
        let port = listeners[0].address().unwrap().port();
        assert_ne!(port, 0);
        if net::TcpListener::bind("[::1]:0").is_ok() && listeners.len() == 2 {
            let second = listeners[1].address().unwrap();
            assert_eq!((second.ip().is_ipv6(), second.port()), (true, port));
        }
        assert_eq!(
            url(SocketAddr::from(([127, 0, 0, 1], 3050))),
            "http://127.0.0.1:3050/mcp"
        );
    }

    #[test]
    fn a_local_port_that_is_taken_is_another_one() {
        let first = bind_local(0).unwrap().address().unwrap();
        assert!(first.ip().is_loopback());
        let taken = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let other = bind_local(port).unwrap().address().unwrap().port();
        assert!(other != 0 && other != port);
    }

    #[test]
    fn a_port_in_use_is_one_clear_line() {
        let taken = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind("127.0.0.1", port).unwrap_err();
        assert!(error.contains(&format!("127.0.0.1:{port}: the port is already in use")));
        assert!(!error.contains('\n'));
    }

    #[test]
    fn a_host_that_is_not_ours_and_one_that_is_no_name_are_told_apart() {
        let error = bind("192.0.2.1", 0).unwrap_err();
        assert!(error.contains("does not have that address"), "{error}");
        assert!(bind("not a name", 0).is_err());
    }

    #[test]
    fn the_reserve_takes_and_closes_a_connection_and_is_kept_again() {
        let listener = open("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut client = net::TcpStream::connect(listener.address().unwrap()).unwrap();
        let mut reserve = Reserve::new();
        while !matches!(reserve.drop_one(&listener.socket), Accepted::Dropped) {}
        assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
        assert!(reserve.kept.is_some());
        assert!(matches!(listener.accept(&mut reserve), Accepted::Nothing));
    }

    #[test]
    fn drops_are_said_once_a_minute() {
        let mut reserve = Reserve::new();
        let said = [
            0,
            1,
            DROPPED_SAID_MS - 1,
            DROPPED_SAID_MS,
            DROPPED_SAID_MS + 1,
        ]
        .map(|ms| reserve.is_news(Tick(ms)));
        assert_eq!(said, [true, false, false, true, false]);
    }
}
