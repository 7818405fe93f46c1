//! Questions on their way to a client without a session: written as the revision without sessions
//! has them, gathered for a moment, and given in the answer to its call.

use crate::base::mark::Mark;
use crate::json::cuts::runs;
use crate::json::span::{Span, members, string_begins, string_is};
use crate::language::{ClientFacts, ClientKey, PoolKey};
use crate::limits::{
    ASKS_PER_CLIENT_MAX, GATHER_MS, RETRY_AGAIN_MS, SUSPENDED_BYTES_MAX, SUSPENDED_MS_MAX,
};
use crate::mcp::meta::HOP_LOCAL;
use crate::route::asks::Want;
use crate::route::calls::{CallKey, Method, Origin};
use crate::route::errors::{INTERNAL, INVALID_PARAMS};
use crate::route::held::HeldAsk;
use crate::route::retry::cut_params;
use crate::route::seal::State;
use crate::route::splice::Edits;
use crate::route::suspended::{Question, Stage, Suspended, SuspendedKey, Waiter};
use crate::route::tasks::Step;
use crate::route::{Desk, Hall};

impl Hall {
    /// A question for a client without a session.
    pub(crate) fn suspend_for(
        &mut self,
        desk: &mut Desk<'_, '_>,
        ask: &HeldAsk,
        client: ClientKey,
    ) {
        let call = self.clients.get(&client);
        let call = call.and_then(|client| client.calls.first().copied());
        let Some(call) = call.filter(|call| self.may_suspend(*call, ask.pool)) else {
            Mark::SuspendOutside.hit();
            let why = "no call is in flight there that could be answered with a question";
            return self.unattributable(desk, ask, why);
        };
        let begun = self.calls.get(call).and_then(|call| call.suspended);
        let facts = match begun.and_then(|key| self.suspended.get(key)) {
            Some(suspended) => Some(suspended.facts),
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
            None => self.suspend(ask.pool, call, (client, facts)),
        };
        let Some(key) = key else {
            Mark::SuspendFull.hit();
            let text = "too many calls wait for clients already";
            return self.refuse_ask(desk, ask.pool, &ask.id, INTERNAL, text);
        };
        self.add_question(desk, key, ask, request);
    }

    /// A question that several calls may have caused. Those of clients without a session that came
    /// by our stdin are all one person's, so one of them can be answered with it: whoever answers
    /// it, it is the server's request that gets the answer.
    pub(crate) fn hold_unless_one_person(&mut self, desk: &mut Desk<'_, '_>, ask: HeldAsk) {
        let calls = self.pools.get(&ask.pool).map(|pool| &pool.in_flight);
        let mut best = None;
        for key in calls.filter(|_| self.settings.stdio).into_iter().flatten() {
            let Some(client) = self.caller_of(*key).filter(|one| self.is_modern(*one)) else {
                return self.hold(desk, ask);
            };
            let call = self.calls.get(*key);
            if !call.is_some_and(|call| asks(&call.origin)) {
                continue;
            }
            // Who was asked already has probably no second question, who is away still less.
            let suspended = call.and_then(|call| self.suspended.get(call.suspended?));
            let rank = match suspended.map(|suspended| &suspended.stage) {
                None => 2,
                Some(Stage::Away { .. }) => 0,
                Some(_) => 1,
            };
            if best.is_none_or(|(other, _)| rank >= other) {
                best = Some((rank, client));
            }
        }
        match best {
            Some((_, client)) => {
                Mark::SuspendOnePerson.hit();
                self.suspend_for(desk, &ask, client);
            }
            None => self.hold(desk, ask),
        }
    }

    /// A call is asked about for the first time; `None` if there are too many of them.
    fn suspend(
        &mut self,
        pool: PoolKey,
        call_key: CallKey,
        (client, facts): (ClientKey, ClientFacts),
    ) -> Option<SuspendedKey> {
        let known = self.clients.get(&client)?;
        let bound = **known.bound.as_ref()?;
        if !self.admits_suspended(bound.principal) {
            return None;
        }
        let server = self.pools.get(&pool)?.server;
        let call = self.calls.get_mut(call_key)?;
        let caller = call.caller()?;
        let waiter = Waiter::of(caller);
        let key = self.suspended.insert(Suspended {
            call: call_key,
            pool,
            server,
            waiter,
            facts,
            others: Vec::new(),
            bound,
            questions: Vec::new(),
            stage: Stage::Running,
            spent: None,
        });
        call.suspended = Some(key);
        self.clients.get_mut(&client)?.suspended = Some(key);
        Some(key)
    }

    /// Whether a call may be answered with questions (D17) of the session that asks. A search for
    /// a resource may have been in that one before, and has another session's word by now.
    fn may_suspend(&mut self, call: CallKey, asks: PoolKey) -> bool {
        let call = self.calls.get_mut(call).filter(|call| call.pool == asks);
        let origin = call.map(|call| &mut call.origin);
        let (method, search) = match origin {
            Some(Origin::Client { method, search, .. }) => (method, search),
            // Its client waits for what it takes for a call.
            Some(Origin::Task(about)) => return matches!(about.step, Step::Drive),
            _ => return false,
        };
        let may = method_asks(*method);
        if may {
            // Whoever asks about a resource has it: nobody else is asked for it afterwards.
            *search = None;
        }
        may
    }

    fn add_question(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: SuspendedKey,
        ask: &HeldAsk,
        request: String,
    ) {
        let Some(suspended) = self.suspended.get_mut(key) else {
            return;
        };
        let waiting = suspended.questions.len();
        if waiting >= ASKS_PER_CLIENT_MAX {
            Mark::SuspendQuestionsFull.hit();
            let text = format!("{waiting} questions wait for this client already");
            return self.refuse_ask(desk, ask.pool, &ask.id, INTERNAL, &text);
        }
        Mark::SuspendAsked.hit();
        suspended.questions.push(Question {
            key: desk.cx.entropy.token(),
            server_id: ask.id.clone(),
            want: ask.want,
            request,
        });
        if let Stage::Running = suspended.stage {
            let until = desk.cx.now.tick.after(GATHER_MS);
            suspended.stage = Stage::Gathering { until };
            self.wake_for_suspended(desk);
        }
    }

    /// Questions were gathered: they are the answer to the call, for now.
    pub(super) fn ask_in_answer(&mut self, desk: &mut Desk<'_, '_>, key: SuspendedKey) {
        let block = desk.cx.entropy.block();
        let (Some(round), Some(suspended)) = (block.first_chunk(), self.suspended.get_mut(key))
        else {
            return;
        };
        let now = desk.cx.now.tick;
        suspended.stage = Stage::Away {
            round: *round,
            until: now.after(SUSPENDED_MS_MAX),
        };
        if let Some(spent) = &mut suspended.spent {
            spent.until = Some(now.after(RETRY_AGAIN_MS));
        }
        let mut waiters = std::mem::take(&mut suspended.others);
        waiters.push(suspended.waiter.clone());
        for waiter in waiters {
            self.give_questions(desk, key, &waiter);
        }
    }

    /// Answers one request with all questions of the round.
    pub(super) fn give_questions(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: SuspendedKey,
        to: &Waiter,
    ) {
        let Some(suspended) = self.suspended.get(key) else {
            return;
        };
        let Stage::Away { round, until } = suspended.stage else {
            return;
        };
        let mut requests = String::new();
        for question in &suspended.questions {
            let comma = if requests.is_empty() { "" } else { "," };
            requests += comma;
            requests += &format!("\"{}\":{}", question.key, question.request);
        }
        let state = State::Suspended {
            suspended: key,
            round,
        };
        let sealed = self.seal.seal(suspended.bound, until, &state);
        let result = self
            .stamp
            .input_required(&requests, &sealed.unwrap_or_default());
        desk.succeed(to.client, to.at, &to.id, &result);
    }

    /// A server does not want an answer to a question of its call any more.
    pub(crate) fn question_withdrawn(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey, id: &[u8]) {
        let theirs = |suspended: &&mut Suspended| {
            let mut questions = suspended.questions.iter();
            suspended.pool == pool && questions.any(|question| question.server_id.same(id))
        };
        let keys: Vec<SuspendedKey> = self.suspended.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(suspended) = self.suspended.get_mut(key).filter(theirs) else {
                continue;
            };
            Mark::SuspendWithdrawn.hit();
            suspended
                .questions
                .retain(|question| !question.server_id.same(id));
            if let (Stage::Gathering { .. }, true) =
                (&suspended.stage, suspended.questions.is_empty())
            {
                suspended.stage = Stage::Running;
            }
            return self.wake_for_suspended(desk);
        }
    }

    /// A session ended, and another one took its place, in which a call goes on that the first had
    /// not begun: an answer to what was asked in the first would be one to nothing in the second,
    /// or to another question of the same number.
    pub(crate) fn forget_questions(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let theirs = self.suspended.iter();
        let theirs = theirs.filter(|(_, one)| one.pool == pool && !one.questions.is_empty());
        for key in theirs.map(|(key, _)| key).collect::<Vec<_>>() {
            let Some(suspended) = self.suspended.get_mut(key) else {
                continue;
            };
            Mark::SuspendWithdrawn.hit();
            suspended.questions.clear();
            if let Stage::Gathering { .. } = suspended.stage {
                suspended.stage = Stage::Running;
            }
        }
        self.wake_for_suspended(desk);
    }
}

const fn method_asks(method: Method) -> bool {
    matches!(method, Method::Tool | Method::Prompt | Method::Read)
}

const fn asks(origin: &Origin) -> bool {
    matches!(origin, Origin::Client { method, .. } if method_asks(*method))
}

/// A question as it stands in `inputRequests`. What belongs to the session it comes from is cut
/// out.
fn request(ask: &HeldAsk) -> Result<String, &'static str> {
    let text = ask.buffer.as_slice();
    let method = ask.want.method();
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
    if params.len() > SUSPENDED_BYTES_MAX {
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
            edits.cut_all(&runs(text, value, &mut goes));
        }
    }
    if form && !mode {
        let comma = if others { "," } else { "" };
        edits.insert(
            params.start + 1,
            format!("\"mode\":\"form\"{comma}").into_bytes(),
        );
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
