//! The table of accepted connections: bytes in, requests out, limits and timeouts. What goes out is
//! in `reply`. Never knows what a session is, beyond the key that a connection serves.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::client::connection::{Connection, Doing};
use crate::client::leaving::Taking;
use crate::client::refusal::Refusal;
use crate::client::reply::KeepAliveRound;
use crate::client::request::is_mcp;
use crate::cx::{Alarm, Cx};
use crate::effect::Level;
use crate::http1::server::{CONTINUE, Request, Step, Waiting};
use crate::input::Port;
use crate::limits::{
    BROWSER_CONNECTIONS_MAX, CLIENT_OUTBOX_BYTES_SOFT, CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX,
    PIPELINED_BYTES_MAX,
};
use crate::links::{LinkKey, Owner};
use crate::settings::Trusted;

/// All accepted connections.
#[derive(Debug, Default)]
pub(super) struct Http {
    pub(super) connections: BTreeMap<LinkKey, Connection>,
    per_peer: BTreeMap<IpAddr, usize>,
    /// What the large bodies may have that are being received.
    pub(super) reserved: usize,
    /// Connections with bytes that may make a request.
    ready: VecDeque<LinkKey>,
    pub(super) keep_alive: KeepAliveRound,
    pub(super) taking: Taking,
    /// The head of the last answer; its buffer is reused.
    pub(super) head: Vec<u8>,
}

/// What a connection has.
#[derive(Debug)]
pub(super) enum Found {
    /// A whole request; its body is in the frame.
    Request(Request),
    /// The head of one whose body is large.
    Large(Request),
}

impl Http {
    /// A connection was accepted. One too many is closed at once, unless its requests will be
    /// counted for whom a trusted proxy says that it asks.
    pub(super) fn accepted(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        (peer, port): (SocketAddr, Port),
        trusted: &Trusted,
    ) {
        cx.links.open(link, Owner::Http);
        let peer = peer.ip().to_canonical();
        let exempt = peer.is_loopback() || trusted.includes(peer);
        let same = self.per_peer.get(&peer).copied().unwrap_or(0);
        let most = match port {
            Port::Clients => CONNECTIONS_MAX,
            Port::Browsers => BROWSER_CONNECTIONS_MAX,
        };
        let full = self.connections.len() >= most;
        let peer_full = same >= CONNECTIONS_PER_PEER_MAX && !exempt;
        if full {
            Mark::ConnectionsFull.hit();
        } else if peer_full {
            Mark::PeerConnectionsFull.hit();
        }
        if full || peer_full || self.taking != Taking::Yes {
            cx.log(Level::Debug, || {
                format!("http refused peer={peer} connections={same}")
            });
            cx.close(link);
            return;
        }
        self.per_peer.insert(peer, same + 1);
        let mut connection = Connection::new(peer, port, cx.now.tick);
        connection.settle(cx, link);
        self.connections.insert(link, connection);
    }

    /// Bytes came in; they are only put into the inbox.
    pub(super) fn receive(&mut self, cx: &mut Cx<'_>, link: LinkKey, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        connection.server.receive(bytes);
        connection.read_at = cx.now.tick;
        match connection.doing {
            Doing::Reading if !is_unread(cx, link) => self.queue(link),
            // Pipelined requests wait in the inbox, and beyond its bound with the peer.
            Doing::Reading | Doing::Held { .. } | Doing::Streaming { .. } | Doing::Page => {
                if connection.server.inbox_bytes() > PIPELINED_BYTES_MAX {
                    Mark::PipelinePaused.hit();
                    connection.pause(cx, link, true);
                }
            }
            Doing::Lingering => {}
        }
    }

    /// Puts a connection into the queue of those to be read.
    pub(super) fn queue(&mut self, link: LinkKey) {
        if let Some(connection) = self.connections.get_mut(&link)
            && !connection.queued
        {
            connection.queued = true;
            self.ready.push_back(link);
        }
    }

    /// A connection that reads requests again: what was pipelined behind the last one is read now.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if connection.eof || connection.server.inbox_bytes() > 0 {
            self.queue(link);
        } else {
            connection.settle(cx, link);
        }
    }

    /// The connection to be read next.
    pub(super) fn ready(&self) -> Option<LinkKey> {
        self.ready.front().copied()
    }

    /// The next request of the connection at the front of the queue; `None` takes it out.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>, frame: &mut Frame) -> Option<Found> {
        let link = self.ready()?;
        let found = self.step_of(cx, frame, link);
        if found.is_none() {
            self.ready.pop_front();
            if let Some(connection) = self.connections.get_mut(&link) {
                connection.queued = false;
                connection.settle(cx, link);
            }
        }
        found
    }

    fn step_of(&mut self, cx: &mut Cx<'_>, frame: &mut Frame, link: LinkKey) -> Option<Found> {
        loop {
            let connection = self.connections.get_mut(&link)?;
            if connection.doing != Doing::Reading {
                return None;
            }
            if is_unread(cx, link) {
                Mark::UnreadAnswersStopReading.hit();
                return None;
            }
            match connection.server.next(frame) {
                Step::Continue => cx.links.send(link, &[CONTINUE.into()]),
                Step::Large(request) => return Some(Found::Large(request)),
                Step::Request(request) => {
                    self.release(link);
                    return Some(Found::Request(request));
                }
                Step::Reject(reject) => {
                    match reject.status {
                        413 => Mark::BodyTooLong.hit(),
                        431 => Mark::HeadTooLong.hit(),
                        _ => {}
                    }
                    let long = connection.server.refused_for_length();
                    let is_mcp = long.is_some_and(|request| is_mcp(request.path()));
                    if is_mcp && connection.port == Port::Clients {
                        self.refuse(cx, link, &Refusal::BodyTooLong.into());
                        return None;
                    }
                    let hint = hint_of(reject.status, connection.port);
                    self.problem(cx, link, reject.status, reject.why, hint, &[]);
                    return None;
                }
                Step::NeedMore if connection.eof => {
                    self.linger(cx, link);
                    return None;
                }
                Step::NeedMore | Step::Paused => return None,
            }
        }
    }

    /// The peer closed its writing half. An answer under way still gets through; an open event
    /// stream has lost its reader (nobody half-closes those), which is told.
    pub(super) fn eof(&mut self, cx: &mut Cx<'_>, link: LinkKey) -> Option<Doing> {
        let connection = self.connections.get_mut(&link)?;
        connection.eof = true;
        match connection.doing {
            Doing::Reading => self.queue(link),
            Doing::Held { .. } | Doing::Page => Mark::HalfClosedBeforeAnswer.hit(),
            Doing::Streaming { .. } => return self.close(cx, link),
            Doing::Lingering => self.close_if_read(cx, link),
        }
        None
    }

    /// The shell has closed the link. Tells what it was used for.
    pub(super) fn broken(&mut self, cx: &mut Cx<'_>, link: LinkKey) -> Option<Doing> {
        cx.links.forget(link);
        self.forget(cx, link)
    }

    /// Closes a connection at once, unsent bytes and all. Tells what it was used for.
    pub(super) fn close(&mut self, cx: &mut Cx<'_>, link: LinkKey) -> Option<Doing> {
        cx.close(link);
        self.forget(cx, link)
    }

    fn forget(&mut self, cx: &mut Cx<'_>, link: LinkKey) -> Option<Doing> {
        let connection = self.connections.remove(&link)?;
        cx.timers.clear(Alarm::Http(link));
        self.count_down(connection.counted);
        self.reserved -= connection.reserved;
        Some(connection.doing)
    }

    fn count_down(&mut self, peer: IpAddr) {
        if let Some(count) = self.per_peer.get_mut(&peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_peer.remove(&peer);
            }
        }
    }

    /// A request came for `client` by way of a trusted proxy: from now on the connection counts as
    /// one of his. `false`: he has too many of them.
    pub(super) fn count_for(&mut self, link: LinkKey, client: IpAddr) -> bool {
        let Some(connection) = self.connections.get_mut(&link) else {
            return true;
        };
        if connection.counted == client {
            return true;
        }
        let same = self.per_peer.get(&client).copied().unwrap_or(0);
        if same >= CONNECTIONS_PER_PEER_MAX && !client.is_loopback() {
            Mark::PeerConnectionsFull.hit();
            return false;
        }
        let before = std::mem::replace(&mut connection.counted, client);
        self.count_down(before);
        self.per_peer.insert(client, same + 1);
        true
    }

    /// The last answer was given to the outbox: shut our half, then wait for the peer, so that a
    /// reset does not destroy the answer on its way (RFC 9112 section 9.6).
    pub(super) fn linger(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        cx.links.finish(link);
        self.release(link);
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.server.close_after();
            connection.turn(Doing::Lingering, cx.now.tick);
            connection.settle(cx, link);
            connection.pause(cx, link, false);
        }
        self.close_if_read(cx, link);
    }

    /// Both sides are done: nothing is left to wait for.
    fn close_if_read(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let over = self.connections.get(&link).is_some_and(|connection| {
            connection.eof && connection.doing == Doing::Lingering && cx.links.unsent(link) == 0
        });
        if over {
            self.close(cx, link);
        }
    }

    /// The kernel took bytes of this link, or refused to take any.
    pub(super) fn wrote(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let unsent = cx.links.unsent(link);
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.offered(cx, link, unsent);
            if connection.doing == Doing::Reading && !is_unread(cx, link) {
                connection.pause(cx, link, false);
                self.go_on(cx, link);
            }
        }
        self.close_if_read(cx, link);
    }

    /// The connection's alarm rang. Tells what it was used for if it had to be closed.
    pub(super) fn alarm(&mut self, cx: &mut Cx<'_>, link: LinkKey) -> Option<Doing> {
        let connection = self.connections.get_mut(&link)?;
        if !connection.is_over(cx, link) {
            return None;
        }
        let waiting = connection.server.waiting();
        if connection.is_stalled() {
            Mark::WriteStalled.hit();
            return self.close(cx, link);
        }
        if connection.doing != Doing::Reading {
            Mark::LingerOver.hit();
            return self.close(cx, link);
        }
        match waiting {
            Waiting::IdleHead | Waiting::Response => self.linger(cx, link),
            Waiting::Head | Waiting::Body => {
                if waiting == Waiting::Head {
                    Mark::SlowHead.hit();
                } else {
                    Mark::SlowBody.hit();
                }
                let hint = "send the whole request without long pauses";
                self.problem(
                    cx,
                    link,
                    408,
                    "the request did not arrive in time",
                    hint,
                    &[],
                );
            }
        }
        None
    }

    /// Closes those of these connections of which no request is being answered.
    pub(super) fn dismiss(&mut self, cx: &mut Cx<'_>, these: impl Fn(&Connection) -> bool) {
        let idle = |one: &Connection| one.doing == Doing::Reading && these(one);
        let links: Vec<LinkKey> = self
            .connections
            .iter()
            .filter(|(_, connection)| idle(connection))
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            self.linger(cx, link);
        }
    }
}

/// Whether the peer must read before we do: it may not make us answer without end.
fn is_unread(cx: &Cx<'_>, link: LinkKey) -> bool {
    cx.links.unsent(link) > CLIENT_OUTBOX_BYTES_SOFT
}

/// What to do about a refused head or body.
const fn hint_of(status: u16, port: Port) -> &'static str {
    match status {
        413 if matches!(port, Port::Browsers) => "nothing that long is wanted here",
        413 => "a request body may have at most 64 KiB here",
        414 | 431 => "shorten the request target or its header fields",
        501 => "use GET, POST, DELETE, OPTIONS or HEAD, and no transfer coding but chunked",
        505 => "use HTTP/1.1",
        _ => "send one HTTP/1.1 request at a time, framed by Content-Length or chunked",
    }
}
