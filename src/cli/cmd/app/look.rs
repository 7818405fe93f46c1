//! What the files of applications say, without changing anything: for `discover` and `status`.

use std::fs;
use std::io;
use std::path::Path;

use onemcp::config::apps::{
    self, App, Found, FoundKind, Kind, Level, Request, State, Surroundings,
};
use serde_json::{Value, json};

use super::target;
use super::which::{self, Place};
use crate::cli::backups::{Operation, Store};
use crate::cli::places::Places;

/// One file of an application.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) app: &'static App,
    pub(super) path: String,
    pub(super) project: bool,
    pub(super) variant: &'static str,
    pub(super) says: Says,
    /// Our entry was put there and is gone.
    pub(super) vanished: Option<String>,
    /// Our entry is there and starts nothing.
    pub(super) broken: Option<String>,
}

/// What it says.
#[derive(Debug)]
pub(super) enum Says {
    /// There is no such file yet.
    Missing,
    /// Why it cannot be read.
    Unreadable(String),
    /// Its servers.
    Servers(Vec<Found>, State),
}

impl Says {
    /// In one word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Missing | Self::Servers(_, State::None) => "none",
            Self::Unreadable(_) => "unreadable",
            Self::Servers(_, State::Consolidated) => "consolidated",
            Self::Servers(_, State::Direct) => "direct",
        }
    }

    /// Names of the servers that are not 1mcp.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Servers(servers, _) => servers
                .iter()
                .filter(|server| server.kind != FoundKind::Own)
                .map(|server| &*server.name)
                .collect(),
            Self::Missing | Self::Unreadable(_) => Vec::new(),
        }
    }

    fn has_own(&self) -> bool {
        match self {
            Self::Servers(servers, _) => servers.iter().any(|server| server.kind == FoundKind::Own),
            Self::Missing | Self::Unreadable(_) => false,
        }
    }
}

/// The files of an application that are there, or would be made. None if it was never used here.
pub(super) fn at(app: &'static App, around: &Surroundings, places: &Places) -> Vec<Seen> {
    if app.kind == Kind::Manual {
        return Vec::new();
    }
    let all = which::places(app, around);
    let any_user_file = all.iter().any(|place| place.exists && !place.is_project());
    let mut seen = Vec::new();
    let mut awaited = !any_user_file;
    for place in &all {
        let is_expected =
            awaited && place.traced && place.candidate.may_create && !place.is_project();
        if !place.exists && !is_expected {
            continue;
        }
        awaited &= !is_expected;
        let says = says(app, place, around);
        let is_empty = matches!(&says, Says::Servers(servers, _) if servers.is_empty());
        if !place.candidate.may_create && is_empty {
            continue;
        }
        let vanished = vanished(app, place, &says, places);
        let broken = broken(app, &says);
        seen.push(Seen {
            app,
            path: place.path.display().to_string(),
            project: place.is_project(),
            variant: place.candidate.variant,
            says,
            vanished,
            broken,
        });
    }
    seen
}

/// The application starts a binary that was moved or removed since: it only says that 1mcp does
/// not start.
fn broken(app: &App, says: &Says) -> Option<String> {
    let Says::Servers(servers, _) = says else {
        return None;
    };
    let mut programs = servers.iter().filter_map(|it| it.own_program.as_deref());
    let gone = programs.find(|program| is_gone(Path::new(program)))?;
    Some(format!(
        "its entry starts {gone}, which is not there any more; 1mcp app consolidate {} puts the \
         path of this 1mcp in its place (quit {} before)",
        app.id, app.title
    ))
}

/// A name without a directory is looked up by the application, in a PATH that is not ours.
fn is_gone(program: &Path) -> bool {
    program.is_absolute()
        && matches!(fs::metadata(program), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

impl Seen {
    /// What is wrong with an entry that was put there once.
    pub(super) fn fault(&self) -> Option<&str> {
        self.vanished.as_deref().or(self.broken.as_deref())
    }
}

fn says(app: &App, place: &Place, around: &Surroundings) -> Says {
    let present = match target::read(&place.path) {
        Ok(present) => present,
        Err(failure) => return Says::Unreadable(failure.line().unwrap_or_default().to_owned()),
    };
    let Some(text) = present.bytes else {
        return Says::Missing;
    };
    match apps::inspect(
        app,
        place.candidate.file,
        &request(&text, place.candidate.level, around),
    ) {
        Ok(found) => Says::Servers(found.servers, found.state),
        Err(error) => Says::Unreadable(format!("{}: {error}", place.path.display())),
    }
}

const fn request<'r>(text: &'r [u8], level: Level, around: &'r Surroundings) -> Request<'r> {
    Request {
        app_text: text,
        level,
        mcp_text: b"",
        own: None,
        own_path: None,
        running: &[],
        around,
    }
}

/// The newest backup was made by a consolidate, so our entry should be there.
fn vanished(app: &App, place: &Place, says: &Says, places: &Places) -> Option<String> {
    if says.has_own() || matches!(says, Says::Unreadable(_)) {
        return None;
    }
    let found = Store::of(&places.config_dir, app.id).list().ok()?;
    let mut of_file = found.backups.iter().filter(|backup| {
        Path::new(&backup.meta.path) == place.path && backup.meta.operation != Operation::Backup
    });
    let newest = of_file.next()?;
    (newest.meta.operation == Operation::Consolidate).then(|| {
        format!(
            "1mcp was put there at {} and is gone, for the file was overwritten since; 1mcp app \
             consolidate {} puts it back (quit {} before)",
            newest.meta.time, app.id, app.title
        )
    })
}

/// How many servers a file of an application names, if that can be told.
pub(super) fn count(app: &App, around: &Surroundings, path: &Path, text: &[u8]) -> Option<usize> {
    let all = which::places(app, around);
    let place = all.iter().find(|place| place.path == path)?;
    let request = request(text, place.candidate.level, around);
    let found = apps::inspect(app, place.candidate.file, &request).ok()?;
    Some(found.servers.len())
}

/// One entry of the documents.
pub(super) fn entry(seen: &Seen) -> Value {
    let servers = match &seen.says {
        Says::Servers(servers, _) => servers.iter().map(server).collect(),
        Says::Missing | Says::Unreadable(_) => Vec::new(),
    };
    json!({
        "app": seen.app.id,
        "title": seen.app.title,
        "file": seen.path,
        "exists": !matches!(seen.says, Says::Missing),
        "project": seen.project,
        "variant": (!seen.variant.is_empty()).then_some(seen.variant),
        "state": seen.says.word(),
        "servers": servers,
        "problem": match &seen.says {
            Says::Unreadable(why) => Some(why),
            Says::Missing | Says::Servers(..) => None,
        },
        "vanished": seen.vanished,
        "broken": seen.broken,
    })
}

fn server(found: &Found) -> Value {
    let kind = match found.kind {
        FoundKind::Own => "1mcp",
        FoundKind::Stdio => "stdio",
        FoundKind::Http => "http",
        FoundKind::Sse => "sse",
        FoundKind::Unknown => "unknown",
    };
    json!({
        "name": found.name,
        "kind": kind,
        "disabled": found.is_disabled,
        "kept": found.kept,
    })
}

/// The document as text.
pub(super) fn document(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{text}\n")
}
