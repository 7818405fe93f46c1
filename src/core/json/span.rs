//! Finding values in JSON text by byte range. [`validate`] checks a text once; what follows it only
//! skips, and on a text that was never validated finds nothing or nonsense, but never panics.

use std::borrow::Cow;
use std::ops::Range;

use crate::base::word;
use crate::json::scan::Scanner;

/// A byte range of a JSON text that holds exactly one value, without blanks around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Why a text is not JSON that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON, at this byte.
    NotJson {
        /// Offset of the first byte that cannot be.
        at: usize,
    },
    /// Deeper than `JSON_DEPTH_MAX`.
    TooDeep,
}

impl Span {
    /// The span of a text that is one value, blanks around it left out. The text must be valid.
    #[must_use]
    pub fn whole(text: &[u8]) -> Self {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let start = text
            .iter()
            .position(|byte| !blank(byte))
            .unwrap_or(text.len());
        let end = text
            .iter()
            .rposition(|byte| !blank(byte))
            .map_or(start, |last| last + 1);
        Self { start, end }
    }

    /// Its bytes; empty if the text is shorter.
    #[must_use]
    pub fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// A span that was found in this one's bytes, as a span of the text around them.
    #[must_use]
    pub const fn sub(self, inner: Self) -> Self {
        Self {
            start: self.start.saturating_add(inner.start),
            end: self.start.saturating_add(inner.end),
        }
    }

    /// As a range.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Checks the whole text: UTF-8, exactly one JSON value, depth. Everything below may then be
/// called on it.
///
/// # Errors
/// Says what is wrong; the peer gets -32700.
pub fn validate(text: &[u8]) -> Result<Span, Malformed> {
    utf8(text)?;
    let mut scanner = Scanner::new(text, 0);
    scanner.blanks();
    let whole = scanner.value(0)?;
    scanner.end()?;
    Ok(whole)
}

/// The check that comes before every scan.
pub(super) fn utf8(text: &[u8]) -> Result<(), Malformed> {
    // Most texts are ASCII, which is seen in a fraction of the time.
    if text.is_ascii() {
        return Ok(());
    }
    std::str::from_utf8(text)
        .map(|_| ())
        .map_err(|_| Malformed::NotUtf8)
}

/// The value of a member of an object, by its decoded name; `None` if `object` is no object or has
/// no such member. The text must have been validated. The first of several wins.
#[must_use]
pub fn member(text: &[u8], object: Span, name: &str) -> Option<Span> {
    members(text, object)
        .find(|(key, _)| string_is(text, *key, name))
        .map(|(_, value)| value)
}

/// Whether an object has a member of this name.
#[must_use]
pub fn has_member(text: &[u8], object: Span, name: &str) -> bool {
    member(text, object, name).is_some()
}

/// Follows member names from object to object.
#[must_use]
pub fn path(text: &[u8], object: Span, names: &[&str]) -> Option<Span> {
    names
        .iter()
        .try_fold(object, |at, name| member(text, at, name))
}

/// The members of an object: key (with its quotes) and value, in order. Empty if it is no object.
pub fn members(text: &[u8], object: Span) -> impl Iterator<Item = (Span, Span)> {
    members_beside(text, object, None)
}

/// The same where one of the values is known already, so that nobody has to look for its end.
pub fn members_beside(
    text: &[u8],
    object: Span,
    known: Option<Span>,
) -> impl Iterator<Item = (Span, Span)> {
    let mut skipper = Skipper::into(text, object, b'{');
    std::iter::from_fn(move || {
        let key = skipper.string()?;
        skipper.colon()?;
        skipper.peek()?;
        let value = match known.filter(|known| known.start == skipper.at) {
            Some(known) => skipper.past(Some(known.end))?,
            None => skipper.value()?,
        };
        skipper.comma();
        Some((key, value))
    })
}

/// The elements of an array, in order. Empty if it is no array.
pub fn elements(text: &[u8], array: Span) -> impl Iterator<Item = Span> {
    let mut skipper = Skipper::into(text, array, b'[');
    std::iter::from_fn(move || {
        let value = skipper.value()?;
        skipper.comma();
        Some(value)
    })
}

/// A string value, escapes decoded (a lone surrogate becomes U+FFFD); `None` if it is no string.
#[must_use]
pub fn string(text: &[u8], at: Span) -> Option<Cow<'_, str>> {
    let inner = unquoted(at.of(text))?;
    let plain = std::str::from_utf8(inner).ok()?;
    if word::find(inner, b'\\').is_none() {
        return Some(Cow::Borrowed(plain));
    }
    Some(Cow::Owned(decoded(plain)))
}

/// Whether a value is a string and means this.
#[must_use]
pub fn string_is(text: &[u8], at: Span, wanted: &str) -> bool {
    let Some(inner) = unquoted(at.of(text)) else {
        return false;
    };
    // An escape is longer than what it means: only a longer text can mean the same.
    if inner.len() <= wanted.len() {
        return inner == wanted.as_bytes() && word::find(inner, b'\\').is_none();
    }
    word::find(inner, b'\\').is_some() && string(text, at).as_deref() == Some(wanted)
}

/// Whether a value is a string and what it means begins like this.
#[must_use]
pub fn string_begins(text: &[u8], at: Span, wanted: &str) -> bool {
    let Some(inner) = unquoted(at.of(text)) else {
        return false;
    };
    if word::find(inner, b'\\').is_none() {
        inner.starts_with(wanted.as_bytes())
    } else {
        string(text, at).is_some_and(|meant| meant.starts_with(wanted))
    }
}

/// What a string means, as bytes: for the names of members, which are compared and not shown.
#[must_use]
pub fn name(text: &[u8], at: Span) -> Cow<'_, [u8]> {
    match plain(text, at) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(
            string(text, at)
                .unwrap_or_default()
                .into_owned()
                .into_bytes(),
        ),
    }
}

/// The bytes of a string that has no escapes.
fn plain(text: &[u8], at: Span) -> Option<&[u8]> {
    unquoted(at.of(text)).filter(|inner| word::find(inner, b'\\').is_none())
}

/// What stands between the quotes.
fn unquoted(raw: &[u8]) -> Option<&[u8]> {
    raw.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Replaces the escapes of a string's inside by what they mean.
fn decoded(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let (meant, after) = code_point(chars.as_str());
                out.push(meant);
                rest = after;
                continue;
            }
            Some(itself) => out.push(itself),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// What the digits after `\u` mean, together with a second escape if they are a surrogate pair.
fn code_point(digits: &str) -> (char, &str) {
    let Some((unit, after)) = unit(digits) else {
        return (char::REPLACEMENT_CHARACTER, digits);
    };
    if let 0xd800..0xdc00 = unit
        && let Some((low @ 0xdc00..0xe000, after)) = after.strip_prefix("\\u").and_then(self::unit)
    {
        let pair = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(pair).unwrap_or_default(), after);
    }
    let meant = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    (meant, after)
}

fn unit(digits: &str) -> Option<(u32, &str)> {
    let (four, after) = digits.split_at_checked(4)?;
    Some((u32::from_str_radix(four, 16).ok()?, after))
}

/// Walks through validated text from value to value without checking it again.
struct Skipper<'a> {
    /// Ends where the array or object ends.
    text: &'a [u8],
    at: usize,
}

impl<'a> Skipper<'a> {
    /// Begins behind the opening bracket; at the end of the text if another value stands there.
    fn into(text: &'a [u8], container: Span, opening: u8) -> Self {
        let text = text.get(..container.end).unwrap_or_default();
        let at = match text.get(container.start) {
            Some(&byte) if byte == opening => container.start.saturating_add(1),
            _ => text.len(),
        };
        Self { text, at }
    }

    fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn colon(&mut self) -> Option<()> {
        (self.peek()? == b':').then(|| self.at += 1)
    }

    fn comma(&mut self) {
        if self.peek() == Some(b',') {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Option<Span> {
        (self.peek()? == b'"').then_some(())?;
        self.past(string_end(self.text, self.at))
    }

    fn value(&mut self) -> Option<Span> {
        let end = match self.peek()? {
            b'"' => string_end(self.text, self.at),
            b'{' | b'[' => container_end(self.text, self.at),
            _ => scalar_end(self.text, self.at),
        };
        self.past(end)
    }

    /// The span up to `end`; without one, nothing more will be found.
    fn past(&mut self, end: Option<usize>) -> Option<Span> {
        let start = self.at;
        self.at = end.unwrap_or(self.text.len());
        Some(Span { start, end: end? })
    }
}

fn string_end(text: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote.saturating_add(1);
    loop {
        at += word::plain_run(text.get(at..)?);
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn container_end(text: &[u8], bracket: usize) -> Option<usize> {
    let mut at = bracket;
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Numbers and literals end where something else begins; `None` if there is none here.
fn scalar_end(text: &[u8], start: usize) -> Option<usize> {
    let length = text
        .get(start..)?
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'-' | b'+' | b'.'))
        .count();
    (length > 0).then(|| start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[&str] = &[
        "null",
        " true ",
        "\t\r\n false\n",
        "0",
        "-0",
        "10",
        "-1.5",
        "1e9",
        "1E+9",
        "0.0e-0",
        "\"\"",
        r#""a\"\\\/\b\f\n\r\t\u00e9""#,
        r#""\ud800""#,
        r#""\uDC00\ud800x""#,
        "\"\u{7f}é😀\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1,[2,{}],\"x\"]",
        " { \"a\" : 1 , \"b\" : [ ] } ",
        "{\"\":{}}",
        "[[],[]]",
        "{\"a\":1,\"a\":2}",
        "12345678901234567890123456789",
        "1e999",
    ];

    /// The text, and where it goes wrong.
    const BAD: &[(&str, usize)] = &[
        ("", 0),
        (" ", 1),
        ("01", 1),
        ("-", 1),
        ("+1", 0),
        (".5", 0),
        ("1.", 2),
        ("1.e1", 2),
        ("1e", 2),
        ("1e+", 3),
        ("0x1", 1),
        ("tru", 3),
        ("truE", 3),
        ("nul ", 3),
        ("NaN", 0),
        ("\"", 1),
        ("\"a", 2),
        ("\"\\", 2),
        ("\"\\x\"", 2),
        ("\"\\u12g4\"", 5),
        ("\"\\u12", 5),
        ("\"\n\"", 1),
        ("\"\t\"", 1),
        ("\"\0\"", 1),
        ("'a'", 0),
        ("[", 1),
        ("[1", 2),
        ("[1,", 3),
        ("[1,]", 3),
        ("[,1]", 1),
        ("[1 2]", 3),
        ("[1}", 2),
        ("{", 1),
        ("{\"a\"", 4),
        ("{\"a\":", 5),
        ("{\"a\":1", 6),
        ("{\"a\":1,", 7),
        ("{\"a\":1,}", 7),
        ("{a:1}", 1),
        ("{1:1}", 1),
        ("{\"a\" 1}", 5),
        ("{\"a\":1]", 6),
        ("1 2", 2),
        ("[] x", 3),
        ("{}{}", 2),
        ("]", 0),
        ("\u{feff}1", 0),
        ("\u{a0}1", 0),
        ("// x\n1", 0),
        ("\u{c}1", 0),
        ("nullx", 4),
        ("--1", 1),
    ];

    #[test]
    fn rfc8259_texts_are_accepted_or_refused_at_the_wrong_byte() {
        for text in GOOD {
            assert_eq!(
                validate(text.as_bytes()),
                Ok(Span::whole(text.as_bytes())),
                "{text:?}"
            );
        }
        for &(text, at) in BAD {
            let refused = Err(Malformed::NotJson { at });
            assert_eq!(validate(text.as_bytes()), refused, "{text:?}");
        }
        assert_eq!(validate(b"\"\xff\""), Err(Malformed::NotUtf8));
        assert_eq!(validate(b"\"\xed\xa0\x80\""), Err(Malformed::NotUtf8));
        assert_eq!(validate(b"1\xc3"), Err(Malformed::NotUtf8));
    }

    #[test]
    fn depth_is_refused_one_past_the_limit() {
        use crate::limits::JSON_DEPTH_MAX;
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth: usize| {
                let inner = if open == "[" { "" } else { "1" };
                [&*open.repeat(depth), inner, &*close.repeat(depth)].concat()
            };
            assert!(validate(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
            let deep = nested(JSON_DEPTH_MAX + 1);
            assert_eq!(validate(deep.as_bytes()), Err(Malformed::TooDeep));
            // Once closed, depth counts no more.
            let wide = format!("[{}1]", "[[]],".repeat(1000));
            assert!(validate(wide.as_bytes()).is_ok());
        }
    }

    #[test]
    fn members_are_found_by_their_decoded_name() {
        let text = br#" {"a":1, "\u0062" : {"c":[ 1 , "x,]" ,{}]}, "a":2,"d\"":null ,"":true}  "#;
        let whole = validate(text).unwrap();
        let found = |name| member(text, whole, name).map(|at| at.of(text));
        assert_eq!(found("a"), Some(&b"1"[..]));
        assert_eq!(found("b"), Some(&br#"{"c":[ 1 , "x,]" ,{}]}"#[..]));
        assert_eq!(found("d\""), Some(&b"null"[..]));
        assert_eq!(found(""), Some(&b"true"[..]));
        assert_eq!((found("c"), found("\\u0062")), (None, None));
        assert!(has_member(text, whole, "a") && !has_member(text, whole, "x"));
        let list = path(text, whole, &["b", "c"]).unwrap();
        let parts: Vec<_> = elements(text, list).map(|at| at.of(text)).collect();
        assert_eq!(parts, [&b"1"[..], b"\"x,]\"", b"{}"]);
        assert_eq!(path(text, whole, &["a", "c"]), None);
        assert_eq!(path(text, whole, &[]), Some(whole));
        assert_eq!(
            members(text, list).count() + elements(text, whole).count(),
            0
        );
        let inner = path(text, whole, &["b"]).unwrap();
        let bytes = inner.of(text);
        let again = member(bytes, Span::whole(bytes), "c").unwrap();
        assert_eq!(inner.sub(again), list);
    }

    #[test]
    fn strings_are_decoded() {
        let cases: &[(&str, Option<&str>)] = &[
            (r#""""#, Some("")),
            (r#""plain é""#, Some("plain é")),
            (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r#""\u0041\u00e9z""#, Some("Aéz")),
            (r#""\ud83d\ude00!""#, Some("😀!")),
            (r#""\ud83d""#, Some("\u{fffd}")),
            (r#""\ud83dx\ude00""#, Some("\u{fffd}x\u{fffd}")),
            (r#""\ud83d\ud83d\ude00""#, Some("\u{fffd}😀")),
            (r#""\ud83d\n""#, Some("\u{fffd}\n")),
            ("1", None),
            ("[\"a\"]", None),
            ("\"", None),
            ("", None),
        ];
        for &(text, wanted) in cases {
            let text = text.as_bytes();
            let found = string(text, Span::whole(text));
            assert_eq!(found.as_deref(), wanted, "{}", text.escape_ascii());
            if let Some(wanted) = wanted {
                assert!(string_is(text, Span::whole(text), wanted));
                assert!(!string_is(text, Span::whole(text), "other"));
                let raw = std::str::from_utf8(&text[1..text.len() - 1]).unwrap();
                assert_eq!(string_is(text, Span::whole(text), raw), raw == wanted);
            }
        }
        let plain = string(b"\"ab\"", Span { start: 0, end: 4 });
        assert!(matches!(plain, Some(Cow::Borrowed("ab"))));
        assert_eq!(string(b"\"ab\"", Span { start: 0, end: 9 }), None);
    }

    #[test]
    fn text_that_was_never_validated_does_no_harm() {
        for text in [
            "{",
            "{\"a",
            "{\"a\":",
            "{\"a\":{\"b",
            "[1,[2",
            "[}",
            "{]",
            "[1 2",
            "[,",
            "[\"\\",
        ] {
            let text = text.as_bytes();
            for start in 0..=text.len() + 1 {
                for end in 0..=text.len() + 1 {
                    let at = Span { start, end };
                    assert!(members(text, at).count() <= 2);
                    assert!(elements(text, at).count() <= 3);
                    assert!(member(text, at, "x").is_none());
                    assert!(string(text, at).is_none_or(|found| found.len() <= text.len()));
                }
            }
        }
    }
}
