//! One pass over JSON text that accepts exactly RFC 8259, without recursion. Keeps no values, only
//! where they end. UTF-8 is checked before, by whoever begins a scan.

use crate::base::word;
use crate::json::span::{Malformed, Span};
use crate::limits::JSON_DEPTH_MAX;

/// A place in a text. Everything before it was accepted.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// A line end was among the blanks.
    line_end: bool,
}

/// The arrays and objects that are open: one bit each, the innermost lowest.
struct Open {
    objects: u128,
    depth: usize,
    /// How deep the value itself stands in what its caller already entered.
    outer: usize,
}

const _: () = assert!(JSON_DEPTH_MAX <= u128::BITS as usize);

impl Open {
    fn push(&mut self, object: bool) -> Result<(), Malformed> {
        if self.outer + self.depth >= JSON_DEPTH_MAX {
            return Err(Malformed::TooDeep);
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(object);
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
    }

    const fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl<'a> Scanner<'a> {
    /// Begins at a place.
    pub(super) const fn new(text: &'a [u8], at: usize) -> Self {
        let line_end = false;
        Self { text, at, line_end }
    }

    /// Where it stands.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Whether a line end stands between the tokens that were passed since this was last asked. In
    /// a string none can stand.
    pub(super) const fn take_line_end(&mut self) -> bool {
        std::mem::replace(&mut self.line_end, false)
    }

    /// Goes past this many bytes if they are known to be a whole value of one line.
    pub(super) fn skip(&mut self, length: usize) -> Option<Span> {
        let start = self.at;
        let end = start.checked_add(length).filter(|end| *end > start)?;
        self.at = end.min(self.text.len());
        Some(Span {
            start,
            end: self.at,
        })
    }

    /// What is left of the text.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The byte where it stands.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Goes past blanks.
    #[inline]
    pub(super) fn blanks(&mut self) {
        while let Some(blank @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.line_end |= matches!(blank, b'\r' | b'\n');
            self.at += 1;
        }
    }

    /// Goes past this byte if it is here.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    /// Goes past this byte, which must be here.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    /// Blanks may follow, and nothing else.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        self.blanks();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.wrong()),
        }
    }

    /// The name of a member, the colon, and the blanks around it.
    pub(super) fn key(&mut self) -> Result<Span, Malformed> {
        let start = self.at;
        self.string()?;
        let end = self.at;
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        Ok(Span { start, end })
    }

    /// One value that stands inside `outer` arrays and objects.
    pub(super) fn value(&mut self, outer: usize) -> Result<Span, Malformed> {
        let start = self.at;
        let mut open = Open {
            objects: 0,
            depth: 0,
            outer,
        };
        loop {
            if self.begin(&mut open)? && self.proceed(&mut open)? {
                return Ok(Span {
                    start,
                    end: self.at,
                });
            }
        }
    }

    /// An object that stands inside `outer` arrays and objects. `value` goes past the value of each
    /// member.
    pub(super) fn object(
        &mut self,
        outer: usize,
        value: &mut dyn FnMut(&mut Self, Span) -> Result<(), Malformed>,
    ) -> Result<Span, Malformed> {
        if outer >= JSON_DEPTH_MAX {
            return Err(Malformed::TooDeep);
        }
        let start = self.at;
        self.expect(b'{')?;
        self.blanks();
        if !self.take(b'}') {
            loop {
                let key = self.key()?;
                value(self, key)?;
                self.blanks();
                if !self.take(b',') {
                    break;
                }
                self.blanks();
            }
            self.expect(b'}')?;
        }
        Ok(Span {
            start,
            end: self.at,
        })
    }

    /// Goes past a scalar or an empty array or object (then true), or into a filled one.
    #[inline]
    fn begin(&mut self, open: &mut Open) -> Result<bool, Malformed> {
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{') => {
                open.push(true)?;
                self.at += 1;
                self.blanks();
                if !self.take(b'}') {
                    self.key()?;
                    return Ok(false);
                }
                open.pop();
            }
            Some(b'[') => {
                open.push(false)?;
                self.at += 1;
                self.blanks();
                if !self.take(b']') {
                    return Ok(false);
                }
                open.pop();
            }
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            _ => return Err(self.wrong()),
        }
        Ok(true)
    }

    /// After a value: closes what ends here (true if that was everything), or goes to the next.
    #[inline]
    fn proceed(&mut self, open: &mut Open) -> Result<bool, Malformed> {
        while open.depth > 0 {
            self.blanks();
            match (self.peek(), open.in_object()) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.blanks();
                    self.key()?;
                    return Ok(false);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    self.blanks();
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.at += 1;
                    open.pop();
                }
                _ => return Err(self.wrong()),
            }
        }
        Ok(true)
    }

    #[inline]
    fn string(&mut self) -> Result<(), Malformed> {
        self.expect(b'"')?;
        loop {
            self.at += word::plain_run(self.text.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.wrong()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.at += 1,
                        _ => return Err(self.wrong()),
                    }
                }
            }
            _ => return Err(self.wrong()),
        }
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Result<(), Malformed> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    #[inline]
    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Malformed> {
        for &byte in word {
            self.expect(byte)?;
        }
        Ok(())
    }

    /// The byte here cannot be.
    fn wrong(&self) -> Malformed {
        Malformed::NotJson { at: self.at }
    }
}
