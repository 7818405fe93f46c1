//! The client at our own stdin and stdout.

use onemcp::limits::CALLS_PER_CLIENT_MAX;

use crate::clients::hearing::On;
use crate::clients::requests::Request;
use crate::clients::talk::Talk;
use crate::faults::Fault;
use crate::model::{Call, Cx, State};
use crate::net::ConnId;
use crate::wire::lines::Lines;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stdio {
    pub(crate) talk: Talk,
    pub(crate) conn: ConnId,
    lines: Lines,
    pub(crate) greeted: bool,
    pub(crate) gone: bool,
    /// It has closed our stdin, and only reads what it is still told.
    pub(crate) closed: bool,
    pub(crate) next_act: u64,
    pub(crate) slow_until: u64,
    pub(crate) calm: bool,
    eras: Eras,
}

/// Which revisions it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eras {
    Legacy,
    Modern,
    /// Both on one pipe.
    Both,
}

impl Stdio {
    /// A client that has said nothing yet.
    pub(crate) fn new(cx: &mut Cx<'_>, me: usize, conn: ConnId) -> Self {
        let eras = cx
            .rng
            .pick(&[Eras::Legacy, Eras::Modern, Eras::Both, Eras::Both]);
        Self {
            talk: Talk::new(cx, me, true),
            conn,
            lines: Lines::default(),
            greeted: eras == Eras::Modern,
            gone: false,
            closed: false,
            next_act: cx.rng.time(1000),
            slow_until: 0,
            calm: false,
            eras,
        }
    }

    /// The next request, of one revision or another.
    fn request(&mut self, cx: &mut Cx<'_>, servers: &[String]) -> Request {
        match self.eras {
            Eras::Legacy => self.talk.request(cx, servers),
            Eras::Both if cx.rng.chance(500) => self.talk.request(cx, servers),
            Eras::Modern | Eras::Both => self.talk.stateless(cx, servers),
        }
    }

    /// A call of the tool that every server has.
    pub(crate) fn echo(&mut self, cx: &mut Cx<'_>, server: &str) -> Request {
        match self.eras {
            Eras::Legacy => self.talk.echo(cx, server),
            Eras::Both if cx.rng.chance(500) => self.talk.echo(cx, server),
            Eras::Modern | Eras::Both => self.talk.stateless_echo(cx, server),
        }
    }

    /// When it has something to do.
    pub(crate) fn next_due(&self) -> Option<u64> {
        if self.gone {
            return None;
        }
        let reads = (self.slow_until > 0).then_some(self.slow_until);
        if self.closed {
            return reads;
        }
        let acts = (!self.calm || !self.greeted).then_some(self.next_act);
        let (answers, returns) = (self.talk.next_answer(), self.talk.next_return());
        [acts, reads, answers, returns].into_iter().flatten().min()
    }

    /// Does one thing that is due.
    pub(crate) fn act(&mut self, cx: &mut Cx<'_>, servers: &[String]) {
        let now = cx.now.0;
        if self.slow_until <= now {
            self.slow_until = 0;
        }
        if self.closed {
            return;
        }
        if !self.greeted {
            if cx.hit(Fault::BadRequest) {
                // It is refused, since nothing but ping comes before `initialize` (B3).
                // Only a request without a session needs none.
                let one = self.request(cx, servers);
                self.say(cx, &one.body);
            }
            return self.greet(cx);
        }
        if let Some(body) = self.talk.answer(cx) {
            return self.say(cx, &body);
        }
        if let Some(one) = self.talk.come_back(cx) {
            return self.say(cx, &one.body);
        }
        if self.calm || self.next_act > now {
            return;
        }
        self.next_act = now + 1 + cx.rng.time(3000);
        if cx.hit(Fault::SlowReader) {
            self.slow_until = now + 1 + cx.rng.time(100_000);
        }
        if self.eras != Eras::Modern && cx.hit(Fault::Again) {
            return self.greet_again(cx);
        }
        // With many calls open the hub would first have to read the rest.
        if self.talk.open.len() < 100 && cx.rng.chance(200) && cx.hit(Fault::HalfClose) {
            for _ in 0..cx.rng.index(10) {
                let one = self.request(cx, servers);
                self.say(cx, &one.body);
            }
            self.closed = true;
            return cx.net.finish(self.conn);
        }
        for (_, body) in self.talk.cancel_some(cx) {
            self.say(cx, &body);
        }
        if cx.hit(Fault::BadRequest) {
            let odd = ["{", "7", "[]", "null", r#"{"jsonrpc":"2.0"}"#, "\u{1}"];
            let line = cx.rng.pick(&odd);
            return self.say(cx, line);
        }
        let one = self.request(cx, servers);
        self.say(cx, &one.body);
    }

    fn greet(&mut self, cx: &mut Cx<'_>) {
        self.greeted = true;
        let id = self.talk.fresh_id(cx);
        let call = cx.model.begin(Call {
            client: self.talk.me,
            method: "initialize",
            target: None,
            arguments: String::new(),
            state: State::Open,
            reached: Vec::new(),
            began: cx.now.0,
            described: None,
            caps: self.talk.caps,
            rounds: 0,
            anew: 0,
            again: false,
        });
        self.talk.open.insert(id.clone(), call);
        let hello = self.talk.hello(&id);
        self.say(cx, &hello);
        self.talk.initialized = true;
        self.say(
            cx,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        );
    }

    /// Starts over: what it asked for before may be forgotten.
    fn greet_again(&mut self, cx: &mut Cx<'_>) {
        let calls: Vec<_> = self.talk.open.values().copied().collect();
        for call in calls {
            self.talk.doubt(cx, call);
        }
        self.greet(cx);
    }

    /// Wants more of one server than it may.
    pub(crate) fn rush(&mut self, cx: &mut Cx<'_>, server: &str) {
        self.talk.regrets = cx.rng.chance(500);
        for _ in 0..CALLS_PER_CLIENT_MAX + 20 {
            let one = self.echo(cx, server);
            self.say(cx, &one.body);
        }
    }

    pub(crate) fn say(&mut self, cx: &mut Cx<'_>, body: &str) {
        let me = self.talk.me;
        cx.model.trace(|| format!("client {me} > {body}"));
        cx.net.send(self.conn, body.as_bytes());
        cx.net.send(self.conn, b"\n");
    }

    /// Bytes of our stdout.
    pub(crate) fn hear(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        self.lines.push(bytes);
        while let Some(line) = self.lines.next() {
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
