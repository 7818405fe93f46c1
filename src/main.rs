//! 1mcp: one static binary that makes many MCP servers look like one.
//!
//! `cli` reads what was typed, `shell` makes the system calls, the library `onemcp` knows the
//! protocols.

mod cli;
mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::main())
}
