//! `app`: the applications that can use 1mcp instead of their own servers (contract 6).

pub(crate) mod backups;
pub(crate) mod consolidate;
pub(crate) mod discover;
pub(crate) mod list;
pub(crate) mod restore;
pub(crate) mod status;
