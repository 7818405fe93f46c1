//! Bounds of the front door.

/// Tokens that were checked and are known again by their hash; the oldest is forgotten, and checked
/// again when it comes back.
pub const TOKENS_KNOWN_MAX: usize = 1_024;
