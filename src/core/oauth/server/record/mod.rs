//! What the authorization server keeps: keys, the owner's password, clients, grants. One JSON
//! document, `auth/server.json` beside mcp.json, 0600. Read and written by `serve` and by the
//! `auth` commands, each under the lock of the file: read, change by one of the verbs, write.
//!
//! `document` is the text of it, `clients` and `grants` are the verbs. Never does any I/O; secrets
//! of others are kept as hashes only, and nothing here can be printed that nobody may read.

mod clients;
mod document;
mod grants;
mod names;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::rc::Rc;

use crate::base::digest::{same, sha256};
use crate::entropy::Entropy;
use crate::limits::{ACCESS_SECONDS, CLOCK_SECONDS, KEY_SECONDS};
use crate::now::UnixSeconds;
use crate::oauth::door::Keys;
use crate::oauth::token::SigningKey;
use crate::principal::{GrantId, Scopes};

pub use clients::{Applicant, ClientView, Refused};
pub use grants::{GrantView, Turn};
pub(super) use names::client_name;

/// Everything that outlives the process. [`Record::default`] is what there is before the first
/// start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Keys of access tokens; the last one signs.
    pub keys: Vec<StoredKey>,
    /// What makes refresh tokens ours; drawn together with the first key.
    pub refresh_key: Option<Seed>,
    /// The owner's password, once there is one.
    pub owner: Option<Password>,
    /// Clients that registered, or were registered, in that order. Those that are documents of the
    /// web are not among them.
    pub clients: Vec<Client>,
    /// Whom the owner has let in.
    pub grants: Vec<Grant>,
    /// Grants that were revoked, until the last of their tokens has expired.
    pub revoked: BTreeMap<GrantId, UnixSeconds>,
}

/// 32 bytes of randomness that nobody may read.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

/// SHA-256 of a secret that somebody else has.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of this text.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(sha256(&[secret.as_bytes()]))
    }

    /// Whether it is of this text; takes equally long for each text of a length.
    #[must_use]
    pub fn is_of(&self, secret: &str) -> bool {
        same(&self.0, &Self::of(secret).0)
    }
}

/// A key of access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The key.
    pub seed: Seed,
    /// Since when.
    pub created: UnixSeconds,
}

/// The owner's password, stretched.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// With what it was stretched.
    pub salt: [u8; 16],
    /// How often.
    pub rounds: NonZeroU32,
    /// The result.
    pub key: [u8; 32],
}

impl Password {
    /// A password that was stretched so.
    #[must_use]
    pub const fn new(salt: [u8; 16], rounds: NonZeroU32, key: [u8; 32]) -> Self {
        Self { salt, rounds, key }
    }
}

macro_rules! unprintable {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("***")
            }
        })*
    };
}
unprintable!(Seed, Digest, Password);

/// How a client came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// By `1mcp auth client add`.
    ByOwner,
    /// It registered itself, and waits for the owner's consent.
    Unconsented,
    /// It registered itself, and the owner has let it in at least once.
    Consented,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`.
    pub id: Rc<str>,
    /// What it calls itself; text of a stranger.
    pub name: String,
    /// Where it may be sent back to.
    pub redirects: Vec<String>,
    /// What it has to show at `/token`; a public client has nothing.
    pub secret: Option<Digest>,
    /// Whether it is given refresh tokens.
    pub refreshes: bool,
    /// How it came to be known.
    pub known: Known,
    /// Since when.
    pub created: UnixSeconds,
}

/// One consent: the owner let one client in, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which.
    pub id: GrantId,
    /// Whom.
    pub client: Rc<str>,
    /// What that called itself.
    pub client_name: String,
    /// To what.
    pub scopes: Scopes,
    /// Since when.
    pub created: UnixSeconds,
    /// When a token was last given.
    pub used: UnixSeconds,
    /// Until when, if no further token is asked for.
    pub expires: UnixSeconds,
    /// Its refresh token, if it has one.
    pub refresh: Option<Refresh>,
}

/// The one refresh token that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// How many there were before.
    pub serial: u64,
    /// Of the token.
    pub digest: Digest,
}

impl Record {
    /// Reads `server.json`; no file is an empty record.
    ///
    /// # Errors
    /// One sentence, without anything of the content, that says what is wrong and what to do. The
    /// file must not be written then.
    pub fn read(bytes: Option<&[u8]>) -> Result<Self, String> {
        bytes.map_or_else(|| Ok(Self::default()), document::read)
    }

    /// The text of `server.json`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        document::write(self)
    }

    /// The owner's password is this one from now on.
    pub fn set_owner(&mut self, password: Password) {
        self.owner = Some(password);
    }

    /// What tokens are checked against, for this issuer.
    #[must_use]
    pub fn keys(&self, issuer: Rc<str>) -> Keys {
        let key = |stored: &StoredKey| {
            let key = SigningKey::from_seed(&stored.seed.0)?;
            Some((key.kid(), key.public()))
        };
        Keys {
            issuer,
            keys: self.keys.iter().filter_map(key).collect(),
            revoked: self.revoked.clone(),
        }
    }

    /// The key that signs.
    #[must_use]
    pub fn signing_key(&self) -> Option<SigningKey> {
        let last = self.keys.last()?;
        SigningKey::from_seed(&last.seed.0)
    }

    /// Whether there is no key to sign with, or an old one only.
    #[must_use]
    pub fn wants_key(&self, now: UnixSeconds) -> bool {
        let old = |key: &StoredKey| key.created.0.saturating_add(KEY_SECONDS) <= now.0;
        self.refresh_key.is_none() || self.keys.last().is_none_or(old)
    }

    /// Draws what keys there have to be (S11).
    pub fn draw_keys(&mut self, now: UnixSeconds, entropy: &mut Entropy) {
        if self.wants_key(now) {
            self.keys.push(StoredKey {
                seed: Seed(entropy.block()),
                created: now,
            });
        }
        self.refresh_key
            .get_or_insert_with(|| Seed(entropy.block()));
    }

    /// Forgets what nobody can use any more: registrations without consent, grants, revocations
    /// and keys whose time is over. Tells whether there was any.
    pub fn forget_expired(&mut self, now: UnixSeconds) -> bool {
        let count = |record: &Self| {
            record.clients.len() + record.grants.len() + record.revoked.len() + record.keys.len()
        };
        let before = count(self);
        self.clients.retain(|client| !client.is_stale(now));
        self.grants.retain(|grant| grant.expires > now);
        self.revoked.retain(|_, until| *until > now);
        // A key is followed when it has signed for KEY_SECONDS, so that its successor's birth is
        // its last signature.
        let births: Vec<UnixSeconds> = self.keys.iter().skip(1).map(|key| key.created).collect();
        let mut successors = births.into_iter();
        self.keys.retain(|_| {
            let next = successors.next();
            next.is_none_or(|born| last_token(born) > now)
        });
        count(self) != before
    }

    /// When [`Record::forget_expired`] or [`Record::draw_keys`] has to do something again.
    #[must_use]
    pub fn next_expiry(&self) -> Option<UnixSeconds> {
        let clients = self.clients.iter().filter_map(Client::stale_at);
        let grants = self.grants.iter().map(|grant| grant.expires);
        let revoked = self.revoked.values().copied();
        let old_keys = self.keys.iter().skip(1).map(|key| last_token(key.created));
        let key = self.keys.last().map(|key| key.created.after(KEY_SECONDS));
        let all = clients.chain(grants).chain(revoked).chain(old_keys);
        all.chain(key).min()
    }
}

/// When the last token has expired that was given out until this moment.
pub(in crate::oauth::server) fn last_token(given: UnixSeconds) -> UnixSeconds {
    given.after(ACCESS_SECONDS + CLOCK_SECONDS)
}

#[cfg(test)]
mod tests;
