//! Searching bytes eight at a time, in safe code. Never looks at what they mean.
//!
//! The arithmetic marks a byte by its highest bit. A borrow may mark a byte above a true hit by
//! mistake, never one below it, so the lowest mark is always right.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);
const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);
const CRS: u64 = u64::from_le_bytes([b'\r'; 8]);
const LFS: u64 = u64::from_le_bytes([b'\n'; 8]);
const DELETES: u64 = u64::from_le_bytes([0x7f; 8]);
const ABOVE_LINE_ENDS: u64 = u64::from_le_bytes([b'\r' + 1; 8]);

/// Where a byte first stands.
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    let pattern = ONES.wrapping_mul(u64::from(wanted));
    let at = first(bytes, |word| zeros(word ^ pattern), |byte| byte == wanted);
    (at < bytes.len()).then_some(at)
}

/// Where a CR or an LF first stands.
pub(crate) fn find_line_end(bytes: &[u8]) -> Option<usize> {
    let at = first(
        bytes,
        |word| zeros(word ^ CRS) | zeros(word ^ LFS),
        |byte| matches!(byte, b'\r' | b'\n'),
    );
    (at < bytes.len()).then_some(at)
}

/// How many bytes at the beginning stand in a JSON string for themselves: up to the first quote,
/// backslash or control character.
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    first(
        bytes,
        |word| {
            let controls = word.wrapping_sub(BLANKS) & !word & HIGHS;
            controls | zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES)
        },
        |byte| byte < b' ' || byte == b'"' || byte == b'\\',
    )
}

/// Whether the bytes have no line end. Most texts have no byte below the blank but perhaps tabs,
/// so four words at a time are asked for any byte that is not above the line ends, and only if
/// there is one the bytes themselves are looked at.
pub(crate) fn is_one_line(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<32>();
    for chunk in chunks {
        let (words, _) = chunk.as_chunks::<8>();
        let low = words.iter().fold(0, |marked, word| {
            let word = u64::from_le_bytes(*word);
            marked | (word.wrapping_sub(ABOVE_LINE_ENDS) & !word)
        });
        if low & HIGHS != 0 && find_line_end(chunk).is_some() {
            return false;
        }
    }
    find_line_end(rest).is_none()
}

/// Whether the bytes are free of control characters but the tab: a value of a header field.
pub(crate) fn has_no_control(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        let at = first(
            rest,
            |word| (word.wrapping_sub(BLANKS) & !word & HIGHS) | zeros(word ^ DELETES),
            |byte| byte < b' ' || byte == 0x7f,
        );
        match rest.get(at..).and_then(<[u8]>::split_first) {
            None => return true,
            Some((b'\t', after)) => rest = after,
            Some(_) => return false,
        }
    }
}

/// Marks the bytes of a word that are zero.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Index of the first byte that is marked, or the length.
#[inline]
fn first(bytes: &[u8], marks: impl Fn(u64) -> u64, hit: impl Fn(u8) -> bool) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return index * 8 + marked.trailing_zeros() as usize / 8;
        }
    }
    if rest.is_empty() {
        return bytes.len();
    }
    // What is left over is looked at once more with the bytes before it, which hold no hit.
    let Some((before, last)) = bytes.split_last_chunk::<8>() else {
        return bytes
            .iter()
            .position(|&byte| hit(byte))
            .unwrap_or(bytes.len());
    };
    let marked = marks(u64::from_le_bytes(*last));
    if marked == 0 {
        bytes.len()
    } else {
        before.len() + marked.trailing_zeros() as usize / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_is_seen_at_every_place() {
        for length in 0..100 {
            let mut bytes = vec![b'x'; length];
            assert!(is_one_line(&bytes));
            for place in 0..length {
                for end in [b'\n', b'\r'] {
                    bytes[place] = end;
                    assert!(!is_one_line(&bytes));
                }
                bytes[place] = 0x0b;
            }
        }
    }

    #[test]
    fn every_byte_is_a_control_or_not_at_every_place_beside_every_neighbour() {
        for byte in 0..=255_u8 {
            let control = (byte < b' ' && byte != b'\t') || byte == 0x7f;
            for place in 0..20 {
                for neighbour in [b' ', b'x', b'~', b'\t', 0x80, 0xff] {
                    let mut bytes = [neighbour; 20];
                    bytes[place] = byte;
                    assert_eq!(
                        has_no_control(&bytes),
                        !control,
                        "{byte} {place} {neighbour}"
                    );
                }
            }
        }
        assert!(has_no_control(b""));
    }

    #[test]
    fn every_byte_is_found_at_every_place_beside_every_neighbour() {
        for special in 0..=255_u8 {
            let stops = special < b' ' || special == b'"' || special == b'\\';
            for place in 0..20 {
                for neighbour in [b'x', 0x21, 0x23, 0x5d, 0x7f, 0x80, 0xff, special] {
                    let mut bytes = [neighbour; 20];
                    bytes[..place].fill(b'x');
                    bytes[place] = special;
                    let wanted = (special != b'x').then_some(place);
                    assert_eq!(
                        find(&bytes, special),
                        wanted.or(Some(0)),
                        "{special} {place}"
                    );
                    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
                    let end = bytes.iter().position(is_end);
                    assert_eq!(find_line_end(&bytes), end, "{special} {neighbour}");
                    if stops {
                        assert_eq!(plain_run(&bytes), place, "{special} {neighbour}");
                    } else {
                        assert_eq!(plain_run(&bytes), 20, "{special} {neighbour}");
                    }
                }
            }
        }
        assert_eq!(
            (find(b"", 1), find(b"abc", b'd'), plain_run(b"")),
            (None, None, 0)
        );
    }
}
