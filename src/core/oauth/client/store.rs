//! What is kept of a server on disk (`remote-<16 hex>.json`): who gave us keys, under which name,
//! and the keys. One record for each name and URL, so that a key never goes to another place than
//! the one it was given for; a record that says anything else counts as none.

use serde::{Deserialize, Serialize};

use crate::base::digest::{hex, sha256};
use crate::base::secret::Secret;
use crate::now::UnixSeconds;
use crate::oauth::client::Protected;
use crate::oauth::client::registration::{Client, Method, Source};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Who gave everything else.
    pub(super) issuer: String,
    /// What the tokens are for.
    pub(super) resource: String,
    /// Where they are renewed.
    pub(super) token_endpoint: String,
    /// As whom we are known there.
    pub(super) client: Client,
    /// The scopes that were asked for, and those of earlier times.
    pub(super) asked: Vec<String>,
    /// The tokens; none once they are of no use.
    pub(super) tokens: Option<Tokens>,
}

/// An access token and its successor's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
    /// When the access token was given.
    pub(super) since: UnixSeconds,
    /// When it ends, if that was said.
    pub(super) until: Option<UnixSeconds>,
    /// What was granted, if that was said.
    pub(super) scope: Option<String>,
}

/// The beginning of the names of these records.
pub(super) const PREFIX: &str = "remote-";

/// Which server a record is of: a hash, since a URL may hold a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Of(String);

impl Of {
    pub(super) fn new(server: &Protected) -> Self {
        let text = format!("{}\n{}", server.name, server.url);
        Self(hex(&sha256(&[text.as_bytes()])))
    }

    /// The name of the record.
    pub(super) fn file(&self) -> String {
        let short = self.0.get(..16).unwrap_or_default();
        format!("{PREFIX}{short}.json")
    }
}

/// The form on disk.
#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    /// For people only.
    server: String,
    of: String,
    issuer: String,
    resource: String,
    token_endpoint: String,
    client: FileClient,
    asked: Vec<String>,
    tokens: Option<FileTokens>,
}

#[derive(Serialize, Deserialize)]
struct FileClient {
    id: String,
    secret: Option<String>,
    method: String,
    redirect: String,
    source: String,
    expires: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct FileTokens {
    access: String,
    refresh: Option<String>,
    since: u64,
    until: Option<u64>,
    scope: Option<String>,
}

const VERSION: u32 = 1;

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// Why it counts as none.
    pub(super) fn read(of: &Of, bytes: &[u8]) -> Result<Self, &'static str> {
        let file: File = serde_json::from_slice(bytes).map_err(|_| "it is unreadable")?;
        if file.version != VERSION {
            return Err("another version of 1mcp wrote it");
        }
        if file.of != of.0 {
            return Err("it is of another server");
        }
        let method = Method::of(&file.client.method).ok_or("it is unreadable")?;
        let source = Source::of(&file.client.source).ok_or("it is unreadable")?;
        Ok(Self {
            issuer: file.issuer,
            resource: file.resource,
            token_endpoint: file.token_endpoint,
            client: Client {
                id: file.client.id,
                secret: file.client.secret.map(Secret::from),
                method,
                redirect: file.client.redirect,
                source,
                expires: file.client.expires,
            },
            asked: file.asked,
            tokens: file.tokens.map(|tokens| Tokens {
                access: Secret::from(tokens.access),
                refresh: tokens.refresh.map(Secret::from),
                since: UnixSeconds(tokens.since),
                until: tokens.until.map(UnixSeconds),
                scope: tokens.scope,
            }),
        })
    }

    /// Writes it.
    pub(super) fn write(&self, of: &Of, server: &str) -> Vec<u8> {
        let reveal = |secret: &Secret| secret.reveal().to_owned();
        let file = File {
            version: VERSION,
            server: server.to_owned(),
            of: of.0.clone(),
            issuer: self.issuer.clone(),
            resource: self.resource.clone(),
            token_endpoint: self.token_endpoint.clone(),
            client: FileClient {
                id: self.client.id.clone(),
                secret: self.client.secret.as_ref().map(reveal),
                method: self.client.method.name().to_owned(),
                redirect: self.client.redirect.clone(),
                source: self.client.source.name().to_owned(),
                expires: self.client.expires,
            },
            asked: self.asked.clone(),
            tokens: self.tokens.as_ref().map(|tokens| FileTokens {
                access: reveal(&tokens.access),
                refresh: tokens.refresh.as_ref().map(reveal),
                since: tokens.since.0,
                until: tokens.until.map(|until| until.0),
                scope: tokens.scope.clone(),
            }),
        };
        // Strings and numbers only: writing them cannot fail.
        let mut bytes = serde_json::to_vec_pretty(&file).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::base::url::Url;

    fn protected(name: &str, url: &str) -> Protected {
        Protected {
            name: name.into(),
            url: Rc::new(Url::parse(url).unwrap()),
            entry: crate::config::Oauth::default(),
        }
    }

    fn record() -> Record {
        Record {
            issuer: "https://as".to_owned(),
            resource: "https://m/mcp".to_owned(),
            token_endpoint: "https://as/token".to_owned(),
            client: Client {
                id: "c".to_owned(),
                secret: Some("s3cret".into()),
                method: Method::Basic,
                redirect: "http://127.0.0.1/oauth/callback".to_owned(),
                source: Source::Registered,
                expires: Some(9),
            },
            asked: vec!["a".to_owned()],
            tokens: Some(Tokens {
                access: "t0ken".into(),
                refresh: Some("r3fresh".into()),
                since: UnixSeconds(5),
                until: Some(UnixSeconds(7)),
                scope: None,
            }),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let of = Of::new(&protected("a", "https://m/mcp"));
        let bytes = record().write(&of, "a");
        assert_eq!(Record::read(&of, &bytes), Ok(record()));
        assert!(of.file().starts_with(PREFIX) && of.file().len() == PREFIX.len() + 16 + 5);
        let shown = format!("{:?}", record());
        for secret in ["s3cret", "t0ken", "r3fresh"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn o9_a_record_of_another_name_or_url_is_none() {
        let bytes = record().write(&Of::new(&protected("a", "https://m/mcp")), "a");
        for (name, url) in [
            ("b", "https://m/mcp"),
            ("a", "https://m/mcp2"),
            ("a", "https://n/mcp"),
            ("a", "https://m/mcp?k"),
        ] {
            let of = Of::new(&protected(name, url));
            assert_eq!(Record::read(&of, &bytes), Err("it is of another server"));
        }
    }

    #[test]
    fn a_record_that_is_cut_or_of_another_version_is_none() {
        let of = Of::new(&protected("a", "https://m/mcp"));
        let bytes = record().write(&of, "a");
        for end in 0..bytes.len() - 2 {
            assert!(Record::read(&of, &bytes[..end]).is_err(), "{end}");
        }
        let text = String::from_utf8(bytes).unwrap();
        let other = text.replace("\"version\": 1", "\"version\": 2");
        assert!(
            Record::read(&of, other.as_bytes())
                .unwrap_err()
                .contains("version")
        );
        for odd in [
            text.replace("basic", "magic"),
            text.replace("registered", "found"),
        ] {
            assert_eq!(Record::read(&of, odd.as_bytes()), Err("it is unreadable"));
        }
    }
}
