//! POST to `/mcp` (C1, C2, C4, C5, C7, C8, C12). The checks stand in the order in which a request
//! fails them.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::accept::{self, Forms};
use crate::client::batch::has_request;
use crate::client::classify::{Era, classify, is_initialize};
use crate::client::grants::Open;
use crate::client::message::{self, read_message};
use crate::client::refusal::{Refusal, Refused};
use crate::client::replay::Replay;
use crate::client::session::{Channel, Session, Streamable};
use crate::client::session_id::SessionId;
use crate::client::stream::Stream;
use crate::cx::Cx;
use crate::http1::server::{Headers, Request};
use crate::json::envelope::{Envelope, JsonId, Kind};
use crate::language::{At, ClientEvent, ClientKey};
use crate::limits::STREAMS_PER_SESSION_MAX;
use crate::links::LinkKey;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::version::Version;

impl Clients {
    /// Answers a POST, or tells what it wants.
    pub(super) fn post(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &mut Frame,
        link: LinkKey,
        request: &Request,
    ) -> Option<ClientEvent> {
        match self.take_post(cx, frame, link, &request.headers) {
            Ok(event) => event,
            Err(refused) => {
                refused.counted(cx);
                self.http.refuse(cx, link, &refused);
                None
            }
        }
    }

    fn take_post(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &mut Frame,
        link: LinkKey,
        headers: &Headers,
    ) -> Result<Option<ClientEvent>, Refused> {
        if !accept::is_json(headers.get("content-type")) {
            return Err(Refusal::ContentType.into());
        }
        let forms = accept::post(headers).ok_or(Refusal::NotAcceptable)?;
        let version = headers.get("mcp-protocol-version");
        let Some(envelope) = read_message(frame, &self.familiar)? else {
            if self.is_last_call_over(cx) && has_request(frame.bytes()) {
                return Err(Refusal::too_late().into());
            }
            let client = self.session_of(cx, headers)?;
            return Ok(self.post_batch(cx, frame, link, client, forms)?);
        };
        let text = frame.bytes();
        let named = |refusal| Refused::request(refusal, text, &envelope);
        if envelope.kind == Kind::Request && self.is_last_call_over(cx) {
            return Err(named(Refusal::too_late()));
        }
        let found = self.familiar.survey(text, envelope.meta);
        if let Era::Modern(meta) = classify(text, found, version) {
            return self
                .post_modern(
                    cx,
                    frame,
                    (link, forms),
                    (headers, version),
                    (envelope, meta),
                )
                .map_err(named);
        }
        if is_initialize(text, &envelope) {
            return self
                .initialize(cx, link, forms, text, &envelope)
                .map_err(named);
        }
        let client = self.session_of(cx, headers).map_err(named)?;
        match envelope.kind {
            Kind::Request => {
                let taken = self.post_request(cx, link, client, forms, text, &envelope);
                let at = taken.map_err(named)?;
                Ok(message::request(client, at, text, envelope))
            }
            Kind::Notification | Kind::Result | Kind::Error => {
                self.http.empty(cx, link, 202, &[]);
                let session = self.sessions.get_mut(client);
                Ok(session.and_then(|session| message::one_way(session, client, text, envelope)))
            }
        }
    }

    /// Whose request it is (C2). A presented session counts as used.
    pub(super) fn session_of(
        &mut self,
        cx: &mut Cx<'_>,
        headers: &Headers,
    ) -> Result<ClientKey, Refusal> {
        let presented = headers.get("mcp-session-id").ok_or(Refusal::NoSession)?;
        let client = match self.ids.find(presented) {
            Some(client) => client,
            None => self.restore(cx, presented)?,
        };
        let caller = &self.caller;
        let session = self
            .sessions
            .get_mut(client)
            .ok_or(Refusal::UnknownSession)?;
        if session.streamable().is_none() || !session.is_used_by(caller) {
            return Err(Refusal::UnknownSession);
        }
        let before = std::mem::replace(&mut session.used, cx.now.tick);
        self.note_use(cx, before);
        Ok(client)
    }

    /// Opens a session (C1).
    fn initialize(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        forms: Forms,
        text: &[u8],
        envelope: &Envelope,
    ) -> Result<Option<ClientEvent>, Refusal> {
        let (version, capabilities) = message::agree(text, envelope)?;
        let Some(id) = envelope.id.map(|id| JsonId::new(id.of(text))) else {
            return Ok(None);
        };
        if !self.make_room(cx) {
            return Err(Refusal::TooManySessions);
        }
        let client = self.open_streamable(cx, version, capabilities);
        let Some(session) = self.sessions.get_mut(client) else {
            return Ok(None);
        };
        let number = session.number();
        let account = message::account(cx, text, envelope);
        let at = session.expect(id.clone(), number, account);
        let mut stream = Stream::held(number, link, forms, cx.now.tick);
        stream.announces = true;
        self.start_stream(cx, client, stream);
        Ok(Some(ClientEvent::Initialize {
            client,
            at,
            id,
            version,
            capabilities,
        }))
    }

    fn open_streamable(
        &mut self,
        cx: &mut Cx<'_>,
        version: Version,
        capabilities: ClientCapabilities,
    ) -> ClientKey {
        let grant = self.caller.sight.grant();
        let (name, birth) = self.resume.name(cx, version, capabilities, grant);
        let id = SessionId::from(name);
        let own = Streamable::new(id.clone(), birth, Replay::new(&self.replay_bytes));
        let channel = Channel::Streamable(Box::new(own));
        let mut session = Session::new(channel, self.caller.clone(), cx.now.tick);
        session.open(version, capabilities);
        let client = self.sessions.insert(session);
        self.ids.insert(&id, client);
        self.opened(cx, Open::Session);
        self.arm_session(cx, client, cx.now.tick.after(self.settings.session_idle_ms));
        self.note_session(cx);
        client
    }

    /// Notes a request of an open session; its answer goes to the stream of this POST.
    fn post_request(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        client: ClientKey,
        forms: Forms,
        text: &[u8],
        envelope: &Envelope,
    ) -> Result<At, Refusal> {
        let id = envelope.id.map(|id| id.of(text)).unwrap_or_default();
        self.admit_stream(client)?;
        let session = self
            .sessions
            .get_mut(client)
            .ok_or(Refusal::UnknownSession)?;
        message::admit(session, id)?;
        let number = session.number();
        let account = message::account(cx, text, envelope);
        let at = session.expect(JsonId::new(id), number, account);
        let stream = Stream::held(number, link, forms, cx.now.tick);
        self.start_stream(cx, client, stream);
        Ok(at)
    }

    /// Whether one more POST with requests fits into the session.
    pub(super) fn admit_stream(&self, client: ClientKey) -> Result<(), Refusal> {
        let streams = self
            .sessions
            .get(client)
            .and_then(Session::streamable)
            .map_or(0, |own| own.streams.len());
        if streams >= STREAMS_PER_SESSION_MAX {
            Mark::StreamsFull.hit();
            return Err(Refusal::TooManyStreams);
        }
        Ok(())
    }
}
