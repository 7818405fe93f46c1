//! Options of TCP sockets that std has no names for.

use std::os::fd::{AsRawFd, BorrowedFd};

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

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
