//! The replacement: a new file beside the old one, written, synced, and renamed onto it.
//!
//! What the new file takes over: the permissions, the owner, the group, and on Linux the access
//! list. What it does not: other extended attributes, and further names (hard links), which keep
//! the old content: they are how snapshots are made, and a snapshot must not change.
//!
//! A file is never written in place, not even where renaming is impossible (a file mounted on its
//! own): a crash in the middle would leave neither the old nor the new content.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{DiskError, file_name, files, follow_links, parent_of};

/// Names that are tried for the new file. Process numbers come again, above all in containers, and
/// what a killed process left may stand in the way.
const NAMES_MAX: u32 = 100;

/// Replaces a file of our own, whatever its content is, or creates it with `mode_if_new`. Symbolic
/// links are followed; the permissions of an existing file are kept.
pub(crate) fn replace_atomically(
    path: &Path,
    bytes: &[u8],
    mode_if_new: u32,
) -> Result<(), DiskError> {
    replace(path, Expected::Anything, bytes, mode_if_new)
}

/// Replaces a file that somebody else may write as well, only if its content still is what was
/// read: `expected`, or `None` if there was no file. A file that is not to be written to, or whose
/// owner would lose it, is left alone.
pub(crate) fn replace_if_unchanged(
    path: &Path,
    expected: Option<&[u8]>,
    bytes: &[u8],
    mode_if_new: u32,
) -> Result<(), DiskError> {
    replace(path, Expected::Content(expected), bytes, mode_if_new)
}

/// What must be there still.
#[derive(Clone, Copy)]
enum Expected<'a> {
    Anything,
    Content(Option<&'a [u8]>),
}

fn replace(
    path: &Path,
    expected: Expected<'_>,
    bytes: &[u8],
    mode_if_new: u32,
) -> Result<(), DiskError> {
    let target = follow_links(path)?;
    let old = existing(&target)?;
    if let (Some(old), Expected::Content(_)) = (&old, expected) {
        check_writable(&target, old)?;
    }
    let (temporary, mut file) = create_beside(&target)?;
    let new = New {
        path: &temporary,
        target: &target,
        old: old.as_ref(),
    };
    let placed = new
        .fill(&mut file, bytes)
        .and_then(|()| new.dress(&file, expected, mode_if_new))
        .and_then(|()| files::sync(&file).map_err(|cause| new.failed("syncing", cause)))
        .and_then(|()| check_unchanged(&target, expected))
        .and_then(|()| {
            files::rename(&temporary, &target).map_err(|cause| rename_failed(&target, cause))
        });
    if let Err(error) = placed {
        // If it cannot be removed, the next lock does it.
        let _left = files::remove(&temporary);
        return Err(error);
    }
    match files::sync_directory(parent_of(&target)) {
        Ok(()) => Ok(()),
        // A directory that one may write to but not read.
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(cause) => Err(DiskError::NotDurable {
            path: target,
            cause,
        }),
    }
}

/// The new file while it is not in place.
struct New<'a> {
    path: &'a Path,
    target: &'a Path,
    old: Option<&'a Metadata>,
}

impl New<'_> {
    fn failed(&self, doing: &'static str, cause: io::Error) -> DiskError {
        DiskError::Failed {
            doing,
            path: self.path.to_path_buf(),
            cause,
        }
    }

    fn fill(&self, file: &mut File, bytes: &[u8]) -> Result<(), DiskError> {
        files::write(file, bytes).map_err(|cause| self.failed("writing", cause))
    }

    /// Owner, permissions and access list. Nobody may read the new file who could not read the old
    /// one.
    fn dress(
        &self,
        file: &File,
        expected: Expected<'_>,
        mode_if_new: u32,
    ) -> Result<(), DiskError> {
        let kept = give_to_owner(file, self.target);
        let mut mode = self.old.map_or(mode_if_new, |old| old.mode() & 0o7777);
        match (kept, self.old, expected) {
            (Kept::All, _, _) | (_, None, _) => {}
            (Kept::Nothing, Some(_), Expected::Content(_)) => {
                return Err(DiskError::NotOurs {
                    path: self.target.to_path_buf(),
                });
            }
            // Another group must not get what the old one had.
            (Kept::Nothing | Kept::User, Some(_), _) => mode = without_group(mode),
        }
        // First the list: what shows as the group's bits is its mask if there is one.
        if files::copy_access_list(self.target, file).is_err() {
            mode = without_group(mode);
        }
        let failed = |cause| self.failed("setting the permissions of", cause);
        files::set_mode(file, mode).map_err(failed)
    }
}

/// The group may do no more than everybody else.
const fn without_group(mode: u32) -> u32 {
    mode & !0o6070 | (mode & 0o007) << 3
}

/// What a new file has of an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// User and group.
    All,
    /// The user alone.
    User,
    /// Not even that.
    Nothing,
}

/// Gives a file to whom the file in whose place it comes belongs, else to whom the directory does:
/// after `sudo 1mcp mcp add` the user must still be able to read his own file. Who may not give
/// files away keeps it.
pub(crate) fn give_to_owner(file: &File, target: &Path) -> Kept {
    let owner = files::stat(target).or_else(|_| files::stat(parent_of(target)));
    let (Ok(owner), Ok(own)) = (owner, file.metadata()) else {
        return Kept::Nothing;
    };
    let same_user = owner.uid() == own.uid();
    if same_user && owner.gid() == own.gid() {
        return Kept::All;
    }
    let user = (!same_user).then_some(owner.uid());
    if files::set_owner(file, user, Some(owner.gid())).is_ok() {
        return Kept::All;
    }
    if same_user || files::set_owner(file, user, None).is_ok() {
        Kept::User
    } else {
        Kept::Nothing
    }
}

fn rename_failed(target: &Path, cause: io::Error) -> DiskError {
    let path = target.to_path_buf();
    if cause.raw_os_error() == Some(libc::EBUSY) {
        return DiskError::MountPoint { path };
    }
    DiskError::Failed {
        doing: "replacing",
        path,
        cause,
    }
}

/// A file that may not be written to is not to be replaced either, though its directory allows it.
pub(super) fn check_writable(target: &Path, old: &Metadata) -> Result<(), DiskError> {
    let path = || target.to_path_buf();
    // To the superuser everything is writable.
    if old.mode() & 0o222 == 0 {
        return Err(DiskError::ReadOnly { path: path() });
    }
    files::access(target).map_err(|cause| DiskError::NotWritable {
        path: path(),
        cause,
    })
}

fn check_unchanged(target: &Path, expected: Expected<'_>) -> Result<(), DiskError> {
    let Expected::Content(expected) = expected else {
        return Ok(());
    };
    // One byte more tells a longer file; what the rest of it says does not matter.
    let bytes_max = expected.map_or(0, <[u8]>::len).saturating_add(1);
    let found = read_at_most(target, bytes_max).map_err(|cause| DiskError::Failed {
        doing: "reading",
        path: target.to_path_buf(),
        cause,
    })?;
    if found.as_deref() == expected {
        Ok(())
    } else {
        Err(DiskError::Changed {
            path: target.to_path_buf(),
        })
    }
}

fn read_at_most(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::with_capacity(bytes_max);
    files::read(
        &file,
        &mut bytes,
        u64::try_from(bytes_max).unwrap_or(u64::MAX),
    )?;
    Ok(Some(bytes))
}

/// What is known of an existing regular file; `None` if there is no file.
pub(super) fn existing(target: &Path) -> Result<Option<Metadata>, DiskError> {
    match files::stat_link(target) {
        Ok(found) if found.is_file() => Ok(Some(found)),
        Ok(found) => Err(DiskError::NotAFile {
            path: target.to_path_buf(),
            what: if found.is_dir() {
                "a directory"
            } else if found.is_symlink() {
                "a symbolic link that changes"
            } else {
                "a device, socket or pipe"
            },
        }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(DiskError::Failed {
            doing: "examining",
            path: target.to_path_buf(),
            cause,
        }),
    }
}

/// `.NAME.PID.COUNT.tmp` in the same directory, for its owner alone: rename works only within one
/// file system.
fn create_beside(target: &Path) -> Result<(PathBuf, File), DiskError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = file_name(target);
    let pid = std::process::id();
    let mut tries = NAMES_MAX;
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent_of(target).join(format!(".{name}.{pid}.{count}.tmp"));
        tries -= 1;
        match files::create(&path, 0o600) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries > 0 => {}
            Err(cause) => {
                let doing = "creating";
                return Err(DiskError::Failed { doing, path, cause });
            }
        }
    }
}
