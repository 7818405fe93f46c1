//! What the event loop drives: the hub, or in a test a stand-in that does as the test says.

use onemcp::effect::Effects;
use onemcp::hub::Hub;
use onemcp::input::Input;
use onemcp::links::LinkKey;
use onemcp::now::{Now, Tick};

/// What the loop drives: the hub, or a test's stand-in.
pub(crate) trait Core {
    /// See [`Hub::handle`].
    fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Effects);
    /// See [`Hub::next_deadline`].
    fn next_deadline(&self) -> Option<Tick>;
    /// See [`Hub::is_draining`].
    fn is_draining(&self) -> bool {
        false
    }
    /// See [`Hub::next_dirty`].
    fn next_dirty(&mut self) -> Option<LinkKey>;
    /// See [`Hub::pending`].
    fn pending(&self, link: LinkKey) -> impl Iterator<Item = &[u8]>;
    /// See [`Hub::wrote`].
    fn wrote(&mut self, now: Now, link: LinkKey, bytes: usize, out: &mut Effects) -> bool;
}

impl Core for Hub {
    fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Effects) {
        self.handle(now, input, out);
    }
    fn next_deadline(&self) -> Option<Tick> {
        self.next_deadline()
    }
    fn is_draining(&self) -> bool {
        self.is_draining()
    }
    fn next_dirty(&mut self) -> Option<LinkKey> {
        self.next_dirty()
    }
    fn pending(&self, link: LinkKey) -> impl Iterator<Item = &[u8]> {
        self.pending(link)
    }
    fn wrote(&mut self, now: Now, link: LinkKey, bytes: usize, out: &mut Effects) -> bool {
        self.wrote(now, link, bytes, out)
    }
}
