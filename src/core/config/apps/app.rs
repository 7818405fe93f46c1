//! What an application is, and the list of them.

use std::path::PathBuf;

use super::draft::{Draft, Step};
use super::places::{Candidate, Level, Surroundings};
use super::plan::OwnEntry;
use super::tree::Json;
use super::{
    augment, cherry_studio, claude_code, claude_desktop, cline, continue_dev, cursor, gemini_cli,
    roo_code, vscode, windsurf, zed,
};

/// The name of our entry in every application.
pub(super) const OWN_NAME: &str = "1mcp";

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
    /// "quit it first".
    pub processes: &'static [&'static str],
    pub(super) how: How,
}

/// How an application is told to use 1mcp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its file is edited.
    Automatic,
    /// Nobody but its user can; see [`App::instructions`].
    Manual,
}

/// What the file of an application in this module says about it.
#[derive(Debug)]
pub(super) enum How {
    Automatic(Automatic),
    /// Where to enter what.
    Manual(fn(&OwnEntry) -> String),
}

/// What is particular about an application whose file is edited; begins as
/// [`Automatic::usual`], so that each application's own file says only in what it deviates.
#[derive(Debug)]
pub(super) struct Automatic {
    /// Its files, best first.
    pub(super) files: fn(&Surroundings) -> Vec<Candidate>,
    /// An entry of its becomes one of ours.
    pub(super) carry: fn(&mut Draft<'_>) -> Step,
    /// Our entry that starts 1mcp, as it wants it.
    pub(super) own_command: fn(&str, &[String]) -> Json,
    /// Our entry for a running 1mcp.
    pub(super) own_url: OwnUrl,
    /// Whether its file lets a server of this name run, all of the file considered.
    pub(super) lets_run: fn(&Json, &str) -> bool,
    /// What its user should know about the rest of the file.
    pub(super) notes: fn(&Json) -> Option<String>,
}

/// What an application does with the URL of a server.
#[derive(Debug)]
pub(super) enum OwnUrl {
    Entry(fn(&str) -> Json),
    /// Its file takes none; where to enter it by hand.
    ByHand(fn(&str) -> String),
}

/// What is in one file of an application: where in it the servers live. Opaque; comes with a
/// [`Candidate`].
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Keys from the root to the servers; the first way that exists counts, the first of all is
    /// taken for a new file.
    pub(super) ways: &'static [&'static [&'static str]],
    /// The servers are an array of entries that carry their `name`.
    pub(super) is_array: bool,
}

/// Most applications' servers are the object `mcpServers`.
pub(super) static MCP_SERVERS: File = File {
    ways: &[&["mcpServers"]],
    is_array: false,
};

static APPS: [App; 12] = [
    claude_desktop::APP,
    claude_code::APP,
    cursor::APP,
    vscode::APP,
    gemini_cli::APP,
    augment::APP,
    roo_code::APP,
    cline::APP,
    windsurf::APP,
    zed::APP,
    cherry_studio::APP,
    continue_dev::APP,
];

/// Every application, in the order of the contract.
#[must_use]
pub fn all() -> &'static [App] {
    &APPS
}

/// By id or alias.
#[must_use]
pub fn find(id: &str) -> Option<&'static App> {
    all()
        .iter()
        .find(|app| app.id == id || app.aliases.contains(&id))
}

impl Automatic {
    /// An application of no particular taste: our entry is a program with its arguments, or a URL
    /// with its type, and nothing else in the file matters.
    pub(super) const fn usual(
        files: fn(&Surroundings) -> Vec<Candidate>,
        carry: fn(&mut Draft<'_>) -> Step,
    ) -> Self {
        Self {
            files,
            carry,
            own_command: plain_command,
            own_url: OwnUrl::Entry(typed_url),
            lets_run: all_run,
            notes: no_notes,
        }
    }
}

impl App {
    /// An application whose file is edited, so far without other ids and processes.
    pub(super) const fn automatic(id: &'static str, title: &'static str, how: Automatic) -> Self {
        Self {
            id,
            title,
            aliases: &[],
            kind: Kind::Automatic,
            processes: &[],
            how: How::Automatic(how),
        }
    }

    /// An application that only its user can tell, with what to enter where.
    pub(super) const fn manual(
        id: &'static str,
        title: &'static str,
        instructions: fn(&OwnEntry) -> String,
    ) -> Self {
        Self {
            id,
            title,
            aliases: &[],
            kind: Kind::Manual,
            processes: &[],
            how: How::Manual(instructions),
        }
    }

    /// The files it may have, best first. Paths in which a component holds `*` are for the caller
    /// to list. None for an application of [`Kind::Manual`].
    #[must_use]
    pub fn candidates(&self, around: &Surroundings) -> Vec<Candidate> {
        match &self.how {
            How::Automatic(how) => {
                let mut files = (how.files)(around);
                // In the home directory, the file of the project is that of the user.
                let user: Vec<PathBuf> = files
                    .iter()
                    .filter(|file| file.level == Level::User)
                    .map(|file| file.path.clone())
                    .collect();
                files.retain(|file| file.level == Level::User || !user.contains(&file.path));
                files
            }
            How::Manual(_) => Vec::new(),
        }
    }

    /// What to enter by hand: several lines for people, for `--manual-only`, for applications of
    /// [`Kind::Manual`] and where an application takes no URL out of a file.
    #[must_use]
    pub fn instructions(&self, own: &OwnEntry) -> String {
        match (&self.how, own) {
            (How::Manual(text), _) => text(own),
            (How::Automatic(how), OwnEntry::Url(url)) => match how.own_url {
                OwnUrl::ByHand(text) => text(url),
                OwnUrl::Entry(entry) => self.by_hand(how, &entry(url)),
            },
            (How::Automatic(how), OwnEntry::Command { command, args }) => {
                self.by_hand(how, &(how.own_command)(command, args))
            }
        }
    }

    /// Whether its file can hold a server that is reached by URL.
    #[must_use]
    pub fn takes_url(&self) -> bool {
        match &self.how {
            How::Automatic(how) => matches!(how.own_url, OwnUrl::Entry(_)),
            How::Manual(_) => false,
        }
    }

    /// How to put an entry into its file by hand.
    fn by_hand(&self, how: &Automatic, entry: &Json) -> String {
        let nowhere = Surroundings::nowhere();
        let candidates = (how.files)(&nowhere);
        let way = candidates
            .first()
            .and_then(|candidate| candidate.file.ways.first())
            .copied()
            .unwrap_or_default();
        let mut file = Json::Object(Vec::new());
        file.set(&[way, &[OWN_NAME]].concat(), entry.clone());
        format!(
            "In the configuration file of {}, put this in the place of the servers that 1mcp \
             takes over:\n\n{}",
            self.title,
            file.pretty()
        )
    }
}

fn plain_command(command: &str, args: &[String]) -> Json {
    Json::object([
        ("command", Json::string(command)),
        ("args", Json::strings(args)),
    ])
}

fn typed_url(url: &str) -> Json {
    Json::object([("type", Json::string("http")), ("url", Json::string(url))])
}

const fn all_run(_file: &Json, _name: &str) -> bool {
    true
}

const fn no_notes(_file: &Json) -> Option<String> {
    None
}
