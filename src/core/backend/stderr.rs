//! What a child writes to stderr: one log line per line, not too many, and the last ones kept for
//! `mcp status`. Never an error by itself (protocol F14).

use std::collections::VecDeque;

use crate::backend::words::plain;
use crate::base::mark::Mark;
use crate::cx::Cx;
use crate::effect::Level;
use crate::limits::{
    STDERR_KEPT_BYTES_MAX, STDERR_LINE_BYTES_MAX, STDERR_LINES_KEPT_MAX, STDERR_LINES_PER_10S_MAX,
};
use crate::now::Tick;

const WINDOW_MS: u64 = 10_000;

/// The stderr of one server, over all its runs.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    /// The line that has not ended yet; what is beyond the limit is dropped.
    line: Vec<u8>,
    kept: VecDeque<String>,
    kept_bytes: usize,
    /// Whether the present run has written a line.
    spoke: bool,
    /// Since when lines are counted.
    window: Tick,
    logged: u64,
    left_out: u64,
}

impl Stderr {
    /// Takes bytes as they came.
    pub(super) fn push(&mut self, cx: &mut Cx<'_>, name: &str, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = pieces.next() {
            self.append(first);
        }
        for piece in pieces {
            self.end_line(cx, name);
            self.append(piece);
        }
    }

    fn append(&mut self, piece: &[u8]) {
        // One byte beyond the limit stays, so that `plain` sees that the line is cut.
        let room = (STDERR_LINE_BYTES_MAX + 1).saturating_sub(self.line.len());
        let taken = piece.len().min(room);
        self.line
            .extend_from_slice(piece.get(..taken).unwrap_or_default());
    }

    fn end_line(&mut self, cx: &mut Cx<'_>, name: &str) {
        let text = plain(self.line.trim_ascii_end(), STDERR_LINE_BYTES_MAX);
        self.line.clear();
        if text.is_empty() {
            return;
        }
        if cx.now.tick.since(self.window) >= WINDOW_MS {
            self.summarise(cx, name);
            self.window = cx.now.tick;
            self.logged = 0;
        }
        if self.logged < STDERR_LINES_PER_10S_MAX {
            self.logged += 1;
            cx.log(Level::Info, || format!("[{name}] {text}"));
        } else {
            Mark::StderrFlood.hit();
            self.left_out += 1;
        }
        self.keep(text);
    }

    fn keep(&mut self, text: String) {
        self.spoke = true;
        self.kept_bytes += text.len();
        self.kept.push_back(text);
        while self.kept.len() > STDERR_LINES_KEPT_MAX || self.kept_bytes > STDERR_KEPT_BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else {
                return;
            };
            Mark::StderrForgotten.hit();
            self.kept_bytes -= oldest.len();
        }
    }

    fn summarise(&mut self, cx: &mut Cx<'_>, name: &str) {
        let count = std::mem::take(&mut self.left_out);
        if count > 0 {
            cx.log(Level::Info, || {
                format!("[{name}] ({count} more lines left out)")
            });
        }
    }

    /// The child has ended: an unfinished line counts as one. What comes now is a new run's.
    pub(super) fn end_run(&mut self, cx: &mut Cx<'_>, name: &str) -> Option<&str> {
        self.end_line(cx, name);
        self.summarise(cx, name);
        let spoke = std::mem::take(&mut self.spoke);
        self.kept.back().filter(|_| spoke).map(String::as_str)
    }

    /// The kept lines, oldest first.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.kept.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::testkit::World;

    fn logged(world: &mut World, stderr: &mut Stderr, bytes: &[u8]) -> Vec<String> {
        stderr.push(&mut world.cx(), "files", bytes);
        world.log_lines()
    }

    #[test]
    fn f14_lines_are_logged_with_the_servers_name_split_anywhere() {
        let text = b"one\r\n\n\x1b[31mtwo\n";
        for at in 0..text.len() {
            let (mut world, mut stderr) = (World::default(), Stderr::default());
            let mut lines = logged(&mut world, &mut stderr, &text[..at]);
            lines.extend(logged(&mut world, &mut stderr, &text[at..]));
            assert_eq!(lines, ["[files] one", "[files] \\u{1b}[31mtwo"]);
        }
    }

    #[test]
    fn a_line_without_end_is_cut_and_holds_no_more_memory_than_that() {
        let (mut world, mut stderr) = (World::default(), Stderr::default());
        for _ in 0..100 {
            stderr.push(&mut world.cx(), "a", &[b'x'; 10_000]);
        }
        assert_eq!(stderr.line.len(), STDERR_LINE_BYTES_MAX + 1);
        stderr.push(&mut world.cx(), "a", b"\nnext\n");
        let kept: Vec<&str> = stderr.lines().collect();
        assert!(kept[0].len() <= STDERR_LINE_BYTES_MAX && kept[0].ends_with("..."));
        assert_eq!(kept[1], "next");
    }

    #[test]
    fn a_flood_is_logged_up_to_the_limit_and_then_counted_in_one_line() {
        let (mut world, mut stderr) = (World::default(), Stderr::default());
        let flood = "spam\n".repeat(500);
        let first = logged(&mut world, &mut stderr, flood.as_bytes());
        assert_eq!(first.len() as u64, STDERR_LINES_PER_10S_MAX);
        world.pass(WINDOW_MS);
        let later = logged(&mut world, &mut stderr, b"calm\n");
        assert_eq!(later, ["[files] (400 more lines left out)", "[files] calm"]);
    }

    #[test]
    fn the_ring_is_bounded_in_lines_and_in_bytes() {
        let (mut world, mut stderr) = (World::default(), Stderr::default());
        stderr.push(&mut world.cx(), "a", "s\n".repeat(1000).as_bytes());
        assert_eq!(stderr.lines().count(), STDERR_LINES_KEPT_MAX);
        let long = format!("{}\n", "y".repeat(1000));
        stderr.push(&mut world.cx(), "a", long.repeat(1000).as_bytes());
        assert!(stderr.lines().map(str::len).sum::<usize>() <= STDERR_KEPT_BYTES_MAX);
        assert!(stderr.lines().count() > 10);
    }

    #[test]
    fn last_words_are_those_of_the_present_run_even_without_a_line_end() {
        let (mut world, mut stderr) = (World::default(), Stderr::default());
        stderr.push(&mut world.cx(), "a", b"loading\nfatal: no such file");
        assert_eq!(
            stderr.end_run(&mut world.cx(), "a"),
            Some("fatal: no such file")
        );
        assert_eq!(stderr.end_run(&mut world.cx(), "a"), None);
        assert_eq!(stderr.lines().count(), 2);
    }
}
