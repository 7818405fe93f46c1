//! The commands, one file each: flags become values, values become deeds.

pub(super) mod app;
pub(super) mod auth;
mod backup;
pub(super) mod completions;
mod config_file;
mod done;
mod entry_edit;
mod entry_flags;
pub(super) mod health;
mod known_tools;
pub(super) mod man;
pub(super) mod mcp_add;
pub(super) mod mcp_list;
pub(super) mod mcp_remove;
pub(super) mod mcp_status;
pub(super) mod mcp_switch;
pub(super) mod mcp_tools;
pub(super) mod mcp_update;
mod open;
pub(super) mod preset;
pub(super) mod serve;
mod status_view;
pub(super) mod tool_switch;
