//! `completions`: for the shells, from the one table.

use crate::cli::args::Line;
use crate::cli::failure::Failure;

/// Prints them.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}
