//! Authorization codes (protocol S6): 60 seconds, once, for whom they were made. They live in
//! memory, as hashes; a restart costs the clients that were just coming in another attempt.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::record::Digest;
use crate::base::base64;
use crate::base::digest::{same, sha256};
use crate::entropy::Entropy;
use crate::limits::{CODE_KNOWN_MS, CODE_MS, CODES_MAX};
use crate::now::Tick;
use crate::principal::{GrantId, Scopes};

/// What the owner agreed to.
#[derive(Clone, Debug)]
pub(super) struct Consent {
    /// Which client.
    pub(super) client: Rc<str>,
    /// What it calls itself.
    pub(super) client_name: String,
    /// Whether it gets a refresh token.
    pub(super) refreshes: bool,
    /// Where the code was sent.
    pub(super) redirect: String,
    /// What its verifier has to hash to, in base64url.
    pub(super) challenge: String,
    /// To what.
    pub(super) scopes: Scopes,
}

/// How far a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    /// The grant made from it is being stored, or is there.
    Used(GrantId),
    /// Somebody showed it who had not all that belongs to it.
    Burnt,
}

#[derive(Debug)]
struct Code {
    consent: Consent,
    created: Tick,
    state: State,
}

/// What comes with a code at `/token`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    pub(super) code: &'a str,
    pub(super) client: &'a str,
    /// Clients of OAuth 2.1 need not repeat it (its section 10.2): PKCE binds the code.
    pub(super) redirect: Option<&'a str>,
    pub(super) verifier: &'a str,
}

/// Why a code is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worthless {
    /// There is none, its time is over, or it is somebody else's.
    Unknown,
    /// This grant was made from it, and has to go (S6).
    Reused(GrantId),
}

/// Names a code without being one.
pub(super) type CodeKey = [u8; 32];

/// All codes.
#[derive(Debug, Default)]
pub(super) struct Codes(BTreeMap<CodeKey, Code>);

impl Codes {
    /// A new code; the oldest one makes room.
    pub(super) fn make(&mut self, consent: Consent, now: Tick, entropy: &mut Entropy) -> String {
        self.forget(now);
        if self.0.len() >= CODES_MAX {
            let oldest = self.0.iter().min_by_key(|(_, code)| code.created);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.0.remove(&key);
            }
        }
        let text = base64::encode_url(&entropy.block());
        let code = Code {
            consent,
            created: now,
            state: State::Live,
        };
        self.0.insert(Digest::of(&text).0, code);
        text
    }

    /// Takes a code in exchange for a grant with this id. Whoever shows it wrongly burns it: it is
    /// not his, and so others have it.
    pub(super) fn redeem(
        &mut self,
        shown: Shown<'_>,
        grant: GrantId,
        now: Tick,
    ) -> Result<(CodeKey, Consent), Worthless> {
        let key = Digest::of(shown.code).0;
        let code = self.0.get_mut(&key).ok_or(Worthless::Unknown)?;
        match code.state {
            State::Used(grant) => {
                code.state = State::Burnt;
                return Err(Worthless::Reused(grant));
            }
            State::Burnt => return Err(Worthless::Unknown),
            State::Live => {}
        }
        let consent = &code.consent;
        let fits = now.since(code.created) < CODE_MS
            && *consent.client == *shown.client
            && shown.redirect.is_none_or(|shown| consent.redirect == shown)
            && verifies(&consent.challenge, shown.verifier);
        code.state = if fits {
            State::Used(grant)
        } else {
            State::Burnt
        };
        fits.then(|| (key, code.consent.clone()))
            .ok_or(Worthless::Unknown)
    }

    /// The grant could not be stored: the code is good again, unless it was shown twice by now.
    pub(super) fn restore(&mut self, key: &CodeKey) {
        let used = |code: &&mut Code| matches!(code.state, State::Used(_));
        if let Some(code) = self.0.get_mut(key).filter(used) {
            code.state = State::Live;
        }
    }

    /// Whether this client has a code that it can still use.
    pub(super) fn has_of(&self, client: &str) -> bool {
        let mut codes = self.0.values();
        codes.any(|code| code.state != State::Burnt && *code.consent.client == *client)
    }

    /// Forgets codes of which nobody has to know any more that they were used.
    pub(super) fn forget(&mut self, now: Tick) {
        self.0
            .retain(|_, code| now.since(code.created) < CODE_KNOWN_MS);
    }

    /// When [`Codes::forget`] has something to do.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let created = self.0.values().map(|code| code.created);
        created.min().map(|at| at.after(CODE_KNOWN_MS))
    }
}

/// RFC 7636 section 4.6, S256 only.
fn verifies(challenge: &str, verifier: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let shape = (43..=128).contains(&verifier.len()) && verifier.bytes().all(letter);
    let expected = base64::decode_url(challenge);
    shape && expected.is_some_and(|expected| same(&expected, &sha256(&[verifier.as_bytes()])))
}
