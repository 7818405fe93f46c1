//! The text of `server.json`. It is ours alone: what we do not know in it was written by a newer
//! version, or by a slip of somebody's hand, and must not be lost by writing it anew. So anything
//! that is not exactly as we write it is refused, with the place and without the content.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Client, Digest, Grant, Known, Password, Record, Refresh, Seed, StoredKey};
use crate::base::base64;
use crate::now::UnixSeconds;
use crate::principal::{GrantId, Scopes};

/// Of the form of the file; another one is refused.
const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_key: Option<String>,
    keys: Vec<KeyText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<PasswordText>,
    clients: Vec<ClientText>,
    grants: Vec<GrantText>,
    revoked: Vec<RevokedText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    seed: String,
    created: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordText {
    salt: String,
    rounds: NonZeroU32,
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ClientText {
    id: String,
    name: String,
    redirects: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_sha256: Option<String>,
    refreshes: bool,
    known: KnownText,
    created: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum KnownText {
    ByOwner,
    Unconsented,
    Consented,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GrantText {
    id: String,
    client: String,
    client_name: String,
    scopes: String,
    created: u64,
    used: u64,
    expires: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<RefreshText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshText {
    serial: u64,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedText {
    grant: String,
    until: u64,
}

pub(super) fn write(record: &Record) -> Vec<u8> {
    let document = Document {
        version: VERSION,
        refresh_key: record.refresh_key.as_ref().map(|key| bytes(&key.0)),
        keys: record.keys.iter().map(key_text).collect(),
        owner: record.owner.as_ref().map(password_text),
        clients: record.clients.iter().map(client_text).collect(),
        grants: record.grants.iter().map(grant_text).collect(),
        revoked: record.revoked.iter().map(revoked_text).collect(),
    };
    // Nothing in it can fail to be written: texts, numbers and lists.
    let mut text = serde_json::to_vec_pretty(&document).unwrap_or_default();
    text.push(b'\n');
    text
}

fn bytes(bytes: &[u8]) -> String {
    base64::encode_url(bytes)
}

fn key_text(key: &StoredKey) -> KeyText {
    KeyText {
        seed: bytes(&key.seed.0),
        created: key.created.0,
    }
}

fn password_text(password: &Password) -> PasswordText {
    PasswordText {
        salt: bytes(&password.salt),
        rounds: password.rounds,
        key: bytes(&password.key),
    }
}

fn client_text(client: &Client) -> ClientText {
    ClientText {
        id: client.id.as_ref().to_owned(),
        name: client.name.clone(),
        redirects: client.redirects.clone(),
        secret_sha256: client.secret.as_ref().map(|digest| bytes(&digest.0)),
        refreshes: client.refreshes,
        known: match client.known {
            Known::ByOwner => KnownText::ByOwner,
            Known::Unconsented => KnownText::Unconsented,
            Known::Consented => KnownText::Consented,
        },
        created: client.created.0,
    }
}

fn grant_text(grant: &Grant) -> GrantText {
    let refresh = |refresh: &Refresh| RefreshText {
        serial: refresh.serial,
        sha256: bytes(&refresh.digest.0),
    };
    GrantText {
        id: grant.id.text(),
        client: grant.client.as_ref().to_owned(),
        client_name: grant.client_name.clone(),
        scopes: grant.scopes.text(),
        created: grant.created.0,
        used: grant.used.0,
        expires: grant.expires.0,
        refresh: grant.refresh.as_ref().map(refresh),
    }
}

fn revoked_text((grant, until): (&GrantId, &UnixSeconds)) -> RevokedText {
    RevokedText {
        grant: grant.text(),
        until: until.0,
    }
}

pub(super) fn read(text: &[u8]) -> Result<Record, String> {
    let version: Versioned = serde_json::from_slice(text).map_err(|error| shape(&error))?;
    if version.version > VERSION {
        return Err(format!(
            "it was written by a newer 1mcp (version {} of the file, this one knows {VERSION}); \
             use that one",
            version.version
        ));
    }
    let document: Document = serde_json::from_slice(text).map_err(|error| shape(&error))?;
    if document.version != VERSION {
        return Err(format!(
            "version {} of the file is unknown",
            document.version
        ));
    }
    let seed = |text: &String| array(text, "refreshKey").map(Seed);
    let revoked = document.revoked.into_iter().map(|one| {
        let until = UnixSeconds(one.until);
        Ok((grant_id(&one.grant, "revoked")?, until))
    });
    let record = Record {
        refresh_key: document.refresh_key.as_ref().map(seed).transpose()?,
        keys: document.keys.iter().map(key).collect::<Result<_, _>>()?,
        owner: document.owner.as_ref().map(password).transpose()?,
        clients: all(document.clients, client)?,
        grants: all(document.grants, grant)?,
        revoked: revoked.collect::<Result<_, String>>()?,
    };
    let mut ids: Vec<&str> = record.clients.iter().map(|client| &*client.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(fault("clients", "two have the same id"));
    }
    Ok(record)
}

/// The reader's own words would repeat what is written there.
fn shape(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member is missing, unknown or of the wrong kind",
        _ => "it is no JSON",
    };
    let (line, column) = (error.line(), error.column());
    format!("line {line}, column {column}: {what}; restore it from a copy, or move it away")
}

fn fault(member: &str, what: &str) -> String {
    format!("{member}: {what}; restore the file from a copy, or move it away")
}

fn all<T, U>(texts: Vec<T>, read: impl Fn(T) -> Result<U, String>) -> Result<Vec<U>, String> {
    texts.into_iter().map(read).collect()
}

fn array<const N: usize>(text: &str, member: &str) -> Result<[u8; N], String> {
    let bytes = base64::decode_url(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| fault(member, &format!("not {N} bytes in base64url")))
}

fn grant_id(text: &str, member: &str) -> Result<GrantId, String> {
    GrantId::parse(text).ok_or_else(|| fault(member, "no grant id"))
}

fn key(text: &KeyText) -> Result<StoredKey, String> {
    Ok(StoredKey {
        seed: Seed(array(&text.seed, "keys")?),
        created: UnixSeconds(text.created),
    })
}

fn password(text: &PasswordText) -> Result<Password, String> {
    Ok(Password {
        salt: array(&text.salt, "owner.salt")?,
        rounds: text.rounds,
        key: array(&text.key, "owner.key")?,
    })
}

fn client(text: ClientText) -> Result<Client, String> {
    let digest = |text: String| array(&text, "clients.secretSha256").map(Digest);
    Ok(Client {
        id: text.id.into(),
        name: text.name,
        redirects: text.redirects,
        secret: text.secret_sha256.map(digest).transpose()?,
        refreshes: text.refreshes,
        known: match text.known {
            KnownText::ByOwner => Known::ByOwner,
            KnownText::Unconsented => Known::Unconsented,
            KnownText::Consented => Known::Consented,
        },
        created: UnixSeconds(text.created),
    })
}

fn grant(text: GrantText) -> Result<Grant, String> {
    let refresh = |refresh: RefreshText| {
        Ok::<_, String>(Refresh {
            serial: refresh.serial,
            digest: Digest(array(&refresh.sha256, "grants.refresh.sha256")?),
        })
    };
    let scopes = Scopes::parse(&text.scopes);
    Ok(Grant {
        id: grant_id(&text.id, "grants.id")?,
        client: text.client.into(),
        client_name: text.client_name,
        scopes: scopes.map_err(|_| fault("grants.scopes", "unknown scope"))?,
        created: UnixSeconds(text.created),
        used: UnixSeconds(text.used),
        expires: UnixSeconds(text.expires),
        refresh: text.refresh.map(refresh).transpose()?,
    })
}
