//! Messages framed as lines: our own stdin and the stdout of children. Knows bytes and line ends,
//! never what a line says.

use crate::base::frame::Frame;
use crate::base::word;
use crate::limits::{
    INBOX_KEPT_BYTES_MAX, LINE_BYTES_MAX, READ_BYTES_PER_TURN_MAX, SHARE_BYTES_MIN,
};

/// How much of either end of a line that is too long is kept.
const ENDS_BYTES: usize = 256;

/// What [`Lines::next`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// One line, its end (LF or CRLF) and nothing else removed, is in the frame. Never empty:
    /// blank lines are skipped.
    Full,
    /// A line longer than the limit ended and was thrown away; its first and last bytes are kept,
    /// so that the id in it may still be found.
    TooLong {
        /// The first 256 bytes.
        head: Vec<u8>,
        /// The last 256 bytes.
        tail: Vec<u8>,
    },
}

/// Reassembles lines from pieces of any length; the search for the end resumes where it stopped.
/// After each [`Lines::push`], [`Lines::next`] is called until it finds none: then never more waits
/// than one line of the longest length.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken out already.
    taken: usize,
    /// Bytes of the buffer that hold no line end, from `taken` on.
    searched: usize,
    /// Length of the longest line that is kept.
    max: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The line is kept from its first byte on.
    Keep,
    /// The line was too long already; only its ends are kept until it ends.
    Discard(Ends),
}

/// The two ends of a long line.
#[derive(Debug, Default)]
struct Ends {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Ends {
    fn add(&mut self, bytes: &[u8]) {
        let missing = ENDS_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend(bytes.iter().take(missing));
        let last = bytes.len().saturating_sub(ENDS_BYTES);
        self.tail.extend(bytes.iter().skip(last));
        let excess = self.tail.len().saturating_sub(ENDS_BYTES);
        self.tail.drain(..excess);
    }

    fn line(mut self) -> Line {
        if self.tail.last() == Some(&b'\r') {
            // A line that is all head (under a small limit) ends in it as well.
            if self.head == self.tail {
                self.head.pop();
            }
            self.tail.pop();
        }
        Line::TooLong {
            head: self.head,
            tail: self.tail,
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_max(LINE_BYTES_MAX)
    }
}

impl Lines {
    /// Throws away lines longer than `max` bytes; [`Lines::default`] has the usual limit.
    #[must_use]
    pub const fn with_max(max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            taken: 0,
            searched: 0,
            max,
            state: State::Keep,
        }
    }

    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        let pending = self.pending();
        // Moving what waits to the front costs no more than what was taken out since, or one read.
        // It lets a long line begin at the front, where it can be moved out.
        if pending <= self.taken.max(READ_BYTES_PER_TURN_MAX) {
            self.forget_taken();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next line out: a short one is copied into the frame, a long one moved.
    pub fn next(&mut self, frame: &mut Frame) -> Option<Line> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = word::find(unsearched, b'\n') else {
                self.searched = self.buffer.len();
                self.discard_if_long();
                return None;
            };
            let end = self.searched + found;
            if let Some(line) = self.take(end, end + 1, frame) {
                return Some(line);
            }
        }
    }

    /// At end of input: an unfinished last line counts as one.
    pub fn finish(&mut self, frame: &mut Frame) -> Option<Line> {
        if let Some(line) = self.next(frame) {
            return Some(line);
        }
        let end = self.buffer.len();
        self.take(end, end, frame)
    }

    /// Bytes that wait for the end of their line.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len().saturating_sub(self.taken)
    }

    /// Takes out the line that ends at `end`; the next one begins at `next`. Nothing if blank.
    fn take(&mut self, end: usize, next: usize, frame: &mut Frame) -> Option<Line> {
        let line = self.buffer.get(self.taken..end).unwrap_or_default();
        if let State::Discard(mut ends) = std::mem::replace(&mut self.state, State::Keep) {
            ends.add(line);
            self.go_to(next);
            return Some(ends.line());
        }
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text.len() > self.max {
            let mut ends = Ends::default();
            ends.add(line);
            self.go_to(next);
            return Some(ends.line());
        }
        if text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            self.go_to(next);
            return None;
        }
        let length = text.len();
        // Moving costs a copy of what else is in the buffer, so it must be less than the line.
        if length >= SHARE_BYTES_MIN && self.buffer.len() - length <= length {
            let rest = self.buffer.get(next..).unwrap_or_default().to_vec();
            let mut whole = std::mem::replace(&mut self.buffer, rest);
            whole.truncate(self.taken + length);
            whole.drain(..self.taken);
            frame.adopt(whole);
            self.taken = 0;
            self.searched = 0;
        } else {
            frame.fill(text);
            self.go_to(next);
        }
        Some(Line::Full)
    }

    /// The bytes before `next` are done with.
    fn go_to(&mut self, next: usize) {
        self.taken = next;
        self.searched = next;
        if self.pending() == 0 {
            self.forget_taken();
        }
    }

    /// The line that waits gets no longer than the limit (and a CR that may belong to its end).
    fn discard_if_long(&mut self) {
        let line = self.buffer.get(self.taken..).unwrap_or_default();
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        match &mut self.state {
            State::Keep if text.len() <= self.max => return,
            State::Keep => {
                let mut ends = Ends::default();
                ends.add(line);
                self.state = State::Discard(ends);
            }
            State::Discard(ends) => ends.add(line),
        }
        self.go_to(self.buffer.len());
    }

    /// Moves what waits to the front; gives the memory back that only a long line needed.
    fn forget_taken(&mut self) {
        let taken = std::mem::take(&mut self.taken).min(self.buffer.len());
        self.buffer.drain(..taken);
        self.searched = self.searched.saturating_sub(taken);
        let room = self.buffer.capacity();
        // Room that the last lines did not need by far is given back: most children are idle most
        // of the time, and those that send long lines send more of them.
        let much = room > INBOX_KEPT_BYTES_MAX && (1..room / 4).contains(&taken);
        if self.buffer.is_empty() && (much || room > READ_BYTES_PER_TURN_MAX) {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of some pieces; a line too long as its ends with `..` between.
    fn lines(max: usize, pieces: &[&[u8]], finish: bool) -> (Vec<Vec<u8>>, usize) {
        let (mut lines, mut frame, mut out) = (Lines::with_max(max), Frame::default(), Vec::new());
        let mut keep = |line, frame: &Frame| match line {
            Line::Full => out.push(frame.bytes().to_vec()),
            Line::TooLong { head, tail } => out.push([&head[..], b"..", &tail].concat()),
        };
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next(&mut frame) {
                keep(line, &frame);
            }
        }
        while finish && let Some(line) = lines.finish(&mut frame) {
            keep(line, &frame);
        }
        (out, lines.pending())
    }

    #[test]
    fn inbox_kept_bytes_max_holds_once_lines_are_short_again() {
        let (mut lines, mut frame) = (Lines::default(), Frame::default());
        let mut room_after = |length: usize| {
            lines.push(&[vec![b'x'; length], b"\n".to_vec()].concat());
            while lines.next(&mut frame).is_some() {}
            lines.buffer.capacity()
        };
        let long = 3 * INBOX_KEPT_BYTES_MAX;
        let room = room_after(long);
        assert!(room > long);
        assert_eq!((room_after(long), room_after(long / 2)), (room, room));
        assert!(room_after(10) <= INBOX_KEPT_BYTES_MAX);
        assert!(room_after(10) <= INBOX_KEPT_BYTES_MAX);
    }

    #[test]
    fn lines_come_out_alike_however_the_input_is_split() {
        let input =
            b"one\r\n\n  \t\r\ntwo \n\rthree\r\r\n12345678\r\n123456789\r\n1234567890\nfour\nfi\re";
        let wanted: &[&[u8]] = &[
            b"one",
            b"two ",
            b"\rthree\r",
            b"12345678",
            b"123456789..123456789",
            b"1234567890..1234567890",
            b"four",
        ];
        for first in 0..=input.len() {
            for second in first..=input.len() {
                let pieces = [&input[..first], &input[first..second], &input[second..]];
                let (found, pending) = lines(8, &pieces, false);
                assert_eq!(
                    (&found[..], pending),
                    (&wanted.map_to_vecs()[..], 4),
                    "{first} {second}"
                );
                let (found, pending) = lines(8, &pieces, true);
                assert_eq!(
                    (found.last().unwrap().as_slice(), pending),
                    (&b"fi\re"[..], 0)
                );
            }
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(lines(8, &bytes, false).0, wanted.map_to_vecs());
    }

    trait MapToVecs {
        fn map_to_vecs(&self) -> Vec<Vec<u8>>;
    }

    impl MapToVecs for &[&[u8]] {
        fn map_to_vecs(&self) -> Vec<Vec<u8>> {
            self.iter().map(|line| line.to_vec()).collect()
        }
    }

    #[test]
    fn a_line_over_the_limit_is_thrown_away_while_it_comes() {
        let mut lines = Lines::with_max(1000);
        let mut frame = Frame::default();
        lines.push(b"HEAD");
        for _ in 0..10_000 {
            lines.push(&[b'x'; 1000]);
            assert_eq!(lines.next(&mut frame), None);
            assert!(lines.pending() <= 1001 && lines.buffer.capacity() <= 8000);
        }
        lines.push(b"TAIL\r\nnext\nrest");
        let Some(Line::TooLong { head, tail }) = lines.next(&mut frame) else {
            panic!("the line was too long");
        };
        assert!(head.starts_with(b"HEADx") && head.len() == ENDS_BYTES);
        assert!(tail.ends_with(b"xTAIL") && tail.len() == ENDS_BYTES - 1);
        assert_eq!(lines.next(&mut frame), Some(Line::Full));
        assert_eq!(frame.bytes(), b"next");
        assert_eq!((lines.next(&mut frame), lines.pending()), (None, 4));
        // The end of input ends it too.
        lines.push(&[b'y'; 2000]);
        assert_eq!(lines.next(&mut frame), None);
        assert!(matches!(
            lines.finish(&mut frame),
            Some(Line::TooLong { .. })
        ));
        assert_eq!(lines.finish(&mut frame), None);
    }

    #[test]
    fn the_usual_limit_is_the_one_of_limits() {
        assert_eq!(Lines::default().max, LINE_BYTES_MAX);
    }

    #[test]
    fn a_long_line_is_moved_and_its_memory_returned() {
        let (mut lines, mut frame) = (Lines::default(), Frame::default());
        lines.push(b"short\nbegin");
        assert_eq!(lines.next(&mut frame), Some(Line::Full));
        assert_eq!(lines.next(&mut frame), None);
        for _ in 0..100 {
            lines.push(&[b'x'; 10_000]);
            assert_eq!(lines.next(&mut frame), None);
        }
        lines.push(b"end\r\nrest");
        let address = lines.buffer.as_ptr();
        assert_eq!(lines.next(&mut frame), Some(Line::Full));
        assert_eq!(frame.bytes().as_ptr(), address);
        assert_eq!(frame.bytes().len(), 1_000_008);
        assert!(frame.bytes().starts_with(b"beginx") && frame.bytes().ends_with(b"xend"));
        assert!(lines.buffer.capacity() < 1000);
        assert_eq!((lines.next(&mut frame), lines.pending()), (None, 4));
        lines.push(b"\n");
        assert_eq!(lines.next(&mut frame), Some(Line::Full));
        assert_eq!(frame.bytes(), b"rest");
    }

    #[test]
    fn many_lines_at_once_cost_each_its_own_length() {
        let (mut lines, mut frame) = (Lines::default(), Frame::default());
        let long = vec![b'x'; SHARE_BYTES_MIN];
        let mut input = Vec::new();
        for number in 0..50 {
            input.extend(format!("{number}\n").bytes());
            input.extend(&long);
            input.push(b'\n');
        }
        lines.push(&input);
        for number in 0..50 {
            assert_eq!(lines.next(&mut frame), Some(Line::Full));
            assert_eq!(frame.bytes(), number.to_string().as_bytes());
            assert_eq!(lines.next(&mut frame), Some(Line::Full));
            assert_eq!(frame.bytes(), long);
        }
        assert_eq!(lines.next(&mut frame), None);
        assert_eq!(lines.pending(), 0);
        assert!(lines.buffer.capacity() <= READ_BYTES_PER_TURN_MAX);
    }
}
