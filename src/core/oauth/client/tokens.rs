//! Requests to token endpoints (RFC 6749 sections 4.1.3 and 6, RFC 7636, RFC 8707), and what their
//! answers are made into. Never decides when to ask.

use std::rc::Rc;

use crate::base::base64;
use crate::base::form::{Form, encode};
use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::fetch::{Field, Lane, Order, Reach};
use crate::http1::head::Method as HttpMethod;
use crate::limits::{ERRAND_CONNECT_MS_MAX, ERRAND_RESPONSE_MS_MAX};
use crate::now::UnixSeconds;
use crate::oauth::client::documents::Granted;
use crate::oauth::client::registration::{Client, Method};
use crate::oauth::client::store::Tokens;

/// An exchange of a document.
pub(super) fn get(url: Rc<Url>, reach: Reach) -> Order {
    Order {
        method: HttpMethod::Get,
        url,
        fields: vec![("Accept".into(), "application/json".into())],
        headers: Rc::from([]),
        body: Vec::new(),
        response_ms_max: Some(ERRAND_RESPONSE_MS_MAX),
        connect_ms_max: ERRAND_CONNECT_MS_MAX,
        lane: Lane::Call,
        reach,
    }
}

/// A registration.
pub(super) fn register(url: Rc<Url>, reach: Reach, body: Vec<u8>) -> Order {
    let mut order = get(url, reach);
    order.method = HttpMethod::Post;
    order
        .fields
        .push(("Content-Type".into(), "application/json".into()));
    order.body = body;
    order
}

/// The tokens for a code.
pub(super) fn exchange(code: &str, verifier: &Secret, redirect: &str) -> Form {
    Form::default()
        .with("grant_type", "authorization_code")
        .with("code", code)
        .with("redirect_uri", redirect)
        .with("code_verifier", verifier.reveal())
}

/// The next tokens.
pub(super) fn renewal(refresh: &Secret) -> Form {
    Form::default()
        .with("grant_type", "refresh_token")
        .with("refresh_token", refresh.reveal())
}

/// A request for tokens, with who we are and what they are for (O7).
pub(super) fn ask(
    url: Rc<Url>,
    reach: Reach,
    client: &Client,
    resource: &str,
    form: Form,
) -> Order {
    let mut form = form.with("resource", resource);
    let mut order = get(url, reach);
    order.method = HttpMethod::Post;
    let kind = "application/x-www-form-urlencoded";
    order.fields.push(("Content-Type".into(), kind.into()));
    match (client.method, &client.secret) {
        (Method::Basic, Some(secret)) => {
            // Both are escaped first (RFC 6749 section 2.3.1).
            let mut pair = String::new();
            encode(&mut pair, &client.id);
            pair.push(':');
            encode(&mut pair, secret.reveal());
            let value = format!("Basic {}", base64::encode(pair.as_bytes()));
            let value = Field::Secret(Secret::from(value));
            order.fields.push(("Authorization".into(), value));
        }
        (Method::Post, Some(secret)) => {
            form = form
                .with("client_id", &client.id)
                .with("client_secret", secret.reveal());
        }
        (Method::None, _) | (Method::Basic | Method::Post, None) => {
            form = form.with("client_id", &client.id);
        }
    }
    order.body = form.text().into_bytes();
    order
}

/// What is kept of an answer. `before`: the refresh token that it was asked for with, which goes on
/// if there is no new one.
pub(super) fn kept(granted: Granted, before: Option<&Secret>, now: UnixSeconds) -> Tokens {
    let until = granted.seconds.map(|seconds| now.0.saturating_add(seconds));
    Tokens {
        access: granted.access,
        refresh: granted.refresh.or_else(|| before.cloned()),
        since: now,
        until: until.map(UnixSeconds),
        scope: granted.scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::registration::Source;

    fn sent(method: Method, secret: Option<&str>) -> (Option<String>, String) {
        let client = Client {
            id: "a b".to_owned(),
            secret: secret.map(Secret::from),
            method,
            redirect: "https://g/oauth/callback".to_owned(),
            source: Source::Registered,
            expires: None,
        };
        let url = Rc::new(Url::parse("https://as/token").unwrap());
        let form = renewal(&"r".into());
        let order = ask(url, Reach::Public, &client, "https://m/mcp", form);
        let shown = format!("{order:?}");
        assert!(!shown.contains("YSUyMGI6cyUzQXQ="), "{shown}");
        let field = order
            .fields
            .iter()
            .find(|(name, _)| name == "Authorization");
        let field = field.map(|(_, value)| match value {
            Field::Secret(secret) => secret.reveal().to_owned(),
            Field::Plain(_) => unreachable!("a key that may be shown"),
        });
        (field, String::from_utf8(order.body).unwrap())
    }

    #[test]
    fn o9_who_we_are_is_said_in_the_way_the_issuer_wants() {
        let body = "grant_type=refresh_token&refresh_token=r&resource=https%3A%2F%2Fm%2Fmcp";
        let named = format!("{body}&client_id=a%20b");
        assert_eq!(sent(Method::None, None), (None, named.clone()));
        assert_eq!(sent(Method::None, Some("s")), (None, named.clone()));
        assert_eq!(sent(Method::Basic, None), (None, named.clone()));
        assert_eq!(
            sent(Method::Basic, Some("s:t")),
            (Some("Basic YSUyMGI6cyUzQXQ=".to_owned()), body.to_owned())
        );
        assert_eq!(
            sent(Method::Post, Some("s:t")),
            (None, format!("{named}&client_secret=s%3At"))
        );
    }

    #[test]
    fn rfc6749_6_a_refresh_token_goes_on_until_there_is_another() {
        let granted = |refresh: Option<&str>| Granted {
            access: "a".into(),
            refresh: refresh.map(Secret::from),
            seconds: Some(60),
            scope: None,
        };
        let old = Secret::from("old");
        let tokens = kept(granted(None), Some(&old), UnixSeconds(5));
        assert_eq!(
            (tokens.refresh, tokens.until),
            (Some(old.clone()), Some(UnixSeconds(65)))
        );
        let tokens = kept(granted(Some("new")), Some(&old), UnixSeconds(u64::MAX));
        assert_eq!(tokens.refresh, Some("new".into()));
        assert_eq!(tokens.until, Some(UnixSeconds(u64::MAX)));
    }
}
