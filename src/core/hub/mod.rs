//! The hub owns the three machines (clients, hall, backends) and the tables that they share. It
//! dispatches: what happens goes to the machine that owns the link or the alarm, what a machine
//! tells goes to the hall. It has no policy of its own but when to leave the process.

use crate::backend::Backends;
use crate::base::frame::Frame;
use crate::base::timers::Timers;
use crate::client::Clients;
use crate::cx::{Alarm, Cx};
use crate::effect::Effects;
use crate::entropy::Entropy;
use crate::hub::leave::Leaving;
use crate::input::Input;
use crate::instance::Instances;
use crate::language::{BackendEvent, ClientEvent, Page};
use crate::links::{LinkKey, Links, Owner};
use crate::now::{Now, Tick};
use crate::oauth::client::{Keyring, Protected};
use crate::oauth::owner::Logins;
use crate::oauth::server::Server;
use crate::route::router::Incoming;
use crate::route::{Desk, Hall};
use crate::settings::{HealthLevel, Settings};
use crate::tally::Tally;
use crate::web;

/// Takes a context for the machines out of the hub's own tables.
macro_rules! cx {
    ($hub:ident, $now:expr, $out:expr) => {
        Cx {
            now: $now,
            log_level: $hub.settings.log_level,
            links: &mut $hub.links,
            timers: &mut $hub.timers,
            effects: $out,
            entropy: &mut $hub.entropy,
            tally: &mut $hub.tally,
        }
    };
}

/// Lets the hall work with both edges.
macro_rules! desk {
    ($hub:ident, $cx:ident) => {
        &mut Desk {
            cx: &mut $cx,
            clients: &mut $hub.clients,
            backends: &mut $hub.backends,
        }
    };
}

mod edges;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod leave;
mod metrics;
mod pages;
mod site;
mod survey;

/// The whole core.
pub struct Hub {
    links: Links,
    timers: Timers<Alarm>,
    entropy: Entropy,
    settings: Settings,
    clients: Clients,
    backends: Backends,
    hall: Hall,
    instances: Instances,
    logins: Logins,
    auth: Server,
    keyring: Keyring,
    /// What it was told of.
    protected: Vec<Protected>,
    /// The message that is being handled; its buffer is reused. Taken out while a machine works.
    frame: Option<Frame>,
    leaving: Leaving,
    /// What is counted for `/metrics`.
    tally: Tally,
}

impl Hub {
    /// A hub that serves nothing yet: send it `Input::Config` first.
    #[must_use]
    pub fn new(settings: Settings, seed: &[u8; 32]) -> Self {
        let mut entropy = Entropy::new(seed);
        let keys = (entropy.block(), entropy.block());
        let first_ask = entropy.below(1 << 52);
        Self {
            links: Links::default(),
            timers: Timers::default(),
            clients: Clients::new(&settings),
            backends: Backends::new(&settings),
            hall: Hall::new(settings.clone(), keys, first_ask),
            instances: Instances::default(),
            logins: Logins::new(&settings),
            auth: Server::new(&settings),
            keyring: Keyring::new(&settings),
            protected: Vec::new(),
            frame: Some(Frame::default()),
            leaving: Leaving::No,
            tally: Tally::default(),
            entropy,
            settings,
        }
    }

    /// Everything that happens arrives here; everything we want done leaves through `out`.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Effects) {
        let mut cx = cx!(self, now, out);
        match input {
            Input::Accepted { link, peer, port } => {
                self.clients.accepted(&mut cx, link, peer, port);
            }
            Input::Stdio { link } => self.clients.stdio(&mut cx, link),
            Input::Instance { link } => self.instances.opened(&mut cx, link),
            Input::Bytes { link, bytes } => match cx.links.owner(link) {
                Some(Owner::Child(_)) => self.backends.receive(&mut cx, link, bytes),
                Some(Owner::Dialed(dial)) => self.backends.dialed_receive(&mut cx, dial, bytes),
                Some(Owner::Http | Owner::Stdio) => {
                    cx.tally.clients().received += bytes.len() as u64;
                    self.clients.receive(&mut cx, link, bytes);
                }
                Some(Owner::Instance) => {
                    let question = self.instances.receive(link, bytes);
                    self.asked(now, out, link, question);
                }
                None => {}
            },
            Input::Eof { link } => match cx.links.owner(link) {
                Some(Owner::Child(_)) => self.backends.eof(&mut cx, link),
                Some(Owner::Dialed(dial)) => self.backends.dialed_eof(&mut cx, dial),
                Some(Owner::Http | Owner::Stdio) => self.clients.eof(&mut cx, link),
                Some(Owner::Instance) => {
                    let question = self.instances.eof(&mut cx, link);
                    self.asked(now, out, link, question);
                }
                None => {}
            },
            Input::Broken { link } => match cx.links.owner(link) {
                Some(Owner::Child(_)) => self.backends.broken(&mut cx, link),
                Some(Owner::Dialed(dial)) => self.backends.dialed_broken(&mut cx, link, dial),
                Some(Owner::Stdio) => {
                    self.clients.broken(&mut cx, link);
                    self.stop(now, out);
                }
                Some(Owner::Http) => self.clients.broken(&mut cx, link),
                Some(Owner::Instance) => self.instances.broken(&mut cx, link),
                None => {}
            },
            Input::Opened { dial, link } => self.backends.opened(&mut cx, dial, link),
            Input::OpenFailed { dial, failure } => {
                self.backends.open_failed(&mut cx, dial, failure);
            }
            Input::Spawned { pool, link, pid } => self.backends.spawned(&mut cx, pool, link, pid),
            Input::SpawnFailed { pool, why } => self.backends.spawn_failed(&mut cx, pool, why),
            Input::Stderr { pool, bytes } => self.backends.stderr(&mut cx, pool, bytes),
            Input::Exited { pool, status } => self.backends.exited(&mut cx, pool, status),
            Input::Config(config) => self.configure(now, out, *config),
            Input::StateLoaded { name, bytes } => {
                self.hall
                    .state_loaded(desk!(self, cx), &name, bytes.as_deref());
            }
            Input::Record { name, bytes } => self.record(now, out, &name, bytes.as_deref()),
            Input::RecordLocked { ticket, found } => self.locked(now, out, ticket, found),
            Input::RecordStored { ticket, done } => self.stored(now, out, ticket, done),
            Input::Stretched { ticket, key } => self.logins.stretched(&mut cx, ticket, key),
            Input::ListeningLocal { port } => self.keyring.listening(&mut cx, port),
            Input::Measured { link, process } => self.measured(now, out, link, process),
            Input::Stop => self.told_to_stop(now, out),
            Input::Tick => {}
        }
        // What was said counts before the alarms of the same moment: an answer that arrives with
        // its deadline is an answer.
        self.settle(now, out);
        self.ring(now, out);
    }

    /// Every alarm whose moment has come goes to its owner.
    fn ring(&mut self, now: Now, out: &mut Effects) {
        while let Some(alarm) = self.timers.pop_due(now.tick) {
            let mut cx = cx!(self, now, out);
            match alarm {
                Alarm::Http(_)
                | Alarm::Holds
                | Alarm::KeepAlive
                | Alarm::Session(_)
                | Alarm::Sessions
                | Alarm::Door => {
                    self.clients.alarm(&mut cx, alarm);
                }
                Alarm::Instance(link) => self.instances.alarm(&mut cx, link),
                Alarm::Fetch => self.backends.fetch_alarm(&mut cx),
                Alarm::Pool(pool) => self.backends.alarm(&mut cx, pool),
                Alarm::Calls => self.hall.calls_alarm(desk!(self, cx)),
                Alarm::Waiting => self.hall.waiting_alarm(desk!(self, cx)),
                Alarm::Changed => self.hall.changed_alarm(desk!(self, cx)),
                Alarm::Asks => self.hall.asks_alarm(desk!(self, cx)),
                Alarm::Suspended => self.hall.suspended_alarm(desk!(self, cx)),
                Alarm::Tasks => self.hall.tasks_alarm(desk!(self, cx)),
                Alarm::AuthServer => self.auth.alarm(&mut cx),
                Alarm::Login => self.logins.alarm(&mut cx),
                Alarm::Keyring => self.keyring.alarm(&mut cx),
                Alarm::Exit => self.exit_alarm(now, out),
            }
            // An alarm may tell things that another alarm of the same moment must already know.
            self.settle(now, out);
        }
    }

    /// What the machines have to tell, until neither has anything more.
    fn settle(&mut self, now: Now, out: &mut Effects) {
        loop {
            let mut frame = self.frame.take().unwrap_or_default();
            let mut cx = cx!(self, now, out);
            let told = if let Some(event) = self.backends.next(&mut cx, &mut frame) {
                self.hear_backend(now, out, event, &frame);
                true
            } else if let Some(event) = self.clients.next(&mut cx, &mut frame) {
                self.hear_client(now, out, event, &frame);
                true
            } else {
                self.hear_site(now, out)
            };
            self.frame = Some(frame);
            if !told {
                break;
            }
        }
        self.leave_if_done(now, out);
    }

    fn hear_client(&mut self, now: Now, out: &mut Effects, event: ClientEvent, frame: &Frame) {
        let mut cx = cx!(self, now, out);
        match event {
            ClientEvent::Initialize {
                client,
                at,
                id,
                version,
                ..
            } => {
                self.hall
                    .initialize(desk!(self, cx), client, at, id, version);
            }
            ClientEvent::Restored { client } => self.hall.restored(desk!(self, cx), client),
            ClientEvent::Initialized { client } => self.hall.initialized(desk!(self, cx), client),
            ClientEvent::Request {
                client,
                at,
                id,
                envelope,
                hop,
                fields,
            } => {
                let incoming = Incoming {
                    client,
                    at,
                    id,
                    envelope,
                    frame,
                    hop,
                    fields,
                };
                self.hall.request(desk!(self, cx), incoming);
            }
            ClientEvent::Notification { client, envelope } => {
                self.hall
                    .client_notification(desk!(self, cx), client, &envelope, frame);
            }
            ClientEvent::Response { client, envelope } => {
                self.hall
                    .client_response(desk!(self, cx), client, &envelope, frame);
            }
            ClientEvent::Turned { client } => self.hall.look(desk!(self, cx), client),
            ClientEvent::Released { client } => self.hall.release_client(desk!(self, cx), client),
            ClientEvent::InputEnded { .. } => self.input_ended(now, out),
            ClientEvent::Gone { client } => {
                self.hall.end_client(desk!(self, cx), client);
                if self.settings.stdio {
                    self.stop(now, out);
                }
            }
            ClientEvent::Web { link, request } => self.web(now, out, link, &request),
            ClientEvent::Page { link, page, full } => self.page(now, out, link, &page, full),
        }
    }

    fn hear_backend(&mut self, now: Now, out: &mut Effects, event: BackendEvent, frame: &Frame) {
        let mut cx = cx!(self, now, out);
        match event {
            BackendEvent::Ready { pool } => self.hall.pool_ready(desk!(self, cx), pool),
            BackendEvent::Response { pool, id, envelope } => {
                self.hall
                    .response(desk!(self, cx), pool, id, &envelope, frame);
            }
            BackendEvent::Request {
                pool,
                about,
                id,
                envelope,
            } => {
                self.hall
                    .server_request(desk!(self, cx), (pool, about), id, &envelope, frame);
            }
            BackendEvent::Notification {
                pool,
                about,
                envelope,
            } => {
                self.hall
                    .server_notification(desk!(self, cx), (pool, about), &envelope, frame);
            }
            BackendEvent::Challenged { pool, challenge } => {
                let server = self.hall.pool_name(pool);
                self.keyring.challenged(&mut cx, &server, challenge);
            }
            BackendEvent::CallLost { pool, id, loss } => {
                self.hall.call_lost(desk!(self, cx), pool, id, &loss);
            }
            BackendEvent::Down { pool } => self.hall.pool_down(desk!(self, cx), pool),
            BackendEvent::Watching { pool, uris, missed } => {
                self.hall.watching(desk!(self, cx), pool, &uris, missed);
            }
            BackendEvent::Ended { .. } => {}
        }
    }

    /// A page outside MCP.
    fn page(&mut self, now: Now, out: &mut Effects, link: LinkKey, page: &Page, full: bool) {
        let view = self.view(now, out);
        let level = match self.settings.health {
            level if full => level,
            _ => HealthLevel::Minimal,
        };
        let answer = web::answer::page(page, level, &view);
        let mut cx = cx!(self, now, out);
        self.clients.page(&mut cx, link, &answer);
    }

    /// When the hub wants `Input::Tick`, if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        self.timers.next()
    }

    /// The next link with something to write or to shut; asked for until `None` at the end of each
    /// turn.
    pub fn next_dirty(&mut self) -> Option<LinkKey> {
        self.links.next_dirty()
    }

    /// The unsent bytes of a link.
    pub fn pending(&self, link: LinkKey) -> impl Iterator<Item = &[u8]> {
        self.links.chunks(link)
    }

    /// The kernel took this many bytes (0 is allowed); `true` = close the writing half now. To be
    /// called once for every dirty link, and again whenever more was written.
    pub fn wrote(&mut self, now: Now, link: LinkKey, bytes: usize, out: &mut Effects) -> bool {
        let shut = self.links.wrote(link, bytes);
        match self.links.owner(link) {
            Some(Owner::Http | Owner::Stdio) => {
                let mut cx = cx!(self, now, out);
                cx.tally.clients().sent += bytes as u64;
                self.clients.wrote(&mut cx, link);
                self.settle(now, out);
            }
            Some(Owner::Instance) => self.instances.wrote(&mut cx!(self, now, out), link),
            Some(Owner::Dialed(_) | Owner::Child(_)) | None => {}
        }
        shut
    }

    /// What the tables hold, for tests that end with nothing left.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            links: self.links.count(),
            sessions: self.clients.count().sessions,
            exchanges: self.clients.count().exchanges,
            remembered: self.hall.remembered(),
            backends: self.backends.count(),
            calls: self.hall.calls_in_flight(),
            suspended: self.hall.calls_suspended(),
            tasks: self.hall.tasks_known(),
            alarms: self.timers.len(),
        }
    }
}

/// How much the tables hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open links.
    pub links: usize,
    /// Clients with a session.
    pub sessions: usize,
    /// Requests without one that are not answered.
    pub exchanges: usize,
    /// Clients of either kind of which the hall remembers anything.
    pub remembered: usize,
    /// Backend sessions, in whatever state.
    pub backends: usize,
    /// Calls in flight.
    pub calls: usize,
    /// Calls whose clients are asked in the answers to them.
    pub suspended: usize,
    /// Tasks that are known.
    pub tasks: usize,
    /// Alarms that are set.
    pub alarms: usize,
}
