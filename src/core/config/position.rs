//! Byte offsets as lines and columns, the way editors count them.

use super::jsonc::BOM;

/// Where the lines of a text begin.
pub(super) struct Positions<'a> {
    text: &'a [u8],
    starts: Vec<usize>,
}

impl<'a> Positions<'a> {
    /// Finds the lines once, so that many problems in one file stay cheap.
    pub(super) fn new(text: &'a [u8]) -> Self {
        let first = if text.starts_with(BOM) { BOM.len() } else { 0 };
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let starts = std::iter::once(first).chain(ends.map(|(at, _)| at + 1));
        Self {
            text,
            starts: starts.collect(),
        }
    }

    /// Line and column of a byte, both from 1; columns count characters. A byte beyond the end
    /// counts as the end.
    pub(super) fn of(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self
            .text
            .get(start..at.min(self.text.len()))
            .unwrap_or_default();
        // Every character has exactly one byte that is not a continuation byte.
        let characters = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        (line, characters + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_from_one_in_characters() {
        let text = "\u{feff}{\r\n  \"ä\": 1\n}".as_bytes();
        let positions = Positions::new(text);
        assert_eq!(positions.of(0), (1, 1));
        assert_eq!(positions.of(3), (1, 1));
        assert_eq!(positions.of(4), (1, 2));
        let one = text.iter().position(|byte| *byte == b'1').unwrap();
        assert_eq!(positions.of(one), (2, 8));
        assert_eq!(positions.of(text.len()), (3, 2));
        assert_eq!(positions.of(9999), (3, 2));
        assert_eq!(Positions::new(b"").of(0), (1, 1));
    }
}
