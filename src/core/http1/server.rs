//! One accepted connection: bytes in, requests out, and what the answer to each may look like.
//!
//! Owns the inbox. One exchange at a time: while an answer is under way, pipelined bytes wait in
//! the inbox, and the owner of the connection stops reading when [`Server::inbox_bytes`] grows.
//! Never writes: [`Server::respond`] and its sisters return the bytes that frame an answer.

use crate::base::frame::Frame;
use crate::http1::body::Decoder;
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
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between requests, or in a head.
    Head(HeadParser),
    /// The head was read, its body comes.
    Body(Box<Incoming>),
    /// A request was handed out, or refused; its answer is under way.
    Exchange(Exchange),
    /// The last answer is complete; whatever the peer still sends is thrown away.
    Closed,
}

/// A request whose body is not complete.
#[derive(Debug)]
struct Incoming {
    request: Box<Request>,
    decoder: Decoder,
    body: Vec<u8>,
    /// The peer waits for `100 Continue`.
    expects: bool,
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
    /// A request; its body is in the frame. Answer it, then call [`Server::done`].
    Request(Box<Request>),
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
    /// A connection on which nothing was received yet.
    #[must_use]
    pub fn new(body_bytes_max: usize) -> Self {
        Self {
            inbox: Vec::new(),
            taken: 0,
            body_bytes_max,
            state: State::Head(HeadParser::default()),
        }
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
            match parser.parse(fresh) {
                Err(reject) => return self.refuse(reject, false),
                Ok(None) => return Step::NeedMore,
                Ok(Some((request, bytes))) => {
                    self.taken += bytes;
                    if let Err(reject) = self.begin_body(request) {
                        return reject;
                    }
                }
            }
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Body(incoming) => self.go_on(incoming, frame),
            state => {
                self.state = state;
                Step::Paused
            }
        }
    }

    /// Decides what body follows a head.
    fn begin_body(&mut self, request: Request) -> Result<(), Step> {
        let framing = framing::of(&request, self.body_bytes_max);
        let (framing, expects) =
            match framing.and_then(|framing| Ok((framing, framing::expects_continue(&request)?))) {
                Ok(decided) => decided,
                Err(reject) => return Err(self.refuse(reject, request.method == Method::Head)),
            };
        self.state = State::Body(Box::new(Incoming {
            request: Box::new(request),
            decoder: Decoder::new(framing, self.body_bytes_max),
            body: Vec::new(),
            expects: expects && framing != Framing::Length(0),
        }));
        Ok(())
    }

    /// Takes what was received of the body.
    fn go_on(&mut self, mut incoming: Box<Incoming>, frame: &mut Frame) -> Step {
        let fresh = self.inbox.get(self.taken..).unwrap_or_default();
        // A body that has begun needs no permission any more (RFC 9110 section 10.1.1).
        if std::mem::take(&mut incoming.expects) && fresh.is_empty() {
            self.state = State::Body(incoming);
            return Step::Continue;
        }
        let whole = incoming
            .decoder
            .left()
            .filter(|left| *left < SHARE_BYTES_MIN && incoming.body.is_empty())
            .and_then(|left| fresh.get(..left));
        if let Some(body) = whole {
            frame.fill(body);
            self.taken += body.len();
            return self.hand_out(incoming.request);
        }
        match incoming.decoder.decode(fresh, &mut incoming.body) {
            Err(reject) => {
                let head_only = incoming.request.method == Method::Head;
                return self.refuse(reject, head_only);
            }
            Ok(used) => self.taken += used,
        }
        if !incoming.decoder.is_done() {
            self.tidy();
            self.state = State::Body(incoming);
            return Step::NeedMore;
        }
        if incoming.body.len() < SHARE_BYTES_MIN {
            frame.fill(&incoming.body);
        } else {
            frame.adopt(incoming.body);
        }
        self.hand_out(incoming.request)
    }

    fn hand_out(&mut self, request: Box<Request>) -> Step {
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

    /// What is waited for.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        match self.state {
            State::Head(_) if self.inbox_bytes() == 0 => Waiting::IdleHead,
            State::Head(_) => Waiting::Head,
            State::Body(_) => Waiting::Body,
            State::Exchange(_) | State::Closed => Waiting::Response,
        }
    }

    /// The head of an answer. Without a request handed out (408 in the middle of a head) it is the
    /// last answer of the connection.
    pub fn respond(&mut self, status: u16, headers: &[(&str, &str)], body: Reply) -> Vec<u8> {
        let mut exchange = match &self.state {
            State::Exchange(exchange) => *exchange,
            State::Body(incoming) => Exchange::last(incoming.request.method == Method::Head),
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
        response::head(status, headers, delimited, connection)
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

    fn is_chunked(&self) -> bool {
        matches!(self.state, State::Exchange(Exchange { chunked: true, .. }))
    }

    /// Appends what stands before a piece of a stream. A piece of 0 bytes must not be framed: it
    /// would end the stream.
    pub fn chunk_head(&self, len: usize, out: &mut Vec<u8>) {
        if self.is_chunked() {
            response::push_hex(out, len);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// What stands behind a piece of a stream.
    #[must_use]
    pub fn chunk_tail(&self) -> &'static [u8] {
        if self.is_chunked() { b"\r\n" } else { b"" }
    }

    /// What ends a stream; nothing if the end of the connection does.
    pub fn end_stream(&mut self) -> &'static [u8] {
        if !self.is_chunked() {
            return b"";
        }
        if let State::Exchange(exchange) = &mut self.state {
            exchange.chunked = false;
        }
        b"0\r\n\r\n"
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
            State::Head(_) | State::Body(_) => self.state = State::Closed,
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
