//! `oauth` of a remote server: what its owner has arranged with whoever gives its tokens. All of it
//! is optional; without, everything is found out (protocol O5, O6).

use super::jsonc::{Kind, Member, Value};
use super::model::Oauth;
use crate::base::origin::Scheme;
use crate::base::url::Url;
use crate::json::span::Span;

/// As it is written, variables not completed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OauthText {
    client_id: Option<String>,
    client_secret: Option<String>,
    scopes: Vec<String>,
    redirect_url: Option<String>,
}

/// What is wrong, and where.
type Fault = (Span, String);

/// Reads the value of the key. Keys that we do not know are of other programs.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with the key.
pub(super) fn read(value: &Value) -> Result<OauthText, Fault> {
    if !matches!(value.kind, Kind::Object(_)) {
        let text = format!("must be an object, found {}", value.noun());
        return Err((value.at, text));
    }
    let mut read = OauthText::default();
    let mut seen: Vec<&str> = Vec::new();
    for member in value.members() {
        let key = member.key.as_str();
        let known = ["clientId", "clientSecret", "scopes", "redirectUrl"];
        if !known.contains(&key) || member.value.kind == Kind::Null {
            continue;
        }
        if seen.contains(&key) {
            return Err((member.key_at, format!("names {key:?} twice")));
        }
        seen.push(key);
        match key {
            "clientId" => read.client_id = Some(filled(member)?),
            "clientSecret" => read.client_secret = Some(filled(member)?),
            "redirectUrl" => read.redirect_url = Some(filled(member)?),
            _ => read.scopes = scopes(member)?,
        }
        // What has a variable in it is looked at when the variable is known.
        let why = match key {
            "redirectUrl" => read.redirect_url.as_deref().and_then(bad_redirect),
            "scopes" => read.scopes.iter().find_map(|scope| bad_scope(scope)),
            _ => None,
        };
        if let Some(why) = why {
            return Err((member.value.at, format!("has a bad {key:?}: {why}")));
        }
    }
    if read.client_secret.is_some() && read.client_id.is_none() {
        let text = "has a \"clientSecret\" without its \"clientId\"".to_owned();
        return Err((value.at, text));
    }
    Ok(read)
}

/// What is sent, each text as `complete` makes it; and the first thing that is wrong then.
pub(super) fn resolve(
    text: Option<&OauthText>,
    mut complete: impl FnMut(&str) -> String,
) -> (Oauth, Option<String>) {
    let Some(text) = text else {
        return (Oauth::default(), None);
    };
    let oauth = Oauth {
        client_id: text.client_id.as_deref().map(&mut complete),
        client_secret: text
            .client_secret
            .as_deref()
            .map(|text| complete(text).into()),
        scopes: text
            .scopes
            .iter()
            .flat_map(|scope| words(&complete(scope)))
            .collect(),
        redirect_url: text.redirect_url.as_deref().map(&mut complete),
    };
    let redirect = oauth.redirect_url.as_deref().filter(|url| !url.is_empty());
    let why = redirect
        .and_then(bad_redirect)
        .map(|why| format!("\"redirectUrl\" of its \"oauth\" cannot be used: {why}"));
    let scope = oauth.scopes.iter().find_map(|scope| bad_scope(scope));
    let scope = scope.map(|why| format!("\"scopes\" of its \"oauth\" cannot be used: {why}"));
    (oauth, why.or(scope))
}

fn filled(member: &Member) -> Result<String, Fault> {
    let (key, value) = (&member.key, &member.value);
    match &value.kind {
        Kind::String(text) if text.is_empty() || text.contains(['\0', '\n', '\r']) => {
            let text = format!("has a bad {key:?}: must be one line of text");
            Err((value.at, text))
        }
        Kind::String(text) => Ok(text.clone()),
        _ => Err((value.at, wrong(key, "a string", value))),
    }
}

/// An array of scopes, or one text with blanks between them, as OAuth itself writes it.
fn scopes(member: &Member) -> Result<Vec<String>, Fault> {
    let (key, value) = (&member.key, &member.value);
    let expected = "an array of strings";
    match &value.kind {
        Kind::String(text) => Ok(words(text)),
        Kind::Array(elements) => {
            let mut scopes = Vec::new();
            for element in elements {
                match &element.kind {
                    Kind::String(text) => scopes.extend(words(text)),
                    _ => return Err((element.at, wrong(key, expected, element))),
                }
            }
            Ok(scopes)
        }
        _ => Err((value.at, wrong(key, expected, value))),
    }
}

fn wrong(key: &str, expected: &str, found: &Value) -> String {
    format!(
        "has a bad {key:?}: must be {expected}, found {}",
        found.noun()
    )
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// RFC 6749 appendix A.4: visible characters without `"` and `\`.
fn bad_scope(scope: &str) -> Option<String> {
    let good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let bad = !scope.contains('$') && !scope.bytes().all(good);
    bad.then(|| format!("{scope:?} is no scope"))
}

/// Codes come back to a place of ours: over TLS, or on this machine.
fn bad_redirect(text: &str) -> Option<String> {
    if text.contains('$') {
        return None;
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(bad) => return Some(bad.to_string()),
    };
    let origin = url.origin();
    let fits = origin.scheme == Scheme::Https || origin.host.is_loopback();
    (!fits).then(|| "it is neither https nor on this machine".to_owned())
}

#[cfg(test)]
mod tests {
    use crate::base::secret::Secret;
    use crate::config::model::Oauth;
    use crate::config::{Environment, read};

    fn config(oauth: &str) -> crate::config::Config {
        let vars = [
            ("SECRET".into(), "s3cret".into()),
            ("BAD".into(), "a\"b".into()),
        ];
        let text = format!(
            "{{\"mcpServers\": {{\n\"a\": {{\"url\": \"https://h/mcp\", \"oauth\": {oauth}}}}}}}"
        );
        read(text.as_bytes(), &Environment::new(vars, b"")).unwrap()
    }

    fn of(oauth: &str) -> (Oauth, Option<String>) {
        let config = config(oauth);
        assert_eq!(config.problems, []);
        let server = config.servers.into_iter().next().unwrap();
        (server.remote().unwrap().oauth.clone(), server.fault)
    }

    #[test]
    fn contract_2_oauth_with_variables() {
        let (oauth, fault) = of(
            r#"{"clientId": "id-$SECRET", "clientSecret": "${SECRET}", "scopes": ["a b", "c"],
                "redirectUrl": "http://127.0.0.1:8080/back", "autoConnect": [1]}"#,
        );
        assert_eq!(fault, None);
        assert!(!format!("{oauth:?}").contains("Some(\"s3cret"));
        assert_eq!(
            oauth,
            Oauth {
                client_id: Some("id-s3cret".to_owned()),
                client_secret: Some(Secret::from("s3cret")),
                scopes: ["a", "b", "c"].map(str::to_owned).to_vec(),
                redirect_url: Some("http://127.0.0.1:8080/back".to_owned()),
            }
        );
        assert_eq!(of("{}"), (Oauth::default(), None));
        assert_eq!(of("null").0, Oauth::default());
        assert_eq!(of(r#"{"scopes": "a b"}"#).0.scopes, ["a", "b"]);
        for (oauth, says) in [
            (r#"{"clientId": "$NO"}"#, "variable NO is not set"),
            (r#"{"scopes": ["$BAD"]}"#, "\"scopes\" of its \"oauth\""),
            (
                r#"{"redirectUrl": "$SECRET"}"#,
                "\"redirectUrl\" of its \"oauth\"",
            ),
        ] {
            let fault = of(oauth).1.unwrap();
            assert!(fault.contains(says) && !fault.contains("s3cret"), "{fault}");
        }
    }

    #[test]
    fn contract_2_a_bad_oauth_is_named_with_line_and_column() {
        for (oauth, column, says) in [
            ("[]", 40, "\"oauth\" must be an object, found an array"),
            (r#"{"clientId": 7}"#, 53, "\"clientId\": must be a string"),
            (r#"{"clientId": ""}"#, 53, "\"clientId\": must be one line"),
            (
                r#"{"scopes": [1]}"#,
                52,
                "\"scopes\": must be an array of strings",
            ),
            (r#"{"scopes": ["\""]}"#, 51, "is no scope"),
            (
                r#"{"redirectUrl": "http://evil.test/"}"#,
                56,
                "neither https",
            ),
            (
                r#"{"redirectUrl": "ftp://h"}"#,
                56,
                "does not begin with http",
            ),
            (
                r#"{"clientSecret": "p4ss"}"#,
                40,
                "without its \"clientId\"",
            ),
            (
                r#"{"clientId": "a", "clientId": "b"}"#,
                58,
                "names \"clientId\" twice",
            ),
        ] {
            let config = config(oauth);
            let problem = &config.problems[0];
            assert!(problem.text.contains(says), "{problem}");
            assert!(!problem.text.contains("p4ss"), "{problem}");
            assert_eq!((problem.line, problem.column), (2, column), "{oauth}");
            assert!(config.servers.is_empty());
        }
    }

    #[test]
    fn contract_2_other_oauth_does_not_restart_the_server() {
        let one = config(r#"{"clientId": "a"}"#).servers.remove(0);
        let other = config(r#"{"clientId": "b"}"#).servers.remove(0);
        assert_ne!(one, other);
        assert!(!one.needs_restart(&other));
    }
}
