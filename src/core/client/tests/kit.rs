//! Everything a test needs to be the hub, the shell and the peers at once.

use std::net::SocketAddr;

use crate::base::frame::Frame;
use crate::base::outbox::Part;
use crate::base::slab::Key;
use crate::base::timers::Timers;
use crate::client::Clients;
use crate::client::session::Channel;
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, Effects, Level, RecordTicket};
use crate::entropy::Entropy;
use crate::input::Port;
use crate::json::span::{self, Span};
use crate::language::{At, ClientEvent, ClientKey};
use crate::links::{LinkKey, Links};
use crate::mcp::version::Version;
use crate::now::Now;
use crate::settings::Settings;
use crate::tally::End;
use crate::tally::Tally;

/// What [`Cx`] borrows.
pub(crate) struct World {
    pub(crate) links: Links,
    pub(crate) timers: Timers<Alarm>,
    pub(crate) effects: Effects,
    entropy: Entropy,
    tally: Tally,
    pub(crate) now: Now,
}

impl World {
    pub(crate) fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now,
            log_level: Level::Error,
            links: &mut self.links,
            timers: &mut self.timers,
            effects: &mut self.effects,
            entropy: &mut self.entropy,
            tally: &mut self.tally,
        }
    }
}

/// An event, and the message that came with it.
pub(crate) struct Told {
    pub(crate) event: ClientEvent,
    pub(crate) text: String,
}

impl Told {
    /// Whose request it is, and where its answer goes.
    pub(crate) fn request(&self) -> (ClientKey, At, String) {
        match &self.event {
            ClientEvent::Request { client, at, id, .. }
            | ClientEvent::Initialize { client, at, id, .. } => (*client, *at, text(id.raw())),
            other => panic!("no request: {other:?}"),
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) struct Kit {
    pub(crate) clients: Clients,
    pub(crate) world: World,
    frame: Frame,
    opened: u32,
    /// The record of sessions, and what becomes of orders about it.
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) disk: Disk,
    /// How often it was written.
    pub(crate) writes: usize,
}

/// What a disk does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Disk {
    #[default]
    Works,
    /// It cannot be locked.
    Locked,
    /// It cannot be written.
    Full,
    /// It does not answer.
    Hangs,
}

impl Default for Kit {
    fn default() -> Self {
        Self::with(&Settings::default())
    }
}

impl Kit {
    pub(crate) fn with(settings: &Settings) -> Self {
        Self::seeded(settings, 5)
    }

    /// Another process than those of other seeds.
    pub(crate) fn seeded(settings: &Settings, seed: u8) -> Self {
        Self {
            clients: Clients::new(settings),
            world: World {
                links: Links::default(),
                timers: Timers::default(),
                effects: Effects::default(),
                entropy: Entropy::new(&[seed; 32]),
                tally: Tally::default(),
                now: Now::default(),
            },
            frame: Frame::default(),
            opened: 0,
            record: None,
            disk: Disk::Works,
            writes: 0,
        }
    }

    pub(crate) fn link(&mut self) -> LinkKey {
        self.opened += 1;
        LinkKey(Key {
            index: self.opened,
            generation: 0,
        })
    }

    pub(crate) fn connect(&mut self) -> LinkKey {
        self.connect_from("127.0.0.1:4000")
    }

    pub(crate) fn connect_from(&mut self, peer: &str) -> LinkKey {
        let link = self.link();
        let peer: SocketAddr = peer.parse().unwrap();
        self.clients
            .accepted(&mut self.world.cx(), link, peer, Port::Clients);
        link
    }

    pub(crate) fn stdio(&mut self) -> LinkKey {
        let link = self.link();
        self.clients.stdio(&mut self.world.cx(), link);
        link
    }

    /// Bytes come in; tells what they want.
    pub(crate) fn send(&mut self, link: LinkKey, bytes: impl AsRef<[u8]>) -> Vec<Told> {
        self.clients
            .receive(&mut self.world.cx(), link, bytes.as_ref());
        self.pull()
    }

    pub(crate) fn eof(&mut self, link: LinkKey) -> Vec<Told> {
        self.clients.eof(&mut self.world.cx(), link);
        self.pull()
    }

    pub(crate) fn broken(&mut self, link: LinkKey) -> Vec<Told> {
        self.clients.broken(&mut self.world.cx(), link);
        self.pull()
    }

    pub(crate) fn pull(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(event) = self.clients.next(&mut self.world.cx(), &mut self.frame) {
            let text = text(self.frame.bytes());
            told.push(Told { event, text });
        }
        if self.keep() {
            told.extend(self.pull());
        }
        told
    }

    /// Does the orders about the record; whether there were any.
    fn keep(&mut self) -> bool {
        if self.disk == Disk::Hangs {
            return false;
        }
        let mut others = Vec::new();
        let mut any = false;
        while let Some(effect) = self.world.effects.pop() {
            match effect {
                Effect::LockRecord { ticket, .. } => {
                    let found = match self.disk {
                        Disk::Locked => Err("locked".to_owned()),
                        _ => Ok(self.record.clone()),
                    };
                    let number = number(ticket);
                    self.clients
                        .sessions_locked(&mut self.world.cx(), number, found);
                    any = true;
                }
                Effect::StoreRecord { ticket, bytes } => {
                    let done = if self.disk == Disk::Full {
                        Err("full".to_owned())
                    } else {
                        self.record = Some(bytes);
                        self.writes += 1;
                        Ok(())
                    };
                    let number = number(ticket);
                    self.clients
                        .sessions_stored(&mut self.world.cx(), number, done);
                    any = true;
                }
                Effect::ReleaseRecord { .. } => {}
                other => others.push(other),
            }
        }
        for effect in others {
            self.world.effects.push(effect);
        }
        any
    }

    /// Time passes; alarms ring.
    pub(crate) fn wait(&mut self, ms: u64) -> Vec<Told> {
        let until = self.world.now.tick.after(ms);
        let mut told = Vec::new();
        while let Some(at) = self.world.timers.next().filter(|at| *at <= until) {
            self.world.now.tick = at.max(self.world.now.tick);
            while let Some(alarm) = self.world.timers.pop_due(self.world.now.tick) {
                self.clients.alarm(&mut self.world.cx(), alarm);
            }
            told.extend(self.pull());
        }
        self.world.now.tick = until;
        told
    }

    /// Takes what was sent, as the kernel does.
    pub(crate) fn take(&mut self, link: LinkKey) -> String {
        text(&self.take_bytes(link))
    }

    pub(crate) fn take_bytes(&mut self, link: LinkKey) -> Vec<u8> {
        let bytes: Vec<u8> = self.world.links.chunks(link).flatten().copied().collect();
        self.world.links.wrote(link, bytes.len());
        self.clients.wrote(&mut self.world.cx(), link);
        bytes
    }

    pub(crate) fn closed(&mut self) -> Vec<LinkKey> {
        let mut closed = Vec::new();
        while let Some(effect) = self.world.effects.pop() {
            if let Effect::Close { link } = effect {
                closed.push(link);
            }
        }
        closed
    }

    pub(crate) fn answer(&mut self, client: ClientKey, at: At, message: &str) {
        self.clients
            .answer(&mut self.world.cx(), client, at, End::Ok, &[message.into()]);
    }

    pub(crate) fn note(&mut self, client: ClientKey, at: At, message: &str) {
        self.clients
            .note(&mut self.world.cx(), client, at, &[message.into()]);
    }

    pub(crate) fn ask(&mut self, client: ClientKey, at: At, message: &str) -> bool {
        self.clients
            .ask(&mut self.world.cx(), client, at, &[message.into()])
    }

    pub(crate) fn tell(&mut self, client: ClientKey, message: &str) {
        self.clients
            .tell(&mut self.world.cx(), client, &[message.into()]);
    }

    pub(crate) fn drop_request(&mut self, client: ClientKey, at: At) {
        self.clients.drop_request(&mut self.world.cx(), client, at);
    }

    /// Sends a request on a new connection and takes what comes back at once.
    pub(crate) fn ask_http(&mut self, request: &str) -> (LinkKey, Vec<Told>, Answer) {
        let link = self.connect();
        let told = self.send(link, request);
        let answer = Answer::read(&self.take_bytes(link));
        (link, told, answer)
    }

    /// Opens a session of this revision, `initialized` and all.
    pub(crate) fn session(&mut self, version: Version) -> Session {
        let link = self.connect();
        let told = self.send(link, post(&[], &initialize(version.name())));
        let (client, at, _) = told[0].request();
        self.answer(client, at, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
        let answer = Answer::read(&self.take_bytes(link));
        let id = answer.header("mcp-session-id").unwrap().to_owned();
        let session = Session { client, id };
        let told = self.send(link, session.post(&[], INITIALIZED));
        assert!(matches!(told[0].event, ClientEvent::Initialized { .. }));
        assert_eq!(Answer::read(&self.take_bytes(link)).status, 202);
        let told = self.eof(link);
        assert!(told.is_empty());
        assert_eq!(self.closed(), [link]);
        session
    }

    /// Posts a request of a session on a connection of its own.
    pub(crate) fn call(&mut self, session: &Session, fields: &[(&str, &str)], id: &str) -> Call {
        let link = self.connect();
        let told = self.send(link, session.post(fields, &request(id)));
        let (client, at, _) = told.first().expect("was taken").request();
        Call { link, client, at }
    }

    /// Opens the GET stream of a session on a connection of its own.
    pub(crate) fn get(&mut self, session: &Session, fields: &[(&str, &str)]) -> LinkKey {
        let link = self.connect();
        assert!(self.send(link, session.http("GET", fields, "")).is_empty());
        link
    }
}

fn number(ticket: RecordTicket) -> u32 {
    match ticket {
        RecordTicket::Sessions(number) => number,
        RecordTicket::Server(_) | RecordTicket::Keyring(_) => unreachable!("not its own"),
    }
}

impl Clients {
    /// The name of a session that is open.
    pub(super) fn name_of(&self, client: ClientKey) -> String {
        match &self.sessions.get(client).unwrap().channel {
            Channel::Sse { id, .. } => id.as_str().to_owned(),
            Channel::Streamable(own) => own.id.as_str().to_owned(),
            Channel::Stdio { .. } | Channel::Exchange(_) => String::new(),
        }
    }
}

/// A session on `/mcp`.
pub(crate) struct Session {
    pub(crate) client: ClientKey,
    pub(crate) id: String,
}

impl Session {
    pub(crate) fn http(&self, method: &str, fields: &[(&str, &str)], body: &str) -> String {
        let mut all = vec![("Mcp-Session-Id", self.id.as_str())];
        all.extend_from_slice(fields);
        http(method, "/mcp", &all, body)
    }

    pub(crate) fn post(&self, fields: &[(&str, &str)], body: &str) -> String {
        self.http("POST", fields, body)
    }
}

/// A request of a session that runs.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) link: LinkKey,
    pub(crate) client: ClientKey,
    pub(crate) at: At,
}

pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

pub(crate) const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

pub(crate) const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;

pub(crate) const ASK: &str = r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#;

pub(crate) fn initialize(version: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{"roots":{{}}}},"clientInfo":{{"name":"t","version":"1"}}}}}}"#
    )
}

pub(crate) fn request(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#)
}

/// A POST to `/mcp` without a session.
pub(crate) fn post(fields: &[(&str, &str)], body: &str) -> String {
    http("POST", "/mcp", fields, body)
}

/// A request; `Host`, and for a body `Content-Type`, are added unless given.
pub(crate) fn http(method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> String {
    let has = |name: &str| {
        fields
            .iter()
            .any(|(field, _)| field.eq_ignore_ascii_case(name))
    };
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    if !has("host") {
        text.push_str("Host: 127.0.0.1:3050\r\n");
    }
    if method == "POST" && !has("content-type") {
        text.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text + "\r\n" + body
}

/// An answer as a client reads it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// 0 if nothing came.
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: String,
    /// Whether the body is complete.
    pub(crate) whole: bool,
    pub(crate) rest: String,
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            assert!(bytes.is_empty(), "half a head");
            return Self::default();
        };
        let head = text(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut answer = Self {
            status: status.parse().unwrap(),
            fields: lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            ..Self::default()
        };
        answer.read_body(&bytes[end + 4..]);
        answer
    }

    fn read_body(&mut self, bytes: &[u8]) {
        if self.header("transfer-encoding").is_some() {
            let (body, whole, used) = unchunk(bytes);
            (self.body, self.whole, self.rest) = (body, whole, text(&bytes[used..]));
        } else {
            let length = self.header("content-length").map(|n| n.parse().unwrap());
            let length: usize = length.unwrap_or(0);
            self.whole = length <= bytes.len();
            let (body, rest) = bytes.split_at(length.min(bytes.len()));
            (self.body, self.rest) = (text(body), text(rest));
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The code of a JSON-RPC error.
    pub(crate) fn code(&self) -> i64 {
        code(&self.body)
    }
}

/// The code of a JSON-RPC error.
pub(crate) fn code(body: &str) -> i64 {
    let text = body.as_bytes();
    let at = span::path(text, Span::whole(text), &["error", "code"]);
    let at = at.unwrap_or_else(|| panic!("no error: {body}"));
    std::str::from_utf8(at.of(text)).unwrap().parse().unwrap()
}

/// The content of chunks, whether the last one came, and how many bytes they took.
pub(crate) fn unchunk(bytes: &[u8]) -> (String, bool, usize) {
    let (mut body, mut used) = (Vec::new(), 0);
    loop {
        let rest = &bytes[used..];
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            assert!(rest.is_empty());
            return (text(&body), false, used);
        };
        let length = usize::from_str_radix(&text(&rest[..end]), 16).unwrap();
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        used += end + length + 4;
        if length == 0 {
            return (text(&body), true, used);
        }
    }
}

/// The data of an event stream's events with their ids, comments left out.
pub(crate) fn events(body: &str) -> Vec<(String, String)> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim_start().to_owned()
    };
    body.split_terminator("\n\n")
        .filter(|block| !block.starts_with(':') && block.contains("data:"))
        .map(|block| (field(block, "id:"), field(block, "data:")))
        .collect()
}

/// A long message in a shared buffer.
pub(crate) fn share(buffer: &std::rc::Rc<Vec<u8>>) -> Part<'_> {
    Part::Share(buffer, 0..buffer.len())
}
