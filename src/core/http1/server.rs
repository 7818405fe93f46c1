//! One accepted connection: bytes in, requests out, and what the answer to each may look like.
//!
//! Owns the inbox. One exchange at a time: while an answer is under way, pipelined bytes wait in
//! the inbox, and the owner of the connection stops reading when [`Server::inbox_bytes`] grows.
//! Never writes: [`Server::respond`] and its sisters (`answer`) return the bytes that frame an
//! answer.

mod answer;
mod swallow;
#[cfg(test)]
mod tests;

use crate::base::frame::Frame;
use crate::http1::body::{self, Decoder};
use crate::http1::framing::{self, Framing};
use crate::http1::head::HeadParser;
use crate::http1::server::answer::Exchange;
use crate::limits::{INBOX_KEPT_BYTES_MAX, SHARE_BYTES_MIN};

pub use crate::http1::head::{Method, Request};
pub use crate::http1::headers::Headers;
pub use crate::http1::reject::Reject;
pub use answer::{After, Reply};

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
}
