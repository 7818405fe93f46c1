//! What must hold for any bytes at all. Each function is one fuzz target of fuzz/ and panics when a
//! promise is broken; tests/corpus.rs runs them over the seeds.

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::base::frame::Frame;
use crate::json::envelope::{self, Envelope, Fault, JsonId, Kind};
use crate::json::newline::{Line, Lines};
use crate::json::span::{self, Malformed, Span};
use crate::limits::SHARE_BYTES_MIN;

/// Any text is judged as serde_json judges it; a message's spans hold what its tree holds; another
/// id spliced in is read back, and nothing else changed.
pub fn envelope(data: &[u8]) {
    let valid = span::validate(data);
    walk(data, Span::whole(data));
    if valid != Err(Malformed::TooDeep) {
        let theirs = std::str::from_utf8(data)
            .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        assert_eq!(valid.is_ok(), theirs);
    }
    match envelope::read(data) {
        Ok(envelope) => {
            assert_eq!(valid, Ok(envelope.whole));
            assert_eq!(envelope::read_at(data, envelope.whole), Ok(envelope));
            as_in_the_tree(data, &envelope);
            splice(data, &envelope);
            long_line(data, &envelope);
        }
        Err((Fault::Malformed(malformed), id)) => assert_eq!((valid, id), (Err(malformed), None)),
        Err((Fault::Array, _)) => {
            for at in span::elements(data, Span::whole(data)) {
                let element = envelope::read_at(data, at);
                assert_eq!(element.is_ok(), envelope::read(at.of(data)).is_ok());
            }
        }
        Err(_) => assert!(valid.is_ok()),
    }
}

/// Walking anything, valid or not, comes to an end.
fn walk(data: &[u8], at: Span) {
    assert!(span::members(data, at).count() <= data.len());
    assert!(span::elements(data, at).count() <= data.len());
    for (key, value) in span::members(data, at) {
        assert!(key.end <= value.start && value.end <= at.end);
    }
    // Escapes that are none may mean more than they are long.
    if let Some(text) = span::string(data, at).filter(|_| span::validate(at.of(data)).is_ok()) {
        assert!(span::string_is(data, at, &text));
    }
}

fn as_in_the_tree(data: &[u8], envelope: &Envelope) {
    // serde_json builds no tree of lone surrogates and huge numbers, which we pass through.
    let Ok(tree) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let found = |at: Option<Span>| {
        at.map(|at| serde_json::from_slice::<Value>(at.of(data)).unwrap_or_default())
    };
    let outcome = tree.get("result").or(tree.get("error"));
    assert_eq!(found(envelope.method).as_ref(), tree.get("method"));
    assert_eq!(found(envelope.outcome).as_ref(), outcome);
    if envelope.kind == Kind::Request {
        assert_eq!(found(envelope.id).as_ref(), tree.get("id"));
    }
    if envelope.method.is_some() {
        assert_eq!(found(envelope.params).as_ref(), tree.get("params"));
    }
}

fn splice(data: &[u8], envelope: &Envelope) {
    let Some(id) = envelope.id else {
        return;
    };
    assert!(JsonId::new(id.of(data)).same(id.of(data)));
    for new in [&b"4711"[..], br#""new""#] {
        let (before, after) = (data.get(..id.start), data.get(id.end..));
        let text = [before.unwrap_or_default(), new, after.unwrap_or_default()].concat();
        let again = envelope::read(&text);
        assert_eq!(again.map(|envelope| envelope.kind), Ok(envelope.kind));
        let Ok(again) = again else {
            return;
        };
        let same = |old: Option<Span>, now: Option<Span>| {
            old.map(|at| at.of(data)) == now.map(|at| at.of(&text))
        };
        assert_eq!(again.id.map(|at| at.of(&text)), Some(new));
        assert!(same(envelope.method, again.method));
        assert!(same(envelope.params, again.params));
        assert!(same(envelope.outcome, again.outcome));
        assert_eq!(text.get(..again.id.unwrap_or_default().start), before);
        assert_eq!(text.get(again.id.unwrap_or_default().end..), after);
    }
}

/// Whatever of a message is kept, the id inferred from it is the message's, and it is a response.
fn long_line(data: &[u8], envelope: &Envelope) {
    for kept in [16, 40, 256] {
        let head = data.get(..kept).unwrap_or(data);
        let tail = data.get(data.len().saturating_sub(kept)..).unwrap_or(data);
        if let Some(number) = envelope::id_of_long_line(head, tail) {
            let id = envelope.id.and_then(|id| envelope::our_number(id.of(data)));
            assert_eq!(id, Some(number));
            assert!(matches!(envelope.kind, Kind::Result | Kind::Error));
        }
    }
}

/// However the input is cut, the lines are those of the whole. The first byte chooses the limit,
/// the second how to cut; a byte 1 in the rest stands for a long run, so that small inputs reach
/// the lines that are moved.
pub fn newline(data: &[u8]) {
    let [limit, cut, rest @ ..] = data else {
        return;
    };
    let max = if *limit == 255 {
        70_000
    } else {
        usize::from(*limit)
    };
    let mut input = Vec::new();
    for &byte in rest {
        match byte {
            1 if input.len() < 200_000 => input.resize(input.len() + SHARE_BYTES_MIN, b'x'),
            _ => input.push(byte),
        }
    }
    let wanted = model(max, &input);
    // One cut repeats one length; the other grows, so that it meets every place.
    let mut lines = Reader::new(max);
    let step = if input.len() > 10_000 { 1000 } else { 1 };
    for piece in input.chunks(step * (1 + usize::from(*cut))) {
        lines.push(piece);
    }
    assert_eq!(lines.finish(), wanted);
    let (mut lines, mut rest, mut length) = (Reader::new(max), &input[..], usize::from(*cut % 7));
    while let Some((piece, after)) = rest.split_at_checked(length) {
        lines.push(piece);
        rest = after;
        length += step;
    }
    lines.push(rest);
    assert_eq!(lines.finish(), wanted);
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Line(Vec<u8>),
    Long { head: Vec<u8>, tail: Vec<u8> },
}

struct Reader {
    lines: Lines,
    frame: Frame,
    max: usize,
    found: Vec<Found>,
}

impl Reader {
    fn new(max: usize) -> Self {
        Self {
            lines: Lines::with_max(max),
            frame: Frame::default(),
            max,
            found: Vec::new(),
        }
    }

    fn push(&mut self, piece: &[u8]) {
        self.lines.push(piece);
        while let Some(line) = self.lines.next(&mut self.frame) {
            self.keep(line);
        }
        assert!(
            self.lines.pending() <= self.max + 1,
            "what waits is bounded"
        );
    }

    fn keep(&mut self, line: Line) {
        self.found.push(match line {
            Line::Full => Found::Line(self.frame.bytes().to_vec()),
            Line::TooLong { head, tail } => Found::Long { head, tail },
        });
    }

    fn finish(mut self) -> Vec<Found> {
        while let Some(line) = self.lines.finish(&mut self.frame) {
            self.keep(line);
        }
        assert_eq!(self.lines.pending(), 0);
        self.found
    }
}

/// The same by the simplest means.
fn model(max: usize, input: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    for line in input.split(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text.len() > max {
            let head = text.get(..256).unwrap_or(text);
            // The tail is cut before the line end is known, so a CR counts for its length.
            let tail = text.get(line.len().saturating_sub(256)..).unwrap_or(text);
            found.push(Found::Long {
                head: head.to_vec(),
                tail: tail.to_vec(),
            });
        } else if !text.iter().all(|byte| b" \t\r".contains(byte)) {
            found.push(Found::Line(text.to_vec()));
        }
    }
    found
}
