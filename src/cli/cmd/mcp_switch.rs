//! `mcp enable` and `mcp disable`.

use crate::cli::args::Line;
use crate::cli::failure::Failure;

/// Enables a server.
pub(crate) fn enable(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}

/// Disables a server.
pub(crate) fn disable(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    Err(Failure::Usage("not built yet".to_owned()))
}
