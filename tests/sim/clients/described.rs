//! Requests of the revision without sessions: what each says of itself, and what it may be told.

use crate::clients::hearing::On;
use crate::clients::requests::{Request, Want, complete, echo};
use crate::clients::talk::{Caps, Talk};
use crate::faults::Fault;
use crate::model::{CallId, Cx, Described, Filter, State};
use crate::rng::Rng;
use crate::servers::definition::URIS;
use crate::wire::json::{at, elements, quote, string_at};

/// The revision.
pub(crate) const MODERN: &str = "2026-07-28";
/// Begins the keys of a `_meta` that belong to the protocol.
pub(crate) const PREFIX: &str = "io.modelcontextprotocol/";
pub(crate) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];
/// Methods whose answers say for how long they may be kept.
const CACHED: [&str; 6] = [
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];
/// The notifications on a subscription, and the member that asks for each.
const CHANGES: [(&str, &str); 3] = [
    ("notifications/tools/list_changed", "toolsListChanged"),
    ("notifications/prompts/list_changed", "promptsListChanged"),
    (
        "notifications/resources/list_changed",
        "resourcesListChanged",
    ),
];

impl Described {
    /// The members of `_meta` by which a request describes itself.
    pub(crate) fn members(&self, rng: &mut Rng) -> String {
        let mut members = vec![
            format!(r#""{PREFIX}protocolVersion":"{MODERN}""#),
            format!(
                r#""{PREFIX}clientCapabilities":{{{}}}"#,
                self.caps.members(false)
            ),
        ];
        if rng.chance(700) {
            members.push(format!(
                r#""{PREFIX}clientInfo":{{"name":"sim","version":"1"}}"#
            ));
        }
        if let Some(level) = self.level {
            members.push(format!(r#""{PREFIX}logLevel":"{}""#, LEVELS[level]));
        }
        if rng.chance(500) {
            members.reverse();
        }
        members.join(",")
    }
}

impl Filter {
    fn has(&self, method: &str) -> bool {
        let [tools, prompts, resources] = CHANGES.map(|(known, _)| known == method);
        tools && self.tools || prompts && self.prompts || resources && self.resources
    }

    /// Whether nothing is granted here that is not asked for there.
    fn within(&self, asked: &Self) -> bool {
        self.tools <= asked.tools
            && self.prompts <= asked.prompts
            && self.resources <= asked.resources
            && self.uris.iter().all(|uri| asked.uris.contains(uri))
    }

    /// The members of `notifications`.
    pub(crate) fn members(&self) -> String {
        let wanted = CHANGES.iter().filter(|(method, _)| self.has(method));
        let mut members: Vec<String> = wanted
            .map(|(_, name)| format!(r#""{name}":true"#))
            .collect();
        if !self.uris.is_empty() {
            let uris: Vec<String> = self.uris.iter().map(|uri| quote(uri)).collect();
            members.push(format!(r#""resourceSubscriptions":[{}]"#, uris.join(",")));
        }
        members.join(",")
    }

    /// Reads `notifications`.
    pub(crate) fn read(raw: &str) -> Self {
        let [tools, prompts, resources] = CHANGES.map(|(_, name)| at(raw, &[name]) == Some("true"));
        let uris = elements(at(raw, &["resourceSubscriptions"]).unwrap_or_default());
        let uris = uris
            .iter()
            .filter_map(|uri| serde_json::from_str(uri).ok())
            .collect();
        Self {
            tools,
            prompts,
            resources,
            uris,
        }
    }
}

impl Talk {
    /// The next request without a session.
    pub(crate) fn stateless(&mut self, cx: &mut Cx<'_>, servers: &[String]) -> Request {
        let want = match cx.rng.below(20) {
            0..=8 => self.tool(cx, servers),
            9 => self.prompt(cx, servers),
            10..=11 => self.resource(cx, "resources/read"),
            12 => complete(cx, servers),
            13 => Want {
                method: "server/discover",
                ..Want::default()
            },
            14..=15 => return self.listen(cx),
            16 if cx.hit(Fault::BadRequest) => Want {
                method: cx.rng.pick(&["ping", "initialize", "no/such"]),
                ..Want::default()
            },
            _ => self.list(cx),
        };
        self.described(cx, want, Filter::default())
    }

    /// A call of the tool that every server has.
    pub(crate) fn stateless_echo(&mut self, cx: &mut Cx<'_>, server: &str) -> Request {
        let want = echo(cx, server);
        self.described(cx, want, Filter::default())
    }

    /// Puts a request together that describes itself.
    fn described(&mut self, cx: &mut Cx<'_>, want: Want, filter: Filter) -> Request {
        // What one request declares holds for that one (D14).
        let caps = match cx.hit(Fault::Undeclared) {
            true => Caps::some(cx),
            false => self.caps,
        };
        let level = cx.rng.chance(300).then(|| cx.rng.index(LEVELS.len()));
        let described = Described {
            caps,
            level,
            token: None,
            progress: 0.0,
            filter,
            root: None,
            rounds: 0,
            must_fail: false,
        };
        cx.model.stats.stateless += 1;
        self.send(cx, want, Some(described))
    }

    fn listen(&mut self, cx: &mut Cx<'_>) -> Request {
        let mut filter = Filter {
            tools: cx.rng.chance(500),
            prompts: cx.rng.chance(300),
            resources: cx.rng.chance(300),
            uris: Vec::new(),
        };
        if cx.rng.chance(600) {
            for _ in 0..1 + cx.rng.index(3) {
                let uri = match cx.rng.below(4) {
                    0 if !self.uris.is_empty() => cx.rng.pick(&self.uris),
                    1 => format!("db://s{}/row", cx.rng.below(4)),
                    _ => (cx.rng.pick(&URIS)).to_owned(),
                };
                filter.uris.push(uri);
            }
        }
        let want = Want {
            method: "subscriptions/listen",
            params: format!(r#""notifications":{{{}}},"#, filter.members()),
            ..Want::default()
        };
        self.described(cx, want, filter)
    }

    /// What every result of a request without a session must say.
    pub(crate) fn check_described(
        &mut self,
        cx: &mut Cx<'_>,
        (call, id): (CallId, &str),
        result: &str,
        text: &[u8],
    ) {
        let method = cx.model.calls[call].method;
        let info = ["_meta", "io.modelcontextprotocol/serverInfo", "name"];
        if string_at(result, &info).as_deref() != Some("1mcp") {
            self.wrong(cx, "a result that does not say who answers", text);
        }
        if self.must_fail(cx, call) {
            self.wrong(cx, "the state was not good for this", text);
        }
        match string_at(result, &["resultType"]).as_deref() {
            Some("complete") => {}
            Some("input_required") => return self.asked_for_input(cx, call, result, text),
            _ => self.wrong(cx, "a result of no known type", text),
        }
        let ms = at(result, &["ttlMs"]).and_then(|raw| raw.parse::<u64>().ok());
        let scope = string_at(result, &["cacheScope"]);
        let hints = ms.is_some() && matches!(scope.as_deref(), Some("private" | "public"));
        if CACHED.contains(&method) && !hints {
            self.wrong(cx, "nobody says how long this keeps", text);
        }
        if method == "subscriptions/listen" {
            let ended = at(result, &["_meta", SUBSCRIPTION]) == Some(id);
            if !ended || !cx.model.stopping {
                self.wrong(cx, "a subscription ends", text);
            }
        }
    }

    fn must_fail(&self, cx: &Cx<'_>, call: CallId) -> bool {
        let described = cx.model.calls[call].described.as_ref();
        described.is_some_and(|one| one.must_fail)
    }

    /// Errors that a request without a session never gets.
    pub(crate) fn check_error(&self, cx: &mut Cx<'_>, code: &str, text: &[u8]) {
        if matches!(code, "-32002" | "-32042") {
            self.wrong(cx, "a code that this revision does not have", text);
        }
    }

    /// A message on a subscription; `false` if it is on none.
    pub(crate) fn on_subscription(
        &mut self,
        cx: &mut Cx<'_>,
        (method, params): (&str, &str),
        on: &On,
        text: &[u8],
    ) -> bool {
        let Some(id) = at(params, &["_meta", SUBSCRIPTION]) else {
            return false;
        };
        let known = [self.open.get(id), self.cancelled.get(id)];
        let known = known.into_iter().flatten().copied();
        let there = |call: &CallId| match on {
            On::Direct => true,
            On::Main => false,
            On::Calls(calls) => calls.contains(call),
        };
        let listens = |call: &CallId| cx.model.calls[*call].method == "subscriptions/listen";
        let Some(call) = known.filter(there).find(listens) else {
            self.wrong(cx, "a message on no subscription of it", text);
            return true;
        };
        let known = &mut cx.model.calls[call];
        let (state, Some(described)) = (known.state, &mut known.described) else {
            return true;
        };
        if method == "notifications/subscriptions/acknowledged" {
            let granted = Filter::read(at(params, &["notifications"]).unwrap_or("{}"));
            let good = granted.within(&described.filter);
            match state {
                State::Open if good => {
                    described.filter = granted;
                    known.state = State::Listening;
                    cx.model.stats.listens += 1;
                }
                State::Cancelled if good => {}
                _ => self.wrong(cx, "told twice, or more than was asked for", text),
            }
            return true;
        }
        let uri = string_at(params, &["uri"]).unwrap_or_default();
        let wanted = match method {
            "notifications/resources/updated" => described
                .filter
                .uris
                .iter()
                .any(|known| uri.starts_with(known.as_str())),
            method => described.filter.has(method),
        };
        if !wanted || state == State::Open {
            self.wrong(cx, "not what this subscription is about", text);
        }
        true
    }

    /// A notification on the stream of a request without a session.
    pub(crate) fn check_note(
        &self,
        cx: &mut Cx<'_>,
        (method, params): (&str, &str),
        calls: &[CallId],
        text: &[u8],
    ) {
        let Some(call) = calls.first().copied() else {
            return;
        };
        let Some(described) = cx.model.calls[call].described.clone() else {
            return;
        };
        match method {
            "notifications/progress" => {
                if at(params, &["progressToken"]).map(str::to_owned) != described.token {
                    self.wrong(cx, "progress with a token of somebody else", text);
                }
            }
            "notifications/message" => {
                let level = string_at(params, &["level"]).unwrap_or_default();
                let level = LEVELS.iter().position(|known| *known == level);
                if described.level.is_none_or(|wanted| level < Some(wanted)) {
                    self.wrong(cx, "a log message that was not asked for", text);
                }
                let data = elements(at(params, &["data"]).unwrap_or_default());
                let marker = data.first().and_then(|raw| serde_json::from_str(raw).ok());
                let about = marker.and_then(|marker: String| cx.model.unmark(&marker));
                if about != Some(cx.model.root(call)) {
                    self.wrong(cx, "a log message about another call", text);
                }
            }
            _ => self.wrong(cx, "not about this request", text),
        }
    }

    /// Progress about a request without a session rises (D10).
    pub(crate) fn check_progress(&self, cx: &mut Cx<'_>, call: CallId, params: &str, text: &[u8]) {
        let progress = at(params, &["progress"]).and_then(|raw| raw.parse::<f64>().ok());
        let progress = progress.unwrap_or_default();
        if let Some(described) = &mut cx.model.calls[call].described {
            let rises = progress > described.progress;
            described.progress = progress;
            if !rises {
                self.wrong(cx, "progress that does not rise", text);
            }
        }
    }
}
