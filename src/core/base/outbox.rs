//! The bytes that one link still has to send, in order.
//!
//! Short pieces are copied into one growing tail, so a message made of ten pieces leaves in one
//! system call. Long pieces are shared with the buffer they came in, so a 10 MB result passes
//! through without being copied.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use crate::limits::{OUTBOX_TAIL_BYTES_MAX, SHARE_BYTES_MIN};

/// A piece of an outgoing message.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// Bytes that are copied.
    Copy(&'a [u8]),
    /// Bytes in a shared buffer; copied when short, shared when long.
    Share(&'a Rc<Vec<u8>>, Range<usize>),
}

impl<'a> Part<'a> {
    /// The bytes of this piece; empty if its range lies outside its buffer.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Part::Copy(bytes) => bytes,
            Part::Share(buffer, range) => buffer.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl<'a> From<&'a [u8]> for Part<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Part::Copy(bytes)
    }
}

impl<'a> From<&'a str> for Part<'a> {
    fn from(text: &'a str) -> Self {
        Part::Copy(text.as_bytes())
    }
}

/// How many bytes a message has.
#[must_use]
pub fn length(parts: &[Part<'_>]) -> usize {
    parts.iter().map(|part| part.bytes().len()).sum()
}

#[derive(Debug)]
enum Chunk {
    Owned(Vec<u8>),
    Shared(Rc<Vec<u8>>, Range<usize>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(buffer, range) => buffer.get(range.clone()).unwrap_or_default(),
        }
    }
}

/// A queue of bytes. Knows no bound itself: its owner asks [`Outbox::unsent`] before it pushes.
#[derive(Debug, Default)]
pub struct Outbox {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that were sent already.
    sent: usize,
    unsent: usize,
}

impl Outbox {
    /// Appends a copy of the bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.unsent += bytes.len();
        if let Some(Chunk::Owned(tail)) = self.chunks.back_mut()
            && tail.len() + bytes.len() <= OUTBOX_TAIL_BYTES_MAX
        {
            tail.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            self.chunks.push_back(Chunk::Owned(bytes.to_vec()));
        }
    }

    /// Appends one piece: long shared ones without copying.
    pub fn push_part(&mut self, part: &Part<'_>) {
        match part {
            Part::Share(buffer, range) if part.bytes().len() >= SHARE_BYTES_MIN => {
                self.unsent += range.len();
                self.chunks
                    .push_back(Chunk::Shared(Rc::clone(buffer), range.clone()));
            }
            _ => self.push(part.bytes()),
        }
    }

    /// Appends all pieces of a message.
    pub fn push_all(&mut self, parts: &[Part<'_>]) {
        for part in parts {
            self.push_part(part);
        }
    }

    /// How many bytes wait.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// What waits, in order, for one vectored write.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut sent = self.sent;
        self.chunks.iter().map(move |chunk| {
            let bytes = chunk.bytes().get(sent..).unwrap_or_default();
            sent = 0;
            bytes
        })
    }

    /// Forgets the first `bytes`, since the kernel took them.
    pub fn wrote(&mut self, bytes: usize) {
        let mut left = bytes.min(self.unsent);
        self.unsent -= left;
        while left > 0
            && let Some(front) = self.chunks.front()
        {
            let rest = front.bytes().len() - self.sent;
            if left < rest {
                self.sent += left;
                return;
            }
            left -= rest;
            self.sent = 0;
            self.chunks.pop_front();
        }
    }

    /// Throws away what waits.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(outbox: &Outbox) -> Vec<u8> {
        outbox.chunks().flatten().copied().collect()
    }

    #[test]
    fn what_goes_in_comes_out_whatever_the_kernel_takes() {
        let big = Rc::new(vec![b'x'; SHARE_BYTES_MIN + 10]);
        for take in 1..200 {
            let mut outbox = Outbox::default();
            outbox.push_all(&[
                "head ".into(),
                Part::Share(&big, 5..big.len()),
                " tail".into(),
            ]);
            let whole = all(&outbox);
            assert_eq!(whole.len(), outbox.unsent());
            let mut seen = Vec::new();
            while outbox.unsent() > 0 {
                let step: Vec<u8> = all(&outbox).into_iter().take(take * 97).collect();
                outbox.wrote(step.len());
                seen.extend(step);
            }
            assert_eq!(seen, whole);
            assert!(outbox.chunks.is_empty());
        }
    }

    #[test]
    fn long_pieces_are_shared_and_short_ones_copied() {
        let buffer = Rc::new(vec![b'x'; SHARE_BYTES_MIN]);
        let mut outbox = Outbox::default();
        outbox.push_part(&Part::Share(&buffer, 0..10));
        assert_eq!(Rc::strong_count(&buffer), 1);
        outbox.push_part(&Part::Share(&buffer, 0..SHARE_BYTES_MIN));
        assert_eq!(Rc::strong_count(&buffer), 2);
    }
}
