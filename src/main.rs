//! 1mcp: one static binary that makes many MCP servers look like one.
//!
//! `cli` reads what was typed, `shell` makes the system calls, the library `onemcp` knows the
//! protocols.

mod cli;
mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    shell::outlive_file_size_limit();
    ExitCode::from(cli::main())
}
