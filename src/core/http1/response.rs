//! Heads of answers (RFC 9112 section 4). Values are made harmless here, at the one place where
//! they become bytes: a line end inside a value would begin a second answer.

use crate::http1::syntax::{is_field_byte, is_field_value};

/// How the body of an answer is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delimited {
    /// `Content-Length`.
    Length(usize),
    /// Chunks.
    Chunked,
    /// By the end of the connection, or there is none (204, 304).
    Unsaid,
}

/// Appends the head of an answer, up to and with its empty line.
pub(crate) fn push_head(
    out: &mut Vec<u8>,
    status: u16,
    headers: &[(&str, &str)],
    delimited: Delimited,
    connection: Option<&str>,
) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        out.extend_from_slice(b"HTTP/1.1 ");
        push_decimal(out, usize::from(status));
        out.push(b' ');
        out.extend_from_slice(reason(status).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    for (name, value) in headers {
        push_field(out, name, value);
    }
    match delimited {
        Delimited::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Delimited::Chunked => push_field(out, "Transfer-Encoding", "chunked"),
        Delimited::Unsaid => {}
    }
    if let Some(connection) = connection {
        push_field(out, "Connection", connection);
    }
    out.extend_from_slice(b"\r\n");
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    if is_field_value(value.as_bytes()) {
        out.extend_from_slice(value.as_bytes());
    } else {
        let harmless = |byte| if is_field_byte(byte) { byte } else { b' ' };
        out.extend(value.bytes().map(harmless));
    }
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn push_decimal(out: &mut Vec<u8>, mut number: usize) {
    let start = out.len();
    loop {
        // A remainder of ten is one digit.
        out.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

pub(crate) fn push_hex(out: &mut Vec<u8>, number: usize) {
    let mut shift = usize::BITS
        .saturating_sub(number.leading_zeros())
        .div_ceil(4)
        .max(1);
    while shift > 0 {
        shift -= 1;
        let digit = u8::try_from((number >> (shift * 4)) & 15).unwrap_or_default();
        out.push(if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        });
    }
}

/// The reason phrase of a status (RFC 9110 section 15); empty for one that is never sent.
#[must_use]
pub const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(
        status: u16,
        headers: &[(&str, &str)],
        delimited: Delimited,
        connection: Option<&str>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        push_head(&mut out, status, headers, delimited, connection);
        out
    }

    #[test]
    fn rfc9112_4_heads() {
        let text = |head: Vec<u8>| String::from_utf8(head).unwrap();
        assert_eq!(
            text(head(
                200,
                &[("A", "b")],
                Delimited::Length(120),
                Some("close")
            )),
            "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 120\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            text(head(200, &[], Delimited::Chunked, None)),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        assert_eq!(
            text(head(299, &[], Delimited::Unsaid, None)),
            "HTTP/1.1 299 \r\n\r\n"
        );
    }

    #[test]
    fn a_line_end_inside_a_value_cannot_begin_a_second_answer() {
        let head = head(200, &[("A", "b\r\nC: d\0")], Delimited::Length(0), None);
        let text = String::from_utf8(head).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\nA: b  C: d \r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn numbers() {
        for number in [0, 9, 10, 15, 16, 255, 256, 65535, 123_456_789, usize::MAX] {
            let (mut decimal, mut hex) = (Vec::new(), Vec::new());
            push_decimal(&mut decimal, number);
            push_hex(&mut hex, number);
            assert_eq!(String::from_utf8(decimal).unwrap(), format!("{number}"));
            assert_eq!(String::from_utf8(hex).unwrap(), format!("{number:x}"));
        }
    }

    #[test]
    fn every_status_that_is_refused_with_has_a_reason() {
        for status in [
            400, 413, 414, 417, 431, 501, 505, 200, 202, 204, 403, 404, 405, 408,
        ] {
            assert_ne!(reason(status), "", "{status}");
        }
    }
}
