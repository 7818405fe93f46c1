//! One POST with requests: where its answers go (C5, C9, C10). The machine only; who writes the
//! bytes is `down`.
//!
//! ```text
//! Held ---- answer ----> gone (one JSON body)
//!   |  \--- message or hold over ----> Open ---- last answer ----> gone
//!   |                                  |  ^
//!   | connection lost      lost, early |  | GET + Last-Event-ID
//!   v                                  v  |
//! Orphan                             Detached ---- last answer ----> gone (kept for replay)
//! ```

use crate::client::accept::Forms;
use crate::client::kept::Kept;
use crate::client::replay::EventId;
use crate::links::LinkKey;
use crate::now::Tick;

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The request was read and no byte of the response was sent.
    Held(LinkKey),
    /// An event stream is open on this connection.
    Open(LinkKey),
    /// No connection, but the client knows an event id and can ask for the rest.
    Detached,
    /// The connection was lost before the client learned an event id: nobody can ever read this.
    Orphan,
}

/// One POST with requests of a session on `/mcp`.
#[derive(Debug)]
pub(super) struct Stream {
    /// Its number in the session; never 0, that is the GET stream.
    pub(super) number: u32,
    /// What the client can read.
    pub(super) forms: Forms,
    /// Where it is.
    pub(super) state: State,
    /// Requests without an answer.
    pub(super) waiting: usize,
    /// When the request came, and then when its event stream was opened or resumed.
    pub(super) since: Tick,
    /// Number of the last event.
    pub(super) last: u32,
    /// Whether the client was told an event id.
    pub(super) primed: bool,
    /// Answers of a batch (2025-03-26) that wait to leave together as one array.
    pub(super) batch: Option<Vec<Kept>>,
    /// Whether the response carries the name of the new session.
    pub(super) announces: bool,
}

impl Stream {
    /// A POST with one request that waits for its first message.
    pub(super) const fn held(number: u32, link: LinkKey, forms: Forms, since: Tick) -> Self {
        Self {
            number,
            forms,
            state: State::Held(link),
            waiting: 1,
            since,
            last: 0,
            primed: false,
            batch: None,
            announces: false,
        }
    }

    /// The id of the next event, from now on known to the client.
    pub(super) const fn next_event(&mut self) -> EventId {
        self.last = self.last.wrapping_add(1);
        self.primed = true;
        EventId {
            stream: self.number,
            number: self.last,
        }
    }

    /// The connection is gone.
    pub(super) const fn lost(&mut self) {
        self.state = match self.state {
            State::Held(_) => State::Orphan,
            State::Open(_) if self.primed => State::Detached,
            State::Open(_) => State::Orphan,
            State::Detached => State::Detached,
            State::Orphan => State::Orphan,
        };
    }

    /// The connection it uses.
    pub(super) const fn link(&self) -> Option<LinkKey> {
        match self.state {
            State::Held(link) | State::Open(link) => Some(link),
            State::Detached | State::Orphan => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::Key;

    fn link() -> LinkKey {
        LinkKey(Key {
            index: 3,
            generation: 1,
        })
    }

    #[test]
    fn c10_only_who_knows_an_event_id_can_come_back() {
        let fresh = || Stream::held(1, link(), Forms::Either, Tick(0));
        let mut held = fresh();
        held.lost();
        assert_eq!(held.state, State::Orphan);
        let mut open = fresh();
        open.state = State::Open(link());
        open.lost();
        assert_eq!(open.state, State::Orphan);
        let mut known = fresh();
        known.state = State::Open(link());
        assert_eq!(known.next_event().to_string(), "1-1");
        known.lost();
        known.lost();
        assert_eq!((known.state, known.link()), (State::Detached, None));
        held.lost();
        assert_eq!(held.state, State::Orphan);
    }
}
