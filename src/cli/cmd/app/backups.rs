//! `app backups`: what was kept of application files.

use crate::cli::args::Line;
use crate::cli::failure::Failure;

/// Runs it.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}
