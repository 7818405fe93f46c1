//! A list as clients get it: entries under the names by which they are offered, cut into pages
//! without being rendered again. Knows nothing of what they mean.

use std::ops::Range;
use std::rc::Rc;

use crate::route::catalog::Entry;

/// Entries joined by commas, ready to be put between brackets.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The bytes.
    pub bytes: Rc<Vec<u8>>,
    ends: Vec<usize>,
}

impl Rendered {
    /// Adds an entry, if `render` has it.
    pub(crate) fn push(&mut self, entry: &Entry, render: impl Fn(&Entry, &mut Vec<u8>) -> bool) {
        let Some(bytes) = Rc::get_mut(&mut self.bytes) else {
            return;
        };
        let before = bytes.len();
        if before > 0 {
            bytes.push(b',');
        }
        if render(entry, bytes) {
            self.ends.push(bytes.len());
        } else {
            bytes.truncate(before);
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Where the entries `from..to` stand in `bytes`, commas between them.
    #[must_use]
    pub fn range(&self, from: usize, to: usize) -> Range<usize> {
        let to = to.min(self.ends.len());
        if from >= to {
            return 0..0;
        }
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default();
        let start = if from == 0 { 0 } else { end(from - 1) + 1 };
        start..end(to - 1)
    }
}
