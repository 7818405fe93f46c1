//! One connection over TLS: plain bytes on our side, sealed ones on the wire.
//!
//! Two things differ from a socket. What was written may still lie here, sealed, when the kernel
//! refuses it ([`TlsStream::holds`]): whoever writes must come back when the socket takes bytes
//! again, also if it has nothing of its own to write. And what comes from the wire may hold
//! nothing for the reader ([`Got::Overhead`]).

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use onemcp::limits::{HANDSHAKE_BYTES_MAX, READ_BYTES_PER_TURN_MAX};
use rustls::ClientConnection;

/// What one read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The peer will send nothing more, and said so.
    End,
    /// A turn's worth of what TLS says to itself; there may be more.
    Overhead,
}

/// Why a handshake failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What the peer sent, or does not send.
    Tls(rustls::Error),
    /// The connection was lost.
    Lost(io::Error),
    /// The peer closed it.
    Ended,
    /// It goes on and on.
    Endless,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: TcpStream,
    tls: ClientConnection,
    /// What the handshake took so far.
    handshake_bytes: usize,
    /// The peer was told that nothing more comes.
    shut: bool,
    /// The peer broke the rules: what came before is still given, and then no more.
    failed: bool,
}

impl TlsStream {
    /// Over a connected socket; nothing was sent yet.
    pub(crate) fn new(socket: TcpStream, tls: ClientConnection) -> Self {
        Self {
            socket,
            tls,
            handshake_bytes: 0,
            shut: false,
            failed: false,
        }
    }

    /// The socket, for the events of it.
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Goes on with the handshake; `true` once it is done. Something of ours may be held then.
    pub(crate) fn handshake(&mut self) -> Result<bool, Fault> {
        loop {
            match self.drain() {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    // Perhaps it said why before it went away.
                    self.receive()?;
                    return Err(Fault::Lost(error));
                }
                Ok(()) | Err(_) => {}
            }
            if !self.tls.is_handshaking() {
                return Ok(true);
            }
            match self.receive()? {
                None => return Ok(false),
                Some(0) => return Err(Fault::Ended),
                Some(bytes) => self.handshake_bytes += bytes,
            }
            if self.handshake_bytes > HANDSHAKE_BYTES_MAX {
                return Err(Fault::Endless);
            }
        }
    }

    /// Reads once from the wire and opens what came; `None` = there is nothing.
    fn receive(&mut self) -> Result<Option<usize>, Fault> {
        let got = loop {
            match self.tls.read_tls(&mut self.socket) {
                Ok(got) => break got,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Ok(None),
                    _ => return Err(Fault::Lost(error)),
                },
            }
        };
        if let Err(error) = self.tls.process_new_packets() {
            // An alert says why; whether it still arrives changes nothing.
            let _sent = self.drain();
            return Err(Fault::Tls(error));
        }
        Ok(Some(got))
    }

    /// Reads once. An end of the connection that the peer did not announce is an error: somebody
    /// on the way may have cut off the rest.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<Got> {
        let mut taken = 0;
        loop {
            match self.tls.reader().read(into) {
                Ok(0) if !into.is_empty() => return Ok(Got::End),
                Ok(got) => return Ok(Got::Bytes(got)),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => {}
            }
            if self.failed {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if taken >= READ_BYTES_PER_TURN_MAX {
                return Ok(Got::Overhead);
            }
            match self.receive() {
                Ok(Some(got)) => taken += got,
                Ok(None) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(Fault::Lost(error)) => return Err(error),
                Err(Fault::Tls(_) | Fault::Ended | Fault::Endless) => self.failed = true,
            }
        }
    }

    /// Writes once; what was taken and does not reach the kernel is held.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // What lies here already goes first; so no more is held than one write takes.
        self.drain()?;
        let taken = self.tls.writer().write_vectored(slices)?;
        match self.drain() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    /// Whether something sealed waits for the kernel.
    pub(crate) fn holds(&self) -> bool {
        self.tls.wants_write()
    }

    /// Gives the kernel what waits for it.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.shut {
            // It may have been reset meanwhile; the next read tells.
            let _shut = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// Tells the peer that nothing more comes, as far as the kernel takes it.
    pub(crate) fn shut(&mut self) {
        if !self.shut {
            self.shut = true;
            self.tls.send_close_notify();
        }
        let _held = self.drain();
    }
}
