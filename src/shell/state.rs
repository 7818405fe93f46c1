//! The state directory: small records that may be deleted at any time. Read at once when asked;
//! written by a helper thread, since fsync may take seconds, in the order they were asked for.
//!
//! A record that cannot be read or written costs what it would have kept, and one debug line.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use onemcp::limits::{STATE_BYTES_MAX, STATE_WRITES_MAX};

use crate::shell::disk::{read_bounded, reason, replace_atomically};

/// The directory and the writes that wait for it.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    work: Mutex<Work>,
    idle: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    queue: VecDeque<(String, Vec<u8>)>,
    /// A helper thread runs. It ends when the queue is empty, so an idle process has none.
    running: bool,
    complaints: Vec<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        // A panic of the helper cannot leave a queue of whole records half changed.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateDir {
    /// Names the directory; it is created by the first write.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            shared: Arc::default(),
        }
    }

    /// Reads a record; `None` if there is none, or it cannot be read. A record that is still on
    /// its way to the disk is answered from the queue.
    pub(crate) fn load(&self, name: &str) -> Option<Vec<u8>> {
        if !is_name(name) {
            return None;
        }
        let waiting = {
            let work = self.shared.lock();
            let newest = work.queue.iter().rev().find(|(queued, _)| queued == name);
            newest.map(|(_, bytes)| bytes.clone())
        };
        waiting.or_else(|| {
            read_bounded(&self.path.join(name), STATE_BYTES_MAX)
                .ok()
                .flatten()
        })
    }

    /// Writes a record, later. A newer version of a record takes the place of one that waits.
    pub(crate) fn store(&self, name: String, bytes: Vec<u8>) {
        if !is_name(&name) || bytes.len() > STATE_BYTES_MAX {
            return;
        }
        let mut work = self.shared.lock();
        if let Some((_, waiting)) = work.queue.iter_mut().find(|(queued, _)| *queued == name) {
            *waiting = bytes;
            return;
        }
        if work.queue.len() >= STATE_WRITES_MAX {
            work.complain(format!("state record {name} dropped: the disk is too slow"));
            return;
        }
        work.queue.push_back((name, bytes));
        if !work.running {
            let (shared, path) = (Arc::clone(&self.shared), self.path.clone());
            let helper = thread::Builder::new().name("1mcp state".to_owned());
            match helper.spawn(move || write_all(&shared, &path)) {
                Ok(_detached) => work.running = true,
                Err(error) => {
                    work.queue.clear();
                    work.complain(format!("state not written: {}", reason(&error)));
                }
            }
        }
    }

    /// What went wrong since the last call, for the log.
    pub(crate) fn complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().complaints)
    }

    /// Waits until everything is written, at most `wait`: before the process ends.
    pub(crate) fn finish(&self, wait: Duration) {
        let work = self.shared.lock();
        let _done = self
            .shared
            .idle
            .wait_timeout_while(work, wait, |work| work.running)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

impl Work {
    fn complain(&mut self, text: String) {
        // Nobody reads these but a debugging operator; the first few tell the story.
        if self.complaints.len() < 8 {
            self.complaints.push(text);
        }
    }
}

/// The helper thread: writes until nothing waits.
fn write_all(shared: &Shared, dir: &Path) {
    let mut failed = None;
    loop {
        let mut work = shared.lock();
        if let Some((name, error)) = failed.take() {
            work.complain(format!("state record {name} not written: {error}"));
        }
        // The record stays in front while it is written, so that a load still finds it.
        let Some((name, bytes)) = work.queue.front().cloned() else {
            work.running = false;
            shared.idle.notify_all();
            return;
        };
        drop(work);
        if let Err(error) = write_one(dir, &name, &bytes) {
            failed = Some((name.clone(), error));
        }
        let mut work = shared.lock();
        if work
            .queue
            .front()
            .is_some_and(|(queued, now)| *queued == name && *now == bytes)
        {
            work.queue.pop_front();
        }
    }
}

fn write_one(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    create_private(dir).map_err(|error| format!("{}: {}", dir.display(), reason(&error)))?;
    replace_atomically(&dir.join(name), bytes, 0o600).map_err(|error| error.to_string())
}

/// Creates a directory that only its owner may enter, and what is missing above it.
fn create_private(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// `[a-z0-9.-]+`, not beginning with a dot: a record can never lie outside the directory.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::disk::tests::TempDir;
    use std::os::unix::fs::MetadataExt;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_was_stored_is_loaded_again_and_only_the_owner_can_read_it() {
        let dir = TempDir::new();
        let path = dir.path().join("a/state");
        let state = StateDir::new(path.clone());
        assert_eq!(state.load("catalog-1.json"), None);
        for text in ["one", "two", "three"] {
            state.store("catalog-1.json".to_owned(), text.into());
            assert_eq!(state.load("catalog-1.json").unwrap(), text.as_bytes());
        }
        state.finish(LONG);
        assert_eq!(state.complaints(), [""; 0]);
        let again = StateDir::new(path.clone());
        assert_eq!(again.load("catalog-1.json").unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let file = fs::metadata(path.join("catalog-1.json")).unwrap();
        assert_eq!(file.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_name_that_leaves_the_directory_is_neither_read_nor_written() {
        let dir = TempDir::new();
        let state = StateDir::new(dir.path().join("state"));
        fs::write(dir.path().join("secret"), "x").unwrap();
        for name in ["../secret", "/etc/passwd", "", ".hidden", "A", "a/b"] {
            assert_eq!(state.load(name), None);
            state.store(name.to_owned(), b"y".to_vec());
        }
        state.finish(LONG);
        assert!(!dir.path().join("state").exists());
    }

    #[test]
    fn a_place_that_cannot_be_written_costs_one_complaint() {
        let dir = TempDir::new();
        fs::write(dir.path().join("file"), "").unwrap();
        let state = StateDir::new(dir.path().join("file/state"));
        state.store("a".to_owned(), b"x".to_vec());
        state.finish(LONG);
        let complaints = state.complaints();
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("state record a not written: "));
        assert_eq!(state.load("a"), None);
    }

    #[test]
    fn state_writes_max_and_state_bytes_max_drop_what_is_too_much() {
        let dir = TempDir::new();
        let state = StateDir::new(dir.path().join("state"));
        // The helper is kept from running, so that the queue fills.
        state.shared.lock().running = true;
        for n in 0..=STATE_WRITES_MAX {
            state.store(format!("r{n}"), Vec::new());
        }
        state.store("big".to_owned(), vec![0; STATE_BYTES_MAX + 1]);
        assert_eq!(state.shared.lock().queue.len(), STATE_WRITES_MAX);
        assert!(state.complaints()[0].contains(&format!("r{STATE_WRITES_MAX} dropped")));
    }
}
