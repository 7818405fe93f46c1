//! What must hold for any bytes at all: the machines of this room are run over bytes that come in
//! pieces, and what comes out may not depend on where the bytes were split. [`http_head`],
//! [`http_body`], [`http_response`] and [`sse`] are fuzz targets of fuzz/ and panic when that is
//! broken.

use crate::base::frame::Frame;
use crate::http1::body::Decoder;
use crate::http1::client::{Asked, Client, Ended, Moment, Step as Heard};
use crate::http1::framing::Framing;
use crate::http1::server::{After, Reply, Server, Step, Waiting};
use crate::http1::sse::{EventHead, push_event};
use crate::http1::sse_reader::{Reader, TooLong};

/// Longest body of a transcript; small, so that the limit is met often.
const BODY_BYTES_MAX: usize = 1000;
/// Longest body of a transcript that is not asked about, and the longest of a path with an odd
/// length.
const SMALL_BYTES_MAX: usize = 100;
const ODD_BYTES_MAX: usize = 500;

/// Serves every request in the pieces and tells what happened, one line each; the last line is
/// what the connection waits for at the end.
#[must_use]
pub fn transcript<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut server = Server::new(BODY_BYTES_MAX).asking_above(SMALL_BYTES_MAX);
    let mut frame = Frame::default();
    let mut lines = Vec::new();
    for piece in pieces {
        let before = server.inbox_bytes();
        server.receive(piece);
        assert!(server.inbox_bytes() <= before + piece.len());
        while let Some(line) = step(&mut server, &mut frame) {
            lines.extend(line);
        }
    }
    lines.push(format!("{:?} {}", server.waiting(), server.inbox_bytes()));
    lines
}

/// One step; `None` if more bytes are needed, an empty line for what depends on the split.
fn step(server: &mut Server, frame: &mut Frame) -> Option<Option<String>> {
    match server.next(frame) {
        Step::NeedMore | Step::Paused => None,
        Step::Continue => Some(None),
        Step::Large(request) => {
            assert!(
                matches!(server.next(frame), Step::Paused) && server.waiting() == Waiting::Body
            );
            let expects = request.headers.get("expect").is_some();
            let line = (!expects).then(|| format!("large {}", request.path()));
            let odd = request.path().len() % 2 == 1;
            server.go_on(request, if odd { ODD_BYTES_MAX } else { BODY_BYTES_MAX });
            Some(line)
        }
        Step::Reject(reject) => {
            assert!(server.must_close());
            let head = server.respond(reject.status, &[], Reply::Full(0));
            assert_eq!(server.done(), After::Close);
            assert!(!head.is_empty() && server.inbox_bytes() == 0);
            Some(Some(format!("{} {}", reject.status, reject.why)))
        }
        Step::Request(request) => {
            assert_eq!(server.waiting(), Waiting::Response);
            assert!(frame.bytes().len() <= BODY_BYTES_MAX);
            let headers: Vec<_> = request.headers.iter().collect();
            let line = format!(
                "{} {} {:?} {headers:?} {:?}",
                request.method.name(),
                request.path(),
                request.query(),
                String::from_utf8_lossy(frame.bytes()),
            );
            let _head = server.respond(200, &[], Reply::Full(0));
            let after = server.done();
            Some(Some(format!("{line} {after:?}")))
        }
    }
}

/// The bytes in two pieces, split at every place, and then one by one.
pub fn splits(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    (0..=bytes.len())
        .map(|at| {
            let (head, tail) = bytes.split_at(at);
            vec![head, tail]
        })
        .chain([bytes.chunks(1).collect()])
}

/// The first byte says how the rest is split: pieces of that length, 0 = as many as a byte says.
fn pieces(data: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((first, rest)) = data.split_first() else {
        return (data, Vec::new());
    };
    let length = usize::from(*first);
    if length > 0 {
        return (rest, rest.chunks(length).collect());
    }
    let (mut left, mut pieces) = (rest, Vec::new());
    while let Some(byte) = left.first() {
        let (piece, more) = left.split_at(usize::from(*byte % 17).clamp(1, left.len()));
        pieces.push(piece);
        left = more;
    }
    (rest, pieces)
}

/// Fuzzes requests: no panic, and the same requests whatever the split.
pub fn http_head(data: &[u8]) {
    let (whole, pieces) = pieces(data);
    assert_eq!(transcript([whole]), transcript(pieces));
}

/// Fuzzes bodies: no panic, no body over the limit, the same body whatever the split.
pub fn http_body(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let framing = match *first {
        0 => Framing::Length(rest.len() / 2),
        _ => Framing::Chunked,
    };
    let (whole, pieces) = pieces(rest);
    assert_eq!(decoded(framing, vec![whole]), decoded(framing, pieces));
}

/// The body, how much of the input it took, and how it ended.
pub(crate) fn decoded(framing: Framing, pieces: Vec<&[u8]>) -> (Vec<u8>, usize, String) {
    let mut decoder = Decoder::new(framing, BODY_BYTES_MAX);
    let (mut body, mut used) = (Vec::new(), 0);
    for piece in pieces {
        match decoder.decode(piece, &mut body, usize::MAX) {
            // How much of a broken body was read until then does depend on the split.
            Err(reject) => return (Vec::new(), 0, format!("{} {}", reject.status, reject.why)),
            Ok(taken) => {
                assert!(taken == piece.len() || decoder.is_done());
                used += taken;
            }
        }
        assert!(matches!(framing, Framing::Length(_)) || body.len() <= BODY_BYTES_MAX);
    }
    let end = if decoder.is_done() { "whole" } else { "open" };
    (body, used, end.to_owned())
}

/// The first byte says what was asked and how the connection ends, the others are what comes back:
/// no panic, the same response whatever the split, and a deadline whenever something is awaited.
pub fn http_response(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let asked = Asked {
        head_only: first & 1 != 0,
        withholds_body: first & 2 != 0,
        first_byte_ms_max: Some(1000),
        pauses: false,
    };
    let how = if first & 4 != 0 {
        Ended::Reset
    } else {
        Ended::Closed
    };
    let (whole, pieces) = pieces(rest);
    let (heard, body) = response([whole], asked, how);
    assert_eq!(response(pieces, asked, how), (heard, body));
}

/// Asks once and tells what comes back, one line for each thing, and the body if it is whole.
pub(crate) fn response<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    asked: Asked,
    how: Ended,
) -> (Vec<String>, Vec<u8>) {
    let at = Moment::default();
    let mut client = Client::new(at.now);
    client.opened();
    assert!(client.request(asked, at.now) && !client.is_idle());
    let (mut lines, mut body) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut input = piece;
        loop {
            assert!(client.deadline().is_some() || asked.first_byte_ms_max.is_none());
            let step = client.next(at, &mut input);
            assert!(!matches!(step, Heard::NeedMore) || input.is_empty());
            match step {
                Heard::NeedMore => break,
                Heard::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(data);
                }
                last => {
                    if let Some(is_whole) = tell(&mut lines, &last) {
                        return (lines, if is_whole { body } else { Vec::new() });
                    }
                }
            }
        }
    }
    let whole = tell(&mut lines, &client.ended(how, at)) == Some(true);
    (lines, if whole { body } else { Vec::new() })
}

/// `Some` if the step is the last, and whether it is a good end.
fn tell(lines: &mut Vec<String>, step: &Heard<'_>) -> Option<bool> {
    match step {
        Heard::NeedMore | Heard::Data(_) => None,
        Heard::Continue => {
            lines.push("continue".to_owned());
            None
        }
        Heard::Head(head) => {
            let fields: Vec<_> = head.headers.iter().collect();
            lines.push(format!("{} {} {fields:?}", head.status, head.http_1_0));
            None
        }
        // Whether the connection can stay depends on what came with the end.
        Heard::End(_) => {
            lines.push("end".to_owned());
            Some(true)
        }
        Heard::Failed(failure) => {
            lines.push(format!("{} {}", failure.fault, failure.reached));
            Some(false)
        }
    }
}

/// Fuzzes event streams: no panic, the same events whatever the split, and what is read can be
/// written and read again.
pub fn sse(data: &[u8]) {
    let (whole, pieces) = pieces(data);
    let events = events([whole]);
    assert_eq!(events, self::events(pieces));
    // Written again, a line may be longer by its name and a blank.
    let short = |event: &Seen| event.0.len() + event.1.len() + "event: ".len() <= BODY_BYTES_MAX;
    for (name, data, _) in events.0.into_iter().filter(short) {
        let mut out = Vec::new();
        let head = EventHead {
            event: Some(&name),
            ..EventHead::default()
        };
        push_event(&mut out, &head, &data);
        let clean: String = name.chars().filter(|c| !c.is_ascii_control()).collect();
        let name = if clean.is_empty() {
            "message".to_owned()
        } else {
            clean
        };
        assert_eq!(self::events([&out[..]]).0, [(name, data, None)]);
    }
}

/// One event: name, data, last id.
type Seen = (String, Vec<u8>, Option<String>);

/// All events in the pieces, whether the stream stayed readable, and its last `retry`.
pub(crate) fn events<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Seen>, bool, Option<u64>) {
    let mut reader = Reader::new(BODY_BYTES_MAX);
    let mut seen = Vec::new();
    for piece in pieces {
        reader.receive(piece);
        loop {
            match reader.next_event() {
                Err(TooLong) => return (seen, false, reader.retry_ms()),
                Ok(None) => break,
                Ok(Some(event)) => {
                    let id = reader.last_id().map(str::to_owned);
                    let name = event.event.as_deref().unwrap_or("message");
                    seen.push((name.to_owned(), event.data, id));
                }
            }
        }
    }
    (seen, true, reader.retry_ms())
}

/// Events as `name|data|last id`, the same whatever the split.
#[cfg(test)]
pub(crate) fn shown(text: &str) -> Vec<String> {
    let whole = events([text.as_bytes()]);
    for pieces in splits(text.as_bytes()) {
        assert_eq!(events(pieces), whole, "{text:?}");
    }
    let (events, readable, _) = whole;
    assert!(readable);
    let show = |(name, data, id): (String, Vec<u8>, Option<String>)| {
        let data = String::from_utf8(data).unwrap();
        format!("{name}|{data}|{}", id.unwrap_or_default())
    };
    events.into_iter().map(show).collect()
}
