//! What is said on one session, message by message: the handshake's part is answered here, the
//! hall's part goes up, and what the hall sends goes down. The second half of [`Session`]; payloads
//! are never looked into.

use std::num::NonZeroU64;

use crate::backend::greeting::Next;
use crate::backend::handshake::{INITIALIZE_ID, INITIALIZED};
use crate::backend::lifecycle::{Closing, Event, Phase};
use crate::backend::probe::DISCOVER_ID;
use crate::backend::session::{Report, Session};
use crate::backend::stdio::Said;
use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::outbox::{Part, length};
use crate::base::word;
use crate::cx::Cx;
use crate::effect::Level;
use crate::json::envelope::{Envelope, JsonId, Kind, our_number};
use crate::json::write;
use crate::language::{BackendEvent, CallLoss, PoolKey, Refused};
use crate::limits::CHILD_OUTBOX_BYTES_MAX;
use crate::links::Links;
use crate::now::Tick;

/// What reading found.
pub(super) enum Read {
    /// Something for the hall.
    Event(BackendEvent),
    /// Something for the table of sessions.
    Report(Report),
    /// Something for the hall has to be told first; then there may be more.
    Again,
    /// Nothing more.
    Nothing,
}

/// Who listens to what the server says.
enum Ear {
    /// The handshake.
    Handshake,
    /// The hall.
    Hall,
    /// The hall, for answers that were on their way when the server went down.
    Late,
    /// Nobody.
    Nobody,
}

impl Session {
    const fn ear(&self) -> Ear {
        match &self.phase {
            Phase::Handshaking { .. } => Ear::Handshake,
            Phase::Ready { .. } => Ear::Hall,
            Phase::Closing(Closing {
                served_ms: Some(_), ..
            }) => Ear::Late,
            Phase::Closing(_)
            | Phase::Queued
            | Phase::Opening { .. }
            | Phase::Leaving
            | Phase::Awaiting { .. }
            | Phase::Backoff { .. }
            | Phase::Failed { .. }
            | Phase::Gone => Ear::Nobody,
        }
    }

    /// Takes bytes of its stdout.
    pub(super) fn receive(&mut self, now: Tick, bytes: &[u8]) {
        self.greeting.spoke(now);
        if !matches!(self.ear(), Ear::Nobody) {
            self.stdout.push(bytes);
        }
    }

    /// Reads on until there is something to tell. The end of the output is acted upon only here,
    /// after all that was said before it.
    pub(super) fn read(&mut self, cx: &mut Cx<'_>, me: PoolKey, frame: &mut Frame) -> Read {
        while let Some(said) = self.stdout.next(cx, &self.spec.name, frame) {
            let read = match (self.ear(), said) {
                (Ear::Handshake, Said::Message(envelope)) => {
                    self.hear_handshake(cx, me, frame.bytes(), &envelope)
                }
                (Ear::Hall, Said::Message(envelope)) => self.hear(cx, me, frame.bytes(), envelope),
                (Ear::Late, Said::Message(envelope)) => {
                    Mark::AnswerWhileClosing.hit();
                    if self.listening.is_some() {
                        self.hear_modern(cx, me, frame.bytes(), envelope)
                    } else {
                        late(me, None, frame.bytes(), envelope)
                    }
                }
                (Ear::Hall | Ear::Late, Said::TooLong(id)) => {
                    self.note_too_long(cx);
                    Read::Event(BackendEvent::CallLost {
                        pool: me,
                        id,
                        loss: CallLoss::TooLong,
                    })
                }
                (Ear::Handshake, Said::TooLong(_)) => {
                    self.note_too_long(cx);
                    Read::Nothing
                }
                (Ear::Nobody, Said::Message(_) | Said::TooLong(_)) => Read::Nothing,
            };
            if !matches!(read, Read::Nothing) {
                return read;
            }
        }
        let end = self.stdout.take_end();
        match end.and_then(|event| self.child_step(cx, me, event)) {
            Some(report) => Read::Report(report),
            None => Read::Nothing,
        }
    }

    /// The output ended. [`Session::read`] has to be called.
    pub(super) fn end_of_output(&mut self, broken: bool) {
        self.stdout.end(broken);
    }

    fn note_too_long(&self, cx: &mut Cx<'_>) {
        Mark::ServerLineTooLong.hit();
        let name = &self.spec.name;
        cx.log(Level::Warn, || {
            format!("server={name} sent a line beyond the limit, thrown away")
        });
    }

    // --- the handshake ---

    /// Sends what the handshake begins with.
    pub(super) fn greet(&mut self, cx: &mut Cx<'_>) {
        let Phase::Handshaking { until, .. } = self.phase else {
            return;
        };
        let when = (cx.now.tick, until);
        let request = self.greeting.begin(when, &self.spec, &self.our_version);
        self.say(cx.links, &[request.as_slice().into()]);
    }

    fn hear_handshake(
        &mut self,
        cx: &mut Cx<'_>,
        me: PoolKey,
        text: &[u8],
        envelope: &Envelope,
    ) -> Read {
        match envelope.kind {
            Kind::Request => {
                self.reply(cx, &answer_early(text, envelope));
                return Read::Nothing;
            }
            Kind::Notification => return Read::Nothing,
            Kind::Result | Kind::Error => {}
        }
        let now = cx.now.tick;
        let message = (text, envelope);
        let next = self
            .greeting
            .hear(now, message, &self.spec, &self.our_version);
        let report = self.follow(cx, me, next);
        report.map_or(Read::Nothing, Read::Report)
    }

    /// The question for its era was not answered in time.
    pub(super) fn probe_alarm(&mut self, cx: &mut Cx<'_>, me: PoolKey) -> Option<Report> {
        let name = &self.spec.name;
        cx.log(Level::Debug, || {
            format!("server={name} does not answer server/discover")
        });
        let next = self.greeting.alarm(&self.spec, &self.our_version);
        self.follow(cx, me, next)
    }

    fn follow(&mut self, cx: &mut Cx<'_>, me: PoolKey, next: Next) -> Option<Report> {
        match next {
            Next::Wait => None,
            Next::Send(message) => {
                self.say(cx.links, &[message.as_slice().into()]);
                None
            }
            Next::Hello(hello, lists) => {
                self.initialize_first = hello.initialize_first;
                self.answered = hello.version.is_modern();
                if hello.version.is_modern() {
                    self.begin_listening(cx, me, lists);
                } else {
                    self.say(cx.links, &[INITIALIZED.into()]);
                }
                self.hello = Some(hello);
                self.step(cx, me, Event::Greeted)
            }
            Next::Refused(why) => self.step(cx, me, Event::Refused(why)),
        }
    }

    // --- afterwards ---

    fn hear(&mut self, cx: &mut Cx<'_>, me: PoolKey, text: &[u8], envelope: Envelope) -> Read {
        if self.listening.is_some() {
            return self.hear_modern(cx, me, text, envelope);
        }
        match envelope.kind {
            Kind::Request => {
                let raw = envelope.id.map(|id| id.of(text)).unwrap_or_default();
                if is_ping(text, &envelope) {
                    self.reply(cx, &write::result(raw, b"{}"));
                    return Read::Nothing;
                }
                Read::Event(BackendEvent::Request {
                    pool: me,
                    about: None,
                    id: JsonId::new(raw),
                    envelope,
                })
            }
            Kind::Notification | Kind::Result | Kind::Error => late(me, None, text, envelope),
        }
    }

    /// Takes one message of the hall.
    pub(super) fn send(&self, links: &mut Links, parts: &[Part<'_>]) -> Result<(), Refused> {
        let (Phase::Ready { .. }, Some(link)) = (&self.phase, self.child.link()) else {
            return Err(Refused::NotReady);
        };
        let unsent = links.unsent(link).saturating_add(length(parts));
        if unsent >= CHILD_OUTBOX_BYTES_MAX {
            Mark::ChildOutboxFull.hit();
            return Err(Refused::Busy);
        }
        self.say(links, parts);
        Ok(())
    }

    /// An answer to a request that the hall never sees, or a request of our own. A server that
    /// floods us with pings and reads nothing gets no more of them.
    pub(super) fn reply(&self, cx: &mut Cx<'_>, message: &[u8]) {
        let unsent = self.child.link().map_or(0, |link| cx.links.unsent(link));
        if unsent < CHILD_OUTBOX_BYTES_MAX {
            self.say(cx.links, &[message.into()]);
        }
    }

    /// Frames a message as one line. A line end inside would let whoever wrote the message smuggle
    /// a second one in, so it becomes a blank; in valid JSON it can only stand between tokens.
    pub(super) fn say(&self, links: &mut Links, parts: &[Part<'_>]) {
        let Some(link) = self.child.link() else {
            return;
        };
        if !parts.iter().all(|part| word::is_one_line(part.bytes())) {
            let mut whole: Vec<u8> = parts
                .iter()
                .flat_map(|part| part.bytes())
                .copied()
                .collect();
            write::flatten(&mut whole);
            links.send(link, &[whole.as_slice().into(), "\n".into()]);
        } else {
            links.send(link, parts);
            links.send(link, &["\n".into()]);
        }
    }
}

/// What needs no answer: also told while the server goes down.
pub(super) fn late(
    me: PoolKey,
    about: Option<NonZeroU64>,
    text: &[u8],
    envelope: Envelope,
) -> Read {
    match (envelope.kind, envelope.id) {
        (Kind::Notification, _) => Read::Event(BackendEvent::Notification {
            pool: me,
            about,
            envelope,
        }),
        // An answer of the handshake: whatever it says, it comes too late.
        (Kind::Result | Kind::Error, Some(id))
            if id.of(text) == INITIALIZE_ID || id.of(text) == DISCOVER_ID =>
        {
            Mark::HandshakeTwice.hit();
            Read::Nothing
        }
        (Kind::Result | Kind::Error, id) => Read::Event(BackendEvent::Response {
            pool: me,
            id: id.and_then(|id| our_number(id.of(text))),
            envelope,
        }),
        // It could not be answered any more.
        (Kind::Request, _) => Read::Nothing,
    }
}

/// What a server gets for a request before the handshake is done.
pub(super) fn answer_early(text: &[u8], envelope: &Envelope) -> Vec<u8> {
    Mark::HandshakeAsks.hit();
    let raw = envelope.id.map(|id| id.of(text)).unwrap_or_default();
    if is_ping(text, envelope) {
        write::result(raw, b"{}")
    } else {
        let words = "Method not found before initialize";
        write::error(Some(raw), -32601, words, None)
    }
}

/// Whether a request asks for nothing but a sign of life.
pub(super) fn is_ping(text: &[u8], envelope: &Envelope) -> bool {
    envelope
        .method_name(text)
        .is_some_and(|method| method == "ping")
}
