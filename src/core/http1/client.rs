//! One connection on which we ask: requests go out one at a time, and what comes back for each is
//! told piece by piece.
//!
//! Owns the place in the response and no more of it than an incomplete head: data stays in the
//! caller's bytes. Never writes: the caller sends what [`RequestHead`] made and tells
//! [`Client::request`]. Knows no sockets, no pools ([`origins`]) and no redirects.
//!
//! ```text
//! Opening -opened-> Idle -request-> Head -Step::Head-> Body -Step::End-> Idle, or Closed
//!                                    any of them -Step::Failed, give_up-> Closed
//! ```
//!
//! [`RequestHead`]: crate::http1::requests::RequestHead
//! [`origins`]: crate::http1::origins

use crate::http1::awaited::Awaited;
use crate::http1::fault::{Failure, Fault, Place};
use crate::http1::response_body::Body;
use crate::http1::response_head::{ResponseHead, Unreadable};
use crate::limits::OPEN_MS_MAX;
use crate::now::Tick;

pub use crate::http1::awaited::{Asked, Moment};

/// One connection on which we ask.
#[derive(Debug)]
pub struct Client {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The connection is being opened.
    Opening { since: Tick },
    /// Nothing is under way.
    Idle,
    /// A request was sent; the head of its response is not complete.
    Head(Box<Awaited>),
    /// The head was handed out, its body comes.
    Body(Body),
    /// Nothing can be asked here; whatever the server still sends is thrown away.
    Closed,
}

/// What has come.
#[derive(Debug)]
pub enum Step<'i> {
    /// Nothing until more bytes are received.
    NeedMore,
    /// Send the body that was withheld.
    Continue,
    /// The response; data follows, unless there is none.
    Head(ResponseHead),
    /// A piece of the body.
    Data(&'i [u8]),
    /// The response is complete.
    End(After),
    /// The request has no response, or not all of it. Close the connection.
    Failed(Failure),
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It can be used again within this time.
    Keep {
        /// See [`IDLE_CONNECTION_MS`](crate::limits::IDLE_CONNECTION_MS).
        idle_ms_max: u64,
    },
    /// Close it.
    Close,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// In order: the server closed its half (over TLS: and said so).
    Closed,
    /// By a reset, an error, or over TLS without a word.
    Reset,
}

impl Client {
    /// A connection that is being opened.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        let state = State::Opening { since: now };
        Self { state }
    }

    /// The connection is open.
    pub fn opened(&mut self) {
        if matches!(self.state, State::Opening { .. }) {
            self.state = State::Idle;
        }
    }

    /// Whether a request can be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// A request is being sent. `false` if none can be, and then nothing changes.
    #[must_use]
    pub fn request(&mut self, asked: Asked, now: Tick) -> bool {
        if !self.is_idle() {
            return false;
        }
        self.state = State::Head(Box::new(Awaited::new(asked, now)));
        true
    }

    /// Nobody wants the response any more. `true` if the connection is idle and can stay;
    /// otherwise close it.
    pub fn give_up(&mut self) -> bool {
        let stays = self.is_idle();
        if !stays {
            self.state = State::Closed;
        }
        stays
    }

    /// The body that comes is a stream of events: it may be as long as it pleases and pause for as
    /// long as it likes.
    pub fn stream(&mut self) {
        if let State::Body(body) = &mut self.state {
            body.stream();
        }
    }

    /// The next thing that the received bytes make; call it until it says [`Step::NeedMore`], by
    /// when all of the input is used.
    pub fn next<'i>(&mut self, at: Moment, input: &mut &'i [u8]) -> Step<'i> {
        match &mut self.state {
            State::Body(body) => match body.next(at.now, input) {
                Ok(Some(piece)) => Step::Data(piece),
                Ok(None) if body.is_done() => self.end(at, input),
                Ok(None) => Step::NeedMore,
                Err(fault) => self.fail(fault, true),
            },
            State::Head(_) => self.next_head(at, input),
            State::Idle | State::Opening { .. } if !input.is_empty() => {
                self.fail(Fault::Unsolicited, false)
            }
            State::Idle | State::Opening { .. } => Step::NeedMore,
            State::Closed => {
                *input = &[];
                Step::NeedMore
            }
        }
    }

    /// Reads heads until one answers.
    fn next_head<'i>(&mut self, at: Moment, input: &mut &'i [u8]) -> Step<'i> {
        while let State::Head(awaited) = &mut self.state
            && !input.is_empty()
        {
            let head = match awaited.read(at.now, input) {
                Ok(Some(head)) => head,
                Ok(None) => return Step::NeedMore,
                Err(Unreadable(why)) => return self.fail(Fault::Unreadable(why), true),
            };
            if !head.is_interim() {
                return self.begin_body(at.now, head);
            }
            if head.status == 101 {
                return self.fail(Fault::Switched, true);
            }
            if !awaited.goes_on() {
                return self.fail(Fault::Interim, true);
            }
            if head.status == 100 && awaited.releases_body(at.now) {
                return Step::Continue;
            }
        }
        Step::NeedMore
    }

    fn begin_body(&mut self, now: Tick, head: ResponseHead) -> Step<'static> {
        let State::Head(awaited) = &self.state else {
            return Step::NeedMore;
        };
        match Body::new(&head, awaited.asked(), now) {
            Ok(body) => self.state = State::Body(body),
            Err(Unreadable(why)) => return self.fail(Fault::Unreadable(why), true),
        }
        Step::Head(head)
    }

    /// The body is complete. Bytes behind it answer no request: such a connection is not trusted
    /// with another.
    fn end(&mut self, at: Moment, input: &mut &[u8]) -> Step<'static> {
        let idle_ms = match &self.state {
            State::Body(body) => body.idle_ms(),
            _ => None,
        };
        match idle_ms.filter(|_| at.unsent == 0 && input.is_empty()) {
            Some(idle_ms_max) => {
                self.state = State::Idle;
                Step::End(After::Keep { idle_ms_max })
            }
            None => {
                self.state = State::Closed;
                *input = &[];
                Step::End(After::Close)
            }
        }
    }

    /// The connection has ended. [`Step::NeedMore`] if nothing was awaited.
    pub fn ended(&mut self, how: Ended, at: Moment) -> Step<'static> {
        let fault = match how {
            Ended::Closed => Fault::Closed,
            Ended::Reset => Fault::Reset,
        };
        match &self.state {
            State::Idle | State::Closed | State::Opening { .. } => {
                self.state = State::Closed;
                Step::NeedMore
            }
            State::Head(awaited) => {
                let (place, reached) = (awaited.place(), awaited.reached(at));
                self.fail(fault(place), reached)
            }
            State::Body(body) if body.is_until_close() && how == Ended::Closed => {
                self.end(at, &mut &[][..])
            }
            State::Body(_) => self.fail(fault(Place::Body), true),
        }
    }

    /// When [`Client::tick`] has something to say, unless something happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        match &self.state {
            State::Idle | State::Closed => None,
            State::Opening { since } => Some(since.after(OPEN_MS_MAX)),
            State::Head(awaited) => awaited.deadline(),
            State::Body(body) => body.deadline(),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, at: Moment) -> Step<'static> {
        if self.deadline().is_none_or(|deadline| deadline > at.now) {
            return Step::NeedMore;
        }
        match &mut self.state {
            State::Idle | State::Closed => Step::NeedMore,
            State::Opening { .. } => self.fail(Fault::OpenTimedOut, false),
            State::Head(awaited) => {
                if awaited.place() == Place::Before && awaited.releases_body(at.now) {
                    return Step::Continue;
                }
                let (place, reached) = (awaited.place(), awaited.reached(at));
                self.fail(Fault::TimedOut(place), reached)
            }
            State::Body(_) => self.fail(Fault::TimedOut(Place::Body), true),
        }
    }

    fn fail(&mut self, fault: Fault, reached: bool) -> Step<'static> {
        self.state = State::Closed;
        Step::Failed(Failure { fault, reached })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fuzzing::{response, splits};
    use crate::limits::{
        CONTINUE_MS_MAX, IDLE_CONNECTION_MS, INTERIM_RESPONSES_MAX, RESPONSE_BODY_BYTES_MAX,
        RESPONSE_HEAD_MS_MAX, RESPONSE_IDLE_MS_MAX,
    };

    const PLAIN: Asked = Asked {
        head_only: false,
        withholds_body: false,
        first_byte_ms_max: None,
        pauses: false,
    };
    const EXPECTS: Asked = Asked {
        withholds_body: true,
        ..PLAIN
    };

    fn at(ms: u64) -> Moment {
        Moment {
            now: Tick(ms),
            unsent: 0,
        }
    }

    fn unsent(ms: u64) -> Moment {
        Moment {
            now: Tick(ms),
            unsent: 1,
        }
    }

    /// A connection with a request under way since 0 ms.
    fn asking(asked: Asked) -> Client {
        let mut client = Client::new(Tick(0));
        client.opened();
        assert!(client.request(asked, Tick(0)));
        client
    }

    /// All steps that a text makes, but the last (`NeedMore`).
    fn feed<'i>(client: &mut Client, at: Moment, text: &'i str) -> Vec<Step<'i>> {
        let mut input = text.as_bytes();
        let mut steps = Vec::new();
        loop {
            match client.next(at, &mut input) {
                Step::NeedMore => return steps,
                step => steps.push(step),
            }
        }
    }

    fn failure(step: &Step<'_>) -> (Fault, bool) {
        match step {
            Step::Failed(failure) => (failure.fault, failure.reached),
            other => panic!("{other:?}"),
        }
    }

    /// Status, body and whether the end was in order; the same whatever the split.
    fn heard(text: &str, asked: Asked, how: Ended) -> (Vec<String>, String) {
        let whole = response([text.as_bytes()], asked, how);
        for pieces in splits(text.as_bytes()) {
            assert_eq!(response(pieces, asked, how), whole, "{text:?}");
        }
        (whole.0, String::from_utf8(whole.1).unwrap())
    }

    #[test]
    fn rfc9112_6_3_bodies_of_every_framing_whatever_the_split() {
        for (text, how, body) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                Ended::Reset,
                "hello",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                Ended::Reset,
                "",
            ),
            (
                "HTTP/1.1 202 Accepted\r\nContent-Length: 0, 0\r\n\r\n",
                Ended::Reset,
                "",
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", Ended::Reset, ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfoo\r\n4;x\r\n bar\r\n0\r\nT: u\r\n\r\n",
                Ended::Reset,
                "foo bar",
            ),
            (
                "HTTP/1.0 200 OK\r\n\r\nuntil the end",
                Ended::Closed,
                "until the end",
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", Ended::Closed, ""),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, behind it",
                Ended::Closed,
                "hello",
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
                Ended::Reset,
                "!",
            ),
        ] {
            let (lines, found) = heard(text, PLAIN, how);
            assert_eq!((lines.len(), lines[1].as_str()), (2, "end"), "{text}");
            assert_eq!(found, body, "{text}");
        }
        let head = Asked {
            head_only: true,
            ..PLAIN
        };
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(heard(text, head, Ended::Reset).0[1], "end");
    }

    #[test]
    fn responses_that_break_off_are_told_with_the_place() {
        for (text, closed, reset) in [
            (
                "",
                Fault::Closed(Place::Before),
                Fault::Reset(Place::Before),
            ),
            (
                "HTTP/1.1 200",
                Fault::Closed(Place::Head),
                Fault::Reset(Place::Head),
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\n",
                Fault::Closed(Place::Before),
                Fault::Reset(Place::Before),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                Fault::Closed(Place::Body),
                Fault::Reset(Place::Body),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
                Fault::Closed(Place::Body),
                Fault::Reset(Place::Body),
            ),
        ] {
            for (how, fault) in [(Ended::Closed, closed), (Ended::Reset, reset)] {
                let (lines, body) = heard(text, PLAIN, how);
                let last = lines.last().map(String::as_str);
                assert_eq!(last, Some(format!("{fault} true").as_str()), "{text:?}");
                assert_eq!(body, "");
            }
        }
        let (lines, _) = heard("HTTP/1.1 200 OK\r\n\r\nuntil", PLAIN, Ended::Reset);
        assert_eq!(lines[1], format!("{} true", Fault::Reset(Place::Body)));
    }

    #[test]
    fn what_is_no_response_fails_whatever_the_split() {
        for (text, why) in [
            ("nonsense", "what the server sent is not HTTP/1.1"),
            (
                "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
                "the server goes over to a protocol that it was not asked for",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "Content-Length and Transfer-Encoding exclude each other",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                "a header field that has one value has two",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello",
                "the chunks of the body are not well formed",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
                "the chunks of the body are not well formed",
            ),
            (
                "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
                "a header line goes on in the next (obs-fold)",
            ),
        ] {
            let (lines, body) = heard(text, PLAIN, Ended::Closed);
            assert_eq!(lines.last(), Some(&format!("{why} true")), "{text:?}");
            assert_eq!(body, "");
        }
        let many = "HTTP/1.1 102 Processing\r\n\r\n".repeat(INTERIM_RESPONSES_MAX);
        let good = format!("{many}HTTP/1.1 204 x\r\n\r\n");
        assert_eq!(response([good.as_bytes()], PLAIN, Ended::Reset).0[1], "end");
        let over = format!("{many}HTTP/1.1 102 Processing\r\n\r\n");
        let (lines, _) = response([over.as_bytes()], PLAIN, Ended::Reset);
        assert_eq!(lines, [format!("{} true", Fault::Interim)]);
    }

    #[test]
    fn response_body_bytes_max_fails_the_request_and_a_stream_has_none() {
        let length = |bytes: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
        let mut client = asking(PLAIN);
        let fits = length(RESPONSE_BODY_BYTES_MAX);
        let steps = feed(&mut client, at(0), &fits);
        assert!(matches!(steps[..], [Step::Head(_)]));
        let mut client = asking(PLAIN);
        let over = length(RESPONSE_BODY_BYTES_MAX + 1);
        let steps = feed(&mut client, at(0), &over);
        assert_eq!(failure(&steps[1]), (Fault::BodyTooLong, true));

        let megabyte = "x".repeat(1 << 20);
        let chunk = format!("{:x}\r\n{megabyte}\r\n", megabyte.len());
        for head in ["Transfer-Encoding: chunked\r\n", ""] {
            let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
            let piece = if head.contains("chunked") {
                &chunk
            } else {
                &megabyte
            };
            for is_stream in [false, true] {
                let mut client = asking(PLAIN);
                let _head = feed(&mut client, at(0), &head);
                if is_stream {
                    client.stream();
                }
                let steps = (0..40).flat_map(|_| feed(&mut client, at(0), piece));
                let failed: Vec<_> = steps
                    .filter(|step| matches!(step, Step::Failed(_)))
                    .map(|step| failure(&step).0)
                    .collect();
                let expected: &[Fault] = if is_stream {
                    &[]
                } else {
                    &[Fault::BodyTooLong]
                };
                assert_eq!(failed, expected);
            }
        }
        let mut client = asking(PLAIN);
        let huge = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\nx";
        assert!(matches!(
            feed(&mut client, at(0), huge)[..],
            [Step::Head(_), Step::Data(b"x")]
        ));
    }

    #[test]
    fn an_idle_connection_is_used_again_and_again() {
        let mut client = asking(PLAIN);
        for _ in 0..3 {
            let text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let steps = feed(&mut client, at(0), text);
            let keep = After::Keep {
                idle_ms_max: IDLE_CONNECTION_MS,
            };
            match &steps[..] {
                [Step::Head(head), Step::Data(b"ok"), Step::End(after)] => {
                    assert_eq!((head.status, *after), (200, keep));
                }
                other => panic!("{other:?}"),
            }
            assert!(client.is_idle() && client.deadline().is_none());
            assert!(client.request(PLAIN, Tick(0)));
            assert!(!client.request(PLAIN, Tick(0)), "one at a time");
        }
    }

    #[test]
    fn a_connection_with_something_left_over_is_not_used_again() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let closes = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        let more = format!("{text}HTTP/1.1 200 OK\r\n\r\n");
        for (moment, text) in [(unsent(0), text), (at(0), closes), (at(0), &more)] {
            let mut client = asking(PLAIN);
            let steps = feed(&mut client, moment, text);
            assert!(
                matches!(steps[..], [_, _, Step::End(After::Close)]),
                "{steps:?}"
            );
            assert!(!client.is_idle() && !client.request(PLAIN, Tick(0)));
            assert!(feed(&mut client, at(0), "whatever").is_empty());
        }
        let mut client = asking(PLAIN);
        let _steps = feed(&mut client, at(0), text);
        let steps = feed(&mut client, at(0), "HTTP/1.1 408 Too late\r\n\r\n");
        assert_eq!(failure(&steps[0]), (Fault::Unsolicited, false));
    }

    #[test]
    fn whether_the_server_can_have_acted_on_the_request() {
        let mut client = asking(PLAIN);
        let step = client.ended(Ended::Reset, unsent(0));
        assert_eq!(failure(&step), (Fault::Reset(Place::Before), false));
        let mut client = asking(PLAIN);
        let step = client.ended(Ended::Closed, at(0));
        assert_eq!(failure(&step), (Fault::Closed(Place::Before), true));
        let mut client = asking(PLAIN);
        let _none = feed(&mut client, unsent(0), "HTTP/1.1 4");
        let step = client.ended(Ended::Reset, unsent(0));
        assert_eq!(failure(&step), (Fault::Reset(Place::Head), true));
        let mut client = asking(EXPECTS);
        let step = client.ended(Ended::Reset, at(0));
        assert_eq!(failure(&step), (Fault::Reset(Place::Before), false));
    }

    #[test]
    fn nothing_is_lost_with_a_connection_that_was_idle() {
        for how in [Ended::Closed, Ended::Reset] {
            let mut client = Client::new(Tick(0));
            client.opened();
            assert!(matches!(client.ended(how, at(0)), Step::NeedMore));
            assert!(!client.is_idle());
        }
    }

    #[test]
    fn rfc9110_10_1_1_the_body_is_sent_when_the_server_says_so_or_says_nothing() {
        let mut client = asking(EXPECTS);
        let steps = feed(&mut client, at(5), "HTTP/1.1 100 Continue\r\n\r\n");
        assert!(matches!(steps[..], [Step::Continue]));
        let steps = feed(
            &mut client,
            at(6),
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
        );
        assert!(matches!(
            steps[..],
            [Step::Head(_), Step::End(After::Keep { .. })]
        ));

        let mut client = asking(EXPECTS);
        assert_eq!(client.deadline(), Some(Tick(CONTINUE_MS_MAX)));
        assert!(matches!(
            client.tick(at(CONTINUE_MS_MAX - 1)),
            Step::NeedMore
        ));
        assert!(matches!(client.tick(at(CONTINUE_MS_MAX)), Step::Continue));
        assert_eq!(client.deadline(), None);
        let steps = feed(&mut client, at(CONTINUE_MS_MAX), "HTTP/1.1 204 x\r\n\r\n");
        assert!(matches!(
            steps[..],
            [Step::Head(_), Step::End(After::Keep { .. })]
        ));

        // A refusal instead: the body is never sent, so the connection is of no use.
        let mut client = asking(EXPECTS);
        let steps = feed(
            &mut client,
            at(5),
            "HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n",
        );
        assert!(matches!(
            steps[..],
            [Step::Head(_), Step::End(After::Close)]
        ));
    }

    #[test]
    fn deadlines_of_every_state() {
        let mut client = Client::new(Tick(7));
        assert_eq!(client.deadline(), Some(Tick(7 + OPEN_MS_MAX)));
        let step = client.tick(at(7 + OPEN_MS_MAX));
        assert_eq!(failure(&step), (Fault::OpenTimedOut, false));

        let mut client = asking(Asked {
            first_byte_ms_max: Some(50),
            ..PLAIN
        });
        assert!(matches!(client.tick(at(49)), Step::NeedMore));
        let step = client.tick(unsent(50));
        assert_eq!(failure(&step), (Fault::TimedOut(Place::Before), false));
        assert_eq!(client.deadline(), None);
        assert_eq!(asking(PLAIN).deadline(), None);

        // A head that drips has one deadline from its first byte on.
        let mut client = asking(PLAIN);
        for (ms, byte) in ["H", "T", "T", "P"].iter().enumerate() {
            let _none = feed(&mut client, at(10 + ms as u64), byte);
        }
        assert_eq!(client.deadline(), Some(Tick(10 + RESPONSE_HEAD_MS_MAX)));
        let step = client.tick(at(10 + RESPONSE_HEAD_MS_MAX));
        assert_eq!(failure(&step), (Fault::TimedOut(Place::Head), true));

        // A body has one from its last byte on, a stream of events none.
        let mut client = asking(PLAIN);
        let _head = feed(
            &mut client,
            at(0),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        );
        let _data = feed(&mut client, at(5), "x");
        assert_eq!(client.deadline(), Some(Tick(5 + RESPONSE_IDLE_MS_MAX)));
        let mut other = asking(PLAIN);
        let _head = feed(&mut other, at(0), "HTTP/1.1 200 OK\r\n\r\n");
        other.stream();
        assert_eq!(other.deadline(), None);
        let pauses = true;
        let mut other = asking(Asked { pauses, ..PLAIN });
        let _head = feed(&mut other, at(0), "HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(other.deadline(), None);
        let step = client.tick(at(5 + RESPONSE_IDLE_MS_MAX));
        assert_eq!(failure(&step), (Fault::TimedOut(Place::Body), true));
    }

    #[test]
    fn a_request_that_nobody_waits_for_takes_its_connection_with_it() {
        let mut client = asking(PLAIN);
        assert!(!client.give_up());
        assert!(feed(&mut client, at(0), "HTTP/1.1 200 OK\r\n\r\n").is_empty());
        let mut client = asking(PLAIN);
        let _all = feed(&mut client, at(0), "HTTP/1.1 204 x\r\n\r\n");
        assert!(client.give_up() && client.is_idle());
        assert!(!Client::new(Tick(0)).give_up());
    }
}
