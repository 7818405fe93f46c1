//! A message that must outlive the call that brought it: for replay, for a batch, for a client
//! without an open stream. Long pieces stay shared, short ones are copied into one.

use std::ops::Range;
use std::rc::Rc;

use crate::base::outbox::Part;
use crate::limits::SHARE_BYTES_MIN;

#[derive(Clone, Debug)]
enum Piece {
    Owned(Box<[u8]>),
    Shared(Rc<Vec<u8>>, Range<usize>),
}

/// A message without its framing.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pieces: Box<[Piece]>,
    bytes: usize,
}

impl Kept {
    /// Keeps a message.
    pub(super) fn new(message: &[Part<'_>]) -> Self {
        let mut pieces = Vec::new();
        let mut short: Vec<u8> = Vec::new();
        for part in message {
            match part {
                Part::Share(buffer, range) if part.bytes().len() >= SHARE_BYTES_MIN => {
                    if !short.is_empty() {
                        pieces.push(Piece::Owned(std::mem::take(&mut short).into()));
                    }
                    pieces.push(Piece::Shared(Rc::clone(buffer), range.clone()));
                }
                Part::Share(..) | Part::Copy(_) => short.extend_from_slice(part.bytes()),
            }
        }
        if !short.is_empty() {
            pieces.push(Piece::Owned(short.into()));
        }
        let bytes = message.iter().map(|part| part.bytes().len()).sum();
        Self {
            pieces: pieces.into(),
            bytes,
        }
    }

    /// Its length.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same message, to be sent.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Owned(bytes) => Part::Copy(bytes),
                Piece::Shared(buffer, range) => Part::Share(buffer, range.clone()),
            })
            .collect()
    }

    /// Whether it says the same as another message.
    pub(super) fn same(&self, message: &[Part<'_>]) -> bool {
        let flat = |parts: &[Part<'_>]| -> Vec<u8> {
            parts
                .iter()
                .flat_map(|part| part.bytes())
                .copied()
                .collect()
        };
        self.bytes == crate::base::outbox::length(message) && flat(&self.parts()) == flat(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::outbox::length;

    #[test]
    fn long_pieces_stay_shared_and_the_message_comes_back_whole() {
        let long = Rc::new(vec![b'x'; SHARE_BYTES_MIN]);
        let message = [
            "a".into(),
            "b".into(),
            Part::Share(&long, 0..SHARE_BYTES_MIN),
            "c".into(),
        ];
        let kept = Kept::new(&message);
        assert_eq!((Rc::strong_count(&long), kept.pieces.len()), (2, 3));
        assert_eq!(kept.bytes(), length(&kept.parts()));
        assert!(kept.same(&message));
        assert!(!kept.same(&message[1..]));
    }
}
