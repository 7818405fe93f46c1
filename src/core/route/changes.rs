//! List changes on their way to clients: several within a moment are told as one. And lists that
//! are to be fetched again after a pause.

use std::collections::BTreeMap;

use crate::cx::{Alarm, Cx};
use crate::language::{ClientKey, PoolKey};
use crate::limits::LIST_CHANGED_COALESCE_MS;
use crate::now::Tick;
use crate::route::catalog::Kind;
use crate::route::pools::Pool;
use crate::route::sight::Alike;
use crate::route::{Desk, Hall, ServerKey};

/// Which lists changed, for whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lists {
    tools: bool,
    prompts: bool,
    resources: bool,
}

impl Lists {
    const ALL: Self = Self {
        tools: true,
        prompts: true,
        resources: true,
    };

    const fn or(self, other: Self) -> Self {
        Self {
            tools: self.tools || other.tools,
            prompts: self.prompts || other.prompts,
            resources: self.resources || other.resources,
        }
    }

    const fn of(kind: Kind) -> Self {
        let none = Self {
            tools: false,
            prompts: false,
            resources: false,
        };
        match kind {
            Kind::Tools => Self {
                tools: true,
                ..none
            },
            Kind::Prompts => Self {
                prompts: true,
                ..none
            },
            // Templates have no notification of their own.
            Kind::Resources | Kind::Templates => Self {
                resources: true,
                ..none
            },
        }
    }
}

/// Whom a change concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// One client.
    Client(ClientKey),
    /// All who see this server.
    Server(ServerKey),
    /// All who see every server.
    All,
}

impl Concerns {
    /// A session's own client, or all who see its server.
    pub(crate) fn of(session: &Pool) -> Self {
        session
            .owner
            .map_or(Self::Server(session.server), Self::Client)
    }
}

/// Changes that are not told yet.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// For who sees everything.
    everyone: Lists,
    /// The same, for each server that is known.
    servers: BTreeMap<ServerKey, Lists>,
    clients: BTreeMap<ClientKey, Lists>,
    /// When they are told.
    due: Option<Tick>,
    /// Lists that pause before their next fetch; each at most once, since a list knows that it
    /// pauses.
    pausing: Vec<(Tick, PoolKey, Kind)>,
}

impl Changes {
    /// A list changed.
    pub(crate) fn note(&mut self, cx: &mut Cx<'_>, whose: Concerns, kind: Kind) {
        self.add(cx, whose, Lists::of(kind));
    }

    /// All lists may have changed: servers came, went, or changed hands.
    pub(crate) fn note_all(&mut self, cx: &mut Cx<'_>, whose: Concerns) {
        self.add(cx, whose, Lists::ALL);
    }

    fn add(&mut self, cx: &mut Cx<'_>, whose: Concerns, lists: Lists) {
        match whose {
            Concerns::All => self.everyone = self.everyone.or(lists),
            Concerns::Server(server) => {
                self.everyone = self.everyone.or(lists);
                let entry = self.servers.entry(server).or_default();
                *entry = entry.or(lists);
            }
            Concerns::Client(client) => {
                let entry = self.clients.entry(client).or_default();
                *entry = entry.or(lists);
            }
        }
        if self.due.is_none() {
            self.due = Some(cx.now.tick.after(LIST_CHANGED_COALESCE_MS));
            self.arm(cx);
        }
    }

    /// A list is to be fetched at that moment.
    pub(crate) fn pause(&mut self, cx: &mut Cx<'_>, at: Tick, pool: PoolKey, kind: Kind) {
        let same = |(_, of, list): &(Tick, PoolKey, Kind)| *of == pool && *list == kind;
        self.pausing.retain(|pause| !same(pause));
        self.pausing.push((at, pool, kind));
        self.arm(cx);
    }

    fn arm(&self, cx: &mut Cx<'_>) {
        let pauses = self.pausing.iter().map(|(at, ..)| *at);
        match pauses.chain(self.due).min() {
            Some(at) => cx.timers.set(Alarm::Changed, at),
            None => cx.timers.clear(Alarm::Changed),
        }
    }

    /// Lists whose pause is over.
    fn rested(&mut self, now: Tick) -> Vec<(PoolKey, Kind)> {
        let over = self.pausing.extract_if(.., |(at, ..)| *at <= now);
        over.map(|(_, pool, kind)| (pool, kind)).collect()
    }
}

impl Hall {
    /// A moment of the changes has come: [`Alarm::Changed`].
    pub fn changed_alarm(&mut self, desk: &mut Desk<'_, '_>) {
        let now = desk.cx.now.tick;
        for (pool, kind) in self.changes.rested(now) {
            self.refetch(desk, pool, kind);
        }
        if self.changes.due.is_some_and(|due| due <= now) {
            self.tell_changes(desk);
        }
        self.changes.arm(desk.cx);
    }

    /// Tells every client that speaks already what changed for it.
    fn tell_changes(&mut self, desk: &mut Desk<'_, '_>) {
        self.changes.due = None;
        let everyone = std::mem::take(&mut self.changes.everyone);
        let servers = std::mem::take(&mut self.changes.servers);
        let clients = std::mem::take(&mut self.changes.clients);
        let mut alike = Alike::default();
        for (key, client) in &self.clients {
            let own = clients.get(key).copied().unwrap_or_default();
            let seen = client.sight.as_ref().map(|sight| {
                alike.of(sight, || {
                    if sight.is_all() {
                        return everyone;
                    }
                    let seen = servers.iter().filter(|(of, _)| self.sees(*key, **of));
                    seen.fold(Lists::default(), |all, (_, lists)| all.or(*lists))
                })
            });
            let lists = own.or(seen.unwrap_or_default());
            let listen = client.listen.as_deref();
            let speaks = match listen {
                Some(listen) => listen.acknowledged,
                None => {
                    let facts = desk.clients.facts(*key);
                    facts.is_some_and(|facts| facts.initialized)
                }
            };
            if !speaks {
                continue;
            }
            let told = client.advertised;
            let told = listen.map_or((told.tools, told.prompts, told.resources), |listen| {
                (listen.tools, listen.prompts, listen.resources)
            });
            for (changed, wanted, group) in [
                (lists.tools, told.0, "tools"),
                (lists.prompts, told.1, "prompts"),
                (lists.resources, told.2, "resources"),
            ] {
                if changed && wanted {
                    let method = format!("notifications/{group}/list_changed");
                    let message = match listen {
                        Some(listen) => listen.message(&method, ""),
                        None => format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"}}"),
                    };
                    desk.clients.tell(desk.cx, *key, &[message.as_str().into()]);
                }
            }
        }
    }
}
