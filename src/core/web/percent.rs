//! Percent-encoding (RFC 3986 section 2.1), reading only.

use crate::http1::syntax::hex_digit;

/// The text with its escapes decoded; `None` for a broken escape or a result that is not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = hex_digit(bytes.next()?)?;
                let low = hex_digit(bytes.next()?)?;
                high * 16 + low
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// The decoded value of the first parameter of this name in a query (`a=b&c=d`); `+` is a blank.
#[must_use]
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let plain = |text: &str| decode(&text.replace('+', " "));
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (plain(key).as_deref() == Some(name)).then(|| plain(value))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3986_2_1_escapes() {
        assert_eq!(decode("a%20b%C3%a9").as_deref(), Some("a b\u{e9}"));
        assert_eq!(decode("+").as_deref(), Some("+"));
        for bad in ["%", "%2", "%zz", "%+1", "%ff", "a%"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn parameters_of_a_query() {
        let query = "tags=a%2Cb&x&tags=c&name+x=1+2";
        assert_eq!(parameter(query, "tags").as_deref(), Some("a,b"));
        assert_eq!(parameter(query, "x").as_deref(), Some(""));
        assert_eq!(parameter(query, "name x").as_deref(), Some("1 2"));
        assert_eq!(parameter(query, "y"), None);
        assert_eq!(parameter("a=%", "a"), None);
    }
}
