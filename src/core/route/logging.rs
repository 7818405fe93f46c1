//! Log levels and log messages: the level is a client's own, the server gets the most verbose one
//! of those who share a session, and each message goes to the one client it can be attributed to.

use std::num::NonZeroU64;

use crate::base::budget::Spent;
use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::effect::Level;
use crate::json::envelope::Envelope;
use crate::json::span::string;
use crate::language::{At, ClientKey, PoolKey};
use crate::limits::{LOG_MESSAGES_PER_10S_MAX, QUOTE_BYTES_MAX};
use crate::mcp::levels::{LEVELS, level};
use crate::now::Tick;
use crate::principal::Sight;
use crate::route::calls::{CallKey, Origin, from_wire};
use crate::route::errors::Failure;
use crate::route::pools::{InFlight, Life, Pool};
use crate::route::router::Incoming;
use crate::route::splice::{Edits, fields};
use crate::route::stamp::cut_meta;
use crate::route::{Desk, Hall};

/// `info`: for clients that set no level, in a session where another client did.
const LEVEL_UNASKED: u8 = 1;

/// The most verbose levels that clients asked for: who sees everything, and who does not.
#[derive(Debug, Default)]
pub(crate) struct Lowest {
    everywhere: Option<u8>,
    limited: Vec<(u8, Sight)>,
}

impl Lowest {
    /// What counts for a server with these tags.
    fn at(&self, tags: &[String]) -> Option<u8> {
        let limited = self.limited.iter();
        let seeing = limited.filter(|(_, sight)| sight.admits(tags));
        let levels = seeing.map(|(level, _)| *level);
        levels.chain(self.everywhere).min()
    }
}

impl Hall {
    /// `logging/setLevel` (C14).
    pub(crate) fn set_level(&mut self, desk: &mut Desk<'_, '_>, incoming: &Incoming<'_>) {
        let (client, at, id) = (incoming.client, incoming.at, &incoming.id);
        let read = incoming.params(["level"]).and_then(|[at]| {
            let name = incoming.text_of(at, "level")?;
            let known = LEVELS.join(", ");
            level(&name).ok_or_else(|| {
                Failure::params(format!("unknown level {name}: it is one of {known}"))
            })
        });
        match read {
            Ok(level) => {
                self.clients.entry(client).or_default().level = Some(level);
                desk.succeed(client, at, id, "{}");
                self.send_levels(desk);
            }
            Err(failure) => desk.fail(client, at, id, &failure),
        }
    }

    /// A client asked for another level, or is gone: sends it to every session where that is news.
    pub(crate) fn send_levels(&mut self, desk: &mut Desk<'_, '_>) {
        let lowest = self.lowest_levels();
        for pool in self.pools.keys().copied().collect::<Vec<_>>() {
            self.send_level(desk, pool, &lowest);
        }
    }

    /// The most verbose levels that clients asked for.
    pub(crate) fn lowest_levels(&self) -> Lowest {
        let mut lowest = Lowest::default();
        for client in self.clients.values() {
            match (client.level, &client.sight) {
                (Some(level), Some(sight)) if sight.is_all() => {
                    let before = lowest.everywhere.unwrap_or(level);
                    lowest.everywhere = Some(before.min(level));
                }
                (Some(level), Some(sight)) => lowest.limited.push((level, sight.clone())),
                (None, _) | (_, None) => {}
            }
        }
        lowest
    }

    /// A request of a client without a session may want more than was sent so far (D9).
    pub(crate) fn raise_level(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        pool: PoolKey,
    ) {
        let known = self.clients.get(&client);
        if known.is_some_and(|known| known.modern && known.level.is_some()) {
            let lowest = self.lowest_levels();
            self.send_level(desk, pool, &lowest);
        }
    }

    /// Sends a session the level of its client, or the lowest of all who see its server, if that is
    /// news.
    pub(crate) fn send_level(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey, lowest: &Lowest) {
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let wanted = match session.owner {
            Some(owner) => self.clients.get(&owner).and_then(|client| client.level),
            None => {
                let server = self.servers.get(session.server);
                server.and_then(|server| lowest.at(&server.entry.tags))
            }
        };
        let logs = desk
            .backends
            .hello(pool)
            // Where each request names its own level there is none to be set.
            .is_some_and(|hello| hello.capabilities.logging && !hello.version.is_modern());
        if session.life != Life::Up || !logs || wanted.is_none() || wanted == session.level {
            return;
        }
        session.level = wanted;
        let name = wanted
            .and_then(|level| LEVELS.get(usize::from(level)))
            .unwrap_or(&"info");
        let params = format!("{{\"level\":\"{name}\"}}");
        self.call_quietly(desk, pool, Origin::Quiet, "logging/setLevel", Some(&params));
    }

    /// `notifications/message` of a server (protocol S3): to the client whose session it is, or to
    /// the only one that has calls in flight there; else to our own log.
    ///
    /// A server that floods is cut short (A11): nobody reads a thousand lines a second, and each
    /// would be written to its client before the next answer.
    pub(crate) fn log_message(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (pool, about): (PoolKey, Option<NonZeroU64>),
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        if !self.may_log(desk, pool) {
            return;
        }
        let Some(session) = self.pools.get(&pool) else {
            return;
        };
        let about = about.and_then(|id| from_wire(id.get()));
        let about = about.and_then(|call| self.asked_in(pool, call));
        let whose = about.or_else(|| self.attributed(desk.cx.now.tick, session));
        let whose = whose.filter(|(client, _)| !self.hides(*client, session.server));
        let Some((client, at)) = whose else {
            Mark::LogOfNobody.hit();
            let name = self.pool_name(pool);
            desk.cx.log(Level::Debug, || {
                let begin = text.get(..QUOTE_BYTES_MAX).unwrap_or(text);
                let shown = String::from_utf8_lossy(begin);
                format!(
                    "server={name} log of nobody in particular: {}",
                    shown.escape_debug()
                )
            });
            return;
        };
        let said = fields(text, envelope.params, ["level"])
            .ok()
            .and_then(|[at]| at);
        let said = said
            .and_then(|at| string(text, at))
            .and_then(|name| level(&name));
        let wanted = self.clients.get(&client).and_then(|client| client.level);
        let asks = self.is_modern(client) || Self::is_stateless(desk, pool);
        if wanted.is_none() && asks {
            // Who did not ask for messages gets none (D9), nor did we ask for them.
            return;
        }
        // Who asked for nothing does not get what the server sends because another one did.
        let wanted = wanted.or(session.level.map(|_| LEVEL_UNASKED));
        if said.zip(wanted).is_some_and(|(said, wanted)| said < wanted) {
            return;
        }
        let mut edits = Edits::default();
        cut_meta(text, envelope, &mut edits);
        let message = edits.parts(frame.shared(), envelope.whole);
        desk.clients.note(desk.cx, client, at, &message);
    }

    /// Whether a session has not logged too much lately.
    fn may_log(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) -> bool {
        let Some(session) = self.pools.get_mut(&pool) else {
            return false;
        };
        let now = desk.cx.now.tick;
        let said = session.logged.spend(now, LOG_MESSAGES_PER_10S_MAX, 10_000);
        let text = match said {
            Spent::Passes => return true,
            Spent::TooMany => return false,
            Spent::FirstTooMany => {
                format!(
                    "over {LOG_MESSAGES_PER_10S_MAX} log messages in 10 s: the rest is left out"
                )
            }
            Spent::PassesAfter(count) => format!("{count} log messages were left out"),
        };
        let name = self.pool_name(pool);
        desk.cx.log(Level::Warn, || format!("server={name} {text}"));
        said != Spent::FirstTooMany
    }

    /// The one client that a message of a session can only be for, and the stream of a call of it
    /// there: a client need not have any other.
    pub(crate) fn attributed(&self, now: Tick, session: &Pool) -> Option<(ClientKey, At)> {
        let stream = |call| {
            let caller = self.calls.get(call).and_then(|call| call.caller());
            caller.map_or(At::MAIN, |caller| caller.at)
        };
        match (self.in_flight(now, session), session.owner) {
            // On stdio, next to the owner there may be requests without a session.
            (InFlight::One(client, call), _) => Some((client, stream(call))),
            (_, Some(owner)) => Some((owner, At::MAIN)),
            (InFlight::Nobody | InFlight::Several, None) => None,
        }
    }

    /// `notifications/progress` of a server: the token is the id of the call it belongs to.
    pub(crate) fn progress(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let Ok([Some(token_at)]) = fields(text, envelope.params, ["progressToken"]) else {
            return;
        };
        let key = crate::json::envelope::our_number(token_at.of(text)).and_then(from_wire);
        let Some(key) = key.filter(|key| self.calls.get(*key).is_some_and(|c| c.pool == pool))
        else {
            return self.task_progress(desk, pool, token_at, envelope, frame);
        };
        self.calls.renew(desk.cx.now.tick, key);
        if !self.rises(key, text, envelope) {
            return;
        }
        let Some(caller) = self.calls.get(key).and_then(|call| call.caller()) else {
            return;
        };
        let Some(token) = &caller.token else { return };
        let mut edits = Edits::default();
        cut_meta(text, envelope, &mut edits);
        edits.replace(token_at, token.to_vec());
        let message = edits.parts(frame.shared(), envelope.whole);
        desk.clients
            .note(desk.cx, caller.client, caller.at, &message);
    }

    /// Whether progress is more than what was told before: a client without a session is told
    /// nothing else (D10).
    fn rises(&mut self, key: CallKey, text: &[u8], envelope: &Envelope) -> bool {
        let Some(call) = self.calls.get_mut(key) else {
            return false;
        };
        let Origin::Client { caller, rounds, .. } = &mut call.origin else {
            return true;
        };
        // A call that is made again is begun again by its server, but not for its client.
        let repeated = rounds.is_some();
        if !repeated
            && !self
                .clients
                .get(&caller.client)
                .is_some_and(|known| known.modern)
        {
            return true;
        }
        let said = fields(text, envelope.params, ["progress"]);
        let said = said
            .ok()
            .and_then(|[at]| std::str::from_utf8(at?.of(text)).ok());
        let said: Option<f64> = said.and_then(|said| said.parse().ok());
        let rises = said.is_some_and(|said| said > caller.progress);
        if let Some(said) = said.filter(|_| rises) {
            caller.progress = said;
        }
        rises
    }
}
