//! The two edges as the hall sees them.

use crate::base::outbox::Part;
use crate::client::Clients;
use crate::cx::Cx;
use crate::effect::Effects;
use crate::hub::Hub;
use crate::language::{At, ClientEdge, ClientFacts, ClientKey, PoolState};
use crate::now::Now;
use crate::principal::Sight;
use crate::route::Desk;
use crate::tally::{About, End};
use crate::web::health::{HealthView, ServerState, ServerView};

impl ClientEdge for Clients {
    fn concern(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, about: About<'_>) {
        Self::concern(self, cx, client, at, about);
    }

    fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        end: End,
        message: &[Part<'_>],
    ) {
        Self::answer(self, cx, client, at, end, message);
    }

    fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        how: (End, i32),
        message: &[Part<'_>],
    ) {
        Self::refuse(self, cx, client, at, how, message);
    }

    fn forbid(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        scopes: &str,
        message: &[Part<'_>],
    ) {
        Self::forbid(self, cx, client, at, scopes, message);
    }

    fn drop_request(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At) {
        Self::drop_request(self, cx, client, at);
    }

    fn note(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, message: &[Part<'_>]) {
        Self::note(self, cx, client, at, message);
    }

    fn ask(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, message: &[Part<'_>]) -> bool {
        Self::ask(self, cx, client, at, message)
    }

    fn tell(&mut self, cx: &mut Cx<'_>, client: ClientKey, message: &[Part<'_>]) {
        Self::tell(self, cx, client, message);
    }

    fn facts(&self, client: ClientKey) -> Option<ClientFacts> {
        Self::facts(self, client).map(|facts| ClientFacts {
            version: facts.version,
            capabilities: facts.capabilities,
            initialized: facts.initialized,
            level: facts.level,
        })
    }

    fn sight(&self, client: ClientKey) -> Sight {
        Self::sight(self, client)
    }
}

impl Hub {
    /// How everything is doing at this moment.
    pub(super) fn view(&mut self, now: Now, out: &mut Effects) -> HealthView {
        let mut cx = cx!(self, now, out);
        let desk: &Desk<'_, '_> = desk!(self, cx);
        let status = self.hall.status(desk);
        let servers = status.into_iter().map(|server| {
            let (state, why) = match server.state {
                PoolState::Starting => (ServerState::Starting, None),
                PoolState::Ready => (ServerState::Ready, None),
                PoolState::Restarting { in_ms, why } => {
                    (ServerState::Restarting { in_ms }, Some(why))
                }
                PoolState::Awaiting { why, .. } => (ServerState::Awaiting, Some(why)),
                PoolState::Failed { why } => (ServerState::Failed, Some(why)),
                PoolState::Stopping => (ServerState::Stopping, None),
            };
            let since = server.facts.as_ref().and_then(|facts| facts.ready_since);
            ServerView {
                name: server.name.to_string(),
                url: server.url,
                state,
                why,
                tools: server.tools,
                pid: server.facts.as_ref().and_then(|facts| facts.pid),
                uptime_ms: since.map(|since| now.tick.since(since)),
                restarts: server
                    .facts
                    .as_ref()
                    .map_or(0, |facts| facts.restarts.into()),
            }
        });
        HealthView {
            version: self.settings.version.clone(),
            uptime_ms: now.tick.0,
            stopping: self.is_leaving(),
            servers: servers.collect(),
            sessions: self.clients.count().sessions,
            calls: self.hall.calls_in_flight(),
        }
    }
}
