//! One socket for each address that is being tried, until one of them is connected.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use onemcp::base::attempts::Attempts;
use onemcp::effect::DialSpec;
use onemcp::input::OpenFailure;
use onemcp::now::Tick;

use crate::shell::unopened;

/// How far the addresses of one host are.
#[derive(Debug)]
pub(super) struct Connecting {
    attempts: Attempts,
    sockets: Vec<TcpStream>,
    /// The failure that says most of those so far.
    worst: Option<OpenFailure>,
}

impl Connecting {
    /// Nothing is tried yet.
    pub(super) fn new(spec: &DialSpec, addresses: &[IpAddr], now: Tick) -> Self {
        let at = |ip: &IpAddr| SocketAddr::new(*ip, spec.port);
        let addresses: Vec<SocketAddr> = addresses.iter().map(at).collect();
        Self {
            attempts: Attempts::new(&addresses, now),
            sockets: Vec::new(),
            worst: None,
        }
    }

    /// When the next address is tried beside the others.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.attempts.deadline()
    }

    /// Looks at the sockets, and begins with further addresses. The first that is connected is the
    /// one; the others end with this value.
    pub(super) fn advance(
        &mut self,
        registry: &Registry,
        about: Token,
        now: Tick,
        spec: &DialSpec,
    ) -> Result<Option<TcpStream>, OpenFailure> {
        let mut index = 0;
        while let Some(socket) = self.sockets.get(index) {
            match is_connected(socket) {
                Ok(true) => return Ok(Some(self.sockets.swap_remove(index))),
                Ok(false) => index += 1,
                Err(error) => {
                    drop(self.sockets.swap_remove(index));
                    self.failed(now, spec, &error);
                }
            }
        }
        while let Some(address) = self.attempts.next(now) {
            match begin(registry, about, address) {
                Ok(socket) => self.sockets.push(socket),
                Err(error) => self.failed(now, spec, &error),
            }
        }
        match self.worst.take() {
            Some(worst) if self.attempts.is_over() => Err(worst),
            worst => {
                self.worst = worst;
                Ok(None)
            }
        }
    }

    fn failed(&mut self, now: Tick, spec: &DialSpec, error: &io::Error) {
        self.attempts.failed(now);
        let failure = unopened::not_connected(spec, error);
        self.worst = Some(unopened::worse(self.worst.take(), failure));
    }
}

fn begin(registry: &Registry, about: Token, address: SocketAddr) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
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
