//! What a client can read, from its `Accept` header (contract 5, C6, C7). Never looks at bodies.

use crate::http1::server::Headers;

/// The forms in which an answer to a POST may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forms {
    /// JSON unless something must be streamed first.
    Either,
    /// JSON only: notes are dropped, questions take another way.
    JsonOnly,
    /// An event stream from the start.
    StreamOnly,
}

/// What may answer a POST; `None` if the client takes neither JSON nor an event stream (406).
pub(super) fn post(headers: &Headers) -> Option<Forms> {
    // What the SDKs send, said at once; the same as below.
    let mut lines = headers.all("accept");
    if let (Some("application/json, text/event-stream"), None) = (lines.next(), lines.next()) {
        return Some(Forms::Either);
    }
    if names_nothing(headers) {
        return Some(Forms::Either);
    }
    // `application/*` counts for both: whoever writes it wants an answer and does not care.
    let json = ["application/json", "application/*", "*/*"];
    let stream = ["text/event-stream", "text/*", "application/*", "*/*"];
    match (taken(headers, &json), taken(headers, &stream)) {
        (true, true) => Some(Forms::Either),
        (true, false) => Some(Forms::JsonOnly),
        (false, true) => Some(Forms::StreamOnly),
        (false, false) => None,
    }
}

/// Whether a GET may be answered by an event stream.
pub(super) fn get(headers: &Headers) -> bool {
    names_nothing(headers) || taken(headers, &["text/event-stream", "text/*", "*/*"])
}

fn names_nothing(headers: &Headers) -> bool {
    headers.list("accept").next().is_none()
}

/// Whether a media type is JSON, as the `Content-Type` of a request.
pub(super) fn is_json(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| {
        let media = value.split(';').next().unwrap_or_default().trim();
        is_type(media, "application/json")
    })
}

/// Nearly all spell types in small letters, and comparing these is the faster half.
fn is_type(named: &str, wanted: &str) -> bool {
    named == wanted || named.eq_ignore_ascii_case(wanted)
}

/// Whether the most specific of these ranges that the header names has a weight above zero
/// (RFC 9110 section 12.5.1).
fn taken(headers: &Headers, ranges: &[&str]) -> bool {
    ranges
        .iter()
        .find_map(|range| weight_of(headers, range))
        .unwrap_or(false)
}

/// Whether the range is named with a weight above zero; `None` if it is not named.
fn weight_of(headers: &Headers, range: &str) -> Option<bool> {
    headers.list("accept").find_map(|entry| {
        let mut pieces = entry.split(';').map(str::trim);
        let named = is_type(pieces.next()?, range);
        named.then(|| !pieces.any(is_zero_weight))
    })
}

/// `q=0`, `q=0.`, `q=0.000`.
fn is_zero_weight(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q")
            && value.trim().starts_with('0')
            && value.trim().bytes().all(|byte| matches!(byte, b'0' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: Option<&str>) -> Headers {
        let field = value.map(|value| ("Accept", value));
        Headers::of(field.as_slice())
    }

    #[test]
    fn c7_accept_decides_the_forms_of_an_answer() {
        let table = [
            (None, Some(Forms::Either)),
            (Some("*/*"), Some(Forms::Either)),
            (Some("application/*"), Some(Forms::Either)),
            (
                Some("application/json, text/event-stream"),
                Some(Forms::Either),
            ),
            (
                Some("TEXT/Event-Stream;q=0.5 , Application/JSON"),
                Some(Forms::Either),
            ),
            (Some("application/json"), Some(Forms::JsonOnly)),
            (
                Some("application/json; charset=utf-8"),
                Some(Forms::JsonOnly),
            ),
            (
                Some("application/json, text/event-stream;q=0"),
                Some(Forms::JsonOnly),
            ),
            (
                Some("*/*, text/event-stream;q=0.000"),
                Some(Forms::JsonOnly),
            ),
            (Some("text/event-stream"), Some(Forms::StreamOnly)),
            (Some("text/*"), Some(Forms::StreamOnly)),
            (Some("*/*, application/json; q=0"), Some(Forms::StreamOnly)),
            (Some("text/html"), None),
            (Some("application/jsonp"), None),
            (Some("*/*;q=0"), None),
            (Some(""), Some(Forms::Either)),
        ];
        for (value, forms) in table {
            assert_eq!(post(&accept(value)), forms, "{value:?}");
        }
    }

    #[test]
    fn c6_a_get_must_take_event_streams() {
        for value in [
            None,
            Some("text/event-stream"),
            Some("text/html, */*;q=0.1"),
        ] {
            assert!(get(&accept(value)), "{value:?}");
        }
        for value in [
            "application/json",
            "text/html",
            "*/*, text/event-stream;q=0",
        ] {
            assert!(!get(&accept(Some(value))), "{value:?}");
        }
    }

    #[test]
    fn c7_a_request_body_is_json_by_its_content_type() {
        for value in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(is_json(Some(value)), "{value}");
        }
        for value in [
            None,
            Some("text/plain"),
            Some("application/json-patch+json"),
            Some(""),
        ] {
            assert!(!is_json(value), "{value:?}");
        }
    }
}
