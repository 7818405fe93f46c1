//! Bounds of the pages and of the login.

/// Body of a form; a longer one gets 413.
pub const FORM_BYTES_MAX: usize = 64 * 1024;
