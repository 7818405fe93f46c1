//! Other processes: found by a mark in their environment, signalled by their number.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Sends a signal. The shell's own `kill`: a program of that name is not everywhere.
pub(crate) fn signal(pid: u32, name: &str) {
    let line = format!("kill -{name} {pid} 2>/dev/null");
    let _gone = Command::new("sh").args(["-c", &line]).status();
}

/// Command lines of the living processes that have this text in their environment.
pub(crate) fn marked(mark: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Any of these may fail: it ended while we looked.
        let file = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let environment = file("environ");
        let here = environment
            .windows(mark.len())
            .any(|part| part == mark.as_bytes());
        let state = file("stat");
        let dead = String::from_utf8_lossy(&state).contains(") Z ");
        if here && !dead {
            let words = String::from_utf8_lossy(&file("cmdline")).replace('\0', " ");
            found.push((pid, words));
        }
    }
    found
}

/// Waits until no process has this mark. The end of a process that is not ours is no event for us,
/// so this looks again and again.
#[track_caller]
pub(crate) fn wait_for_none(mark: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let left = marked(mark);
        if left.is_empty() {
            return;
        }
        if Instant::now() > end {
            left.iter().for_each(|(pid, _)| signal(*pid, "KILL"));
            panic!("left behind: {left:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Ticks (hundredths of a second) of processor time that a process has used.
pub(crate) fn processor_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ');
    // utime and stime are the fields 14 and 15; the state, which comes first here, is the third.
    fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum()
}

/// Waits until a process has stopped itself.
#[track_caller]
pub(crate) fn until_stopped(pid: u32) {
    let end = Instant::now() + PATIENCE;
    loop {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if state.contains(") T ") {
            return;
        }
        assert!(Instant::now() < end, "it goes on: {state}");
        thread::sleep(Duration::from_millis(5));
    }
}
