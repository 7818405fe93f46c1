//! Why a file was not read, locked or replaced, and what to do now.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a file was not replaced.
#[derive(Debug)]
pub(crate) enum DiskError {
    /// A file operation failed; the old content is untouched.
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The new content is in place, but may not survive a power failure.
    NotDurable {
        /// Which file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// Somebody else wrote the file since it was read; nothing was written.
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// Symbolic links that lead to each other.
    LinkLoop {
        /// Which file.
        path: PathBuf,
    },
    /// A directory, socket or device where a file should be.
    NotAFile {
        /// Which path.
        path: PathBuf,
        /// "a directory".
        what: &'static str,
    },
    /// A file that is mounted on its own (as containers do) and so cannot be replaced.
    MountPoint {
        /// Which file.
        path: PathBuf,
    },
    /// Somebody took away all write permissions, and will have had a reason.
    ReadOnly {
        /// Which file.
        path: PathBuf,
    },
    /// We may not write to the file itself; that its directory would let us replace it is no leave.
    NotWritable {
        /// Which file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The file belongs to somebody to whom we cannot give the new one.
    NotOurs {
        /// Which file.
        path: PathBuf,
    },
    /// Another process held the lock for too long.
    Locked {
        /// What is locked.
        path: PathBuf,
    },
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { doing, path, cause } => write!(
                f,
                "{doing} {}: {}; nothing was changed; {}",
                path.display(),
                reason(cause),
                advice(cause)
            ),
            Self::NotDurable { path, cause } => write!(
                f,
                "{} is written, but not safe from a power failure: {}; check the disk; nothing has \
                 to be done again",
                path.display(),
                reason(cause)
            ),
            Self::Changed { path } => write!(
                f,
                "{} was changed by somebody else meanwhile; nothing was written, try again",
                path.display()
            ),
            Self::LinkLoop { path } => write!(
                f,
                "{}: symbolic links that lead in a circle; remove one of them",
                path.display()
            ),
            Self::NotAFile { path, what } => write!(
                f,
                "{} is {what} and not a file; move it away, or name another one",
                path.display()
            ),
            Self::MountPoint { path } => write!(
                f,
                "{} is mounted on its own and cannot be replaced; mount its directory instead, \
                 or change it where it comes from; nothing was changed",
                path.display()
            ),
            Self::ReadOnly { path } => write!(
                f,
                "{0} is read-only; if it may be changed: chmod u+w {0}; nothing was changed",
                path.display()
            ),
            Self::NotWritable { path, cause } => write!(
                f,
                "{} may not be written to: {}; nothing was changed; {}",
                path.display(),
                reason(cause),
                advice(cause)
            ),
            Self::NotOurs { path } => write!(
                f,
                "{} belongs to another user or group, who would lose it; nothing was changed; \
                 do this as that user",
                path.display()
            ),
            Self::Locked { path } => write!(
                f,
                "{} is being changed by another process; nothing was changed; try again",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DiskError {}

/// What went wrong, without the number that `io::Error` appends.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

/// What to do about it.
fn advice(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            "the file and its directory must be writable (and not immutable) for you"
        }
        Some(libc::EROFS) => "the file system is mounted read-only: use another place",
        Some(libc::ENOSPC | libc::EDQUOT) => "free some disk space and try again",
        Some(libc::EFBIG) => "raise the limit on file sizes (ulimit -f) and try again",
        Some(libc::EMFILE | libc::ENFILE) => "raise the limit on open files (ulimit -n)",
        Some(libc::ENOENT) => "make its directory first",
        Some(libc::ENOTDIR) => "a file is in the place of its directory: move that away",
        Some(libc::ENAMETOOLONG) => "choose a shorter name",
        _ => "try again, and check the disk if it happens again",
    }
}
