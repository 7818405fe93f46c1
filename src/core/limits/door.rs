//! Bounds of the front door.

/// Tokens that were checked and are known again by their hash; the oldest is forgotten, and checked
/// again when it comes back.
pub const TOKENS_KNOWN_MAX: usize = 1_024;
/// Length of an access token in bytes: room for a client that is named by a long URL and for a
/// hundred tags. A longer one is refused with 401, unread.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How much too early a token may come, in seconds: instances that share a key read clocks of
/// their own. One that is earlier gets 401.
pub const TOKEN_EARLY_SECONDS_MAX: u64 = 30;
/// Sessions at once of one grant (X10), a tenth of all; for one more the one of them unused for
/// longest ends, or it is answered 429.
pub const SESSIONS_PER_GRANT_MAX: usize = 1_000;
/// `subscriptions/listen` streams at once of one grant (X10), a quarter of all; one more gets 429.
pub const LISTENS_PER_GRANT_MAX: usize = 256;

/// A body that is too long is thrown away up to this length, then refused (who reads only behind
/// his last byte would lose the answer); a longer one is refused at once.
pub const SWALLOWED_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
