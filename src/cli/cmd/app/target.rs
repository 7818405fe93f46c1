//! The file of an application: read, written and removed so that nothing that anybody wrote is
//! lost, and what went wrong told with what to do about it.
//!
//! Leaves nothing beside the file.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onemcp::limits::CONFIG_BYTES_MAX;

use crate::cli::failure::{Failure, reason};
use crate::shell::disk::{self, DiskError, Lock, files};

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

/// Locks the file against other commands of ours, and removes what killed writers left beside it.
/// Where there is no directory yet there is nothing to exclude anybody from.
pub(super) fn hold(path: &Path) -> Result<Option<Lock>, Failure> {
    let target = behind_links(path);
    if !target.parent().is_some_and(Path::is_dir) {
        return Ok(None);
    }
    let lock = Lock::acquire(path, LOCK_WAIT).map_err(|error| failed(path, &error))?;
    Ok(Some(lock))
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
    match files::remove(&behind_links(path)) {
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
        DiskError::Failed { cause, .. } | DiskError::NotWritable { cause, .. } => {
            advice(path, cause)
        }
        DiskError::ReadOnly { .. } | DiskError::NotOurs { .. } | DiskError::MountPoint { .. } => {
            BY_HAND.to_owned()
        }
        DiskError::NotDurable { .. } => "; run the command again".to_owned(),
        DiskError::Changed { .. }
        | DiskError::LinkLoop { .. }
        | DiskError::NotAFile { .. }
        | DiskError::Locked { .. } => String::new(),
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

/// What always works.
const BY_HAND: &str = "; or enter by hand what --manual-only prints";

/// What helps against an error of the file system, beyond what it says itself.
fn advice(path: &Path, error: &io::Error) -> String {
    let place = behind_links(path);
    let place = place.parent().unwrap_or(Path::new("/")).display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("; ls -la {place} shows whose they are{BY_HAND}")
        }
        io::ErrorKind::ReadOnlyFilesystem => BY_HAND.to_owned(),
        _ => "; when that is solved, run the command again".to_owned(),
    }
}

fn create_parent(path: &Path) -> Result<(), Failure> {
    let target = behind_links(path);
    let parent = target.parent().unwrap_or(Path::new("/"));
    if parent.exists() {
        return Ok(());
    }
    files::make_directories(parent).map_err(|error| {
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
    fn contract_6_locking_leaves_nothing_beside_the_file() {
        let dir = TempDir::new();
        let path = dir.path().join("app.json");
        let killed = dir.path().join(".app.json.12.0.tmp");
        fs::write(&killed, "").unwrap();
        drop(hold(&path).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(hold(&dir.path().join("none/app.json")).unwrap().is_none());
    }

    #[test]
    fn contract_6_each_error_says_what_helps() {
        let path = Path::new("/x/app.json");
        for (number, helps) in [
            (libc::EACCES, "--manual-only"),
            (libc::EROFS, "read-only"),
            (libc::ENOSPC, "free some disk space"),
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
