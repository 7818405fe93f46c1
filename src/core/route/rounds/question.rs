//! Questions on their way to a client without a session: written as the revision without sessions
//! has them, gathered for a moment, and given in the answer to its call.

use crate::base::mark::Mark;
use crate::json::span::{Span, members, string_begins, string_is};
use crate::language::{ClientFacts, ClientKey, PoolKey};
use crate::limits::{
    ASKS_PER_CLIENT_MAX, GATHER_MS, ROUND_AGAIN_MS, ROUND_MS_MAX, ROUNDS_BYTES_MAX,
};
use crate::mcp::meta::HOP_LOCAL;
use crate::route::asks::Want;
use crate::route::calls::{CallKey, Method, Origin};
use crate::route::errors::{INTERNAL, INVALID_PARAMS};
use crate::route::held::HeldAsk;
use crate::route::retry::cut_params;
use crate::route::rounds::{Question, Rounds, RoundsKey, Stage, Waiter};
use crate::route::seal::State;
use crate::route::splice::{Edits, runs};
use crate::route::{Desk, Hall};

impl Hall {
    /// A question for a client without a session.
    pub(crate) fn ask_in_rounds(
        &mut self,
        desk: &mut Desk<'_, '_>,
        ask: &HeldAsk,
        client: ClientKey,
    ) {
        let call = self.clients.get(&client);
        let call = call.and_then(|client| client.calls.first().copied());
        let Some(call) = call.filter(|call| self.goes_in_rounds(*call)) else {
            Mark::RoundOutside.hit();
            let why = "no call is in flight there that could be answered with a question";
            return self.unattributable(desk, ask, why);
        };
        let begun = self.calls.get(call).and_then(|call| call.rounds);
        let facts = match begun.and_then(|key| self.rounds.get(key)) {
            Some(rounds) => Some(rounds.facts),
            None => desk.clients.facts(client),
        };
        let Some(facts) = facts else {
            return self.refuse_ask(desk, ask.pool, &ask.id, INTERNAL, "the client is gone");
        };
        if let Err((code, why)) = self.askable(client, ask.want, facts) {
            return self.refuse_ask(desk, ask.pool, &ask.id, code, &why);
        }
        let request = match request(ask) {
            Ok(request) => request,
            Err(why) => return self.refuse_ask(desk, ask.pool, &ask.id, INVALID_PARAMS, why),
        };
        let key = match begun {
            _ if !self.keeps(request.len()) => None,
            Some(key) => Some(key),
            None => self.begin_rounds(ask.pool, call, (client, facts)),
        };
        let Some(key) = key else {
            Mark::RoundsFull.hit();
            let text = "too many calls wait for clients already";
            return self.refuse_ask(desk, ask.pool, &ask.id, INTERNAL, text);
        };
        self.add_question(desk, key, ask, request);
    }

    /// A call is asked about for the first time; `None` if there are too many of them.
    fn begin_rounds(
        &mut self,
        pool: PoolKey,
        call_key: CallKey,
        (client, facts): (ClientKey, ClientFacts),
    ) -> Option<RoundsKey> {
        let known = self.clients.get(&client)?;
        let bound = **known.bound.as_ref()?;
        if !self.admits_rounds(bound.principal) {
            return None;
        }
        let call = self.calls.get_mut(call_key)?;
        let caller = call.caller()?;
        let waiter = Waiter {
            client,
            at: caller.at,
            id: caller.id.clone(),
        };
        let key = self.rounds.insert(Rounds {
            call: call_key,
            pool,
            waiter,
            facts,
            others: Vec::new(),
            bound,
            questions: Vec::new(),
            stage: Stage::Running,
            spent: None,
        });
        call.rounds = Some(key);
        self.clients.get_mut(&client)?.rounds = Some(key);
        Some(key)
    }

    /// Whether a call may be answered with questions (D17).
    fn goes_in_rounds(&mut self, call: CallKey) -> bool {
        let Some(Origin::Client { method, search, .. }) =
            self.calls.get_mut(call).map(|call| &mut call.origin)
        else {
            return false;
        };
        let may = matches!(method, Method::Tool | Method::Prompt | Method::Read);
        if may {
            // Whoever asks about a resource has it: nobody else is asked for it afterwards.
            *search = None;
        }
        may
    }

    fn add_question(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: RoundsKey,
        ask: &HeldAsk,
        request: String,
    ) {
        let Some(rounds) = self.rounds.get_mut(key) else {
            return;
        };
        let waiting = rounds.questions.len();
        if waiting >= ASKS_PER_CLIENT_MAX {
            Mark::RoundQuestionsFull.hit();
            let text = format!("{waiting} questions wait for this client already");
            return self.refuse_ask(desk, ask.pool, &ask.id, INTERNAL, &text);
        }
        Mark::RoundAsked.hit();
        rounds.questions.push(Question {
            key: desk.cx.entropy.token(),
            server_id: ask.id.clone(),
            want: ask.want,
            request,
        });
        if let Stage::Running = rounds.stage {
            let until = desk.cx.now.tick.after(GATHER_MS);
            rounds.stage = Stage::Gathering { until };
            self.wake_for_rounds(desk);
        }
    }

    /// Questions were gathered: they are the answer to the call, for now.
    pub(super) fn ask_in_answer(&mut self, desk: &mut Desk<'_, '_>, key: RoundsKey) {
        let block = desk.cx.entropy.block();
        let (Some(round), Some(rounds)) = (block.first_chunk(), self.rounds.get_mut(key)) else {
            return;
        };
        let now = desk.cx.now.tick;
        rounds.stage = Stage::Away {
            round: *round,
            until: now.after(ROUND_MS_MAX),
        };
        if let Some(spent) = &mut rounds.spent {
            spent.until = Some(now.after(ROUND_AGAIN_MS));
        }
        let mut waiters = std::mem::take(&mut rounds.others);
        waiters.push(rounds.waiter.clone());
        for waiter in waiters {
            self.give_questions(desk, key, &waiter);
        }
    }

    /// Answers one request with all questions of the round.
    pub(super) fn give_questions(&mut self, desk: &mut Desk<'_, '_>, key: RoundsKey, to: &Waiter) {
        let Some(rounds) = self.rounds.get(key) else {
            return;
        };
        let Stage::Away { round, until } = rounds.stage else {
            return;
        };
        let mut requests = String::new();
        for question in &rounds.questions {
            let comma = if requests.is_empty() { "" } else { "," };
            requests += comma;
            requests += &format!("\"{}\":{}", question.key, question.request);
        }
        let state = State::Rounds { rounds: key, round };
        let sealed = self.seal.seal(rounds.bound, until, &state);
        let result = self
            .stamp
            .input_required(&requests, &sealed.unwrap_or_default());
        desk.succeed(to.client, to.at, &to.id, &result);
    }

    /// A server does not want an answer to a question of its call any more.
    pub(crate) fn question_withdrawn(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey, id: &[u8]) {
        let theirs = |rounds: &&mut Rounds| {
            let mut questions = rounds.questions.iter();
            rounds.pool == pool && questions.any(|question| question.server_id.same(id))
        };
        let keys: Vec<RoundsKey> = self.rounds.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(rounds) = self.rounds.get_mut(key).filter(theirs) else {
                continue;
            };
            Mark::RoundWithdrawn.hit();
            rounds
                .questions
                .retain(|question| !question.server_id.same(id));
            if let (Stage::Gathering { .. }, true) = (&rounds.stage, rounds.questions.is_empty()) {
                rounds.stage = Stage::Running;
            }
            return self.wake_for_rounds(desk);
        }
    }
}

/// A question as it stands in `inputRequests`. What belongs to the session it comes from is cut
/// out.
fn request(ask: &HeldAsk) -> Result<String, &'static str> {
    let text = ask.buffer.as_slice();
    let method = match ask.want {
        Want::Roots => "roots/list",
        Want::Sampling { .. } => "sampling/createMessage",
        Want::Form | Want::Url => "elicitation/create",
    };
    let params = ask
        .envelope
        .params
        .filter(|at| at.of(text).starts_with(b"{"));
    let Some(params) = params else {
        return match ask.want {
            Want::Roots => Ok(format!("{{\"method\":\"{method}\"}}")),
            Want::Sampling { .. } | Want::Form | Want::Url => Err("params are missing"),
        };
    };
    let params = adapted(text, params, ask.want == Want::Form);
    let params = String::from_utf8_lossy(&params);
    if params.len() > ROUNDS_BYTES_MAX {
        return Err("the question is too long");
    }
    Ok(format!("{{\"method\":\"{method}\",\"params\":{params}}}"))
}

fn adapted(text: &[u8], params: Span, form: bool) -> Vec<u8> {
    const GONE: [&str; 2] = ["elicitationId", "task"];
    let mut edits = Edits::default();
    let (mut others, mut mode) = (false, false);
    for (key, value) in members(text, params) {
        others |= !GONE.iter().any(|name| string_is(text, key, name));
        mode |= string_is(text, key, "mode");
        if string_is(text, key, "_meta") {
            let mut goes = |key, _| {
                string_begins(text, key, HOP_LOCAL) || string_is(text, key, "progressToken")
            };
            for cut in runs(text, value, &mut goes).iter() {
                edits.cut(*cut);
            }
        }
    }
    if form && !mode {
        let front = Span {
            start: params.start + 1,
            end: params.start + 1,
        };
        let comma = if others { "," } else { "" };
        edits.replace(front, format!("\"mode\":\"form\"{comma}").into_bytes());
    }
    cut_params(text, Some(params), &GONE, &mut edits);
    edits.joined(text, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_written_as_the_revision_without_sessions_has_it() {
        for (params, form, expected) in [
            (
                r#"{"message":"m"}"#,
                true,
                r#"{"mode":"form","message":"m"}"#,
            ),
            (
                r#"{"mode":"form","n":1.0}"#,
                true,
                r#"{"mode":"form","n":1.0}"#,
            ),
            (r#"{}"#, true, r#"{"mode":"form"}"#),
            (
                r#"{"task":{},"elicitationId":"1"}"#,
                true,
                r#"{"mode":"form"}"#,
            ),
            (
                r#"{"elicitationId":"1","mode":"url","url":"http://x"}"#,
                false,
                r#"{"mode":"url","url":"http://x"}"#,
            ),
            (
                r#"{"_meta":{"progressToken":1,"v":2,"io.modelcontextprotocol/related-task":{}}, "messages":[]}"#,
                false,
                r#"{"_meta":{"v":2}, "messages":[]}"#,
            ),
        ] {
            let bytes = adapted(params.as_bytes(), Span::whole(params.as_bytes()), form);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{params}");
        }
    }
}
