//! Base64, read strictly: without bits that mean nothing, so that each text has one form only. With
//! the standard alphabet and padding (RFC 4648 section 4), and for texts that are put into URLs and
//! JSON with the other alphabet and none (section 5).

/// The text of some bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut value = 0u32;
        for place in 0..3 {
            value = value << 8 | u32::from(group.get(place).copied().unwrap_or_default());
        }
        for place in 0..4_usize {
            // Six bits are a place in the alphabet.
            let six = (value >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(six as usize).copied().unwrap_or_default();
            out.push(if place > group.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes that a text stands for; `None` if it is not the one right form of any.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut groups = text.chunks_exact(4).peekable();
    while let Some(group) = groups.next() {
        let last = groups.peek().is_none();
        let (digits, bytes) = match group {
            [_, _, b'=', b'='] if last => (2, 1),
            [_, _, _, b'='] if last => (3, 2),
            _ => (4, 3),
        };
        let mut value = 0u32;
        for byte in group.iter().take(digits) {
            value = value << 6 | digit(*byte)?;
        }
        // What the last digit has beyond whole bytes.
        let rest = digits * 6 - bytes * 8;
        if value & ((1 << rest) - 1) != 0 {
            return None;
        }
        let [_, all @ ..] = (value >> rest << (24 - bytes * 8)).to_be_bytes();
        out.extend(all.into_iter().take(bytes));
    }
    Some(out)
}

const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes as text that is safe in URLs, without padding.
#[must_use]
pub fn encode_url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut value = 0u32;
        for place in 0..3 {
            value = value << 8 | u32::from(group.get(place).copied().unwrap_or_default());
        }
        for place in 0..=group.len() {
            let digit = value >> (18 - 6 * place) & 63;
            let digit = URL_SAFE.get(digit as usize).copied().unwrap_or_default();
            out.push(char::from(digit));
        }
    }
    out
}

/// The bytes that such a text stands for; `None` if it is not the one right form of any.
#[must_use]
pub fn decode_url(text: &str) -> Option<Vec<u8>> {
    let mut standard = String::with_capacity(text.len() + 2);
    for letter in text.chars() {
        standard.push(match letter {
            '-' => '+',
            '_' => '/',
            '+' | '/' | '=' => return None,
            other => other,
        });
    }
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    decode(&standard)
}

fn digit(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_one_form() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYmFy", b"foobar"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
            ("SGVsbG8=", b"Hello"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
            assert_eq!(encode(bytes), text);
        }
        for text in [
            "Z",
            "Zg",
            "Zg=",
            "Zg===",
            "Z===",
            "====",
            "Zh==",
            "Zm9=",
            "Zg==Zg==",
            "Zm 8=",
            "Zm-_",
            "Zm9v\n",
            "=Zm9",
            "SGVs!!!bG8=",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn the_alphabet_of_urls_comes_back_without_padding() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..all.len() {
            let text = encode_url(&all[..length]);
            assert_eq!(decode_url(&text).as_deref(), Some(&all[..length]));
            assert!(!text.contains(['=', '+', '/']));
        }
        assert_eq!(encode_url(&[0xfb, 0xff, 0xbf, b'f']), "-_-_Zg");
        for text in ["Z", "Zh", "Zm9=", "Zg==", "+/+/", "Zm 8", "Zm9vZ", "é"] {
            assert_eq!(decode_url(text), None, "{text}");
        }
    }
}
