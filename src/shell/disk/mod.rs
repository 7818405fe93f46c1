//! Files that are replaced as a whole or not at all (DESIGN 6, atomic replace), and the lock for
//! those who read, change and write.
//!
//! A failure at any of the file operations leaves the old or the new content, never a mixture: the
//! tests let each of them fail in turn. Knows nothing of what is in the files.

mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod failpoint;
pub(crate) mod files;
mod lock;
mod replace;
#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use onemcp::limits::SYMLINKS_MAX;

pub(crate) use error::{DiskError, reason};
pub(crate) use lock::Lock;
pub(crate) use replace::{give_to_owner, replace_atomically, replace_if_unchanged};

/// A longer name is cut where something is added to it: no file system has room for more than 255.
const NAME_BYTES_MAX: usize = 200;

/// The file that a path leads to, which need not exist.
fn follow_links(path: &Path) -> Result<PathBuf, DiskError> {
    let mut target = path.to_path_buf();
    for _ in 0..SYMLINKS_MAX {
        match files::read_link(&target) {
            Ok(Some(next)) => target = parent_of(&target).join(next),
            Ok(None) => return Ok(target),
            Err(cause) => {
                return Err(DiskError::Failed {
                    doing: "examining",
                    path: target,
                    cause,
                });
            }
        }
    }
    Err(DiskError::LinkLoop {
        path: path.to_path_buf(),
    })
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The last part of a path, for names made from it.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    name.get(..end).unwrap_or_default().to_owned()
}

/// Removes temporary files of this beginning whose writers were killed. For who holds the lock
/// under which all of them write.
pub(crate) fn sweep(directory: &Path, prefix: &str) {
    sweep_if(directory, |stem| stem.starts_with(prefix));
}

/// The same for the writers of one file.
fn sweep_of(target: &Path) {
    let wanted = format!(".{}", file_name(target));
    sweep_if(parent_of(target), |stem| stem == wanted);
}

fn sweep_if(directory: &Path, is_ours: impl Fn(&str) -> bool) {
    for path in files::list(directory).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if stem_of_temporary(&name).is_some_and(&is_ours) {
            // What cannot be removed is only untidy.
            let _left = files::remove(&path);
        }
    }
}

/// `.NAME` of `.NAME.PID.COUNT.tmp`; other people call their files `.tmp` too.
fn stem_of_temporary(name: &str) -> Option<&str> {
    let (rest, count) = name.strip_suffix(".tmp")?.rsplit_once('.')?;
    let (stem, pid) = rest.rsplit_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(count) && is_number(pid)).then_some(stem)
}

/// Reads a file of at most `bytes_max`; `None` if it does not exist.
pub(crate) fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    // Opening a named pipe would wait for a writer, for ever if need be. One behind a link may be
    // read: `--config <(command)` is such a one, and its writer is there.
    if files::stat_link(path).is_ok_and(|found| found.file_type().is_fifo()) {
        let text = "it is a pipe and not a file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let file = match files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Without its length a file is read in pieces that begin at 32 bytes. It is a hint: the file
    // may be a pipe or change meanwhile.
    let length = file.metadata().map_or(0, |found| found.len());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(length.min(bytes_max).saturating_add(1));
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    files::read(&file, &mut bytes, limit.saturating_add(1))?;
    if bytes.len() > bytes_max {
        let text = format!("it is longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(Some(bytes))
}
