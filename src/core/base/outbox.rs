//! The bytes that one link still has to send, in order.
//!
//! Short pieces are copied into one growing tail, so a message made of ten pieces leaves in one
//! system call. Long pieces are shared with the buffer they came in, so a 10 MB result passes
//! through without being copied.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use crate::limits::{
    OUTBOX_TAIL_BYTES_MAX, SHARE_BYTES_MIN, SPARE_BYTES_MAX, SPARE_BYTES_MIN, SPARES_MAX,
};

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

impl Default for Part<'_> {
    fn default() -> Self {
        Self::Copy(&[])
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

impl Part<'_> {
    /// Whether it is worth sharing.
    fn is_long(&self) -> bool {
        matches!(self, Part::Share(..)) && self.bytes().len() >= SHARE_BYTES_MIN
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

/// Buffers that were sent and can be filled again, by whichever outbox needs one next.
#[derive(Debug, Default)]
pub struct Spares(Vec<Vec<u8>>);

impl Spares {
    /// An empty buffer with room for so many bytes.
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut buffer = self.0.pop().unwrap_or_default();
        buffer.reserve(bytes.max(SPARE_BYTES_MIN));
        buffer
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_BYTES_MAX && self.0.len() < SPARES_MAX {
            buffer.clear();
            self.0.push(buffer);
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
    /// Appends all pieces of a message: long shared ones without copying.
    pub fn push_all(&mut self, parts: &[Part<'_>], spares: &mut Spares) {
        let mut parts = parts.iter();
        while let Some(part) = parts.next() {
            match part {
                Part::Share(buffer, range) if part.is_long() => {
                    self.unsent += range.len();
                    self.chunks
                        .push_back(Chunk::Shared(Rc::clone(buffer), range.clone()));
                }
                _ => {
                    // Room for what is left of the message, so that the buffer grows once.
                    let left = || {
                        let copied = parts.clone().filter(|part| !part.is_long());
                        copied.map(|part| part.bytes().len()).sum()
                    };
                    self.push(part.bytes(), left, spares);
                }
            }
        }
    }

    /// Appends a copy of the bytes; `more` tells about how many are to follow.
    fn push(&mut self, bytes: &[u8], more: impl FnOnce() -> usize, spares: &mut Spares) {
        self.unsent += bytes.len();
        if let Some(Chunk::Owned(tail)) = self.chunks.back_mut()
            && tail.len() + bytes.len() <= OUTBOX_TAIL_BYTES_MAX
        {
            tail.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            let mut tail = spares.take((bytes.len() + more()).min(OUTBOX_TAIL_BYTES_MAX));
            tail.extend_from_slice(bytes);
            self.chunks.push_back(Chunk::Owned(tail));
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
    pub fn wrote(&mut self, bytes: usize, spares: &mut Spares) {
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
            if let Some(Chunk::Owned(buffer)) = self.chunks.pop_front() {
                spares.give(buffer);
            }
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
        let mut spares = Spares::default();
        for take in 1..200 {
            let mut outbox = Outbox::default();
            outbox.push_all(
                &[
                    "head ".into(),
                    Part::Share(&big, 5..big.len()),
                    " tail".into(),
                ],
                &mut spares,
            );
            let whole = all(&outbox);
            assert_eq!(whole.len(), outbox.unsent());
            let mut seen = Vec::new();
            while outbox.unsent() > 0 {
                let step: Vec<u8> = all(&outbox).into_iter().take(take * 97).collect();
                outbox.wrote(step.len(), &mut spares);
                seen.extend(step);
            }
            assert_eq!(seen, whole);
            assert!(outbox.chunks.is_empty());
        }
    }

    #[test]
    fn long_pieces_are_shared_and_short_ones_copied() {
        let buffer = Rc::new(vec![b'x'; SHARE_BYTES_MIN]);
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        outbox.push_all(&[Part::Share(&buffer, 0..10)], &mut spares);
        assert_eq!(Rc::strong_count(&buffer), 1);
        outbox.push_all(&[Part::Share(&buffer, 0..SHARE_BYTES_MIN)], &mut spares);
        assert_eq!(Rc::strong_count(&buffer), 2);
    }

    #[test]
    fn sent_buffers_are_filled_again_but_few_and_small_ones_are_kept() {
        let mut spares = Spares::default();
        for bytes in [10, SPARE_BYTES_MAX, SPARE_BYTES_MAX + 1] {
            let mut outboxes: Vec<Outbox> = Vec::new();
            outboxes.resize_with(SPARES_MAX + 3, Outbox::default);
            for outbox in &mut outboxes {
                outbox.push_all(&[vec![b'x'; bytes].as_slice().into()], &mut spares);
            }
            assert!(spares.0.is_empty());
            for outbox in &mut outboxes {
                outbox.wrote(bytes, &mut spares);
            }
            let kept = if bytes > SPARE_BYTES_MAX {
                0
            } else {
                SPARES_MAX
            };
            assert_eq!(spares.0.len(), kept, "{bytes}");
            let small = |spare: &Vec<u8>| spare.is_empty() && spare.capacity() <= SPARE_BYTES_MAX;
            assert!(spares.0.iter().all(small));
        }
    }
}
