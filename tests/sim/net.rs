//! The byte streams between the hub and its peers: what is on its way in each direction, how each
//! direction ends, and under which key the hub knows it. Keys are given out again at once, so that
//! every late word about an old stream meets its successor.

use std::collections::VecDeque;

use onemcp::base::slab::Key;
use onemcp::links::LinkKey;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Client(usize),
    Process(usize),
    /// A server that somebody else runs.
    Site(usize),
}

/// How one direction goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    /// Closed after the last byte.
    Eof,
    /// Cut off: what was on its way is lost.
    Reset,
}

/// One byte stream.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) peer: Peer,
    /// The key, while both the shell and the hub hold it.
    pub(crate) key: Option<LinkKey>,
    /// Waits to be accepted.
    pub(crate) knocks: bool,
    /// From the peer to the hub.
    pub(crate) inbound: VecDeque<u8>,
    pub(crate) inbound_end: End,
    /// The hub was told of the end.
    pub(crate) end_told: bool,
    pub(crate) paused: bool,
    /// From the hub to the peer: what the kernel took.
    pub(crate) outbound: VecDeque<u8>,
    pub(crate) outbound_end: End,
    /// The peer was told of the end.
    pub(crate) peer_told: bool,
    /// Bytes that the kernel holds for the peer.
    pub(crate) room: usize,
    /// The hub has bytes that the kernel did not take.
    pub(crate) blocked: bool,
    /// The peer reads nothing any more (EPIPE): what is written vanishes.
    pub(crate) refused: bool,
    /// Bytes that the peer ever sent, and how many of them the hub was given.
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// How many it had been given before the present turn.
    delivered_before: (u64, u64),
    /// How many it had been given when it closed its half: what came later is not answered.
    pub(crate) delivered_at_shut: Option<u64>,
    /// Since when the peer leaves bytes unread.
    pub(crate) unread_since: Option<u64>,
    /// The longest that it ever did.
    pub(crate) unread_ms_max: u64,
}

/// Place of a stream in the table; never used again.
pub(crate) type ConnId = usize;

/// All streams of a run, and the keys of those that are open.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) conns: Vec<Conn>,
    generations: Vec<u32>,
    free: Vec<u32>,
    by_index: Vec<Option<ConnId>>,
    /// Counts the turns of the shell.
    pub(crate) turn: u64,
    /// Streams that are not over on both sides.
    pub(crate) live: Vec<ConnId>,
}

impl Conn {
    /// Cut off: what was on its way to the hub is lost, and the hub is told, also after an end.
    pub(crate) fn reset(&mut self) {
        self.inbound.clear();
        self.inbound_end = End::Reset;
        self.end_told = false;
    }

    /// For how long the peer left bytes unread at worst.
    pub(crate) fn unread_ms(&self, now: u64) -> u64 {
        let present = self.unread_since.map_or(0, |since| now - since);
        self.unread_ms_max.max(present)
    }

    /// The hub was given bytes.
    pub(crate) fn deliver(&mut self, turn: u64, count: usize) -> Vec<u8> {
        if self.delivered_before.0 != turn {
            self.delivered_before = (turn, self.delivered);
        }
        self.delivered += count as u64;
        self.inbound.drain(..count).collect()
    }

    /// The hub closed its half, perhaps before it saw what came in this turn.
    pub(crate) fn shut(&mut self, turn: u64) {
        let (last, before) = self.delivered_before;
        let seen = if last == turn { before } else { self.delivered };
        self.delivered_at_shut.get_or_insert(seen);
    }
}

impl Net {
    /// A new stream, without a key yet.
    pub(crate) fn open(&mut self, peer: Peer, room: usize) -> ConnId {
        self.conns.push(Conn {
            peer,
            key: None,
            knocks: false,
            inbound: VecDeque::new(),
            inbound_end: End::Open,
            end_told: false,
            paused: false,
            outbound: VecDeque::new(),
            outbound_end: End::Open,
            peer_told: false,
            room,
            blocked: false,
            refused: false,
            sent: 0,
            delivered: 0,
            delivered_before: (0, 0),
            delivered_at_shut: None,
            unread_since: None,
            unread_ms_max: 0,
        });
        let id = self.conns.len() - 1;
        self.live.push(id);
        id
    }

    /// Gives a stream the key that was freed last.
    pub(crate) fn give_key(&mut self, id: ConnId) -> LinkKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            self.by_index.push(None);
            u32::try_from(self.generations.len() - 1).unwrap()
        });
        let key = LinkKey(Key {
            index,
            generation: self.generations[index as usize],
        });
        self.by_index[index as usize] = Some(id);
        self.conns[id].key = Some(key);
        key
    }

    /// The key is never valid again, its place is.
    pub(crate) fn take_key(&mut self, id: ConnId) {
        if let Some(LinkKey(Key { index, .. })) = self.conns[id].key.take() {
            self.generations[index as usize] += 1;
            self.by_index[index as usize] = None;
            self.free.push(index);
        }
    }

    /// The stream with this key; `None` if the key is an old one.
    pub(crate) fn find(&self, key: LinkKey) -> Option<ConnId> {
        let id = (*self.by_index.get(key.0.index as usize)?)?;
        (self.conns[id].key == Some(key)).then_some(id)
    }

    /// The hub closed the stream: unsent bytes are lost, what the kernel took may still arrive.
    pub(crate) fn closed_by_hub(&mut self, id: ConnId, reset: bool) {
        self.take_key(id);
        let turn = self.turn;
        let conn = &mut self.conns[id];
        conn.shut(turn);
        conn.inbound.clear();
        conn.end_told = true;
        conn.blocked = false;
        if reset {
            conn.outbound.clear();
            conn.outbound_end = End::Reset;
        } else if conn.outbound_end == End::Open {
            conn.outbound_end = End::Eof;
        }
    }

    /// Forgets streams with which nothing can happen any more.
    pub(crate) fn sweep(&mut self) {
        let Self { conns, live, .. } = self;
        live.retain(|id| {
            let conn = &conns[*id];
            conn.key.is_some() || conn.knocks || !conn.peer_told
        });
    }

    /// The peer writes.
    pub(crate) fn send(&mut self, id: ConnId, bytes: &[u8]) {
        let conn = &mut self.conns[id];
        conn.sent += bytes.len() as u64;
        if conn.inbound_end == End::Open && (conn.key.is_some() || conn.knocks) {
            conn.inbound.extend(bytes);
        }
    }

    /// The peer closes its writing half.
    pub(crate) fn finish(&mut self, id: ConnId) {
        let conn = &mut self.conns[id];
        if conn.inbound_end == End::Open {
            conn.inbound_end = End::Eof;
        }
    }

    /// The peer is gone in both directions. `reset`: what it sent last is lost too.
    pub(crate) fn abandon(&mut self, id: ConnId, reset: bool) {
        let conn = &mut self.conns[id];
        conn.refused = true;
        conn.outbound.clear();
        conn.peer_told = true;
        if reset {
            conn.reset();
        } else if conn.inbound_end == End::Open {
            conn.inbound_end = End::Eof;
        }
    }

    /// Streams whose key the hub holds.
    pub(crate) fn held(&self) -> usize {
        self.by_index.iter().flatten().count()
    }
}
