//! Where applications keep their files, on three platforms.

use std::path::PathBuf;

use super::app::{File, MCP_SERVERS};

/// The systems that paths differ on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux and its like.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// What paths are made of; the caller reads it from its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The system.
    pub platform: Platform,
    /// The home directory.
    pub home: PathBuf,
    /// `XDG_CONFIG_HOME`, else `~/.config`.
    pub config_home: PathBuf,
    /// `APPDATA`, else `~/AppData/Roaming`; looked at on Windows only.
    pub app_data: PathBuf,
    /// `LOCALAPPDATA`, else `~/AppData/Local`; looked at on Windows only.
    pub local_app_data: PathBuf,
    /// The project whose files are looked at too, absolute; usually the current directory.
    pub project: Option<PathBuf>,
}

/// Whom a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All that its user does.
    User,
    /// One project.
    Project,
}

/// A file that an application may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where; a component with `*` stands for every name that [`component_matches`].
    pub path: PathBuf,
    /// Exists (as a file or directory, same rule for `*`) if the application was ever used here.
    pub trace: PathBuf,
    /// Whom it is for.
    pub level: Level,
    /// Which edition of the application: "VS Code Insiders", "Windows Store"; empty for the usual.
    pub variant: &'static str,
    /// Whether it is made when it is missing. If not, it counts only if it exists and
    /// [`super::inspect()`] finds servers in it (an older place that is still read, say).
    pub may_create: bool,
    /// Whether our entry belongs into it. If not, it is an older place that is still read: its
    /// servers are taken over with [`super::Request::own`] `None`, and the entry goes into the
    /// candidate of the same level and variant that comes before it.
    pub gets_entry: bool,
    /// What is in it.
    pub file: &'static File,
}

/// The editions of VS Code, by directory.
pub(super) const CODE_EDITIONS: [(&str, &str); 3] = [
    ("Code", ""),
    ("Code - Insiders", "VS Code Insiders"),
    ("VSCodium", "VSCodium"),
];

/// Editors that run the extensions of VS Code.
const CODE_RELATIVES: [(&str, &str); 2] = [("Cursor", "in Cursor"), ("Windsurf", "in Windsurf")];

/// The directories `User` of everything that runs extensions of VS Code, and which edition it is.
pub(super) fn extension_homes(
    around: &Surroundings,
) -> impl Iterator<Item = (PathBuf, &'static str)> {
    let editors = CODE_EDITIONS.into_iter().chain(CODE_RELATIVES);
    editors.map(|(folder, edition)| (around.config(folder).join("User"), edition))
}

impl Surroundings {
    /// Where applications keep what they are told: `~/Library/Application Support`, `~/.config`,
    /// `%APPDATA%`.
    pub(super) fn config(&self, name: &str) -> PathBuf {
        let base = match self.platform {
            Platform::Linux => self.config_home.clone(),
            Platform::MacOs => self.home.join("Library").join("Application Support"),
            Platform::Windows => self.app_data.clone(),
        };
        base.join(name)
    }

    /// For questions in which no path matters.
    pub(super) fn nowhere() -> Self {
        Self {
            platform: Platform::Linux,
            home: PathBuf::new(),
            config_home: PathBuf::new(),
            app_data: PathBuf::new(),
            local_app_data: PathBuf::new(),
            project: None,
        }
    }
}

impl Candidate {
    /// A file for all that its user does, made when it is missing.
    pub(super) fn user(path: PathBuf, trace: PathBuf, file: &'static File) -> Self {
        Self {
            path,
            trace,
            level: Level::User,
            variant: "",
            may_create: true,
            gets_entry: true,
            file,
        }
    }

    /// A file of the project; never made, for others work in the project too.
    pub(super) fn project(path: PathBuf, trace: PathBuf, file: &'static File) -> Self {
        Self {
            level: Level::Project,
            may_create: false,
            ..Self::user(path, trace, file)
        }
    }

    pub(super) fn of(self, variant: &'static str) -> Self {
        Self { variant, ..self }
    }

    pub(super) fn may_not_create(self) -> Self {
        Self {
            may_create: false,
            ..self
        }
    }

    /// An older place that is still read.
    pub(super) fn older(self) -> Self {
        Self {
            gets_entry: false,
            ..self.may_not_create()
        }
    }
}

/// `FOLDER/NAME` in the home directory, and the same in the project.
pub(super) fn home_and_project(around: &Surroundings, folder: &str, name: &str) -> Vec<Candidate> {
    let home = around.home.join(folder);
    let mut files = vec![Candidate::user(home.join(name), home, &MCP_SERVERS)];
    if let Some(project) = &around.project {
        let folder = project.join(folder);
        files.push(Candidate::project(folder.join(name), folder, &MCP_SERVERS));
    }
    files
}

/// `settings/NAME` in the storage of an extension, in everything that runs it.
pub(super) fn extension_settings(
    around: &Surroundings,
    extension: &str,
    name: &str,
) -> Vec<Candidate> {
    let settings = |(user, edition): (PathBuf, &'static str)| {
        let storage = user.join("globalStorage").join(extension);
        let path = storage.join("settings").join(name);
        Candidate::user(path, storage, &MCP_SERVERS).of(edition)
    };
    extension_homes(around).map(settings).collect()
}

/// Whether a name is meant by a component of a [`Candidate`]'s path, in which each `*` stands for
/// any text.
#[must_use]
pub fn component_matches(pattern: &str, name: &str) -> bool {
    crate::config::environment::matches(pattern, name)
}
