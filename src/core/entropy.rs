//! Unpredictable bytes from a seed that the shell read from the kernel once.
//!
//! The core may not ask the kernel itself, or the simulator could not replay a run. So it expands
//! one 256-bit seed with HMAC-SHA-256 in counter mode (NIST SP 800-108), which is as unpredictable
//! as the seed to anyone who does not hold it.

use ring::hmac;

/// A stream of random bytes; the same seed gives the same stream.
pub struct Entropy {
    key: hmac::Key,
    counter: u64,
}

impl Entropy {
    /// A stream from 32 bytes of the kernel's randomness (or a test's fixed ones).
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            counter: 0,
        }
    }

    /// The next 32 bytes.
    pub fn block(&mut self) -> [u8; 32] {
        let tag = hmac::sign(&self.key, &self.counter.to_le_bytes());
        self.counter += 1;
        let mut out = [0; 32];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// 128 random bits as 32 hexadecimal digits: session ids and message endpoints (protocol X3).
    pub fn token(&mut self) -> String {
        use std::fmt::Write;
        let mut text = String::with_capacity(32);
        for byte in &self.block()[..16] {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// A number below `bound` (0 if `bound` is 0); for jitter, so the small bias does not matter.
    pub fn below(&mut self, bound: u64) -> u64 {
        let block = self.block();
        let mut word = [0; 8];
        word.copy_from_slice(&block[..8]);
        u64::from_le_bytes(word).checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_no_block_twice() {
        let (mut a, mut b) = (Entropy::new(&[7; 32]), Entropy::new(&[7; 32]));
        let first = a.token();
        assert_eq!(first, b.token());
        assert_eq!(first.len(), 32);
        assert_ne!(first, a.token());
        assert_ne!(first, Entropy::new(&[8; 32]).token());
    }

    #[test]
    fn below_stays_below() {
        let mut entropy = Entropy::new(&[1; 32]);
        assert!((0..1000).all(|_| entropy.below(10) < 10));
        assert_eq!(entropy.below(0), 0);
    }
}
