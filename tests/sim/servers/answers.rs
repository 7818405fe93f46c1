//! What a server answers.

use crate::clients::described::{MODERN, PREFIX};
use crate::faults::Fault;
use crate::model::{Ask, CallId, Cx, Model};
use crate::servers::definition::Eras;
use crate::servers::process::{Process, Stage};
use crate::servers::work::Job;
use crate::wire::json::{at, quote, string_at};

impl Process {
    /// Answers a request, in one of many ways.
    pub(crate) fn answer(&mut self, cx: &mut Cx<'_>, id: u64, job: &Job) {
        let wrong_id = cx.hit(Fault::StringId);
        let raw = if wrong_id {
            quote(&id.to_string())
        } else {
            id.to_string()
        };
        let outcome = match self.outcome(cx, job) {
            Ok(result) if result.contains("\"input_required\"") => {
                format!("\"result\":{result}")
            }
            Ok(result) => format!("\"result\":{}", self.typed(cx, result, &job.method)),
            Err(error) => format!("\"error\":{error}"),
        };
        let line = match cx.rng.chance(500) {
            true => format!(r#"{{"jsonrpc":"2.0","id":{raw},{outcome}}}"#),
            false => format!(r#"{{ {outcome} ,	"id": {raw}, "jsonrpc":"2.0" }}"#),
        };
        if job.method == "initialize" {
            if self.bad_handshake && cx.rng.chance(300) {
                return;
            }
            if outcome.starts_with("\"result") && self.stage == Stage::New {
                self.stage = Stage::Greeted;
            }
        }
        if !wrong_id {
            self.done.push(id);
        }
        self.say(cx, &line);
        if cx.hit(Fault::Twice) {
            self.late.push_back((cx.now.0 + cx.rng.time(10_000), line));
        }
    }

    fn outcome(&self, cx: &mut Cx<'_>, job: &Job) -> Result<String, String> {
        let params = job.params.as_str();
        let failed = |text: &str| Err(format!(r#"{{"code":-1,"message":{}}}"#, quote(text)));
        match job.method.as_str() {
            "initialize" => return self.hello(cx),
            "server/discover" => return Ok(self.introduction()),
            "tools/list" => return Ok(self.page(params, "tools", &self.tools(), tool)),
            "prompts/list" => {
                return Ok(self.page(params, "prompts", &self.definition.prompts, named));
            }
            "resources/list" => {
                return Ok(self.page(params, "resources", &self.definition.resources, resource));
            }
            "resources/templates/list" => {
                let known = &self.definition.templates;
                return Ok(self.page(params, "resourceTemplates", known, template));
            }
            "logging/setLevel" | "resources/unsubscribe" => return Ok("{}".to_owned()),
            "resources/read" if !self.knows(params) => {
                let code = if self.modern { "-32602" } else { "-32002" };
                return Err(format!(r#"{{"code":{code},"message":"no such resource"}}"#));
            }
            _ => {}
        }
        let Some(call) = job.call else {
            return Ok("{}".to_owned());
        };
        let marker = cx.model.marker(call);
        if let Some(asks) = self.asks_first(cx, job, call) {
            return Ok(asks);
        }
        if !self.modern
            && job.method == "tools/call"
            && self.declared.url
            && cx.hit(Fault::UrlFirst)
        {
            return Err(self.elicits(cx, call));
        }
        if cx.hit(Fault::Fails) {
            return failed(&format!("failed on purpose {marker}"));
        }
        let pad = self.pad(cx);
        let info = match self.modern {
            true => format!(r#""{PREFIX}serverInfo":{{"name":"sim","version":"1"}},"#),
            false => String::new(),
        };
        let meta = format!(
            r#""_meta":{{{info}"sim/m":"{marker}","sim/server":"{}","sim/name":{},"sim/arguments":{},"sim/pad":"{pad}"}}"#,
            self.server,
            at(params, &["name"])
                .or_else(|| at(params, &["uri"]))
                .unwrap_or("null"),
            at(params, &["arguments"]).unwrap_or("null"),
        );
        Ok(match job.method.as_str() {
            "tools/call" => {
                // Clients of the first two revisions do not know the second one.
                let link = r#",{"type":"resource_link","uri":"file:///a","name":"r"}"#;
                let link = cx.rng.pick(&["", "", link]);
                format!(r#"{{"content":[{{"type":"text","text":"{marker}"}}{link}],{meta}}}"#)
            }
            "prompts/get" => format!(r#"{{"messages":[],{meta}}}"#),
            "resources/read" => {
                let uri = at(params, &["uri"]).unwrap_or("null");
                format!(r#"{{"contents":[{{"uri":{uri},"text":"{marker}"}}],{meta}}}"#)
            }
            "completion/complete" => format!(r#"{{"completion":{{"values":[]}},{meta}}}"#),
            _ => format!("{{{meta}}}"),
        })
    }

    /// A URL has to be visited first; then the call is made again.
    fn elicits(&self, cx: &mut Cx<'_>, call: CallId) -> String {
        cx.model.calls[call].again = true;
        let ask = cx.model.asks.len();
        cx.model.asks.push(Ask {
            process: self.id,
            method: "elicitation/create url",
            call: Some(call),
            seen_by: None,
            seen_in: None,
            given: Vec::new(),
            over: true,
        });
        let (about, marker) = (Model::ask_marker(ask), cx.model.marker(call));
        format!(
            r#"{{"code":-32042,"message":"first","data":{{"elicitations":[{{"mode":"url","elicitationId":"e{ask}","url":"https://example.com/","message":"?","_meta":{{"sim/a":"{about}","sim/m":"{marker}"}}}}]}}}}"#
        )
    }

    fn knows(&self, params: &str) -> bool {
        let uri = string_at(params, &["uri"]).unwrap_or_default();
        self.definition.resources.contains(&uri)
            || uri
                .strip_prefix("db://")
                .is_some_and(|rest| rest.starts_with(&self.server))
    }

    /// The answer to `server/discover`.
    pub(crate) fn introduction(&self) -> String {
        let legacy = match self.definition.eras {
            Eras::Modern => "",
            Eras::Both | Eras::Legacy => r#","2025-11-25""#,
        };
        let instructions = match self.definition.instructions {
            true => format!(r#","instructions":"This is {} of sim.""#, self.server),
            false => String::new(),
        };
        format!(
            r#"{{"resultType":"complete","supportedVersions":["{MODERN}"{legacy}],"capabilities":{},"ttlMs":0,"cacheScope":"private","_meta":{{"{PREFIX}serverInfo":{{"name":"sim","version":"1"}}}}{instructions}}}"#,
            self.definition.capabilities(),
        )
    }

    fn hello(&self, cx: &mut Cx<'_>) -> Result<String, String> {
        if self.definition.eras == Eras::Modern {
            let versions = r#"{"supported":["2026-07-28"],"requested":"2025-11-25"}"#;
            let code = cx.rng.pick(&["-32022", "-32601"]);
            return Err(format!(
                r#"{{"code":{code},"message":"no","data":{versions}}}"#
            ));
        }
        if self.bad_handshake {
            let refused = r#"{"code":-32602,"message":"Unsupported protocol version","data":{"supported":["2024-11-05","2025-03-26"]}}"#;
            match cx.rng.below(4) {
                0 => return Err(refused.to_owned()),
                1 => return Err(r#"{"code":-32603,"message":"no"}"#.to_owned()),
                2 => return Ok(r#"{"protocolVersion":"1999-01-01"}"#.to_owned()),
                _ => return Ok("[]".to_owned()),
            }
        }
        let instructions = match self.definition.instructions {
            true => format!(r#","instructions":"This is {} of sim.""#, self.server),
            false => String::new(),
        };
        Ok(format!(
            r#"{{"protocolVersion":"{}","capabilities":{},"serverInfo":{{"name":"sim","version":"1"}}{instructions}}}"#,
            self.definition.version,
            self.definition.capabilities(),
        ))
    }

    fn tools(&self) -> Vec<String> {
        let more = (0..self.more_tools % 3).map(|number| format!("more{number}"));
        self.definition.tools.iter().cloned().chain(more).collect()
    }

    /// One page of a list; cursors are this server's own business.
    fn page(&self, params: &str, member: &str, of: &[String], entry: fn(&str) -> String) -> String {
        let from = match string_at(params, &["cursor"]).as_deref() {
            None => 0,
            // An empty string is a cursor as good as any (F15).
            Some("") => 1,
            Some(cursor) => cursor
                .trim_start_matches("p\"")
                .parse::<usize>()
                .unwrap_or(0),
        };
        let size = if self.definition.page == 0 {
            of.len()
        } else {
            self.definition.page
        };
        let to = (from + size).min(of.len());
        let entries: Vec<String> = of[from.min(to)..to]
            .iter()
            .map(|name| entry(name))
            .collect();
        let next = match to {
            to if to >= of.len() => String::new(),
            1 => r#","nextCursor":"""#.to_owned(),
            to => format!(r#","nextCursor":{}"#, quote(&format!("p\"{to}"))),
        };
        format!(r#"{{"{member}":[{}]{next}}}"#, entries.join(","))
    }
}

fn tool(name: &str) -> String {
    format!(
        r#"{{"name":{},"inputSchema":{{"type":"object"}}}}"#,
        quote(name)
    )
}

fn named(name: &str) -> String {
    format!(r#"{{"name":{}}}"#, quote(name))
}

fn resource(uri: &str) -> String {
    format!(r#"{{"uri":{},"name":"r"}}"#, quote(uri))
}

fn template(uri: &str) -> String {
    format!(r#"{{"uriTemplate":{},"name":"t"}}"#, quote(uri))
}
