//! Takes the body of a message out of the bytes received: a known length, or chunks (RFC 9112
//! section 7.1) whose extensions and trailers are checked, counted and thrown away.

use crate::http1::framing::Framing;
use crate::http1::reject::Reject;
use crate::http1::syntax::{hex_digit, is_field_byte};
use crate::limits::{CHUNK_EXTENSION_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX, TRAILER_BYTES_MAX};

/// Where in the body the next byte lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// This many bytes are left of the body or of a chunk.
    Data { left: usize, chunked: bool },
    /// In the digits of a chunk size.
    Size { digits: usize, size: usize },
    /// After the `;` behind a chunk size.
    Extension { size: usize },
    /// Behind the CR that ends a chunk size.
    SizeLf { size: usize },
    /// Behind the data of a chunk.
    DataCr,
    /// Behind the CR that follows the data of a chunk.
    DataLf,
    /// At the start of a trailer line, or at the end of the body.
    TrailerStart,
    /// In a trailer line.
    Trailer,
    /// Behind the CR that ends a trailer line.
    TrailerLf,
    /// Behind the CR that ends the body.
    EndLf,
    /// Everything was taken.
    End,
}

/// Takes one body out.
#[derive(Debug)]
pub(crate) struct Decoder {
    place: Place,
    bytes_max: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
}

/// What a body gets that is longer than it may be.
pub(crate) const TOO_LARGE: Reject = Reject::with(413, "the request body is too large");

const BAD_CHUNK: Reject = Reject::bad("the chunks of the body are not well formed");

impl Decoder {
    pub(crate) fn new(framing: Framing, bytes_max: usize) -> Self {
        let place = match framing {
            Framing::Length(0) => Place::End,
            Framing::Length(left) => Place::Data {
                left,
                chunked: false,
            },
            Framing::Chunked => Place::Size { digits: 0, size: 0 },
        };
        Self {
            place,
            bytes_max,
            extension_bytes: 0,
            trailer_bytes: 0,
        }
    }

    /// Whether the body is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::End
    }

    /// How many bytes of a body of known length are still to come.
    pub(crate) fn left(&self) -> Option<usize> {
        match self.place {
            Place::Data {
                left,
                chunked: false,
            } => Some(left),
            _ => None,
        }
    }

    /// The body may have at most this length from now on.
    pub(crate) const fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Whether the body is too long by what is known of it; `length` is how much data came before.
    pub(crate) const fn is_over(&self, length: usize) -> bool {
        let coming = match self.place {
            Place::Data { left, .. } => left,
            Place::Size { size, .. } | Place::Extension { size } | Place::SizeLf { size } => size,
            Place::DataCr
            | Place::DataLf
            | Place::TrailerStart
            | Place::Trailer
            | Place::TrailerLf
            | Place::EndLf
            | Place::End => 0,
        };
        length.saturating_add(coming) > self.bytes_max
    }

    /// Moves data from the input to the body and tells how much of the input was used; stops at
    /// the end of the body, and behind the piece with which the body is longer than `upto`.
    ///
    /// # Errors
    /// 400 for chunks that are not well formed, 413 for a body, 431 for trailers that are too long.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        upto: usize,
    ) -> Result<usize, Reject> {
        let mut rest = input;
        loop {
            let left = self.left();
            let piece = self.run(&mut rest, body.len())?;
            if let Some(left) = left {
                reserve(body, piece.len(), left);
            }
            body.extend_from_slice(piece);
            if piece.is_empty() || body.len() > upto {
                return Ok(input.len() - rest.len());
            }
        }
    }

    /// Takes the next piece of data out of the input, where it stays, and all framing before it.
    /// An empty piece means that the input is used up or the body complete. `length` is how much
    /// data came before.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub(crate) fn run<'i>(
        &mut self,
        input: &mut &'i [u8],
        length: usize,
    ) -> Result<&'i [u8], Reject> {
        while let Some((first, rest)) = input.split_first() {
            match self.place {
                Place::End => break,
                Place::Data { left, chunked } => {
                    let (piece, rest) = input.split_at(left.min(input.len()));
                    *input = rest;
                    self.place = match (left - piece.len(), chunked) {
                        (0, true) => Place::DataCr,
                        (0, false) => Place::End,
                        (left, chunked) => Place::Data { left, chunked },
                    };
                    return Ok(piece);
                }
                _ => {
                    self.place = self.step(*first, length)?;
                    *input = rest;
                }
            }
        }
        Ok(&[])
    }

    /// The place behind one byte of everything that is not data.
    fn step(&mut self, byte: u8, length: usize) -> Result<Place, Reject> {
        match (self.place, byte) {
            (Place::Size { digits: 1.., size }, b'\r') => Ok(Place::SizeLf { size }),
            (Place::Size { digits: 1.., size }, b';') => Ok(Place::Extension { size }),
            (Place::Size { digits, size }, byte) => self.size(digits, size, byte, length),
            (Place::Extension { size }, b'\r') => Ok(Place::SizeLf { size }),
            (Place::Extension { size }, byte) if is_field_byte(byte) => {
                self.extension_bytes += 1;
                if self.extension_bytes > CHUNK_EXTENSION_BYTES_MAX {
                    return Err(Reject::bad("the chunk extensions are too long"));
                }
                Ok(Place::Extension { size })
            }
            (Place::SizeLf { size: 0 }, b'\n') => Ok(Place::TrailerStart),
            (Place::SizeLf { size }, b'\n') => Ok(Place::Data {
                left: size,
                chunked: true,
            }),
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(Place::Size { digits: 0, size: 0 }),
            (Place::TrailerStart, b'\r') => Ok(Place::EndLf),
            (Place::TrailerStart, b' ' | b'\t' | b':') => Err(BAD_CHUNK),
            (Place::Trailer, b'\r') => Ok(Place::TrailerLf),
            (Place::TrailerStart | Place::Trailer, byte) if is_field_byte(byte) => {
                self.trailer_bytes += 1;
                if self.trailer_bytes > TRAILER_BYTES_MAX {
                    return Err(Reject::with(431, "the trailers of the body are too long"));
                }
                Ok(Place::Trailer)
            }
            (Place::TrailerLf, b'\n') => Ok(Place::TrailerStart),
            (Place::EndLf, b'\n') => Ok(Place::End),
            _ => Err(BAD_CHUNK),
        }
    }

    /// One more digit of a chunk size.
    fn size(&self, digits: usize, size: usize, byte: u8, length: usize) -> Result<Place, Reject> {
        let Some(digit) = hex_digit(byte).filter(|_| digits < CHUNK_SIZE_DIGITS_MAX) else {
            return Err(BAD_CHUNK);
        };
        let grown = size
            .checked_mul(16)
            .and_then(|size| size.checked_add(usize::from(digit)));
        match grown {
            Some(size) if size <= self.bytes_max.saturating_sub(length) => Ok(Place::Size {
                digits: digits + 1,
                size,
            }),
            _ => Err(TOO_LARGE),
        }
    }
}

/// Room for a piece of a body of known length: doubles, so that an announced length alone reserves
/// nothing, and never reserves more than `left`.
fn reserve(body: &mut Vec<u8>, piece: usize, left: usize) {
    if body.capacity() - body.len() < piece {
        body.reserve_exact(body.len().max(piece).min(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fuzzing::{decoded, splits};

    const MAX: usize = 1000;

    /// The outcome, whole and split everywhere; nothing behind the body may be touched.
    fn chunked(text: &str) -> Result<String, u16> {
        let whole = decoded(Framing::Chunked, vec![text.as_bytes()]);
        for pieces in splits(text.as_bytes()) {
            assert_eq!(decoded(Framing::Chunked, pieces), whole, "{text:?}");
        }
        let (body, used, end) = whole;
        match end.as_str() {
            "whole" => {
                let more = format!("{text}GET / HTTP/1.1\r\n");
                let again = decoded(Framing::Chunked, vec![more.as_bytes()]);
                assert_eq!(again, (body.clone(), used, end));
                assert_eq!(used, text.len());
                Ok(String::from_utf8(body).unwrap())
            }
            "open" => Ok(format!("{} ..", String::from_utf8(body).unwrap())),
            refused => Err(refused[..3].parse().unwrap()),
        }
    }

    #[test]
    fn rfc9112_7_1_chunks() {
        for (text, body) in [
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            (
                "5\r\nhello\r\n00a\r\n, \r\nworld!\r\n000\r\n\r\n",
                "hello, \r\nworld!",
            ),
            ("1;a=b;c=\"d\"\r\nx\r\n0;\t\r\n\r\n", "x"),
            ("1\r\nx\r\n0\r\nTrailer: one\r\nB: two\r\n\r\n", "x"),
            (
                "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
                "01234567890123456789",
            ),
            ("5\r\nhel", "hel .."),
            ("", " .."),
        ] {
            assert_eq!(chunked(text).as_deref(), Ok(body), "{text:?}");
        }
    }

    #[test]
    fn rfc9112_7_1_malformed_chunks_get_400() {
        for text in [
            "\r\n",
            "5\nhello\n0\n\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello!\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "+5\r\nhello\r\n",
            "-5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5 ;x\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            "5h\r\nhello\r\n",
            ";x\r\n",
            "5\rhello",
            "5;a\nb\r\nhello",
            "5;a\0\r\nhello",
            "0\r\n\n",
            "0\r\nA: b\n\r\n",
            "0\r\n folded\r\n\r\n",
            "0\r\n: b\r\n\r\n",
            "0\r\nA: \x01\r\n\r\n",
            "0\r\n\rx",
            "00000000000000001\r\nx",
        ] {
            assert_eq!(chunked(text), Err(400), "{text:?}");
        }
    }

    #[test]
    fn rfc9112_7_1_sizes_that_overflow_get_413() {
        for text in [
            "3e9\r\n",
            "ffffffffffffffff\r\n",
            "8000000000000000\r\n",
            "3e8\r\n",
        ] {
            let over = format!("1\r\nx\r\n{text}");
            assert_eq!(chunked(&over), Err(413), "{text:?}");
        }
        let full = format!("3e8\r\n{}\r\n0\r\n\r\n", "x".repeat(MAX));
        let (body, _, end) = decoded(Framing::Chunked, vec![full.as_bytes()]);
        assert_eq!((body.len(), end.as_str()), (MAX, "whole"));
    }

    #[test]
    fn chunk_extension_bytes_max_gets_400_and_trailer_bytes_max_431() {
        let end = |text: String| decoded(Framing::Chunked, vec![text.as_bytes()]).2;
        let extended = |length| format!("0;{}\r\n\r\n", "x".repeat(length));
        assert_eq!(end(extended(CHUNK_EXTENSION_BYTES_MAX)), "whole");
        assert!(end(extended(CHUNK_EXTENSION_BYTES_MAX + 1)).starts_with("400"));
        // Many short ones count together.
        let many = "1;xxxxxxxxx\r\ny\r\n".repeat(CHUNK_EXTENSION_BYTES_MAX / 9 + 1);
        assert!(end(many).starts_with("400"));
        let trailed = |length| format!("0\r\n{}\r\n\r\n", "x".repeat(length));
        assert_eq!(end(trailed(TRAILER_BYTES_MAX)), "whole");
        assert!(end(trailed(TRAILER_BYTES_MAX + 1)).starts_with("431"));
        let many = format!("0\r\n{}\r\n", "a:b\r\n".repeat(TRAILER_BYTES_MAX / 3 + 1));
        assert!(end(many).starts_with("431"));
    }

    #[test]
    fn chunk_size_digits_max_gets_400() {
        let zeros = |count| format!("{}1\r\nx\r\n0\r\n\r\n", "0".repeat(count));
        assert_eq!(
            chunked(&zeros(CHUNK_SIZE_DIGITS_MAX - 1)).as_deref(),
            Ok("x")
        );
        assert_eq!(chunked(&zeros(CHUNK_SIZE_DIGITS_MAX)), Err(400));
    }

    #[test]
    fn a_known_length_is_taken_and_no_byte_more() {
        for pieces in splits(b"hello, world!") {
            let (body, used, end) = decoded(Framing::Length(5), pieces);
            assert_eq!((&body[..], used, end.as_str()), (&b"hello"[..], 5, "whole"));
        }
        assert!(Decoder::new(Framing::Length(0), MAX).is_done());
    }

    #[test]
    fn an_announced_length_reserves_nothing() {
        let mut decoder = Decoder::new(Framing::Length(10_000_000), 10_000_000);
        let mut body = Vec::new();
        decoder
            .decode(&[b'x'; 1000], &mut body, usize::MAX)
            .unwrap();
        assert!(body.capacity() <= 2000, "{}", body.capacity());
        while !decoder.is_done() {
            decoder
                .decode(&[b'x'; 65536], &mut body, usize::MAX)
                .unwrap();
        }
        assert_eq!((body.len(), body.capacity()), (10_000_000, 10_000_000));
    }
}
