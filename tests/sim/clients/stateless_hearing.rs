//! What comes back to a client without a session: JSON with a fitting status, or an event stream.

use onemcp::limits::WRITE_STALL_MS_MAX;

use crate::clients::exchange::{Exchange, Kind, Line};
use crate::clients::hearing::On;
use crate::clients::stateless::Stateless;
use crate::model::{CallId, Cx, State};
use crate::net::{ConnId, End};
use crate::wire::http::Got;
use crate::wire::json::at;
use crate::wire::sse::{self, Event};

impl Stateless {
    /// Whether it reads now.
    pub(crate) const fn reads(&self) -> bool {
        self.slow_until == 0
    }

    /// Bytes of a connection.
    pub(crate) fn hear(&mut self, cx: &mut Cx<'_>, conn: ConnId, bytes: &[u8]) {
        let Some(at) = self.lines.iter().position(|line| line.conn == conn) else {
            return;
        };
        match self.lines[at].reader.feed(bytes) {
            Ok(pieces) => {
                for piece in pieces {
                    self.piece(cx, conn, piece);
                }
            }
            Err(why) => self.talk.wrong(cx, &why, bytes),
        }
    }

    fn piece(&mut self, cx: &mut Cx<'_>, conn: ConnId, piece: Got) {
        let Some(line) = self.lines.iter_mut().find(|line| line.conn == conn) else {
            return;
        };
        let Some(exchange) = line.queue.front_mut() else {
            // Timeouts are told on connections without a request.
            let told = matches!(&piece, Got::Head(head) if head.status != 408);
            if told {
                let what = format!("{piece:?}");
                self.talk
                    .wrong(cx, "a response to nothing", what.as_bytes());
            }
            return;
        };
        match piece {
            Got::Head(head) => {
                line.closing |= head.get("connection") == Some("close");
                let streams = head.get("content-type") == Some("text/event-stream");
                exchange.events = streams.then(sse::Reader::default);
                let session = head.get("mcp-session-id").is_some();
                let unbuffered = head.get("x-accel-buffering") == Some("no");
                exchange.head = Some(head);
                if session || streams && !unbuffered {
                    self.talk.wrong(cx, "a head of another revision", b"");
                }
            }
            Got::Body(bytes) => match &mut exchange.events {
                None => exchange.body.extend_from_slice(&bytes),
                Some(reader) => match reader.feed(&bytes) {
                    Ok(events) => {
                        let on = on(&exchange.kind);
                        for event in events {
                            self.event(cx, event, &on);
                        }
                    }
                    Err(why) => self.talk.wrong(cx, &why, &bytes),
                },
            },
            Got::End => {
                if let Some(exchange) = line.queue.pop_front() {
                    self.done(cx, exchange);
                }
            }
        }
    }

    /// Nothing but messages comes: streams are not resumed (D6).
    fn event(&mut self, cx: &mut Cx<'_>, event: Event, on: &On) {
        let named = event.name.as_deref().unwrap_or("message").to_owned();
        match event {
            Event {
                id: None,
                retry: None,
                data: Some(data),
                ..
            } if named == "message" => drop(self.talk.hear(cx, data.as_bytes(), on)),
            other => {
                let what = format!("{other:?}");
                self.talk
                    .wrong(cx, "no event of this revision", what.as_bytes());
            }
        }
        self.free_ids();
    }

    /// A response is complete.
    fn done(&mut self, cx: &mut Cx<'_>, exchange: Exchange) {
        let Exchange {
            kind,
            head,
            events,
            body,
            ..
        } = exchange;
        let (me, status) = (self.talk.me, head.unwrap_or_default().status);
        cx.model
            .trace(|| format!("client {me} < {status} ends {kind:?}"));
        if events.as_ref().is_some_and(|reader| !reader.is_between()) {
            self.talk.wrong(cx, "a stream ends within an event", &body);
        }
        if status == 503 && cx.model.stopping {
            return self.leave(cx);
        }
        if let Kind::Odd(statuses) = kind {
            if !statuses.contains(&status) {
                let why = format!("{status}, not {statuses:?}");
                self.talk.wrong(cx, &why, &body);
            }
            return;
        }
        let on = on(&kind);
        if events.is_none() {
            self.check_status(cx, status, &body);
            self.talk.hear(cx, &body, &on);
        }
        if let On::Calls(calls) = on {
            self.all_answered(cx, &calls, false);
        }
    }

    /// The status says what the answer says.
    fn check_status(&self, cx: &mut Cx<'_>, status: u16, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let code = at(&text, &["error", "code"]).and_then(|raw| raw.parse::<i32>().ok());
        let fits = match code {
            None => status == 200,
            Some(-32601) => status == 404,
            Some(-32022..=-32020) => status == 400,
            Some(-32602) => matches!(status, 200 | 400),
            Some(-32603) => matches!(status, 200 | 429),
            Some(-32600) => matches!(status, 400 | 406),
            Some(_) => status == 200,
        };
        if !fits {
            self.talk
                .wrong(cx, &format!("status {status} does not fit"), body);
        }
    }

    /// Nothing may be left unanswered of what was not given up.
    fn all_answered(&mut self, cx: &mut Cx<'_>, calls: &[CallId], lenient: bool) {
        for call in calls {
            let known = &cx.model.calls[*call];
            let waits = matches!(known.state, State::Open | State::Listening);
            if waits && !lenient && !cx.model.stopping {
                let (me, known) = (self.talk.me, known.clone());
                cx.model
                    .violation(format!("client {me} gets no answer to {call}: {known:?}"));
            }
            self.talk.lose(cx, *call);
        }
        self.free_ids();
    }

    /// Ids of requests without a session mean nothing beyond their streams.
    fn free_ids(&mut self) {
        self.talk.barred.clear();
    }

    /// A connection is over, and with it what was asked on it.
    pub(crate) fn line_ended(&mut self, cx: &mut Cx<'_>, conn: ConnId, end: End) {
        let Some(at) = self.lines.iter().position(|line| line.conn == conn) else {
            return;
        };
        let mut line = self.lines.remove(at);
        let lenient = end == End::Reset || self.is_excused(cx, &line);
        match line.reader.close() {
            Ok(_) => {}
            Err(_) if lenient => {}
            Err(why) => self.talk.wrong(cx, why, b""),
        }
        let cut_off = cx.net.conns[conn].delivered_at_shut;
        for exchange in line.queue.drain(..) {
            let unheard = cut_off.is_some_and(|delivered| exchange.sent > delivered);
            if !lenient && !unheard {
                let what = format!("{:?}", exchange.kind);
                self.talk
                    .wrong(cx, "a request without a response", what.as_bytes());
            }
            if let On::Calls(calls) = on(&exchange.kind) {
                self.all_answered(cx, &calls, true);
            }
        }
    }

    fn is_excused(&self, cx: &Cx<'_>, line: &Line) -> bool {
        line.half_closed
            || cx.model.stopping
            || cx.net.conns[line.conn].unread_ms(cx.now.0) >= WRITE_STALL_MS_MAX / 2
    }
}

/// Where what comes back comes in.
fn on(kind: &Kind) -> On {
    match kind {
        Kind::Calls(calls) | Kind::Listen(calls) => On::Calls(calls.clone()),
        _ => On::Calls(Vec::new()),
    }
}
