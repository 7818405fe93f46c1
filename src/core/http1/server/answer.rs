//! What the answer to a request may look like, and whether another may follow on the connection.

use crate::http1::head::{HeadParser, Method};
use crate::http1::response::{self, Delimited};
use crate::http1::server::{Server, State};

/// What is known about the answer under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) http_1_0: bool,
    /// HEAD: the answer has no body.
    pub(super) head_only: bool,
    pub(super) keep_alive: bool,
    pub(super) chunked: bool,
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

impl Server {
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
            State::Exchange(exchange) => {
                exchange.keep_alive = false;
                // What came behind the request is never read.
                self.taken = self.inbox.len();
                self.tidy();
            }
            State::Head(_) | State::Body(_) | State::Asked { .. } | State::Swallowing { .. } => {
                self.state = State::Closed;
            }
            State::Closed => {}
        }
    }
}

impl Exchange {
    /// The last answer of a connection.
    pub(super) const fn last(head_only: bool) -> Self {
        Self {
            http_1_0: false,
            head_only,
            keep_alive: false,
            chunked: false,
        }
    }
}
