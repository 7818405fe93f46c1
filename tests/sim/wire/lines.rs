//! Bytes cut into lines, each byte looked at once however small the pieces are.

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// No line ends before this.
    searched: usize,
}

impl Lines {
    /// Takes bytes as they came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete line, without its line feed.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let fresh = &self.buffer[self.searched..];
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut line: Vec<u8> = self.buffer.drain(..=self.searched + end).collect();
        self.searched = 0;
        line.pop();
        Some(line)
    }

    /// Whether nothing is left of an unfinished line.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}
