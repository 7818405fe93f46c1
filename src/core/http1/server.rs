//! One accepted connection: bytes in, requests out, and what the answer to each may look like.
//!
//! Owns the inbox. One exchange at a time: while an answer is under way, pipelined bytes wait in
//! the inbox, and the owner of the connection stops reading when [`Server::inbox_bytes`] grows.
//! Never writes: [`Server::respond`] and its sisters return the bytes that frame an answer.

mod pieces;
mod swallow;

use crate::base::frame::Frame;
use crate::http1::body::{self, Decoder};
use crate::http1::framing::{self, Framing};
use crate::http1::head::HeadParser;
use crate::http1::response::{self, Delimited};
use crate::limits::{INBOX_KEPT_BYTES_MAX, SHARE_BYTES_MIN};

pub use crate::http1::head::{Method, Request};
pub use crate::http1::headers::Headers;
pub use crate::http1::reject::Reject;

/// One accepted connection.
#[derive(Debug)]
pub struct Server {
    inbox: Vec<u8>,
    /// Bytes at the front of the inbox that belong to the past.
    taken: usize,
    body_bytes_max: usize,
    /// Longer bodies are asked about.
    small_bytes_max: usize,
    /// A body that announces no more than this is thrown away before it is refused for its length.
    swallowed_bytes_max: usize,
    /// The request whose body was too long.
    too_long: Option<Box<Request>>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between requests, or in a head.
    Head(HeadParser),
    /// The head was read, its body comes.
    Body(Box<Incoming>),
    /// The head was handed out, and its receiver decides whether the body is read on.
    Asked { head_only: bool, part: Box<Part> },
    /// A body that is too long is thrown away; then its request is refused.
    Swallowing { head_only: bool, left: usize },
    /// A request was handed out, or refused; its answer is under way.
    Exchange(Exchange),
    /// The last answer is complete; whatever the peer still sends is thrown away.
    Closed,
}

/// A request whose body is not complete.
#[derive(Debug)]
struct Incoming {
    request: Request,
    part: Part,
}

/// What was taken of a body, and what is to come.
#[derive(Debug)]
struct Part {
    decoder: Decoder,
    body: Vec<u8>,
    /// The peer waits for `100 Continue`.
    expects: bool,
    /// It may be longer than a small one.
    granted: bool,
}

/// What is known about the answer under way.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    http_1_0: bool,
    /// HEAD: the answer has no body.
    head_only: bool,
    keep_alive: bool,
    chunked: bool,
}

/// What [`Server::next`] found.
#[derive(Debug)]
pub enum Step {
    /// Nothing until more bytes are received.
    NeedMore,
    /// The peer waits for `HTTP/1.1 100 Continue` with an empty line before it sends the body;
    /// send it ([`CONTINUE`]) and call again.
    Continue,
    /// The head of a request whose body is not small, once for each request, before much of the
    /// body was read. Give it back with [`Server::go_on`]; or answer it with [`Server::respond`],
    /// then close.
    Large(Request),
    /// A request; its body is in the frame. Answer it, then call [`Server::done`].
    Request(Request),
    /// Not a request that can be served. Answer it with [`Server::respond`], then close.
    Reject(Reject),
    /// An answer is under way, or the connection is closing; received bytes wait.
    Paused,
}

/// What the peer is waited for, so that the caller can set the right timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Between requests: nothing of the next head was received.
    IdleHead,
    /// In a head.
    Head,
    /// In a body.
    Body,
    /// For our own answer.
    Response,
}

/// The body that follows a head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Exactly this many bytes (none of them after HEAD: ask [`Server::sends_body`]).
    Full(usize),
    /// None (202, 204).
    Empty,
    /// An unknown number, in pieces framed by [`Server::chunk_head`] and [`Server::chunk_tail`],
    /// ended by [`Server::end_stream`].
    Stream,
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next request; it may be in the inbox already, so call [`Server::next`] now.
    KeepAlive,
    /// Close: shut our half down, then linger until the peer has read it.
    Close,
}

/// What [`Step::Continue`] asks for.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Server {
    /// A connection on which nothing was received yet. It takes every body up to this length.
    #[must_use]
    pub fn new(body_bytes_max: usize) -> Self {
        Self {
            inbox: Vec::new(),
            taken: 0,
            body_bytes_max,
            small_bytes_max: body_bytes_max,
            swallowed_bytes_max: 0,
            too_long: None,
            state: State::Head(HeadParser::default()),
        }
    }

    /// The same, but it asks before it takes a longer body than this ([`Step::Large`]).
    #[must_use]
    pub const fn asking_above(mut self, small_bytes_max: usize) -> Self {
        self.small_bytes_max = small_bytes_max;
        self
    }

    /// Takes received bytes in. After the last request of a connection they vanish.
    pub fn receive(&mut self, bytes: &[u8]) {
        match self.state {
            State::Closed
            | State::Exchange(Exchange {
                keep_alive: false, ..
            }) => {}
            _ => {
                self.inbox.drain(..self.taken.min(self.inbox.len()));
                self.taken = 0;
                self.inbox.extend_from_slice(bytes);
            }
        }
    }

    /// The next thing that the received bytes make. Short bodies are copied into the frame, long
    /// ones moved.
    pub fn next(&mut self, frame: &mut Frame) -> Step {
        if let State::Head(parser) = &mut self.state {
            let fresh = self.inbox.get(self.taken..).unwrap_or_default();
            return match parser.parse(fresh) {
                Err(reject) => self.refuse(reject, false),
                Ok(None) => Step::NeedMore,
                Ok(Some((request, bytes))) => {
                    self.taken += bytes;
                    self.begin_body(request, frame)
                }
            };
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Body(incoming) => self.take_body(*incoming, frame),
            State::Swallowing { head_only, left } => self.swallow(head_only, left),
            state => {
                self.state = state;
                Step::Paused
            }
        }
    }

    /// Decides what body follows a head, and takes what is there of it.
    fn begin_body(&mut self, request: Request, frame: &mut Frame) -> Step {
        let framing = framing::of(&request, self.body_bytes_max);
        let (framing, expects) =
            match framing.and_then(|framing| Ok((framing, framing::expects_continue(&request)?))) {
                Ok(decided) => decided,
                Err(body::TOO_LARGE) => return self.too_long(request),
                Err(reject) => return self.refuse(reject, request.method == Method::Head),
            };
        let incoming = Incoming {
            request,
            part: Part {
                decoder: Decoder::new(framing, self.body_bytes_max),
                body: Vec::new(),
                expects: expects && framing != Framing::Length(0),
                granted: false,
            },
        };
        let large = match framing {
            Framing::Length(length) => length > self.small_bytes_max,
            // Who waits for a word before it sends is told by the head alone.
            Framing::Chunked => {
                expects && self.small_bytes_max < self.body_bytes_max && self.inbox_bytes() == 0
            }
        };
        if large {
            return self.ask(incoming);
        }
        self.take_body(incoming, frame)
    }

    /// Has somebody decide by the head whether the body is read on.
    fn ask(&mut self, incoming: Incoming) -> Step {
        self.tidy();
        self.state = State::Asked {
            head_only: incoming.request.method == Method::Head,
            part: Box::new(incoming.part),
        };
        Step::Large(incoming.request)
    }

    /// What [`Step::Large`] told is to be read on, its body up to this length; call
    /// [`Server::next`] then.
    pub fn go_on(&mut self, request: Request, body_bytes_max: usize) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Asked { mut part, .. } => {
                part.granted = true;
                part.decoder.limit(body_bytes_max.min(self.body_bytes_max));
                let part = *part;
                self.state = State::Body(Box::new(Incoming { request, part }));
            }
            state => self.state = state,
        }
    }

    /// How long the body is that [`Step::Large`] told of, if its head says so.
    #[must_use]
    pub fn announced_bytes(&self) -> Option<usize> {
        match &self.state {
            State::Asked { part, .. } => part.decoder.left(),
            _ => None,
        }
    }

    /// Takes what was received of the body.
    fn take_body(&mut self, mut incoming: Incoming, frame: &mut Frame) -> Step {
        let Incoming { request, part } = &mut incoming;
        let head_only = request.method == Method::Head;
        if part.decoder.is_over(part.body.len()) {
            self.too_long = Some(Box::new(incoming.request));
            return self.refuse(body::TOO_LARGE, head_only);
        }
        let fresh = self.inbox.get(self.taken..).unwrap_or_default();
        // A body that has begun needs no permission any more (RFC 9110 section 10.1.1).
        if std::mem::take(&mut part.expects) && fresh.is_empty() {
            self.state = State::Body(Box::new(incoming));
            return Step::Continue;
        }
        let whole = part
            .decoder
            .left()
            .filter(|left| *left < SHARE_BYTES_MIN && part.body.is_empty())
            .and_then(|left| fresh.get(..left));
        if let Some(body) = whole {
            frame.fill(body);
            self.taken += body.len();
            return self.hand_out(incoming.request);
        }
        let upto = if part.granted {
            usize::MAX
        } else {
            self.small_bytes_max
        };
        match part.decoder.decode(fresh, &mut part.body, upto) {
            Err(reject) => {
                if reject == body::TOO_LARGE {
                    self.too_long = Some(Box::new(incoming.request));
                }
                return self.refuse(reject, head_only);
            }
            Ok(used) => self.taken += used,
        }
        if part.body.len() > upto {
            return self.ask(incoming);
        }
        if !part.decoder.is_done() {
            self.tidy();
            self.state = State::Body(Box::new(incoming));
            return Step::NeedMore;
        }
        let Incoming { request, part } = incoming;
        if part.body.len() < SHARE_BYTES_MIN {
            frame.fill(&part.body);
        } else {
            frame.adopt(part.body);
        }
        self.hand_out(request)
    }

    fn hand_out(&mut self, request: Request) -> Step {
        let keep_alive = framing::keeps_alive(&request);
        self.state = State::Exchange(Exchange {
            http_1_0: request.http_1_0,
            head_only: request.method == Method::Head,
            keep_alive,
            chunked: false,
        });
        if !keep_alive {
            self.taken = self.inbox.len();
        }
        self.tidy();
        Step::Request(request)
    }

    fn refuse(&mut self, reject: Reject, head_only: bool) -> Step {
        self.state = State::Exchange(Exchange::last(head_only));
        self.taken = self.inbox.len();
        self.tidy();
        Step::Reject(reject)
    }

    /// Gives the inbox back when it is empty: most connections are idle most of the time.
    fn tidy(&mut self) {
        if self.taken >= self.inbox.len() {
            self.taken = 0;
            self.inbox.clear();
            if self.inbox.capacity() > INBOX_KEPT_BYTES_MAX {
                self.inbox = Vec::new();
            }
        }
    }

    /// Bytes received that no request has taken yet.
    #[must_use]
    pub fn inbox_bytes(&self) -> usize {
        self.inbox.len().saturating_sub(self.taken)
    }

    /// Room held for what was received.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        let body = match &self.state {
            State::Body(incoming) => incoming.part.body.capacity(),
            State::Asked { part, .. } => part.body.capacity(),
            State::Head(_) | State::Swallowing { .. } | State::Exchange(_) | State::Closed => 0,
        };
        self.inbox.capacity() + body
    }

    /// What is waited for.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        match self.state {
            State::Head(_) if self.inbox_bytes() == 0 => Waiting::IdleHead,
            State::Head(_) => Waiting::Head,
            State::Body(_) | State::Asked { .. } | State::Swallowing { .. } => Waiting::Body,
            State::Exchange(_) | State::Closed => Waiting::Response,
        }
    }

    /// The head of an answer.
    pub fn respond(&mut self, status: u16, headers: &[(&str, &str)], body: Reply) -> Vec<u8> {
        let mut head = Vec::with_capacity(256);
        self.push_head(&mut head, status, headers, body);
        head
    }

    /// Appends the head of an answer. Without a request handed out (408 in the middle of a head) it
    /// is the last answer of the connection.
    pub fn push_head(
        &mut self,
        out: &mut Vec<u8>,
        status: u16,
        headers: &[(&str, &str)],
        body: Reply,
    ) {
        let mut exchange = match &self.state {
            State::Exchange(exchange) => *exchange,
            State::Body(incoming) => Exchange::last(incoming.request.method == Method::Head),
            State::Asked { head_only, .. } | State::Swallowing { head_only, .. } => {
                Exchange::last(*head_only)
            }
            State::Head(_) | State::Closed => Exchange::last(false),
        };
        let delimited = match body {
            _ if matches!(status, 204 | 304) => Delimited::Unsaid,
            Reply::Full(length) => Delimited::Length(length),
            Reply::Empty => Delimited::Length(0),
            Reply::Stream if exchange.http_1_0 => {
                exchange.keep_alive = false;
                Delimited::Unsaid
            }
            Reply::Stream => Delimited::Chunked,
        };
        exchange.chunked = delimited == Delimited::Chunked && !exchange.head_only;
        let connection = match (exchange.keep_alive, exchange.http_1_0) {
            (false, _) => Some("close"),
            (true, true) => Some("keep-alive"),
            (true, false) => None,
        };
        self.state = State::Exchange(exchange);
        response::push_head(out, status, headers, delimited, connection);
    }

    /// Whether the answer under way may have a body (not after HEAD).
    #[must_use]
    pub fn sends_body(&self) -> bool {
        !matches!(
            self.state,
            State::Exchange(Exchange {
                head_only: true,
                ..
            })
        )
    }

    /// The answer is complete: all of it was given to the outbox.
    pub fn done(&mut self) -> After {
        if self.must_close() {
            self.state = State::Closed;
            self.taken = self.inbox.len();
            self.tidy();
            return After::Close;
        }
        if matches!(self.state, State::Exchange(_)) {
            self.state = State::Head(HeadParser::default());
        }
        After::KeepAlive
    }

    /// Whether the connection ends with the answer under way.
    #[must_use]
    pub fn must_close(&self) -> bool {
        matches!(
            self.state,
            State::Closed
                | State::Exchange(Exchange {
                    keep_alive: false,
                    ..
                })
        )
    }

    /// Makes the answer under way the last one (we are stopping, or the answer was cut short).
    pub fn close_after(&mut self) {
        match &mut self.state {
            State::Exchange(exchange) => exchange.keep_alive = false,
            State::Head(_) | State::Body(_) | State::Asked { .. } | State::Swallowing { .. } => {
                self.state = State::Closed
            }
            State::Closed => {}
        }
    }
}

impl Exchange {
    /// The last answer of a connection.
    const fn last(head_only: bool) -> Self {
        Self {
            http_1_0: false,
            head_only,
            keep_alive: false,
            chunked: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fuzzing::{splits, transcript};
    use crate::limits::HEAD_BYTES_MAX;

    fn serve(server: &mut Server, frame: &mut Frame) -> Request {
        match server.next(frame) {
            Step::Request(request) => request,
            other => panic!("{other:?}"),
        }
    }

    /// Receives one request and gives the connection, ready to answer.
    fn asked(text: &str) -> Server {
        let mut server = Server::new(1 << 20);
        server.receive(text.as_bytes());
        let _request = serve(&mut server, &mut Frame::default());
        server
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn rfc9112_9_3_2_pipelined_requests_come_one_by_one_whatever_the_split() {
        let input = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
             POST /b?c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nfoo\r\n3;x\r\nbar\r\n0\r\nT: u\r\n\r\n\r\n\
             GET /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n!\
             HEAD /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n\
             GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
        let whole = transcript([input.as_bytes()]);
        let ends = |line: &str, path: &str, rest: &str| {
            assert!(line.contains(path) && line.ends_with(rest), "{line}");
        };
        assert_eq!(whole.len(), 5);
        ends(&whole[0], "POST /a None", "\"hello\" KeepAlive");
        ends(&whole[1], "POST /b Some(\"c\")", "\"foobar\" KeepAlive");
        ends(&whole[2], "GET /c None", "\"!\" KeepAlive");
        ends(&whole[3], "HEAD /d None", "\"\" Close");
        assert_eq!(whole[4], "Response 0");
        for pieces in splits(input.as_bytes()) {
            assert_eq!(transcript(pieces), whole);
        }
    }

    #[test]
    fn pipelined_bytes_wait_for_the_answer() {
        let (mut server, mut frame) = (Server::new(100), Frame::default());
        server.receive(format!("{GET}{GET}GE").as_bytes());
        let _first = serve(&mut server, &mut frame);
        assert!(matches!(server.next(&mut frame), Step::Paused));
        assert_eq!(server.inbox_bytes(), GET.len() + 2);
        let _head = server.respond(200, &[], Reply::Full(2));
        assert!(matches!(server.next(&mut frame), Step::Paused));
        assert_eq!(server.done(), After::KeepAlive);
        let _second = serve(&mut server, &mut frame);
        let _head = server.respond(202, &[], Reply::Empty);
        assert_eq!(server.done(), After::KeepAlive);
        assert!(matches!(server.next(&mut frame), Step::NeedMore));
        assert_eq!((server.waiting(), server.inbox_bytes()), (Waiting::Head, 2));
    }

    #[test]
    fn what_is_waited_for() {
        let (mut server, mut frame) = (Server::new(100), Frame::default());
        assert_eq!(server.waiting(), Waiting::IdleHead);
        server.receive(b"POST / HTTP/1.1\r\n");
        assert!(matches!(server.next(&mut frame), Step::NeedMore));
        assert_eq!(server.waiting(), Waiting::Head);
        server.receive(b"Host: x\r\nContent-Length: 3\r\n\r\na");
        assert!(matches!(server.next(&mut frame), Step::NeedMore));
        assert_eq!(server.waiting(), Waiting::Body);
        server.receive(b"bc");
        let _request = serve(&mut server, &mut frame);
        assert_eq!(
            (server.waiting(), frame.bytes()),
            (Waiting::Response, &b"abc"[..])
        );
        let _head = server.respond(204, &[], Reply::Empty);
        assert_eq!(server.done(), After::KeepAlive);
        assert_eq!(server.waiting(), Waiting::IdleHead);
    }

    #[test]
    fn rfc9110_10_1_1_continue_is_sent_once_and_only_while_the_body_is_awaited() {
        let head =
            "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        let mut frame = Frame::default();
        let mut server = Server::new(100);
        server.receive(head.as_bytes());
        assert!(matches!(server.next(&mut frame), Step::Continue));
        assert!(matches!(server.next(&mut frame), Step::NeedMore));
        server.receive(b"h");
        assert!(matches!(server.next(&mut frame), Step::NeedMore));
        server.receive(b"i");
        let _request = serve(&mut server, &mut frame);

        let mut server = Server::new(100);
        server.receive(format!("{head}h").as_bytes());
        assert!(matches!(server.next(&mut frame), Step::NeedMore));

        for (header, status) in [("Content-Length: 101", 413), ("Content-Length: x", 400)] {
            let mut server = Server::new(100);
            let head = format!("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{header}");
            server.receive(format!("{head}\r\n\r\n").as_bytes());
            match server.next(&mut frame) {
                Step::Reject(reject) => assert_eq!(reject.status, status),
                other => panic!("{other:?}"),
            }
        }
        let asks = "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n";
        assert_eq!(asked(asks).waiting(), Waiting::Response);
    }

    #[test]
    fn a_gigabyte_announced_gets_413_and_nothing_is_reserved() {
        for framing in [
            "Content-Length: 1073741824\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n40000000\r\n",
        ] {
            let (mut server, mut frame) = (Server::new(1 << 24), Frame::default());
            server.receive(format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}xx").as_bytes());
            match server.next(&mut frame) {
                Step::Reject(reject) => assert_eq!(reject.status, 413),
                other => panic!("{other:?}"),
            }
            assert_eq!(server.inbox_bytes(), 0);
            server.receive(&[b'x'; 1000]);
            assert_eq!(server.inbox_bytes(), 0);
            let head = text(&server.respond(413, &[], Reply::Full(0)));
            assert!(head.contains("Connection: close\r\n"), "{head}");
            assert_eq!(server.done(), After::Close);
            assert!(matches!(server.next(&mut frame), Step::Paused));
        }
    }

    /// What a connection tells that asks above 10 bytes, is told to go on up to `bytes_max`, and
    /// gets these pieces.
    fn told<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, bytes_max: usize) -> Vec<String> {
        let mut server = Server::new(100).asking_above(10);
        let (mut frame, mut told) = (Frame::default(), Vec::new());
        for piece in pieces {
            server.receive(piece);
            loop {
                match server.next(&mut frame) {
                    Step::NeedMore | Step::Paused => break,
                    Step::Continue => told.push("continue".to_owned()),
                    Step::Large(request) => {
                        told.push(format!("large {}", request.path()));
                        server.go_on(request, bytes_max);
                    }
                    Step::Reject(reject) => {
                        told.push(reject.status.to_string());
                        let _head = server.respond(reject.status, &[], Reply::Full(0));
                        assert_eq!(server.done(), After::Close);
                    }
                    Step::Request(request) => {
                        told.push(format!("{} {}", request.path(), text(frame.bytes())));
                        let _head = server.respond(200, &[], Reply::Empty);
                        let _after = server.done();
                    }
                }
            }
        }
        told
    }

    #[test]
    fn a_large_body_is_asked_about_once_and_a_small_one_never_whatever_the_split() {
        let input = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789\
             POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n0123456789a\
             POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
             4\r\nabcd\r\n6\r\nefghij\r\n0\r\n\r\n\
             POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
             4\r\nabcd\r\n6\r\nefghij\r\n1\r\nk\r\nf\r\n0123456789abcde\r\n0\r\n\r\n\
             POST /e HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\nABCDEFGHIJKL\
             GET /f HTTP/1.1\r\nHost: x\r\n\r\n";
        let expected = [
            "/a 0123456789",
            "large /b",
            "/b 0123456789a",
            "/c abcdefghij",
            "large /d",
            "/d abcdefghijk0123456789abcde",
            "large /e",
            "/e ABCDEFGHIJKL",
            "/f ",
        ];
        assert_eq!(told([input.as_bytes()], 100), expected);
        for pieces in splits(input.as_bytes()) {
            assert_eq!(told(pieces, 100), expected);
        }
    }

    #[test]
    fn a_large_body_that_may_be_less_long_gets_413_whatever_the_split() {
        let sized = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n\
                     0123456789abcdefghijk";
        let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        for input in [
            sized.to_owned(),
            format!("{chunked}15\r\n0123456789abcdefghijk\r\n0\r\n\r\n"),
            format!("{chunked}b\r\n0123456789a\r\na\r\n0123456789\r\n0\r\n\r\n"),
        ] {
            assert_eq!(told([input.as_bytes()], 20), ["large /", "413"]);
            assert_eq!(told([input.as_bytes()], 0), ["large /", "413"]);
            assert_eq!(told([input.as_bytes()], 1000).len(), 2);
            for pieces in splits(input.as_bytes()) {
                assert_eq!(told(pieces, 20), ["large /", "413"]);
            }
        }
    }

    #[test]
    fn rfc9110_10_1_1_a_large_body_is_asked_about_before_its_sender_is() {
        for (framing, body) in [
            ("Content-Length: 11", "0123456789a"),
            (
                "Transfer-Encoding: chunked",
                "b\r\n0123456789a\r\n0\r\n\r\n",
            ),
        ] {
            let head =
                format!("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{framing}\r\n\r\n");
            let pieces = [head.as_bytes(), body.as_bytes()];
            assert_eq!(told(pieces, 100), ["large /", "continue", "/ 0123456789a"]);
            assert_eq!(told(pieces, 10).last().unwrap(), "413");
        }
        // Whoever sends at once is not asked twice.
        let small = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
                     Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        assert_eq!(told([small.as_bytes()], 100), ["/ abc"]);
    }

    #[test]
    fn a_large_body_that_is_not_wanted_is_answered_last_and_holds_nothing() {
        for method in ["POST", "HEAD"] {
            let mut server = Server::new(1 << 20).asking_above(10);
            let mut frame = Frame::default();
            let head = "HTTP/1.1\r\nHost: x\r\nContent-Length: 100000";
            server.receive(format!("{method} / {head}\r\n\r\nabc").as_bytes());
            let Step::Large(request) = server.next(&mut frame) else {
                panic!("was not asked");
            };
            assert_eq!(
                (server.announced_bytes(), request.path()),
                (Some(100_000), "/")
            );
            assert!(matches!(server.next(&mut frame), Step::Paused));
            assert_eq!(server.waiting(), Waiting::Body);
            let answer = text(&server.respond(401, &[], Reply::Full(0)));
            assert!(answer.contains("Connection: close\r\n"), "{answer}");
            assert_eq!(server.sends_body(), method == "POST");
            assert_eq!(server.done(), After::Close);
            server.receive(&[b'x'; 100_000]);
            assert!(matches!(server.next(&mut frame), Step::Paused));
            assert!(server.held_bytes() <= INBOX_KEPT_BYTES_MAX);
            // Too late.
            server.go_on(request, 100);
            assert!(server.must_close());
        }
        let mut server = Server::new(100).asking_above(10);
        server.receive(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n");
        assert!(matches!(server.next(&mut Frame::default()), Step::Large(_)));
        server.close_after();
        assert!(server.must_close());
    }

    #[test]
    fn long_bodies_are_moved_and_short_ones_leave_no_room_behind() {
        for length in [0, 10, SHARE_BYTES_MIN - 1, SHARE_BYTES_MIN, 300_000] {
            let (mut server, mut frame) = (Server::new(1 << 20), Frame::default());
            let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
            let body = vec![b'x'; length];
            let input = [head.as_bytes(), &body, GET.as_bytes()].concat();
            let mut found = false;
            for piece in input.chunks(65536) {
                server.receive(piece);
                if matches!(server.next(&mut frame), Step::Request(_)) {
                    found = true;
                    assert_eq!(frame.bytes(), body);
                }
            }
            assert!(found);
            assert_eq!(server.inbox_bytes(), GET.len());
            let _head = server.respond(200, &[], Reply::Full(0));
            assert_eq!(server.done(), After::KeepAlive);
            let _request = serve(&mut server, &mut frame);
            assert!(server.inbox.capacity() <= INBOX_KEPT_BYTES_MAX);
        }
    }

    #[test]
    fn rfc9112_7_streams_are_chunked_on_1_1_and_end_with_the_connection_on_1_0() {
        let mut server = asked(GET);
        let head = text(&server.respond(200, &[("Content-Type", "a/b")], Reply::Stream));
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let mut out = Vec::new();
        server.chunk_head(26, &mut out);
        assert_eq!(
            (&out[..], server.chunk_tail()),
            (&b"1a\r\n"[..], &b"\r\n"[..])
        );
        assert_eq!(server.end_stream(), b"0\r\n\r\n");
        assert_eq!(server.end_stream(), b"");
        assert_eq!(server.done(), After::KeepAlive);

        let mut server = asked("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let head = text(&server.respond(200, &[], Reply::Stream));
        assert_eq!(head, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let mut out = Vec::new();
        server.chunk_head(26, &mut out);
        assert!(out.is_empty() && server.chunk_tail().is_empty() && server.must_close());
        assert_eq!(server.end_stream(), b"");
        assert_eq!(server.done(), After::Close);
    }

    #[test]
    fn rfc9112_9_3_connection_fields_of_answers() {
        for (request, connection, after) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n", None, After::KeepAlive),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
                Some("close"),
                After::Close,
            ),
            ("GET / HTTP/1.0\r\n", Some("close"), After::Close),
            (
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\n",
                Some("keep-alive"),
                After::KeepAlive,
            ),
        ] {
            let mut server = asked(&format!("{request}\r\n"));
            let head = text(&server.respond(200, &[], Reply::Full(2)));
            let found = head
                .lines()
                .find_map(|line| line.strip_prefix("Connection: "));
            assert_eq!((found, server.done()), (connection, after), "{request}");
        }
    }

    #[test]
    fn rfc9110_9_3_2_head_gets_the_head_of_get_and_no_body() {
        let head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut server = asked(head);
        let answer = text(&server.respond(200, &[], Reply::Full(12)));
        assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n");
        assert!(!server.sends_body());
        assert_eq!(server.done(), After::KeepAlive);
        let mut server = asked(head);
        let _answer = server.respond(200, &[], Reply::Stream);
        assert_eq!(server.end_stream(), b"");
        assert!(asked(GET).sends_body());
    }

    #[test]
    fn rfc9110_15_3_5_no_length_on_204() {
        let answer = asked(GET).respond(204, &[], Reply::Empty);
        assert_eq!(text(&answer), "HTTP/1.1 204 No Content\r\n\r\n");
        let answer = asked(GET).respond(202, &[], Reply::Empty);
        assert_eq!(
            text(&answer),
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_in_the_middle_of_a_request_is_the_last() {
        for begun in [
            "",
            "GET / HT",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
        ] {
            let (mut server, mut frame) = (Server::new(100), Frame::default());
            server.receive(begun.as_bytes());
            assert!(matches!(server.next(&mut frame), Step::NeedMore));
            let head = text(&server.respond(408, &[], Reply::Full(0)));
            assert!(
                head.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
                "{head}"
            );
            assert!(head.contains("Connection: close\r\n"));
            assert_eq!(server.done(), After::Close);
        }
        let mut server = asked(GET);
        server.close_after();
        assert!(text(&server.respond(200, &[], Reply::Full(0))).contains("Connection: close"));
        assert_eq!(server.done(), After::Close);
        let mut server = Server::new(100);
        server.close_after();
        assert!(server.must_close());
    }

    #[test]
    fn smuggling_shapes_get_400_and_close() {
        let post = "POST / HTTP/1.1\r\nHost: x\r\n";
        for rest in [
            "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
            "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n",
            "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
            "Content-Length: 5, 5\r\n\r\nhello",
            "Content-Length: +5\r\n\r\nhello",
            "Content-Length: 5\0\r\n\r\nhello",
            "Host: y\r\n\r\n",
        ] {
            let input = format!("{post}{rest}{GET}");
            let lines = transcript([input.as_bytes()]);
            assert!(
                lines[0].starts_with("400 ") && lines.len() == 2,
                "{rest:?} {lines:?}"
            );
            for pieces in splits(input.as_bytes()) {
                assert_eq!(transcript(pieces), lines);
            }
        }
    }

    #[test]
    fn pair_every_request_that_is_written_is_read() {
        let methods = ["GET", "POST", "DELETE", "OPTIONS", "HEAD", "BREW"];
        let bodies = ["", "a", "{\"jsonrpc\":\"2.0\"}", "\r\n\r\n0\r\n\r\n"];
        let (mut input, mut expected) = (Vec::new(), Vec::new());
        for (index, method) in methods.iter().enumerate() {
            for (place, body) in bodies.iter().enumerate() {
                let path = format!("/{index}/{place}");
                input.extend(write_request(method, &path, body, (index + place) % 2 == 0));
                expected.push(((*method).to_owned(), path, (*body).to_owned()));
            }
        }
        for size in [1, 2, 7, 64, 4096] {
            let (mut server, mut frame) = (Server::new(100), Frame::default());
            let mut seen = Vec::new();
            for piece in input.chunks(size) {
                server.receive(piece);
                while let Step::Request(request) = server.next(&mut frame) {
                    let method = request.method.name().to_owned();
                    seen.push((method, request.path().to_owned(), text(frame.bytes())));
                    let _head = server.respond(200, &[], Reply::Full(0));
                    assert_eq!(server.done(), After::KeepAlive);
                }
            }
            assert_eq!(seen, expected);
            assert_eq!(server.waiting(), Waiting::IdleHead);
        }
    }

    fn write_request(method: &str, path: &str, body: &str, chunked: bool) -> Vec<u8> {
        let start = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
        if !chunked {
            return format!("{start}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
        }
        let mut out = format!("{start}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        for piece in body.as_bytes().chunks(3) {
            response::push_hex(&mut out, piece.len());
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(piece);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    }

    #[test]
    fn a_megabyte_of_head_gets_431_and_holds_no_more_than_the_limit() {
        let (mut server, mut frame) = (Server::new(100), Frame::default());
        server.receive(b"GET / HTTP/1.1\r\nHost: x\r\nA: ");
        let mut refused = None;
        for _ in 0..1024 {
            server.receive(&[b'a'; 1024]);
            assert!(server.inbox_bytes() <= HEAD_BYTES_MAX + 1024);
            if let Step::Reject(reject) = server.next(&mut frame) {
                refused = Some(reject.status);
            }
        }
        assert_eq!(refused, Some(431));
    }
}
