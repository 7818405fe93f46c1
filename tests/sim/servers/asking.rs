//! Questions of servers. Each is answered at most once, by the client that saw it or by the hub in
//! its place.

use onemcp::limits::{ASKS_PER_CLIENT_MAX, UNDELIVERED_BYTES_PER_SESSION_MAX};

use crate::faults::Fault;
use crate::model::{Ask, AskId, CallId, Cx, Model};
use crate::servers::process::{Declared, Process};
use crate::wire::json::{at, quote, string_at};

impl Process {
    /// Asks about a request that it works on, and waits for the answer.
    pub(crate) fn ask_about(&mut self, cx: &mut Cx<'_>, id: u64) {
        let call = self.jobs.get(&id).and_then(|job| job.call);
        let raw = self.ask(cx, call);
        let most = if cx.rng.chance(100) {
            1_500_000
        } else {
            60_000
        };
        let patience = cx.now.0 + 1000 + cx.rng.time(most);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.waits = Some(raw);
            job.due = patience;
        }
    }

    /// Asks more than a client may have to answer, some of it at length.
    pub(crate) fn ask_much(&mut self, cx: &mut Cx<'_>) {
        let pad = cx
            .rng
            .pick(&[0, 0, 0, UNDELIVERED_BYTES_PER_SESSION_MAX / 40]);
        let kind = self.kind_of_ask(cx);
        for _ in 0..ASKS_PER_CLIENT_MAX + 6 {
            // It may die of the byte before.
            if self.alive {
                self.ask_for(cx, None, kind, pad);
            }
        }
    }

    /// Asks something, mostly what it was told that it may ask.
    pub(crate) fn ask(&mut self, cx: &mut Cx<'_>, call: Option<CallId>) -> String {
        let kind = self.kind_of_ask(cx);
        self.ask_for(cx, call, kind, 0)
    }

    fn kind_of_ask(&self, cx: &mut Cx<'_>) -> &'static str {
        let Declared {
            roots,
            sampling,
            form,
            url,
        } = self.declared;
        let kinds = [
            ("roots/list", roots),
            ("sampling/createMessage", sampling),
            ("elicitation/create", form),
            ("elicitation/create url", url),
        ];
        let open: Vec<_> = kinds.iter().filter(|(_, declared)| *declared).collect();
        if open.is_empty() || cx.rng.chance(50) {
            cx.rng.pick(&kinds).0
        } else {
            cx.rng.pick(&open).0
        }
    }

    fn ask_for(
        &mut self,
        cx: &mut Cx<'_>,
        call: Option<CallId>,
        kind: &'static str,
        pad: usize,
    ) -> String {
        let ask = cx.model.asks.len();
        let mut meta = format!(r#""sim/a":"{}""#, Model::ask_marker(ask));
        if let Some(call) = call {
            meta.push_str(&format!(r#","sim/m":"{}""#, cx.model.marker(call)));
        }
        if cx.rng.chance(200) {
            meta.push_str(r#","progressToken":7"#);
        }
        if pad > 0 {
            meta.push_str(&format!(r#","sim/pad":"{}""#, "a".repeat(pad)));
        }
        let rest = match kind {
            "sampling/createMessage" => r#""messages":[],"maxTokens":1,"#.to_owned(),
            "elicitation/create" => {
                // Several of several: there are no words for that before 2025-11-25.
                let properties = cx.rng.pick(&["", "", r#""p":{"type":"array"}"#]);
                format!(
                    r#""mode":"form","message":"?","requestedSchema":{{"type":"object","properties":{{{properties}}}}},"#
                )
            }
            "elicitation/create url" => {
                self.urls.push(ask);
                format!(
                    r#""mode":"url","message":"?","url":"https://example.com/","elicitationId":"e{ask}","#
                )
            }
            _ => String::new(),
        };
        let method = kind.split(' ').next().unwrap_or_default();
        let raw = self.ask_id(cx);
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{raw},"method":"{method}","params":{{{rest}"_meta":{{{meta}}}}}}}"#
        );
        cx.model.stats.asks += 1;
        cx.model.asks.push(Ask {
            process: self.id,
            method: kind,
            call,
            seen_by: None,
            seen_in: None,
            given: Vec::new(),
            over: false,
        });
        self.asks.insert(raw.clone(), ask);
        self.say(cx, &line);
        raw
    }

    /// An id that it uses for no other question now; those of other servers are the same.
    fn ask_id(&mut self, cx: &mut Cx<'_>) -> String {
        loop {
            self.next_ask += 1;
            let raw = match self.next_ask % 12 {
                0 => quote("q/\u{e9}"),
                number if cx.rng.chance(300) => quote(&number.to_string()),
                number => number.to_string(),
            };
            let used = self.asks.contains_key(&raw) || self.withdrawn.contains(&raw);
            if !used {
                return raw;
            }
            if self.next_ask > 1000 {
                return self.next_ask.to_string();
            }
        }
    }

    /// Does not want the answer any more.
    pub(crate) fn withdraw(&mut self, cx: &mut Cx<'_>, raw: &str) {
        if let Some(ask) = self.asks.remove(raw) {
            cx.model.asks[ask].over = true;
            self.withdrawn.insert(raw.to_owned());
            let line = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{raw}}}}}"#
            );
            self.say(cx, &line);
        }
    }

    /// An answer came.
    pub(crate) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        raw: &str,
        result: Option<&str>,
        line: &[u8],
    ) {
        let Some(ask) = self.asks.remove(raw) else {
            if !self.withdrawn.contains(raw) {
                let line = String::from_utf8_lossy(line);
                let id = self.id;
                cx.model
                    .violation(format!("process {id} gets an answer to nothing: {line}"));
            }
            return;
        };
        cx.model.asks[ask].over = true;
        for job in self.jobs.values_mut() {
            if job.waits.as_deref() == Some(raw) {
                job.waits = None;
                job.pause(cx);
            }
        }
        let Some(result) = result else { return };
        self.check_answer(cx, ask, result);
    }

    /// An answer is that of whoever saw the question.
    pub(crate) fn check_answer(&self, cx: &mut Cx<'_>, ask: AskId, result: &str) {
        let about = string_at(result, &["_meta", "sim/a"]);
        let by = string_at(result, &["_meta", "sim/by"]);
        // Without these the hub answered in the client's place.
        let (Some(about), Some(by)) = (about, by) else {
            return;
        };
        cx.model.stats.asks_answered += 1;
        let known = &cx.model.asks[ask];
        let number = at(result, &["_meta", "sim/n"]).and_then(|raw| raw.parse().ok());
        let given = number.is_some_and(|number| known.given.contains(&number));
        if about != Model::ask_marker(ask) || known.seen_by != by.parse().ok() || !given {
            let known = known.clone();
            cx.model.violation(format!(
                "ask {ask} {known:?} is answered by {by}, about {about}"
            ));
        }
    }

    /// Asks about nothing in particular.
    pub(crate) fn ask_alone(&mut self, cx: &mut Cx<'_>) {
        if self.alive && cx.hit(Fault::AskAlone) && self.asks.len() < 10 {
            self.ask(cx, None);
        }
    }
}
