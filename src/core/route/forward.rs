//! Passing a client's request on to the server that is meant: ids and tokens replaced, the rest as
//! it came.

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::base::short::ShortBytes;
use crate::cx::Alarm;
use crate::json::envelope::Envelope;
use crate::json::span::Span;
use crate::json::write;
use crate::language::{ClientKey, PoolKey, PoolState};
use crate::limits::{CALLS_PER_CLIENT_MAX, WAITING_PER_SERVER_MAX};
use crate::now::Tick;
use crate::route::calls::{Call, CallKey, Caller, Method, Origin, Resource, Search, to_wire};
use crate::route::errors::Failure;
use crate::route::param_fields::Arguments;
use crate::route::pools::Life;
use crate::route::splice::Edits;
use crate::route::{Desk, Hall, ServerKey};
use crate::tally::End;

/// A request on its way to a server.
pub(crate) struct Request {
    /// Who asked.
    pub(crate) caller: Caller,
    /// Where the progress token stands.
    pub(crate) token_at: Option<Span>,
    /// What is wanted.
    pub(crate) method: Method,
    /// The message.
    pub(crate) buffer: Rc<Vec<u8>>,
    /// Its members.
    pub(crate) envelope: Envelope,
    /// Names and URIs to be replaced; the id and the token follow when it is sent.
    pub(crate) edits: Edits,
    /// See [`Origin::Client`].
    pub(crate) resource: Option<Resource>,
    /// See [`Origin::Client`].
    pub(crate) search: Option<Box<Search>>,
    /// What its server calls the tool, if one is called.
    pub(crate) tool: Option<Rc<str>>,
}

/// A request that waits for its server to be up, or for a held question to be answered.
pub(crate) struct Parked {
    request: Request,
    server: ServerKey,
    pool: PoolKey,
    deadline: Tick,
}

impl Hall {
    /// Sends a request on, or lets it wait for its server, or answers why it cannot be.
    pub(crate) fn forward(&mut self, desk: &mut Desk<'_, '_>, request: Request, key: ServerKey) {
        let client = request.caller.client;
        if !matches!(request.method.plain(), Method::Tool | Method::Prompt) {
            let caller = (client, request.caller.at);
            self.concern(desk, caller, key, None);
        }
        // Whoever comes here was let in when it asked, and may have waited since.
        if let Err(failure) = self.admit(client, key) {
            return self.refuse(desk, &request, &failure);
        }
        if self
            .clients
            .get(&client)
            .is_some_and(|c| c.calls.len() >= CALLS_PER_CLIENT_MAX)
        {
            let text = format!(
                "this client has {CALLS_PER_CLIENT_MAX} calls in flight: wait for some to end"
            );
            return self.refuse(desk, &request, &Failure::new(super::errors::INTERNAL, text));
        }
        let pool = match self.pool_for(desk, client, key) {
            Ok(pool) => pool,
            Err(failure) => return self.refuse(desk, &request, &failure),
        };
        let Some(session) = self.pools.get(&pool) else {
            return;
        };
        match session.life {
            Life::Up if session.holding => {
                Mark::ParkedByHeldAsk.hit();
                self.park(desk, request, key, pool);
            }
            Life::Up => self.submit(desk, request, key, pool),
            Life::Fresh => self.park(desk, request, key, pool),
            Life::Down => match desk.backends.state(desk.cx.now, pool) {
                PoolState::Starting => self.park(desk, request, key, pool),
                state => {
                    let server = Rc::from(self.server_name(key));
                    self.refuse_request(desk, &request, (&server, &state));
                }
            },
        }
    }

    fn refuse(&self, desk: &mut Desk<'_, '_>, request: &Request, failure: &Failure) {
        let Caller { client, at, id, .. } = &request.caller;
        desk.fail(*client, *at, id, failure);
    }

    /// Its server is down.
    fn refuse_request(
        &mut self,
        desk: &mut Desk<'_, '_>,
        request: &Request,
        down: (&str, &PoolState),
    ) {
        self.refuse_down(desk, &request.caller, request.method, down);
    }

    fn park(
        &mut self,
        desk: &mut Desk<'_, '_>,
        request: Request,
        server: ServerKey,
        pool: PoolKey,
    ) {
        let waiting = self
            .parked
            .iter()
            .filter(|parked| parked.server == server)
            .count();
        if waiting >= WAITING_PER_SERVER_MAX {
            Mark::ParkedFull.hit();
            let name = self.server_name(server);
            let text =
                format!("server {name} is still starting and {waiting} requests wait for it");
            return self.refuse(desk, &request, &Failure::about(name, text));
        }
        let wait_ms = self
            .server(server)
            .map_or(0, |server| server.entry.request_ms);
        let deadline = desk.cx.now.tick.after(wait_ms);
        self.parked.push(Parked {
            request,
            server,
            pool,
            deadline,
        });
        self.wake_at(desk, deadline);
    }

    /// Mints an id for the request and sends it.
    fn submit(
        &mut self,
        desk: &mut Desk<'_, '_>,
        mut request: Request,
        server: ServerKey,
        pool: PoolKey,
    ) {
        let stateless = Self::is_stateless(desk, pool);
        if stateless && matches!(request.method, Method::Subscribe | Method::Unsubscribe) {
            return self.watch_request(desk, pool, request);
        }
        let rounds = if stateless {
            self.describe(desk, server, &mut request)
        } else {
            None
        };
        let Request {
            caller,
            token_at,
            method,
            buffer,
            envelope,
            mut edits,
            resource,
            search,
            tool,
        } = request;
        let request_ms = self.server(server).map_or(0, |of| of.entry.request_ms);
        let client = caller.client;
        self.raise_level(desk, client, pool);
        let origin = Origin::Client {
            caller,
            method,
            resource,
            search,
            rounds,
        };
        let Some(key) = self.insert_call(desk, origin, server, pool, request_ms) else {
            return;
        };
        let wire = ShortBytes::decimal(to_wire(key));
        if let Some(token_at) = token_at {
            edits.replace(token_at, wire.clone());
        }
        if let Some(id_at) = envelope.id {
            edits.replace(id_at, wire);
        }
        let arguments = Arguments {
            tool: tool.as_ref(),
            text: &buffer,
            envelope: &envelope,
        };
        let message = edits.parts(&buffer, envelope.whole);
        if let Err(refused) = self.send_call(desk, (pool, server), &arguments, &message) {
            if let Some(Call {
                origin: Origin::Client { caller, .. },
                ..
            }) = self.calls.remove(key)
            {
                let state = desk.backends.state(desk.cx.now, pool);
                let failure = Failure::refused(self.server_name(server), refused, &state);
                desk.fail(client, caller.at, &caller.id, &failure);
            }
            return;
        }
        if let Some(client) = self.clients.get_mut(&client) {
            client.calls.push(key);
        }
        self.enter(key);
    }

    /// Adds a call to the table. When there are more calls than ids the caller is told.
    pub(crate) fn insert_call(
        &mut self,
        desk: &mut Desk<'_, '_>,
        origin: Origin,
        server: ServerKey,
        pool: PoolKey,
        request_ms: u64,
    ) -> Option<CallKey> {
        let now = desk.cx.now.tick;
        let call = Call {
            origin,
            pool,
            server,
            request_ms,
            deadline: now,
            last: now,
            place: 0,
            suspended: None,
        };
        match self.calls.insert(now, call) {
            Ok(key) => {
                let deadline = now.after(request_ms);
                desk.cx.timers.set_by(Alarm::Calls, deadline);
                Some(key)
            }
            Err(call) => {
                if let Some(caller) = call.caller() {
                    let failure = Failure::new(
                        super::errors::INTERNAL,
                        "too many calls in flight: try again",
                    );
                    desk.fail(caller.client, caller.at, &caller.id, &failure);
                }
                None
            }
        }
    }

    /// Sends a message of our own that expects an answer; `false` if it could not be sent.
    pub(crate) fn call_quietly(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        origin: Origin,
        method: &str,
        params: Option<&str>,
    ) -> bool {
        let Some(session) = self.pools.get(&pool) else {
            return false;
        };
        let server = session.server;
        let request_ms = self
            .server(server)
            .map_or(0, |server| server.entry.request_ms);
        let Some(key) = self.insert_call(desk, origin, server, pool, request_ms) else {
            return false;
        };
        let params = match params {
            _ if Self::is_stateless(desk, pool) => self.described(params),
            Some(params) => format!(",\"params\":{params}"),
            None => String::new(),
        };
        let message = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":{}{params}}}",
            to_wire(key),
            write::string(method),
        );
        let sent = desk
            .backends
            .send(desk.cx, pool, &[Part::from(message.as_str())]);
        if sent.is_err() {
            self.calls.remove(key);
        }
        sent.is_ok()
    }

    /// The session is up, or a held question is settled: what waited for it goes on.
    pub(crate) fn unpark(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let (ready, rest): (Vec<Parked>, Vec<Parked>) = self
            .parked
            .drain(..)
            .partition(|parked| parked.pool == pool);
        self.parked = rest;
        for parked in ready {
            self.forward(desk, parked.request, parked.server);
        }
        self.wake_for_none(desk);
    }

    /// The session will not come up for those who wait for it.
    pub(crate) fn refuse_parked(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let (lost, rest): (Vec<Parked>, Vec<Parked>) = self
            .parked
            .drain(..)
            .partition(|parked| parked.pool == pool);
        self.parked = rest;
        let state = if self.pools.contains_key(&pool) {
            desk.backends.state(desk.cx.now, pool)
        } else {
            PoolState::Stopping
        };
        for Parked {
            request, server, ..
        } in lost
        {
            Mark::ParkedRefused.hit();
            let server: Rc<str> = self.server_name(server).into();
            self.refuse_request(desk, &request, (&server, &state));
        }
    }

    /// Requests that have waited as long as a call may take.
    pub(crate) fn expire_parked(&mut self, desk: &mut Desk<'_, '_>) {
        let now = desk.cx.now.tick;
        let (late, rest): (Vec<Parked>, Vec<Parked>) = self
            .parked
            .drain(..)
            .partition(|parked| parked.deadline <= now);
        self.parked = rest;
        for Parked {
            request,
            server,
            pool,
            ..
        } in late
        {
            Mark::ParkedExpires.hit();
            let state = desk.backends.state(desk.cx.now, pool);
            let failure = Failure::down(self.server_name(server), &state);
            self.refuse(desk, &request, &failure.ending(End::Timeout));
        }
    }

    /// The earliest moment at which a waiting request is given up.
    pub(crate) fn parked_deadline(&self) -> Option<Tick> {
        self.parked.iter().map(|parked| parked.deadline).min()
    }

    /// Takes waiting requests of a client out: it cancelled one, or is gone.
    pub(crate) fn drop_parked(&mut self, client: ClientKey, id: Option<&[u8]>) -> Vec<Caller> {
        let theirs = |parked: &Parked| {
            let caller = &parked.request.caller;
            caller.client == client && id.is_none_or(|id| caller.id.same(id))
        };
        let (dropped, rest): (Vec<Parked>, Vec<Parked>) = self.parked.drain(..).partition(theirs);
        self.parked = rest;
        dropped
            .into_iter()
            .map(|parked| parked.request.caller)
            .collect()
    }
}
