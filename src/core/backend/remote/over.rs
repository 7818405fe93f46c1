//! What the end of an exchange means for what it was for.

use crate::backend::lifecycle::Event;
use crate::backend::remote::call::Place;
use crate::backend::remote::exchange::{Ended, Exchange, Role};
use crate::backend::remote::sse_talk::forgot;
use crate::backend::remote::{Hands, Remote};
use crate::backend::talk::Read;
use crate::base::frame::Frame;
use crate::effect::Level;
use crate::fetch::{FailureKind, FetchFailure, FetchKey};
use crate::http1::fault::Fault;
use crate::json::envelope::{self, Kind, our_number};
use crate::json::span::member;
use crate::language::{BackendEvent, CallLoss};
use crate::limits::ERA_DOUBTS_MAX;

impl Remote {
    /// Nothing more comes on an exchange.
    pub(super) fn over(
        &mut self,
        hands: &mut Hands<'_, '_>,
        key: FetchKey,
        ended: Ended,
        frame: &mut Frame,
    ) -> Read {
        let Some(exchange) = self.exchanges.remove(&key) else {
            return Read::Nothing;
        };
        self.tidy_lingering();
        let refused = matches!(ended, Ended::Whole(_)) && !exchange.answered;
        if refused && exchange.role != Role::Goodbye && self.is_challenge(&exchange) {
            self.unauthorized(hands, key, exchange, &ended);
            return Read::Nothing;
        }
        match exchange.role {
            Role::Hello(step) => self.hello_over(hands, step, &exchange, ended),
            Role::Call(id) if self.old.is_some() => {
                self.sse_posted(hands, id, &exchange, ended);
            }
            Role::Call(id) => return self.call_over(hands, (key, id), &exchange, ended, frame),
            Role::Tell => self.word_over(hands, &exchange, ended),
            Role::Ears => self.ears_over(hands, &exchange, ended),
            Role::Stream => self.sse_over(hands, &exchange, ended),
            Role::Changes(id) => self.changes_over(hands, id, &exchange, &ended),
            Role::Goodbye => {
                self.leaving_until = None;
                self.step(hands, Event::Closed(None));
            }
        }
        Read::Nothing
    }

    /// We read no further.
    pub(super) fn ended_by_us(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey, why: String) {
        let failure = FetchFailure {
            why,
            reached: true,
            kind: FailureKind::Exchange(Fault::BodyTooLong),
        };
        // Nothing is told of a failure by a frame.
        let mut frame = Frame::default();
        drop(self.over(hands, key, Ended::Failed(failure), &mut frame));
    }

    fn call_over(
        &mut self,
        hands: &mut Hands<'_, '_>,
        (key, id): (FetchKey, u64),
        exchange: &Exchange,
        ended: Ended,
        frame: &mut Frame,
    ) -> Read {
        let here = self.calls.get(&id).map(|call| call.place);
        if exchange.answered || here != Some(Place::Asked(key)) {
            return Read::Nothing;
        }
        match ended {
            Ended::Failed(failure) => match failure.kind {
                FailureKind::Open(_) => self.lost(hands, failure.why),
                FailureKind::Exchange(Fault::BodyTooLong) => {
                    self.forget(hands, id);
                    return Read::Event(BackendEvent::CallLost {
                        pool: hands.me,
                        id: Some(id),
                        loss: CallLoss::TooLong,
                    });
                }
                _ => self.broke_off(hands, id, exchange, failure.why),
            },
            Ended::Whole(_) if exchange.succeeded() && exchange.head_is_stream() => {
                let why = "ended its answer without the response".to_owned();
                self.broke_off(hands, id, exchange, why);
            }
            Ended::Whole(body) if exchange.succeeded() => {
                let why = self.words(exchange, &body);
                self.lose(hands, id, why);
            }
            Ended::Whole(body) => return self.call_refused(hands, id, exchange, body, frame),
        }
        Read::Nothing
    }

    /// A request was answered by a status that is none of success.
    fn call_refused(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: u64,
        exchange: &Exchange,
        body: Vec<u8>,
        frame: &mut Frame,
    ) -> Read {
        let said = envelope::read(&body).ok();
        let said = said.filter(|said| matches!(said.kind, Kind::Error | Kind::Result));
        let fits = said.filter(|said| said.id.and_then(|at| our_number(at.of(&body))) == Some(id));
        let code = fits.and_then(|said| member(&body, said.outcome?, "code"));
        let unknown = code.is_some_and(|code| code.of(&body) == b"-32601");
        let resumes = self.resumes(id);
        if self.is_of_session(exchange, &body, fits.is_some(), unknown) {
            let why = self.words(exchange, &body);
            if resumes {
                self.lose(hands, id, why.clone());
            }
            self.session_lost(hands, Some(id), exchange.talk, &why);
            return Read::Nothing;
        }
        let refused_as = code.map(|code| code.of(&body)).unwrap_or_default();
        if !self.is_modern() && exchange.status() == 400 && is_modern_refusal(refused_as) {
            // A tool may have a code of its own that looks like that.
            self.talk.doubts = self.talk.doubts.saturating_add(1);
            let doubtful = self.talk.proved && fits.is_some();
            if !doubtful || self.talk.doubts > ERA_DOUBTS_MAX {
                self.changed_era(hands);
                return Read::Nothing;
            }
        }
        if let Some(envelope) = fits {
            self.forget(hands, id);
            frame.adopt(body);
            return Read::Event(BackendEvent::Response {
                pool: hands.me,
                id: Some(id),
                envelope,
            });
        }
        if self.is_modern() && self.is_of_another_era(exchange, &body) {
            self.changed_era(hands);
            return Read::Nothing;
        }
        let why = self.words(exchange, &body);
        if resumes && matches!(exchange.status(), 408 | 429 | 500..=599) {
            self.broke_off(hands, id, exchange, why);
            return Read::Nothing;
        }
        self.note_pause(hands, exchange);
        self.lose(hands, id, why);
        Read::Nothing
    }

    /// The server has heard a notification or an answer, or not.
    fn word_over(&mut self, hands: &mut Hands<'_, '_>, exchange: &Exchange, ended: Ended) {
        let why = match ended {
            Ended::Whole(_) if exchange.succeeded() => return,
            Ended::Whole(body) => {
                let why = self.words(exchange, &body);
                if self.old.is_some() && forgot(exchange, &body) {
                    return self.sse_forgotten(hands, &why);
                }
                if self.is_of_session(exchange, &body, false, false) {
                    return self.session_lost(hands, None, exchange.talk, &why);
                }
                why
            }
            Ended::Failed(failure) if matches!(failure.kind, FailureKind::Open(_)) => {
                return self.lost(hands, failure.why);
            }
            Ended::Failed(failure) => failure.why,
        };
        let name = &self.spec.name;
        hands.cx.log(Level::Debug, || {
            format!("server={name} did not take a notification or an answer: {why}")
        });
    }
}

/// Whether only a server without sessions refuses with this code: that it is told another revision
/// than it speaks, or one thing in the fields and another in the body.
fn is_modern_refusal(code: &[u8]) -> bool {
    matches!(code, b"-32022" | b"-32020")
}
