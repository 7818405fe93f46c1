//! What a task of a server without sessions asks, put to the client that waits for its result: it
//! is asked as by any server of its era, and each answer goes back with `tasks/update`.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::json::envelope::{Envelope, Kind as Message};
use crate::json::span::{Span, member, string};
use crate::json::write;
use crate::language::PoolKey;
use crate::limits::TASK_QUESTIONS_MAX;
use crate::route::asks::{AskKey, Asker, Want};
use crate::route::calls::{CallKey, Caller, Method, Origin, to_wire};
use crate::route::errors::Failure;
use crate::route::from_modern::Told;
use crate::route::round_asks::questions;
use crate::route::tasks::{Step, TaskKey};
use crate::route::{Desk, Hall};

impl Hall {
    /// Puts those questions of a task to its client that it was not asked yet.
    pub(crate) fn put_questions(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, key): (PoolKey, TaskKey),
        caller: &Caller,
        (result, frame): (Span, &Frame),
    ) -> Result<(), Failure> {
        Mark::PolledTaskAsks.hit();
        let text = frame.bytes();
        let name = self.pool_name(pool);
        let wrong = |what: &str| Failure::about(&name, format!("server {name} told of {what}"));
        let told = Told::read(Method::Tool, text, result);
        let told = told.ok_or_else(|| wrong("a task in a way that cannot be read"))?;
        let asked = questions(text, &told).map_err(wrong)?;
        let fixed = self
            .tasks
            .get(key)
            .and_then(|task| self.server(task.server));
        let fixed = fixed.and_then(|server| server.entry.roots.clone());
        for one in asked {
            let Some(task) = self.tasks.get_mut(key) else {
                return Ok(());
            };
            let raw = one.key.of(text);
            if task.put.iter().any(|put| **put == *raw) {
                continue;
            }
            if task.put.len() >= TASK_QUESTIONS_MAX {
                return Err(wrong("a task that asks one question after the other"));
            }
            task.put.push(Box::from(raw));
            if let Some(roots) = fixed.as_deref().filter(|_| one.want == Want::Roots) {
                let roots = format!("{{\"roots\":{roots}}}");
                self.update_task_with(desk, key, raw, roots.as_bytes());
                continue;
            }
            let asker = Asker::Task(key, Box::from(raw));
            let whom = (pool, caller.client, caller.at);
            self.ask_for_round(desk, asker, whom, &one, frame.shared())?;
        }
        Ok(())
    }

    /// `tasks/update`, with one answer.
    fn update_task_with(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: TaskKey,
        name: &[u8],
        answer: &[u8],
    ) {
        let Some(task) = self.tasks.get(key) else {
            return;
        };
        let theirs = write::string(&task.theirs);
        let (name, answer) = (
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(answer),
        );
        let members = format!("\"taskId\":{theirs},\"inputResponses\":{{{name}:{answer}}}");
        let params = self.described_for_tasks(&members);
        let (step, method) = (Step::Answer, Step::Answer.method());
        let Some(call) = self.begin_about(desk, key, step, None) else {
            return;
        };
        let id = to_wire(call);
        let message = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}"
        );
        self.send_about(desk, call, &[Part::from(message.as_str())]);
    }

    /// The client answered a question of a task.
    pub(crate) fn task_response(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (key, name): (TaskKey, &[u8]),
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let outcome = envelope.outcome.unwrap_or_default();
        if envelope.kind == Message::Result && outcome.of(text).starts_with(b"{") {
            return self.update_task_with(desk, key, name, outcome.of(text));
        }
        let said = member(text, outcome, "message").and_then(|at| string(text, at));
        let said = said.unwrap_or_default();
        let why = format!("the client did not answer a question of its task: {said}");
        self.give_up_driven(desk, key, &why);
    }

    /// A task will not get an answer: the call behind it ends, with a result, since results are
    /// what a model gets to see (protocol 3.4).
    pub(crate) fn give_up_driven(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey, why: &str) {
        let Some(task) = self.tasks.get(key) else {
            return;
        };
        let waits = |call: &CallKey| {
            let call = self.calls.get(*call);
            call.is_some_and(|call| match &call.origin {
                Origin::Task(about) => about.task == key && about.caller.is_some(),
                _ => false,
            })
        };
        let calls = self.calls.of_pool(task.pool);
        let calls: Vec<CallKey> = calls.into_iter().filter(waits).collect();
        for call in calls {
            let call = self.end_call(desk, call);
            if let Some(caller) = call.as_ref().and_then(|call| call.caller()) {
                tool_failed(desk, caller, why);
            }
        }
        self.forget_task(desk, key);
    }

    /// A task is over: its client need not answer any more.
    pub(crate) fn withdraw_questions(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey) {
        let asks = self.asks.iter().filter(|(_, ask)| match &ask.asker {
            Asker::Task(of, _) => *of == key,
            _ => false,
        });
        for ask in asks.map(|(ask, _)| ask).collect::<Vec<AskKey>>() {
            self.cancel_ask(desk, ask);
        }
    }
}

/// A tool that failed, as its caller reads it.
pub(crate) fn tool_failed(desk: &mut Desk<'_, '_>, caller: &Caller, why: &str) {
    desk.tool_failed(caller, why);
}
