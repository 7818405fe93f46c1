//! How every server is doing, for `/health` and `mcp status`.

use std::rc::Rc;

use crate::language::{PoolFacts, PoolState};
use crate::route::catalog::Kind;
use crate::route::{Desk, Hall};

/// One server of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its name.
    pub name: Rc<str>,
    /// How it is doing.
    pub state: PoolState,
    /// How many tools it offers, if that is known.
    pub tools: Option<usize>,
    /// The process of its common session.
    pub facts: Option<PoolFacts>,
    /// How many sessions it has.
    pub sessions: usize,
}

impl Hall {
    /// All servers in file order.
    #[must_use]
    pub fn status(&self, desk: &Desk<'_, '_>) -> Vec<ServerStatus> {
        let one = |key: &crate::route::ServerKey| {
            let server = self.server(*key)?;
            let pools = server
                .shared
                .into_iter()
                .chain(server.private.values().copied());
            let tools = self.reference(server).map(|catalog| {
                let tools = catalog.list(Kind::Tools).entries();
                tools
                    .iter()
                    .filter(|tool| server.offers_tool(&tool.key))
                    .count()
            });
            Some(ServerStatus {
                name: Rc::clone(server.name()),
                state: self.server_state(desk, server, None),
                tools,
                facts: pools.clone().find_map(|pool| desk.backends.facts(pool)),
                sessions: pools.count(),
            })
        };
        self.order.iter().filter_map(one).collect()
    }
}
