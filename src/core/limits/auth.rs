//! Bounds of the authorization server.

/// What one access token is good for, in seconds (contract 5). A client asks for the next with its
/// refresh token.
pub const ACCESS_SECONDS: u64 = 3_600;
/// How far the clocks of this machine may jump, in seconds, when it is counted until when a token
/// may still be taken for good.
pub const CLOCK_SECONDS: u64 = 60;
/// A grant whose refresh token was not used for this long ends; its client has to ask the owner
/// again. Long enough for a holiday.
pub const REFRESH_SECONDS: u64 = 60 * 24 * 3_600;
/// A key signs for this long; then there is a new one. The old one is good for as long as the last
/// token that it signed.
pub const KEY_SECONDS: u64 = 30 * 24 * 3_600;
/// Clients that the owner has let in, or has registered himself; one more is refused (429, or a
/// sentence of `1mcp auth client add`), until the owner removes some.
pub const CLIENTS_MAX: usize = 1_000;
/// Clients that registered themselves and that the owner has not let in yet; one more takes the
/// place of the oldest.
pub const UNCONSENTED_MAX: usize = 200;
/// How long such a registration waits for the owner, in seconds; then it is gone, and the client
/// has to register again.
pub const UNCONSENTED_SECONDS: u64 = 3_600;
/// Grants; one more ends the one that was not used for the longest time.
pub const GRANTS_MAX: usize = 1_000;
/// Grants that were revoked and of which tokens may still be around. With one more all keys are
/// thrown away: every client has to use its refresh token, and none is forgotten.
pub const REVOKED_MAX: usize = 4_000;
/// Redirect URIs of one client; a registration with more is refused (`invalid_redirect_uri`).
pub const CLIENT_REDIRECTS_MAX: usize = 32;
/// Length of one; a longer one is refused (`invalid_redirect_uri`).
pub const REDIRECT_URI_BYTES_MAX: usize = 2_000;
/// Characters of a client's name; what is longer is cut.
pub const CLIENT_NAME_CHARS_MAX: usize = 80;
