//! The byte streams that are open: accepted sockets, the pipe pairs of children, our own stdin and
//! stdout. A key carries a generation, so a late event never reaches a successor.
//!
//! Reads and writes; decides nothing about when (`event_loop`) or what (the core).

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::net::{TcpStream, UnixStream};
use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry, Token};
use onemcp::base::slab::{Key, Slab, SlabKey};
use onemcp::links::LinkKey;

use crate::shell::own_stdio::Standard;
use crate::shell::tls::{Got, TlsStream};

// A token holds all of a key and three bits of kind.
const _: () = assert!(usize::BITS == 64);

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A link, or the half of it that is read.
    Link(Key),
    /// The half of a link that is written, where that is a descriptor of its own.
    LinkOutput(Key),
    /// The stderr of a child.
    Stderr(Key),
    /// A connection that is being opened.
    Dial(Key),
    /// One of the loop's own descriptors.
    Fixed(u32),
}

/// Packs a subject: three bits of kind, 29 of index, 32 of generation.
pub(crate) fn token(subject: Subject) -> Token {
    let (kind, key) = match subject {
        Subject::Link(key) => (0, key),
        Subject::LinkOutput(key) => (1, key),
        Subject::Stderr(key) => (2, key),
        Subject::Dial(key) => (3, key),
        Subject::Fixed(number) => (
            4,
            Key {
                index: number,
                generation: 0,
            },
        ),
    };
    let packed = (u64::from(key.generation) << 32) | (u64::from(key.index & INDEX) << 3) | kind;
    // usize has 64 bits, asserted above.
    Token(usize::try_from(packed).unwrap_or(usize::MAX))
}

const INDEX: u32 = (1 << 29) - 1;

/// Unpacks what [`token`] packed.
pub(crate) fn subject(token: Token) -> Subject {
    let packed = token.0 as u64;
    let index = u32::try_from((packed >> 3) & u64::from(INDEX)).unwrap_or(0);
    let generation = u32::try_from(packed >> 32).unwrap_or(0);
    let key = Key { index, generation };
    match packed & 7 {
        0 => Subject::Link(key),
        1 => Subject::LinkOutput(key),
        2 => Subject::Stderr(key),
        3 => Subject::Dial(key),
        _ => Subject::Fixed(index),
    }
}

/// What a link consists of.
#[derive(Debug)]
pub(crate) enum Stream {
    /// An accepted connection.
    Socket(TcpStream),
    /// A connection that we opened.
    Dialed(TcpStream),
    /// The same, over TLS.
    Tls(Box<TlsStream>),
    /// Somebody on this instance's own socket.
    Local(UnixStream),
    /// A child's stdout and stdin; the latter until we close it.
    Child {
        /// What we read.
        stdout: Receiver,
        /// What we write.
        stdin: Option<Sender>,
    },
    /// Our own stdin and stdout.
    Stdio {
        /// What we read.
        input: Standard,
        /// What we write.
        output: Standard,
    },
}

impl Stream {
    /// Ends the events of a socket that had another token before it became a link.
    pub(crate) fn leave(&mut self, registry: &Registry) {
        let socket = match self {
            Self::Dialed(socket) => socket,
            Self::Tls(stream) => stream.socket(),
            Self::Socket(_) | Self::Local(_) | Self::Child { .. } | Self::Stdio { .. } => return,
        };
        // One that was not registered has no events to end.
        let _left = registry.deregister(socket);
    }
}

/// Whether and how a link is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Nothing is there; the next event says when.
    Waiting,
    /// There may be something; the link is on the ready queue.
    Queued,
    /// The core asked us to stop. `true` = there may be something.
    Paused(bool),
    /// The peer will send nothing more, and the core knows.
    Ended,
}

/// Whether and how a link is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// The kernel takes bytes, as far as we know.
    Open,
    /// It refused; an event was asked for.
    Blocked,
    /// Closed by us; nothing more is to come.
    Shut,
    /// A child closed its stdin, or a server its connection: what is to be written vanishes. What
    /// they wrote is read to what is there, then the link is broken.
    Refused,
}

/// One open stream.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: Stream,
    pub(crate) reading: Reading,
    pub(crate) writing: Writing,
    /// The peer hung up: a short read is not the end yet.
    pub(crate) hung_up: bool,
}

/// All open streams.
pub(crate) type LinkTable = Slab<LinkKey, Link>;

impl Link {
    /// A stream that was just opened.
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            reading: Reading::Waiting,
            writing: Writing::Open,
            hung_up: false,
        }
    }

    /// Asks for events about bytes to read.
    pub(crate) fn register(&mut self, registry: &Registry, key: LinkKey) -> io::Result<()> {
        let (main, output) = tokens(key);
        match &mut self.stream {
            Stream::Socket(socket) | Stream::Dialed(socket) => {
                registry.register(socket, main, Interest::READABLE)
            }
            Stream::Tls(stream) => registry.register(stream.socket(), main, Interest::READABLE),
            Stream::Local(socket) => registry.register(socket, main, Interest::READABLE),
            // Its stdin is registered when it refuses bytes for the first time.
            Stream::Child { stdout, .. } => registry.register(stdout, main, Interest::READABLE),
            Stream::Stdio {
                input,
                output: stdout,
            } => {
                input.register(registry, main)?;
                stdout.register(registry, output)
            }
        }
    }

    /// Asks for an event when the stream takes bytes again, or stops asking.
    pub(crate) fn want_writable(
        &mut self,
        registry: &Registry,
        key: LinkKey,
        wanted: bool,
    ) -> io::Result<()> {
        let (main, output) = tokens(key);
        match &mut self.stream {
            Stream::Socket(socket) | Stream::Dialed(socket) => {
                registry.reregister(socket, main, interest(wanted))
            }
            Stream::Tls(stream) => registry.reregister(stream.socket(), main, interest(wanted)),
            Stream::Local(socket) => registry.reregister(socket, main, interest(wanted)),
            // Stays registered: an edge comes only when a full pipe has been read from.
            Stream::Child {
                stdin: Some(stdin), ..
            } if wanted => match registry.reregister(stdin, output, Interest::WRITABLE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    registry.register(stdin, output, Interest::WRITABLE)
                }
                done => done,
            },
            Stream::Child { .. } => Ok(()),
            Stream::Stdio { output: stdout, .. } => stdout.want_writable(registry, output, wanted),
        }
    }

    /// Reads once.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<Got> {
        loop {
            let got = match &mut self.stream {
                Stream::Tls(stream) => return stream.read(into),
                Stream::Socket(socket) | Stream::Dialed(socket) => socket.read(into),
                Stream::Local(socket) => socket.read(into),
                Stream::Child { stdout, .. } => stdout.read(into),
                Stream::Stdio { input, .. } => input.read(into),
            };
            match got {
                Ok(0) => return Ok(Got::End),
                Ok(bytes) => return Ok(Got::Bytes(bytes)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a read that did not fill the buffer has emptied the stream, so that the read which
    /// would only say `WouldBlock` can be saved: true for TCP and pipes (epoll(7)), not for
    /// terminals and Unix sockets, and not once the peer hung up.
    pub(crate) fn short_read_empties(&self) -> bool {
        match &self.stream {
            Stream::Socket(_) | Stream::Dialed(_) | Stream::Child { .. } => !self.hung_up,
            Stream::Tls(_) | Stream::Local(_) | Stream::Stdio { .. } => false,
        }
    }

    /// Writes once.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let done = match (&mut self.stream, slices) {
                (Stream::Socket(socket) | Stream::Dialed(socket), [one]) => socket.write(one),
                (Stream::Tls(stream), _) => return stream.write(slices),
                (Stream::Local(socket), _) => socket.write_vectored(slices),
                (
                    Stream::Child {
                        stdin: Some(stdin), ..
                    },
                    [one],
                ) => stdin.write(one),
                (Stream::Socket(socket) | Stream::Dialed(socket), _) => {
                    socket.write_vectored(slices)
                }
                (
                    Stream::Child {
                        stdin: Some(stdin), ..
                    },
                    _,
                ) => stdin.write_vectored(slices),
                (Stream::Child { stdin: None, .. }, _) => Err(io::ErrorKind::BrokenPipe.into()),
                (Stream::Stdio { output, .. }, _) => output.write(slices),
            };
            match done {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Whether something that was written waits here for the kernel, as only TLS makes it.
    pub(crate) fn holds(&self) -> bool {
        matches!(&self.stream, Stream::Tls(stream) if stream.holds())
            && self.writing != Writing::Refused
    }

    /// Gives the kernel what waits for it.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tls(stream) => stream.drain(),
            Stream::Socket(_)
            | Stream::Dialed(_)
            | Stream::Local(_)
            | Stream::Child { .. }
            | Stream::Stdio { .. } => Ok(()),
        }
    }

    /// Closes the half that is written. Our own stdout stays open: its description belongs to our
    /// parent as well, and it ends with the process.
    pub(crate) fn shut(&mut self) {
        self.writing = Writing::Shut;
        match &mut self.stream {
            Stream::Socket(socket) | Stream::Dialed(socket) => {
                // It may have been reset meanwhile; the next read tells.
                let _shut = socket.shutdown(Shutdown::Write);
            }
            Stream::Tls(stream) => stream.shut(),
            Stream::Local(socket) => {
                let _shut = socket.shutdown(Shutdown::Write);
            }
            Stream::Child { stdin, .. } => *stdin = None,
            Stream::Stdio { .. } => {}
        }
    }

    /// The last thing before it is closed: ends the events of a stream that closing alone would not
    /// end, and says good-bye where that is due.
    pub(crate) fn leave(&mut self, registry: &Registry) {
        match &mut self.stream {
            Stream::Stdio { input, output } => {
                input.deregister(registry);
                output.deregister(registry);
            }
            Stream::Tls(stream) => stream.shut(),
            Stream::Socket(_) | Stream::Dialed(_) | Stream::Local(_) | Stream::Child { .. } => {}
        }
    }
}

fn interest(writable: bool) -> Interest {
    if writable {
        Interest::READABLE | Interest::WRITABLE
    } else {
        Interest::READABLE
    }
}

fn tokens(key: LinkKey) -> (Token, Token) {
    (
        token(Subject::Link(key.key())),
        token(Subject::LinkOutput(key.key())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_kind_index_and_generation() {
        for index in [0, 1, INDEX] {
            for generation in [0, 1, u32::MAX] {
                let key = Key { index, generation };
                for about in [
                    Subject::Link(key),
                    Subject::LinkOutput(key),
                    Subject::Stderr(key),
                    Subject::Dial(key),
                ] {
                    assert_eq!(subject(token(about)), about);
                }
            }
        }
        assert_eq!(subject(token(Subject::Fixed(7))), Subject::Fixed(7));
    }
}
