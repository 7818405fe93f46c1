//! What consolidating needs, and what it comes to.

use std::fmt;

use super::places::{Level, Surroundings};
use crate::base::url::Url;
use crate::config::ReadError;
use crate::limits::SERVERS_MAX;

/// What the application is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnEntry {
    /// It starts 1mcp.
    Command {
        /// The absolute path of the binary.
        command: String,
        /// `serve --transport stdio` and what else is needed.
        args: Vec<String>,
    },
    /// It connects to a running one.
    Url(String),
}

/// What is to be consolidated.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The application's file; empty if there is none yet.
    pub app_text: &'a [u8],
    /// Whom that file is for.
    pub level: Level,
    /// Our `mcp.json`; empty if there is none yet.
    pub mcp_text: &'a [u8],
    /// What the application gets. `None` takes its servers over and puts nothing in their place:
    /// for a second file of an application whose first one holds our entry already.
    pub own: Option<&'a OwnEntry>,
    /// The path of this binary, to recognise entries that run it.
    pub own_path: Option<&'a str>,
    /// URLs of instances that run, to recognise entries that lead to one.
    pub running: &'a [Url],
    /// Home, project and system.
    pub around: &'a Surroundings,
}

/// What consolidating comes to. Nothing is written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The application's new file, whole.
    pub app_text: Vec<u8>,
    /// Our new `mcp.json`, whole; the old bytes if nothing is imported.
    pub mcp_text: Vec<u8>,
    /// What becomes ours.
    pub imported: Vec<Imported>,
    /// What we have already.
    pub already_there: Vec<AlreadyThere>,
    /// What stays in the application's file beside our entry.
    pub kept: Vec<Kept>,
    /// Names of entries that ran 1mcp and gave way to ours.
    pub own_entries_dropped: Vec<String>,
    /// What else a person should know; whole sentences.
    pub notes: Vec<String>,
    /// The application's file is what it should be already; both texts are the old ones.
    pub already_consolidated: bool,
}

/// A server that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its name in the application.
    pub name_in_app: String,
    /// Its name in `mcp.json`.
    pub name: String,
    /// Why the two differ, if they do.
    pub renamed: Option<String>,
    /// Whether it is a program to start (else it is reached by URL).
    pub is_stdio: bool,
    /// Whether the application did not run it, so that we do not either.
    pub is_disabled: bool,
    /// Hexadecimal SHA-256 of its definition, for [`super::remove_imported`]; tells no secret.
    pub fingerprint: String,
}

/// A server that `mcp.json` has with the same definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlreadyThere {
    /// Its name in the application.
    pub name_in_app: String,
    /// Its name in `mcp.json`.
    pub name: String,
}

/// A server that stays in the application's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name in the application.
    pub name: String,
    /// Why; the end of a sentence that begins with its name ("asks for a value (...)").
    pub reason: String,
}

/// Why there is no plan. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The application's file cannot be read, or its servers are not where they should be.
    App(ReadError),
    /// Our `mcp.json` cannot be read.
    Mcp(ReadError),
    /// The application takes no URL out of its file; [`super::App::instructions`] says what to do.
    NoUrl,
    /// Only its user can tell this application; [`super::App::instructions`] says how.
    Manual,
    /// More servers than `mcp.json` may hold.
    TooMany,
    /// A new text would be longer, deeper or fuller than files may be; which file, and what.
    NoRoom(&'static str, String),
    /// Reading the result back did not give what was meant. A fault of ours.
    NotAsMeant(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(error) | Self::Mcp(error) => write!(f, "{error}"),
            Self::NoUrl => f.write_str(
                "the application takes no URL out of its file; enter it by hand as --manual-only \
                 says",
            ),
            Self::Manual => {
                f.write_str("the application can only be set up by hand, as --manual-only says")
            }
            Self::TooMany => write!(
                f,
                "mcp.json would hold more than {SERVERS_MAX} servers; remove some from it or from \
                 the application first"
            ),
            Self::NoRoom(what, why) => write!(f, "{what} has no room for it: {why}"),
            Self::NotAsMeant(what) => write!(
                f,
                "{what} did not read back as meant; nothing was changed. \
                 This is a fault of 1mcp, please report it"
            ),
        }
    }
}

impl std::error::Error for Refusal {}
