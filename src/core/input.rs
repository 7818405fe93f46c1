//! What can happen. A key that the core no longer knows is normal (late answers) and ignored.

use std::net::SocketAddr;

use crate::config::Config;
use crate::effect::RecordTicket;
use crate::language::PoolKey;
use crate::links::{DialKey, LinkKey};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Why a connection could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFailure {
    /// What kind of failure.
    pub fault: OpenFault,
    /// One sentence that names the host and says what to do, fit for an error and for `/health`;
    /// without secrets.
    pub why: String,
}

/// Whose fault it is that a connection did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFault {
    /// The name has no address, or the resolver did not answer.
    Lookup,
    /// Nobody listens there.
    Refused,
    /// No way leads there, or it was lost on the way.
    Unreachable,
    /// It has no public address, and only those were allowed (`DialSpec::public_only`).
    Private,
    /// It took too long.
    TimedOut,
    /// The proxy does not let us through.
    Proxy,
    /// The certificate is expired, of another name, or signed by nobody whom we trust.
    Certificate,
    /// The peer does not speak TLS as we do.
    Tls,
    /// We have no descriptor or thread left.
    Exhausted,
}

/// What a port of ours is for. It decides what there is for whoever comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Clients come to it: all paths are there.
    Clients,
    /// The owner's browser comes to the loopback port of `Effect::ListenLocal`. In stdio mode
    /// everybody else on this machine can come to it too, so there is nothing but the pages on
    /// which a server is authorized.
    Browsers,
}

/// What the system says of this process; what cannot be found out is absent, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Memory that it has.
    pub resident_bytes: Option<u64>,
    /// Files and sockets that it has open.
    pub open_fds: Option<u64>,
    /// When it was started, on the clock as it is now.
    pub started_unix_ms: Option<u64>,
    /// Lines of the log that were dropped.
    pub log_lines_dropped: Option<u64>,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection was accepted on one of our HTTP ports.
    Accepted {
        /// Its key.
        link: LinkKey,
        /// Who connected.
        peer: SocketAddr,
        /// Which port it is.
        port: Port,
    },
    /// Our own stdin and stdout are a client (`--transport stdio`).
    Stdio {
        /// Its key.
        link: LinkKey,
    },
    /// Somebody connected to this instance's own socket; the shell has checked that it is us.
    Instance {
        /// Its key.
        link: LinkKey,
    },
    /// Bytes were read.
    Bytes {
        /// From where.
        link: LinkKey,
        /// At most `READ_BYTES_PER_TURN_MAX`.
        bytes: &'a [u8],
    },
    /// The peer closed its writing half; nothing more will be read.
    Eof {
        /// Which link.
        link: LinkKey,
    },
    /// The link is dead in both directions (reset, broken pipe); the shell has closed it.
    Broken {
        /// Which link.
        link: LinkKey,
    },
    /// A connection that was ordered is open; over TLS: the handshake is done. Its `Eof` is an
    /// orderly end (over TLS: the peer said so), its `Broken` is anything else.
    Opened {
        /// Which order is answered.
        dial: DialKey,
        /// Its key.
        link: LinkKey,
    },
    /// A connection that was ordered could not be opened.
    OpenFailed {
        /// Which order is answered.
        dial: DialKey,
        /// Why.
        failure: OpenFailure,
    },
    /// A child runs.
    Spawned {
        /// Whose.
        pool: PoolKey,
        /// Its stdout and stdin.
        link: LinkKey,
        /// Its process id.
        pid: u32,
    },
    /// A child could not be started.
    SpawnFailed {
        /// Whose.
        pool: PoolKey,
        /// One sentence that names the program.
        why: String,
    },
    /// A child wrote to stderr.
    Stderr {
        /// Whose.
        pool: PoolKey,
        /// Raw bytes.
        bytes: &'a [u8],
    },
    /// A child has ended and was reaped. Its stdout may still hold unread bytes: the link's `Eof`
    /// comes on its own.
    Exited {
        /// Whose.
        pool: PoolKey,
        /// How.
        status: ExitStatus,
    },
    /// The configuration was read, at start and whenever it changed. A configuration that cannot
    /// be read never arrives here; the shell logs why and the old one stays.
    Config(Box<Config>),
    /// Answer to `Effect::LoadState`.
    StateLoaded {
        /// Which record.
        name: String,
        /// Its content, if there is one.
        bytes: Option<Vec<u8>>,
    },
    /// A record of the directory of secrets as it is on disk: at start, before the first
    /// `Config`, each that is there; later each that somebody else has changed.
    Record {
        /// File name.
        name: String,
        /// Its content; `None`: it is gone.
        bytes: Option<Vec<u8>>,
    },
    /// Answer to `Effect::LockRecord`.
    RecordLocked {
        /// Which order is answered.
        ticket: RecordTicket,
        /// Its content, if there is one; or one sentence that names the file and says why not, and
        /// nothing is locked.
        found: Result<Option<Vec<u8>>, String>,
    },
    /// Answer to `Effect::StoreRecord`. The lock is gone either way.
    RecordStored {
        /// Which order is answered.
        ticket: RecordTicket,
        /// One sentence that names the file and says why not: the old content is whole.
        done: Result<(), String>,
    },
    /// Answer to `Effect::Stretch`.
    Stretched {
        /// Which order is answered.
        ticket: u64,
        /// The result.
        key: [u8; 32],
    },
    /// Answer to `Effect::ListenLocal`.
    ListeningLocal {
        /// The port; or one sentence that says why not.
        port: Result<u16, String>,
    },
    /// Answer to `Effect::Measure`.
    Measured {
        /// Who wanted to know.
        link: LinkKey,
        /// What is so.
        process: ProcessFacts,
    },
    /// SIGTERM or SIGINT: stop everything, then `Effect::Exit`. The second one skips the wait for
    /// calls that run.
    Stop,
    /// Nothing but time has passed: `Hub::next_deadline` has come.
    Tick,
}
