//! The transport of 2024-11-05 (E1 to E7): a stream on `/sse` that is the session, and POSTs to
//! `/messages` that are answered on it.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::percent;
use crate::client::Clients;
use crate::client::accept;
use crate::client::batch::has_request;
use crate::client::grants::Open;
use crate::client::leaving::Taking;
use crate::client::message::{self, read_message};
use crate::client::refusal::{Refusal, Refused};
use crate::client::session::{Channel, Session};
use crate::client::session_id::SessionId;
use crate::cx::Cx;
use crate::http1::server::{Headers, Request};
use crate::json::envelope::Kind;
use crate::language::{ClientEvent, ClientKey};
use crate::links::LinkKey;

/// The query parameter that names the session.
const SESSION_PARAMETER: &str = "sessionId";

impl Clients {
    /// GET `/sse`: opens a session and tells where to post (E1).
    pub(super) fn open_sse(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        headers: &Headers,
    ) -> Option<ClientEvent> {
        if !accept::get(headers) {
            self.http.refuse(cx, link, &Refusal::NoEventStream.into());
            return None;
        }
        if !self.make_room(cx) {
            self.http.refuse(cx, link, &Refusal::TooManySessions.into());
            return None;
        }
        let id = SessionId::mint(cx);
        let path = format!("/messages?{SESSION_PARAMETER}={}", id.as_str());
        let channel = Channel::Sse {
            id: id.clone(),
            link,
        };
        let session = Session::new(channel, self.caller.clone(), cx.now.tick);
        let client = self.sessions.insert(session);
        self.ids.insert(&id, client);
        self.opened(cx, Open::Session);
        self.http.open(cx, link, client, 0, None);
        self.http.endpoint(cx, link, &path);
        None
    }

    /// POST `/messages`: accepted at once, answered on the stream (E2, E3).
    pub(super) fn post_message(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &mut Frame,
        link: LinkKey,
        request: &Request,
    ) -> Option<ClientEvent> {
        let refused = match self.take_message(cx, frame, request) {
            Ok(event) => {
                self.http.empty(cx, link, 202, &[]);
                return event;
            }
            Err(refused) => refused,
        };
        refused.counted(cx);
        match self.sse_client(request) {
            // Nobody reads the body of this answer, and somebody waits for the id.
            Ok(client) if refused.refusal.status() == 200 => {
                Mark::MessageRefusedOnStream.hit();
                self.http.empty(cx, link, 202, &[]);
                self.send_direct(cx, client, &[refused.body().as_slice().into()]);
            }
            Ok(_) | Err(_) => self.http.refuse(cx, link, &refused),
        }
        None
    }

    fn take_message(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &mut Frame,
        request: &Request,
    ) -> Result<Option<ClientEvent>, Refused> {
        if !accept::is_json(request.headers.get("content-type")) {
            return Err(Refusal::ContentType.into());
        }
        let Some(envelope) = read_message(frame, &self.familiar)? else {
            if has_request(frame.bytes()) {
                self.takes_requests()?;
            }
            let client = self.sse_client(request)?;
            self.direct_batch(cx, frame, client)?;
            return Ok(None);
        };
        let text = frame.bytes();
        let named = |refusal| Refused::request(refusal, text, &envelope);
        if envelope.kind == Kind::Request {
            self.takes_requests().map_err(named)?;
        }
        let client = self.sse_client(request).map_err(named)?;
        let session = self
            .sessions
            .get_mut(client)
            .ok_or(Refusal::UnknownSession)?;
        message::direct(cx, (session, client), text, envelope).map_err(named)
    }

    /// The stream ends with the answers that are owed: told to stop, we take no more requests.
    fn takes_requests(&self) -> Result<(), Refusal> {
        match self.http.taking {
            Taking::Yes => Ok(()),
            Taking::LastCall { .. } | Taking::No { .. } => Err(Refusal::too_late()),
        }
    }

    /// Whose stream the answer goes to.
    fn sse_client(&mut self, request: &Request) -> Result<ClientKey, Refusal> {
        let query = request.query().unwrap_or_default();
        let presented =
            percent::parameter(query, SESSION_PARAMETER).ok_or(Refusal::NoSessionParameter)?;
        let client = self.ids.find(&presented).ok_or(Refusal::UnknownSession)?;
        let caller = &self.caller;
        let theirs = self.sessions.get_mut(client).is_some_and(|session| {
            matches!(session.channel, Channel::Sse { .. }) && session.is_used_by(caller)
        });
        theirs.then_some(client).ok_or(Refusal::UnknownSession)
    }
}
