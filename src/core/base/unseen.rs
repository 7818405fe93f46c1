//! Characters that nobody sees, or that turn the direction of a text: what a stranger wrote must
//! not look like something else, nor rewrite the sentence it stands in.
//!
//! Only says which they are; whether one is dropped, replaced or shown is a matter of the room.

/// Whether a character is a control character or takes no room of its own: marks of direction,
/// joiners, blanks without width, fillers, line separators, tags.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a character joins its neighbours or keeps them apart: Persian and emoji need them.
#[must_use]
pub const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_seen_and_what_deceives_is_not() {
        assert!(!" aZ~é中\u{fc}\u{301}\u{fe0f}😀\u{2027}\u{202f}\u{fffc}".contains(is_unseen));
        let unseen = "\0\t\n\u{7f}\u{9b}\u{ad}\u{61c}\u{115f}\u{200b}\u{202e}\u{2069}\u{feff}";
        assert!(unseen.chars().all(is_unseen));
        assert!(
            "\u{200c}\u{200d}"
                .chars()
                .all(|c| is_unseen(c) && is_joiner(c))
        );
        assert!(!"\u{200b}\u{200e}a".contains(is_joiner));
    }
}
