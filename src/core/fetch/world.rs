//! What the tests and the fuzz target of this room share: a world without a shell.

use std::rc::Rc;

use crate::base::slab::Key;
use crate::base::timers::Timers;
use crate::cx::{Alarm, Cx};
use crate::effect::{DialSpec, Effect, Effects, Level};
use crate::entropy::Entropy;
use crate::fetch::{FetchKey, Fetcher, Order};
use crate::http1::proxy::Proxies;
use crate::input::{OpenFailure, OpenFault};
use crate::limits::IDLE_CONNECTION_MS_MAX;
use crate::links::{DialKey, LinkKey, Links, Owner};
use crate::now::{Now, Tick};
use crate::tally::Tally;

/// Everything that a [`Cx`] points to, the machine, and a shell that does what it is told.
pub(super) struct World {
    pub(super) now: Now,
    pub(super) links: Links,
    pub(super) timers: Timers<Alarm>,
    pub(super) effects: Effects,
    entropy: Entropy,
    tally: Tally,
    pub(super) fetcher: Fetcher<u32>,
    minted: u32,
    /// Connections that were ordered and are not answered.
    pub(super) dials: Vec<(DialKey, DialSpec)>,
    /// Orders to the shell since they were looked at last, but for those to open.
    pub(super) orders: Vec<Effect>,
}

impl Default for World {
    fn default() -> Self {
        Self::new(Proxies::default())
    }
}

impl World {
    pub(super) fn new(proxies: Proxies) -> Self {
        Self {
            now: Now {
                tick: Tick(1_000_000),
                ..Now::default()
            },
            links: Links::default(),
            timers: Timers::default(),
            effects: Effects::default(),
            entropy: Entropy::new(&[9; 32]),
            tally: Tally::default(),
            fetcher: Fetcher::new(Rc::new(proxies)),
            minted: 0,
            dials: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// Something happens; what is ordered then is noted.
    pub(super) fn input<T>(
        &mut self,
        input: impl FnOnce(&mut Fetcher<u32>, &mut Cx<'_>) -> T,
    ) -> T {
        let mut cx = Cx {
            now: self.now,
            log_level: Level::Info,
            links: &mut self.links,
            timers: &mut self.timers,
            effects: &mut self.effects,
            entropy: &mut self.entropy,
            tally: &mut self.tally,
        };
        let result = input(&mut self.fetcher, &mut cx);
        while let Some(order) = self.effects.pop() {
            match order {
                Effect::Open { dial, spec } => self.dials.push((dial, *spec)),
                Effect::GiveUpOpen { dial } => {
                    self.dials.retain(|(ordered, _)| *ordered != dial);
                    self.orders.push(Effect::GiveUpOpen { dial });
                }
                order => self.orders.push(order),
            }
        }
        result
    }

    pub(super) fn ask(&mut self, whose: u32, order: Order) -> FetchKey {
        self.input(|fetcher, cx| fetcher.ask(cx, whose, order))
    }

    /// The oldest connection that was ordered opens.
    pub(super) fn open(&mut self) -> LinkKey {
        let (dial, _) = self.dials.remove(0);
        self.open_late(dial)
    }

    /// A connection opens, whether it was ordered or not.
    pub(super) fn open_late(&mut self, dial: DialKey) -> LinkKey {
        self.minted += 1;
        let link = LinkKey(Key {
            index: self.minted,
            generation: 0,
        });
        self.input(|fetcher, cx| fetcher.opened(cx, dial, link));
        link
    }

    /// The oldest connection that was ordered does not open.
    pub(super) fn refuse(&mut self) {
        let (dial, _) = self.dials.remove(0);
        let failure = OpenFailure {
            fault: OpenFault::Refused,
            why: "nobody listens at a:80".to_owned(),
        };
        self.input(|fetcher, cx| fetcher.open_failed(cx, dial, failure));
    }

    /// What was sent on a link; the kernel takes it.
    pub(super) fn sent(&mut self, link: LinkKey) -> String {
        let bytes: Vec<u8> = self.links.chunks(link).flatten().copied().collect();
        let _shut = self.links.wrote(link, bytes.len());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Which connection a link is.
    pub(super) fn dial(&self, link: LinkKey) -> Option<DialKey> {
        match self.links.owner(link) {
            Some(Owner::Dialed(dial)) => Some(dial),
            _ => None,
        }
    }

    /// Bytes of the server; a link that was closed says nothing more.
    pub(super) fn feed(&mut self, link: LinkKey, bytes: impl AsRef<[u8]>) {
        if let Some(dial) = self.dial(link) {
            self.input(|fetcher, cx| fetcher.receive(cx, dial, bytes.as_ref()));
        }
    }

    pub(super) fn eof(&mut self, link: LinkKey) {
        if let Some(dial) = self.dial(link) {
            self.input(|fetcher, cx| fetcher.eof(cx, dial));
        }
    }

    pub(super) fn broken(&mut self, link: LinkKey) {
        if let Some(dial) = self.dial(link) {
            self.input(|fetcher, cx| fetcher.broken(cx, link, dial));
            assert_eq!(self.links.owner(link), None);
        }
    }

    /// Lets time pass, and rings what is due.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now.tick = self.now.tick.after(ms);
        while let Some(alarm) = self.timers.pop_due(self.now.tick) {
            assert_eq!(alarm, Alarm::Fetch);
            self.input(|fetcher, cx| fetcher.alarm(cx));
        }
    }

    /// Everything is over and was told: nothing is left, and no alarm rings for nobody.
    pub(super) fn assert_empty(&mut self) {
        self.pass(IDLE_CONNECTION_MS_MAX);
        assert!(self.fetcher.is_empty(), "{:?}", self.fetcher);
        assert!(self.fetcher.waiting.is_empty() && self.fetcher.line.is_empty());
        assert!(self.fetcher.sites.is_empty() && self.fetcher.idle.is_empty());
        assert_eq!((self.links.count(), self.timers.len()), (0, 0));
        assert!(self.dials.is_empty());
    }
}
