//! Which backup a restore takes.
//!
//! The rule: the newest backup that says something else than the file says now. After a
//! consolidate that is the original; the restore itself keeps the consolidated file, which thereby
//! is the newest, so a second restore undoes the first, and a third undoes the second. Files that
//! were changed by one command (profiles of an editor, say) are given back together.

use std::path::{Path, PathBuf};

use crate::cli::backups::{self, Backup, Found, NotLoaded, Store};
use crate::cli::failure::Failure;

/// The backups to give back, one for each file.
pub(super) fn newest<'a>(
    found: &'a Found,
    differs: impl Fn(&Backup) -> bool,
    project: &Path,
) -> Option<Vec<&'a Backup>> {
    // Another project's file is none of the business of who stands in this one.
    let usable = |backup: &&Backup| {
        !backup.meta.project || Path::new(&backup.meta.path).starts_with(project)
    };
    let usable: Vec<&Backup> = found.backups.iter().filter(usable).collect();
    let of_other_bytes = usable.iter().find(|backup| differs(backup));
    let batch = &of_other_bytes.or(usable.first())?.meta.batch;
    let mut chosen: Vec<&Backup> = Vec::new();
    for backup in usable.iter().filter(|backup| backup.meta.batch == *batch) {
        // The newest first: an earlier one of the same file is of a try that came to nothing.
        if !chosen
            .iter()
            .any(|other| other.meta.path == backup.meta.path)
        {
            chosen.push(backup);
        }
    }
    Some(chosen)
}

/// The backup that `--backup` names: by its path, or as it is listed.
pub(super) fn named(config_dir: &Path, app: Option<&str>, given: &str) -> Result<Backup, Failure> {
    let backup = match by_name(config_dir, app, given)? {
        Some(backup) => backup,
        None => by_path(config_dir, app, given)?,
    };
    match app {
        Some(app) if backup.meta.app != app => Err(Failure::Usage(format!(
            "{given} is a backup of {}, not of {app}",
            backup.meta.app
        ))),
        _ => Ok(backup),
    }
}

fn by_name(config_dir: &Path, app: Option<&str>, given: &str) -> Result<Option<Backup>, Failure> {
    let stem = given.strip_suffix(".json").unwrap_or(given);
    let stem = stem.strip_suffix(".meta").unwrap_or(stem);
    let apps = match app {
        Some(app) => vec![app.to_owned()],
        None => backups::apps(config_dir),
    };
    let mut matching = Vec::new();
    for app in apps {
        let found = Store::of(config_dir, &app)
            .list()
            .map_err(Failure::Failed)?;
        let is_meant = |backup: &Backup| backup.name() == stem || backup.meta.time == stem;
        matching.extend(found.backups.into_iter().filter(is_meant));
    }
    match matching.len() {
        0 | 1 => Ok(matching.pop()),
        _ => {
            let apps: Vec<&str> = matching.iter().map(|backup| &*backup.meta.app).collect();
            Err(Failure::Usage(format!(
                "backups of {} have the name {given}; name the application too",
                apps.join(" and ")
            )))
        }
    }
}

fn by_path(config_dir: &Path, app: Option<&str>, given: &str) -> Result<Backup, Failure> {
    let path = PathBuf::from(given);
    let path = match given.strip_suffix(".meta.json") {
        Some(stem) => PathBuf::from(format!("{stem}.json")),
        None => path,
    };
    if !path.exists() {
        return Err(Failure::Absent(format!(
            "there is no backup {given}, neither in {} nor as a path; 1mcp app backups lists them",
            config_dir.join("backups").join(app.unwrap_or("")).display()
        )));
    }
    backups::load(&path).map_err(|error| {
        let (NotLoaded::Broken(why) | NotLoaded::Unreadable(why)) = error;
        Failure::Failed(format!(
            "{given} cannot be restored: {why}; if you know where it belongs, copy it there"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::backups::{Keep, Operation};
    use crate::shell::disk::tests::TempDir;

    fn keep(store: &Store, path: &str, bytes: &[u8], batch: Option<&str>) -> Backup {
        let new = Keep {
            path: Path::new(path),
            project: path.starts_with("/p"),
            bytes: Some(bytes),
            mode: 0o600,
            operation: Operation::Consolidate,
            batch: batch.map(str::to_owned),
            servers: None,
            imported: Vec::new(),
            result: None,
        };
        store.keep(new).unwrap()
    }

    fn chosen(store: &Store, present: &[u8], project: &str) -> Vec<String> {
        let found = store.list().unwrap();
        let differs = |backup: &Backup| backup.bytes().is_ok_and(|bytes| bytes != present);
        let chosen = newest(&found, differs, Path::new(project));
        let names = chosen.into_iter().flatten().map(Backup::name);
        names.collect()
    }

    #[test]
    fn contract_6_the_newest_that_says_something_else() {
        let dir = TempDir::new();
        let store = Store::of(dir.path(), "zed");
        assert_eq!(chosen(&store, b"", "/p"), [""; 0]);
        let original = keep(&store, "/a", b"original", None);
        assert_eq!(chosen(&store, b"consolidated", "/p"), [original.name()]);
        // A restore keeps what it replaces; the next one undoes it.
        let consolidated = keep(&store, "/a", b"consolidated", None);
        assert_eq!(chosen(&store, b"original", "/p"), [consolidated.name()]);
        let again = keep(&store, "/a", b"original", None);
        assert_eq!(chosen(&store, b"consolidated", "/p"), [again.name()]);
        // A backup of what is there anyway is passed over, unless there is no other.
        assert_eq!(chosen(&store, b"original", "/p"), [consolidated.name()]);
        let alone = Store::of(dir.path(), "cline");
        let same = keep(&alone, "/a", b"same", None);
        assert_eq!(chosen(&alone, b"same", "/p"), [same.name()]);
    }

    #[test]
    fn contract_6_files_of_one_command_go_together_and_other_projects_stay() {
        let dir = TempDir::new();
        let store = Store::of(dir.path(), "vscode");
        let old = keep(&store, "/c", b"old", None);
        let first = keep(&store, "/a", b"1", None);
        let batch = Some(&*first.meta.batch);
        let _failed_try = keep(&store, "/b", b"2", batch);
        let second = keep(&store, "/b", b"3", batch);
        let project = keep(&store, "/p/x", b"4", None);
        assert_eq!(chosen(&store, b"", "/q"), [second.name(), first.name()]);
        assert_eq!(chosen(&store, b"", "/p"), [project.name()]);
        let named = |app, given: &str| named(dir.path(), app, given).map(|backup| backup.name());
        let whole = old.file.to_str().unwrap();
        for given in [
            &*old.name(),
            &old.meta.time,
            &format!("{}.json", old.name()),
            whole,
        ] {
            assert_eq!(named(None, given).unwrap(), old.name(), "{given}");
            assert_eq!(named(Some("vscode"), given).unwrap(), old.name(), "{given}");
        }
        assert_eq!(named(Some("zed"), whole).unwrap_err().code(), 2);
        assert_eq!(named(None, "nothing").unwrap_err().code(), 3);
        let orphan = dir.path().join("orphan.json");
        std::fs::write(&orphan, "{}").unwrap();
        let error = named(None, orphan.to_str().unwrap()).unwrap_err();
        assert!(error.line().unwrap().contains("incomplete"), "{error:?}");
        // Two applications may have backups of the same millisecond.
        std::fs::create_dir(dir.path().join("backups/zed")).unwrap();
        for ending in ["json", "meta.json"] {
            let from = old.file.with_extension(ending);
            let to = dir
                .path()
                .join("backups/zed")
                .join(from.file_name().unwrap());
            std::fs::copy(from, to).unwrap();
        }
        assert_eq!(named(None, &old.name()).unwrap_err().code(), 2);
    }
}
