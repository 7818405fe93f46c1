//! Text of servers and spans of time, in the form that logs and errors show them. A server's text
//! never reaches a terminal or a log as it came: it could move the cursor or fake a line.

use std::fmt::Write;

/// What a server wrote, fit for one log line: no control characters, valid UTF-8, at most
/// `bytes_max` long.
pub(super) fn plain(raw: &[u8], bytes_max: usize) -> String {
    const CUT: &str = "...";
    // One character more than fits is enough to see that there is more.
    let raw_max = raw.len().min(bytes_max.saturating_add(4));
    let text = String::from_utf8_lossy(raw.get(..raw_max).unwrap_or_default());
    let mut out = String::with_capacity(text.len());
    // Where to cut if the text turns out to be too long.
    let mut cut_at = 0;
    for character in text.chars() {
        if out.len() + CUT.len() <= bytes_max {
            cut_at = out.len();
        }
        // Writing to a String cannot fail.
        let _ = match character {
            '\t' => write!(out, " "),
            c if c.is_control() || is_invisible(c) => write!(out, "{}", c.escape_unicode()),
            c => write!(out, "{c}"),
        };
        if out.len() > bytes_max {
            out.truncate(cut_at);
            out.push_str(CUT);
            return out;
        }
    }
    out
}

/// Line separators that are no control characters, and those that reverse the order of a line.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text that is fit for a log line, in quotes; its own quotes become single ones, so that the
/// end of the text is seen.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "'"))
}

/// A span of time for a sentence: `0.2 s`, `7 min`, `3 h`.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// A whole number of seconds without a fraction, as a setting is written: `120 s`.
pub(super) fn setting(ms: u64) -> String {
    if ms.is_multiple_of(1000) {
        format!("{} s", ms / 1000)
    } else {
        format!("{ms} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_broken_utf8_never_pass() {
        assert_eq!(plain(b"a\tb\x1b[2Jc", 80), "a b\\u{1b}[2Jc");
        assert_eq!(plain(b"\xff\r", 80), "\u{fffd}\\u{d}");
        assert_eq!(plain("a\u{202e}b".as_bytes(), 80), "a\\u{202e}b");
    }

    #[test]
    fn text_is_cut_at_the_limit_and_says_so() {
        for length in 0..40 {
            let text = "é".repeat(length);
            let cut = plain(text.as_bytes(), 20);
            assert!(cut.len() <= 20, "{cut}");
            assert_eq!(cut.ends_with("..."), length > 10, "{length}: {cut}");
        }
        assert_eq!(plain(b"\x07\x07\x07\x07", 10), "\\u{7}...");
    }

    #[test]
    fn a_quote_ends_where_the_text_ends() {
        assert_eq!(quoted(r#"no "x" here"#), r#""no 'x' here""#);
    }

    #[test]
    fn spans_are_told_in_the_unit_a_reader_expects() {
        let told: Vec<_> = [0, 249, 59_999, 60_000, 7_200_000].map(span).into();
        assert_eq!(told, ["0.0 s", "0.2 s", "59.9 s", "1 min", "2 h"]);
        assert_eq!(
            (setting(120_000), setting(1500)),
            ("120 s".into(), "1500 ms".into())
        );
    }
}
