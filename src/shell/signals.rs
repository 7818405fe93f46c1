//! Signals as events of the loop: a handler writes one byte into a pipe (signalfd would need
//! blocked signals, which children inherit), and this file says what each byte asks for.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::OpenOptionsExt;

use mio::unix::pipe::{self, Receiver};
use mio::{Interest, Registry, Token};

use crate::shell::sys;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGTERM, SIGINT, or the terminal is gone.
    Stop,
    /// SIGHUP otherwise.
    Reload,
    /// SIGCHLD.
    Reap,
}

/// The reading end of the signal pipe.
#[derive(Debug)]
pub(crate) struct Signals {
    pipe: Receiver,
    had_terminal: bool,
    caught: Caught,
}

/// Which signals are caught.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caught(Vec<i32>);

impl Caught {
    /// Lets them do what they do by themselves again.
    pub(crate) fn restore(&self) {
        for &signal in &self.0 {
            let _done = sys::default_signal(signal);
        }
    }
}

impl Signals {
    /// Begins to catch signals. Once per process.
    pub(crate) fn install() -> io::Result<Self> {
        sys::clear_signal_mask();
        // The runtime ignores SIGPIPE for us already, and gives it back to children.
        sys::ignore_signal(libc::SIGPIPE)?;
        let (writer, pipe) = pipe::new()?;
        let mut caught = vec![libc::SIGTERM, libc::SIGINT, libc::SIGCHLD];
        if !sys::is_ignored(libc::SIGHUP) {
            // Under nohup it stays ignored.
            caught.push(libc::SIGHUP);
        }
        // Leaked: the handler may write to it until the process ends.
        sys::deliver_signals(writer.into_raw_fd(), &caught)?;
        Ok(Self {
            pipe,
            had_terminal: terminal_is_there(),
            caught: Caught(caught),
        })
    }

    /// What to restore when nobody listens any more.
    pub(crate) fn caught(&self) -> Caught {
        self.caught.clone()
    }

    /// Asks for events.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.pipe, token, Interest::READABLE)
    }

    /// What arrived since the last call, in order; several of a kind in a row count once, but two
    /// requests to stop stay two.
    pub(crate) fn take(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        let mut bytes = [0; 64];
        while let Ok(n @ 1..) = self.pipe.read(&mut bytes) {
            for &byte in &bytes[..n] {
                let request = match i32::from(byte) {
                    libc::SIGCHLD => Request::Reap,
                    libc::SIGHUP if self.had_terminal && !terminal_is_there() => Request::Stop,
                    libc::SIGHUP => Request::Reload,
                    _ => Request::Stop,
                };
                if request == Request::Stop || requests.last() != Some(&request) {
                    requests.push(request);
                }
            }
        }
        requests
    }
}

/// Whether we have a controlling terminal. Once it is gone, `/dev/tty` gives ENXIO (or EIO, while
/// it hangs up).
fn terminal_is_there() -> bool {
    match OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open("/dev/tty")
    {
        Ok(_terminal) => true,
        Err(error) => !matches!(
            error.raw_os_error(),
            Some(libc::ENXIO | libc::EIO | libc::ENOENT)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn signals(had_terminal: bool) -> (Signals, pipe::Sender) {
        let (writer, pipe) = pipe::new().unwrap();
        let signals = Signals {
            pipe,
            had_terminal,
            caught: Caught::default(),
        };
        (signals, writer)
    }

    #[test]
    fn each_signal_asks_for_its_own_thing() {
        let (mut signals, mut writer) = signals(false);
        assert_eq!(signals.take(), []);
        let bytes = [
            libc::SIGCHLD,
            libc::SIGCHLD,
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGTERM,
        ];
        let bytes = bytes.map(|signal| u8::try_from(signal).unwrap());
        writer.write_all(&bytes).unwrap();
        assert_eq!(
            signals.take(),
            [Request::Reap, Request::Reload, Request::Stop, Request::Stop]
        );
        assert_eq!(signals.take(), []);
    }
}
