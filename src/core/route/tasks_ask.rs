//! What clients ask about their tasks: `tasks/get`, `tasks/result`, `tasks/list` and `tasks/cancel`
//! in a session (2025-11-25), `tasks/get`, `tasks/update` and `tasks/cancel` without one. A client
//! reaches its own tasks only; any other id is unknown to it.

use crate::base::mark::Mark;
use crate::base::short::ShortBytes;
use crate::json::span::{Span, members, string};
use crate::json::write;
use crate::language::ClientKey;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::tasks::Status;
use crate::mcp::version::Version;
use crate::route::calls::{Method, to_wire};
use crate::route::errors::Failure;
use crate::route::outgoing::put_description;
use crate::route::router::Incoming;
use crate::route::sight::Seen;
use crate::route::tasks::{Manner, Step, Task, TaskKey, Whose};
use crate::route::tasks_call::extension_required;
use crate::route::{Desk, Hall};

impl Hall {
    /// One of the `tasks/` methods.
    pub(crate) fn task_request(
        &mut self,
        desk: &mut Desk<'_, '_>,
        incoming: Incoming<'_>,
        method: &str,
    ) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let done = match self.may_name_tasks(desk, client, method) {
            Ok(Whose::Stateless) => self.modern_task_request(desk, incoming, method),
            Ok(_) => self.legacy_task_request(desk, incoming, method),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = done {
            desk.fail(client, at, &id, &failure);
        }
    }

    /// Whose tasks a client may name, if it may name any (A3, D14).
    fn may_name_tasks(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        method: &str,
    ) -> Result<Whose, Failure> {
        let Some(facts) = desk.clients.facts(client) else {
            return Err(Failure::method(method));
        };
        // What was advertised once is answered also if its server has none any more.
        let any = |offered: ServerCapabilities| offered.tasks || offered.tasks_extension;
        let served = if facts.version.is_modern() {
            self.offers(desk, client, any) || self.tasks.any_of(self.grant(client))
        } else {
            let known = self.clients.get(&client);
            known.is_some_and(|known| known.advertised.tasks) || self.bridges_tasks(desk, client)
        };
        if !served {
            return Err(Failure::method(method));
        }
        if facts.version.is_modern() {
            return if facts.capabilities.tasks {
                Ok(Whose::Stateless)
            } else {
                Err(extension_required())
            };
        }
        if facts.version == Version::V2025_11_25 && method != "tasks/update" {
            Ok(Whose::Session(client))
        } else {
            Err(Failure::method(method))
        }
    }

    /// The task that a request is about.
    fn task_named(
        &self,
        incoming: &Incoming<'_>,
        whose: Whose,
    ) -> Result<(TaskKey, Span), Failure> {
        let [at] = incoming.params(["taskId"])?;
        let id = incoming.text_of(at, "taskId")?;
        let found = self.tasks.find(&id, whose, self.grant(incoming.client));
        let server = found.and_then(|key| self.tasks.get(key));
        let seen = match server.map(|task| task.server) {
            Some(server) => self.permit(incoming.client, server)?,
            None => Seen::Yes,
        };
        match found.zip(at) {
            Some(found) if seen == Seen::Yes => Ok(found),
            _ => {
                Mark::TaskUnknown.hit();
                let text = "unknown task: it has expired, or never was";
                Err(Failure::params(text))
            }
        }
    }

    fn legacy_task_request(
        &mut self,
        desk: &mut Desk<'_, '_>,
        incoming: Incoming<'_>,
        method: &str,
    ) -> Result<(), Failure> {
        let whose = Whose::Session(incoming.client);
        if method == "tasks/list" {
            return self.list_tasks(desk, &incoming);
        }
        let (key, at) = self.task_named(&incoming, whose)?;
        self.concern_task(desk, &incoming, key);
        let lost = self.tasks.get(key).filter(|task| task.lost);
        if let Some(task) = lost {
            let result = match method {
                "tasks/get" => task.told.legacy(&task.id),
                "tasks/result" => return Err(self.loss(task)),
                _ => return Err(Failure::params("the task has already ended")),
            };
            desk.succeed(incoming.client, incoming.at, &incoming.id, &result);
            return Ok(());
        }
        let step = if method == "tasks/result" {
            Step::Result
        } else {
            Step::Pass
        };
        self.pass_about(desk, incoming, (key, at), step)
    }

    fn concern_task(&self, desk: &mut Desk<'_, '_>, incoming: &Incoming<'_>, key: TaskKey) {
        if let Some(task) = self.tasks.get(key) {
            let caller = (incoming.client, incoming.at);
            self.concern(desk, caller, task.server, None);
        }
    }

    /// Passes a request about a task on as it came, under the names that its server knows.
    fn pass_about(
        &mut self,
        desk: &mut Desk<'_, '_>,
        incoming: Incoming<'_>,
        (key, at): (TaskKey, Span),
        step: Step,
    ) -> Result<(), Failure> {
        let [] = incoming.params([])?;
        let request = incoming.into_request(Method::Task(Manner::Offer))?;
        let Some(task) = self.tasks.get(key) else {
            return Ok(());
        };
        let mut edits = request.edits;
        if task.stateless {
            let (text, meta) = (&request.buffer, request.envelope.meta);
            let (caller, method) = (&request.caller, request.method);
            let said = self.description(desk, task.server, caller, method, (text, meta));
            put_description(text, &request.envelope, &said, &mut edits);
        }
        edits.replace(at, write::string(&task.theirs).into_bytes());
        let Some(call) = self.begin_about(desk, key, step, Some(request.caller)) else {
            return Ok(());
        };
        let wire = ShortBytes::decimal(to_wire(call));
        let ids = [request.token_at, request.envelope.id];
        for at in ids.into_iter().flatten() {
            edits.replace(at, wire.clone());
        }
        let message = edits.parts(&request.buffer, request.envelope.whole);
        self.send_about(desk, call, &message);
        Ok(())
    }

    /// `tasks/list`: a server would tell of the tasks of all our clients, so this is answered from
    /// what was last told of this client's.
    fn list_tasks(&self, desk: &mut Desk<'_, '_>, incoming: &Incoming<'_>) -> Result<(), Failure> {
        let [cursor] = incoming.params(["cursor"])?;
        if let Some(at) = cursor
            && !incoming.text_of(Some(at), "cursor")?.is_empty()
        {
            return Err(Failure::params(
                "unknown cursor: begin the list again without one",
            ));
        }
        let whose = Whose::Session(incoming.client);
        let mut result = "{\"tasks\":[".to_owned();
        let client = incoming.client;
        let theirs = |task: &Task| task.whose == whose && !self.hides(client, task.server);
        for (_, task) in self.tasks.iter().filter(|(_, task)| theirs(task)) {
            if !result.ends_with('[') {
                result.push(',');
            }
            result.push_str(&task.told.legacy(&task.id));
        }
        result.push_str("]}");
        desk.succeed(incoming.client, incoming.at, &incoming.id, &result);
        Ok(())
    }

    fn modern_task_request(
        &mut self,
        desk: &mut Desk<'_, '_>,
        incoming: Incoming<'_>,
        method: &str,
    ) -> Result<(), Failure> {
        let (key, named_at) = self.task_named(&incoming, Whose::Stateless)?;
        self.concern_task(desk, &incoming, key);
        if self
            .tasks
            .get(key)
            .is_some_and(|task| task.stateless && !task.lost)
        {
            return self.pass_about(desk, incoming, (key, named_at), Step::Pass);
        }
        if method == "tasks/update" {
            self.answer_questions(desk, &incoming, key)?;
        }
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let over = |task: &Task| task.lost || task.told.status == Status::Cancelled;
        let lost = self.tasks.get(key).is_some_and(|task| task.lost);
        let over = self.tasks.get(key).is_some_and(over);
        match method {
            "tasks/get" if lost => self.show_loss(desk, key, (client, at), &id),
            "tasks/get" => {
                let request = incoming.into_request(Method::Task(Manner::Show))?;
                self.ask_about(desk, key, Step::Look, Some(request.caller));
            }
            "tasks/cancel" if !over => {
                let request = incoming.into_request(Method::Task(Manner::Show))?;
                self.ask_about(desk, key, Step::Cancel, Some(request.caller));
            }
            _ => self.acknowledge_task(desk, (client, at), &id),
        }
        Ok(())
    }

    /// `tasks/update`: answers to what a task asked. Those that it did not ask for, or has already,
    /// are ignored.
    fn answer_questions(
        &mut self,
        desk: &mut Desk<'_, '_>,
        incoming: &Incoming<'_>,
        key: TaskKey,
    ) -> Result<(), Failure> {
        let text = incoming.text();
        let [responses] = incoming.params(["inputResponses"])?;
        let responses = responses
            .filter(|at| at.of(text).starts_with(b"{"))
            .ok_or_else(|| Failure::params("params.inputResponses is missing or no object"))?;
        let Some(task) = self.tasks.get_mut(key) else {
            return Ok(());
        };
        let asked = |task: &Task, name: Span| {
            let name = string(text, name)?;
            task.questions
                .iter()
                .position(|question| question.key == *name)
        };
        for (name, value) in members(text, responses) {
            if asked(task, name).is_some() && !value.of(text).starts_with(b"{") {
                return Err(Failure::params("an answer in inputResponses is no object"));
            }
        }
        for (name, value) in members(text, responses) {
            let Some(place) = asked(task, name) else {
                Mark::TaskAnswerUnasked.hit();
                continue;
            };
            let question = task.questions.remove(place);
            let message = write::result(question.server_id.raw(), value.of(text));
            // A session that is down has forgotten its question.
            let _ = desk
                .backends
                .send(desk.cx, task.pool, &[message.as_slice().into()]);
        }
        Ok(())
    }
}
