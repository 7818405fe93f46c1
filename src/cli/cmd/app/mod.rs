//! `app`: the applications that can use 1mcp instead of their own servers (contract 6).

pub(crate) mod backups;
mod choose;
pub(crate) mod consolidate;
pub(crate) mod discover;
pub(crate) mod list;
mod look;
mod masked;
mod own;
mod report;
pub(crate) mod restore;
mod running;
mod select;
pub(crate) mod status;
mod takeover;
mod target;
mod which;
