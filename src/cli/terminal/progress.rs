//! One line on stderr that tells what is being done, and is gone when it is done. On a terminal
//! only; elsewhere nothing is written at all. Turns when it is told to: there is no thread.

use std::io::{self, Write};

use super::width::cut;
use super::{Terminal, is_dumb, readable};

/// The pictures of the wheel.
const WHEEL: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// To the beginning of the line, and everything behind away (ECMA-48, 8.3.41).
const ERASE: &str = "\r\x1b[K";

/// The line. Erased when dropped.
#[derive(Debug)]
pub(crate) struct Progress<W: Write = io::Stderr> {
    out: W,
    /// `None` where nobody looks.
    columns: Option<usize>,
    turns: usize,
    shown: bool,
}

impl Progress {
    /// Begins; nothing is shown yet.
    pub(crate) fn new() -> Self {
        let columns = Terminal::stderr().columns();
        let columns = columns.filter(|_| !is_dumb(|name| std::env::var_os(name)));
        Self::on(io::stderr(), columns)
    }
}

impl<W: Write> Progress<W> {
    const fn on(out: W, columns: Option<usize>) -> Self {
        Self {
            out,
            columns,
            turns: 0,
            shown: false,
        }
    }

    /// Shows this in the place of what was shown, and turns the wheel by one step.
    pub(crate) fn show(&mut self, text: &str) {
        let Some(columns) = self.columns else {
            return;
        };
        let wheel = WHEEL.get(self.turns % WHEEL.len()).unwrap_or(&"");
        self.turns = self.turns.wrapping_add(1);
        // One column is left free: terminals wrap when the last one is written.
        let line = cut(&readable(text), columns.saturating_sub(3));
        self.write(&format!("{ERASE}{wheel} {line}"));
        self.shown = true;
    }

    /// Takes the line away, so that something else can be written; `show` brings it back.
    pub(crate) fn clear(&mut self) {
        if self.shown {
            self.write(ERASE);
            self.shown = false;
        }
    }

    fn write(&mut self, text: &str) {
        // If nobody sees it, so be it.
        let _unseen = self.out.write_all(text.as_bytes());
        let _unseen = self.out.flush();
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(columns: Option<usize>, texts: &[&str]) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::on(&mut out, columns);
        texts.iter().for_each(|text| progress.show(text));
        drop(progress);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_line_turns_fits_and_is_gone_at_the_end() {
        let text = written(Some(12), &["a", "checking\x07 files"]);
        assert_eq!(text, format!("{ERASE}⠋ a{ERASE}⠙ checking…{ERASE}"));
        assert_eq!(written(Some(12), &[]), "");
    }

    #[test]
    fn contract_1_nothing_is_written_where_no_terminal_is() {
        assert_eq!(written(None, &["a", "b"]), "");
    }
}
