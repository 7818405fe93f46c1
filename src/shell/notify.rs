//! Tells whoever started us how far we are (`NOTIFY_SOCKET`, as systemd's `Type=notify` wants it).
//! Says nothing if nobody asked, and never waits for a listener.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::shell::sys;

/// The variable that names the socket. It is not for our children.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Clients are accepted.
    Ready,
    /// We were told to stop.
    Stopping,
}

/// Who wants to know.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notify {
    /// Whom the environment names; it is taken out of there. To be called before the first thread
    /// is started. If that cannot be used: one line that is worth a warning.
    pub(crate) fn take() -> (Self, Option<String>) {
        Self::named(sys::variables::take_variable(VARIABLE))
    }

    /// An empty name is none.
    fn named(name: Option<OsString>) -> (Self, Option<String>) {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return (Self::default(), None);
        };
        match Self::at(&name) {
            Ok(notify) => (notify, None),
            Err(error) => {
                let line = format!("nobody hears us at {VARIABLE} {name:?}: {error}");
                (Self::default(), Some(line))
            }
        }
    }

    fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            #[cfg(target_os = "linux")]
            [b'@', rest @ ..] => {
                use std::os::linux::net::SocketAddrExt;
                SocketAddr::from_abstract_name(rest)
            }
            [b'/', ..] => SocketAddr::from_pathname(name),
            _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            to: Some((socket, address)),
        })
    }

    /// Says it, if anybody wants to know.
    pub(crate) fn say(&self, state: State) {
        let text: &[u8] = match state {
            State::Ready => b"READY=1\n",
            State::Stopping => b"STOPPING=1\n",
        };
        if let Some((socket, address)) = &self.to {
            // Whoever does not hear it gives us up after a while, and says so.
            let _heard = socket.send_to_addr(text, address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::disk::tests::TempDir;

    #[track_caller]
    fn heard(listener: &UnixDatagram, notify: &Notify) {
        let mut bytes = [0; 64];
        for (state, text) in [
            (State::Ready, "READY=1\n"),
            (State::Stopping, "STOPPING=1\n"),
        ] {
            notify.say(state);
            let n = listener.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..n], text.as_bytes());
        }
    }

    #[test]
    fn who_asked_hears_that_we_are_ready_and_that_we_stop() {
        let dir = TempDir::new();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        heard(&listener, &Notify::at(path.as_os_str()).unwrap());
        Notify::default().say(State::Ready);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_no_path_is_heard_too() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("1mcp-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        heard(&listener, &Notify::at(format!("@{name}").as_ref()).unwrap());
    }

    #[test]
    fn other_names_are_refused_and_nobody_there_is_no_fault() {
        assert!(Notify::at("vsock:2:1".as_ref()).is_err());
        assert!(Notify::named(Some("x".into())).1.is_some());
        assert!(Notify::named(Some("".into())).1.is_none());
        let long = format!("/{}", "x".repeat(200));
        assert!(Notify::at(long.as_ref()).is_err());
        Notify::at("/nowhere/at/all".as_ref())
            .unwrap()
            .say(State::Ready);
    }
}
