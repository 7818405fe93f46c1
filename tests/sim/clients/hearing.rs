//! What a client is told: every message is checked against what this client may know.

use onemcp::limits;

use crate::clients::described::PREFIX;
use crate::clients::talk::{Asked, Caps, Talk};
use crate::faults::Fault;
use crate::model::{AskId, CallId, Cx, State};
use crate::plan::NAMES;
use crate::wire::json::{Message, Said, at, elements, object, string_at};

/// Where a message came in.
#[derive(Clone, Debug)]
pub(crate) enum On {
    /// The client's only channel.
    Direct,
    /// The GET stream.
    Main,
    /// The response to a POST with these calls.
    Calls(Vec<CallId>),
}

impl On {
    /// Whether it is the stream of a request without a session.
    fn is_described(&self, cx: &Cx<'_>) -> bool {
        let described = |call: &CallId| cx.model.calls[*call].described.is_some();
        matches!(self, Self::Calls(calls) if calls.iter().any(described))
    }
}

/// The methods that lists are kept of.
const LISTS: [(&str, &str, &str); 3] = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
];

impl Talk {
    /// One message. Tells the call that is over with it.
    pub(crate) fn hear(&mut self, cx: &mut Cx<'_>, text: &[u8], on: &On) -> Option<CallId> {
        let me = self.me;
        cx.model.trace(|| {
            let end = text.len().min(2000);
            format!("client {me} < {}", String::from_utf8_lossy(&text[..end]))
        });
        cx.model.overheard(me, text);
        let message = match Message::read(text) {
            Ok(message) => message,
            Err(why) => {
                self.wrong(cx, &why, text);
                return None;
            }
        };
        match message.said()? {
            Said::Result { id, result } => {
                let call = self.ended(cx, id, on, text)?;
                cx.model.stats.results += 1;
                if cx.model.calls[call].described.is_some() {
                    self.check_described(cx, (call, id), result, text);
                }
                self.result(cx, call, result, text);
                Some(call)
            }
            // An error about nothing in particular answers what was no message.
            Said::Error { id: "", .. } => None,
            Said::Error { id, error } => {
                let call = self.ended(cx, id, on, text)?;
                cx.model.stats.errors += 1;
                let code = at(error, &["code"]).unwrap_or_default();
                if cx.model.calls[call].described.is_some() {
                    self.check_error(cx, code, text);
                }
                cx.model
                    .trace(|| format!("client {me} call {call} ends with {code}"));
                Some(call)
            }
            Said::Request { id, method, params } => {
                if on.is_described(cx) {
                    self.wrong(cx, "a request on the stream of one without a session", text);
                }
                self.question(cx, id, method, params, text);
                None
            }
            Said::Notification { method, params } => {
                if self.on_subscription(cx, (method, params), on, text) {
                    return None;
                }
                if let On::Calls(calls) = on {
                    self.check_note(cx, (method, params), calls, text);
                }
                self.note(cx, method, params, on, text);
                None
            }
        }
    }

    pub(crate) fn wrong(&self, cx: &mut Cx<'_>, why: &str, text: &[u8]) {
        let me = self.me;
        cx.model.violation(format!(
            "client {me} is told: {} ({why})",
            String::from_utf8_lossy(text)
        ));
    }

    /// Which call is answered, exactly once.
    fn ended(&mut self, cx: &mut Cx<'_>, id: &str, on: &On, text: &[u8]) -> Option<CallId> {
        let open = self.open.get(id).copied();
        let call = match (open, self.cancelled.get(id).copied(), on) {
            (Some(call), _, On::Direct) | (None, Some(call), On::Direct) => call,
            // Ids of cancelled calls may be in use again, but streams do not mix.
            (open, cancelled, On::Calls(calls)) => {
                let own = [open, cancelled]
                    .into_iter()
                    .flatten()
                    .find(|one| calls.contains(one));
                let Some(call) = own else {
                    self.wrong(cx, "an answer on the stream of another call", text);
                    return None;
                };
                call
            }
            (_, _, On::Main) => {
                self.wrong(cx, "an answer on the GET stream", text);
                return None;
            }
            (None, None, On::Direct) => {
                self.wrong(cx, "an answer to nothing, or a second one", text);
                return None;
            }
        };
        cx.model.stats.answers += 1;
        cx.model.calls[call].state = State::Answered;
        self.open.retain(|_, known| *known != call);
        self.cancelled.retain(|_, known| *known != call);
        self.tokens.retain(|_, known| *known != call);
        Some(call)
    }

    fn result(&mut self, cx: &mut Cx<'_>, call: CallId, result: &str, text: &[u8]) {
        let known = cx.model.calls[call].clone();
        if string_at(result, &["resultType"]).as_deref() == Some("input_required") {
            if known.described.is_none() {
                self.wrong(cx, "a result of another revision", text);
            }
            return;
        }
        if known.described.is_none() {
            let meta = object(at(result, &["_meta"]).unwrap_or("{}"));
            let typed = at(result, &["resultType"]).is_some();
            if typed || meta.keys().any(|key| key.starts_with(PREFIX)) {
                self.wrong(cx, "words of another revision", text);
            }
        }
        let root = cx.model.root(call);
        let marker = string_at(result, &["_meta", "sim/m"]);
        if known.again && marker.is_none() && at(result, &["isError"]) == Some("true") {
            // Its server asked, and this client gave no answer that such a server can be told.
            return;
        }
        let must = matches!(
            known.method,
            "tools/call" | "prompts/get" | "resources/read"
        );
        match &marker {
            Some(marker) if *marker != cx.model.marker(root) => {
                self.wrong(cx, "the answer to another call", text);
            }
            None if must => self.wrong(cx, "an answer that no server gave", text),
            _ => {}
        }
        if must {
            let arguments = at(result, &["_meta", "sim/arguments"]).unwrap_or_default();
            let sent = if known.arguments.is_empty() {
                "null"
            } else {
                &known.arguments
            };
            if arguments != sent {
                self.wrong(cx, "the server was asked something else", text);
            }
            let server = string_at(result, &["_meta", "sim/server"]);
            if known
                .target
                .is_some_and(|(target, _)| Some(target) != server)
            {
                self.wrong(cx, "another server was asked", text);
            }
        }
        for (method, member, key) in LISTS {
            if known.method == method {
                let entries = elements(at(result, &[member]).unwrap_or_default());
                let names = entries
                    .iter()
                    .filter_map(|entry| string_at(entry, &[key]))
                    .collect::<Vec<String>>();
                self.check_names(cx, method, &names, text);
                match method {
                    "tools/list" => self.tools = names,
                    "prompts/list" => self.prompts = names,
                    _ => self.uris = names,
                }
                if let Some(cursor) = string_at(result, &["nextCursor"]) {
                    self.cursors.push((method, cursor));
                    self.cursors.truncate(4);
                }
            }
        }
    }

    /// Offered names are unique, short, and made of characters that every client takes.
    fn check_names(&self, cx: &mut Cx<'_>, method: &str, names: &[String], text: &[u8]) {
        let mut sorted = names.to_vec();
        sorted.sort();
        sorted.dedup();
        if sorted.len() != names.len() {
            self.wrong(cx, "a name is offered twice", text);
        }
        let hidden = |server: &&&str| !cx.model.sees(self.me, server);
        let hidden: Vec<&str> = NAMES.iter().filter(hidden).copied().collect();
        for server in hidden {
            let own = [format!("{server}_1mcp_"), format!("onemcp://{server}/")];
            let of_it = |name: &String| own.iter().any(|own| name.starts_with(own));
            if names.iter().any(of_it) {
                self.wrong(cx, "what this client leaves out", text);
            }
        }
        let good = |name: &String| {
            name.len() <= limits::NAME_BYTES_MAX
                && !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if method != "resources/list" && !names.iter().all(good) {
            self.wrong(cx, "a name that clients refuse", text);
        }
    }

    fn question(&mut self, cx: &mut Cx<'_>, id: &str, method: &str, params: &str, text: &[u8]) {
        let Some(ask) = self.shown(cx, (method, params), self.caps, None, text) else {
            return;
        };
        if !self.ask_ids.insert(id.to_owned()) {
            self.wrong(cx, "two questions with one id", text);
        }
        self.known_asks.insert(id.to_owned());
        cx.model.ask_ids.push(id.to_owned());
        if cx.model.ask_ids.len() > 20 {
            cx.model.ask_ids.remove(0);
        }
        let due = match cx.hit(Fault::AskUnanswered) {
            true => u64::MAX,
            false => cx.now.0 + cx.rng.time(8000),
        };
        self.asked.push(Asked {
            id: id.to_owned(),
            ask,
            token: at(params, &["_meta", "progressToken"]).map(str::to_owned),
            method: cx.model.asks[ask].method,
            due,
        });
    }

    /// A question, as a request or in the answer to a call: this client may see it, once, or again
    /// in later answers to the same call.
    pub(crate) fn shown(
        &self,
        cx: &mut Cx<'_>,
        (method, params): (&str, &str),
        caps: Caps,
        within: Option<CallId>,
        text: &[u8],
    ) -> Option<AskId> {
        let marker = string_at(params, &["_meta", "sim/a"]).unwrap_or_default();
        let Some(ask) = cx.model.unmark_ask(&marker) else {
            self.wrong(cx, "a question that no server asked", text);
            return None;
        };
        let known = cx.model.asks[ask].clone();
        cx.model.stats.asks_seen += 1;
        let again = within.is_some() && known.seen_in == within;
        if known.seen_by.is_some() && !again {
            self.wrong(cx, "a question that was told before", text);
        }
        if known.method.split(' ').next() != Some(method) {
            self.wrong(cx, "another question", text);
        }
        let declared = match known.method {
            "roots/list" => caps.roots,
            "sampling/createMessage" => caps.sampling,
            "elicitation/create" => caps.form,
            _ => caps.url,
        };
        if !declared {
            self.wrong(cx, "this client cannot be asked that", text);
        }
        if !cx.model.may_ask(known.process, self.me) {
            self.wrong(
                cx,
                "a question of a server that this client never called",
                text,
            );
        }
        // At our own stdin there is one person: a question whose call was just cancelled may come
        // in the answer to another one.
        let elsewhere = known.call.is_some_and(|call| Some(call) != within);
        if within.is_some() && elsewhere && !cx.model.stdio {
            self.wrong(cx, "a question that another call caused", text);
        }
        let known = &mut cx.model.asks[ask];
        known.seen_by = Some(self.me);
        known.seen_in = within;
        Some(ask)
    }

    fn note(&mut self, cx: &mut Cx<'_>, method: &str, params: &str, on: &On, text: &[u8]) {
        cx.model.stats.notes += 1;
        match method {
            "notifications/progress" => {
                let token = at(params, &["progressToken"]).unwrap_or_default();
                let marker = string_at(params, &["message"]).unwrap_or_default();
                let call = cx.model.unmark(&marker);
                let round = self.tokens.get(token).copied();
                let root = |call: CallId| cx.model.root(call);
                // Tokens are free again when a call was cancelled, so they may be somebody else's.
                let same = round.is_none() || call.is_none() || round.map(root) == call;
                let there = match (on, call) {
                    (On::Calls(calls), Some(call)) => calls.iter().any(|one| root(*one) == call),
                    (On::Direct, _) | (_, None) => true,
                    (On::Main, Some(_)) => false,
                };
                if !same || !there {
                    self.wrong(cx, "the progress of another call", text);
                }
                if let Some(call) = round.or(call) {
                    self.check_progress(cx, call, params, text);
                }
            }
            "notifications/cancelled" => {
                let id = at(params, &["requestId"]).unwrap_or_default().to_owned();
                self.ask_ids.remove(&id);
                // Some answer all the same.
                if cx.rng.chance(700) {
                    self.asked.retain(|asked| asked.id != id);
                }
            }
            "notifications/resources/updated" => {
                let uri = string_at(params, &["uri"]).unwrap_or_default();
                if !self
                    .subscribed
                    .iter()
                    .any(|known| uri.starts_with(known.as_str()))
                {
                    self.wrong(cx, "an update that nobody wanted", text);
                }
            }
            "notifications/elicitation/complete" => {
                let id = string_at(params, &["elicitationId"]).unwrap_or_default();
                let ask = id.rsplit_once(":e").and_then(|(_, ask)| ask.parse().ok());
                let asked = ask.and_then(|ask: usize| cx.model.asks.get(ask));
                // The question may still be on its way to it, or be lost on that.
                if asked.is_none_or(|ask| ask.seen_by.is_some_and(|who| who != self.me)) {
                    self.wrong(cx, "the end of what somebody else was asked", text);
                }
            }
            "notifications/message"
            | "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed" => {}
            _ => self.wrong(cx, "no notification for a client", text),
        }
    }
}
