//! What is counted, for `/metrics`: every request of a client from the moment it is read until
//! what became of it, bytes, restarts.
//!
//! An [`Account`] is opened for each request and given back when it ends; it can be neither copied
//! nor given back twice, so each is counted once. Counting is O(1) and allocates nothing, but for
//! the first call of a tool. Labels come from the configuration and from catalogs, never from
//! clients. Never renders (that is `web::metrics`), never decides.

mod kinds;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::quoted::quoted;
use crate::base::slab::{Key, Slab};
use crate::limits::METRIC_TOOLS_MAX;
use crate::now::Tick;

pub use kinds::{Bytes, End, Ends, Method};
pub use server::{BUCKETS_MS, Histogram, ServerTally, ToolTally};

crate::slab_keys! {
    /// What is counted of one server. Good for as long as a server of that name is configured.
    Slot;
}

impl Slot {
    /// Of no server in particular.
    pub const NONE: Self = Self(Key {
        index: u32::MAX,
        generation: u32::MAX,
    });
}

/// What a tool is called that has no name to be counted by: it stands in no catalog, or too many
/// others were called before it. No catalog has a tool of this name, so nobody's series is this.
pub const OTHER_TOOL: &str = "";

/// Its place.
const OTHER: u32 = u32::MAX;
/// The place of a tool that was not called since the catalogs changed.
const UNCALLED: u32 = u32::MAX - 1;

/// One request of a client that is not answered yet.
#[derive(Debug)]
#[must_use = "every request is counted when it ends"]
pub struct Account {
    began: Tick,
    bytes: usize,
    method: Method,
    slot: Slot,
    tool: u32,
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Which server.
    pub slot: Slot,
    /// Which tool of its catalog: its number there, and what its server calls it.
    pub tool: Option<(u32, &'a Rc<str>)>,
}

/// What a request that has ended was, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// What was wanted.
    pub method: Method,
    /// Of which server; empty: of none in particular.
    pub server: &'a str,
    /// Which of its tools, if one was called that has a name to be counted by; else empty.
    pub tool: &'a str,
    /// What became of it.
    pub end: End,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// How long it was.
    pub bytes: usize,
}

impl Line<'_> {
    /// One line of the log; `sent` is how long the answer was.
    #[must_use]
    pub fn text(&self, sent: usize) -> String {
        let (method, outcome) = (self.method.label(), self.end.label());
        let mut line = format!("call method={method}");
        for (key, value) in [("server", self.server), ("tool", self.tool)] {
            if !value.is_empty() {
                line.extend([" ", key, "=", &quoted(value)]);
            }
        }
        let (ms, bytes) = (self.ms, self.bytes);
        line.push_str(&format!(
            " outcome={outcome} ms={ms} bytes_in={bytes} bytes_out={sent}"
        ));
        line
    }
}

/// All counters.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that were read.
    received: u64,
    /// Those of them that have not ended.
    open: u64,
    /// Those that have ended and were about a server that is configured no more.
    forgotten: u64,
    /// Those that were about no server in particular.
    own: Ends,
    servers: Slab<Slot, ServerTally>,
    by_name: BTreeMap<Rc<str>, Slot>,
    /// The place, among those of its server that were called, of each tool of the catalogs.
    numbered: Vec<u32>,
    /// How many tools are counted apart.
    tools: usize,
    /// From and to clients.
    clients: Bytes,
}

impl Tally {
    /// A request was read.
    pub const fn begin(&mut self, now: Tick, method: Method, bytes: usize) -> Account {
        self.received += 1;
        self.open += 1;
        Account {
            began: now,
            bytes,
            method,
            slot: Slot::NONE,
            tool: OTHER,
        }
    }

    /// The request turns out to be about this. If it is said several times, the last time counts.
    pub fn concern(&mut self, account: &mut Account, About { slot, tool }: About<'_>) {
        if account.slot != slot {
            if let Some(before) = self.servers.get_mut(account.slot) {
                before.in_flight -= 1;
            }
            if let Some(server) = self.servers.get_mut(slot) {
                server.in_flight += 1;
            }
            account.slot = slot;
        }
        account.tool = tool.map_or(OTHER, |(number, name)| self.place(slot, number, name));
    }

    fn place(&mut self, slot: Slot, number: u32, name: &Rc<str>) -> u32 {
        let Some(place) = self.numbered.get_mut(number as usize) else {
            return OTHER;
        };
        if *place == UNCALLED
            && let Some(server) = self.servers.get_mut(slot)
        {
            *place = match server.find(name) {
                Some(place) => place,
                None if self.tools < METRIC_TOOLS_MAX => {
                    self.tools += 1;
                    server.add(name)
                }
                None => OTHER,
            };
        }
        *place
    }

    /// A request has ended.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "who gives an account back cannot do so again"
    )]
    pub fn end(&mut self, now: Tick, account: Account, end: End) -> Line<'_> {
        let Account {
            began,
            bytes,
            method,
            slot,
            tool: place,
        } = account;
        self.open -= 1;
        let ms = now.since(began);
        let (mut server, mut tool) = ("", "");
        if slot == Slot::NONE {
            self.own.count(method, end);
        } else if let Some(of) = self.servers.get_mut(slot) {
            of.in_flight -= 1;
            of.count(method, place, end, ms);
            (server, tool) = (of.name(), of.tool(place));
        } else {
            self.forgotten += 1;
        }
        Line {
            method,
            server,
            tool,
            end,
            ms,
            bytes,
        }
    }

    // --- servers ---

    /// The place of a server of the configuration.
    pub fn server(&mut self, name: &Rc<str>) -> Slot {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let slot = self.servers.insert(ServerTally::new(name));
        self.by_name.insert(Rc::clone(name), slot);
        slot
    }

    /// Forgets the servers that are configured no more: their series end. How many requests those
    /// had is still known.
    pub fn keep(&mut self, is_configured: impl Fn(&str) -> bool) {
        let (servers, forgotten, tools) = (&mut self.servers, &mut self.forgotten, &mut self.tools);
        self.by_name.retain(|name, slot| {
            if is_configured(name) {
                return true;
            }
            if let Some(gone) = servers.remove(*slot) {
                *forgotten += gone.ended();
                *tools -= gone.tools().len();
            }
            false
        });
    }

    /// The catalogs have changed: their tools are numbered anew, up to this many.
    pub fn renumber(&mut self, tools: usize) {
        self.numbered.clear();
        self.numbered.resize(tools, UNCALLED);
    }

    /// A server is started again.
    pub fn restarted(&mut self, slot: Slot) {
        if let Some(server) = self.servers.get_mut(slot) {
            server.restarts += 1;
        }
    }

    // --- bytes ---

    /// What came from clients and went to them.
    pub const fn clients(&mut self) -> &mut Bytes {
        &mut self.clients
    }

    /// A message came from a server.
    pub fn heard(&mut self, slot: Slot, bytes: usize) {
        if let Some(server) = self.servers.get_mut(slot) {
            server.bytes.received += bytes as u64;
        }
    }

    /// A message went to a server.
    pub fn said(&mut self, slot: Slot, bytes: usize) {
        if let Some(server) = self.servers.get_mut(slot) {
            server.bytes.sent += bytes as u64;
        }
    }

    // --- what was counted ---

    /// Requests that were read.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Those of them that have not ended.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.open
    }

    /// Those of them that have ended and were about servers that are configured no more.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Those of them that have ended and were about no server in particular.
    #[must_use]
    pub const fn own(&self) -> &Ends {
        &self.own
    }

    /// What is counted of each server, by name.
    pub fn servers(&self) -> impl Iterator<Item = &ServerTally> {
        let slots = self.by_name.values();
        slots.filter_map(|slot| self.servers.get(*slot))
    }

    /// Bytes from and to clients.
    #[must_use]
    pub const fn client_bytes(&self) -> Bytes {
        self.clients
    }

    /// Requests in flight that are about no server in particular, or about one that is configured
    /// no more.
    #[must_use]
    pub fn in_flight_elsewhere(&self) -> u64 {
        let theirs: u64 = self.servers().map(|server| server.in_flight).sum();
        self.open.saturating_sub(theirs)
    }

    /// Everything that has ended so, but for what was about servers that are configured no more.
    #[must_use]
    pub fn ended_as(&self, end: End) -> u64 {
        let own = self.own.each().filter(|(_, own, _)| *own == end);
        let servers = self.servers().map(|server| server.ended_as(end));
        own.map(|(_, _, count)| count).sum::<u64>() + servers.sum::<u64>()
    }

    /// Everything that has ended, wherever it was counted: with what is [`Tally::open`] as many as
    /// were [`Tally::received`].
    #[must_use]
    pub fn ended(&self) -> u64 {
        let servers: u64 = self.servers().map(ServerTally::ended).sum();
        servers + self.own.sum() + self.forgotten
    }
}
