//! What the servers of an application's file are, without changing anything.

use super::app::{App, File};
use super::plan::Request;
use crate::config::ReadError;

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Its servers in file order.
    pub servers: Vec<Found>,
    /// Whether they are reached through 1mcp.
    pub state: State,
}

/// One server of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name in the application.
    pub name: String,
    /// How it is reached.
    pub kind: FoundKind,
    /// Whether the application does not run it.
    pub is_disabled: bool,
    /// Why it would stay in the file; the end of a sentence that begins with its name.
    pub kept: Option<String>,
}

/// How a server of an application is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// It is 1mcp.
    Own,
    /// A program to start.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE.
    Sse,
    /// Not to be told.
    Unknown,
}

/// Whether the servers of a file are reached through 1mcp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// 1mcp is there, and no server that could be taken over.
    Consolidated,
    /// Servers are there that could be taken over (perhaps beside 1mcp).
    Direct,
    /// Neither.
    None,
}

/// Looks at a file; `request.mcp_text` and `request.own` do not matter.
///
/// # Errors
/// The file cannot be read, or its servers are not where they should be.
pub fn inspect(_app: &App, _file: &File, _request: &Request<'_>) -> Result<Inspection, ReadError> {
    Ok(Inspection {
        servers: Vec::new(),
        state: State::None,
    })
}
