//! What a client knows of its own conversation, whatever carries it: what it asked for, under which
//! ids, and what it was asked.

use std::collections::{BTreeMap, BTreeSet};

use onemcp::limits::GHOSTS_PER_POOL_MAX;

use crate::clients::requests::Want;
use crate::clients::rounds::Parked;
use crate::faults::Fault;
use crate::model::{AskId, CallId, Cx};
use crate::servers::definition::VERSIONS;

/// A question that this client has not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Its id as it came (raw JSON).
    pub(crate) id: String,
    pub(crate) ask: AskId,
    /// The token for progress about it (raw JSON).
    pub(crate) token: Option<String>,
    pub(crate) method: &'static str,
    /// When it will be answered; never, if that is how this client is.
    pub(crate) due: u64,
}

/// What a client declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caps {
    pub(crate) roots: bool,
    pub(crate) sampling: bool,
    pub(crate) form: bool,
    pub(crate) url: bool,
}

impl Caps {
    /// The members of `capabilities`. `legacy`: in the words of the revisions with sessions.
    pub(crate) fn members(self, legacy: bool) -> String {
        let mut members = Vec::new();
        if self.roots {
            let member = if legacy {
                "\"roots\":{\"listChanged\":true}"
            } else {
                "\"roots\":{}"
            };
            members.push(member);
        }
        if self.sampling {
            members.push("\"sampling\":{\"tools\":{},\"context\":{}}");
        }
        match (self.form, self.url) {
            (true, false) => members.push("\"elicitation\":{}"),
            (true, true) => members.push("\"elicitation\":{\"form\":{},\"url\":{}}"),
            (false, true) => members.push("\"elicitation\":{\"url\":{}}"),
            (false, false) => {}
        }
        members.join(",")
    }

    /// These too.
    pub(crate) fn add(&mut self, other: Self) {
        self.roots |= other.roots;
        self.sampling |= other.sampling;
        self.form |= other.form;
        self.url |= other.url;
    }

    /// Random abilities.
    pub(crate) fn some(cx: &mut Cx<'_>) -> Self {
        let talks = cx.rng.chance(600);
        let mut ability = || talks && cx.rng.chance(600);
        Self {
            roots: ability(),
            sampling: ability(),
            form: ability(),
            url: ability(),
        }
    }
}

/// The conversation of one client.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) me: usize,
    pub(crate) version: &'static str,
    pub(crate) caps: Caps,
    /// Answers come on one ordered channel: an id is not used again once it was cancelled.
    #[expect(dead_code, reason = "told by Debug when a seed fails")]
    pub(crate) direct: bool,
    /// Requests in flight, by raw id.
    pub(crate) open: BTreeMap<String, CallId>,
    /// Requests that were cancelled, by raw id: an answer may have been on its way.
    pub(crate) cancelled: BTreeMap<String, CallId>,
    /// Ids that must not be used (yet, or ever).
    pub(crate) barred: BTreeSet<String>,
    /// Progress tokens in use, raw.
    pub(crate) tokens: BTreeMap<String, CallId>,
    pub(crate) asked: Vec<Asked>,
    /// Ids of questions that were seen and are not answered or withdrawn.
    pub(crate) ask_ids: BTreeSet<String>,
    /// Ids of all questions that it ever saw.
    pub(crate) known_asks: BTreeSet<String>,
    /// Names and URIs of the last lists.
    pub(crate) tools: Vec<String>,
    pub(crate) prompts: Vec<String>,
    pub(crate) uris: Vec<String>,
    /// Cursors to go on with, by method.
    pub(crate) cursors: Vec<(&'static str, String)>,
    pub(crate) subscribed: BTreeSet<String>,
    /// It wanted much at once, and wants most of it no more.
    pub(crate) regrets: bool,
    /// Said `notifications/initialized`.
    pub(crate) initialized: bool,
    /// What the first rounds of its calls without a session consist of.
    pub(crate) wants: BTreeMap<CallId, Want>,
    /// Calls to which it may come back.
    pub(crate) parked: Vec<Parked>,
}

impl Talk {
    /// A client with random abilities.
    pub(crate) fn new(cx: &mut Cx<'_>, me: usize, direct: bool) -> Self {
        let caps = Caps::some(cx);
        Self {
            me,
            version: cx.rng.pick(&VERSIONS),
            caps,
            direct,
            open: BTreeMap::new(),
            cancelled: BTreeMap::new(),
            barred: BTreeSet::new(),
            tokens: BTreeMap::new(),
            asked: Vec::new(),
            ask_ids: BTreeSet::new(),
            known_asks: BTreeSet::new(),
            tools: Vec::new(),
            prompts: Vec::new(),
            uris: Vec::new(),
            cursors: Vec::new(),
            subscribed: BTreeSet::new(),
            regrets: false,
            initialized: false,
            wants: BTreeMap::new(),
            parked: Vec::new(),
        }
    }

    /// The body of `initialize`.
    pub(crate) fn hello(&self, id: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{{}}},"clientInfo":{{"name":"sim","version":"1"}}}}}}"#,
            self.version,
            self.caps.members(true),
        )
    }

    /// An id that may be used now, from a pool that all clients share.
    pub(crate) fn fresh_id(&self, cx: &mut Cx<'_>) -> String {
        let from = cx.rng.below(4);
        for step in 0.. {
            let number = from + step;
            let id = match number % 5 {
                3 => format!("\"{number}\""),
                4 => format!("\"id \\\"{number}\\\" \u{e9}\""),
                _ => number.to_string(),
            };
            if !self.open.contains_key(&id) && !self.barred.contains(&id) {
                return id;
            }
        }
        String::new()
    }

    /// The client does not wait for an answer any more, since its stream is gone.
    pub(crate) fn lose(&mut self, cx: &mut Cx<'_>, call: CallId) {
        // The request may still be worked on (C10), so its id stays taken.
        let lost = self.open.iter().filter(|(_, known)| **known == call);
        self.barred.extend(lost.map(|(id, _)| id.clone()));
        self.open.retain(|_, known| *known != call);
        self.cancelled.retain(|_, known| *known != call);
        self.tokens.retain(|_, known| *known != call);
        cx.model.lose(call);
    }

    /// Nobody knows whether the request was read: an answer may come.
    pub(crate) fn doubt(&mut self, cx: &mut Cx<'_>, call: CallId) {
        let id = self
            .open
            .iter()
            .find(|(_, known)| **known == call)
            .map(|(id, _)| id.clone());
        if let Some(id) = id {
            self.open.remove(&id);
            self.cancelled.insert(id.clone(), call);
            self.barred.insert(id);
            cx.model.calls[call].state = crate::model::State::Cancelled;
        }
    }

    /// The client is gone, with all that it waited for.
    pub(crate) fn lose_all(&mut self, cx: &mut Cx<'_>) {
        let calls: Vec<CallId> = self
            .open
            .values()
            .chain(self.cancelled.values())
            .copied()
            .collect();
        for call in calls {
            self.lose(cx, call);
        }
        self.asked.clear();
        self.ask_ids.clear();
        self.parked.clear();
    }

    /// Requests that are to be cancelled: one, or nearly all if they are many.
    pub(crate) fn cancel_some(&mut self, cx: &mut Cx<'_>) -> Vec<(String, String)> {
        let mut some: Vec<_> = self.cancel(cx).into_iter().collect();
        let many = self.open.len() > GHOSTS_PER_POOL_MAX;
        if many && (!some.is_empty() || std::mem::take(&mut self.regrets)) {
            let more = std::iter::from_fn(|| self.cancel_one(cx));
            some.extend(more.take(2 * GHOSTS_PER_POOL_MAX));
        }
        some
    }

    /// A request that is to be cancelled.
    pub(crate) fn cancel(&mut self, cx: &mut Cx<'_>) -> Option<(String, String)> {
        if self.open.is_empty() || !cx.hit(Fault::Cancel) {
            return None;
        }
        self.cancel_one(cx)
    }

    fn cancel_one(&mut self, cx: &mut Cx<'_>) -> Option<(String, String)> {
        let ids: Vec<String> = self.open.keys().cloned().collect();
        if ids.is_empty() {
            return None;
        }
        let id = cx.rng.pick(&ids);
        let call = self.open[&id];
        if cx.model.calls[call].method == "initialize" {
            return None;
        }
        self.open.remove(&id);
        self.cancelled.insert(id.clone(), call);
        self.barred.insert(id.clone());
        cx.model.calls[call].state = crate::model::State::Cancelled;
        let reason = if cx.rng.chance(500) {
            r#","reason":"enough""#
        } else {
            ""
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}{reason}}}}}"#
        );
        Some((id, body))
    }

    /// An answer to a question that is due; sometimes twice, sometimes to a question that somebody
    /// else was asked.
    pub(crate) fn answer(&mut self, cx: &mut Cx<'_>) -> Option<String> {
        if cx.hit(Fault::AskForeign) && !cx.model.ask_ids.is_empty() {
            let id = cx.rng.pick(&cx.model.ask_ids);
            if !self.known_asks.contains(&id) {
                let me = self.me;
                return Some(format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"_meta":{{"sim/a":"foreign","sim/by":"{me}"}}}}}}"#
                ));
            }
        }
        let at = self.asked.iter().position(|asked| asked.due <= cx.now.0)?;
        let mut asked = self.asked.remove(at);
        if let Some(token) = asked.token.take()
            && cx.hit(Fault::AskProgress)
        {
            asked.due = cx.now.0 + cx.rng.time(1000);
            self.asked.push(asked);
            return Some(format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
            ));
        }
        if cx.hit(Fault::AskTwice) {
            self.asked.push(Asked {
                due: cx.now.0 + cx.rng.time(1000),
                ..asked.clone()
            });
        }
        self.ask_ids.remove(&asked.id);
        let id = &asked.id;
        if cx.rng.chance(150) {
            return Some(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"declined"}}}}"#
            ));
        }
        let id = asked.id;
        let answer = self.answer_to(cx, asked.ask, asked.method);
        Some(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{{answer}}}}}"#
        ))
    }

    /// When the next question is answered.
    pub(crate) fn next_answer(&self) -> Option<u64> {
        self.asked
            .iter()
            .map(|asked| asked.due)
            .filter(|due| *due != u64::MAX)
            .min()
    }

    /// From now on every question is answered soon.
    pub(crate) fn calm(&mut self, now: u64) {
        for asked in &mut self.asked {
            asked.due = asked.due.min(now + 100);
        }
        for parked in &mut self.parked {
            parked.due = parked.due.min(now + 100);
        }
    }
}
