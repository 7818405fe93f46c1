//! The only place of `cli` that writes to stdout and stderr. `print!` and its family panic when
//! nobody reads any more; here that is an ordinary end.

use std::io::{self, Write};

use super::failure::Failure;
use super::terminal::{Ink, Terminal, readable_lines};

/// Writes a result to stdout, all of it or an error.
pub(crate) fn result(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::output(&error))
}

/// Writes one line for the person at the terminal to stderr; if nobody sees it, so be it.
pub(crate) fn note(line: &str) {
    // One write, so that lines of several processes on one terminal do not mix.
    // Names of files and texts of servers are in it, which must not steer the terminal.
    let line = format!("1mcp: {}\n", readable_lines(line));
    let _unseen = io::stderr().lock().write_all(line.as_bytes());
}

/// A next step, for a person only: nothing where stderr is no terminal.
pub(crate) fn hint(line: &str) {
    let terminal = Terminal::stderr();
    if terminal.columns().is_some() {
        let line = format!("{}\n", terminal.paint(Ink::Dim, &readable_lines(line)));
        let _unseen = io::stderr().lock().write_all(line.as_bytes());
    }
}
