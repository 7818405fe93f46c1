//! How fast passwords may be guessed: ever slower from one address, and not fast from all of them
//! together. A try counts as a wrong one from the moment it is begun, so that many at once are
//! many.
//!
//! A browser in which the owner has logged in before is counted by itself: nobody who shares his
//! address, and no crowd, can use up what he may try.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use crate::limits::{
    LOGIN_ADDRESSES_MAX, LOGIN_DELAY_ALL_MS_MAX, LOGIN_DELAY_MS_MAX, LOGIN_DELAY_MS_MIN,
    LOGIN_FORGET_MS, LOGIN_FREE_TRIES, LOGIN_FREE_TRIES_ALL, LOGIN_WAIT_MS_MAX, LOGIN_WELCOME_MAX,
};
use crate::now::Tick;
use crate::oauth::owner::browser::Id;

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A browser in which the owner has logged in before.
    Known(Id),
    /// An address, or the network of one person (/64, loopback).
    Address(IpAddr),
}

impl Origin {
    /// What an address belongs to.
    pub(super) fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self::Address(match address {
            // Whoever is at this machine has all of 127.0.0.0/8.
            _ if address.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
            IpAddr::V4(_) => address,
        })
    }
}

/// A try that comes too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// When the next one may come.
    pub(super) seconds: u64,
    /// It is the first since the last that was judged: worth a line in the log.
    pub(super) first: bool,
}

/// Wrong tries in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    wrong: u32,
    last: Tick,
    /// One was refused since.
    held: bool,
}

impl Tries {
    /// Until when the next one has to wait.
    fn until(&self, free: u32, delay_ms_max: u64) -> Tick {
        let Some(beyond) = self.wrong.checked_sub(free) else {
            return Tick(0);
        };
        let delay = 1_u64
            .checked_shl(beyond)
            .and_then(|times| LOGIN_DELAY_MS_MIN.checked_mul(times));
        self.last.after(delay.unwrap_or(u64::MAX).min(delay_ms_max))
    }

    fn count(&mut self, due: Tick) {
        if self.is_old(due) {
            self.wrong = 0;
        }
        self.wrong = self.wrong.saturating_add(1);
        self.last = self.last.max(due);
        self.held = false;
    }

    fn is_old(&self, now: Tick) -> bool {
        now.since(self.last) >= LOGIN_FORGET_MS
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// Addresses elsewhere together.
    all: Tries,
    each: BTreeMap<Origin, Tries>,
    /// From where the right password came, the newest last.
    welcome: VecDeque<Origin>,
}

impl Throttle {
    /// Begins a try: when it is to be judged.
    ///
    /// # Errors
    /// It would have to wait for too long.
    pub(super) fn begin(&mut self, now: Tick, origin: &Origin, local: bool) -> Result<Tick, Held> {
        let own = self.each.get(origin).copied().unwrap_or_default();
        let own = own.until(LOGIN_FREE_TRIES, LOGIN_DELAY_MS_MAX);
        // The owner comes through while others guess.
        let known = matches!(origin, Origin::Known(_));
        let apart = local || known || self.welcome.contains(origin);
        let all = if apart {
            Tick(0)
        } else {
            self.all.until(LOGIN_FREE_TRIES_ALL, LOGIN_DELAY_ALL_MS_MAX)
        };
        let due = own.max(all).max(now);
        let beyond = due.since(now.after(LOGIN_WAIT_MS_MAX));
        if beyond > 0 {
            // Whoever made it wait: so there is no more than one line for each try that is judged.
            let reason = self.each.get_mut(origin).filter(|_| own >= all);
            let reason = reason.unwrap_or(&mut self.all);
            return Err(Held {
                seconds: beyond.div_ceil(1000),
                first: !std::mem::replace(&mut reason.held, true),
            });
        }
        if !apart {
            self.all.count(due);
        }
        self.make_room(now, *origin);
        self.each.entry(*origin).or_default().count(due);
        Ok(due)
    }

    /// The password of a try was right.
    pub(super) fn right(&mut self, origin: &Origin) {
        self.all = Tries::default();
        self.each.remove(origin);
        self.welcome.retain(|other| other != origin);
        self.welcome.push_back(*origin);
        if self.welcome.len() > LOGIN_WELCOME_MAX {
            self.welcome.pop_front();
        }
    }

    fn make_room(&mut self, now: Tick, origin: Origin) {
        if self.each.len() < LOGIN_ADDRESSES_MAX || self.each.contains_key(&origin) {
            return;
        }
        self.each.retain(|_, tries| !tries.is_old(now));
        if self.each.len() >= LOGIN_ADDRESSES_MAX {
            let quiet = self.each.iter().min_by_key(|(_, tries)| tries.last);
            if let Some(quiet) = quiet.map(|(origin, _)| *origin) {
                self.each.remove(&quiet);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::oauth::owner::browser::Seals;

    fn address(n: u32) -> Origin {
        Origin::of(IpAddr::V4((0x0a00_0000 + n).into()))
    }

    fn known(seed: u8) -> Origin {
        Origin::Known(Seals::fresh(&mut Entropy::new(&[seed; 32])))
    }

    #[test]
    fn x10_the_delay_of_one_address_grows_to_half_a_minute_and_ends_with_the_right_password() {
        let mut throttle = Throttle::default();
        let mut now = Tick(5);
        let mut waited = Vec::new();
        for _ in 0..12 {
            let due = throttle.begin(now, &address(1), true).unwrap();
            waited.push(due.since(now) / 1000);
            // Who waits until the last one was judged waits for nobody else.
            now = due;
        }
        assert_eq!(waited, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
        assert_eq!(
            throttle.begin(now, &address(2), true),
            Ok(now),
            "others do not wait"
        );
        throttle.right(&address(1));
        assert_eq!(throttle.begin(now, &address(1), true), Ok(now));
    }

    #[test]
    fn m3_a_try_waits_for_its_turn_or_is_told_when_to_come_again() {
        let mut throttle = Throttle::default();
        let now = Tick(5);
        let mut due = Vec::new();
        let held = loop {
            match throttle.begin(now, &address(1), true) {
                Ok(turn) => due.push(turn.since(now)),
                Err(held) => break held,
            }
        };
        assert_eq!(due, [0, 0, 0, 1_000, 3_000, 7_000, 15_000]);
        // The next one would be judged after 31 s, and a try waits for 30 at most.
        let first = |seconds, first| Held { seconds, first };
        assert_eq!(held, first(1, true));
        let again = throttle.begin(now, &address(1), true);
        assert_eq!(again, Err(first(1, false)), "one line of the log is enough");
        let early = throttle.begin(now.after(999), &address(1), true);
        assert_eq!(early, Err(first(1, false)));
        let later = throttle.begin(now.after(1_000), &address(1), true);
        assert_eq!(later, Ok(now.after(31_000)));
        let next = throttle.begin(now.after(1_000), &address(1), true);
        assert_eq!(next, Err(first(30, true)));
    }

    #[test]
    fn m3_a_day_of_guesses_from_one_address_is_less_than_three_thousand() {
        let mut throttle = Throttle::default();
        let (mut now, mut guesses) = (Tick(0), 0);
        while now < Tick(86_400_000) {
            match throttle.begin(now, &address(1), true) {
                Ok(_) => guesses += 1,
                Err(held) => now = now.after(held.seconds * 1000),
            }
        }
        assert!((2_800..3_000).contains(&guesses), "{guesses}");
    }

    #[test]
    fn m3_a_browser_that_was_in_before_is_not_delayed_by_others_nor_a_free_guess() {
        let mut throttle = Throttle::default();
        let now = Tick(5);
        while throttle.begin(now, &address(1), true).is_ok() {}
        for n in 2..=60 {
            let _ = throttle.begin(now, &address(n), false);
        }
        assert!(throttle.begin(now, &address(61), false).is_err());
        assert_eq!(throttle.begin(now, &known(1), true), Ok(now));
        assert_eq!(throttle.begin(now, &known(2), false), Ok(now));
        while throttle.begin(now, &known(2), false).is_ok() {}
        assert_eq!(throttle.begin(now, &known(1), false), Ok(now));
    }

    #[test]
    fn x10_wrong_passwords_are_forgotten_in_the_end() {
        let mut throttle = Throttle::default();
        for _ in 0..=LOGIN_FREE_TRIES {
            assert!(throttle.begin(Tick(0), &address(1), true).is_ok());
        }
        let later = Tick(LOGIN_DELAY_MS_MIN + LOGIN_FORGET_MS);
        for _ in 0..LOGIN_FREE_TRIES {
            assert_eq!(throttle.begin(later, &address(1), true), Ok(later));
        }
        assert_ne!(throttle.begin(later, &address(1), true), Ok(later));
    }

    #[test]
    fn x10_many_addresses_together_are_slow_but_the_owner_comes_through() {
        let mut throttle = Throttle::default();
        throttle.right(&address(0));
        for n in 1..=LOGIN_FREE_TRIES_ALL {
            assert_eq!(throttle.begin(Tick(0), &address(n), false), Ok(Tick(0)));
        }
        let mut now = Tick(0);
        for (n, seconds) in [(100, 1), (101, 2), (102, 3), (103, 3)] {
            let due = now.after(seconds * 1000);
            assert_eq!(throttle.begin(now, &address(n), false), Ok(due));
            now = due;
        }
        assert_ne!(throttle.begin(now, &address(200), false), Ok(now));
        assert_eq!(
            throttle.begin(now, &address(0), false),
            Ok(now),
            "was right before"
        );
        assert_eq!(
            throttle.begin(now, &address(201), true),
            Ok(now),
            "at this machine"
        );
    }

    #[test]
    fn x10_the_table_of_addresses_is_bounded() {
        let mut throttle = Throttle::default();
        let many = u32::try_from(LOGIN_ADDRESSES_MAX).unwrap();
        for n in 0..many + 10 {
            assert!(throttle.begin(Tick(n.into()), &address(n), true).is_ok());
        }
        assert_eq!(throttle.each.len(), LOGIN_ADDRESSES_MAX);
        assert!(!throttle.each.contains_key(&address(9)));
        let after = Tick(2 * LOGIN_FORGET_MS);
        assert!(throttle.begin(after, &address(many + 10), true).is_ok());
        assert_eq!(throttle.each.len(), 1, "what is old goes first");
        for n in 0..100 {
            throttle.right(&address(n));
        }
        assert_eq!(throttle.welcome.len(), LOGIN_WELCOME_MAX);
    }

    #[test]
    fn x10_one_network_is_one_person() {
        let origin = |text: &str| Origin::of(text.parse().unwrap());
        assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::9"));
        assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
        assert_eq!(origin("::ffff:10.0.0.1"), origin("10.0.0.1"));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
        for own in ["127.0.0.2", "127.9.9.9", "::1", "::ffff:127.0.0.7"] {
            assert_eq!(origin(own), origin("127.0.0.1"), "{own}");
        }
    }
}
