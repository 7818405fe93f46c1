//! The names under which tools and prompts are offered (contract 3): the same name every time, of
//! characters and a length that every client takes. Never looks at a catalog: a name is a function
//! of the server, the original name, and whether that name is taken.

use crate::base::digest::{hex, sha256};

/// Between a server's name and the name of its tool; no server's name may contain it.
pub const SEPARATOR: &str = "_1mcp_";

/// Scheme of resource URIs whose original is offered by an earlier server already. A scheme must
/// begin with a letter (RFC 3986 section 3.1), so `1mcp://` would not do.
pub const URI_SCHEME: &str = "onemcp://";

/// The prefix of a server that configures none.
#[must_use]
pub fn default_prefix(server: &str) -> String {
    format!("{server}{SEPARATOR}")
}

/// The name to offer for `original`: `prefix` in front, characters outside `[A-Za-z0-9_-]` as `_`,
/// cut to `bytes_max` with a hash at the end when it is longer.
#[must_use]
pub fn offer(prefix: &str, original: &str, bytes_max: usize) -> String {
    let plain = clean(prefix, original);
    if plain.is_empty() || plain.len() > bytes_max {
        return offer_hashed(prefix, original, bytes_max);
    }
    plain
}

/// Whether an offered name can come from this prefix.
#[must_use]
pub fn begins(prefix: &str, offered: &str) -> bool {
    offered.starts_with(&clean(prefix, ""))
}

/// As [`offer`], with the hash in any case: for a name that another tool has already.
#[must_use]
pub fn offer_hashed(prefix: &str, original: &str, bytes_max: usize) -> String {
    let hash = hash8(prefix, original);
    let mut name = clean(prefix, original);
    name.truncate(bytes_max.saturating_sub(hash.len() + 1));
    name.push('_');
    name.push_str(&hash);
    name
}

/// Server and original name of a name in its plain form, `<server>_1mcp_<original>`.
#[must_use]
pub fn split_plain(name: &str) -> Option<(&str, &str)> {
    name.split_once(SEPARATOR)
}

/// Server and original URI of `onemcp://<server>/<original>`.
#[must_use]
pub fn split_uri(uri: &str) -> Option<(&str, &str)> {
    uri.strip_prefix(URI_SCHEME)?.split_once('/')
}

/// `onemcp://<server>/<original>`; nothing is encoded, so that templates stay templates.
#[must_use]
pub fn qualify_uri(server: &str, original: &str) -> String {
    format!("{URI_SCHEME}{server}/{original}")
}

/// The known name that is nearest to a mistyped one, if it is near at all.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .filter_map(|candidate| Some((nearness(name, candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How far two names are apart, if they are near. A server's name in front that both have says
/// nothing: every tool of `long-server-name` would be near every other.
fn nearness(name: &str, candidate: &str) -> Option<usize> {
    let (mistyped, candidate) = match (split_plain(name), split_plain(candidate)) {
        (Some((server, mistyped)), Some((other, tool))) if server == other => (mistyped, tool),
        _ => (name, candidate),
    };
    let limit = (mistyped.len() / 3).max(2);
    Some(distance(mistyped, candidate, limit)).filter(|distance| *distance <= limit)
}

fn clean(prefix: &str, original: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            c
        } else {
            '_'
        }
    };
    prefix.chars().chain(original.chars()).map(keep).collect()
}

/// Over prefix and original as they are, so that names that look alike when cleaned still differ.
fn hash8(prefix: &str, original: &str) -> String {
    let digest = sha256(&[prefix.as_bytes(), b"\0", original.as_bytes()]);
    hex(digest.iter().take(4))
}

/// Levenshtein distance in bytes, given up (`limit + 1`) when the lengths alone exceed the limit or
/// either is too long to be worth it.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > limit || a.len().max(b.len()) > 128 {
        return limit + 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (above, y) in row.iter_mut().skip(1).zip(b) {
            let cost = (diagonal + usize::from(x != y))
                .min(*above + 1)
                .min(left + 1);
            diagonal = *above;
            *above = cost;
            left = cost;
        }
    }
    row.last().copied().unwrap_or(limit + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a5_offered_names_have_characters_and_length_that_clients_take() {
        let offer = |original: &str| offer("files_1mcp_", original, 55);
        assert_eq!(offer("read_file"), "files_1mcp_read_file");
        assert_eq!(offer("a.b/c d"), "files_1mcp_a_b_c_d");
        assert_eq!(offer("prüfen"), "files_1mcp_pr_fen");
        let long = offer(&"x".repeat(80));
        assert_eq!(
            (long.len(), &long[..46]),
            (55, "files_1mcp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
        );
        assert_eq!(long, offer(&"x".repeat(80)));
        assert_ne!(long, offer(&"x".repeat(81)));
        assert_eq!(offer_hashed("", "ab", 55).len(), 2 + 9);
        assert_eq!(super::offer("", "", 55).len(), 9);
    }

    #[test]
    fn names_that_look_alike_when_cleaned_differ_by_their_hash() {
        assert_eq!(offer("", "a.b", 55), offer("", "a/b", 55));
        assert_ne!(offer_hashed("", "a.b", 55), offer_hashed("", "a/b", 55));
    }

    #[test]
    fn plain_names_and_uris_split_at_the_first_mark() {
        assert_eq!(split_plain("s_1mcp_t_1mcp_u"), Some(("s", "t_1mcp_u")));
        assert_eq!(split_plain("nothing"), None);
        assert_eq!(
            split_uri("onemcp://s/file:///a/{b}"),
            Some(("s", "file:///a/{b}"))
        );
        assert_eq!(
            qualify_uri("s", "file:///a/{b}"),
            "onemcp://s/file:///a/{b}"
        );
        assert_eq!(split_uri("file:///a"), None);
    }

    #[test]
    fn the_nearest_name_is_suggested_only_if_it_is_near() {
        let known = ["files_1mcp_read_file", "files_1mcp_write_file"];
        assert_eq!(
            nearest("files_1mcp_raed_file", known.into_iter()),
            Some(known[0])
        );
        assert_eq!(nearest("weather", known.into_iter()), None);
        assert_eq!(nearest("files_1mcp_weather", known.into_iter()), None);
        assert_eq!(
            nearest("flies_1mcp_read_file", known.into_iter()),
            Some(known[0])
        );
    }
}
