//! What comes on the exchanges of a session: taken in when it comes, read one message at a time
//! when the hall has a frame for it. Which exchange a message came on decides what it may be.

use std::num::NonZeroU64;

use crate::backend::batch::Batch;
use crate::backend::remote::call::Place;
use crate::backend::remote::exchange::{Ended, Exchange, Found, Role, Step};
use crate::backend::remote::{Hands, Remote};
use crate::backend::talk::{Read, answer_early, is_ping, late};
use crate::backend::words::quoted;
use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::word;
use crate::effect::Level;
use crate::fetch::{FetchKey, News};
use crate::http1::response_head::ResponseHead;
use crate::json::envelope::{self, Envelope, Fault, JsonId, Kind, our_number};
use crate::json::write;
use crate::language::{BackendEvent, CallLoss};
use crate::limits::{READ_BYTES_PER_TURN_MAX, REMOTE_HELD_BYTES_MAX};

impl Remote {
    /// News of an exchange. [`Remote::read`] has to be called afterwards.
    pub(in crate::backend) fn news(
        &mut self,
        hands: &mut Hands<'_, '_>,
        key: FetchKey,
        news: News,
    ) {
        self.wall = hands.cx.now.wall;
        match news {
            News::Head(head) => return self.begun(hands, key, head),
            News::Data => self.came(hands, key),
            News::End(rest) => {
                if let Some(exchange) = self.exchanges.get_mut(&key) {
                    exchange.receive(&rest);
                    exchange.ended = Some(Ended::Whole(rest));
                }
            }
            News::Failed(failure) => {
                if let Some(exchange) = self.exchanges.get_mut(&key) {
                    exchange.ended = Some(Ended::Failed(failure));
                }
            }
        }
        if let Some(exchange) = self.exchanges.get_mut(&key)
            && !std::mem::replace(&mut exchange.in_line, true)
        {
            self.unread.push_back(key);
        }
    }

    fn begun(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey, head: ResponseHead) {
        let Some(exchange) = self.exchanges.get_mut(&key) else {
            return;
        };
        if exchange.begin(head) {
            hands.fetch.stream(key);
        }
        let (role, good) = (exchange.role, exchange.succeeded());
        if let (true, Some(token)) = (good && role != Role::Goodbye, exchange.token) {
            hands.locks.accept(&self.lock, token);
        }
        match role {
            Role::Hello(Step::Initialize) if good => {
                if let Some(exchange) = self.exchanges.remove(&key) {
                    self.take_session_id(&exchange);
                    self.exchanges.insert(key, exchange);
                }
            }
            Role::Call(id) if good => {
                self.executes(id);
                self.took(hands, key);
            }
            Role::Tell | Role::Hello(Step::Initialized) if good => self.took(hands, key),
            Role::Ears if good => self.ears_open(hands, key),
            Role::Stream => self.sse_begun(hands, key),
            Role::Changes(_) if good => self.streams_refused = 0,
            Role::Hello(_)
            | Role::Call(_)
            | Role::Tell
            | Role::Ears
            | Role::Changes(_)
            | Role::Goodbye => {}
        }
    }

    fn came(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey) {
        let mut bytes = Vec::new();
        hands.fetch.take_body(hands.cx, key, &mut bytes);
        let Some(exchange) = self.exchanges.get_mut(&key) else {
            return;
        };
        exchange.receive(&bytes);
        // Most messages come whole, so that little is added up.
        let much = exchange.held() > READ_BYTES_PER_TURN_MAX;
        if much && self.held() > REMOTE_HELD_BYTES_MAX {
            Mark::RemoteHeldFull.hit();
            if let Some(exchange) = self.exchanges.get_mut(&key) {
                exchange.full = true;
            }
        }
    }

    /// Bytes of messages that are not complete.
    fn held(&self) -> usize {
        self.exchanges.values().map(Exchange::held).sum()
    }

    /// Reads on until there is something to tell.
    pub(in crate::backend) fn read(
        &mut self,
        hands: &mut Hands<'_, '_>,
        frame: &mut Frame,
    ) -> Read {
        loop {
            if let Some(report) = self.report.take() {
                return Read::Report(report);
            }
            if !hands.events.is_empty() {
                return Read::Again;
            }
            if std::mem::take(&mut self.resend) {
                self.resend_all(hands);
                continue;
            }
            let Some(key) = self.unread.front().copied() else {
                return Read::Nothing;
            };
            let Some(exchange) = self.exchanges.get_mut(&key) else {
                self.unread.pop_front();
                self.batch = Batch::default();
                continue;
            };
            if self.batch.next(frame) {
                let read = self.message(hands, key, frame, true);
                if !matches!(read, Read::Nothing) {
                    return read;
                }
                continue;
            }
            let read = match exchange.next(frame) {
                Found::Message => self.message(hands, key, frame, false),
                Found::Event(event) => match self.sse_event(hands, event, frame) {
                    true => self.message(hands, key, frame, false),
                    false => Read::Nothing,
                },
                Found::Nothing => {
                    exchange.in_line = false;
                    self.unread.pop_front();
                    Read::Nothing
                }
                Found::TooLong => {
                    self.unread.pop_front();
                    self.too_long(hands, key)
                }
                Found::Over(ended) => {
                    self.unread.pop_front();
                    self.over(hands, key, ended, frame)
                }
            };
            if !matches!(read, Read::Nothing) {
                return read;
            }
        }
    }

    /// A message beyond the limit: whoever waits for it on that exchange waits in vain.
    fn too_long(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey) -> Read {
        Mark::ServerLineTooLong.hit();
        let name = &self.spec.name;
        hands.cx.log(Level::Warn, || {
            format!("server={name} sent a message beyond the limit, thrown away")
        });
        let Some(exchange) = self.exchanges.get(&key) else {
            return Read::Nothing;
        };
        match exchange.role {
            Role::Call(id) => {
                if !self.forget(hands, id) {
                    self.give_up(hands, key);
                    return Read::Nothing;
                }
                Read::Event(BackendEvent::CallLost {
                    pool: hands.me,
                    id: Some(id),
                    loss: CallLoss::TooLong,
                })
            }
            Role::Hello(_)
            | Role::Tell
            | Role::Ears
            | Role::Stream
            | Role::Changes(_)
            | Role::Goodbye => {
                hands.fetch.give_up(hands.cx, key);
                let why = "answered with more than one message may hold".to_owned();
                self.ended_by_us(hands, key, why);
                Read::Nothing
            }
        }
    }

    /// What is in the frame came on this exchange.
    fn message(
        &mut self,
        hands: &mut Hands<'_, '_>,
        key: FetchKey,
        frame: &mut Frame,
        batched: bool,
    ) -> Read {
        if !word::is_one_line(frame.bytes())
            && let Some(text) = frame.bytes_mut()
        {
            // Clients and children read a line at a time.
            write::flatten(text);
        }
        let Some(exchange) = self.exchanges.get(&key) else {
            return Read::Nothing;
        };
        let role = exchange.role;
        match envelope::read(frame.bytes()) {
            Ok(envelope) => self.hear(hands, (key, role), frame.bytes(), envelope),
            Err((Fault::Array, _)) if !batched => {
                self.batch.open(hands.cx, &self.spec.name, frame);
                Read::Nothing
            }
            // What a POST is answered beside the stream is no message, and need not be one.
            Err(_) if self.old.is_some() && role != Role::Stream => Read::Nothing,
            Err((fault, _)) => {
                if let Some(exchange) = self.exchanges.get_mut(&key) {
                    exchange.read_in_vain(frame.bytes());
                }
                let name = &self.spec.name;
                hands.cx.log(Level::Debug, || {
                    let text = quoted(&self.shown(frame.bytes()));
                    format!("server={name} skipped {text} ({})", fault.message())
                });
                Read::Nothing
            }
        }
    }

    fn hear(
        &mut self,
        hands: &mut Hands<'_, '_>,
        (key, role): (FetchKey, Role),
        text: &[u8],
        envelope: Envelope,
    ) -> Read {
        let answers = matches!(envelope.kind, Kind::Result | Kind::Error);
        if self.old.is_some() && answers && !self.is_ready() {
            self.sse_hello(hands, text, &envelope);
            return Read::Nothing;
        }
        if (role, answers) == (Role::Hello(Step::Initialized), true) {
            // A notification is not answered; servers that do it all the same have heard it. What
            // counts is that they are done.
            return Read::Nothing;
        }
        if let (Role::Hello(step), true) = (role, answers) {
            let current = self
                .exchanges
                .get(&key)
                .is_some_and(|exchange| !exchange.answered && exchange.talk == self.talk.number);
            self.is_answered(hands.cx.now.tick, key);
            if current {
                self.hear_hello(hands, step, text, &envelope);
            }
            return Read::Nothing;
        }
        // A session that is being renewed is ready for the hall, but what is said on the way to the
        // next one is as early as it was the first time.
        let renews = self.renewing.is_some() && matches!(role, Role::Hello(_));
        if !self.is_ready() || renews {
            return self.hear_early(hands, text, &envelope);
        }
        if self.is_modern() {
            return self.hear_modern(hands, key, text, envelope);
        }
        match envelope.kind {
            // An answer would be sent in the session of now, where the same id may be that of a
            // question to somebody else: servers count them from 0 in every session.
            Kind::Request if self.is_past(key) => Read::Nothing,
            Kind::Request => {
                let raw = envelope.id.map(|id| id.of(text)).unwrap_or_default();
                if is_ping(text, &envelope) {
                    // A server that floods us gets no more of them than words may be under way.
                    let _ = self.word(hands, write::result(raw, b"{}"));
                    return Read::Nothing;
                }
                Read::Event(BackendEvent::Request {
                    pool: hands.me,
                    about: self.about(role),
                    id: JsonId::new(raw),
                    envelope,
                })
            }
            Kind::Notification => late(hands.me, self.about(role), text, envelope),
            Kind::Result | Kind::Error => self.answer(hands, (key, role), text, envelope),
        }
    }

    /// Whether an exchange belongs to a session that was renewed since.
    fn is_past(&self, key: FetchKey) -> bool {
        let exchange = self.exchanges.get(&key);
        exchange.is_some_and(|exchange| exchange.talk != self.talk.number)
    }

    /// Which request of the hall a message is about (S3). The rest of an answer that broke off
    /// tells nothing: there are servers that repeat there what they told others.
    fn about(&self, role: Role) -> Option<NonZeroU64> {
        match role {
            Role::Call(id) if self.resumes(id) => None,
            role => role.about(),
        }
    }

    /// A server that speaks before the handshake is done.
    fn hear_early(&mut self, hands: &mut Hands<'_, '_>, text: &[u8], envelope: &Envelope) -> Read {
        if envelope.kind == Kind::Request {
            let _ = self.word(hands, answer_early(text, envelope));
        }
        Read::Nothing
    }

    /// An answer. Each comes on the exchange of its request; one that comes elsewhere in the same
    /// session is taken as well, since nobody else can have asked for it there.
    pub(super) fn answer(
        &mut self,
        hands: &mut Hands<'_, '_>,
        (key, role): (FetchKey, Role),
        text: &[u8],
        envelope: Envelope,
    ) -> Read {
        let named = envelope.id.and_then(|id| our_number(id.of(text)));
        let known = named.filter(|id| self.calls.contains_key(id));
        let Some(id) = known else {
            if let Some(exchange) = self.exchanges.get_mut(&key) {
                exchange.read_in_vain(text);
            }
            return self.strange(hands, role, text, &envelope);
        };
        if role != Role::Call(id) {
            Mark::AnswerElsewhere.hit();
        }
        self.talk.proved = true;
        self.talk.doubts = 0;
        self.executes(id);
        match self.calls.remove(&id).map(|call| call.place) {
            Some(Place::Asked(own)) if own != key => self.give_up(hands, own),
            Some(Place::Streamed) => self.posted_over(hands.cx.now.tick, id),
            Some(
                Place::Waiting
                | Place::Asked(_)
                | Place::Unauthorized { .. }
                | Place::Pausing { .. },
            )
            | None => {}
        }
        if role == Role::Call(id) {
            self.is_answered(hands.cx.now.tick, key);
        }
        Read::Event(BackendEvent::Response {
            pool: hands.me,
            id: Some(id),
            envelope,
        })
    }

    /// An answer to what was never asked. An error that names nothing is the answer to what its
    /// exchange asked.
    fn strange(
        &mut self,
        hands: &mut Hands<'_, '_>,
        role: Role,
        text: &[u8],
        envelope: &Envelope,
    ) -> Read {
        if let (Role::Call(id), None, Kind::Error) = (role, envelope.id, envelope.kind) {
            let why = self.said(text);
            self.lose(
                hands,
                id,
                format!("answered with an error about no request: {why}"),
            );
            return Read::Nothing;
        }
        Mark::AnswerOfNothing.hit();
        let name = &self.spec.name;
        if !std::mem::replace(&mut self.strange_told, true) {
            hands.cx.log(Level::Warn, || {
                let id = envelope.id.map(|id| id.of(text)).unwrap_or_default();
                let id = self.shown(id);
                format!("server={name} answers what was not asked (id {id}): ignored")
            });
        }
        Read::Nothing
    }
}
