//! Names of sessions: finding whose they are (C1, X3). What a name says is `sealed`.

use std::collections::BTreeMap;

use crate::base::digest::sha256;
use crate::cx::Cx;
use crate::language::ClientKey;

/// A name as it goes over the wire. On `/mcp` it is sealed and says what the session is; on `/sse`,
/// where the connection is the session, it is 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionId(Box<str>);

impl SessionId {
    /// A new name that says nothing.
    pub(super) fn mint(cx: &mut Cx<'_>) -> Self {
        Self(cx.entropy.token().into())
    }

    /// The text of the header or query.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SessionId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Which session has which name.
///
/// Keyed by a digest of the name: how long a look-up takes then tells nothing about how much of a
/// guessed name was right.
#[derive(Debug, Default)]
pub(super) struct SessionIds {
    by_digest: BTreeMap<[u8; 16], ClientKey>,
}

impl SessionIds {
    /// Gives a client this name.
    pub(super) fn insert(&mut self, id: &SessionId, client: ClientKey) {
        self.by_digest.insert(digest_of(id.as_str()), client);
    }

    /// Whose name it is.
    pub(super) fn find(&self, presented: &str) -> Option<ClientKey> {
        self.by_digest.get(&digest_of(presented)).copied()
    }

    /// The session has ended.
    pub(super) fn remove(&mut self, id: &SessionId) {
        self.by_digest.remove(&digest_of(id.as_str()));
    }

    /// Whether nobody has a name.
    pub(super) fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }
}

fn digest_of(text: &str) -> [u8; 16] {
    let whole = sha256(&[text.as_bytes()]);
    let mut half = [0; 16];
    half.copy_from_slice(whole.split_at(16).0);
    half
}
