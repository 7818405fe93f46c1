//! What must hold for any bytes at all; a fuzz target of fuzz/, which panics when a promise is
//! broken. tests/corpus.rs runs it over the seeds.

use crate::base::slab::Key;
use crate::json::span::Span;
use crate::now::Tick;
use crate::route::calls::Method;
use crate::route::seal::{Bound, Seal, State, digest};
use crate::route::suspended::SuspendedKey;

/// Nothing that was made up is opened; what was sealed comes back as it was, for the same call and
/// in time only, and with no letter changed. The first two bytes choose the letter, the rest is the
/// state, sealed and as it stands.
pub fn seal(data: &[u8]) {
    let [low, high, rest @ ..] = data else {
        return;
    };
    let at = usize::from(u16::from_le_bytes([*low, *high]));
    let mut seal = Seal::new([7; 32]);
    let of = Bound {
        principal: None,
        method: Method::Tool,
        digest: digest(rest, Some(Span::whole(rest))),
    };
    let (now, until) = (Tick(999), Tick(1000));
    let made_up = String::from_utf8_lossy(rest);
    assert!(seal.open(of, now, &made_up).is_err());
    let key = Key {
        index: u32::from(*low),
        generation: u32::from(*high),
    };
    let nested = |state: Option<&[u8]>| State::Nested {
        server: made_up.chars().take(at % 70).collect(),
        state: state.map(<[u8]>::to_vec),
    };
    let states = [
        nested(Some(rest)),
        nested(None),
        State::Elicited,
        State::Suspended {
            suspended: SuspendedKey(key),
            round: [*low; 16],
        },
    ];
    for state in states {
        let Some(text) = seal.seal(of, until, &state) else {
            continue;
        };
        assert_eq!(seal.open(of, now, &text).as_ref(), Ok(&state));
        assert!(seal.open(of, until, &text).is_err());
        let method = Method::Read;
        assert!(seal.open(Bound { method, ..of }, now, &text).is_err());
        let mut digest = of.digest;
        digest[at % 32] ^= 1;
        assert!(seal.open(Bound { digest, ..of }, now, &text).is_err());
        let at = at % text.len();
        let other = if text[at..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        let changed = [&text[..at], other, &text[at + 1..]].concat();
        assert!(seal.open(of, now, &changed).is_err(), "{at}");
        assert!(seal.open(of, now, &text[..at]).is_err(), "{at}");
    }
}
