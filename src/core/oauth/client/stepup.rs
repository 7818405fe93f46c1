//! Which scopes are asked for (protocol O6), and how often more of them are asked for because an
//! operation was refused (O11).

use std::collections::BTreeMap;

use crate::limits::{STEP_UP_OPERATIONS_MAX, STEP_UPS_MAX, WANTED_SCOPES_BYTES_MAX};

/// What may be asked for, in the order in which it counts.
#[derive(Debug, Default)]
pub(super) struct Offers<'a> {
    /// By the operator: exactly these.
    pub(super) operator: &'a [String],
    /// By the server's refusal.
    pub(super) challenge: Option<&'a str>,
    /// By the server's metadata.
    pub(super) listed: Option<&'a [String]>,
    /// What the issuer lists.
    pub(super) issuer: &'a [String],
    /// What was asked for before, and more on top (O11).
    pub(super) besides: &'a [String],
}

const OFFLINE: &str = "offline_access";

/// The scopes to be asked for; none: whatever the issuer gives.
pub(super) fn choose(offers: &Offers<'_>) -> Vec<String> {
    let mut chosen: Vec<String> = Vec::new();
    let has_operator = !offers.operator.is_empty();
    let offline = offers.issuer.iter().any(|scope| scope == OFFLINE);
    let mut bytes = 0;
    let mut add = |scope: &str| {
        let is_new = !chosen.iter().any(|known| known == scope);
        if is_new && is_scope(scope) && bytes + scope.len() < WANTED_SCOPES_BYTES_MAX {
            bytes += scope.len() + 1;
            chosen.push(scope.to_owned());
        }
    };
    if has_operator {
        offers.operator.iter().for_each(|scope| add(scope));
    } else if let Some(challenge) = offers.challenge {
        challenge.split_ascii_whitespace().for_each(&mut add);
    } else if let Some(listed) = offers.listed {
        listed.iter().for_each(|scope| add(scope));
    }
    offers.besides.iter().for_each(|scope| add(scope));
    if !has_operator {
        chosen.retain(|scope| scope != OFFLINE);
        // Alone it would be asking for nothing else.
        if offline && !chosen.is_empty() {
            chosen.push(OFFLINE.to_owned());
        }
    }
    chosen
}

/// Adds the scopes that a refusal names to those that are wanted on top, as long as there is place
/// for them: they stand in the log and on pages.
pub(super) fn gather(more: &mut Vec<String>, asked: &str) {
    let mut bytes: usize = more.iter().map(|scope| scope.len() + 1).sum();
    for scope in asked.split_ascii_whitespace().filter(|one| is_scope(one)) {
        let fits = bytes + scope.len() < WANTED_SCOPES_BYTES_MAX / 4;
        if fits && !more.iter().any(|known| known == scope) {
            bytes += scope.len() + 1;
            more.push(scope.to_owned());
        }
    }
    more.sort();
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    !text.is_empty() && text.bytes().all(fits)
}

/// How often more was asked for, for each operation.
#[derive(Debug, Default)]
pub(super) struct Tries(BTreeMap<String, u8>);

impl Tries {
    /// Whether once more is worth it; counts it.
    pub(super) fn admit(&mut self, operation: &str) -> bool {
        if let Some(count) = self.0.get_mut(operation) {
            let more = *count < STEP_UPS_MAX;
            *count = count.saturating_add(1).min(STEP_UPS_MAX);
            return more;
        }
        if self.0.len() >= STEP_UP_OPERATIONS_MAX {
            self.0.pop_first();
        }
        self.0.insert(operation.to_owned(), 1);
        true
    }

    /// Everything may be tried again.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn o6_challenge_then_metadata_then_none_and_offline_access_only_if_listed() {
        for (operator, challenge, listed, issuer, besides, expected) in [
            ("", None, None, "", "", ""),
            ("", None, None, "a offline_access", "", ""),
            ("", Some("a b"), Some("c"), "", "", "a b"),
            ("", Some(""), Some("c"), "", "", ""),
            ("", None, Some("c d"), "", "", "c d"),
            ("", None, Some("c offline_access"), "c", "", "c"),
            ("", Some("a offline_access"), None, "", "", "a"),
            (
                "",
                Some("a"),
                None,
                "offline_access",
                "",
                "a offline_access",
            ),
            ("x", Some("a"), Some("c"), "offline_access", "", "x"),
            ("x offline_access", None, None, "", "", "x offline_access"),
            // O11: a union, each once.
            ("", Some("b"), None, "", "a b c", "b a c"),
            ("x", Some("b"), None, "", "x b", "x b"),
            ("", Some("a\"b c\\d e"), None, "", "", "e"),
        ] {
            let (operator, issuer, besides) = (owned(operator), owned(issuer), owned(besides));
            let listed = listed.map(owned);
            let offers = Offers {
                operator: &operator,
                challenge,
                listed: listed.as_deref(),
                issuer: &issuer,
                besides: &besides,
            };
            assert_eq!(choose(&offers).join(" "), expected, "{offers:?}");
        }
    }

    #[test]
    fn o6_more_scopes_than_fit_are_left_out() {
        let many: Vec<String> = (0..2000)
            .map(|number| format!("scope{number:04}"))
            .collect();
        let offers = Offers {
            listed: Some(&many),
            ..Offers::default()
        };
        let chosen = choose(&offers).join(" ");
        assert!(
            chosen.len() <= WANTED_SCOPES_BYTES_MAX && chosen.len() + 10 > WANTED_SCOPES_BYTES_MAX
        );
    }

    #[test]
    fn x13_what_is_wanted_on_top_is_scopes_and_not_too_many() {
        let mut more = owned("b");
        gather(&mut more, "c a\u{202e}x b a\"b a");
        assert_eq!(more, owned("a b c"));
        for number in 0..10_000 {
            gather(&mut more, &format!("scope{number}"));
        }
        let bytes = more.join(" ").len();
        assert!((900..1024).contains(&bytes), "{bytes}");
    }

    #[test]
    fn o11_three_tries_with_the_first_authorization() {
        let mut tries = Tries::default();
        let mut admitted = || (0..9).filter(|_| tries.admit("tools/call a")).count();
        assert_eq!((admitted(), admitted()), (usize::from(STEP_UPS_MAX), 0));
        assert!(tries.admit("tools/call b"));
        tries.forget();
        assert!(tries.admit("tools/call a"));
        for number in 0..2 * STEP_UP_OPERATIONS_MAX {
            tries.admit(&number.to_string());
        }
        assert_eq!(tries.0.len(), STEP_UP_OPERATIONS_MAX);
    }
}
