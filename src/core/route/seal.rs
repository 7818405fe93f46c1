//! `requestState` (protocol S4, D15): what a client without a session carries from one round of a
//! call to the next. Sealed, so that it can neither be read nor made up, and bound to who asked for
//! what; good for a while, and only within this process. Never looks into what is nested in it.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::base::base64;
use crate::base::digest::Sha256;
use crate::base::slab::Key;
use crate::json::span::{Span, members, string_is};
use crate::limits::REQUEST_STATE_BYTES_MAX;
use crate::now::Tick;
use crate::principal::GrantId;
use crate::route::calls::Method;
use crate::route::errors::Failure;
use crate::route::suspended::{Round, SuspendedKey};

/// Members of `params` that differ from round to round.
const CHANGING: [&str; 3] = [INPUT_RESPONSES, REQUEST_STATE, "_meta"];
/// The answers to the questions of the last round.
pub(crate) const INPUT_RESPONSES: &str = "inputResponses";
/// What came with those questions.
pub(crate) const REQUEST_STATE: &str = "requestState";

/// What a state says. The bytes of a server are kept as they stood in its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A server with sessions works on the call, here.
    Suspended {
        /// Which call that is.
        suspended: SuspendedKey,
        /// The round that was asked.
        round: Round,
    },
    /// A server without sessions asked, and keeps nothing.
    Nested {
        /// Its name in the configuration.
        server: String,
        /// Its own state, raw JSON, if it gave one.
        state: Option<Vec<u8>>,
    },
    /// A server with sessions ended the call until a URL was visited: it is made again.
    Elicited,
}

/// What a state is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Who asked; `None` as long as requests come without anybody's token.
    pub(crate) principal: Option<GrantId>,
    /// What for.
    pub(crate) method: Method,
    /// With which parameters: [`digest`].
    pub(crate) digest: [u8; 32],
}

impl Bound {
    /// What a state for a request with these parameters is bound to.
    pub(crate) fn of(
        principal: Option<GrantId>,
        method: Method,
        text: &[u8],
        params: Option<Span>,
    ) -> Self {
        Self {
            principal,
            method,
            digest: digest(text, params),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let method = match self.method {
            Method::Tool | Method::Task(_) => 0,
            Method::Prompt => 1,
            Method::Read => 2,
            Method::Subscribe => 3,
            Method::Unsubscribe => 4,
            Method::Complete => 5,
        };
        let principal = self.principal.map(|grant| grant.0);
        let principal = principal.as_ref().map(|bytes| &bytes[..]);
        [&[method], &self.digest[..], principal.unwrap_or_default()].concat()
    }
}

/// The parameters of a call without what changes from round to round.
#[must_use]
pub(crate) fn digest(text: &[u8], params: Option<Span>) -> [u8; 32] {
    let mut whole = Sha256::default();
    for (key, value) in params.into_iter().flat_map(|params| members(text, params)) {
        if !CHANGING.iter().any(|name| string_is(text, key, name)) {
            // Each of the two is one JSON value, so the sequence can be read in one way only.
            whole.add(key.of(text));
            whole.add(value.of(text));
        }
    }
    whole.finish()
}

/// Seals and opens states.
pub(crate) struct Seal {
    key: [u8; 32],
    /// Under one key, no number may seal twice.
    sealed: u64,
}

impl Seal {
    /// A seal of this process, from its randomness.
    #[must_use]
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self { key, sealed: 0 }
    }

    fn key(&self) -> Option<LessSafeKey> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.key).ok()?;
        Some(LessSafeKey::new(key))
    }

    /// A state as text that needs no escapes; `None` if it would be longer than
    /// [`REQUEST_STATE_BYTES_MAX`].
    pub(crate) fn seal(&mut self, of: Bound, until: Tick, state: &State) -> Option<String> {
        self.sealed = self.sealed.checked_add(1)?;
        let number = self.sealed.to_le_bytes();
        let mut sealed = until.0.to_le_bytes().to_vec();
        state.write(&mut sealed);
        self.key()?
            .seal_in_place_append_tag(nonce(number), Aad::from(of.bytes()), &mut sealed)
            .ok()?;
        sealed.splice(..0, number);
        let text = base64::encode_url(&sealed);
        (text.len() <= REQUEST_STATE_BYTES_MAX).then_some(text)
    }

    /// What a state says that came back.
    ///
    /// # Errors
    /// It is not one of ours, or not for this, or too old: nobody is told which.
    pub(crate) fn open(&self, of: Bound, now: Tick, text: &str) -> Result<State, Failure> {
        self.opened(of, now, text).ok_or_else(stale)
    }

    fn opened(&self, of: Bound, now: Tick, text: &str) -> Option<State> {
        if text.len() > REQUEST_STATE_BYTES_MAX {
            return None;
        }
        let mut sealed = base64::decode_url(text)?;
        let (number, sealed) = sealed.split_first_chunk_mut()?;
        let plain = self
            .key()?
            .open_in_place(nonce(*number), Aad::from(of.bytes()), sealed)
            .ok()?;
        let (until, state) = plain.split_first_chunk()?;
        let until = Tick(u64::from_le_bytes(*until));
        (now < until).then(|| State::read(state)).flatten()
    }
}

/// The answer to a state that is not good (any more).
#[must_use]
pub(crate) fn stale() -> Failure {
    Failure::params("request state expired or not ours: start over without it")
}

fn nonce(number: [u8; 8]) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    for (byte, with) in nonce.iter_mut().zip(number) {
        *byte = with;
    }
    Nonce::assume_unique_for_key(nonce)
}

const SUSPENDED: u8 = 0;
const NESTED: u8 = 1;
const NESTED_WITHOUT: u8 = 2;
const ELICITED: u8 = 3;

impl State {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Suspended { suspended, round } => {
                out.push(SUSPENDED);
                out.extend(suspended.0.index.to_le_bytes());
                out.extend(suspended.0.generation.to_le_bytes());
                out.extend(round);
            }
            Self::Nested { server, state } => {
                out.push(match state {
                    Some(_) => NESTED,
                    None => NESTED_WITHOUT,
                });
                out.extend((server.len() as u64).to_le_bytes());
                out.extend(server.as_bytes());
                out.extend(state.as_deref().unwrap_or_default());
            }
            Self::Elicited => out.push(ELICITED),
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            SUSPENDED => {
                let (index, rest) = rest.split_first_chunk()?;
                let (generation, round) = rest.split_first_chunk()?;
                let index = u32::from_le_bytes(*index);
                let generation = u32::from_le_bytes(*generation);
                Some(Self::Suspended {
                    suspended: SuspendedKey(Key { index, generation }),
                    round: round.try_into().ok()?,
                })
            }
            NESTED | NESTED_WITHOUT => {
                let (length, rest) = rest.split_first_chunk()?;
                let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
                let (server, state) = rest.split_at_checked(length)?;
                Some(Self::Nested {
                    server: String::from_utf8(server.to_vec()).ok()?,
                    state: (*kind == NESTED).then(|| state.to_vec()),
                })
            }
            ELICITED => Some(Self::Elicited),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: Tick = Tick(1_000);
    const NOW: Tick = Tick(999);

    fn bound(text: &str) -> Bound {
        Bound {
            principal: Some(GrantId([7; 16])),
            method: Method::Tool,
            digest: digest(text.as_bytes(), Some(Span::whole(text.as_bytes()))),
        }
    }

    fn states() -> [State; 4] {
        let key = Key {
            index: 7,
            generation: u32::MAX,
        };
        let nested = |state: Option<&[u8]>| State::Nested {
            server: "café".to_owned(),
            state: state.map(<[u8]>::to_vec),
        };
        [
            State::Suspended {
                suspended: SuspendedKey(key),
                round: [9; 16],
            },
            nested(Some(br#""\u0061=/+\\""#)),
            nested(None),
            State::Elicited,
        ]
    }

    #[test]
    fn d15_what_was_sealed_comes_back_and_no_text_twice() {
        let mut seal = Seal::new([1; 32]);
        let of = bound(r#"{"name":"t"}"#);
        let mut seen = std::collections::BTreeSet::new();
        for state in states().into_iter().chain(states()) {
            let text = seal.seal(of, UNTIL, &state).unwrap();
            assert!(
                text.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            );
            assert_eq!(seal.open(of, NOW, &text), Ok(state));
            assert!(seen.insert(text));
        }
    }

    #[test]
    fn d15_tampered_or_cut_at_any_byte_it_is_nobodys() {
        let mut seal = Seal::new([1; 32]);
        let of = bound("{}");
        for state in states() {
            let text = seal.seal(of, UNTIL, &state).unwrap();
            for at in 0..text.len() {
                for with in ["A", "B", "_", "=", "é", ""] {
                    let mut other = text.clone();
                    other.replace_range(at..=at, with);
                    if other != text {
                        assert_eq!(seal.open(of, NOW, &other), Err(stale()), "{at} {with}");
                    }
                }
                assert_eq!(seal.open(of, NOW, &text[..at]), Err(stale()), "{at}");
            }
            let longer = format!("{text}A");
            assert_eq!(seal.open(of, NOW, &longer), Err(stale()));
        }
        for text in ["", "AAAA", "TAMPERED", &"A".repeat(100)] {
            assert_eq!(seal.open(of, NOW, text), Err(stale()), "{text}");
        }
    }

    #[test]
    fn d15_it_is_for_one_person_one_method_one_set_of_parameters_and_a_while() {
        let mut seal = Seal::new([1; 32]);
        let of = bound(r#"{"name":"t","arguments":{"a":1}}"#);
        let text = seal.seal(of, UNTIL, &State::Elicited).unwrap();
        let method = Method::Prompt;
        let other = |principal| Bound { principal, ..of };
        let foreign = [
            other(None),
            other(Some(GrantId([8; 16]))),
            Bound { method, ..of },
            bound(r#"{"name":"t","arguments":{"a":2}}"#),
            bound(r#"{"name":"u","arguments":{"a":1}}"#),
            bound(r#"{"name":"t"}"#),
            bound("{}"),
        ];
        for other in foreign {
            assert_eq!(seal.open(other, NOW, &text), Err(stale()), "{other:?}");
        }
        assert_eq!(seal.open(of, UNTIL, &text), Err(stale()));
        assert_eq!(Seal::new([2; 32]).open(of, NOW, &text), Err(stale()));
        assert_eq!(seal.open(of, NOW, &text), Ok(State::Elicited));
    }

    #[test]
    fn what_changes_from_round_to_round_does_not_count() {
        let first = bound(r#"{"name":"t","_meta":{"progressToken":1},"arguments":{}}"#);
        let later = bound(
            r#"{"name":"t","arguments":{},"inputResponses":{"k":{}},"request\u0053tate":"x","_meta":{}}"#,
        );
        assert_eq!(first.digest, later.digest);
        let moved = bound(r#"{"name":"t","x":{"arguments":{}}}"#);
        assert_ne!(first.digest, moved.digest);
        assert_eq!(
            digest(b"", None),
            digest(b"{}", Some(Span { start: 0, end: 2 }))
        );
    }

    #[test]
    fn a_state_has_a_longest_length() {
        let mut seal = Seal::new([1; 32]);
        let of = bound("{}");
        let nested = |length| State::Nested {
            server: "s".to_owned(),
            state: Some(vec![b'x'; length]),
        };
        let fits = seal.seal(of, UNTIL, &nested(REQUEST_STATE_BYTES_MAX / 4 * 3 - 50));
        assert!(seal.open(of, NOW, &fits.unwrap()).is_ok());
        let state = nested(REQUEST_STATE_BYTES_MAX / 4 * 3);
        assert_eq!(seal.seal(of, UNTIL, &state), None);
        let long = "A".repeat(REQUEST_STATE_BYTES_MAX + 4);
        assert_eq!(seal.open(of, NOW, &long), Err(stale()));
    }
}
