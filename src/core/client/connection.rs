//! One accepted connection: what it is doing, and when it has taken too long.

use std::net::IpAddr;

use crate::cx::{Alarm, Cx};
use crate::effect::Effect;
use crate::http1::server::{Server, Waiting};
use crate::input::Port;
use crate::language::ClientKey;
use crate::limits::{
    BODY_BYTES_MAX, BODY_IDLE_MS_MAX, BODY_MS_MAX, BROWSER_BODY_BYTES_MAX,
    CLIENT_OUTBOX_BYTES_SOFT, HEAD_MS_MAX, KEEP_ALIVE_IDLE_MS_MAX, LINGER_MS_MAX,
    SMALL_BODY_BYTES_MAX, STOP_LAST_CALL_MS, SWALLOWED_BODY_BYTES_MAX, WRITE_STALL_MS_MAX,
};
use crate::links::LinkKey;
use crate::now::Tick;
use crate::web::guard::CorsOrigin;

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Reads requests.
    Reading,
    /// A POST waits for its answer; nothing of the response was sent.
    Held { client: ClientKey, stream: u32 },
    /// An event stream is open: that of a POST, or the client's main one (0).
    Streaming { client: ClientKey, stream: u32 },
    /// A page outside MCP is being made.
    Page,
    /// The last answer was given to the outbox; the peer is to close.
    Lingering,
}

/// The peer does not take what we send.
#[derive(Clone, Copy, Debug)]
struct Stall {
    since: Tick,
    unsent: usize,
}

/// A request that is to be logged with its answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// `method=GET path=/mcp`.
    pub(super) what: String,
    /// When it was whole.
    pub(super) since: Tick,
    /// How long its body is.
    pub(super) bytes: usize,
}

/// One accepted connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) server: Server,
    pub(super) peer: IpAddr,
    /// The port that it came to.
    pub(super) port: Port,
    /// For whom it is counted: its peer, or for whom that asked last.
    pub(super) counted: IpAddr,
    pub(super) doing: Doing,
    /// What its body may have, of what all large ones may.
    pub(super) reserved: usize,
    /// The page whose request is being answered.
    pub(super) cors: Option<CorsOrigin>,
    /// What the log is to say of the request, if it says so much.
    pub(super) asked: Option<Box<Asked>>,
    /// The peer closed its writing half.
    pub(super) eof: bool,
    /// We asked not to be given more bytes.
    paused: bool,
    /// It stands in the queue of connections to be read.
    pub(super) queued: bool,
    /// Since when it is doing this, or waiting for this piece of a request.
    pub(super) since: Tick,
    /// When the last bytes came, or we began to read again.
    pub(super) read_at: Tick,
    /// For how long after this its next request may be under way.
    pub(super) warm_ms: u64,
    stalled: Option<Stall>,
    waiting: Waiting,
    armed: Option<Tick>,
}

impl Connection {
    /// A connection on which nothing was received.
    pub(super) fn new(peer: IpAddr, port: Port, now: Tick) -> Self {
        let body_bytes_max = match port {
            Port::Clients => BODY_BYTES_MAX,
            Port::Browsers => BROWSER_BODY_BYTES_MAX,
        };
        Self {
            server: Server::new(body_bytes_max)
                .asking_above(SMALL_BODY_BYTES_MAX)
                .swallowing(SWALLOWED_BODY_BYTES_MAX),
            peer,
            port,
            counted: peer,
            doing: Doing::Reading,
            reserved: 0,
            cors: None,
            asked: None,
            eof: false,
            paused: false,
            queued: false,
            since: now,
            read_at: now,
            warm_ms: STOP_LAST_CALL_MS,
            stalled: None,
            waiting: Waiting::IdleHead,
            armed: None,
        }
    }

    /// It does something else from now on. Of a request that came in the meantime the rest may have
    /// waited for us, so its sender's time begins now.
    pub(super) const fn turn(&mut self, doing: Doing, now: Tick) {
        self.doing = doing;
        self.since = now;
        self.read_at = now;
    }

    /// Stops reading from the peer, or resumes.
    pub(super) fn pause(&mut self, cx: &mut Cx<'_>, link: LinkKey, paused: bool) {
        if self.paused != paused {
            self.paused = paused;
            self.read_at = cx.now.tick;
            cx.effects.push(Effect::PauseRead { link, paused });
        }
    }

    /// The kernel was offered what is unsent, and left this much.
    pub(super) fn offered(&mut self, cx: &mut Cx<'_>, link: LinkKey, unsent: usize) {
        let now = cx.now.tick;
        self.stalled = match self.stalled {
            _ if unsent == 0 => {
                if self.stalled.is_some() && self.doing == Doing::Lingering {
                    self.since = now;
                }
                None
            }
            // A stream that grows faster than its reader reads counts as stalled too.
            Some(stall) if unsent >= stall.unsent => Some(stall),
            Some(_) | None => Some(Stall { since: now, unsent }),
        };
        if self.stalled.is_some() || self.doing == Doing::Lingering {
            self.settle(cx, link);
        }
    }

    /// Whether the peer left bytes unread for too long.
    pub(super) const fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Notes what piece of a request is waited for, and sets the alarm for it.
    pub(super) fn settle(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let waiting = self.server.waiting();
        if self.waiting != waiting {
            self.waiting = waiting;
            self.since = cx.now.tick;
        }
        if let Some(at) = self.deadline(cx.links.unsent(link)) {
            self.arm(cx, link, at);
        }
    }

    /// Sets the alarm unless an earlier one is set: it looks again when it rings, so a busy
    /// connection does not touch the alarms with every request.
    pub(super) fn arm(&mut self, cx: &mut Cx<'_>, link: LinkKey, at: Tick) {
        if self.armed.is_none_or(|armed| at < armed) {
            self.armed = Some(at);
            cx.timers.set(Alarm::Http(link), at);
        }
    }

    /// The alarm rang; `true` if its time is really over, else it is set anew.
    pub(super) fn is_over(&mut self, cx: &mut Cx<'_>, link: LinkKey) -> bool {
        self.armed = None;
        match self.deadline(cx.links.unsent(link)) {
            Some(at) if at <= cx.now.tick => true,
            Some(at) => {
                self.arm(cx, link, at);
                false
            }
            None => false,
        }
    }

    /// When it has taken too long with what it is doing.
    fn deadline(&self, unsent: usize) -> Option<Tick> {
        let stall = (unsent > 0)
            .then_some(self.stalled)
            .flatten()
            .map(|stall| stall.since.after(WRITE_STALL_MS_MAX));
        let own = match (self.doing, self.server.waiting()) {
            (Doing::Reading, _) if unsent > CLIENT_OUTBOX_BYTES_SOFT => None,
            (Doing::Reading, Waiting::IdleHead) => Some(self.since.after(KEEP_ALIVE_IDLE_MS_MAX)),
            (Doing::Reading, Waiting::Head) => Some(self.since.after(HEAD_MS_MAX)),
            (Doing::Reading, Waiting::Body) => {
                let idle = self.read_at.after(BODY_IDLE_MS_MAX);
                Some(idle.min(self.since.after(BODY_MS_MAX)))
            }
            (Doing::Lingering, _) if unsent > 0 => Some(self.since.after(WRITE_STALL_MS_MAX)),
            (Doing::Lingering, _) => Some(self.since.after(LINGER_MS_MAX)),
            (Doing::Reading, Waiting::Response)
            | (Doing::Held { .. } | Doing::Streaming { .. } | Doing::Page, _) => None,
        };
        match (own, stall) {
            (Some(own), Some(stall)) => Some(own.min(stall)),
            (own, stall) => own.or(stall),
        }
    }
}
