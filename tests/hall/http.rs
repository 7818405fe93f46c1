//! HTTP as a test's client needs it: requests are written whole, responses are read as they come,
//! JSON bodies and event streams alike. Strict: what it cannot read fails the test.

use std::fmt::Write;

/// One request.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut out = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:3050\r\n");
    for (name, value) in headers {
        write!(out, "{name}: {value}\r\n").unwrap();
    }
    if method == "POST" {
        out.push_str("Content-Type: application/json\r\n");
        write!(out, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    out.push_str("\r\n");
    out.push_str(body);
    out.into_bytes()
}

/// What has been read of one response.
#[derive(Debug, Default)]
pub(crate) struct Response {
    unread: Vec<u8>,
    /// Status, once the head is there.
    pub(crate) status: Option<u16>,
    head: String,
    framing: Framing,
    body: Vec<u8>,
    /// Everything is there.
    pub(crate) done: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Framing {
    #[default]
    Unknown,
    Length(usize),
    Chunked,
}

impl Response {
    /// Takes bytes; the messages that became whole with them, in order.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.unread.extend_from_slice(bytes);
        if self.status.is_none() {
            self.take_head();
        }
        if self.status.is_some() && !self.done {
            self.take_body();
        }
        if self.is_stream() {
            self.events()
        } else {
            self.document()
        }
    }

    /// A header of the response.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Whether the connection can be used again.
    pub(crate) fn reusable(&self) -> bool {
        self.done && self.header("connection") != Some("close")
    }

    /// Whether it is an event stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type")
            .is_some_and(|value| value.starts_with("text/event-stream"))
    }

    fn take_head(&mut self) {
        let Some(end) = find(&self.unread, b"\r\n\r\n") else {
            return;
        };
        self.head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
        let status = self.head.split(' ').nth(1).unwrap().parse().unwrap();
        self.status = Some(status);
        self.framing = match (
            self.header("content-length"),
            self.header("transfer-encoding"),
        ) {
            (Some(length), None) => Framing::Length(length.parse().unwrap()),
            (None, Some("chunked")) => Framing::Chunked,
            (None, None) if status == 204 => Framing::Length(0),
            other => panic!("framing {other:?} of {}", self.head),
        };
    }

    fn take_body(&mut self) {
        match self.framing {
            Framing::Unknown => {}
            Framing::Length(length) => {
                let missing = length - self.body.len();
                let taken = missing.min(self.unread.len());
                self.body.extend(self.unread.drain(..taken));
                self.done = self.body.len() == length && !self.is_stream();
            }
            Framing::Chunked => {
                while !self.done
                    && let Some(line) = find(&self.unread, b"\r\n")
                {
                    let size = std::str::from_utf8(&self.unread[..line]).unwrap();
                    let size = usize::from_str_radix(size, 16).unwrap();
                    if self.unread.len() < line + 2 + size + 2 {
                        break;
                    }
                    let chunk: Vec<u8> = self.unread.drain(..line + 2 + size + 2).collect();
                    assert!(chunk.ends_with(b"\r\n"));
                    self.body
                        .extend_from_slice(&chunk[line + 2..line + 2 + size]);
                    self.done = size == 0;
                }
            }
        }
    }

    fn events(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(end) = find(&self.body, b"\n\n") {
            let event: Vec<u8> = self.body.drain(..end + 2).collect();
            let event = String::from_utf8(event).unwrap();
            let data: Vec<&str> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .collect();
            let data = data
                .iter()
                .map(|line| line.strip_prefix(' ').unwrap_or(line));
            let data = data.collect::<Vec<_>>().join("\n");
            if !data.is_empty() {
                found.push(data);
            }
        }
        found
    }

    fn document(&mut self) -> Vec<String> {
        if !self.done || self.body.is_empty() {
            return Vec::new();
        }
        vec![String::from_utf8(std::mem::take(&mut self.body)).unwrap()]
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
