//! Text of files and servers that must not steer a terminal.

/// One line without control characters: escape sequences, line ends, and the marks that turn the
/// direction of writing and can make a text look like another one.
pub(crate) fn readable(text: &str) -> String {
    text.chars().map(harmless).collect()
}

/// The same for text of several lines.
pub(crate) fn readable_lines(text: &str) -> String {
    let harmless = |c| if c == '\n' { c } else { harmless(c) };
    text.chars().map(harmless).collect()
}

fn harmless(c: char) -> char {
    match c {
        // A tab moves as far as the terminal likes; one blank is as readable.
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        c if c.is_control() => '?',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(readable("a\x1b[2Jb\r\nc\td\u{9b}e"), "a?[2Jb??c d?e");
        assert_eq!(readable("a\u{202e}b\u{2066}"), "a?b?");
        assert_eq!(readable("äöü 漢字 👍"), "äöü 漢字 👍");
        assert_eq!(readable_lines("a\r\nb\x07"), "a?\nb?");
    }
}
