//! What comes out of a child's stdout: lines, of which most are messages. Banners and garbage are
//! skipped, batches taken apart (protocol F8, F14). Never answers and never knows what is awaited.

use crate::backend::batch::Batch;
use crate::backend::child::ChildEvent;
use crate::backend::words::{plain, quoted};
use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::cx::Cx;
use crate::effect::Level;
use crate::json::envelope::{self, Envelope, Fault};
use crate::json::newline::{Line, Lines};
use crate::limits::QUOTE_BYTES_MAX;

/// One thing that a child said.
#[derive(Debug)]
pub(super) enum Said {
    /// A message; it is in the frame.
    Message(Envelope),
    /// A line beyond the limit, and the id of ours that it answers if that could be read.
    TooLong(Option<u64>),
}

/// Whether the output of a child goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tail {
    #[default]
    Open,
    Eof,
    Broken,
}

/// The output of one child, from its first byte to its last.
#[derive(Debug, Default)]
pub(super) struct Stdout {
    lines: Lines,
    batch: Batch,
    tail: Tail,
    skipped: u64,
}

impl Stdout {
    /// Takes bytes as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// No more will come. What is there is still to be read, an unfinished line included.
    pub(super) fn end(&mut self, broken: bool) {
        if self.tail == Tail::Open {
            self.tail = if broken { Tail::Broken } else { Tail::Eof };
        }
    }

    /// Once everything was read: how it ended, if it did. Says so once.
    pub(super) fn take_end(&mut self) -> Option<ChildEvent> {
        match std::mem::take(&mut self.tail) {
            Tail::Open => None,
            Tail::Eof => Some(ChildEvent::Eof),
            Tail::Broken => Some(ChildEvent::Broken),
        }
    }

    /// The next message, in the frame.
    pub(super) fn next(&mut self, cx: &mut Cx<'_>, name: &str, frame: &mut Frame) -> Option<Said> {
        loop {
            let batched = self.batch.next(frame);
            if !batched {
                let line = match self.tail {
                    Tail::Open => self.lines.next(frame)?,
                    Tail::Eof | Tail::Broken => self.lines.finish(frame)?,
                };
                if let Line::TooLong { head, tail } = line {
                    return Some(Said::TooLong(envelope::id_of_long_line(&head, &tail)));
                }
            }
            match envelope::read(frame.bytes()) {
                Ok(envelope) => return Some(Said::Message(envelope)),
                Err((Fault::Array, _)) if !batched => self.batch.open(cx, name, frame),
                Err((fault, _)) => self.skip(cx, name, fault, frame.bytes()),
            }
        }
    }

    /// The first one is worth a warning, since it may explain why the server does not work.
    fn skip(&mut self, cx: &mut Cx<'_>, name: &str, fault: Fault, line: &[u8]) {
        Mark::GarbageLine.hit();
        self.skipped += 1;
        let level = match self.skipped {
            1 => Level::Warn,
            _ => Level::Debug,
        };
        cx.log(level, || {
            let text = quoted(&plain(line, QUOTE_BYTES_MAX));
            format!(
                "server={name} skipped a line on stdout: {text} ({})",
                fault.message()
            )
        });
    }

    /// How many lines were no messages.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::backend::testkit::World;
    use crate::json::envelope::Kind;
    use crate::json::span::Span;
    use crate::limits::{BATCH_MAX, LINE_BYTES_MAX};

    fn all(world: &mut World, stdout: &mut Stdout) -> Vec<String> {
        let (mut frame, mut told) = (Frame::default(), Vec::new());
        while let Some(said) = stdout.next(&mut world.cx(), "files", &mut frame) {
            told.push(match said {
                Said::Message(envelope) => {
                    let raw = |span: Option<Span>| {
                        let bytes = span.map_or(&b"-"[..], |span| span.of(frame.bytes()));
                        String::from_utf8_lossy(bytes).into_owned()
                    };
                    format!(
                        "{:?} {} {}",
                        envelope.kind,
                        raw(envelope.id),
                        raw(envelope.outcome)
                    )
                }
                Said::TooLong(id) => format!("TooLong {id:?}"),
            });
        }
        told
    }

    const TEXT: &[u8] = b"Server running on stdio\n\n\
        {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":1}}\r\n\
        \xff\xfe\n\
        [{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}},7,{\"jsonrpc\":\"2.0\",\"method\":\"x\"}]\n\
        {\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{}}";
    const TOLD: [&str; 4] = [
        "Result 1 {\"a\":1}",
        "Result 2 {}",
        "Notification - -",
        "Error 3 {}",
    ];

    #[test]
    fn f14_banners_and_garbage_are_skipped_and_batches_taken_apart_split_at_every_byte() {
        for at in 0..=TEXT.len() {
            let (mut world, mut stdout) = (World::default(), Stdout::default());
            stdout.push(&TEXT[..at]);
            let mut told = all(&mut world, &mut stdout);
            stdout.push(&TEXT[at..]);
            told.extend(all(&mut world, &mut stdout));
            assert_eq!((told.len(), stdout.take_end()), (3, None));
            stdout.end(false);
            told.extend(all(&mut world, &mut stdout));
            assert_eq!(told, TOLD, "split at {at}");
            assert_eq!(
                (stdout.skipped(), stdout.take_end()),
                (3, Some(ChildEvent::Eof))
            );
            // One warning with the text, no more at this level.
            let lines = world.log_lines();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with(
                "server=files skipped a line on stdout: \"Server running on stdio\" ("
            ));
        }
    }

    #[test]
    fn garbage_is_quoted_without_control_characters_and_cut() {
        let (mut world, mut stdout) = (World::default(), Stdout::default());
        stdout.push(format!("\x1b[2J{}\n", "é".repeat(10_000)).as_bytes());
        assert!(all(&mut world, &mut stdout).is_empty());
        let line = world.log_lines().remove(0);
        assert!(
            line.len() < QUOTE_BYTES_MAX + 200 && line.contains("u{1b}"),
            "{line}"
        );
        assert!(!line.chars().any(char::is_control));
    }

    #[test]
    fn a_line_beyond_the_limit_is_told_with_its_id() {
        let (mut world, mut stdout) = (World::default(), Stdout::default());
        stdout.push(b"{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":\"");
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..=LINE_BYTES_MAX / piece.len() {
            stdout.push(&piece);
            assert!(all(&mut world, &mut stdout).is_empty());
        }
        stdout.push(b"\"}\n{\"jsonrpc\":\"2.0\",\"id\":78,\"result\":1}\n");
        assert_eq!(
            all(&mut world, &mut stdout),
            ["TooLong Some(77)", "Result 78 1"]
        );
    }

    #[test]
    fn a_batch_beyond_the_limit_is_cut_with_a_warning() {
        let (mut world, mut stdout) = (World::default(), Stdout::default());
        let note = "{\"jsonrpc\":\"2.0\",\"method\":\"n\"}";
        let batch = vec![note; BATCH_MAX + 1].join(",");
        stdout.push(format!("[{batch}]\n[]\n").as_bytes());
        assert_eq!(all(&mut world, &mut stdout).len(), BATCH_MAX);
        assert_eq!(world.log_lines().len(), 1);
    }

    #[test]
    fn a_big_message_arrives_in_a_buffer_that_can_be_shared() {
        let (mut world, mut stdout) = (World::default(), Stdout::default());
        let mut frame = Frame::default();
        let big = "y".repeat(100_000);
        stdout.push(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"{big}\"}}\n").as_bytes());
        let said = stdout.next(&mut world.cx(), "a", &mut frame);
        let Some(Said::Message(Envelope {
            kind: Kind::Result, ..
        })) = said
        else {
            panic!("{said:?}");
        };
        assert_eq!(Rc::strong_count(frame.shared()), 1);
    }

    #[test]
    fn a_broken_pipe_ends_the_output_once() {
        let mut stdout = Stdout::default();
        stdout.end(true);
        stdout.end(false);
        assert_eq!(stdout.take_end(), Some(ChildEvent::Broken));
        assert_eq!(stdout.take_end(), None);
    }
}
