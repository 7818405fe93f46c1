//! What the core wants done. One queue, drained in order by the shell after every input.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::num::NonZeroU32;

use crate::base::origin::Host;
use crate::base::secret::Secret;
use crate::language::PoolKey;
use crate::links::{DialKey, LinkKey};

/// Severity of a log line, as in `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something the operator has to act on.
    Error,
    /// Something that works less well than it should.
    Warn,
    /// State changes of servers and sessions.
    Info,
    /// One line per HTTP request and per call, never payloads.
    Debug,
    /// Payloads, secrets masked.
    Trace,
}

/// A process to start: everything substituted, nothing left to look up but the program in PATH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpawnSpec {
    /// Program, as written in the configuration.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its working directory; ours if absent.
    pub cwd: Option<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
}

/// A connection to open: look the name up, connect, get through the proxy, shake hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialSpec {
    /// Who is connected to: the server, or the proxy on the way to it.
    pub host: Host,
    /// At which port.
    pub port: u16,
    /// Sent first, in the clear: a whole `CONNECT` head. Nothing else is sent before its answer
    /// agrees (`http1::tunnel`).
    pub tunnel: Option<Secret>,
    /// Then TLS, with the certificate of this host; `None` = in the clear.
    pub tls: Option<Host>,
    /// All of it together takes no longer.
    pub open_ms_max: u64,
    /// Only addresses of the public internet are connected to, whatever the name says at that
    /// moment (protocol O12, X6): somebody else chose the host. Fails as `OpenFault::Private`.
    pub public_only: bool,
}

/// One order about a record. The machine that gave it counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordTicket {
    /// Of the authorization server.
    Server(u32),
    /// Of the client of protected servers.
    Keyring(u32),
    /// Of the sessions that outlive us: a record of the state directory.
    Sessions(u32),
}

/// How hard a child is asked to end. Goes to its whole process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopSignal {
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// One order to the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a child; answered by `Input::Spawned` or `Input::SpawnFailed`.
    Spawn {
        /// Whose child.
        pool: PoolKey,
        /// What to run.
        spec: Box<SpawnSpec>,
    },
    /// Signal the process group of a child; nothing happens if it is gone.
    Signal {
        /// Whose child.
        pool: PoolKey,
        /// Which signal.
        signal: StopSignal,
    },
    /// Open a connection; answered by `Input::Opened` or `Input::OpenFailed`.
    Open {
        /// Which.
        dial: DialKey,
        /// Where to.
        spec: Box<DialSpec>,
    },
    /// Nobody waits for this connection any more; neither answer comes, unless it was under way
    /// already. Nothing happens if it was answered before.
    GiveUpOpen {
        /// Which.
        dial: DialKey,
    },
    /// Close the link now, unsent bytes and all. The core has forgotten it.
    Close {
        /// Which.
        link: LinkKey,
    },
    /// Stop or resume reading from a link (backpressure).
    PauseRead {
        /// Which.
        link: LinkKey,
        /// Whether to stop.
        paused: bool,
    },
    /// Read one record of the state directory; answered by `Input::StateLoaded` before any further
    /// input of a link.
    LoadState {
        /// File name, `[a-z0-9.-]+`.
        name: String,
    },
    /// Write one record of the state directory atomically, 0600. A failure is only logged: state
    /// may be deleted at any time.
    StoreState {
        /// File name, `[a-z0-9.-]+`.
        name: String,
        /// Whole content.
        bytes: Vec<u8>,
    },
    /// Lock one record of the directory of secrets (`auth` beside mcp.json) against every other
    /// process and read it; answered by `Input::RecordLocked`, some time. At most one lock per name
    /// is held by this process; further ones wait in order.
    LockRecord {
        /// Which of the orders this is.
        ticket: RecordTicket,
        /// File name, `[a-z0-9.-]+`.
        name: String,
    },
    /// Write the record that was locked with this ticket, atomically, 0600, and let go of the lock;
    /// answered by `Input::RecordStored`.
    StoreRecord {
        /// Which lock.
        ticket: RecordTicket,
        /// Whole content.
        bytes: Vec<u8>,
    },
    /// Let go of a lock without having written, or of one that is not granted yet. No answer.
    ReleaseRecord {
        /// Which lock.
        ticket: RecordTicket,
    },
    /// PBKDF2-HMAC-SHA256 on a helper thread, one at a time; answered by `Input::Stretched`.
    Stretch {
        /// Which of the orders this is.
        ticket: u64,
        /// What is stretched.
        password: Secret,
        /// With what.
        salt: [u8; 16],
        /// How often.
        rounds: NonZeroU32,
    },
    /// Accept HTTP connections on a loopback port, for the pages that a browser has to reach while
    /// our own stdin is the client; answered by `Input::ListeningLocal`.
    ListenLocal {
        /// Which port, if it is free; else any. 0 = any.
        port: u16,
    },
    /// Accept there no more. What was accepted stays.
    UnlistenLocal,
    /// Find out what only the system knows of this process; answered by `Input::Measured`.
    Measure {
        /// Who wants to know.
        link: LinkKey,
    },
    /// One line for the log, without time and level.
    Log {
        /// Severity.
        level: Level,
        /// `server=files ready tools=11 in=412ms`.
        line: String,
    },
    /// Everything is stopped; leave the process with this exit code.
    Exit {
        /// 0 done, 1 failed.
        code: u8,
    },
}

/// The queue of orders.
#[derive(Debug, Default)]
pub struct Effects {
    orders: VecDeque<Effect>,
}

impl Effects {
    /// Appends an order.
    pub fn push(&mut self, effect: Effect) {
        self.orders.push_back(effect);
    }

    /// Takes the oldest order out.
    pub fn pop(&mut self) -> Option<Effect> {
        self.orders.pop_front()
    }
}
