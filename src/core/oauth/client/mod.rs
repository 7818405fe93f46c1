//! The keys to other people's servers (protocol O1-O13): finds out who gives them, asks the owner
//! to authorize us there, keeps them fresh. One state for each server of the configuration that is
//! reached over HTTP; knows nothing of its sessions.

use std::rc::Rc;

use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::cx::Cx;
use crate::fetch::News;
use crate::language::{Challenge, Token, WebRequest};
use crate::links::LinkKey;
use crate::oauth::owner::Visitor;
use crate::oauth::{Step, Wish};
use crate::settings::Settings;
use crate::web::answer::Answer;

/// A server that may want a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Its name in the configuration.
    pub name: Rc<str>,
    /// Where it is. The same name at another URL is another server.
    pub url: Rc<Url>,
    /// `oauth` of its entry.
    pub entry: OauthEntry,
}

/// `oauth` of an entry, variables completed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OauthEntry {
    /// `clientId`; an https URL is a client-id document.
    pub client_id: Option<String>,
    /// `clientSecret`.
    pub client_secret: Option<Secret>,
    /// `scopes`.
    pub scopes: Vec<String>,
    /// `redirectUrl`.
    pub redirect_url: Option<String>,
}

/// What the keyring tells.
#[derive(Debug)]
pub enum KeyringNews {
    /// Something is wanted.
    Wish(Wish),
    /// There is a token for this server now, or a newer one.
    Token {
        /// Its name.
        server: Rc<str>,
        /// Where it may be sent.
        url: Rc<Url>,
        /// The token.
        token: Token,
    },
    /// Nothing goes on at this server before its owner has authorized us; tokens of before are of
    /// no use, unless `step_up`: then it serves on, and only more is wanted.
    Awaiting {
        /// Its name.
        server: Rc<str>,
        /// Our page where he does that; empty while it is being found out.
        page: Rc<str>,
        /// Why, in words.
        why: String,
        /// A token is there, but its scopes are too few for something.
        step_up: bool,
    },
    /// Authorization is impossible for now: one sentence. The session is tried again with backoff.
    Failed {
        /// Its name.
        server: Rc<str>,
        /// Why.
        why: String,
    },
}

/// How a server stands, for the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether there is something to authorize.
    pub authorize: bool,
    /// Who gives the tokens: the host of the issuer.
    pub issuer: Option<String>,
    /// In words.
    pub says: String,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Keyring {}

impl Keyring {
    /// No server.
    #[must_use]
    pub fn new(_settings: &Settings) -> Self {
        Self::default()
    }

    /// These are the servers now. To be called before their sessions start.
    pub fn configure(&mut self, _cx: &mut Cx<'_>, _servers: Vec<Protected>) {}

    /// `Input::Record` of a name that begins with `remote-`.
    pub fn record(&mut self, _cx: &mut Cx<'_>, _name: &str, _bytes: Option<&[u8]>) {}

    /// `Input::RecordLocked`.
    pub fn locked(
        &mut self,
        _cx: &mut Cx<'_>,
        _number: u32,
        _found: Result<Option<Vec<u8>>, String>,
    ) {
    }

    /// `Input::RecordStored`.
    pub fn stored(&mut self, _cx: &mut Cx<'_>, _number: u32, _done: Result<(), String>) {}

    /// News of an errand.
    pub fn news(&mut self, _cx: &mut Cx<'_>, _number: u32, _news: News) {}

    /// A server wants a token, or another one.
    pub fn challenged(&mut self, _cx: &mut Cx<'_>, _server: &str, _challenge: Challenge) {}

    /// `Input::ListeningLocal`.
    pub fn listening(&mut self, _cx: &mut Cx<'_>, _port: Result<u16, String>) {}

    /// `/oauth/connect/NAME` (GET, POST), `/oauth/callback`, `/oauth/client.json`.
    pub fn request(
        &mut self,
        _cx: &mut Cx<'_>,
        _link: LinkKey,
        _request: &WebRequest,
        _visitor: &Visitor,
    ) -> Step {
        Step::Answer(Answer::error(404, "no such page", "the start page is /"))
    }

    /// `Alarm::Keyring`.
    pub fn alarm(&mut self, _cx: &mut Cx<'_>) {}

    /// How a server stands; `None`: it wanted no token so far.
    #[must_use]
    pub fn standing(&self, _server: &str) -> Option<Standing> {
        None
    }

    /// The next thing to know or do.
    pub fn told(&mut self) -> Option<KeyringNews> {
        None
    }
}
