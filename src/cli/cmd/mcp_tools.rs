//! `mcp tools`: the tools of the servers, and which are offered.

use crate::cli::args::Line;
use crate::cli::failure::Failure;

/// Lists them.
pub(crate) fn list(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}

/// Stops offering one.
pub(crate) fn disable(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}

/// Offers one again.
pub(crate) fn enable(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}
