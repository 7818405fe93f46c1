//! Listeners on which somebody waits for whom there is no descriptor, not even to turn him away.
//! They are tried again when a link has given one back, or after a while: files and helpers give
//! theirs back without a word. Never accepts anything.

use onemcp::limits::ACCEPT_AGAIN_MS;
use onemcp::now::Tick;

use crate::shell::event_loop::Ready;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    listeners: Vec<Ready>,
    until: Option<Tick>,
}

impl Stuck {
    /// There is no descriptor for who waits here.
    pub(super) fn put(&mut self, listener: Ready, now: Tick) {
        if !self.listeners.contains(&listener) {
            self.listeners.push(listener);
        }
        self.until.get_or_insert(now.after(ACCEPT_AGAIN_MS));
    }

    /// When they are to be tried again at the latest.
    pub(super) const fn deadline(&self) -> Option<Tick> {
        self.until
    }

    /// Those whose while is over.
    pub(super) fn take_due(&mut self, now: Tick) -> Vec<Ready> {
        match self.until {
            Some(at) if at <= now => self.take(),
            Some(_) | None => Vec::new(),
        }
    }

    /// All of them.
    pub(super) fn take(&mut self) -> Vec<Ready> {
        self.until = None;
        std::mem::take(&mut self.listeners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_again_ms_a_listener_is_tried_again_once() {
        let mut stuck = Stuck::default();
        let (begun, due) = (Tick(7), Tick(7 + ACCEPT_AGAIN_MS));
        for _ in 0..3 {
            stuck.put(Ready::Listener(0), begun);
        }
        // One that comes later makes the first one wait no longer.
        stuck.put(Ready::Instance, begun.after(9));
        assert_eq!(stuck.deadline(), Some(due));
        assert_eq!(stuck.take_due(Tick(due.0 - 1)), []);
        let both = [Ready::Listener(0), Ready::Instance];
        assert_eq!(stuck.take_due(due), both);
        assert_eq!((stuck.deadline(), stuck.take()), (None, Vec::new()));
        stuck.put(Ready::Local, due);
        assert_eq!(stuck.take(), [Ready::Local]);
    }
}
