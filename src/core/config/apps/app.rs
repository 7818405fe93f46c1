//! The list of applications.

use super::places::{Candidate, Surroundings};
use super::plan::OwnEntry;

/// One application.
#[derive(Debug)]
pub struct App {
    /// What the command line calls it.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Other ids that are accepted.
    pub aliases: &'static [&'static str],
    /// How it is told to use 1mcp.
    pub kind: Kind,
    /// Names of its processes, without directory and `.exe`, as a process list shows them; for
    /// "quit it first". Empty if it reads its file at every start of a session anyway.
    pub processes: &'static [&'static str],
}

/// How an application is told to use 1mcp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its file is edited.
    Automatic,
    /// Nobody but its user can; see [`App::instructions`].
    Manual,
}

/// What is in one file of an application: where in it the servers live and how they read. Opaque;
/// comes with a [`Candidate`].
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Keys from the root to the servers; the first way that exists counts, the first of all is
    /// taken for a new file.
    pub(super) ways: &'static [&'static [&'static str]],
}

/// Every application, in the order of the contract.
#[must_use]
pub fn all() -> &'static [App] {
    &[]
}

/// By id or alias.
#[must_use]
pub fn find(id: &str) -> Option<&'static App> {
    all()
        .iter()
        .find(|app| app.id == id || app.aliases.contains(&id))
}

impl App {
    /// The files it may have, best first. Paths in which a component holds `*` are for the caller
    /// to list. None for an application of [`Kind::Manual`].
    #[must_use]
    pub fn candidates(&self, _around: &Surroundings) -> Vec<Candidate> {
        Vec::new()
    }

    /// What to enter by hand: several lines for people, for `--manual-only`, for applications of
    /// [`Kind::Manual`] and where an application takes no URL out of a file.
    #[must_use]
    pub fn instructions(&self, _own: &OwnEntry) -> String {
        String::new()
    }

    /// Whether its file can hold a server that is reached by URL.
    #[must_use]
    pub fn takes_url(&self) -> bool {
        false
    }
}
