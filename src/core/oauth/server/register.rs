//! `/register` (RFC 7591, protocol S9): any program may become a client, which is worth nothing
//! until the owner has let it in.

use std::net::IpAddr;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::Server;
use super::changes::{Change, Done, refused};
use super::errors::{self, Code, json};
use super::record::{Applicant, Record, Refused, client_name};
use super::redirect::Redirect;
use crate::base::secret::Secret;
use crate::cx::Cx;
use crate::effect::Level;
use crate::language::WebRequest;
use crate::limits::AUTH_BODY_BYTES_MAX;
use crate::links::LinkKey;
use crate::now::UnixSeconds;
use crate::oauth::Step;
use crate::principal::Scopes;
use crate::web::answer::Answer;

/// What a client says of itself. Members that we do not use are ignored.
#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    scope: Option<String>,
    application_type: Option<String>,
    client_uri: Option<String>,
    software_id: Option<String>,
    software_version: Option<String>,
}

/// How a client authenticates at `/token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    None,
    ClientSecretBasic,
    ClientSecretPost,
}

/// What is repeated to a client, as it was understood.
#[derive(Debug, Serialize)]
pub(super) struct Echo {
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Method,
    grant_types: Vec<&'static str>,
    response_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_version: Option<String>,
}

#[derive(Serialize)]
struct Registered<'a> {
    client_id: &'a str,
    client_id_issued_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    /// 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(flatten)]
    echo: &'a Echo,
}

/// Why a registration is refused.
type Bad = (Code, String);

/// Reads the body of a registration.
fn read(body: &[u8]) -> Result<(Applicant, Echo), Bad> {
    let bad = |why: &str| (Code::InvalidClientMetadata, why.to_owned());
    let metadata: Metadata = serde_json::from_slice(body)
        .map_err(|_| bad("the body is not an object with the members of RFC 7591"))?;
    let grants = metadata.grant_types.as_deref();
    let has = |name: &str| grants.is_some_and(|grants| grants.iter().any(|one| one == name));
    if grants.is_some() && !has("authorization_code") {
        return Err(bad("grant_types has to have authorization_code"));
    }
    let types = metadata.response_types.as_deref();
    if types.is_some_and(|types| !types.iter().any(|one| one == "code")) {
        return Err(bad("response_types has to have code"));
    }
    let method = method(&metadata)?;
    let refreshes = grants.is_none() || has("refresh_token");
    let applicant = Applicant {
        name: metadata.client_name.clone().unwrap_or_default(),
        redirects: metadata.redirect_uris.clone(),
        confidential: method != Method::None,
        refreshes,
    };
    let mut grant_types = vec!["authorization_code"];
    grant_types.extend(refreshes.then_some("refresh_token"));
    let scope = metadata.scope.as_deref().and_then(Scopes::known);
    let echo = Echo {
        redirect_uris: metadata.redirect_uris,
        token_endpoint_auth_method: method,
        grant_types,
        response_types: ["code"],
        client_name: metadata.client_name.as_deref().map(client_name),
        scope: scope.map(|scopes| scopes.text()),
        application_type: metadata.application_type,
        client_uri: metadata.client_uri,
        software_id: metadata.software_id,
        software_version: metadata.software_version,
    };
    Ok((applicant, echo))
}

/// Programs with a scheme of their own share their binary with everybody, and keep no secret.
fn method(metadata: &Metadata) -> Result<Method, Bad> {
    let private = |uri: &String| matches!(Redirect::parse(uri), Ok(Redirect::Private { .. }));
    let is_public = metadata.redirect_uris.iter().any(private);
    match metadata.token_endpoint_auth_method.as_deref() {
        Some("none") => Ok(Method::None),
        None | Some("client_secret_basic" | "client_secret_post") if is_public => Ok(Method::None),
        // RFC 7591 section 2.
        None | Some("client_secret_basic") => Ok(Method::ClientSecretBasic),
        Some("client_secret_post") => Ok(Method::ClientSecretPost),
        Some(_) => {
            let why = "token_endpoint_auth_method is none, client_secret_basic or \
                       client_secret_post";
            Err((Code::InvalidClientMetadata, why.to_owned()))
        }
    }
}

fn refusal(refused: &Refused) -> Answer {
    let why = refused.to_string();
    match refused {
        Refused::NoRedirect | Refused::Redirects | Refused::Redirect(..) => {
            errors::error(Code::InvalidRedirectUri, &why)
        }
        Refused::Full => errors::error(Code::TooManyRequests, "there are too many clients")
            .with("Retry-After", "3600"),
    }
}

impl Server {
    /// POST `/register`.
    pub(super) fn register(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &WebRequest,
    ) -> Step {
        if let Err(seconds) = self.throttle.count(request.client, cx.now.tick) {
            let answer = errors::error(Code::TooManyRequests, "too many registrations; wait");
            return Step::Answer(answer.with("Retry-After", seconds.to_string()));
        }
        if request.body.len() > AUTH_BODY_BYTES_MAX {
            let answer = errors::error(Code::InvalidClientMetadata, "the body is too long");
            return Step::Answer(Answer {
                status: 413,
                ..answer
            });
        }
        let read = read(&request.body).and_then(|(applicant, echo)| {
            // Before the disk is bothered.
            let check = applicant.check();
            check.map_err(|refused| (Code::InvalidRedirectUri, refused.to_string()))?;
            Ok((applicant, echo))
        });
        match read {
            Err((code, why)) => Step::Answer(errors::error(code, &why)),
            Ok((applicant, echo)) => self.change(
                cx,
                Change::Register {
                    link,
                    from: request.client,
                    applicant,
                    echo: Box::new(echo),
                },
            ),
        }
    }

    pub(super) fn apply_register(
        &mut self,
        cx: &mut Cx<'_>,
        record: &mut Record,
        (link, from): (LinkKey, IpAddr),
        applicant: &Applicant,
        echo: &Echo,
    ) -> Done {
        let now = cx.now.wall;
        self.waiting.forget(record, cx.now.tick);
        let crowds = self.waiting.crowds();
        let leaves = |id: &str| {
            let stays = self.codes.has_of(id) || self.waiting.stays(id);
            (!stays).then(|| self.waiting.crowd_of(id, &crowds))
        };
        match record.register_client(applicant, &leaves, now, cx.entropy) {
            Err(why) => refused(link, refusal(&why)),
            Ok((id, secret)) => {
                self.waiting.registered(&id, from);
                let line = format!("auth: registered client={id}");
                Done {
                    link: Some(link),
                    answer: Some(registered(&id, secret.as_ref(), now, echo)),
                    changed: true,
                    code: None,
                    log: Some((Level::Info, line)),
                }
            }
        }
    }
}

fn registered(id: &Rc<str>, secret: Option<&Secret>, now: UnixSeconds, echo: &Echo) -> Answer {
    let body = Registered {
        client_id: id,
        client_id_issued_at: now.0,
        client_secret: secret.map(Secret::reveal),
        client_secret_expires_at: secret.map(|_| 0),
        echo,
    };
    json(201, &body)
}

/// What must hold for any body: it is read or refused, and what is read is a client that can be
/// kept.
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::oauth) fn fuzz(body: &[u8]) {
    use crate::entropy::Entropy;
    if let Ok((applicant, echo)) = read(body) {
        let mut record = Record::default();
        let (now, mut entropy) = (UnixSeconds(1), Entropy::new(&[1; 32]));
        let new = record.register_client(&applicant, &|_| Some(0), now, &mut entropy);
        if let Ok((id, secret)) = new {
            registered(&id, secret.as_ref(), now, &echo);
            let text = record.write();
            assert_eq!(
                Record::read(Some(&text)),
                Ok(record),
                "a client is kept as it is"
            );
        }
    }
}
