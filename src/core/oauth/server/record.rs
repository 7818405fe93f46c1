//! What the authorization server keeps: keys, the owner's password, clients, grants. One JSON
//! document, `auth/server.json` beside mcp.json, 0600. Read and written by `serve` and by the
//! `auth` commands, each under the lock of the file.

/// The owner's password, stretched.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// With what it was stretched.
    pub salt: [u8; 16],
    /// How often.
    pub rounds: std::num::NonZeroU32,
    /// The result.
    pub key: [u8; 32],
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
