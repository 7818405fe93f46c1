//! Idle connections, kept for the next request that leads to the same place (`O`: an origin, and
//! whatever else connections must have in common). A table only: it knows keys and
//! moments, opens and closes nothing; whoever it hands a key to has the connection.

use std::rc::Rc;

use crate::limits::{IDLE_CONNECTIONS_MAX, IDLE_CONNECTIONS_PER_ORIGIN_MAX};
use crate::now::Tick;

/// Idle connections, the oldest first. `K` names a connection.
#[derive(Debug)]
pub struct Origins<O, K> {
    idle: Vec<Idle<O, K>>,
}

#[derive(Debug)]
struct Idle<O, K> {
    origin: Rc<O>,
    link: K,
    until: Tick,
}

impl<O, K> Default for Origins<O, K> {
    fn default() -> Self {
        Self { idle: Vec::new() }
    }
}

impl<O: PartialEq, K: Copy + PartialEq> Origins<O, K> {
    /// Keeps a connection until `until`. Tells one that is to be closed instead: the oldest of its
    /// origin, or of all, if there are too many.
    #[must_use]
    pub fn put(&mut self, origin: &Rc<O>, link: K, until: Tick) -> Option<K> {
        self.idle.push(Idle {
            origin: Rc::clone(origin),
            link,
            until,
        });
        let theirs = |idle: &Idle<O, K>| idle.origin == *origin;
        let of_origin = self.idle.iter().filter(|idle| theirs(idle)).count();
        if of_origin > IDLE_CONNECTIONS_PER_ORIGIN_MAX {
            return self.remove_first(theirs);
        }
        if self.idle.len() > IDLE_CONNECTIONS_MAX {
            return self.remove_first(|_| true);
        }
        None
    }

    /// Hands out the connection of an origin that was used last, if there is one whose time is not
    /// over: its server has had the least time to close it.
    pub fn take(&mut self, origin: &O, now: Tick) -> Option<K> {
        let fits = |idle: &Idle<O, K>| *idle.origin == *origin && idle.until > now;
        let at = self.idle.iter().rposition(fits)?;
        Some(self.idle.remove(at).link)
    }

    /// Forgets a connection that has ended. `false` if it was not idle here.
    pub fn remove(&mut self, link: K) -> bool {
        self.remove_first(|idle| idle.link == link).is_some()
    }

    /// Takes a connection out whose time is over; close it.
    pub fn pop_due(&mut self, now: Tick) -> Option<K> {
        self.remove_first(|idle| idle.until <= now)
    }

    /// Takes any connection out; close it (we are leaving).
    pub fn pop(&mut self) -> Option<K> {
        self.remove_first(|_| true)
    }

    /// When the first of them is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.idle.iter().map(|idle| idle.until).min()
    }

    /// How many are idle.
    #[must_use]
    pub fn len(&self) -> usize {
        self.idle.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }

    fn remove_first(&mut self, which: impl Fn(&Idle<O, K>) -> bool) -> Option<K> {
        let at = self.idle.iter().position(which)?;
        Some(self.idle.remove(at).link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::origin::Origin;
    use crate::base::url::Url;

    fn origin(text: &str) -> Rc<Origin> {
        Rc::new(Url::parse(text).unwrap().origin().clone())
    }

    #[test]
    fn the_connection_that_was_used_last_is_used_next_and_only_for_its_origin() {
        let (a, b) = (origin("http://a"), origin("https://a"));
        let mut origins = Origins::default();
        for (whose, link) in [(&a, 1), (&b, 2), (&a, 3)] {
            assert_eq!(origins.put(whose, link, Tick(10)), None);
        }
        let again = origin("HTTP://A:80/other");
        assert_eq!(origins.take(&again, Tick(0)), Some(3));
        assert_eq!(origins.take(&again, Tick(0)), Some(1));
        assert_eq!(origins.take(&again, Tick(0)), None);
        assert!(origins.remove(2) && !origins.remove(2));
        assert!(origins.is_empty() && origins.deadline().is_none() && origins.pop().is_none());
    }

    #[test]
    fn what_is_due_is_not_handed_out_but_closed() {
        let a = origin("http://a");
        let mut origins = Origins::default();
        for (link, until) in [(1, 30), (2, 10), (3, 20)] {
            assert_eq!(origins.put(&a, link, Tick(until)), None);
        }
        assert_eq!(origins.deadline(), Some(Tick(10)));
        assert_eq!(origins.pop_due(Tick(9)), None);
        assert_eq!(origins.take(&a, Tick(20)), Some(1));
        assert_eq!(origins.take(&a, Tick(20)), None);
        assert_eq!(origins.pop_due(Tick(20)), Some(2));
        assert_eq!(origins.pop_due(Tick(20)), Some(3));
        assert_eq!(origins.pop_due(Tick(20)), None);
    }

    #[test]
    fn idle_connections_per_origin_max_closes_the_oldest_of_the_origin() {
        let (a, b) = (origin("http://a"), origin("http://b"));
        let mut origins = Origins::default();
        assert_eq!(origins.put(&b, 1000, Tick(1)), None);
        for link in 0..IDLE_CONNECTIONS_PER_ORIGIN_MAX {
            assert_eq!(origins.put(&a, link, Tick(1)), None);
        }
        assert_eq!(origins.put(&a, 99, Tick(1)), Some(0));
        assert_eq!(origins.len(), IDLE_CONNECTIONS_PER_ORIGIN_MAX + 1);
    }

    #[test]
    fn idle_connections_max_closes_the_oldest_of_all() {
        let mut origins = Origins::default();
        for link in 0..IDLE_CONNECTIONS_MAX {
            let whose = origin(&format!("http://h{link}"));
            assert_eq!(origins.put(&whose, link, Tick(1)), None);
        }
        assert_eq!(origins.put(&origin("http://new"), 99, Tick(1)), Some(0));
        assert_eq!(origins.put(&origin("http://h1"), 100, Tick(1)), Some(1));
        assert_eq!(
            (origins.len(), origins.pop()),
            (IDLE_CONNECTIONS_MAX, Some(2))
        );
    }
}
