//! A legacy server does not know our session any more (F5): another one is opened for all requests
//! that it refused because of that, and they are sent once more. They were not executed, so nothing
//! is done twice. The hall hears [`BackendEvent::Ready`] again, and so sends the log level and the
//! subscriptions, and asks for the lists.

use crate::backend::remote::call::{Call, Place};
use crate::backend::remote::exchange::{Exchange, Role};
use crate::backend::remote::{Hands, Remote};
use crate::base::mark::Mark;
use crate::effect::Level;
use crate::language::BackendEvent;
use crate::limits::{RENEWAL_MS_MAX, RENEWAL_MS_MIN};
use crate::now::Tick;

impl Remote {
    /// Whether a refusal means that the server does not know the session: 404 by the specification;
    /// others say 400 with a word about it; and some say 401, although the same request was let in
    /// before. `fits`: it is a JSON-RPC error about the request; `unknown`: about its method.
    pub(super) fn is_of_session(
        &self,
        exchange: &Exchange,
        body: &[u8],
        fits: bool,
        unknown: bool,
    ) -> bool {
        if self.is_modern() || !self.is_ready() {
            return false;
        }
        match exchange.status() {
            404 => exchange.named && !unknown,
            // Some name no session and have one, and know nothing of us once they began anew.
            400 => !fits && (exchange.named && speaks_of_session(body) || is_uninitialized(body)),
            401 => self.talk.proved || exchange.talk != self.talk.number,
            _ => false,
        }
    }

    /// The session of this number is gone; this request was refused for that.
    pub(super) fn session_lost(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: Option<u64>,
        talk: u32,
        why: &str,
    ) {
        let current = talk == self.talk.number && self.renewing.is_none();
        if current && self.is_of_request(hands.cx.now.tick, id) {
            if let Some(id) = id.filter(|id| self.calls.contains_key(id)) {
                self.lose(hands, id, format!("lost its session: {why}"));
            }
            return;
        }
        if current && !self.talk.proved {
            Mark::SessionNeverProved.hit();
            return self.lost(hands, format!("forgets its sessions at once: {why}"));
        }
        if let Some((id, call)) = id.and_then(|id| Some((id, self.calls.get_mut(&id)?))) {
            let over = call.repeated || call.cancelled.is_some();
            if over || call.body.is_none() || call.ours && current {
                self.lose(hands, id, format!("lost its session: {why}"));
            } else {
                call.repeated = true;
                call.place = Place::Waiting;
            }
        }
        if current {
            self.renew(hands);
        } else if let Some(id) = id.filter(|_| self.renewing.is_none() && !self.resend) {
            self.ask_again(hands, id);
        }
    }

    /// Whether what looks like a session that is gone is said of one request: a session that was
    /// opened for this very request did not help it, or one that was just opened works. Else one
    /// tool that answers 404 would take their sessions from all others, again and again.
    fn is_of_request(&self, now: Tick, id: Option<u64>) -> bool {
        let again = id.and_then(|id| self.calls.get(&id));
        let fresh = self.renewed.is_some_and(|(at, ms)| now.since(at) < ms);
        let ours = again.is_some_and(|call| call.ours);
        // What the hall asks by itself says whether a session is of any use; what clients ask does
        // not, or one of them could take the server down before that is known.
        again.is_some_and(|call| call.repeated) || fresh && (self.talk.proved || !ours)
    }

    fn renew(&mut self, hands: &mut Hands<'_, '_>) {
        Mark::SessionRenewed.hit();
        let name = &self.spec.name;
        hands.cx.log(Level::Info, || {
            format!("server={name} does not know our session any more, opening another")
        });
        self.close_ears(hands);
        self.lose_streams(hands);
        self.begin_talk();
        let until = hands.cx.now.tick.after(self.spec.connect_ms);
        self.renewing = Some(until);
        self.begin_greeting(hands, until);
    }

    /// Whatever goes on in the session that is gone. What was not answered in any way yet will be
    /// refused as well, and can be sent again then.
    fn lose_streams(&mut self, hands: &mut Hands<'_, '_>) {
        let begun = |call: &Call| match call.place {
            Place::Waiting => call.ours,
            Place::Unauthorized { .. } => call.resume.last_id().is_some(),
            Place::Asked(key) => {
                let exchange = self.exchanges.get(&key);
                exchange.is_none_or(|exchange| exchange.head.is_some())
            }
            Place::Pausing { .. } | Place::Streamed => true,
        };
        let calls = self.calls.iter().filter(|(_, call)| begun(call));
        let lost: Vec<u64> = calls.map(|(id, _)| *id).collect();
        for id in lost {
            let why = "lost the session in which it worked on this; it may have been done";
            self.lose(hands, id, why.to_owned());
        }
        let words = self.exchanges.iter();
        let words = words.filter(|(_, one)| one.role == Role::Tell);
        for key in words.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.give_up(hands, key);
        }
    }

    /// The new session is there.
    pub(super) fn renewed(&mut self, hands: &mut Hands<'_, '_>) {
        self.renewing = None;
        self.resend = true;
        let now = hands.cx.now.tick;
        let soon = |(at, _): &(Tick, u64)| now.since(*at) < 2 * RENEWAL_MS_MAX;
        let ms = match self.renewed.filter(soon) {
            Some((_, ms)) => ms.saturating_mul(2).min(RENEWAL_MS_MAX),
            None => RENEWAL_MS_MIN,
        };
        self.renewed = Some((now, ms));
        let pool = hands.me;
        hands.events.push_back(BackendEvent::Ready { pool });
    }

    /// The hall has heard of it: what waits is sent.
    pub(super) fn resend_all(&mut self, hands: &mut Hands<'_, '_>) {
        let waiting = self.calls.iter();
        let waiting = waiting.filter(|(_, call)| call.place == Place::Waiting);
        for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.ask_again(hands, id);
        }
    }

    /// There is no new session in time.
    pub(super) fn renewal_late(&mut self, hands: &mut Hands<'_, '_>) {
        let why = "does not know our session any more, and did not open another in time";
        self.lost(hands, why.to_owned());
    }

    /// The server is of the other era now: what the hall knows of it is not true any more, and the
    /// requests that wait are written in words that it does not speak.
    pub(super) fn changed_era(&mut self, hands: &mut Hands<'_, '_>) {
        Mark::RemoteEraChanged.hit();
        self.was_legacy = false;
        let why = "speaks another revision of the protocol than before";
        self.lost(hands, why.to_owned());
    }

    /// Whether a refusal comes from a server that has sessions, though it had none.
    pub(super) fn is_of_another_era(&self, exchange: &Exchange, body: &[u8]) -> bool {
        matches!(exchange.status(), 400 | 404 | 405 | 406) && speaks_of_session(body)
    }
}

/// The words of the SDKs: "No valid session ID provided", "Session not found", "Session has been
/// terminated". The bare word stands in what tools say as well.
const OF_SESSION: [&str; 15] = [
    "session not found",
    "valid session",
    "session id",
    "session-id",
    "sessionid",
    "session expired",
    "session has",
    "session is",
    "session does not",
    "session terminated",
    "session closed",
    "expired session",
    "missing session",
    "unknown session",
    "no such session",
];

/// Whether a refusal says that we are in no session.
pub(super) fn speaks_of_session(body: &[u8]) -> bool {
    is_uninitialized(body) || OF_SESSION.iter().any(|words| says(body, words))
}

/// The same from a server that gives its sessions no names: "Server not initialized".
fn is_uninitialized(body: &[u8]) -> bool {
    says(body, "not initialized")
}

fn says(body: &[u8], words: &str) -> bool {
    let text = body.get(..body.len().min(1024)).unwrap_or_default();
    let mut windows = text.windows(words.len());
    windows.any(|at| at.eq_ignore_ascii_case(words.as_bytes()))
}
