//! A client over HTTP: a session on `/mcp` or a stream on `/sse`, on as many connections as it
//! likes.

use crate::clients::exchange::{Kind, Line, Outgoing, choose};
use crate::clients::talk::Talk;
use crate::faults::Fault;
use crate::model::{CallId, Cx};
use crate::net::ConnId;

/// Connections of one client.
const LINES_MAX: usize = 6;

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Has not said anything.
    New,
    /// Waits for its session.
    Opening,
    /// Has a session.
    Open,
    /// Is gone.
    Gone,
}

/// A stream whose connection was lost.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) last_id: String,
    pub(crate) calls: Vec<CallId>,
    pub(crate) at: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Web {
    pub(crate) talk: Talk,
    /// `/sse` instead of `/mcp`.
    pub(crate) old: bool,
    /// The session id, or the path to post to.
    pub(crate) session: Option<String>,
    pub(crate) stage: Stage,
    /// `initialize` on `/sse`, until it is answered.
    pub(crate) greeting: Option<CallId>,
    pub(crate) lines: Vec<Line>,
    pub(crate) lost: Vec<Lost>,
    pub(crate) next_act: u64,
    /// It reads nothing until then.
    pub(crate) slow_until: u64,
    /// It asked for its session to be ended.
    pub(crate) deleting: bool,
    /// When its session was used last: it ends after a while without.
    pub(crate) used: u64,
    /// It only finishes what it began.
    pub(crate) calm: bool,
    /// The last event of its GET stream.
    pub(crate) main_last: Option<String>,
    /// It opens none.
    pub(crate) never_listens: bool,
    /// The connection of the newest one.
    pub(crate) main: Option<ConnId>,
}

impl Web {
    /// A client that is about to connect.
    pub(crate) fn new(cx: &mut Cx<'_>, me: usize, old: bool) -> Self {
        Self {
            talk: Talk::new(cx, me, old),
            old,
            session: None,
            stage: Stage::New,
            greeting: None,
            lines: Vec::new(),
            lost: Vec::new(),
            next_act: cx.now.0 + cx.rng.time(3000),
            slow_until: 0,
            deleting: false,
            used: cx.now.0,
            calm: false,
            main_last: None,
            never_listens: cx.hit(Fault::NeverListens),
            main: None,
        }
    }

    /// When it has something to do.
    pub(crate) fn next_due(&self) -> Option<u64> {
        match self.stage {
            Stage::Gone => None,
            Stage::New => Some(self.next_act),
            Stage::Opening | Stage::Open => {
                let acts = (!self.calm).then_some(self.next_act);
                let reads = (self.slow_until > 0).then_some(self.slow_until);
                let resumes = self.lost.first().map(|lost| lost.at + 1);
                let answers = self
                    .talk
                    .next_answer()
                    .filter(|_| self.stage == Stage::Open);
                [acts, reads, resumes, answers].into_iter().flatten().min()
            }
        }
    }

    /// Whether it reads now.
    pub(crate) const fn reads(&self) -> bool {
        self.slow_until == 0
    }

    /// Does one thing that is due.
    pub(crate) fn act(&mut self, cx: &mut Cx<'_>, servers: &[String]) {
        let now = cx.now.0;
        if self.slow_until > 0 && self.slow_until <= now {
            self.slow_until = 0;
        }
        match self.stage {
            Stage::New => self.begin(cx),
            Stage::Opening | Stage::Open => self.go_on(cx, servers),
            Stage::Gone => {}
        }
    }

    fn go_on(&mut self, cx: &mut Cx<'_>, servers: &[String]) {
        let now = cx.now.0;
        if self.stage == Stage::Open {
            if let Some(body) = self.talk.answer(cx) {
                self.post_one_way(cx, &body, None);
                return;
            }
            if self.lost.first().is_some_and(|lost| lost.at < now) {
                let lost = self.lost.remove(0);
                return self.resume(cx, lost);
            }
        }
        if !self.calm && self.next_act <= now {
            self.next_act = now + 1 + cx.rng.time(4000);
            self.move_on(cx, servers);
        }
    }

    fn begin(&mut self, cx: &mut Cx<'_>) {
        self.stage = Stage::Opening;
        self.next_act = cx.now.0 + 1 + cx.rng.time(4000);
        if self.old {
            let fields = vec![("Accept", "text/event-stream".to_owned())];
            self.send(cx, "GET", "/sse", fields, None, Kind::Sse);
        } else {
            let id = self.talk.fresh_id(cx);
            let call = self.note_initialize(cx, &id);
            let body = self.talk.hello(&id);
            let fields = vec![("Accept", self.accept(cx))];
            self.send(
                cx,
                "POST",
                "/mcp",
                fields,
                Some(&body),
                Kind::Initialize(call),
            );
        }
    }

    /// `initialize` is awaited like a call.
    pub(crate) fn note_initialize(&mut self, cx: &mut Cx<'_>, id: &str) -> CallId {
        let call = cx.model.begin(crate::model::Call {
            client: self.talk.me,
            method: "initialize",
            target: None,
            arguments: String::new(),
            state: crate::model::State::Open,
            reached: Vec::new(),
            began: cx.now.0,
            described: None,
            caps: self.talk.caps,
            rounds: 0,
            anew: 0,
            again: false,
        });
        self.talk.open.insert(id.to_owned(), call);
        call
    }

    fn accept(&self, cx: &mut Cx<'_>) -> String {
        let text = if cx.hit(Fault::JsonOnly) {
            "application/json"
        } else if cx.hit(Fault::StreamOnly) {
            "text/event-stream"
        } else {
            cx.rng.pick(&[
                "application/json, text/event-stream",
                "*/*",
                "text/event-stream, */*;q=0.5",
            ])
        };
        text.to_owned()
    }

    /// The header fields of a request in the session.
    pub(crate) fn fields(
        &self,
        cx: &mut Cx<'_>,
        accept: Option<&str>,
    ) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        if let Some(accept) = accept {
            fields.push(("Accept", accept.to_owned()));
        }
        if let Some(session) = &self.session {
            fields.push(("Mcp-Session-Id", session.clone()));
        }
        if cx.rng.chance(800) {
            fields.push(("MCP-Protocol-Version", self.talk.version.to_owned()));
        }
        fields
    }

    /// Sends a request on a connection that takes it, or on a new one.
    pub(crate) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        method: &str,
        target: &str,
        fields: Vec<(&str, String)>,
        body: Option<&str>,
        kind: Kind,
    ) {
        self.send_after(cx, (method, target), fields, body, kind, None);
    }

    /// The same, with the event after which a stream goes on.
    pub(crate) fn send_after(
        &mut self,
        cx: &mut Cx<'_>,
        (method, target): (&str, &str),
        fields: Vec<(&str, String)>,
        body: Option<&str>,
        kind: Kind,
        last_id: Option<String>,
    ) {
        let me = self.talk.me;
        self.used = cx.now.0;
        let at = choose(cx, &mut self.lines, me, LINES_MAX);
        let conn = self.lines[at].conn;
        if matches!(kind, Kind::Main) {
            self.main = Some(conn);
        }
        cx.model.trace(|| {
            let body = body.unwrap_or_default();
            let end = body.floor_char_boundary(2000);
            format!(
                "client {me} conn {conn} > {method} {target} {kind:?} {}",
                &body[..end]
            )
        });
        self.lines[at].send(
            cx,
            Outgoing {
                method,
                target,
                fields,
                body,
                kind,
                last_id,
            },
        );
    }

    /// Sends a notification or a response.
    pub(crate) fn post_one_way(&mut self, cx: &mut Cx<'_>, body: &str, unbar: Option<String>) {
        if self.old {
            self.post_message(cx, body, Vec::new(), unbar);
        } else {
            let fields = self.fields(cx, Some("application/json, text/event-stream"));
            self.send(
                cx,
                "POST",
                "/mcp",
                fields,
                Some(body),
                Kind::OneWay { unbar },
            );
        }
    }

    /// Sends any message to `/messages`.
    pub(crate) fn post_message(
        &mut self,
        cx: &mut Cx<'_>,
        body: &str,
        calls: Vec<CallId>,
        unbar: Option<String>,
    ) {
        let target = self.session.clone().unwrap_or_default();
        self.send(
            cx,
            "POST",
            &target,
            Vec::new(),
            Some(body),
            Kind::Message { calls, unbar },
        );
    }

    /// Sends requests whose answers are awaited.
    pub(crate) fn post_calls(&mut self, cx: &mut Cx<'_>, body: &str, calls: Vec<CallId>) {
        if self.old {
            self.post_message(cx, body, calls, None);
        } else {
            let accept = self.accept(cx);
            let fields = self.fields(cx, Some(&accept));
            self.send(cx, "POST", "/mcp", fields, Some(body), Kind::Calls(calls));
        }
    }

    /// It is gone; nothing is awaited any more.
    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>) {
        let me = self.talk.me;
        cx.model.trace(|| format!("client {me} is gone"));
        self.stage = Stage::Gone;
        for line in std::mem::take(&mut self.lines) {
            let reset = cx.hit(Fault::Reset);
            cx.net.abandon(line.conn, reset);
        }
        self.lost.clear();
        self.talk.lose_all(cx);
    }

    /// It only finishes what it began.
    pub(crate) fn calm(&mut self, cx: &mut Cx<'_>) {
        self.calm = true;
        self.slow_until = 0;
        self.talk.calm(cx.now.0);
        if self.stage == Stage::New || self.deleting {
            self.leave(cx);
        }
    }
}
