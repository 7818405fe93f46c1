//! A client without a session: every POST to `/mcp` stands for itself, and who hangs up has
//! cancelled what it asked for.

use onemcp::limits::LEASES_PER_SERVER_MAX;

use crate::clients::described::MODERN;
use crate::clients::exchange::{Kind, Line, Outgoing, choose};
use crate::clients::requests::Request;
use crate::clients::talk::Talk;
use crate::faults::Fault;
use crate::model::{Cx, State};
use crate::net::End;

/// Connections of one client; those of subscriptions come on top.
const LINES_MAX: usize = 6;
/// Subscriptions of one client.
const LISTENS_MAX: usize = 3;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stateless {
    pub(crate) talk: Talk,
    pub(crate) lines: Vec<Line>,
    pub(crate) next_act: u64,
    /// It reads nothing until then.
    pub(crate) slow_until: u64,
    /// It only finishes what it began.
    pub(crate) calm: bool,
    pub(crate) gone: bool,
}

impl Stateless {
    /// A client that is about to ask for something.
    pub(crate) fn new(cx: &mut Cx<'_>, me: usize) -> Self {
        Self {
            talk: Talk::new(cx, me, false),
            lines: Vec::new(),
            next_act: cx.now.0 + cx.rng.time(3000),
            slow_until: 0,
            calm: false,
            gone: false,
        }
    }

    /// When it has something to do.
    pub(crate) fn next_due(&self) -> Option<u64> {
        if self.gone {
            return None;
        }
        let acts = (!self.calm).then_some(self.next_act);
        let reads = (self.slow_until > 0).then_some(self.slow_until);
        let returns = self.talk.next_return();
        [acts, reads, returns].into_iter().flatten().min()
    }

    /// Does one thing that is due.
    pub(crate) fn act(&mut self, cx: &mut Cx<'_>, servers: &[String]) {
        let now = cx.now.0;
        if self.slow_until > 0 && self.slow_until <= now {
            self.slow_until = 0;
        }
        if self.gone {
            return;
        }
        if let Some(one) = self.talk.come_back(cx) {
            return self.post(cx, &one);
        }
        if self.calm || self.next_act > now {
            return;
        }
        self.next_act = now + 1 + cx.rng.time(4000);
        if cx.hit(Fault::Disconnect) {
            return self.leave(cx);
        }
        if cx.hit(Fault::SlowReader) {
            self.slow_until = now + 1 + cx.rng.time(200_000);
        }
        self.hurt_a_line(cx);
        if cx.hit(Fault::WrongField) {
            return self.contradict(cx, servers);
        }
        let some = if cx.rng.chance(100) { 5 } else { 1 };
        for _ in 0..some {
            let listens = |line: &&Line| line.is_endless();
            let one = self.talk.stateless(cx, servers);
            let full = self.lines.iter().filter(listens).count() >= LISTENS_MAX;
            if one.method == "subscriptions/listen" && full {
                self.talk.lose(cx, one.call);
                continue;
            }
            self.post(cx, &one);
        }
    }

    /// Sends a request, described by the header fields that it needs.
    pub(crate) fn post(&mut self, cx: &mut Cx<'_>, one: &Request) {
        let mut fields = vec![("Accept", accept(cx))];
        fields.extend(repeated(cx, one));
        let kind = match one.method {
            "subscriptions/listen" => Kind::Listen(vec![one.call]),
            _ => Kind::Calls(vec![one.call]),
        };
        self.send(cx, fields, &one.body, kind);
    }

    fn send(&mut self, cx: &mut Cx<'_>, fields: Vec<(&str, String)>, body: &str, kind: Kind) {
        let me = self.talk.me;
        let endless = self.lines.iter().filter(|line| line.is_endless()).count();
        let at = choose(cx, &mut self.lines, me, LINES_MAX + endless);
        let conn = self.lines[at].conn;
        cx.model.trace(|| {
            let end = body.floor_char_boundary(2000);
            let shown = &body[..end];
            format!("client {me} conn {conn} > {kind:?} {fields:?} {shown}")
        });
        let out = Outgoing {
            method: "POST",
            target: "/mcp",
            fields,
            body: Some(body),
            kind,
            last_id: None,
        };
        self.lines[at].send(cx, out);
    }

    /// Sends a request that contradicts itself: it is refused, and goes nowhere.
    fn contradict(&mut self, cx: &mut Cx<'_>, servers: &[String]) {
        let mut one = self.talk.stateless(cx, servers);
        self.talk.lose(cx, one.call);
        cx.model.calls[one.call].state = State::Refused;
        let mut fields = repeated(cx, &one);
        let last = fields.len() - 1;
        match cx.rng.below(7) {
            0 => drop(fields.remove(0)),
            1 => drop(fields.remove(last)),
            2 => fields[0].1 = cx.rng.pick(&["2025-11-25", "2099-01-01", ""]).to_owned(),
            3 => fields[1].1 = cx.rng.pick(&["ping", "TOOLS/CALL", "é", ""]).to_owned(),
            4 => {
                fields[last].1 = cx
                    .rng
                    .pick(&["=?base64?x?=", "no", "=?base64?AA==?="])
                    .to_owned();
            }
            5 => one.body = one.body.replace("clientCapabilities", "ClientCapabilities"),
            _ => one.body = one.body.replace(MODERN, "2026-07-27"),
        }
        fields.push(("Accept", "application/json, text/event-stream".to_owned()));
        self.send(cx, fields, &one.body, Kind::Odd(&[400]));
    }

    /// Wants more of one server than may have a session of it each.
    pub(crate) fn rush(&mut self, cx: &mut Cx<'_>, server: &str) {
        let me = self.talk.me;
        for _ in 0..LEASES_PER_SERVER_MAX + 4 {
            let one = self.talk.stateless_echo(cx, server);
            let mut fields = vec![("Accept", "*/*".to_owned())];
            fields.extend(repeated(cx, &one));
            let mut line = Line::open(cx, me);
            cx.model
                .trace(|| format!("client {me} conn {} > {}", line.conn, one.body));
            let out = Outgoing {
                method: "POST",
                target: "/mcp",
                fields,
                body: Some(&one.body),
                kind: Kind::Calls(vec![one.call]),
                last_id: None,
            };
            line.send(cx, out);
            self.lines.push(line);
        }
    }

    /// Connections break; who hangs up has cancelled.
    fn hurt_a_line(&mut self, cx: &mut Cx<'_>) {
        if self.lines.is_empty() {
            return;
        }
        let at = cx.rng.index(self.lines.len());
        let conn = self.lines[at].conn;
        if cx.hit(Fault::Reset) || cx.hit(Fault::HangsUp) {
            let reset = cx.rng.chance(500);
            cx.net.abandon(conn, reset);
            self.line_ended(cx, conn, End::Reset);
        } else if cx.hit(Fault::HalfClose) {
            cx.net.finish(conn);
            self.lines[at].half_closed = true;
        }
    }

    /// It is gone; nothing is awaited any more.
    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>) {
        let me = self.talk.me;
        cx.model.trace(|| format!("client {me} is gone"));
        self.gone = true;
        for line in std::mem::take(&mut self.lines) {
            let reset = cx.hit(Fault::Reset);
            cx.net.abandon(line.conn, reset);
        }
        self.talk.lose_all(cx);
    }

    /// It only finishes what it began.
    pub(crate) fn calm(&mut self, now: u64) {
        self.calm = true;
        self.slow_until = 0;
        self.talk.calm(now);
    }
}

fn accept(cx: &mut Cx<'_>) -> String {
    let text = if cx.hit(Fault::JsonOnly) {
        "application/json"
    } else if cx.hit(Fault::StreamOnly) {
        "text/event-stream"
    } else {
        cx.rng.pick(&["application/json, text/event-stream", "*/*"])
    };
    text.to_owned()
}

/// The header fields that repeat the body.
fn repeated(cx: &mut Cx<'_>, one: &Request) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("MCP-Protocol-Version", MODERN.to_owned()),
        ("Mcp-Method", one.method.to_owned()),
    ];
    if let Some(named) = one.named.as_deref() {
        let plain = named.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let coded = !plain || named.starts_with("=?") || cx.rng.chance(200);
        let value = match coded {
            true => format!("=?base64?{}?=", base64(named.as_bytes())),
            false => format!(" {named} "),
        };
        fields.push(("Mcp-Name", value));
    }
    fields
}

/// RFC 4648 section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() {
                letter as char
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_padded() {
        let texts = ["", "f", "fo", "foo", "foob", "\u{fc}"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "w7w="]);
    }
}
