//! One HTTP connection of a client: requests out, responses in, one after the other.

use std::collections::VecDeque;

use crate::faults::Fault;
use crate::model::{CallId, Cx};
use crate::net::{ConnId, Peer};
use crate::wire::{http, sse};
use crate::wishes;

/// What a request was for.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `initialize` on `/mcp`.
    Initialize(CallId),
    /// Requests whose answers are awaited.
    Calls(Vec<CallId>),
    /// Notifications and responses. An id may be used again once a cancel was read.
    OneWay {
        unbar: Option<String>,
    },
    /// A message for `/messages`: its calls are refused if it is.
    Message {
        calls: Vec<CallId>,
        #[expect(dead_code, reason = "told by Debug when a seed fails")]
        unbar: Option<String>,
    },
    /// A `subscriptions/listen`, which lasts.
    Listen(Vec<CallId>),
    /// The GET stream.
    Main,
    /// The rest of a stream that was lost.
    Resume(Vec<CallId>),
    /// A stream whose rest was asked for elsewhere: what comes here does not count any more.
    Left,
    /// The stream of `/sse`.
    Sse,
    Delete,
    /// A request that is refused, or answered without meaning, with one of these.
    Odd(&'static [u16]),
}

/// One request that was sent, and what came back so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) kind: Kind,
    pub(crate) head: Option<http::Head>,
    pub(crate) events: Option<sse::Reader>,
    pub(crate) body: Vec<u8>,
    pub(crate) last_id: Option<String>,
    /// The server said that it will close early.
    pub(crate) retry: bool,
    /// The request is complete after so many bytes of the connection.
    pub(crate) sent: u64,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) conn: ConnId,
    pub(crate) reader: http::Reader,
    pub(crate) queue: VecDeque<Exchange>,
    /// We closed our writing half.
    pub(crate) half_closed: bool,
    /// The server will close it, or has.
    pub(crate) closing: bool,
}

/// One request to be sent.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) fields: Vec<(&'a str, String)>,
    pub(crate) body: Option<&'a str>,
    pub(crate) kind: Kind,
    /// The event after which a stream goes on.
    pub(crate) last_id: Option<String>,
}

impl Line {
    /// Connects.
    pub(crate) fn open(cx: &mut Cx<'_>, me: usize) -> Self {
        let room = 1 << cx.rng.within(6, 18);
        let conn = cx.net.open(Peer::Client(me), room);
        cx.net.conns[conn].knocks = true;
        Self {
            conn,
            reader: http::Reader::default(),
            queue: VecDeque::new(),
            half_closed: false,
            closing: false,
        }
    }

    /// Whether a request may be sent on it.
    pub(crate) fn takes(&self, pipelines: bool) -> bool {
        !self.half_closed
            && !self.closing
            && (self.queue.is_empty() || pipelines && self.queue.len() < 4 && !self.is_endless())
    }

    /// Whether it carries a stream that has no end of its own.
    pub(crate) fn is_endless(&self) -> bool {
        let endless =
            |exchange: &Exchange| matches!(exchange.kind, Kind::Main | Kind::Sse | Kind::Listen(_));
        self.queue.iter().any(endless)
    }

    /// Sends bytes that are no whole request, or one that is refused for its size.
    pub(crate) fn send_raw(&mut self, cx: &mut Cx<'_>, text: &str, kind: Kind) {
        cx.net.send(self.conn, text.as_bytes());
        self.queue
            .push_back(Exchange::new(cx, self.conn, kind, None));
    }

    /// Sends one request.
    pub(crate) fn send(&mut self, cx: &mut Cx<'_>, out: Outgoing<'_>) {
        let target = match cx.net.conns[self.conn].peer {
            Peer::Client(me) => wishes::target(me, out.target, self.conn),
            Peer::Process(_) | Peer::Site(_) => out.target.to_owned(),
        };
        let mut text = format!("{} {target} HTTP/1.1\r\n", out.method);
        text.push_str("Host: 127.0.0.1:3050\r\n");
        let shows = out.fields.iter().any(|(name, _)| *name == "Authorization");
        if let Peer::Client(me) = cx.net.conns[self.conn].peer
            && let Some(token) = cx.model.tokens.get(me)
            && !shows
        {
            text.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in &out.fields {
            let name = if cx.rng.chance(100) {
                name.to_lowercase()
            } else {
                (*name).to_owned()
            };
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(last) = &out.last_id {
            text.push_str(&format!("Last-Event-ID: {last}\r\n"));
        }
        if let Some(body) = out.body {
            text.push_str("Content-Type: application/json\r\n");
            if cx.hit(Fault::Chunked) {
                text.push_str("Transfer-Encoding: chunked\r\n\r\n");
                push_chunks(cx, &mut text, body);
            } else {
                text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
            }
        } else {
            text.push_str("\r\n");
        }
        cx.net.send(self.conn, text.as_bytes());
        let exchange = Exchange::new(cx, self.conn, out.kind, out.last_id);
        self.queue.push_back(exchange);
    }
}

/// A connection that takes a request, or a new one while there are fewer than so many.
pub(crate) fn choose(cx: &mut Cx<'_>, lines: &mut Vec<Line>, me: usize, most: usize) -> usize {
    let pipelines = cx.hit(Fault::Pipelining);
    let free = lines.iter().position(|line| line.takes(pipelines));
    let full = lines.len() >= most;
    match free {
        Some(at) if full || cx.rng.chance(800) => at,
        _ => {
            lines.push(Line::open(cx, me));
            lines.len() - 1
        }
    }
}

impl Exchange {
    /// What was just sent on a connection.
    fn new(cx: &Cx<'_>, conn: ConnId, kind: Kind, last_id: Option<String>) -> Self {
        Self {
            kind,
            head: None,
            events: None,
            body: Vec::new(),
            last_id,
            retry: false,
            sent: cx.net.conns[conn].sent,
        }
    }
}

fn push_chunks(cx: &mut Cx<'_>, text: &mut String, body: &str) {
    let mut rest = body;
    while !rest.is_empty() {
        let mut size = (1 + cx.rng.index(60)).min(rest.len());
        while !rest.is_char_boundary(size) {
            size += 1;
        }
        let (chunk, after) = rest.split_at(size);
        text.push_str(&format!("{size:x}\r\n{chunk}\r\n"));
        rest = after;
    }
    text.push_str("0\r\n\r\n");
}
