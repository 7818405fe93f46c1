//! The store of backups, over real files.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::shell::disk::tests::TempDir;

fn keep(store: &Store, bytes: Option<&[u8]>) -> Result<Backup, String> {
    store.keep(Keep {
        path: Path::new("/home/u/app.json"),
        project: false,
        bytes,
        mode: 0o644,
        operation: Operation::Consolidate,
        batch: None,
        servers: None,
        imported: Vec::new(),
        result: Some(b"new"),
    })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn contract_6_a_backup_is_bytes_and_what_is_known_of_them() {
    let dir = TempDir::new();
    let store = Store::of(&dir.path().join("deep/1mcp"), "zed");
    assert!(store.list().unwrap().backups.is_empty());
    assert!(!store.dir().exists(), "looking creates nothing");
    let kept = keep(&store, Some(b"{ odd\r\n}")).unwrap();
    assert_eq!(fs::read(&kept.file).unwrap(), b"{ odd\r\n}");
    assert_eq!((mode(&kept.file), mode(store.dir())), (0o600, 0o700));
    assert_eq!(mode(&meta_of(&kept.file)), 0o600);
    let found = store.list().unwrap();
    let [backup] = &found.backups[..] else {
        panic!("{found:?}")
    };
    assert_eq!(backup.meta, kept.meta);
    assert_eq!(backup.bytes().unwrap(), b"{ odd\r\n}");
    assert_eq!((backup.meta.bytes, backup.meta.mode()), (8, 0o644));
    assert_eq!(backup.meta.result_sha256, Some(sha256(b"new")));
    assert!(found.broken.is_empty());
    assert_eq!(apps(&dir.path().join("deep/1mcp")), ["zed"]);
}

#[test]
fn contract_6_names_never_collide_and_the_newest_is_the_last_kept() {
    let dir = TempDir::new();
    let store = Store::of(dir.path(), "zed");
    let names: Vec<String> = (0..30_u8)
        .map(|number| keep(&store, Some(&[number])).unwrap().name())
        .collect();
    let found = store.list().unwrap();
    assert_eq!(found.backups.len(), 30);
    let listed: Vec<String> = found.backups.iter().map(Backup::name).rev().collect();
    assert_eq!(listed, names);
    // The clock is set back: what is kept now still is the newest.
    let newest = &found.backups[0];
    let mut meta = newest.meta.clone();
    meta.time_ms += 1_000_000_000;
    fs::write(meta_of(&newest.file), meta.render()).unwrap();
    let kept = keep(&store, None).unwrap();
    assert_eq!(store.list().unwrap().backups[0].name(), kept.name());
    assert!(!kept.meta.existed && kept.bytes().unwrap().is_empty());
}

#[test]
fn contract_6_many_at_once_are_all_kept() {
    let dir = TempDir::new();
    std::thread::scope(|scope| {
        for number in 0..8_u8 {
            let store = Store::of(dir.path(), "zed");
            scope.spawn(move || keep(&store, Some(&[number])).unwrap());
        }
    });
    let found = Store::of(dir.path(), "zed").list().unwrap();
    assert_eq!((found.backups.len(), found.broken.len()), (8, 0));
}

#[test]
fn contract_6_half_a_backup_is_told_from_a_whole_one() {
    let dir = TempDir::new();
    let store = Store::of(dir.path(), "zed");
    let whole = keep(&store, Some(b"1")).unwrap();
    let without_meta = keep(&store, Some(b"2")).unwrap();
    let without_bytes = keep(&store, Some(b"3")).unwrap();
    let garbled = keep(&store, Some(b"4")).unwrap();
    let changed = keep(&store, Some(b"5")).unwrap();
    fs::remove_file(meta_of(&without_meta.file)).unwrap();
    fs::remove_file(&without_bytes.file).unwrap();
    fs::write(meta_of(&garbled.file), "{").unwrap();
    fs::write(&changed.file, "6").unwrap();
    fs::write(store.dir().join("notes.txt"), "mine").unwrap();
    fs::write(store.dir().join(".x.json.1.2.tmp"), "a killed writer's").unwrap();
    // Sorts last, and hides none of the others.
    fs::create_dir(store.dir().join("0.meta.json")).unwrap();
    let found = store.list().unwrap();
    let names: Vec<String> = found.backups.iter().map(Backup::name).collect();
    assert_eq!(names, [changed.name(), whole.name()]);
    assert!(found.backups[0].bytes().unwrap_err().contains("hash"));
    let why: Vec<&str> = found.broken.iter().map(|(_, why)| why.as_str()).collect();
    assert!(why[0].contains("EOF"), "{why:?}");
    assert_eq!(why[1], "the bytes are gone");
    assert!(why[2].starts_with("incomplete"), "{why:?}");
    keep(&store, Some(b"7")).unwrap();
    assert!(!store.dir().join(".x.json.1.2.tmp").exists());
    assert!(store.dir().join("notes.txt").exists());
    store.remove(&whole).unwrap();
    assert!(!whole.file.exists() && !meta_of(&whole.file).exists());
}

#[test]
fn contract_6_a_full_store_says_how_to_empty_it() {
    let dir = TempDir::new();
    let store = Store::of(dir.path(), "zed");
    let first = keep(&store, Some(b"1")).unwrap();
    let meta = fs::read(meta_of(&first.file)).unwrap();
    for number in 1..APP_BACKUPS_MAX {
        let file = store.dir().join(format!("0{number:04}.json"));
        fs::write(meta_of(&file), &meta).unwrap();
        fs::write(file, b"1").unwrap();
    }
    let error = keep(&store, Some(b"2")).unwrap_err();
    assert!(error.contains("app backups zed --cleanup DAYS"), "{error}");
}

#[test]
fn contract_6_what_hinders_a_backup_is_named() {
    let dir = TempDir::new();
    fs::write(dir.path().join("backups"), "in the way").unwrap();
    let store = Store::of(dir.path(), "zed");
    let error = keep(&store, Some(b"1")).unwrap_err();
    assert!(error.contains("backups/zed: "), "{error}");
}
