//! Tokens that are given out: access tokens, which say everything themselves, and refresh tokens,
//! which name their grant and how many there were before, under a code of the record's key. So an
//! old one is recognised although only a hash of the latest is kept.

use ring::hmac;
use serde::Serialize;

use super::errors::json;
use super::record::{Digest, Grant, Record, Seed};
use crate::base::base64;
use crate::base::secret::Secret;
use crate::entropy::Entropy;
use crate::limits::ACCESS_SECONDS;
use crate::now::UnixSeconds;
use crate::oauth::token::Claims;
use crate::principal::{GrantId, Scopes};
use crate::web::answer::Answer;

/// Grant, serial, randomness, code.
const GRANT_BYTES: usize = 16;
const SERIAL_BYTES: usize = 8;
const RANDOM_BYTES: usize = 16;
const SIGNED_BYTES: usize = GRANT_BYTES + SERIAL_BYTES + RANDOM_BYTES;

#[derive(Serialize)]
struct Body<'a> {
    access_token: &'a str,
    token_type: &'a str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    scope: &'a str,
}

/// A refresh token.
pub(super) fn make_refresh(
    key: &Seed,
    grant: GrantId,
    serial: u64,
    entropy: &mut Entropy,
) -> (Secret, Digest) {
    let mut bytes = Vec::with_capacity(SIGNED_BYTES + 32);
    bytes.extend(grant.0);
    bytes.extend(serial.to_be_bytes());
    bytes.extend(entropy.block().iter().take(RANDOM_BYTES));
    let tag = hmac::sign(&mac(key), &bytes);
    bytes.extend(tag.as_ref());
    let text = base64::encode_url(&bytes);
    let digest = Digest::of(&text);
    (text.into(), digest)
}

/// Which grant a refresh token is of, and its serial; `None`: it is none of ours.
pub(super) fn read_refresh(key: &Seed, text: &str) -> Option<(GrantId, u64)> {
    let bytes = base64::decode_url(text)?;
    let (signed, tag) = bytes.split_at_checked(SIGNED_BYTES)?;
    hmac::verify(&mac(key), signed, tag).ok()?;
    let (grant, rest) = signed.split_first_chunk()?;
    let (serial, _) = rest.split_first_chunk()?;
    Some((GrantId(*grant), u64::from_be_bytes(*serial)))
}

fn mac(key: &Seed) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &key.0)
}

/// The answer of `/token` (S7): an access token of this grant for these scopes, and the refresh
/// token. `None`: there is no key to sign with.
pub(super) fn answer(
    record: &Record,
    issuer: &str,
    (grant, scopes): (&Grant, &Scopes),
    refresh: Option<&Secret>,
    now: UnixSeconds,
    entropy: &mut Entropy,
) -> Option<Answer> {
    let mut id = [0; 16];
    id.iter_mut()
        .zip(entropy.block())
        .for_each(|(to, from)| *to = from);
    let token = record.signing_key()?.sign(&Claims {
        issuer: issuer.into(),
        audience: issuer.into(),
        grant: grant.id,
        client: grant.client.clone(),
        scopes: scopes.clone(),
        issued: now,
        not_before: now,
        expires: now.after(ACCESS_SECONDS),
        id,
    });
    let body = Body {
        access_token: token.reveal(),
        token_type: "Bearer",
        expires_in: ACCESS_SECONDS,
        refresh_token: refresh.map(Secret::reveal),
        scope: &scopes.text(),
    };
    Some(json(200, &body).with("Pragma", "no-cache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_a_refresh_token_is_read_whole_and_by_its_key_only() {
        let (key, other) = (Seed([1; 32]), Seed([2; 32]));
        let mut entropy = Entropy::new(&[1; 32]);
        let (token, digest) = make_refresh(&key, GrantId([7; 16]), 300, &mut entropy);
        let text = token.reveal();
        assert!(digest.is_of(text));
        assert_eq!(read_refresh(&key, text), Some((GrantId([7; 16]), 300)));
        assert_eq!(read_refresh(&other, text), None);
        let bytes = base64::decode_url(text).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(read_refresh(&key, &base64::encode_url(&changed)), None);
            assert_eq!(read_refresh(&key, &base64::encode_url(&bytes[..at])), None);
        }
        assert_eq!(read_refresh(&key, &format!("{text}AAAA")), None);
        let (again, _) = make_refresh(&key, GrantId([7; 16]), 300, &mut entropy);
        assert_ne!(again, token);
    }
}
