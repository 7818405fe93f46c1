//! The tokens of a JSON text, blanks and comments skipped. Knows no grammar: that is
//! [`super::jsonc`].

use super::jsonc::{BOM, Dialect, Located, Unreadable, Why};
use crate::json::span::Span;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Null,
    Bool(bool),
    Number,
    String(String),
    OpenArray,
    CloseArray,
    OpenObject,
    CloseObject,
    Colon,
    Comma,
    /// A byte that begins no token.
    Unknown,
    /// The end of the text.
    End,
}

/// Walks through a text that is known to be UTF-8.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8], dialect: Dialect) -> Self {
        let at = match dialect {
            Dialect::Relaxed if text.starts_with(BOM) => BOM.len(),
            Dialect::Relaxed | Dialect::Strict => 0,
        };
        Self { text, at, dialect }
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Located, Unreadable> {
        self.skip_trivia()?;
        let start = self.at;
        let token = match self.peek() {
            None => Token::End,
            Some(b'{') => self.single(Token::OpenObject),
            Some(b'}') => self.single(Token::CloseObject),
            Some(b'[') => self.single(Token::OpenArray),
            Some(b']') => self.single(Token::CloseArray),
            Some(b':') => self.single(Token::Colon),
            Some(b',') => self.single(Token::Comma),
            Some(b'"') => Token::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.word(),
        };
        Ok(Located {
            token,
            at: Span {
                start,
                end: self.at,
            },
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn single(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn skip_trivia(&mut self) -> Result<(), Unreadable> {
        loop {
            match trivia(self.text, self.at)? {
                Trivia::Blank(end) => self.at = end,
                Trivia::LineComment(end) | Trivia::BlockComment(end) => {
                    if self.dialect == Dialect::Strict {
                        return Err(self.wrong(self.at, Why::Comment));
                    }
                    self.at = end;
                }
                Trivia::None => return Ok(()),
            }
        }
    }

    fn wrong(&self, at: usize, why: Why) -> Unreadable {
        Unreadable {
            at: at.min(self.text.len()),
            why,
        }
    }

    /// `null`, `true`, `false`; anything else is no token.
    fn word(&mut self) -> Token {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let token = match rest.get(..length).unwrap_or_default() {
            b"null" => Token::Null,
            b"true" => Token::Bool(true),
            b"false" => Token::Bool(false),
            _ => return Token::Unknown,
        };
        self.at += length;
        token
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    fn number(&mut self) -> Result<Token, Unreadable> {
        let start = self.at;
        let wrong = Unreadable {
            at: start,
            why: Why::BadNumber,
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        let leading_zero = self.text.get(self.at - whole) == Some(&b'0') && whole > 1;
        if whole == 0 || leading_zero {
            return Err(wrong);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(wrong);
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(wrong);
            }
        }
        match self.peek() {
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'.' => Err(wrong),
            Some(_) | None => Ok(Token::Number),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    /// The cursor is on the opening quote.
    fn string(&mut self) -> Result<String, Unreadable> {
        let open = self.at;
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let run = self.at;
            while self
                .peek()
                .is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1F))
            {
                self.at += 1;
            }
            out.extend_from_slice(self.text.get(run..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    // Runs of UTF-8 between ASCII bytes, and encoded characters: always UTF-8.
                    return Ok(String::from_utf8(out).unwrap_or_default());
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(_) | None => return Err(self.wrong(open, Why::OpenString)),
            }
        }
    }

    /// The cursor is on the backslash.
    fn escape(&mut self) -> Result<char, Unreadable> {
        let start = self.at;
        let wrong = Unreadable {
            at: start,
            why: Why::BadEscape,
        };
        let Some(letter) = self.text.get(start + 1).copied() else {
            return Err(wrong);
        };
        self.at += 2;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4().ok_or(wrong)?;
                self.character(unit)
            }
            _ => return Err(wrong),
        })
    }

    /// The character of a UTF-16 unit, together with the second half of a pair if one follows.
    fn character(&mut self, unit: u32) -> char {
        if let 0xD800..=0xDBFF = unit {
            let before = self.at;
            if self.text.get(self.at..self.at + 2) == Some(b"\\u") {
                self.at += 2;
                if let Some(low @ 0xDC00..=0xDFFF) = self.hex4() {
                    let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                    return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                }
            }
            self.at = before;
        }
        char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let value = digits.iter().try_fold(0, |value, digit| {
            Some(value * 16 + char::from(*digit).to_digit(16)?)
        })?;
        self.at += 4;
        Some(value)
    }
}

/// What may stand between two tokens, and where it ends.
pub(super) enum Trivia {
    /// Blanks and line ends.
    Blank(usize),
    /// `// ..`, without the line end.
    LineComment(usize),
    /// `/* .. */`.
    BlockComment(usize),
    /// A token, or the end of the text.
    None,
}

/// The piece of trivia that begins here.
pub(super) fn trivia(text: &[u8], at: usize) -> Result<Trivia, Unreadable> {
    let rest = text.get(at..).unwrap_or_default();
    let blanks = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .count();
    if blanks > 0 {
        return Ok(Trivia::Blank(at + blanks));
    }
    if rest.starts_with(b"//") {
        // A CR ends it as well, or an edit after the comment would split a CRLF.
        let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        return Ok(Trivia::LineComment(at + length));
    }
    if rest.starts_with(b"/*") {
        let inside = rest.get(2..).unwrap_or_default();
        return match inside.windows(2).position(|pair| pair == b"*/") {
            Some(length) => Ok(Trivia::BlockComment(at + length + 4)),
            None => Err(Unreadable {
                at,
                why: Why::OpenComment,
            }),
        };
    }
    Ok(Trivia::None)
}
