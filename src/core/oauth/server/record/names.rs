//! What clients call themselves: text of strangers, which is shown to the owner.

use crate::base::unseen::is_unseen;
use crate::limits::CLIENT_NAME_CHARS_MAX;

/// A name that can be shown on one line: short, and without characters that are not seen or that
/// turn the direction of what follows (a name could otherwise rewrite the sentence around it).
pub(crate) fn client_name(text: &str) -> String {
    let words: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_unseen(*c))
        .take(CLIENT_NAME_CHARS_MAX)
        .collect();
    words.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_a_client_name_is_one_short_visible_line() {
        for (text, shown) in [
            ("Claude", "Claude"),
            ("  a\r\nb\tc ", "a  b c"),
            ("\u{202e}evil\u{200b}\u{7}", "evil"),
            ("<b>&amp;</b>", "<b>&amp;</b>"),
            ("\u{fc}\u{4e2d}", "\u{fc}\u{4e2d}"),
            ("", ""),
        ] {
            assert_eq!(client_name(text), shown, "{text:?}");
        }
        let long = "x".repeat(CLIENT_NAME_CHARS_MAX + 1);
        assert_eq!(client_name(&long).len(), CLIENT_NAME_CHARS_MAX);
    }
    #[test]
    fn s9_nothing_that_is_not_seen_stays_in_a_name() {
        let ranges = [
            '\u{ad}'..='\u{ad}',
            '\u{61c}'..='\u{61c}',
            '\u{115f}'..='\u{1160}',
            '\u{180e}'..='\u{180e}',
            '\u{200b}'..='\u{200f}',
            '\u{202a}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{3164}'..='\u{3164}',
            '\u{feff}'..='\u{feff}',
            '\u{fff9}'..='\u{fffb}',
            '\u{e0000}'..='\u{e007f}',
        ];
        for c in ranges
            .into_iter()
            .flatten()
            .chain("\0\u{1b}\u{7f}\u{9b}".chars())
        {
            assert_eq!(client_name(&format!("a{c}b")), "ab", "{c:?}");
        }
        assert_eq!(client_name("a\u{2028}b\u{2029}c"), "a b c");
    }
}
