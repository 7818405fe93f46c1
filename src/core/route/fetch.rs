//! Fetching the lists of a session, one at a time each, and what follows when they are whole.

use std::num::NonZeroU64;
use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::cx::Cx;
use crate::effect::Level;
use crate::json::envelope::{Envelope, Kind as Message};
use crate::json::span::string;
use crate::language::PoolKey;
use crate::mcp::capabilities::ServerCapabilities;
use crate::route::calls::Origin;
use crate::route::catalog::{Begin, Kind, List, Page};
use crate::route::changes::Concerns;
use crate::route::errors::METHOD_NOT_FOUND;
use crate::route::from_modern::complete;
use crate::route::ghosts::Ghosts;
use crate::route::keeps::Keeps;
use crate::route::outcome::error_code;
use crate::route::param_fields::unfit_warning;
use crate::route::pools::Life;
use crate::route::{Desk, Hall};

const fn offers(capabilities: ServerCapabilities, kind: Kind) -> bool {
    match kind {
        Kind::Tools => capabilities.tools,
        Kind::Prompts => capabilities.prompts,
        Kind::Resources | Kind::Templates => capabilities.resources,
    }
}

/// Says how many entries of a list nobody gets, and why.
fn warn_of_left_out(cx: &mut Cx<'_>, server: &str, kind: Kind, list: &mut List) {
    let (skipped, method) = (std::mem::take(&mut list.skipped), kind.method());
    if skipped > 0 {
        cx.log(Level::Warn, || {
            format!(
                "server={server} {skipped} entries of {method} left out: no name, or one that \
                 another has"
            )
        });
    }
    if let Some(unfit) = list.unfit_news() {
        cx.log(Level::Warn, || unfit_warning(server, unfit));
    }
}

impl Hall {
    /// A session finished its handshake.
    pub fn pool_ready(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let came_back = session.life == Life::Down;
        session.life = Life::Up;
        session.since = desk.cx.now.tick;
        session.level = None;
        session.ghosts = Ghosts::default();
        session.catalog.reset();
        session.holding = false;
        let (whose, leased) = (Concerns::of(session), session.leased);
        // A server over HTTP may have forgotten its session and begun another without ever being
        // down: what it asked and began there is gone.
        self.drop_asks_of_pool(desk, pool);
        self.forget_questions(desk, pool);
        self.lose_tasks(desk, pool);
        let hello = desk.backends.hello(pool);
        let offered = hello.map(|hello| hello.capabilities).unwrap_or_default();
        self.note_era(desk, pool);
        for kind in Kind::ALL {
            if offers(offered, kind) {
                self.fetch(desk, pool, kind);
            } else if let Some(session) = self.pools.get_mut(&pool)
                && session.catalog.list_mut(kind).none()
                && !leased
            {
                self.changes.note(desk.cx, whose, kind);
            }
        }
        if came_back && !leased {
            // The lists were withdrawn while it was away.
            self.changes.note_all(desk.cx, whose);
        }
        let lowest = self.lowest_levels();
        self.send_level(desk, pool, &lowest);
        self.renew_subscriptions(desk, pool);
        self.unpark(desk, pool);
        self.lists_settled(desk, pool);
    }

    /// Asks a session for a list if it has such a one.
    pub(crate) fn fetch_offered(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey, kind: Kind) {
        let hello = desk.backends.hello(pool);
        if hello.is_some_and(|hello| offers(hello.capabilities, kind)) {
            self.fetch(desk, pool, kind);
        }
    }

    /// Asks a session for a list, or notes that the one under way is stale.
    pub(crate) fn fetch(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey, kind: Kind) {
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        if session.life != Life::Up || !session.lists {
            return;
        }
        match session.catalog.list_mut(kind).begin(desk.cx.now.tick) {
            Begin::Now => self.ask_list(desk, pool, kind, None),
            Begin::Later(at) => {
                Mark::RefetchPauses.hit();
                self.changes.pause(desk.cx, at, pool, kind);
            }
            Begin::Joined => {}
        }
    }

    /// The pause between two fetches of a list is over.
    pub(crate) fn refetch(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey, kind: Kind) {
        let session = self.pools.get_mut(&pool);
        if session.is_some_and(|session| session.catalog.list_mut(kind).resume(desk.cx.now.tick)) {
            self.ask_list(desk, pool, kind, None);
        }
    }

    fn ask_list(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        kind: Kind,
        params: Option<&str>,
    ) {
        if !self.call_quietly(desk, pool, Origin::List(kind), kind.method(), params) {
            self.list_failed(desk, pool, kind, true);
        }
    }

    /// A page of a list arrived.
    pub(crate) fn list_page(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        kind: Kind,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let result = envelope
            .outcome
            .filter(|_| envelope.kind == Message::Result);
        let Some(result) = result else {
            let code = envelope
                .outcome
                .and_then(|error| error_code(frame.bytes(), error));
            // Who has no such list will not have it later either.
            let retries = code != Some(i64::from(METHOD_NOT_FOUND));
            return self.list_failed(desk, pool, kind, retries);
        };
        let modern = Self::is_stateless(desk, pool);
        if modern && !complete(frame.bytes(), result) {
            return self.list_failed(desk, pool, kind, true);
        }
        let name = self.pool_name(pool);
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let (whose, leased) = (Concerns::of(session), session.leased);
        let list = session.catalog.list_mut(kind);
        list.strict = kind == Kind::Tools && desk.backends.wants_fields(pool);
        if modern {
            list.keep(Keeps::read(frame.bytes(), result, desk.cx.now.tick));
        }
        match list.page(kind, frame.shared(), result) {
            Page::More(cursor) => {
                let cursor = String::from_utf8_lossy(&cursor);
                let params = format!("{{\"cursor\":{cursor}}}");
                self.ask_list(desk, pool, kind, Some(&params));
            }
            Page::Whole { changed } => {
                let again = list.end();
                warn_of_left_out(desk.cx, &name, kind, list);
                if changed {
                    // At once: as soon as a list is known its names have to lead somewhere.
                    self.names_stale = true;
                    if !leased {
                        self.changes.note(desk.cx, whose, kind);
                    }
                }
                if again {
                    self.fetch(desk, pool, kind);
                } else if kind == Kind::Tools {
                    self.repeat_for_fields(desk, pool);
                }
                self.lists_settled(desk, pool);
            }
        }
    }

    /// A list could not be had: what was known of it stays, and it is asked for again later.
    pub(crate) fn list_failed(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        kind: Kind,
        retries: bool,
    ) {
        let name = self.pool_name(pool);
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let list = session.catalog.list_mut(kind);
        if list.end() {
            self.fetch(desk, pool, kind);
        } else if retries && session.life == Life::Up {
            Mark::ListRetried.hit();
            let at = list.retry(desk.cx.now.tick);
            self.changes.pause(desk.cx, at, pool, kind);
        }
        if kind == Kind::Tools {
            self.repeat_for_fields(desk, pool);
        }
        desk.cx.log(Level::Warn, || {
            format!("server={name} did not answer {}", kind.method())
        });
        self.lists_settled(desk, pool);
    }

    /// Once all lists of a session are whole: names are built anew, what waited is answered.
    fn lists_settled(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let Some(session) = self.pools.get(&pool) else {
            return;
        };
        let fetching = Kind::ALL
            .into_iter()
            .any(|kind| session.catalog.list(kind).fetching());
        if fetching || !session.catalog.known() {
            return;
        }
        let server = session.server;
        let tools = session.catalog.list(Kind::Tools).entries().len();
        let name = Rc::clone(&self.pool_name(pool));
        desk.cx.log(Level::Debug, || {
            format!("server={name} lists fetched tools={tools}")
        });
        self.names_stale = true;
        self.remember(desk, server);
        self.settle(desk);
    }

    /// A server told us something.
    pub fn server_notification(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, about): (PoolKey, Option<NonZeroU64>),
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let Some(method) = envelope.method.and_then(|at| string(text, at)) else {
            return;
        };
        match method.as_ref() {
            "notifications/progress" => self.progress(desk, pool, envelope, frame),
            "notifications/message" => self.log_message(desk, (pool, about), envelope, frame),
            "notifications/cancelled" => self.ask_cancelled(desk, pool, envelope, frame),
            "notifications/tasks/status" => self.task_status(desk, pool, envelope, frame),
            "notifications/tools/list_changed" => self.fetch(desk, pool, Kind::Tools),
            "notifications/prompts/list_changed" => self.fetch(desk, pool, Kind::Prompts),
            "notifications/resources/list_changed" => {
                self.fetch(desk, pool, Kind::Resources);
                self.fetch(desk, pool, Kind::Templates);
            }
            "notifications/resources/updated" => self.updated(desk, pool, envelope, frame),
            "notifications/elicitation/complete" => {
                self.elicitation_complete(desk, pool, envelope, frame);
            }
            other => {
                let name = self.pool_name(pool);
                desk.cx.log(Level::Debug, || {
                    format!("server={name} sent {other}: ignored")
                });
            }
        }
    }

    /// A session ended, or never came up.
    pub fn pool_down(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let before = session.life;
        session.life = Life::Down;
        session.holding = false;
        session.catalog.reset();
        let whose = Concerns::of(session);
        let (retired, leased) = (session.retired, session.leased);
        let name = self.pool_name(pool);
        let state = desk.backends.state(desk.cx.now, pool);
        self.drop_asks_of_pool(desk, pool);
        self.lose_waiters(desk, pool, &state);
        let calls = self.calls.of_pool(pool);
        self.fail_calls(desk, &name, calls, &state);
        self.lose_tasks(desk, pool);
        self.refuse_parked(desk, pool);
        if before != Life::Down && !leased {
            self.changes.note_all(desk.cx, whose);
        }
        if retired {
            self.stop_pool(desk, pool);
        }
        self.settle(desk);
    }
}
