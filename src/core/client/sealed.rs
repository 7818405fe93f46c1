//! What the name of a session says, sealed so that nobody but us can read it, make one up or change
//! one: enough to go on with a session that this process never opened (contract 5).
//!
//! ```text
//! format 1 | nonce 12 | sealed: random 16, boot 8, number 8, created 8, version 1,
//!                               capabilities 2, principal 1 + 16 | tag 16      in base64url
//! ```
//!
//! All names are equally long, whatever they say. Never decides whether a session may go on.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::base::base64;
use crate::entropy::Entropy;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::version::Version;
use crate::now::UnixSeconds;
use crate::principal::GrantId;

/// The first byte of every name; another one is none of ours.
const FORMAT: u8 = 1;
const TAG_BYTES: usize = 16;
const PLAIN_BYTES: usize = 60;
const SEALED_BYTES: usize = 1 + NONCE_LEN + PLAIN_BYTES + TAG_BYTES;
/// Characters of a name.
const TEXT_BYTES: usize = (SEALED_BYTES * 4).div_ceil(3);

/// One run of this program: 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BootId(pub(super) [u8; 8]);

/// What names are sealed with. Cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(pub(super) [u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What was agreed on when a session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Birth {
    /// In which run.
    pub(super) boot: BootId,
    /// Which one of that run, counted from 0.
    pub(super) number: u64,
    /// When.
    pub(super) created: UnixSeconds,
    /// The revision that is spoken.
    pub(super) version: Version,
    /// What the client declared.
    pub(super) capabilities: ClientCapabilities,
    /// Whose it is, if somebody's token opened it.
    pub(super) grant: Option<GrantId>,
}

/// A name; `None` only if the key is no key, which ours are.
pub(super) fn seal(birth: &Birth, key: &Key, entropy: &mut Entropy) -> Option<String> {
    let (random, nonce) = (entropy.block(), entropy.block());
    let nonce: [u8; NONCE_LEN] = *nonce.first_chunk()?;
    let mut sealed = Vec::with_capacity(SEALED_BYTES);
    sealed.extend(random.first_chunk::<16>()?);
    write(birth, &mut sealed);
    opener(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from([FORMAT]),
            &mut sealed,
        )
        .ok()?;
    let whole = [&[FORMAT], &nonce[..], &sealed].concat();
    Some(base64::encode_url(&whole))
}

/// What a name says; `None` if none of these keys has sealed it.
pub(super) fn open<'a>(text: &str, keys: impl Iterator<Item = &'a Key>) -> Option<Birth> {
    if text.len() != TEXT_BYTES {
        return None;
    }
    let whole = base64::decode_url(text)?;
    let (format, rest) = whole.split_first()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    if *format != FORMAT {
        return None;
    }
    let mut found = None;
    for key in keys {
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        // Every key is tried, so that the time tells nothing of which one it was.
        let plain = opener(key)?.open_in_place(nonce, Aad::from([FORMAT]), &mut sealed);
        found = found.or(plain.ok().and_then(|plain| read(plain)));
    }
    found
}

fn opener(key: &Key) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &key.0).ok()?;
    Some(LessSafeKey::new(key))
}

fn write(birth: &Birth, out: &mut Vec<u8>) {
    out.extend(birth.boot.0);
    out.extend(birth.number.to_le_bytes());
    out.extend(birth.created.0.to_le_bytes());
    let version = Version::ALL.iter().position(|one| *one == birth.version);
    out.push(version.and_then(|at| u8::try_from(at).ok()).unwrap_or(0xff));
    out.extend(bits(birth.capabilities).to_le_bytes());
    out.push(u8::from(birth.grant.is_some()));
    out.extend(birth.grant.map_or([0; 16], |grant| grant.0));
}

/// What was written behind the random bytes.
fn read(plain: &[u8]) -> Option<Birth> {
    let (_random, rest) = plain.split_first_chunk::<16>()?;
    let (boot, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (created, rest) = rest.split_first_chunk()?;
    let (version, rest) = rest.split_first()?;
    let (capabilities, rest) = rest.split_first_chunk()?;
    let (has_grant, rest) = rest.split_first()?;
    let grant = GrantId(rest.try_into().ok()?);
    Some(Birth {
        boot: BootId(*boot),
        number: u64::from_le_bytes(*number),
        created: UnixSeconds(u64::from_le_bytes(*created)),
        version: *Version::ALL.get(usize::from(*version))?,
        capabilities: declared(u16::from_le_bytes(*capabilities)),
        grant: (*has_grant == 1).then_some(grant),
    })
}

/// One bit for each. The order is part of the format: new ones come last.
const fn bits(of: ClientCapabilities) -> u16 {
    let ClientCapabilities {
        roots,
        roots_list_changed,
        sampling,
        sampling_tools,
        sampling_context,
        elicitation_form,
        elicitation_url,
        tasks,
    } = of;
    roots as u16
        | (roots_list_changed as u16) << 1
        | (sampling as u16) << 2
        | (sampling_tools as u16) << 3
        | (sampling_context as u16) << 4
        | (elicitation_form as u16) << 5
        | (elicitation_url as u16) << 6
        | (tasks as u16) << 7
}

const fn declared(bits: u16) -> ClientCapabilities {
    ClientCapabilities {
        roots: bits & 1 != 0,
        roots_list_changed: bits & 1 << 1 != 0,
        sampling: bits & 1 << 2 != 0,
        sampling_tools: bits & 1 << 3 != 0,
        sampling_context: bits & 1 << 4 != 0,
        elicitation_form: bits & 1 << 5 != 0,
        elicitation_url: bits & 1 << 6 != 0,
        tasks: bits & 1 << 7 != 0,
    }
}

/// For the fuzzer: whatever is presented opens only if it is, letter for letter, what was sealed.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz(data: &[u8]) {
    let mut entropy = Entropy::new(&[1; 32]);
    let (ours, other) = (Key(entropy.block()), Key(entropy.block()));
    let keys = [other, ours.clone()];
    let take = |at: usize| data.get(at).copied().unwrap_or_default();
    let birth = Birth {
        boot: BootId([take(0); 8]),
        number: u64::from(take(1)),
        created: UnixSeconds(u64::from(take(2))),
        version: Version::ALL[usize::from(take(3)) % Version::ALL.len()],
        capabilities: declared(u16::from(take(4))),
        grant: (take(5) % 2 == 1).then_some(GrantId([take(6); 16])),
    };
    let Some(text) = seal(&birth, &ours, &mut entropy) else {
        unreachable!("32 bytes are a key");
    };
    assert!(text.len() == TEXT_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(open(&text, keys.iter()), Some(birth));
    assert_eq!(open(&text, keys.iter().take(1)), None);
    // The input itself, and the input laid over the name.
    let rest = data.get(7..).unwrap_or_default();
    let presented = String::from_utf8_lossy(rest);
    assert!(presented == text || open(&presented, keys.iter()).is_none());
    let mut changed = text.clone().into_bytes();
    let place = usize::from(take(7)) % changed.len();
    for (to, from) in changed.iter_mut().skip(place).zip(rest) {
        *to = *from;
    }
    let changed = String::from_utf8_lossy(&changed);
    assert!(changed == text || open(&changed, keys.iter()).is_none());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn birth(grant: Option<GrantId>) -> Birth {
        Birth {
            boot: BootId(*b"boot-one"),
            number: 7,
            created: UnixSeconds(1_800_000_000),
            version: Version::V2025_06_18,
            capabilities: ClientCapabilities {
                roots: true,
                elicitation_url: true,
                ..ClientCapabilities::default()
            },
            grant,
        }
    }

    fn sealed(birth: &Birth) -> (String, Key, Entropy) {
        let mut entropy = Entropy::new(&[7; 32]);
        let key = Key(entropy.block());
        let text = seal(birth, &key, &mut entropy).unwrap();
        (text, key, entropy)
    }

    #[test]
    fn c1_a_name_is_short_visible_and_says_what_was_agreed_on() {
        for grant in [None, Some(GrantId([0; 16])), Some(GrantId([9; 16]))] {
            let (text, key, mut entropy) = sealed(&birth(grant));
            assert_eq!((text.len(), TEXT_BYTES), (119, 119));
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(open(&text, [&key].into_iter()), Some(birth(grant)));
            let again = seal(&birth(grant), &key, &mut entropy).unwrap();
            assert_ne!(text, again, "X3: nobody can guess one from another");
        }
    }

    #[test]
    fn c1_every_capability_and_every_revision_comes_back() {
        for bit in 0..8 {
            let capabilities = declared(1 << bit);
            assert_eq!(bits(capabilities), 1 << bit);
        }
        for version in Version::ALL {
            let birth = Birth {
                version,
                ..birth(None)
            };
            let (text, key, _) = sealed(&birth);
            assert_eq!(open(&text, [&key].into_iter()), Some(birth));
        }
        let modern = Birth {
            version: Version::MODERN,
            ..birth(None)
        };
        let (text, key, _) = sealed(&modern);
        assert_eq!(open(&text, [&key].into_iter()), None);
    }

    #[test]
    fn x3_what_is_changed_cut_longer_or_under_another_key_does_not_open() {
        let (text, key, mut entropy) = sealed(&birth(None));
        let refuses = |text: &str, key: &Key| assert_eq!(open(text, [key].into_iter()), None);
        for place in 0..text.len() {
            for with in ["A", "b", "_", "=", "\u{e9}", "+", " "] {
                let mut changed = text.clone();
                changed.replace_range(place..=place, with);
                if changed != text {
                    refuses(&changed, &key);
                }
            }
            refuses(&text[..place], &key);
        }
        refuses(&format!("{text}A"), &key);
        refuses("", &key);
        refuses(&text, &Key(entropy.block()));
        assert_eq!(open(&text, [].into_iter()), None);
        let whole = base64::decode_url(&text).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            refuses(&base64::encode_url(&changed), &key);
        }
    }

    #[test]
    fn x3_one_of_several_keys_is_enough() {
        let (text, key, mut entropy) = sealed(&birth(None));
        let others = [Key(entropy.block()), key, Key(entropy.block())];
        assert_eq!(open(&text, others.iter()), Some(birth(None)));
        assert_eq!(format!("{:?}", others[0]), "Key(..)");
    }

    #[test]
    fn the_fuzzing_function_holds_for_a_few_inputs() {
        for data in [&b""[..], b"abcdefgh", &[0xff; 200], &[1; 12]] {
            fuzz(data);
        }
    }
}
