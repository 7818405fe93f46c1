//! One message taken out of an inbox, so that the inbox's owner can be called while it is read.

use std::ops::Range;
use std::rc::Rc;

use crate::base::outbox::Part;

/// The bytes of one message. The buffer is reused from message to message unless a long piece of
/// it is still waiting in some outbox.
#[derive(Debug, Default)]
pub struct Frame {
    buffer: Rc<Vec<u8>>,
}

impl Frame {
    /// Holds a copy of a short message.
    pub fn fill(&mut self, bytes: &[u8]) {
        match Rc::get_mut(&mut self.buffer) {
            // A buffer that once held a long message is given back, or every link would keep one.
            Some(buffer) if buffer.capacity() <= crate::limits::SHARE_BYTES_MIN => {
                buffer.clear();
                buffer.extend_from_slice(bytes);
            }
            _ => self.buffer = Rc::new(bytes.to_vec()),
        }
    }

    /// Takes a long message over without copying it.
    pub fn adopt(&mut self, bytes: Vec<u8>) {
        self.buffer = Rc::new(bytes);
    }

    /// The whole message.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The bytes may be changed in place (line ends to blanks) while nobody shares them.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        Rc::get_mut(&mut self.buffer).map(Vec::as_mut_slice)
    }

    /// A piece of the message for an outgoing one.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Part<'_> {
        Part::Share(&self.buffer, range)
    }

    /// The same message for later, when this frame has taken the next.
    #[must_use]
    pub fn keep(&self) -> Self {
        Self {
            buffer: Rc::clone(&self.buffer),
        }
    }

    /// The shared buffer, for keeping a message longer than this frame.
    #[must_use]
    pub fn shared(&self) -> &Rc<Vec<u8>> {
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_message_is_not_overwritten_by_the_next() {
        let mut frame = Frame::default();
        frame.fill(b"first");
        let kept = Rc::clone(frame.shared());
        frame.fill(b"second");
        assert_eq!(
            (kept.as_slice(), frame.bytes()),
            (&b"first"[..], &b"second"[..])
        );
        assert!(frame.bytes_mut().is_some());
    }
}
