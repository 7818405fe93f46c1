//! What the servers of an application's file are, without changing anything.

use super::app::{App, File, How};
use super::plan::Request;
use super::servers::{self, Fate, Server};
use super::tree::Json;
use crate::config::model::{ReadError, RemoteKind};
use crate::config::resolve::kind_of;

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
    /// The program that it starts, if it is 1mcp: it may have been moved since.
    pub own_program: Option<String>,
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
    /// 1mcp is there, and every other server must stay.
    Consolidated,
    /// Servers are there that are not reached through 1mcp, perhaps beside it.
    Direct,
    /// No servers.
    None,
}

/// Looks at a file; `request.mcp_text` and `request.own` do not matter.
///
/// # Errors
/// The file cannot be read, or its servers are not where they should be.
pub fn inspect(app: &App, file: &File, request: &Request<'_>) -> Result<Inspection, ReadError> {
    let How::Automatic(how) = &app.how else {
        return Ok(Inspection {
            servers: Vec::new(),
            state: State::None,
        });
    };
    let servers = servers::read(how, file, request)?;
    let found: Vec<Found> = servers.entries.into_iter().map(found).collect();
    let has_own = found.iter().any(|found| found.kind == FoundKind::Own);
    let others = found.iter().filter(|found| found.kind != FoundKind::Own);
    let all_stay = others.clone().all(|found| found.kept.is_some());
    let state = if has_own && all_stay {
        State::Consolidated
    } else if others.count() > 0 {
        State::Direct
    } else {
        State::None
    };
    Ok(Inspection {
        servers: found,
        state,
    })
}

fn found(server: Server) -> Found {
    let disabled = |json: &Json| json.get("disabled") == Some(&Json::Bool(true));
    let (kind, is_disabled, kept) = match server.fate {
        Fate::Own => (FoundKind::Own, disabled(&server.json), None),
        Fate::Carried(carried) => (kind(&carried.json), disabled(&carried.json), None),
        Fate::Kept(reason) => (kind(&server.json), disabled(&server.json), Some(reason)),
    };
    let own_program = match kind {
        FoundKind::Own => servers::program(&server.json).map(str::to_owned),
        _ => None,
    };
    Found {
        own_program,
        name: server.name,
        kind,
        is_disabled,
        kept,
    }
}

fn kind(json: &Json) -> FoundKind {
    let text = |key: &str| json.get(key).and_then(Json::as_str);
    if json.get("command").is_some() {
        return FoundKind::Stdio;
    }
    match (text("type"), text("url").or(text("serverUrl"))) {
        (Some("sse"), Some(_)) => FoundKind::Sse,
        (None, Some(url)) if kind_of(url) == RemoteKind::Sse => FoundKind::Sse,
        (_, Some(_)) => FoundKind::Http,
        (_, None) if text("httpUrl").is_some() => FoundKind::Http,
        (_, None) => FoundKind::Unknown,
    }
}
