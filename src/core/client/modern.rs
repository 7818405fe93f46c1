//! Requests of the revision without sessions (2026-07-28): what each says of itself, and whether
//! the header fields of its POST agree. The checks stand in the order of protocol 2.D.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::accept::Forms;
use crate::client::classify;
use crate::client::exchange::{Described, ONLY, Way};
use crate::client::grants::Open;
use crate::client::message;
use crate::client::refusal::Refusal;
use crate::cx::Cx;
use crate::http1::server::Headers;
use crate::json::envelope::{Envelope, JsonId, Kind};
use crate::json::span::{member, string};
use crate::language::{ClientEvent, ClientKey, ParamFields};
use crate::limits::LISTENS_MAX;
use crate::links::LinkKey;
use crate::mcp::headers::{self, PARAM_PREFIX};
use crate::mcp::meta::{self, RequestMeta};
use crate::mcp::modern;
use crate::mcp::version::Version;

/// The fields of a POST, and which revision they name.
pub(super) type Fields<'a> = (&'a Headers, Option<&'a str>);

impl Clients {
    /// A POST of the modern revision.
    pub(super) fn post_modern(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &Frame,
        (link, forms): (LinkKey, Forms),
        fields: Fields<'_>,
        (envelope, (meta, hop)): (Envelope, classify::Described<'_>),
    ) -> Result<Option<ClientEvent>, Refusal> {
        let text = frame.bytes();
        match envelope.kind {
            Kind::Request => {}
            Kind::Notification => {
                // Whoever wants to cancel hangs up: ids mean nothing here (D8).
                self.http.empty(cx, link, 202, &[]);
                return Ok(None);
            }
            Kind::Result | Kind::Error => return Err(Refusal::Response),
        }
        let said = describe(text, &envelope, meta, Some(fields))?;
        if said.listens && forms == Forms::JsonOnly {
            return Err(Refusal::NoEventStream);
        }
        self.admit_listen(&said)?;
        if said.listens && !self.grants.fits(&self.caller.sight, Open::Listen) {
            Mark::GrantListensFull.hit();
            return Err(Refusal::TooManyListens);
        }
        let id = JsonId::new(envelope.id.map(|id| id.of(text)).unwrap_or_default());
        let account = message::account(cx, text, &envelope);
        let way = Way::Held { link, forms };
        let client = self.begin_exchange(cx, id.clone(), way, (said, account));
        Ok(Some(ClientEvent::Request {
            client,
            at: ONLY,
            id,
            envelope,
            hop,
            fields: Some(param_fields(fields.0)),
        }))
    }

    /// A line of the modern revision on our stdin (B2).
    pub(super) fn line_modern(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &Frame,
        (link, client): (LinkKey, ClientKey),
        (envelope, (meta, hop)): (Envelope, classify::Described<'_>),
    ) -> Result<Option<ClientEvent>, Refusal> {
        let text = frame.bytes();
        if envelope.kind != Kind::Request {
            return Ok(None);
        }
        let said = describe(text, &envelope, meta, None)?;
        let id = JsonId::new(envelope.id.map(|id| id.of(text)).unwrap_or_default());
        let owed = self.sessions.get(client);
        let owed = owed.is_some_and(|session| session.waits_for(id.raw()));
        if owed || self.stdio_exchange(id.raw()).is_some() {
            return Err(Refusal::DuplicateId);
        }
        self.admit_listen(&said)?;
        let account = message::account(cx, text, &envelope);
        let way = Way::Line(link);
        let client = self.begin_exchange(cx, id.clone(), way, (said, account));
        Ok(Some(ClientEvent::Request {
            client,
            at: ONLY,
            id,
            envelope,
            hop,
            fields: None,
        }))
    }

    /// A `notifications/cancelled` on our stdin, if it is about a request without a session (B5):
    /// nothing more is written for it.
    pub(super) fn cancel_exchange(&mut self, cx: &mut Cx<'_>, text: &[u8], of: &Envelope) -> bool {
        if of.kind != Kind::Notification
            || of.method_name(text).as_deref() != Some("notifications/cancelled")
        {
            return false;
        }
        let id = of
            .params
            .and_then(|params| member(text, params, "requestId"));
        let meant = id.and_then(|id| self.stdio_exchange(id.of(text)));
        if let Some(client) = meant {
            self.end(cx, client);
        }
        meant.is_some()
    }

    fn admit_listen(&self, said: &Described) -> Result<(), Refusal> {
        if said.listens && self.listens >= LISTENS_MAX {
            return Err(Refusal::TooManyListens);
        }
        Ok(())
    }
}

/// What a request says of itself; on HTTP its fields have to say the same.
fn describe(
    text: &[u8],
    envelope: &Envelope,
    described: Option<RequestMeta<'_>>,
    fields: Option<Fields<'_>>,
) -> Result<Described, Refusal> {
    let named = match fields {
        Some((_, None)) => return Err(missing("MCP-Protocol-Version")),
        Some((_, named)) => named,
        None => None,
    };
    let (meta, capabilities) = required(described, named)?;
    if named.is_some_and(|named| named != meta.version) {
        return Err(differs("MCP-Protocol-Version", "the revision in _meta"));
    }
    if meta.version != Version::MODERN.name() {
        let requested = meta.version.into_owned();
        return Err(Refusal::Version { requested });
    }
    let method = envelope.method_name(text).unwrap_or_default();
    if let Some((fields, _)) = fields {
        agree(fields, "Mcp-Method", &method, "the method of the body")?;
    }
    if !modern::serves(&method) {
        let method = method.into_owned();
        return Err(Refusal::UnknownMethod { method });
    }
    let name = modern::named_by(&method);
    let name = name.and_then(|name| member(text, envelope.params?, name));
    if let (Some((fields, _)), Some(name)) = (fields, name.and_then(|at| string(text, at))) {
        agree(fields, "Mcp-Name", &name, "what the body names")?;
    }
    let level = match meta.level {
        Some(Err(level)) => {
            let level = level.into_owned();
            return Err(Refusal::Level { level });
        }
        Some(Ok(level)) => Some(level),
        None => None,
    };
    Ok(Described {
        capabilities,
        level,
        listens: method == "subscriptions/listen",
    })
}

/// The two members that every request must have.
fn required<'a>(
    described: Option<RequestMeta<'a>>,
    named: Option<&str>,
) -> Result<
    (
        RequestMeta<'a>,
        crate::mcp::capabilities::ClientCapabilities,
    ),
    Refusal,
> {
    let Some(meta) = described else {
        return Err(match named {
            // A revision that nobody speaks, perhaps with sessions: that is what is wrong (C8).
            Some(named) if named != Version::MODERN.name() => Refusal::Version {
                requested: named.to_owned(),
            },
            Some(_) | None => Refusal::Meta { key: meta::VERSION },
        });
    };
    if meta.twice || meta.version.is_empty() {
        return Err(Refusal::Meta { key: meta::VERSION });
    }
    match meta.capabilities {
        Some(capabilities) => Ok((meta, capabilities)),
        None => Err(Refusal::Meta {
            key: meta::CAPABILITIES,
        }),
    }
}

fn agree(fields: &Headers, name: &str, wanted: &str, what: &str) -> Result<(), Refusal> {
    let given = fields.get(name).ok_or_else(|| missing(name))?;
    // Nearly always it stands for itself: no control character comes this far in a field.
    if given == wanted && wanted.is_ascii() && !wanted.starts_with('=') {
        return Ok(());
    }
    match headers::decode(given) {
        Some(given) if given == wanted => Ok(()),
        Some(_) => Err(differs(name, what)),
        None => Err(Refusal::Field {
            what: format!("{name} is not written as it must be"),
        }),
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::Field {
        what: format!("{name} is missing"),
    }
}

fn differs(name: &str, what: &str) -> Refusal {
    Refusal::Field {
        what: format!("{name} differs from {what}"),
    }
}

/// The fields that stand for arguments, names without their prefix and in lower case.
fn param_fields(fields: &Headers) -> ParamFields {
    let params = fields.family(PARAM_PREFIX).map(|(name, value)| {
        let name = name.get(PARAM_PREFIX.len()..).unwrap_or_default();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    ParamFields(params.collect())
}
