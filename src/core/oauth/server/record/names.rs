//! What clients call themselves: text of strangers, which is shown to the owner.

use crate::limits::CLIENT_NAME_CHARS_MAX;

/// A name that can be shown on one line: short, and without characters that are not seen or that
/// turn the direction of what follows (a name could otherwise rewrite the sentence around it).
pub(crate) fn client_name(text: &str) -> String {
    let shown = |c: &char| !c.is_control() && !is_hidden(*c);
    let words: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(shown)
        .take(CLIENT_NAME_CHARS_MAX)
        .collect();
    words.trim().to_owned()
}

/// Marks of direction, joiners, blanks without width, tags.
fn is_hidden(c: char) -> bool {
    matches!(
        u32::from(c),
        0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
            | 0xfff9..=0xfffb | 0xe0000..=0xe007f
    )
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
}
