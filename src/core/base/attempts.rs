//! In which order, and when, the addresses of one host are tried (RFC 8305, the part that needs no
//! memory): both families in turn, a next one begun when the last is slow or has failed, and the
//! first that opens wins. Never connects itself.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::limits::{ADDRESSES_MAX, ATTEMPT_MS_MIN};
use crate::now::Tick;

/// The attempts to reach one host.
#[derive(Debug)]
pub struct Attempts {
    waiting: VecDeque<SocketAddr>,
    running: usize,
    /// When the next one begins beside those that run.
    next_at: Tick,
}

impl Attempts {
    /// All addresses of a host, in the order in which the resolver told them; those beyond
    /// [`ADDRESSES_MAX`] are left out.
    #[must_use]
    pub fn new(addresses: &[SocketAddr], now: Tick) -> Self {
        let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let family = |v6: bool| addresses.iter().filter(move |one| one.is_ipv6() == v6);
        let (mut one, mut other) = (family(first_is_v6), family(!first_is_v6));
        let mut waiting = VecDeque::new();
        while waiting.len() < ADDRESSES_MAX {
            let pair = [one.next(), other.next()];
            if pair == [None, None] {
                break;
            }
            waiting.extend(pair.into_iter().flatten());
        }
        waiting.truncate(ADDRESSES_MAX);
        Self {
            waiting,
            running: 0,
            next_at: now,
        }
    }

    /// The address to be tried now, if it is time; it counts as running.
    pub fn next(&mut self, now: Tick) -> Option<SocketAddr> {
        if self.running > 0 && now < self.next_at {
            return None;
        }
        let address = self.waiting.pop_front()?;
        self.running += 1;
        self.next_at = now.after(ATTEMPT_MS_MIN);
        Some(address)
    }

    /// One that runs has failed: the next need not wait for it any longer.
    pub fn failed(&mut self, now: Tick) {
        self.running = self.running.saturating_sub(1);
        self.next_at = now;
    }

    /// When the next one begins; `None` if none is left.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        (!self.waiting.is_empty()).then_some(self.next_at)
    }

    /// Whether all of them have failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        let parse = |text: &&str| text.parse().unwrap();
        texts.iter().map(parse).collect()
    }

    /// The order, if each fails at once.
    fn order(texts: &[&str]) -> Vec<String> {
        let mut attempts = Attempts::new(&addresses(texts), Tick(0));
        let mut order = Vec::new();
        while let Some(address) = attempts.next(Tick(0)) {
            order.push(address.to_string());
            attempts.failed(Tick(0));
        }
        assert!(attempts.is_over() && attempts.deadline().is_none());
        order
    }

    #[test]
    fn rfc8305_4_families_take_turns() {
        let (a, b, c) = ("[::1]:1", "[::2]:1", "[::3]:1");
        let (x, y) = ("1.1.1.1:1", "2.2.2.2:1");
        assert_eq!(order(&[a, b, c, x, y]), [a, x, b, y, c]);
        assert_eq!(order(&[x, a, y]), [x, a, y]);
        assert_eq!(order(&[x, y]), [x, y]);
        assert_eq!(order(&[]), Vec::<String>::new());
    }

    #[test]
    fn rfc8305_5_the_next_begins_when_one_is_slow_or_has_failed() {
        let mut attempts = Attempts::new(
            &addresses(&["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]),
            Tick(5),
        );
        assert_eq!(attempts.deadline(), Some(Tick(5)));
        assert!(attempts.next(Tick(5)).is_some());
        assert_eq!(attempts.deadline(), Some(Tick(5 + ATTEMPT_MS_MIN)));
        assert_eq!(attempts.next(Tick(4 + ATTEMPT_MS_MIN)), None);
        let now = Tick(5 + ATTEMPT_MS_MIN);
        assert!(attempts.next(now).is_some() && attempts.next(now).is_none());
        attempts.failed(now);
        assert_eq!(attempts.deadline(), Some(now));
        assert!(attempts.next(now).is_some());
        assert_eq!(attempts.deadline(), None);
        attempts.failed(now);
        assert!(!attempts.is_over());
        attempts.failed(now);
        assert!(attempts.is_over());
    }

    #[test]
    fn addresses_max_leaves_out_the_rest() {
        let many: Vec<String> = (0..2 * ADDRESSES_MAX)
            .map(|n| format!("10.0.0.{n}:1"))
            .collect();
        let texts: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(order(&texts), texts[..ADDRESSES_MAX]);
    }
}
