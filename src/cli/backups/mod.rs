//! The backups of application files (contract 6): `backups/APP/TIME.json` holds the bytes,
//! `TIME.meta.json` beside it where they came from and their hash.
//!
//! The bytes are written first: a killed writer leaves bytes that nobody vouches for, which are
//! shown as incomplete and never restored by themselves; never a promise without bytes. Names are
//! times, and a later backup has a greater one even if the clock was set back. Never touches an
//! application's file.

mod meta;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onemcp::limits::{APP_BACKUPS_MAX, CONFIG_BYTES_MAX};

pub(crate) use meta::{Imported, Meta, Operation, sha256};

use super::failure::reason;
use crate::shell::clock::{rfc3339, unix_ms};
use crate::shell::disk::{self, Lock, files};

/// How long another command may be at it.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The backups of one application.
#[derive(Debug)]
pub(crate) struct Store {
    app: String,
    config_dir: PathBuf,
    dir: PathBuf,
}

/// One backup.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    /// What is known of it.
    pub(crate) meta: Meta,
    /// Where the bytes are.
    pub(crate) file: PathBuf,
}

/// What is in the directory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Whole backups, the newest first.
    pub(crate) backups: Vec<Backup>,
    /// Files that are no whole backup, and why.
    pub(crate) broken: Vec<(PathBuf, String)>,
}

/// What is to be kept.
#[derive(Debug)]
pub(crate) struct Keep<'a> {
    /// The file, absolute, links not followed.
    pub(crate) path: &'a Path,
    /// Whether it belongs to a project.
    pub(crate) project: bool,
    /// What it says; `None` if it does not exist.
    pub(crate) bytes: Option<&'a [u8]>,
    /// Its permissions.
    pub(crate) mode: u32,
    /// What is about to happen.
    pub(crate) operation: Operation,
    /// The batch of another backup of the same command.
    pub(crate) batch: Option<String>,
    /// How many servers it names, if that can be told.
    pub(crate) servers: Option<usize>,
    /// What goes to `mcp.json`.
    pub(crate) imported: Vec<Imported>,
    /// What the file will say.
    pub(crate) result: Option<&'a [u8]>,
}

impl Store {
    /// The backups of this application; nothing is created.
    pub(crate) fn of(config_dir: &Path, app: &str) -> Self {
        Self {
            app: app.to_owned(),
            config_dir: config_dir.to_path_buf(),
            dir: config_dir.join("backups").join(app),
        }
    }

    /// Where they are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps the bytes of a file. The error is a sentence without its end: what failed, and where.
    pub(crate) fn keep(&self, new: Keep<'_>) -> Result<Backup, String> {
        let Some(path) = new.path.to_str() else {
            return Err(format!("{} is not UTF-8", new.path.display()));
        };
        self.create_dir()
            .map_err(|error| format!("creating {}: {}", self.dir.display(), reason(&error)))?;
        let _lock = Lock::acquire(&self.dir.join("backups"), LOCK_WAIT)
            .map_err(|error| error.to_string())?;
        // Only who holds the lock writes here, so what ends so was left by a killed one.
        disk::sweep(&self.dir, ".");
        let found = self.list()?;
        if found.backups.len() >= APP_BACKUPS_MAX {
            return Err(format!(
                "there are {APP_BACKUPS_MAX} backups in {}; remove old ones with 1mcp app backups \
                 {} --cleanup DAYS",
                self.dir.display(),
                self.app
            ));
        }
        let newest = found
            .backups
            .first()
            .map_or(0, |newest| newest.meta.time_ms);
        let (time_ms, file) = self.free_name(unix_ms().max(newest.saturating_add(1)));
        let bytes = new.bytes.unwrap_or_default();
        let time = rfc3339(time_ms);
        let meta = Meta {
            app: self.app.clone(),
            path: path.to_owned(),
            project: new.project,
            existed: new.bytes.is_some(),
            sha256: sha256(bytes),
            bytes: bytes.len(),
            mode: format!("{:04o}", new.mode & 0o777),
            operation: new.operation,
            batch: new.batch.unwrap_or_else(|| time.clone()),
            time,
            time_ms,
            servers: new.servers,
            imported: new.imported,
            result_sha256: new.result.map(sha256),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let beside = meta_of(&file);
        let written = disk::replace_atomically(&file, bytes, 0o600)
            .and_then(|()| disk::replace_atomically(&beside, meta.render().as_bytes(), 0o600));
        if let Err(error) = written {
            // Half a backup is only in the way.
            let _left = files::remove(&beside);
            let _left = files::remove(&file);
            return Err(error.to_string());
        }
        Ok(Backup { meta, file })
    }

    fn create_dir(&self) -> io::Result<()> {
        if self.dir.is_dir() {
            return Ok(());
        }
        // Secrets are in the files.
        files::make_directories(&self.dir)?;
        let made = self.dir.ancestors().take(2);
        for made in made.filter_map(|path| File::open(path).ok()) {
            // Kept or not: it is only tidier.
            let _kept = disk::give_to_owner(&made, &self.config_dir);
        }
        Ok(())
    }

    /// The first name from this time on that nothing has. Colons have a meaning of their own on
    /// some file systems.
    fn free_name(&self, mut time_ms: u64) -> (u64, PathBuf) {
        loop {
            let name = format!("{}.json", rfc3339(time_ms).replace(':', "-"));
            let file = self.dir.join(name);
            if fs::symlink_metadata(&file).is_err() && fs::symlink_metadata(meta_of(&file)).is_err()
            {
                return (time_ms, file);
            }
            time_ms = time_ms.saturating_add(1);
        }
    }

    /// All backups. The error is a sentence without its end.
    pub(crate) fn list(&self) -> Result<Found, String> {
        let failed = |error: io::Error| {
            let why = format!("reading {}: {}", self.dir.display(), reason(&error));
            format!("{why}; try again when that is solved")
        };
        let mut found = Found::default();
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        for name in names.iter().rev() {
            let path = self.dir.join(name);
            if let Some(stem) = name.strip_suffix(".meta.json") {
                if names.binary_search(&format!("{stem}.json")).is_err() {
                    found.broken.push((path, "the bytes are gone".to_owned()));
                }
            } else if name.ends_with(".json") && !name.starts_with('.') {
                match load(&path) {
                    Ok(backup) => {
                        let newer = |other: &Backup| other.meta.time_ms >= backup.meta.time_ms;
                        let at = found.backups.partition_point(newer);
                        found.backups.insert(at, backup);
                    }
                    Err(NotLoaded::Broken(why)) => found.broken.push((path, why)),
                    Err(NotLoaded::Unreadable(why)) => return Err(why),
                }
            }
        }
        Ok(found)
    }

    /// Removes both files of a backup, the promise first.
    pub(crate) fn remove(&self, backup: &Backup) -> Result<(), String> {
        let _lock = Lock::acquire(&self.dir.join("backups"), LOCK_WAIT)
            .map_err(|error| error.to_string())?;
        let removed =
            files::remove(&meta_of(&backup.file)).and_then(|()| files::remove(&backup.file));
        removed.map_err(|error| format!("removing {}: {}", backup.file.display(), reason(&error)))
    }
}

impl Backup {
    /// How it is named in lists, and how `--backup` takes it.
    pub(crate) fn name(&self) -> String {
        let name = self.file.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The bytes, if they are still those that were kept; else what is wrong with them.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, String> {
        let bytes = disk::read_bounded(&self.file, CONFIG_BYTES_MAX)
            .map_err(|error| reason(&error))?
            .ok_or_else(|| "the bytes are gone".to_owned())?;
        if sha256(&bytes) == self.meta.sha256 {
            Ok(bytes)
        } else {
            Err("it was changed since: its hash is not the one that was kept".to_owned())
        }
    }
}

/// Why there is no backup; a part of a sentence.
#[derive(Debug)]
pub(crate) enum NotLoaded {
    /// It is none, or only half of one.
    Broken(String),
    /// It may be a good one, but cannot be read now.
    Unreadable(String),
}

/// Reads a backup by the path of its bytes.
pub(crate) fn load(file: &Path) -> Result<Backup, NotLoaded> {
    let beside = meta_of(file);
    let bytes = disk::read_bounded(&beside, CONFIG_BYTES_MAX).map_err(|error| {
        let why = format!("reading {}: {}", beside.display(), reason(&error));
        // What never was one must not hide all others.
        if !fs::symlink_metadata(&beside).is_ok_and(|found| found.is_file()) {
            return NotLoaded::Broken(why);
        }
        NotLoaded::Unreadable(format!("{why}; try again when that is solved"))
    })?;
    let Some(bytes) = bytes else {
        let why = "incomplete: there is no .meta.json beside it";
        return Err(NotLoaded::Broken(why.to_owned()));
    };
    let meta = Meta::read(&bytes)
        .map_err(|why| NotLoaded::Broken(format!("{}: {why}", beside.display())))?;
    Ok(Backup {
        meta,
        file: file.to_path_buf(),
    })
}

/// Applications that have a directory here, by name.
pub(crate) fn apps(config_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(config_dir.join("backups"));
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        // What was kept of mcp.json itself.
        .filter(|name| !["mcp", "presets"].contains(&name.as_str()) && !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// `TIME.json` -> `TIME.meta.json`.
fn meta_of(file: &Path) -> PathBuf {
    file.with_extension("meta.json")
}
