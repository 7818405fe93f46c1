//! What the tests of this target share.

pub(crate) mod desktop;
pub(crate) mod dir;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod lines;
pub(crate) mod locked;
pub(crate) mod mcp;
pub(crate) mod processes;
pub(crate) mod program;
pub(crate) mod remote;
pub(crate) mod stdio;

use std::time::Duration;

/// How long a test waits for what must come. Far above what it takes, so that a busy machine fails
/// nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
