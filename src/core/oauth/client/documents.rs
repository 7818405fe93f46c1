//! The JSON documents of other people: resource metadata (RFC 9728), metadata of authorization
//! servers (RFC 8414), registrations (RFC 7591) and token responses (RFC 6749 section 5). Members
//! that we do not know are ignored, a member that we do know and that stands twice makes the
//! document unreadable. What they say is not believed here; that is for those who asked.

use serde::Deserialize;
use serde_json::Value;

use crate::base::secret::Secret;
use crate::base::unseen::is_unseen;
use crate::limits::{CREDENTIAL_BYTES_MAX, METADATA_BYTES_MAX, REMARK_CHARS_MAX};

/// Metadata of a protected resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Resource {
    pub(super) resource: String,
    pub(super) authorization_servers: Option<Vec<String>>,
    pub(super) scopes_supported: Option<Vec<String>>,
}

/// Metadata of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Server {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) registration_endpoint: Option<String>,
    pub(super) scopes_supported: Option<Vec<String>>,
    pub(super) code_challenge_methods_supported: Option<Vec<String>>,
    pub(super) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub(super) authorization_response_iss_parameter_supported: Option<bool>,
    pub(super) client_id_metadata_document_supported: Option<bool>,
}

/// What an authorization server made of our registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) id: String,
    pub(super) secret: Option<Secret>,
    /// How we are to show that we are who we are, in its words.
    pub(super) method: Option<String>,
    /// When the secret ends, in seconds since 1970.
    pub(super) expires: Option<u64>,
}

/// Tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
    /// For how many seconds the token is good.
    pub(super) seconds: Option<u64>,
    pub(super) scope: Option<String>,
}

/// What came instead of tokens or of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The server says no, with a code and perhaps a text, fit to be shown.
    Said {
        /// Such as `invalid_grant`.
        code: String,
        /// In its words.
        text: String,
    },
    /// It cannot be read: one sentence.
    Unreadable(&'static str),
}

/// Metadata of a protected resource; `None` if these are none.
pub(super) fn resource(bytes: &[u8]) -> Option<Resource> {
    read(bytes)
}

/// Metadata of an authorization server; `None` if these are none.
pub(super) fn server(bytes: &[u8]) -> Option<Server> {
    read(bytes)
}

/// Reads the answer to a registration.
///
/// # Errors
/// What came instead.
pub(super) fn registered(status: u16, bytes: &[u8]) -> Result<Registered, Refused> {
    #[derive(Deserialize)]
    struct Document {
        client_id: Option<String>,
        client_secret: Option<String>,
        token_endpoint_auth_method: Option<String>,
        client_secret_expires_at: Option<Value>,
        error: Option<Value>,
        error_description: Option<Value>,
    }
    const UNREADABLE: Refused = Refused::Unreadable("its answer to our registration is unreadable");
    let document: Document = read(bytes).ok_or(UNREADABLE)?;
    if !matches!(status, 200 | 201) || document.error.is_some() {
        return Err(said(
            document.error.as_ref(),
            document.error_description.as_ref(),
            UNREADABLE,
        ));
    }
    let fits = |text: &String| fits(text);
    if !document.client_id.as_ref().is_some_and(fits)
        || !document.client_secret.as_ref().is_none_or(fits)
    {
        return Err(UNREADABLE);
    }
    Ok(Registered {
        id: document.client_id.unwrap_or_default(),
        secret: document.client_secret.map(Secret::from),
        method: document.token_endpoint_auth_method,
        expires: number(document.client_secret_expires_at.as_ref()).filter(|at| *at > 0),
    })
}

/// Reads the answer of a token endpoint.
///
/// # Errors
/// What came instead.
pub(super) fn granted(status: u16, bytes: &[u8]) -> Result<Granted, Refused> {
    #[derive(Deserialize)]
    struct Document {
        access_token: Option<String>,
        token_type: Option<String>,
        expires_in: Option<Value>,
        refresh_token: Option<String>,
        scope: Option<Value>,
        error: Option<Value>,
        error_description: Option<Value>,
    }
    const UNREADABLE: Refused =
        Refused::Unreadable("its answer to our request for a token is unreadable");
    let document: Document = read(bytes).ok_or(UNREADABLE)?;
    // Some say no with 200.
    if status != 200 || document.error.is_some() {
        return Err(said(
            document.error.as_ref(),
            document.error_description.as_ref(),
            UNREADABLE,
        ));
    }
    let access = document.access_token.filter(|token| is_token(token));
    let access = access.ok_or(UNREADABLE)?;
    if !document
        .refresh_token
        .as_ref()
        .is_none_or(|token| fits(token))
    {
        return Err(UNREADABLE);
    }
    let kind = document.token_type.unwrap_or_default();
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(Refused::Unreadable(
            "it gives tokens of a kind that we do not know",
        ));
    }
    Ok(Granted {
        access: Secret::from(access),
        refresh: document
            .refresh_token
            .filter(|token| !token.is_empty())
            .map(Secret::from),
        seconds: number(document.expires_in.as_ref()),
        scope: document
            .scope
            .as_ref()
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

/// Somebody else's text, fit to be shown: one short line of plain characters.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(REMARK_CHARS_MAX) {
        out.push(if is_unseen(c) { ' ' } else { c });
    }
    out.trim().to_owned()
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    if bytes.len() > METADATA_BYTES_MAX {
        return None;
    }
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        // A sequence would be read as the members in their order.
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

fn said(code: Option<&Value>, text: Option<&Value>, otherwise: Refused) -> Refused {
    let shown = |value: Option<&Value>| value.and_then(Value::as_str).map(plain);
    match shown(code).filter(|code| !code.is_empty()) {
        Some(code) => Refused::Said {
            code,
            text: shown(text).unwrap_or_default(),
        },
        None => otherwise,
    }
}

/// A number of seconds; some write it as text or with a fraction.
fn number(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    let fraction = || value.as_f64().map(|seconds| format!("{seconds:.0}"));
    value.as_u64().or_else(|| {
        fraction()
            .or_else(|| value.as_str().map(str::to_owned))?
            .parse()
            .ok()
    })
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.len() <= CREDENTIAL_BYTES_MAX && !text.chars().any(char::is_control)
}

/// What can stand behind `Bearer ` in a field.
fn is_token(text: &str) -> bool {
    fits(text) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(status: u16, text: &str) -> Result<(String, Option<u64>), Refused> {
        let granted = granted(status, text.as_bytes())?;
        Ok((granted.access.reveal().to_owned(), granted.seconds))
    }

    #[test]
    fn rfc6749_5_1_tokens_are_read() {
        let good = |seconds| Ok(("a".to_owned(), seconds));
        for (text, expected) in [
            (r#"{"access_token":"a","token_type":"Bearer"}"#, good(None)),
            (
                r#" {"token_type":"bEARER","access_token":"a","expires_in":60,"x":[1]}"#,
                good(Some(60)),
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":"60"}"#,
                good(Some(60)),
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":59.6}"#,
                good(Some(60)),
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#,
                good(None),
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":null,"scope":["x"]}"#,
                good(None),
            ),
        ] {
            assert_eq!(token(200, text), expected, "{text}");
        }
    }

    #[test]
    fn rfc6749_5_2_what_is_no_token_is_none() {
        let unreadable = Refused::Unreadable("its answer to our request for a token is unreadable");
        for text in [
            "",
            "[]",
            r#"["a","Bearer",null,null,null,null,null]"#,
            "<html>",
            r#"{"token_type":"Bearer"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a\r\nb","token_type":"Bearer"}"#,
            r#"{"access_token":"a b","token_type":"Bearer"}"#,
            r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#,
            r#"{"access_token":"a","token_type":"Bearer"} x"#,
        ] {
            assert_eq!(token(200, text), Err(unreadable.clone()), "{text}");
        }
        let kind = token(200, r#"{"access_token":"a","token_type":"DPoP"}"#);
        assert!(matches!(kind, Err(Refused::Unreadable(why)) if why.contains("kind")));
        let said = |code: &str, text: &str| {
            Err(Refused::Said {
                code: code.to_owned(),
                text: text.to_owned(),
            })
        };
        let bad = r#"{"error":"invalid_grant","error_description":"a\u0007b"}"#;
        assert_eq!(token(400, bad), said("invalid_grant", "a b"));
        // GitHub says so with 200.
        assert_eq!(token(200, r#"{"error":"bad_code"}"#), said("bad_code", ""));
        let long = format!(
            r#"{{"access_token":"{}"}}"#,
            "a".repeat(CREDENTIAL_BYTES_MAX + 1)
        );
        assert_eq!(token(200, &long), Err(unreadable));
    }

    #[test]
    fn documents_beyond_their_bound_are_none() {
        let of = |pad: usize| format!(r#"{{"resource":"x"}}{}"#, " ".repeat(pad));
        let least = of(0).len();
        assert!(resource(of(METADATA_BYTES_MAX - least).as_bytes()).is_some());
        assert!(resource(of(METADATA_BYTES_MAX - least + 1).as_bytes()).is_none());
    }

    #[test]
    fn rfc7591_3_2_1_registrations_are_read() {
        let read = |status, text: &str| registered(status, text.as_bytes());
        let all = r#"{"client_id":"c","client_secret":"s","client_secret_expires_at":0}"#;
        let all = read(201, all).unwrap();
        assert_eq!((all.id.as_str(), all.expires), ("c", None));
        assert!(all.secret.is_some());
        let late = r#"{"client_id":"c","client_secret_expires_at":7}"#;
        assert_eq!(read(200, late).unwrap().expires, Some(7));
        assert!(read(201, r#"{"client_id":""}"#).is_err());
        assert!(read(400, r#"{"client_id":"c"}"#).is_err());
        let no = read(400, r#"{"error":"invalid_redirect_uri"}"#);
        assert!(matches!(no, Err(Refused::Said { code, .. }) if code == "invalid_redirect_uri"));
    }

    #[test]
    fn somebody_elses_text_is_one_short_line() {
        assert_eq!(plain(" a\r\nb\u{202e}c\u{1b}[1m "), "a  b c [1m");
        assert_eq!(plain(&"x".repeat(1000)).len(), REMARK_CHARS_MAX);
    }
    #[test]
    fn what_others_say_is_shown_without_what_is_not_seen() {
        let ranges = [
            '\0'..='\u{1f}',
            '\u{7f}'..='\u{9f}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2066}'..='\u{2069}',
            '\u{feff}'..='\u{feff}',
        ];
        for c in ranges.into_iter().flatten() {
            assert_eq!(plain(&format!("a{c}b")), "a b", "{c:?}");
        }
        assert_eq!(plain("\u{ad}\u{e0041}a\u{3164}é"), "a é");
    }
}
