//! Tables: aligned, as wide as their cells in a pipe, as wide as the terminal at most on one.

use super::width::{cut, width};
use super::{Ink, Terminal, readable};

/// What stands between two columns.
const GAP: &str = "  ";
/// A column is not cut below this while another one can give.
const COLUMN_MIN: usize = 6;

/// One cell: control characters are gone, empty ones show as `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    ink: Option<Ink>,
}

impl Cell {
    /// Ordinary text.
    pub(crate) fn new(text: &str) -> Self {
        let text = match text {
            "" => "-".to_owned(),
            text => readable(text),
        };
        Self { text, ink: None }
    }

    /// Text in a colour.
    pub(crate) fn inked(ink: Ink, text: &str) -> Self {
        Self {
            ink: Some(ink),
            ..Self::new(text)
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

/// Rows below a heading.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let headings = headings.iter().map(|text| Cell::inked(Ink::Bold, text));
        Self {
            rows: vec![headings.collect()],
        }
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether there is nothing below the headings.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The whole table, one line for each row; nothing if there are no rows.
    pub(crate) fn show(&self, terminal: Terminal) -> String {
        if self.is_empty() {
            return String::new();
        }
        let widths = self.widths(terminal.columns());
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            // Blanks are written before the next cell, so that no line ends in them.
            let mut owed = 0;
            for (index, (cell, columns)) in row.iter().zip(&widths).enumerate() {
                let gap = if index > 0 { GAP.len() } else { 0 };
                line.push_str(&" ".repeat(owed + gap));
                let text = cut(&cell.text, *columns);
                owed = columns.saturating_sub(width(&text));
                match cell.ink {
                    Some(ink) => line.push_str(&terminal.paint(ink, &text)),
                    None => line.push_str(&text),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// The width of each column: as its longest cell, the widest columns narrowed until all fit.
    fn widths(&self, columns: Option<usize>) -> Vec<usize> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; count];
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = width(&cell.text).max(*widest);
            }
        }
        let Some(columns) = columns else {
            return widths;
        };
        let room = columns.saturating_sub(GAP.len() * count.saturating_sub(1));
        // The level at which all fit if everything above it is cut off.
        let fits = |level: usize| {
            let wanted: usize = widths.iter().map(|width| (*width).min(level)).sum();
            wanted <= room
        };
        let widest = widths.iter().copied().max().unwrap_or(0);
        let level = (COLUMN_MIN..=widest).rev().find(|level| fits(*level));
        let level = level.unwrap_or(COLUMN_MIN).min(widest);
        let cut: Vec<usize> = widths.iter().map(|width| (*width).min(level)).collect();
        let mut left = room.saturating_sub(cut.iter().sum());
        // What is left over goes to the first columns that were cut.
        cut.iter()
            .zip(&widths)
            .map(|(cut, whole)| {
                let more = left.min(whole - cut);
                left -= more;
                cut + more
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "STATE", "TARGET"]);
        table.row(["a".into(), "enabled".into(), "npx -y something-long".into()]);
        table.row([
            "漢字".into(),
            Cell::inked(Ink::Bad, "fault"),
            "x\x1b[2J".into(),
        ]);
        table.row(["c".into(), "".into(), "".into()]);
        table
    }

    #[test]
    fn a_pipe_gets_aligned_whole_cells_without_colours() {
        assert_eq!(
            table().show(Terminal::plain()),
            "NAME  STATE    TARGET\n\
             a     enabled  npx -y something-long\n\
             漢字  fault    x?[2J\n\
             c     -        -\n"
        );
        assert_eq!(Table::new(&["A"]).show(Terminal::plain()), "");
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_whatever_its_width() {
        for columns in 22..60 {
            let text = table().show(Terminal::wide(columns));
            for line in text.lines() {
                let bare = line.replace("\x1b[1m", "").replace("\x1b[31m", "");
                let bare = bare.replace("\x1b[0m", "");
                assert!(width(&bare) <= columns, "{columns}: {bare}");
                assert!(!bare.contains('\x1b'));
            }
        }
        let text = table().show(Terminal::wide(30));
        assert!(text.contains("npx -y somethi…\n"), "{text}");
        assert!(text.contains("\x1b[31mfault\x1b[0m    x"), "{text}");
    }

    #[test]
    fn hopelessly_narrow_is_no_reason_to_fail() {
        let text = table().show(Terminal::wide(1));
        assert_eq!(text.lines().count(), 4);
    }
}
