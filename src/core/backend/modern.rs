//! What is said by a server without sessions and to it, beyond calls and their answers: the stream
//! of changes. The modern half of [`Session`], beside `talk`; the stream itself is in `listen`.

use std::rc::Rc;

use crate::backend::lifecycle::Phase;
use crate::backend::listen::{Do, End, Listening, Lists, StreamId, stream_id};
use crate::backend::session::Session;
use crate::backend::talk::{Read, late};
use crate::base::mark::Mark;
use crate::cx::Cx;
use crate::effect::Level;
use crate::json::envelope::{Envelope, Kind};
use crate::json::span::{Span, member, path};
use crate::language::{BackendEvent, PoolKey};
use crate::mcp::meta::SUBSCRIPTION;
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
        match envelope.kind {
            Kind::Request => {
                self.ignore_request(cx);
                Read::Nothing
            }
            Kind::Result | Kind::Error => {
                let stream = envelope.id.and_then(|id| stream_id(id.of(text)));
                match stream {
                    Some(id) => self.stream_ended(cx, me, id, end_by(text, &envelope)),
                    None => late(me, text, envelope),
                }
            }
            Kind::Notification => self.hear_change(cx, me, text, envelope),
        }
    }

    fn hear_change(
        &mut self,
        cx: &mut Cx<'_>,
        me: PoolKey,
        text: &[u8],
        envelope: Envelope,
    ) -> Read {
        let method = envelope.method_name(text).unwrap_or_default();
        let params = envelope.params.unwrap_or_default();
        let tag = || {
            let tag = path(text, params, &["_meta", SUBSCRIPTION])?;
            stream_id(tag.of(text))
        };
        match &*method {
            "notifications/subscriptions/acknowledged" => {
                self.stream_acknowledged(cx, me, tag(), text, params)
            }
            "notifications/cancelled" => {
                let id = member(text, params, "requestId");
                match id.and_then(|id| stream_id(id.of(text))) {
                    Some(id) => self.stream_ended(cx, me, id, End::ByServer),
                    None => late(me, text, envelope),
                }
            }
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated" => {
                let hears = |id| self.listening.as_ref().is_some_and(|all| all.hears(id));
                if tag().is_some_and(hears) {
                    return late(me, text, envelope);
                }
                Mark::ChangeUntagged.hit();
                let name = &self.spec.name;
                cx.log(Level::Debug, || {
                    format!("server={name} sent {method} on no stream of ours: ignored")
                });
                Read::Nothing
            }
            _ => late(me, text, envelope),
        }
    }

    fn stream_acknowledged(
        &mut self,
        cx: &mut Cx<'_>,
        me: PoolKey,
        id: Option<StreamId>,
        text: &[u8],
        params: Span,
    ) -> Read {
        let granted = path(text, params, &["notifications", "resourceSubscriptions"]);
        let listening = self.listening.as_mut().zip(id);
        let order =
            listening.map(|(listening, id)| listening.acknowledged(cx.now.tick, id, text, granted));
        let told = order.and_then(|order| self.follow_listen(cx, me, order));
        told.map_or(Read::Nothing, Read::Event)
    }

    fn stream_ended(&mut self, cx: &mut Cx<'_>, me: PoolKey, id: StreamId, how: End) -> Read {
        let name = &self.spec.name;
        cx.log(Level::Debug, || {
            format!("server={name} stream of changes ended: {how:?}")
        });
        let listening = self.listening.as_mut();
        let order = listening.map(|all| all.ended(cx.now.tick, id, how, cx.entropy));
        let told = order.and_then(|order| self.follow_listen(cx, me, order));
        told.map_or(Read::Nothing, Read::Event)
    }

    /// Nobody may answer a request of such a server (2026-07-28), so it waits in vain.
    fn ignore_request(&mut self, cx: &mut Cx<'_>) {
        Mark::ModernAsks.hit();
        let told = self.listening.as_mut().map(|all| &mut all.asks_told);
        if told.is_some_and(|told| !std::mem::replace(told, true)) {
            let name = &self.spec.name;
            cx.log(Level::Warn, || {
                format!(
                    "server={name} sends requests, which its protocol version does not have: \
                     ignored"
                )
            });
        }
    }
}

fn end_by(text: &[u8], envelope: &Envelope) -> End {
    if envelope.kind == Kind::Result {
        return End::ByServer;
    }
    let error = envelope.outcome.unwrap_or_default();
    let code = member(text, error, "code").map(|at| at.of(text));
    if code == Some(b"-32601") {
        End::UnknownMethod
    } else {
        End::Refused
    }
}
