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
pub const CLIENTS_MAX: usize = 500;
/// Clients that registered themselves and that the owner has not let in yet; one more takes the
/// place of the oldest of the network that has most of them.
pub const UNCONSENTED_MAX: usize = 100;
/// For how long nobody takes the place of a registration whose login or consent page was shown:
/// somebody is just reading it.
pub const SHOWN_MS: u64 = 600_000;
/// Registrations that stay since their login page was shown, which everybody can have; others have
/// no such advantage then. Those whose consent page the owner has seen stay in any case.
pub const SHOWN_MAX: usize = 50;
/// The same for the registrations of one network.
pub const SHOWN_PER_NETWORK_MAX: usize = 2;
/// How long such a registration waits for the owner, in seconds; then it is gone, and the client
/// has to register again.
pub const UNCONSENTED_SECONDS: u64 = 3_600;
/// Grants; one more ends the one that was not used for the longest time.
pub const GRANTS_MAX: usize = 500;
/// Grants that were revoked and of which tokens may still be around. With one more all keys are
/// thrown away: every client has to use its refresh token, and none is forgotten.
pub const REVOKED_MAX: usize = 2_000;
/// Redirect URIs of one client; a registration with more is refused (`invalid_redirect_uri`).
pub const CLIENT_REDIRECTS_MAX: usize = 16;
/// Length of one; a longer one is refused (`invalid_redirect_uri`).
pub const REDIRECT_URI_BYTES_MAX: usize = 1_000;
/// Length of all of one client; with more it is refused (`invalid_redirect_uri`). So strangers
/// cannot make the record longer than can be read again.
pub const CLIENT_REDIRECT_BYTES_MAX: usize = 1_500;
/// Length of a `scope` that is asked for; a longer one is refused (`invalid_scope`).
pub const ASKED_SCOPE_BYTES_MAX: usize = 500;
/// Length of a `client_id` that is the URL of a document; a longer one is unknown.
pub const DOCUMENT_URL_BYTES_MAX: usize = 500;
/// Characters of a client's name; what is longer is cut.
pub const CLIENT_NAME_CHARS_MAX: usize = 80;
/// How long an authorization code may be used (protocol S6); then it is worth nothing.
pub const CODE_MS: u64 = 60_000;
/// How long it is remembered that a code was used: whoever shows it again ends the grant.
pub const CODE_KNOWN_MS: u64 = 600_000;
/// Codes that are remembered; one more takes the place of the oldest.
pub const CODES_MAX: usize = 256;
/// Grants that have to be revoked and that the record does not know of yet, since the disk refuses;
/// while there are as many, no code is taken (503). More than codes are never used meanwhile.
pub const DOOMED_MAX: usize = 256;
/// Changes of the record that wait for the disk; the request behind one more gets 503.
pub const CHANGES_MAX: usize = 256;
/// Body of `/token`, `/revoke` and `/register`; a longer one gets 413.
pub const AUTH_BODY_BYTES_MAX: usize = 64 * 1024;
/// Registrations that one network (of IPv6: a /48) may begin at once; one more gets 429.
pub const REGISTRATIONS_PER_ADDRESS_MAX: u32 = 30;
/// After how long a network may register once more.
pub const REGISTRATION_PER_ADDRESS_MS: u64 = 20_000;
/// Registrations that all together may begin at once; one more of a network that has registered
/// something lately gets 429. Whoever comes for the first time pays for nobody else.
pub const REGISTRATIONS_MAX: u32 = 100;
/// After how long somebody may register once more.
pub const REGISTRATION_MS: u64 = 5_000;
/// Networks of which it is known how often they registered; one more takes the place of the one
/// that was quiet for the longest time.
pub const REGISTRANTS_MAX: usize = 1_024;
/// Clients' documents that are kept; one more takes the place of the one that runs out first.
pub const DOCUMENTS_MAX: usize = 64;
/// Clients' documents that are being fetched, and requests that wait for them; one more gets 503.
/// Only the owner's browsers can ask for any.
pub const DOCUMENT_WAITERS_MAX: usize = 16;
/// Length of a client's document; a longer one is not read, and the owner is told.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// How long fetching one may take; then the owner is told.
pub const DOCUMENT_MS_MAX: u64 = 5_000;
/// A document is kept for at least this long, whatever its server says: the owner has to read what
/// he agrees to.
pub const DOCUMENT_SECONDS_MIN: u64 = 300;
/// A document is kept for this long if its server says nothing.
pub const DOCUMENT_SECONDS: u64 = 3_600;
/// A document is kept no longer, whatever its server says.
pub const DOCUMENT_SECONDS_MAX: u64 = 24 * 3_600;
/// After the disk has failed, keys are drawn again after this long, in milliseconds.
pub const RECORD_RETRY_MS: u64 = 60_000;
/// The record is looked at again after this long, in milliseconds: the clock of the wall may have
/// jumped.
pub const RECORD_LOOK_MS: u64 = 3_600_000;
