//! The built binary from outside: real arguments, files, pipes, sockets and processes. Needs only
//! Rust; the servers behind the gateway are the fixture (`tests/fixtures`).
//!
//! Every test has a directory and a home of its own, uses free ports, waits for events and ends
//! only processes it started. What a test waits for comes in milliseconds; only a failure takes as
//! long as [`support::PATIENCE`].
#![cfg(test)]

mod support;

mod app_faithful;
mod app_faults;
mod apps;
mod attacks;
mod auth_cli;
mod bad_http;
mod children;
mod cli;
mod cli_files;
mod completions;
mod mcp_edit;
mod metrics;
mod presets;
mod readme;
mod reloading;
mod remote_cli;
mod remote_faults;
mod remote_sse;
mod restarts;
mod starting;
mod status;
mod writing;
