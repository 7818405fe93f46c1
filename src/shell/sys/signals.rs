//! Signals: what they do to this process, and the one byte that each of them becomes.

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::outcome;

/// Where the signal handler writes; -1 while nobody listens.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(signal: libc::c_int) {
    // Signal numbers are below 65; the handler may run between any two instructions, so it does
    // nothing but this one async-signal-safe call, and puts errno back as it was.
    let byte = [u8::try_from(signal).unwrap_or(0)];
    let errno = errno_place();
    // SAFETY: errno_place returns the address of this thread's errno.
    let saved = unsafe { *errno };
    let fd = SIGNAL_PIPE.load(Ordering::Relaxed);
    // SAFETY: `byte` is one readable byte; a full or closed pipe makes the call fail, no more.
    let _written = unsafe { libc::write(fd, byte.as_ptr().cast(), 1) };
    // SAFETY: as above.
    unsafe { *errno = saved };
}

fn errno_place() -> *mut libc::c_int {
    #[cfg(target_os = "linux")]
    // SAFETY: has no preconditions.
    return unsafe { libc::__errno_location() };
    #[cfg(target_vendor = "apple")]
    // SAFETY: has no preconditions.
    return unsafe { libc::__error() };
}

/// From now on these signals arrive as one byte each in `pipe`, which must be non-blocking and is
/// leaked on purpose: the handler may run until the process ends.
pub(crate) fn deliver_signals(pipe: RawFd, signals: &[i32]) -> io::Result<()> {
    SIGNAL_PIPE.store(pipe, Ordering::Relaxed);
    let handler: extern "C" fn(libc::c_int) = on_signal;
    signals
        .iter()
        .try_for_each(|&signal| set_action(signal, handler as libc::sighandler_t))
}

/// Ignores a signal.
pub(crate) fn ignore_signal(signal: i32) -> io::Result<()> {
    set_action(signal, libc::SIG_IGN)
}

/// Lets a signal do what it does by itself.
pub(crate) fn default_signal(signal: i32) -> io::Result<()> {
    set_action(signal, libc::SIG_DFL)
}

fn set_action(signal: i32, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: sigaction is plain data; all zeroes is a valid value with an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is valid and its handler only does what a handler may do.
    let done = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    outcome(done)
}

/// Whether a signal is ignored, as `nohup` leaves SIGHUP.
pub(crate) fn is_ignored(signal: i32) -> bool {
    // SAFETY: sigaction is plain data.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: a null new action only asks; `action` is writable.
    let done = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    done == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Lets every signal through: whoever started us may have blocked some, and children inherit it.
pub(crate) fn clear_signal_mask() {
    // SAFETY: sigset_t is plain data.
    let mut none: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: `none` is writable.
    let _done = unsafe { libc::sigemptyset(&raw mut none) };
    // SAFETY: `none` is a valid set; no old mask is asked for.
    let _done =
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) };
}
