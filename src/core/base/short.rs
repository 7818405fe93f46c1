//! Byte strings that are short nearly always: ids, numbers. Most of them live where they are kept,
//! without an allocation of their own.

use std::ops::Deref;

/// Bytes that are kept in place up to this length: an id that is a UUID in quotes fits.
const INLINE_BYTES: usize = 38;

/// Some bytes, kept.
#[derive(Clone)]
pub struct ShortBytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline {
        length: u8,
        bytes: [u8; INLINE_BYTES],
    },
    Heap(Box<[u8]>),
}

impl ShortBytes {
    /// Keeps a copy.
    #[must_use]
    pub fn new(from: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match (bytes.get_mut(..from.len()), u8::try_from(from.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(from);
                Self(Repr::Inline { length, bytes })
            }
            _ => Self(Repr::Heap(from.into())),
        }
    }

    /// A number in decimal digits.
    #[must_use]
    pub fn decimal(mut number: u64) -> Self {
        let mut digits = [0; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            // A remainder of ten is one digit.
            *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        Self::new(digits.get(start..).unwrap_or_default())
    }
}

impl Deref for ShortBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Repr::Heap(bytes) => bytes,
        }
    }
}

impl Default for ShortBytes {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl PartialEq for ShortBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ShortBytes {}

impl std::fmt::Debug for ShortBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..all.len() {
            let kept = ShortBytes::new(&all[..length]);
            assert_eq!(&*kept, &all[..length]);
            assert_eq!(kept.clone(), kept);
            assert_ne!(kept, ShortBytes::new(&all[..=length]));
        }
        assert_eq!(&*ShortBytes::default(), b"");
    }

    #[test]
    fn numbers_are_written_as_everybody_does() {
        for number in [0, 9, 10, 99, 100, 1 << 52, u64::MAX - 1, u64::MAX] {
            assert_eq!(&*ShortBytes::decimal(number), number.to_string().as_bytes());
        }
    }
}
