//! A directory of secrets, 0700, one file of JSON for each record, 0600: `auth` beside mcp.json,
//! and `sessions` in the state directory.
//!
//! Read, locked and written here, blocking: by commands, and by the helper threads of `vault`.
//!
//! Whoever else may read or write a file is shut out before it is used, and told of in a note. What
//! is a symbolic link, or belongs to another user, is refused: somebody else put it there, or would
//! read what comes into it. Knows nothing of what is in the records.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use onemcp::limits::{RECORD_BYTES_MAX, RECORDS_MAX};

use crate::shell::disk::{DiskError, Lock, files, read_bounded, reason, replace_atomically};
use crate::shell::sys;

/// The directory of one configuration. It is made when the first record is locked.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    directory: PathBuf,
}

/// What was found of a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its content, if there is one.
    pub(crate) bytes: Option<Vec<u8>>,
    /// What is worth a line of the log.
    pub(crate) notes: Vec<String>,
}

/// A record that nobody else writes as long as this is there.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    _lock: Lock,
}

impl Secrets {
    /// Names the directory of a configuration; touches nothing.
    pub(crate) fn beside(config_dir: &Path) -> Self {
        let directory = config_dir.join("auth");
        Self { directory }
    }

    /// The directory of sessions in the state directory.
    pub(crate) fn of_sessions(state_dir: &Path) -> Self {
        let directory = state_dir.join("sessions");
        Self { directory }
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a record is, or would be.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Locks a record against every other process, and reads it. Waits at most so long. The error
    /// is one sentence that names the file and says what to do.
    pub(crate) fn lock(&self, name: &str, wait: Duration) -> Result<(Held, Found), String> {
        if !is_name(name) {
            return Err(format!("{name:?} cannot be the name of a record"));
        }
        let directory = self.directory.display();
        files::make_directories(&self.directory).map_err(|error| {
            let why = reason(&error);
            format!(
                "{directory} cannot be made: {why}; secrets are kept there, so make it writable"
            )
        })?;
        let mut notes = self.check_directory()?;
        let path = self.path(name);
        check_record(&path, &mut notes)?;
        let lock = Lock::acquire(&path, wait).map_err(|error| error.to_string())?;
        let bytes = read(&path, &mut notes)?;
        let held = Held { path, _lock: lock };
        Ok((held, Found { bytes, notes }))
    }

    /// Reads a record as it is now, without a lock: it is only ever replaced as a whole.
    pub(crate) fn read(&self, name: &str) -> Result<Found, String> {
        let mut notes = match stat(&self.directory)? {
            None => return Ok(Found::default()),
            Some(_) => self.check_directory()?,
        };
        let bytes = read(&self.path(name), &mut notes)?;
        Ok(Found { bytes, notes })
    }

    /// The names of all records, in order; `false` if there are more than are read.
    pub(crate) fn names(&self) -> Result<(Vec<String>, bool), String> {
        if stat(&self.directory)?.is_none() {
            return Ok((Vec::new(), true));
        }
        let paths = files::list(&self.directory).map_err(|error| {
            let why = reason(&error);
            format!("{} cannot be listed: {why}", self.directory.display())
        })?;
        let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
        let names = paths.into_iter().filter_map(name);
        let mut names: Vec<String> = names
            .filter(|name| is_name(name) && name.ends_with(".json"))
            .collect();
        names.sort();
        let all = names.len() <= RECORDS_MAX;
        names.truncate(RECORDS_MAX);
        Ok((names, all))
    }

    /// Nobody but us may look into the directory.
    fn check_directory(&self) -> Result<Vec<String>, String> {
        let shown = self.directory.display();
        let Some(found) = stat(&self.directory)? else {
            return Err(format!("{shown} is gone; try again"));
        };
        if found.is_symlink() {
            return Err(format!(
                "{shown} is a symbolic link; secrets are kept in a directory of their own only: \
                 put the directory itself in its place"
            ));
        }
        if !found.is_dir() {
            return Err(format!("{shown} is no directory: move it away"));
        }
        let mut notes = Vec::new();
        shut(&self.directory, &found, 0o700, &mut notes)?;
        Ok(notes)
    }
}

impl Held {
    /// Replaces the record as a whole, and lets go of it. After an error the old content is whole;
    /// else there may be something to be said.
    pub(crate) fn store(self, bytes: &[u8]) -> Result<Option<String>, String> {
        if bytes.len() > RECORD_BYTES_MAX {
            let shown = self.path.display();
            return Err(format!(
                "{shown} would be longer than {RECORD_BYTES_MAX} bytes"
            ));
        }
        match replace_atomically(&self.path, bytes, 0o600) {
            Ok(()) => Ok(None),
            Err(error @ DiskError::NotDurable { .. }) => Ok(Some(error.to_string())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// `[a-z0-9.-]+`, not beginning with a dot: a record can never lie outside the directory.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(fits)
}

fn stat(path: &Path) -> Result<Option<Metadata>, String> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        // A file in the place of one of its parents, or a name that no file can have, as the
        // demo's: there can be no record.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(format!(
            "{} cannot be used: {}",
            path.display(),
            reason(&error)
        )),
    }
}

fn check_record(path: &Path, notes: &mut Vec<String>) -> Result<(), String> {
    let Some(found) = stat(path)? else {
        return Ok(());
    };
    let shown = path.display();
    if found.is_symlink() {
        return Err(format!(
            "{shown} is a symbolic link; a secret is kept in a file of its own only: put the file \
             itself in its place"
        ));
    }
    if !found.is_file() {
        return Err(format!("{shown} is no file: move it away"));
    }
    shut(path, &found, 0o600, notes)
}

fn read(path: &Path, notes: &mut Vec<String>) -> Result<Option<Vec<u8>>, String> {
    check_record(path, notes)?;
    read_bounded(path, RECORD_BYTES_MAX)
        .map_err(|error| format!("{} cannot be read: {}", path.display(), reason(&error)))
}

/// Shuts others out. Refusing, as ssh does, would leave the owner outside after a restore from a
/// backup, or where a volume is mounted for a group; what they may have read meanwhile he is told.
fn shut(path: &Path, found: &Metadata, mode: u32, notes: &mut Vec<String>) -> Result<(), String> {
    let (user, shown) = (sys::effective_user(), path.display());
    let is_ours = found.uid() == user;
    // What root wrote may be a mounted secret; as root we do what a user asked for by `sudo`.
    if !is_ours && found.uid() != 0 && user != 0 {
        return Err(format!(
            "{shown} belongs to another user: remove it, or run as that user"
        ));
    }
    let open = found.mode() & 0o077;
    if open == 0 {
        return Ok(());
    }
    let opened = found.mode() & 0o777;
    let shut = File::open(path).and_then(|file| {
        let permissions = Permissions::from_mode(found.mode() & 0o700);
        file.set_permissions(permissions)
    });
    match shut {
        Ok(()) => {
            notes.push(format!(
                "{shown} was open to others (mode {opened:o}) and is not any more; if somebody \
                 else could get at it, make new secrets"
            ));
            Ok(())
        }
        // A read-only mount, say.
        Err(_) if open & 0o022 == 0 => {
            notes.push(format!(
                "{shown} is open to others (mode {opened:o}): chmod {mode:o} it"
            ));
            Ok(())
        }
        Err(error) => Err(format!(
            "others may write to {shown} (mode {opened:o}), and that cannot be changed: {}; chmod \
             {mode:o} {shown}",
            reason(&error)
        )),
    }
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
