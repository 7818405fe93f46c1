//! So many in so much time: counts what passes in windows of equal length and says when there was
//! enough. Knows nothing of what passes.

use crate::now::Tick;

/// What passed in the present window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    since: Tick,
    passed: u32,
    left_out: u32,
}

/// Whether one more may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It may.
    Passes,
    /// It may, and begins a window; so many were left out in the one before.
    PassesAfter(u32),
    /// It is one too many, and the first of this window.
    FirstTooMany,
    /// It is one too many.
    TooMany,
}

impl Budget {
    /// Asks for one more, at `max` in `window_ms`.
    pub fn spend(&mut self, now: Tick, max: u32, window_ms: u64) -> Spent {
        if now.since(self.since) >= window_ms {
            let left_out = self.left_out;
            *self = Self {
                since: now,
                passed: 1,
                left_out: 0,
            };
            return match left_out {
                0 => Spent::Passes,
                count => Spent::PassesAfter(count),
            };
        }
        if self.passed < max {
            self.passed += 1;
            return Spent::Passes;
        }
        self.left_out = self.left_out.saturating_add(1);
        match self.left_out {
            1 => Spent::FirstTooMany,
            _ => Spent::TooMany,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_passes_so_many_and_the_next_as_many_again() {
        let mut budget = Budget::default();
        let mut at = |ms| budget.spend(Tick(ms), 2, 10);
        let seen = [100, 101, 105, 109, 110, 119, 119, 130].map(&mut at);
        assert_eq!(
            seen,
            [
                Spent::Passes,
                Spent::Passes,
                Spent::FirstTooMany,
                Spent::TooMany,
                Spent::PassesAfter(2),
                Spent::Passes,
                Spent::FirstTooMany,
                Spent::PassesAfter(1),
            ]
        );
    }
}
