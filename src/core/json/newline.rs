//! Messages framed as lines: our own stdin and the stdout of children.

use crate::base::frame::Frame;

/// What [`Lines::next`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// One line, its end (LF or CRLF) and nothing else removed, is in the frame. Never empty:
    /// blank lines are skipped.
    Full,
    /// A line longer than the limit ended and was thrown away; its first and last bytes are kept,
    /// so that the id in it may still be found.
    TooLong {
        /// The first 256 bytes.
        head: Vec<u8>,
        /// The last 256 bytes.
        tail: Vec<u8>,
    },
}

/// Reassembles lines from pieces of any length; the search for the end resumes where it stopped.
#[derive(Debug, Default)]
pub struct Lines {
    // helper J fills this in
}

impl Lines {
    /// Adds bytes as they came.
    pub fn push(&mut self, _bytes: &[u8]) {
        todo!()
    }

    /// Takes the next line out: a short one is copied into the frame, a long one moved.
    pub fn next(&mut self, _frame: &mut Frame) -> Option<Line> {
        todo!()
    }

    /// At end of input: an unfinished last line counts as one.
    pub fn finish(&mut self, _frame: &mut Frame) -> Option<Line> {
        todo!()
    }

    /// Bytes that wait for the end of their line.
    #[must_use]
    pub fn pending(&self) -> usize {
        0
    }
}
