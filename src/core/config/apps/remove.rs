//! Takes out of `mcp.json` what came from an application, as long as nobody changed it since.

use super::merge::fingerprint;
use super::plan::Kept;
use super::tree::Json;
use crate::config::edit::{self, EditError};
use crate::config::model::ReadError;

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
    imported: &[(String, String)],
) -> Result<Removal, ReadError> {
    let file = Json::of_file(mcp_text)?;
    let mut removal = Removal {
        mcp_text: mcp_text.to_vec(),
        removed: Vec::new(),
        kept: Vec::new(),
    };
    for (name, hash) in imported {
        let present = file.get("mcpServers").and_then(|it| it.get(name));
        let reason = match present {
            None => Some("is not in mcp.json any more".to_owned()),
            Some(json) if fingerprint(json) != *hash => {
                Some("was changed since it was taken over".to_owned())
            }
            Some(_) => match edit::remove(&removal.mcp_text, &["mcpServers", name]) {
                Ok(text) => {
                    removal.mcp_text = text;
                    removal.removed.push(name.clone());
                    None
                }
                Err(
                    EditError::NotJson(error)
                    | EditError::NotAnObject(error)
                    | EditError::Twice(error),
                ) => return Err(error),
                Err(error) => Some(format!("cannot be removed: {error}")),
            },
        };
        let name = name.clone();
        removal
            .kept
            .extend(reason.map(|reason| Kept { name, reason }));
    }
    Ok(removal)
}
