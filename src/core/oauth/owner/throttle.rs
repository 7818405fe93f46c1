//! How fast passwords may be guessed: ever slower from one address, and not fast from all of them
//! together. A try counts as a wrong one from the moment it is begun, so that many at once are
//! many.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::limits::{
    LOGIN_ADDRESSES_MAX, LOGIN_DELAY_ALL_MS_MAX, LOGIN_DELAY_MS_MAX, LOGIN_DELAY_MS_MIN,
    LOGIN_FORGET_MS, LOGIN_FREE_TRIES, LOGIN_FREE_TRIES_ALL, LOGIN_WELCOME_MAX,
};
use crate::now::Tick;

/// Who tries: an address, or the network of one person (/64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Origin(IpAddr);

impl Origin {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(IpAddr::V6((address.to_bits() >> 64 << 64).into())),
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// Wrong tries in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    wrong: u32,
    last: Tick,
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

    fn count(&mut self, now: Tick) {
        if self.is_old(now) {
            self.wrong = 0;
        }
        self.wrong = self.wrong.saturating_add(1);
        self.last = now;
    }

    fn is_old(&self, now: Tick) -> bool {
        now.since(self.last) >= LOGIN_FORGET_MS
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    all: Tries,
    each: BTreeMap<Origin, Tries>,
    /// From where the right password came, the newest last.
    welcome: VecDeque<Origin>,
}

impl Throttle {
    /// Begins a try.
    ///
    /// # Errors
    /// After how many seconds there may be one.
    pub(super) fn begin(&mut self, now: Tick, address: IpAddr, local: bool) -> Result<(), u64> {
        let origin = Origin::of(address);
        let own = self.each.get(&origin).copied().unwrap_or_default();
        let mut until = own.until(LOGIN_FREE_TRIES, LOGIN_DELAY_MS_MAX);
        // The owner comes through while others guess.
        if !local && !self.welcome.contains(&origin) {
            let all = self.all.until(LOGIN_FREE_TRIES_ALL, LOGIN_DELAY_ALL_MS_MAX);
            until = until.max(all);
        }
        if until > now {
            return Err(until.since(now).div_ceil(1000));
        }
        self.all.count(now);
        self.make_room(now, origin);
        self.each.entry(origin).or_default().count(now);
        Ok(())
    }

    /// The password of a try was right.
    pub(super) fn right(&mut self, address: IpAddr) {
        let origin = Origin::of(address);
        self.all = Tries::default();
        self.each.remove(&origin);
        self.welcome.retain(|other| *other != origin);
        self.welcome.push_back(origin);
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

    fn address(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn x10_the_delay_of_one_address_grows_and_ends_with_the_right_password() {
        let mut throttle = Throttle::default();
        let mut now = Tick(5);
        let mut waited = Vec::new();
        for _ in 0..16 {
            match throttle.begin(now, address(1), true) {
                Ok(()) => waited.push(0),
                Err(seconds) => {
                    waited.push(seconds);
                    // Not a moment earlier.
                    let early = now.after(seconds * 1000 - 1);
                    assert_eq!(throttle.begin(early, address(1), true), Err(1));
                    now = now.after(seconds * 1000);
                    assert_eq!(throttle.begin(now, address(1), true), Ok(()));
                }
            }
        }
        let expected = [
            0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900,
        ];
        assert_eq!(waited, expected);
        assert_eq!(
            throttle.begin(now, address(2), true),
            Ok(()),
            "others do not wait"
        );
        throttle.right(address(1));
        assert_eq!(throttle.begin(now, address(1), true), Ok(()));
    }

    #[test]
    fn x10_wrong_passwords_are_forgotten_in_the_end() {
        let mut throttle = Throttle::default();
        for _ in 0..LOGIN_FREE_TRIES {
            assert!(throttle.begin(Tick(0), address(1), true).is_ok());
        }
        assert_eq!(throttle.begin(Tick(0), address(1), true), Err(1));
        let later = Tick(LOGIN_FORGET_MS);
        for _ in 0..LOGIN_FREE_TRIES {
            assert!(throttle.begin(later, address(1), true).is_ok());
        }
        assert!(throttle.begin(later, address(1), true).is_err());
    }

    #[test]
    fn x10_many_addresses_together_are_slow_but_the_owner_comes_through() {
        let mut throttle = Throttle::default();
        throttle.right(address(0));
        for n in 1..=LOGIN_FREE_TRIES_ALL {
            assert_eq!(throttle.begin(Tick(0), address(n), false), Ok(()));
        }
        let mut now = Tick(0);
        for (n, seconds) in [(100, 1), (101, 2), (102, 4), (103, 8), (104, 10), (105, 10)] {
            assert_eq!(throttle.begin(now, address(n), false), Err(seconds));
            now = now.after(seconds * 1000);
            assert_eq!(throttle.begin(now, address(n), false), Ok(()));
        }
        assert!(throttle.begin(now, address(200), false).is_err());
        assert_eq!(
            throttle.begin(now, address(0), false),
            Ok(()),
            "was right before"
        );
        assert_eq!(
            throttle.begin(now, address(201), true),
            Ok(()),
            "at this machine"
        );
    }

    #[test]
    fn x10_the_table_of_addresses_is_bounded() {
        let mut throttle = Throttle::default();
        let many = u32::try_from(LOGIN_ADDRESSES_MAX).unwrap();
        for n in 0..many + 10 {
            assert!(throttle.begin(Tick(n.into()), address(n), true).is_ok());
        }
        assert_eq!(throttle.each.len(), LOGIN_ADDRESSES_MAX);
        assert!(!throttle.each.contains_key(&Origin::of(address(9))));
        let after = Tick(2 * LOGIN_FORGET_MS);
        assert!(throttle.begin(after, address(many + 10), true).is_ok());
        assert_eq!(throttle.each.len(), 1, "what is old goes first");
        for n in 0..100 {
            throttle.right(address(n));
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
    }
}
