//! `.env` files: `KEY=VALUE` lines.
//!
//! `export ` in front, blanks around `=`, comments, `'literal'`, `"with \n escapes"` (both may span
//! lines) and `unquoted # comment` are understood; what is not is skipped, since a stray line must
//! not hide the variables below it. The last of several wins. Variables inside values are not
//! substituted.

use std::collections::BTreeMap;

/// Reads a `.env` file.
pub(super) fn parse(text: &[u8]) -> BTreeMap<String, String> {
    let text = text.strip_prefix(super::jsonc::BOM).unwrap_or(text);
    let mut found = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (entry, after) = line(rest);
        rest = after;
        if let Some((key, value)) = entry {
            found.insert(key, value);
        }
    }
    found
}

type Entry = Option<(String, String)>;

/// One entry (or none) and what follows its line.
fn line(text: &[u8]) -> (Entry, &[u8]) {
    let (first, after) = split_line(text);
    let mut head = first.trim_ascii();
    if let Some(exported) = head.strip_prefix(b"export")
        && exported.first().is_some_and(u8::is_ascii_whitespace)
    {
        head = exported.trim_ascii_start();
    }
    let Some(equals) = head.iter().position(|byte| *byte == b'=') else {
        return (None, after);
    };
    let (key, value) = head.split_at(equals);
    let (key, value) = (
        key.trim_ascii_end(),
        value.get(1..).unwrap_or_default().trim_ascii_start(),
    );
    let Some(key) = std::str::from_utf8(key)
        .ok()
        .filter(|key| super::substitute::is_name(key))
    else {
        return (None, after);
    };
    let quoted = match value.first() {
        // The quoted text may go on in the following lines: back to the whole text.
        Some(quote @ (b'"' | b'\'')) => {
            let from = text.len() - after.len() - first_tail(text, after, value);
            quoted(text.get(from + 1..).unwrap_or_default(), *quote)
        }
        Some(_) | None => None,
    };
    let (value, after) = match quoted {
        Some((value, after)) => (value, split_line(after).1),
        None => (unquoted(value).to_vec(), after),
    };
    let entry = String::from_utf8(value).ok();
    (entry.map(|value| (key.to_owned(), value)), after)
}

/// How far before the end of the first line (its line end included) `value` begins.
fn first_tail(text: &[u8], after: &[u8], value: &[u8]) -> usize {
    let line = text.get(..text.len() - after.len()).unwrap_or_default();
    let blanks_behind = line.len() - line.trim_ascii_end().len();
    value.len() + blanks_behind
}

/// A line without its end, and what follows it.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let (line, after) = text.split_at(end);
            (line, after.get(1..).unwrap_or_default())
        }
        None => (text, &[]),
    }
}

/// Up to a `#` that follows a blank.
fn unquoted(value: &[u8]) -> &[u8] {
    let mut before = b' ';
    for (at, byte) in value.iter().enumerate() {
        if *byte == b'#' && before.is_ascii_whitespace() {
            return value.get(..at).unwrap_or_default().trim_ascii_end();
        }
        before = *byte;
    }
    value
}

/// The text up to the closing quote and what follows that; `None` if it is never closed.
fn quoted(text: &[u8], quote: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut bytes = text.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == quote {
            return Some((out, text.get(at + 1..).unwrap_or_default()));
        }
        if byte != b'\\' || quote == b'\'' {
            out.push(byte);
            continue;
        }
        match bytes.next()?.1 {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            known @ (b'"' | b'\\' | b'$') => out.push(known),
            other => out.extend([b'\\', other]),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_variable() {
        let text = "\u{feff}A=1\r\nexport B = two words  # note\n# C=3\n D='lit $X #\\n'\n\
                    E=\"x\\ny \\\"q\\\" \\z\" # tail\nF=\nG=a#b\nH=\"two\nlines\"  \nI=\"open\n1X=no\nno line\n\
                    exportJ=5\nA=last\nK= \"v\" "
            .as_bytes();
        let found = parse(text);
        let expected = [
            ("A", "last"),
            ("B", "two words"),
            ("D", "lit $X #\\n"),
            ("E", "x\ny \"q\" \\z"),
            ("F", ""),
            ("G", "a#b"),
            ("H", "two\nlines"),
            ("I", "open\n1X=no\nno line\nexportJ=5\nA=last\nK= "),
        ];
        // An unclosed quote reaches to the next quote, as in a shell.
        let mut expected: BTreeMap<_, _> = expected.into_iter().collect();
        expected.insert("A", "1");
        assert_eq!(
            found
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect::<BTreeMap<_, _>>(),
            expected
        );
    }

    #[test]
    fn an_unclosed_quote_at_the_end_is_text() {
        assert_eq!(
            parse(b"A=\"x\nB=2").get("A").map(String::as_str),
            Some("\"x")
        );
        assert_eq!(parse(b"A=\"x\nB=2").get("B").map(String::as_str), Some("2"));
    }

    #[test]
    fn garbage_is_skipped_and_never_panics() {
        assert!(parse(b"\xff\xfe=\x00\n=\n==\n\"\n'\nexport\nexport =1").is_empty());
        let text = b"export A = \"x\\\n' = #\" # \r\nB='";
        for end in 0..=text.len() {
            for start in 0..=end {
                parse(&text[start..end]);
            }
        }
        let long = b"A=\"".repeat(1000);
        parse(&long);
    }
}
