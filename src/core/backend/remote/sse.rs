//! HTTP+SSE of 2024-11-05 as its client: one event stream, whose first event says where to POST and
//! on which everything is answered. Owns how far that stream has come; the stream *is* the session,
//! so that its end ends the session, and nothing of it can be resumed.
//!
//! Takes the head of the stream's response and its events; asks nothing and sends nothing itself.
//! Never looks into a message.

use std::rc::Rc;

use crate::backend::words::{plain, span};
use crate::base::mark::Mark;
use crate::base::url::Url;
use crate::http1::response_head::ResponseHead;
use crate::http1::sse_reader::Event;
use crate::limits::{ENDPOINT_MS_MAX, QUOTE_BYTES_MAX};
use crate::now::Tick;

/// How far the stream has come.
#[derive(Debug, Default)]
pub(super) enum Stream {
    /// It is asked for. How long that may take is the handshake's affair.
    #[default]
    Asking,
    /// It has begun; nobody knows yet where to POST.
    Awaiting {
        /// Where it comes from, against which the endpoint is resolved.
        url: Rc<Url>,
        /// Until when.
        until: Tick,
    },
    /// Messages go to `post` and come on the stream.
    Open {
        /// As above; later endpoints are resolved against it too.
        url: Rc<Url>,
        /// Where to POST.
        post: Rc<Url>,
    },
    /// Over for good; another one has to be asked for.
    Lost,
}

/// What an event was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing to act upon.
    Nothing,
    /// From now on messages can be sent.
    Opened,
    /// One message, or an array of them.
    Message(Vec<u8>),
    /// The server cannot be spoken with; the reason.
    Refused(String),
}

/// What a response that does not begin a stream says of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoStream {
    /// It knows no such stream at this URL, but may speak Streamable HTTP there.
    Unknown,
    /// It is busy or broken, or does not let us in: that says nothing of its transport.
    Refused,
}

impl Stream {
    /// Where to POST, while anything can be sent.
    pub(super) const fn post(&self) -> Option<&Rc<Url>> {
        match self {
            Self::Open { post, .. } => Some(post),
            Self::Asking | Self::Awaiting { .. } | Self::Lost => None,
        }
    }

    /// Until when the server has to say where to POST.
    pub(super) const fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Awaiting { until, .. } => Some(*until),
            Self::Asking | Self::Open { .. } | Self::Lost => None,
        }
    }

    /// The response to a request for this URL has begun.
    ///
    /// # Errors
    /// It is no stream; it is over with this one.
    pub(super) fn head(
        &mut self,
        now: Tick,
        url: Rc<Url>,
        head: &ResponseHead,
    ) -> Result<(), NoStream> {
        if matches!(self, Self::Asking) {
            *self = Self::Lost;
            check(head)?;
            let until = now.after(ENDPOINT_MS_MAX);
            *self = Self::Awaiting { url, until };
        }
        Ok(())
    }

    /// What such a response says of its server.
    pub(super) fn refusal(head: &ResponseHead) -> NoStream {
        check(head).err().unwrap_or(NoStream::Refused)
    }

    /// One event came.
    pub(super) fn event(&mut self, event: Event) -> Heard {
        match (event.event.as_deref(), &*self) {
            (Some("endpoint"), Self::Awaiting { url, .. } | Self::Open { url, .. }) => {
                let url = Rc::clone(url);
                self.endpoint(url, &event.data)
            }
            // Data may be empty (to keep proxies awake). What comes before the endpoint cannot be
            // an answer, and could not be answered.
            (None, Self::Open { .. }) if !event.data.is_empty() => Heard::Message(event.data),
            // Events of other names are other people's inventions.
            (_, Self::Asking | Self::Awaiting { .. } | Self::Open { .. } | Self::Lost) => {
                Heard::Nothing
            }
        }
    }

    /// [`Stream::deadline`] has come.
    pub(super) fn alarm(&mut self, now: Tick) -> Heard {
        if self.deadline().is_none_or(|until| now < until) {
            return Heard::Nothing;
        }
        Mark::EndpointNeverNamed.hit();
        *self = Self::Lost;
        Heard::Refused(format!(
            "opened an event stream, and did not say within {} where to send messages",
            span(ENDPOINT_MS_MAX)
        ))
    }

    /// A later endpoint takes the place of an earlier one: the transport says that messages go to
    /// the URL that the server names, and servers that hand out URLs which expire name another one
    /// in time. A server that thereby means another session says so in its answer to the next POST.
    fn endpoint(&mut self, url: Rc<Url>, data: &[u8]) -> Heard {
        let named = match resolve(&url, data) {
            Ok(named) => Rc::new(named),
            Err(why) => {
                *self = Self::Lost;
                return Heard::Refused(why);
            }
        };
        let heard = match self {
            Self::Open { .. } => {
                Mark::EndpointMoved.hit();
                Heard::Nothing
            }
            Self::Asking | Self::Awaiting { .. } | Self::Lost => Heard::Opened,
        };
        *self = Self::Open { url, post: named };
        heard
    }
}

/// The URL that an `endpoint` event means. It has the origin of the stream, or our headers, which
/// are secrets of that origin, would be sent to whomever the server names.
fn resolve(url: &Url, data: &[u8]) -> Result<Url, String> {
    let text = std::str::from_utf8(data.trim_ascii()).unwrap_or("\0");
    let named = url
        .join(text)
        .map_err(|bad| format!("named an endpoint that cannot be called: {bad}"))?;
    if named.origin() != url.origin() {
        Mark::EndpointElsewhere.hit();
        return Err(format!(
            "named an endpoint at {}, which is not where its stream comes from ({}); nothing is \
             sent there. If it stands behind a proxy, tell it its public URL",
            named.origin(),
            url.origin()
        ));
    }
    Ok(named)
}

/// Whether a response begins an event stream. What is no success and no such word is as good as
/// silence: the next try may find the stream.
fn check(head: &ResponseHead) -> Result<(), NoStream> {
    let kind = head.content_type().unwrap_or_default();
    match head.status {
        200..=299 if kind.eq_ignore_ascii_case("text/event-stream") => Ok(()),
        200..=299 | 400 | 404..=406 | 410 | 415 => Err(NoStream::Unknown),
        _ => Err(NoStream::Refused),
    }
}

/// Why a response that is a success does not begin a stream, to stand behind "server NAME: ".
pub(super) fn instead_of_stream(head: &ResponseHead) -> String {
    let kind = match head.content_type().unwrap_or_default() {
        "" => "nothing".to_owned(),
        kind => plain(kind.as_bytes(), QUOTE_BYTES_MAX),
    };
    format!("answered GET with {kind} instead of an event stream; look at \"url\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::mark::must_hit;
    use crate::http1::fuzzing::splits;
    use crate::http1::sse_reader::Reader;

    const NOW: Tick = Tick(5_000);
    const URL: &str = "https://mcp.example.com/v1/sse?key=k";

    fn begun(kind: &str) -> (Stream, Result<(), NoStream>) {
        answered(200, kind)
    }

    fn answered(status: u16, kind: &str) -> (Stream, Result<(), NoStream>) {
        let mut stream = Stream::default();
        let url = Rc::new(Url::parse(URL).unwrap());
        let head = ResponseHead::of(status, false, &[("content-type", kind)]);
        let told = stream.head(NOW, url, &head);
        (stream, told)
    }

    fn awaiting() -> Stream {
        let (stream, told) = begun("text/event-stream");
        assert_eq!(told, Ok(()));
        stream
    }

    fn open() -> Stream {
        let mut stream = awaiting();
        assert_eq!(hear(&mut stream, "endpoint", "/m"), Heard::Opened);
        stream
    }

    fn hear(stream: &mut Stream, name: &str, data: &str) -> Heard {
        let event = (name != "message").then(|| name.into());
        let data = data.as_bytes().to_vec();
        stream.event(Event { event, data })
    }

    fn post(stream: &Stream) -> Option<String> {
        stream.post().map(|url| url.to_string())
    }

    #[test]
    fn e1_the_endpoint_is_resolved_against_the_stream() {
        for (named, leads_to) in [
            (
                "/messages?sessionId=a%20b&x=1",
                "/messages?sessionId=a%20b&x=1",
            ),
            ("messages/?session_id=7", "/v1/messages/?session_id=7"),
            ("../messages", "/messages"),
            ("?sessionId=1", "/v1/sse?sessionId=1"),
            ("//mcp.example.com/m", "/m"),
            ("https://mcp.example.com/m?a=/../b", "/m?a=/../b"),
            ("HTTPS://MCP.example.com:443/m#f", "/m"),
            (" /m ", "/m"),
            ("/%2e%2e/m%zz", "/%2e%2e/m%zz"),
            ("/K\u{f6}ln", "/K%C3%B6ln"),
        ] {
            let mut stream = awaiting();
            assert_eq!(hear(&mut stream, "endpoint", named), Heard::Opened);
            let expected = format!("https://mcp.example.com{leads_to}");
            assert_eq!(post(&stream), Some(expected), "{named}");
            assert_eq!(stream.deadline(), None);
        }
    }

    #[test]
    fn x4_an_endpoint_of_another_origin_is_refused_and_ends_the_stream() {
        let _reached = must_hit(Mark::EndpointElsewhere);
        for named in [
            "http://mcp.example.com/m",
            "https://mcp.example.com:8443/m",
            "https://evil.example/m?t=1",
            "//evil.example/m",
            "https://mcp.example.com.evil.example/m",
        ] {
            for mut stream in [awaiting(), open()] {
                let Heard::Refused(why) = hear(&mut stream, "endpoint", named) else {
                    panic!("{named}");
                };
                assert!(why.contains("nothing is sent there"), "{why}");
                // Neither key of ours nor of theirs.
                assert!(!why.contains("key") && !why.contains("t=1"), "{why}");
                assert!(matches!(stream, Stream::Lost));
                assert_eq!(post(&stream), None);
            }
        }
    }

    #[test]
    fn e1_what_is_no_url_is_refused_with_what_is_wrong() {
        let long = "/".repeat(10_000);
        for (named, says) in [
            ("ftp://mcp.example.com/m", "does not begin with http"),
            ("https://u:p@mcp.example.com/m", "user name"),
            ("/a\\b", "backslashes"),
            ("/a\nb", "control characters"),
            (long.as_str(), "too long"),
            ("https://", "no host"),
        ] {
            let mut stream = awaiting();
            let Heard::Refused(why) = hear(&mut stream, "endpoint", named) else {
                panic!("{named}");
            };
            assert!(
                why.starts_with("named an endpoint that cannot be called: ") && why.contains(says),
                "{why}"
            );
        }
        let data = vec![b'/', 0xff];
        let event = Some("endpoint".into());
        let heard = awaiting().event(Event { event, data });
        assert!(matches!(heard, Heard::Refused(_)));
    }

    #[test]
    fn e1_a_later_endpoint_takes_the_place_of_the_first() {
        let _reached = must_hit(Mark::EndpointMoved);
        let mut stream = open();
        assert_eq!(hear(&mut stream, "endpoint", "n?x"), Heard::Nothing);
        let expected = "https://mcp.example.com/v1/n?x";
        assert_eq!(post(&stream), Some(expected.to_owned()));
        assert_eq!(
            hear(&mut stream, "message", "{}"),
            Heard::Message(b"{}".into())
        );
    }

    #[test]
    fn e2_messages_come_once_the_endpoint_is_known_and_other_events_never() {
        let mut stream = Stream::default();
        for name in ["endpoint", "message", "ping"] {
            assert_eq!(hear(&mut stream, name, "/m"), Heard::Nothing);
        }
        let mut stream = awaiting();
        for name in ["message", "ping", "endpoints", "Endpoint"] {
            assert_eq!(hear(&mut stream, name, "{}"), Heard::Nothing);
        }
        assert!(matches!(stream, Stream::Awaiting { .. }));
        let mut stream = open();
        for (name, data) in [("message", ""), ("ping", "{}"), ("error", "{}")] {
            assert_eq!(hear(&mut stream, name, data), Heard::Nothing);
        }
        for data in ["{\"id\":1}", "[{},{}]", "garbage"] {
            let told = Heard::Message(data.as_bytes().to_vec());
            assert_eq!(hear(&mut stream, "message", data), told);
        }
        stream = Stream::Lost;
        for name in ["endpoint", "message"] {
            assert_eq!(hear(&mut stream, name, "/m"), Heard::Nothing);
            assert!(matches!(stream, Stream::Lost));
        }
    }

    #[test]
    fn f2_what_a_response_that_is_no_stream_says_of_the_transport() {
        for (status, kind, expected) in [
            (200, "application/json", NoStream::Unknown),
            (200, "text/html", NoStream::Unknown),
            (204, "", NoStream::Unknown),
            (400, "text/plain", NoStream::Unknown),
            (401, "", NoStream::Refused),
            (403, "", NoStream::Refused),
            (404, "text/html", NoStream::Unknown),
            (405, "", NoStream::Unknown),
            (406, "", NoStream::Unknown),
            (429, "", NoStream::Refused),
            (500, "text/event-stream", NoStream::Refused),
            (503, "", NoStream::Refused),
        ] {
            let (stream, told) = answered(status, kind);
            assert_eq!(told, Err(expected), "{status} {kind}");
            assert!(matches!(stream, Stream::Lost));
        }
        let (stream, told) = begun("Text/Event-Stream ; charset=utf-8");
        assert!(told.is_ok() && matches!(stream, Stream::Awaiting { .. }));
        for (kind, says) in [
            ("", "nothing instead"),
            ("text/html; x", "text/html instead"),
        ] {
            let why = instead_of_stream(&ResponseHead::of(200, false, &[("content-type", kind)]));
            assert!(why.contains(says), "{why}");
        }
    }

    #[test]
    fn endpoint_ms_max_ends_a_stream_that_names_no_endpoint() {
        let _reached = must_hit(Mark::EndpointNeverNamed);
        let mut stream = awaiting();
        let until = NOW.after(ENDPOINT_MS_MAX);
        assert_eq!(stream.deadline(), Some(until));
        assert_eq!(stream.alarm(Tick(until.0 - 1)), Heard::Nothing);
        let Heard::Refused(why) = stream.alarm(until) else {
            panic!("still {stream:?}");
        };
        assert_eq!(
            why,
            "opened an event stream, and did not say within 10.0 s where to send messages"
        );
        assert!(matches!(stream, Stream::Lost));
        let mut stream = open();
        assert_eq!(stream.alarm(Tick(u64::MAX)), Heard::Nothing);
        assert!(post(&stream).is_some());
    }

    #[test]
    fn a_stream_reads_the_same_split_at_every_byte() {
        const TEXT: &[u8] = b": hi\r\n\r\nevent: endpoint\r\ndata: /m?s=1\r\n\r\n\
            data: {\"id\":1,\r\ndata: \"x\":2}\r\n\r\nevent: ping\ndata: 7\n\n\
            event: message\ndata: [1,2]\n\nid: 9\ndata:\n\ndata: unfinished";
        for pieces in splits(TEXT) {
            let (mut reader, mut stream) = (Reader::new(1000), awaiting());
            let mut told = Vec::new();
            for piece in pieces {
                reader.receive(piece);
                while let Some(event) = reader.next_event().unwrap() {
                    match stream.event(event) {
                        Heard::Nothing => {}
                        heard => told.push(heard),
                    }
                }
            }
            let messages = [&b"{\"id\":1,\n\"x\":2}"[..], b"[1,2]"];
            let [first, second] = messages.map(|text| Heard::Message(text.to_vec()));
            assert_eq!(told, [Heard::Opened, first, second]);
        }
    }
}
