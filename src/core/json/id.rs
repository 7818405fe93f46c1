//! Ids of JSON-RPC messages as bytes: kept, compared, told from other values, and found in what is
//! left of a message that was too long. Never changes one.

use crate::base::short::ShortBytes;
use crate::json::scan::Scanner;
use crate::json::span::{self, Span};
use crate::limits::ID_BYTES_MAX;

/// An id as it stood on the wire, kept to be given back byte for byte (A1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonId(ShortBytes);

impl JsonId {
    /// Keeps the bytes of an id.
    #[must_use]
    pub fn new(raw: &[u8]) -> Self {
        Self(ShortBytes::new(raw))
    }

    /// The bytes, as they stood.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.0
    }

    /// The same, to be put into a message.
    #[must_use]
    pub fn kept(&self) -> ShortBytes {
        self.0.clone()
    }

    /// Whether another raw id means the same: strings are compared decoded, and a string never
    /// equals a number.
    #[must_use]
    pub fn same(&self, raw: &[u8]) -> bool {
        if *self.0 == *raw {
            return true;
        }
        let ours = span::string(&self.0, Span::whole(&self.0));
        ours.is_some() && ours == span::string(raw, Span::whole(raw))
    }
}

/// Whether a raw value may be an id: a string or an integer, not too long. (Equal integers are
/// then equal bytes, but for -0.)
pub(super) fn is_id(raw: &[u8]) -> bool {
    let integer = |raw: &[u8]| {
        let digits = raw.strip_prefix(b"-").unwrap_or(raw);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    };
    raw.len() <= ID_BYTES_MAX && (raw.first() == Some(&b'"') || integer(raw))
}

/// The id if it is a non-negative integer written as we write ours: digits only, no leading zero.
#[must_use]
pub fn our_number(raw: &[u8]) -> Option<u64> {
    if raw.is_empty() || (raw.len() > 1 && raw.starts_with(b"0")) {
        return None;
    }
    raw.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Our id in a response that was too long to be kept, if its ends show it beyond doubt.
///
/// The ends are those of one line, so if the line is a message at all, its first bracket opens and
/// its last one closes the message itself. Two conclusions are exact then:
/// - The head reads `{`, then only the members `jsonrpc` and `id`, then the name `result` or
///   `error`: it was read from the beginning, so these are members of the message, and it is a
///   response and no request of the server, whose ids are not ours.
/// - The head reads the same without `id`, and the tail ends in `,"id":N}`. No quote stands between
///   the number and the last bracket, which is outside of any string; so the number is outside
///   too, the quote before the colon ends a string, and the quote after the comma, which no
///   backslash precedes, begins it. That string is a name in the object that the bracket closes.
///
/// Anything else is `None`; the call then runs into its deadline.
#[must_use]
pub fn id_of_long_line(head: &[u8], tail: &[u8]) -> Option<u64> {
    match id_in_head(head)? {
        Some(id) => Some(id),
        None => id_in_tail(tail),
    }
}

/// `None` if this is not surely a response, `Some(None)` if it is one whose id comes later.
fn id_in_head(head: &[u8]) -> Option<Option<u64>> {
    let mut scanner = Scanner::new(head, 0);
    let mut id = None;
    scanner.blanks();
    scanner.expect(b'{').ok()?;
    loop {
        scanner.blanks();
        match scanner.key().ok()?.of(head) {
            br#""result""# | br#""error""# => return Some(id),
            br#""jsonrpc""# => {
                (scanner.value(1).ok()?.of(head) == br#""2.0""#).then_some(())?;
            }
            br#""id""# if id.is_none() => {
                id = Some(our_number(scanner.value(1).ok()?.of(head))?);
            }
            _ => return None,
        }
        scanner.blanks();
        scanner.expect(b',').ok()?;
    }
}

fn id_in_tail(tail: &[u8]) -> Option<u64> {
    let before =
        |text: &'_ [u8], token: &[u8]| text.trim_ascii_end().strip_suffix(token).map(<[u8]>::len);
    let tail = tail.get(..before(tail, b"}")?)?.trim_ascii_end();
    let digits = tail
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (rest, number) = tail.split_at_checked(tail.len().checked_sub(digits)?)?;
    let rest = rest.get(..before(rest, b":")?)?;
    let rest = rest.get(..before(rest, br#""id""#)?)?;
    before(rest, b",")?;
    our_number(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a1_ids_are_compared_by_what_they_mean() {
        let id = JsonId::new(br#""a""#);
        assert!(id.same(br#""a""#) && id.same(br#""\u0061""#));
        assert!(!id.same(br#""b""#) && !id.same(b"1") && !id.same(b""));
        assert_eq!(id.raw(), br#""a""#);
        assert!(JsonId::new(br#""\u0061""#).same(br#""a""#));
        let id = JsonId::new(b"1");
        assert!(id.same(b"1") && !id.same(br#""1""#) && !id.same(b"2"));
        assert!(!JsonId::new(br#""1""#).same(b"1"));
    }

    #[test]
    fn our_numbers_are_written_one_way_only() {
        let max = u64::MAX.to_string();
        assert_eq!(our_number(max.as_bytes()), Some(u64::MAX));
        assert_eq!((our_number(b"0"), our_number(b"42")), (Some(0), Some(42)));
        for raw in [
            "",
            "00",
            "01",
            "-1",
            "+1",
            "1.0",
            "1e1",
            "\"1\"",
            " 1",
            "18446744073709551616",
        ] {
            assert_eq!(our_number(raw.as_bytes()), None, "{raw}");
        }
    }

    #[test]
    fn the_id_of_a_long_response_is_found_only_beyond_doubt() {
        let cases: &[(&str, &str, Option<u64>)] = &[
            (r#"{"jsonrpc":"2.0","id":12,"result":{"x"#, "", Some(12)),
            (r#"{"id":12,"jsonrpc":"2.0","error":{"x"#, "", Some(12)),
            (
                r#" { "jsonrpc" : "2.0" , "id" : 12 , "result" : ["#,
                "",
                Some(12),
            ),
            (
                r#"{"result":{"x"#,
                r#"x"},"jsonrpc":"2.0","id":12}"#,
                Some(12),
            ),
            (
                r#"{"jsonrpc":"2.0","result":"#,
                r#"x"}, "id" : 12 } "#,
                Some(12),
            ),
            // A request of the server: its id is not ours.
            (
                r#"{"jsonrpc":"2.0","id":12,"method":"x","#,
                r#","id":13}"#,
                None,
            ),
            (r#"{"jsonrpc":"2.0","method":"x","#, r#"},"id":12}"#, None),
            // Members that we do not know may hide anything.
            (r#"{"x":1,"result":"#, r#"},"id":12}"#, None),
            (r#"{"result":"#, r#"\",\"id\":12}"#, None),
            (r#"{"result":"#, r#",\"id":12}"#, None),
            (r#"{"result":"#, r#","id":12}}"#, None),
            (r#"{"result":"#, r#","id":12}]"#, None),
            (r#"{"result":"#, r#","xid":12}"#, None),
            (r#"{"result":"#, r#"{"id":12}"#, None),
            (r#"{"result":"#, r#","id":"12"}"#, None),
            (r#"{"result":"#, r#","id":-12}"#, None),
            (r#"{"result":"#, r#","id":1.2}"#, None),
            (r#"{"result":"#, r#","id":}"#, None),
            (r#"{"result":"#, "12}", None),
            (r#"{"result":"#, "", None),
            (r#"{"id":"12","result":"#, "", None),
            (r#"{"id":1,"id":2,"result":"#, "", None),
            (r#"{"jsonrpc":"1.0","id":1,"result":"#, "", None),
            (r#"{"jsonrpc":"2.0","id":1"#, "", None),
            (r#"[{"jsonrpc":"2.0","id":1,"result":"#, "", None),
            ("garbage", r#","id":12}"#, None),
            ("", "", None),
        ];
        for &(head, tail, wanted) in cases {
            let found = id_of_long_line(head.as_bytes(), tail.as_bytes());
            assert_eq!(found, wanted, "{head} .. {tail}");
        }
    }
}
