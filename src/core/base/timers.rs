//! Alarms: at most one per owner, and the earliest of all in O(log n).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::now::Tick;

/// A set of alarms, one for each `K`.
#[derive(Debug)]
pub struct Timers<K> {
    order: BTreeSet<(Tick, K)>,
    at: BTreeMap<K, Tick>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            order: BTreeSet::new(),
            at: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// Sets the owner's alarm, in place of the one it had.
    pub fn set(&mut self, owner: K, at: Tick) {
        if let Some(old) = self.at.insert(owner, at) {
            if old == at {
                return;
            }
            self.order.remove(&(old, owner));
        }
        self.order.insert((at, owner));
    }

    /// Sets the owner's alarm unless it has one before that.
    pub fn set_by(&mut self, owner: K, at: Tick) {
        if self.get(owner).is_none_or(|set| set > at) {
            self.set(owner, at);
        }
    }

    /// Takes the owner's alarm away, if it has one.
    pub fn clear(&mut self, owner: K) {
        if let Some(old) = self.at.remove(&owner) {
            self.order.remove(&(old, owner));
        }
    }

    /// The moment of the owner's alarm.
    #[must_use]
    pub fn get(&self, owner: K) -> Option<Tick> {
        self.at.get(&owner).copied()
    }

    /// The earliest alarm.
    #[must_use]
    pub fn next(&self) -> Option<Tick> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes one alarm out whose moment has come.
    pub fn pop_due(&mut self, now: Tick) -> Option<K> {
        let (at, owner) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.at.remove(&owner);
        Some(owner)
    }

    /// How many alarms are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether no alarm is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }
}

/// Deadlines of equal length: whoever came first is due first, so a queue is enough. An entry is
/// not taken out when its matter ends; its owner sees at the deadline that the key has gone.
#[derive(Debug)]
pub struct DeadlineQueue<K> {
    queue: VecDeque<(Tick, K)>,
}

impl<K> Default for DeadlineQueue<K> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }
}

impl<K: Copy> DeadlineQueue<K> {
    /// Appends a deadline; must not lie before the last one.
    pub fn push(&mut self, at: Tick, key: K) {
        self.queue.push_back((at, key));
    }

    /// Drops entries that are `over` once they are more than those of the `live` matters: one slow
    /// call at the front would otherwise let those of a minute pile up behind it.
    pub fn prune(&mut self, live: usize, mut over: impl FnMut(K) -> bool) {
        if self.queue.len() > live * 2 + 64 {
            self.queue.retain(|(_, key)| !over(*key));
        }
    }

    /// Drops entries from the front that are `over` already, then tells the earliest deadline.
    pub fn next(&mut self, mut over: impl FnMut(K) -> bool) -> Option<Tick> {
        while let Some((at, key)) = self.queue.front().copied() {
            if !over(key) {
                return Some(at);
            }
            self.queue.pop_front();
        }
        None
    }

    /// Takes one entry out whose moment has come.
    pub fn pop_due(&mut self, now: Tick) -> Option<K> {
        match self.queue.front() {
            Some((at, _)) if *at <= now => self.queue.pop_front().map(|(_, key)| key),
            _ => None,
        }
    }

    /// How many entries wait, ended ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alarm_per_owner_and_the_earliest_first() {
        let mut timers = Timers::default();
        timers.set('a', Tick(10));
        timers.set('b', Tick(5));
        timers.set('a', Tick(3));
        assert_eq!((timers.next(), timers.len()), (Some(Tick(3)), 2));
        timers.clear('b');
        assert_eq!(timers.pop_due(Tick(2)), None);
        assert_eq!(timers.pop_due(Tick(3)), Some('a'));
        assert!(timers.is_empty() && timers.next().is_none());
    }

    #[test]
    fn an_alarm_that_comes_in_time_is_left_alone() {
        let mut timers = Timers::default();
        for (at, set) in [(10, 10), (20, 10), (10, 10), (4, 4)] {
            timers.set_by('a', Tick(at));
            assert_eq!((timers.get('a'), timers.len()), (Some(Tick(set)), 1));
        }
    }

    #[test]
    fn ended_entries_leave_the_queue_from_the_front() {
        let mut queue = DeadlineQueue::default();
        for (at, key) in [(1, 'a'), (2, 'b'), (3, 'c')] {
            queue.push(Tick(at), key);
        }
        assert_eq!(queue.next(|key| key == 'a'), Some(Tick(2)));
        assert_eq!(
            (queue.pop_due(Tick(1)), queue.pop_due(Tick(2))),
            (None, Some('b'))
        );
        assert_eq!(queue.len(), 1);
    }
}
