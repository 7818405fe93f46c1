//! How many bytes are kept for calls that may have to be made again (X10): the requests themselves,
//! and what is asked and answered in between. Counts them, and never holds them.

use std::cell::Cell;
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::limits::{ROUNDS_BYTES_MAX, SHARE_BYTES_MIN};

/// All that is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Rc<Cell<usize>>);

/// A part of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    all: Kept,
    bytes: usize,
}

impl Kept {
    /// Whether that much more may be kept. Little may always: there are only so many calls.
    pub(crate) fn keep(&self, bytes: usize) -> Option<Share> {
        let all = self.0.get().saturating_add(bytes);
        if all > ROUNDS_BYTES_MAX && bytes > SHARE_BYTES_MIN {
            Mark::RoundsFull.hit();
            return None;
        }
        self.0.set(all);
        let all = self.clone();
        Some(Share { all, bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let all = &self.all.0;
        all.set(all.get().saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::mark::must_hit;

    #[test]
    fn x10_so_much_is_kept_and_no_more_until_some_is_given_back() {
        let _reached = must_hit(Mark::RoundsFull);
        let kept = Kept::default();
        let first = kept.keep(ROUNDS_BYTES_MAX - SHARE_BYTES_MIN).unwrap();
        assert!(kept.keep(SHARE_BYTES_MIN + 1).is_none());
        let _small = [kept.keep(SHARE_BYTES_MIN), kept.keep(SHARE_BYTES_MIN)];
        assert!(kept.keep(SHARE_BYTES_MIN + 1).is_none());
        drop(first);
        assert!(kept.keep(SHARE_BYTES_MIN + 1).is_some());
        assert_eq!(kept.0.get(), 2 * SHARE_BYTES_MIN);
    }
}
