//! What servers answer about tasks, on its way to whoever asked: in the words of 2025-11-25 as it
//! came, but for the ids; without a session as that revision tells it (protocol 3.5).

use crate::base::frame::Frame;
use crate::base::outbox::Part;
use crate::json::envelope::{Envelope, JsonId, Kind as Message};
use crate::json::span::member;
use crate::json::write;
use crate::language::{At, ClientKey, PoolKey};
use crate::mcp::tasks::{Status, Told};
use crate::route::calls::{Caller, Method};
use crate::route::errors::Failure;
use crate::route::from_modern::Told as ResultTold;
use crate::route::outcome::answer;
use crate::route::splice::{Edits, Parts};
use crate::route::tasks::{Step, Task, TaskCall, TaskKey};
use crate::route::{Desk, Hall};
use crate::tally::End;

/// How a task ended: a member of what is told of it, in pieces.
struct Ending<'a> {
    name: &'static str,
    value: Parts<'a>,
}

impl Hall {
    /// A server answered a request about a task.
    pub(crate) fn told_of_task(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        about: TaskCall,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let TaskCall { caller, task, step } = about;
        let failed = envelope.kind == Message::Error;
        match (step, caller) {
            (Step::Pass, Some(caller)) => {
                self.pass_told(desk, (pool, task), &caller, envelope, frame);
            }
            (Step::Result, Some(caller)) if failed => {
                self.pass_error(desk, &caller, (Method::Tool, None), pool, envelope, frame);
            }
            (Step::Result, Some(caller)) => {
                let mut edits = Edits::default();
                if let Some(result) = envelope.outcome {
                    let meta = member(frame.bytes(), result, "_meta");
                    self.rename_related(pool, frame.bytes(), meta, &mut edits);
                }
                answer(desk, &caller, edits, envelope, frame);
            }
            (Step::Drive, Some(caller)) => {
                self.remove_task(desk, task);
                let what = (Method::Tool, None);
                if failed {
                    self.pass_error(desk, &caller, what, pool, envelope, frame);
                } else {
                    self.pass_result(desk, &caller, what, (pool, None), envelope, frame);
                }
            }
            (Step::Poll, Some(caller)) => self.polled(desk, (pool, task), caller, envelope, frame),
            (Step::Look, caller) => self.looked(desk, pool, task, caller, envelope, frame),
            (Step::Fetch(told), caller) => {
                self.fetched(desk, task, caller.as_ref(), told, envelope, frame);
            }
            (Step::Cancel, Some(caller)) => {
                self.note_told(task, envelope, frame);
                self.acknowledge_task(desk, (caller.client, caller.at), &caller.id);
            }
            (Step::Questions, _) => self.no_more_questions(desk, task),
            (Step::Pass | Step::Result | Step::Drive | Step::Poll | Step::Cancel, None)
            | (Step::Forget | Step::Answer | Step::Rest, _) => {}
        }
    }

    /// Keeps what a server tells of a task; `None` if it told of none.
    pub(crate) fn note_told(
        &mut self,
        key: TaskKey,
        envelope: &Envelope,
        frame: &Frame,
    ) -> Option<Told> {
        let result = envelope
            .outcome
            .filter(|_| envelope.kind == Message::Result)?;
        let (_, told) = Told::read(frame.bytes(), result)?;
        self.update_task(key, told.clone());
        Some(told)
    }

    /// Keeps what was told last. How long it is kept was settled when it began.
    pub(crate) fn update_task(&mut self, key: TaskKey, mut told: Told) {
        if let Some(task) = self.tasks.get_mut(key) {
            told.ttl_ms = task.told.ttl_ms;
            task.told = told;
        }
    }

    /// `tasks/get` and `tasks/cancel` of 2025-11-25.
    fn pass_told(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, key): (PoolKey, TaskKey),
        caller: &Caller,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        if envelope.kind == Message::Error {
            return self.pass_error(desk, caller, (Method::Tool, None), pool, envelope, frame);
        }
        self.note_told(key, envelope, frame);
        let mut edits = Edits::default();
        if let Some(result) = envelope.outcome {
            self.rename_task(key, frame.bytes(), result, &mut edits);
            if self.is_modern(caller.client) {
                let method = Method::Complete;
                let Some(told) = ResultTold::read(method, frame.bytes(), result) else {
                    let name = self.pool_name(pool);
                    let text = format!("server {name} answered with a result that is no object");
                    let failure = Failure::about(&name, text).ending(End::Error);
                    return desk.fail(caller.client, caller.at, &caller.id, &failure);
                };
                told.for_stateless(&self.stamp, method, frame.bytes(), result, &mut edits);
            }
        }
        answer(desk, caller, edits, envelope, frame);
    }

    /// A server told how far a task is, for a client without a session or for those who listen.
    fn looked(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        key: TaskKey,
        caller: Option<Caller>,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        if let Some(caller) = &caller
            && envelope.kind == Message::Error
        {
            return self.pass_error(desk, caller, (Method::Tool, None), pool, envelope, frame);
        }
        let Some(told) = self.note_told(key, envelope, frame) else {
            let text = format!("server {} told of no task", self.pool_name(pool));
            let failure = Failure::about(&self.pool_name(pool), text).ending(End::Error);
            let step = Step::Look;
            let about = TaskCall {
                caller,
                task: key,
                step,
            };
            return self.task_not_told(desk, about, &failure);
        };
        match told.status {
            Status::Completed | Status::Failed => {
                self.ask_about(desk, key, Step::Fetch(told), caller);
            }
            Status::Working | Status::InputRequired | Status::Cancelled => {
                if told.status == Status::InputRequired {
                    self.fetch_questions(desk, key);
                }
                self.show(desk, key, caller.as_ref(), None);
            }
        }
    }

    /// The outcome of a task that is over: a result, be it one of a failure, completes it.
    fn fetched(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: TaskKey,
        caller: Option<&Caller>,
        mut told: Told,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let (text, Some(outcome)) = (frame.bytes(), envelope.outcome) else {
            return;
        };
        let mut edits = Edits::default();
        let stamped = self.stamp.result(text, outcome, false, &mut edits);
        let is_result = envelope.kind == Message::Result && stamped.is_ok();
        told.status = if is_result {
            Status::Completed
        } else {
            edits = Edits::default();
            Status::Failed
        };
        self.update_task(key, told);
        let client = caller.map(|caller| caller.client);
        let instead = client
            .filter(|_| !is_result)
            .and_then(|client| self.translated(desk, client, None, envelope, frame));
        let instead = instead.map(|failure| failure.render());
        let value = match &instead {
            Some(error) => {
                let mut value = Parts::default();
                value.push(Part::from(error.as_str()));
                value
            }
            None => edits.parts(frame.shared(), outcome),
        };
        let name = if is_result { "result" } else { "error" };
        self.show(desk, key, caller, Some(Ending { name, value }));
    }

    /// Tells a task to the client that asked, or to all that listen to it.
    fn show(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: TaskKey,
        caller: Option<&Caller>,
        ending: Option<Ending<'_>>,
    ) {
        let Some(task) = self.tasks.get(key) else {
            return;
        };
        let mut tail = members_of(task);
        let mut value = Parts::default();
        if let Some(ending) = ending {
            tail.push_str(&format!(",\"{}\":", ending.name));
            value = ending.value;
        }
        let Some(caller) = caller else {
            return self.tell_listeners(desk, key, &tail, &value);
        };
        let head = format!(",\"result\":{{{},", self.stamp.members(false));
        let mut parts = vec![
            Part::from("{\"jsonrpc\":\"2.0\",\"id\":"),
            Part::Copy(caller.id.raw()),
            Part::from(head.as_str()),
            Part::from(tail.as_str()),
        ];
        parts.extend(value.iter().cloned());
        parts.push(Part::from("}}"));
        desk.clients
            .answer(desk.cx, caller.client, caller.at, End::Ok, &parts);
    }

    /// Tells that a task ended with its session.
    pub(crate) fn show_loss(
        &self,
        desk: &mut Desk<'_, '_>,
        key: TaskKey,
        (client, at): (ClientKey, At),
        id: &JsonId,
    ) {
        let Some(task) = self.tasks.get(key) else {
            return;
        };
        let result = format!(
            "{{{},{},\"error\":{}}}",
            self.stamp.members(false),
            members_of(task),
            self.loss(task).render()
        );
        desk.succeed(client, at, id, &result);
    }

    /// Why a lost task has no result.
    pub(crate) fn loss(&self, task: &Task) -> Failure {
        let name = self.server_name(task.server);
        let text = task.told.message.clone().unwrap_or_default();
        Failure::about(name, text)
    }

    /// `tasks/update` and `tasks/cancel` without a session are answered with nothing.
    pub(crate) fn acknowledge_task(
        &self,
        desk: &mut Desk<'_, '_>,
        (client, at): (ClientKey, At),
        id: &JsonId,
    ) {
        let result = format!("{{{}}}", self.stamp.members(false));
        desk.succeed(client, at, id, &result);
    }

    /// A server will not tell what it was asked about a task.
    pub(crate) fn task_not_told(
        &mut self,
        desk: &mut Desk<'_, '_>,
        about: TaskCall,
        failure: &Failure,
    ) {
        match about.step {
            Step::Drive | Step::Poll | Step::Rest => {
                self.remove_task(desk, about.task);
            }
            Step::Questions => {
                if let Some(task) = self.tasks.get_mut(about.task) {
                    task.fetching = false;
                }
            }
            Step::Look | Step::Fetch(_) if about.caller.is_none() => {
                if let Some(task) = self.tasks.get_mut(about.task) {
                    task.looking = false;
                }
            }
            Step::Answer
            | Step::Pass
            | Step::Result
            | Step::Look
            | Step::Fetch(_)
            | Step::Cancel
            | Step::Forget => {}
        }
        if let Some(caller) = about.caller {
            desk.fail(caller.client, caller.at, &caller.id, failure);
        }
    }
}

impl Failure {
    /// The same as an error object (raw JSON).
    pub(crate) fn render(&self) -> String {
        let mut error = format!(
            "{{\"code\":{},\"message\":{}",
            self.code,
            write::string(&self.message)
        );
        if let Some(data) = &self.data {
            error.push_str(",\"data\":");
            error.push_str(data);
        }
        error.push('}');
        error
    }
}

/// The members of a task for clients without a session, with what it asks. What it asks is there
/// only once its server has put it: until then it is told as working.
pub(crate) fn members_of(task: &Task) -> String {
    let mut told = task.told.clone();
    if told.status.is_over() {
        return told.modern(&task.id);
    }
    if task.questions.is_empty() {
        told.status = Status::Working;
        return told.modern(&task.id);
    }
    told.status = Status::InputRequired;
    let mut members = told.modern(&task.id);
    members.push_str(",\"inputRequests\":{");
    for (index, question) in task.questions.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        members.push_str(&format!("{comma}\"{}\":{}", question.key, question.request));
    }
    members.push('}');
    members
}
