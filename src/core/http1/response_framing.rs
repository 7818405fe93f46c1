//! Which body follows a response head (RFC 9112 section 6.3), and for how long its connection may
//! be used again (section 9.3).

use crate::http1::response_head::{ResponseHead, Unreadable};
use crate::http1::syntax::decimal;
use crate::limits::{IDLE_CONNECTION_MARGIN_MS, IDLE_CONNECTION_MS, IDLE_CONNECTION_MS_MAX};

/// How long the body of a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// There is none, whatever the fields say.
    None,
    /// This many bytes.
    Known(usize),
    /// Chunks, each with its length.
    Chunked,
    /// Everything until the server closes.
    UntilClose,
}

/// Decides the length of the body; `head_only` says that `HEAD` was asked.
///
/// # Errors
/// For what can be read in two ways, and for codings other than `chunked`.
pub(crate) fn of(head: &ResponseHead, head_only: bool) -> Result<BodyLength, Unreadable> {
    if head_only || head.is_interim() || matches!(head.status, 204 | 304) {
        return Ok(BodyLength::None);
    }
    let mut codings = head.headers.all("transfer-encoding");
    let mut lengths = head.headers.all("content-length");
    let Some(coding) = codings.next() else {
        return lengths.next().map_or(Ok(BodyLength::UntilClose), known);
    };
    if lengths.next().is_some() {
        return Err(Unreadable(
            "Content-Length and Transfer-Encoding exclude each other",
        ));
    }
    if head.http_1_0 {
        return Err(Unreadable("HTTP/1.0 has no Transfer-Encoding"));
    }
    if codings.next().is_some() || !coding.eq_ignore_ascii_case("chunked") {
        return Err(Unreadable("the only transfer coding taken is chunked"));
    }
    Ok(BodyLength::Chunked)
}

/// `5`, or `5, 5`, which proxies make of two equal lines (RFC 9112 section 6.3).
fn known(text: &str) -> Result<BodyLength, Unreadable> {
    let malformed = Unreadable("Content-Length is not a number");
    let mut lengths = text.split(',').map(|one| one.trim_matches([' ', '\t']));
    let first = lengths.next().unwrap_or_default();
    if lengths.any(|other| other != first) {
        return Err(malformed);
    }
    let length = decimal(first.as_bytes()).map_err(|_| malformed)?;
    usize::try_from(length)
        .map(BodyLength::Known)
        .map_err(|_| malformed)
}

/// For how long the connection may be kept for the next request; `None` if it ends with this
/// response. What the server says (`Keep-Alive: timeout=5`) counts, less what a request may need to
/// get there.
pub(crate) fn idle_ms(head: &ResponseHead, length: BodyLength) -> Option<u64> {
    let says = |option| head.headers.list_has("connection", option);
    let lasts = !says("close") && (!head.http_1_0 || says("keep-alive"));
    if !lasts || length == BodyLength::UntilClose {
        return None;
    }
    let hint = head.headers.list("keep-alive").find_map(|one| {
        let (name, value) = one.split_once('=')?;
        let is_timeout = name.trim_matches(' ').eq_ignore_ascii_case("timeout");
        let seconds = decimal(value.trim_matches([' ', '"']).as_bytes()).ok()?;
        is_timeout.then_some(seconds)
    });
    let Some(seconds) = hint else {
        return Some(IDLE_CONNECTION_MS);
    };
    let ms = seconds.saturating_mul(1000).min(IDLE_CONNECTION_MS_MAX);
    ms.checked_sub(IDLE_CONNECTION_MARGIN_MS)
        .filter(|ms| *ms > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CL: &str = "Content-Length";
    const TE: &str = "Transfer-Encoding";

    fn length(status: u16, headers: &[(&str, &str)]) -> Result<BodyLength, &'static str> {
        of(&ResponseHead::of(status, false, headers), false).map_err(|Unreadable(why)| why)
    }

    #[test]
    fn rfc9112_6_3_no_body_after_head_1xx_204_and_304() {
        for status in [100, 199, 204, 304] {
            for headers in [
                &[(CL, "5")][..],
                &[(TE, "chunked")],
                &[(CL, "x"), (TE, "y")],
                &[],
            ] {
                assert_eq!(length(status, headers), Ok(BodyLength::None), "{status}");
            }
        }
        let head = ResponseHead::of(200, false, &[(CL, "5")]);
        assert_eq!(of(&head, true), Ok(BodyLength::None));
        assert_eq!(of(&head, false), Ok(BodyLength::Known(5)));
    }

    #[test]
    fn rfc9112_6_3_content_length() {
        assert_eq!(length(200, &[(CL, "0")]), Ok(BodyLength::Known(0)));
        assert_eq!(length(200, &[(CL, "007")]), Ok(BodyLength::Known(7)));
        assert_eq!(length(200, &[(CL, "5, 5,5")]), Ok(BodyLength::Known(5)));
        assert_eq!(
            length(200, &[(CL, "5"), (CL, "5")]),
            Ok(BodyLength::Known(5))
        );
        assert_eq!(length(500, &[]), Ok(BodyLength::UntilClose));
        for value in [
            "",
            "+5",
            "-1",
            "5,6",
            "5,",
            "5 5",
            "0x5",
            "1e2",
            "99999999999999999999",
        ] {
            let why = Err("Content-Length is not a number");
            assert_eq!(length(200, &[(CL, value)]), why, "{value}");
        }
    }

    #[test]
    fn rfc9112_6_1_transfer_encoding_is_chunked_or_nothing() {
        assert_eq!(length(200, &[(TE, "Chunked")]), Ok(BodyLength::Chunked));
        let other = Err("the only transfer coding taken is chunked");
        for value in [
            "gzip, chunked",
            "gzip",
            "identity",
            "",
            "chunked, chunked",
            "chunked,",
        ] {
            assert_eq!(length(200, &[(TE, value)]), other, "{value}");
        }
        assert_eq!(length(200, &[(TE, "chunked"), (TE, "chunked")]), other);
        let both = Err("Content-Length and Transfer-Encoding exclude each other");
        assert_eq!(length(200, &[(TE, "chunked"), (CL, "5")]), both);
        assert_eq!(length(200, &[(CL, "5"), (TE, "gzip")]), both);
        let old = ResponseHead::of(200, true, &[(TE, "chunked")]);
        let why = Err(Unreadable("HTTP/1.0 has no Transfer-Encoding"));
        assert_eq!(of(&old, false), why);
    }

    #[test]
    fn rfc9112_9_3_a_connection_is_kept_for_as_long_as_its_server_keeps_it() {
        let some = Some(IDLE_CONNECTION_MS);
        for (old, headers, expected) in [
            (false, &[][..], some),
            (false, &[("connection", "close")], None),
            (false, &[("connection", "x, Close")], None),
            (false, &[("connection", "keep-alive")], some),
            (true, &[], None),
            (true, &[("connection", "Keep-Alive")], some),
            (true, &[("connection", "keep-alive, close")], None),
            (false, &[("keep-alive", "timeout=5")], Some(4000)),
            (
                false,
                &[("keep-alive", "max=9, Timeout = \"7\"")],
                Some(6000),
            ),
            (false, &[("keep-alive", "timeout=100000")], Some(59_000)),
            (
                false,
                &[("keep-alive", "timeout=18446744073709551615")],
                Some(59_000),
            ),
            (false, &[("keep-alive", "timeout=1")], None),
            (false, &[("keep-alive", "timeout=0")], None),
            (false, &[("keep-alive", "timeout=x")], some),
            (false, &[("keep-alive", "timeout")], some),
        ] {
            let head = ResponseHead::of(200, old, headers);
            assert_eq!(idle_ms(&head, BodyLength::Chunked), expected, "{headers:?}");
            assert_eq!(idle_ms(&head, BodyLength::UntilClose), None);
        }
    }
}
