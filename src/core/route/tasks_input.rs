//! What tasks ask. A question names its task (protocol S3, 2), so it is never guessed whom it is
//! for: the client with a session that made the task, the one that waits for the call behind it, or
//! whoever looks after the task with `tasks/get` and answers with `tasks/update`.

use crate::base::mark::Mark;
use crate::json::span::{Span, member, members, path, string, string_is};
use crate::json::write;
use crate::language::{At, ClientFacts, PoolKey};
use crate::limits::{TASK_QUESTION_BYTES_MAX, TASK_QUESTIONS_MAX};
use crate::mcp::tasks::RELATED;
use crate::mcp::version::Version;
use crate::route::asks::{Want, declared};
use crate::route::calls::Origin;
use crate::route::errors::{INTERNAL, INVALID_PARAMS};
use crate::route::held::HeldAsk;
use crate::route::splice::{Edits, member_with_comma};
use crate::route::tasks::{Question, Step, TaskKey, Whose};
use crate::route::{Desk, Hall};

impl Hall {
    /// Puts a question of a task to whom it is for; `false` if it names no task.
    pub(crate) fn asked_by_task(&mut self, desk: &mut Desk<'_, '_>, ask: &HeldAsk) -> bool {
        let text = &*ask.buffer;
        let params = ask.envelope.params;
        let named = params.and_then(|params| path(text, params, &["_meta", RELATED, "taskId"]));
        let Some(theirs) = named.and_then(|at| string(text, at)) else {
            return false;
        };
        let Some(key) = self.tasks.of_session(ask.pool, &theirs) else {
            Mark::TaskAskOfNobody.hit();
            let text = "nobody waits for this task";
            self.refuse_ask(desk, ask.pool, &ask.id, INVALID_PARAMS, text);
            return true;
        };
        match self.tasks.get(key).map(|task| task.whose) {
            Some(Whose::Session(client)) => {
                let at = self.awaited_at(key).unwrap_or(At::MAIN);
                self.relay(desk, ask, client, at);
            }
            Some(Whose::Driven(client, at)) => self.relay(desk, ask, client, at),
            Some(Whose::Stateless) => self.keep_question(desk, key, ask),
            None => {}
        }
        true
    }

    /// The stream of a request that waits for the result of a task.
    fn awaited_at(&self, key: TaskKey) -> Option<At> {
        let pool = self.tasks.get(key)?.pool;
        let calls = self.calls.of_pool(pool);
        calls.into_iter().find_map(|call| {
            let call = self.calls.get(call)?;
            match &call.origin {
                Origin::Task(about) if about.task == key => Some(about.caller.as_ref()?.at),
                _ => None,
            }
        })
    }

    /// Replaces the id of a task in a `_meta` by ours; the member goes if the client knows of no
    /// task.
    pub(crate) fn rename_related(
        &self,
        pool: PoolKey,
        text: &[u8],
        meta: Option<Span>,
        edits: &mut Edits,
    ) {
        let Some((meta, related)) = meta.and_then(|at| Some((at, member(text, at, RELATED)?)))
        else {
            return;
        };
        let id_at = member(text, related, "taskId");
        let key = id_at
            .and_then(|at| string(text, at))
            .and_then(|theirs| self.tasks.of_session(pool, &theirs));
        let task = key.and_then(|key| self.tasks.get(key));
        match (task, id_at) {
            (Some(task), Some(at)) if matches!(task.whose, Whose::Session(_)) => {
                edits.replace(at, write::string(&task.id).into_bytes());
            }
            _ => {
                if let Some(at) = member_with_comma(text, meta, RELATED) {
                    edits.cut(at);
                }
            }
        }
    }

    /// Keeps a question until a client without a session comes for it.
    fn keep_question(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey, ask: &HeldAsk) {
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        let facts = ClientFacts {
            version: Version::MODERN,
            capabilities: task.capabilities,
            initialized: false,
            level: None,
        };
        if let Err((code, why)) = declared(ask.want, facts) {
            Mark::TaskAskUndeclared.hit();
            return self.refuse_ask(desk, ask.pool, &ask.id, code, why);
        }
        let too_many = task.questions.len() >= TASK_QUESTIONS_MAX;
        if too_many || ask.envelope.whole.range().len() > TASK_QUESTION_BYTES_MAX {
            Mark::TaskQuestionsFull.hit();
            let text = "the task asks too much at once";
            return self.refuse_ask(desk, ask.pool, &ask.id, INTERNAL, text);
        }
        Mark::TaskAsks.hit();
        task.asked = task.asked.saturating_add(1);
        task.questions.push(Question {
            key: format!("q{}", task.asked),
            server_id: ask.id.clone(),
            request: request(&ask.buffer, ask),
        });
        self.tell_task(desk, key);
    }

    /// Asks a server for the result of a task, since it asks its questions only then.
    pub(crate) fn fetch_questions(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey) {
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut task.fetching, true) {
            self.ask_about(desk, key, Step::Questions, None);
        }
    }

    /// A task is over: what it asked is not wanted any more.
    pub(crate) fn no_more_questions(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey) {
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        task.fetching = false;
        let pool = task.pool;
        for question in std::mem::take(&mut task.questions) {
            self.refuse_ask(
                desk,
                pool,
                &question.server_id,
                INTERNAL,
                "the task is over",
            );
        }
    }

    /// A server does not want an answer to a question of a task any more.
    pub(crate) fn task_question_withdrawn(&mut self, pool: PoolKey, id: &[u8]) {
        let asks = |questions: &[Question]| questions.iter().any(|one| one.server_id.same(id));
        let found = self
            .tasks
            .of_pool(pool)
            .find(|(_, task)| asks(&task.questions))
            .map(|(key, _)| key);
        if let Some(task) = found.and_then(|key| self.tasks.get_mut(key)) {
            Mark::TaskAskWithdrawn.hit();
            task.questions
                .retain(|question| !question.server_id.same(id));
        }
    }
}

/// A question as it stands among `inputRequests`: what concerns only the hop that it comes from is
/// left out, and a form says that it is one.
fn request(text: &[u8], ask: &HeldAsk) -> String {
    let method = match ask.want {
        Want::Roots => "roots/list",
        Want::Sampling { .. } => "sampling/createMessage",
        Want::Form | Want::Url => "elicitation/create",
    };
    let mut request = format!("{{\"method\":\"{method}\",\"params\":{{");
    let mut comma = "";
    let mut mode = false;
    for (key, value) in members(text, ask.envelope.params.unwrap_or_default()) {
        let is = |name| string_is(text, key, name);
        mode |= is("mode");
        if is("_meta") || is("elicitationId") || is("task") {
            continue;
        }
        let raw = |at: Span| String::from_utf8_lossy(at.of(text)).into_owned();
        request.push_str(&format!("{comma}{}:{}", raw(key), raw(value)));
        comma = ",";
    }
    if ask.want == Want::Form && !mode {
        request.push_str(comma);
        request.push_str("\"mode\":\"form\"");
    }
    request.push_str("}}");
    request
}
