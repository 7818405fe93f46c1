//! Sockets that whoever started us has opened and listens on (`LISTEN_FDS`, as systemd does it):
//! they outlive us, so nobody who connects while we are exchanged is turned away.
//!
//! Never guesses: what is announced and not there ends the start.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;

use onemcp::limits::PASSED_SOCKETS_MAX;

use crate::shell::listener::Listener;
use crate::shell::sys::{self, NotOurs};

/// The first one is this descriptor, the others follow.
const FIRST: RawFd = 3;

/// All that whoever starts us may say about them. None of it is for our children.
const VARIABLES: [&str; 4] = [
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
];

/// What was passed to us, taken out of the environment: whoever asks again gets nothing. To be
/// called before the first thread is started. The error is one line for the user.
pub(crate) fn take() -> Result<Passed, String> {
    let [pid, count, ..] = VARIABLES.map(sys::variables::take_variable);
    let count = announced(std::process::id(), pid, count)?;
    let numbers = (FIRST..).take(count);
    let sockets: Result<Vec<Listener>, String> = numbers.map(one).collect();
    Ok(Passed { sockets: sockets? })
}

/// How many sockets are passed to the process of this number.
fn announced(own: u32, pid: Option<OsString>, count: Option<OsString>) -> Result<usize, String> {
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty());
    let (Some(pid), Some(count)) = (set(pid), set(count)) else {
        return Ok(0);
    };
    let pid: u32 = number(&pid).ok_or_else(|| expected("LISTEN_PID", "a process id", &pid))?;
    // Somebody above us was meant, and has left the variables in the environment.
    if pid != own {
        return Ok(0);
    }
    number(&count)
        .filter(|count| *count <= PASSED_SOCKETS_MAX)
        .ok_or_else(|| {
            let what = format!("a number from 0 to {PASSED_SOCKETS_MAX}");
            expected("LISTEN_FDS", &what, &count)
        })
}

/// Digits only.
fn number<N: std::str::FromStr>(text: &OsStr) -> Option<N> {
    let text = text.to_str()?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn expected(name: &str, what: &str, found: &OsStr) -> String {
    format!("{name} must be {what}, found {found:?}: whoever starts 1mcp sets it")
}

fn one(fd: RawFd) -> Result<Listener, String> {
    let failed =
        |why: &str| format!("descriptor {fd}, which LISTEN_FDS says was passed to 1mcp, {why}");
    let socket = sys::passed_socket(fd).map_err(|why| {
        failed(match why {
            NotOurs::Closed => "is not open",
            NotOurs::NoSocket => "is no socket",
            NotOurs::NoStream => "is no stream socket; only TCP is served",
            NotOurs::NotListening => {
                "is a connection; only sockets that listen are served: with \
                                      systemd, set Accept=no"
            }
            NotOurs::Local => {
                "is a local socket; only TCP is served: with systemd, give \
                               ListenStream= a port"
            }
        })
    })?;
    Listener::passed(socket).map_err(|error| failed(&format!("cannot be used: {error}")))
}

/// The sockets that were passed to us.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    sockets: Vec<Listener>,
}

impl Passed {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// The sockets themselves.
    pub(crate) fn into_sockets(self) -> Vec<Listener> {
        self.sockets
    }

    /// What stands for `--host`: of several addresses the one that most people reach.
    pub(crate) fn host(&self) -> Option<String> {
        widest(&self.sockets).map(|address| address.ip().to_string())
    }
}

/// Of several addresses the one that most people reach: it stands for all.
pub(crate) fn widest(listeners: &[Listener]) -> Option<SocketAddr> {
    let addresses = listeners.iter().filter_map(Listener::address);
    addresses.min_by_key(|address| narrowness(&address.ip()))
}

fn narrowness(ip: &IpAddr) -> u8 {
    match ip.to_canonical() {
        ip if ip.is_unspecified() => 0,
        ip if !ip.is_loopback() => 1,
        _ => 2,
    }
}

/// `, on 2 sockets passed to it: 127.0.0.1:3050, [::1]:3050`.
pub(crate) fn described(addresses: &[SocketAddr]) -> String {
    let all: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    match addresses.len() {
        1 => format!(", on a socket passed to it: {}", all.join(", ")),
        count => format!(", on {count} sockets passed to it: {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn told(pid: Option<&str>, count: Option<&str>) -> Result<usize, String> {
        announced(42, pid.map(OsString::from), count.map(OsString::from))
    }

    #[test]
    fn sockets_are_ours_only_if_we_are_named() {
        assert_eq!(told(None, None), Ok(0));
        assert_eq!(told(Some("42"), None), Ok(0));
        assert_eq!(told(None, Some("2")), Ok(0));
        assert_eq!(told(Some("41"), Some("2")), Ok(0));
        // Unset, as some wrappers do it.
        assert_eq!(told(Some(""), Some("1")), Ok(0));
        assert_eq!(told(Some("42"), Some("")), Ok(0));
        assert_eq!(told(Some("42"), Some("0")), Ok(0));
        assert_eq!(told(Some("42"), Some("2")), Ok(2));
        assert_eq!(told(Some("42"), Some("16")), Ok(PASSED_SOCKETS_MAX));
    }

    #[test]
    fn wrong_values_are_one_line_that_names_the_variable() {
        for (pid, count, name) in [
            ("+42", "1", "LISTEN_PID"),
            ("x", "1", "LISTEN_PID"),
            ("42", "-1", "LISTEN_FDS"),
            ("42", "17", "LISTEN_FDS must be a number from 0 to 16"),
            ("42", "99999999999999999999", "LISTEN_FDS"),
        ] {
            let error = told(Some(pid), Some(count)).unwrap_err();
            assert!(error.contains(name) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_widest_address_decides_how_open_we_are() {
        let open = |at: &str| Listener::passed(TcpListener::bind(at).unwrap()).unwrap();
        let passed = |at: &[&str]| Passed {
            sockets: at.iter().map(|at| open(at)).collect(),
        };
        assert_eq!(Passed::default().host(), None);
        let all = passed(&["127.0.0.1:0", "0.0.0.0:0", "127.0.0.2:0"]);
        assert_eq!(all.host().as_deref(), Some("0.0.0.0"));
        assert_eq!(widest(&all.sockets), all.sockets[1].address());
        let own = passed(&["127.0.0.2:0", "127.0.0.1:0"]);
        assert_eq!(own.host().as_deref(), Some("127.0.0.2"));
        assert!(!own.is_empty() && own.into_sockets()[0].is_passed());
    }
}
