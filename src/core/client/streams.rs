//! The streams of POSTs: opened when they must be, fed, ended. Decides by [`State`]; the bytes are
//! framed by `reply`.

use crate::base::mark::Mark;
use crate::base::outbox::Part;
use crate::client::Clients;
use crate::client::accept::Forms;
use crate::client::connection::Doing;
use crate::client::kept::Kept;
use crate::client::replay::EventId;
use crate::client::session::Streamable;
use crate::client::stream::{State, Stream};
use crate::cx::Cx;
use crate::effect::Level;
use crate::language::ClientKey;
use crate::limits::{CLIENT_OUTBOX_BYTES_MAX, REPLAY_MS_MAX};
use crate::links::LinkKey;
use crate::mcp::version::Version;

impl Clients {
    /// A POST with requests begins to wait for its answers.
    pub(super) fn start_stream(&mut self, cx: &mut Cx<'_>, client: ClientKey, stream: Stream) {
        let (number, forms) = (stream.number, stream.forms);
        let Some(own) = self.streamable(client) else {
            return;
        };
        let link = stream.link();
        own.streams.push(stream);
        if let Some(link) = link {
            let stream = number;
            self.http.hold(cx, link, Doing::Held { client, stream });
        }
        match forms {
            Forms::StreamOnly => self.open_stream(cx, client, number),
            Forms::Either => self.push_hold(cx, client, number),
            Forms::JsonOnly => {}
        }
    }

    /// Something must be sent before the answer, or the wait was long: the response becomes an
    /// event stream (C5).
    pub(super) fn open_stream(&mut self, cx: &mut Cx<'_>, client: ClientKey, number: u32) {
        if self.exchange(client).is_some() {
            return self.open_exchange(cx, client);
        }
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let primes = session.facts.version >= Version::V2025_11_25;
        let Some(Streamable { id, streams, .. }) = session.streamable_mut() else {
            return;
        };
        let Some(stream) = streams.iter_mut().find(|stream| stream.number == number) else {
            return;
        };
        let State::Held(link) = stream.state else {
            return;
        };
        let name = stream.announces.then(|| id.as_str());
        self.http.open(cx, link, client, number, name);
        stream.state = State::Open(link);
        stream.since = cx.now.tick;
        if primes {
            stream.primed = true;
            let id = EventId {
                stream: number,
                number: stream.last,
            };
            self.http.prime(cx, link, id);
        }
        let answers = stream.batch.take();
        if answers.is_some() {
            Mark::BatchBecomesEvents.hit();
        }
        self.push_early(cx, client, number);
        for answer in answers.into_iter().flatten() {
            self.push_event(cx, client, number, &answer.parts());
        }
    }

    /// An event on a stream that is open, or will be asked for again.
    pub(super) fn push_event(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        number: u32,
        message: &[Part<'_>],
    ) {
        let now = cx.now.tick;
        let Some(Streamable {
            streams, replay, ..
        }) = self.streamable(client)
        else {
            return;
        };
        let Some(stream) = streams.iter_mut().find(|stream| stream.number == number) else {
            return;
        };
        let link = match stream.state {
            State::Open(link) => Some(link),
            State::Detached => None,
            State::Held(_) | State::Orphan => return,
        };
        let id = stream.next_event();
        replay.store(now, id, message);
        self.arm_session(cx, client, now.after(REPLAY_MS_MAX));
        if let Some(link) = link {
            self.http.event(cx, link, Some(id), message);
            self.close_if_slow(cx, link);
            self.close_early(cx, client, number);
        }
    }

    /// One answer of a POST: the response itself, an event, or an element of a batch (C5, C12).
    pub(super) fn answer_stream(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        number: u32,
        message: &[Part<'_>],
    ) {
        let Some(Streamable { id, streams, .. }) = self.streamable(client) else {
            return;
        };
        let Some(stream) = streams.iter_mut().find(|stream| stream.number == number) else {
            return;
        };
        stream.waiting = stream.waiting.saturating_sub(1);
        match (stream.state, &mut stream.batch) {
            (State::Held(_), Some(batch)) => batch.push(Kept::new(message)),
            (State::Held(link), None) => {
                let name = stream.announces.then(|| id.clone());
                self.http
                    .json(cx, link, name.as_ref().map(|id| id.as_str()), message);
                self.close_if_slow(cx, link);
            }
            (State::Open(_) | State::Detached, _) => {
                if stream.state == State::Detached {
                    Mark::AnswerDetached.hit();
                }
                self.push_event(cx, client, number, message);
            }
            (State::Orphan, _) => Mark::AnswerOrphaned.hit(),
        }
        self.end_if_answered(cx, client, number, true);
    }

    /// A request of a POST that will not be answered (C11).
    pub(super) fn drop_from_stream(&mut self, cx: &mut Cx<'_>, client: ClientKey, number: u32) {
        if let Some(stream) = self
            .streamable(client)
            .and_then(|own| own.stream_mut(number))
        {
            stream.waiting = stream.waiting.saturating_sub(1);
            self.end_if_answered(cx, client, number, false);
        }
    }

    /// Ends the stream after its last request; `answered` tells how that one ended.
    fn end_if_answered(&mut self, cx: &mut Cx<'_>, client: ClientKey, number: u32, answered: bool) {
        let now = cx.now.tick;
        let Some(Streamable {
            streams, replay, ..
        }) = self.streamable(client)
        else {
            return;
        };
        let over = |stream: &Stream| stream.number == number && stream.waiting == 0;
        let Some(index) = streams.iter().position(over) else {
            return;
        };
        let mut stream = streams.swap_remove(index);
        if !answered && stream.primed {
            // A client that comes back for the rest must learn that there is none.
            replay.mark_end(now, stream.next_event());
            self.arm_session(cx, client, now.after(REPLAY_MS_MAX));
        }
        self.disarm_waits(cx);
        match stream.state {
            State::Open(link) => self.http.end(cx, link),
            State::Held(link) => match stream.batch.take() {
                Some(answers) if !answers.is_empty() => self.answer_batch(cx, link, &answers),
                Some(_) | None if !answered => self.end_unanswered(cx, client, link, stream.forms),
                Some(_) | None => {}
            },
            State::Detached | State::Orphan => {}
        }
    }

    /// No response is sent for a cancelled request, but HTTP wants an answer: an event stream
    /// without events, or nothing for a client that reads only JSON.
    fn end_unanswered(&mut self, cx: &mut Cx<'_>, client: ClientKey, link: LinkKey, forms: Forms) {
        Mark::CancelledUnanswered.hit();
        match forms {
            Forms::JsonOnly => self.http.empty(cx, link, 202, &[]),
            Forms::Either | Forms::StreamOnly => {
                self.http.open(cx, link, client, 0, None);
                self.http.end(cx, link);
            }
        }
    }

    /// All answers of a batch as one array.
    fn answer_batch(&mut self, cx: &mut Cx<'_>, link: LinkKey, answers: &[Kept]) {
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(2 * answers.len() + 1);
        for (index, answer) in answers.iter().enumerate() {
            parts.push(if index == 0 { "[" } else { "," }.into());
            parts.extend(answer.parts());
        }
        parts.push("]".into());
        self.http.json(cx, link, None, &parts);
        self.close_if_slow(cx, link);
    }

    /// Closes the link of a client that does not read. A session on `/mcp` goes on without it.
    pub(super) fn close_if_slow(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let unsent = cx.links.unsent(link);
        if unsent <= CLIENT_OUTBOX_BYTES_MAX {
            return;
        }
        Mark::ClientTooSlow.hit();
        cx.log(Level::Warn, || {
            format!("client does not read: {unsent} bytes unsent, link closed")
        });
        if let Some(client) = self.stdio_of(link).map(|stdio| stdio.client()) {
            cx.close(link);
            self.end(cx, client);
        } else {
            let doing = self.http.close(cx, link);
            self.lost(cx, link, doing);
        }
    }

    /// The streams of a client on `/mcp`.
    pub(super) fn streamable(&mut self, client: ClientKey) -> Option<&mut Streamable> {
        self.sessions.get_mut(client)?.streamable_mut()
    }
}
