//! `/authorize` (protocol S3-S5): is this a client, may it be sent there, what does it want, and
//! what does the owner say to that. Until client and redirect are known to be right, what is wrong
//! is told on a page; from then on it is told to the client, by a redirect. Nobody but the owner is
//! sent anywhere by a link alone, and he only to clients that he has let in before: anybody can
//! register an address to which such a link would lead (RFC 9700 section 4.11.2).

use std::rc::Rc;

use super::codes::Consent;
use super::documents::is_document;
use super::errors::Code;
use super::record::{Known, client_name};
use super::{Server, audience, redirect};
use crate::base::base64;
use crate::base::form::Form;
use crate::cx::Cx;
use crate::http1::head::Method;
use crate::language::WebRequest;
use crate::limits::{ASKED_SCOPE_BYTES_MAX, NEXT_BYTES_MAX, TARGET_BYTES_MAX};
use crate::links::LinkKey;
use crate::oauth::Step;
use crate::oauth::owner::{Visitor, Who};
use crate::principal::Scopes;
use crate::web::answer::Answer;
use crate::web::origin::asked;
use crate::web::pages::{self, ClientKind, ConsentView, LoginState, LoginView};

/// One request of `/authorize`, for as long as it takes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) link: LinkKey,
    pub(super) visitor: Visitor,
    form: Form,
    decision: Decision,
    /// Our issuer, as this browser spells it.
    issuer: String,
    pub(super) asker: Asker,
}

/// Who is told what is wrong: people get pages, programs JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Browser,
    Program,
}

impl Asker {
    fn of(request: &WebRequest) -> Self {
        if pages::wants_html(&request.head.headers) {
            Self::Browser
        } else {
            Self::Program
        }
    }

    /// What is wrong, and what to do about it.
    pub(super) fn told(self, status: u16, title: &str, text: &str) -> Answer {
        match self {
            Self::Browser => pages::problem(status, title, text),
            Self::Program => Answer::error(status, title, text),
        }
    }

    fn wrong(self, why: &str) -> Answer {
        let text = format!(
            "{why} Start again from the application; if that does not help, tell whoever made it."
        );
        self.told(400, "This link is wrong", &text)
    }

    fn unknown(self) -> Answer {
        let text = "It never registered here, or waited for more than an hour, or you have removed \
                    it. Remove this gateway in the application and add it again.";
        self.told(400, "The application is unknown", text)
    }
}

/// What the owner has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// Nothing yet.
    Open,
    Allow,
    Deny,
}

/// Parameters that we know; others are dropped.
const PARAMETERS: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
];

/// Who asks to be let in.
#[derive(Debug)]
struct Candidate {
    id: Rc<str>,
    name: String,
    redirects: Vec<String>,
    refreshes: bool,
    known: Option<Known>,
}

/// What it asks for, once it is known that it may be answered by a redirect.
#[derive(Debug)]
struct Wanted {
    challenge: String,
    scopes: Scopes,
}

impl Server {
    /// GET and POST `/authorize`.
    pub(super) fn authorize(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &WebRequest,
        visitor: &Visitor,
    ) -> Step {
        let asker = Asker::of(request);
        let read = match request.head.method {
            Method::Post => decided(request, visitor, asker),
            _ => Form::parse(request.head.query().unwrap_or_default().as_bytes())
                .map(|form| (form, Decision::Open))
                .ok_or_else(|| asker.wrong("The link cannot be read.")),
        };
        let (form, decision) = match read {
            Ok(read) => read,
            Err(answer) => return Step::Answer(visitor.dress(answer)),
        };
        let known = form.fields().filter(|(name, _)| PARAMETERS.contains(name));
        let form = known.fold(Form::default(), |form, (name, value)| {
            form.with(name, value)
        });
        let asked = Asked {
            link,
            visitor: visitor.clone(),
            form,
            decision,
            issuer: asked(&self.settings, &request.head.headers),
            asker,
        };
        self.consider(cx, asked)
    }

    /// Goes through the checks in order; again, once a document is there.
    pub(super) fn consider(&mut self, cx: &mut Cx<'_>, asked: Asked) -> Step {
        let visitor = asked.visitor.clone();
        match self.weigh(cx, asked) {
            Step::Answer(answer) => Step::Answer(visitor.dress(answer)),
            Step::Later => Step::Later,
        }
    }

    fn weigh(&mut self, cx: &mut Cx<'_>, asked: Asked) -> Step {
        let asker = asked.asker;
        let is_owner = asked.visitor.who == Who::Owner;
        let candidate = match asked.form.once("client_id") {
            Ok(Some(id)) if is_document(id) => {
                // Only for the owner is anybody else asked: a stranger could send us anywhere.
                if !is_owner {
                    return Step::Answer(log_in(&asked));
                }
                match self.documents.get(id, cx.now.tick) {
                    Some(document) => Candidate {
                        id: id.into(),
                        name: document.name.clone(),
                        redirects: document.redirects.clone(),
                        refreshes: document.refreshes,
                        known: None,
                    },
                    None => {
                        let url = id.to_owned();
                        return self.fetch(cx, &url, asked);
                    }
                }
            }
            Ok(Some(id)) => match self.record.client(id, cx.now.wall) {
                Some(client) => Candidate {
                    id: Rc::clone(&client.id),
                    name: client.name.clone(),
                    redirects: client.redirects.clone(),
                    refreshes: client.refreshes,
                    known: Some(client.known),
                },
                None => return Step::Answer(asker.unknown()),
            },
            Ok(None) => {
                return Step::Answer(asker.wrong("It does not say which application it is from."));
            }
            Err(_) => return Step::Answer(asker.wrong("It names two applications.")),
        };
        let redirect = match redirect_of(&candidate, &asked.form) {
            Ok(redirect) => redirect,
            Err(why) => return Step::Answer(asker.wrong(why)),
        };
        if candidate.known == Some(Known::Unconsented) {
            self.waiting.shown(&candidate.id, is_owner, cx.now.tick);
        }
        if !is_owner {
            return Step::Answer(log_in(&asked));
        }
        let wanted = match self.wanted(&asked) {
            Ok(wanted) => wanted,
            Err((code, why)) => {
                return Step::Answer(asked.tell_error(&candidate, &redirect, code, why));
            }
        };
        Step::Answer(match asked.decision {
            Decision::Open => asked.page(&candidate, &redirect, &wanted),
            Decision::Deny => {
                let why = "the owner said no";
                asked.send_error(&redirect, Code::AccessDenied, why)
            }
            Decision::Allow => self.send_code(cx, &asked, candidate, &redirect, wanted),
        })
    }

    fn wanted(&self, asked: &Asked) -> Result<Wanted, (Code, &'static str)> {
        let form = &asked.form;
        let once = |name| {
            let why = "a parameter stands there twice";
            form.once(name).map_err(|_| (Code::InvalidRequest, why))
        };
        once("state")?;
        match once("response_type")? {
            Some("code") => {}
            Some(_) => {
                return Err((Code::UnsupportedResponseType, "response_type is code"));
            }
            None => return Err((Code::InvalidRequest, "response_type is missing")),
        }
        let challenge = once("code_challenge")?.unwrap_or_default();
        let is_digest = base64::decode_url(challenge).is_some_and(|bytes| bytes.len() == 32);
        if !is_digest || once("code_challenge_method")? != Some("S256") {
            let why = "PKCE is needed: a code_challenge, and code_challenge_method S256";
            return Err((Code::InvalidRequest, why));
        }
        if !audience::is_ours(&self.settings, &asked.issuer, form) {
            return Err((Code::InvalidTarget, "resource is not this gateway"));
        }
        let scopes = match once("scope")?.map(str::trim) {
            None | Some("") => Scopes::All,
            Some(text) if text.len() > ASKED_SCOPE_BYTES_MAX => {
                return Err((Code::InvalidScope, "scope is too long"));
            }
            Some(text) => Scopes::known(text).unwrap_or(Scopes::All),
        };
        Ok(Wanted {
            challenge: challenge.to_owned(),
            scopes,
        })
    }

    fn send_code(
        &mut self,
        cx: &mut Cx<'_>,
        asked: &Asked,
        candidate: Candidate,
        redirect: &str,
        wanted: Wanted,
    ) -> Answer {
        let consent = Consent {
            client: candidate.id,
            client_name: candidate.name,
            refreshes: candidate.refreshes,
            redirect: redirect.to_owned(),
            challenge: wanted.challenge,
            scopes: wanted.scopes,
        };
        let code = self.codes.make(consent, cx.now.tick, cx.entropy);
        self.set_alarm(cx);
        asked.send(redirect, Form::default().with("code", &code))
    }
}

impl Asked {
    fn page(&self, candidate: &Candidate, redirect: &str, wanted: &Wanted) -> Answer {
        let hidden: Vec<(&str, &str)> = self.form.fields().collect();
        pages::consent(&ConsentView {
            client: &client_name(&candidate.name),
            kind: match candidate.known {
                None => ClientKind::Document(&candidate.id),
                Some(Known::ByOwner) => ClientKind::Added,
                Some(Known::Unconsented | Known::Consented) => ClientKind::Registered,
            },
            redirect_uri: redirect,
            scopes: &wanted.scopes,
            action: "/authorize",
            hidden: &hidden,
            csrf: &self.visitor.csrf,
        })
    }

    /// Says what is wrong: to the client, by a redirect, if the owner has let it in before; else to
    /// him, with a way back that he may take or not.
    fn tell_error(&self, from: &Candidate, redirect: &str, code: Code, why: &str) -> Answer {
        if matches!(from.known, Some(Known::ByOwner | Known::Consented)) {
            return self.send_error(redirect, code, why);
        }
        match self.asker {
            Asker::Browser => pages::astray(why, &self.error_url(redirect, code, why)),
            Asker::Program => Answer::error(400, code.text(), why),
        }
    }

    fn send_error(&self, redirect: &str, code: Code, why: &str) -> Answer {
        pages::see_other(&self.error_url(redirect, code, why))
    }

    fn error_url(&self, redirect: &str, code: Code, why: &str) -> String {
        let form = Form::default().with("error", code.text());
        self.url(redirect, form.with("error_description", why))
    }

    fn send(&self, to: &str, form: Form) -> Answer {
        pages::see_other(&self.url(to, form))
    }

    /// Where the browser goes back to the client (S4): state and issuer, each once.
    fn url(&self, to: &str, form: Form) -> String {
        let form = match self.form.once("state") {
            Ok(Some(state)) => form.with("state", state),
            Ok(None) | Err(_) => form,
        };
        redirect::with(to, &form.with("iss", &self.issuer))
    }
}

/// A posted decision, if it comes from a page of ours in this browser (S5).
fn decided(
    request: &WebRequest,
    visitor: &Visitor,
    asker: Asker,
) -> Result<(Form, Decision), Answer> {
    let form = pages::posted(request)?;
    if visitor.who == Who::Owner && !visitor.checks(&form) {
        let text = "The form is too old, or does not come from here. Start again from the \
                    application.";
        return Err(asker.told(403, "That cannot be accepted", text));
    }
    // Whoever is no owner any more has to log in, and is then asked once more.
    let decision = match form.once("decision") {
        Ok(Some("allow")) => Decision::Allow,
        Ok(Some("deny")) => Decision::Deny,
        _ => return Err(asker.wrong("It says neither yes nor no.")),
    };
    Ok((form, decision))
}

/// Where this client may be sent, if that is what it asks for.
fn redirect_of(candidate: &Candidate, form: &Form) -> Result<String, &'static str> {
    let asked = form.once("redirect_uri");
    match (asked, candidate.redirects.as_slice()) {
        (Err(_), _) => Err("It says twice where to send you back to."),
        (Ok(Some(asked)), registered) => {
            let mut registered = registered.iter();
            let is = registered.any(|registered| redirect::matches(registered, asked));
            is.then(|| asked.to_owned())
                .ok_or("It wants you to be sent to an address that the application never named.")
        }
        (Ok(None), [only]) if redirect::matches(only, only) => Ok(only.clone()),
        (Ok(None), _) => Err("It does not say where to send you back to."),
    }
}

/// To the login, and back here afterwards. The way back is a path of ours and nothing else. A long
/// one, which escaped once more would be no target for us, has its login right here.
fn log_in(asked: &Asked) -> Answer {
    let next = ["/authorize?", &asked.form.text()].concat();
    if next.len() > NEXT_BYTES_MAX {
        return asked.asker.wrong("It is too long.");
    }
    let query = Form::default().with("next", &next).text();
    let to = ["/oauth/login?", &query].concat();
    if to.len() <= TARGET_BYTES_MAX {
        return pages::see_other(&to);
    }
    pages::login(&LoginView {
        csrf: &asked.visitor.csrf,
        next: &next,
        state: LoginState::First,
    })
}
