//! `application/x-www-form-urlencoded`, as bodies of forms and as queries, read and written.

use std::fmt::Write;

use crate::base::percent;

/// Names and values in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// A parameter that may stand once stands twice (RFC 6749 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice;

/// Fields of one form; what comes behind them makes the form unreadable.
const FIELDS_MAX: usize = 100;

impl Form {
    /// Reads a body or a query without its `?`. `None`: a broken escape, text that is no UTF-8, or
    /// too many fields.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        for pair in text.split(|byte| *byte == b'&') {
            if pair.is_empty() {
                continue;
            }
            let cut = pair.iter().position(|byte| *byte == b'=');
            let name = pair.get(..cut.unwrap_or(pair.len()))?;
            let value = cut.map_or(Some(&b""[..]), |cut| pair.get(cut + 1..))?;
            let plain = |text| percent::decode(text, b' ').ok();
            fields.push((plain(name)?, plain(value)?));
            if fields.len() > FIELDS_MAX {
                return None;
            }
        }
        Some(Self(fields))
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The only value of this name.
    ///
    /// # Errors
    /// There are two.
    pub fn once(&self, name: &str) -> Result<Option<&str>, Twice> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Twice),
            (value, None) => Ok(value),
        }
    }

    /// All values of this name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(own, _)| own == name);
        named.map(|(_, value)| value.as_str())
    }

    /// All fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// One field more, at the end.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As a body or a query.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, value) in &self.0 {
            if !out.is_empty() {
                out.push('&');
            }
            encode(&mut out, name);
            out.push('=');
            encode(&mut out, value);
        }
        out
    }
}

/// Appends a text with everything escaped that may mean something in a URL.
pub fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_browsers_write_them() {
        let form = Form::parse(b"a=1&b=x+y%26z&&c&d=%C3%A4&a=2").unwrap();
        assert_eq!(form.get("b"), Some("x y&z"));
        assert_eq!(
            (form.get("c"), form.get("d"), form.get("e")),
            (Some(""), Some("\u{e4}"), None)
        );
        assert_eq!(
            (form.once("a"), form.once("b")),
            (Err(Twice), Ok(Some("x y&z")))
        );
        assert_eq!(form.once("e"), Ok(None));
        assert_eq!(form.fields().count(), 5);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let form = Form::default().with("a b", "\u{e4}&=+%\0").with("", "x");
        assert_eq!(Form::parse(form.text().as_bytes()), Some(form));
    }

    #[test]
    fn broken_forms_are_none() {
        for bad in [&b"a=%"[..], b"a=%1", b"a=%zz", b"a=%ff", b"%=1"] {
            assert_eq!(Form::parse(bad), None, "{}", bad.escape_ascii());
        }
        let many = "a=1&".repeat(FIELDS_MAX);
        assert!(Form::parse(many.as_bytes()).is_some());
        assert_eq!(Form::parse(format!("{many}a=1").as_bytes()), None);
    }
}
