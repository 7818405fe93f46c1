//! Bounds of the client of protected servers.

/// How long the owner has from the click on Authorize until he comes back (protocol S12).
pub const FLOW_MS_MAX: u64 = 600_000;
/// Authorizations under way at once; one more takes the place of the oldest, whose browser is then
/// told to begin again.
pub const FLOWS_MAX: usize = 32;
/// Browsers that wait at once until it is known where to send them; one more gets 503.
pub const CONNECTS_MAX: usize = 32;
/// A document of somebody else's: metadata, registrations, tokens. A longer one counts as none.
pub const METADATA_BYTES_MAX: usize = 256 * 1024;
/// One token, one client id, one secret of somebody else's. They go into header fields, which
/// servers take up to 8 KiB or so; a longer one counts as an unreadable answer.
pub const CREDENTIAL_BYTES_MAX: usize = 16 * 1024;
/// All scopes that are asked for together, as text; what would be more is left out.
pub const WANTED_SCOPES_BYTES_MAX: usize = 4 * 1024;
/// From the order until there is a connection.
pub const ERRAND_CONNECT_MS_MAX: u64 = 10_000;
/// From the connection until the first byte of the answer, and between two pieces of it.
pub const ERRAND_RESPONSE_MS_MAX: u64 = 20_000;
/// One exchange altogether, however slowly it drips; then it is given up.
pub const ERRAND_MS_MAX: u64 = 45_000;
/// How long what was found out about an authorization server is used for a click on Authorize
/// without asking again: it may have moved since (protocol O9).
pub const FOUND_MS_MAX: u64 = 300_000;
/// How long another instance may hold a record before we go on without; a refresh takes it no
/// longer than [`ERRAND_MS_MAX`].
pub const KEYRING_LOCK_MS_MAX: u64 = 60_000;
/// How long before its end a token is renewed; of one that lives shortly a fifth of its life.
pub const REFRESH_AHEAD_SECONDS: u64 = 120;
/// So much earlier at most, by chance: several instances would otherwise queue for one lock.
pub const REFRESH_JITTER_MS: u64 = 20_000;
/// First pause after a refresh that failed while the old token may still be good; doubled each
/// time.
pub const REFRESH_RETRY_MS_MIN: u64 = 2_000;
/// Longest such pause.
pub const REFRESH_RETRY_MS_MAX: u64 = 300_000;
/// A token that is refused so soon after it was renewed, and was accepted nowhere since, will not
/// be helped by renewing it again: the owner is asked. None is renewed sooner ahead of its end.
pub const REFRESH_AGAIN_MS_MIN: u64 = 30_000;
/// How often in a row it is renewed sooner than that, since the server has accepted it in between;
/// then after pauses that grow up to [`REFRESH_AGAIN_MS_MIN`].
pub const REFRESH_HASTE_MAX: u32 = 3;
/// How long after a disk did not take a record it is tried again.
pub const KEYRING_SAVE_AGAIN_MS: u64 = 60_000;
/// How often more is asked for because of one operation (protocol O11): with the authorization
/// before it that is three tries. Then the server's refusals go to the client as they are.
pub const STEP_UPS_MAX: u8 = 2;
/// Operations of one server of which that is counted; one more takes the place of another.
pub const STEP_UP_OPERATIONS_MAX: usize = 64;
/// Characters of somebody else's error text that are shown.
pub const REMARK_CHARS_MAX: usize = 200;

const _: () = assert!(ERRAND_MS_MAX < KEYRING_LOCK_MS_MAX);
const _: () = assert!(ERRAND_CONNECT_MS_MAX + ERRAND_RESPONSE_MS_MAX < ERRAND_MS_MAX);
const _: () = assert!(REFRESH_RETRY_MS_MIN < REFRESH_RETRY_MS_MAX);
const _: () = assert!(ERRAND_MS_MAX < FLOW_MS_MAX);
