//! The client at our own stdin and stdout.

use crate::clients::hearing::On;
use crate::clients::talk::Talk;
use crate::faults::Fault;
use crate::model::{Call, Cx, State};
use crate::net::ConnId;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stdio {
    pub(crate) talk: Talk,
    pub(crate) conn: ConnId,
    lines: Vec<u8>,
    pub(crate) greeted: bool,
    pub(crate) gone: bool,
    pub(crate) next_act: u64,
    pub(crate) slow_until: u64,
    pub(crate) calm: bool,
}

impl Stdio {
    /// A client that has said nothing yet.
    pub(crate) fn new(cx: &mut Cx<'_>, me: usize, conn: ConnId) -> Self {
        Self {
            talk: Talk::new(cx, me, true),
            conn,
            lines: Vec::new(),
            greeted: false,
            gone: false,
            next_act: cx.rng.time(1000),
            slow_until: 0,
            calm: false,
        }
    }

    /// When it has something to do.
    pub(crate) fn next_due(&self) -> Option<u64> {
        if self.gone {
            return None;
        }
        let acts = (!self.calm || !self.greeted).then_some(self.next_act);
        let reads = (self.slow_until > 0).then_some(self.slow_until);
        [acts, reads, self.talk.next_answer()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does one thing that is due.
    pub(crate) fn act(&mut self, cx: &mut Cx<'_>, servers: &[String]) {
        let now = cx.now.0;
        if self.slow_until <= now {
            self.slow_until = 0;
        }
        if !self.greeted {
            self.greeted = true;
            let id = self.talk.fresh_id(cx);
            let call = cx.model.begin(Call {
                client: self.talk.me,
                method: "initialize",
                target: None,
                arguments: String::new(),
                state: State::Open,
                reached: Vec::new(),
                began: now,
            });
            self.talk.open.insert(id.clone(), call);
            let hello = self.talk.hello(&id);
            self.say(cx, &hello);
            self.talk.initialized = true;
            self.say(
                cx,
                r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            );
            return;
        }
        if let Some(body) = self.talk.answer(cx) {
            return self.say(cx, &body);
        }
        if self.calm || self.next_act > now {
            return;
        }
        self.next_act = now + 1 + cx.rng.time(3000);
        if cx.hit(Fault::SlowReader) {
            self.slow_until = now + 1 + cx.rng.time(100_000);
        }
        if let Some((_, body)) = self.talk.cancel(cx) {
            return self.say(cx, &body);
        }
        if cx.hit(Fault::BadRequest) {
            let odd = ["{", "7", "[]", "null", r#"{"jsonrpc":"2.0"}"#, "\u{1}"];
            let line = cx.rng.pick(&odd);
            return self.say(cx, line);
        }
        let one = self.talk.request(cx, servers);
        self.say(cx, &one.body);
    }

    pub(crate) fn say(&mut self, cx: &mut Cx<'_>, body: &str) {
        let me = self.talk.me;
        cx.model.trace(|| format!("client {me} > {body}"));
        cx.net.send(self.conn, body.as_bytes());
        cx.net.send(self.conn, b"\n");
    }

    /// Bytes of our stdout.
    pub(crate) fn hear(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        self.lines.extend_from_slice(bytes);
        while let Some(end) = self.lines.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = self.lines.drain(..=end).collect();
            line.pop();
            if line.is_empty() || line.contains(&b'\r') {
                self.talk.wrong(cx, "a line end inside a line", &line);
            }
            self.talk.hear(cx, &line, &On::Direct);
        }
    }

    /// It is gone: `reset` in both directions, else it only closes our stdin.
    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>, reset: bool) {
        if reset {
            self.gone = true;
            cx.net.abandon(self.conn, true);
            self.talk.lose_all(cx);
        } else {
            cx.net.finish(self.conn);
        }
    }
}
