//! The commands, one file each: flags become values, values become deeds.

mod backup;
mod config_file;
pub(super) mod health;
pub(super) mod mcp_add;
pub(super) mod mcp_list;
pub(super) mod mcp_remove;
pub(super) mod serve;
