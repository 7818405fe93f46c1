//! Drives HTTP servers over keep-alive connections: one thread, one epoll loop, a fixed request
//! per connection, the next one as soon as the answer is whole.
//!
//! Owns connections and their latencies. Knows no MCP and never retries: a wrong status or an
//! answer without a length ends the run with an error, so no figure rests on failed calls.

use crate::Fault;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// No server takes this long for one answer.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// What to send and for how long.
pub(crate) struct Load<'a> {
    /// The server.
    pub(crate) addr: SocketAddr,
    /// One whole request per connection.
    pub(crate) requests: &'a [Vec<u8>],
    /// The measured time.
    pub(crate) time: Duration,
    /// The run also ends after this many calls.
    pub(crate) calls_max: usize,
}

/// What was measured.
pub(crate) struct Figures {
    /// Time of each call in nanoseconds, sorted.
    latencies_ns: Vec<u64>,
    elapsed: Duration,
}

impl Figures {
    /// From calls' times in any order.
    pub(crate) fn new(mut latencies_ns: Vec<u64>, elapsed: Duration) -> Self {
        latencies_ns.sort_unstable();
        Self {
            latencies_ns,
            elapsed,
        }
    }

    /// Number of answered calls.
    pub(crate) fn calls(&self) -> f64 {
        self.latencies_ns.len() as f64
    }

    /// Answered calls per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.calls() / self.elapsed.as_secs_f64()
    }

    /// The time in microseconds that `percent` of the calls stayed under.
    pub(crate) fn percentile_us(&self, percent: usize) -> f64 {
        let at = (self.latencies_ns.len().saturating_sub(1)) * percent / 100;
        self.latencies_ns
            .get(at)
            .map_or(0.0, |&ns| ns as f64 / 1000.0)
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    sent: usize,
    inbox: Vec<u8>,
    filled: usize,
    began: Instant,
    /// Its last call is answered and no other was begun.
    idle: bool,
}

/// Runs the load to its end.
pub(crate) fn run(load: &Load<'_>) -> Result<Figures, Fault> {
    let mut poll = Poll::new()?;
    let mut connections = Vec::new();
    for (index, request) in load.requests.iter().enumerate() {
        let mut stream = TcpStream::connect(load.addr)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut stream, Token(index), interest)?;
        connections.push(Connection {
            stream,
            request: request.clone(),
            sent: 0,
            inbox: vec![0; 64 * 1024],
            filled: 0,
            began: Instant::now(),
            idle: false,
        });
    }
    let began = Instant::now();
    let end = began + load.time;
    let mut latencies_ns = Vec::with_capacity(1 << 20);
    let mut events = Events::with_capacity(256);
    // At the end every call is waited for: an id may be used again only once it is answered.
    while connections.iter().any(|connection| !connection.idle) {
        poll.poll(&mut events, Some(DRAIN_MAX))?;
        if events.is_empty() {
            return Err("calls stay unanswered".into());
        }
        let more = Instant::now() < end && latencies_ns.len() < load.calls_max;
        for event in &events {
            if let Some(connection) = connections.get_mut(event.token().0) {
                connection.pump(&mut latencies_ns, more)?;
            }
        }
    }
    Ok(Figures::new(latencies_ns, began.elapsed()))
}

impl Connection {
    /// Writes and reads until the kernel has nothing more for us, or the last answer is there.
    fn pump(&mut self, latencies_ns: &mut Vec<u64>, more: bool) -> Result<(), Fault> {
        loop {
            while let Some(rest) = self.request.get(self.sent..)
                && !rest.is_empty()
            {
                match self.stream.write(rest) {
                    Ok(written) => self.sent += written,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            if self.filled == self.inbox.len() {
                self.inbox.resize(self.inbox.len() * 2, 0);
            }
            let room = self.inbox.get_mut(self.filled..).unwrap_or_default();
            let asked = room.len();
            let read = match self.stream.read(room) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            self.filled += read;
            let answered = match whole(self.inbox.get(..self.filled).unwrap_or_default())? {
                Some(length) if length == self.filled => true,
                Some(_) => return Err("more bytes than one answer".into()),
                None => false,
            };
            if answered {
                let ns = u64::try_from(self.began.elapsed().as_nanos())?;
                latencies_ns.push(ns);
                if !more {
                    self.idle = true;
                    return Ok(());
                }
                (self.filled, self.sent, self.began) = (0, 0, Instant::now());
            } else if read < asked {
                // Edge-triggered: what comes later raises an event of its own.
                return Ok(());
            }
        }
    }
}

/// The length of a whole answer, head and body, or `None` if more must come.
fn whole(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = bytes.get(..end).unwrap_or_default();
    if !head.starts_with(b"HTTP/1.1 200") {
        return Err(format!("not 200: {}", String::from_utf8_lossy(bytes)).into());
    }
    let length: usize = header(head, "content-length")
        .ok_or_else(|| format!("no length: {}", String::from_utf8_lossy(bytes)))?
        .parse()?;
    let total = end + 4 + length;
    Ok((bytes.len() >= total).then_some(total))
}

/// The value of a header of a head, its name in any case.
fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    for line in head.split(|&byte| byte == b'\n') {
        let text = std::str::from_utf8(line).ok()?.trim_end();
        if let Some((key, value)) = text.split_once(':')
            && key.eq_ignore_ascii_case(name)
        {
            return Some(value.trim());
        }
    }
    None
}

/// A whole POST of a JSON body. `extra` are more header lines, each with its line end.
pub(crate) fn post(path: &str, extra: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One answer, read to its end.
pub(crate) struct Answer {
    head: Vec<u8>,
    /// The bytes after the head.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The status line's number.
    pub(crate) fn status(&self) -> u16 {
        let text = String::from_utf8_lossy(&self.head);
        text.split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or(0)
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// Sends one request on a connection of its own and waits for the answer, which must have a
/// length (JSON, not a stream).
pub(crate) fn exchange(addr: SocketAddr, request: &[u8]) -> Result<Answer, Fault> {
    let mut stream = std::net::TcpStream::connect(addr)?;
    exchange_on(&mut stream, request)
}

/// The same on a connection that stays open.
pub(crate) fn exchange_on(
    stream: &mut std::net::TcpStream,
    request: &[u8],
) -> Result<Answer, Fault> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut part = vec![0; 256 * 1024];
    loop {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Err("closed before the answer was whole".into());
        }
        bytes.extend_from_slice(part.get(..read).unwrap_or_default());
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = bytes.get(..end).unwrap_or_default().to_vec();
        let length = match header(&head, "content-length") {
            Some(text) => text.parse()?,
            // 202 and the like may come without a body and without a length.
            None if !head.starts_with(b"HTTP/1.1 200") => 0,
            None => return Err(format!("no length: {}", String::from_utf8_lossy(&head)).into()),
        };
        let start = end + 4;
        while bytes.len() < start + length {
            let read = stream.read(&mut part)?;
            if read == 0 {
                return Err("closed within an answer".into());
            }
            bytes.extend_from_slice(part.get(..read).unwrap_or_default());
        }
        return Ok(Answer {
            head,
            body: bytes.split_off(start),
        });
    }
}
