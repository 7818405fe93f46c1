//! Which body follows a head (RFC 9112 section 6), and whether the connection lasts (section 9).
//! The place where requests are smuggled: whatever could be read in two ways is refused.

use crate::http1::body::TOO_LARGE;
use crate::http1::head::Request;
use crate::http1::reject::Reject;
use crate::http1::syntax::{BadNumber, decimal, is_token};

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes.
    Length(usize),
    /// Chunks, each with its length.
    Chunked,
}

/// Decides the framing of a request.
///
/// # Errors
/// 400 for what can be read in two ways, 413 for a body over `bytes_max`, 501 for codings other
/// than `chunked`.
pub fn of(request: &Request, bytes_max: usize) -> Result<Framing, Reject> {
    let length = request.headers.get("content-length");
    let Some(coding) = request.headers.get("transfer-encoding") else {
        return content_length(length.unwrap_or("0"), bytes_max);
    };
    if length.is_some() {
        return Err(Reject::bad(
            "Content-Length and Transfer-Encoding exclude each other",
        ));
    }
    if request.http_1_0 {
        return Err(Reject::bad("HTTP/1.0 has no Transfer-Encoding"));
    }
    if coding.eq_ignore_ascii_case("chunked") {
        return Ok(Framing::Chunked);
    }
    // RFC 9112 section 6.3: if chunked is not the last coding, the length cannot be known.
    match coding.rsplit_once(',') {
        Some((others, last))
            if last
                .trim_matches([' ', '\t'])
                .eq_ignore_ascii_case("chunked")
                && others.split(',').all(is_other_coding) =>
        {
            Err(Reject::with(
                501,
                "the only transfer coding taken is chunked",
            ))
        }
        _ => Err(Reject::bad("the transfer coding does not end in chunked")),
    }
}

fn is_other_coding(text: &str) -> bool {
    let name = text.trim_matches([' ', '\t']);
    is_token(name.as_bytes()) && !name.eq_ignore_ascii_case("chunked")
}

fn content_length(text: &str, bytes_max: usize) -> Result<Framing, Reject> {
    match decimal(text.as_bytes()) {
        Err(BadNumber::Malformed) => Err(Reject::bad("Content-Length is not a number")),
        Err(BadNumber::TooLarge) => Err(TOO_LARGE),
        Ok(length) => match usize::try_from(length) {
            Ok(length) if length <= bytes_max => Ok(Framing::Length(length)),
            _ => Err(TOO_LARGE),
        },
    }
}

/// Whether the peer wants to use the connection again (RFC 9112 section 9.3).
#[must_use]
pub fn keeps_alive(request: &Request) -> bool {
    let says = |option| request.headers.list_has("connection", option);
    !says("close") && (!request.http_1_0 || says("keep-alive"))
}

/// Whether the peer waits for `100 Continue` (RFC 9110 section 10.1.1).
///
/// # Errors
/// 417 for an expectation that is not known.
pub fn expects_continue(request: &Request) -> Result<bool, Reject> {
    match request.headers.get("expect") {
        _ if request.http_1_0 => Ok(false),
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("100-continue") => Ok(true),
        Some(_) => Err(Reject::with(
            417,
            "the only expectation met is 100-continue",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::server::{Headers, Method};

    fn request(http_1_0: bool, headers: &[(&str, &str)]) -> Request {
        Request::of(Method::Post, http_1_0, Headers::of(headers))
    }

    fn status(headers: &[(&str, &str)]) -> Result<Framing, u16> {
        of(&request(false, headers), 100).map_err(|reject| reject.status)
    }

    const CL: &str = "Content-Length";
    const TE: &str = "Transfer-Encoding";

    #[test]
    fn rfc9112_6_3_content_length() {
        assert_eq!(status(&[]), Ok(Framing::Length(0)));
        assert_eq!(status(&[(CL, "100")]), Ok(Framing::Length(100)));
        assert_eq!(status(&[(CL, "0007")]), Ok(Framing::Length(7)));
        for (value, expected) in [
            ("101", 413),
            ("1073741824", 413),
            ("18446744073709551616", 413),
            ("99999999999999999999999999999999", 413),
            ("", 400),
            ("+5", 400),
            ("-1", 400),
            ("5,5", 400),
            ("5, 5", 400),
            ("5 5", 400),
            ("0x5", 400),
            ("5a", 400),
            ("1e2", 400),
            ("\u{665}", 400),
        ] {
            assert_eq!(status(&[(CL, value)]), Err(expected), "{value}");
        }
    }

    #[test]
    fn rfc9112_6_1_transfer_encoding_is_chunked_or_nothing() {
        assert_eq!(status(&[(TE, "chunked")]), Ok(Framing::Chunked));
        assert_eq!(status(&[(TE, "Chunked")]), Ok(Framing::Chunked));
        for (value, expected) in [
            ("gzip, chunked", 501),
            ("gzip,deflate , chunked", 501),
            ("gzip", 400),
            ("identity", 400),
            ("", 400),
            ("chunked, gzip", 400),
            ("chunked, chunked", 400),
            ("chunked,", 400),
            (", chunked", 400),
            ("xchunked", 400),
            ("chunked;q=1", 400),
            ("\"chunked\"", 400),
            ("chunked\t\u{a0}", 400),
            ("chun ked", 400),
        ] {
            assert_eq!(status(&[(TE, value)]), Err(expected), "{value:?}");
        }
    }

    #[test]
    fn rfc9112_6_3_both_lengths_are_smuggling() {
        assert_eq!(status(&[(CL, "5"), (TE, "chunked")]), Err(400));
        assert_eq!(status(&[(TE, "chunked"), (CL, "5")]), Err(400));
        assert_eq!(status(&[(TE, "gzip"), (CL, "0")]), Err(400));
        let old = request(true, &[(TE, "chunked")]);
        assert_eq!(of(&old, 100).map_err(|reject| reject.status), Err(400));
    }

    #[test]
    fn rfc9112_9_3_persistence() {
        for (http_1_0, value, lasts) in [
            (false, "", true),
            (false, "keep-alive", true),
            (false, "close", false),
            (false, "x, Close", false),
            (false, "keep-alive, close", false),
            (true, "", false),
            (true, "Keep-Alive", true),
            (true, "close", false),
            (true, "keep-alive, close", false),
        ] {
            let request = request(http_1_0, &[("connection", value)]);
            assert_eq!(keeps_alive(&request), lasts, "{http_1_0} {value}");
        }
    }

    #[test]
    fn rfc9110_10_1_1_expectations() {
        let expects = |old, value| {
            expects_continue(&request(old, &[("Expect", value)])).map_err(|reject| reject.status)
        };
        assert_eq!(expects(false, "100-Continue"), Ok(true));
        assert_eq!(expects(true, "100-continue"), Ok(false));
        assert_eq!(expects(false, "200-maybe"), Err(417));
        assert_eq!(expects_continue(&request(false, &[])), Ok(false));
    }
}
