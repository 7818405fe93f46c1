//! 1mcp: one static binary that makes many MCP servers look like one.

fn main() {}
