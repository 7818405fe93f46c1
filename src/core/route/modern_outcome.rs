//! Answers of servers with sessions on their way to clients without one (protocol 3.1, column ML):
//! results are stamped, and errors get the codes that the revision without sessions has.

use std::borrow::Cow;

use crate::base::frame::Frame;
use crate::json::envelope::Envelope;
use crate::json::span::{Span, member, string};
use crate::json::write;
use crate::language::ClientKey;
use crate::mcp::modern::MISSING_CAPABILITY;
use crate::route::calls::{Method, Resource};
use crate::route::errors::{Failure, INTERNAL, INVALID_PARAMS, RESOURCE_NOT_FOUND};
use crate::route::outcome::{URL_ELICITATION_REQUIRED, error_code};
use crate::route::splice::Edits;
use crate::route::{Desk, Hall};
use crate::tally::End;

impl Hall {
    /// A result of our own (raw JSON, an object with members) as a client is to have it.
    pub(crate) fn own_result<'a>(&self, client: ClientKey, result: &'a str) -> Cow<'a, str> {
        match result.strip_prefix('{') {
            Some(members) if self.is_modern(client) => {
                Cow::Owned(format!("{{{},{members}", self.stamp.members(false)))
            }
            Some(_) | None => Cow::Borrowed(result),
        }
    }

    /// Prepares a result; the error to be given instead if it cannot be one.
    pub(crate) fn stamp_result(
        &self,
        server: &str,
        method: Method,
        (text, envelope, result): (&[u8], &Envelope, Span),
        edits: &mut Edits,
    ) -> Result<(), Failure> {
        let cached = method == Method::Read;
        let untold = envelope.meta.is_none() && !envelope.meta_twice && !envelope.typed;
        if untold && !cached && self.stamp.usual(text, result, edits) {
            return Ok(());
        }
        let stamped = self.stamp.result(text, result, cached, edits);
        stamped.map_err(|_| {
            let text = format!("server {server} answered with a result that is no object");
            Failure::about(server, text)
        })
    }

    /// The error that such a client gets in the place of a server's; `None` if it may have that.
    pub(crate) fn translated(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        resource: Option<&Resource>,
        envelope: &Envelope,
        frame: &Frame,
    ) -> Option<Failure> {
        let (text, error) = (frame.bytes(), envelope.outcome?);
        let code = error_code(text, error)?;
        let raw = |at: Span| String::from_utf8_lossy(at.of(text)).into_owned();
        let said = member(text, error, "message").and_then(|at| string(text, at));
        let said = said.unwrap_or_default();
        if code == i64::from(RESOURCE_NOT_FOUND) {
            let asked = resource.map(|resource| {
                let prefix = resource.prefix.as_deref().unwrap_or_default();
                let uri = write::string(&format!("{prefix}{}", resource.original));
                format!("{{\"uri\":{uri}}}")
            });
            return Some(Failure {
                code: INVALID_PARAMS,
                message: said.into_owned(),
                data: asked.or_else(|| member(text, error, "data").map(raw)),
                scopes: None,
                end: End::Error,
            });
        }
        if code == URL_ELICITATION_REQUIRED {
            let facts = desk.clients.facts(client);
            if !facts.is_some_and(|facts| facts.capabilities.elicitation_url) {
                let data = r#"{"requiredCapabilities":{"elicitation":{"url":{}}}}"#;
                return Some(Failure {
                    code: MISSING_CAPABILITY,
                    message: said.into_owned(),
                    data: Some(data.to_owned()),
                    scopes: None,
                    end: End::Error,
                });
            }
        }
        // Reserved for what the protocol itself says, which a server with sessions cannot mean.
        (-32099..=-32020).contains(&code).then(|| Failure {
            code: INTERNAL,
            message: said.into_owned(),
            data: Some(raw(error)),
            scopes: None,
            end: End::Error,
        })
    }
}
