//! Finds out who gives the keys to a server (protocol O1-O4, O10): the server's own metadata, then
//! those of the authorization server that they name. One document after the other; what was found
//! is believed only as far as it fits what was asked.
//!
//! ```text
//! Resource -> Issuer -> Found
//!     \----> Origin ---/         (a server of 2025-03-26: no metadata of its own)
//! ```

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::url::Url;
use crate::oauth::client::challenge::Bearer;
use crate::oauth::client::documents::{self, Resource, Server, plain};
use crate::oauth::client::ground::Ground;

/// All that has to be known to ask the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Who gives the tokens; compared as it is, letter by letter.
    pub(super) issuer: String,
    /// What the tokens are for, as it is told to the issuer.
    pub(super) resource: String,
    /// Where the owner agrees.
    pub(super) authorize: Rc<Url>,
    /// Where tokens are given.
    pub(super) token: Rc<Url>,
    /// Where we can make ourselves known.
    pub(super) register: Option<Rc<Url>>,
    /// Scopes that the server's own metadata list.
    pub(super) scopes: Option<Vec<String>>,
    /// Scopes that the issuer lists.
    pub(super) issuer_scopes: Vec<String>,
    /// How clients show who they are; `None`: the issuer does not say.
    pub(super) methods: Option<Vec<String>>,
    /// The issuer names itself in its answers (RFC 9207).
    pub(super) says_iss: bool,
    /// It reads client-id documents.
    pub(super) reads_documents: bool,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Next {
    /// Get this document.
    Get(Rc<Url>),
    /// Everything is known.
    Found(Box<Found>),
    /// It cannot be: one sentence.
    Abort(String),
}

/// What came of a document.
#[derive(Debug)]
pub(super) enum Came<'a> {
    /// An answer.
    Answer(u16, &'a [u8]),
    /// None: one sentence.
    Nothing(String),
}

/// The way so far.
#[derive(Debug)]
pub(super) struct Discovery {
    ground: Ground,
    server: Rc<Url>,
    /// The issuer that we have tokens of.
    known: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The server's own metadata are asked for; these places are left.
    Resource(VecDeque<Rc<Url>>),
    /// Those of its authorization server.
    Issuer {
        issuer: String,
        resource: Resource,
        left: VecDeque<Rc<Url>>,
    },
    /// Its own, as an authorization server of 2025-03-26.
    Origin {
        resource: Option<Resource>,
        left: VecDeque<Rc<Url>>,
    },
    /// Everything was told.
    Over,
}

impl Discovery {
    /// Begins. `known`: the issuer whose tokens we have; where a server names several, it stays.
    pub(super) fn begin(
        server: &Rc<Url>,
        bearer: Option<&Bearer>,
        known: Option<String>,
    ) -> (Self, Next) {
        let ground = Ground::of(server);
        let mut discovery = Self {
            server: Rc::clone(server),
            known,
            state: State::Over,
            ground,
        };
        if let Err(why) = discovery.ground.admits("the server", server) {
            return (discovery, Next::Abort(why));
        }
        let mut left = VecDeque::new();
        if let Some(text) = bearer.and_then(|bearer| bearer.resource_metadata.as_deref()) {
            match discovery.ground.url("the metadata of the server", text) {
                Ok(url) => left.push_back(url),
                Err(why) => return (discovery, Next::Abort(why)),
            }
        }
        let path = server.path().trim_end_matches('/');
        for path in [path, ""] {
            let place = format!("/.well-known/oauth-protected-resource{path}");
            if let Ok(url) = server.join(&place)
                && !left.iter().any(|known| **known == url)
            {
                left.push_back(Rc::new(url));
            }
        }
        discovery.state = State::Resource(left);
        let next = discovery.go_on();
        (discovery, next)
    }

    /// The document that was asked for has come, or will not.
    pub(super) fn came(&mut self, came: &Came<'_>) -> Next {
        let bytes = match came {
            Came::Nothing(why) => return self.abort(why.clone()),
            // Whoever cannot answer now has not said that there is nothing: going on would mean to
            // take another way than the server wants.
            Came::Answer(status @ (429 | 500..), _) => {
                let host = &self.server.origin().host;
                return self.abort(format!(
                    "the metadata for {host} cannot be read now (status {status})"
                ));
            }
            Came::Answer(200, bytes) => *bytes,
            Came::Answer(..) => return self.go_on(),
        };
        match std::mem::replace(&mut self.state, State::Over) {
            State::Resource(left) => match documents::resource(bytes) {
                Some(resource) => self.resource(resource),
                // A page for people, as some sites have for everything.
                None => self.retry(State::Resource(left)),
            },
            State::Issuer {
                issuer,
                resource,
                left,
            } => match documents::server(bytes) {
                Some(server) => self.found(&issuer, Some(resource), server),
                None => self.retry(State::Issuer {
                    issuer,
                    resource,
                    left,
                }),
            },
            State::Origin { resource, left } => match documents::server(bytes) {
                Some(server) => {
                    let issuer = self.origin_as(&server.issuer);
                    self.found(&issuer, resource, server)
                }
                None => self.retry(State::Origin { resource, left }),
            },
            State::Over => self.abort("nothing was asked".to_owned()),
        }
    }

    fn retry(&mut self, state: State) -> Next {
        self.state = state;
        self.go_on()
    }

    fn abort(&mut self, why: String) -> Next {
        self.state = State::Over;
        Next::Abort(why)
    }

    /// The next place, or the next way.
    fn go_on(&mut self) -> Next {
        match &mut self.state {
            State::Resource(left) => match left.pop_front() {
                Some(url) => Next::Get(url),
                None => self.ask_origin(None),
            },
            State::Issuer { issuer, left, .. } => match left.pop_front() {
                Some(url) => Next::Get(url),
                None => {
                    let why = format!("the authorization server {} has no metadata", plain(issuer));
                    self.abort(why)
                }
            },
            State::Origin { resource, left } => match left.pop_front() {
                Some(url) => Next::Get(url),
                None => {
                    let resource = resource.take();
                    self.assume(resource)
                }
            },
            State::Over => self.abort("nothing was asked".to_owned()),
        }
    }

    /// The server's own metadata.
    fn resource(&mut self, resource: Resource) -> Next {
        if !self.is_resource(&resource.resource) {
            return self.abort(format!(
                "the server's metadata are those of another one ({}); nothing was sent to it",
                plain(&resource.resource)
            ));
        }
        let named = resource
            .authorization_servers
            .as_deref()
            .unwrap_or_default();
        let known = named.iter().find(|name| Some(*name) == self.known.as_ref());
        let Some(issuer) = known.or(named.first()).cloned() else {
            return self.ask_origin(Some(resource));
        };
        let url = match self.ground.url("the authorization server", &issuer) {
            Ok(url) if url.query().is_none() => url,
            Ok(_) => return self.abort("the authorization server's name has a query".to_owned()),
            Err(why) => return self.abort(why),
        };
        let path = url.path().trim_end_matches('/');
        let places = if path.is_empty() {
            vec![AUTHORIZATION_SERVER.to_owned(), OPENID.to_owned()]
        } else {
            vec![
                format!("{AUTHORIZATION_SERVER}{path}"),
                format!("{OPENID}{path}"),
                format!("{path}{OPENID}"),
            ]
        };
        let left = places.iter().filter_map(|place| url.join(place).ok());
        self.state = State::Issuer {
            left: left.map(Rc::new).collect(),
            issuer,
            resource,
        };
        self.go_on()
    }

    /// O2: the identifier of the server itself, or of what it is a part of.
    fn is_resource(&self, text: &str) -> bool {
        let Ok(url) = Url::parse(text) else {
            return false;
        };
        if text.contains('#') || url.origin() != self.server.origin() {
            return false;
        }
        if url.query().is_some() {
            return url == *self.server;
        }
        let above = url.path().trim_end_matches('/');
        let rest = self.server.path().strip_prefix(above);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// O10: a server of 2025-03-26 is its own authorization server.
    fn ask_origin(&mut self, resource: Option<Resource>) -> Next {
        let places = [AUTHORIZATION_SERVER, OPENID].into_iter();
        let left = places.filter_map(|place| self.server.join(place).ok());
        self.state = State::Origin {
            left: left.map(Rc::new).collect(),
            resource,
        };
        self.go_on()
    }

    /// The origin as an issuer spells it: with or without the slash that means nothing there.
    fn origin_as(&self, issuer: &str) -> String {
        let origin = self.ground.origin().to_string();
        if issuer.strip_suffix('/') == Some(&origin) {
            issuer.to_owned()
        } else {
            origin
        }
    }

    /// O10 without any metadata.
    fn assume(&mut self, resource: Option<Resource>) -> Next {
        let place = |path: &str| self.server.join(path).map(Rc::new);
        let (Ok(authorize), Ok(token), Ok(register)) =
            (place("/authorize"), place("/token"), place("/register"))
        else {
            return self.abort("the server's URL cannot be extended".to_owned());
        };
        self.state = State::Over;
        Next::Found(Box::new(Found {
            issuer: self.ground.origin().to_string(),
            resource: self.name(resource.as_ref()),
            authorize,
            token,
            register: Some(register),
            scopes: resource.and_then(|resource| resource.scopes_supported),
            issuer_scopes: Vec::new(),
            methods: None,
            says_iss: false,
            reads_documents: false,
        }))
    }

    fn found(&mut self, issuer: &str, resource: Option<Resource>, server: Server) -> Next {
        match self.check(issuer, resource, server) {
            Ok(found) => {
                self.state = State::Over;
                Next::Found(Box::new(found))
            }
            Err(why) => self.abort(why),
        }
    }

    fn check(
        &self,
        issuer: &str,
        resource: Option<Resource>,
        server: Server,
    ) -> Result<Found, String> {
        if server.issuer != issuer {
            return Err(format!(
                "the metadata of the authorization server {} are those of another one ({}); it is \
                 not used",
                plain(issuer),
                plain(&server.issuer)
            ));
        }
        let methods = server.code_challenge_methods_supported.unwrap_or_default();
        if !methods.iter().any(|method| method == "S256") {
            return Err(format!(
                "the authorization server {} does not offer PKCE with S256, without which codes \
                 can be stolen; it is not used",
                plain(issuer)
            ));
        }
        let place = |what: &str, text: Option<String>| {
            let text = text.ok_or_else(|| format!("{what} is missing in its metadata"))?;
            self.ground.url(what, &text)
        };
        let register = server.registration_endpoint;
        Ok(Found {
            issuer: issuer.to_owned(),
            resource: self.name(resource.as_ref()),
            authorize: place("the authorization endpoint", server.authorization_endpoint)?,
            token: place("the token endpoint", server.token_endpoint)?,
            register: register
                .map(|text| place("the registration endpoint", Some(text)))
                .transpose()?,
            scopes: resource.and_then(|resource| resource.scopes_supported),
            issuer_scopes: server.scopes_supported.unwrap_or_default(),
            methods: server.token_endpoint_auth_methods_supported,
            says_iss: server.authorization_response_iss_parameter_supported == Some(true),
            reads_documents: server.client_id_metadata_document_supported == Some(true),
        })
    }

    /// O7: how the issuer is told what the tokens are for: as the server's metadata have it, else
    /// its URL without what may be a key in it.
    fn name(&self, resource: Option<&Resource>) -> String {
        resource.map_or_else(
            || {
                let path = self.server.path();
                let path = if path == "/" { "" } else { path };
                format!("{}{path}", self.server.origin())
            },
            |resource| resource.resource.clone(),
        )
    }
}

const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
