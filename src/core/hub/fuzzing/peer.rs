//! The other side of one link, as strict as a peer may be: what it cannot read is a finding.

use crate::json::envelope::{self, Envelope, Kind};
use crate::json::span;
use crate::language::PoolKey;
use crate::links::LinkKey;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Http,
    Stdio,
    /// Somebody on this instance's own socket.
    Instance,
    Child(PoolKey),
    /// A server that the hub has connected to.
    Remote,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) link: LinkKey,
    pub(super) role: Role,
    /// Neither side has closed it.
    pub(super) open: bool,
    /// It will say nothing more.
    pub(super) ended: bool,
    /// It takes nothing for now.
    pub(super) stalled: bool,
    /// It has sent bytes of its own invention: what it gets proves nothing.
    pub(super) wild: bool,
    /// It has opened a stream, on which answers to requests of other links may arrive.
    pub(super) stream: bool,
    /// What it said while the hub did not read.
    pub(super) paused: Option<Vec<u8>>,
    unread: Vec<u8>,
    body: Body,
    /// A child: requests that it has not answered, as raw id, method and raw progress token.
    pub(super) pending: Vec<(String, String, String)>,
    /// A child: how many requests it sent less the answers it got.
    pub(super) asked: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Head,
    Length(usize),
    Chunked,
}

/// What a peer got to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A message.
    Message(Vec<u8>),
    /// A session of its own.
    Session(String),
    /// Where to post.
    Endpoint(String),
    /// The id of an event.
    Event(String),
}

impl Peer {
    /// A peer that has said and heard nothing.
    pub(super) fn new(link: LinkKey, role: Role) -> Self {
        Self {
            link,
            role,
            open: true,
            ended: false,
            stalled: false,
            wild: false,
            stream: false,
            paused: None,
            unread: Vec::new(),
            body: Body::Head,
            pending: Vec::new(),
            asked: 0,
        }
    }

    /// Whether it is a child's end.
    pub(super) const fn is_child(&self) -> bool {
        matches!(self.role, Role::Child(_))
    }

    /// Reads what the hub wrote.
    pub(super) fn hear(&mut self, bytes: &[u8], heard: &mut Vec<Heard>) {
        self.unread.extend_from_slice(bytes);
        match self.role {
            // It may have asked with a method whose answers have no body.
            Role::Http if self.wild => self.unread.clear(),
            Role::Http => while self.next_response(heard) {},
            // One line, and it is JSON.
            Role::Instance => {
                if let Some(end) = find(&self.unread, b"\n") {
                    let text = self.unread.get(..end).unwrap_or_default();
                    assert!(span::validate(text).is_ok());
                    assert_eq!(end + 1, self.unread.len());
                }
            }
            Role::Remote => while self.next_request(heard) {},
            Role::Stdio | Role::Child(_) => {
                while let Some(end) = find(&self.unread, b"\n") {
                    let line: Vec<u8> = self.unread.drain(..=end).collect();
                    heard.push(Heard::Message(line.get(..end).unwrap_or_default().to_vec()));
                }
            }
        }
    }

    /// A request of the hub: its body, which is a message if there is one.
    fn next_request(&mut self, heard: &mut Vec<Heard>) -> bool {
        let Some(end) = find(&self.unread, b"\r\n\r\n") else {
            return false;
        };
        let head = self.unread.get(..end).unwrap_or_default();
        let head = String::from_utf8_lossy(head).into_owned();
        let lengths = head.lines().filter_map(|line| line.split_once(": "));
        let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = lengths
            .next()
            .map_or(0, |(_, text)| text.parse().unwrap_or(0));
        if self.unread.len() < end + 4 + length {
            return false;
        }
        let text: Vec<u8> = self.unread.drain(..end + 4 + length).collect();
        heard.push(Heard::Message(
            text.get(end + 4..).unwrap_or_default().to_vec(),
        ));
        true
    }

    /// A server far away was asked something, or told.
    pub(super) fn far_reads(&mut self, body: &[u8]) {
        let asked = envelope::read(body).ok().and_then(|said| {
            let id = said.id.filter(|_| said.kind == Kind::Request)?;
            let id = String::from_utf8_lossy(id.of(body)).into_owned();
            Some((id, said.method_name(body)?.into_owned()))
        });
        let (id, method) = asked.unwrap_or_default();
        self.pending.push((id, method, String::new()));
    }

    fn next_response(&mut self, heard: &mut Vec<Heard>) -> bool {
        match self.body {
            Body::Head => {
                let Some(end) = find(&self.unread, b"\r\n\r\n") else {
                    return false;
                };
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                let head = String::from_utf8_lossy(&head).into_owned();
                assert!(head.starts_with("HTTP/1.1 "), "{head}");
                let field = |name: &str| {
                    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
                    fields.find(|(key, _)| key.eq_ignore_ascii_case(name))
                };
                if let Some((_, id)) = field("mcp-session-id") {
                    heard.push(Heard::Session(id.to_owned()));
                }
                let length = field("content-length").and_then(|(_, text)| text.parse().ok());
                self.body = match (length, field("transfer-encoding")) {
                    (Some(length), None) => Body::Length(length),
                    (None, Some((_, "chunked"))) => Body::Chunked,
                    (None, None) => {
                        assert!(head.starts_with("HTTP/1.1 204 "), "no framing: {head}");
                        Body::Head
                    }
                    other => {
                        assert!(length.is_none(), "framed twice: {other:?}");
                        Body::Head
                    }
                };
                true
            }
            Body::Length(length) => {
                if self.unread.len() < length {
                    return false;
                }
                let text: Vec<u8> = self.unread.drain(..length).collect();
                self.body = Body::Head;
                // Pages and refusals outside MCP are JSON as well.
                if find(&text, br#""jsonrpc""#).is_some() {
                    heard.push(Heard::Message(text));
                }
                true
            }
            Body::Chunked => self.next_chunk(heard),
        }
    }

    fn next_chunk(&mut self, heard: &mut Vec<Heard>) -> bool {
        let Some(end) = find(&self.unread, b"\r\n") else {
            return false;
        };
        let digits = String::from_utf8_lossy(self.unread.get(..end).unwrap_or_default());
        let size = usize::from_str_radix(&digits, 16);
        assert!(size.is_ok(), "chunk size {digits}");
        let size = size.unwrap_or_default();
        if self.unread.len() < end + 2 + size + 2 {
            return false;
        }
        let chunk: Vec<u8> = self.unread.drain(..end + 2 + size + 2).collect();
        assert!(chunk.ends_with(b"\r\n"));
        if size == 0 {
            self.body = Body::Head;
        }
        let lines = chunk
            .get(end + 2..end + 2 + size)
            .unwrap_or_default()
            .split(|byte| *byte == b'\n');
        for line in lines {
            let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
            match line.split_at_checked(6) {
                Some((b"data: ", path)) if path.starts_with(b"/") => {
                    heard.push(Heard::Endpoint(text(path)));
                }
                Some((b"data: ", message)) if !message.is_empty() => {
                    heard.push(Heard::Message(message.to_vec()));
                }
                _ => {}
            }
            if let Some(id) = line.strip_prefix(b"id: ") {
                heard.push(Heard::Event(text(id)));
            }
        }
        true
    }

    /// A child reads a line: it must be one message, with an id that is not in use.
    pub(super) fn child_reads(&mut self, line: &[u8]) {
        let envelope = message(line);
        let part = |at: Option<span::Span>| {
            let raw = at.map(|at| at.of(line)).unwrap_or_default();
            String::from_utf8_lossy(raw).into_owned()
        };
        match envelope.kind {
            Kind::Request => {
                let id = part(envelope.id);
                let used = self.pending.iter().any(|(other, ..)| *other == id);
                assert!(!used, "id {id} is in use");
                let method = envelope.method_name(line).unwrap_or_default();
                let token = envelope
                    .params
                    .and_then(|params| span::path(line, params, &["_meta", "progressToken"]));
                self.pending.push((id, method.into_owned(), part(token)));
            }
            Kind::Notification => {}
            Kind::Result | Kind::Error => {
                self.asked -= 1;
                assert!(self.wild || self.asked >= 0, "an answer that nobody wants");
            }
        }
    }
}

/// One message from the hub, whatever else may be wrong.
pub(super) fn message(text: &[u8]) -> Envelope {
    assert!(!text.contains(&b'\n') && !text.contains(&b'\r'));
    let envelope = envelope::read(text);
    assert!(envelope.is_ok(), "{envelope:?}: {}", text.escape_ascii());
    envelope.unwrap_or(Envelope {
        kind: Kind::Notification,
        whole: span::Span::whole(text),
        id: None,
        method: None,
        params: None,
        outcome: None,
        meta: None,
        meta_twice: false,
        typed: false,
        is_error: false,
        line_end: false,
    })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
