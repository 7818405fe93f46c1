//! `mcp status`: whether the servers work.

use crate::cli::args::Line;
use crate::cli::failure::Failure;

/// Shows them.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}
