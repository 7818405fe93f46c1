//! Files that are replaced as a whole or not at all (DESIGN 6, atomic replace), and the lock for
//! those who read, change and write.
//!
//! A failure at any of the file operations leaves the old or the new content, never a mixture: the
//! tests let each of them fail in turn. Knows nothing of what is in the files.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use onemcp::limits::SYMLINKS_MAX;

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
    },
    /// A file that is mounted on its own (as containers do) and so cannot be replaced.
    MountPoint {
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
            Self::Failed { doing, path, cause } => {
                write!(f, "{doing} {}: {}", path.display(), reason(cause))
            }
            Self::NotDurable { path, cause } => write!(
                f,
                "{} is written, but not safe from a power failure: {}",
                path.display(),
                reason(cause)
            ),
            Self::Changed { path } => write!(
                f,
                "{} was changed by somebody else meanwhile; nothing was written, try again",
                path.display()
            ),
            Self::LinkLoop { path } => {
                write!(
                    f,
                    "{}: symbolic links that lead in a circle",
                    path.display()
                )
            }
            Self::NotAFile { path } => write!(f, "{} is not a regular file", path.display()),
            Self::MountPoint { path } => write!(
                f,
                "{} is mounted on its own and cannot be replaced; mount its directory instead",
                path.display()
            ),
            Self::Locked { path } => write!(
                f,
                "{} is being changed by another process; try again",
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

/// The file operations of a replacement, so that a test can let any of them fail.
pub(crate) trait FileOperations {
    /// Creates a file that must not exist yet.
    fn create(&mut self, path: &Path, mode: u32) -> io::Result<File>;
    /// Writes all bytes.
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
    /// Sets permissions, whatever the umask is.
    fn set_mode(&mut self, file: &File, mode: u32) -> io::Result<()>;
    /// Brings the content to the disk.
    fn sync(&mut self, file: &File) -> io::Result<()>;
    /// Puts one file in the place of another.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Brings a directory's entries to the disk.
    fn sync_directory(&mut self, path: &Path) -> io::Result<()>;
}

/// The operations of the operating system.
#[derive(Debug)]
pub(crate) struct RealFiles;

impl FileOperations for RealFiles {
    fn create(&mut self, path: &Path, mode: u32) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
    }
    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
    fn set_mode(&mut self, file: &File, mode: u32) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(mode))
    }
    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Replaces the content of a file, or creates it with `mode_if_new`. Symbolic links are followed;
/// the permissions of an existing file are kept.
pub(crate) fn replace_atomically(
    path: &Path,
    bytes: &[u8],
    mode_if_new: u32,
) -> Result<(), DiskError> {
    replace_with(&mut RealFiles, path, None, bytes, mode_if_new)
}

/// Replaces the content of a file only if it still is what was read: `expected` is that content,
/// or `None` if there was no file.
pub(crate) fn replace_if_unchanged(
    path: &Path,
    expected: Option<&[u8]>,
    bytes: &[u8],
    mode_if_new: u32,
) -> Result<(), DiskError> {
    replace_with(&mut RealFiles, path, Some(expected), bytes, mode_if_new)
}

/// The replacement itself, over any file operations. `expected` is what must still be there.
pub(crate) fn replace_with(
    files: &mut impl FileOperations,
    path: &Path,
    expected: Option<Option<&[u8]>>,
    bytes: &[u8],
    mode_if_new: u32,
) -> Result<(), DiskError> {
    let target = follow_links(path)?;
    let mode = mode_of(&target)?.unwrap_or(mode_if_new);
    let temporary = temporary_beside(&target);
    let placed = write_temporary(files, (&temporary, &target), bytes, mode)
        .and_then(|()| check_unchanged(&target, expected))
        .and_then(|()| {
            files
                .rename(&temporary, &target)
                .map_err(|cause| rename_failed(&target, cause))
        });
    if let Err(error) = placed {
        // The temporary file may not exist; either way there is nothing more to do about it.
        let _removed = fs::remove_file(&temporary);
        return Err(error);
    }
    match files.sync_directory(parent_of(&target)) {
        Ok(()) => Ok(()),
        // Some file systems cannot sync a directory at all; they have no order to lose either.
        Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => Ok(()),
        Err(cause) => Err(DiskError::NotDurable {
            path: target,
            cause,
        }),
    }
}

fn write_temporary(
    files: &mut impl FileOperations,
    (path, target): (&Path, &Path),
    bytes: &[u8],
    mode: u32,
) -> Result<(), DiskError> {
    let failed = |doing| {
        move |cause| DiskError::Failed {
            doing,
            path: path.to_path_buf(),
            cause,
        }
    };
    let mut file = files.create(path, 0o600).map_err(failed("creating"))?;
    give_to_owner(&file, target);
    files.write(&mut file, bytes).map_err(failed("writing"))?;
    files
        .set_mode(&file, mode)
        .map_err(failed("setting the permissions of"))?;
    files.sync(&file).map_err(failed("syncing"))
}

/// Gives a file to whom the file in whose place it comes belongs, else to whom the directory does:
/// after `sudo 1mcp mcp add` the user must still be able to read his own file. Who may not give
/// files away keeps it.
pub(crate) fn give_to_owner(file: &File, target: &Path) {
    let owner = fs::metadata(target).or_else(|_| fs::metadata(parent_of(target)));
    if let (Ok(owner), Ok(own)) = (owner, file.metadata())
        && owner.uid() != own.uid()
    {
        let _kept = fchown(file, Some(owner.uid()), Some(owner.gid()));
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

fn check_unchanged(target: &Path, expected: Option<Option<&[u8]>>) -> Result<(), DiskError> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let found = match fs::read(target) {
        Ok(bytes) => Some(bytes),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => {
            return Err(DiskError::Failed {
                doing: "reading",
                path: target.to_path_buf(),
                cause,
            });
        }
    };
    if found.as_deref() == expected {
        Ok(())
    } else {
        Err(DiskError::Changed {
            path: target.to_path_buf(),
        })
    }
}

/// Permissions of an existing regular file; `None` if there is no file.
fn mode_of(target: &Path) -> Result<Option<u32>, DiskError> {
    match fs::symlink_metadata(target) {
        Ok(found) if found.is_file() => Ok(Some(found.mode() & 0o7777)),
        Ok(_) => Err(DiskError::NotAFile {
            path: target.to_path_buf(),
        }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(DiskError::Failed {
            doing: "examining",
            path: target.to_path_buf(),
            cause,
        }),
    }
}

/// The file that a path leads to, which need not exist.
fn follow_links(path: &Path) -> Result<PathBuf, DiskError> {
    let mut target = path.to_path_buf();
    for _ in 0..SYMLINKS_MAX {
        let Ok(next) = fs::read_link(&target) else {
            return Ok(target);
        };
        target = parent_of(&target).join(next);
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

/// `.NAME.PID.COUNT.tmp` in the same directory: rename works only within one file system.
fn temporary_beside(target: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let pid = std::process::id();
    parent_of(target).join(format!(".{name}.{pid}.{count}.tmp"))
}

/// Removes temporary files of this beginning whose writers were killed. For who holds the lock
/// under which all of them write.
pub(crate) fn sweep(directory: &Path, prefix: &str) {
    let entries = fs::read_dir(directory).into_iter().flatten();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(".tmp") {
            // What cannot be removed is only untidy.
            let _left = fs::remove_file(&path);
        }
    }
}

/// Reads a file of at most `bytes_max`; `None` if it does not exist.
pub(crate) fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
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
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let text = format!("it is longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(Some(bytes))
}

/// An advisory lock for reading, changing and writing a file; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Locks `path` (by a file `.NAME.lock` beside it, since the file itself gets replaced), and
    /// waits at most `wait` for another process. Removes what killed writers left. Blocks: for
    /// commands, not for the event loop.
    pub(crate) fn acquire(path: &Path, wait: Duration) -> Result<Self, DiskError> {
        let target = follow_links(path)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let lock = parent_of(&target).join(format!(".{name}.lock"));
        let failed = |cause| DiskError::Failed {
            doing: "locking",
            path: lock.clone(),
            cause,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(failed)?;
        give_to_owner(&file, &target);
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => {
                    sweep(parent_of(&target), &format!(".{name}."));
                    return Ok(Self { _file: file });
                }
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= wait => {
                    return Err(DiskError::Locked { path: target });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A directory of its own for one test, removed afterwards.
    pub(crate) struct TempDir(PathBuf);

    impl TempDir {
        pub(crate) fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("1mcp-test-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path.canonicalize().unwrap())
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            let _removed = fs::remove_dir_all(&self.0);
        }
    }

    /// Lets the n-th operation fail, before or after it was done in half.
    struct Failing {
        left: u32,
        failed: bool,
    }

    impl Failing {
        fn step(&mut self) -> io::Result<()> {
            if self.left == 0 && !self.failed {
                self.failed = true;
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            self.left = self.left.saturating_sub(1);
            Ok(())
        }
    }

    impl FileOperations for Failing {
        fn create(&mut self, path: &Path, mode: u32) -> io::Result<File> {
            self.step()?;
            RealFiles.create(path, mode)
        }
        fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
            if let Err(error) = self.step() {
                RealFiles.write(file, &bytes[..bytes.len() / 2])?;
                return Err(error);
            }
            RealFiles.write(file, bytes)
        }
        fn set_mode(&mut self, file: &File, mode: u32) -> io::Result<()> {
            self.step()?;
            RealFiles.set_mode(file, mode)
        }
        fn sync(&mut self, file: &File) -> io::Result<()> {
            self.step()?;
            RealFiles.sync(file)
        }
        fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            self.step()?;
            RealFiles.rename(from, to)
        }
        fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
            self.step()?;
            RealFiles.sync_directory(path)
        }
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_lock() {
        let dir = TempDir::new();
        let path = dir.path().join("mcp.json");
        for name in [
            "mcp.json",
            ".mcp.json.7.0.tmp",
            ".mine.tmp",
            "x.json.7.0.tmp",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let _lock = Lock::acquire(&path, Duration::ZERO).unwrap();
        let expected = [".mcp.json.lock", ".mine.tmp", "mcp.json", "x.json.7.0.tmp"];
        assert_eq!(names(&dir), expected);
    }

    #[test]
    fn a_failure_at_the_nth_operation_leaves_the_old_or_the_new_file_whole() {
        let mut succeeded = false;
        for n in 0..20 {
            let dir = TempDir::new();
            let path = dir.path().join("mcp.json");
            fs::write(&path, "old content").unwrap();
            let mut files = Failing {
                left: n,
                failed: false,
            };
            let done = replace_with(&mut files, &path, None, b"new", 0o600);
            let found = fs::read_to_string(&path).unwrap();
            match done {
                Ok(()) => {
                    assert_eq!(found, "new");
                    succeeded = !files.failed;
                }
                Err(DiskError::NotDurable { .. }) => assert_eq!(found, "new"),
                Err(DiskError::Failed { .. }) => assert_eq!(found, "old content"),
                Err(other) => panic!("{other}"),
            }
            assert_eq!(names(&dir), ["mcp.json"], "nothing is left behind at {n}");
            if succeeded {
                assert_eq!(n, 6, "six operations can fail");
                break;
            }
        }
        assert!(succeeded);
    }

    #[test]
    fn permissions_are_kept_and_a_new_file_gets_the_given_ones() {
        let dir = TempDir::new();
        let path = dir.path().join("file");
        replace_atomically(&path, b"1", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        replace_atomically(&path, b"2", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        assert_eq!(fs::read(&path).unwrap(), b"2");
    }

    #[test]
    fn symbolic_links_stay_links_even_when_they_dangle() {
        let dir = TempDir::new();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("real/mcp.json", dir.path().join("middle")).unwrap();
        symlink("middle", dir.path().join("mcp.json")).unwrap();
        let path = dir.path().join("mcp.json");
        for text in ["first", "second"] {
            replace_atomically(&path, text.as_bytes(), 0o600).unwrap();
            let real = fs::read_to_string(dir.path().join("real/mcp.json")).unwrap();
            assert_eq!(real, text);
        }
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    }

    #[test]
    fn link_loop_and_not_a_file_are_refused() {
        let dir = TempDir::new();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        let error = replace_atomically(&dir.path().join("a"), b"", 0o600).unwrap_err();
        assert!(matches!(error, DiskError::LinkLoop { .. }));
        let error = replace_atomically(dir.path(), b"", 0o600).unwrap_err();
        assert!(matches!(error, DiskError::NotAFile { .. }), "{error}");
    }

    #[test]
    fn changed_by_somebody_else_is_never_overwritten() {
        let dir = TempDir::new();
        let path = dir.path().join("mcp.json");
        replace_if_unchanged(&path, None, b"mine", 0o600).unwrap();
        fs::write(&path, "theirs").unwrap();
        for expected in [None, Some(&b"mine"[..])] {
            let error = replace_if_unchanged(&path, expected, b"mine 2", 0o600).unwrap_err();
            assert!(matches!(error, DiskError::Changed { .. }));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        replace_if_unchanged(&path, Some(b"theirs"), b"ours", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ours");
        assert_eq!(names(&dir), ["mcp.json"]);
    }

    #[test]
    fn mount_point_is_told_from_other_failures() {
        let busy = io::Error::from_raw_os_error(libc::EBUSY);
        let error = rename_failed(Path::new("/x"), busy);
        assert!(matches!(error, DiskError::MountPoint { .. }));
    }

    #[test]
    fn locked_by_another_is_said_after_the_wait() {
        let dir = TempDir::new();
        let path = dir.path().join("mcp.json");
        let held = Lock::acquire(&path, Duration::ZERO).unwrap();
        let error = Lock::acquire(&path, Duration::ZERO).unwrap_err();
        assert!(matches!(error, DiskError::Locked { .. }));
        drop(held);
        Lock::acquire(&path, Duration::ZERO).unwrap();
    }

    #[test]
    fn reading_is_bounded() {
        let dir = TempDir::new();
        let path = dir.path().join("file");
        assert_eq!(read_bounded(&path, 3).unwrap(), None);
        fs::write(&path, "abc").unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap().unwrap(), b"abc");
        fs::write(&path, "abcd").unwrap();
        let error = read_bounded(&path, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn failed_names_what_was_done_to_which_file_and_why() {
        let path = Path::new("/nowhere/at/all");
        let error = replace_atomically(path, b"", 0o600).unwrap_err();
        assert!(matches!(error, DiskError::Failed { .. }));
        let text = error.to_string();
        assert!(text.starts_with("creating /nowhere/at/.all."), "{text}");
        assert!(text.ends_with("no such file or directory"), "{text}");
    }
}
