//! Digests, their hexadecimal form, and comparing secrets: what rooms need of hashing that is not
//! their own matter.
//!
//! Never says what is hashed: whoever hashes several pieces makes sure that two lists of them
//! cannot look the same.

use std::fmt::Write;

use ring::{digest, hmac};

/// SHA-256 of these pieces, one behind the other.
#[must_use]
pub fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut whole = Sha256::default();
    for piece in pieces {
        whole.add(piece);
    }
    whole.finish()
}

/// SHA-256 of pieces that come one by one.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// What follows.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all of it.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

/// Two lower-case digits a byte.
#[must_use]
pub fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    let bytes = bytes.into_iter();
    let mut text = String::with_capacity(bytes.size_hint().0 * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether two secrets are equal, in a time that tells nothing of where they differ (protocol S11).
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    // Equal texts have equal hashes, and `verify` compares those in constant time.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"same");
    let tag = hmac::sign(&key, a);
    hmac::verify(&key, b, tag.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fips180_4_the_digest_is_sha256_however_the_text_is_cut() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for pieces in [&[&b"abc"[..]][..], &[b"a", b"", b"bc"]] {
            assert_eq!(hex(&sha256(pieces)), expected);
        }
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&sha256(&[])), empty);
    }

    #[test]
    fn every_byte_has_two_digits() {
        assert_eq!(hex(&[0, 9, 0xa0, 0xff]), "0009a0ff");
        assert_eq!(hex([1, 2, 3].iter().take(2)), "0102");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn x3_secrets_are_compared_whole() {
        assert!(same(b"", b"") && same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"ab") && !same(b"abc", b"abc\0"));
    }
}
