//! The front door (protocol R1-R9): who may come in with which token. Knows keys and revoked
//! grants, no records; remembers tokens that it has verified.
//!
//! Nothing here takes longer for a better guess: tokens that are known are looked for by their
//! digest, and all others are as good as their signature, whose check needs no secret.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::base::digest::sha256;
use crate::base::mark::Mark;
use crate::http1::server::Headers;
use crate::limits::TOKENS_KNOWN_MAX;
use crate::now::UnixSeconds;
use crate::oauth::token::{Bad, verify};
use crate::principal::{GrantId, MCP, Principal};

/// What tokens are checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Our origin: issuer and audience of every token. Empty: nobody comes in.
    pub issuer: Rc<str>,
    /// Names of keys, and the keys.
    pub keys: Vec<(Rc<str>, [u8; 32])>,
    /// Grants that were revoked, until their last token has expired.
    pub revoked: BTreeMap<GrantId, UnixSeconds>,
}

/// Why a request does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// No keys are known yet, so a good token cannot be told from a bad one: 503.
    Closed,
    /// No token: 401 (R2).
    Nobody,
    /// A token that is not good: 401 (R2).
    Bad(Bad),
    /// Not one token in the one place for it: 400 (R1, R4).
    Malformed(&'static str),
}

impl Turned {
    /// Status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Closed => 503,
            Self::Nobody | Self::Bad(_) => 401,
            Self::Malformed(_) => 400,
        }
    }

    /// What is wrong, in a sentence that helps nobody to guess.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Closed => "1mcp has not read its keys yet",
            Self::Nobody => "this needs an access token",
            Self::Bad(Bad::Expired) => "the access token has expired",
            Self::Bad(Bad::Revoked) => "the access token was revoked",
            Self::Bad(Bad::NotYet) => "the access token is not valid yet",
            Self::Bad(Bad::Form | Bad::Signature | Bad::Audience) => {
                "the access token is not valid here"
            }
            Self::Malformed(why) => why,
        }
    }

    /// The `WWW-Authenticate` field of the answer. `metadata` is the URL of the metadata of what
    /// was asked for. An error is named only if there was a token.
    #[must_use]
    pub fn challenge(self, metadata: &str) -> Option<String> {
        let place = format!("resource_metadata=\"{metadata}\", scope=\"{MCP}\"");
        let error = match self {
            Self::Closed => return None,
            Self::Nobody => return Some(format!("Bearer {place}")),
            Self::Bad(_) => "invalid_token",
            Self::Malformed(_) => "invalid_request",
        };
        let why = self.why();
        Some(format!(
            "Bearer error=\"{error}\", error_description=\"{why}\", {place}"
        ))
    }
}

/// The `WWW-Authenticate` field of a 403: a good token, and too few scopes (R3).
#[must_use]
pub fn insufficient(scopes: &str, metadata: &str) -> String {
    format!(
        "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", \
         resource_metadata=\"{metadata}\", error_description=\"the access token does not cover this\""
    )
}

/// Where the metadata are of a resource of ours, by what was asked for: clients compare the
/// resource with their URL byte by byte (RFC 9728 section 3.3), with its slash and its query. What
/// is posted to `/messages` belongs to the stream on `/sse`.
#[must_use]
pub fn metadata(origin: &str, path: &str, query: Option<&str>) -> String {
    let (resource, query) = match path {
        "/sse" | "/sse/" | "/mcp/" => (path, query),
        "/messages" | "/messages/" => ("/sse", None),
        _ => ("/mcp", query),
    };
    let fits = |query: &&str| {
        // It stands between quotation marks, and tokens are nobody's resource.
        !query.contains(['"', '\\']) && !query.contains("access_token")
    };
    let query = query.filter(fits).map(|query| ["?", query].concat());
    let query = query.unwrap_or_default();
    format!("{origin}/.well-known/oauth-protected-resource{resource}{query}")
}

/// See the module.
#[derive(Debug, Default)]
pub struct Door {
    keys: Option<Keys>,
    known: BTreeMap<[u8; 32], Rc<Principal>>,
    /// What is known, oldest first; some of it may have expired and gone.
    order: VecDeque<[u8; 32]>,
}

impl Door {
    /// Tokens are checked against this from now on. What is known stays known only if that changes
    /// nothing for it.
    pub fn set_keys(&mut self, keys: Keys) {
        let same = |old: &Keys| old.issuer == keys.issuer && old.keys == keys.keys;
        if self.keys.as_ref().is_some_and(same) {
            self.known
                .retain(|_, who| !keys.revoked.contains_key(&who.grant));
        } else {
            self.known.clear();
            self.order.clear();
        }
        self.keys = Some(keys);
    }

    /// Who sends a request with this query and these fields.
    ///
    /// # Errors
    /// Why it is not served.
    pub fn admit(
        &mut self,
        now: UnixSeconds,
        query: Option<&str>,
        headers: &Headers,
    ) -> Result<Rc<Principal>, Turned> {
        let token = presented(query, headers)?;
        let keys = self.keys.as_ref().ok_or(Turned::Closed)?;
        let token = token.ok_or(Turned::Nobody)?;
        let digest = sha256(&[token.as_bytes()]);
        if let Some(who) = self.known.get(&digest) {
            Mark::TokenKnown.hit();
            if now < who.expires {
                return Ok(Rc::clone(who));
            }
            self.known.remove(&digest);
            return Err(Turned::Bad(Bad::Expired));
        }
        // What is known was read before: only a new one is looked at.
        if token.is_empty() || !token.bytes().all(is_token_byte) {
            return Err(Turned::Malformed("Bearer must be followed by one token"));
        }
        let claims = verify(keys, token, now).map_err(Turned::Bad)?;
        let who = Rc::new(Principal {
            grant: claims.grant,
            client: claims.client,
            scopes: claims.scopes,
            expires: claims.expires,
        });
        self.remember(digest, Rc::clone(&who));
        Ok(who)
    }

    fn remember(&mut self, digest: [u8; 32], who: Rc<Principal>) {
        while self.order.len() >= TOKENS_KNOWN_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        self.order.push_back(digest);
        self.known.insert(digest, who);
    }
}

/// The token of a request (RFC 6750 section 2.1): one `Authorization` field that says `Bearer`, and
/// what follows. Other schemes are no token.
fn presented<'a>(query: Option<&str>, headers: &'a Headers) -> Result<Option<&'a str>, Turned> {
    let is_token = |pair: &str| pair.split('=').next() == Some("access_token");
    if query.is_some_and(|query| query.split('&').any(is_token)) {
        // It stands in logs and histories now.
        return Err(Turned::Malformed(
            "a token belongs into the Authorization field, never into the query",
        ));
    }
    let mut fields = headers.all("authorization");
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Turned::Malformed("Authorization stands here twice"));
    }
    let (scheme, token) = field.split_once(' ').unwrap_or((field, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim_start_matches(' ');
    Ok(Some(token))
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::mark::must_hit;
    use crate::oauth::token::{Claims, SigningKey};
    use crate::principal::Scopes;

    const ISSUER: &str = "https://mcp.example.com";
    const NOW: UnixSeconds = UnixSeconds(1_000);

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

    fn open() -> Door {
        let mut door = Door::default();
        door.set_keys(keys());
        door
    }

    fn token(grant: u8, expires: u64) -> String {
        let claims = Claims {
            issuer: ISSUER.into(),
            audience: ISSUER.into(),
            grant: GrantId([grant; 16]),
            client: "c".into(),
            scopes: Scopes::All,
            issued: NOW,
            not_before: NOW,
            expires: UnixSeconds(expires),
            id: [grant; 16],
        };
        key().sign(&claims).reveal().to_owned()
    }

    fn says(door: &mut Door, fields: &[&str]) -> Result<u8, Turned> {
        asks(door, None, fields, NOW)
    }

    fn asks(
        door: &mut Door,
        query: Option<&str>,
        fields: &[&str],
        now: UnixSeconds,
    ) -> Result<u8, Turned> {
        let fields: Vec<_> = fields
            .iter()
            .map(|value| ("Authorization", *value))
            .collect();
        let who = door.admit(now, query, &Headers::of(&fields))?;
        Ok(who.grant.0[0])
    }

    #[test]
    fn r1_a_bearer_token_comes_in_however_the_scheme_is_written() {
        let token = token(1, 2_000);
        for field in ["Bearer ", "bearer ", "BEARER  "] {
            assert_eq!(says(&mut open(), &[&format!("{field}{token}")]), Ok(1));
        }
    }

    #[test]
    fn r2_r4_no_token_is_401_and_no_whole_token_is_400() {
        let token = token(1, 2_000);
        let malformed =
            |found: Result<u8, Turned>| found.is_err_and(|turned| turned.status() == 400);
        let mut door = open();
        assert_eq!(says(&mut door, &[]), Err(Turned::Nobody));
        assert_eq!(says(&mut door, &["Basic eA=="]), Err(Turned::Nobody));
        assert_eq!(says(&mut door, &["Basic"]), Err(Turned::Nobody));
        assert_eq!(says(&mut door, &[""]), Err(Turned::Nobody));
        assert_eq!(says(&mut door, &[&token]), Err(Turned::Nobody));
        for field in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \"a\"",
            "Bearer é",
        ] {
            assert!(malformed(says(&mut door, &[field])), "{field}");
        }
        let good = format!("Bearer {token}");
        assert!(malformed(says(&mut door, &[&good, &good])));
        assert!(malformed(says(&mut door, &[&good, "Basic eA=="])));
        assert_eq!(says(&mut door, &["Bearer x"]), Err(Turned::Bad(Bad::Form)));
    }

    #[test]
    fn r1_a_token_in_the_query_is_refused_also_beside_a_good_one() {
        let token = token(1, 2_000);
        let good = format!("Bearer {token}");
        let query = format!("a=b&access_token={token}");
        for fields in [&[][..], &[good.as_str()]] {
            let found = asks(&mut open(), Some(&query), fields, NOW);
            assert_eq!(found.map_err(Turned::status), Err(400));
        }
        let other = asks(&mut open(), Some("tags=access_token"), &[&good], NOW);
        assert_eq!(other, Ok(1));
    }

    #[test]
    fn nobody_comes_in_before_there_are_keys() {
        let good = format!("Bearer {}", token(1, 2_000));
        let mut door = Door::default();
        assert_eq!(says(&mut door, &[&good]), Err(Turned::Closed));
        assert_eq!(says(&mut door, &[]), Err(Turned::Closed));
        door.set_keys(Keys::default());
        assert_eq!(says(&mut door, &[&good]), Err(Turned::Bad(Bad::Signature)));
        door.set_keys(keys());
        assert_eq!(says(&mut door, &[&good]), Ok(1));
    }

    #[test]
    fn a_token_is_known_until_it_expires_and_no_longer() {
        let _known = must_hit(Mark::TokenKnown);
        let good = format!("Bearer {}", token(1, 1_010));
        let mut door = open();
        for now in [1_000, 1_009] {
            assert_eq!(asks(&mut door, None, &[&good], UnixSeconds(now)), Ok(1));
        }
        for now in [1_010, 1_011] {
            let found = asks(&mut door, None, &[&good], UnixSeconds(now));
            assert_eq!(found, Err(Turned::Bad(Bad::Expired)));
        }
        assert!(door.known.is_empty());
    }

    #[test]
    fn a_known_token_is_refused_once_its_grant_is_revoked_or_its_key_gone() {
        let [one, two] = [1, 2].map(|grant| format!("Bearer {}", token(grant, 2_000)));
        let mut door = open();
        assert_eq!(
            (says(&mut door, &[&one]), says(&mut door, &[&two])),
            (Ok(1), Ok(2))
        );
        let mut revoked = keys();
        revoked.revoked.insert(GrantId([1; 16]), UnixSeconds(2_000));
        door.set_keys(revoked);
        assert_eq!(door.known.len(), 1);
        assert_eq!(says(&mut door, &[&one]), Err(Turned::Bad(Bad::Revoked)));
        assert_eq!(says(&mut door, &[&two]), Ok(2));
        door.set_keys(Keys {
            keys: Vec::new(),
            ..keys()
        });
        assert_eq!(says(&mut door, &[&two]), Err(Turned::Bad(Bad::Signature)));
        door.set_keys(Keys {
            issuer: "https://a.example".into(),
            ..keys()
        });
        assert_eq!(says(&mut door, &[&two]), Err(Turned::Bad(Bad::Audience)));
    }

    #[test]
    fn x10_the_oldest_of_too_many_known_tokens_is_forgotten_and_checked_again() {
        let mut door = open();
        let first = format!("Bearer {}", token(1, 2_000));
        assert_eq!(says(&mut door, &[&first]), Ok(1));
        let who = Rc::clone(door.known.values().next().unwrap());
        for number in 0..TOKENS_KNOWN_MAX {
            door.remember(sha256(&[number.to_string().as_bytes()]), Rc::clone(&who));
        }
        assert_eq!(
            (door.known.len(), door.order.len()),
            (TOKENS_KNOWN_MAX, TOKENS_KNOWN_MAX)
        );
        assert!(!door.known.contains_key(&sha256(&[&first.as_bytes()[7..]])));
        assert_eq!(says(&mut door, &[&first]), Ok(1));
        assert_eq!(door.known.len(), TOKENS_KNOWN_MAX);
    }

    #[test]
    fn bad_tokens_are_not_remembered() {
        let mut door = open();
        for number in 0..10 {
            assert!(says(&mut door, &[&format!("Bearer {number}")]).is_err());
        }
        assert!(door.known.is_empty() && door.order.is_empty());
    }

    #[test]
    fn r2_r3_the_challenges_as_they_are_sent() {
        let metadata = metadata("https://a.example", "/mcp", None);
        let place = "resource_metadata=\"https://a.example/.well-known/oauth-protected-resource/mcp\", \
                     scope=\"mcp\"";
        assert_eq!(
            Turned::Nobody.challenge(&metadata),
            Some(format!("Bearer {place}"))
        );
        assert_eq!(
            Turned::Bad(Bad::Expired).challenge(&metadata),
            Some(format!(
                "Bearer error=\"invalid_token\", \
                 error_description=\"the access token has expired\", {place}"
            ))
        );
        assert!(
            Turned::Malformed("x")
                .challenge(&metadata)
                .is_some_and(|field| field.contains("error=\"invalid_request\""))
        );
        assert_eq!(Turned::Closed.challenge(&metadata), None);
        assert_eq!(
            insufficient("tag:a tag:b", &metadata),
            "Bearer error=\"insufficient_scope\", scope=\"tag:a tag:b\", \
             resource_metadata=\"https://a.example/.well-known/oauth-protected-resource/mcp\", \
             error_description=\"the access token does not cover this\""
        );
    }

    #[test]
    fn r5_the_metadata_are_those_of_the_endpoint_that_was_asked() {
        for (path, resource) in [
            ("/mcp", "/mcp"),
            ("/mcp/", "/mcp/"),
            ("/mcp?preset=x", "/mcp?preset=x"),
            ("/mcp?x=\"y", "/mcp"),
            ("/mcp?access_token=x", "/mcp"),
            ("/sse", "/sse"),
            ("/sse/", "/sse/"),
            ("/sse?tags=a", "/sse?tags=a"),
            ("/messages", "/sse"),
            ("/messages?sessionId=x", "/sse"),
        ] {
            let (path, query) = match path.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (path, None),
            };
            let url = format!("o/.well-known/oauth-protected-resource{resource}");
            assert_eq!(metadata("o", path, query), url, "{path}");
        }
    }
}
