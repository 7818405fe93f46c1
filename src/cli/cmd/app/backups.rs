//! `app backups`: what was kept of application files, whether it is whole, and old ones away.

use onemcp::config::apps;
use serde_json::{Value, json};

use super::which;
use crate::cli::args::{Line, number};
use crate::cli::backups::{self, Backup, Found, Operation, Store};
use crate::cli::failure::Failure;
use crate::cli::places::{self, Places};
use crate::cli::terminal::{Cell, Ink, Table, Terminal, readable};
use crate::cli::{out, variable};
use crate::shell::clock::unix_ms;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A hundred years.
const DAYS_MAX: u64 = 36_500;

/// Runs it; also `app restore --list`.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let places = places::resolve(line, variable)?;
    let named = which::find_all(&line.operands)?;
    let ids: Vec<String> = match named.len() {
        0 => backups::apps(&places.config_dir),
        _ => named.iter().map(|app| app.id.to_owned()).collect(),
    };
    let mut lists = Vec::new();
    for id in ids {
        let store = Store::of(&places.config_dir, &id);
        let found = store.list().map_err(Failure::Failed)?;
        lists.push((id, store, found));
    }
    let cleanup = match line.raw("cleanup").is_some() {
        true => line.get("cleanup", number(0, DAYS_MAX))?,
        false => None,
    };
    let removed = match cleanup {
        Some(days) => clean_up(&mut lists, days)?,
        None => Vec::new(),
    };
    let verify = line.is_set("verify");
    let lists: Vec<(String, Found)> = lists
        .into_iter()
        .map(|(id, _, found)| (id, found))
        .collect();
    let whole = print(line, &places, &lists, &removed, verify)?;
    Ok(u8::from(verify && !whole))
}

/// Removes what is older. The newest backup of each file stays, and so does the newest of before a
/// consolidate: without them nothing could be given back.
fn clean_up(lists: &mut [(String, Store, Found)], days: u64) -> Result<Vec<String>, Failure> {
    let before = unix_ms().saturating_sub(days.saturating_mul(DAY_MS));
    let mut removed = Vec::new();
    for (_, store, found) in lists {
        let mut stays: Vec<Backup> = Vec::new();
        for backup in std::mem::take(&mut found.backups) {
            let mut of_file = stays
                .iter()
                .filter(|other| other.meta.path == backup.meta.path);
            let is_newest = of_file.clone().next().is_none();
            let gives_back = backup.meta.operation == Operation::Consolidate
                && !of_file.any(|other| other.meta.operation == Operation::Consolidate);
            if backup.meta.time_ms >= before || is_newest || gives_back {
                stays.push(backup);
                continue;
            }
            store.remove(&backup).map_err(Failure::Failed)?;
            removed.push(backup.name());
        }
        found.backups = stays;
    }
    Ok(removed)
}

/// Shows them; whether all are whole (which only `verify` finds out).
fn print(
    line: &Line,
    places: &Places,
    lists: &[(String, Found)],
    removed: &[String],
    verify: bool,
) -> Result<bool, Failure> {
    let wrong = |backup: &Backup| match verify {
        true => backup.bytes().err(),
        false => None,
    };
    let mut whole = true;
    let mut table = Table::new(match verify {
        true => &["BACKUP", "APP", "BEFORE", "SERVERS", "STATE", "FILE"],
        false => &["BACKUP", "APP", "BEFORE", "SERVERS", "FILE"],
    });
    let mut entries: Vec<Value> = Vec::new();
    let mut broken: Vec<Value> = Vec::new();
    for (id, found) in lists {
        for backup in &found.backups {
            let wrong = wrong(backup);
            whole &= wrong.is_none();
            row(&mut table, backup, verify.then_some(wrong.as_deref()));
            entries.push(entry(backup, verify, wrong.as_deref()));
        }
        for (path, why) in &found.broken {
            whole = false;
            let path = path.display().to_string();
            if !line.is_set("json") {
                out::note(&format!("{}: {}", readable(&path), readable(why)));
            }
            broken.push(json!({"app": id, "file": path, "reason": why}));
        }
    }
    if line.is_set("json") {
        let document = json!({"backups": entries, "broken": broken, "removed": removed});
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        return out::result(&format!("{text}\n")).map(|()| whole);
    }
    if entries.is_empty() {
        let dir = places.config_dir.join("backups");
        out::note(&format!(
            "there are no backups in {}; app consolidate makes them",
            dir.display()
        ));
    }
    for name in removed {
        out::note(&format!("removed {name}"));
    }
    out::result(&table.show(Terminal::stdout()))?;
    Ok(whole)
}

fn row(table: &mut Table, backup: &Backup, verified: Option<Option<&str>>) {
    let meta = &backup.meta;
    let mut cells = vec![
        Cell::new(&backup.name()),
        Cell::new(&meta.app),
        Cell::new(meta.operation.text()),
        Cell::new(
            &meta
                .servers
                .map_or_else(String::new, |count| count.to_string()),
        ),
    ];
    match verified {
        Some(None) => cells.push(Cell::inked(Ink::Good, "whole")),
        Some(Some(why)) => cells.push(Cell::inked(Ink::Bad, why)),
        None => {}
    }
    let file = match meta.existed {
        true => meta.path.clone(),
        false => format!("{} (did not exist)", meta.path),
    };
    cells.push(Cell::new(&file));
    table.row(cells);
}

fn entry(backup: &Backup, verify: bool, wrong: Option<&str>) -> Value {
    let meta = &backup.meta;
    let imported: Vec<&str> = meta.imported.iter().map(|server| &*server.name).collect();
    json!({
        "name": backup.name(),
        "app": meta.app,
        "title": apps::find(&meta.app).map(|app| app.title),
        "time": meta.time,
        "operation": meta.operation.text(),
        "file": meta.path,
        "existed": meta.existed,
        "backup": backup.file.display().to_string(),
        "bytes": meta.bytes,
        "sha256": meta.sha256,
        "servers": meta.servers,
        "imported": imported,
        "version": meta.version,
        "whole": verify.then_some(wrong.is_none()),
        "problem": wrong,
    })
}
