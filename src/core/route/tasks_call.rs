//! Calls that become tasks: whether a call of a tool is made one, and what its client gets when the
//! server answers with a handle. Also every request to a server about a task it works on.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::json::envelope::{Envelope, Kind as Message};
use crate::json::span::{Span, member};
use crate::json::write;
use crate::language::{ClientKey, PoolKey};
use crate::limits::{CALL_MS_MAX, TASK_ASKED_MS};
use crate::mcp::modern::MISSING_CAPABILITY;
use crate::mcp::tasks::{REQUIRED, Support, Told};
use crate::mcp::version::Version;
use crate::route::calls::{CallKey, Caller, Method, Origin, to_wire};
use crate::route::directory::Target;
use crate::route::errors::{Failure, INTERNAL};
use crate::route::forward::Request;
use crate::route::from_modern::{ResultType, Told as ResultTold};
use crate::route::outcome::answer;
use crate::route::router::TASK;
use crate::route::servers::Server;
use crate::route::splice::Edits;
use crate::route::tasks::{Full, Manner, Step, Task, TaskCall, TaskKey, Whose};
use crate::route::{Desk, Hall, ServerKey};

impl Full {
    pub(crate) fn failure(self) -> Failure {
        let text = format!(
            "{} tasks are known already: try again when some are over",
            self.0
        );
        Failure::new(INTERNAL, text)
    }
}

/// What stands in the parameters of a call for its being a task: what the client wrote at `task`,
/// what we write, or nothing.
pub(crate) fn put_task(request: &mut Request, task: Option<Span>) {
    let Some(params) = request.envelope.params else {
        return;
    };
    let ours = || format!("{{\"ttl\":{TASK_ASKED_MS}}}");
    match (request.method.manner(), task) {
        (Some(Manner::Pass), _) | (Some(Manner::Offer) | None, None) => {}
        (Some(Manner::Show | Manner::Drive), Some(task)) => {
            request.edits.replace(task, ours().into_bytes());
        }
        (Some(Manner::Show | Manner::Drive), None) => {
            // Behind the brace: at least the tool's name follows.
            let front = Span {
                start: params.start + 1,
                end: params.start + 1,
            };
            let member = format!("\"{TASK}\":{},", ours());
            request.edits.replace(front, member.into_bytes());
        }
        // Nobody could fetch what becomes of it (protocol 3.5): the call runs as if it had not been
        // asked for.
        (Some(Manner::Offer) | None, Some(_)) => request.cut_params(&[TASK]),
    }
}

impl Hall {
    /// Whether a server works on tasks, as far as anybody knows.
    pub(crate) fn has_task_support(
        &self,
        desk: &Desk<'_, '_>,
        server: &Server,
        client: Option<ClientKey>,
    ) -> bool {
        self.capabilities_of(desk, server, client).tasks
    }

    /// Whether a client of 2025-11-25 is shown tasks: some server has what it may ask for.
    pub(crate) fn bridges_tasks(&self, desk: &Desk<'_, '_>, client: ClientKey) -> bool {
        let mut servers = self.visible(client);
        servers.any(|(_, server)| self.has_task_support(desk, server, Some(client)))
    }

    /// All tools that may or must be called as tasks.
    pub(crate) fn task_tools(&self) -> Vec<(ServerKey, std::rc::Rc<str>, Support)> {
        let mut found = Vec::new();
        for key in &self.order {
            let list = self
                .server(*key)
                .and_then(|server| self.known_list(server, super::catalog::Kind::Tools));
            let entries = list.map(super::catalog::List::entries);
            for entry in entries.unwrap_or_default() {
                if let Some(support) = entry.task_support() {
                    found.push((*key, std::rc::Rc::clone(&entry.key), support));
                }
            }
        }
        found
    }

    /// Whether a call of a tool is made a task, and how; `asked` if its client wrote `task`.
    pub(crate) fn manner(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        target: &Target,
        asked: bool,
    ) -> Result<Option<Manner>, Failure> {
        let support = self.directory.task_support(target.server, &target.original);
        let modern = self.is_modern(client);
        // Who has no session is given a task where it can take one, asked for or not.
        let takes = modern
            && desk
                .clients
                .facts(client)
                .is_some_and(|facts| facts.capabilities.tasks);
        if support.is_none() && !asked && !takes {
            return Ok(None);
        }
        let (Some(facts), Some(server)) = (desk.clients.facts(client), self.server(target.server))
        else {
            return Ok(None);
        };
        let offered = self.capabilities_of(desk, server, Some(client));
        if takes && offered.tasks_extension {
            let room = self.tasks.room(Whose::Stateless, self.grant(client));
            return Ok(room.ok().map(|()| Manner::Offer));
        }
        if !offered.tasks {
            return Ok(None);
        }
        let (manner, whose) = match support {
            _ if facts.version == Version::V2025_11_25 && asked => {
                (Manner::Pass, Whose::Session(client))
            }
            Some(_) if takes => (Manner::Show, Whose::Stateless),
            Some(Support::Required) => (
                Manner::Drive,
                Whose::Driven(client, crate::language::At::MAIN),
            ),
            Some(Support::Optional) | None => return Ok(None),
        };
        match self.tasks.room(whose, self.grant(client)) {
            Ok(()) => Ok(Some(manner)),
            // It need not be one.
            Err(_) if manner == Manner::Show && support != Some(Support::Required) => Ok(None),
            Err(full) => Err(full.failure()),
        }
    }

    /// A server answered a call that was to become a task: with a handle, or at once.
    pub(crate) fn task_answered(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, server, result): (PoolKey, ServerKey, Option<&ResultTold>),
        (call, mut caller): (CallKey, Caller),
        manner: Manner,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let what = (Method::Tool, None);
        if envelope.kind == Message::Error {
            return self.pass_error(desk, &caller, what, pool, envelope, frame);
        }
        let Some((at, (theirs, told))) = handle(text, envelope, result) else {
            let from = (pool, result);
            return self.pass_result(desk, &caller, what, from, envelope, frame);
        };
        let whose = match manner {
            Manner::Pass => Whose::Session(caller.client),
            Manner::Show => Whose::Stateless,
            Manner::Offer if self.is_modern(caller.client) => Whose::Stateless,
            Manner::Drive | Manner::Offer => Whose::Driven(caller.client, caller.at),
        };
        let facts = desk.clients.facts(caller.client);
        let task = Task {
            token: caller.token.take().map(|token| (to_wire(call), token)),
            progress: caller.progress,
            capabilities: facts.map(|facts| facts.capabilities).unwrap_or_default(),
            stateless: result.is_some(),
            grant: self.grant(caller.client),
            ..Task::new(desk.cx.now.tick, whose, (pool, server), (theirs, told))
        };
        let key = match self.add_task(desk, task) {
            Ok(key) => key,
            Err(full) => {
                return desk.fail(caller.client, caller.at, &caller.id, &full.failure());
            }
        };
        match manner {
            Manner::Offer if matches!(whose, Whose::Driven(..)) => {
                Mark::TaskDriven.hit();
                self.rest(desk, key, caller);
            }
            Manner::Drive => {
                Mark::TaskDriven.hit();
                self.ask_about(desk, key, Step::Drive, Some(caller));
            }
            Manner::Pass => {
                let mut edits = Edits::default();
                self.rename_task(key, text, at, &mut edits);
                if let Some(result) = envelope.outcome {
                    let meta = member(text, result, "_meta");
                    self.rename_related(pool, text, meta, &mut edits);
                }
                answer(desk, &caller, edits, envelope, frame);
            }
            Manner::Show | Manner::Offer => {
                let Some(task) = self.tasks.get(key) else {
                    return;
                };
                let members = self.stamp.members_of("task");
                let result = format!("{{{members},{}}}", task.told.modern(&task.id));
                desk.succeed(caller.client, caller.at, &caller.id, &result);
            }
        }
    }

    /// Puts our id of a task, and how long we keep it, in the place of its server's.
    pub(crate) fn rename_task(&self, key: TaskKey, text: &[u8], at: Span, edits: &mut Edits) {
        let Some(task) = self.tasks.get(key) else {
            return;
        };
        if let Some(at) = member(text, at, "taskId") {
            edits.replace(at, write::string(&task.id).into_bytes());
        }
        for name in ["ttl", "ttlMs"] {
            if let Some(at) = member(text, at, name) {
                edits.replace(at, task.told.ttl_ms.to_string().into_bytes());
            }
        }
    }

    /// Asks a server about a task, in words of our own.
    pub(crate) fn ask_about(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: TaskKey,
        step: Step,
        caller: Option<Caller>,
    ) {
        let Some(task) = self.tasks.get(key) else {
            let gone = TaskCall {
                caller,
                task: key,
                step,
            };
            return self.task_not_told(desk, gone, &Failure::params("the task has expired"));
        };
        let theirs = write::string(&task.theirs);
        let (method, stateless) = (step.method(), task.stateless);
        let Some(call) = self.begin_about(desk, key, step, caller) else {
            return;
        };
        let params = if stateless {
            self.described_for_tasks(&format!("\"taskId\":{theirs}"))
        } else {
            format!("{{\"taskId\":{theirs}}}")
        };
        let message = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"{method}\",\"params\":{params}}}",
            to_wire(call),
        );
        self.send_about(desk, call, &[Part::from(message.as_str())]);
    }

    /// Notes a request about a task as in flight; it has to be sent with [`Hall::send_about`].
    pub(crate) fn begin_about(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: TaskKey,
        step: Step,
        caller: Option<Caller>,
    ) -> Option<CallKey> {
        let task = self.tasks.get(key)?;
        let (server, pool) = (task.server, task.pool);
        let request_ms = if step.waits() {
            CALL_MS_MAX
        } else {
            self.server(server)
                .map_or(0, |server| server.entry.request_ms)
        };
        let client = caller.as_ref().map(|caller| caller.client);
        let about = TaskCall {
            caller,
            task: key,
            step,
        };
        let origin = Origin::Task(Box::new(about));
        let call = self.insert_call(desk, origin, server, pool, request_ms)?;
        // Not among those that questions are attributed to: what a task asks says so itself.
        if let Some(call) = self.calls.get_mut(call) {
            call.place = usize::MAX;
        }
        if let Some(client) = client.and_then(|client| self.clients.get_mut(&client)) {
            client.calls.push(call);
        }
        Some(call)
    }

    /// Sends what was begun, or tells whoever waits why not.
    pub(crate) fn send_about(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: CallKey,
        message: &[Part<'_>],
    ) {
        let Some(call) = self.calls.get(key) else {
            return;
        };
        let (pool, server) = (call.pool, call.server);
        let Err(refused) = desk.backends.send(desk.cx, pool, message) else {
            return;
        };
        let state = desk.backends.state(desk.cx.now, pool);
        let failure = Failure::refused(self.server_name(server), refused, &state);
        if let Some(call) = self.end_call(desk, key)
            && let Origin::Task(about) = call.origin
        {
            self.task_not_told(desk, *about, &failure);
        }
    }
}

/// The task in an answer to a call, if that is one: where it stands, and what it says.
fn handle(
    text: &[u8],
    envelope: &Envelope,
    result: Option<&ResultTold>,
) -> Option<(Span, (String, Told))> {
    let whole = envelope.outcome?;
    let at = match result {
        Some(told) if told.kind == ResultType::Task => whole,
        Some(_) => return None,
        None => member(text, whole, "task")?,
    };
    Some((at, Told::read(text, at)?))
}

/// What a client without a session gets that would have to declare the extension.
pub(crate) fn extension_required() -> Failure {
    let text = "declare the extension io.modelcontextprotocol/tasks with this request";
    Failure {
        data: Some(REQUIRED.to_owned()),
        ..Failure::new(MISSING_CAPABILITY, text)
    }
}
