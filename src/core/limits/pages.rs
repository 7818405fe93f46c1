//! Bounds of the pages and of the login.

/// Body of a form; a longer one gets 413.
pub const FORM_BYTES_MAX: usize = 64 * 1024;
/// Characters of one text of a peer that a page shows (a name, an error); the rest is cut.
pub const PAGE_TEXT_CHARS_MAX: usize = 300;
/// The same of an address on the page that asks for consent.
pub const PAGE_URL_CHARS_MAX: usize = 1_000;
/// The same of what a client calls itself.
pub const PAGE_NAME_CHARS_MAX: usize = 100;
/// Servers that the dashboard shows one by one; the rest is only counted.
pub const PAGE_SERVERS_MAX: usize = 500;

/// Connections to the loopback port for browsers (stdio mode); one more is closed at once. A browser
/// opens six, and everybody on this machine can open some.
pub const BROWSER_CONNECTIONS_MAX: usize = 64;
/// Body of a request there: a button and what belongs to it; a longer one gets 413.
pub const BROWSER_BODY_BYTES_MAX: usize = 8 * 1024;

// --- the login ---------------------------------------------------------------------------------

/// Browsers in which the owner is logged in at once; one more ends the one unused for longest.
pub const OWNER_BROWSERS_MAX: usize = 32;
/// A login that nobody uses ends after this long ..
pub const OWNER_IDLE_MS: u64 = 12 * 60 * 60 * 1000;
/// .. and any after this long; the owner logs in again.
pub const OWNER_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// Cookies of our name in one request that are looked at; another port of this host may have set
/// some.
pub const COOKIES_MAX: usize = 4;
/// Length of a password; a longer one is wrong, and not set.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Length of the path where a browser goes after the login; a longer one is the dashboard.
pub const NEXT_BYTES_MAX: usize = 8 * 1024;
/// Passwords that wait for their turn to be stretched; one more gets 429.
pub const LOGIN_QUEUE_MAX: usize = 8;
/// What `Retry-After` says then.
pub const LOGIN_QUEUE_SECONDS: u64 = 5;
/// Wrong passwords in a row from one address before there is a delay: people mistype.
pub const LOGIN_FREE_TRIES: u32 = 3;
/// The first delay; doubles with each wrong password up to [`LOGIN_DELAY_MS_MAX`]. Until then 429.
pub const LOGIN_DELAY_MS_MIN: u64 = 1_000;
/// The longest delay of one address.
pub const LOGIN_DELAY_MS_MAX: u64 = 15 * 60 * 1000;
/// The same for all addresses together, against somebody who has many ..
pub const LOGIN_FREE_TRIES_ALL: u32 = 20;
/// .. up to this: short, since the owner must come through while somebody guesses.
pub const LOGIN_DELAY_ALL_MS_MAX: u64 = 10_000;
/// Wrong passwords are forgotten this long after the last one.
pub const LOGIN_FORGET_MS: u64 = 60 * 60 * 1000;
/// Addresses whose wrong passwords are counted; the one that was quiet for longest is forgotten.
pub const LOGIN_ADDRESSES_MAX: usize = 1_024;
/// Addresses from which the right password came last, which do not wait because of others.
pub const LOGIN_WELCOME_MAX: usize = 32;

const _: () = assert!(LOGIN_DELAY_ALL_MS_MAX < LOGIN_DELAY_MS_MAX);
const _: () = assert!(LOGIN_DELAY_MS_MAX < LOGIN_FORGET_MS);
const _: () = assert!(OWNER_IDLE_MS < OWNER_MS_MAX);
const _: () = assert!(BROWSER_BODY_BYTES_MAX <= FORM_BYTES_MAX);
const _: () = assert!(PASSWORD_BYTES_MAX < FORM_BYTES_MAX && NEXT_BYTES_MAX < FORM_BYTES_MAX);
