//! `mcp.json`: what it says, and how to change it without touching a byte more than needed.
//!
//! [`read()`] turns the bytes of the file and an [`Environment`] into a [`Config`];
//! [`Server::needs_restart`] says what a change of it means; [`edit`] splices bytes of the file the
//! user wrote. Never opens a file and never asks the system for a variable: the shell brings both.

pub mod apps;
mod demo;
mod diff;
mod dotenv;
pub mod edit;
mod entry;
mod environment;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod headers;
mod itself;
pub mod jsonc;
pub mod mask;
mod model;
mod oauth;
mod position;
pub mod presets;
mod read;
mod recursion;
mod render;
mod report;
mod resolve;
mod scan;
mod substitute;
mod tools;
mod user_info;

pub use demo::demo_config;
pub use environment::Environment;
pub use headers::{check as check_header, check_url};
pub use itself::{Itself, LEADS_HERE, leads_to_one};
pub use model::{
    Config, Isolation, Oauth, Prefix, Problem, ReadError, Remote, RemoteKind, Restart, Server,
    Transport,
};
pub use read::read;
pub use recursion::runs_1mcp;
pub use resolve::{check_name, kind_of};
