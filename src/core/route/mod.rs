//! The hall between the two edges: which server is meant, who asked, who is to be asked.
//!
//! Owns the servers of the configuration, their sessions' catalogs, the calls and questions in
//! flight. Speaks only the language of [`crate::language`]; never imports `client` or `backend`,
//! never frames, never parses a payload.

pub mod answers;
pub mod asks;
mod authorize;
pub mod calls;
pub mod catalog;
pub mod changes;
pub mod complete;
pub mod directory;
mod downgrade;
pub mod elicitation;
mod elicited;
pub mod errors;
pub mod fetch;
pub mod forward;
mod from_modern;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod ghosts;
pub mod held;
pub mod hello;
pub mod keeps;
mod kept;
pub mod leases;
pub mod listen;
pub mod lists;
pub mod logging;
mod lost;
pub mod memory;
mod modern_outcome;
pub mod outcome;
mod outgoing;
mod param_fields;
pub mod pools;
pub mod reload;
pub mod rendered;
pub mod resources;
mod retry;
mod round_asks;
pub mod rounds;
pub mod router;
mod seal;
pub mod servers;
mod sight;
pub mod splice;
pub mod stamp;
pub mod stateless;
pub mod status;
pub mod subscriptions;
pub mod suspended;
pub mod tasks;
mod tasks_answer;
mod tasks_ask;
mod tasks_call;
mod tasks_end;
mod tasks_input;
mod tasks_note;
mod tasks_poll;
mod tasks_put;
pub mod watches;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::base::slab::Slab;
use crate::base::timers::DeadlineQueue;
use crate::cx::{Alarm, Cx};
use crate::language::{BackendEdge, ClientEdge, ClientKey, PoolKey, PoolState};
use crate::mcp::capabilities::{ClientCapabilities, ServerCapabilities};
use crate::now::Tick;
use crate::principal::Sight;
use crate::route::asks::{Ask, AskIds, AskKey};
use crate::route::calls::{CallKey, Calls};
use crate::route::changes::Changes;
use crate::route::directory::Directory;
use crate::route::forward::Parked;
use crate::route::held::HeldAsk;
use crate::route::kept::Kept;
use crate::route::listen::Listen;
use crate::route::lists::Waiting;
use crate::route::pools::Pool;
use crate::route::seal::{Bound, Seal};
use crate::route::servers::Server;
use crate::route::stamp::Stamp;
use crate::route::suspended::SuspendedKey;
use crate::route::tasks::Tasks;
use crate::settings::Settings;

crate::slab_keys! {
    /// One server of the configuration.
    ServerKey;
}

/// What the hall works with while it handles one event.
pub struct Desk<'a, 'c> {
    /// Moment, alarms, orders, log.
    pub cx: &'a mut Cx<'c>,
    /// The edge towards clients.
    pub clients: &'a mut dyn ClientEdge,
    /// The edge towards servers.
    pub backends: &'a mut dyn BackendEdge,
}

/// What the hall remembers of a client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Its calls in flight.
    pub(crate) calls: Vec<CallKey>,
    /// Questions that wait for its answer.
    pub(crate) asks: Vec<AskKey>,
    /// What it asked for by `logging/setLevel`: 0 debug ... 7 emergency.
    pub(crate) level: Option<u8>,
    /// What we told it at `initialize`: such a method never answers -32601 (A3).
    pub(crate) advertised: ServerCapabilities,
    /// How many URIs it subscribes to.
    pub(crate) subscriptions: usize,
    /// It has no session: it is one request.
    pub(crate) modern: bool,
    /// What that request declared.
    pub(crate) declares: ClientCapabilities,
    /// What it listens to, if its one request is that.
    pub(crate) listen: Option<Box<Listen>>,
    /// Sessions of servers that it has to itself for as long as it lasts.
    pub(crate) leases: Vec<PoolKey>,
    /// What a `requestState` for it is bound to, if it may get one.
    pub(crate) bound: Option<Box<Bound>>,
    /// It was asked to open a page, and did not want to.
    pub(crate) declined: bool,
    /// Its call is suspended.
    pub(crate) suspended: Option<SuspendedKey>,
    /// What it may see; nothing as long as nobody said so.
    pub(crate) sight: Option<Sight>,
}

/// Whether servers may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    /// In stdio mode before the client has said `initialize`, and a moment longer.
    NotYet,
    /// They may.
    Yes,
    /// We leave.
    Over,
}

/// The hall.
pub struct Hall {
    settings: Settings,
    servers: Slab<ServerKey, Server>,
    /// Servers in the order of the file.
    order: Vec<ServerKey>,
    /// Servers of the file that are not served, and whether that is because they are disabled.
    left_out: Vec<(Rc<str>, bool)>,
    pools: BTreeMap<PoolKey, Pool>,
    clients: BTreeMap<ClientKey, Client>,
    /// Lists of calls that clients without a session left behind, for the next ones.
    spares: Vec<Vec<CallKey>>,
    calls: Calls,
    /// When sessions of single clients are looked at that may have been idle for too long; `None`
    /// while there is none.
    idle_check: Option<Tick>,
    asks: Slab<AskKey, Ask>,
    ask_ids: AskIds,
    /// When they are given up; all wait equally long.
    ask_deadlines: DeadlineQueue<AskKey>,
    /// Questions that cannot be attributed yet (protocol S3).
    held: VecDeque<HeldAsk>,
    /// Calls whose clients are asked in the answers to them.
    suspended: suspended::Table,
    tasks: Tasks,
    /// Requests for servers that are still starting.
    parked: Vec<Parked>,
    /// Lists and `initialize` answers for servers never seen before.
    waiting: Vec<Waiting>,
    directory: Directory,
    /// The directory is older than a catalog or the configuration.
    names_stale: bool,
    /// Who answered a read of a URI that nobody lists, the latest last: subscriptions go there.
    answered: VecDeque<(Rc<str>, ServerKey)>,
    changes: Changes,
    /// In stdio mode: the one client there is. Its capabilities are used exactly.
    single: Option<ClientKey>,
    /// In stdio mode: what the first request without a session declared, if one came.
    first: Option<ClientCapabilities>,
    /// What stands in results for clients without a session.
    stamp: Stamp,
    running: Running,
    /// The one client of a stdio gateway can say nothing more, so it is asked nothing.
    deaf: bool,
    /// Key of the cursors that we hand out.
    cursor_key: [u8; 32],
    /// What clients without a session carry from round to round.
    seal: Seal,
    /// What is kept for calls that may have to be made again.
    kept: Kept,
}

impl Hall {
    /// A hall without servers, with keys of its own, whose questions begin with this number.
    #[must_use]
    pub fn new(
        settings: Settings,
        (cursor_key, state_key): ([u8; 32], [u8; 32]),
        first_ask: u64,
    ) -> Self {
        let running = if settings.stdio {
            Running::NotYet
        } else {
            Running::Yes
        };
        Self {
            stamp: Stamp::new(&settings.version),
            settings,
            servers: Slab::default(),
            order: Vec::new(),
            left_out: Vec::new(),
            pools: BTreeMap::new(),
            clients: BTreeMap::new(),
            spares: Vec::new(),
            calls: Calls::default(),
            idle_check: None,
            asks: Slab::default(),
            ask_ids: AskIds::after(first_ask),
            ask_deadlines: DeadlineQueue::default(),
            held: VecDeque::new(),
            suspended: suspended::Table::default(),
            tasks: Tasks::default(),
            parked: Vec::new(),
            waiting: Vec::new(),
            directory: Directory::default(),
            names_stale: false,
            answered: VecDeque::new(),
            changes: Changes::default(),
            single: None,
            first: None,
            running,
            deaf: false,
            cursor_key,
            seal: Seal::new(state_key),
            kept: Kept::default(),
        }
    }

    /// Whether some client waits for an answer.
    #[must_use]
    pub fn busy(&self) -> bool {
        !self.parked.is_empty()
            || !self.waiting.is_empty()
            || self.clients.values().any(|client| !client.calls.is_empty())
    }

    /// How many clients anything is remembered of.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.clients.len()
    }

    /// How many calls are in flight, our own included.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        self.calls.len()
    }

    /// How many tasks are known.
    #[must_use]
    pub fn tasks_known(&self) -> usize {
        self.tasks.len()
    }

    /// Whether the one client of a stdio gateway has said `initialized`, or listens.
    #[must_use]
    pub fn spoken_to(&self, clients: &dyn ClientEdge) -> bool {
        let initialized = self
            .single
            .and_then(|client| clients.facts(client))
            .is_some_and(|facts| facts.initialized);
        initialized || self.clients.values().any(|client| client.listen.is_some())
    }

    /// Nothing more will be asked. If nothing waits for an answer but `initialize`, no server is
    /// started at all; if something does, its servers are.
    pub fn last_requests(&mut self, desk: &mut Desk<'_, '_>) {
        self.deaf = true;
        if let Some(client) = self.single {
            self.drop_asks_of_client(desk, client);
        }
        self.end_all_suspended(desk);
        let waits = |waiting: &Waiting| !matches!(waiting.what, lists::Want::Initialize(_));
        if self.running != Running::NotYet || self.waiting.iter().any(waits) {
            return;
        }
        self.running = Running::Over;
        for waiting in &mut self.waiting {
            waiting.deadline = desk.cx.now.tick;
        }
        self.settle(desk);
    }

    /// We leave: what waits is answered now, nothing is started any more.
    pub fn shut(&mut self, desk: &mut Desk<'_, '_>) {
        self.running = Running::Over;
        // Calls end one by one now: who is left last is not who a held question is for.
        self.held.clear();
        for session in self.pools.values_mut() {
            session.holding = false;
        }
        for key in self.pools.keys().copied().collect::<Vec<_>>() {
            self.refuse_parked(desk, key);
            let calls = self.calls.of_pool(key);
            let name = self.pool_name(key);
            self.fail_calls(desk, &name, calls, &PoolState::Stopping);
        }
        self.forget_suspended(desk);
        for waiting in &mut self.waiting {
            waiting.deadline = desk.cx.now.tick;
        }
        self.settle(desk);
        self.idle_check = None;
        self.wake_for_calls(desk);
        for alarm in [Alarm::Waiting, Alarm::Changed, Alarm::Asks, Alarm::Tasks] {
            desk.cx.timers.clear(alarm);
        }
    }

    /// Makes sure that [`Hall::waiting_alarm`] is called at that moment or before.
    pub(crate) fn wake_at(&self, desk: &mut Desk<'_, '_>, at: Tick) {
        desk.cx.timers.set_by(Alarm::Waiting, at);
    }

    /// If nobody waits any more, nothing is to wake us. (A stdio gateway that has not started its
    /// servers yet waits for that.)
    pub(crate) fn wake_for_none(&self, desk: &mut Desk<'_, '_>) {
        let started = self.running != Running::NotYet;
        if started && self.waiting.is_empty() && self.parked.is_empty() {
            desk.cx.timers.clear(Alarm::Waiting);
        }
    }
}
