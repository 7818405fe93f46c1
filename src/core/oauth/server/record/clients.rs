//! Verbs on clients: added by the owner, registered by themselves, let in, removed.

use std::fmt;
use std::rc::Rc;

use super::{Client, Digest, Known, Record, client_name};
use crate::base::base64;
use crate::base::secret::Secret;
use crate::entropy::Entropy;
use crate::limits::{
    CLIENT_REDIRECT_BYTES_MAX, CLIENT_REDIRECTS_MAX, CLIENTS_MAX, UNCONSENTED_MAX,
    UNCONSENTED_SECONDS,
};
use crate::now::UnixSeconds;
use crate::oauth::server::redirect::Redirect;

/// Who wants to be a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applicant {
    /// What it calls itself.
    pub name: String,
    /// Where it may be sent back to.
    pub redirects: Vec<String>,
    /// Whether it can keep a secret.
    pub confidential: bool,
    /// Whether it uses refresh tokens.
    pub refreshes: bool,
}

/// Why somebody does not become a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has to say where it may be sent back to.
    NoRedirect,
    /// It says too many places.
    Redirects,
    /// Nobody is sent to this one; and why.
    Redirect(String, &'static str),
    /// There are too many.
    Full,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRedirect => f.write_str("a client needs at least one redirect URI"),
            Self::Redirects => write!(
                f,
                "a client has at most {CLIENT_REDIRECTS_MAX} redirect URIs, with at most \
                 {CLIENT_REDIRECT_BYTES_MAX} bytes together"
            ),
            Self::Redirect(uri, why) => write!(f, "the redirect URI {uri} is not allowed: {why}"),
            Self::Full => write!(
                f,
                "there are {CLIENTS_MAX} clients already; remove some with 1mcp auth client remove"
            ),
        }
    }
}

/// What may be shown of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientView {
    /// Its `client_id`.
    pub id: Rc<str>,
    /// What it calls itself; text of a stranger, but without control characters.
    pub name: String,
    /// Where it may be sent back to.
    pub redirects: Vec<String>,
    /// Whether it has a secret.
    pub confidential: bool,
    /// How it came to be known.
    pub known: Known,
    /// Since when.
    pub created: UnixSeconds,
    /// How many grants it has.
    pub grants: usize,
}

impl Applicant {
    /// Whether it may be a client at all.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), Refused> {
        match self.redirects.len() {
            0 => return Err(Refused::NoRedirect),
            1..=CLIENT_REDIRECTS_MAX => {}
            _ => return Err(Refused::Redirects),
        }
        if self.redirects.iter().map(String::len).sum::<usize>() > CLIENT_REDIRECT_BYTES_MAX {
            return Err(Refused::Redirects);
        }
        for uri in &self.redirects {
            let refuse = |why| Refused::Redirect(client_name(uri), why);
            let redirect = Redirect::parse(uri).map_err(refuse)?;
            if self.confidential && matches!(redirect, Redirect::Private { .. }) {
                return Err(refuse(
                    "a client with a secret is a web page or on loopback",
                ));
            }
        }
        Ok(())
    }
}

impl Client {
    /// When it is forgotten, unless the owner lets it in.
    pub(super) fn stale_at(&self) -> Option<UnixSeconds> {
        let waits = self.known == Known::Unconsented;
        waits.then(|| self.created.after(UNCONSENTED_SECONDS))
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_stale(&self, now: UnixSeconds) -> bool {
        self.stale_at().is_some_and(|at| at <= now)
    }
}

impl Record {
    /// The client with this id, if its registration is not stale.
    #[must_use]
    pub fn client(&self, id: &str, now: UnixSeconds) -> Option<&Client> {
        let found = self.clients.iter().find(|client| &*client.id == id);
        found.filter(|client| !client.is_stale(now))
    }

    /// The owner registers a client (`1mcp auth client add`). Tells its id, and its secret if it
    /// can keep one: it is never seen again.
    ///
    /// # Errors
    /// Why not.
    pub fn add_client(
        &mut self,
        applicant: &Applicant,
        now: UnixSeconds,
        entropy: &mut Entropy,
    ) -> Result<(Rc<str>, Option<Secret>), Refused> {
        applicant.check()?;
        if self.kept_clients() >= CLIENTS_MAX {
            return Err(Refused::Full);
        }
        Ok(self.push_client(applicant, Known::ByOwner, now, entropy))
    }

    /// A client registers itself (S9); it takes the place of one without consent if there are too
    /// many of those: of that which `leaves` with the greatest number, the oldest of several.
    /// Whoever has none is never pushed out.
    ///
    /// # Errors
    /// Why not.
    pub fn register_client(
        &mut self,
        applicant: &Applicant,
        leaves: &dyn Fn(&str) -> Option<usize>,
        now: UnixSeconds,
        entropy: &mut Entropy,
    ) -> Result<(Rc<str>, Option<Secret>), Refused> {
        applicant.check()?;
        if self.kept_clients() >= CLIENTS_MAX {
            return Err(Refused::Full);
        }
        self.clients.retain(|client| !client.is_stale(now));
        let waits = |client: &Client| client.known == Known::Unconsented;
        if self.clients.iter().filter(|client| waits(client)).count() >= UNCONSENTED_MAX {
            let waiting = self.clients.iter().enumerate();
            let waiting = waiting.filter(|(_, client)| waits(client));
            let may_go = waiting.filter_map(|(at, client)| Some((leaves(&client.id)?, at)));
            let first = may_go.max_by_key(|(rank, at)| (*rank, std::cmp::Reverse(*at)));
            let (_, at) = first.ok_or(Refused::Full)?;
            self.clients.remove(at);
        }
        Ok(self.push_client(applicant, Known::Unconsented, now, entropy))
    }

    fn kept_clients(&self) -> usize {
        let kept = |client: &&Client| client.known != Known::Unconsented;
        self.clients.iter().filter(kept).count()
    }

    fn push_client(
        &mut self,
        applicant: &Applicant,
        known: Known,
        now: UnixSeconds,
        entropy: &mut Entropy,
    ) -> (Rc<str>, Option<Secret>) {
        let id: Rc<str> = entropy.token().into();
        let secret = applicant
            .confidential
            .then(|| base64::encode_url(&entropy.block()));
        self.clients.push(Client {
            id: id.clone(),
            name: client_name(&applicant.name),
            redirects: applicant.redirects.clone(),
            secret: secret.as_deref().map(Digest::of),
            refreshes: applicant.refreshes,
            known,
            created: now,
        });
        (id, secret.map(Secret::from))
    }

    /// The owner has let it in: its registration stays.
    pub fn consented(&mut self, id: &str) {
        let found = self.clients.iter_mut().find(|client| &*client.id == id);
        if let Some(client) = found.filter(|client| client.known == Known::Unconsented) {
            client.known = Known::Consented;
        }
    }

    /// Removes a client and revokes all of its grants; a client that is a document of the web has
    /// grants only. Tells whether there was anything of it.
    pub fn remove_client(&mut self, id: &str, now: UnixSeconds) -> bool {
        let before = self.clients.len();
        self.clients.retain(|client| &*client.id != id);
        let of_it = self.grants.iter().filter(|grant| &*grant.client == id);
        let grants: Vec<_> = of_it.map(|grant| grant.id).collect();
        for grant in &grants {
            self.revoke_grant(*grant, now);
        }
        self.clients.len() != before || !grants.is_empty()
    }

    /// All clients, without secrets.
    #[must_use]
    pub fn list_clients(&self) -> Vec<ClientView> {
        let grants = |id: &str| {
            let of_it = self.grants.iter().filter(|grant| &*grant.client == id);
            of_it.count()
        };
        let view = |client: &Client| ClientView {
            id: client.id.clone(),
            name: client.name.clone(),
            redirects: client.redirects.clone(),
            confidential: client.secret.is_some(),
            known: client.known,
            created: client.created,
            grants: grants(&client.id),
        };
        self.clients.iter().map(view).collect()
    }
}
