//! The way through a proxy: what was sent of the request, what came of the answer.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use onemcp::effect::DialSpec;
use onemcp::http1::tunnel::Tunnel;
use onemcp::input::OpenFailure;

use crate::shell::unopened;

/// Bytes that are read at once: an answer of a proxy fits.
const READ_BYTES: usize = 4096;

/// How far the proxy is.
#[derive(Debug, Default)]
pub(super) struct Way {
    sent: usize,
    answer: Tunnel,
}

impl Way {
    /// Writes and reads as much as there is. `true` once the way is open.
    pub(super) fn advance(
        &mut self,
        spec: &DialSpec,
        socket: &mut TcpStream,
    ) -> Result<bool, OpenFailure> {
        self.write(spec, socket)
            .map_err(|error| unopened::proxy_lost(spec, Some(&error)))?;
        let mut buffer = [0; READ_BYTES];
        loop {
            let bytes = match socket.read(&mut buffer) {
                Ok(0) => return Err(unopened::proxy_lost(spec, None)),
                Ok(n) => buffer.get(..n).unwrap_or_default(),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(false),
                    io::ErrorKind::Interrupted => continue,
                    _ => return Err(unopened::proxy_lost(spec, Some(&error))),
                },
            };
            let opened = self.answer.receive(bytes);
            if opened.map_err(|why| unopened::no_way(spec, why))? {
                return Ok(true);
            }
        }
    }

    fn write(&mut self, spec: &DialSpec, socket: &mut TcpStream) -> io::Result<()> {
        let request = spec.tunnel.as_ref().map_or("", |request| request.reveal());
        loop {
            let rest = request.as_bytes().get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            match socket.write(rest) {
                Ok(n) => self.sent += n,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(()),
                    io::ErrorKind::Interrupted => {}
                    // It may have refused before it read all of it; its answer tells.
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => return Ok(()),
                    _ => return Err(error),
                },
            }
        }
    }
}
