//! Access tokens: signed by us with Ed25519, read by us. A strict subset of JWT (RFC 7519, 9068).

use std::rc::Rc;

use crate::base::secret::Secret;
use crate::now::UnixSeconds;
use crate::principal::{GrantId, Scopes};

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: our origin.
    pub issuer: Rc<str>,
    /// `aud`: for whom it is; our origin too.
    pub audience: Rc<str>,
    /// `sub`.
    pub grant: GrantId,
    /// `client_id`.
    pub client: Rc<str>,
    /// `scope`.
    pub scopes: Scopes,
    /// `iat`.
    pub issued: UnixSeconds,
    /// `nbf`.
    pub not_before: UnixSeconds,
    /// `exp`.
    pub expires: UnixSeconds,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Not a token of ours at all.
    Form,
    /// Signed by nobody whom we know, or not signed.
    Signature,
    /// For somebody else.
    Audience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// Its grant was revoked.
    Revoked,
}

/// The half of a key that signs.
pub struct SigningKey {
    _seed: [u8; 32],
}

impl SigningKey {
    /// The key that these 32 secret bytes stand for.
    #[must_use]
    pub const fn from_seed(seed: &[u8; 32]) -> Self {
        Self { _seed: *seed }
    }

    /// Its name in the head of a token (`kid`).
    #[must_use]
    pub fn kid(&self) -> Rc<str> {
        "".into()
    }

    /// The half that everybody may have.
    #[must_use]
    pub const fn public(&self) -> [u8; 32] {
        [0; 32]
    }

    /// A token.
    #[must_use]
    pub fn sign(&self, _claims: &Claims) -> Secret {
        Secret::from("")
    }
}
