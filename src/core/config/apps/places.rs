//! Where applications keep their files, on three platforms.

use std::path::PathBuf;

use super::app::File;

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
    /// [`super::inspect`] finds servers in it (an older place that is still read, say).
    pub may_create: bool,
    /// What is in it.
    pub file: &'static File,
}

/// Whether a name is meant by a component of a [`Candidate`]'s path, in which each `*` stands for
/// any text.
#[must_use]
pub fn component_matches(pattern: &str, name: &str) -> bool {
    crate::config::environment::matches(pattern, name)
}
