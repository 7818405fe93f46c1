//! `mcp.json`: what it says, and how to change it without touching a byte more than needed.
//!
//! [`read`](read()) turns the bytes of the file and an [`Environment`] into a [`Config`];
//! [`diff`](diff()) tells what changed between two of them; [`edit`] splices bytes of the file the
//! user wrote. Never opens a file and never asks the system for a variable: the shell brings both.

mod model;

pub use model::{
    Config, Era, Isolation, Prefix, Problem, ReadError, Remote, RemoteKind, Restart, Server,
    Transport,
};
