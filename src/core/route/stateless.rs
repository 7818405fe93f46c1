//! Clients without a session (2026-07-28): each of their requests comes as a client of its own, and
//! is forgotten with its answer. `server/discover`, which takes the place of `initialize`.

use crate::json::envelope::JsonId;
use crate::json::write;
use crate::language::{At, ClientKey};
use crate::limits::{INITIALIZE_WAIT_MS, SPARES_MAX, STDIO_START_MS};
use crate::mcp::headers;
use crate::mcp::modern::HEADER_MISMATCH;
use crate::mcp::version::Version;
use crate::route::directory::Target;
use crate::route::errors::Failure;
use crate::route::lists::{Waiting, Want};
use crate::route::router::Incoming;
use crate::route::splice::fields;
use crate::route::{Client, Desk, Hall, Running};

impl Hall {
    /// A client that was never heard of.
    pub(crate) fn meet(&mut self, desk: &Desk<'_, '_>, client: ClientKey) {
        let facts = desk.clients.facts(client);
        let modern = facts.filter(|facts| facts.version.is_modern());
        if let Some(facts) = modern
            && self.settings.stdio
        {
            // There is one person behind our stdin: what it declares first holds for our servers.
            self.first.get_or_insert(facts.capabilities);
        }
        let known = Client {
            modern: modern.is_some(),
            declares: modern.map(|facts| facts.capabilities).unwrap_or_default(),
            calls: self.spares.pop().unwrap_or_default(),
            level: modern.and_then(|facts| facts.level),
            // Of one that is gone already nothing is said that counts.
            sight: facts.map(|_| desk.clients.sight(client)),
            ..Client::default()
        };
        self.clients.insert(client, known);
    }

    /// Whether a client has no session.
    pub(crate) fn is_modern(&self, client: ClientKey) -> bool {
        self.clients.get(&client).is_some_and(|known| known.modern)
    }

    /// `server/discover` (D2). In stdio mode it starts the servers, and waits as `initialize` does
    /// for those never seen before.
    pub(crate) fn discover(&mut self, desk: &mut Desk<'_, '_>, incoming: &Incoming<'_>) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let now = desk.cx.now.tick;
        if self.settings.stdio {
            if self.running == Running::NotYet {
                self.wake_at(desk, now.after(STDIO_START_MS));
            }
            if self.strangers(now, client) {
                let deadline = now.after(INITIALIZE_WAIT_MS);
                self.wake_at(desk, deadline);
                self.waiting.push(Waiting {
                    client,
                    at,
                    id,
                    what: Want::Discover,
                    deadline,
                });
                return;
            }
        }
        self.introduce(desk, client, at, &id);
    }

    /// The answer to `server/discover`.
    pub(crate) fn introduce(
        &self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        at: At,
        id: &JsonId,
    ) {
        let mut offered = self.capabilities(desk, client);
        // Clients of this revision know the tasks of either only as its extension.
        offered.tasks_extension |= std::mem::take(&mut offered.tasks);
        let capabilities = offered.render();
        let mut result = format!(
            "{{{},\"supportedVersions\":{},\"capabilities\":{capabilities}",
            self.stamp.members(true),
            Version::supported(),
        );
        if let Some(instructions) = self.instructions(desk, client) {
            result.push_str(",\"instructions\":");
            result.push_str(&write::string(&instructions));
        }
        result.push('}');
        desk.succeed(client, at, id, &result);
    }

    /// Whether the fields of a call say what its arguments say (D20). A tool that is not known yet
    /// was not listed either, so nobody can know that it wants any.
    pub(crate) fn check_fields(
        &self,
        incoming: &Incoming<'_>,
        target: &Target,
    ) -> Result<(), Failure> {
        let annotated = self.directory.annotated(target.server, &target.original);
        let (Some(given), Some(annotated)) = (&incoming.fields, annotated) else {
            return Ok(());
        };
        let text = incoming.text();
        let arguments = fields(text, incoming.envelope.params, ["arguments"]);
        let [arguments] = arguments.map_err(|_| Failure::twice())?;
        headers::compare(text, arguments, annotated, &given.0).map_err(|wrong| {
            let text = format!("header mismatch: {}", wrong.0);
            Failure::new(HEADER_MISMATCH, text)
        })
    }

    /// The one request of a client was answered, or is not wanted any more.
    pub fn release_client(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        if !self.suspended.is_empty() {
            let key = self.clients.get(&client).and_then(|known| known.suspended);
            if key.is_some_and(|key| self.left_suspended(desk, key, client)) {
                return;
            }
        }
        let Some(known) = self.clients.get_mut(&client) else {
            return;
        };
        if !known.calls.is_empty() {
            for key in std::mem::take(&mut known.calls) {
                self.abandon(desk, key, Some(b"\"the client is gone\""));
            }
        }
        if !self.parked.is_empty() {
            self.drop_parked(client, None);
        }
        if !self.waiting.is_empty() {
            self.drop_waiting(client, None);
        }
        let Some(known) = self.clients.remove(&client) else {
            return;
        };
        if known.subscriptions > 0 {
            self.end_subscriptions(desk, client);
        }
        if known.calls.capacity() > 0 && self.spares.len() < SPARES_MAX {
            self.spares.push(known.calls);
        }
        self.return_leases(desk, known.leases);
    }
}
