//! JSON as people write it in configuration files, as a tree that knows where everything stands.
//!
//! Accepted beside strict JSON: `//` and `/* */` comments, one comma after the last member or
//! element, a byte order mark. Nothing else is forgiven: numbers, strings and literals follow
//! RFC 8259. Messages of peers never come here ([`crate::json::span`] reads those, strictly and
//! without a tree); a configuration is small, and both reading and editing it need all positions.

use std::fmt;

use super::model::ReadError;
use super::position::Positions;
use super::scan::{Scanner, Token};
use crate::json::span::Span;
use crate::limits::{CONFIG_BYTES_MAX, CONFIG_VALUES_MAX, JSON_DEPTH_MAX};

/// UTF-8's byte order mark.
pub const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How much is forgiven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 8259 and nothing more.
    Strict,
    /// Comments, a trailing comma, a byte order mark.
    Relaxed,
}

/// One value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// From its first to its last byte.
    pub at: Span,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number; its digits are in the text.
    Number,
    /// A string, decoded; a lone surrogate became U+FFFD.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, its members in order, duplicates included.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its key, decoded.
    pub key: String,
    /// Where its key stands, quotes included.
    pub key_at: Span,
    /// Its value.
    pub value: Value,
    /// Where the comma after it stands, if there is one.
    pub comma: Option<usize>,
}

impl Value {
    /// The first member of this key; `None` if there is none or this is no object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.members()
            .iter()
            .find(|member| member.key == key)
            .map(|member| &member.value)
    }

    /// The members; none if this is no object.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// What it is, for "expected an object, found a string".
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number => "a number",
            Kind::String(_) => "a string",
            Kind::Array(_) => "an array",
            Kind::Object(_) => "an object",
        }
    }
}

/// Why a text is not JSON, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Byte offset.
    pub at: usize,
    /// What.
    pub why: Why,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Longer than `CONFIG_BYTES_MAX`.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// Nothing but blanks and comments.
    Empty,
    /// Deeper than `JSON_DEPTH_MAX`.
    TooDeep,
    /// More than `CONFIG_VALUES_MAX` values.
    TooMany,
    /// The text ends inside a value.
    UnexpectedEnd,
    /// Something stands after the value.
    AfterTheEnd,
    /// A value was expected.
    NoValue,
    /// A key in quotes (or the closing brace) was expected.
    NoKey,
    /// `:` was expected.
    NoColon,
    /// `,` or the closing bracket was expected.
    NoComma,
    /// A comma before the closing bracket, in strict JSON.
    TrailingComma,
    /// A comment, in strict JSON.
    Comment,
    /// `/*` without `*/`.
    OpenComment,
    /// A string without its closing quote on the same line.
    OpenString,
    /// `\` followed by something unknown.
    BadEscape,
    /// Not a number as JSON writes them.
    BadNumber,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the file is longer than 16 MiB",
            Self::NotUtf8 => "the text is not UTF-8",
            Self::Empty => "the file is empty; write at least {}",
            Self::TooDeep => "nested too deeply",
            Self::TooMany => "the file has more than a million values",
            Self::UnexpectedEnd => "the text ends too early; a closing bracket is missing",
            Self::AfterTheEnd => "unexpected text after the end of the value",
            Self::NoValue => "expected a value",
            Self::NoKey => "expected a key in double quotes",
            Self::NoColon => "expected ':' after the key",
            Self::NoComma => "expected ',' or a closing bracket",
            Self::TrailingComma => "a comma before a closing bracket is not allowed here",
            Self::Comment => "comments are not allowed here",
            Self::OpenComment => "this comment is never closed",
            Self::OpenString => "this string is not closed on its line",
            Self::BadEscape => "unknown escape in a string",
            Self::BadNumber => "this is not a number as JSON writes them",
        })
    }
}

// The sentences above name these.
const _: () = assert!(CONFIG_BYTES_MAX == 16 * 1024 * 1024 && CONFIG_VALUES_MAX == 1_000_000);

impl Unreadable {
    /// The same with line and column.
    #[must_use]
    pub fn locate(&self, text: &[u8]) -> ReadError {
        let (line, column) = Positions::new(text).of(self.at);
        ReadError {
            line,
            column,
            message: self.why.to_string(),
        }
    }
}

/// Reads a text that is exactly one value.
///
/// # Errors
/// What is wrong and where.
pub fn parse(text: &[u8], dialect: Dialect) -> Result<Value, Unreadable> {
    if text.len() > CONFIG_BYTES_MAX {
        return Err(Unreadable {
            at: 0,
            why: Why::TooLong,
        });
    }
    if let Err(error) = std::str::from_utf8(text) {
        return Err(Unreadable {
            at: error.valid_up_to(),
            why: Why::NotUtf8,
        });
    }
    let mut parser = Parser {
        scanner: Scanner::new(text, dialect),
        dialect,
        values: 0,
    };
    let first = parser.scanner.next()?;
    if first.token == Token::End {
        return Err(first.wrong(Why::Empty));
    }
    let value = parser.value(first, 0)?;
    let rest = parser.scanner.next()?;
    if rest.token == Token::End {
        Ok(value)
    } else {
        Err(rest.wrong(Why::AfterTheEnd))
    }
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) token: Token,
    pub(super) at: Span,
}

impl Located {
    fn wrong(&self, why: Why) -> Unreadable {
        let why = match self.token {
            Token::End if why != Why::Empty => Why::UnexpectedEnd,
            _ => why,
        };
        Unreadable {
            at: self.at.start,
            why,
        }
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    dialect: Dialect,
    values: usize,
}

impl Parser<'_> {
    fn value(&mut self, first: Located, depth: usize) -> Result<Value, Unreadable> {
        self.values += 1;
        if self.values > CONFIG_VALUES_MAX {
            return Err(first.wrong(Why::TooMany));
        }
        if depth >= JSON_DEPTH_MAX {
            return Err(first.wrong(Why::TooDeep));
        }
        let at = first.at;
        let kind = match first.token {
            Token::Null => Kind::Null,
            Token::Bool(value) => Kind::Bool(value),
            Token::Number => Kind::Number,
            Token::String(text) => Kind::String(text),
            Token::OpenArray => return self.array(at.start, depth),
            Token::OpenObject => return self.object(at.start, depth),
            Token::End
            | Token::CloseArray
            | Token::CloseObject
            | Token::Colon
            | Token::Comma
            | Token::Unknown => return Err(first.wrong(Why::NoValue)),
        };
        Ok(Value { at, kind })
    }

    fn array(&mut self, start: usize, depth: usize) -> Result<Value, Unreadable> {
        let mut elements = Vec::new();
        let mut comma: Option<Located> = None;
        loop {
            let next = self.scanner.next()?;
            if next.token == Token::CloseArray {
                self.trailing(comma.as_ref())?;
                return Ok(Value {
                    at: Span {
                        start,
                        end: next.at.end,
                    },
                    kind: Kind::Array(elements),
                });
            }
            elements.push(self.value(next, depth + 1)?);
            let after = self.scanner.next()?;
            match after.token {
                Token::Comma => comma = Some(after),
                Token::CloseArray => {
                    return Ok(Value {
                        at: Span {
                            start,
                            end: after.at.end,
                        },
                        kind: Kind::Array(elements),
                    });
                }
                _ => return Err(after.wrong(Why::NoComma)),
            }
        }
    }

    fn object(&mut self, start: usize, depth: usize) -> Result<Value, Unreadable> {
        let mut members: Vec<Member> = Vec::new();
        let mut comma: Option<Located> = None;
        loop {
            let next = self.scanner.next()?;
            let (key, key_at) = match next.token {
                Token::String(key) => (key, next.at),
                Token::CloseObject => {
                    self.trailing(comma.as_ref())?;
                    return Ok(object(start, next.at.end, members));
                }
                _ => return Err(next.wrong(Why::NoKey)),
            };
            let colon = self.scanner.next()?;
            if colon.token != Token::Colon {
                return Err(colon.wrong(Why::NoColon));
            }
            let first = self.scanner.next()?;
            let value = self.value(first, depth + 1)?;
            let after = self.scanner.next()?;
            let ends = match after.token {
                Token::Comma => false,
                Token::CloseObject => true,
                _ => return Err(after.wrong(Why::NoComma)),
            };
            members.push(Member {
                key,
                key_at,
                value,
                comma: (!ends).then_some(after.at.start),
            });
            if ends {
                return Ok(object(start, after.at.end, members));
            }
            comma = Some(after);
        }
    }

    /// A bracket closes right after this comma.
    fn trailing(&self, comma: Option<&Located>) -> Result<(), Unreadable> {
        match (self.dialect, comma) {
            (Dialect::Strict, Some(comma)) => Err(comma.wrong(Why::TrailingComma)),
            (Dialect::Relaxed, _) | (_, None) => Ok(()),
        }
    }
}

fn object(start: usize, end: usize, members: Vec<Member>) -> Value {
    Value {
        at: Span { start, end },
        kind: Kind::Object(members),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relaxed(text: &str) -> Result<Value, Unreadable> {
        parse(text.as_bytes(), Dialect::Relaxed)
    }

    fn why(text: &str) -> (usize, Why) {
        let error = relaxed(text).unwrap_err();
        (error.at, error.why)
    }

    #[test]
    fn every_position_is_known() {
        let text = "\u{feff}/* a */ { \"k\" : [ 1 , ] , // b\r\n \"l\":null , }";
        let root = relaxed(text).unwrap();
        let of = |at: Span| &text[at.range()];
        assert_eq!(of(root.at), &text[11..]);
        let [k, l] = root.members() else {
            panic!("two members");
        };
        assert_eq!((of(k.key_at), of(k.value.at)), ("\"k\"", "[ 1 , ]"));
        assert_eq!((of(l.key_at), of(l.value.at)), ("\"l\"", "null"));
        assert_eq!(k.comma.map(|at| &text[at..=at]), Some(","));
        assert_eq!(l.comma, text.rfind(','));
        assert_eq!(root.get("k"), Some(&k.value));
        assert_eq!(root.get("x"), None);
    }

    #[test]
    fn strings_are_decoded() {
        for (text, expected) in [
            (r#""""#, ""),
            (r#""a\"\\\/\b\f\n\r\tb""#, "a\"\\/\u{8}\u{c}\n\r\tb"),
            (r#""\u00e4\ud83d\ude00ä""#, "ä😀ä"),
            (
                r#""\ud83dx\ude00\ud83d\u0041""#,
                "\u{fffd}x\u{fffd}\u{fffd}A",
            ),
        ] {
            let value = relaxed(text).unwrap();
            assert_eq!(value.kind, Kind::String(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for good in ["0", "-0", "10", "1.5", "1e9", "-1.25E-7", "0.0e+1"] {
            assert_eq!(relaxed(good).unwrap().kind, Kind::Number, "{good}");
        }
        for bad in [
            "01", "-", "1.", ".5", "1e", "1e+", "+1", "0x1", "1a", "1.2.3", "Infinity",
        ] {
            assert!(relaxed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn strict_forgives_nothing() {
        let strict = |text: &str| parse(text.as_bytes(), Dialect::Strict).map_err(|e| e.why);
        assert!(strict(" {\"a\": [1, {}]}\n").is_ok());
        assert_eq!(strict("{} // x"), Err(Why::Comment));
        assert_eq!(strict("/**/{}"), Err(Why::Comment));
        assert_eq!(strict("[1,]"), Err(Why::TrailingComma));
        assert_eq!(strict("{\"a\":1,}"), Err(Why::TrailingComma));
        assert_eq!(strict("\u{feff}{}"), Err(Why::NoValue));
    }

    #[test]
    fn every_reason_has_a_text_that_provokes_it() {
        for (text, expected) in [
            ("", (0, Why::Empty)),
            ("  // x", (6, Why::Empty)),
            ("{\"a\": 1", (7, Why::UnexpectedEnd)),
            ("[", (1, Why::UnexpectedEnd)),
            ("{} {}", (3, Why::AfterTheEnd)),
            ("[1 2]", (3, Why::NoComma)),
            ("[,]", (1, Why::NoValue)),
            ("[1,,]", (3, Why::NoValue)),
            ("{,}", (1, Why::NoKey)),
            ("{a: 1}", (1, Why::NoKey)),
            ("{'a': 1}", (1, Why::NoKey)),
            ("{\"a\" 1}", (5, Why::NoColon)),
            ("{\"a\":1 \"b\":2}", (7, Why::NoComma)),
            ("nul", (0, Why::NoValue)),
            ("/* x", (0, Why::OpenComment)),
            ("/*/", (0, Why::OpenComment)),
            ("/ x", (0, Why::NoValue)),
            ("\"a\nb\"", (0, Why::OpenString)),
            ("\"a", (0, Why::OpenString)),
            ("\"\\x\"", (1, Why::BadEscape)),
            ("\"\\u12g4\"", (1, Why::BadEscape)),
            ("\"\\", (1, Why::BadEscape)),
            ("[01]", (1, Why::BadNumber)),
        ] {
            assert_eq!(why(text), expected, "{text:?}");
        }
        let error = parse(b"{\"a\": \"\xff\"}", Dialect::Relaxed).unwrap_err();
        assert_eq!((error.at, error.why), (7, Why::NotUtf8));
        let deep = "[".repeat(JSON_DEPTH_MAX + 1);
        assert_eq!(why(&deep), (JSON_DEPTH_MAX, Why::TooDeep));
        let fits = format!(
            "{}{}",
            "[".repeat(JSON_DEPTH_MAX),
            "]".repeat(JSON_DEPTH_MAX)
        );
        assert!(relaxed(&fits).is_ok());
        let many = format!("[{}]", "1,".repeat(CONFIG_VALUES_MAX));
        assert_eq!(why(&many).1, Why::TooMany);
        assert_eq!(why(&" ".repeat(CONFIG_BYTES_MAX + 1)), (0, Why::TooLong));
    }

    #[test]
    fn a_text_cut_anywhere_is_an_error_and_never_a_panic() {
        let text =
            "{\"a\": [1.5e1, \"\\ud83d\\ude00ä\", true,], /* c */ \"b\": {\"c\": null} // d\n}";
        for end in 0..text.len() {
            assert!(
                parse(&text.as_bytes()[..end], Dialect::Relaxed).is_err(),
                "{end}"
            );
        }
        assert!(relaxed(text).is_ok());
    }
}
