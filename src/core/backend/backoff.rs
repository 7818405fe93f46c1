//! How long to wait before a server is started again, and when to give it up (contract 7). Counts
//! strikes; knows neither the clock nor what a server is.

use crate::base::mark::Mark;
use crate::entropy::Entropy;
use crate::language::PoolSpec;
use crate::limits::{BACKOFF_MS_MAX, BACKOFF_MS_MIN};

/// What follows one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again after this many milliseconds.
    After(u64),
    /// Never try again by ourselves.
    GiveUp,
}

/// The strikes of one server in a row.
#[derive(Debug)]
pub(super) struct Backoff {
    first_ms: u64,
    strikes: u32,
    /// One more than this many is one too many; `None` = never.
    strikes_max: Option<u32>,
}

impl Backoff {
    /// No strikes yet.
    pub(super) fn new(spec: &PoolSpec) -> Self {
        Self {
            // Zero doubled stays zero: a server that dies at once would be started without pause.
            first_ms: match spec.restart_delay_ms {
                0 => BACKOFF_MS_MIN,
                ms => ms,
            },
            strikes: 0,
            strikes_max: match (spec.restart, spec.restarts_max) {
                (false, _) => Some(0),
                (true, 0) => None,
                (true, most) => Some(most),
            },
        }
    }

    /// Counts one end. `stable`: it had served long enough for its former strikes to be forgiven.
    pub(super) fn strike(&mut self, stable: bool, entropy: &mut Entropy) -> Verdict {
        if stable {
            if self.strikes > 0 {
                Mark::StrikesForgiven.hit();
            }
            self.forgive();
        }
        self.strikes = self.strikes.saturating_add(1);
        if self.strikes_max.is_some_and(|most| self.strikes > most) {
            Mark::GivenUp.hit();
            return Verdict::GiveUp;
        }
        let doublings = (self.strikes - 1).min(32);
        let longest = BACKOFF_MS_MAX.max(self.first_ms);
        let pause = self.first_ms.saturating_mul(1 << doublings).min(longest);
        if pause == longest {
            Mark::BackoffLongest.hit();
        }
        // A quarter either way, or servers that died together would start together for ever.
        let jitter = entropy.below(pause / 2 + 1);
        Verdict::After((pause - pause / 4).saturating_add(jitter))
    }

    /// Begins anew.
    pub(super) fn forgive(&mut self) {
        self.strikes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::testkit::spec;

    fn pauses(backoff: &mut Backoff, count: usize) -> Vec<u64> {
        let mut entropy = Entropy::new(&[3; 32]);
        (0..count)
            .map(|_| match backoff.strike(false, &mut entropy) {
                Verdict::After(ms) => ms,
                Verdict::GiveUp => 0,
            })
            .collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest_with_a_quarter_of_jitter() {
        let expected = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|s| s * 1000);
        let told = pauses(&mut Backoff::new(&spec()), expected.len());
        for (ms, around) in told.iter().zip(expected) {
            assert!((around * 3 / 4..=around * 5 / 4).contains(ms), "{told:?}");
        }
        // It does jitter: the three longest are not all the same.
        assert!(told[6] != told[7] || told[7] != told[8]);
    }

    #[test]
    fn a_first_pause_of_zero_is_the_shortest_and_a_very_long_one_stays() {
        let zero = PoolSpec {
            restart_delay_ms: 0,
            ..spec()
        };
        assert!(pauses(&mut Backoff::new(&zero), 1)[0] >= BACKOFF_MS_MIN * 3 / 4);
        let long = PoolSpec {
            restart_delay_ms: 600_000,
            ..spec()
        };
        assert!(
            pauses(&mut Backoff::new(&long), 5)
                .iter()
                .all(|ms| *ms >= 450_000)
        );
        let endless = PoolSpec {
            restart_delay_ms: u64::MAX,
            ..spec()
        };
        assert_eq!(pauses(&mut Backoff::new(&endless), 80).len(), 80);
    }

    #[test]
    fn given_up_after_restarts_max_and_at_once_without_restart() {
        let three = PoolSpec {
            restarts_max: 3,
            ..spec()
        };
        let told = pauses(&mut Backoff::new(&three), 4);
        assert!(
            told[..3].iter().all(|ms| *ms > 0) && told[3] == 0,
            "{told:?}"
        );
        let never = PoolSpec {
            restart: false,
            ..spec()
        };
        assert_eq!(pauses(&mut Backoff::new(&never), 1), [0]);
    }

    #[test]
    fn a_stable_run_forgives_all_strikes() {
        let mut entropy = Entropy::new(&[4; 32]);
        let mut backoff = Backoff::new(&PoolSpec {
            restarts_max: 1,
            ..spec()
        });
        assert!(matches!(
            backoff.strike(false, &mut entropy),
            Verdict::After(_)
        ));
        assert!(matches!(
            backoff.strike(true, &mut entropy),
            Verdict::After(_)
        ));
        assert_eq!(backoff.strike(false, &mut entropy), Verdict::GiveUp);
    }
}
