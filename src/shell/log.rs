//! The log: one line per event, into a bounded ring, and from there as far as the descriptor takes
//! it. A full stderr pipe never stops a call; what did not fit is counted and reported.
//!
//! Never decides what is logged; the core and the shell's other files do.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::io::{IoSlice, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mio::{Registry, Token};
use onemcp::effect::Level;
use onemcp::limits::{LOG_LINE_BYTES_MAX, LOG_RING_BYTES_MAX};

use crate::shell::clock;
use crate::shell::log_keys;
use crate::shell::own_stdio::{Direction, Standard};

/// Where the lines go.
#[derive(Debug)]
enum Sink {
    /// Our stderr.
    Standard(Standard),
    /// `--log-file`.
    File { file: File, path: PathBuf },
    /// Nobody reads any more; lines are dropped unseen.
    Gone,
}

/// The ring and its descriptor.
#[derive(Debug)]
pub(crate) struct Log {
    sink: Sink,
    level: Level,
    json: bool,
    /// Whole lines, oldest first; the front one may have been written in part.
    ring: VecDeque<Vec<u8>>,
    written: usize,
    bytes: usize,
    dropped: u64,
    /// The same since the start.
    dropped_ever: u64,
    /// The descriptor refused, and an event was asked for.
    blocked: bool,
}

impl Log {
    /// A log on stderr, or wherever `fd` leads in a test.
    pub(crate) fn on_descriptor(fd: BorrowedFd<'_>, level: Level, json: bool) -> Self {
        let sink = Standard::open(fd, Direction::Out).map_or(Sink::Gone, Sink::Standard);
        Self::new(sink, level, json)
    }

    /// A log that appends to a file, which is created with mode 0600.
    pub(crate) fn in_file(path: &Path, level: Level, json: bool) -> io::Result<Self> {
        let file = open_file(path)?;
        let path = path.to_path_buf();
        Ok(Self::new(Sink::File { file, path }, level, json))
    }

    /// A log that nobody reads.
    pub(crate) fn nowhere() -> Self {
        Self::new(Sink::Gone, Level::Error, false)
    }

    fn new(sink: Sink, level: Level, json: bool) -> Self {
        Self {
            sink,
            level,
            json,
            ring: VecDeque::new(),
            written: 0,
            bytes: 0,
            dropped: 0,
            dropped_ever: 0,
            blocked: false,
        }
    }

    /// Adds a line, if its level is wanted.
    pub(crate) fn line(&mut self, level: Level, text: &str) {
        if level <= self.level {
            let line = format_line(clock::unix_ms(), level, text, self.json);
            self.push(line.into_bytes());
        }
    }

    /// Adds a line as it is, without time and level: the ready line.
    pub(crate) fn plain(&mut self, text: &str) {
        self.push(format!("{text}\n").into_bytes());
    }

    fn push(&mut self, line: Vec<u8>) {
        if matches!(self.sink, Sink::Gone) {
            return;
        }
        if self.bytes + line.len() > LOG_RING_BYTES_MAX {
            self.dropped += 1;
            self.dropped_ever += 1;
            return;
        }
        self.report_dropped();
        self.bytes += line.len();
        self.ring.push_back(line);
    }

    /// How many lines did not fit since the start.
    pub(crate) const fn dropped_ever(&self) -> u64 {
        self.dropped_ever
    }

    /// One line in place of all that did not fit, as soon as there is room for it.
    fn report_dropped(&mut self) {
        if self.dropped == 0 || self.bytes + 256 > LOG_RING_BYTES_MAX {
            return;
        }
        let text = format!(
            "{} lines of this log were dropped, since they came faster than they could be written",
            self.dropped
        );
        self.dropped = 0;
        let line = format_line(clock::unix_ms(), Level::Warn, &text, self.json);
        self.bytes += line.len();
        self.ring.push_back(line.into_bytes());
    }

    /// Writes as much as the descriptor takes now. Registers for an event when it refuses, so that
    /// an idle process needs no timer for it.
    pub(crate) fn flush(&mut self, registry: &Registry, token: Token) {
        self.write_out();
        let Sink::Standard(standard) = &mut self.sink else {
            return;
        };
        let blocked = !self.ring.is_empty();
        if blocked == self.blocked {
            return;
        }
        self.blocked = blocked;
        let asked = if blocked {
            standard
                .register(registry, token)
                .and_then(|()| standard.want_writable(registry, token, true))
        } else {
            standard.deregister(registry);
            Ok(())
        };
        if asked.is_err() {
            self.blocked = false;
        }
    }

    /// The last try before the process ends: waits up to `wait_ms` for a reader that is slow.
    pub(crate) fn flush_last(&mut self, wait_ms: u16) {
        self.write_out();
        if !self.ring.is_empty()
            && let Sink::Standard(standard) = &self.sink
        {
            standard.wait_writable(wait_ms);
            self.write_out();
        }
    }

    fn write_out(&mut self) {
        loop {
            let Some(front) = self.ring.front() else {
                if self.dropped == 0 {
                    return;
                }
                self.report_dropped();
                continue;
            };
            let rest = front.get(self.written..).unwrap_or_default();
            match self.sink.write(rest) {
                Ok(n) if n == rest.len() => {
                    self.bytes -= front.len();
                    self.written = 0;
                    self.ring.pop_front();
                }
                Ok(0) => return,
                Ok(n) => self.written += n,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return,
                    // EPIPE, EIO, a full disk: there is nobody left to tell.
                    _ => return self.give_up(),
                },
            }
        }
    }

    fn give_up(&mut self) {
        self.ring.clear();
        (self.bytes, self.written, self.dropped) = (0, 0, 0);
        if !matches!(self.sink, Sink::File { .. }) {
            self.sink = Sink::Gone;
        }
    }

    /// After SIGHUP: a log file that was moved away by logrotate is begun anew.
    pub(crate) fn reopen(&mut self) {
        if let Sink::File { file, path } = &mut self.sink
            && let Ok(new) = open_file(path)
        {
            *file = new;
        }
    }

    /// Whether lines of this level are wanted.
    pub(crate) fn wants(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Whether the lines go to stderr.
    pub(crate) fn is_on_stderr(&self) -> bool {
        !matches!(self.sink, Sink::File { .. })
    }
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            // At most PIPE_BUF at once: a pipe takes that much whole or not at all, so lines of
            // others who write to the same pipe never land inside ours.
            Self::Standard(standard) => {
                let piece = bytes.get(..4096).unwrap_or(bytes);
                standard.write(&[IoSlice::new(piece)])
            }
            Self::File { file, .. } => file.write(bytes),
            Self::Gone => Ok(bytes.len()),
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// One whole line, with its line end.
fn format_line(unix_ms: u64, level: Level, text: &str, json: bool) -> String {
    let time = clock::rfc3339(unix_ms);
    let name = match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    };
    let text = cut(text);
    if json {
        let name = name.to_ascii_lowercase();
        // A string always serialises.
        let message = serde_json::to_string(text).unwrap_or_default();
        let keys = log_keys::members(text);
        format!("{{\"time\":\"{time}\",\"level\":\"{name}\",\"message\":{message}{keys}}}\n")
    } else {
        let mut line = format!("{time} {name:<5} ");
        escape(text, &mut line);
        line.push('\n');
        line
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LOG_LINE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Control characters are written out: a server's stderr must not move the cursor of the person
/// who reads the log, nor fake a line of ours.
fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        if character.is_control() {
            into.extend(character.escape_default());
        } else {
            into.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    fn log_in_pipe() -> (Log, io::PipeReader, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::on_descriptor(writer.as_fd(), Level::Info, false);
        (log, reader, writer)
    }

    #[test]
    fn a_line_is_as_the_contract_shows_it() {
        let line = format_line(1_795_356_000_000, Level::Info, "server=files ready", false);
        assert_eq!(line, "2026-11-22T14:00:00.000Z INFO  server=files ready\n");
        let line = format_line(0, Level::Error, "a \"b\"\n", true);
        assert_eq!(
            line,
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"error\",\
             \"message\":\"a \\\"b\\\"\\n\"}\n"
        );
    }

    #[test]
    fn control_characters_cannot_fake_lines_or_move_the_cursor() {
        let line = format_line(0, Level::Warn, "a\n2026 INFO b\x1b[2Jc\u{9b}d\te", false);
        assert!(line.ends_with("WARN  a\\n2026 INFO b\\u{1b}[2Jc\\u{9b}d\\te\n"));
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn log_line_bytes_max_cuts_between_characters() {
        let text = "é".repeat(LOG_LINE_BYTES_MAX);
        let line = format_line(0, Level::Info, &text, false);
        assert!(line.len() <= LOG_LINE_BYTES_MAX + 64);
    }

    #[test]
    fn unwanted_levels_are_not_even_kept() {
        let (mut log, ..) = log_in_pipe();
        log.line(Level::Debug, "x");
        assert!(log.ring.is_empty() && !log.wants(Level::Debug));
    }

    #[test]
    fn log_ring_bytes_max_drops_counts_and_reports_in_one_line() {
        let poll = mio::Poll::new().unwrap();
        let (mut log, mut reader, writer) = log_in_pipe();
        let text = "x".repeat(1000);
        // More than the pipe and the ring hold together.
        let mut sent = 0u64;
        while log.dropped < 7 {
            log.line(Level::Info, &text);
            log.flush(poll.registry(), Token(1));
            sent += 1;
        }
        assert!(log.blocked && log.bytes <= LOG_RING_BYTES_MAX);
        drop(writer);
        let mut seen = Vec::new();
        while !log.ring.is_empty() || log.dropped > 0 {
            let mut piece = vec![0; 65536];
            let n = reader.read(&mut piece).unwrap();
            seen.extend_from_slice(&piece[..n]);
            log.flush(poll.registry(), Token(1));
        }
        assert!(!log.blocked);
        drop(log);
        reader.read_to_end(&mut seen).unwrap();
        let seen = String::from_utf8(seen).unwrap();
        let lines: Vec<&str> = seen.lines().collect();
        assert!(lines.last().unwrap().contains("WARN  7 lines"));
        assert_eq!(lines.len() as u64, sent - 7 + 1);
    }

    #[test]
    fn a_blocked_log_goes_on_when_its_pipe_is_read() {
        let mut poll = mio::Poll::new().unwrap();
        let (mut log, mut reader, _writer) = log_in_pipe();
        while !log.blocked {
            log.line(Level::Info, &"x".repeat(1000));
            log.flush(poll.registry(), Token(1));
        }
        let mut piece = vec![0; 65536];
        assert!(reader.read(&mut piece).unwrap() > 0);
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, None).unwrap();
        assert!(events.iter().any(|event| event.is_writable()));
        log.flush(poll.registry(), Token(1));
        assert!(log.ring.is_empty());
    }

    #[test]
    fn without_a_reader_the_lines_vanish() {
        let poll = mio::Poll::new().unwrap();
        let (mut log, reader, _writer) = log_in_pipe();
        drop(reader);
        // Not at once: a process that another test's thread forked may hold the reading end.
        while !matches!(log.sink, Sink::Gone) {
            log.line(Level::Error, "nobody reads this");
            log.flush(poll.registry(), Token(1));
        }
        log.flush_last(10);
        assert!(log.ring.is_empty() && matches!(log.sink, Sink::Gone));
    }

    #[test]
    fn a_log_file_is_appended_to_and_begun_anew_after_rotation() {
        let dir = crate::shell::disk::tests::TempDir::new();
        let path = dir.path().join("log");
        let poll = mio::Poll::new().unwrap();
        std::fs::write(&path, "old\n").unwrap();
        let mut log = Log::in_file(&path, Level::Info, false).unwrap();
        log.plain("new");
        log.flush(poll.registry(), Token(1));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\nnew\n");
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        log.reopen();
        log.plain("newer");
        log.flush(poll.registry(), Token(1));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer\n");
    }
}
