//! A remote MCP server on a real socket of its own port, that misbehaves on request: it can be
//! gone, cut connections wherever it likes, say any bytes, drip them, or say nothing.
//!
//! Well-behaved it has sessions, answers with JSON and has one tool, `t`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It stays open.
    Open,
    /// In order.
    Closed,
    /// By a reset (in the clear only).
    Reset,
}

/// Which requests are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// All.
    All,
    /// `tools/call`.
    Calls,
}

/// What it does about a request instead of answering it.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Says these bytes, whatever they are.
    Says(Vec<u8>, End),
    /// Says something, and then something again and again.
    Drips(&'static str, &'static str, Duration),
}

impl Act {
    /// A whole response.
    pub(crate) fn status(status: u16, fields: &str, body: &str) -> Self {
        Self::Says(response(status, fields, body), End::Open)
    }
}

/// The bytes of a whole response; `fields` are whole lines.
pub(crate) fn response(status: u16, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) message: Value,
}

impl Request {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

#[derive(Default)]
struct State {
    fault: Option<(Of, Act)>,
    /// Tools beside `t`.
    more: Vec<&'static str>,
    requests: Vec<Request>,
    sessions: Vec<String>,
    minted: usize,
    /// Each with its number.
    connections: Vec<(usize, TcpStream)>,
    accepted: usize,
    /// Counts the faults that were begun or ended, for whoever drips.
    turn: usize,
    gone: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Whatever carries the bytes of one connection.
pub(crate) trait Carrier: Read + Write + Send {}
impl<T: Read + Write + Send> Carrier for T {}

/// Puts something between a socket and the server: TLS, for instance. `None`: it came to nothing.
pub(crate) type Wrap = dyn Fn(TcpStream) -> Option<Box<dyn Carrier>> + Send + Sync;

/// Nothing.
pub(crate) fn clear(stream: TcpStream) -> Option<Box<dyn Carrier>> {
    Some(Box::new(stream))
}

/// TLS with one of the certificates of tests/tls.
pub(crate) fn tls(certificate: &str) -> impl Fn(TcpStream) -> Option<Box<dyn Carrier>> + use<> {
    let place = |name: &str| format!("{}/tests/tls/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let chain = vec![CertificateDer::from_pem_file(place(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(place("key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    let config = Arc::new(config.unwrap());
    move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        Some(Box::new(StreamOwned::new(connection, stream)))
    }
}

/// A proxy that answers `CONNECT` with this status, and leads to whatever is behind it.
pub(crate) fn tunnel(
    status: u16,
    behind: impl Fn(TcpStream) -> Option<Box<dyn Carrier>>,
) -> impl Fn(TcpStream) -> Option<Box<dyn Carrier>> {
    move |mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            head.extend(byte);
        }
        assert!(head.starts_with(b"CONNECT "), "{head:?}");
        let answer = format!("HTTP/1.1 {status} X\r\n\r\n");
        stream.write_all(answer.as_bytes()).ok()?;
        (status == 200).then(|| behind(stream)).flatten()
    }
}

/// See the module.
pub(crate) struct Remote {
    address: Ipv4Addr,
    pub(crate) port: u16,
    shared: Arc<Shared>,
    wrap: Arc<Mutex<Arc<Wrap>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Remote {
    /// A server in the clear.
    pub(crate) fn start() -> Self {
        Self::wrapped(clear)
    }

    /// A server behind something.
    pub(crate) fn wrapped(
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Carrier>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut remote = Self {
            address: Ipv4Addr::LOCALHOST,
            port: listener.local_addr().unwrap().port(),
            shared: Arc::default(),
            wrap: Arc::new(Mutex::new(Arc::new(wrap))),
            accepting: None,
        };
        remote.accept(listener);
        remote
    }

    /// From now on something else is between its sockets and it; all connections are closed.
    pub(crate) fn wrap(
        &self,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Carrier>> + Send + Sync + 'static,
    ) {
        *self.wrap.lock().unwrap() = Arc::new(wrap);
        self.cut();
    }

    fn accept(&mut self, listener: TcpListener) {
        let (shared, wrap) = (Arc::clone(&self.shared), Arc::clone(&self.wrap));
        self.accepting = Some(thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let mut state = shared.lock();
                if state.gone {
                    return;
                }
                state.accepted += 1;
                let number = state.accepted;
                let socket = stream.try_clone().unwrap();
                state.connections.push((number, socket));
                drop(state);
                let (shared, wrap) = (Arc::clone(&shared), Arc::clone(&*wrap.lock().unwrap()));
                thread::spawn(move || {
                    if let Some(carrier) = wrap(stream) {
                        let mut connection = Connection {
                            shared: Arc::clone(&shared),
                            carrier,
                            unread: Vec::new(),
                        };
                        connection.serve();
                    }
                    let connections = &mut shared.lock().connections;
                    connections.retain(|(other, _)| *other != number);
                });
            }
        }));
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// From now on these requests are treated in this way.
    pub(crate) fn breaks(&self, of: Of, act: Act) {
        let mut state = self.shared.lock();
        state.fault = Some((of, act));
        state.turn += 1;
        self.shared.changed.notify_all();
    }

    /// It behaves again.
    pub(crate) fn heals(&self) {
        let mut state = self.shared.lock();
        state.fault = None;
        state.turn += 1;
        self.shared.changed.notify_all();
    }

    /// All its connections end.
    pub(crate) fn cut(&self) {
        for (_, connection) in self.shared.lock().connections.drain(..) {
            let _gone = connection.shutdown(Shutdown::Both);
        }
    }

    /// Nobody listens at its port any more.
    pub(crate) fn goes(&mut self) {
        self.shared.lock().gone = true;
        // Wakes whoever accepts.
        drop(TcpStream::connect((self.address, self.port)));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
        self.cut();
    }

    /// It listens again, at the same port, and remembers nothing.
    pub(crate) fn comes(&mut self) {
        // Somebody may have been given the port for a moment.
        let again = std::time::Instant::now() + super::PATIENCE;
        let listener = loop {
            match TcpListener::bind((self.address, self.port)) {
                Ok(listener) => break listener,
                Err(why) => assert!(std::time::Instant::now() < again, "{why}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        let mut state = self.shared.lock();
        state.gone = false;
        state.sessions.clear();
        drop(state);
        self.accept(listener);
    }

    /// The same at another address of this machine.
    pub(crate) fn comes_at(&mut self, address: Ipv4Addr) {
        self.address = address;
        self.comes();
    }

    /// It knows none of its sessions any more.
    pub(crate) fn forgets_sessions(&self) {
        self.shared.lock().sessions.clear();
    }

    /// Its tools beside `t`.
    pub(crate) fn has_more(&self, more: &[&'static str]) {
        self.shared.lock().more = more.to_vec();
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Waits until it is asked for something, or a moment has passed.
    pub(crate) fn hears(&self) {
        let state = self.shared.lock();
        let before = state.requests.len();
        let moment = Duration::from_millis(50);
        let quiet = |state: &mut State| state.requests.len() == before;
        let waited = self.shared.changed.wait_timeout_while(state, moment, quiet);
        drop(waited.unwrap());
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.heals();
        if self.accepting.is_some() {
            self.goes();
        }
    }
}

struct Connection {
    shared: Arc<Shared>,
    carrier: Box<dyn Carrier>,
    /// The request that is being read.
    unread: Vec<u8>,
}

impl Connection {
    fn serve(&mut self) {
        // The last byte of a request stays where it is until it is clear what happens: a socket
        // that is closed with bytes that nobody read is reset.
        while let Some(request) = self.next() {
            let mut state = self.shared.lock();
            state.requests.push(request.clone());
            self.shared.changed.notify_all();
            let fault = state.fault.clone();
            let turn = state.turn;
            drop(state);
            let is_call = request.message["method"] == "tools/call";
            let act = fault.filter(|(of, _)| *of == Of::All || is_call);
            if let Some((_, Act::Says(bytes, End::Reset))) = act {
                self.says(&bytes);
                return;
            }
            if self.take(1).is_none() {
                return;
            }
            self.unread.clear();
            let goes_on = match act {
                Some((_, Act::Says(bytes, end))) => self.says(&bytes) && end == End::Open,
                Some((_, Act::Drips(first, bytes, pause))) => {
                    self.drips(first, bytes, pause, turn);
                    false
                }
                None if request.head.starts_with("GET ") => self.streams(),
                None => {
                    let answer = self.answer(&request);
                    self.says(&answer)
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Reads so many bytes more.
    fn take(&mut self, count: usize) -> Option<()> {
        let mut bytes = vec![0; count];
        self.carrier.read_exact(&mut bytes).ok()?;
        self.unread.extend(bytes);
        Some(())
    }

    /// The next request, all but its last byte, which is known.
    fn next(&mut self) -> Option<Request> {
        while !self.unread.ends_with(b"\r\n\r") {
            self.take(1)?;
        }
        let head = String::from_utf8_lossy(&self.unread);
        let request = Request {
            head: head.trim_end().to_owned(),
            message: Value::Null,
        };
        let length = request.field("content-length");
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if length == 0 {
            return Some(request);
        }
        let start = self.unread.len() + 1;
        self.take(length)?;
        let body = [&self.unread[start..], b"}"].concat();
        let message = serde_json::from_slice(&body).unwrap();
        Some(Request { message, ..request })
    }

    /// Says this; whether anybody hears it.
    fn says(&mut self, bytes: &[u8]) -> bool {
        let sent = self.carrier.write_all(bytes);
        sent.and_then(|()| self.carrier.flush()).is_ok()
    }

    /// Until the fault ends or nobody reads any more.
    fn drips(&mut self, first: &str, bytes: &str, pause: Duration, turn: usize) {
        let mut bytes_now = first;
        while self.says(bytes_now.as_bytes()) {
            bytes_now = bytes;
            let state = self.shared.lock();
            let same = |state: &mut State| state.turn == turn;
            let (state, waited) = self
                .shared
                .changed
                .wait_timeout_while(state, pause, same)
                .unwrap();
            drop(state);
            if !waited.timed_out() {
                return;
            }
        }
    }

    /// An event stream on which nothing is said; it ends with the connection.
    fn streams(&mut self) -> bool {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        let mut byte = [0];
        self.says(head.as_bytes()) && matches!(self.carrier.read(&mut byte), Ok(1..))
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        let mut state = self.shared.lock();
        let message = &request.message;
        let method = message["method"].as_str().unwrap_or_default();
        let json = |fields: &str, result: &Value| {
            let fields = format!("Content-Type: application/json\r\n{fields}");
            let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
            response(200, &fields, &body.to_string())
        };
        if method == "initialize" {
            state.minted += 1;
            let session = format!("session-{}", state.minted);
            state.sessions.push(session.clone());
            let hello = json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": true}},
                "serverInfo": {"name": "remote", "version": "1"},
            });
            return json(&format!("Mcp-Session-Id: {session}\r\n"), &hello);
        }
        let Some(session) = request.field("mcp-session-id") else {
            return response(400, "", "no session");
        };
        if !state.sessions.iter().any(|one| one == session) {
            return response(404, "", "Session not found");
        }
        if request.head.starts_with("DELETE ") {
            return response(204, "", "");
        }
        if message.get("id").is_none() {
            return response(202, "", "");
        }
        let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
        let tools = std::iter::once("t").chain(state.more.iter().copied());
        match method {
            "tools/list" => json("", &json!({"tools": tools.map(tool).collect::<Vec<_>>()})),
            "tools/call" => json("", &json!({"content": [{"type": "text", "text": "far"}]})),
            _ => json("", &json!({})),
        }
    }
}
