//! GET and DELETE on `/mcp`: the stream for unrelated messages (C6), resuming a stream (C9), the
//! end of a session (C3).

use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::accept;
use crate::client::refusal::Refusal;
use crate::client::replay::EventId;
use crate::client::session::Session;
use crate::client::stream::State;
use crate::cx::Cx;
use crate::http1::server::Headers;
use crate::language::{ClientEvent, ClientKey};
use crate::links::LinkKey;
use crate::mcp::version::Version;

/// What a `Last-Event-ID` asks for.
enum Wanted {
    /// The GET stream, from here or from the beginning.
    Main(Option<EventId>),
    /// A POST whose answers are not all there yet.
    Running(EventId),
    /// A POST that is over, with its last events still kept.
    Finished(EventId),
    /// Nothing that we know (any more).
    Unknown,
}

impl Clients {
    /// Opens or resumes a stream.
    pub(super) fn get(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        headers: &Headers,
    ) -> Option<ClientEvent> {
        if !accept::get(headers) {
            self.http.refuse(cx, link, &Refusal::NoEventStream.into());
            return None;
        }
        let presented = headers.get("mcp-session-id");
        let before = presented.and_then(|id| self.ids.find(id));
        let before = before.map(|client| self.sight(client));
        match self.session_without_body(cx, headers) {
            Ok(client) => {
                self.attach(cx, client, link, headers);
                let turned = before.is_some_and(|before| before != self.sight(client));
                turned.then_some(ClientEvent::Turned { client })
            }
            Err(refusal) => {
                self.http.refuse(cx, link, &refusal.into());
                None
            }
        }
    }

    fn attach(&mut self, cx: &mut Cx<'_>, client: ClientKey, link: LinkKey, headers: &Headers) {
        match self.wanted(client, headers) {
            Wanted::Main(last) => self.attach_main(cx, client, link, last),
            Wanted::Running(last) => self.resume(cx, client, link, last),
            Wanted::Finished(last) => self.replay(cx, client, link, last),
            Wanted::Unknown => self.attach_unknown(cx, client, link),
        }
    }

    /// Ends a session.
    pub(super) fn delete(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        headers: &Headers,
    ) -> Option<ClientEvent> {
        match self.end_named(cx, headers) {
            Ok(()) => self.ended_for_good(cx, link),
            Err(refusal) => self.http.refuse(cx, link, &refusal.into()),
        }
        None
    }

    /// A session of another run need not be opened here to be ended.
    fn end_named(&mut self, cx: &mut Cx<'_>, headers: &Headers) -> Result<(), Refusal> {
        let presented = session_header(headers)?;
        if self.ids.find(presented).is_some() {
            let client = self.session_of(cx, headers)?;
            self.end_opened(cx, client);
            return Ok(());
        }
        self.end_unopened(cx, presented)
    }

    /// Whose request it is.
    fn session_without_body(
        &mut self,
        cx: &mut Cx<'_>,
        headers: &Headers,
    ) -> Result<ClientKey, Refusal> {
        session_header(headers)?;
        self.session_of(cx, headers)
    }

    fn wanted(&self, client: ClientKey, headers: &Headers) -> Wanted {
        let Some(text) = headers.get("last-event-id") else {
            return Wanted::Main(None);
        };
        let own = self.sessions.get(client).and_then(Session::streamable);
        let (Some(last), Some(own)) = (EventId::parse(text), own) else {
            return Wanted::Unknown;
        };
        if last.stream == 0 && own.may_have_sent(last) {
            return Wanted::Main(Some(last));
        }
        let stream = own
            .streams
            .iter()
            .find(|stream| stream.number == last.stream);
        match stream.map(|stream| stream.state) {
            Some(State::Open(_) | State::Detached) => Wanted::Running(last),
            // No client was ever told an id of these.
            Some(State::Held(_) | State::Orphan) => Wanted::Unknown,
            None if own.replay.knows(last.stream) => Wanted::Finished(last),
            None => Wanted::Unknown,
        }
    }

    /// The GET stream. A second one takes the place of the first: the first may hang on a dead
    /// connection, which must not lock the client out.
    fn attach_main(
        &mut self,
        cx: &mut Cx<'_>,
        client: ClientKey,
        link: LinkKey,
        last: Option<EventId>,
    ) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let primes = session.facts.version >= Version::V2025_11_25;
        let Some(own) = session.streamable_mut() else {
            return;
        };
        if let Some(old) = own.main.replace(link) {
            Mark::MainStreamReplaced.hit();
            self.http.end(cx, old);
        }
        self.http.open(cx, link, client, 0, None);
        match last {
            Some(last) => {
                Mark::MainStreamReplayed.hit();
                for (id, message) in own.replay.after(last) {
                    self.http.event(cx, link, Some(id), &message.parts());
                }
            }
            None if primes => {
                let id = EventId {
                    stream: 0,
                    number: own.main_last,
                };
                self.http.prime(cx, link, id);
            }
            None => {}
        }
        let waiting = std::mem::take(&mut own.undelivered);
        for one in waiting {
            self.send_main(cx, client, &one.message.parts());
        }
    }

    /// The rest of a POST that still runs, on this connection.
    fn resume(&mut self, cx: &mut Cx<'_>, client: ClientKey, link: LinkKey, last: EventId) {
        let now = cx.now.tick;
        let Some(own) = self
            .sessions
            .get_mut(client)
            .and_then(Session::streamable_mut)
        else {
            return;
        };
        let Some(stream) = own.streams.iter_mut().find(|one| one.number == last.stream) else {
            return;
        };
        Mark::StreamResumed.hit();
        let old = stream.link();
        stream.state = State::Open(link);
        stream.since = now;
        if let Some(old) = old {
            Mark::StreamTakenOver.hit();
            self.http.end(cx, old);
        }
        self.http.open(cx, link, client, last.stream, None);
        for (id, message) in own.replay.after(last) {
            self.http.event(cx, link, Some(id), &message.parts());
        }
        self.push_early(cx, client, last.stream);
    }

    /// The last events of a POST that is over. If the client has them all it is told to stop
    /// asking: 204 is how an event stream says so, and SDK clients would ask for ever.
    fn replay(&mut self, cx: &mut Cx<'_>, client: ClientKey, link: LinkKey, last: EventId) {
        let Some(own) = self
            .sessions
            .get_mut(client)
            .and_then(Session::streamable_mut)
        else {
            return;
        };
        if own.replay.after(last).next().is_none() {
            Mark::NothingToReplay.hit();
            self.http.empty(cx, link, 204, &[]);
            return;
        }
        Mark::FinishedStreamReplayed.hit();
        self.http.open(cx, link, client, last.stream, None);
        for (id, message) in own.replay.after(last) {
            self.http.event(cx, link, Some(id), &message.parts());
        }
        self.http.end(cx, link);
    }

    /// An id that we do not know, perhaps from before a restart: a fresh stream, never an error. If
    /// the client has its GET stream already it gets 204 instead, or the two would take each
    /// other's place for ever.
    fn attach_unknown(&mut self, cx: &mut Cx<'_>, client: ClientKey, link: LinkKey) {
        Mark::EventUnknown.hit();
        if self
            .streamable(client)
            .is_some_and(|own| own.main.is_some())
        {
            self.http.empty(cx, link, 204, &[]);
        } else {
            self.attach_main(cx, client, link, None);
        }
    }
}

/// The name of the session. A modern client has no use for these methods (D11).
fn session_header(headers: &Headers) -> Result<&str, Refusal> {
    let version = headers.get("mcp-protocol-version");
    let unknown = version.filter(|name| Version::parse(name.as_bytes()).is_none());
    match (unknown, headers.get("mcp-session-id")) {
        (Some("2026-07-28"), _) | (Some(_), None) => Err(Refusal::Method {
            allow: "POST, OPTIONS",
        }),
        (Some(requested), Some(_)) => Err(Refusal::Version {
            requested: requested.to_owned(),
        }),
        (None, presented) => presented.ok_or(Refusal::NoSession),
    }
}
