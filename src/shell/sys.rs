//! Every operation that needs `unsafe`: the few calls that std lacks, each behind a safe signature.
//!
//! Owns nothing. Knows no links, no children, no MCP. One unsafe operation per block, each with the
//! reason why it is sound. What exists on Linux only has a fallback that says "not here", so that
//! a fallback that says "not here", so that the callers need no `cfg` of their own.
#![expect(unsafe_code, reason = "the one file of this program that calls libc")]

pub(crate) mod files;
mod inotify;
#[cfg(all(target_env = "musl", panic = "abort"))]
mod no_unwind;
mod signals;
mod sockets;
#[cfg(target_os = "linux")]
mod standard;
mod terminal;
pub(crate) mod variables;

use std::ffi::CString;
use std::io;
use std::io::IoSlice;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::Path;
use std::process::Command;
use std::ptr;

pub(crate) use inotify::{inotify_add, inotify_open, inotify_remove};
pub(crate) use signals::{
    clear_signal_mask, default_signal, deliver_signals, ignore_signal, is_ignored,
};
pub(crate) use sockets::{NotOurs, passed_socket, probe_dead_peers};
pub(crate) use terminal::Hush;

// --- readiness of descriptors whose flags are not ours to change ------------------------------

/// What `poll(2)` says about one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// A read would not block.
    pub(crate) readable: bool,
    /// A write of at most `PIPE_BUF` bytes would not block.
    pub(crate) writable: bool,
    /// The other side is gone, or the descriptor is not open.
    pub(crate) closed: bool,
}

/// Asks `poll(2)` about one descriptor and waits at most `wait_ms`.
pub(crate) fn poll_one(fd: BorrowedFd<'_>, wait_ms: u16) -> Readiness {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN | libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: `entry` is one valid pollfd and lives through the call.
    let found = unsafe { libc::poll(&raw mut entry, 1, i32::from(wait_ms)) };
    let events = if found > 0 { entry.revents } else { 0 };
    let has = |bits: i16| events & bits != 0;
    Readiness {
        readable: has(libc::POLLIN | libc::POLLHUP),
        writable: has(libc::POLLOUT),
        closed: has(libc::POLLERR | libc::POLLHUP | libc::POLLNVAL),
    }
}

/// Waits until a write would not block, at most `wait_ms`.
pub(crate) fn wait_writable(fd: BorrowedFd<'_>, wait_ms: u16) {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: `entry` is one valid pollfd and lives through the call.
    let _ready = unsafe { libc::poll(&raw mut entry, 1, i32::from(wait_ms)) };
}

/// Reads from a socket without waiting, whatever the flags of its description are.
pub(crate) fn recv_nowait(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    let (at, length) = (into.as_mut_ptr().cast(), into.len());
    // SAFETY: `at` points to `length` writable bytes that are borrowed for the call.
    let got = unsafe { libc::recv(fd.as_raw_fd(), at, length, libc::MSG_DONTWAIT) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

/// Writes to a socket without waiting and without SIGPIPE, whatever its flags are.
pub(crate) fn send_nowait(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: msghdr is plain data; all zeroes is the empty message.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // IoSlice is documented to have the layout of iovec on Unix; sendmsg only reads through it.
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = narrow(slices.len());
    let flags = libc::MSG_DONTWAIT | NO_SIGPIPE;
    // SAFETY: `message` describes slices that are borrowed for the call.
    let sent = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// The types of some fields differ between C libraries; no length of ours has 2^31.
fn narrow<T: TryFrom<usize> + Default>(length: usize) -> T {
    T::try_from(length).unwrap_or_default()
}

#[cfg(not(target_vendor = "apple"))]
const NO_SIGPIPE: i32 = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGPIPE: i32 = 0;

/// Makes the buffer of a pipe larger where the system allows it; a smaller one works as well.
pub(crate) fn grow_pipe(fd: BorrowedFd<'_>, bytes: i32) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: F_SETPIPE_SZ takes an int and touches no memory of ours.
        let _granted = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
    }
    #[cfg(not(target_os = "linux"))]
    let _unused = (fd, bytes);
}

// --- processes ----------------------------------------------------------------------------------

/// Sends a signal to a process group. An id below 2 is refused: 0 and 1 mean other things to
/// `kill(2)`.
pub(crate) fn kill_group(group: u32, signal: i32) -> io::Result<()> {
    let Some(group) = i32::try_from(group).ok().filter(|id| *id > 1) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: has no memory preconditions.
    outcome(unsafe { libc::kill(-group, signal) })
}

/// Whether there is a process of this number (a zombie counts).
pub(crate) fn process_exists(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().filter(|id| *id > 0) else {
        return false;
    };
    // SAFETY: has no memory preconditions; signal 0 is none.
    match outcome(unsafe { libc::kill(pid, 0) }) {
        Ok(()) => true,
        // EPERM: it belongs to somebody else.
        Err(error) => error.raw_os_error() == Some(libc::EPERM),
    }
}

/// Whether a process group still has a member (a zombie counts).
pub(crate) fn group_exists(group: u32) -> bool {
    match kill_group(group, 0) {
        Ok(()) => true,
        // EPERM: it exists but belongs to somebody else by now.
        Err(error) => error.raw_os_error() == Some(libc::EPERM),
    }
}

/// A child that ended and was not waited for yet, left as it is.
pub(crate) fn peek_ended_child() -> Option<u32> {
    // SAFETY: siginfo_t is plain data.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is writable.
    let done = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, how) };
    // SAFETY: after a successful waitid the kernel filled si_pid, or left it zero.
    let pid = unsafe { info.si_pid() };
    u32::try_from(pid).ok().filter(|pid| done == 0 && *pid > 0)
}

/// Takes the exit status of a child off the kernel's hands.
pub(crate) fn reap(pid: u32) {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return;
    };
    // SAFETY: a null status is allowed.
    let _pid = unsafe { libc::waitpid(pid, ptr::null_mut(), libc::WNOHANG) };
}

/// What a child does between fork and exec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildSetup {
    /// A socket to the guard: the child announces its own group there, so that no moment exists in
    /// which it runs unannounced.
    pub(crate) announce: Option<RawFd>,
    /// Our process id: a child whose parent is another one by then must not start.
    pub(crate) parent: u32,
    /// SIGTERM when the parent dies (Linux). The guard itself does not want it.
    pub(crate) die_with_parent: bool,
    /// The soft limit of open files that we were started with.
    pub(crate) open_files: Option<u64>,
}

/// Makes the command start in a session, and so a process group, of its own. Not only in a group:
/// a program that asks for a password on the terminal would then be stopped by SIGTTIN and seem
/// to hang, while without a terminal it says why it fails.
pub(crate) fn set_up_child(command: &mut Command, setup: ChildSetup) {
    let hook = move || before_exec(&setup);
    // SAFETY: between fork and exec `before_exec` makes system calls only: it allocates nothing
    // and takes no lock, so it is sound whatever the other threads of the parent held.
    unsafe { command.pre_exec(hook) };
}

fn before_exec(setup: &ChildSetup) -> io::Result<()> {
    // SAFETY: has no preconditions; a process fresh from fork is no group leader.
    let _session = unsafe { libc::setsid() };
    // SAFETY: SIG_DFL installs no handler. What we ignore is no business of a child's.
    let _before = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
    #[cfg(target_os = "linux")]
    if setup.die_with_parent {
        // SAFETY: PR_SET_PDEATHSIG takes a signal number and touches no memory.
        let _done = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
    }
    if setup.die_with_parent && parent_id() != setup.parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    if let Some(soft) = setup.open_files {
        let _before = set_soft_open_files(soft);
    }
    if let Some(fd) = setup.announce {
        let mut line = [0; 16];
        let length = write_announcement(std::process::id(), &mut line);
        let flags = libc::MSG_DONTWAIT | NO_SIGPIPE;
        // SAFETY: the first `length` bytes of `line` are readable and borrowed for the call.
        let _sent = unsafe { libc::send(fd, line.as_ptr().cast(), length, flags) };
    }
    Ok(())
}

/// `?PID\n` without allocating; the length of it.
fn write_announcement(pid: u32, into: &mut [u8; 16]) -> usize {
    let digits = pid.checked_ilog10().unwrap_or(0) as usize + 1;
    into[0] = b'?';
    let mut rest = pid;
    for place in (1..=digits).rev() {
        into[place] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    into[digits + 1] = b'\n';
    digits + 2
}

/// The user whose rights we have.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

/// The user at the other end of a Unix socket, as the kernel noted it when they were connected.
pub(crate) fn peer_user(socket: BorrowedFd<'_>) -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        let mut found = libc::ucred {
            pid: 0,
            uid: u32::MAX,
            gid: u32::MAX,
        };
        let mut length = narrow::<libc::socklen_t>(size_of::<libc::ucred>());
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        let at = (&raw mut found).cast();
        // SAFETY: `at` points to `length` writable bytes, and `length` is writable.
        let done =
            unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, at, &raw mut length) };
        (done == 0).then_some(found.uid)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let (mut user, mut group) = (u32::MAX, u32::MAX);
        // SAFETY: both are writable.
        let done = unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) };
        (done == 0).then_some(user)
    }
}

// --- descriptors and limits ---------------------------------------------------------------------

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) {
    for_descriptors_from(first, 0, |fd| {
        // SAFETY: the caller (the guard) owns no value that wraps one of these descriptors.
        let _done = unsafe { libc::close(fd) };
    });
}

/// Marks every descriptor from `first` on as ours alone: what our parent leaked to us must not
/// reach our children, which would keep it open.
pub(crate) fn close_on_exec_from(first: u32) {
    for_descriptors_from(first, CLOSE_RANGE_CLOEXEC, |fd| {
        // SAFETY: sets a flag of a descriptor; touches no memory.
        let _done = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    });
}

/// `CLOSE_RANGE_CLOEXEC` of linux/close_range.h.
const CLOSE_RANGE_CLOEXEC: u32 = 4;

fn for_descriptors_from(first: u32, flags: u32, each: impl Fn(RawFd)) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: takes three integers; the meaning of closing is the caller's promise.
        let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
        if done == 0 {
            return;
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _unused = flags;
    let Ok(entries) = std::fs::read_dir("/dev/fd") else {
        return;
    };
    let open: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| u32::try_from(*fd).is_ok_and(|fd| fd >= first))
        .collect();
    open.into_iter().for_each(each);
}

/// Raises the soft limit of open files as far as `wanted` and the hard limit allow; returns the
/// limit before, which children get back (programs that use select(2) break above 1024).
pub(crate) fn raise_open_files(wanted: u64) -> Option<u64> {
    let limit = open_files()?;
    let before = as_u64(limit.rlim_cur);
    if before >= wanted {
        return None;
    }
    set_soft_open_files(wanted.min(as_u64(limit.rlim_max)))?;
    Some(before)
}

/// How many files we may have open; `None` if the system does not tell.
pub(crate) fn open_files_max() -> Option<u64> {
    open_files().map(|limit| as_u64(limit.rlim_cur))
}

fn open_files() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is writable.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (done == 0).then_some(limit)
}

fn set_soft_open_files(soft: u64) -> Option<()> {
    let mut limit = open_files()?;
    limit.rlim_cur = soft;
    // SAFETY: `limit` is readable.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    (done == 0).then_some(())
}

const fn as_u64(limit: libc::rlim_t) -> u64 {
    limit
}

/// How many columns a terminal has; `None` if this is none, or if it does not know.
pub(crate) fn terminal_columns(fd: BorrowedFd<'_>) -> Option<u16> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ fills in one winsize, and `size` is writable.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (done == 0 && size.ws_col > 0).then_some(size.ws_col)
}

/// Whether we may execute this file.
pub(crate) fn may_execute(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: `path` is a C string that lives through the call.
    let refused = unsafe { libc::access(path.as_ptr(), libc::X_OK) };
    refused == 0
}

/// What this machine calls itself.
pub(crate) fn machine_name() -> Option<String> {
    let mut name = [0; 256];
    // SAFETY: `name` is writable and its length is told.
    let done = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let end = name.iter().position(|byte: &u8| *byte == 0)?;
    let name = std::str::from_utf8(name.get(..end)?).ok()?;
    (done == 0 && !name.is_empty()).then(|| name.to_owned())
}

/// Whether a file lies where changes made by another machine would go unnoticed by the kernel.
pub(crate) fn is_remote_file_system(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        // NFS, SMB, CIFS, SMB2, 9p, FUSE (and virtiofs), Ceph, AFS: statfs(2).
        const REMOTE: [i128; 8] = [
            0x6969,
            0x517b,
            0xff53_4d42,
            0xfe53_4d42,
            0x0102_1997,
            0x6573_5546,
            0x00c3_6400,
            0x5346_414f,
        ];
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
            return false;
        };
        // SAFETY: statfs is plain data.
        let mut found: libc::statfs = unsafe { mem::zeroed() };
        // SAFETY: `path` is a C string, `found` is writable.
        let done = unsafe { libc::statfs(path.as_ptr(), &raw mut found) };
        // The width and sign of f_type differ between targets; the magic numbers have 32 bits.
        let kind = i128::from(found.f_type) & 0xffff_ffff;
        done == 0 && REMOTE.contains(&kind)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _unused = path;
        false
    }
}

fn outcome(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// A pseudo terminal: its master side, and its slave side as opened by a shell.
    pub(crate) fn open_pty() -> (File, File) {
        use std::ffi::CStr;
        use std::os::fd::FromRawFd;
        // SAFETY: has no preconditions.
        let fd = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) };
        assert!(fd >= 0);
        // SAFETY: the kernel just gave us this descriptor.
        let master = unsafe { File::from_raw_fd(fd) };
        // SAFETY: `fd` is a pseudo terminal master.
        assert_eq!(unsafe { libc::grantpt(fd) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::unlockpt(fd) }, 0);
        let mut name = [0; 128];
        // SAFETY: `name` is writable and its length is told.
        let named = unsafe { libc::ptsname_r(fd, name.as_mut_ptr(), name.len()) };
        assert_eq!(named, 0);
        // SAFETY: ptsname_r wrote a C string.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) };
        let slave = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        (master, slave)
    }

    /// Lets so few connections wait for a listener that the next finds it silent.
    pub(crate) fn set_backlog(fd: RawFd, backlog: i32) {
        // SAFETY: touches no memory; a listening socket may be told again.
        assert_eq!(unsafe { libc::listen(fd, backlog) }, 0);
    }

    #[test]
    fn a_socket_is_read_and_written_without_waiting_though_its_description_blocks() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut buffer = [0; 8];
        let empty = recv_nowait(ours.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        theirs.write_all(b"abc").unwrap();
        assert_eq!(recv_nowait(ours.as_fd(), &mut buffer).unwrap(), 3);
        let slices = [IoSlice::new(b"de"), IoSlice::new(b"fg")];
        assert_eq!(send_nowait(ours.as_fd(), &slices).unwrap(), 4);
        theirs.read_exact(&mut buffer[..4]).unwrap();
        assert_eq!(&buffer[..4], b"defg");
        let block = [0; 65536];
        let full = loop {
            if let Err(error) = send_nowait(ours.as_fd(), &[IoSlice::new(&block)]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        theirs.shutdown(std::net::Shutdown::Both).unwrap();
        let gone = send_nowait(ours.as_fd(), &[IoSlice::new(b"x")]).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn poll_tells_readable_writable_and_closed_apart() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert!(!poll_one(reader.as_fd(), 0).readable);
        assert!(poll_one(writer.as_fd(), 0).writable);
        writer.write_all(b"x").unwrap();
        assert!(poll_one(reader.as_fd(), 0).readable);
        drop(reader);
        // A process that another test's thread just forked may hold the reading end for a moment.
        while !poll_one(writer.as_fd(), 1).closed {}
    }

    #[test]
    fn the_announcement_is_a_mark_the_number_and_a_newline() {
        for (pid, text) in [(0, "?0\n"), (7, "?7\n"), (u32::MAX, "?4294967295\n")] {
            let mut line = [0; 16];
            let length = write_announcement(pid, &mut line);
            assert_eq!(&line[..length], text.as_bytes());
        }
    }

    #[test]
    fn groups_zero_and_one_are_never_signalled() {
        assert!(kill_group(0, 0).is_err());
        assert!(kill_group(1, 0).is_err());
        assert!(!group_exists(u32::MAX));
    }

    #[test]
    fn execute_permission_is_what_the_kernel_says() {
        assert!(may_execute(Path::new("/bin/sh")));
        assert!(!may_execute(Path::new("/etc/passwd")));
        assert!(!may_execute(Path::new("/nowhere")));
    }
}
