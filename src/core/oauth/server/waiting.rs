//! Registrations that wait for the owner (protocol S9): from where they came, and whose page was
//! shown lately. Strangers register as they like; so whoever brings most of them gives way first,
//! and never the one that somebody is just looking at.
//!
//! In memory only: after a restart nobody is known to be noisy. Clients themselves are in `record`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::record::{Known, Record};
use super::throttle::network;
use crate::limits::{SHOWN_MAX, SHOWN_MS, SHOWN_PER_NETWORK_MAX};
use crate::now::Tick;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The networks of clients without consent.
    from: BTreeMap<Rc<str>, IpAddr>,
    /// Until when a client stays since its page was shown.
    shown: BTreeMap<Rc<str>, Tick>,
}

impl Waiting {
    /// A client has registered.
    pub(super) fn registered(&mut self, id: &Rc<str>, address: IpAddr) {
        self.from.insert(Rc::clone(id), network(address));
    }

    /// A page about this client was shown: the owner's consent page, or the login before it, which
    /// everybody can have.
    pub(super) fn shown(&mut self, id: &Rc<str>, by_owner: bool, now: Tick) {
        self.shown.retain(|_, until| *until > now);
        if !by_owner {
            let own = self.from.get(id);
            let same = |other: &&Rc<str>| own.is_some() && self.from.get(*other) == own;
            let of_network = self.shown.keys().filter(same).count();
            let full = self.shown.len() >= SHOWN_MAX || of_network >= SHOWN_PER_NETWORK_MAX;
            if full || self.shown.contains_key(id) {
                return;
            }
        }
        self.shown.insert(Rc::clone(id), now.after(SHOWN_MS));
    }

    /// Forgets whoever does not wait any more.
    pub(super) fn forget(&mut self, record: &Record, now: Tick) {
        let waits = |id: &Rc<str>| {
            let client = record.clients.iter().find(|client| client.id == *id);
            client.is_some_and(|client| client.known == Known::Unconsented)
        };
        self.from.retain(|id, _| waits(id));
        self.shown.retain(|id, until| *until > now && waits(id));
    }

    /// Whether this client is not pushed out.
    pub(super) fn stays(&self, id: &str) -> bool {
        self.shown.contains_key(id)
    }

    /// How many clients of each network wait.
    pub(super) fn crowds(&self) -> BTreeMap<IpAddr, usize> {
        let mut crowds = BTreeMap::new();
        for network in self.from.values() {
            *crowds.entry(*network).or_default() += 1;
        }
        crowds
    }

    /// How many are of the network of this one; of whom nobody knows it, each is alone.
    pub(super) fn crowd_of(&self, id: &str, crowds: &BTreeMap<IpAddr, usize>) -> usize {
        let crowd = self.from.get(id).and_then(|network| crowds.get(network));
        crowd.copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_max_keeps_no_more_for_strangers_and_any_for_the_owner() {
        let mut waiting = Waiting::default();
        let id = |n: usize| -> Rc<str> { n.to_string().into() };
        let mut register = |n: usize, address: u32| {
            waiting.registered(&id(n), IpAddr::V4(address.into()));
            waiting.shown(&id(n), false, Tick(0));
            waiting.stays(&id(n))
        };
        for n in 0..SHOWN_PER_NETWORK_MAX {
            assert!(register(n, 1));
        }
        assert!(!register(SHOWN_PER_NETWORK_MAX, 1));
        for n in SHOWN_PER_NETWORK_MAX..SHOWN_MAX {
            assert!(register(1_000 + n, 2 + u32::try_from(n).unwrap()));
        }
        assert!(!register(5_000, 5_000));
        waiting.shown(&id(5_000), true, Tick(0));
        assert!(waiting.stays("5000"));
        let later = Tick(SHOWN_MS);
        waiting.shown(&id(1), false, later);
        assert!(waiting.stays("1") && !waiting.stays("5000"));
        waiting.forget(&Record::default(), later);
        assert!(!waiting.stays("1") && waiting.crowds().is_empty());
    }
}
