//! `man`: the manual page, from the one table.

use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::{manual, out};

/// Prints it.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    out::result(&manual::page()).map(|()| 0)
}
