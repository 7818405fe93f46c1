//! The servers that a client sees (contract 4 and 5, R9): every part of the hall asks here, and
//! here only [`Sight`] is asked. Its token is an upper bound: nothing a client says goes beyond it.
//!
//! What a client leaves out itself, by the query of its URL, does not exist for it. Only who uses
//! a tool or prompt of that by name is told why it is unknown: he may have forgotten.
//!
//! What the token hides is missing from lists, instructions, capabilities and suggestions, and
//! tells nothing. Names are the same for everybody, so a hidden one can be used by who knows it
//! from elsewhere: the answer is 403 with the scopes that would do (R3). So a reader who tries
//! names learns that a tool, prompt, resource or template exists if he has its full offered name,
//! or what stands for it (`<server>_1mcp_<original>`, `onemcp://<server>/<original>`), and one tag
//! of its server. He never learns it from a part of a name, from an expansion of a template, or of
//! a server that is there without having said what it offers: those are unknown to him.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::language::{ClientKey, PoolKey};
use crate::principal::{GrantId, Sight, View};
use crate::route::changes::Concerns;
use crate::route::errors::Failure;
use crate::route::pools::Pool;
use crate::route::servers::Server;
use crate::route::subscriptions::Listeners;
use crate::route::{Client, Desk, Hall, ServerKey};

impl Hall {
    /// What a client may see; `None` for one that is gone, which sees nothing.
    pub(crate) fn sight(&self, client: ClientKey) -> Option<&Sight> {
        self.clients.get(&client)?.sight.as_ref()
    }

    /// Whom what belongs to a client is bound to, beyond the client itself.
    pub(crate) fn grant(&self, client: ClientKey) -> Option<GrantId> {
        self.sight(client)?.grant()
    }

    /// Whether a client sees this server.
    pub(crate) fn sees(&self, client: ClientKey, key: ServerKey) -> bool {
        let server = self.server(key);
        let sight = self.sight(client);
        server.is_some_and(|server| sight.is_some_and(|sight| shows(sight, server)))
    }

    /// Whether there is this server, and a client does not see it.
    pub(crate) fn hides(&self, client: ClientKey, key: ServerKey) -> bool {
        self.server(key).is_some() && !self.sees(client, key)
    }

    /// Whether a client sees every server, whatever its tags.
    pub(crate) fn sees_all(&self, client: ClientKey) -> bool {
        self.sight(client).is_some_and(Sight::is_all)
    }

    /// Whether what a client gets may be something else than what others get.
    pub(crate) fn is_apart(&self, client: ClientKey) -> bool {
        self.grant(client).is_some() || !self.sees_all(client)
    }

    /// The servers that a client sees, in file order.
    pub(crate) fn visible(&self, client: ClientKey) -> impl Iterator<Item = (ServerKey, &Server)> {
        self.visible_to(self.sight(client))
    }

    fn visible_to<'a>(
        &'a self,
        sight: Option<&'a Sight>,
    ) -> impl Iterator<Item = (ServerKey, &'a Server)> {
        let keys = sight.map(|_| self.order.as_slice()).unwrap_or_default();
        keys.iter().filter_map(move |key| {
            let server = self.server(*key)?;
            shows(sight?, server).then_some((*key, server))
        })
    }

    /// Refuses what a client's token does not show (R3), and tells whether the client sees it: it
    /// may leave out more. What was removed meanwhile is hidden from nobody.
    pub(crate) fn permit(&self, client: ClientKey, key: ServerKey) -> Result<Seen, Failure> {
        let Some(server) = self.server(key) else {
            return Ok(Seen::Yes);
        };
        let tags = &server.entry.tags;
        match self.sight(client) {
            Some(sight) if sight.admits(tags) => Ok(Seen::Yes),
            Some(sight) if sight.permits(tags) => {
                Mark::LeftOutIsUsed.hit();
                Ok(Seen::LeftOut)
            }
            sight => {
                Mark::ScopeTooLittle.hit();
                let needed = sight.map(|sight| sight.needed_for(tags));
                Err(Failure::forbidden(needed.unwrap_or_default()))
            }
        }
    }

    /// Refuses what a client may not see, and what it does not want to see.
    pub(crate) fn admit(&self, client: ClientKey, key: ServerKey) -> Result<(), Failure> {
        match self.permit(client, key)? {
            Seen::Yes => Ok(()),
            Seen::LeftOut => Err(Failure::params(self.left_out_by(key))),
        }
    }

    /// Whether a client does not want to see what its token shows.
    pub(crate) fn leaves_out(&self, client: ClientKey, key: ServerKey) -> bool {
        let (server, sight) = (self.server(key), self.sight(client));
        server.zip(sight).is_some_and(|(server, sight)| {
            let tags = &server.entry.tags;
            sight.permits(tags) && !sight.admits(tags)
        })
    }

    /// Why a client does not see what its token shows.
    pub(crate) fn left_out_by(&self, key: ServerKey) -> String {
        let name = self.server_name(key);
        format!("the filter in the URL leaves server {name} out")
    }

    /// The servers whose names may be suggested to a client: those that it sees, but for those
    /// where another grant has a session of its own, since a name may be of that one's making.
    pub(crate) fn suggesting(&self, client: ClientKey) -> BTreeSet<ServerKey> {
        let own = self.grant(client);
        let foreign = |pool: &&Pool| pool.grant.is_some() && pool.grant != own;
        let mut servers: BTreeSet<ServerKey> = self.visible(client).map(|(key, _)| key).collect();
        for pool in self.pools.values().filter(foreign) {
            servers.remove(&pool.server);
        }
        servers
    }

    /// A client says something: it may do so with a newer token, that shows more or less, or by
    /// another URL.
    pub fn look(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        let (Some(sight), Some(known)) = (shown(desk, client), self.clients.get_mut(&client))
        else {
            return;
        };
        if known.sight.as_ref() == Some(&sight) {
            return;
        }
        let before = known.sight.replace(sight);
        let now = self.sight(client);
        let same = |key: &ServerKey| {
            let server = self.server(*key);
            let seen = |sight: Option<&Sight>| {
                server.is_some_and(|server| sight.is_some_and(|sight| shows(sight, server)))
            };
            seen(before.as_ref()) == seen(now)
        };
        if self.order.iter().all(same) {
            return;
        }
        Mark::SightChanges.hit();
        self.changes.note_all(desk.cx, Concerns::Client(client));
        let hidden = self.order.iter().copied();
        let hidden: Vec<ServerKey> = hidden.filter(|key| self.hides(client, *key)).collect();
        self.end_hidden(desk, client, &hidden);
        let known = self.clients.get(&client);
        if known.is_some_and(|known| known.level.is_some()) {
            self.send_levels(desk);
        }
    }

    /// What a client has in servers that it does not see any more ends.
    pub(crate) fn end_hidden(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        hidden: &[ServerKey],
    ) {
        for server in hidden.iter().copied() {
            self.end_subscriptions_at(desk, client, server);
            let own = |pool: &Pool| pool.server == server && pool.owner == Some(client);
            let own = self.pools.iter().filter(|(_, pool)| own(pool));
            for pool in own.map(|(key, _)| *key).collect::<Vec<PoolKey>>() {
                Mark::HiddenSessionEnds.hit();
                self.stop_pool(desk, pool);
            }
        }
    }

    /// A client does not see a server any more.
    fn end_subscriptions_at(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        server: ServerKey,
    ) {
        let mut ended = Listeners::new();
        if let Some(server) = self.servers.get_mut(server) {
            server.listeners.retain(|uri, subscribers| {
                let theirs = subscribers.extract_if(.., |(other, _)| *other == client);
                ended.entry(Rc::clone(uri)).or_default().extend(theirs);
                !subscribers.is_empty()
            });
        }
        let pools = self.pools.iter().filter(|(_, pool)| pool.server == server);
        for pool in pools.map(|(key, _)| *key).collect::<Vec<PoolKey>>() {
            for (uri, theirs) in self.take_subscriptions(desk, pool, |other| other == client) {
                Mark::HiddenSubscriptionEnds.hit();
                ended.entry(uri).or_default().extend(theirs);
            }
        }
        self.forget_listeners(&ended);
    }

    /// The clients that may not see every server, and those that they see: what they are told of a
    /// new configuration depends on it.
    pub(crate) fn limited(&self) -> Vec<(ClientKey, Rc<[ServerKey]>)> {
        let all = self.clients.iter();
        let limited = |known: &Client| known.sight.as_ref().is_some_and(|sight| !sight.is_all());
        self.seen_by(all.filter(|(_, known)| limited(known)).map(|(key, _)| *key))
    }

    /// The servers that each of these clients sees, in file order.
    pub(crate) fn seen_by(
        &self,
        clients: impl Iterator<Item = ClientKey>,
    ) -> Vec<(ClientKey, Rc<[ServerKey]>)> {
        let mut alike = Alike::default();
        let mut seen = |client| {
            let sight = self.sight(client);
            let look = || self.visible_to(sight).map(|(key, _)| key).collect();
            sight.map_or_else(Rc::default, |sight| alike.of(sight, look))
        };
        clients.map(|client| (client, seen(client))).collect()
    }
}

/// What was found out for one client and holds for all that have the same token and filter, as
/// far as these decide: thousands of sessions have a handful of both.
#[derive(Debug)]
pub(crate) struct Alike<'a, T>(BTreeMap<View<'a>, T>);

impl<T> Default for Alike<'_, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'a, T: Clone> Alike<'a, T> {
    /// What holds for this one.
    pub(crate) fn of(&mut self, sight: &'a Sight, find_out: impl FnOnce() -> T) -> T {
        self.0.entry(sight.view()).or_insert_with(find_out).clone()
    }
}

/// Whether a client sees what its token shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Yes,
    /// It asked for others.
    LeftOut,
}

/// What the edge says of a client; nothing of one that is gone, whatever it says.
pub(crate) fn shown(desk: &Desk<'_, '_>, client: ClientKey) -> Option<Sight> {
    desk.clients.facts(client)?;
    Some(desk.clients.sight(client))
}

fn shows(sight: &Sight, server: &Server) -> bool {
    sight.admits(&server.entry.tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Filter, Presets, Wish};
    use crate::now::UnixSeconds;
    use crate::principal::{Principal, Scopes};

    fn sight(query: &str, grant: u8, scopes: &str) -> Sight {
        let filter = Filter::new(Wish::read(Some(query)).unwrap(), &Presets::default());
        let principal = Principal {
            grant: GrantId([grant; 16]),
            client: "c".into(),
            scopes: Scopes::parse(scopes).unwrap(),
            expires: UnixSeconds(u64::from(grant)),
        };
        Sight::of(Rc::new(principal)).narrowed(filter)
    }

    #[test]
    fn contract_4_ten_thousand_sessions_with_one_filter_cost_one_look() {
        let everyone: Vec<Sight> = (0..10_000_u32)
            .map(|n| sight("tags=a,b", u8::try_from(n % 200).unwrap(), "tag:a tag:b"))
            .collect();
        let (mut alike, mut looks) = (Alike::default(), 0);
        for sight in &everyone {
            alike.of(sight, || looks += 1);
        }
        assert_eq!(looks, 1);
        // The token without a filter, another filter, another token, nothing but the filter.
        let others = [
            sight("", 1, "tag:a tag:b"),
            sight("tags=b", 1, "tag:a tag:b"),
            sight("tags=a,b", 1, "tag:a"),
            sight("tags=a,b", 1, "mcp"),
        ];
        for sight in &others {
            alike.of(sight, || looks += 1);
        }
        let no_token = Sight::ALL.narrowed(others[3].filter().clone());
        alike.of(&no_token, || looks += 1);
        assert_eq!(looks, 5);
    }
}
