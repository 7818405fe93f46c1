//! What a client may ask for: the method table. Answered here, by one server, or by all.

use std::borrow::Cow;
use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::json::envelope::{Envelope, JsonId};
use crate::json::span::{Span, string};
use crate::language::{At, ClientKey, ParamFields};
use crate::limits::ID_BYTES_MAX;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::meta::HopLocal;
use crate::mcp::names;
use crate::route::calls::{Caller, Method, to_wire};
use crate::route::catalog::Kind;
use crate::route::directory::Target;
use crate::route::errors::Failure;
use crate::route::forward::Request;
use crate::route::retry::Again;
use crate::route::seal::{INPUT_RESPONSES, REQUEST_STATE};
use crate::route::sight::Seen;
use crate::route::splice::{Edits, fields, fields_beside};
use crate::route::tasks_call::put_task;
use crate::route::{Desk, Hall, ServerKey};
use crate::tally::About;

/// The parameter by which a client of 2025-11-25 asks for a task.
pub(crate) const TASK: &str = "task";

/// A request of a client as it came.
pub struct Incoming<'a> {
    /// Who.
    pub client: ClientKey,
    /// Where the answer goes.
    pub at: At,
    /// Its id.
    pub id: JsonId,
    /// Its members.
    pub envelope: Envelope,
    /// Its bytes, on one line.
    pub frame: &'a Frame,
    /// What of its `_meta` the next hop does not get as it is.
    pub hop: HopLocal,
    /// Header fields that repeat arguments, if it has no session and came by HTTP.
    pub fields: Option<ParamFields>,
}

impl<'a> Incoming<'a> {
    pub(crate) fn text(&self) -> &'a [u8] {
        self.frame.bytes()
    }

    /// The parameters by which the request is routed.
    ///
    /// # Errors
    /// One of them stands twice, or `_meta` does.
    pub(crate) fn params<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[Option<Span>; N], Failure> {
        let Envelope {
            params,
            meta,
            meta_twice,
            ..
        } = self.envelope;
        if meta_twice {
            return Err(Failure::twice());
        }
        fields_beside(self.text(), params, meta, names).map_err(|_| Failure::twice())
    }

    /// A parameter that has to be a string.
    ///
    /// # Errors
    /// It is missing or something else.
    pub(crate) fn text_of(&self, at: Option<Span>, name: &str) -> Result<Cow<'a, str>, Failure> {
        let text = at.and_then(|at| string(self.text(), at));
        let missing = || Failure::params(format!("params.{name} is missing or not a string"));
        text.ok_or_else(missing)
    }

    /// The request to be passed on: its progress token is found, nothing is replaced yet.
    ///
    /// # Errors
    /// The token is neither a string nor a number.
    pub(crate) fn into_request(self, method: Method) -> Result<Request, Failure> {
        let token_at = self.token()?;
        let token = token_at.map(|at| Box::from(at.of(self.text())));
        let mut edits = Edits::default();
        edits.cut_all(&self.hop.cuts);
        Ok(Request {
            caller: Caller {
                client: self.client,
                at: self.at,
                id: self.id,
                token,
                progress: f64::NEG_INFINITY,
            },
            token_at,
            method,
            buffer: Rc::clone(self.frame.shared()),
            envelope: self.envelope,
            edits,
            resource: None,
            search: None,
            tool: None,
        })
    }

    fn token(&self) -> Result<Option<Span>, Failure> {
        if self.hop.token_twice {
            return Err(Failure::twice());
        }
        let token = self.hop.token;
        match token.map(|at| at.of(self.text())) {
            Some([b'"' | b'-' | b'0'..=b'9', ..]) | None => {}
            Some(_) => {
                return Err(Failure::params(
                    "progressToken is neither string nor number",
                ));
            }
        }
        if token.is_some_and(|at| at.range().len() > ID_BYTES_MAX) {
            return Err(Failure::params(format!(
                "progressToken is over {ID_BYTES_MAX} bytes"
            )));
        }
        Ok(token)
    }
}

impl Hall {
    /// A request of a client, other than `initialize`.
    pub fn request(&mut self, desk: &mut Desk<'_, '_>, incoming: Incoming<'_>) {
        if self.clients.contains_key(&incoming.client) {
            self.look(desk, incoming.client);
        } else {
            self.meet(desk, incoming.client);
        }
        let modern = self.is_modern(incoming.client);
        self.refresh_names(desk);
        let method = incoming
            .envelope
            .method
            .and_then(|at| string(incoming.text(), at));
        let method = method.unwrap_or_default();
        if let Some(failure) = self.unserved(desk, &incoming, &method) {
            return desk.fail(incoming.client, incoming.at, &incoming.id, &failure);
        }
        if method != "ping" && method != "server/discover" {
            // It came with `initialize` in one write.
            self.run(desk);
        }
        match method.as_ref() {
            "ping" => desk.succeed(incoming.client, incoming.at, &incoming.id, "{}"),
            "tools/list" => self.list(desk, &incoming, Kind::Tools),
            "prompts/list" => self.list(desk, &incoming, Kind::Prompts),
            "resources/list" => self.list(desk, &incoming, Kind::Resources),
            "resources/templates/list" => self.list(desk, &incoming, Kind::Templates),
            "tools/call" => self.named(desk, incoming, Kind::Tools),
            "prompts/get" => self.named(desk, incoming, Kind::Prompts),
            "resources/read" => self.read(desk, incoming),
            "resources/subscribe" => self.subscribe(desk, incoming),
            "resources/unsubscribe" => self.unsubscribe(desk, incoming),
            "completion/complete" => self.complete(desk, incoming),
            "logging/setLevel" => self.set_level(desk, &incoming),
            "server/discover" if modern => self.discover(desk, &incoming),
            "subscriptions/listen" if modern => self.listen(desk, &incoming),
            "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel" | "tasks/update" => {
                self.task_request(desk, incoming, &method);
            }
            _ => desk.fail(
                incoming.client,
                incoming.at,
                &incoming.id,
                &Failure::method(&method),
            ),
        }
    }

    /// A method whose capability nobody offers, and that was not advertised, does not exist (A3).
    /// One that uses what has a name does for who does not see everything, or it could not be said
    /// which scope that takes.
    fn unserved(&self, desk: &Desk<'_, '_>, of: &Incoming<'_>, method: &str) -> Option<Failure> {
        let advertised = self.clients.get(&of.client)?.advertised;
        let group: fn(ServerCapabilities) -> bool =
            match method.split_once('/').map_or("", |(group, _)| group) {
                "tools" => |offered| offered.tools,
                "prompts" => |offered| offered.prompts,
                "resources" if method.ends_with("subscribe") => |offered| offered.subscribe,
                "resources" => |offered| offered.resources,
                "logging" => |offered| offered.logging,
                // 2024-11-05 clients complete without asking for a capability.
                _ => return None,
            };
        let uses = || !matches!(method.rsplit('/').next(), Some("list" | "setLevel"));
        let served = group(advertised)
            || self.offers(desk, of.client, group)
            || (uses() && !self.sees_all(of.client));
        (!served).then(|| Failure::method(method))
    }

    /// A tool or a prompt is used: its name tells the server.
    pub(crate) fn named(&mut self, desk: &mut Desk<'_, '_>, incoming: Incoming<'_>, kind: Kind) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let found = incoming
            .params(["name", TASK, REQUEST_STATE, INPUT_RESPONSES])
            .and_then(|[name_at, task, state, responses]| {
                let name = incoming.text_of(name_at, "name")?;
                let target = self.find_named(client, kind, &name);
                let target =
                    target.or_else(|why| self.find_lent(client, kind, &name).ok_or(why))?;
                if kind == Kind::Tools {
                    self.check_fields(&incoming, &target)?;
                }
                Ok((target, name_at, task, Again { state, responses }))
            });
        let (target, name_at, task, again) = match found {
            Ok(found) => found,
            Err(why) if why.scopes.is_none() && self.wait_for_name(desk, &incoming, kind) => return,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        self.concern(desk, (client, at), target.server, Some(&target));
        let manner = match kind {
            Kind::Tools => self.manner(desk, client, &target, task.is_some()),
            _ => Ok(None),
        };
        let method = match manner {
            Ok(Some(manner)) => Method::Task(manner),
            Ok(None) if kind == Kind::Tools => Method::Tool,
            Ok(None) => Method::Prompt,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        self.bind(desk, &incoming, method);
        match incoming.into_request(method) {
            Ok(mut request) => {
                if let Some(name_at) = name_at {
                    request.edits.replace(name_at, target.json);
                }
                request.tool = (kind == Kind::Tools).then_some(target.original);
                let again = Some(again).filter(|again| self.is_modern(client) && !again.is_none());
                // In a retry it is cut out with the rest that its client put in.
                put_task(&mut request, task.filter(|_| again.is_none()));
                if let Some(again) = again {
                    return self.retry(desk, request, target.server, again);
                }
                self.forward(desk, request, target.server);
            }
            Err(failure) => desk.fail(client, at, &id, &failure),
        }
    }

    /// A request turns out to be about this server, and this tool: so it is counted.
    pub(crate) fn concern(
        &self,
        desk: &mut Desk<'_, '_>,
        (client, at): (ClientKey, At),
        server: ServerKey,
        tool: Option<&Target>,
    ) {
        let Some(server) = self.server(server) else {
            return;
        };
        let about = About {
            slot: server.slot,
            tool: tool.and_then(|tool| Some((tool.number?, &tool.original))),
        };
        desk.clients.concern(desk.cx, client, at, about);
    }

    /// By the offered name, else by the plain `<server>_1mcp_<original>` (contract 3).
    pub(crate) fn find_named(
        &self,
        client: ClientKey,
        kind: Kind,
        name: &str,
    ) -> Result<Target, Failure> {
        let what = if kind == Kind::Tools {
            "tool"
        } else {
            "prompt"
        };
        let admit = |key| match self.permit(client, key)? {
            Seen::Yes => Ok(()),
            Seen::LeftOut => Err(Failure::left_out(what, name, &self.left_out_by(key))),
        };
        if let Some(target) = self.directory.find(kind, name) {
            admit(target.server)?;
            return Ok(target.clone());
        }
        if let Some((server, original)) = names::split_plain(name)
            && let Some(key) = self.server_by_name(server)
        {
            if let Some(target) = self.directory.own(kind, key, original) {
                admit(key)?;
                return Ok(target);
            }
            let hidden = kind == Kind::Tools
                && self
                    .server(key)
                    .is_some_and(|server| !server.offers_tool(original));
            // Nor is anything unknown to a server that could not say yet what it has.
            let unknown = self.server(key).is_some_and(|server| {
                let catalog = self.reference(server);
                catalog.is_none_or(|catalog| !catalog.list(kind).told())
            });
            if unknown && !hidden && self.sees(client, key) {
                return Ok(Target::new(key, &Rc::from(original)));
            }
            if self.leaves_out(client, key) {
                return Err(Failure::left_out(what, name, &self.left_out_by(key)));
            }
        }
        let suggests = self.suggesting(client);
        let all = self.directory.all(kind);
        let seen = all.filter(|(_, server)| suggests.contains(server));
        let nearest = names::nearest(name, seen.map(|(name, _)| name));
        Err(Failure::unknown(what, name, nearest))
    }

    /// A notification of a client.
    pub fn client_notification(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        self.look(desk, client);
        let Some(method) = envelope.method.and_then(|at| string(text, at)) else {
            return;
        };
        match method.as_ref() {
            "notifications/cancelled" => {
                if let Ok([Some(id), reason]) =
                    fields(text, envelope.params, ["requestId", "reason"])
                {
                    let reason = reason
                        .map(|at| at.of(text))
                        .filter(|raw| raw.starts_with(b"\""));
                    self.cancel(desk, client, id.of(text), reason);
                }
            }
            "notifications/progress" => self.ask_progress(desk, client, envelope, frame),
            "notifications/roots/list_changed" => self.roots_changed(desk, client),
            _ => {}
        }
    }

    /// A client does not want an answer any more (C11).
    fn cancel(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        id: &[u8],
        reason: Option<&[u8]>,
    ) {
        for caller in self.drop_parked(client, Some(id)) {
            Mark::CancelledParked.hit();
            desk.clients.drop_request(desk.cx, client, caller.at);
        }
        for at in self.drop_waiters(desk, client, Some(id)) {
            desk.clients.drop_request(desk.cx, client, at);
        }
        for at in self.drop_waiting(client, Some(id)) {
            Mark::CancelledWaiting.hit();
            desk.clients.drop_request(desk.cx, client, at);
        }
        let Some(calls) = self.clients.get(&client).map(|client| client.calls.clone()) else {
            return;
        };
        let theirs = |key: &crate::route::calls::CallKey| {
            self.calls
                .get(*key)
                .and_then(|call| call.caller())
                .is_some_and(|c| c.id.same(id))
        };
        let Some(key) = calls.into_iter().find(theirs) else {
            Mark::CancelledTooLate.hit();
            return;
        };
        Mark::CancelledInFlight.hit();
        self.abandon(desk, key, reason);
    }

    /// Ends a call nobody waits for: the server is told, the client gets no answer.
    pub(crate) fn abandon(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: crate::route::calls::CallKey,
        reason: Option<&[u8]>,
    ) {
        let Some(call) = self.give_up(desk, key) else {
            return;
        };
        if call.between_rounds() {
            // The server has forgotten it.
            if let Some(caller) = call.caller() {
                desk.clients.drop_request(desk.cx, caller.client, caller.at);
            }
            return self.task_abandoned(desk, &call);
        }
        let wire = to_wire(key).to_string();
        let head = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",";
        let mut message = vec![Part::from(head), Part::from("\"params\":{\"requestId\":")];
        message.push(Part::from(wire.as_str()));
        if let Some(reason) = reason {
            message.extend([Part::from(",\"reason\":"), Part::Copy(reason)]);
        }
        message.push(Part::from("}}"));
        // A session that is down has forgotten the call anyway.
        let _ = desk.backends.send(desk.cx, call.pool, &message);
        if let Some(caller) = call.caller() {
            desk.clients.drop_request(desk.cx, caller.client, caller.at);
        }
        self.task_abandoned(desk, &call);
    }
}
