//! Which bytes may stand where (RFC 9110 sections 5.5 and 5.6) and how numbers are read.

use crate::base::word;

/// Whether the text is a token: a method, a field name, a transfer coding.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// Whether the byte may stand in a token.
#[inline]
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)).is_some_and(|is| *is)
}

/// The same for every byte, looked up instead of computed: every name of every head is checked.
const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = stands_in_tokens(byte);
        byte += 1;
    }
    table
};

const fn stands_in_tokens(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether the text may be a field value: no control characters but the tab.
#[must_use]
pub fn is_field_value(text: &[u8]) -> bool {
    word::has_no_control(text)
}

/// Whether the byte may stand in a field value.
#[must_use]
pub const fn is_field_byte(byte: u8) -> bool {
    (byte == b'\t') | ((byte >= b' ') & (byte != 0x7f))
}

/// The text without blanks and tabs around it.
#[must_use]
pub fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// Why a text is not a number that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadNumber {
    /// Something else than digits, or nothing.
    Malformed,
    /// More than 64 bits.
    TooLarge,
}

/// Decimal digits only: no sign, no blank. (`"+5".parse()` would succeed.)
///
/// # Errors
/// Says whether it is no number or too large a one.
pub fn decimal(text: &[u8]) -> Result<u64, BadNumber> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(BadNumber::Malformed);
    }
    text.iter()
        .try_fold(0u64, |value, digit| {
            value
                .checked_mul(10)?
                .checked_add(u64::from(digit.wrapping_sub(b'0')))
        })
        .ok_or(BadNumber::TooLarge)
}

/// The value of one hexadecimal digit.
#[must_use]
pub const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_5_6_2_tokens() {
        for good in ["GET", "x-y", "a!#$%&'*+-.^_`|~9"] {
            assert!(is_token(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "a b", "a:", "a\t", "(", "é", "a\0", "a/b", "[x]", "\"q\"",
        ] {
            assert!(!is_token(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn rfc9110_5_5_field_values_have_no_controls() {
        for byte in 0..=255 {
            assert_eq!(is_field_value(&[byte]), is_field_byte(byte), "{byte}");
        }
        assert!(is_field_value("a\tb é".as_bytes()));
        for bad in [0u8, 1, 8, 10, 11, 12, 13, 27, 31, 127] {
            assert!(!is_field_value(&[b'a', bad]), "{bad}");
        }
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(decimal(b"0"), Ok(0));
        assert_eq!(decimal(b"007"), Ok(7));
        assert_eq!(decimal(b"18446744073709551615"), Ok(u64::MAX));
        assert_eq!(decimal(b"18446744073709551616"), Err(BadNumber::TooLarge));
        for bad in ["", "+5", "-5", " 5", "5 ", "0x5", "5,5", "5.0", "\u{665}"] {
            assert_eq!(decimal(bad.as_bytes()), Err(BadNumber::Malformed), "{bad}");
        }
    }
}
