//! Takes a request body out of the inbox: a known length, or chunks (RFC 9112 section 7.1) whose
//! extensions and trailers are checked, counted and thrown away.

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

    /// Moves data from the input to the body and tells how much of the input was used; stops at
    /// the end of the body.
    ///
    /// # Errors
    /// 400 for chunks that are not well formed, 413 for a body, 431 for trailers that are too long.
    pub(crate) fn decode(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, Reject> {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            match self.place {
                Place::End => break,
                Place::Data { left, chunked } => {
                    let take = left.min(rest.len());
                    let piece = rest.get(..take).unwrap_or_default();
                    if !chunked {
                        reserve(body, piece.len(), left);
                    }
                    body.extend_from_slice(piece);
                    used += take;
                    self.place = match (left - take, chunked) {
                        (0, true) => Place::DataCr,
                        (0, false) => Place::End,
                        (left, chunked) => Place::Data { left, chunked },
                    };
                }
                _ => {
                    let byte = rest.first().copied().unwrap_or_default();
                    self.place = self.step(byte, body.len())?;
                    used += 1;
                }
            }
        }
        Ok(used)
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
            _ => Err(Reject::with(413, "the request body is too large")),
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
