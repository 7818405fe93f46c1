//! Our own stdin, stdout and stderr, read and written without ever waiting and without touching
//! their flags: the open file description is shared with the shell and with our parent, and
//! O_NONBLOCK set by us would break theirs.
//!
//! What `fstat` says decides how each one is handled (DESIGN 6). Never knows what the bytes mean.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::io::{IoSlice, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::shell::sys;

/// Bytes that a pipe takes whole once `poll(2)` calls it writable.
const PIPE_BUF: usize = 4096;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// We read.
    In,
    /// We write.
    Out,
}

/// One of our three standard descriptors.
#[derive(Debug)]
pub(crate) struct Standard {
    file: File,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Electron and Node give socketpairs: `recv` and `send` can be told not to wait.
    Socket,
    /// A pipe or terminal that we opened once more, for a description of our own that does not
    /// block.
    Reopened,
    /// A pipe, terminal or device that could not be opened again: `poll(2)` before each read, and
    /// writes of at most [`PIPE_BUF`].
    Shared,
    /// A regular file or a device that epoll refuses: always ready.
    AlwaysReady,
}

impl Standard {
    /// Takes a descriptor of ours (0, 1 or 2, or a test's) into use; the original stays open.
    pub(crate) fn open(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<Self> {
        let file = File::from(fd.try_clone_to_owned()?);
        let found = file.metadata()?;
        let kind = found.file_type();
        let (file, kind) = if kind.is_socket() {
            (file, Kind::Socket)
        } else if kind.is_file() || kind.is_dir() || kind.is_block_device() {
            (file, Kind::AlwaysReady)
        } else if kind.is_fifo() || file.is_terminal() {
            match reopen(fd, direction, &found) {
                Some(own) => (own, Kind::Reopened),
                None => (file, Kind::Shared),
            }
        } else {
            (file, Kind::Shared)
        };
        Ok(Self { file, kind })
    }

    /// Whether this is a regular file: its end is known from the start.
    pub(crate) fn is_regular_file(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.is_file())
    }

    /// Whether data that was read in a short piece may have more behind it without a new event.
    pub(crate) fn is_always_ready(&self) -> bool {
        self.kind == Kind::AlwaysReady
    }

    /// Asks for events. An output is registered for reading, which on Linux reports nothing but
    /// that its reader went away.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if self.kind == Kind::AlwaysReady {
            return Ok(());
        }
        let mut source = SourceFd(&self.file.as_raw_fd());
        match source.register(registry, token, Interest::READABLE) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                self.kind = Kind::AlwaysReady;
                Ok(())
            }
            done => done,
        }
    }

    /// Asks for an event when it takes bytes again, or stops asking.
    pub(crate) fn want_writable(
        &self,
        registry: &Registry,
        token: Token,
        wanted: bool,
    ) -> io::Result<()> {
        if self.kind == Kind::AlwaysReady {
            return Ok(());
        }
        let interest = if wanted {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        SourceFd(&self.file.as_raw_fd()).reregister(registry, token, interest)
    }

    /// Ends the events. Closing would not: the description lives on in our parent.
    pub(crate) fn deregister(&self, registry: &Registry) {
        if self.kind != Kind::AlwaysReady {
            let _gone = SourceFd(&self.file.as_raw_fd()).deregister(registry);
        }
    }

    /// Reads what is there; `WouldBlock` if nothing is.
    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => sys::recv_nowait(self.file.as_fd(), into),
            Kind::Reopened | Kind::AlwaysReady => (&self.file).read(into),
            Kind::Shared => {
                let now = sys::poll_one(self.file.as_fd(), 0);
                if now.readable || now.closed {
                    (&self.file).read(into)
                } else {
                    Err(io::ErrorKind::WouldBlock.into())
                }
            }
        }
    }

    /// Writes what fits; `WouldBlock` if nothing does.
    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => sys::send_nowait(self.file.as_fd(), slices),
            Kind::Reopened | Kind::AlwaysReady => (&self.file).write_vectored(slices),
            Kind::Shared => {
                let now = sys::poll_one(self.file.as_fd(), 0);
                let first = slices.iter().find(|slice| !slice.is_empty());
                match first {
                    None => Ok(0),
                    Some(first) if now.writable || now.closed => {
                        (&self.file).write(&first[..first.len().min(PIPE_BUF)])
                    }
                    Some(_) => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Waits until it takes bytes, at most `wait_ms`: only for the last lines of the log.
    pub(crate) fn wait_writable(&self, wait_ms: u16) {
        sys::wait_writable(self.file.as_fd(), wait_ms);
    }
}

/// Opens the same pipe or terminal again. Fails where /proc is missing, where the file belongs to
/// somebody else (`su`, `sudo`), and for a pipe that nobody reads any more.
fn reopen(fd: BorrowedFd<'_>, direction: Direction, found: &Metadata) -> Option<File> {
    let fd: RawFd = fd.as_raw_fd();
    let own = OpenOptions::new()
        .read(direction == Direction::In)
        .write(direction == Direction::Out)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{fd}"))
        .ok()?;
    let same = own.metadata().ok()?;
    ((same.dev(), same.ino()) == (found.dev(), found.ino())).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::sys::tests::open_pty;
    use std::os::unix::net::UnixStream;

    fn is_nonblocking(fd: BorrowedFd<'_>) -> bool {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()));
        let info = info.unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = i32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        flags & libc::O_NONBLOCK != 0
    }

    fn would_block<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
        result.unwrap_err().kind() == io::ErrorKind::WouldBlock
    }

    /// What reading after the writer went away gives, with the same patience as [`final_error`].
    fn at_the_end(stdin: &Standard) -> usize {
        loop {
            if let Ok(n) = stdin.read(&mut [0; 8]) {
                return n;
            }
        }
    }

    /// What writing to a pipe without reader gives. Not at once: a process that another test's
    /// thread just forked may still hold the reading end for a moment.
    fn final_error(stdout: &Standard) -> io::ErrorKind {
        loop {
            match stdout.write(&[IoSlice::new(b"x")]) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return error.kind(),
                Ok(_) | Err(_) => {}
            }
        }
    }

    #[test]
    fn a_pipe_is_read_through_a_description_of_our_own() {
        let (reader, mut writer) = io::pipe().unwrap();
        let stdin = Standard::open(reader.as_fd(), Direction::In).unwrap();
        assert_eq!(stdin.kind, Kind::Reopened);
        let mut buffer = [0; 8];
        assert!(would_block(stdin.read(&mut buffer)));
        writer.write_all(b"abc").unwrap();
        assert_eq!(stdin.read(&mut buffer).unwrap(), 3);
        drop(writer);
        assert_eq!(at_the_end(&stdin), 0);
        assert!(!is_nonblocking(reader.as_fd()));
    }

    #[test]
    fn a_full_pipe_refuses_and_a_pipe_without_reader_is_broken() {
        let (reader, writer) = io::pipe().unwrap();
        let stdout = Standard::open(writer.as_fd(), Direction::Out).unwrap();
        let block = [b'x'; 100_000];
        let mut taken = 0;
        let full = loop {
            match stdout.write(&[IoSlice::new(&block)]) {
                Ok(n) => taken += n,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(taken >= PIPE_BUF);
        assert!(!is_nonblocking(writer.as_fd()));
        drop(reader);
        assert_eq!(final_error(&stdout), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_pipe_that_cannot_be_opened_again_is_polled_and_never_blocks() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut stdin = Standard::open(reader.as_fd(), Direction::In).unwrap();
        stdin.file = File::from(reader.as_fd().try_clone_to_owned().unwrap());
        stdin.kind = Kind::Shared;
        let mut buffer = [0; 8];
        assert!(would_block(stdin.read(&mut buffer)));
        writer.write_all(b"abc").unwrap();
        assert_eq!(stdin.read(&mut buffer).unwrap(), 3);
        assert!(would_block(stdin.read(&mut buffer)));
        let mut stdout = Standard::open(writer.as_fd(), Direction::Out).unwrap();
        stdout.file = File::from(writer.as_fd().try_clone_to_owned().unwrap());
        stdout.kind = Kind::Shared;
        let block = [b'x'; 100_000];
        assert_eq!(stdout.write(&[IoSlice::new(&block)]).unwrap(), PIPE_BUF);
        while stdout.write(&[IoSlice::new(&block)]).is_ok() {}
        assert!(would_block(stdout.write(&[IoSlice::new(&block)])));
        drop((reader, stdin));
        assert_eq!(final_error(&stdout), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_socketpair_stays_blocking_for_its_other_owners() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let both = Standard::open(ours.as_fd(), Direction::In).unwrap();
        assert_eq!(both.kind, Kind::Socket);
        let mut buffer = [0; 8];
        assert!(would_block(both.read(&mut buffer)));
        assert!(!is_nonblocking(ours.as_fd()));
        assert_eq!(both.write(&[IoSlice::new(b"hi")]).unwrap(), 2);
        theirs.read_exact(&mut buffer[..2]).unwrap();
        drop(theirs);
        assert_eq!(at_the_end(&both), 0);
    }

    #[test]
    fn a_terminal_is_read_without_changing_its_flags() {
        let (mut master, slave) = open_pty();
        let stdin = Standard::open(slave.as_fd(), Direction::In).unwrap();
        assert_eq!(stdin.kind, Kind::Reopened);
        let mut buffer = [0; 16];
        assert!(would_block(stdin.read(&mut buffer)));
        master.write_all(b"line\n").unwrap();
        assert_eq!(stdin.read(&mut buffer).unwrap(), 5);
        assert!(!is_nonblocking(slave.as_fd()));
    }

    #[test]
    fn files_and_dev_null_are_always_ready() {
        let poll = mio::Poll::new().unwrap();
        for path in ["/etc/passwd", "/dev/null"] {
            let file = File::open(path).unwrap();
            let mut stdin = Standard::open(file.as_fd(), Direction::In).unwrap();
            stdin.register(poll.registry(), Token(0)).unwrap();
            assert!(stdin.is_always_ready(), "{path}");
            assert_eq!(stdin.is_regular_file(), path == "/etc/passwd");
            assert!(stdin.read(&mut [0; 8]).is_ok());
        }
    }

    #[test]
    fn the_reader_going_away_is_an_event_on_an_idle_stdout() {
        let mut poll = mio::Poll::new().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let mut stdout = Standard::open(writer.as_fd(), Direction::Out).unwrap();
        stdout.register(poll.registry(), Token(7)).unwrap();
        drop(reader);
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, None).unwrap();
        let event = events.iter().next().unwrap();
        assert!(event.token() == Token(7) && event.is_error());
    }
}
