//! `app restore`: gives an application its file back, byte for byte. What the file says now is
//! backed up first, so that a second restore undoes the first (the rule is in `choose`).

use std::path::{Path, PathBuf};

use onemcp::config::apps::{self, App};
use serde_json::{Value, json};

use super::target::{self, NotWritten, Present, TRIES};
use super::{backups, choose, look, masked, running, which};
use crate::cli::args::Line;
use crate::cli::backups::{Backup, Found, Keep, Operation, Store, apps as apps_with_backups};
use crate::cli::cmd::config_file;
use crate::cli::failure::Failure;
use crate::cli::places::{self, Places};
use crate::cli::terminal::{self, Ink, Terminal, readable};
use crate::cli::{out, variable};

/// Runs it.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    if line.is_set("list") {
        return backups::run(line);
    }
    let places = places::resolve(line, variable)?;
    let session = Session {
        dry_run: line.is_set("dry-run"),
        yes: line.is_set("yes"),
        remove_imported: line.is_set("remove-imported"),
        show_secrets: line.is_set("show-secrets"),
        places,
    };
    let given = line.raw("backup").map(|given| given.to_string_lossy());
    let named = which::find_all(&line.operands)?;
    let chosen = match (given, &named[..], line.is_set("all")) {
        (Some(_), _, true) | (Some(_), [_, _, ..], _) => {
            let text = "--backup FILE belongs to one application";
            return Err(Failure::Usage(text.to_owned()));
        }
        (Some(given), apps, _) => {
            let app = apps.first().map(|app| app.id);
            let backup = choose::named(&session.places.config_dir, app, &given)?;
            vec![(which::find(&backup.meta.app)?, vec![backup])]
        }
        (None, [], false) => {
            let text = "app restore needs an application, or --all; 1mcp app backups lists what \
                        there is";
            return Err(Failure::Usage(text.to_owned()));
        }
        (None, [_, ..], true) => {
            let text = "--all and the name of an application exclude each other";
            return Err(Failure::Usage(text.to_owned()));
        }
        (None, [], true) => session.newest_of_all()?,
        (None, apps, false) => {
            let newest = |app: &&'static App| Ok((*app, session.newest(app)?));
            apps.iter().map(newest).collect::<Result<_, Failure>>()?
        }
    };
    session.give_back(&chosen, line.is_set("json"))
}

struct Session {
    dry_run: bool,
    yes: bool,
    remove_imported: bool,
    show_secrets: bool,
    places: Places,
}

/// What became of one file.
struct Restored {
    app: &'static App,
    backup: Backup,
    result: &'static str,
    /// What undoes it.
    undo: Option<String>,
}

impl Session {
    fn newest_of_all(&self) -> Result<Vec<(&'static App, Vec<Backup>)>, Failure> {
        let mut chosen = Vec::new();
        for name in apps_with_backups(&self.places.config_dir) {
            if let Some(app) = apps::find(&name) {
                match self.newest(app) {
                    Ok(backups) => chosen.push((app, backups)),
                    Err(Failure::Absent(_)) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        if chosen.is_empty() {
            let dir = self.places.config_dir.join("backups");
            return Err(Failure::Absent(format!(
                "there are no backups of applications in {}",
                dir.display()
            )));
        }
        Ok(chosen)
    }

    fn newest(&self, app: &App) -> Result<Vec<Backup>, Failure> {
        let store = Store::of(&self.places.config_dir, app.id);
        let found: Found = store.list().map_err(Failure::Failed)?;
        let differs = |backup: &Backup| {
            let present = target::read(Path::new(&backup.meta.path));
            let present = present.ok().and_then(|present| present.bytes);
            let is_same = present.as_deref().map(crate::cli::backups::sha256)
                == backup.meta.existed.then(|| backup.meta.sha256.clone());
            !is_same
        };
        let project = std::env::current_dir().unwrap_or_default();
        let chosen = choose::newest(&found, differs, &project).ok_or_else(|| {
            let broken = match found.broken.len() {
                0 => String::new(),
                _ => "; files that are no whole backups are shown by 1mcp app backups --verify"
                    .to_owned(),
            };
            Failure::Absent(format!(
                "there is no backup of {} in {}{broken}",
                app.id,
                store.dir().display()
            ))
        })?;
        Ok(chosen.into_iter().cloned().collect())
    }

    fn give_back(&self, chosen: &[(&'static App, Vec<Backup>)], json: bool) -> Result<u8, Failure> {
        let mut done: Vec<Restored> = Vec::new();
        let mut removal = Removed::default();
        let mut failures: Vec<Failure> = Vec::new();
        for (app, backups) in chosen {
            let result = self
                .of_app(app, backups, json, &mut done)
                .and_then(|()| self.remove_imported(app, backups, &mut removal));
            if let Err(failure) = result {
                failures.push(failure);
            }
        }
        let last = failures.pop();
        for failure in &failures {
            out::note(failure.line().unwrap_or_default());
        }
        if last.is_none() || !done.is_empty() {
            match json {
                true => out::result(&document(&done, &removal))?,
                false => out::result(&self.text(&done, &removal))?,
            }
        }
        last.map_or(Ok(0), Err)
    }

    fn of_app(
        &self,
        app: &'static App,
        backups: &[Backup],
        json: bool,
        done: &mut Vec<Restored>,
    ) -> Result<(), Failure> {
        let around = which::surroundings()?;
        // All of them are read first: half a restore is worse than none.
        let mut texts = Vec::new();
        for backup in backups {
            let path = &backup.meta.path;
            // A backup says itself where it belongs, and it may come from somebody else.
            if !which::can_be_of(app, &around, Path::new(path)) {
                return Err(Failure::Failed(format!(
                    "the backup {} is for {path}, which is no file of {}; nothing was changed. If \
                     it belongs there, copy it by hand",
                    backup.name(),
                    app.id
                )));
            }
            let bytes = backup.bytes().map_err(|why| {
                Failure::Failed(format!(
                    "the backup {} cannot be used: {why}; nothing was changed. Take another one: \
                     1mcp app restore {} --backup NAME (1mcp app backups {} --verify lists them)",
                    backup.name(),
                    app.id,
                    app.id
                ))
            })?;
            texts.push(backup.meta.existed.then_some(bytes));
        }
        if !self.dry_run {
            running::ask(app, self.yes, "Restore")?;
        }
        let mut batch = None;
        for (backup, text) in backups.iter().zip(texts) {
            let (result, undo) = self.file(app, backup, text.as_deref(), &mut batch, json)?;
            done.push(Restored {
                app,
                backup: backup.clone(),
                result,
                undo,
            });
        }
        Ok(())
    }

    /// Restores one file; what was done, and what undoes it.
    fn file(
        &self,
        app: &App,
        backup: &Backup,
        text: Option<&[u8]>,
        batch: &mut Option<String>,
        json: bool,
    ) -> Result<(&'static str, Option<String>), Failure> {
        let path = PathBuf::from(&backup.meta.path);
        let present = target::read(&path)?;
        if present.bytes.as_deref() == text {
            return Ok(("unchanged", None));
        }
        if self.dry_run {
            if !json {
                self.show(&path, &present, text)?;
            }
            return Ok(("would-restore", None));
        }
        let _held = target::hold(&path)?;
        for _ in 0..TRIES {
            let mut present = target::read(&path)?;
            let kept = self.keep(app, backup, &present, text, batch.clone())?;
            batch.get_or_insert(kept.meta.batch.clone());
            if present.bytes.is_none() {
                present.mode = backup.meta.mode();
            }
            let written = match text {
                Some(text) => target::write(&path, &present, text),
                None => target::remove(&path, &present),
            };
            match written {
                Ok(()) if target::read(&path)?.bytes.as_deref() == text => {
                    note_edits(backup, &kept);
                    let result = if text.is_some() {
                        "restored"
                    } else {
                        "removed"
                    };
                    return Ok((result, Some(kept.name())));
                }
                Err(NotWritten::Failed(failure)) => return Err(failure),
                Ok(()) | Err(NotWritten::Changed) => {
                    // What the application has written meanwhile is kept in its place.
                    let store = Store::of(&self.places.config_dir, app.id);
                    let _left = store.remove(&kept);
                }
            }
        }
        Err(target::restless(&path))
    }

    fn keep(
        &self,
        app: &App,
        backup: &Backup,
        present: &Present,
        text: Option<&[u8]>,
        batch: Option<String>,
    ) -> Result<Backup, Failure> {
        let store = Store::of(&self.places.config_dir, app.id);
        let kept = store.keep(Keep {
            path: Path::new(&backup.meta.path),
            project: backup.meta.project,
            bytes: present.bytes.as_deref(),
            mode: present.mode,
            operation: Operation::Restore,
            batch,
            servers: self.count(app, backup, present),
            imported: Vec::new(),
            result: text,
        });
        kept.map_err(|why| {
            Failure::Failed(format!(
                "configuration backup failed: {why}; nothing was changed, for this restore could \
                 not be undone. Free some space or get write access to {}, or copy {} to {} \
                 yourself",
                store.dir().display(),
                backup.file.display(),
                backup.meta.path
            ))
        })
    }

    fn count(&self, app: &App, backup: &Backup, present: &Present) -> Option<usize> {
        let around = which::surroundings().ok()?;
        let text = present.bytes.as_deref()?;
        look::count(app, &around, Path::new(&backup.meta.path), text)
    }

    fn show(&self, path: &Path, present: &Present, text: Option<&[u8]>) -> Result<(), Failure> {
        let shown = |bytes: &[u8]| match self.show_secrets {
            true => bytes.to_vec(),
            false => masked::text(bytes),
        };
        let terminal = Terminal::stdout();
        let old = shown(present.bytes.as_deref().unwrap_or_default());
        let new = shown(text.unwrap_or_default());
        let path = readable(&path.display().to_string());
        out::result(&format!(
            "{}\n{}\n{}",
            terminal.paint(Ink::Bold, &format!("--- {path}")),
            terminal.paint(Ink::Bold, &format!("+++ {path}")),
            terminal::diff(terminal, &old, &new)
        ))
    }
}

/// What `--remove-imported` did to `mcp.json`.
#[derive(Default)]
struct Removed {
    removed: Vec<String>,
    kept: Vec<apps::Kept>,
}

impl Session {
    /// Takes out of `mcp.json` what the consolidates brought there that are undone now.
    fn remove_imported(
        &self,
        app: &App,
        backups: &[Backup],
        removal: &mut Removed,
    ) -> Result<(), Failure> {
        if !self.remove_imported {
            return Ok(());
        }
        let store = Store::of(&self.places.config_dir, app.id);
        let found = store.list().map_err(Failure::Failed)?;
        let imported = imported_since(&found, backups);
        let path = &self.places.config_file;
        let Some(text) = config_file::read(path)? else {
            return Ok(());
        };
        if imported.is_empty() {
            return Ok(());
        }
        let remove = |text: &[u8]| {
            apps::remove_imported(text, &imported)
                .map_err(|error| config_file::bad_file(path, &error))
        };
        let planned = remove(&text)?;
        if !self.dry_run && !planned.removed.is_empty() {
            config_file::change(&self.places, |old| Ok(remove(old)?.mcp_text))?;
        }
        removal.removed.extend(planned.removed);
        removal.kept.extend(planned.kept);
        Ok(())
    }

    fn text(&self, done: &[Restored], removal: &Removed) -> String {
        let mut text = String::new();
        for restored in done {
            let (title, id) = (restored.app.title, restored.app.id);
            let path = readable(&restored.backup.meta.path);
            let name = restored.backup.name();
            text.push_str(&match restored.result {
                "restored" => format!("restored {title}: {path}\n  from backup {name}\n"),
                "removed" => format!(
                    "removed {path}: {title} had no such file at the time of backup {name}\n"
                ),
                "unchanged" => format!("{path} is already as in backup {name}\n"),
                _ => format!("would restore {title}: {path}\n  from backup {name}\n"),
            });
            if let Some(undo) = &restored.undo {
                text.push_str(&format!(
                    "  what it said is kept as {undo} (undo: 1mcp app restore {id})\n"
                ));
            }
        }
        let (verb, file) = (
            if self.dry_run {
                "would remove"
            } else {
                "removed"
            },
            readable(&self.places.config_file.display().to_string()),
        );
        for name in &removal.removed {
            text.push_str(&format!("{verb} {} from {file}\n", readable(name)));
        }
        for kept in &removal.kept {
            let line = format!("{} stays in {file}: {}", kept.name, kept.reason);
            text.push_str(&format!("{}\n", readable(&line)));
        }
        let mut told: Vec<&str> = Vec::new();
        for restored in done.iter().filter(|restored| restored.undo.is_some()) {
            if !told.contains(&restored.app.id) {
                told.push(restored.app.id);
                let title = restored.app.title;
                text.push_str(&format!(
                    "next: restart {title} (quit it completely, then start it)\n"
                ));
            }
        }
        text
    }
}

/// What the application or its user changed after a consolidate is not in its backup.
fn note_edits(backup: &Backup, kept: &Backup) {
    if let Some(result) = &backup.meta.result_sha256
        && backup.meta.operation == Operation::Consolidate
        && *result != kept.meta.sha256
        && kept.meta.existed
    {
        out::note(&format!(
            "{} was changed after it was consolidated; those changes are in {}",
            readable(&backup.meta.path),
            kept.file.display()
        ));
    }
}

/// Names and fingerprints of what was imported since the file said what it is to say again. A
/// consolidate that was killed and repeated has left two backups of the same bytes; both count.
fn imported_since(found: &Found, backups: &[Backup]) -> Vec<(String, String)> {
    let mut imported: Vec<(String, String)> = Vec::new();
    for backup in backups {
        let same = |other: &&Backup| other.meta.path == backup.meta.path;
        let begin = found
            .backups
            .iter()
            .filter(same)
            .filter(|other| other.meta.sha256 == backup.meta.sha256)
            .map(|other| other.meta.time_ms)
            .chain([backup.meta.time_ms])
            .min()
            .unwrap_or(0);
        let since = found.backups.iter().filter(same);
        for other in since.filter(|other| other.meta.time_ms >= begin) {
            for server in &other.meta.imported {
                let pair = (server.name.clone(), server.fingerprint.clone());
                if !imported.contains(&pair) {
                    imported.push(pair);
                }
            }
        }
    }
    imported
}

fn document(done: &[Restored], removal: &Removed) -> String {
    let files = done.iter().map(|restored| {
        json!({
            "app": restored.app.id,
            "file": restored.backup.meta.path,
            "backup": restored.backup.name(),
            "result": restored.result,
            "undo": restored.undo,
        })
    });
    let kept = removal.kept.iter();
    let kept = kept.map(|kept| json!({"name": kept.name, "reason": kept.reason}));
    let document = json!({
        "files": files.collect::<Vec<Value>>(),
        "removed": removal.removed,
        "kept": kept.collect::<Vec<Value>>(),
    });
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    format!("{text}\n")
}
