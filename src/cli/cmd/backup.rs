//! What a file said before a command changed it: `backups/mcp/` (or `backups/presets/`) in the
//! configuration directory, one file for each change, the newest ones kept (contract 1).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use onemcp::limits::CONFIG_BACKUPS_MAX;

use crate::cli::failure::reason;
use crate::shell::clock::{rfc3339, unix_ms};
use crate::shell::disk::{self, files};

/// Keeps these bytes, and tells where. The error is one line.
pub(super) fn keep(config_dir: &Path, kind: &str, bytes: &[u8]) -> Result<PathBuf, String> {
    let dir = config_dir.join("backups").join(kind);
    let failed =
        |error: &io::Error| format!("keeping a backup in {}: {}", dir.display(), reason(error));
    // Secrets are in it, as in the file itself.
    files::make_directories(&dir).map_err(|error| failed(&error))?;
    for made in dir
        .ancestors()
        .take(2)
        .filter_map(|path| File::open(path).ok())
    {
        // Kept or not: it is only tidier.
        let _kept = disk::give_to_owner(&made, config_dir);
    }
    // Colons have a meaning of their own on some file systems.
    let name = format!("{}.json", rfc3339(unix_ms()).replace(':', "-"));
    let path = dir.join(name);
    disk::replace_atomically(&path, bytes, 0o600).map_err(|error| error.to_string())?;
    prune(&dir, &path).map_err(|error| failed(&error))?;
    Ok(path)
}

/// Removes the oldest: names are times, and sort as such. The new one stays although a clock that
/// was set back gives it an old name.
fn prune(dir: &Path, new: &Path) -> io::Result<()> {
    disk::sweep(dir, ".");
    let mut found: Vec<PathBuf> = Vec::new();
    for path in files::list(dir)? {
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            found.push(path);
        }
    }
    found.sort();
    let surplus = found.len().saturating_sub(CONFIG_BACKUPS_MAX);
    found
        .iter()
        .filter(|path| *path != new)
        .take(surplus)
        .try_for_each(|path| files::remove(path))
}
