//! From a message to what the hall is told of it: the part that is the same on every transport.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::client::classify::{Era, classify, is_initialize, is_method};
use crate::client::refusal::{Refusal, Refused};
use crate::client::session::{Session, Transport};
use crate::cx::Cx;
use crate::json::envelope::{self, Envelope, Fault, JsonId, Kind};
use crate::json::span::{self, Span};
use crate::json::write::flatten;
use crate::language::{At, ClientEvent, ClientKey};
use crate::limits::CALLS_PER_CLIENT_MAX;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::familiar::Familiar;
use crate::mcp::meta::survey;
use crate::mcp::version::Version;
use crate::tally::{Account, Method};

/// Reads one message from the frame; `None` if it is an array, valid as JSON. Line ends between its
/// tokens become blanks, since it may go on to a peer that frames by lines (and to some a lone CR
/// is a line end too).
pub(super) fn read_message(
    frame: &mut Frame,
    familiar: &Familiar,
) -> Result<Option<Envelope>, Refused> {
    let read = match envelope::read_knowing(frame.bytes(), &|rest| familiar.length(rest)) {
        Ok(envelope) if !envelope.line_end => return Ok(Some(envelope)),
        Ok(envelope) => Some(envelope),
        Err((Fault::Array, _)) => None,
        Err((fault, id)) => {
            return Err(Refused::named(fault.into(), frame.bytes(), id));
        }
    };
    if let Some(text) = frame.bytes_mut() {
        flatten(text);
    }
    Ok(read)
}

/// The id that the refusal of a message gives back: nobody waits for one of a response.
pub(super) fn asked(envelope: &Envelope) -> Option<Span> {
    envelope.id.filter(|_| envelope.kind == Kind::Request)
}

/// Refuses what only the modern dialect could serve, where that is not spoken: on `/sse`, and in a
/// batch.
pub(super) fn legacy_only(text: &[u8], envelope: &Envelope) -> Result<(), Refusal> {
    match classify(text, survey(text, envelope.meta), None) {
        Era::Legacy => Ok(()),
        Era::Modern(_) => Err(Refusal::ModernElsewhere),
    }
}

/// What is agreed on by an `initialize` (B4): the revision asked for if we speak it, else our
/// newest.
pub(super) fn agree(
    text: &[u8],
    envelope: &Envelope,
) -> Result<(Version, ClientCapabilities), Refusal> {
    let params = envelope.params.ok_or(Refusal::NoVersion)?;
    let requested = span::member(text, params, "protocolVersion")
        .and_then(|at| span::string(text, at))
        .ok_or(Refusal::NoVersion)?;
    let capabilities = span::member(text, params, "capabilities")
        .map(|at| ClientCapabilities::read(text, at))
        .unwrap_or_default();
    Ok((Version::negotiate(requested.as_bytes()), capabilities))
}

/// A request that is taken is counted from here on.
pub(super) fn account(cx: &mut Cx<'_>, text: &[u8], envelope: &Envelope) -> Account {
    let bytes = envelope.whole.range().len();
    cx.tally.begin(cx.now.tick, method(text, envelope), bytes)
}

/// Which method is counted.
pub(super) fn method(text: &[u8], envelope: &Envelope) -> Method {
    Method::of(&envelope.method_name(text).unwrap_or_default())
}

/// Whether one more request of this client can be taken.
pub(super) fn admit(session: &Session, id: &[u8]) -> Result<(), Refusal> {
    if session.waits_for(id) {
        Mark::IdInUse.hit();
        return Err(Refusal::DuplicateId);
    }
    if session.busy || session.outstanding.len() >= CALLS_PER_CLIENT_MAX {
        Mark::CallsFull.hit();
        return Err(Refusal::Busy);
    }
    Ok(())
}

/// What the hall is told of a request that was admitted.
pub(super) fn request(
    client: ClientKey,
    at: At,
    text: &[u8],
    envelope: Envelope,
) -> Option<ClientEvent> {
    Some(ClientEvent::Request {
        client,
        at,
        id: JsonId::new(envelope.id?.of(text)),
        envelope,
        hop: survey(text, envelope.meta).hop,
        fields: None,
    })
}

/// What becomes of a message of a client with one channel (stdio, `/sse`).
pub(super) fn direct(
    cx: &mut Cx<'_>,
    (session, client): (&mut Session, ClientKey),
    text: &[u8],
    envelope: Envelope,
) -> Result<Option<ClientEvent>, Refusal> {
    legacy_only(text, &envelope)?;
    // On stdio nothing but ping comes before `initialize` (B3); on `/sse` it may (E5).
    let early = !session.opened && session.facts.transport == Transport::Stdio;
    if envelope.kind != Kind::Request {
        return Ok(if early {
            None
        } else {
            one_way(session, client, text, envelope)
        });
    }
    let id = envelope.id.map(|id| id.of(text)).unwrap_or_default();
    if is_initialize(text, &envelope) {
        let (version, capabilities) = agree(text, &envelope)?;
        admit(session, id)?;
        session.open(version, capabilities);
        let id = JsonId::new(id);
        return Ok(Some(ClientEvent::Initialize {
            client,
            at: session.expect(id.clone(), 0, account(cx, text, &envelope)),
            id,
            version,
            capabilities,
        }));
    }
    if early && !is_method(text, &envelope, "ping") {
        Mark::BeforeInitialize.hit();
        return Err(Refusal::NotInitialized);
    }
    admit(session, id)?;
    let account = account(cx, text, &envelope);
    let at = session.expect(JsonId::new(id), 0, account);
    Ok(request(client, at, text, envelope))
}

/// What the hall is told of a notification or a response.
pub(super) fn one_way(
    session: &mut Session,
    client: ClientKey,
    text: &[u8],
    envelope: Envelope,
) -> Option<ClientEvent> {
    match envelope.kind {
        Kind::Notification if is_method(text, &envelope, "notifications/initialized") => {
            session.facts.initialized = session.opened;
            session
                .opened
                .then_some(ClientEvent::Initialized { client })
        }
        Kind::Notification => Some(ClientEvent::Notification { client, envelope }),
        Kind::Result | Kind::Error => Some(ClientEvent::Response { client, envelope }),
        Kind::Request => None,
    }
}
