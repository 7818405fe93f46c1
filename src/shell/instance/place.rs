//! Where instances put their sockets: directories that are one user's alone.
//!
//! Makes and checks directories. Looks at nothing that is in them.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::shell::disk::reason;
use crate::shell::sys;

/// A directory for sockets.
#[derive(Debug)]
pub(super) struct Place {
    /// What must be there already; `None`: whatever is.
    pub(super) runtime_dir: Option<PathBuf>,
    /// The directory itself.
    pub(super) directory: PathBuf,
}

impl Place {
    /// `$XDG_RUNTIME_DIR/1mcp`, else a directory of ours below TMPDIR, else below /tmp.
    pub(super) fn all_for_us() -> Vec<Self> {
        let runtime_dir = absolute("XDG_RUNTIME_DIR").map(Self::in_runtime_dir);
        runtime_dir.into_iter().chain(Self::temporary()).collect()
    }

    /// Where somebody with another environment than ours may have found a place: an application
    /// that starts us often passes nothing but HOME and PATH.
    pub(super) fn all_for_others() -> Vec<Self> {
        let mut places = Self::all_for_us();
        let usual = format!("/run/user/{}", sys::effective_user());
        places.push(Self::in_runtime_dir(usual.into()));
        let mut seen: Vec<PathBuf> = Vec::new();
        places.retain(|place| {
            let new = !seen.contains(&place.directory);
            seen.push(place.directory.clone());
            new
        });
        places
    }

    /// Below a directory that the system made for us.
    pub(super) fn in_runtime_dir(runtime_dir: PathBuf) -> Self {
        Self {
            directory: runtime_dir.join("1mcp"),
            runtime_dir: Some(runtime_dir),
        }
    }

    fn temporary() -> impl Iterator<Item = Self> {
        let name = format!("1mcp-{}", sys::effective_user());
        let usual = Some(PathBuf::from("/tmp"));
        let own = absolute("TMPDIR").filter(|path| Some(path) != usual.as_ref());
        own.into_iter().chain(usual).map(move |parent| Self {
            runtime_dir: None,
            directory: parent.join(&name),
        })
    }

    /// Makes sure that the directory is there and ours alone.
    pub(super) fn make(&self) -> Result<(), String> {
        if let Some(runtime_dir) = &self.runtime_dir {
            let found = fs::metadata(runtime_dir).map_err(cannot(runtime_dir))?;
            if found.uid() != sys::effective_user() {
                return Err(format!("{} is another user's", runtime_dir.display()));
            }
        }
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(cannot(&self.directory)(error));
            }
            Ok(()) | Err(_) => {}
        }
        self.check()
    }

    /// Whether the directory is ours alone: what somebody else has put there is left alone.
    pub(super) fn check(&self) -> Result<(), String> {
        let shown = self.directory.display();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&self.directory);
        let found = opened.and_then(|directory: File| directory.metadata());
        let found = found.map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP | libc::ENOTDIR) => {
                format!("{shown} is no directory of ours: remove it")
            }
            _ => cannot(&self.directory)(error),
        })?;
        if found.uid() != sys::effective_user() {
            return Err(format!("{shown} is another user's: remove it"));
        }
        match found.mode() & 0o7777 {
            mode if mode & 0o077 == 0 => Ok(()),
            mode => Err(format!(
                "{shown} is open to others (mode {mode:o}): chmod 700 {shown}"
            )),
        }
    }
}

fn absolute(variable: &str) -> Option<PathBuf> {
    let path = env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.is_absolute())
}

/// "cannot use PATH: why".
pub(super) fn cannot(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("cannot use {}: {}", path.display(), reason(&error))
}
