//! Requests that are wrong, or none of MCP's business.

use onemcp::limits::{BATCH_MAX, HEAD_BYTES_MAX};

use crate::clients::exchange::{Kind, Line};
use crate::clients::web::Web;
use crate::model::{CallId, Cx};

impl Web {
    /// Sends something that is answered without ever reaching a server.
    pub(crate) fn odd(&mut self, cx: &mut Cx<'_>) {
        let note = r#"{"jsonrpc":"2.0","method":"notifications/none"}"#;
        let too_many = format!("[{}]", vec![note; BATCH_MAX + 1].join(","));
        let session = |web: &Self, cx: &mut Cx<'_>| web.fields(cx, Some("application/json"));
        let (method, target, fields, body, statuses): (_, _, _, Option<&str>, &'static [u16]) =
            match cx.rng.below(18) {
                0 => ("POST", "/mcp", session(self, cx), Some("{"), &[400]),
                1 => ("POST", "/mcp", session(self, cx), Some("[]"), &[400]),
                2 => ("POST", "/mcp", session(self, cx), Some("7"), &[400]),
                3 => (
                    "POST",
                    "/mcp",
                    session(self, cx),
                    Some(r#"{"jsonrpc":"2.0"}"#),
                    &[400],
                ),
                4 => {
                    let body = r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#;
                    ("POST", "/mcp", session(self, cx), Some(body), &[400])
                }
                5 => {
                    let body = r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#;
                    ("POST", "/mcp", session(self, cx), Some(body), &[400])
                }
                6 => {
                    let fields = vec![("Mcp-Session-Id", "nobody".to_owned())];
                    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
                    ("POST", "/mcp", fields, Some(body), &[404])
                }
                7 => {
                    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
                    ("POST", "/mcp", Vec::new(), Some(body), &[400])
                }
                8 => ("GET", "/nowhere", Vec::new(), None, &[404]),
                9 => ("PUT", "/mcp", Vec::new(), Some("{}"), &[405]),
                10 => {
                    let fields = vec![("Origin", "https://evil.example".to_owned())];
                    ("POST", "/mcp", fields, Some("{}"), &[403])
                }
                11 => ("GET", "/health", Vec::new(), None, &[200, 503]),
                12 => ("GET", "/health/mcp", Vec::new(), None, &[200, 503]),
                13 => ("GET", "/", Vec::new(), None, &[200]),
                14 => {
                    let mut fields = session(self, cx);
                    fields.push(("MCP-Protocol-Version", "1999-01-01".to_owned()));
                    fields.retain(|(name, value)| {
                        *name != "MCP-Protocol-Version" || value == "1999-01-01"
                    });
                    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
                    ("POST", "/mcp", fields, Some(body), &[400])
                }
                15 => {
                    let fields = session(self, cx);
                    ("POST", "/mcp", fields, Some(&*too_many), &[400])
                }
                16 => {
                    let body = r#"[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}]"#;
                    ("POST", "/mcp", session(self, cx), Some(body), &[400])
                }
                _ => ("DELETE", "/mcp", Vec::new(), None, &[400]),
            };
        self.send(cx, method, target, fields, body, Kind::Odd(statuses));
    }

    /// Comes without a token, with one that is none, or into another's session.
    pub(crate) fn show_wrong_token(&mut self, cx: &mut Cx<'_>) {
        let own = self.talk.me;
        let others = cx.model.tokens.iter().enumerate();
        let others = others.filter(|(of, _)| *of != own);
        let others: Vec<String> = others.map(|(_, token)| token.clone()).collect();
        let (value, statuses): (String, &'static [u16]) = match cx.rng.below(4) {
            0 => (String::new(), &[400, 401]),
            1 => ("Bearer abc".to_owned(), &[401]),
            2 => ("Basic abc".to_owned(), &[400, 401]),
            _ if others.is_empty() => return,
            _ => (format!("Bearer {}", cx.rng.pick(&others)), &[404]),
        };
        let mut fields = vec![("Authorization", value)];
        let ping = r#"{"jsonrpc":"2.0","id":"ping","method":"ping"}"#;
        let target = match (&self.session, self.old) {
            (Some(path), true) => path.clone(),
            (_, true) => return,
            (_, false) => "/mcp".to_owned(),
        };
        fields.extend(if self.old {
            Vec::new()
        } else {
            self.fields(cx, Some("application/json, text/event-stream"))
        });
        let method = match cx.rng.below(3) {
            0 if !self.old => "DELETE",
            1 if !self.old => "GET",
            _ => "POST",
        };
        let body = (method == "POST").then_some(ping);
        self.send(cx, method, &target, fields, body, Kind::Odd(statuses));
    }

    /// Uses the id of a request that a server has seen: refused, unless it was just answered.
    pub(crate) fn use_an_id_twice(&mut self, cx: &mut Cx<'_>) {
        let seen = |call: &CallId| !cx.model.calls[*call].reached.is_empty();
        let id = self.talk.open.iter().find(|(_, call)| seen(call));
        let Some(id) = id.map(|(id, _)| id.clone()) else {
            return;
        };
        let fields = self.fields(cx, Some("application/json"));
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let kind = Kind::Odd(&[400, 200]);
        self.send(cx, "POST", "/mcp", fields, Some(&body), kind);
    }

    /// Somebody connects who never ends a request, or sends too much of one.
    pub(crate) fn stranger(&mut self, cx: &mut Cx<'_>) {
        let head =
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:3050\r\nContent-Type: application/json\r\n";
        let (text, statuses): (String, &'static [u16]) = match cx.rng.below(4) {
            0 => (head[..=cx.rng.index(head.len())].to_owned(), &[408]),
            1 => (format!("{head}Content-Length: 9\r\n\r\n{{"), &[408]),
            2 => (format!("{head}Content-Length: 99999999\r\n\r\n{{"), &[413]),
            _ => (
                format!("{head}X-Long: {}", "x".repeat(HEAD_BYTES_MAX)),
                &[431],
            ),
        };
        let mut line = Line::open(cx, self.talk.me);
        line.send_raw(cx, &text, Kind::Odd(statuses));
        // Nothing else is said on it.
        line.closing = true;
        self.lines.push(line);
    }
}
