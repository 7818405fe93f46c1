//! Bounds of the pages and of the login.

/// Body of a form; a longer one gets 413.
pub const FORM_BYTES_MAX: usize = 64 * 1024;
/// Characters of one text of a peer that a page shows (a name, an error); the rest is cut.
pub const PAGE_TEXT_CHARS_MAX: usize = 600;
/// Servers that the dashboard shows one by one; the rest is only counted.
pub const PAGE_SERVERS_MAX: usize = 500;
