//! Percent-encoding (RFC 3986 section 2.1), reading only. Strict: secrets that are looked for in
//! what servers say are read leniently, as those servers may (`backend/remote/redact`).

/// The text with its escapes decoded. What `+` stands for is for the caller to say: a blank in
/// forms and queries, itself in paths.
///
/// # Errors
/// How many characters are good before an escape that is broken, or that makes no UTF-8.
pub fn decode(text: &[u8], plus: u8) -> Result<String, usize> {
    let bytes = bytes(text, plus).map_err(|good| characters(&good))?;
    String::from_utf8(bytes).map_err(|error| characters(error.as_bytes()))
}

/// The same for what need not be text.
///
/// # Errors
/// What stands before an escape that is broken.
pub fn bytes(text: &[u8], plus: u8) -> Result<Vec<u8>, Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
                match value.and_then(|value| u8::try_from(value).ok()) {
                    Some(byte) => byte,
                    None => return Err(out),
                }
            }
            b'+' => plus,
            other => *other,
        });
    }
    Ok(out)
}

/// How many there are before the first byte that belongs to none.
fn characters(bytes: &[u8]) -> usize {
    let good = bytes.utf8_chunks().next();
    good.map_or(0, |chunk| chunk.valid().chars().count())
}

/// A segment of a path; `None` if it is not well formed.
#[must_use]
pub fn segment(text: &str) -> Option<String> {
    decode(text.as_bytes(), b'+').ok()
}

/// The decoded value of the first parameter of this name in a query (`a=b&c=d`); `+` is a blank.
#[must_use]
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let plain = |text: &str| decode(text.as_bytes(), b' ').ok();
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
        let path = |text: &str| decode(text.as_bytes(), b'+');
        assert_eq!(path("a%20b%C3%a9").as_deref(), Ok("a b\u{e9}"));
        assert_eq!(path("+").as_deref(), Ok("+"));
        assert_eq!(decode(b"a+%2B", b' ').as_deref(), Ok("a +"));
        for (bad, good) in [
            ("%", 0),
            ("%2", 0),
            ("%zz", 0),
            ("%+1", 0),
            ("a%", 1),
            ("%C3%A9b%zz", 2),
            ("\u{e9}%ffb", 1),
            ("%C3%A9%C3", 1),
            ("%ff%zz", 0),
        ] {
            assert_eq!(path(bad), Err(good), "{bad}");
            assert_eq!(segment(bad), None);
        }
        assert_eq!(bytes(b"a%ff+", b'+').as_deref(), Ok(&b"a\xff+"[..]));
        assert_eq!(bytes(b"a%f", b'+'), Err(b"a".to_vec()));
        // Raw bytes that are no text are no text behind the escapes either.
        assert_eq!(decode(b"ab\xff", b'+'), Err(2));
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
