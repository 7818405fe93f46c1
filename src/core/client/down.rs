//! What the hall says to clients. A message is complete JSON-RPC on one line, without framing.

use crate::base::mark::Mark;
use crate::base::outbox::{Part, length};
use crate::client::Clients;
use crate::client::accept::Forms;
use crate::client::kept::Kept;
use crate::client::session::{Channel, Streamable, Undelivered};
use crate::client::stream::State;
use crate::cx::Cx;
use crate::language::{At, ClientKey};
use crate::limits::{
    CLIENT_OUTBOX_BYTES_SOFT, REPLAY_MS_MAX, UNDELIVERED_BYTES_PER_SESSION_MAX,
    UNDELIVERED_PER_SESSION_MAX,
};
use crate::links::LinkKey;
use crate::tally::{About, End};

impl Clients {
    /// The response of a request; a second one for the same request vanishes.
    pub fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        end: End,
        message: &[Part<'_>],
    ) {
        if self.exchange(client).is_some() {
            return self.answer_exchange(cx, client, (end, None), message);
        }
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let Some(done) = session.take(at) else {
            return;
        };
        cx.settle(done.account, end, || length(message));
        if self.direct(client).is_some() {
            self.send_direct(cx, client, message);
            self.pace(cx);
        } else {
            self.answer_stream(cx, client, done.stream, message);
        }
    }

    /// The request turns out to be about this server and this tool.
    pub fn concern(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, about: About<'_>) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        if let Some(account) = session.account_of(at) {
            cx.tally.concern(account, about);
        }
    }

    /// The response of a request is this error.
    pub fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        (end, code): (End, i32),
        message: &[Part<'_>],
    ) {
        if self.exchange(client).is_some() {
            self.answer_exchange(cx, client, (end, Some(code)), message);
        } else {
            self.answer(cx, client, at, end, message);
        }
    }

    /// The request will never be answered, since its client cancelled it (C11): its stream closes
    /// without a response.
    pub fn drop_request(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At) {
        self.drop_as(cx, client, at, End::Cancelled);
    }

    /// The request will never be answered, or was already by other means.
    pub(super) fn drop_as(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, end: End) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        if let Some(done) = session.take(at) {
            cx.settle(done.account, end, || 0);
            self.drop_from_stream(cx, client, done.stream);
            self.pace(cx);
        }
    }

    /// Progress or a log line about a request (or about none, at `MAIN`). Dropped if the client
    /// takes only JSON, reads too slowly, or has its answer already.
    pub fn note(&mut self, cx: &mut Cx<'_>, client: ClientKey, at: At, message: &[Part<'_>]) {
        if self.exchange(client).is_some() {
            return self.note_exchange(cx, client, at, message);
        }
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let number = session.stream_of(at);
        if number.is_none() && at != At::MAIN {
            return;
        }
        if let Some(link) = self.direct(client) {
            if cx.links.unsent(link) <= CLIENT_OUTBOX_BYTES_SOFT {
                self.send_direct(cx, client, message);
            } else {
                Mark::NoteDropped.hit();
            }
            return;
        }
        let Some(own) = self.streamable(client) else {
            return;
        };
        let Some(number) = number else {
            if own
                .main
                .is_some_and(|link| cx.links.unsent(link) <= CLIENT_OUTBOX_BYTES_SOFT)
            {
                self.send_main(cx, client, message);
            }
            return;
        };
        let Some(stream) = own.stream_mut(number) else {
            return;
        };
        match (stream.state, stream.forms) {
            (State::Held(_), Forms::Either | Forms::StreamOnly) => {
                self.open_stream(cx, client, number);
                self.push_event(cx, client, number, message);
            }
            (State::Open(link), _) if cx.links.unsent(link) > CLIENT_OUTBOX_BYTES_SOFT => {
                Mark::NoteDropped.hit();
            }
            (State::Open(_) | State::Detached, _) => self.push_event(cx, client, number, message),
            (State::Held(_), Forms::JsonOnly) | (State::Orphan, _) => {}
        }
    }

    /// A request of ours: on the stream of that request, else on the main one (where it may wait
    /// for the client to open it). `false` if it can reach nobody.
    pub fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        at: At,
        message: &[Part<'_>],
    ) -> bool {
        let Some(session) = self.sessions.get_mut(client) else {
            return false;
        };
        // Nobody is asked by a request of its own who has no session (B5).
        let is_exchange = matches!(session.channel, Channel::Exchange(_));
        if is_exchange || (at == At::MAIN && !session.facts.initialized) {
            return false;
        }
        let number = session.stream_of(at);
        if self.direct(client).is_some() {
            self.send_direct(cx, client, message);
            return true;
        }
        let Some(own) = self.streamable(client) else {
            return false;
        };
        let stream = number.and_then(|number| own.stream_mut(number));
        if let Some(stream) = stream {
            let number = stream.number;
            match (stream.state, stream.forms) {
                (State::Held(_), Forms::Either | Forms::StreamOnly) => {
                    self.open_stream(cx, client, number);
                    self.push_event(cx, client, number, message);
                    return true;
                }
                (State::Open(_) | State::Detached, _) => {
                    self.push_event(cx, client, number, message);
                    return true;
                }
                (State::Held(_), Forms::JsonOnly) | (State::Orphan, _) => {}
            }
        }
        self.send_main(cx, client, message)
            || self
                .streamable(client)
                .is_some_and(|own| own.queue(message, true))
    }

    /// A notification that belongs to no request.
    pub fn tell(&mut self, cx: &mut Cx<'_>, client: ClientKey, message: &[Part<'_>]) {
        if self.exchange(client).is_some() {
            self.tell_exchange(cx, client, message);
        } else if self.direct(client).is_some() {
            self.send_direct(cx, client, message);
        } else if !self.send_main(cx, client, message)
            && let Some(own) = self.streamable(client)
        {
            own.queue(message, false);
        }
    }

    /// The link of a client with one channel.
    fn direct(&self, client: ClientKey) -> Option<LinkKey> {
        match self.sessions.get(client)?.channel {
            Channel::Stdio { link } | Channel::Sse { link, .. } => Some(link),
            Channel::Streamable(_) | Channel::Exchange(_) => None,
        }
    }

    /// A line on our stdout, or an event on `/sse`.
    pub(super) fn send_direct(&mut self, cx: &mut Cx<'_>, client: ClientKey, message: &[Part<'_>]) {
        let link = match self.sessions.get(client).map(|session| &session.channel) {
            Some(Channel::Stdio { link }) => {
                cx.links.send(*link, message);
                cx.links.send(*link, &["\n".into()]);
                *link
            }
            Some(Channel::Sse { link, .. }) => {
                self.http.event(cx, *link, None, message);
                *link
            }
            Some(Channel::Streamable(_) | Channel::Exchange(_)) | None => return,
        };
        self.close_if_slow(cx, link);
    }

    /// An event on the GET stream; `false` if it is not open.
    pub(super) fn send_main(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        message: &[Part<'_>],
    ) -> bool {
        let now = cx.now.tick;
        let Some(own) = self.streamable(client) else {
            return false;
        };
        let Some(link) = own.main else {
            return false;
        };
        let id = own.next_main_event();
        own.replay.store(now, id, message);
        self.arm_session(cx, client, now.after(REPLAY_MS_MAX));
        self.http.event(cx, link, Some(id), message);
        self.close_if_slow(cx, link);
        true
    }
}

impl Streamable {
    /// Keeps a message until the client opens its GET stream. `false` if there is no room.
    fn queue(&mut self, message: &[Part<'_>], question: bool) -> bool {
        // What changed once more while nobody listens is said once.
        let same = |one: &Undelivered| !one.question && one.message.same(message);
        if !question && self.undelivered.iter().any(same) {
            Mark::UndeliveredOnce.hit();
            return true;
        }
        if self.undelivered.len() >= UNDELIVERED_PER_SESSION_MAX {
            // Nobody waits for a notification, so the oldest of those makes room.
            let oldest = self.undelivered.iter().position(|one| !one.question);
            match oldest.filter(|_| !question) {
                Some(index) => {
                    Mark::UndeliveredFull.hit();
                    drop(self.undelivered.remove(index));
                }
                None => {
                    Mark::UndeliveredQuestionsFull.hit();
                    return false;
                }
            }
        }
        let bytes: usize = self.undelivered.iter().map(|one| one.message.bytes()).sum();
        if bytes + length(message) > UNDELIVERED_BYTES_PER_SESSION_MAX {
            Mark::UndeliveredBytesFull.hit();
            return false;
        }
        self.undelivered.push_back(Undelivered {
            message: Kept::new(message),
            question,
        });
        true
    }
}
