//! What clients ask for.

use crate::clients::talk::Talk;
use crate::faults::Fault;
use crate::model::{Call, CallId, Cx, Described, State};
use crate::servers::definition::URIS;
use crate::wire::json::quote;

/// Arguments that must arrive as they are, byte by byte.
const ARGUMENTS: [&str; 8] = [
    "{}",
    r#"{"a":1}"#,
    r#"{"a" : [ 1.0, 1e5 , -0 ,1E+2 ] }"#,
    r#"{"text":"\u00e4\ud83d\ude00 \\n \" é"}"#,
    r#"{"id":1,"method":"tools/call","params":{"name":"x"},"jsonrpc":"2.0"}"#,
    r#"{"progressToken":1,"_meta":{"progressToken":2}}"#,
    r#"{"big":123456789012345678901234567890,"a":null,"a\u0062":true}"#,
    r#"{"deep":[[[[[[[[[[[[]]]]]]]]]]]]}"#,
];

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    #[expect(dead_code, reason = "told by Debug when a seed fails")]
    pub(crate) id: String,
    pub(crate) call: CallId,
    pub(crate) method: &'static str,
    /// What `Mcp-Name` repeats.
    pub(crate) named: Option<String>,
    pub(crate) body: String,
}

/// What a request consists of besides its id and its marker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Want {
    pub(crate) method: &'static str,
    /// Members of `params`, each with a comma behind it.
    pub(crate) params: String,
    pub(crate) arguments: String,
    pub(crate) target: Option<(String, String)>,
    /// The name of the tool or prompt, or the URI of the resource.
    pub(crate) named: Option<String>,
}

impl Talk {
    /// The next request. `servers` are those of the configuration.
    pub(crate) fn request(&mut self, cx: &mut Cx<'_>, servers: &[String]) -> Request {
        let want = self.want(cx, servers);
        self.send(cx, want, None)
    }

    /// A call of the tool that every server has.
    pub(crate) fn echo(&mut self, cx: &mut Cx<'_>, server: &str) -> Request {
        let want = echo(cx, server);
        self.send(cx, want, None)
    }

    /// Puts a request together; `described` if it is one without a session.
    pub(crate) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        want: Want,
        described: Option<Described>,
    ) -> Request {
        let id = self.fresh_id(cx);
        let first = described.as_ref().is_some_and(|one| one.root.is_none());
        let kept = matches!(want.method, "tools/call" | "prompts/get" | "resources/read");
        let kept = (first && kept).then(|| want.clone());
        let caps = described.as_ref().map_or(self.caps, |one| one.caps);
        let call = cx.model.begin(Call {
            client: self.me,
            method: want.method,
            target: want.target,
            arguments: want.arguments,
            state: State::Open,
            reached: Vec::new(),
            began: cx.now.0,
            described,
            caps,
            rounds: 0,
            anew: 0,
            again: false,
        });
        if let Some(want) = kept {
            self.wants.insert(call, want);
        }
        let mut meta = format!(r#""sim/m":"{}""#, cx.model.marker(cx.model.root(call)));
        if cx.rng.chance(400) {
            let token = cx
                .rng
                .pick(&["1", "2", "\"1\"", "\"t \u{e9}\"", "0", "12.5"]);
            if !self.tokens.contains_key(token) {
                self.tokens.insert(token.to_owned(), call);
                if let Some(described) = &mut cx.model.calls[call].described {
                    described.token = Some(token.to_owned());
                }
                meta = match cx.rng.chance(500) {
                    true => format!(r#"{meta},"progressToken":{token}"#),
                    false => format!(r#""progressToken" : {token} ,{meta}"#),
                };
            }
        }
        let root = cx.model.root(call);
        cx.model.calls[root].caps.add(caps);
        if cx.rng.chance(100) {
            // What concerns one hop goes no further.
            meta.push_str(r#","io.modelcontextprotocol/sim":1"#);
        }
        if let Some(described) = &cx.model.calls[call].described {
            let own = described.members(cx.rng);
            meta = match cx.rng.chance(500) {
                true => format!("{meta},{own}"),
                false => format!("{own},{meta}"),
            };
        }
        self.open.insert(id.clone(), call);
        let body = put_together(cx, (want.method, &id), &want.params, &meta);
        Request {
            id,
            call,
            method: want.method,
            named: want.named,
            body,
        }
    }

    fn want(&mut self, cx: &mut Cx<'_>, servers: &[String]) -> Want {
        let plain = |method| Want {
            method,
            ..Want::default()
        };
        match cx.rng.below(24) {
            0..=7 => self.tool(cx, servers),
            8 => self.prompt(cx, servers),
            9..=10 => self.resource(cx, "resources/read"),
            11 | 20..=21 => self.resource(cx, "resources/subscribe"),
            12 | 22..=23 => self.resource(cx, "resources/unsubscribe"),
            13 => complete(cx, servers),
            14 => {
                let level = cx
                    .rng
                    .pick(&["debug", "info", "warning", "emergency", "loud"]);
                Want {
                    params: format!(r#""level":"{level}","#),
                    ..plain("logging/setLevel")
                }
            }
            15 => plain("ping"),
            16 => plain("no/such"),
            _ => self.list(cx),
        }
    }

    /// A list, or the rest of one.
    pub(crate) fn list(&mut self, cx: &mut Cx<'_>) -> Want {
        let methods = [
            "tools/list",
            "prompts/list",
            "resources/list",
            "resources/templates/list",
        ];
        let method = cx.rng.pick(&methods);
        let at = self.cursors.iter().position(|(of, _)| *of == method);
        let cursor = match at {
            Some(at) => format!(r#""cursor":{},"#, quote(&self.cursors.remove(at).1)),
            None if cx.hit(Fault::BadRequest) => r#""cursor":"99.feed","#.to_owned(),
            None => String::new(),
        };
        Want {
            method,
            params: cursor,
            ..Want::default()
        }
    }

    pub(crate) fn tool(&self, cx: &mut Cx<'_>, servers: &[String]) -> Want {
        if !self.tools.is_empty() && cx.rng.chance(500) {
            let name = cx.rng.pick(&self.tools);
            return call(cx, "tools/call", &name, None);
        }
        if servers.is_empty() || cx.hit(Fault::BadRequest) {
            return call(cx, "tools/call", "no_such_tool", None);
        }
        let server = cx.rng.pick(servers);
        let tool = cx.rng.pick(&["echo", "echo", "read", "sum.up", "x y"]);
        let name = format!("{server}_1mcp_{tool}");
        call(cx, "tools/call", &name, Some((&server, tool)))
    }

    pub(crate) fn prompt(&self, cx: &mut Cx<'_>, servers: &[String]) -> Want {
        if !self.prompts.is_empty() && cx.rng.chance(500) {
            let name = cx.rng.pick(&self.prompts);
            return call(cx, "prompts/get", &name, None);
        }
        let server = if servers.is_empty() {
            "none".to_owned()
        } else {
            cx.rng.pick(servers)
        };
        call(
            cx,
            "prompts/get",
            &format!("{server}_1mcp_greet"),
            Some((&server, "greet")),
        )
    }

    pub(crate) fn resource(&mut self, cx: &mut Cx<'_>, method: &'static str) -> Want {
        let uri = match cx.rng.below(4) {
            // What others listen to as well.
            0 if method != "resources/read" => URIS[0].to_owned(),
            0 | 1 if !self.uris.is_empty() => cx.rng.pick(&self.uris),
            2 => format!("db://s{}/row", cx.rng.below(4)),
            _ => (cx.rng.pick(&URIS)).to_owned(),
        };
        if method == "resources/subscribe" {
            self.subscribed.insert(uri.clone());
        }
        Want {
            method,
            params: format!(r#""uri":{},"#, quote(&uri)),
            named: Some(uri),
            ..Want::default()
        }
    }
}

/// A message of random shape.
pub(crate) fn put_together(
    cx: &mut Cx<'_>,
    (method, id): (&str, &str),
    params: &str,
    meta: &str,
) -> String {
    let params = match cx.rng.chance(500) {
        true => format!(r#"{params}"_meta":{{{meta}}}"#),
        false => format!(r#""_meta":{{{meta}}},{}"#, params.trim_end_matches(',')),
    };
    let params = params.trim_end_matches(',');
    match cx.rng.below(3) {
        0 => {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#)
        }
        1 => {
            format!(r#"{{"method":"{method}","params":{{{params}}},"id":{id},"jsonrpc":"2.0"}}"#)
        }
        _ => format!(
            r#" {{ "params" : {{{params}}} , "id" : {id} , "jsonrpc" : "2.0" , "method":"{method}"}} "#
        ),
    }
}

/// A call of the tool that every server has.
pub(crate) fn echo(cx: &mut Cx<'_>, server: &str) -> Want {
    let name = format!("{server}_1mcp_echo");
    call(cx, "tools/call", &name, Some((server, "echo")))
}

fn call(cx: &mut Cx<'_>, method: &'static str, name: &str, target: Option<(&str, &str)>) -> Want {
    let arguments = match cx.hit(Fault::Big) {
        true => format!(r#"{{"pad":"{}"}}"#, "z".repeat(cx.rng.index(200_000))),
        false => (cx.rng.pick(&ARGUMENTS)).to_owned(),
    };
    let named = Some(name.to_owned());
    let name = quote(name);
    let params = match cx.rng.chance(500) {
        true => format!(r#""name":{name},"arguments":{arguments},"#),
        false => format!(r#""arguments" : {arguments}, "name" : {name} ,"#),
    };
    let target = target.map(|(server, tool)| (server.to_owned(), tool.to_owned()));
    Want {
        method,
        params,
        arguments,
        target,
        named,
    }
}

pub(crate) fn complete(cx: &mut Cx<'_>, servers: &[String]) -> Want {
    let server = if servers.is_empty() {
        "none".to_owned()
    } else {
        cx.rng.pick(servers)
    };
    let (kind, value) = match cx.rng.chance(500) {
        true => ("prompt\",\"name", format!("{server}_1mcp_greet")),
        false => ("resource\",\"uri", (cx.rng.pick(&URIS)).to_owned()),
    };
    Want {
        method: "completion/complete",
        params: format!(
            r#""ref":{{"type":"ref/{kind}":{}}},"argument":{{"name":"x","value":"y"}},"#,
            quote(&value)
        ),
        ..Want::default()
    }
}
