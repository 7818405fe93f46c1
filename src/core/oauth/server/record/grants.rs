//! Verbs on grants: given, used again, revoked.

use std::rc::Rc;

use super::{Digest, Grant, Record, Refresh, last_token};
use crate::base::digest::same;
use crate::limits::{GRANTS_MAX, REFRESH_SECONDS, REVOKED_MAX};
use crate::now::UnixSeconds;
use crate::principal::{GrantId, Scopes};

/// What may be shown of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantView {
    /// Which ([`GrantId::text`]).
    pub id: String,
    /// Whose.
    pub client: Rc<str>,
    /// What that called itself.
    pub client_name: String,
    /// For what.
    pub scopes: Scopes,
    /// Since when.
    pub created: UnixSeconds,
    /// When a token was last given.
    pub used: UnixSeconds,
    /// Until when.
    pub expires: UnixSeconds,
}

/// What came of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The grant has the new one.
    Done,
    /// It was an old one: somebody else has used it, or it was stolen. The grant is revoked (S8).
    Replayed,
    /// There is no such grant, or it is somebody else's.
    Unknown,
}

impl Record {
    /// The grant with this id, if its time is not over.
    #[must_use]
    pub fn grant(&self, id: GrantId, now: UnixSeconds) -> Option<&Grant> {
        let found = self.grants.iter().find(|grant| grant.id == id);
        found.filter(|grant| grant.expires > now)
    }

    /// The owner has let a client in; the grant that was not used for the longest time makes room.
    pub fn add_grant(&mut self, grant: Grant, now: UnixSeconds) {
        if self.grants.len() >= GRANTS_MAX {
            let oldest = self.grants.iter().min_by_key(|grant| grant.used);
            if let Some(id) = oldest.map(|grant| grant.id) {
                self.revoke_grant(id, now);
            }
        }
        self.consented(&grant.client);
        self.grants.push(grant);
    }

    /// Gives the grant its next refresh token in exchange for the one with this serial and digest.
    pub fn turn_refresh(
        &mut self,
        id: GrantId,
        client: &str,
        (serial, digest): (u64, &Digest),
        next: Digest,
        now: UnixSeconds,
    ) -> Turn {
        let grants = &mut self.grants;
        let of_client = |grant: &&mut Grant| grant.id == id && &*grant.client == client;
        let found = grants.iter_mut().find(of_client);
        let Some(grant) = found.filter(|grant| grant.expires > now) else {
            return Turn::Unknown;
        };
        match &mut grant.refresh {
            None => Turn::Unknown,
            Some(refresh) if refresh.serial == serial => {
                if !same(&refresh.digest.0, &digest.0) {
                    return Turn::Unknown;
                }
                *refresh = Refresh {
                    serial: serial.saturating_add(1),
                    digest: next,
                };
                grant.used = now;
                grant.expires = now.after(REFRESH_SECONDS);
                Turn::Done
            }
            Some(_) => {
                self.revoke_grant(id, now);
                Turn::Replayed
            }
        }
    }

    /// Ends a grant: its refresh token at once, its access tokens as soon as the door knows. Tells
    /// whether there was one.
    pub fn revoke_grant(&mut self, id: GrantId, now: UnixSeconds) -> bool {
        let before = self.grants.len();
        self.grants.retain(|grant| grant.id != id);
        if self.grants.len() == before {
            return false;
        }
        self.revoked.retain(|_, until| *until > now);
        if self.revoked.len() >= REVOKED_MAX {
            // No revoked token may come back to life for want of room. Without their keys none
            // can; all clients have to show their refresh tokens once.
            self.keys.clear();
            self.revoked.clear();
        } else {
            self.revoked.insert(id, last_token(now));
        }
        true
    }

    /// All grants.
    #[must_use]
    pub fn list_grants(&self) -> Vec<GrantView> {
        let view = |grant: &Grant| GrantView {
            id: grant.id.text(),
            client: grant.client.clone(),
            client_name: grant.client_name.clone(),
            scopes: grant.scopes.clone(),
            created: grant.created,
            used: grant.used,
            expires: grant.expires,
        };
        self.grants.iter().map(view).collect()
    }
}
