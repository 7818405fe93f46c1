//! Places: how many exchanges may be under way with one site and in all, and how much may wait for
//! that. A site is an origin, and whom its connections may lead to: those of the one kind never
//! serve the other. A table of counts only; it opens and sends nothing.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::origin::Origin;
use crate::base::slab::Slab;
use crate::fetch::SiteKey;
use crate::fetch::order::{Lane, Reach};
use crate::limits::{
    FETCH_BYTES_PER_ORIGIN_MAX, FETCH_CALLS_MAX, FETCH_CALLS_PER_ORIGIN_MAX,
    FETCH_GATHERED_BYTES_PER_ORIGIN_MAX, FETCH_STREAMS_MAX, FETCH_STREAMS_PER_ORIGIN_MAX,
    FETCH_WAITING_MAX, FETCH_WAITING_PER_ORIGIN_MAX,
};

/// Exchanges under way.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    calls: usize,
    streams: usize,
}

impl Places {
    fn of(&mut self, lane: Lane) -> &mut usize {
        match lane {
            Lane::Call => &mut self.calls,
            Lane::Stream => &mut self.streams,
        }
    }
}

/// What the connections of a site have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    /// Where they lead.
    pub(super) origin: Origin,
    /// Whom they may reach on it.
    pub(super) reach: Reach,
}

#[derive(Debug)]
struct Site {
    way: Rc<Way>,
    /// Exchanges and connections that name it.
    users: usize,
    taken: Places,
    /// Orders that wait for a place.
    waiting: usize,
    /// Bodies of orders that have no response yet.
    bytes: usize,
    /// What came of responses that are gathered.
    gathered: usize,
}

/// All sites in use.
#[derive(Debug, Default)]
pub(super) struct Sites {
    sites: Slab<SiteKey, Site>,
    keys: BTreeMap<Rc<Way>, SiteKey>,
    taken: Places,
    waiting: usize,
}

impl Sites {
    /// The site of an origin, with one user more.
    pub(super) fn enter(&mut self, origin: &Origin, reach: Reach) -> SiteKey {
        let origin = origin.clone();
        let way = Rc::new(Way { origin, reach });
        if let Some(key) = self.keys.get(&way).copied() {
            self.enter_again(key);
            return key;
        }
        let key = self.sites.insert(Site {
            way: Rc::clone(&way),
            users: 1,
            taken: Places::default(),
            waiting: 0,
            bytes: 0,
            gathered: 0,
        });
        self.keys.insert(way, key);
        key
    }

    /// One user more.
    pub(super) fn enter_again(&mut self, key: SiteKey) {
        if let Some(site) = self.sites.get_mut(key) {
            site.users += 1;
        }
    }

    /// One user less.
    pub(super) fn leave(&mut self, key: SiteKey) {
        let Some(site) = self.sites.get_mut(key) else {
            return;
        };
        site.users -= 1;
        if site.users == 0
            && let Some(site) = self.sites.remove(key)
        {
            self.keys.remove(&site.way);
        }
    }

    /// Where its connections lead.
    pub(super) fn way(&self, key: SiteKey) -> Option<&Rc<Way>> {
        self.sites.get(key).map(|site| &site.way)
    }

    /// Takes a place, if there is one.
    pub(super) fn take_place(&mut self, key: SiteKey, lane: Lane) -> bool {
        let (most, most_in_all) = match lane {
            Lane::Call => (FETCH_CALLS_PER_ORIGIN_MAX, FETCH_CALLS_MAX),
            Lane::Stream => (FETCH_STREAMS_PER_ORIGIN_MAX, FETCH_STREAMS_MAX),
        };
        let Some(site) = self.sites.get_mut(key) else {
            return false;
        };
        let (taken, in_all) = (site.taken.of(lane), self.taken.of(lane));
        let is_free = *taken < most && *in_all < most_in_all;
        if is_free {
            *taken += 1;
            *in_all += 1;
        }
        is_free
    }

    /// Gives a place back.
    pub(super) fn give_place(&mut self, key: SiteKey, lane: Lane) {
        if let Some(site) = self.sites.get_mut(key) {
            *site.taken.of(lane) -= 1;
            *self.taken.of(lane) -= 1;
        }
    }

    /// One order more waits, unless there are too many of them.
    pub(super) fn wait(&mut self, key: SiteKey) -> bool {
        let in_all = self.waiting;
        let Some(site) = self.sites.get_mut(key) else {
            return false;
        };
        let may = site.waiting < FETCH_WAITING_PER_ORIGIN_MAX && in_all < FETCH_WAITING_MAX;
        if may {
            site.waiting += 1;
            self.waiting += 1;
        }
        may
    }

    /// One order less waits.
    pub(super) fn wait_over(&mut self, key: SiteKey) {
        if let Some(site) = self.sites.get_mut(key) {
            site.waiting -= 1;
            self.waiting -= 1;
        }
    }

    /// Holds so many bytes for an order, unless that is too much.
    pub(super) fn hold(&mut self, key: SiteKey, bytes: usize) -> bool {
        let Some(site) = self.sites.get_mut(key) else {
            return false;
        };
        let sum = site.bytes.saturating_add(bytes);
        // One alone is taken however long it is: it can only ever be alone.
        let may = sum <= FETCH_BYTES_PER_ORIGIN_MAX || site.bytes == 0;
        if may {
            site.bytes = sum;
        }
        may
    }

    /// Holds so many bytes less.
    pub(super) fn release(&mut self, key: SiteKey, bytes: usize) {
        if let Some(site) = self.sites.get_mut(key) {
            site.bytes -= bytes;
        }
    }

    /// Gathers so many bytes more of a response of which there were some before; `false` if that
    /// is too much. They count either way.
    pub(super) fn gather(&mut self, key: SiteKey, bytes: usize, before: usize) -> bool {
        let Some(site) = self.sites.get_mut(key) else {
            return false;
        };
        let others = site.gathered.saturating_sub(before);
        site.gathered = site.gathered.saturating_add(bytes);
        // One alone has a limit of its own.
        others == 0 || site.gathered <= FETCH_GATHERED_BYTES_PER_ORIGIN_MAX
    }

    /// A response is not gathered any more.
    pub(super) fn scatter(&mut self, key: SiteKey, bytes: usize) {
        if let Some(site) = self.sites.get_mut(key) {
            site.gathered = site.gathered.saturating_sub(bytes);
        }
    }

    /// Whether nobody uses any of them.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn is_empty(&self) -> bool {
        let Places { calls, streams } = self.taken;
        let counts = [
            self.sites.len(),
            self.keys.len(),
            self.waiting,
            calls,
            streams,
        ];
        counts == [0; 5]
    }
}
