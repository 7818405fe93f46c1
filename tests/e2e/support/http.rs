//! A small HTTP client that hides nothing: bytes out, status, headers and body in.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::PATIENCE;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(own, _)| own == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The JSON-RPC message in it: the body, or the last event of a stream.
    #[track_caller]
    pub(crate) fn message(&self) -> serde_json::Value {
        let text = self.text();
        let data = match self.header("content-type") {
            Some(kind) if kind.starts_with("text/event-stream") => {
                let mut lines = text.lines().rev();
                lines
                    .find_map(|line| line.strip_prefix("data: "))
                    .unwrap_or_default()
            }
            _ => text,
        };
        serde_json::from_str(data).unwrap_or_else(|wrong| panic!("{wrong}: {self:?}"))
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(usize),
    Chunks,
    Close,
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Writes as much as the other side takes: it may refuse and close before it has all.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _refused = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Nothing more comes from us.
    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads once; whether anything came. A reset counts as the end.
    fn more(&mut self) -> bool {
        let mut part = vec![0; 256 * 1024];
        match self.stream.read(&mut part) {
            Ok(count) => {
                self.buffer.extend_from_slice(&part[..count]);
                count > 0
            }
            // A wait with a time limit is interrupted when the machine is halted for a moment.
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&self.buffer)),
        }
    }

    /// Everything until the other side closes.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.more(), "closed in the middle");
        }
        self.buffer.drain(..count).collect()
    }

    /// Up to and without the next line end.
    fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let mut line = self.take(at + 2);
                line.truncate(at);
                return String::from_utf8(line).unwrap();
            }
            assert!(
                self.more(),
                "closed in the middle of a line: {}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    /// The head of an answer.
    fn head(&mut self) -> (Answer, Framing) {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let mut answer = Answer {
            status: status.unwrap_or_else(|| panic!("{first}")),
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            let value = value.trim().to_owned();
            answer.headers.push((name.to_ascii_lowercase(), value));
        }
        let length = answer
            .header("content-length")
            .map(|text| text.parse().unwrap());
        let framing = match (answer.status, length) {
            (100..200 | 204, _) => Framing::Length(0),
            (_, Some(length)) => Framing::Length(length),
            (_, None) if answer.header("transfer-encoding").is_some() => Framing::Chunks,
            (_, None) => Framing::Close,
        };
        (answer, framing)
    }

    /// The next chunk; `None` is the last one.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line();
        let size = usize::from_str_radix(&size, 16).unwrap();
        let bytes = self.take(size);
        assert_eq!(self.line(), "");
        (size > 0).then_some(bytes)
    }

    /// One whole answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        let (mut answer, framing) = self.head();
        match framing {
            Framing::Length(length) => answer.body = self.take(length),
            Framing::Chunks => {
                while let Some(chunk) = self.chunk() {
                    answer.body.extend(chunk);
                }
            }
            Framing::Close => {
                while self.more() {}
                answer.body = std::mem::take(&mut self.buffer);
            }
        }
        answer
    }

    /// The head of an event stream; its events are read with [`Self::event`].
    #[track_caller]
    pub(crate) fn stream(&mut self) -> Answer {
        let (answer, framing) = self.head();
        assert!(matches!(framing, Framing::Chunks), "{answer:?}");
        answer
    }

    /// The event stream ends, whatever still comes before that.
    #[track_caller]
    pub(crate) fn ends(&mut self) {
        while self.chunk().is_some() {}
    }

    /// The data of the next event that has any. Our chunks hold whole events.
    #[track_caller]
    pub(crate) fn event(&mut self) -> String {
        loop {
            let chunk = self.chunk().expect("the stream goes on");
            let text = String::from_utf8(chunk).unwrap();
            let mut data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data.next() {
                return data.to_owned();
            }
        }
    }
}

/// The bytes of a request with a body.
pub(crate) fn request(first: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head =
        format!("{first} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}
