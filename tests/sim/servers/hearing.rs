//! What a server is told: every line is checked, since this is all that it ever sees of the hub.

use onemcp::input::ExitStatus;

use crate::clients::described::PREFIX;
use crate::faults::Fault;
use crate::model::{CallId, Cx};
use crate::servers::definition::Eras;
use crate::servers::modern::is_described;
use crate::servers::process::{Declared, Probe, Process, Stage};
use crate::servers::work::Job;
use crate::wire::json::{Message, Said, at, object, string_at};

/// What the hub may ask a server for, and the capability that must have been declared.
const METHODS: [(&str, &str); 11] = [
    ("tools/list", "tools"),
    ("prompts/list", "prompts"),
    ("resources/list", "resources"),
    ("resources/templates/list", "resources"),
    // A client may ask for it before the server has said what it offers.
    ("resources/subscribe", ""),
    ("resources/unsubscribe", ""),
    ("logging/setLevel", "logging"),
    ("tools/call", ""),
    ("prompts/get", ""),
    ("resources/read", ""),
    ("completion/complete", ""),
];

impl Process {
    /// Bytes of its stdin.
    pub(crate) fn hear(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        self.stdin.push(bytes);
        while let Some(line) = self.stdin.next() {
            if !self.alive {
                return;
            }
            if line.contains(&b'\r') {
                self.wrong(cx, "a line end inside a line", &line);
            }
            self.hear_message(cx, &line);
        }
    }

    /// One message, however it came.
    pub(crate) fn hear_message(&mut self, cx: &mut Cx<'_>, text: &[u8]) {
        let (id, server) = (self.id, &self.server);
        cx.model
            .trace(|| format!("process {id} {server} < {}", String::from_utf8_lossy(text)));
        let heard = Message::read(text).map(|message| match message.said() {
            Some(said) => self.take(cx, &said, text),
            None => self.wrong(cx, "members do not fit", text),
        });
        if let Err(why) = heard {
            self.wrong(cx, &why, text);
        }
    }

    pub(crate) fn wrong(&self, cx: &mut Cx<'_>, why: &str, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let (id, server) = (self.id, &self.server);
        cx.model
            .violation(format!("process {id} of {server} is told: {line} ({why})"));
    }

    fn take(&mut self, cx: &mut Cx<'_>, said: &Said<'_>, line: &[u8]) {
        match (self.stage, said) {
            (
                Stage::New,
                Said::Request {
                    id: "0",
                    method: "initialize",
                    params,
                },
            ) => {
                self.declared = declared(params);
                if cx.hit(Fault::AskEarly) {
                    let method = cx.rng.pick(&["ping", "roots/list"]);
                    self.withdrawn.insert("\"early\"".to_owned());
                    let line = format!(r#"{{"jsonrpc":"2.0","id":"early","method":"{method}"}}"#);
                    self.say(cx, &line);
                }
                let mut job = Job::plan(cx, self, ("initialize", params), None, None);
                if cx.hit(Fault::SlowStart) {
                    job.due += cx.rng.time(130_000);
                }
                self.jobs.insert(0, job);
            }
            (
                Stage::New | Stage::Greeted,
                Said::Request {
                    id: id @ "\"1mcp-discover\"",
                    method: "server/discover",
                    params,
                },
            ) => {
                self.check_meta(cx, params, None, line);
                self.probed(cx, id);
            }
            // It said that it can be one, and this is what it was taken for.
            (Stage::New | Stage::Greeted, Said::Request { id, method, params })
                if self.discovered && is_described(params) =>
            {
                self.stage = Stage::Serving;
                self.modern = true;
                cx.model.processes[self.id].stateless = true;
                self.request(cx, id, method, params, line);
            }
            (
                Stage::Greeted,
                Said::Notification {
                    method: "notifications/initialized",
                    ..
                },
            ) => {
                self.stage = Stage::Serving;
            }
            // Over HTTP the word that the handshake is done may be lost.
            (Stage::Greeted, Said::Request { id, method, params }) if self.far.is_some() => {
                self.stage = Stage::Serving;
                self.request(cx, id, method, params, line);
            }
            (Stage::Serving, Said::Request { id, method, params }) => {
                self.request(cx, id, method, params, line);
            }
            (Stage::Serving, Said::Notification { method, params }) => {
                self.notification(cx, method, params, line);
            }
            (_, Said::Result { id, result }) => self.answered(cx, id, Some(*result), line),
            (_, Said::Error { id, .. }) => self.answered(cx, id, None, line),
            _ => self.wrong(cx, "not in this stage", line),
        }
    }

    fn request(&mut self, cx: &mut Cx<'_>, id: &str, method: &str, params: &str, line: &[u8]) {
        let marker = string_at(params, &["_meta", "sim/m"]);
        let call = marker.and_then(|marker| cx.model.unmark(&marker));
        let mut said_caps = self.declared;
        if self.modern {
            let said = (id, method, params);
            match self.described_request(cx, said, call, line) {
                Some(said) => said_caps = said,
                None => return,
            }
        }
        let number = id
            .parse::<u64>()
            .ok()
            .filter(|number| number.to_string() == id);
        let Some(number) = number.filter(|number| *number > 0 && self.seen.insert(*number)) else {
            return self.wrong(cx, "an id that is no number, or was used before", line);
        };
        if self.modern {
            return self.take_on(cx, (number, method, params), call, said_caps, line);
        }
        let meta = object(at(params, &["_meta"]).unwrap_or("{}"));
        // Between servers and clients with sessions these are words like any other.
        let stateless = call.is_some_and(|call| cx.model.calls[call].described.is_some());
        if stateless && meta.keys().any(|key| key.starts_with(PREFIX)) {
            self.wrong(cx, "a key of another hop", line);
        }
        let known = METHODS.iter().find(|(known, _)| *known == method);
        let Some((_, needs)) = known else {
            return self.wrong(cx, "no method for a server", line);
        };
        let of = &self.definition;
        let declared = match *needs {
            "tools" => of.has_tools,
            "prompts" => of.has_prompts,
            "resources" => of.has_resources,
            "logging" => of.logging,
            _ => true,
        };
        if !declared {
            self.wrong(cx, "this capability was not declared", line);
        }
        self.take_on(cx, (number, method, params), call, said_caps, line);
    }

    /// Begins to work on a request.
    fn take_on(
        &mut self,
        cx: &mut Cx<'_>,
        (number, method, params): (u64, &str, &str),
        call: Option<CallId>,
        declared: Declared,
        line: &[u8],
    ) {
        let token = at(params, &["_meta", "progressToken"]).map(str::to_owned);
        if token
            .as_ref()
            .is_some_and(|token| *token != number.to_string())
        {
            self.wrong(cx, "a progress token of somebody else", line);
        }
        if let Some(call) = call {
            let name = string_at(params, &["name"]).or_else(|| string_at(params, &["uri"]));
            let arguments = at(params, &["arguments"]).unwrap_or_default();
            let name = name.unwrap_or_default();
            let wanted = self.jobs.values().filter(|job| job.cancelled.is_none());
            let busy: Vec<_> = wanted.filter_map(|job| job.call).collect();
            cx.model.reach(call, self.id, (&name, arguments), &busy);
        }
        match (method, string_at(params, &["uri"])) {
            ("resources/subscribe", Some(uri)) => drop(self.subscriptions.insert(uri)),
            ("resources/unsubscribe", Some(uri)) => drop(self.subscriptions.remove(&uri)),
            _ => {}
        }
        if !self.silent {
            let mut job = Job::plan(cx, self, (method, params), call, token);
            job.declared = declared;
            self.jobs.insert(number, job);
        }
    }

    /// It is asked for its era.
    fn probed(&mut self, cx: &mut Cx<'_>, id: &str) {
        let oddly = [
            r#""error":{"code":-32602,"message":"Invalid request parameters","data":""}"#,
            r#""error":{"code":-32000,"message":"not initialized"}"#,
            r#""result":{}"#,
            r#""error":{"code":-32022,"message":"no","data":{"supported":["2025-06-18"]}}"#,
        ];
        let outcome = match (self.definition.eras, self.probe) {
            (Eras::Legacy, Probe::Ignored) => return,
            (Eras::Legacy, Probe::Kills) => return self.die(cx, ExitStatus::Code(1)),
            (Eras::Legacy, Probe::Odd) => (cx.rng.pick(&oddly)).to_owned(),
            (Eras::Legacy, Probe::Unknown) => {
                r#""error":{"code":-32601,"message":"Method not found"}"#.to_owned()
            }
            (Eras::Both | Eras::Modern, _) => {
                self.discovered = true;
                format!(r#""result":{}"#, self.introduction())
            }
        };
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},{outcome}}}"#);
        let ms = match cx.hit(Fault::SlowStart) {
            true => cx.rng.time(30_000),
            false => cx.rng.time(100),
        };
        self.late.push_back((cx.now.0 + ms, line));
    }

    fn notification(&mut self, cx: &mut Cx<'_>, method: &str, params: &str, line: &[u8]) {
        match method {
            "notifications/cancelled" => {
                let raw = at(params, &["requestId"]).unwrap_or_default();
                if self.modern && self.unlisten(raw) {
                    return;
                }
                let id = raw.parse::<u64>().ok();
                match id.filter(|id| self.seen.contains(id)) {
                    // Over HTTP the word can overtake the request, or the request got lost.
                    None if self.far.is_some() => {}
                    None => self.wrong(cx, "a cancelled request that never was", line),
                    Some(id) if !cx.hit(Fault::CancelIgnored) => {
                        if self.jobs.remove(&id).is_some() {
                            self.done.push(id);
                        }
                    }
                    Some(id) => {
                        if let Some(job) = self.jobs.get_mut(&id) {
                            job.cancelled.get_or_insert(cx.now.0);
                        }
                    }
                }
            }
            "notifications/roots/list_changed" if self.declared.roots => {}
            "notifications/progress" if at(params, &["progressToken"]) == Some("7") => {}
            _ => self.wrong(cx, "no notification for a server", line),
        }
    }
}

fn declared(params: &str) -> Declared {
    let has = |path: &[&str]| at(params, path).is_some();
    let (elicitation, url) = (
        has(&["capabilities", "elicitation"]),
        has(&["capabilities", "elicitation", "url"]),
    );
    Declared {
        roots: has(&["capabilities", "roots"]),
        sampling: has(&["capabilities", "sampling"]),
        form: elicitation && (!url || has(&["capabilities", "elicitation", "form"])),
        url,
    }
}
