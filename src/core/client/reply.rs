//! What leaves on a connection: whole answers, event streams, keep-alive comments.

use std::ops::Bound;

use crate::base::mark::Mark;
use crate::base::outbox::{Part, length};
use crate::client::connection::{Asked, Connection, Doing};
use crate::client::http::Http;
use crate::client::leaving::Taking;
use crate::client::refusal::{Refusal, Refused};
use crate::client::replay::EventId;
use crate::cx::{Alarm, Cx};
use crate::effect::Level;
use crate::http1::server::{After, Reply};
use crate::http1::sse::{self, EventHead};
use crate::input::Port;
use crate::language::ClientKey;
use crate::limits::{
    KEEP_ALIVE_COMMENT_MS, KEEP_ALIVE_STREAMS_PER_TURN_MAX, SSE_RETRY_MS, STOP_RETRY_MS,
};
use crate::links::LinkKey;
use crate::now::Tick;
use crate::web::errors;

/// A header field of an answer.
pub(super) type Field<'a> = (&'a str, &'a str);

/// The header that names a session.
pub(super) const SESSION_FIELD: &str = "Mcp-Session-Id";

pub(super) const JSON: Field<'static> = ("Content-Type", "application/json");

/// How far the comments of this round have come; all streams share one alarm.
#[derive(Debug, Default)]
pub(super) struct KeepAliveRound {
    /// The last link that had its turn.
    from: Option<LinkKey>,
    began: Tick,
    /// Whether any stream was open.
    found: bool,
}

impl Http {
    /// A whole answer; the connection goes on or ends as its request asked.
    pub(super) fn full(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        status: u16,
        fields: &[Field<'_>],
        body: &[Part<'_>],
    ) {
        self.respond(cx, link, status, fields, Reply::Full(length(body)));
        if let Some(connection) = self.connections.get(&link)
            && connection.server.sends_body()
        {
            cx.links.send(link, body);
        }
        self.finish(cx, link);
    }

    /// An answer of one JSON-RPC message.
    pub(super) fn json(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        session: Option<&str>,
        message: &[Part<'_>],
    ) {
        match session {
            Some(id) => self.full(cx, link, 200, &[JSON, (SESSION_FIELD, id)], message),
            None => self.full(cx, link, 200, &[JSON], message),
        }
    }

    /// An answer without a body.
    pub(super) fn empty(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        status: u16,
        fields: &[Field<'_>],
    ) {
        self.respond(cx, link, status, fields, Reply::Empty);
        self.finish(cx, link);
    }

    /// An error on a path of MCP.
    pub(super) fn refuse(&mut self, cx: &mut Cx<'_>, link: LinkKey, refused: &Refused) {
        let body = refused.body();
        let mut fields = vec![JSON];
        if refused.refusal.retry_after() {
            fields.push(("Retry-After", "1"));
        }
        if let Refusal::Method { allow } = refused.refusal {
            fields.push(("Allow", allow));
        }
        if let Refusal::Turned {
            challenge: Some(challenge),
            ..
        } = &refused.refusal
        {
            fields.push(("WWW-Authenticate", challenge));
        }
        let status = refused.refusal.status();
        self.full(cx, link, status, &fields, &[body.as_slice().into()]);
    }

    /// An error on any other path.
    pub(super) fn problem(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        status: u16,
        error: &str,
        hint: &str,
        fields: &[Field<'_>],
    ) {
        let body = errors::body(error, hint);
        let mut all = vec![JSON];
        all.extend_from_slice(fields);
        self.full(cx, link, status, &all, &[body.as_slice().into()]);
    }

    fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        status: u16,
        fields: &[Field<'_>],
        reply: Reply,
    ) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if let Some(asked) = connection.asked.take() {
            let ms = cx.now.tick.since(asked.since);
            let Asked { what, bytes, .. } = *asked;
            let sent = match reply {
                Reply::Full(length) => format!("bytes_out={length}"),
                Reply::Empty => "bytes_out=0".to_owned(),
                Reply::Stream => "stream".to_owned(),
            };
            cx.log(Level::Debug, || {
                format!("http {what} status={status} ms={ms} bytes_in={bytes} {sent}")
            });
        }
        let Connection {
            server, cors, port, ..
        } = connection;
        // Nobody stays at the port for browsers: it is closed while they think.
        if self.taking != Taking::Yes || *port == Port::Browsers {
            server.close_after();
        }
        self.head.clear();
        match cors {
            None => server.push_head(&mut self.head, status, fields, reply),
            Some(origin) => {
                let mut all = fields.to_vec();
                all.extend(origin.headers());
                server.push_head(&mut self.head, status, &all, reply);
            }
        }
        cx.links.send(link, &[self.head.as_slice().into()]);
    }

    /// The answer is complete.
    fn finish(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        connection.cors = None;
        // Of a stream that was open before we left the head has said something else.
        if matches!(self.taking, Taking::No { .. }) {
            connection.server.close_after();
        }
        match connection.server.done() {
            After::Close => self.linger(cx, link),
            After::KeepAlive => {
                connection.turn(Doing::Reading, cx.now.tick);
                connection.pause(cx, link, false);
                self.go_on(cx, link);
            }
        }
    }

    /// The connection's request waits for the hall.
    pub(super) fn hold(&mut self, cx: &Cx<'_>, link: LinkKey, doing: Doing) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.turn(doing, cx.now.tick);
        }
    }

    /// Answers with an event stream.
    pub(super) fn open(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        client: ClientKey,
        stream: u32,
        session: Option<&str>,
    ) {
        self.stream_head(cx, link, session);
        self.hold(cx, link, Doing::Streaming { client, stream });
        if cx.timers.get(Alarm::KeepAlive).is_none() {
            let at = cx.now.tick.after(KEEP_ALIVE_COMMENT_MS);
            cx.timers.set(Alarm::KeepAlive, at);
        }
    }

    /// The head of an event stream.
    pub(super) fn stream_head(&mut self, cx: &mut Cx<'_>, link: LinkKey, session: Option<&str>) {
        let fields = [
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-cache, no-transform"),
            // nginx would hold the events back until its buffer is full.
            ("X-Accel-Buffering", "no"),
            (SESSION_FIELD, session.unwrap_or_default()),
        ];
        let count = fields.len() - usize::from(session.is_none());
        let fields = fields.get(..count).unwrap_or_default();
        self.respond(cx, link, 200, fields, Reply::Stream);
    }

    /// One event with a message of one line.
    pub(super) fn event(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        id: Option<EventId>,
        message: &[Part<'_>],
    ) {
        let id = id.map(|id| id.to_string());
        // The old transport names its events; the new one needs no name.
        let event = id.is_none().then_some("message");
        let mut before = Vec::with_capacity(64);
        sse::push_head(
            &mut before,
            &EventHead {
                event,
                id: id.as_deref(),
                retry_ms: None,
            },
        );
        let bytes = before.len() + length(message) + sse::EVENT_TAIL.len();
        if let Some(connection) = self.connections.get(&link) {
            let mut head = Vec::with_capacity(before.len() + 16);
            connection.server.chunk_head(bytes, &mut head);
            head.extend_from_slice(&before);
            cx.links.send(link, &[head.as_slice().into()]);
            cx.links.send(link, message);
            let tail = connection.server.chunk_tail();
            cx.links.send(link, &[sse::EVENT_TAIL.into(), tail.into()]);
        }
    }

    /// An event without data that tells the client an id to come back with (C9).
    pub(super) fn prime(&mut self, cx: &mut Cx<'_>, link: LinkKey, id: EventId) {
        let id = id.to_string();
        let mut out = Vec::with_capacity(32);
        let head = EventHead {
            id: Some(&id),
            ..EventHead::default()
        };
        sse::push_event(&mut out, &head, b"");
        self.piece(cx, link, &out);
    }

    /// Where the client of the old transport is to post (E1).
    pub(super) fn endpoint(&mut self, cx: &mut Cx<'_>, link: LinkKey, path: &str) {
        let mut out = Vec::with_capacity(96);
        let head = EventHead {
            event: Some("endpoint"),
            ..EventHead::default()
        };
        sse::push_event(&mut out, &head, path.as_bytes());
        self.piece(cx, link, &out);
    }

    /// Tells when to come back; the stream is about to be closed early.
    pub(super) fn retry(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let ms = if self.taking == Taking::Yes {
            SSE_RETRY_MS
        } else {
            STOP_RETRY_MS
        };
        let mut out = Vec::with_capacity(16);
        sse::push_retry(&mut out, ms);
        self.piece(cx, link, &out);
    }

    fn piece(&mut self, cx: &mut Cx<'_>, link: LinkKey, bytes: &[u8]) {
        if let Some(connection) = self.connections.get(&link) {
            let mut out = Vec::with_capacity(bytes.len() + 16);
            connection.server.chunk_head(bytes.len(), &mut out);
            out.extend_from_slice(bytes);
            out.extend_from_slice(connection.server.chunk_tail());
            cx.links.send(link, &[out.as_slice().into()]);
        }
    }

    /// Ends an event stream.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        if let Some(connection) = self.connections.get_mut(&link) {
            cx.links
                .send(link, &[connection.server.end_stream().into()]);
            self.finish(cx, link);
        }
    }

    /// Comments on the next slice of the open streams, so that proxies keep them.
    pub(super) fn keep_alive(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        if self.keep_alive.from.is_none() {
            self.keep_alive.began = now;
            self.keep_alive.found = false;
        }
        let from = self.keep_alive.from.take();
        let after = (
            from.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let links: Vec<LinkKey> = self
            .connections
            .range::<LinkKey, _>(after)
            .filter(|(_, one)| matches!(one.doing, Doing::Streaming { .. }))
            .map(|(link, _)| *link)
            .take(KEEP_ALIVE_STREAMS_PER_TURN_MAX)
            .collect();
        self.keep_alive.found |= !links.is_empty();
        for link in &links {
            // Unsent bytes keep the stream alive, or show that nobody reads it.
            if cx.links.unsent(*link) == 0 {
                self.piece(cx, *link, sse::KEEP_ALIVE);
            }
        }
        if links.len() == KEEP_ALIVE_STREAMS_PER_TURN_MAX {
            Mark::KeepAliveSliced.hit();
            self.keep_alive.from = links.last().copied();
            cx.timers.set(Alarm::KeepAlive, now.after(1));
        } else if self.keep_alive.found {
            let at = self.keep_alive.began.after(KEEP_ALIVE_COMMENT_MS);
            cx.timers.set(Alarm::KeepAlive, at.max(now.after(1)));
        }
    }
}
