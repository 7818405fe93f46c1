//! Whose sessions and subscriptions there are, counted by grant, and until when their newest tokens
//! last. A table only: who ends what is `admission`.

use std::collections::BTreeMap;

use crate::base::mark::Mark;
use crate::limits::{LISTENS_PER_GRANT_MAX, SESSIONS_PER_GRANT_MAX};
use crate::now::UnixSeconds;
use crate::principal::{GrantId, Sight};

/// What is open for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// A session, on `/mcp` or `/sse`.
    Session,
    /// A subscription of a client without a session.
    Listen,
}

#[derive(Debug)]
struct Grant {
    /// When the newest of its tokens that was seen ends.
    expires: UnixSeconds,
    /// That moment has passed, and its streams have ended.
    over: bool,
    sessions: usize,
    listens: usize,
}

/// All grants that have something open.
#[derive(Debug, Default)]
pub(super) struct Grants {
    by_id: BTreeMap<GrantId, Grant>,
}

impl Grants {
    /// A request came with this token. Tells whether the grant's streams had ended before.
    pub(super) fn seen(&mut self, sight: &Sight) -> bool {
        let Some(who) = sight.principal() else {
            return false;
        };
        match self.by_id.get_mut(&who.grant) {
            Some(grant) if grant.expires < who.expires => {
                grant.expires = who.expires;
                std::mem::take(&mut grant.over)
            }
            Some(_) | None => false,
        }
    }

    /// Whether one more fits (X10).
    pub(super) fn fits(&self, sight: &Sight, what: Open) -> bool {
        let grant = sight.grant().and_then(|grant| self.by_id.get(&grant));
        grant.is_none_or(|grant| match what {
            Open::Session => grant.sessions < SESSIONS_PER_GRANT_MAX,
            Open::Listen => grant.listens < LISTENS_PER_GRANT_MAX,
        })
    }

    /// Something was opened.
    pub(super) fn opened(&mut self, sight: &Sight, what: Open) {
        if let Some(who) = sight.principal() {
            let grant = self.by_id.entry(who.grant).or_insert(Grant {
                expires: who.expires,
                over: false,
                sessions: 0,
                listens: 0,
            });
            *grant.count(what) += 1;
        }
    }

    /// It has ended.
    pub(super) fn ended(&mut self, sight: &Sight, what: Open) {
        let Some(id) = sight.grant() else {
            return;
        };
        if let Some(grant) = self.by_id.get_mut(&id) {
            let count = grant.count(what);
            *count = count.saturating_sub(1);
            if (grant.sessions, grant.listens) == (0, 0) {
                self.by_id.remove(&id);
            }
        }
    }

    /// The next moment at which a grant's newest token ends.
    pub(super) fn next(&self) -> Option<UnixSeconds> {
        let running = self.by_id.values().filter(|grant| !grant.over);
        running.map(|grant| grant.expires).min()
    }

    /// Grants whose newest token has ended, each told once.
    pub(super) fn take_over(&mut self, now: UnixSeconds) -> Vec<GrantId> {
        let mut over = Vec::new();
        for (id, grant) in &mut self.by_id {
            if !grant.over && grant.expires <= now {
                Mark::GrantTokensOver.hit();
                grant.over = true;
                over.push(*id);
            }
        }
        over
    }
}

impl Grant {
    const fn count(&mut self, what: Open) -> &mut usize {
        match what {
            Open::Session => &mut self.sessions,
            Open::Listen => &mut self.listens,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::principal::{Principal, Scopes};

    fn sight(grant: u8, expires: u64) -> Sight {
        Sight::of(Rc::new(Principal {
            grant: GrantId([grant; 16]),
            client: "c".into(),
            scopes: Scopes::All,
            expires: UnixSeconds(expires),
        }))
    }

    #[test]
    fn what_is_open_is_counted_and_forgotten() {
        let mut grants = Grants::default();
        let (one, two) = (sight(1, 10), sight(2, 20));
        for open in [Open::Session, Open::Listen] {
            grants.opened(&one, open);
        }
        grants.opened(&two, Open::Session);
        grants.opened(&Sight::ALL, Open::Session);
        assert_eq!(
            (grants.by_id.len(), grants.next()),
            (2, Some(UnixSeconds(10)))
        );
        grants.ended(&one, Open::Session);
        grants.ended(&one, Open::Listen);
        grants.ended(&one, Open::Listen);
        grants.ended(&Sight::ALL, Open::Session);
        assert_eq!(grants.next(), Some(UnixSeconds(20)));
        grants.ended(&two, Open::Session);
        assert_eq!((grants.by_id.len(), grants.next()), (0, None));
    }

    #[test]
    fn a_grant_lasts_as_long_as_the_newest_of_its_tokens_that_was_seen() {
        let mut grants = Grants::default();
        grants.opened(&sight(1, 10), Open::Session);
        assert!(!grants.seen(&sight(1, 30)) && !grants.seen(&sight(1, 20)));
        assert_eq!(grants.take_over(UnixSeconds(29)), []);
        assert_eq!(grants.take_over(UnixSeconds(30)), [GrantId([1; 16])]);
        assert_eq!(grants.take_over(UnixSeconds(31)), []);
        assert_eq!(grants.next(), None);
        assert!(!grants.seen(&sight(1, 30)) && !grants.seen(&sight(3, 90)));
        assert!(grants.seen(&sight(1, 40)));
        assert_eq!(grants.next(), Some(UnixSeconds(40)));
    }

    #[test]
    fn x10_one_grant_cannot_take_all_the_room() {
        let mut grants = Grants::default();
        let (one, two) = (sight(1, 10), sight(2, 10));
        for _ in 0..SESSIONS_PER_GRANT_MAX {
            assert!(grants.fits(&one, Open::Session));
            grants.opened(&one, Open::Session);
        }
        for _ in 0..LISTENS_PER_GRANT_MAX {
            assert!(grants.fits(&one, Open::Listen));
            grants.opened(&one, Open::Listen);
        }
        for what in [Open::Session, Open::Listen] {
            assert!(!grants.fits(&one, what) && grants.fits(&two, what));
            assert!(grants.fits(&Sight::ALL, what));
        }
    }
}
