//! Calls of a common session that nobody waits for any more: cancelled, timed out, or their client
//! is gone. Their server may not have read that yet, or may not care, and still ask or log on their
//! behalf; so for a while they count when it is to be said whose question that is (protocol S3).
//! Knows no messages; a ghost is never told anything.

use crate::base::mark::Mark;
use crate::language::ClientKey;
use crate::limits::{GHOST_MS_MIN, GHOSTS_PER_POOL_MAX};
use crate::now::Tick;
use crate::route::calls::CallKey;

#[derive(Debug)]
struct Ghost {
    call: CallKey,
    client: ClientKey,
    /// As long as the call might have taken, or a little longer.
    until: Tick,
}

/// The ghosts of one session.
#[derive(Debug, Default)]
pub(crate) struct Ghosts {
    calls: Vec<Ghost>,
    /// There were too many to be kept: until then they may be anybody's.
    anybody_until: Tick,
}

impl Ghosts {
    /// Nobody waits any more for a call that may take this long.
    pub(crate) fn add(&mut self, now: Tick, call: CallKey, client: ClientKey, ms: u64) {
        self.calls.retain(|ghost| ghost.until > now);
        let until = now.after(ms.max(GHOST_MS_MIN));
        if self.calls.len() < GHOSTS_PER_POOL_MAX {
            self.calls.push(Ghost {
                call,
                client,
                until,
            });
        } else {
            Mark::GhostsFull.hit();
            self.anybody_until = self.anybody_until.max(until);
        }
    }

    /// Its server answered after all: whether it was one of these.
    pub(crate) fn remove(&mut self, call: CallKey) -> bool {
        let before = self.calls.len();
        self.calls.retain(|ghost| ghost.call != call);
        self.calls.len() < before
    }

    /// Whether the server may still work for somebody else than this client.
    pub(crate) fn of_others(&self, now: Tick, client: ClientKey) -> bool {
        let others = |ghost: &Ghost| ghost.client != client && ghost.until > now;
        self.anybody_until > now || self.calls.iter().any(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::Key;

    const LONG: u64 = 2 * GHOST_MS_MIN;

    fn key(index: usize) -> Key {
        Key {
            index: u32::try_from(index).unwrap(),
            generation: 0,
        }
    }

    #[test]
    fn s3_a_ghost_counts_until_it_is_answered_or_its_time_is_over() {
        let (a, b) = (ClientKey(key(1)), ClientKey(key(2)));
        let mut ghosts = Ghosts::default();
        ghosts.add(Tick(0), CallKey(key(7)), a, LONG);
        assert!(ghosts.of_others(Tick(LONG - 1), b) && !ghosts.of_others(Tick(LONG - 1), a));
        assert!(!ghosts.of_others(Tick(LONG), b));
        assert!(ghosts.remove(CallKey(key(7))) && !ghosts.remove(CallKey(key(7))));
        assert!(!ghosts.of_others(Tick(0), b));
        // A short timeout says when we give up, not when the server does.
        ghosts.add(Tick(0), CallKey(key(7)), a, 1);
        assert!(ghosts.of_others(Tick(GHOST_MS_MIN - 1), b));
        assert!(!ghosts.of_others(Tick(GHOST_MS_MIN), b));
    }

    #[test]
    fn s3_too_many_ghosts_are_anybodys() {
        let (a, b) = (ClientKey(key(1)), ClientKey(key(2)));
        let mut ghosts = Ghosts::default();
        for call in 0..=GHOSTS_PER_POOL_MAX {
            ghosts.add(Tick(0), CallKey(key(call)), a, LONG);
        }
        assert_eq!(ghosts.calls.len(), GHOSTS_PER_POOL_MAX);
        assert!(ghosts.of_others(Tick(LONG - 1), a) && ghosts.of_others(Tick(LONG - 1), b));
        assert!(!ghosts.of_others(Tick(LONG), b));
        ghosts.add(Tick(LONG), CallKey(key(0)), a, LONG);
        assert_eq!(ghosts.calls.len(), 1);
    }
}
