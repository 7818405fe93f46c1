//! `make bench`: how fast and how small the gateway is, as ratios against floors measured in the
//! same run on the same machine: nginx with a fixed answer, and the fixture's pipe alone.
//!
//! `load [--quick]` prints a table in Markdown. `ONE_MCP_BIN` names another gateway binary.
//! Everything stays on loopback and is bounded in time.

mod auth;
mod eras;
mod http;
mod place;
mod process;
mod remote;
mod rows;
mod tls;

use std::io::Write;

/// Anything that ends the run.
pub(crate) type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let quick = std::env::args().any(|word| word == "--quick");
    process::pin_self(place::OTHERS);
    let table = rows::all(quick)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{table}")?;
    Ok(())
}
