//! The directory as other people leave it, and each operation also failing.

use super::*;
use crate::shell::disk::failpoint;
use crate::shell::disk::tests::TempDir;
use std::os::unix::fs::symlink;

/// A child that another test starts holds our locks for as long as it has not become its program.
const FORKED: Duration = Duration::from_secs(5);

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

fn store(secrets: &Secrets, name: &str, text: &str) -> Result<Found, String> {
    let (held, mut found) = secrets.lock(name, FORKED)?;
    found.notes.extend(held.store(text.as_bytes())?);
    Ok(found)
}

#[test]
fn what_is_stored_is_found_again_and_only_the_owner_can_get_at_it() {
    let dir = TempDir::new();
    let secrets = Secrets::beside(&dir.path().join("a/b"));
    assert_eq!(secrets.read("x.json"), Ok(Found::default()));
    assert_eq!(secrets.names(), Ok((Vec::new(), true)));
    assert_eq!(store(&secrets, "x.json", "one"), Ok(Found::default()));
    let found = store(&secrets, "x.json", "two").unwrap();
    assert_eq!(found.bytes.as_deref(), Some(&b"one"[..]));
    assert_eq!(secrets.read("x.json").unwrap().bytes.unwrap(), b"two");
    assert_eq!(mode(secrets.directory()), 0o700);
    assert_eq!(mode(&secrets.path("x.json")), 0o600);
    fs::write(secrets.path("readme.txt"), "").unwrap();
    assert_eq!(secrets.names(), Ok((vec!["x.json".to_owned()], true)));
    assert!(secrets.lock("../x.json", FORKED).is_err());
}

#[test]
fn what_is_open_to_others_is_shut_and_told_once() {
    let dir = TempDir::new();
    let secrets = Secrets::beside(dir.path());
    store(&secrets, "x.json", "one").unwrap();
    let path = secrets.path("x.json");
    fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
    fs::set_permissions(secrets.directory(), Permissions::from_mode(0o755)).unwrap();
    let found = secrets.read("x.json").unwrap();
    assert_eq!(found.bytes.as_deref(), Some(&b"one"[..]));
    let [directory, record] = &found.notes[..] else {
        panic!("{:?}", found.notes);
    };
    assert!(
        directory.contains("auth was open to others (mode 755)"),
        "{directory}"
    );
    assert!(
        record.contains("x.json was open to others (mode 664)"),
        "{record}"
    );
    assert_eq!((mode(&path), mode(secrets.directory())), (0o600, 0o700));
    assert!(secrets.read("x.json").unwrap().notes.is_empty());
}

#[test]
fn links_and_what_is_no_file_are_refused() {
    let dir = TempDir::new();
    let secrets = Secrets::beside(dir.path());
    fs::create_dir(dir.path().join("elsewhere")).unwrap();
    symlink("elsewhere", secrets.directory()).unwrap();
    for refused in [secrets.read("x.json"), store(&secrets, "x.json", "one")] {
        let why = refused.unwrap_err();
        assert!(why.contains("auth is a symbolic link"), "{why}");
    }
    fs::remove_file(secrets.directory()).unwrap();
    store(&secrets, "x.json", "one").unwrap();
    symlink("x.json", secrets.path("y.json")).unwrap();
    fs::create_dir(secrets.path("z.json")).unwrap();
    for (name, words) in [("y.json", "is a symbolic link"), ("z.json", "is no file")] {
        for refused in [secrets.read(name), store(&secrets, name, "two")] {
            let why = refused.unwrap_err();
            assert!(why.contains(name) && why.contains(words), "{why}");
        }
    }
    assert_eq!(secrets.read("x.json").unwrap().bytes.unwrap(), b"one");
}

#[test]
fn a_place_that_cannot_be_used_is_named() {
    let dir = TempDir::new();
    fs::write(dir.path().join("file"), "").unwrap();
    let secrets = Secrets::beside(&dir.path().join("file"));
    assert_eq!(secrets.read("x.json"), Ok(Found::default()));
    let why = store(&secrets, "x.json", "one").unwrap_err();
    assert!(why.contains("file/auth cannot be made: "), "{why}");
}

#[test]
fn record_bytes_max_is_refused_both_ways() {
    let dir = TempDir::new();
    let secrets = Secrets::beside(dir.path());
    let (held, _) = secrets.lock("x.json", FORKED).unwrap();
    let why = held.store(&vec![b'x'; RECORD_BYTES_MAX + 1]).unwrap_err();
    assert!(why.contains("would be longer"), "{why}");
    fs::write(secrets.path("x.json"), vec![b'x'; RECORD_BYTES_MAX + 1]).unwrap();
    let why = store(&secrets, "x.json", "one").unwrap_err();
    assert!(why.contains("x.json cannot be read: it is longer"), "{why}");
}

#[test]
fn a_failure_at_the_nth_operation_leaves_the_old_or_the_new_record_whole() {
    for how in ["EIO", "EACCES", "ENOSPC", "EROFS", "short"] {
        for n in 1.. {
            let dir = TempDir::new();
            let secrets = Secrets::beside(dir.path());
            store(&secrets, "x.json", "old content").unwrap();
            let write = || store(&secrets, "x.json", "new");
            let (done, reached) = failpoint::with(&format!("{n}:{how}"), write);
            let found = fs::read_to_string(secrets.path("x.json")).unwrap();
            match done {
                Ok(_) => assert_eq!(found, "new"),
                Err(why) => {
                    assert_eq!(found, "old content", "{n} {how}: {why}");
                    assert!(why.contains("auth"), "names the file: {why}");
                }
            }
            assert_eq!(mode(&secrets.path("x.json")), 0o600);
            if !reached {
                break;
            }
        }
    }
}
