//! The events of one session that a client may ask for again (C9, C10): bounded by number per
//! stream, by bytes per session and in all, and by age. Never knows what an event says.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::client::kept::Kept;
use crate::limits::{
    REPLAY_BYTES_MAX, REPLAY_BYTES_PER_SESSION_MAX, REPLAY_EVENTS_PER_STREAM_MAX, REPLAY_MS_MAX,
};
use crate::now::Tick;

/// `<stream>-<number>`: unique in its session, and naming its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventId {
    /// Which stream; 0 is the GET stream.
    pub(super) stream: u32,
    /// Counts the events of that stream; the priming event is 0.
    pub(super) number: u32,
}

impl EventId {
    /// Reads what we wrote; anything else is not ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (stream, number) = text.split_once('-')?;
        Some(Self {
            stream: digits(stream)?,
            number: digits(number)?,
        })
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.stream, self.number)
    }
}

/// Digits only: the standard parser would also take a sign.
fn digits(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[derive(Debug)]
struct Stored {
    id: EventId,
    at: Tick,
    /// `None` marks a stream that ended without an answer (C11): known, but nothing to replay.
    message: Option<Kept>,
}

impl Stored {
    /// What it costs: many short events must not slip through the bounds.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.message.as_ref().map_or(0, Kept::bytes)
    }
}

/// The store of one session, oldest event first.
#[derive(Debug, Default)]
pub(super) struct Replay {
    events: VecDeque<Stored>,
    bytes: usize,
    /// Bytes in all stores together.
    total: Rc<Cell<usize>>,
}

impl Replay {
    /// An empty store that counts into `total` as well.
    pub(super) fn new(total: &Rc<Cell<usize>>) -> Self {
        Self {
            total: Rc::clone(total),
            events: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Keeps an event.
    pub(super) fn store(&mut self, now: Tick, id: EventId, message: &[Part<'_>]) {
        self.push(now, id, Some(Kept::new(message)));
    }

    /// Remembers that a stream ended without an answer.
    pub(super) fn mark_end(&mut self, now: Tick, id: EventId) {
        self.push(now, id, None);
    }

    fn push(&mut self, at: Tick, id: EventId, message: Option<Kept>) {
        let stored = Stored { id, at, message };
        self.count(stored.bytes(), 0);
        self.events.push_back(stored);
        // Numbers run on without gaps, so only this one can have become too many.
        if let Some(number) = id.number.checked_sub(REPLAY_EVENTS_PER_STREAM_MAX)
            && let Some(oldest) = self.find(EventId { number, ..id })
        {
            Mark::ReplayStreamFull.hit();
            self.forget(oldest);
        }
        // The newest event may be the answer somebody waits for: it stays.
        while self.events.len() > 1
            && (self.bytes > REPLAY_BYTES_PER_SESSION_MAX || self.total.get() > REPLAY_BYTES_MAX)
        {
            Mark::ReplayBytesFull.hit();
            self.forget(0);
        }
    }

    fn find(&self, id: EventId) -> Option<usize> {
        self.events.iter().position(|stored| stored.id == id)
    }

    fn forget(&mut self, index: usize) {
        if let Some(stored) = self.events.remove(index) {
            self.count(0, stored.bytes());
        }
    }

    fn count(&mut self, more: usize, less: usize) {
        self.bytes = (self.bytes + more).saturating_sub(less);
        self.total
            .set((self.total.get() + more).saturating_sub(less));
    }

    /// Whether anything is known of a stream.
    pub(super) fn knows(&self, stream: u32) -> bool {
        self.events.iter().any(|stored| stored.id.stream == stream)
    }

    /// The events of the same stream that came later.
    pub(super) fn after(&self, last: EventId) -> impl Iterator<Item = (EventId, &Kept)> {
        self.events
            .iter()
            .filter(move |stored| stored.id.stream == last.stream && stored.id.number > last.number)
            .filter_map(|stored| stored.message.as_ref().map(|message| (stored.id, message)))
    }

    /// Forgets what is too old; tells when the next event will be.
    pub(super) fn expire(&mut self, now: Tick) -> Option<Tick> {
        while let Some(oldest) = self.events.front() {
            let until = oldest.at.after(REPLAY_MS_MAX);
            if until > now {
                return Some(until);
            }
            Mark::ReplayExpires.hit();
            self.forget(0);
        }
        // An idle session must not keep the table of a busy hour.
        self.events = VecDeque::new();
        None
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.total.set(self.total.get().saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::mark::must_hit;

    fn id(stream: u32, number: u32) -> EventId {
        EventId { stream, number }
    }

    fn numbers(replay: &Replay, last: EventId) -> Vec<u32> {
        replay.after(last).map(|(id, _)| id.number).collect()
    }

    #[test]
    fn c9_an_event_id_names_its_stream_and_only_ours_are_read() {
        assert_eq!(EventId::parse(&id(7, 12).to_string()), Some(id(7, 12)));
        for foreign in [
            "",
            "7",
            "-",
            "7-",
            "-1",
            "+7-1",
            "7-+1",
            "7-1-1",
            "x-1",
            "4294967296-1",
        ] {
            assert_eq!(EventId::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn c9_later_events_of_the_same_stream_only() {
        let mut replay = Replay::default();
        for (stream, number) in [(1, 1), (2, 1), (1, 2), (0, 1), (1, 3)] {
            replay.store(Tick(0), id(stream, number), &["x".into()]);
        }
        assert_eq!(numbers(&replay, id(1, 1)), [2, 3]);
        assert_eq!(numbers(&replay, id(2, 1)), [] as [u32; 0]);
        assert!(replay.knows(2) && !replay.knows(3));
        replay.mark_end(Tick(0), id(3, 1));
        assert!(replay.knows(3) && numbers(&replay, id(3, 0)).is_empty());
    }

    #[test]
    fn c10_the_store_is_bounded_per_stream_and_the_oldest_go_first() {
        let mut replay = Replay::default();
        replay.store(Tick(0), id(2, 1), &["x".into()]);
        let last = REPLAY_EVENTS_PER_STREAM_MAX + 5;
        for number in 1..=last {
            replay.store(Tick(0), id(1, number), &["x".into()]);
        }
        let kept = numbers(&replay, id(1, 0));
        assert_eq!((kept.len(), kept[0]), (256, 6));
        assert!(replay.knows(2));
    }

    #[test]
    fn c10_the_store_is_bounded_in_bytes_and_keeps_the_newest() {
        let _reached = must_hit(Mark::ReplayBytesFull);
        let long = Rc::new(vec![b'x'; REPLAY_BYTES_PER_SESSION_MAX / 4]);
        let mut replay = Replay::default();
        for number in 1..=6 {
            replay.store(Tick(0), id(1, number), &[Part::Share(&long, 0..long.len())]);
        }
        assert_eq!(numbers(&replay, id(1, 0)), [4, 5, 6]);
        assert!(replay.bytes <= REPLAY_BYTES_PER_SESSION_MAX);
    }

    #[test]
    fn c10_all_stores_together_are_bounded_and_give_back_what_they_counted() {
        let long = Rc::new(vec![b'x'; REPLAY_BYTES_PER_SESSION_MAX / 2]);
        let total = Rc::default();
        let mut stores: Vec<Replay> = (0..20).map(|_| Replay::new(&total)).collect();
        for replay in &mut stores {
            for number in 1..=2 {
                replay.store(Tick(0), id(1, number), &[Part::Share(&long, 0..long.len())]);
            }
            assert!(replay.knows(1));
        }
        // Each session keeps its newest event, nobody more once the whole is full.
        assert_eq!(numbers(&stores[19], id(1, 0)), [2]);
        drop(stores);
        assert_eq!(total.get(), 0);
    }

    #[test]
    fn c10_events_are_forgotten_after_a_while() {
        let mut replay = Replay::default();
        replay.store(Tick(10), id(1, 1), &["x".into()]);
        replay.store(Tick(20), id(1, 2), &["x".into()]);
        assert_eq!(replay.expire(Tick(20)), Some(Tick(10 + REPLAY_MS_MAX)));
        assert_eq!(
            replay.expire(Tick(10 + REPLAY_MS_MAX)),
            Some(Tick(20 + REPLAY_MS_MAX))
        );
        assert_eq!(numbers(&replay, id(1, 0)), [2]);
        assert_eq!(replay.expire(Tick(20 + REPLAY_MS_MAX)), None);
        assert_eq!(replay.bytes, 0);
    }
}
