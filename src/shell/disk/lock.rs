//! The advisory lock for reading, changing and writing a file.
//!
//! It is held on an empty file `.NAME.lock` beside the target, since the target itself gets
//! replaced. Who holds it removes it at the end, so nothing stays behind in other people's
//! directories; therefore who got it looks whether it still is the file of that name. A process
//! that was killed leaves the file, but not the lock.
//!
//! Where the file system knows no locks, one goes on without: what somebody else writes meanwhile
//! is still noticed before the replacement, only a moment later than it could be.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::replace::{check_writable, existing};
use super::{DiskError, file_name, files, follow_links, give_to_owner, parent_of, sweep_of};

/// How often the lock of another process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Held as long as it is open.
    file: File,
    path: PathBuf,
    /// Whether the file system really locked it.
    real: bool,
}

impl Lock {
    /// Locks `path`, and waits at most `wait` for another process. Removes what killed writers
    /// left. Blocks: for commands, not for the event loop.
    pub(crate) fn acquire(path: &Path, wait: Duration) -> Result<Self, DiskError> {
        let target = follow_links(path)?;
        // What cannot be replaced is not worth reading; a pipe would be waited for.
        if let Some(old) = existing(&target)? {
            check_writable(&target, &old)?;
        }
        let name = format!(".{}.lock", file_name(&target));
        let path = parent_of(&target).join(name);
        let failed = |cause| DiskError::Failed {
            doing: "locking",
            path: path.clone(),
            cause,
        };
        let begun = Instant::now();
        loop {
            let file = open(&path, &target).map_err(failed)?;
            match files::lock(&file) {
                Ok(true) if is_still(&file, &path).map_err(failed)? => {
                    sweep_of(&target);
                    let real = true;
                    return Ok(Self { file, path, real });
                }
                // Somebody holds it, or removed it when he was done.
                Ok(true | false) => {}
                Err(error) if files::unsupported(&error) => {
                    let real = false;
                    return Ok(Self { file, path, real });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(failed(cause)),
            }
            if begun.elapsed() >= wait {
                return Err(DiskError::Locked { path: target });
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a holder removes it, and only the file that it holds. Without real locks somebody
        // else may hold it too, and a file that stays is only untidy.
        if self.real && is_still(&self.file, &self.path).unwrap_or(false) {
            let _left = files::remove(&self.path);
        }
    }
}

/// Opens the file of the lock, or creates it. A link is not followed: in a directory of somebody
/// else it might lead to a file that is to be given away.
fn open(path: &Path, target: &Path) -> io::Result<File> {
    loop {
        match files::open_lock(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match files::create(path, 0o600) {
            Ok(file) => {
                give_to_owner(&file, target);
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether this open file is the one of that name.
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match files::stat_link(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
