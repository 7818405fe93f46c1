//! Rehearsed failures, for tests only: the n-th file operation fails, or the process is killed
//! there. Compiled with the feature `fuzzing` alone, which no release has.
//!
//! `ONE_MCP_FAIL_AT=WHERE[:HOW]`.
//! - WHERE is a number (the n-th operation of the process, from 1) or the name of an operation
//!   (`create`, `write`, `rename` ..: its first one); a `+` behind it means all from there on. With
//!   `list` nothing fails and each operation is told.
//! - HOW is the name of an errno (`EIO`, which is the default, `ENOSPC` ..) or its number; `short`
//!   (half of the bytes are written, then ENOSPC); `kill` or `kill-after` (SIGKILL before or after
//!   the operation); `kill-short` (after half of the bytes); `stop` (SIGSTOP before it, so that a
//!   test can do something in between; it goes on with SIGCONT).
//!
//! What happens is told in a line on stderr that begins with `failpoint:`; a run without that line
//! had fewer than n operations.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::files::Operation;
use crate::shell::sys;

/// When and how to fail.
#[derive(Clone, Debug)]
struct Plan {
    place: Place,
    on: bool,
    how: How,
}

#[derive(Clone, Debug)]
enum Place {
    List,
    Nth(u32),
    Named(String),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Errno(i32),
    Short,
    Kill,
    KillShort,
    KillAfter,
    Stop,
}

const ERRNOS: &[(&str, i32)] = &[
    ("EACCES", libc::EACCES),
    ("EBUSY", libc::EBUSY),
    ("EDQUOT", libc::EDQUOT),
    ("EFBIG", libc::EFBIG),
    ("EINTR", libc::EINTR),
    ("EINVAL", libc::EINVAL),
    ("EIO", libc::EIO),
    ("EMFILE", libc::EMFILE),
    ("ENOENT", libc::ENOENT),
    ("ENOLCK", libc::ENOLCK),
    ("ENOSPC", libc::ENOSPC),
    ("ENOSYS", libc::ENOSYS),
    ("EPERM", libc::EPERM),
    ("EROFS", libc::EROFS),
];

impl Plan {
    fn parse(text: &str) -> Option<Self> {
        let (place, how) = text.split_once(':').unwrap_or((text, "EIO"));
        let (place, on) = match place.strip_suffix('+') {
            Some(place) => (place, true),
            None => (place, false),
        };
        let place = match place.parse() {
            Ok(nth) => Place::Nth(nth),
            Err(_) if place == "list" => Place::List,
            Err(_) => Place::Named(place.to_owned()),
        };
        let how = match how {
            "short" => How::Short,
            "kill" => How::Kill,
            "kill-short" => How::KillShort,
            "kill-after" => How::KillAfter,
            "stop" => How::Stop,
            other => {
                let known = ERRNOS.iter().find(|(name, _)| *name == other);
                How::Errno(known.map(|(_, errno)| *errno).or(other.parse().ok())?)
            }
        };
        Some(Self { place, on, how })
    }

    fn meets(&self, operation: Operation, nth: u32, fired: bool) -> bool {
        let here = match &self.place {
            Place::List => return false,
            Place::Nth(wanted) => *wanted == nth,
            Place::Named(name) => !fired && *name == name_of(operation),
        };
        here || (self.on && fired)
    }
}

fn name_of(operation: Operation) -> String {
    format!("{operation:?}").to_lowercase()
}

/// A plan and how far it got.
#[derive(Debug)]
struct Run {
    plan: Plan,
    count: AtomicU32,
    fired: AtomicU32,
}

impl Run {
    const fn new(plan: Plan) -> Self {
        Self {
            plan,
            count: AtomicU32::new(0),
            fired: AtomicU32::new(0),
        }
    }

    fn next(&self, operation: Operation, tell: bool) -> Option<How> {
        let nth = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let fired = self.fired.load(Ordering::Relaxed) > 0;
        let meets = self.plan.meets(operation, nth, fired);
        if tell && (meets || matches!(self.plan.place, Place::List)) {
            say(&format!("{nth} {}", name_of(operation)));
        }
        if meets {
            self.fired.fetch_add(1, Ordering::Relaxed);
        }
        meets.then_some(self.plan.how)
    }
}

fn say(text: &str) {
    let _told = writeln!(io::stderr(), "failpoint: {text}");
}

thread_local! {
    /// For tests inside the process.
    static OF_THREAD: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// The plan of the environment.
fn of_process() -> Option<&'static Run> {
    static RUN: OnceLock<Option<Run>> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let text = std::env::var("ONE_MCP_FAIL_AT").ok()?;
        let plan = Plan::parse(&text);
        if plan.is_none() {
            say(&format!("cannot read {text:?}"));
        }
        plan.map(Run::new)
    });
    run.as_ref()
}

fn next(operation: Operation) -> Option<How> {
    let of_thread = OF_THREAD.with_borrow(|run| run.as_ref().map(|run| run.next(operation, false)));
    match of_thread {
        Some(how) => how,
        None => of_process()?.next(operation, true),
    }
}

/// Does it, or fails as planned.
pub(super) fn step<T>(operation: Operation, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match next(operation) {
        None => act(),
        Some(How::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
        Some(How::Short) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        Some(How::Kill | How::KillShort) => die(),
        Some(How::KillAfter) => {
            let _done = act();
            die()
        }
        Some(How::Stop) => {
            sys::files::stop_self();
            act()
        }
    }
}

/// The same for writing, which can also be done in half.
pub(super) fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let half = &bytes[..bytes.len() / 2];
    match next(Operation::Write) {
        None => file.write_all(bytes),
        Some(How::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
        Some(How::Short) => {
            file.write_all(half)?;
            Err(io::Error::from_raw_os_error(libc::ENOSPC))
        }
        Some(How::Kill) => die(),
        Some(How::KillShort) => {
            let _done = file.write_all(half);
            die()
        }
        Some(How::KillAfter) => {
            let _done = file.write_all(bytes);
            die()
        }
        Some(How::Stop) => {
            sys::files::stop_self();
            file.write_all(bytes)
        }
    }
}

fn die() -> ! {
    sys::files::kill_self();
    // SIGKILL has no way back.
    std::process::abort()
}

/// Runs a test with a plan for its thread, and says whether the place was reached.
#[cfg(test)]
pub(crate) fn with<T>(plan: &str, act: impl FnOnce() -> T) -> (T, bool) {
    let plan = Plan::parse(plan).unwrap();
    OF_THREAD.set(Some(Run::new(plan)));
    let done = act();
    let run = OF_THREAD.take().unwrap();
    (done, run.fired.into_inner() > 0)
}
