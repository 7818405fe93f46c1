//! Lines that another process writes, collected by a thread and waited for by tests.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use super::PATIENCE;

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

/// All lines so far.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<(Mutex<State>, Condvar)>);

impl Lines {
    /// Collects until the end.
    pub(crate) fn of(reader: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let ours = lines.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                ours.lock().lines.push(text);
                ours.0.1.notify_all();
                line.clear();
            }
            ours.lock().ended = true;
            ours.0.1.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    /// Waits for the first line of which `wanted` makes something.
    #[track_caller]
    pub(crate) fn find<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut state = self.lock();
        let mut at = 0;
        loop {
            while let Some(line) = state.lines.get(at) {
                at += 1;
                if let Some(found) = wanted(line) {
                    return found;
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !state.ended && !left.is_zero(),
                "{what} never came:\n{}",
                state.lines.join("\n")
            );
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for a line that contains this text.
    #[track_caller]
    pub(crate) fn containing(&self, text: &str) -> String {
        self.find(text, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// All lines by now, as one text.
    pub(crate) fn text(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// Waits for the end; all lines.
    #[track_caller]
    pub(crate) fn to_end(&self) -> Vec<String> {
        let state = self.lock();
        let (state, waited) = self
            .0
            .1
            .wait_timeout_while(state, PATIENCE, |state| !state.ended)
            .unwrap();
        let lines = state.lines.clone();
        assert!(!waited.timed_out(), "no end:\n{}", lines.join("\n"));
        lines
    }
}
