//! What is known of one backup: the `.meta.json` beside the bytes.

use onemcp::base::digest;
use serde::{Deserialize, Serialize};

/// What was about to happen to the file when it was backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    /// `app consolidate`.
    Consolidate,
    /// `app restore`: this is what undoes it.
    Restore,
    /// `app consolidate --backup-only`: nothing.
    Backup,
}

impl Operation {
    /// As it is shown.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Consolidate => "consolidate",
            Self::Restore => "restore",
            Self::Backup => "backup",
        }
    }
}

/// A server that went from the application's file to `mcp.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Imported {
    /// Its name in `mcp.json`.
    pub(crate) name: String,
    /// Of its definition as it was written there, to tell whether somebody changed it.
    pub(crate) fingerprint: String,
}

/// What is known of a backup. Times and names are in it too, so that a file that was moved can
/// still be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// The id of the application.
    pub(crate) app: String,
    /// The file, by the name that the application has for it (symbolic links not followed).
    pub(crate) path: String,
    /// Whether the file belongs to a project and not to the user.
    #[serde(default)]
    pub(crate) project: bool,
    /// Whether there was a file at all.
    pub(crate) existed: bool,
    /// Of the bytes, hexadecimal.
    pub(crate) sha256: String,
    /// How many they are.
    pub(crate) bytes: usize,
    /// Permissions of the file, octal.
    #[serde(default)]
    pub(crate) mode: String,
    /// Why it was kept.
    pub(crate) operation: Operation,
    /// What was kept for the same command carries the same text.
    pub(crate) batch: String,
    /// When, for people.
    pub(crate) time: String,
    /// When, in milliseconds since 1970; later backups always have a greater one.
    pub(crate) time_ms: u64,
    /// How many servers the file named, if that could be told.
    #[serde(default)]
    pub(crate) servers: Option<usize>,
    /// What the command put into `mcp.json`.
    #[serde(default)]
    pub(crate) imported: Vec<Imported>,
    /// Of the file as the command was about to leave it.
    #[serde(default)]
    pub(crate) result_sha256: Option<String>,
    /// Which 1mcp wrote this.
    pub(crate) version: String,
}

impl Meta {
    /// One JSON document.
    pub(super) fn render(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads one; the error is a part of a sentence.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The permissions to create the file with, should it be gone.
    pub(crate) fn mode(&self) -> u32 {
        let mode = u32::from_str_radix(&self.mode, 8);
        mode.map_or(0o600, |mode| mode & 0o777)
    }
}

/// SHA-256, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest::hex(&digest::sha256(&[bytes]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_6_the_hash_is_sha256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
    }

    #[test]
    fn contract_6_meta_goes_there_and_back_and_may_grow() {
        let text = r#"{"app": "zed", "path": "/x", "existed": true, "sha256": "00", "bytes": 1,
            "operation": "consolidate", "batch": "b", "time": "t", "time_ms": 5,
            "version": "9", "later": {}}"#;
        let meta = Meta::read(text.as_bytes()).unwrap();
        assert_eq!(
            (meta.mode(), meta.operation),
            (0o600, Operation::Consolidate)
        );
        assert_eq!(Meta::read(meta.render().as_bytes()), Ok(meta));
        assert!(Meta::read(b"{}").unwrap_err().contains("missing field"));
    }
}
