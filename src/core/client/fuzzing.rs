//! What must hold for any bytes at all; a fuzz target of fuzz/, which panics when a promise is
//! broken. tests/corpus.rs runs it over the seeds.

use crate::client::sealed;

/// A name of a session opens only as it was sealed. The first bytes choose what it says and which
/// of its letters are replaced; the rest are the letters, and a name of their own.
pub fn session_id(data: &[u8]) {
    sealed::fuzz(data);
}
