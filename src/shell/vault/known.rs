//! What the core was told of each record, and what has become of it since: our own writes are known
//! by their hash and cause nothing, what others write is told.
//!
//! A record that we are writing ourselves is not looked at until that is done.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mio::Registry;
use onemcp::base::digest::sha256;
use onemcp::effect::Level;
use onemcp::input::Input;
use onemcp::limits::RECORDS_MAX;
use onemcp::now::Tick;

use super::{Order, Vault};
use crate::shell::watch::Watch;

/// One record as the core knows it.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// SHA-256 of its content; `None`: it is not there.
    hash: Option<[u8; 32]>,
    /// What the file looked like when it was read last.
    look: Option<[u64; 4]>,
    /// Why it cannot be read: told once.
    trouble: Option<String>,
}

impl Vault {
    /// Begins to watch, and tells every record that there is.
    pub(crate) fn open(&mut self, registry: &Registry, now: Tick) {
        let directory = self.secrets.directory().to_path_buf();
        // Watched first and read afterwards, so that no change falls between.
        self.watch = Some(Watch::of_directory(directory, registry, self.token, now));
        self.survey(now);
    }

    /// Looks again if something has happened and is at rest.
    pub(super) fn watch(&mut self, now: Tick) {
        let event = std::mem::take(&mut self.watch_event);
        let mut changed = std::mem::take(&mut self.look);
        if let Some(watch) = &mut self.watch {
            if event {
                watch.on_event(now);
            }
            changed |= watch.poll(now);
        }
        if changed {
            self.survey(now);
        }
    }

    /// Reads every record that looks other than before, and tells those whose content is new.
    fn survey(&mut self, now: Tick) {
        let names = match self.secrets.names() {
            Ok((names, all)) => {
                if !all {
                    let line = format!(
                        "{} has more than {RECORDS_MAX} records; further ones are not read",
                        self.secrets.directory().display()
                    );
                    self.notes.push((Level::Warn, line));
                }
                names
            }
            // A directory that cannot be read for a moment has not lost its records.
            Err(why) => return self.complain(&why),
        };
        let known = self.known.keys().filter(|name| !names.contains(name));
        let gone: Vec<String> = known.cloned().collect();
        for name in gone.iter().chain(&names) {
            if !self.is_written(name) {
                self.examine(name);
            }
        }
        let files = names.iter().map(|name| self.secrets.path(name)).collect();
        if let Some(watch) = &mut self.watch {
            watch.watch_files(files, now);
        }
    }

    /// Whether we are writing it at this moment.
    fn is_written(&self, name: &str) -> bool {
        let writes = |order: &Order| matches!(order, Order::Storing(one, _) if one == name);
        self.orders.values().any(writes)
    }

    fn examine(&mut self, name: &str) {
        let now = look(&self.secrets.path(name));
        let known = self.known.entry(name.to_owned()).or_default();
        if known.look == now && now.is_some() {
            return;
        }
        match self.secrets.read(name) {
            Ok(found) => {
                known.look = now;
                known.trouble = None;
                self.warn(found.notes);
                self.compare(name, found.bytes.as_deref());
            }
            Err(why) => {
                known.look = None;
                if known.trouble.as_ref() != Some(&why) {
                    let line = format!("{why}; what it said last stays in force");
                    known.trouble = Some(why);
                    self.notes.push((self.grave, line));
                }
            }
        }
        if self.known.get(name).is_some_and(Known::is_nothing) {
            self.known.remove(name);
        }
    }

    /// The record says this. It is told, unless the core knows it.
    pub(super) fn compare(&mut self, name: &str, bytes: Option<&[u8]>) {
        let hash = bytes.map(|bytes| sha256(&[bytes]));
        let known = self.known.get(name).and_then(|known| known.hash.as_ref());
        if known == hash.as_ref() {
            return;
        }
        self.known.entry(name.to_owned()).or_default().hash = hash;
        self.told.push_back(Input::Record {
            name: name.to_owned(),
            bytes: bytes.map(<[u8]>::to_vec),
        });
    }

    /// We wrote this ourselves.
    pub(super) fn wrote(&mut self, name: &str, bytes: &[u8]) {
        let known = self.known.entry(name.to_owned()).or_default();
        known.hash = Some(sha256(&[bytes]));
    }
}

impl Known {
    fn is_nothing(&self) -> bool {
        self.hash.is_none() && self.look.is_none() && self.trouble.is_none()
    }
}

/// What tells one version of a file from another without reading it. The time of the last change
/// of anything at all is among it, so a file that was written twice within a tick of the clock and
/// kept its length has another number.
fn look(path: &Path) -> Option<[u64; 4]> {
    let found = std::fs::symlink_metadata(path).ok()?;
    let time = found
        .ctime()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(found.ctime_nsec());
    Some([
        found.ino(),
        found.size(),
        u64::from(found.mode()),
        time.cast_unsigned(),
    ])
}
