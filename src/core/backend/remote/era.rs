//! The handshake over HTTP: which message is sent first, and what an answer means that is no
//! message (protocol F2 to F5). What messages mean is the affair of `greeting`.

use crate::backend::greeting::{Greeting, Next};
use crate::backend::handshake::INITIALIZED;
use crate::backend::lifecycle::{Event, Phase};
use crate::backend::remote::exchange::{Ended, Exchange, Role, Step};
use crate::backend::remote::sse_talk::Way;
use crate::backend::remote::{Hands, Remote};
use crate::effect::Level;
use crate::fetch::{FailureKind, FetchFailure};
use crate::json::envelope::{self, Envelope, Kind};
use crate::json::span::member;
use crate::language::Hello;
use crate::now::Tick;

impl Remote {
    /// Sends what the handshake begins with.
    pub(super) fn greet(&mut self, hands: &mut Hands<'_, '_>) {
        let Phase::Handshaking { until, .. } = self.phase else {
            return;
        };
        self.begin_talk();
        self.alone_until = None;
        match self.way() {
            Way::Streamable => self.begin_greeting(hands, until),
            Way::Sse => self.begin_sse(hands),
        }
    }

    /// Forgets what belonged to the session before, in the server's sense.
    pub(super) fn begin_talk(&mut self) {
        self.talk.number = self.talk.number.wrapping_add(1);
        self.talk.id = None;
        self.talk.version = None;
        self.talk.proved = false;
        self.talk.doubts = 0;
    }

    /// Asks for its era, or begins with `initialize` where that is known.
    pub(super) fn begin_greeting(&mut self, hands: &mut Hands<'_, '_>, until: Tick) {
        let known = self.initialize_first || self.was_legacy;
        self.greeting = Greeting::new(&self.spec, known);
        let when = (hands.cx.now.tick, until);
        let request = self.greeting.begin(when, &self.spec, &self.our_version);
        self.say_hello(hands, request);
    }

    fn say_hello(&mut self, hands: &mut Hands<'_, '_>, request: Vec<u8>) {
        let read = envelope::read(&request).ok();
        let (step, order) = match read.filter(|_| self.greeting.is_asking()) {
            Some(asked) => (Step::Discover, self.post_modern(request, &asked, &[])),
            None => (Step::Initialize, self.post(request)),
        };
        self.exchange(hands, Role::Hello(step), order);
    }

    /// Until when the question for its era may be answered.
    pub(super) fn asking_until(&self) -> Option<Tick> {
        let asking = matches!(self.phase, Phase::Handshaking { .. }) || self.renewing.is_some();
        self.greeting.deadline().filter(|_| asking)
    }

    /// It was not.
    pub(super) fn probe_late(&mut self, hands: &mut Hands<'_, '_>) {
        let name = &self.spec.name;
        hands.cx.log(Level::Debug, || {
            format!("server={name} does not answer server/discover")
        });
        let next = self.greeting.alarm(&self.spec, &self.our_version);
        self.follow_greeting(hands, next);
    }

    /// A message on an exchange of the handshake. Which request an answer answers is known by the
    /// exchange, and servers that refuse a request often name no id or one of their own.
    pub(super) fn hear_hello(
        &mut self,
        hands: &mut Hands<'_, '_>,
        step: Step,
        text: &[u8],
        envelope: &Envelope,
    ) {
        let handshaking = matches!(self.phase, Phase::Handshaking { .. });
        if step == Step::Initialized || !(handshaking || self.renewing.is_some()) {
            return;
        }
        let id = envelope.id.filter(|_| envelope.kind != Kind::Error);
        let envelope = Envelope { id, ..*envelope };
        let next = self.greeting.hear(
            hands.cx.now.tick,
            (text, &envelope),
            &self.spec,
            &self.our_version,
        );
        self.follow_greeting(hands, next);
    }

    fn follow_greeting(&mut self, hands: &mut Hands<'_, '_>, next: Next) {
        match next {
            Next::Wait => {}
            Next::Send(request) => self.say_hello(hands, request),
            Next::Hello(hello, lists) if hello.version.is_modern() => {
                self.was_legacy = false;
                self.take_hello(hello);
                if self.renewing.is_some() {
                    return self.changed_era(hands);
                }
                self.note_way(hands);
                self.drop_hellos(hands);
                self.begin_listening(hands, lists);
                self.step(hands, Event::Greeted);
            }
            Next::Hello(hello, _) => {
                self.talk.version = Some(hello.version);
                self.take_hello(hello);
                self.was_legacy = true;
                let order = self.post_word(INITIALIZED.into());
                self.exchange(hands, Role::Hello(Step::Initialized), order);
            }
            Next::Refused(why) => self.refuse(hands, why),
        }
    }

    /// That it was not asked because its era was known is no news for the hall.
    pub(super) fn take_hello(&mut self, hello: Hello) {
        let silent = hello.initialize_first && (self.initialize_first || !self.was_legacy);
        self.initialize_first = silent;
        self.hello = Some(Hello {
            initialize_first: silent,
            ..hello
        });
    }

    /// The server cannot be spoken with.
    pub(super) fn refuse(&mut self, hands: &mut Hands<'_, '_>, why: String) {
        let why = self.both_refused(why);
        let why = self.redact(why);
        if self.renewing.is_some() {
            self.lost(hands, why);
        } else {
            self.step(hands, Event::Refused(why));
        }
    }

    /// An exchange of the handshake is over.
    pub(super) fn hello_over(
        &mut self,
        hands: &mut Hands<'_, '_>,
        step: Step,
        exchange: &Exchange,
        ended: Ended,
    ) {
        if exchange.answered || exchange.talk != self.talk.number {
            return;
        }
        if self.old.is_some() {
            return self.sse_hello_over(hands, step, exchange, ended);
        }
        match (step, ended) {
            (Step::Initialized, Ended::Whole(body)) => {
                self.initialized(hands, exchange, &body);
            }
            (Step::Discover, Ended::Failed(failure)) if is_answer(&failure) => {
                self.unanswered(hands);
            }
            (_, Ended::Failed(failure)) => self.lost(hands, failure.why),
            (Step::Discover | Step::Initialize, Ended::Whole(body)) => {
                self.hello_refused(hands, step, exchange, &body);
            }
        }
    }

    /// The question for its era got an answer that is none.
    fn unanswered(&mut self, hands: &mut Hands<'_, '_>) {
        let next = self.greeting.unanswered(&self.spec, &self.our_version);
        self.follow_greeting(hands, next);
    }

    /// The server has heard that the handshake is done. Some have no ear for notifications and say
    /// so by a status; what they do with requests is another matter.
    pub(super) fn initialized(
        &mut self,
        hands: &mut Hands<'_, '_>,
        exchange: &Exchange,
        body: &[u8],
    ) {
        match exchange.status() {
            401 | 403 | 404 if !is_unknown_method(body) => {
                let why = self.words(exchange, body);
                self.refuse(hands, why);
            }
            _ => {
                self.note_way(hands);
                self.drop_hellos(hands);
                if self.old.is_none() {
                    self.open_ears(hands);
                }
                if self.renewing.is_some() {
                    self.renewed(hands);
                } else {
                    self.step(hands, Event::Greeted);
                }
            }
        }
    }

    /// A first message was answered by a status, or by a body that is no answer (F2).
    fn hello_refused(
        &mut self,
        hands: &mut Hands<'_, '_>,
        step: Step,
        exchange: &Exchange,
        body: &[u8],
    ) {
        let status = exchange.status();
        let why = self.words(exchange, body);
        if matches!(status, 401 | 403 | 429) || status == 503 && self.note_pause(hands, exchange) {
            self.note_pause(hands, exchange);
            return self.refuse(hands, why);
        }
        let error = envelope::read(body).ok();
        let error = error.filter(|said| said.kind == Kind::Error);
        let other = matches!(status, 400 | 404 | 405);
        match (step, error) {
            (Step::Discover, Some(said)) => self.hear_hello(hands, step, body, &said),
            (Step::Discover, None) => self.unanswered(hands),
            (Step::Initialize, Some(said)) => {
                let id = None;
                let said = Envelope { id, ..said };
                let now = hands.cx.now.tick;
                let next = self
                    .greeting
                    .hear(now, (body, &said), &self.spec, &self.our_version);
                match next {
                    Next::Refused(_) if other => self.fall_back(hands, why),
                    next => self.follow_greeting(hands, next),
                }
            }
            (Step::Initialize, None) if other && self.greeting.can_ask() => {
                let next = self
                    .greeting
                    .ask_after_all(why, hands.cx.now.tick, &self.our_version);
                self.follow_greeting(hands, next);
            }
            (Step::Initialize, None) if other => self.fall_back(hands, why),
            (Step::Initialize | Step::Initialized, _) => self.refuse(hands, why),
        }
    }

    /// What was asked in the handshake and is not answered yet is of no interest any more. A server
    /// that never answers it would hold a connection for ever.
    pub(super) fn drop_hellos(&mut self, hands: &mut Hands<'_, '_>) {
        let hellos = self.exchanges.iter();
        let hellos = hellos.filter(|(_, one)| matches!(one.role, Role::Hello(_)) && !one.answered);
        for key in hellos.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.give_up(hands, key);
        }
    }

    /// The server gives itself a session.
    pub(super) fn take_session_id(&mut self, exchange: &Exchange) {
        let Some(head) = &exchange.head else { return };
        let id = head.headers.get("mcp-session-id");
        // Visible characters only, as the specification has it; anything else could not be sent
        // back either.
        let good = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        self.talk.id = id.filter(good).map(Into::into);
    }
}

/// Whether a body says that there is no such method. Of a notification that is no matter, whatever
/// status goes with it.
fn is_unknown_method(body: &[u8]) -> bool {
    let said = envelope::read(body).ok();
    let code = said.and_then(|said| member(body, said.outcome?, "code"));
    code.is_some_and(|code| code.of(body) == b"-32601")
}

/// A server may answer what it does not know by closing the connection. That it could not be
/// reached, or is slow, says nothing of its era.
fn is_answer(failure: &FetchFailure) -> bool {
    failure.reached
        && match failure.kind {
            FailureKind::Exchange(_) | FailureKind::Encoded | FailureKind::Redirect => true,
            FailureKind::Open(_) | FailureKind::Busy | FailureKind::Field => false,
        }
}
