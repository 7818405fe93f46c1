//! How many columns a text takes, near enough for tables: East Asian wide characters and most
//! emoji take two, combining ones none (Unicode Standard Annex 11). Terminals differ in the rest.

/// The columns of a text without control characters.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(of).sum()
}

/// The text within so many columns; what is missing is marked by `…`.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut left = columns.saturating_sub(1);
    for c in text.chars() {
        let Some(rest) = left.checked_sub(of(c)) else {
            break;
        };
        left = rest;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

fn of(c: char) -> usize {
    let within = |ranges: &[(u32, u32)]| {
        let code = u32::from(c);
        ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&code))
    };
    if c.is_ascii() || !within(&[(0x300, u32::MAX)]) {
        1
    } else if within(&COMBINING) {
        0
    } else if within(&WIDE) {
        2
    } else {
        1
    }
}

const COMBINING: [(u32, u32); 26] = [
    (0x300, 0x36f),
    (0x483, 0x489),
    (0x591, 0x5bd),
    (0x5bf, 0x5c7),
    (0x610, 0x61a),
    (0x64b, 0x65f),
    (0x670, 0x670),
    (0x6d6, 0x6dc),
    (0x6df, 0x6e4),
    (0x900, 0x902),
    (0x93c, 0x93c),
    (0x941, 0x948),
    (0x94d, 0x94d),
    (0xe31, 0xe31),
    (0xe34, 0xe3a),
    (0xe47, 0xe4e),
    (0x1ab0, 0x1aff),
    (0x1dc0, 0x1dff),
    (0x200b, 0x200f),
    (0x2060, 0x2064),
    (0x20d0, 0x20ff),
    (0x3099, 0x309a),
    (0xfe00, 0xfe0f),
    (0xfe20, 0xfe2f),
    (0xfeff, 0xfeff),
    (0xe0100, 0xe01ef),
];

const WIDE: [(u32, u32); 29] = [
    (0x1100, 0x115f),
    (0x231a, 0x231b),
    (0x2329, 0x232a),
    (0x23e9, 0x23ec),
    (0x25fd, 0x25fe),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x26a1, 0x26a1),
    (0x2705, 0x2705),
    (0x270a, 0x270b),
    (0x2728, 0x2728),
    (0x274c, 0x274c),
    (0x2753, 0x2757),
    (0x2795, 0x2797),
    (0x2b50, 0x2b55),
    (0x2e80, 0x303e),
    (0x3041, 0x4dbf),
    (0x4e00, 0xa4cf),
    (0xa960, 0xa97f),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe30, 0xfe6f),
    (0xff00, 0xff60),
    (0xffe0, 0xffe6),
    (0x1f300, 0x1f64f),
    (0x1f680, 0x1f6ff),
    (0x1f7e0, 0x1f9ff),
    (0x1fa70, 0x1faff),
    (0x20000, 0x3fffd),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_combining_characters_are_counted_as_terminals_do() {
        for (text, expected) in [
            ("", 0),
            ("abc", 3),
            ("äöü", 3),
            ("a\u{301}", 1),
            ("漢字", 4),
            ("한글", 4),
            ("ｶﾅ", 2),
            ("👍", 2),
            ("✅", 2),
            ("…", 1),
            ("–", 1),
        ] {
            assert_eq!(width(text), expected, "{text}");
        }
    }

    #[test]
    fn a_cut_text_fits_and_says_that_it_was_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
        assert_eq!(cut("ab", 1), "…");
        assert_eq!(cut("ab", 0), "");
        for columns in 0..9 {
            assert!(width(&cut("a漢b\u{301}字c👍", columns)) <= columns);
        }
    }
}
