//! `mcp update`: changes what is given of an entry.

use crate::cli::args::Line;
use crate::cli::failure::Failure;

/// Changes the entry.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}
