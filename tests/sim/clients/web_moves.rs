//! What a client over HTTP does next.

use onemcp::limits::{CALLS_PER_CLIENT_MAX, REPLAY_MS_MAX};

use crate::clients::exchange::Kind;
use crate::clients::requests::Request;
use crate::clients::web::{Lost, Stage, Web};
use crate::faults::Fault;
use crate::model::{CallId, Cx};

impl Web {
    /// One move of a client that is not calm.
    pub(crate) fn move_on(&mut self, cx: &mut Cx<'_>, servers: &[String]) {
        if cx.hit(Fault::Disconnect) {
            return self.leave(cx);
        }
        if cx.hit(Fault::SlowReader) {
            self.slow_until = cx.now.0 + 1 + cx.rng.time(200_000);
        }
        self.hurt_a_line(cx);
        if self.stage != Stage::Open {
            return;
        }
        let cancelled = self.talk.cancel_some(cx);
        if !cancelled.is_empty() {
            for (id, body) in cancelled {
                let unbar = (!self.old).then_some(id);
                self.post_one_way(cx, &body, unbar);
            }
            return;
        }
        if cx.hit(Fault::Stranger) {
            self.stranger(cx);
        }
        if !self.old && cx.hit(Fault::TwiceTheId) {
            self.use_an_id_twice(cx);
        }
        if !self.old && cx.hit(Fault::Delete) && !self.deleting {
            self.deleting = true;
            let fields = self.fields(cx, None);
            return self.send(cx, "DELETE", "/mcp", fields, None, Kind::Delete);
        }
        if !cx.model.tokens.is_empty() && cx.hit(Fault::WrongToken) {
            return self.show_wrong_token(cx);
        }
        if cx.hit(Fault::BadRequest) {
            return self.odd(cx);
        }
        let listening = self
            .lines
            .iter()
            .flat_map(|line| &line.queue)
            .any(|exchange| matches!(exchange.kind, Kind::Main));
        let listens = !self.old && !self.never_listens;
        if listens && cx.rng.chance(if listening { 20 } else { 250 }) {
            return self.listen(cx, listening);
        }
        let some = if cx.rng.chance(100) { 5 } else { 1 };
        for _ in 0..some {
            self.call(cx, servers);
        }
    }

    /// Wants more of one server than it may.
    pub(crate) fn rush(&mut self, cx: &mut Cx<'_>, server: &str) {
        self.talk.regrets = cx.rng.chance(500);
        if self.talk.regrets {
            // As soon as all of it has reached the server.
            self.next_act = cx.now.0 + 1;
        }
        let size = if self.batches() { 80 } else { 1 };
        let mut left = CALLS_PER_CLIENT_MAX + 20;
        while left > 0 {
            let some: Vec<_> = (0..size.min(left))
                .map(|_| self.talk.echo(cx, server))
                .collect();
            left -= some.len();
            match some.as_slice() {
                [one] => self.post_calls(cx, &one.body, vec![one.call]),
                some => self.post_batch(cx, some),
            }
        }
    }

    fn batches(&self) -> bool {
        !self.old && self.talk.version == "2025-03-26" && self.talk.initialized
    }

    fn post_batch(&mut self, cx: &mut Cx<'_>, some: &[Request]) {
        let mut bodies: Vec<&str> = some.iter().map(|one| one.body.as_str()).collect();
        if cx.hit(Fault::BadRequest) {
            bodies.push("7");
        }
        let body = format!("[{}]", bodies.join(","));
        let calls = some.iter().map(|one| one.call).collect();
        self.post_calls(cx, &body, calls);
    }

    fn call(&mut self, cx: &mut Cx<'_>, servers: &[String]) {
        if self.batches() && cx.hit(Fault::Batch) {
            let some: Vec<_> = (0..1 + cx.rng.index(3))
                .map(|_| self.talk.request(cx, servers))
                .collect();
            return self.post_batch(cx, &some);
        }
        let one = self.talk.request(cx, servers);
        self.post_calls(cx, &one.body, vec![one.call]);
    }

    /// Opens the GET stream, from where it was lost if it was. While one is open nothing was lost.
    fn listen(&mut self, cx: &mut Cx<'_>, listening: bool) {
        let fields = self.fields(cx, Some("text/event-stream"));
        let last = self.main_last.take().filter(|_| !listening);
        self.send_after(cx, ("GET", "/mcp"), fields, None, Kind::Main, last);
    }

    /// A stream was lost; its rest is asked for at once, or only after a while.
    pub(crate) fn lose_stream(&mut self, cx: &mut Cx<'_>, last_id: String, calls: Vec<CallId>) {
        let ms = match cx.hit(Fault::ResumesLate) {
            true => cx.rng.time(REPLAY_MS_MAX + 100_000),
            false => 0,
        };
        let at = cx.now.0 + ms;
        self.lost.push(Lost { last_id, calls, at });
    }

    /// Asks for the rest of a stream.
    pub(crate) fn resume(&mut self, cx: &mut Cx<'_>, lost: Lost) {
        let fields = self.fields(cx, Some("text/event-stream"));
        cx.model.stats.resumed += 1;
        let kind = Kind::Resume(lost.calls);
        self.send_after(cx, ("GET", "/mcp"), fields, None, kind, Some(lost.last_id));
    }

    /// Connections break.
    fn hurt_a_line(&mut self, cx: &mut Cx<'_>) {
        if self.lines.is_empty() {
            return;
        }
        let at = cx.rng.index(self.lines.len());
        let conn = self.lines[at].conn;
        if cx.hit(Fault::Reset) {
            cx.net.abandon(conn, true);
            self.line_ended(cx, conn, crate::net::End::Reset);
        } else if cx.hit(Fault::Detach) {
            cx.net.abandon(conn, false);
            self.line_ended(cx, conn, crate::net::End::Reset);
        } else if cx.hit(Fault::HalfClose) {
            cx.net.finish(conn);
            self.lines[at].half_closed = true;
        } else if cx.hit(Fault::Impatient) {
            self.leave_a_stream(cx, at);
        }
    }

    /// Asks for the rest of a stream although it is still there, as if its connection hung.
    fn leave_a_stream(&mut self, cx: &mut Cx<'_>, at: usize) {
        let Some(exchange) = self.lines[at].queue.front_mut() else {
            return;
        };
        if let (Kind::Calls(calls) | Kind::Resume(calls), Some(last_id), Some(_)) =
            (&exchange.kind, &exchange.last_id, &exchange.events)
        {
            let (last_id, calls) = (last_id.clone(), calls.clone());
            exchange.kind = Kind::Left;
            self.lose_stream(cx, last_id, calls);
        }
    }
}
