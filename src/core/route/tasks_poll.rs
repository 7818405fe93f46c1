//! Tasks of servers without sessions for clients that know of none (protocol 3.1, LM): the server
//! is told that a call may become a task only if it says that it must, then it is asked again and
//! again until the task is over.

use crate::base::frame::Frame;
use crate::base::outbox::Part;
use crate::base::short::ShortBytes;
use crate::json::envelope::{Envelope, Kind as Message};
use crate::json::span::{Span, member, path};
use crate::language::PoolKey;
use crate::limits::{TASK_POLL_MS_MAX, TASK_POLL_MS_MIN};
use crate::mcp::meta;
use crate::mcp::modern::MISSING_CAPABILITY;
use crate::mcp::tasks::{EXTENSION, Status};
use crate::route::calls::{Call, CallKey, Caller, Method, Origin, to_wire};
use crate::route::errors::{Failure, INTERNAL};
use crate::route::from_modern::Told;
use crate::route::outcome::error_code;
use crate::route::outgoing::{put_description, with_tasks};
use crate::route::param_fields::Arguments;
use crate::route::splice::Edits;
use crate::route::tasks::{Manner, Step, TaskKey};
use crate::route::tasks_put::tool_failed;
use crate::route::{Desk, Hall};
use crate::tally::End;

impl Hall {
    /// The call, unless its server refuses it to clients that know of no tasks: then it is made
    /// again, and we are the one that knows of them.
    pub(crate) fn unless_task_required(
        &mut self,
        desk: &mut Desk<'_, '_>,
        mut call: Call,
        envelope: &Envelope,
        frame: &Frame,
    ) -> Option<Call> {
        if envelope.kind != Message::Error || !self.wants_tasks(desk, &call, envelope, frame) {
            return Some(call);
        }
        let Origin::Client {
            caller,
            method,
            rounds: Some(rounds),
            ..
        } = &mut call.origin
        else {
            return Some(call);
        };
        *method = Method::Task(Manner::Offer);
        let letter = rounds.letter().clone();
        let (pool, server, request_ms) = (call.pool, call.server, call.request_ms);
        let asked = (letter.buffer.as_slice(), letter.envelope.meta);
        let said = self.description(desk, server, caller, *method, asked);
        let client = caller.client;
        let key = self.insert_call(desk, call.origin, server, pool, request_ms)?;
        let mut edits = letter.edits;
        put_description(&letter.buffer, &letter.envelope, &said, &mut edits);
        let wire = ShortBytes::decimal(to_wire(key));
        for at in [letter.envelope.id, letter.token_at].into_iter().flatten() {
            edits.replace(at, wire.clone());
        }
        if let Some(client) = self.clients.get_mut(&client) {
            client.calls.push(key);
        }
        self.enter(key);
        let message = edits.parts(&letter.buffer, letter.envelope.whole);
        let arguments = Arguments {
            tool: letter.tool.as_ref(),
            text: &letter.buffer,
            envelope: &letter.envelope,
        };
        let Err(refused) = self.send_call(desk, (pool, server), &arguments, &message) else {
            return None;
        };
        let state = desk.backends.state(desk.cx.now, pool);
        let failure = Failure::refused(self.server_name(server), refused, &state);
        let call = self.end_call(desk, key);
        if let Some(caller) = call.as_ref().and_then(Call::caller) {
            desk.fail(caller.client, caller.at, &caller.id, &failure);
        }
        None
    }

    /// Whether an error says that its tool must be a task, to a client that cannot be told so.
    fn wants_tasks(
        &self,
        desk: &Desk<'_, '_>,
        call: &Call,
        envelope: &Envelope,
        frame: &Frame,
    ) -> bool {
        let Origin::Client { caller, method, .. } = &call.origin else {
            return false;
        };
        if *method != Method::Tool
            || self.is_modern(caller.client)
            || !Self::is_stateless(desk, call.pool)
        {
            return false;
        }
        let (text, error) = (frame.bytes(), envelope.outcome.unwrap_or_default());
        let needed = ["data", "requiredCapabilities", "extensions", EXTENSION];
        error_code(text, error) == Some(i64::from(MISSING_CAPABILITY))
            && path(text, error, &needed).is_some()
    }

    /// The parameters of a request of our own about a task; `members` of them.
    pub(crate) fn described_for_tasks(&self, members: &str) -> String {
        let mut said = b"{\"_meta\":{".to_vec();
        meta::outgoing(&mut said, &with_tasks("{}"), &self.settings.version, None);
        let said = String::from_utf8(said).unwrap_or_default();
        format!("{said}}},{members}}}")
    }

    /// Lets a call wait until its task is looked at again.
    pub(crate) fn rest(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey, caller: Caller) {
        let Some(call) = self.begin_about(desk, key, Step::Rest, Some(caller)) else {
            return;
        };
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        let pause = task.told.poll_ms.unwrap_or(TASK_POLL_MS_MAX);
        let pause = pause.clamp(TASK_POLL_MS_MIN, TASK_POLL_MS_MAX);
        task.rest = Some((desk.cx.now.tick.after(pause), call));
        self.wake_for_tasks(desk);
    }

    /// The pause is over.
    pub(crate) fn poll_again(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey, call: CallKey) {
        if let Some(task) = self.tasks.get_mut(key) {
            task.rest = None;
        }
        if let Some(call) = self.end_call(desk, call)
            && let Origin::Task(about) = call.origin
        {
            self.ask_about(desk, key, Step::Poll, about.caller);
        }
    }

    /// A server told how far a task is that its client waits for.
    pub(crate) fn polled(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, key): (PoolKey, TaskKey),
        caller: Caller,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let name = self.pool_name(pool);
        let Some(told) = self.note_told(key, envelope, frame) else {
            self.remove_task(desk, key);
            let text = format!("server {name} does not know the task of this call any more");
            let failure = Failure::about(&name, text).ending(End::Error);
            return desk.fail(caller.client, caller.at, &caller.id, &failure);
        };
        let result = envelope.outcome.unwrap_or_default();
        let why = match told.status {
            Status::Working => return self.rest(desk, key, caller),
            Status::Completed => match member(text, result, "result") {
                Some(at) => {
                    self.remove_task(desk, key);
                    return self.hand_outcome(desk, &caller, ("result", at), frame);
                }
                None => "ended the task of this call without its result",
            },
            Status::Failed => match member(text, result, "error") {
                Some(at) => {
                    self.remove_task(desk, key);
                    return self.hand_outcome(desk, &caller, ("error", at), frame);
                }
                None => "failed the task of this call without saying why",
            },
            Status::Cancelled => "cancelled the task of this call",
            Status::InputRequired => {
                return match self.put_questions(desk, (pool, key), &caller, (result, frame)) {
                    Ok(()) => self.rest(desk, key, caller),
                    Err(failure) => {
                        self.forget_task(desk, key);
                        tool_failed(desk, &caller, &failure.message);
                    }
                };
            }
        };
        self.forget_task(desk, key);
        let failure = Failure::about(&name, format!("server {name} {why}")).ending(End::Error);
        desk.fail(caller.client, caller.at, &caller.id, &failure);
    }

    /// Answers a call with the outcome of its task, which stands within what is told of that.
    fn hand_outcome(
        &self,
        desk: &mut Desk<'_, '_>,
        caller: &Caller,
        (name, at): (&str, Span),
        frame: &Frame,
    ) {
        let mut edits = Edits::default();
        if name == "result" {
            let text = frame.bytes();
            let Some(told) = Told::read(Method::Tool, text, at) else {
                let failure = Failure::new(INTERNAL, "the result of a task is no object");
                let failure = failure.ending(End::Error);
                return desk.fail(caller.client, caller.at, &caller.id, &failure);
            };
            self.finish(
                desk,
                caller.client,
                Method::Tool,
                (text, at),
                &told,
                &mut edits,
            );
        }
        let text = frame.bytes();
        let end = match member(text, at, "isError").map(|at| at.of(text)) {
            _ if name != "result" => End::Error,
            Some(b"true") => End::ToolError,
            _ => End::Ok,
        };
        let name = format!(",\"{name}\":");
        let mut parts = vec![
            Part::from("{\"jsonrpc\":\"2.0\",\"id\":"),
            Part::Copy(caller.id.raw()),
            Part::from(name.as_str()),
        ];
        let value = edits.parts(frame.shared(), at);
        parts.extend(value.iter().cloned());
        parts.push(Part::from("}"));
        let (client, at) = (caller.client, caller.at);
        desk.clients.answer(desk.cx, client, at, end, &parts);
    }
}
