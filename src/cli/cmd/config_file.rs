//! Reading and changing `mcp.json` for the commands that do: under a lock, byte-splicing,
//! atomically, and never over a change that somebody else made meanwhile.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use onemcp::config::Environment;
use onemcp::limits::CONFIG_BYTES_MAX;

use crate::cli::failure::{Failure, reason};
use crate::cli::places::Places;
use crate::shell::disk::{self, DiskError, Lock};

/// How long another command may hold the lock.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often an edit is begun anew because the file changed under it (an editor does not lock).
const TRIES: usize = 3;

/// The bytes of the file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    disk::read_bounded(path, CONFIG_BYTES_MAX)
        .map_err(|error| Failure::Failed(format!("reading {}: {}", path.display(), reason(&error))))
}

/// The environment that the configuration is read in.
pub(super) fn environment(places: &Places) -> Environment {
    // A .env that cannot be read only leaves its variables unset; serve says so.
    let dot_env = read(&places.config_dir.join(".env"));
    let dot_env = dot_env.ok().flatten().unwrap_or_default();
    Environment::new(std::env::vars_os(), &dot_env)
}

/// Puts `edit(old bytes)` in the place of the file.
pub(super) fn change(
    places: &Places,
    edit: impl Fn(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    let path = &places.config_file;
    let parent = path.parent().unwrap_or(Path::new("/"));
    if !parent.exists() {
        // What is kept here is the owner's business alone.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(|error| {
                let text = format!("creating {}: {}", parent.display(), reason(&error));
                Failure::Failed(text)
            })?;
    }
    let _lock = Lock::acquire(path, LOCK_WAIT).map_err(|error| failed(&error))?;
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let old = read(path)?;
        let new = edit(old.as_deref().unwrap_or_default())?;
        match disk::replace_if_unchanged(path, old.as_deref(), &new, 0o600) {
            Ok(()) => return Ok(()),
            Err(DiskError::Changed { .. }) if tries > 0 => {}
            Err(error) => return Err(failed(&error)),
        }
    }
}

fn failed(error: &DiskError) -> Failure {
    Failure::Failed(error.to_string())
}

/// A file's fault, with its name before line and column.
pub(super) fn bad_file(path: &Path, why: &impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {why}", path.display()))
}
