//! What is wrong with a file of which the rest is good: problems with line and column, bounded. For
//! `mcp.json` and `presets.json`.

use super::jsonc::{Kind, Value};
use super::model::{Problem, ReadError};
use super::position::Positions;
use crate::limits::CONFIG_PROBLEMS_MAX;

/// The problems of one file so far.
pub(super) struct Report<'a> {
    positions: Positions<'a>,
    problems: Vec<Problem>,
    unreported: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            positions: Positions::new(text),
            problems: Vec::new(),
            unreported: 0,
        }
    }

    /// One more; beyond `CONFIG_PROBLEMS_MAX` they are only counted.
    pub(super) fn problem(&mut self, at: usize, text: String) {
        if self.problems.len() >= CONFIG_PROBLEMS_MAX {
            self.unreported += 1;
            return;
        }
        let (line, column) = self.positions.of(at);
        self.problems.push(Problem { line, column, text });
    }

    /// All of them, in the order in which they were found.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        if let Some(last) = self.problems.last_mut()
            && self.unreported > 0
        {
            last.text
                .push_str(&format!(" (and {} more problems)", self.unreported));
        }
        self.problems
    }

    /// Why the file as a whole cannot be used.
    pub(super) fn error(&self, at: usize, message: String) -> ReadError {
        let (line, column) = self.positions.of(at);
        ReadError {
            line,
            column,
            message,
        }
    }

    pub(super) fn need_object(&self, value: &Value, what: &str) -> Result<(), ReadError> {
        if matches!(value.kind, Kind::Object(_)) {
            return Ok(());
        }
        Err(self.error(
            value.at.start,
            format!("{what} must be an object, found {}", value.noun()),
        ))
    }

    /// A member of the root; two of them could mean either, so neither is taken.
    pub(super) fn only<'v>(
        &self,
        root: &'v Value,
        key: &str,
    ) -> Result<Option<&'v Value>, ReadError> {
        let mut found = root.members().iter().filter(|member| member.key == key);
        let first = found.next();
        match found.next() {
            Some(second) => {
                let message = format!("\"{key}\" appears twice");
                Err(self.error(second.key_at.start, message))
            }
            None => Ok(first.map(|member| &member.value)),
        }
    }
}

/// A name out of the file, quoted, not longer than a line can bear.
pub(super) fn shown(name: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let mut short: String = name.chars().take(CHARACTERS_MAX).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    format!("{short:?}")
}
