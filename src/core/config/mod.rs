//! `mcp.json`: what it says, and how to change it without touching a byte more than needed.

/// What `mcp.json` says. (Skeleton.)
#[derive(Debug, Default)]
pub struct Config {}
