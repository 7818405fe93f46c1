//! What a modern server says beyond answers: the stream of changes (F13), each an exchange of its
//! own. The stream itself is in `listen` and `changes`.

use std::rc::Rc;

use crate::backend::changes::{Heard, end_by};
use crate::backend::listen::{Do, End, Listening, Lists, StreamId};
use crate::backend::remote::exchange::{Ended, Exchange, Role};
use crate::backend::remote::{Hands, Remote};
use crate::backend::talk::{Read, late};
use crate::fetch::{FailureKind, FetchKey, Lane, Order, Reach};
use crate::json::envelope::{self, Envelope, Kind};
use crate::language::BackendEvent;
use crate::now::Tick;

impl Remote {
    /// A modern server is about to serve.
    pub(super) fn begin_listening(&mut self, hands: &mut Hands<'_, '_>, lists: Lists) {
        let ours = Rc::clone(&self.our_version);
        let mut listening = Box::new(Listening::new(lists, &self.spec, ours));
        let order = listening.begin(hands.cx.now.tick, &self.watched);
        self.listening = Some(listening);
        self.follow_listen(hands, order);
    }

    /// Other resources are listened to from now on.
    pub(in crate::backend) fn watch(&mut self, hands: &mut Hands<'_, '_>, uris: Vec<Rc<str>>) {
        self.watched = uris;
        let ready = self.is_ready();
        if let Some(listening) = self.listening.as_mut().filter(|_| ready) {
            let order = listening.watch(hands.cx.now.tick, &self.watched);
            self.follow_listen(hands, order);
        }
    }

    /// When [`Remote::listen_alarm`] is due.
    pub(super) fn listening_until(&self) -> Option<Tick> {
        let listening = self.listening.as_ref().filter(|_| self.is_ready());
        listening.and_then(|listening| listening.deadline())
    }

    /// It is.
    pub(super) fn listen_alarm(&mut self, hands: &mut Hands<'_, '_>) {
        if let Some(listening) = &mut self.listening {
            let order = listening.alarm(hands.cx.now.tick, hands.cx.entropy);
            self.follow_listen(hands, order);
        }
    }

    /// A stream that is not wanted any more is given up: nothing else ends it (F12).
    fn follow_listen(&mut self, hands: &mut Hands<'_, '_>, order: Do) {
        if let Some(request) = order.open {
            self.open_stream(hands, request);
        }
        if let Some(id) = order.close {
            let mut streams = self.exchanges.iter();
            let found = streams.find(|(_, one)| one.role == Role::Changes(id));
            if let Some(key) = found.map(|(key, _)| *key) {
                self.give_up(hands, key);
            }
        }
        if let Some(watching) = order.tell {
            hands.events.push_back(BackendEvent::Watching {
                pool: hands.me,
                uris: watching.uris,
                missed: watching.missed,
            });
        }
    }

    fn open_stream(&mut self, hands: &mut Hands<'_, '_>, request: Vec<u8>) {
        let Ok(asked) = envelope::read(&request) else {
            return;
        };
        let id = asked.id.map(|id| id.of(&request));
        let Some(id) = id.and_then(crate::backend::listen::stream_id) else {
            return;
        };
        let order = Order {
            lane: Lane::Stream,
            reach: Reach::Anywhere,
            ..self.post_modern(request, &asked, &[])
        };
        self.exchange(hands, Role::Changes(id), order);
    }

    /// A message of a modern server.
    pub(super) fn hear_modern(
        &mut self,
        hands: &mut Hands<'_, '_>,
        key: FetchKey,
        text: &[u8],
        envelope: Envelope,
    ) -> Read {
        let Some(role) = self.exchanges.get(&key).map(|one| one.role) else {
            return Read::Nothing;
        };
        let Some(listening) = &mut self.listening else {
            return Read::Nothing;
        };
        match listening.hear(hands.cx, &self.spec.name, text, &envelope) {
            Heard::PassOn => match envelope.kind {
                Kind::Result | Kind::Error => self.answer(hands, (key, role), text, envelope),
                Kind::Request | Kind::Notification => late(hands.me, role.about(), text, envelope),
            },
            Heard::Follow(order) => {
                if let (Kind::Result | Kind::Error, Some(exchange)) =
                    (envelope.kind, self.exchanges.get_mut(&key))
                {
                    exchange.answered = true;
                }
                self.follow_listen(hands, order);
                if envelope.kind == Kind::Notification {
                    self.leave_unheard(hands, key, role);
                }
                Read::Nothing
            }
            Heard::Nothing => Read::Nothing,
        }
    }

    /// A server that takes back a stream may leave its exchange open, and ours with every stream
    /// that takes the place of one.
    fn leave_unheard(&mut self, hands: &mut Hands<'_, '_>, key: FetchKey, role: Role) {
        let listening = self.listening.as_ref();
        let hears = |id| listening.is_some_and(|listening| listening.hears(id));
        if matches!(role, Role::Changes(id) if !hears(id)) {
            self.give_up(hands, key);
        }
    }

    /// A stream of changes is over. That the server said so before is known to `listen`.
    pub(super) fn changes_over(
        &mut self,
        hands: &mut Hands<'_, '_>,
        id: StreamId,
        exchange: &Exchange,
        ended: &Ended,
    ) {
        let how = match ended {
            Ended::Failed(failure) if matches!(failure.kind, FailureKind::Open(_)) => {
                return self.lost(hands, failure.why.clone());
            }
            Ended::Whole(body) if !exchange.succeeded() => {
                if self.is_of_another_era(exchange, body) {
                    return self.changed_era(hands);
                }
                match envelope::read(body) {
                    Ok(said) if said.kind == Kind::Error => end_by(body, &said),
                    _ if matches!(exchange.status(), 404 | 405 | 501) => End::UnknownMethod,
                    _ => End::Refused,
                }
            }
            Ended::Failed(_) | Ended::Whole(_) => End::ByServer,
        };
        let Some(listening) = &mut self.listening else {
            return;
        };
        if let Heard::Follow(order) = listening.over(hands.cx, &self.spec.name, id, how) {
            self.follow_listen(hands, order);
        }
    }
}
