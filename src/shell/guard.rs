//! The guard: a process of ours that outlives us. It holds a socket and a table of process groups,
//! and stops all of them when the socket ends, so that `kill -9` of the gateway leaves no child and
//! no grandchild (npx, sh) behind.
//!
//! What it is told, one line each: `?GROUP` a group begins (written by the child itself, before it
//! becomes its program, so that no moment is left in which it lives unknown), `+GROUP` it became
//! its program, `!` it did not, `-GROUP` a group is gone. It is no pipe but a socket, so that a
//! write after the guard's end is an error and not a SIGPIPE in a child.

use std::io::{self, BufRead};
use std::thread;
use std::time::{Duration, Instant};

use onemcp::limits::{GUARD_GROUPS_MAX, GUARD_KILL_AFTER_MS};

use crate::shell::sys;

/// How often the guard looks whether all groups are gone, once it stops them.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The whole life of the guard process (`1mcp __guard`). Its stdin is the socket.
#[must_use]
pub(crate) fn main() -> u8 {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        let _ignored = sys::ignore_signal(signal);
    }
    sys::clear_signal_mask();
    // Whatever else was open must not be kept open by us.
    sys::close_from(3);
    let _root = std::env::set_current_dir("/");
    let mut groups = Groups::default();
    groups.read(io::stdin().lock());
    groups.stop();
    0
}

/// The process groups that live.
#[derive(Debug, Default)]
struct Groups {
    alive: Vec<u32>,
    /// Announced, and neither confirmed nor taken back yet. Never more than one.
    beginning: Option<u32>,
}

impl Groups {
    /// Follows what is told until the end.
    fn read(&mut self, told: impl BufRead) {
        // A line that cannot be read is the end as well.
        for line in told.lines().map_while(Result::ok) {
            self.hear(&line);
        }
    }

    fn hear(&mut self, line: &str) {
        let (mark, rest) = line.split_at_checked(1).unwrap_or_default();
        match (mark, rest.parse()) {
            ("?", Ok(group)) => self.beginning = Some(group),
            ("!", Err(_)) => self.beginning = None,
            ("+", Ok(group)) => {
                self.beginning = None;
                if self.alive.len() < GUARD_GROUPS_MAX {
                    self.alive.push(group);
                }
            }
            ("-", Ok(group)) => self.alive.retain(|known| *known != group),
            // A line that nobody writes.
            _ => {}
        }
    }

    /// SIGTERM to every group, then SIGKILL to what still lives.
    fn stop(&mut self) {
        self.alive.extend(self.beginning.take());
        self.signal_all(libc::SIGTERM);
        let begun = Instant::now();
        while !self.alive.is_empty() && begun.elapsed().as_millis() < GUARD_KILL_AFTER_MS.into() {
            thread::sleep(LOOK_EVERY);
            self.alive.retain(|group| sys::group_exists(*group));
        }
        self.signal_all(libc::SIGKILL);
    }

    fn signal_all(&mut self, signal: i32) {
        self.alive
            .retain(|group| sys::kill_group(*group, signal).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    #[test]
    fn the_table_follows_what_is_told_and_forgives_nonsense() {
        let mut groups = Groups::default();
        let told = "?10\n+10\n+20\n-10\n?30\n!\n!\n\nx\n+\n-\n+-1\n+99999999999\n-77\né\n";
        groups.read(told.as_bytes());
        assert_eq!(
            (groups.alive.as_slice(), groups.beginning),
            (&[20][..], None)
        );
        groups.hear("?40");
        assert_eq!(groups.beginning, Some(40));
    }

    #[test]
    fn guard_groups_max_bounds_the_table() {
        let mut groups = Groups::default();
        for group in 0..=GUARD_GROUPS_MAX {
            groups.hear(&format!("+{group}"));
        }
        assert_eq!(groups.alive.len(), GUARD_GROUPS_MAX);
    }

    fn stubborn() -> Child {
        let child = Command::new("sh")
            .args(["-c", "trap '' TERM; echo; sleep 1000 & wait; sleep 1000"])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        // The first line says that the trap is set.
        let mut line = String::new();
        let mut out = io::BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        child
    }

    #[test]
    fn a_group_that_ignores_sigterm_is_killed_with_its_grandchildren() {
        let mut child = stubborn();
        let group = child.id();
        let mut groups = Groups {
            alive: Vec::new(),
            beginning: Some(group),
        };
        groups.stop();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        // The grandchild got the same signal; it is gone as soon as somebody waited for it.
        while sys::group_exists(group) && !only_zombies(group) {
            thread::yield_now();
        }
    }

    fn only_zombies(group: u32) -> bool {
        let stats = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
        stats
            .filter_map(|stat| {
                let mut words = stat.rsplit_once(") ")?.1.split(' ');
                let state = words.next()?.to_owned();
                (words.nth(1)? == group.to_string()).then_some(state)
            })
            .all(|state| state == "Z")
    }
}
