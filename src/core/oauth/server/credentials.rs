//! Which client asks at `/token` and `/revoke` (RFC 6749 section 2.3): by name alone, or with its
//! secret in the `Authorization` field or in the form; never two ways at once.

use super::documents::is_document;
use super::errors::{self, Code};
use super::record::Record;
use crate::base::base64;
use crate::base::form::Form;
use crate::language::WebRequest;
use crate::limits::AUTH_BODY_BYTES_MAX;
use crate::now::UnixSeconds;
use crate::web::answer::Answer;

/// A request of a client.
#[derive(Debug)]
pub(super) struct FromClient {
    /// Its `client_id`; the client has shown that it is that one, as far as it can.
    pub(super) client: String,
    /// What it sent.
    pub(super) form: Form,
}

/// Fields that stand once.
const ONCE: [&str; 10] = [
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "scope",
    "token",
    "token_type_hint",
];

/// Reads the form and finds out whose it is.
pub(super) fn read(
    record: &Record,
    request: &WebRequest,
    now: UnixSeconds,
) -> Result<FromClient, Answer> {
    let form = form(request)?;
    let basic = request.head.headers.get("authorization");
    let (id, secret) = match basic {
        Some(field) => in_field(field, &form)?,
        None => in_form(&form)?,
    };
    let refused = || {
        let answer = errors::error(
            Code::InvalidClient,
            "the client is unknown, or its secret is wrong",
        );
        match basic {
            Some(_) => answer.with("WWW-Authenticate", "Basic realm=\"1mcp\""),
            None => answer,
        }
    };
    match (record.client(&id, now), secret) {
        (Some(client), secret) => match (&client.secret, secret) {
            (None, None) => {}
            (Some(digest), Some(secret)) if digest.is_of(&secret) => {}
            _ => return Err(refused()),
        },
        (None, None) if is_document(&id) => {}
        (None, _) => return Err(refused()),
    }
    Ok(FromClient { client: id, form })
}

fn form(request: &WebRequest) -> Result<Form, Answer> {
    let bad = |why| errors::error(Code::InvalidRequest, why);
    let kind = request.head.headers.get("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim_ascii();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(bad("send a form: application/x-www-form-urlencoded"));
    }
    if request.body.len() > AUTH_BODY_BYTES_MAX {
        return Err(Answer {
            status: 413,
            ..bad("the form is too long")
        });
    }
    let form = Form::parse(&request.body).ok_or_else(|| bad("the form cannot be read"))?;
    if ONCE.iter().any(|name| form.once(name).is_err()) {
        return Err(bad("a parameter stands there twice"));
    }
    Ok(form)
}

/// A name, and a secret if there is one.
type Named = (String, Option<String>);

fn in_form(form: &Form) -> Result<Named, Answer> {
    let Some(id) = form.get("client_id") else {
        let why = "client_id is missing, and there is no Authorization field";
        return Err(errors::error(Code::InvalidClient, why));
    };
    // Some public clients send an empty secret.
    let secret = form
        .get("client_secret")
        .filter(|secret| !secret.is_empty());
    Ok((id.to_owned(), secret.map(str::to_owned)))
}

fn in_field(field: &str, form: &Form) -> Result<Named, Answer> {
    let refused = |why| {
        let answer = errors::error(Code::InvalidClient, why);
        Err(answer.with("WWW-Authenticate", "Basic realm=\"1mcp\""))
    };
    let Some((id, secret)) = basic(field) else {
        return refused("the Authorization field cannot be read");
    };
    let differs = form.get("client_id").is_some_and(|other| other != id);
    if differs
        || form
            .get("client_secret")
            .is_some_and(|secret| !secret.is_empty())
    {
        let why = "the client authenticates in two ways at once";
        return Err(errors::error(Code::InvalidRequest, why));
    }
    Ok((id, Some(secret).filter(|secret| !secret.is_empty())))
}

/// `Basic`, with name and secret each encoded as in a form (RFC 6749 section 2.3.1).
fn basic(field: &str) -> Option<(String, String)> {
    let (scheme, text) = field.split_once(' ')?;
    let text = scheme
        .eq_ignore_ascii_case("basic")
        .then(|| base64::decode(text.trim_ascii()))??;
    let text = String::from_utf8(text).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let form = Form::parse(format!("x={}", text.replace('&', "%26")).as_bytes())?;
        form.get("x").map(str::to_owned)
    };
    Some((decoded(id)?, decoded(secret)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_2_3_1_basic_names_and_secrets_are_encoded_as_in_forms() {
        let of = |text: &str| basic(&format!("basic {}", base64::encode(text.as_bytes())));
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(of("a:b"), pair("a", "b"));
        assert_eq!(of("https%3A%2F%2Fa:b%3Ac+d"), pair("https://a", "b:c d"));
        assert_eq!(of("a&x=1:b=&c"), pair("a&x=1", "b=&c"));
        assert_eq!(of("a:"), pair("a", ""));
        assert_eq!(of("a"), None);
        assert_eq!(of("a%:b"), None);
        assert_eq!(basic("Basic %%%"), None);
        assert_eq!(basic("Bearer YTpi"), None);
    }
}
