//! What is said by a server without sessions and to it, beyond calls and their answers: the stream
//! of changes. The modern half of [`Session`], beside `talk`; the stream itself is in `listen` and
//! `changes`.

use std::rc::Rc;

use crate::backend::changes::Heard;
use crate::backend::lifecycle::Phase;
use crate::backend::listen::{Do, Listening, Lists};
use crate::backend::session::Session;
use crate::backend::talk::{Read, late};
use crate::cx::Cx;
use crate::json::envelope::Envelope;
use crate::language::{BackendEvent, PoolKey};
use crate::now::Tick;

impl Session {
    /// A server without sessions is about to serve.
    pub(super) fn begin_listening(&mut self, cx: &mut Cx<'_>, me: PoolKey, lists: Lists) {
        let ours = Rc::clone(&self.our_version);
        let mut listening = Box::new(Listening::new(lists, &self.spec, ours));
        let order = listening.begin(cx.now.tick, &self.watched);
        self.listening = Some(listening);
        // Nothing is heard yet, so there is nothing to tell.
        drop(self.follow_listen(cx, me, order));
    }

    /// Other resources are listened to from now on.
    pub(super) fn watch(
        &mut self,
        cx: &mut Cx<'_>,
        me: PoolKey,
        uris: Vec<Rc<str>>,
    ) -> Option<BackendEvent> {
        self.watched = uris;
        let serves = matches!(self.phase, Phase::Ready { .. });
        let listening = self.listening.as_mut().filter(|_| serves)?;
        let order = listening.watch(cx.now.tick, &self.watched);
        self.follow_listen(cx, me, order)
    }

    /// When [`Session::listen_alarm`] is due.
    pub(super) fn listening_until(&self) -> Option<Tick> {
        let serves = matches!(self.phase, Phase::Ready { .. });
        let listening = self.listening.as_ref().filter(|_| serves);
        listening.and_then(|listening| listening.deadline())
    }

    /// Its alarm rang, perhaps for the stream.
    pub(super) fn listen_alarm(&mut self, cx: &mut Cx<'_>, me: PoolKey) -> Option<BackendEvent> {
        self.listening_until().filter(|at| *at <= cx.now.tick)?;
        let listening = self.listening.as_mut()?;
        let order = listening.alarm(cx.now.tick, cx.entropy);
        self.follow_listen(cx, me, order)
    }

    /// A stream that is not wanted any more is cancelled: on a pipe nothing else ends it (B5). What
    /// a server that reads nothing is not told counts as not acknowledged.
    fn follow_listen(&self, cx: &mut Cx<'_>, me: PoolKey, order: Do) -> Option<BackendEvent> {
        if let Some(request) = order.open {
            self.reply(cx, &request);
        }
        if let Some(id) = order.close {
            self.reply(cx, Listening::cancel(id).as_bytes());
        }
        order.tell.map(|watching| BackendEvent::Watching {
            pool: me,
            uris: watching.uris,
            missed: watching.missed,
        })
    }

    /// A message of a server without sessions.
    pub(super) fn hear_modern(
        &mut self,
        cx: &mut Cx<'_>,
        me: PoolKey,
        text: &[u8],
        envelope: Envelope,
    ) -> Read {
        let listening = self.listening.as_mut();
        let heard = listening.map(|all| all.hear(cx, &self.spec.name, text, &envelope));
        match heard {
            Some(Heard::PassOn) => late(me, None, text, envelope),
            Some(Heard::Follow(order)) => {
                let told = self.follow_listen(cx, me, order);
                told.map_or(Read::Nothing, Read::Event)
            }
            Some(Heard::Nothing) | None => Read::Nothing,
        }
    }
}
