//! Errors that programs get (RFC 6749 section 5.2, RFC 7591 section 3.2.2): a code and one harmless
//! sentence, never more.

use serde::Serialize;

use crate::web::answer::Answer;

/// A code of an error, as the RFCs have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    InvalidRedirectUri,
    InvalidClientMetadata,
    UnsupportedGrantType,
    UnsupportedResponseType,
    AccessDenied,
    ServerError,
    TemporarilyUnavailable,
    TooManyRequests,
}

impl Code {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::TooManyRequests => "too_many_requests",
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            Self::TooManyRequests => 429,
            _ => 400,
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// An error as an answer. A text that is not ASCII, or has quotes, is not for a description.
pub(super) fn error(code: Code, why: &str) -> Answer {
    let plain = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let why: String = why.chars().filter(plain).collect();
    json(
        code.status(),
        &Body {
            error: code.text(),
            error_description: &why,
        },
    )
}

/// The disk did not take it. The log says more.
pub(super) fn disk() -> Answer {
    error(
        Code::ServerError,
        "it could not be stored; nothing was changed",
    )
}

/// Too much at once.
pub(super) fn busy() -> Answer {
    error(Code::TemporarilyUnavailable, "too much at once; try again").with("Retry-After", "1")
}

/// A document that is not to be cached.
pub(super) fn json(status: u16, body: &impl Serialize) -> Answer {
    // Nothing that we write can fail to be written.
    Answer::json(status, serde_json::to_vec(body).unwrap_or_default())
}
