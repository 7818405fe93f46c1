//! The hub owns the tables and dispatches; it has no policy of its own.

use crate::base::timers::Timers;
use crate::cx::Alarm;
use crate::effect::Effects;
use crate::entropy::Entropy;
use crate::input::Input;
use crate::links::{LinkKey, Links};
use crate::now::{Now, Tick};
use crate::settings::Settings;

/// The whole core.
pub struct Hub {
    links: Links,
    timers: Timers<Alarm>,
    #[expect(dead_code, reason = "skeleton")]
    entropy: Entropy,
    #[expect(dead_code, reason = "skeleton")]
    settings: Settings,
}

impl Hub {
    /// A hub that serves nothing yet: send it `Input::Config` first.
    #[must_use]
    pub fn new(settings: Settings, seed: &[u8; 32]) -> Self {
        Self {
            links: Links::default(),
            timers: Timers::default(),
            entropy: Entropy::new(seed),
            settings,
        }
    }

    /// Everything that happens arrives here; everything we want done leaves through `out`.
    pub fn handle(&mut self, _now: Now, _input: Input<'_>, _out: &mut Effects) {}

    /// When the hub wants `Input::Tick`, if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        self.timers.next()
    }

    /// The next link with something to write or to shut; asked for until `None` at the end of each
    /// turn.
    pub fn next_dirty(&mut self) -> Option<LinkKey> {
        self.links.next_dirty()
    }

    /// The unsent bytes of a link.
    pub fn pending(&self, link: LinkKey) -> impl Iterator<Item = &[u8]> {
        self.links.chunks(link)
    }

    /// The kernel took this many bytes (0 is allowed); `true` = close the writing half now. To be
    /// called once for every dirty link, and again whenever more was written.
    pub fn wrote(&mut self, link: LinkKey, bytes: usize) -> bool {
        self.links.wrote(link, bytes)
    }
}
