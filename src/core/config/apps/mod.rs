//! The applications whose configuration files hold MCP servers (contract 6), and how their servers
//! become ours: what their files say, what our `mcp.json` says instead, and what is put in place.
//!
//! Texts in, texts out. Opens no file, asks for no variable and starts nothing: the caller brings
//! the bytes and the places, and writes what a [`Plan`] holds. One small file for each application.

mod app;
mod consolidate;
mod draft;
mod inspect;
mod merge;
mod places;
mod plan;
mod remove;
mod rewrite;
mod servers;
#[cfg(test)]
mod tests;
mod texts;
mod tree;

mod augment;
mod cherry_studio;
mod claude_code;
mod claude_desktop;
mod cline;
mod continue_dev;
mod cursor;
mod gemini_cli;
mod roo_code;
mod vscode;
mod windsurf;
mod zed;

pub use app::{App, File, Kind, all, find};
pub use consolidate::consolidate;
pub use inspect::{Found, FoundKind, Inspection, State, inspect};
pub use places::{Candidate, Level, Platform, Surroundings, component_matches};
pub use plan::{AlreadyThere, Imported, Kept, OwnEntry, Plan, Refusal, Request};
pub use remove::{Removal, remove_imported};
