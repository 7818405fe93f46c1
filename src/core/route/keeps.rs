//! For how long lists may be kept, and by whom (D4): what servers without sessions say of their
//! parts, and what clients without a session are told of the whole.

use crate::json::span::{Span, member};
use crate::mcp::modern::CACHE_HINTS;
use crate::now::Tick;

/// For how long a list may be kept, and whether by everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// Until then.
    pub until: Tick,
    /// It is the same for whoever asks.
    pub public: bool,
}

impl Keeps {
    /// Of several parts, the least.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            until: self.until.min(other.until),
            public: self.public && other.public,
        }
    }

    /// What a page says; nothing means that it may not be kept.
    #[must_use]
    pub fn read(text: &[u8], result: Span, now: Tick) -> Self {
        let said = |name| member(text, result, name).map(|at| at.of(text));
        let ttl = said("ttlMs").and_then(|said| std::str::from_utf8(said).ok()?.parse().ok());
        Self {
            until: now.after(ttl.unwrap_or(0)),
            public: said("cacheScope") == Some(b"\"public\""),
        }
    }
}

/// The members of a list that has these parts. What servers with sessions offer may be kept by
/// nobody: they tell us when it changes, but not for how long it holds.
pub(crate) fn hints(now: Tick, parts: &[Option<Keeps>]) -> String {
    let mut all: Option<Keeps> = None;
    for part in parts {
        let Some(part) = part else {
            return CACHE_HINTS.to_owned();
        };
        all = Some(all.map_or(*part, |all| all.and(*part)));
    }
    let Some(all) = all else {
        return CACHE_HINTS.to_owned();
    };
    let ttl = all.until.0.saturating_sub(now.0);
    let scope = if all.public { "public" } else { "private" };
    format!("\"ttlMs\":{ttl},\"cacheScope\":\"{scope}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Keeps {
        Keeps::read(text.as_bytes(), Span::whole(text.as_bytes()), Tick(10))
    }

    #[test]
    fn d4_the_least_of_all_parts_holds_and_what_is_odd_is_not_kept() {
        let long = said(r#"{"ttlMs":50,"cacheScope":"public"}"#);
        let own = said(r#"{"ttlMs":90,"cacheScope":"private"}"#);
        for odd in [
            "{}",
            r#"{"ttlMs":-1,"cacheScope":7}"#,
            r#"{"ttlMs":1.5}"#,
            r#"{"ttlMs":99999999999999999999999}"#,
        ] {
            let odd = said(odd);
            assert_eq!((odd.until, odd.public), (Tick(10), false));
        }
        let now = Tick(20);
        assert_eq!(
            hints(now, &[Some(long)]),
            r#""ttlMs":40,"cacheScope":"public""#
        );
        let both = hints(now, &[Some(own), Some(long)]);
        assert_eq!(both, r#""ttlMs":40,"cacheScope":"private""#);
        assert_eq!(
            hints(Tick(99), &[Some(long)]),
            r#""ttlMs":0,"cacheScope":"public""#
        );
        assert_eq!(hints(now, &[Some(long), None]), CACHE_HINTS);
        assert_eq!(hints(now, &[]), CACHE_HINTS);
    }
}
