//! How often strangers may register (protocol S9): so many at once, then one each while. Counted
//! for each network, and for all together; but whoever has not registered anything lately does not
//! pay for what all others do, or one stranger could shut everybody out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::limits::{
    REGISTRANTS_MAX, REGISTRATION_MS, REGISTRATION_PER_ADDRESS_MS, REGISTRATIONS_MAX,
    REGISTRATIONS_PER_ADDRESS_MAX,
};
use crate::now::Tick;

/// The moment at which a bucket would be empty again; the fuller it is, the later.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Tick);

impl Bucket {
    /// Seconds to wait, if one more does not fit.
    fn wait(self, now: Tick, most: u32, each_ms: u64) -> Option<u64> {
        let full = each_ms.saturating_mul(u64::from(most));
        let after = self.0.since(now).saturating_add(each_ms);
        (after > full).then(|| (after - full).div_ceil(1_000))
    }

    fn add(&mut self, now: Tick, each_ms: u64) {
        self.0 = self.0.max(now).after(each_ms);
    }
}

/// All addresses.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    all: Bucket,
    each: BTreeMap<IpAddr, Bucket>,
}

impl Throttle {
    /// Counts one registration.
    ///
    /// # Errors
    /// After how many seconds to try again.
    pub(super) fn count(&mut self, address: IpAddr, now: Tick) -> Result<(), u64> {
        let address = network(address);
        let own = self.each.get(&address).copied().unwrap_or_default();
        let own_wait = own.wait(
            now,
            REGISTRATIONS_PER_ADDRESS_MAX,
            REGISTRATION_PER_ADDRESS_MS,
        );
        let wait = self.all.wait(now, REGISTRATIONS_MAX, REGISTRATION_MS);
        let is_new = own.0 <= now;
        if let Some(seconds) = own_wait.max(wait.filter(|_| !is_new)) {
            return Err(seconds);
        }
        if wait.is_none() {
            self.all.add(now, REGISTRATION_MS);
        }
        self.each.retain(|_, bucket| bucket.0 > now);
        if self.each.len() >= REGISTRANTS_MAX && !self.each.contains_key(&address) {
            let quietest = self.each.iter().min_by_key(|(_, bucket)| bucket.0);
            if let Some(quietest) = quietest.map(|(address, _)| *address) {
                self.each.remove(&quietest);
            }
        }
        let bucket = self.each.entry(address).or_default();
        bucket.add(now, REGISTRATION_PER_ADDRESS_MS);
        Ok(())
    }
}

/// Who is one customer: an IPv4 address, or the /48 that a provider hands out at most.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => IpAddr::V6((v6.to_bits() & !(u128::MAX >> 48)).into()),
        },
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_registrations_are_counted_for_each_address() {
        let mut throttle = Throttle::default();
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..REGISTRATIONS_PER_ADDRESS_MAX {
            assert_eq!(throttle.count(one, Tick(0)), Ok(()));
        }
        let seconds = REGISTRATION_PER_ADDRESS_MS / 1_000;
        assert_eq!(throttle.count(one, Tick(0)), Err(seconds));
        assert_eq!(throttle.count(other, Tick(0)), Ok(()));
        let later = Tick(REGISTRATION_PER_ADDRESS_MS);
        assert_eq!(throttle.count(one, Tick(later.0 - 1)), Err(1));
        assert_eq!(throttle.count(one, later), Ok(()));
        assert_eq!(throttle.count(one, later), Err(seconds));
    }

    #[test]
    fn s9_registrations_are_counted_for_all_and_for_networks() {
        let mut throttle = Throttle::default();
        let address = |n: u32| IpAddr::V6(format!("2001:db8:{n:x}::{n:x}").parse().unwrap());
        for n in 0..REGISTRATIONS_MAX {
            assert_eq!(throttle.count(address(n), Tick(0)), Ok(()));
        }
        let wait = REGISTRATION_MS / 1_000;
        assert_eq!(throttle.count(address(7), Tick(0)), Err(wait));
        // Whoever comes for the first time is let in, and makes it no worse for the others.
        assert_eq!(throttle.count(address(7_000), Tick(0)), Ok(()));
        assert_eq!(throttle.count(address(7_000), Tick(0)), Err(wait));
        let net = |text: &str| network(text.parse().unwrap());
        assert_eq!(net("2001:db8::1"), net("2001:db8::ffff:1"));
        assert_eq!(net("2001:db8::1"), net("2001:db8:0:1::1"));
        assert_ne!(net("2001:db8::1"), net("2001:db8:1::1"));
        assert_eq!(net("::ffff:10.0.0.1"), net("10.0.0.1"));
    }

    #[test]
    fn registrants_max_forgets_the_quietest() {
        let mut throttle = Throttle::default();
        for n in 0..2 * u32::try_from(REGISTRANTS_MAX).unwrap() {
            let now = Tick(u64::from(n) * REGISTRATION_MS);
            assert_eq!(throttle.count(IpAddr::V4(n.into()), now), Ok(()));
            assert!(throttle.each.len() <= REGISTRANTS_MAX);
        }
    }
}
