//! Replacing and locking, each operation also failing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;

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
    let others = [
        ".mcp.json.bak.7.0.tmp",
        ".mcp.json.old.tmp",
        ".mine.tmp",
        "mcp.json",
        "x.json.7.0.tmp",
    ];
    for name in others {
        fs::write(dir.path().join(name), "").unwrap();
    }
    fs::write(dir.path().join(".mcp.json.7.0.tmp"), "").unwrap();
    drop(Lock::acquire(&path, Duration::ZERO).unwrap());
    assert_eq!(names(&dir), others);
}

/// A child that another test starts holds our locks for as long as it has not become its program.
const FORKED: Duration = Duration::from_secs(5);

/// The errors that one and the same operation may give.
const HOWS: [&str; 4] = ["EIO", "EACCES", "ENOSPC", "short"];

#[test]
fn a_failure_at_the_nth_operation_leaves_the_old_or_the_new_file_whole() {
    for how in HOWS {
        for n in 1.. {
            let dir = TempDir::new();
            let path = dir.path().join("mcp.json");
            fs::write(&path, "old content").unwrap();
            let write = || {
                let _lock = Lock::acquire(&path, FORKED)?;
                let old = read_bounded(&path, 99).ok().flatten();
                replace_if_unchanged(&path, old.as_deref(), b"new", 0o600)
            };
            let (done, reached) = failpoint::with(&format!("{n}:{how}"), write);
            let found = fs::read_to_string(&path).unwrap();
            match done {
                Ok(()) => assert_eq!(found, "new"),
                Err(DiskError::NotDurable { .. }) => assert_eq!(found, "new"),
                Err(error) => {
                    assert_eq!(found, "old content", "{n} {how}");
                    let text = error.to_string();
                    assert!(text.contains("nothing was"), "{n} {how}: {text}");
                    assert!(text.contains("; "), "says what to do: {text}");
                }
            }
            // The same again succeeds, and leaves nothing behind.
            let _lock = Lock::acquire(&path, FORKED).unwrap();
            replace_if_unchanged(&path, Some(found.as_bytes()), b"next", 0o600).unwrap();
            assert_eq!(names(&dir), [".mcp.json.lock", "mcp.json"]);
            if !reached {
                assert!(n > 15, "there are more operations than that");
                break;
            }
        }
    }
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
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    fs::write(&path, "old").unwrap();
    let replace = || replace_if_unchanged(&path, Some(b"old"), b"new", 0o600);
    let (done, _) = failpoint::with("rename:EBUSY", replace);
    let error = done.unwrap_err();
    assert!(matches!(error, DiskError::MountPoint { .. }));
    assert!(error.to_string().contains("mount its directory instead"));
    assert_eq!(names(&dir), ["mcp.json"]);
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
fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
    let dir = TempDir::new();
    let path = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let error = read_bounded(&path, 3).unwrap_err();
    assert_eq!(error.to_string(), "it is a pipe and not a file");
}

#[test]
fn failed_names_what_was_done_to_which_file_and_why() {
    let path = Path::new("/nowhere/at/all");
    let error = replace_atomically(path, b"", 0o600).unwrap_err();
    assert!(matches!(error, DiskError::Failed { .. }));
    let text = error.to_string();
    assert!(text.starts_with("creating /nowhere/at/.all."), "{text}");
    let end = ": no such file or directory; nothing was changed; make its directory first";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn a_lock_file_that_was_replaced_is_not_the_lock() {
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    let lock = dir.path().join(".mcp.json.lock");
    let held = Lock::acquire(&path, Duration::ZERO).unwrap();
    // Somebody tidies up. The next one gets a new lock, which the first must not remove.
    fs::remove_file(&lock).unwrap();
    let next = Lock::acquire(&path, Duration::ZERO).unwrap();
    drop(held);
    assert!(lock.exists());
    let error = Lock::acquire(&path, Duration::ZERO).unwrap_err();
    assert!(matches!(error, DiskError::Locked { .. }));
    drop(next);
    assert!(!lock.exists());
}

#[test]
fn many_threads_take_turns() {
    let dir = TempDir::new();
    let path = dir.path().join("count");
    fs::write(&path, "").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let _lock = Lock::acquire(&path, Duration::from_secs(60)).unwrap();
                    let old = fs::read(&path).unwrap();
                    let new = [&old[..], b"x"].concat();
                    replace_if_unchanged(&path, Some(&old), &new, 0o600).unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read(&path).unwrap().len(), 80);
    assert_eq!(names(&dir), ["count"]);
}

#[test]
fn a_file_system_without_locks_is_written_to_all_the_same() {
    for errno in ["ENOLCK", "ENOSYS"] {
        let dir = TempDir::new();
        let path = dir.path().join("mcp.json");
        let write = || {
            let _lock = Lock::acquire(&path, Duration::ZERO)?;
            replace_if_unchanged(&path, None, b"new", 0o600)
        };
        let (done, reached) = failpoint::with(&format!("lock:{errno}"), write);
        assert!(done.is_ok() && reached);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}

#[test]
fn a_link_in_the_place_of_the_lock_is_not_followed() {
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    symlink("elsewhere", dir.path().join(".mcp.json.lock")).unwrap();
    let error = Lock::acquire(&path, Duration::ZERO).unwrap_err();
    assert!(matches!(error, DiskError::Failed { .. }), "{error}");
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn read_only_is_respected_and_says_how_to_end_it() {
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let error = replace_if_unchanged(&path, Some(b"old"), b"new", 0o600).unwrap_err();
    assert!(matches!(error, DiskError::ReadOnly { .. }));
    assert!(error.to_string().contains("chmod u+w"));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    // Our own files are another matter.
    replace_atomically(&path, b"new", 0o600).unwrap();
}

#[test]
fn not_writable_is_said_before_anything_is_made() {
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    fs::write(&path, "old").unwrap();
    let replace = || replace_if_unchanged(&path, Some(b"old"), b"new", 0o600);
    let (done, _) = failpoint::with("access:EPERM", replace);
    let error = done.unwrap_err();
    assert!(matches!(error, DiskError::NotWritable { .. }));
    assert!(error.to_string().contains("immutable"), "{error}");
    assert_eq!(names(&dir), ["mcp.json"]);
}

#[test]
fn another_name_of_the_same_file_keeps_the_old_content() {
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    let snapshot = dir.path().join("snapshot");
    fs::write(&path, "old").unwrap();
    fs::hard_link(&path, &snapshot).unwrap();
    replace_if_unchanged(&path, Some(b"old"), b"new", 0o600).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(fs::read(&snapshot).unwrap(), b"old");
}

#[test]
fn what_a_killed_process_of_the_same_number_left_is_not_in_the_way() {
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    let replace = || replace_atomically(&path, b"new", 0o600);
    let pid = std::process::id();
    for count in 0..2_000 {
        fs::write(dir.path().join(format!(".x.{pid}.{count}.tmp")), "").unwrap();
    }
    replace().unwrap();
    for n in 0..3 {
        let (done, _) = failpoint::with("create:17", replace);
        assert!(done.is_ok(), "{n}: EEXIST means another name");
    }
}

#[test]
fn the_group_loses_what_cannot_be_kept_for_it() {
    // Only the superuser can make a file of somebody else.
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
    if std::os::unix::fs::chown(&path, Some(4711), Some(4712)).is_err() {
        return;
    }
    let replace = |content: &'static [u8]| {
        let old = fs::read(&path).unwrap();
        replace_if_unchanged(&path, Some(&old), content, 0o600)
    };
    replace(b"a").unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.uid(), found.gid()), (4711, 4712));
    assert_eq!(found.mode() & 0o777, 0o664);
    let (done, _) = failpoint::with("chown:EPERM", || replace(b"b"));
    done.unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!(found.uid(), 4711);
    assert_eq!(found.mode() & 0o777, 0o644, "another group may only read");
}

#[test]
fn not_ours() {
    let dir = TempDir::new();
    let path = dir.path().join("mcp.json");
    fs::write(&path, "old").unwrap();
    if std::os::unix::fs::chown(&path, Some(4711), Some(4712)).is_err() {
        return;
    }
    let replace = || replace_if_unchanged(&path, Some(b"old"), b"new", 0o600);
    let (done, _) = failpoint::with("chown+:EPERM", replace);
    let error = done.unwrap_err();
    assert!(matches!(error, DiskError::NotOurs { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::metadata(&path).unwrap().uid(), 4711);
}
