//! As whom we are known to an issuer (protocol O5, O9): by the name that the operator was given
//! there, by a document of ours, or by one that the issuer gives us when we ask. What one issuer
//! knows us by is told to no other.

use serde::Serialize;

use crate::base::origin::Scheme;
use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::config::Oauth;
use crate::now::UnixSeconds;
use crate::oauth::client::discovery::Found;
use crate::oauth::client::documents::Registered;
use crate::oauth::client::ground::is_local;
use crate::oauth::client::store::Record;

/// How we show the token endpoint who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// We only say it.
    None,
    /// In the `Authorization` field.
    Basic,
    /// In the body.
    Post,
}

impl Method {
    const ALL: [Self; 3] = [Self::None, Self::Basic, Self::Post];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Where a client's name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The operator.
    Given,
    /// It is the URL of a document.
    Document,
    /// The issuer gave it to us.
    Registered,
}

impl Source {
    const ALL: [Self; 3] = [Self::Given, Self::Document, Self::Registered];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Document => "document",
            Self::Registered => "registered",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// What an issuer knows us by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Option<Secret>,
    pub(super) method: Method,
    /// Where it sends the browser back to.
    pub(super) redirect: String,
    pub(super) source: Source,
    /// When the secret ends, in seconds since 1970.
    pub(super) expires: Option<u64>,
}

/// What there is to be done before the owner can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nothing.
    Known(Client),
    /// We have to make ourselves known.
    Register(Url),
    /// The operator has to act: one sentence.
    Operator(String),
}

/// What the choice depends on, besides the issuer.
#[derive(Debug)]
pub(super) struct Means<'a> {
    /// Name of the server, for sentences.
    pub(super) server: &'a str,
    pub(super) entry: &'a Oauth,
    /// Our own document for this issuer, if the world can read it.
    pub(super) document: Option<&'a str>,
    /// Where browsers are sent back to as a client that the operator was given.
    pub(super) redirect: &'a str,
    /// As one that we made known ourselves: nowhere but for this issuer.
    pub(super) own_redirect: &'a str,
    /// Another server's issuer that this one would send browsers to, under the name of its own.
    pub(super) other: Option<String>,
    /// What is kept of the server, of whatever issuer.
    pub(super) kept: Option<&'a Record>,
    /// What an issuer has given us since then.
    pub(super) fresh: Option<(&'a str, &'a Client)>,
    /// A client id that the issuer does not know any more.
    pub(super) spoiled: Option<&'a str>,
    pub(super) now: UnixSeconds,
}

/// Chooses.
pub(super) fn choose(found: &Found, means: &Means<'_>) -> Choice {
    let given = means.entry.client_id.as_deref();
    let document = given.filter(|id| is_document(id));
    if let (Some(id), None) = (given, document) {
        return given_client(found, means, id);
    }
    if let Some(other) = &means.other {
        return Choice::Operator(format!(
            "{} sends browsers to {other}, which gives the keys to another server: if that is \
             meant so, register a client there with the redirect URL {} and put its id into \
             oauth.clientId of {:?}",
            found.issuer, means.redirect, means.server
        ));
    }
    let given = document.map(|id| (id, means.redirect));
    let own = means.document.map(|id| (id, means.own_redirect));
    let own = own.filter(|(id, redirect)| serves(id, redirect));
    if let Some((id, redirect)) = given.or(own).filter(|_| found.reads_documents) {
        return Choice::Known(Client {
            id: id.to_owned(),
            secret: None,
            method: Method::None,
            redirect: redirect.to_owned(),
            source: Source::Document,
            expires: None,
        });
    }
    let kept = means
        .kept
        .map(|record| (record.issuer.as_str(), &record.client));
    let usable = |(issuer, client): &(&str, &Client)| {
        *issuer == found.issuer
            && client.source == Source::Registered
            && client.redirect == means.own_redirect
            && means.spoiled != Some(client.id.as_str())
            && client.expires.is_none_or(|end| end > means.now.0)
    };
    let known = [means.fresh, kept].into_iter().flatten().find(usable);
    if let Some((_, client)) = known {
        return Choice::Known(client.clone());
    }
    match &found.register {
        Some(url) => Choice::Register((**url).clone()),
        None => Choice::Operator(format!(
            "{} does not register clients by itself: register one there with the redirect URL {} \
             and put its id into oauth.clientId of {:?} (and its secret, if it has one, into \
             oauth.clientSecret)",
            found.issuer, means.redirect, means.server
        )),
    }
}

/// What the operator was given. Only by the issuer that it was first used with (O9).
fn given_client(found: &Found, means: &Means<'_>, id: &str) -> Choice {
    let before = means.kept.filter(|kept| {
        kept.client.source == Source::Given && kept.client.id == id && kept.issuer != found.issuer
    });
    if let Some(before) = before {
        return Choice::Operator(format!(
            "{:?} now gets its keys from {}, but oauth.clientId of its entry is of {}: register a \
             client there with the redirect URL {} and put its id into oauth.clientId",
            means.server, found.issuer, before.issuer, means.redirect
        ));
    }
    let secret = means.entry.client_secret.clone();
    Choice::Known(Client {
        id: id.to_owned(),
        method: method(None, found.methods.as_deref(), secret.is_some()),
        secret,
        redirect: means.redirect.to_owned(),
        source: Source::Given,
        expires: None,
    })
}

/// Whether a client id is the URL of a document.
fn is_document(id: &str) -> bool {
    Url::parse(id).is_ok_and(|url| url.origin().scheme == Scheme::Https)
}

/// Whether our own document can be read by the world, and names where browsers go back to.
fn serves(document: &str, redirect: &str) -> bool {
    let (Ok(document), Ok(redirect)) = (Url::parse(document), Url::parse(redirect)) else {
        return false;
    };
    document.origin().scheme == Scheme::Https
        && !is_local(&document.origin().host)
        && document.origin() == redirect.origin()
}

/// How we show who we are: as the registration says, else as the issuer lists.
fn method(said: Option<Method>, listed: Option<&[String]>, has_secret: bool) -> Method {
    if let Some(said) = said.filter(|said| has_secret || *said == Method::None) {
        return said;
    }
    let Some(listed) = listed else {
        // RFC 8414 section 2: what is meant where nothing is listed.
        return if has_secret {
            Method::Basic
        } else {
            Method::None
        };
    };
    let lists = |method: &Method| listed.iter().any(|name| name == method.name());
    let preferred = if has_secret {
        &[Method::Basic, Method::Post, Method::None][..]
    } else {
        &[Method::None]
    };
    let otherwise = if has_secret {
        Method::Basic
    } else {
        Method::None
    };
    preferred.iter().copied().find(lists).unwrap_or(otherwise)
}

/// The body of a registration (RFC 7591 section 2).
pub(super) fn request(found: &Found, redirect: &str, scope: Option<&str>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        client_name: &'a str,
        redirect_uris: [&'a str; 1],
        grant_types: [&'a str; 2],
        response_types: [&'a str; 1],
        token_endpoint_auth_method: &'a str,
        application_type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<&'a str>,
    }
    let native = is_native(redirect);
    let order = if native {
        [Method::None, Method::Basic, Method::Post]
    } else {
        [Method::Basic, Method::Post, Method::None]
    };
    let listed = found.methods.as_deref();
    let lists = |method: &Method| {
        listed.is_none_or(|listed| listed.iter().any(|name| name == method.name()))
    };
    let method = order.into_iter().find(lists).unwrap_or(Method::None);
    let body = Body {
        client_name: "1mcp",
        redirect_uris: [redirect],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: method.name(),
        application_type: if native { "native" } else { "web" },
        scope,
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn is_native(redirect: &str) -> bool {
    Url::parse(redirect).is_ok_and(|url| url.origin().host.is_loopback())
}

/// What became of a registration.
///
/// # Errors
/// One sentence: the issuer wants something of us that we cannot do.
pub(super) fn client(
    found: &Found,
    redirect: &str,
    registered: Registered,
) -> Result<Client, String> {
    let said = match registered.method.as_deref() {
        None => None,
        Some(name) => match Method::of(name) {
            Some(method) => Some(method),
            None => {
                return Err(
                    "it wants clients to show who they are in a way that 1mcp does not know"
                        .to_owned(),
                );
            }
        },
    };
    let method = method(said, found.methods.as_deref(), registered.secret.is_some());
    Ok(Client {
        id: registered.id,
        secret: registered.secret,
        method,
        redirect: redirect.to_owned(),
        source: Source::Registered,
        expires: registered.expires,
    })
}

/// One of our own client-id documents.
pub(super) fn document(id: &str, redirect: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Document<'a> {
        client_id: &'a str,
        client_name: &'a str,
        client_uri: &'a str,
        redirect_uris: [&'a str; 1],
        grant_types: [&'a str; 2],
        response_types: [&'a str; 1],
        token_endpoint_auth_method: &'a str,
        application_type: &'a str,
    }
    let uri = Url::parse(id).map(|url| url.origin().to_string());
    let document = Document {
        client_id: id,
        client_name: "1mcp",
        client_uri: uri.as_deref().unwrap_or(id),
        redirect_uris: [redirect],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: Method::None.name(),
        application_type: "web",
    };
    serde_json::to_vec(&document).unwrap_or_default()
}
