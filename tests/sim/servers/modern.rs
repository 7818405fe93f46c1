//! A server without sessions: every request has to describe itself, what it wants to know comes in
//! an answer, and what changes is told on a stream that was asked for.

use crate::clients::described::{MODERN, PREFIX, SUBSCRIPTION};
use crate::clients::talk::Caps;
use crate::faults::Fault;
use crate::model::{Ask, AskId, CallId, Cx, Filter, Model, Round};
use crate::servers::process::{Declared, Process};
use crate::servers::work::Job;
use crate::wire::json::{at, object, quote, string_at};

/// What the hub may ask such a server for.
const METHODS: [&str; 10] = [
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "tools/call",
    "prompts/get",
    "resources/read",
    "completion/complete",
    "subscriptions/listen",
];
/// Keys of the protocol that a request may carry.
const KEYS: [&str; 4] = [
    "protocolVersion",
    "clientCapabilities",
    "clientInfo",
    "logLevel",
];

/// A stream of changes.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Raw JSON.
    pub(crate) id: String,
    filter: Filter,
    acknowledged: bool,
}

/// Whether a request describes itself.
pub(crate) fn is_described(params: &str) -> bool {
    let version = format!("{PREFIX}protocolVersion");
    at(params, &["_meta", &version]).is_some()
}

impl Process {
    /// The `_meta` of a request: complete, and without anything of another hop.
    pub(crate) fn check_meta(
        &self,
        cx: &mut Cx<'_>,
        params: &str,
        call: Option<CallId>,
        line: &[u8],
    ) -> Declared {
        let meta = at(params, &["_meta"]).unwrap_or("{}");
        let value = |name: &str| at(meta, &[&format!("{PREFIX}{name}")]);
        if value("protocolVersion") != Some(&quote(MODERN)) {
            self.wrong(cx, "no revision", line);
        }
        let info = value("clientInfo").and_then(|info| string_at(info, &["name"]));
        if info.as_deref() != Some("1mcp") {
            self.wrong(cx, "it does not say who asks", line);
        }
        let known = |name: &str| KEYS.contains(&name);
        for key in object(meta).keys() {
            if key.strip_prefix(PREFIX).is_some_and(|name| !known(name)) {
                self.wrong(cx, "a key of another hop", line);
            }
        }
        let Some(caps) = value("clientCapabilities").filter(|raw| raw.starts_with('{')) else {
            self.wrong(cx, "it does not say what can be asked", line);
            return Declared::default();
        };
        let declared = declared(caps);
        // Nobody is promised who did not say so.
        let caps = call
            .map(|call| cx.model.calls[call].caps)
            .unwrap_or_default();
        let fixed = declared.roots && !caps.roots;
        let more = declared.sampling && !caps.sampling
            || declared.form && !caps.form
            || declared.url && !caps.url;
        if more || fixed && !cx.model.has_roots(self.id) {
            self.wrong(cx, "its client did not declare that", line);
        }
        declared
    }

    /// A request in this revision.
    pub(crate) fn described_request(
        &mut self,
        cx: &mut Cx<'_>,
        (id, method, params): (&str, &str, &str),
        call: Option<CallId>,
        line: &[u8],
    ) -> Option<Declared> {
        let declared = self.check_meta(cx, params, call, line);
        if !METHODS.contains(&method) {
            self.wrong(cx, "no method of this revision", line);
        }
        if let Some(call) = call {
            self.check_round(cx, call, params, line);
        }
        if method == "subscriptions/listen" {
            self.listened(cx, id, params);
            return None;
        }
        Some(declared)
    }

    /// The state and the answers of a request that goes on: those of a round of this call.
    fn check_round(&self, cx: &mut Cx<'_>, call: CallId, params: &str, line: &[u8]) {
        let (state, responses) = (
            at(params, &["requestState"]).map(str::to_owned),
            at(params, &["inputResponses"]),
        );
        if state.is_none() && responses.is_none() {
            return;
        }
        let of = |round: &&Round| {
            round.call == call && round.server == self.server && round.state == state
        };
        let Some(round) = cx.model.rounds.iter().rev().find(of).cloned() else {
            return self.wrong(cx, "a state that it gave to nobody for this", line);
        };
        for (key, answer) in object(responses.unwrap_or("{}")) {
            match round.asks.iter().find(|(known, _)| *known == key) {
                Some((_, ask)) => self.check_answer(cx, *ask, answer.get()),
                // Whoever has no session may say what it likes.
                None if key == MODERN => {}
                None => self.wrong(cx, "an answer to nothing", line),
            }
        }
    }

    /// Whether it answers with questions; else what it does say is left to others.
    pub(crate) fn asks_first(&self, cx: &mut Cx<'_>, job: &Job, call: CallId) -> Option<String> {
        let may = matches!(
            job.method.as_str(),
            "tools/call" | "prompts/get" | "resources/read"
        );
        if !self.modern || !may || !cx.hit(Fault::Ask) {
            return None;
        }
        let kinds = job.declared.kinds();
        let mut asks = Vec::new();
        let mut members = Vec::new();
        for number in 0..cx.rng.index(4) {
            if kinds.is_empty() {
                break;
            }
            let kind = match cx.hit(Fault::AsksUndeclared) {
                true => "roots/list",
                false => cx.rng.pick(&kinds),
            };
            let key = format!("k {number}\u{e9}");
            let ask = self.note_ask(cx, kind, call);
            let (method, params) = (
                kind.split(' ').next().unwrap_or_default(),
                params_of(kind, ask, &cx.model.marker(call)),
            );
            let key_raw = quote(&key);
            members.push(format!(
                r#"{key_raw}:{{"method":"{method}","params":{params}}}"#
            ));
            asks.push((key, ask));
        }
        let number = cx.model.rounds.len();
        let state = format!(r#""st\u0061te/{number} = \"{}\"""#, "x".repeat(number % 50));
        let state = (asks.is_empty() || cx.rng.chance(800)).then_some(state);
        let mut result = vec![r#""resultType":"input_required""#.to_owned()];
        if !members.is_empty() {
            result.push(format!(r#""inputRequests":{{{}}}"#, members.join(",")));
        }
        if let Some(state) = &state {
            result.push(format!(r#""requestState":{state}"#));
        }
        cx.model.rounds.push(Round {
            call,
            server: self.server.clone(),
            state,
            asks,
        });
        let known = &mut cx.model.calls[call];
        known.again = true;
        if known.described.is_none() {
            // Its client has a session: the hub comes back for it.
            known.rounds += 1;
        }
        cx.rng.chance(500).then(|| result.reverse());
        Some(format!("{{{}}}", result.join(",")))
    }

    fn note_ask(&self, cx: &mut Cx<'_>, method: &'static str, call: CallId) -> AskId {
        cx.model.stats.asks += 1;
        cx.model.asks.push(Ask {
            process: self.id,
            method,
            call: Some(call),
            seen_by: None,
            seen_in: None,
            given: Vec::new(),
            // Nothing waits for the answer.
            over: true,
        });
        cx.model.asks.len() - 1
    }

    /// What every result says in this revision, mostly.
    pub(crate) fn typed(&self, cx: &mut Cx<'_>, result: String, method: &str) -> String {
        if !self.modern {
            return result;
        }
        let kind = match cx.hit(Fault::OddType) {
            true => cx
                .rng
                .pick(&["", r#""resultType":"sim/new","#, r#""resultType":7,"#]),
            false => r#""resultType":"complete","#,
        };
        let cached = method.ends_with("/list") || method == "resources/read";
        let hints = if cached && cx.rng.chance(900) {
            r#""ttlMs":60000,"cacheScope":"public","#
        } else {
            ""
        };
        let rest = result.strip_prefix('{').unwrap_or(&result);
        format!("{{{kind}{hints}{rest}").replace(",}", "}")
    }

    fn listened(&mut self, cx: &mut Cx<'_>, id: &str, params: &str) {
        let filter = Filter::read(at(params, &["notifications"]).unwrap_or("{}"));
        if cx.hit(Fault::NoListen) {
            let code = cx.rng.pick(&["-32601", "-32603"]);
            let error = format!(r#"{{"code":{code},"message":"no streams"}}"#);
            return self.say(
                cx,
                &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
            );
        }
        let granted = match cx.hit(Fault::GrantsSome) {
            true => Filter {
                uris: filter.uris.iter().skip(1).cloned().collect(),
                ..filter
            },
            false => filter,
        };
        self.streams.push(Stream {
            id: id.to_owned(),
            filter: granted,
            acknowledged: false,
        });
        if !cx.hit(Fault::LateAck) {
            self.acknowledge(cx);
        }
    }

    /// Tells what is heard on streams that do not know it yet.
    fn acknowledge(&mut self, cx: &mut Cx<'_>) {
        let mut lines = Vec::new();
        for stream in self.streams.iter_mut().filter(|one| !one.acknowledged) {
            stream.acknowledged = true;
            let (id, granted) = (&stream.id, stream.filter.members());
            lines.push(format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{{granted}}},"_meta":{{"{SUBSCRIPTION}":{id}}}}}}}"#
            ));
        }
        for line in lines {
            self.say(cx, &line);
        }
    }

    /// A stream is not wanted any more; `false` if there was none.
    pub(crate) fn unlisten(&mut self, id: &str) -> bool {
        let before = self.streams.len();
        self.streams.retain(|stream| stream.id != id);
        self.streams.len() < before || id.starts_with("\"1mcp-")
    }

    /// One moment in which it may do something by itself.
    pub(crate) fn alone_modern(&mut self, cx: &mut Cx<'_>) {
        self.acknowledge(cx);
        if cx.hit(Fault::Asks) {
            // Nobody answers: this revision has no such thing.
            let line = r#"{"jsonrpc":"2.0","id":"illegal","method":"roots/list","params":{}}"#;
            self.say(cx, line);
        }
        if cx.hit(Fault::ListChanged) {
            self.more_tools += 1;
        }
        let streams = self.streams.clone();
        for stream in streams {
            if cx.rng.chance(300) {
                self.tell_change(cx, &stream);
            }
        }
        if !self.streams.is_empty() && cx.hit(Fault::ListenEnds) {
            let stream = self.streams.remove(0);
            let id = stream.id;
            if cx.rng.chance(500) {
                let method = "notifications/cancelled";
                self.say(
                    cx,
                    &format!(
                        r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"requestId":{id}}}}}"#
                    ),
                );
            }
            // Over HTTP a stream that has ended in silence would look like one that lasts.
            if cx.rng.chance(500) || self.far.is_some() {
                let result =
                    format!(r#"{{"resultType":"complete","_meta":{{"{SUBSCRIPTION}":{id}}}}}"#);
                self.say(
                    cx,
                    &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
                );
            }
        }
    }

    fn tell_change(&mut self, cx: &mut Cx<'_>, stream: &Stream) {
        let id = match cx.hit(Fault::Untagged) {
            true => "\"nobody\"",
            false => stream.id.as_str(),
        };
        let meta = format!(r#""_meta":{{"{SUBSCRIPTION}":{id}}}"#);
        let (method, params) = match stream.filter.uris.is_empty() || cx.rng.chance(500) {
            true => ("tools/list_changed", format!("{{{meta}}}")),
            false => {
                let uri = quote(&cx.rng.pick(&stream.filter.uris));
                ("resources/updated", format!(r#"{{"uri":{uri},{meta}}}"#))
            }
        };
        self.say(
            cx,
            &format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{params}}}"#),
        );
    }
}

impl Declared {
    /// What may be asked.
    fn kinds(self) -> Vec<&'static str> {
        let kinds = [
            ("roots/list", self.roots),
            ("sampling/createMessage", self.sampling),
            ("elicitation/create", self.form),
            ("elicitation/create url", self.url),
        ];
        let kinds = kinds.iter().filter(|(_, declared)| *declared);
        kinds.map(|(kind, _)| *kind).collect()
    }
}

impl From<Caps> for Declared {
    fn from(caps: Caps) -> Self {
        Self {
            roots: caps.roots,
            sampling: caps.sampling,
            form: caps.form,
            url: caps.url,
        }
    }
}

fn declared(caps: &str) -> Declared {
    let has = |path: &[&str]| at(caps, path).is_some();
    let (elicitation, url) = (has(&["elicitation"]), has(&["elicitation", "url"]));
    Declared {
        roots: has(&["roots"]),
        sampling: has(&["sampling"]),
        form: elicitation && (!url || has(&["elicitation", "form"])),
        url,
    }
}

/// The parameters of a question.
fn params_of(kind: &str, ask: AskId, marker: &str) -> String {
    let about = Model::ask_marker(ask);
    let rest = match kind {
        "sampling/createMessage" => r#""messages":[],"maxTokens":1,"#,
        "elicitation/create" => {
            r#""mode":"form","message":"?","requestedSchema":{"type":"object","properties":{}},"#
        }
        "elicitation/create url" => r#""mode":"url","message":"?","url":"https://example.com/","#,
        _ => "",
    };
    format!(r#"{{{rest}"_meta":{{"sim/a":"{about}","sim/m":"{marker}"}}}}"#)
}
