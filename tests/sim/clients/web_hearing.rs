//! What comes back to a client over HTTP, response by response.

use onemcp::limits::{REPLAY_MS_MAX, WRITE_STALL_MS_MAX};

use crate::clients::exchange::{Exchange, Kind, Line};
use crate::clients::hearing::On;
use crate::clients::web::{Stage, Web};
use crate::faults::Fault;
use crate::model::{CallId, Cx, State};
use crate::net::{ConnId, End};
use crate::wire::http::Got;
use crate::wire::json::elements;
use crate::wire::sse::{self, Event};

impl Web {
    /// Bytes of a connection.
    pub(crate) fn hear(&mut self, cx: &mut Cx<'_>, conn: ConnId, bytes: &[u8]) {
        let Some(at) = self.lines.iter().position(|line| line.conn == conn) else {
            return;
        };
        let mut line = self.lines.remove(at);
        match line.reader.feed(bytes) {
            Ok(pieces) => {
                self.lines.insert(at, line);
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
                self.talk
                    .wrong(cx, "a response to nothing", format!("{piece:?}").as_bytes());
            }
            return;
        };
        match piece {
            Got::Head(head) => {
                line.closing |= head.get("connection") == Some("close");
                let streams = head.get("content-type") == Some("text/event-stream");
                exchange.events = streams.then(sse::Reader::default);
                exchange.head = Some(head);
                if let Kind::Resume(calls) = &exchange.kind {
                    let calls = calls.clone();
                    self.doubt_forgotten(cx, &calls);
                }
            }
            Got::Body(bytes) => match &mut exchange.events {
                None => exchange.body.extend_from_slice(&bytes),
                Some(reader) => match reader.feed(&bytes) {
                    Ok(events) => {
                        for event in events {
                            self.event(cx, conn, event);
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

    fn event(&mut self, cx: &mut Cx<'_>, conn: ConnId, event: Event) {
        let Some(line) = self.lines.iter_mut().find(|line| line.conn == conn) else {
            return;
        };
        let Some(exchange) = line.queue.front_mut() else {
            return;
        };
        if let Some(id) = &event.id {
            if exchange.last_id.as_ref() == Some(id) {
                self.talk
                    .wrong(cx, "an event id stands twice", id.as_bytes());
                return;
            }
            exchange.last_id = Some(id.clone());
        }
        exchange.retry |= event.retry.is_some();
        let kind = exchange.kind.clone();
        let Some(data) = event.data.filter(|data| !data.is_empty()) else {
            return;
        };
        match (event.name.as_deref(), kind) {
            (_, Kind::Left) => cx.model.overheard(self.talk.me, data.as_bytes()),
            (Some("endpoint"), Kind::Sse) => {
                self.session = Some(data);
                self.opened(cx);
            }
            (Some("message"), Kind::Sse) => {
                self.hear_message(cx, data.as_bytes(), &On::Direct);
            }
            (None, Kind::Main) => {
                // What the stream before it still brought does not count any more.
                if self.main == Some(conn) {
                    self.main_last = event.id;
                }
                self.hear_message(cx, data.as_bytes(), &On::Main);
            }
            (None, Kind::Calls(calls) | Kind::Resume(calls)) => {
                self.hear_message(cx, data.as_bytes(), &On::Calls(calls));
            }
            (None, Kind::Initialize(call)) => {
                self.hear_message(cx, data.as_bytes(), &On::Calls(vec![call]));
            }
            (name, kind) => {
                self.talk
                    .wrong(cx, &format!("event {name:?} on {kind:?}"), data.as_bytes());
            }
        }
    }

    fn hear_message(&mut self, cx: &mut Cx<'_>, text: &[u8], on: &On) {
        let ended = self.talk.hear(cx, text, on);
        if ended.is_some() && ended == self.greeting {
            self.greeting = None;
            self.stage = Stage::Open;
            self.say_initialized(cx);
        }
    }

    /// A response is complete.
    fn done(&mut self, cx: &mut Cx<'_>, exchange: Exchange) {
        let Exchange {
            kind,
            head,
            events,
            body,
            last_id,
            retry,
            ..
        } = exchange;
        let head = head.unwrap_or_default();
        let (me, status) = (self.talk.me, head.status);
        cx.model
            .trace(|| format!("client {me} < {status} ends {kind:?}"));
        if events.as_ref().is_some_and(|reader| !reader.is_between()) {
            self.talk.wrong(cx, "a stream ends within an event", &body);
        }
        if status == 503 && cx.model.stopping {
            return self.leave(cx);
        }
        match kind {
            Kind::Initialize(call) => {
                if events.is_none() {
                    self.hear_message(cx, &body, &On::Calls(vec![call]));
                }
                match head.get("mcp-session-id") {
                    Some(id) if cx.model.calls[call].state == State::Answered => {
                        self.session = Some(id.to_owned());
                        self.opened(cx);
                    }
                    _ => self
                        .talk
                        .wrong(cx, &format!("{status} without a session"), &body),
                }
            }
            Kind::Calls(calls) if events.is_some() => {
                self.stream_ended(cx, calls, last_id, retry);
            }
            Kind::Resume(calls) => {
                let surely = self.surely_kept(cx, &calls);
                match status {
                    // An earlier resumption that was still on its way may have taken its place.
                    200 if surely || retry => self.stream_ended(cx, calls, last_id, true),
                    // Its events were forgotten: it may have become the GET stream.
                    200 => self.all_answered(cx, &calls, true),
                    _ => self.not_resumed(cx, status, &calls, surely),
                }
            }
            Kind::Calls(calls) => self.calls_answered(cx, status, &calls, &body),
            Kind::OneWay { unbar } => {
                self.allowed(cx, status, &[202], &body);
                // If its stream is still open, the request itself may even be on its way.
                if let Some(id) = unbar.filter(|id| !self.talk.cancelled.contains_key(id)) {
                    self.talk.barred.remove(&id);
                }
            }
            Kind::Message { calls, .. } => {
                let stream = |line: &&Line| {
                    line.queue
                        .iter()
                        .any(|exchange| matches!(exchange.kind, Kind::Sse))
                };
                let stalled = self.lines.iter().find(stream);
                let stalled = stalled.is_none_or(|line| self.is_excused(cx, line));
                let good: &[u16] = if stalled { &[202, 404] } else { &[202] };
                self.allowed(cx, status, good, &body);
                if status != 202 {
                    for call in calls {
                        self.talk.lose(cx, call);
                    }
                }
            }
            Kind::Main => self.allowed(cx, status, &[200, 204], &body),
            Kind::Left | Kind::Listen(_) => {}
            Kind::Sse => self.leave(cx),
            Kind::Delete => {
                self.allowed(cx, status, &[204], &body);
                self.leave(cx);
            }
            Kind::Odd(statuses) => {
                if !statuses.contains(&status) && status != 404 {
                    self.talk
                        .wrong(cx, &format!("{status}, not {statuses:?}"), &body);
                }
            }
        }
    }

    /// Statuses that a client that did nothing wrong may get.
    fn allowed(&mut self, cx: &mut Cx<'_>, status: u16, good: &[u16], body: &[u8]) {
        // Who has let its session idle, or has ended it, is told so.
        let ended = status == 404 && (self.deleting || cx.model.stopping);
        if !good.contains(&status) && !ended {
            self.talk
                .wrong(cx, &format!("status {status}, not {good:?}"), body);
        }
    }

    /// A JSON answer to requests, or their refusal.
    fn calls_answered(&mut self, cx: &mut Cx<'_>, status: u16, calls: &[CallId], body: &[u8]) {
        match status {
            200 => {
                let on = On::Calls(calls.to_vec());
                let text = String::from_utf8_lossy(body).into_owned();
                if text.starts_with('[') {
                    for one in elements(&text) {
                        self.hear_message(cx, one.as_bytes(), &on);
                    }
                } else {
                    self.hear_message(cx, body, &on);
                }
                self.all_answered(cx, calls, false);
            }
            // A cancelled request of a client that reads only JSON.
            202 if body.is_empty() => self.all_answered(cx, calls, false),
            _ => {
                self.allowed(cx, status, &[429], body);
                for call in calls {
                    self.talk.lose(cx, *call);
                }
            }
        }
    }

    fn stream_ended(
        &mut self,
        cx: &mut Cx<'_>,
        calls: Vec<CallId>,
        last_id: Option<String>,
        retry: bool,
    ) {
        let waits = calls
            .iter()
            .any(|call| cx.model.calls[*call].state == State::Open);
        match last_id {
            Some(last_id) if retry && waits => self.lose_stream(cx, last_id, calls),
            _ => self.all_answered(cx, &calls, self.deleting),
        }
    }

    /// Nothing of a POST may be left unanswered but what was cancelled.
    fn all_answered(&mut self, cx: &mut Cx<'_>, calls: &[CallId], lenient: bool) {
        for call in calls {
            let known = cx.model.calls[*call].clone();
            if known.state == State::Open && !lenient {
                let me = self.talk.me;
                cx.model
                    .violation(format!("client {me} gets no answer to {call}: {known:?}"));
            }
            self.talk.lose(cx, *call);
        }
    }

    /// Whether the events of these calls cannot have been forgotten yet.
    fn surely_kept(&self, cx: &Cx<'_>, calls: &[CallId]) -> bool {
        let young = |call: &CallId| cx.now.0 - cx.model.calls[*call].began < REPLAY_MS_MAX;
        calls.iter().all(young) && !self.deleting && !cx.model.stopping
    }

    /// Who comes back too late may get another stream, and never an answer.
    fn doubt_forgotten(&mut self, cx: &mut Cx<'_>, calls: &[CallId]) {
        if !self.surely_kept(cx, calls) {
            for call in calls {
                self.talk.doubt(cx, *call);
            }
        }
    }

    fn not_resumed(&mut self, cx: &mut Cx<'_>, status: u16, calls: &[CallId], surely: bool) {
        let waits = calls
            .iter()
            .any(|call| cx.model.calls[*call].state == State::Open);
        if !matches!(status, 204 | 404) || surely && waits {
            let me = self.talk.me;
            cx.model.violation(format!(
                "client {me} cannot resume {calls:?}: status {status}"
            ));
        }
        for call in calls {
            self.talk.lose(cx, *call);
        }
    }

    fn opened(&mut self, cx: &mut Cx<'_>) {
        if !self.old {
            self.stage = Stage::Open;
            return self.say_initialized(cx);
        }
        // The old transport is also used without a handshake (E5).
        if cx.rng.chance(800) {
            let id = self.talk.fresh_id(cx);
            self.greeting = Some(self.note_initialize(cx, &id));
            let body = self.talk.hello(&id);
            let calls = self.greeting.into_iter().collect();
            self.post_message(cx, &body, calls, None);
        } else {
            self.stage = Stage::Open;
            self.talk.caps = crate::clients::talk::Caps::default();
        }
    }

    fn say_initialized(&mut self, cx: &mut Cx<'_>) {
        if cx.hit(Fault::Uninitialized) {
            return;
        }
        self.talk.initialized = true;
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.post_one_way(cx, ready, None);
    }

    /// A connection is over.
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
            self.exchange_lost(cx, exchange);
        }
    }

    fn is_excused(&self, cx: &Cx<'_>, line: &Line) -> bool {
        line.half_closed
            || cx.model.stopping
            || self.deleting
            || cx.net.conns[line.conn].unread_ms(cx.now.0) >= WRITE_STALL_MS_MAX / 2
    }

    fn exchange_lost(&mut self, cx: &mut Cx<'_>, exchange: Exchange) {
        let Exchange { kind, last_id, .. } = exchange;
        match kind {
            Kind::Calls(calls) | Kind::Resume(calls) => {
                let waits = calls
                    .iter()
                    .any(|call| cx.model.calls[*call].state == State::Open);
                let asks = self.stage == Stage::Open && (waits || cx.hit(Fault::ResumesInVain));
                match last_id.filter(|_| asks) {
                    Some(last_id) => self.lose_stream(cx, last_id, calls),
                    None => {
                        for call in calls {
                            self.talk.lose(cx, call);
                        }
                    }
                }
            }
            Kind::Message { calls, .. } => {
                // It may have been read, and then its answers come on the stream.
                for call in calls {
                    self.talk.doubt(cx, call);
                }
            }
            Kind::Initialize(_) | Kind::Sse | Kind::Delete => self.leave(cx),
            Kind::OneWay { .. } | Kind::Main | Kind::Left | Kind::Listen(_) | Kind::Odd(_) => {}
        }
    }
}
