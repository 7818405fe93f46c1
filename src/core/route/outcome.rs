//! Answers of servers on their way back to whoever asked.

use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::cx::Alarm;
use crate::json::envelope::{Envelope, Kind as Message};
use crate::json::span::{Span, elements, member, path, string};
use crate::json::write;
use crate::language::{ClientKey, PoolKey};
use crate::route::calls::{Call, CallKey, Caller, Method, Origin, Resource, from_wire};
use crate::route::complete::NO_VALUES;
use crate::route::errors::{
    Failure, INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND, seconds,
};
use crate::route::from_modern::Told;
use crate::route::splice::Edits;
use crate::route::stamp::cut_meta;
use crate::route::{Desk, Hall, downgrade};
use crate::tally::End;

/// Code of an error that asks the client to open a URL first (2025-11-25).
pub(crate) const URL_ELICITATION_REQUIRED: i64 = -32042;

impl Call {
    /// The client that waits for this call, if one does.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        match &self.origin {
            Origin::Client { caller, .. } => Some(caller),
            Origin::Task(call) => call.caller.as_ref(),
            Origin::List(_) | Origin::Listen { .. } | Origin::Quiet => None,
        }
    }
}

impl Hall {
    /// The client that waits for a call.
    pub(crate) fn caller_of(&self, key: CallKey) -> Option<ClientKey> {
        self.calls
            .get(key)
            .and_then(Call::caller)
            .map(|caller| caller.client)
    }

    /// Ends a call whose server may go on with it.
    pub(crate) fn give_up(&mut self, desk: &mut Desk<'_, '_>, key: CallKey) -> Option<Call> {
        // Before it leaves, or what is held there would look like another client's.
        if let Some(call) = self.calls.get(key)
            && !call.between_rounds()
            && let Origin::Client { caller, .. } = &call.origin
            && let Some(pool) = self.pools.get_mut(&call.pool)
            && (pool.owner.is_none() || pool.leased)
        {
            let (now, client) = (desk.cx.now.tick, caller.client);
            pool.ghosts.add(now, key, client, call.request_ms);
        }
        self.end_call(desk, key)
    }

    /// Takes a call out of every table it stands in.
    pub(crate) fn end_call(&mut self, desk: &mut Desk<'_, '_>, key: CallKey) -> Option<Call> {
        let mut call = self.calls.remove(key)?;
        self.withdraw_round(desk, &mut call);
        if let Some(caller) = call.caller() {
            if let Some(client) = self.clients.get_mut(&caller.client)
                && let Some(place) = client.calls.iter().position(|other| *other == key)
            {
                client.calls.swap_remove(place);
            }
            self.leave(desk, call.pool, call.place);
        }
        if self.calls.is_empty() {
            self.wake_for_calls(desk);
        }
        Some(call)
    }

    /// The call that an answer of a session is for.
    pub(crate) fn answerable(&self, pool: PoolKey, id: Option<u64>) -> Option<CallKey> {
        let key = id.and_then(from_wire)?;
        let call = self.calls.get(key)?;
        (call.pool == pool && !call.between_rounds()).then_some(key)
    }

    /// Normal after a cancel or a timeout.
    fn answered_nobody(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey, id: Option<u64>) {
        Mark::AnswerToNobody.hit();
        if let Some(key) = id.and_then(from_wire) {
            self.lay(desk, pool, key);
        }
        let name = self.pool_name(pool);
        desk.cx.log(crate::effect::Level::Debug, || {
            format!("server={name} answered a request that nobody waits for")
        });
    }

    /// A server answered. An answer counts only for a call that was sent to that very session.
    pub fn response(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        id: Option<u64>,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let Some(key) = self.answerable(pool, id) else {
            return self.answered_nobody(desk, pool, id);
        };
        let Some(call) = self.end_call(desk, key) else {
            return;
        };
        if let Some(suspended) = call.suspended {
            return self.end_suspended(desk, suspended, |hall, desk| {
                hall.answered(desk, (key, call), envelope, frame);
            });
        }
        self.answered(desk, (key, call), envelope, frame);
    }

    /// What a call was made for can go on.
    fn answered(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (key, call): (CallKey, Call),
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let pool = call.pool;
        let call = self.unless_refused_for_fields(desk, call, envelope, frame);
        let call = call.and_then(|call| self.unless_task_required(desk, call, envelope, frame));
        let call = call.and_then(|call| self.unless_asked(desk, call, envelope, frame));
        let Some((call, told)) = call else {
            return;
        };
        match call.origin {
            Origin::Client {
                caller,
                method: Method::Task(manner),
                ..
            } => {
                let from = (pool, call.server, told.as_ref());
                self.task_answered(desk, from, (key, caller), manner, envelope, frame);
            }
            Origin::Client {
                caller,
                method,
                resource,
                search,
                rounds: _,
            } => {
                let failed = envelope.kind == Message::Error;
                match search {
                    Some(search) if failed && not_found(envelope, frame.bytes()) => {
                        self.search_on(desk, caller, search);
                    }
                    _ if failed => {
                        if let Some(resource) = &resource
                            && method == Method::Read
                        {
                            // Whoever had it has it no more.
                            self.forget_answered(resource, call.server);
                        }
                        let resource = resource.as_ref();
                        self.pass_error(desk, &caller, (method, resource), pool, envelope, frame);
                    }
                    search => {
                        if let Some(resource) = &resource {
                            let from = (pool, call.server);
                            let searched = search.is_some();
                            self.note_resource(desk, from, &caller, method, resource, searched);
                        }
                        let resource = resource.as_ref();
                        let from = (pool, told.as_ref());
                        self.pass_result(desk, &caller, (method, resource), from, envelope, frame);
                    }
                }
            }
            Origin::List(kind) => self.list_page(desk, pool, kind, envelope, frame),
            Origin::Listen {
                client,
                index,
                resource,
            } => {
                let (from, ok) = ((pool, call.server), envelope.kind == Message::Result);
                self.listen_answered(desk, from, (client, index, &resource), ok);
            }
            Origin::Task(about) => self.told_of_task(desk, pool, *about, envelope, frame),
            Origin::Quiet => {}
        }
    }

    /// Backend errors keep their code, message and data.
    pub(crate) fn pass_error(
        &mut self,
        desk: &mut Desk<'_, '_>,
        caller: &Caller,
        (method, resource): (Method, Option<&Resource>),
        pool: PoolKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let code = envelope.outcome.and_then(|error| error_code(text, error));
        if method == Method::Complete && code == Some(i64::from(METHOD_NOT_FOUND)) {
            let result = self.own_result(caller.client, NO_VALUES);
            return desk.succeed(caller.client, caller.at, &caller.id, &result);
        }
        let error = envelope.outcome.unwrap_or_default();
        let from_modern = Self::is_stateless(desk, pool);
        if from_modern {
            let modern = self.is_modern(caller.client);
            let instead = match modern {
                true => self.error_of_hop(pool, text, error),
                false => self.older_error((method, resource), pool, text, error),
            };
            if let Some(failure) = instead {
                let failure = failure.ending(End::Error);
                return desk.fail(caller.client, caller.at, &caller.id, &failure);
            }
            if modern {
                return refuse(desk, caller, code, envelope, frame);
            }
        } else if self.is_modern(caller.client) {
            if code == Some(URL_ELICITATION_REQUIRED)
                && self.elicit_first(desk, caller, text, error)
            {
                return;
            }
            let instead = self.translated(desk, caller.client, resource, envelope, frame);
            if let Some(failure) = instead {
                let failure = failure.ending(End::Error);
                return desk.fail(caller.client, caller.at, &caller.id, &failure);
            }
        }
        let mut edits = Edits::default();
        if code == Some(URL_ELICITATION_REQUIRED)
            && let Some(list) = path(text, error, &["data", "elicitations"])
        {
            for entry in elements(text, list) {
                if let Some(at) = member(text, entry, "elicitationId") {
                    self.rename_elicitation(pool, caller.client, text, at, &mut edits);
                }
            }
        }
        answer(desk, caller, edits, envelope, frame);
    }

    /// A result goes back as it came, but for what the client's revision has other words for.
    pub(crate) fn pass_result(
        &self,
        desk: &mut Desk<'_, '_>,
        caller: &Caller,
        (method, resource): (Method, Option<&Resource>),
        (pool, told): (PoolKey, Option<&Told>),
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let Some(result) = envelope.outcome else {
            return;
        };
        let text = frame.bytes();
        let mut edits = Edits::default();
        let prefix = resource.and_then(|resource| resource.prefix.as_deref());
        if let (Method::Read, Some(prefix)) = (method, prefix) {
            rename_contents(text, result, prefix, &mut edits);
        }
        if let Some(told) = told {
            self.finish(
                desk,
                caller.client,
                method,
                (text, result),
                told,
                &mut edits,
            );
        } else if self.is_modern(caller.client) {
            let server = self.pool_name(pool);
            let stamped = self.stamp_result(&server, method, (text, envelope, result), &mut edits);
            if let Err(failure) = stamped {
                let failure = failure.ending(End::Error);
                return desk.fail(caller.client, caller.at, &caller.id, &failure);
            }
        } else if let Some(facts) = desk.clients.facts(caller.client) {
            cut_meta(text, envelope, &mut edits);
            downgrade::result(facts.version, method, text, result, &mut edits);
        }
        answer(desk, caller, edits, envelope, frame);
    }

    /// The name of the server behind a session.
    pub(crate) fn pool_name(&self, pool: PoolKey) -> Rc<str> {
        let server = self
            .pools
            .get(&pool)
            .and_then(|pool| self.servers.get(pool.server));
        server.map_or_else(|| Rc::from(""), |server| Rc::clone(server.name()))
    }

    /// Calls that took too long. While a person is being asked, the clock stands still.
    fn expire_calls(&mut self, desk: &mut Desk<'_, '_>) {
        let now = desk.cx.now.tick;
        while let Some(key) = self.calls.pop_overdue(now) {
            if self.asked_meanwhile(key) && self.calls.postpone(now, key) {
                Mark::DeadlinePostponed.hit();
                continue;
            }
            let Some((pool, server, ms)) = self
                .calls
                .get(key)
                .map(|call| (call.pool, call.server, call.request_ms))
            else {
                continue;
            };
            let name: Rc<str> = self.server_name(server).into();
            let wire = super::calls::to_wire(key);
            let Some(call) = self.give_up(desk, key) else {
                continue;
            };
            let message = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":\
                 {{\"requestId\":{wire},\"reason\":\"timeout\"}}}}"
            );
            if !call.between_rounds() {
                // A session that is down needs no notice.
                let _ = desk
                    .backends
                    .send(desk.cx, pool, &[message.as_str().into()]);
            }
            match call.origin {
                Origin::Client { .. } => Mark::CallTimesOut.hit(),
                Origin::List(_) => Mark::ListTimesOut.hit(),
                Origin::Listen { .. } | Origin::Task(_) | Origin::Quiet => {}
            }
            let waited = seconds(ms);
            let text = format!(
                "server {name} did not answer within {waited} (requestTimeout of its entry)"
            );
            let failure = Failure::about(&name, text).ending(End::Timeout);
            self.lose(desk, call, &failure);
        }
    }

    /// Calls whose time has come, and sessions that nobody uses: [`Alarm::Calls`].
    pub fn calls_alarm(&mut self, desk: &mut Desk<'_, '_>) {
        self.expire_calls(desk);
        self.end_idle(desk);
        self.wake_for_calls(desk);
    }

    /// Sets the alarm of calls and idle sessions.
    pub(crate) fn wake_for_calls(&mut self, desk: &mut Desk<'_, '_>) {
        let next = self.calls.next_deadline();
        match next.into_iter().chain(self.idle_check).min() {
            Some(at) => desk.cx.timers.set(Alarm::Calls, at),
            None => desk.cx.timers.clear(Alarm::Calls),
        }
    }
}

/// Whether an error means that the resource does not exist: old and new code (F17).
fn not_found(envelope: &Envelope, text: &[u8]) -> bool {
    let code = envelope.outcome.and_then(|error| error_code(text, error));
    code.is_some_and(|code| {
        [RESOURCE_NOT_FOUND, INVALID_PARAMS]
            .into_iter()
            .any(|known| i64::from(known) == code)
    })
}

/// The code of an error.
pub(crate) fn error_code(text: &[u8], error: Span) -> Option<i64> {
    let code = member(text, error, "code")?.of(text);
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// What was read by a qualified name carries that name in its contents as well.
fn rename_contents(text: &[u8], result: Span, prefix: &str, edits: &mut Edits) {
    let contents = path(text, result, &["contents"]).unwrap_or_default();
    for uri_at in elements(text, contents).filter_map(|content| member(text, content, "uri")) {
        if let Some(uri) = string(text, uri_at) {
            let uri = format!("{prefix}{uri}");
            edits.replace(uri_at, write::string(&uri).into_bytes());
        }
    }
}

/// An error of a server whose revision is the client's: it passes as it is, with the status that
/// its code has there.
fn refuse(
    desk: &mut Desk<'_, '_>,
    caller: &Caller,
    code: Option<i64>,
    envelope: &Envelope,
    frame: &Frame,
) {
    let mut edits = Edits::default();
    if let Some(id_at) = envelope.id {
        edits.replace(id_at, caller.id.kept());
    }
    let message = edits.parts(frame.shared(), envelope.whole);
    let code = code.and_then(|code| i32::try_from(code).ok());
    let (client, at) = (caller.client, caller.at);
    let code = code.unwrap_or_default();
    desk.clients
        .refuse(desk.cx, client, at, (End::Error, code), &message);
}

/// The answer of a server to whoever called.
pub(crate) fn answer(
    desk: &mut Desk<'_, '_>,
    caller: &Caller,
    mut edits: Edits,
    envelope: &Envelope,
    frame: &Frame,
) {
    if let Some(id_at) = envelope.id {
        edits.replace(id_at, caller.id.kept());
    }
    let message = edits.parts(frame.shared(), envelope.whole);
    let end = match envelope.kind {
        Message::Error => End::Error,
        _ if envelope.is_error => End::ToolError,
        _ => End::Ok,
    };
    desk.clients
        .answer(desk.cx, caller.client, caller.at, end, &message);
}
