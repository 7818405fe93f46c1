//! How every server is doing, for `/health` and `mcp status`.

use std::rc::Rc;

use crate::config::Remote;
use crate::json::span;
use crate::language::{PoolFacts, PoolKey, PoolState};
use crate::limits::{TOOL_TEXT_BYTES_MAX, TOOLS_SHOWN_MAX};
use crate::route::catalog::{Entry, Kind};
use crate::route::pools::Life;
use crate::route::servers::Server;
use crate::route::{Desk, Hall, Running, ServerKey};

/// One server of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its name.
    pub name: Rc<str>,
    /// Where it is, if somebody else runs it; without what may be a secret.
    pub url: Option<String>,
    /// How it is doing.
    pub state: PoolState,
    /// Why nobody even tries to start it.
    pub obstacle: Option<Obstacle>,
    /// Whether what it offers is known.
    pub lists: Lists,
    /// How many tools it offers, if that is known.
    pub tools: Option<usize>,
    /// How many prompts.
    pub prompts: Option<usize>,
    /// How many resources and templates.
    pub resources: Option<usize>,
    /// The process of its common session.
    pub facts: Option<PoolFacts>,
    /// How many sessions it has.
    pub sessions: usize,
    /// Which, the common one first.
    pub pools: Vec<PoolKey>,
}

/// Why a server is not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The one client of a stdio gateway has not said `initialize` yet.
    Waiting,
    /// Its entry cannot be used.
    Fault(String),
}

/// Whether what a server offers is known, by its own words in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// It is asked, or not up.
    Awaited,
    /// All of it.
    Whole,
    /// It did not answer this method; it will be asked again.
    Refused(&'static str),
}

impl Hall {
    /// All servers that are served, in file order.
    #[must_use]
    pub fn status(&self, desk: &Desk<'_, '_>) -> Vec<ServerStatus> {
        let keys = self.order.iter();
        keys.filter_map(|key| self.status_of(desk, *key)).collect()
    }

    /// The servers of the file that are not served, and whether they are disabled there.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, bool)> {
        self.left_out
            .iter()
            .map(|(name, disabled)| (&**name, *disabled))
    }

    fn status_of(&self, desk: &Desk<'_, '_>, key: ServerKey) -> Option<ServerStatus> {
        let server = self.server(key)?;
        let pools = server.shared.into_iter();
        let pools: Vec<PoolKey> = pools.chain(server.private.values().copied()).collect();
        let known = self.reference(server);
        let count = |kind: Kind| Some(known?.list(kind).entries().len());
        let tools = known.map(|catalog| {
            let tools = catalog.list(Kind::Tools).entries();
            let offered = tools.iter().filter(|tool| server.offers_tool(&tool.key));
            offered.count()
        });
        Some(ServerStatus {
            name: Rc::clone(server.name()),
            url: server.entry.remote().map(Remote::shown),
            state: self.server_state(desk, server, None),
            obstacle: self.obstacle(server, pools.is_empty()),
            lists: self.lists_of(&pools),
            tools,
            prompts: count(Kind::Prompts),
            resources: count(Kind::Resources)
                .zip(count(Kind::Templates))
                .map(|(resources, templates)| resources + templates),
            facts: pools.iter().find_map(|pool| desk.backends.facts(*pool)),
            sessions: pools.len(),
            pools,
        })
    }

    fn obstacle(&self, server: &Server, without_session: bool) -> Option<Obstacle> {
        match server.fault() {
            Some(why) => Some(Obstacle::Fault(why.to_owned())),
            None if self.running == Running::NotYet && without_session => Some(Obstacle::Waiting),
            None => None,
        }
    }

    fn lists_of(&self, pools: &[PoolKey]) -> Lists {
        let mut up = pools.iter().filter_map(|pool| self.pools.get(pool));
        let Some(pool) = up.find(|pool| pool.life == Life::Up) else {
            return Lists::Awaited;
        };
        let mut lists = Kind::ALL
            .iter()
            .map(|kind| (kind, pool.catalog.list(*kind)));
        if lists.any(|(_, list)| list.fetching() || !list.known()) {
            return Lists::Awaited;
        }
        let mut failed = Kind::ALL.into_iter();
        match failed.find(|kind| pool.catalog.list(*kind).failed()) {
            Some(kind) => Lists::Refused(kind.method()),
            None => Lists::Whole,
        }
    }

    /// The tools of one server as it names them: name, description, whether it is offered.
    #[must_use]
    pub fn tools_of(&self, name: &str) -> Vec<(String, String, bool)> {
        let server = self.server_by_name(name).and_then(|key| self.server(key));
        let Some(server) = server else {
            return Vec::new();
        };
        let catalog = self.reference(server).into_iter();
        let tools = catalog.flat_map(|catalog| catalog.list(Kind::Tools).entries());
        let one = |tool: &Entry| {
            let offered = server.offers_tool(&tool.key);
            (cut(&tool.key), description(tool), offered)
        };
        tools.take(TOOLS_SHOWN_MAX).map(one).collect()
    }
}

fn description(tool: &Entry) -> String {
    let text = span::member(&tool.page, tool.whole, "description");
    let text = text.and_then(|at| span::string(&tool.page, at));
    cut(&text.unwrap_or_default())
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(TOOL_TEXT_BYTES_MAX);
    text.get(..end).unwrap_or_default().to_owned()
}
