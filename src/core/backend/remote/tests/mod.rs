//! Remote sessions driven from outside as the hub does it, against a server whose every byte is in
//! the test.

mod calls;
mod eras;
mod faults;
mod legacy;
mod modern;
mod renewal;
mod secrets;
mod streams;
mod tokens;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::backend::Backends;
use crate::backend::testkit::{World, spec};
use crate::backend::tests::describe;
use crate::base::frame::Frame;
use crate::base::mark::{Mark, must_hit};
use crate::base::secret::Secret;
use crate::base::slab::Key;
use crate::base::url::Url;
use crate::cx::{Alarm, Cx};
use crate::effect::Effect;
use crate::input::{OpenFailure, OpenFault};
use crate::language::{Carrier, PoolKey, PoolSpec, PoolState, Refused, RemoteKind, RemoteSpec};
use crate::links::{DialKey, LinkKey, Owner};
use crate::mcp::version::Era;
use crate::settings::Settings;

const HELLO: &str = "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\",\
    \"capabilities\":{\"tools\":{\"listChanged\":true}}}}";
const DISCOVERED: &str = "{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-discover\",\"result\":{\
    \"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\
    \"capabilities\":{\"tools\":{\"listChanged\":true}},\"ttlMs\":0,\"cacheScope\":\"private\"}}";
/// A status, fields and a body, and the sentence that they make.
type Row<'a> = (u16, &'a [(&'a str, &'a str)], &'a str, &'a str);

const JSON: (&str, &str) = ("content-type", "application/json");

/// A request as the server reads it.
#[derive(Clone, Debug)]
struct Asked {
    link: LinkKey,
    text: String,
}

impl Asked {
    fn line(&self) -> &str {
        let end = self.text.find(" HTTP/1.1").unwrap();
        &self.text[..end]
    }

    fn field(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").unwrap().1
    }

    /// The method of the message, or of the request if there is none.
    fn what(&self) -> String {
        let body = self.body();
        match body.split_once("\"method\":\"") {
            Some((_, rest)) => rest.split('"').next().unwrap().to_owned(),
            None if body.is_empty() => self.line().split(' ').next().unwrap().to_owned(),
            None => "answer".to_owned(),
        }
    }
}

/// The room with a world around it. Connections open at once.
struct Bench {
    world: World,
    backends: Backends,
    frame: Frame,
    told: Vec<String>,
    minted: u32,
    /// Nothing listens.
    refuses: bool,
    dials: Vec<DialKey>,
    links: Vec<LinkKey>,
    /// What was asked and not looked at.
    asked: Vec<Asked>,
    halves: BTreeMap<LinkKey, String>,
}

fn remote(kind: RemoteKind) -> PoolSpec {
    let headers = [("X-Key".into(), Secret::from("s3cret-key"))];
    PoolSpec {
        carrier: Carrier::Remote(RemoteSpec {
            oauth: false,
            kind,
            url: Rc::new(Url::parse("http://mcp.test/mcp?k=v").unwrap()),
            headers: Rc::from(headers),
        }),
        era: Era::Auto,
        connect_ms: 30_000,
        ..spec()
    }
}

impl Bench {
    fn new() -> Self {
        Self {
            world: World::default(),
            backends: Backends::new(&Settings::default()),
            frame: Frame::default(),
            told: Vec::new(),
            minted: 0,
            refuses: false,
            dials: Vec::new(),
            links: Vec::new(),
            asked: Vec::new(),
            halves: BTreeMap::new(),
        }
    }

    fn input<T>(&mut self, input: impl FnOnce(&mut Backends, &mut Cx<'_>) -> T) -> T {
        let result = input(&mut self.backends, &mut self.world.cx());
        self.settle();
        while let Some(dial) = self.dials.pop() {
            if self.refuses {
                let failure = OpenFailure {
                    fault: OpenFault::Refused,
                    why: "nobody listens at mcp.test:80".to_owned(),
                };
                let cx = &mut self.world.cx();
                self.backends.open_failed(cx, dial, failure);
            } else {
                self.minted += 1;
                let link = LinkKey(Key {
                    index: self.minted,
                    generation: 0,
                });
                self.links.push(link);
                self.backends.opened(&mut self.world.cx(), dial, link);
            }
            self.settle();
        }
        self.take_sent();
        result
    }

    fn settle(&mut self) {
        let mut events = Vec::new();
        while let Some(event) = self.backends.next(&mut self.world.cx(), &mut self.frame) {
            events.push(describe(&event, self.frame.bytes()));
        }
        for order in self.world.orders() {
            match order {
                Effect::Open { dial, .. } => self.dials.push(dial),
                Effect::GiveUpOpen { dial } => self.dials.retain(|one| *one != dial),
                Effect::Close { link } => {
                    self.links.retain(|one| *one != link);
                    self.told.push(format!("close {}", link.0.index));
                }
                Effect::Log { line, .. } => self.told.push(line),
                // More came at once than is taken at once; it is taken all the same.
                Effect::PauseRead { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        self.told.extend(events);
    }

    fn take_sent(&mut self) {
        for link in self.links.clone() {
            let bytes: Vec<u8> = self.world.links.chunks(link).flatten().copied().collect();
            let _shut = self.world.links.wrote(link, bytes.len());
            if bytes.is_empty() {
                continue;
            }
            let half = self.halves.entry(link).or_default();
            half.push_str(std::str::from_utf8(&bytes).unwrap());
            let whole = Asked {
                link,
                text: half.clone(),
            };
            let length = whole.field("content-length").unwrap_or("0");
            if whole.body().len() == length.parse::<usize>().unwrap() {
                self.halves.remove(&link);
                self.asked.push(whole);
            }
        }
    }

    /// What was asked since the last look.
    fn asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// The one thing that was asked.
    fn one(&mut self, what: &str) -> Asked {
        let mut asked = self.asked();
        let told: Vec<String> = asked.iter().map(Asked::what).collect();
        assert_eq!(told, [what]);
        asked.remove(0)
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// What was told of events, without the log and without connections.
    fn events(&mut self) -> Vec<String> {
        let is_event = |told: &String| !told.starts_with("server=") && !told.starts_with("close");
        self.told().into_iter().filter(is_event).collect()
    }

    fn feed(&mut self, link: LinkKey, bytes: impl AsRef<[u8]>) {
        if let Some(Owner::Dialed(dial)) = self.world.links.owner(link) {
            self.input(|backends, cx| backends.dialed_receive(cx, dial, bytes.as_ref()));
        }
    }

    fn eof(&mut self, link: LinkKey) {
        if let Some(Owner::Dialed(dial)) = self.world.links.owner(link) {
            self.input(|backends, cx| backends.dialed_eof(cx, dial));
        }
    }

    fn reset(&mut self, link: LinkKey) {
        if let Some(Owner::Dialed(dial)) = self.world.links.owner(link) {
            self.links.retain(|one| *one != link);
            self.input(|backends, cx| backends.dialed_broken(cx, link, dial));
        }
    }

    fn respond(&mut self, asked: &Asked, status: u16, fields: &[(&str, &str)], body: &str) {
        let fields: String = fields
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        let length = body.len();
        self.feed(
            asked.link,
            format!("HTTP/1.1 {status} x\r\n{fields}Content-Length: {length}\r\n\r\n{body}"),
        );
    }

    fn json(&mut self, asked: &Asked, body: &str) {
        self.respond(asked, 200, &[JSON], body);
    }

    /// Begins an event stream; each piece is a chunk.
    fn stream(&mut self, asked: &Asked, fields: &[(&str, &str)]) {
        let fields: String = fields
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        self.feed(
            asked.link,
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                 Transfer-Encoding: chunked\r\n{fields}\r\n"
            ),
        );
    }

    fn chunk(&mut self, asked: &Asked, text: &str) {
        self.feed(asked.link, format!("{:x}\r\n{text}\r\n", text.len()));
    }

    fn end(&mut self, asked: &Asked) {
        self.feed(asked.link, "0\r\n\r\n");
    }

    fn start(&mut self, spec: PoolSpec) -> PoolKey {
        self.input(|backends, cx| backends.start(cx, spec))
    }

    fn send(&mut self, pool: PoolKey, message: &str) -> Result<(), Refused> {
        self.input(|backends, cx| backends.send(cx, pool, &[message.into()]))
    }

    fn call(&mut self, pool: PoolKey, id: u64) {
        assert_eq!(self.send(pool, &request(id)), Ok(()));
    }

    fn pass(&mut self, ms: u64) {
        self.world.pass(ms);
        while let Some(alarm) = self.world.timers.pop_due(self.world.now.tick) {
            self.input(|backends, cx| match alarm {
                Alarm::Pool(pool) => backends.alarm(cx, pool),
                Alarm::Fetch => backends.fetch_alarm(cx),
                other => panic!("{other:?}"),
            });
        }
    }

    fn state(&self, pool: PoolKey) -> PoolState {
        self.backends.state(self.world.now, pool)
    }

    fn why(&self, pool: PoolKey) -> String {
        match self.state(pool) {
            PoolState::Restarting { why, .. } | PoolState::Failed { why } => why,
            other => panic!("{other:?}"),
        }
    }

    /// A legacy server up to its answer to `initialize`.
    fn greeted(&mut self, spec: PoolSpec, session: Option<&str>) -> PoolKey {
        let pool = self.start(spec);
        let asked = self.asked.remove(0);
        if asked.what() == "server/discover" {
            self.respond(&asked, 400, &[], "what?");
        } else {
            self.asked.insert(0, asked);
        }
        self.initialize(session);
        pool
    }

    /// Answers `initialize`, and takes `notifications/initialized`.
    fn initialize(&mut self, session: Option<&str>) {
        let asked = self.one("initialize");
        let id = session.map(|id| ("Mcp-Session-Id", id));
        let fields: Vec<_> = [Some(JSON), id].into_iter().flatten().collect();
        self.respond(&asked, 200, &fields, HELLO);
        let asked = self.one("notifications/initialized");
        assert_eq!(asked.field("mcp-session-id"), session);
        self.respond(&asked, 202, &[], "");
    }

    /// A legacy server that serves and has no GET stream; nothing told, nothing asked.
    fn legacy(&mut self, session: Option<&str>) -> PoolKey {
        let pool = self.greeted(remote(RemoteKind::Http), session);
        let ears = self.one("GET");
        self.respond(&ears, 405, &[], "");
        assert_eq!(self.state(pool), PoolState::Ready);
        self.told();
        pool
    }

    /// A modern server that serves, with its stream of changes.
    fn modern(&mut self) -> (PoolKey, Asked) {
        let pool = self.start(remote(RemoteKind::Http));
        let asked = self.one("server/discover");
        self.json(&asked, DISCOVERED);
        let listen = self.one("subscriptions/listen");
        assert_eq!(self.state(pool), PoolState::Ready);
        self.told();
        (pool, listen)
    }

    fn stop(&mut self, pool: PoolKey) {
        self.input(|backends, cx| backends.stop(cx, pool));
    }

    /// Nothing may be left of anything but idle connections.
    fn assert_empty(&mut self) {
        self.pass(crate::limits::IDLE_CONNECTION_MS_MAX);
        assert!(self.backends.is_empty(), "sessions are left");
        assert!(self.backends.fetch.is_empty(), "exchanges are left");
        assert_eq!((self.world.links.count(), self.world.timers.len()), (0, 0));
    }
}

fn request(id: u64) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\
         \"params\":{{\"name\":\"t{id}\"}}}}"
    )
}

fn answer(id: u64) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}")
}

fn response(pool: PoolKey, id: u64) -> String {
    format!("response {id} of {}: {}", pool.0.index, answer(id))
}

fn lost(id: u64, why: &str) -> String {
    format!("Exchange({why:?}) Some({id})")
}
