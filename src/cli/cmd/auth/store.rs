//! The record of the authorization server, read and changed by a command: under its lock, as a
//! whole or not at all.

use std::time::Duration;

use onemcp::entropy::Entropy;
use onemcp::limits::RECORD_LOCK_COMMAND_MS_MAX;
use onemcp::oauth::server::RECORD;
use onemcp::oauth::server::record::Record;

use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::places::Places;
use crate::shell;
use crate::shell::secrets::{Found, Held, Secrets};

/// Where it is.
pub(super) fn file(places: &Places) -> String {
    let secrets = Secrets::beside(&places.config_dir);
    secrets.path(RECORD).display().to_string()
}

/// What it says now.
pub(super) fn look(places: &Places) -> Result<Record, Failure> {
    let found = Secrets::beside(&places.config_dir).read(RECORD);
    read(places, &found.map_err(Failure::Failed)?)
}

/// The same for completions, which say nothing of what goes wrong.
pub(super) fn glance(places: &Places) -> Record {
    let found = Secrets::beside(&places.config_dir).read(RECORD);
    let bytes = found.ok().and_then(|found| found.bytes);
    Record::read(bytes.as_deref()).unwrap_or_default()
}

/// The record as long as nobody else can change it.
pub(super) struct Opened {
    held: Held,
    pub(super) record: Record,
}

impl Opened {
    /// Locks and reads it.
    pub(super) fn lock(places: &Places) -> Result<Self, Failure> {
        let wait = Duration::from_millis(RECORD_LOCK_COMMAND_MS_MAX);
        let locked = Secrets::beside(&places.config_dir).lock(RECORD, wait);
        let (held, found) = locked.map_err(Failure::Failed)?;
        let record = read(places, &found)?;
        Ok(Self { held, record })
    }

    /// Writes what was changed.
    pub(super) fn save(self) -> Result<(), Failure> {
        let stored = self.held.store(&self.record.write());
        if let Some(note) = stored.map_err(Failure::Failed)? {
            out::note(&note);
        }
        Ok(())
    }
}

/// Random bytes of the system.
pub(super) fn entropy() -> Result<Entropy, Failure> {
    let seed = shell::seed().map_err(Failure::Failed)?;
    Ok(Entropy::new(&seed))
}

fn read(places: &Places, found: &Found) -> Result<Record, Failure> {
    for note in &found.notes {
        out::note(note);
    }
    Record::read(found.bytes.as_deref())
        .map_err(|why| Failure::Failed(format!("{}: {why}", file(places))))
}
