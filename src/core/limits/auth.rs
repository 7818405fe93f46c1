//! Bounds of the authorization server.

/// What one access token is good for, in seconds (contract 5). A client asks for the next with its
/// refresh token.
pub const ACCESS_SECONDS: u64 = 3_600;
