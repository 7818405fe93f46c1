//! Access tokens: signed by us with Ed25519, read by us. A strict subset of JWT (RFC 7519, 9068).
//!
//! A peer's header is never interpreted: of each key there is one header that we write, and a token
//! begins with exactly that one or is none. So there is no `alg` to confuse, no `crit`, no embedded
//! key. What it says is read only after its signature has been found good.

use std::fmt;
use std::rc::Rc;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::base::base64;
use crate::base::digest::sha256;
use crate::base::origin::Origin;
use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::limits::{TOKEN_BYTES_MAX, TOKEN_EARLY_SECONDS_MAX};
use crate::now::UnixSeconds;
use crate::oauth::door::Keys;
use crate::principal::{GrantId, Scopes};

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: our origin.
    pub issuer: Rc<str>,
    /// `aud`: for whom it is; our origin too.
    pub audience: Rc<str>,
    /// `sub`.
    pub grant: GrantId,
    /// `client_id`.
    pub client: Rc<str>,
    /// `scope`.
    pub scopes: Scopes,
    /// `iat`.
    pub issued: UnixSeconds,
    /// `nbf`.
    pub not_before: UnixSeconds,
    /// `exp`: from this second on it is good no more.
    pub expires: UnixSeconds,
    /// `jti`: random, so that no two tokens are the same.
    pub id: [u8; 16],
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Not a token of ours at all.
    Form,
    /// Signed by nobody whom we know, or not signed.
    Signature,
    /// For somebody else.
    Audience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// Its grant was revoked.
    Revoked,
}

/// Reads a token.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(keys: &Keys, text: &str, now: UnixSeconds) -> Result<Claims, Bad> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(Bad::Form);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(Bad::Form)?;
    let (head, body) = signed.split_once('.').ok_or(Bad::Form)?;
    let signature = base64::decode_url(signature).ok_or(Bad::Form)?;
    let body = base64::decode_url(body).ok_or(Bad::Form)?;
    let mut keys_named = keys.keys.iter().filter(|(kid, _)| head == head_of(kid));
    let good = |(_, key): &(Rc<str>, [u8; 32])| {
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(signed.as_bytes(), &signature).is_ok()
    };
    if !keys_named.any(good) {
        return Err(Bad::Signature);
    }
    let claims = Body::read(&body).ok_or(Bad::Form)?;
    if !is_us(&claims.issuer, &keys.issuer) || !is_us(&claims.audience, &keys.issuer) {
        return Err(Bad::Audience);
    }
    in_time(&claims, now)?;
    if keys.revoked.contains_key(&claims.grant) {
        return Err(Bad::Revoked);
    }
    Ok(claims)
}

/// Whether a token is good at this moment. Only its beginning has leeway: clocks of instances that
/// share one key may differ a little, but nobody needs a token for longer than it lasts.
fn in_time(claims: &Claims, now: UnixSeconds) -> Result<(), Bad> {
    let begins = claims.not_before.max(claims.issued);
    if now >= claims.expires {
        Err(Bad::Expired)
    } else if now.0.saturating_add(TOKEN_EARLY_SECONDS_MAX) < begins.0 {
        Err(Bad::NotYet)
    } else {
        Ok(())
    }
}

/// Whether this names us. Our own loopback origin has several spellings and is one audience.
fn is_us(named: &str, issuer: &str) -> bool {
    if named == issuer {
        return !named.is_empty();
    }
    let origin = |text: &str| -> Option<Origin> {
        let url = Url::parse(text).ok()?;
        // An origin and nothing else, in its one form.
        (url.origin().to_string() == text).then(|| url.origin().clone())
    };
    match (origin(named), origin(issuer)) {
        (Some(named), Some(issuer)) => {
            named.host.is_loopback()
                && issuer.host.is_loopback()
                && (named.scheme, named.port) == (issuer.scheme, issuer.port)
        }
        _ => false,
    }
}

/// The half of a key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    kid: Rc<str>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl SigningKey {
    /// The key that these 32 secret bytes stand for.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let whole = sha256(&[pair.public_key().as_ref()]);
        let start = whole.get(..KID_BYTES)?;
        let kid = base64::encode_url(start).into();
        Some(Self { pair, kid })
    }

    /// Its name in the head of a token (`kid`): the beginning of a digest of its public half.
    #[must_use]
    pub fn kid(&self) -> Rc<str> {
        Rc::clone(&self.kid)
    }

    /// The half that everybody may have.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.pair
            .public_key()
            .as_ref()
            .try_into()
            .unwrap_or_default()
    }

    /// A token.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> Secret {
        self.sign_bytes(&Body::write(claims))
    }

    /// A good signature under whatever body.
    pub(super) fn sign_bytes(&self, body: &[u8]) -> Secret {
        let mut text = head_of(&self.kid);
        text.push('.');
        text.push_str(&base64::encode_url(body));
        let signature = self.pair.sign(text.as_bytes());
        text.push('.');
        text.push_str(&base64::encode_url(signature.as_ref()));
        text.into()
    }
}

/// Length of a digest that names a key, in bytes.
const KID_BYTES: usize = 9;

/// The only header that a token of this key has.
fn head_of(kid: &str) -> String {
    let head = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#);
    base64::encode_url(head.as_bytes())
}

/// The claims as they are written. Members that come twice, are missing or unknown are errors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    iss: std::borrow::Cow<'a, str>,
    aud: std::borrow::Cow<'a, str>,
    sub: std::borrow::Cow<'a, str>,
    client_id: std::borrow::Cow<'a, str>,
    scope: std::borrow::Cow<'a, str>,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: std::borrow::Cow<'a, str>,
}

impl Body<'_> {
    fn write(claims: &Claims) -> Vec<u8> {
        let body = Body {
            iss: (&*claims.issuer).into(),
            aud: (&*claims.audience).into(),
            sub: claims.grant.text().into(),
            client_id: (&*claims.client).into(),
            scope: claims.scopes.text().into(),
            iat: claims.issued.0,
            nbf: claims.not_before.0,
            exp: claims.expires.0,
            jti: base64::encode_url(&claims.id).into(),
        };
        // Nothing in it can fail to be written.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Claims> {
        let body: Body<'_> = serde_json::from_slice(bytes).ok()?;
        Some(Claims {
            issuer: body.iss.into(),
            audience: body.aud.into(),
            grant: GrantId::parse(&body.sub)?,
            client: body.client_id.into(),
            scopes: Scopes::parse(&body.scope).ok()?,
            issued: UnixSeconds(body.iat),
            not_before: UnixSeconds(body.nbf),
            expires: UnixSeconds(body.exp),
            id: base64::decode_url(&body.jti)?.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://mcp.example.com";
    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32]).unwrap()
    }

    fn keys() -> Keys {
        Keys {
            issuer: ISSUER.into(),
            keys: vec![(key().kid(), key().public())],
            ..Keys::default()
        }
    }

    fn claims() -> Claims {
        Claims {
            issuer: ISSUER.into(),
            audience: ISSUER.into(),
            grant: GrantId([3; 16]),
            client: "client \"1\"".into(),
            scopes: Scopes::parse("tag:a tag:b").unwrap(),
            issued: NOW,
            not_before: NOW,
            expires: UnixSeconds(NOW.0 + 3_600),
            id: [9; 16],
        }
    }

    fn token() -> String {
        key().sign(&claims()).reveal().to_owned()
    }

    fn check(text: &str) -> Result<Claims, Bad> {
        verify(&keys(), text, NOW)
    }

    fn at(text: &str, seconds: u64) -> Result<Claims, Bad> {
        verify(&keys(), text, UnixSeconds(seconds))
    }

    /// A good signature under whatever header and body.
    fn signed(head: &str, body: &[u8]) -> String {
        let head = base64::encode_url(head.as_bytes());
        let signed = format!("{head}.{}", base64::encode_url(body));
        let signature = key().pair.sign(signed.as_bytes());
        format!("{signed}.{}", base64::encode_url(signature.as_ref()))
    }

    fn head(alg: &str) -> String {
        format!(
            r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{}"}}"#,
            key().kid()
        )
    }

    fn body() -> String {
        String::from_utf8(Body::write(&claims())).unwrap()
    }

    #[test]
    fn what_was_signed_is_read_back() {
        assert_eq!(check(&token()), Ok(claims()));
        assert_eq!(
            check(&signed(&head("EdDSA"), body().as_bytes())),
            Ok(claims())
        );
        let nothing = Claims {
            scopes: Scopes::parse("").unwrap(),
            ..claims()
        };
        assert_eq!(check(key().sign(&nothing).reveal()), Ok(nothing));
        assert_eq!(
            format!("{:?}", key()),
            format!("SigningKey({})", key().kid())
        );
    }

    #[test]
    fn alg_confusion_none_hs256_and_everything_else_but_eddsa_is_refused() {
        let token = token();
        let (_, rest) = token.split_once('.').unwrap();
        let (body, _) = rest.split_once('.').unwrap();
        for alg in [
            "none", "None", "HS256", "ES256", "RS256", "eddsa", "Ed25519", "",
        ] {
            let head = head(alg);
            let encoded = base64::encode_url(head.as_bytes());
            assert_eq!(
                check(&format!("{encoded}.{body}.")),
                Err(Bad::Signature),
                "{alg}"
            );
            assert_eq!(
                check(&format!("{encoded}.{rest}")),
                Err(Bad::Signature),
                "{alg}"
            );
            // Even if we had signed it ourselves.
            let own = signed(&head, self::body().as_bytes());
            assert_eq!(check(&own), Err(Bad::Signature), "{alg}");
        }
        // The public half as a secret of HMAC.
        let encoded = base64::encode_url(head("HS256").as_bytes());
        let hmac_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key().public());
        let tag = ring::hmac::sign(&hmac_key, format!("{encoded}.{body}").as_bytes());
        let forged = format!("{encoded}.{body}.{}", base64::encode_url(tag.as_ref()));
        assert_eq!(check(&forged), Err(Bad::Signature));
    }

    #[test]
    fn headers_with_anything_more_less_or_elsewhere_are_refused() {
        let kid = key().kid();
        for head in [
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","crit":["exp"],"exp":1}}"#),
            format!(r#"{{"alg":"EdDSA","alg":"none","typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","jwk":{{}}}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","jku":"https://a.example"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#),
            format!(r#"{{ "alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
            r#"{"alg":"EdDSA","typ":"at+jwt"}"#.to_owned(),
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":""}"#.to_owned(),
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":"other"}"#.to_owned(),
            String::new(),
        ] {
            let own = signed(&head, body().as_bytes());
            assert_eq!(check(&own), Err(Bad::Signature), "{head}");
        }
    }

    #[test]
    fn signatures_that_are_cut_longer_changed_or_of_another_key_are_refused() {
        let token = token();
        let (start, signature) = token.rsplit_once('.').unwrap();
        let bytes = base64::decode_url(signature).unwrap();
        for length in 0..bytes.len() {
            let cut = format!("{start}.{}", base64::encode_url(&bytes[..length]));
            assert_eq!(check(&cut), Err(Bad::Signature), "{length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        let longer = format!("{start}.{}", base64::encode_url(&longer));
        assert_eq!(check(&longer), Err(Bad::Signature));
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = format!("{start}.{}", base64::encode_url(&changed));
            assert_eq!(check(&changed), Err(Bad::Signature), "{place}");
        }
        let stranger = SigningKey::from_seed(&[8; 32]).unwrap();
        assert_eq!(
            check(stranger.sign(&claims()).reveal()),
            Err(Bad::Signature)
        );
        // A stranger's signature under our key's name.
        let (start, _) = token.rsplit_once('.').unwrap();
        let forged = base64::encode_url(stranger.pair.sign(start.as_bytes()).as_ref());
        assert_eq!(check(&format!("{start}.{forged}")), Err(Bad::Signature));
    }

    #[test]
    fn a_signature_has_one_form_only() {
        // The order of the group, which some verifiers let one add to the second half.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let token = token();
        let (start, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = base64::decode_url(signature).unwrap();
        let mut carry = 0;
        for (byte, more) in bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        let other = format!("{start}.{}", base64::encode_url(&bytes));
        assert_eq!(check(&other), Err(Bad::Signature));
        // Bits behind the last byte that say nothing.
        let last = token.chars().last().unwrap();
        let next = char::from(last as u8 + 1);
        let sloppy = format!("{}{next}", &token[..token.len() - 1]);
        assert!(matches!(check(&sloppy), Err(Bad::Form | Bad::Signature)));
        for sloppy in [
            format!("{token}="),
            format!("{token}=="),
            format!(" {token}"),
        ] {
            assert!(check(&sloppy).is_err(), "{sloppy}");
        }
    }

    #[test]
    fn whatever_byte_is_changed_or_cut_off_nothing_of_it_is_good() {
        let token = token();
        for place in 0..token.len() {
            assert!(check(&token[..place]).is_err(), "{place}");
            for other in ["A", "B", ".", "=", "\n", "-"] {
                let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
                assert!(changed == token || check(&changed).is_err(), "{changed}");
            }
        }
        for text in ["", ".", "..", "...", "a.b", "a.b.c.d", "é.é.é"] {
            assert!(check(text).is_err(), "{text}");
        }
        assert!(check(&format!("{token}.{token}")).is_err());
    }

    #[test]
    fn claims_that_come_twice_are_missing_or_unknown_are_refused_even_if_signed() {
        let good = body();
        let twice = good.replacen('{', r#"{"exp":9999999999,"#, 1);
        let unknown = good.replacen('{', r#"{"admin":true,"#, 1);
        let scopes = good.replacen("tag:a", "admin", 1);
        let grant = good.replacen(&claims().grant.text(), "AAAA", 1);
        let text = good.replacen(&NOW.0.to_string(), r#""1""#, 1);
        let behind = format!("{good} x");
        let list = good.replacen(&format!(r#""aud":"{ISSUER}""#), r#""aud":[]"#, 1);
        for bad in [
            twice,
            unknown,
            scopes,
            grant,
            text,
            behind,
            list,
            "{}".into(),
            "[]".into(),
        ] {
            let token = key().sign_bytes(bad.as_bytes());
            assert_eq!(check(token.reveal()), Err(Bad::Form), "{bad}");
        }
    }

    #[test]
    fn r6_another_audience_or_issuer_is_refused() {
        for other in [
            "https://other.example",
            "https://mcp.example.com/",
            "",
            "https://MCP.example.com",
        ] {
            let audience = Claims {
                audience: other.into(),
                ..claims()
            };
            let issuer = Claims {
                issuer: other.into(),
                ..claims()
            };
            for claims in [audience, issuer] {
                assert_eq!(
                    check(key().sign(&claims).reveal()),
                    Err(Bad::Audience),
                    "{other}"
                );
            }
        }
        // Nobody comes in while we do not know who we are.
        let nameless = Claims {
            audience: "".into(),
            issuer: "".into(),
            ..claims()
        };
        let keys = Keys {
            issuer: "".into(),
            ..keys()
        };
        let token = key().sign(&nameless);
        assert_eq!(verify(&keys, token.reveal(), NOW), Err(Bad::Audience));
    }

    #[test]
    fn r6_the_spellings_of_our_loopback_origin_are_one_audience_and_other_ports_are_not() {
        let keys = Keys {
            issuer: "http://127.0.0.1:3050".into(),
            ..keys()
        };
        for (audience, good) in [
            ("http://127.0.0.1:3050", true),
            ("http://localhost:3050", true),
            ("http://[::1]:3050", true),
            ("http://localhost:3051", false),
            ("https://localhost:3050", false),
            ("http://localhost.example:3050", false),
            ("http://10.0.0.1:3050", false),
            ("http://localhost:3050/", false),
            ("http://127.0.0.1:3050/mcp", false),
            ("http://LOCALHOST:3050", false),
        ] {
            let claims = Claims {
                audience: audience.into(),
                issuer: audience.into(),
                ..claims()
            };
            let token = key().sign(&claims);
            let found = verify(&keys, token.reveal(), NOW);
            assert_eq!(found.is_ok(), good, "{audience}");
        }
        let local = Claims {
            audience: "http://localhost".into(),
            ..claims()
        };
        assert_eq!(check(key().sign(&local).reveal()), Err(Bad::Audience));
    }

    #[test]
    fn expired_tokens_have_no_leeway_and_early_ones_a_little() {
        let token = token();
        assert!(at(&token, NOW.0 + 3_599).is_ok());
        assert_eq!(at(&token, NOW.0 + 3_600), Err(Bad::Expired));
        assert!(at(&token, NOW.0 - TOKEN_EARLY_SECONDS_MAX).is_ok());
        assert_eq!(
            at(&token, NOW.0 - TOKEN_EARLY_SECONDS_MAX - 1),
            Err(Bad::NotYet)
        );
        let never = Claims {
            not_before: UnixSeconds(u64::MAX),
            expires: UnixSeconds(u64::MAX),
            ..claims()
        };
        assert_eq!(check(key().sign(&never).reveal()), Err(Bad::NotYet));
        let future = Claims {
            issued: UnixSeconds(NOW.0 + 1_000),
            ..claims()
        };
        assert_eq!(check(key().sign(&future).reveal()), Err(Bad::NotYet));
    }

    #[test]
    fn tokens_of_a_revoked_grant_are_refused_and_those_of_another_are_not() {
        let mut keys = keys();
        keys.revoked.insert(GrantId([4; 16]), UnixSeconds(0));
        assert!(verify(&keys, &token(), NOW).is_ok());
        keys.revoked.insert(GrantId([3; 16]), UnixSeconds(0));
        assert_eq!(verify(&keys, &token(), NOW), Err(Bad::Revoked));
    }

    #[test]
    fn a_key_that_was_rotated_away_is_good_no_more_and_two_keys_are_good_at_once() {
        let newer = SigningKey::from_seed(&[8; 32]).unwrap();
        let mut keys = keys();
        keys.keys.insert(0, (newer.kid(), newer.public()));
        assert!(verify(&keys, &token(), NOW).is_ok());
        assert!(verify(&keys, newer.sign(&claims()).reveal(), NOW).is_ok());
        keys.keys.pop();
        assert_eq!(verify(&keys, &token(), NOW), Err(Bad::Signature));
        assert_eq!(verify(&Keys::default(), &token(), NOW), Err(Bad::Signature));
    }

    #[test]
    fn x10_a_token_longer_than_the_limit_is_not_looked_at() {
        let long = |length: usize| Claims {
            client: "c".repeat(length).into(),
            ..claims()
        };
        let fits = key().sign(&long(TOKEN_BYTES_MAX / 2));
        assert!(check(fits.reveal()).is_ok());
        let longer = key().sign(&long(TOKEN_BYTES_MAX));
        assert_eq!(check(longer.reveal()), Err(Bad::Form));
    }
}
