//! Calls without a session that are answered with questions, and what the client makes of it: it
//! comes back with answers to all, some or none of them, twice, too late or never, with its state,
//! a damaged one, or somebody else's.

use crate::clients::described::MODERN;
use crate::clients::requests::{Request, Want};
use crate::clients::talk::{Caps, Talk};
use crate::faults::Fault;
use crate::model::{AskId, CallId, Cx, Described, Filter, Model, State, Stolen};
use crate::wire::json::{at, object, quote, string_at};

/// Rounds after which a client has had enough.
const ROUNDS_MAX: u32 = 12;
/// Longer than a call may be parked.
const LATE_MS_MAX: u64 = 20 * 60 * 1000;

/// A question within the answer to a call.
#[derive(Clone, Debug)]
struct Question {
    key: String,
    ask: AskId,
    method: &'static str,
}

/// A call that was answered with questions.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    /// Its first round.
    root: CallId,
    want: Want,
    /// Raw JSON.
    state: Option<String>,
    questions: Vec<Question>,
    pub(crate) due: u64,
    rounds: u32,
    /// The gateway itself asks, and no server has seen the call: each return makes it anew.
    anew: bool,
    /// What it came back with, to be said once more.
    said: Option<String>,
}

impl Talk {
    /// When it comes back to a call.
    pub(crate) fn next_return(&self) -> Option<u64> {
        self.parked.iter().map(|parked| parked.due).min()
    }

    /// An answer that asks.
    pub(crate) fn asked_for_input(
        &mut self,
        cx: &mut Cx<'_>,
        call: CallId,
        result: &str,
        text: &[u8],
    ) {
        cx.model.stats.parks += 1;
        let root = cx.model.root(call);
        let Some((described, want)) = cx.model.calls[call]
            .described
            .clone()
            .zip(self.wants.get(&root).cloned())
        else {
            return self.wrong(cx, "this request cannot be answered with questions", text);
        };
        let requests = object(at(result, &["inputRequests"]).unwrap_or("{}"));
        let state = at(result, &["requestState"]).map(str::to_owned);
        if requests.is_empty() && state.is_none() {
            self.wrong(cx, "nothing is asked", text);
        }
        let kept = ["ttlMs", "cacheScope"]
            .iter()
            .any(|name| at(result, &[name]).is_some());
        if kept {
            self.wrong(cx, "questions are not kept", text);
        }
        let (mut questions, mut anew) = (Vec::new(), false);
        for (key, request) in requests {
            let request = request.get();
            let method = string_at(request, &["method"]).unwrap_or_default();
            let params = at(request, &["params"]).unwrap_or("{}");
            let odd = object(request)
                .keys()
                .any(|name| name != "method" && name != "params");
            if odd {
                self.wrong(cx, "a question with more than method and params", text);
            }
            let url = string_at(params, &["url"]).unwrap_or_default();
            // The gateway itself asks: its owner has to authorize it somewhere. Whose client is at
            // our stdin sees that page at a port of its own, once there is one.
            let page = url.starts_with("http://127.0.0.1:3050/oauth/connect/");
            let local = url.starts_with("http://127.0.0.1:40404/oauth/connect/");
            let local = cx.model.stdio && local && url.contains("?ticket=");
            if (page || local) && described.caps.url {
                anew = true;
                continue;
            }
            if let Some(ask) = self.shown(cx, (&method, params), described.caps, Some(root), text) {
                questions.push(Question {
                    key: key.into_owned(),
                    ask,
                    method: cx.model.asks[ask].method,
                });
            }
        }
        if let Some(state) = &state {
            cx.model.steal(Stolen {
                method: want.method,
                params: want.params.clone(),
                state: state.clone(),
            });
        }
        cx.model.calls[root].state = State::Parked;
        let ms = match cx.hit(Fault::ReturnsLate) {
            true => LATE_MS_MAX,
            false => 8000,
        };
        let due = cx.now.0 + cx.rng.time(ms);
        self.parked.push(Parked {
            root,
            want,
            state,
            questions,
            due,
            rounds: described.rounds + 1,
            anew,
            said: None,
        });
    }

    /// Comes back to a call that is due.
    pub(crate) fn come_back(&mut self, cx: &mut Cx<'_>) -> Option<Request> {
        let due = |parked: &Parked| parked.due <= cx.now.0;
        let at = self.parked.iter().position(due)?;
        let mut parked = self.parked.remove(at);
        if parked.rounds > ROUNDS_MAX || cx.hit(Fault::NeverReturns) {
            return None;
        }
        cx.model.stats.retries += 1;
        let mut state = parked.state.clone();
        let mut must_fail = false;
        if cx.hit(Fault::Tampers) && state.is_some() {
            // The call itself goes on with the right one.
            state = self.other_state(cx, &parked);
            must_fail = state.is_some();
            parked.due = cx.now.0 + cx.rng.time(3000);
            self.parked.push(parked.clone());
        }
        let replays = !must_fail && cx.hit(Fault::Replays);
        let mut members = Vec::new();
        if let Some(responses) = self.responses(cx, &parked.questions) {
            members.push(format!(r#""inputResponses":{{{responses}}},"#));
        }
        if let Some(state) = state {
            members.push(format!(r#""requestState":{state},"#));
        }
        if !must_fail {
            cx.model.calls[parked.root].rounds += 1;
            cx.model.calls[parked.root].anew += usize::from(parked.anew);
        }
        if cx.rng.chance(500) {
            members.reverse();
        }
        let said = parked.said.take().filter(|_| !must_fail);
        let members = said.unwrap_or_else(|| members.concat());
        if replays {
            let ms = cx.rng.pick(&[0, 100, 60_000]);
            self.parked.push(Parked {
                due: cx.now.0 + cx.rng.time(ms),
                rounds: parked.rounds + ROUNDS_MAX / 2,
                // Word by word the same, or with other answers.
                said: cx.rng.chance(700).then(|| members.clone()),
                ..parked.clone()
            });
        }
        let params = match cx.rng.chance(500) {
            true => format!("{}{members}", parked.want.params),
            false => format!("{members}{}", parked.want.params),
        };
        let want = Want {
            params,
            ..parked.want.clone()
        };
        let caps = match cx.hit(Fault::Undeclared) {
            true => Caps::some(cx),
            false => self.caps,
        };
        let described = Described {
            caps,
            level: None,
            token: None,
            progress: 0.0,
            filter: Filter::default(),
            root: Some(parked.root),
            rounds: parked.rounds,
            must_fail,
        };
        Some(self.send(cx, want, Some(described)))
    }

    /// A state that is not good for this call: damaged, or another call's.
    fn other_state(&self, cx: &mut Cx<'_>, of: &Parked) -> Option<String> {
        if cx.rng.chance(500) {
            let foreign = |other: &&Stolen| {
                (other.method, &other.params) != (of.want.method, &of.want.params)
            };
            let foreign = cx.model.stolen.iter().filter(foreign);
            let states: Vec<String> = foreign.map(|other| other.state.clone()).collect();
            if !states.is_empty() {
                return Some(cx.rng.pick(&states));
            }
        }
        let state = of.state.as_deref()?.trim_matches('"');
        let at = cx.rng.index(state.len());
        Some(match cx.rng.below(6) {
            0 => "\"\"".to_owned(),
            1 => "7".to_owned(),
            2 => quote(&state[..at]),
            3 => quote(&format!("{state}A")),
            _ => {
                let other = if state[at..].starts_with('A') {
                    "B"
                } else {
                    "A"
                };
                quote(&format!("{}{other}{}", &state[..at], &state[at + 1..]))
            }
        })
    }

    /// Members of `inputResponses`; `None` if it only looks whether anything has come of it.
    fn responses(&mut self, cx: &mut Cx<'_>, questions: &[Question]) -> Option<String> {
        if cx.hit(Fault::Polls) {
            return None;
        }
        let lazy = cx.hit(Fault::AnswersSome);
        let mut members = Vec::new();
        for question in questions {
            if lazy && cx.rng.chance(500) {
                continue;
            }
            let answer = self.answer_to(cx, question.ask, question.method);
            members.push(format!("{}:{{{answer}}}", quote(&question.key)));
        }
        if cx.rng.chance(100) {
            members.push(format!(
                r#""{MODERN}":{{"action":"accept","content":{{}}}}"#
            ));
        }
        Some(members.join(","))
    }

    /// Members of a result that answers a question, marked so that its server can tell whose it is.
    pub(crate) fn answer_to(&self, cx: &mut Cx<'_>, ask: AskId, method: &str) -> String {
        let number = cx.rng.below(1 << 32);
        cx.model.asks[ask].given.push(number);
        let rest = match method {
            "roots/list" => r#""roots":[{"uri":"file:///home"}],"#,
            "sampling/createMessage" => {
                r#""role":"assistant","model":"m","content":{"type":"text","text":"yes"},"#
            }
            _ if cx.rng.chance(500) => r#""action":"accept","content":{},"#,
            _ => r#""action":"decline","#,
        };
        format!(
            r#"{rest}"_meta":{{"sim/a":"{}","sim/by":"{}","sim/n":{number}}}"#,
            Model::ask_marker(ask),
            self.me,
        )
    }
}
