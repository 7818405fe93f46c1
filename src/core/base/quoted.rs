//! Values of other people in lines of the log, as `key=value`.

use std::borrow::Cow;

/// The value as it is, or as a JSON string if it could be taken for more than one value.
#[must_use]
pub fn quoted(value: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    if !value.is_empty() && value.bytes().all(plain) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(serde_json::to_string(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_one_word_stands_for_itself() {
        for (value, shown) in [
            ("read/file-2.x", "read/file-2.x"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a=b", "\"a=b\""),
            ("a\"\n", "\"a\\\"\\n\""),
            ("é", "\"é\""),
        ] {
            assert_eq!(quoted(value), shown);
        }
    }
}
