//! The file operations of reading for an edit, locking, backing up and replacing, one function
//! each. Every one of them goes through [`step`], so that a test can let any of them fail, or kill
//! the process there. Decides nothing.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
#[cfg(not(feature = "fuzzing"))]
use std::io::Write;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

#[cfg(feature = "fuzzing")]
use super::failpoint;
use crate::shell::sys;

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "fuzzing", derive(Debug))]
pub(super) enum Operation {
    Access,
    Acl,
    Chmod,
    Chown,
    Create,
    Link,
    List,
    Lock,
    Mkdir,
    Open,
    Read,
    Remove,
    Rename,
    Stat,
    Sync,
    Syncdir,
    #[cfg_attr(
        not(feature = "fuzzing"),
        expect(dead_code, reason = "named by a rehearsed failure only")
    )]
    Write,
}

/// Does it, unless a failure of this operation is being rehearsed.
fn step<T>(operation: Operation, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    #[cfg(feature = "fuzzing")]
    return failpoint::step(operation, act);
    #[cfg(not(feature = "fuzzing"))]
    {
        let _named = operation;
        act()
    }
}

/// Opens for reading. A pipe without a writer is no reason to wait.
pub(super) fn open(path: &Path) -> io::Result<File> {
    step(Operation::Open, || File::open(path))
}

/// Opens a file for locking that exists and is no link.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    step(Operation::Open, || {
        OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
    })
}

/// Creates a file that must not exist yet, nor be a link.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    step(Operation::Create, || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
    })
}

/// Reads at most so many bytes.
pub(super) fn read(file: &File, into: &mut Vec<u8>, bytes_max: u64) -> io::Result<usize> {
    step(Operation::Read, || file.take(bytes_max).read_to_end(into))
}

/// Writes all bytes.
pub(super) fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(feature = "fuzzing")]
    return failpoint::write(file, bytes);
    #[cfg(not(feature = "fuzzing"))]
    file.write_all(bytes)
}

/// Whether the file may be written to.
pub(super) fn access(path: &Path) -> io::Result<()> {
    step(Operation::Access, || sys::files::may_write(path))
}

/// Gives a file the access list of another one, which need not exist.
pub(super) fn copy_access_list(from: &Path, to: &File) -> io::Result<()> {
    step(Operation::Acl, || sys::files::copy_access_list(from, to))
}

/// Sets permissions, whatever the umask is.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    step(Operation::Chmod, || {
        file.set_permissions(Permissions::from_mode(mode))
    })
}

/// Gives a file away.
pub(super) fn set_owner(file: &File, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    step(Operation::Chown, || fchown(file, user, group))
}

/// Brings the content to the disk.
pub(super) fn sync(file: &File) -> io::Result<()> {
    step(Operation::Sync, || file.sync_all())
}

/// Puts one file in the place of another.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step(Operation::Rename, || fs::rename(from, to))
}

/// Brings a directory's entries to the disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    step(Operation::Syncdir, || match File::open(path)?.sync_all() {
        // Some file systems cannot sync a directory at all; they have no order to lose either.
        Err(error) if unsupported(&error) => Ok(()),
        done => done,
    })
}

/// What is known of a file, links followed.
pub(crate) fn stat(path: &Path) -> io::Result<Metadata> {
    step(Operation::Stat, || fs::metadata(path))
}

/// What is known of a file, or of a link as such.
pub(super) fn stat_link(path: &Path) -> io::Result<Metadata> {
    step(Operation::Stat, || fs::symlink_metadata(path))
}

/// Where a link leads to; `None` if it is none.
pub(super) fn read_link(path: &Path) -> io::Result<Option<PathBuf>> {
    step(Operation::Link, || match fs::read_link(path) {
        Ok(to) => Ok(Some(to)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    })
}

/// Tries to lock. `false` if another process holds the lock.
pub(super) fn lock(file: &File) -> io::Result<bool> {
    step(Operation::Lock, || match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    step(Operation::Remove, || fs::remove_file(path))
}

/// What is in a directory.
pub(crate) fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    step(Operation::List, || {
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    })
}

/// Makes a directory for the owner alone, and those above it that are missing.
pub(crate) fn make_directories(path: &Path) -> io::Result<()> {
    step(Operation::Mkdir, || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    })
}

/// Whether the file system does not know this operation.
pub(super) fn unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ENOSYS | libc::ENOTSUP | libc::ENOLCK)
    )
}
