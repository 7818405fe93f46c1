//! The only place of `cli` that writes to stdout and stderr. `print!` and its family panic when
//! nobody reads any more; here that is an ordinary end.

use std::io::{self, Write};

use super::failure::Failure;

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
    let line = format!("1mcp: {line}\n");
    let _unseen = io::stderr().lock().write_all(line.as_bytes());
}
