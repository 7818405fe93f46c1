//! Options of TCP sockets that std has no names for, and sockets that somebody else has opened.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd};

use onemcp::limits::{PROBE_EVERY_S, PROBE_IDLE_S, PROBES_MAX, UNACKNOWLEDGED_MS_MAX};

/// Lets the kernel find out that the peer of a TCP socket is gone without a word: its machine was
/// switched off, or something on the way forgot the connection. A system that lacks one of the
/// options finds out later.
pub(crate) fn probe_dead_peers(fd: BorrowedFd<'_>) {
    set(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1);
    #[cfg(target_os = "linux")]
    let idle = libc::TCP_KEEPIDLE;
    #[cfg(target_vendor = "apple")]
    let idle = libc::TCP_KEEPALIVE;
    set(fd, libc::IPPROTO_TCP, idle, PROBE_IDLE_S);
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, PROBE_EVERY_S);
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, PROBES_MAX);
    #[cfg(target_os = "linux")]
    set(
        fd,
        libc::IPPROTO_TCP,
        libc::TCP_USER_TIMEOUT,
        UNACKNOWLEDGED_MS_MAX,
    );
    #[cfg(not(target_os = "linux"))]
    let _unused = UNACKNOWLEDGED_MS_MAX;
}

fn set(fd: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int, value: u32) {
    let at = (&raw const value).cast();
    let length = super::narrow::<libc::socklen_t>(size_of::<u32>());
    // SAFETY: `at` points to `length` readable bytes that live through the call.
    let _refused = unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, at, length) };
}

/// Why a descriptor that was passed to us is no socket to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOurs {
    /// It is not open.
    Closed,
    /// It is something else.
    NoSocket,
    /// It is a socket, but not for streams.
    NoStream,
    /// Nobody has said `listen`.
    NotListening,
    /// It is a local socket.
    Local,
}

/// The TCP socket that whoever started us has opened as this descriptor, and listens on. To be
/// asked for at most once per descriptor, before we have opened any of our own there.
pub(crate) fn passed_socket(fd: RawFd) -> Result<TcpListener, NotOurs> {
    // SAFETY: asks for a flag; any number is allowed.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(NotOurs::Closed);
    }
    // SAFETY: it is open, and nobody closes it meanwhile: the caller says that it is nobody's yet.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    match get(borrowed, libc::SO_TYPE) {
        None => return Err(NotOurs::NoSocket),
        Some(libc::SOCK_STREAM) => {}
        Some(_) => return Err(NotOurs::NoStream),
    }
    if get(borrowed, libc::SO_ACCEPTCONN).unwrap_or_default() == 0 {
        return Err(NotOurs::NotListening);
    }
    // SAFETY: it is open, and from here on it is owned by what is returned only.
    let listener = unsafe { TcpListener::from_raw_fd(fd) };
    match listener.local_addr() {
        Ok(_) => Ok(listener),
        Err(_) => Err(NotOurs::Local),
    }
}

fn get(fd: BorrowedFd<'_>, option: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = super::narrow::<libc::socklen_t>(size_of::<libc::c_int>());
    let (at, long) = ((&raw mut value).cast(), &raw mut length);
    // SAFETY: `at` points to as many writable bytes as `long` says; both live through the call.
    let done = unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, at, long) };
    (done == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::net::{TcpStream, UdpSocket};
    use std::os::fd::{AsFd, IntoRawFd};
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_socket_that_was_passed_is_told_from_what_is_none() {
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = own.local_addr().unwrap();
        let passed = passed_socket(own.into_raw_fd()).unwrap();
        assert_eq!(passed.local_addr().unwrap(), address);
        let talking = TcpStream::connect(address).unwrap();
        let file = File::open("/dev/null").unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dir = crate::shell::disk::tests::TempDir::new();
        let local = UnixListener::bind(dir.path().join("s")).unwrap();
        for (fd, why) in [
            (file.as_raw_fd(), NotOurs::NoSocket),
            (datagrams.as_raw_fd(), NotOurs::NoStream),
            (talking.as_raw_fd(), NotOurs::NotListening),
            (1_000_000, NotOurs::Closed),
        ] {
            assert_eq!(passed_socket(fd).unwrap_err(), why);
        }
        // This one is taken and closed.
        assert_eq!(
            passed_socket(local.into_raw_fd()).unwrap_err(),
            NotOurs::Local
        );
    }

    #[test]
    fn the_kernel_was_told_to_look_for_dead_peers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        probe_dead_peers(socket.as_fd());
        let get = |level, option| {
            let (mut value, mut length) = (0_u32, super::super::narrow(size_of::<u32>()));
            let (fd, at) = (socket.as_fd().as_raw_fd(), (&raw mut value).cast());
            // SAFETY: both are writable.
            let done = unsafe { libc::getsockopt(fd, level, option, at, &raw mut length) };
            assert_eq!(done, 0);
            value
        };
        assert_eq!(get(libc::SOL_SOCKET, libc::SO_KEEPALIVE), 1);
        #[cfg(target_os = "linux")]
        for (option, value) in [
            (libc::TCP_KEEPIDLE, PROBE_IDLE_S),
            (libc::TCP_KEEPINTVL, PROBE_EVERY_S),
            (libc::TCP_KEEPCNT, PROBES_MAX),
            (libc::TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS_MAX),
        ] {
            assert_eq!(get(libc::IPPROTO_TCP, option), value);
        }
    }
}
