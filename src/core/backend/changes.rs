//! What a server without sessions says beyond answers: the stream of changes, and what it must not
//! say. The ear of [`Listening`]; whatever carries the messages does what it orders.

use crate::backend::listen::{Do, End, Listening, StreamId, stream_id};
use crate::base::mark::Mark;
use crate::cx::Cx;
use crate::effect::Level;
use crate::json::envelope::{Envelope, Kind};
use crate::json::span::{Span, member, path};
use crate::mcp::meta::SUBSCRIPTION;

/// What a message is.
#[derive(Debug)]
pub(super) enum Heard {
    /// Not for the stream: the hall's.
    PassOn,
    /// The stream's; this is to be done.
    Follow(Do),
    /// Nobody's.
    Nothing,
}

impl Listening {
    /// Hears one message of the server called `name`.
    pub(super) fn hear(
        &mut self,
        cx: &mut Cx<'_>,
        name: &str,
        text: &[u8],
        envelope: &Envelope,
    ) -> Heard {
        match envelope.kind {
            Kind::Request => {
                self.ignore_request(cx, name);
                Heard::Nothing
            }
            Kind::Result | Kind::Error => {
                let stream = envelope.id.and_then(|id| stream_id(id.of(text)));
                match stream {
                    Some(id) => self.over(cx, name, id, end_by(text, envelope)),
                    None => Heard::PassOn,
                }
            }
            Kind::Notification => self.hear_change(cx, name, text, envelope),
        }
    }

    fn hear_change(
        &mut self,
        cx: &mut Cx<'_>,
        name: &str,
        text: &[u8],
        envelope: &Envelope,
    ) -> Heard {
        let method = envelope.method_name(text).unwrap_or_default();
        let params = envelope.params.unwrap_or_default();
        let tag = || {
            let tag = path(text, params, &["_meta", SUBSCRIPTION])?;
            stream_id(tag.of(text))
        };
        match &*method {
            "notifications/subscriptions/acknowledged" => {
                let Some(id) = tag() else {
                    return Heard::Nothing;
                };
                let granted = path(text, params, &["notifications", "resourceSubscriptions"]);
                Heard::Follow(self.acknowledged(cx.now.tick, id, text, granted))
            }
            "notifications/cancelled" => {
                let id = member(text, params, "requestId");
                match id.and_then(|id| stream_id(id.of(text))) {
                    Some(id) => self.over(cx, name, id, End::ByServer),
                    None => Heard::PassOn,
                }
            }
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated" => {
                if tag().is_some_and(|id| self.hears(id)) {
                    return Heard::PassOn;
                }
                Mark::ChangeUntagged.hit();
                cx.log(Level::Debug, || {
                    format!("server={name} sent {method} on no stream of ours: ignored")
                });
                Heard::Nothing
            }
            _ => Heard::PassOn,
        }
    }

    /// A stream is over.
    pub(super) fn over(&mut self, cx: &mut Cx<'_>, name: &str, id: StreamId, how: End) -> Heard {
        cx.log(Level::Debug, || {
            format!("server={name} stream of changes ended: {how:?}")
        });
        Heard::Follow(self.ended(cx.now.tick, id, how, cx.entropy))
    }

    /// Nobody may answer a request of such a server (2026-07-28), so it waits in vain.
    fn ignore_request(&mut self, cx: &mut Cx<'_>, name: &str) {
        Mark::ModernAsks.hit();
        if !std::mem::replace(&mut self.asks_told, true) {
            cx.log(Level::Warn, || {
                format!(
                    "server={name} sends requests, which its protocol version does not have: \
                     ignored"
                )
            });
        }
    }
}

/// How the answer to a stream ends it.
pub(super) fn end_by(text: &[u8], envelope: &Envelope) -> End {
    if envelope.kind == Kind::Result {
        return End::ByServer;
    }
    let error: Span = envelope.outcome.unwrap_or_default();
    let code = member(text, error, "code").map(|at| at.of(text));
    if code == Some(b"-32601") {
        End::UnknownMethod
    } else {
        End::Refused
    }
}
