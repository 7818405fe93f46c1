//! The server wants a token, or another one, or one that allows more (protocol O11). What was
//! refused for that was not executed, so it is sent once more with the next token; who has none to
//! expect waits for the owner. Where tokens come from is not known here: refusals are told, and
//! [`Locks`](crate::backend::locks::Locks) has what came of it.
//!
//! A legacy session outlives its tokens: it goes on under the same id with the next one.

use crate::backend::lifecycle::{Event, Phase};
use crate::backend::locks::{Asked, Refusal};
use crate::backend::remote::call::Place;
use crate::backend::remote::exchange::{Ended, Exchange, Role, Step};
use crate::backend::remote::{Hands, Remote};
use crate::backend::session::Report;
use crate::base::mark::Mark;
use crate::effect::Level;
use crate::fetch::FetchKey;
use crate::json::envelope;
use crate::json::span::{member, string};
use crate::language::{BackendEvent, CallLoss, Challenge};
use crate::limits::{
    CHALLENGE_FIELDS_MAX, OPERATION_BYTES_MAX, REMOTE_TELLS_MAX, STREAMS_REFUSED_MAX, TOKEN_MS_MAX,
    TOKENS_REFUSED_MAX, WORD_KEPT_BYTES_MAX,
};

impl Remote {
    /// Whether tokens are our affair here.
    pub(in crate::backend) fn is_protected(&self) -> bool {
        self.at.oauth
    }

    /// Whether the end of an exchange says that a token is wanted.
    pub(super) fn is_challenge(&self, exchange: &Exchange) -> bool {
        let (true, Some(head)) = (self.is_protected(), &exchange.head) else {
            return false;
        };
        let mut said = head.headers.all("www-authenticate");
        match head.status {
            // Some say 401 of a session that they do not know, to somebody who has no token.
            401 => {
                let past = self.talk.proved || exchange.talk != self.talk.number;
                exchange.token.is_some() || said.next().is_some() || !past
            }
            403 => said.any(wants_more),
            _ => false,
        }
    }

    /// It does.
    pub(super) fn unauthorized(
        &mut self,
        hands: &mut Hands<'_, '_>,
        key: FetchKey,
        exchange: Exchange,
        ended: &Ended,
    ) {
        match exchange.role {
            Role::Hello(_) | Role::Stream => self.start_unauthorized(hands, &exchange),
            Role::Call(id) => self.call_unauthorized(hands, (key, id), &exchange, ended),
            Role::Tell => self.word_unauthorized(hands, exchange),
            Role::Ears => {
                let again = self.stream_unauthorized(hands, &exchange);
                self.ears_unauthorized(hands, again);
            }
            Role::Changes(id) => {
                self.stream_unauthorized(hands, &exchange);
                self.changes_over(hands, id, &exchange, ended);
            }
            Role::Goodbye => {}
        }
    }

    /// Tells that, unless it was told before.
    fn refused(
        &self,
        hands: &mut Hands<'_, '_>,
        exchange: &Exchange,
        operation: String,
    ) -> Refusal {
        let head = exchange.head.as_ref();
        let fields = head.map(|head| {
            let all = head.headers.all("www-authenticate");
            all.take(CHALLENGE_FIELDS_MAX).map(str::to_owned).collect()
        });
        let challenge = Challenge {
            status: exchange.status(),
            fields: fields.unwrap_or_default(),
            token: exchange.token,
            operation,
            accepted: exchange.status() == 401
                && hands.locks.was_accepted(&self.lock, exchange.token),
        };
        let (refusal, untold) = hands.locks.refused(&self.lock, &challenge);
        if untold {
            let pool = hands.me;
            let event = BackendEvent::Challenged { pool, challenge };
            hands.events.push_back(event);
        }
        refusal
    }

    fn start_unauthorized(&mut self, hands: &mut Hands<'_, '_>, exchange: &Exchange) {
        let shakes = matches!(self.phase, Phase::Handshaking { .. }) || self.renewing.is_some();
        if !shakes || exchange.talk != self.talk.number {
            return;
        }
        let operation = match exchange.role {
            Role::Hello(Step::Discover) => "server/discover",
            Role::Hello(Step::Initialized) => "notifications/initialized",
            _ => "initialize",
        };
        let refusal = self.refused(hands, exchange, operation.to_owned());
        let newer = refusal == Refusal::Newer;
        if newer && self.renewing.is_some() {
            return self.lost(hands, "did not accept the token that we had".to_owned());
        }
        if exchange.token.is_some() {
            self.tokens_refused = self.tokens_refused.saturating_add(1);
        }
        self.step(hands, Event::Unauthorized);
        if newer {
            self.step(hands, Event::Retry);
        }
    }

    fn call_unauthorized(
        &mut self,
        hands: &mut Hands<'_, '_>,
        (key, id): (FetchKey, u64),
        exchange: &Exchange,
        ended: &Ended,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let here = match call.place {
            Place::Asked(own) => own == key,
            Place::Streamed => true,
            Place::Waiting | Place::Pausing { .. } | Place::Unauthorized { .. } => false,
        };
        if !here {
            return;
        }
        let again = call.authorized;
        if let Some(body) = &call.body {
            call.operation = operation_of(body);
        }
        let operation = call.operation.clone();
        let refusal = self.refused(hands, exchange, operation);
        let body = match ended {
            Ended::Whole(body) => body.as_slice(),
            Ended::Failed(_) => &[],
        };
        let why = self.words(exchange, body);
        match refusal {
            Refusal::Newer if again => self.lose(hands, id, why),
            Refusal::Newer => self.authorized(hands, id),
            Refusal::Wait => {
                let until = hands.cx.now.tick.after(TOKEN_MS_MAX);
                let more = exchange.status() == 403;
                if let Some(call) = self.calls.get_mut(&id) {
                    call.place = Place::Unauthorized { until, more };
                    call.refusal = why;
                }
            }
            Refusal::Owner(asked) => self.lose_to_owner(hands, id, &asked),
        }
    }

    /// There is another token for a call that was refused.
    fn authorized(&mut self, hands: &mut Hands<'_, '_>, id: u64) {
        let resumes = self.resumes(id);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.authorized || !resumes && call.body.is_none() {
            let why = "did not accept the token that we had; there is another one now: try again";
            return self.lose(hands, id, why.to_owned());
        }
        Mark::CallAuthorized.hit();
        call.authorized = true;
        if resumes {
            self.resume(hands, id);
        } else if self.renewing.is_some() || self.resend {
            call.place = Place::Waiting;
        } else {
            self.ask_again(hands, id);
        }
    }

    /// A call can only be answered once the owner has authorized us.
    fn lose_to_owner(&mut self, hands: &mut Hands<'_, '_>, id: u64, asked: &Asked) {
        self.forget(hands, id);
        let name = &self.spec.name;
        let page = &asked.page;
        hands.cx.log(Level::Debug, || {
            format!("server={name} call lost: awaits authorization at {page}")
        });
        hands.events.push_back(BackendEvent::CallLost {
            pool: hands.me,
            id: Some(id),
            loss: CallLoss::Unauthorized {
                page: page.clone(),
                why: asked.why.clone(),
            },
        });
    }

    /// A notification or an answer.
    fn word_unauthorized(&mut self, hands: &mut Hands<'_, '_>, exchange: Exchange) {
        let operation = exchange.again.as_deref().map(operation_of);
        let refusal = self.refused(hands, &exchange, operation.unwrap_or_default());
        let kept = exchange.again.filter(|_| !self.is_modern());
        match (refusal, kept) {
            (Refusal::Newer, Some(body)) => {
                // Like one that does not arrive for any other reason, if there is no place.
                let _ = self.word(hands, body);
            }
            (Refusal::Wait, Some(body)) if self.words.len() < REMOTE_TELLS_MAX => {
                self.words.push(body);
            }
            (Refusal::Newer | Refusal::Wait | Refusal::Owner(_), _) => {
                let name = &self.spec.name;
                hands.cx.log(Level::Debug, || {
                    format!("server={name} did not take a notification or an answer: no token")
                });
            }
        }
    }

    /// A stream; whether it may be opened again at once. A server that lets us in everywhere but
    /// there would be brought tokens without end.
    fn stream_unauthorized(&mut self, hands: &mut Hands<'_, '_>, exchange: &Exchange) -> bool {
        self.streams_refused = self.streams_refused.saturating_add(1);
        if self.streams_refused > STREAMS_REFUSED_MAX {
            return false;
        }
        let operation = match exchange.role {
            Role::Changes(_) => "subscriptions/listen",
            _ => "GET",
        };
        self.refused(hands, exchange, operation.to_owned()) == Refusal::Newer
    }

    /// What a message to the server is kept as, in case that its token is refused.
    pub(super) fn kept_word(&self, hands: &Hands<'_, '_>, body: &[u8]) -> Option<Vec<u8>> {
        let keeps = self.has_token(hands) && body.len() <= WORD_KEPT_BYTES_MAX;
        keeps.then(|| body.to_vec())
    }

    /// Whether requests go with a token.
    pub(super) fn has_token(&self, hands: &Hands<'_, '_>) -> bool {
        self.is_protected() && hands.locks.field(&self.lock).is_some()
    }

    // --- what came of it ---

    /// There is a token, or a newer one.
    pub(in crate::backend) fn token_came(&mut self, hands: &mut Hands<'_, '_>) {
        match self.phase {
            // One after the other, all good for nothing: with a pause, like any other failure.
            Phase::Awaiting { .. } if self.tokens_refused > TOKENS_REFUSED_MAX => {
                Mark::TokensRefused.hit();
                let why = "does not accept the tokens that its issuer gives us";
                self.step(hands, Event::Refused(why.to_owned()));
            }
            Phase::Awaiting { .. } => self.step(hands, Event::Retry),
            Phase::Backoff { .. } if self.denied => self.step(hands, Event::Retry),
            Phase::Ready { .. } => {
                for id in self.unauthorized_calls(|_| true) {
                    self.authorized(hands, id);
                }
                for body in std::mem::take(&mut self.words) {
                    let _ = self.word(hands, body);
                }
                self.ears_authorized(hands);
            }
            Phase::Queued
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Closing(_)
            | Phase::Leaving
            | Phase::Backoff { .. }
            | Phase::Failed { .. }
            | Phase::Gone => {}
        }
    }

    /// The owner is asked. `useless`: the token that we had is none any more.
    pub(in crate::backend) fn owner_asked(
        &mut self,
        hands: &mut Hands<'_, '_>,
        useless: bool,
        why: &str,
        step_up: bool,
    ) {
        let owner = hands.locks.owner(&self.lock).cloned();
        match self.phase {
            Phase::Awaiting { .. } if owner.is_some() => {
                self.last_error = Some(why.to_owned());
                self.report = Some(Report::Down);
            }
            Phase::Ready { .. } if useless => {
                self.last_error = Some(why.to_owned());
                self.step(hands, Event::Unauthorized);
            }
            Phase::Ready { .. } => {
                let Some(owner) = owner else { return };
                for id in self.unauthorized_calls(|more| more || !step_up) {
                    self.lose_to_owner(hands, id, &owner);
                }
            }
            Phase::Queued
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Closing(_)
            | Phase::Leaving
            | Phase::Awaiting { .. }
            | Phase::Backoff { .. }
            | Phase::Failed { .. }
            | Phase::Gone => {}
        }
    }

    /// Nobody is asked for more.
    pub(in crate::backend) fn more_denied(&mut self, hands: &mut Hands<'_, '_>) {
        if matches!(self.phase, Phase::Awaiting { .. }) && hands.locks.owner(&self.lock).is_none() {
            let why = "lets us in with no scopes that can be asked for (status 403)";
            return self.step(hands, Event::Refused(why.to_owned()));
        }
        for id in self.unauthorized_calls(|more| more) {
            let call = self.calls.get_mut(&id);
            let why = call.map(|call| std::mem::take(&mut call.refusal));
            self.lose(hands, id, why.unwrap_or_default());
        }
    }

    /// There will be none. `refused`: nor is there one that the server accepts.
    pub(in crate::backend) fn token_denied(
        &mut self,
        hands: &mut Hands<'_, '_>,
        refused: bool,
        why: &str,
    ) {
        match self.phase {
            Phase::Awaiting { .. } => {
                self.denied = true;
                self.step(hands, Event::Refused(why.to_owned()));
            }
            Phase::Ready { .. } => {
                self.words.clear();
                for id in self.unauthorized_calls(|_| true) {
                    self.lose(hands, id, why.to_owned());
                }
                if refused {
                    self.denied = true;
                    self.lost(hands, why.to_owned());
                }
            }
            Phase::Queued
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Closing(_)
            | Phase::Leaving
            | Phase::Backoff { .. }
            | Phase::Failed { .. }
            | Phase::Gone => {}
        }
    }

    fn unauthorized_calls(&self, which: impl Fn(bool) -> bool) -> Vec<u64> {
        let is = |place| matches!(place, Place::Unauthorized { more, .. } if which(more));
        let calls = self.calls.iter().filter(|(_, call)| is(call.place));
        calls.map(|(id, _)| *id).collect()
    }
}

/// Whether a challenge of a 403 asks for more than our token allows (RFC 6750 section 3.1).
fn wants_more(field: &str) -> bool {
    field.contains("insufficient_scope")
}

/// The method of a message, and the name of what it calls behind it.
fn operation_of(body: &[u8]) -> String {
    let Ok(envelope) = envelope::read(body) else {
        return String::new();
    };
    let method = envelope.method_name(body).unwrap_or_default();
    let name = envelope.params.and_then(|params| {
        let at = member(body, params, "name")?;
        string(body, at)
    });
    let mut told: String = match name {
        Some(name) => format!("{method} {name}"),
        None => method.into_owned(),
    };
    let mut end = told.len().min(OPERATION_BYTES_MAX);
    while !told.is_char_boundary(end) {
        end -= 1;
    }
    told.truncate(end);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o11_an_operation_is_a_method_and_what_it_calls() {
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm"}}"#,
                "tools/call rm",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"name":7}}"#,
                "tools/list",
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, ""),
            ("garbage", ""),
        ] {
            assert_eq!(operation_of(body.as_bytes()), expected);
        }
        let name = "\u{20ac}".repeat(OPERATION_BYTES_MAX);
        let long = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\
             \"{name}\"}}}}"
        );
        let told = operation_of(long.as_bytes());
        assert!(told.len() <= OPERATION_BYTES_MAX && told.len() > OPERATION_BYTES_MAX - 4);
    }
}
