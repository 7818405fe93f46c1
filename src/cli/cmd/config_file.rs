//! Reading and changing `mcp.json` and `presets.json` for the commands that do: under a lock,
//! byte-splicing, atomically, and never over a change that somebody else made meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onemcp::config::Environment;
use onemcp::limits::CONFIG_BYTES_MAX;

use super::backup;
use crate::cli::failure::{Failure, reason};
use crate::cli::out;
use crate::cli::places::Places;
use crate::shell;
use crate::shell::disk::{self, DiskError, Lock, files};

/// How long another command may hold the lock.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often an edit is begun anew because the file changed under it (an editor does not lock).
const TRIES: usize = 3;

/// The bytes of the file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    disk::read_bounded(path, CONFIG_BYTES_MAX).map_err(|error| {
        let (path, why) = (path.display(), reason(&error));
        Failure::Failed(format!("reading {path}: {why}; {}", advice(&error)))
    })
}

/// What helps against it.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "get read access to it, or name another file with --config"
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            "move away what is in its place, or name another file with --config"
        }
        _ => "move it away, or name another file with --config",
    }
}

/// The environment that `serve` would read the configuration in.
pub(super) fn environment(places: &Places) -> Environment {
    // A .env that cannot be read only leaves its variables unset; serve says so.
    let dot_env = read(&places.config_file.with_file_name(".env"));
    let dot_env = dot_env.ok().flatten().unwrap_or_default();
    shell::environment(&places.config_dir).with_dot_env(&dot_env)
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// The file says so already; not a byte was written.
    No,
    /// It was written.
    Yes {
        /// What it said before is kept here; `None` if there was nothing, or it could not be kept.
        backup: Option<PathBuf>,
    },
}

/// Puts `edit(old bytes)` in the place of `mcp.json`.
pub(super) fn change(
    places: &Places,
    edit: impl Fn(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<Changed, Failure> {
    change_file(&places.config_file, &places.config_dir, "mcp", edit)
}

/// Puts `edit(old bytes)` in the place of a file; what it said before goes to `backups/KIND`.
pub(super) fn change_file(
    path: &Path,
    config_dir: &Path,
    kind: &str,
    edit: impl Fn(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<Changed, Failure> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    if !parent.exists() {
        // What is kept here is the owner's business alone.
        files::make_directories(parent).map_err(|error| {
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
        if old.as_deref() == Some(&new[..]) {
            return Ok(Changed::No);
        }
        let backup = match old
            .as_deref()
            .map(|old| backup::keep(config_dir, kind, old))
        {
            None => None,
            Some(Ok(path)) => Some(path),
            Some(Err(why)) => {
                // The change was asked for, and the bytes that go are few.
                out::note(&format!("no backup is kept: {why}"));
                None
            }
        };
        match disk::replace_if_unchanged(path, old.as_deref(), &new, 0o600) {
            Ok(()) => return Ok(Changed::Yes { backup }),
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    use onemcp::config::edit;
    use onemcp::limits::CONFIG_BACKUPS_MAX;

    use super::*;

    /// A directory of its own for one test, removed afterwards.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("1mcp-cli-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn places(&self) -> Places {
            let config_dir = self.0.join("deep/1mcp");
            Places {
                config_file: config_dir.join("mcp.json"),
                state_dir: config_dir.join("state"),
                config_dir,
            }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _removed = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn add(places: &Places, name: &str) -> Result<Changed, Failure> {
        change(places, |old| {
            edit::set(old, &["mcpServers", name], "{}")
                .map_err(|error| bad_file(&places.config_file, &error))
        })
    }

    #[test]
    fn contract_1_a_new_file_is_the_owners_alone_and_an_old_one_keeps_its_mode() {
        let scratch = Scratch::new();
        let places = scratch.places();
        add(&places, "a").unwrap();
        assert_eq!(mode(&places.config_file), 0o600);
        assert_eq!(mode(&places.config_dir), 0o700);
        fs::set_permissions(&places.config_file, fs::Permissions::from_mode(0o644)).unwrap();
        add(&places, "b").unwrap();
        assert_eq!(mode(&places.config_file), 0o644);
        let text = read(&places.config_file).unwrap().unwrap();
        assert!(edit::contains(&text, &["mcpServers", "a"]).unwrap());
        assert!(edit::contains(&text, &["mcpServers", "b"]).unwrap());
    }

    #[test]
    fn contract_1_each_change_leaves_a_backup_and_the_newest_are_kept() {
        let scratch = Scratch::new();
        let places = scratch.places();
        let backups = || -> Vec<PathBuf> {
            let dir = fs::read_dir(places.config_dir.join("backups/mcp"));
            let entries = dir.into_iter().flatten();
            let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            paths
        };
        add(&places, "a").unwrap();
        assert_eq!(
            backups(),
            [""; 0].map(PathBuf::from),
            "there was nothing to keep"
        );
        let old = fs::read(&places.config_file).unwrap();
        add(&places, "b").unwrap();
        let first = backups().remove(0);
        assert_eq!(fs::read(&first).unwrap(), old);
        assert_eq!(mode(&first), 0o600);
        assert_eq!(mode(first.parent().unwrap()), 0o700);
        // A change that changes nothing leaves none.
        add(&places, "b").unwrap();
        assert_eq!(backups().len(), 1);
        fs::write(first.with_file_name("mine.txt"), "").unwrap();
        for year in 1000..1000 + CONFIG_BACKUPS_MAX {
            fs::write(first.with_file_name(format!("{year}.json")), "").unwrap();
        }
        add(&places, "c").unwrap();
        let left = backups();
        assert_eq!(left.len(), CONFIG_BACKUPS_MAX + 1);
        assert!(left.contains(&first) && !left.contains(&first.with_file_name("1000.json")));
        // The clock was set back: those of the future are not all that is kept.
        for year in 9000..9000 + CONFIG_BACKUPS_MAX {
            fs::write(first.with_file_name(format!("{year}.json")), "").unwrap();
        }
        let Changed::Yes { backup: Some(kept) } = add(&places, "d").unwrap() else {
            panic!("nothing was kept");
        };
        assert!(kept.exists() && backups().len() == CONFIG_BACKUPS_MAX + 1);
    }

    #[test]
    fn a_backup_that_cannot_be_kept_hinders_no_change() {
        let scratch = Scratch::new();
        let places = scratch.places();
        add(&places, "a").unwrap();
        fs::write(places.config_dir.join("backups"), "in the way").unwrap();
        add(&places, "b").unwrap();
        let text = read(&places.config_file).unwrap().unwrap();
        assert!(edit::contains(&text, &["mcpServers", "b"]).unwrap());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_what_helps() {
        let scratch = Scratch::new();
        let directory = read(&scratch.0).unwrap_err();
        assert!(
            directory.line().unwrap().contains("; move away"),
            "{directory:?}"
        );
        let long = scratch.0.join("long.json");
        fs::File::create(&long)
            .and_then(|file| file.set_len(CONFIG_BYTES_MAX as u64 + 1))
            .unwrap();
        let failure = read(&long).unwrap_err();
        assert!(
            failure.line().unwrap().ends_with("with --config"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_edited_is_named_and_left_alone() {
        let scratch = Scratch::new();
        let places = scratch.places();
        fs::create_dir_all(&places.config_dir).unwrap();
        fs::write(&places.config_file, "{\n  broken").unwrap();
        let failure = add(&places, "a").unwrap_err();
        let line = failure.line().unwrap();
        assert!(line.ends_with("mcp.json: line 2, column 3: expected a key in double quotes"));
        assert_eq!(fs::read(&places.config_file).unwrap(), b"{\n  broken");
    }

    #[test]
    fn an_edit_is_begun_anew_when_the_file_changes_under_it() {
        let scratch = Scratch::new();
        let places = scratch.places();
        add(&places, "a").unwrap();
        let meddled = std::cell::Cell::new(0);
        change(&places, |old| {
            if meddled.replace(meddled.get() + 1) == 0 {
                let other = edit::set(old, &["mcpServers", "other"], "{}").unwrap();
                fs::write(&places.config_file, other).unwrap();
            }
            Ok(edit::set(old, &["mcpServers", "b"], "{}").unwrap())
        })
        .unwrap();
        let text = read(&places.config_file).unwrap().unwrap();
        for name in ["a", "other", "b"] {
            assert!(
                edit::contains(&text, &["mcpServers", name]).unwrap(),
                "{name}"
            );
        }
        // Somebody who never stops writing is not fought for ever, and not overwritten.
        let failure = change(&places, |old| {
            fs::write(&places.config_file, [old, b" "].concat()).unwrap();
            Ok(b"{}".to_vec())
        });
        assert!(
            failure
                .unwrap_err()
                .line()
                .unwrap()
                .contains("changed by somebody else")
        );
    }
}
