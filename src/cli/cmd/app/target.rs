//! The file of an application: read, written and removed so that nothing that anybody wrote is
//! lost, and what went wrong told with what to do about it.
//!
//! Leaves nothing beside the file, not even a lock: its directory itself is what gets locked.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use onemcp::limits::CONFIG_BYTES_MAX;

use crate::cli::failure::{Failure, reason};
use crate::shell::disk::{self, DiskError};

/// How long another command may be at it.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often an edit is begun anew because the application wrote meanwhile.
pub(super) const TRIES: usize = 3;

/// What the file says now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Present {
    /// `None` if there is no file.
    pub(super) bytes: Option<Vec<u8>>,
    /// Its permissions, or those that a new one gets.
    pub(super) mode: u32,
}

/// Why the file is not as it should be now.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// The application wrote it since it was read: begin anew.
    Changed,
    /// That it was.
    Failed(Failure),
}

/// Reads it. A symbolic link that leads nowhere counts as a file that does not exist.
pub(super) fn read(path: &Path) -> Result<Present, Failure> {
    let failed = |error: &io::Error| {
        Failure::Failed(format!(
            "reading {}: {}{}",
            path.display(),
            reason(error),
            advice(path, error)
        ))
    };
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let text = format!("{} is not a regular file", path.display());
            return Err(Failure::Failed(text));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    let bytes = disk::read_bounded(path, CONFIG_BYTES_MAX).map_err(|error| failed(&error))?;
    let mode = fs::metadata(path).map_or(0o600, |found| found.permissions().mode() & 0o777);
    Ok(Present { bytes, mode })
}

/// Excludes other commands of ours from the file while it is alive.
#[derive(Debug)]
pub(super) struct Held {
    _directory: Option<File>,
}

/// Locks the file, and removes what killed writers left beside it.
pub(super) fn hold(path: &Path) -> Result<Held, Failure> {
    let target = behind_links(path);
    let parent = target.parent().unwrap_or(Path::new("/"));
    // A directory that cannot be opened cannot be locked; that the file is compared before it is
    // replaced still holds.
    let Ok(directory) = File::open(parent) else {
        return Ok(Held { _directory: None });
    };
    let begun = Instant::now();
    loop {
        match directory.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(_)) => return Ok(Held { _directory: None }),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= LOCK_WAIT => {
                let text = format!(
                    "{} is being changed by another 1mcp; nothing was changed, try again",
                    path.display()
                );
                return Err(Failure::Failed(text));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
        }
    }
    sweep(&target);
    Ok(Held {
        _directory: Some(directory),
    })
}

/// Puts `new` in the place of `old`.
pub(super) fn write(path: &Path, old: &Present, new: &[u8]) -> Result<(), NotWritten> {
    if old.bytes.is_none() {
        create_parent(path).map_err(NotWritten::Failed)?;
    }
    disk::replace_if_unchanged(path, old.bytes.as_deref(), new, old.mode).map_err(|error| {
        match error {
            DiskError::Changed { .. } => NotWritten::Changed,
            other => NotWritten::Failed(failed(path, &other)),
        }
    })
}

/// Takes the file away, for there was none; a symbolic link stays.
pub(super) fn remove(path: &Path, old: &Present) -> Result<(), NotWritten> {
    if read(path).map_err(NotWritten::Failed)?.bytes != old.bytes {
        return Err(NotWritten::Changed);
    }
    match fs::remove_file(behind_links(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let text = format!("removing {}: {}", path.display(), reason(&error));
            Err(NotWritten::Failed(Failure::Failed(format!(
                "{text}{}",
                advice(path, &error)
            ))))
        }
        _ => Ok(()),
    }
}

/// What stopped a change of the file, and what to do about it.
pub(super) fn failed(path: &Path, error: &DiskError) -> Failure {
    let advice = match error {
        DiskError::Failed { cause, .. } => advice(path, cause),
        DiskError::NotDurable { .. } => "; run the command again".to_owned(),
        _ => String::new(),
    };
    Failure::Failed(format!("{error}{advice}"))
}

/// It changed again and again.
pub(super) fn restless(path: &Path) -> Failure {
    Failure::Failed(format!(
        "{} was changed by its application each of the {TRIES} times it was about to be written; \
         it is left as it is: quit the application and try again",
        path.display()
    ))
}

/// What helps against an error of the file system.
fn advice(path: &Path, error: &io::Error) -> String {
    let place = behind_links(path);
    let place = place.parent().unwrap_or(Path::new("/")).display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "; the file is as it was: get write access to it and to {place} (ls -la shows who has \
             it), or enter by hand what --manual-only prints"
        ),
        io::ErrorKind::ReadOnlyFilesystem => format!(
            "; the file is as it was: {place} is mounted read-only; enter by hand what \
             --manual-only prints"
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the file is as it was: free some space and run the command again".to_owned()
        }
        _ => "; run the command again when that is solved".to_owned(),
    }
}

fn create_parent(path: &Path) -> Result<(), Failure> {
    let target = behind_links(path);
    let parent = target.parent().unwrap_or(Path::new("/"));
    if parent.exists() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(parent).map_err(|error| {
        let text = format!("creating {}: {}", parent.display(), reason(&error));
        Failure::Failed(format!("{text}{}", advice(path, &error)))
    })
}

/// The file that a path leads to, which need not exist. A circle of links ends somewhere: reading
/// and writing report it.
pub(super) fn behind_links(path: &Path) -> PathBuf {
    let mut target = path.to_path_buf();
    for _ in 0..onemcp::limits::SYMLINKS_MAX {
        let Ok(next) = fs::read_link(&target) else {
            break;
        };
        target = target.parent().unwrap_or(Path::new("/")).join(next);
    }
    target
}

/// Removes `.NAME.DIGITS.DIGITS.tmp` beside the file, and nothing that could be somebody else's.
fn sweep(target: &Path) {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let parent = target.parent().unwrap_or(Path::new("/"));
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let found = found.to_string_lossy();
        let middle = found.strip_prefix(&prefix);
        let numbers = middle.and_then(|rest| rest.strip_suffix(".tmp")?.split_once('.'));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if numbers.is_some_and(|(pid, count)| digits(pid) && digits(count)) {
            // What cannot be removed is only untidy.
            let _left = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::shell::disk::tests::TempDir;

    #[test]
    fn contract_6_a_file_and_none_and_a_link_to_none() {
        let dir = TempDir::new();
        let path = dir.path().join("app.json");
        let none = read(&path).unwrap();
        assert_eq!((none.bytes.as_deref(), none.mode), (None, 0o600));
        symlink("deep/real.json", &path).unwrap();
        assert_eq!(read(&path).unwrap(), none);
        write(&path, &none, b"{}").unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        let present = read(&path).unwrap();
        assert_eq!(present.bytes.as_deref(), Some(&b"{}"[..]));
        remove(&path, &present).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(read(&path).unwrap(), none);
    }

    #[test]
    fn contract_6_what_the_application_wrote_meanwhile_is_not_lost() {
        let dir = TempDir::new();
        let path = dir.path().join("app.json");
        fs::write(&path, "1").unwrap();
        let old = read(&path).unwrap();
        fs::write(&path, "2").unwrap();
        assert!(matches!(write(&path, &old, b"3"), Err(NotWritten::Changed)));
        assert!(matches!(remove(&path, &old), Err(NotWritten::Changed)));
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert!(restless(&path).line().unwrap().contains("quit"));
    }

    #[test]
    fn what_killed_writers_left_goes_and_nothing_else() {
        let dir = TempDir::new();
        let path = dir.path().join("app.json");
        let ours = dir.path().join(".app.json.12.0.tmp");
        let theirs = dir.path().join(".app.json.x.tmp");
        fs::write(&ours, "").unwrap();
        fs::write(&theirs, "").unwrap();
        let held = hold(&path).unwrap();
        assert!(!ours.exists() && theirs.exists());
        drop(held);
        let _again = hold(&path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no lock file");
    }

    #[test]
    fn contract_6_each_error_says_what_helps() {
        let path = Path::new("/x/app.json");
        for (number, helps) in [
            (libc::EACCES, "--manual-only"),
            (libc::EROFS, "read-only"),
            (libc::ENOSPC, "free some space"),
            (libc::EIO, "again"),
        ] {
            let cause = io::Error::from_raw_os_error(number);
            let error = DiskError::Failed {
                doing: "writing",
                path: path.to_path_buf(),
                cause,
            };
            let failure = failed(path, &error);
            assert!(failure.line().unwrap().contains(helps), "{failure:?}");
        }
        let directory = read(Path::new("/")).unwrap_err();
        assert!(directory.line().unwrap().contains("not a regular file"));
    }
}
