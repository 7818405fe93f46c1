//! What stands around the keyrings of the tests.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::issuer::Net;
use crate::base::form::Form;
use crate::base::frame::Frame;
use crate::base::slab::Key;
use crate::base::timers::Timers;
use crate::base::url::Url;
use crate::config::Oauth;
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, Effects, Level, RecordTicket};
use crate::entropy::Entropy;
use crate::fetch::{FailureKind, FetchFailure, News, Order};
use crate::http1::response_head::ResponseHead;
use crate::http1::server::{Server, Step as Heard};
use crate::input::OpenFault;
use crate::language::{Challenge, WebRequest};
use crate::links::{LinkKey, Links};
use crate::now::{Now, Tick, UnixSeconds};
use crate::oauth::client::{Keyring, KeyringNews, Protected};
use crate::oauth::owner::{Visitor, Who};
use crate::oauth::{Step, Wish};
use crate::settings::Settings;
use crate::tally::Tally;
use crate::web::answer::Answer;

/// The server of most stories.
pub(super) const SERVER: &str = "https://m.example/mcp";
/// Its issuer.
pub(super) const ISSUER: &str = "https://as.example";

/// One process.
pub(super) struct Ring {
    pub(super) keyring: Keyring,
    links: Links,
    timers: Timers<Alarm>,
    effects: Effects,
    entropy: Entropy,
    tally: Tally,
    /// What it told of its servers, in words.
    pub(super) told: Vec<String>,
    pub(super) answers: BTreeMap<LinkKey, Answer>,
    pub(super) logged: Vec<String>,
    /// Asked and not answered.
    asked: Vec<(u32, Order)>,
    /// Ports that were asked for; `None` = closed again.
    pub(super) ports: Vec<Option<u16>>,
    /// The latest token of each server: number and text.
    pub(super) tokens: BTreeMap<String, (u32, String)>,
    /// The latest page.
    pub(super) page: String,
}

/// All processes, the disk that they share, and everybody else.
pub(super) struct World {
    pub(super) now: Now,
    pub(super) rings: Vec<Ring>,
    pub(super) net: Net,
    pub(super) disk: BTreeMap<String, Vec<u8>>,
    /// Where browsers come back to, by their state.
    pub(super) paths: BTreeMap<String, String>,
    /// Who holds a lock and who waits.
    locks: BTreeMap<String, VecDeque<(usize, u32)>>,
    /// Nobody answers anything any more.
    pub(super) is_held: bool,
    /// Servers have accepted their tokens before they refuse them.
    pub(super) is_accepted: bool,
    /// The disk takes nothing.
    pub(super) is_full: bool,
    links: u32,
}

pub(super) fn protected(name: &str, url: &str) -> Protected {
    Protected {
        name: name.into(),
        url: Rc::new(Url::parse(url).unwrap()),
        entry: Oauth::default(),
    }
}

impl World {
    /// One process with a server `m` and its issuer.
    pub(super) fn new() -> Self {
        let mut world = Self::empty();
        world.net.issuers.push(super::issuer::Issuer::new(ISSUER));
        world.net.protect(SERVER, &[ISSUER]);
        world.start(&Settings::default(), vec![protected("m", SERVER)]);
        world
    }

    pub(super) fn empty() -> Self {
        Self {
            now: Now {
                tick: Tick(1_000_000),
                wall: UnixSeconds(1_000_000),
            },
            rings: Vec::new(),
            net: Net::default(),
            disk: BTreeMap::new(),
            paths: BTreeMap::new(),
            locks: BTreeMap::new(),
            is_held: false,
            is_accepted: false,
            is_full: false,
            links: 0,
        }
    }

    /// One more process.
    pub(super) fn start(&mut self, settings: &Settings, servers: Vec<Protected>) -> usize {
        let number = self.rings.len();
        let seed = u8::try_from(number).unwrap() + 7;
        self.rings.push(Ring {
            keyring: Keyring::new(settings),
            links: Links::default(),
            timers: Timers::default(),
            effects: Effects::default(),
            entropy: Entropy::new(&[seed; 32]),
            tally: Tally::default(),
            told: Vec::new(),
            answers: BTreeMap::new(),
            logged: Vec::new(),
            asked: Vec::new(),
            ports: Vec::new(),
            tokens: BTreeMap::new(),
            page: String::new(),
        });
        let records: Vec<(String, Vec<u8>)> = self.disk.clone().into_iter().collect();
        for (name, bytes) in records {
            self.with(number, |keyring, cx| {
                keyring.record(cx, &name, Some(&bytes));
            });
        }
        self.with(number, |keyring, cx| keyring.configure(cx, servers));
        number
    }

    /// The process is killed: it holds no locks any more.
    pub(super) fn kill(&mut self, ring: usize) {
        for queue in self.locks.values_mut() {
            queue.retain(|(owner, _)| *owner != ring);
        }
        self.rings[ring].keyring = Keyring::default();
        self.rings[ring].asked.clear();
        self.grant();
    }

    /// Something happens to a process, and everything that follows.
    pub(super) fn with<T>(
        &mut self,
        ring: usize,
        what: impl FnOnce(&mut Keyring, &mut Cx<'_>) -> T,
    ) -> T {
        let result = self.touch(ring, what);
        self.pump();
        result
    }

    fn touch<T>(&mut self, ring: usize, what: impl FnOnce(&mut Keyring, &mut Cx<'_>) -> T) -> T {
        let now = self.now;
        let ring = &mut self.rings[ring];
        let mut cx = Cx {
            now,
            log_level: Level::Debug,
            links: &mut ring.links,
            timers: &mut ring.timers,
            effects: &mut ring.effects,
            entropy: &mut ring.entropy,
            tally: &mut ring.tally,
        };
        what(&mut ring.keyring, &mut cx)
    }

    /// Answers everything until nothing is asked.
    pub(super) fn pump(&mut self) {
        for _ in 0..10_000 {
            let mut is_idle = true;
            for ring in 0..self.rings.len() {
                while let Some(effect) = self.rings[ring].effects.pop() {
                    is_idle = false;
                    self.obey(ring, effect);
                }
                while let Some(news) = self.rings[ring].keyring.told() {
                    is_idle = false;
                    self.hear(ring, news);
                }
                if !self.is_held && !self.rings[ring].asked.is_empty() {
                    is_idle = false;
                    let (number, order) = self.rings[ring].asked.remove(0);
                    self.serve(ring, number, &order);
                }
            }
            if is_idle {
                return;
            }
        }
        panic!("it never ends");
    }

    fn serve(&mut self, ring: usize, number: u32, order: &Order) {
        match self.net.answer(order) {
            Ok((status, body)) => {
                let length = body.len().to_string();
                let head = ResponseHead::of(status, false, &[("Content-Length", &length)]);
                self.touch(ring, |keyring, cx| {
                    keyring.news(cx, number, News::Head(head));
                    keyring.news(cx, number, News::End(body.into_bytes()));
                });
            }
            Err(why) => {
                let failure = FetchFailure {
                    why,
                    reached: false,
                    kind: FailureKind::Open(OpenFault::Refused),
                };
                self.touch(ring, |keyring, cx| {
                    keyring.news(cx, number, News::Failed(failure));
                });
            }
        }
    }

    fn hear(&mut self, number: usize, news: KeyringNews) {
        let ring = &mut self.rings[number];
        match news {
            KeyringNews::Wish(Wish::Answer { link, answer }) => {
                ring.answers.insert(link, answer);
            }
            KeyringNews::Wish(Wish::Ask { number, order }) => ring.asked.push((number, *order)),
            KeyringNews::Wish(Wish::GiveUp { number }) => {
                ring.asked.retain(|(asked, _)| *asked != number);
            }
            KeyringNews::Token { server, url, token } => {
                let text = token.secret.reveal().to_owned();
                ring.told.push(format!("{server} token {text} for {url}"));
                ring.tokens.insert(server.to_string(), (token.number, text));
            }
            KeyringNews::Awaiting {
                server,
                page,
                why,
                step_up,
            } => {
                let more = if step_up { " more" } else { "" };
                ring.told.push(format!("{server} awaiting{more}: {why}"));
                ring.page = page.to_string();
            }
            KeyringNews::NoMore { server } => ring.told.push(format!("{server} no more")),
            KeyringNews::Closed => assert_eq!(ring.ports.last(), Some(&None)),
            KeyringNews::Failed { server, why } => {
                ring.told.push(format!("{server} failed: {why}"));
            }
        }
    }

    fn obey(&mut self, ring: usize, effect: Effect) {
        let number = |ticket| match ticket {
            RecordTicket::Keyring(number) => number,
            RecordTicket::Server(_) | RecordTicket::Sessions(_) => unreachable!("not its own"),
        };
        match effect {
            Effect::LockRecord { ticket, name } => {
                let queue = self.locks.entry(name).or_default();
                queue.push_back((ring, number(ticket)));
                if queue.len() == 1 {
                    self.grant_first((ring, number(ticket)));
                }
            }
            Effect::StoreRecord { ticket, bytes } => {
                let (name, _) = self
                    .lock_of(ring, number(ticket))
                    .expect("it holds the lock");
                let done = if self.is_full {
                    Err("auth: no space left".to_owned())
                } else {
                    self.disk.insert(name.clone(), bytes.clone());
                    Ok(())
                };
                self.touch(ring, |keyring, cx| keyring.stored(cx, number(ticket), done));
                for other in (0..self.rings.len()).filter(|other| *other != ring) {
                    self.touch(other, |keyring, cx| keyring.record(cx, &name, Some(&bytes)));
                }
                self.unlock(ring, number(ticket));
            }
            Effect::ReleaseRecord { ticket } => self.unlock(ring, number(ticket)),
            Effect::ListenLocal { port } => self.rings[ring].ports.push(Some(port)),
            Effect::UnlistenLocal => self.rings[ring].ports.push(None),
            Effect::Log { line, .. } => self.rings[ring].logged.push(line),
            other => unreachable!("{other:?}"),
        }
    }

    /// The process holds the lock of the only record, and says nothing more.
    pub(super) fn hang(&mut self, ring: usize) {
        for queue in self.locks.values_mut() {
            queue.push_front((ring, 0));
        }
    }

    /// How many alarms are set.
    pub(super) fn alarms(&self, ring: usize) -> usize {
        self.rings[ring].timers.len()
    }

    fn lock_of(&self, ring: usize, number: u32) -> Option<(String, usize)> {
        self.locks.iter().find_map(|(name, queue)| {
            let at = queue.iter().position(|one| *one == (ring, number))?;
            Some((name.clone(), at))
        })
    }

    fn unlock(&mut self, ring: usize, number: u32) {
        let Some((name, at)) = self.lock_of(ring, number) else {
            return;
        };
        let queue = self.locks.get_mut(&name).unwrap();
        queue.remove(at);
        let next = queue.front().copied().filter(|_| at == 0);
        if let Some(next) = next {
            self.grant_first(next);
        }
    }

    fn grant(&mut self) {
        let first: Vec<_> = self
            .locks
            .values()
            .filter_map(|queue| queue.front().copied())
            .collect();
        first.into_iter().for_each(|one| self.grant_first(one));
    }

    fn grant_first(&mut self, (ring, number): (usize, u32)) {
        let (name, _) = self.lock_of(ring, number).unwrap();
        let found = Ok(self.disk.get(&name).cloned());
        self.touch(ring, |keyring, cx| keyring.locked(cx, number, found));
    }

    /// Time passes: alarms ring on the way.
    pub(super) fn wait(&mut self, ms: u64) {
        let end = self.now.tick.after(ms);
        let begin = self.now;
        loop {
            let rings = self.rings.iter();
            let due = rings.filter_map(|ring| ring.timers.next()).min();
            let next = due.filter(|at| *at <= end).unwrap_or(end);
            self.now.tick = next.max(self.now.tick);
            let passed = self.now.tick.since(begin.tick) / 1000;
            self.now.wall = UnixSeconds(begin.wall.0 + passed);
            for ring in 0..self.rings.len() {
                while self.rings[ring].timers.pop_due(self.now.tick).is_some() {
                    self.touch(ring, |keyring, cx| keyring.alarm(cx));
                }
            }
            self.pump();
            if next == end && due.is_none_or(|at| at > end || at == next) {
                return;
            }
        }
    }

    /// The server refuses the token that its sessions have, or that there is none.
    pub(super) fn challenge(&mut self, ring: usize, status: u16, field: &str) {
        let token = self.rings[ring].tokens.get("m").map(|(number, _)| *number);
        self.challenge_with(ring, status, field, token, "tools/call t");
    }

    pub(super) fn challenge_with(
        &mut self,
        ring: usize,
        status: u16,
        field: &str,
        token: Option<u32>,
        operation: &str,
    ) {
        let challenge = Challenge {
            status,
            fields: vec![field.to_owned()],
            token,
            operation: operation.to_owned(),
            accepted: self.is_accepted,
        };
        self.with(ring, |keyring, cx| keyring.challenged(cx, "m", challenge));
    }

    /// What was told of servers since this was asked last.
    pub(super) fn told(&mut self, ring: usize) -> Vec<String> {
        std::mem::take(&mut self.rings[ring].told)
    }

    // --- browsers -------------------------------------------------------------------------------

    /// A request of a browser, and its answer if there is one by now.
    pub(super) fn visit(
        &mut self,
        ring: usize,
        (who, browser): (Who, u8),
        head: &str,
        body: &str,
    ) -> Option<Answer> {
        self.links += 1;
        let link = LinkKey(Key {
            index: self.links,
            generation: 0,
        });
        let kind = "application/x-www-form-urlencoded";
        let (line, fields) = head.split_once('\n').unwrap_or((head, ""));
        let host = if fields.contains("Host:") {
            ""
        } else {
            "Host: 127.0.0.1:3050\r\n"
        };
        let fields: String = fields.lines().map(|field| format!("{field}\r\n")).collect();
        let text = format!(
            "{line} HTTP/1.1\r\n{host}{fields}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n\
             {body}",
            body.len()
        );
        let request = request(&text);
        let visitor = Visitor {
            who,
            browser: [browser; 32],
            csrf: format!("csrf-{browser}"),
            cookie: None,
            own_page: true,
        };
        let step = self.with(ring, |keyring, cx| {
            keyring.request(cx, link, &request, &visitor)
        });
        match step {
            Step::Answer(answer) => Some(answer),
            Step::Later => self.rings[ring].answers.remove(&link),
        }
    }

    /// The owner presses the button; tells where his browser is sent.
    pub(super) fn click(&mut self, ring: usize, browser: u8) -> Result<Url, Answer> {
        let form = format!("csrf=csrf-{browser}");
        let answer = self.visit(ring, (Who::Local, browser), "POST /oauth/connect/m", &form);
        let answer = answer.expect("the issuer was found");
        match answer.field("location") {
            Some(to) if answer.status == 303 => Ok(Url::parse(to).unwrap()),
            _ => Err(answer),
        }
    }

    /// The browser comes back from the issuer.
    pub(super) fn back(&mut self, ring: usize, browser: u8, query: &Form) -> Option<Answer> {
        let path = self.paths.get(query.get("state").unwrap());
        let path = path.map_or("/oauth/callback", String::as_str);
        let head = format!("GET {path}?{}", query.text());
        self.visit(ring, (Who::Local, browser), &head, "")
    }

    /// The owner agrees at the issuer to which his browser was sent.
    pub(super) fn agree(&mut self, to: &Url) -> Form {
        let asked = to.to_string();
        let query = Form::parse(to.query().unwrap().as_bytes()).unwrap();
        let state = query.get("state").unwrap().to_owned();
        self.paths.insert(state, Self::way_back(to));
        let is_its = |name: &str| asked.starts_with(&format!("{name}/authorize?"));
        let issuer = self.net.issuers.iter_mut().find(|one| is_its(&one.name));
        issuer
            .expect("somebody knows the browser there")
            .agree(query)
    }

    /// On which path the browser comes back that was sent there.
    pub(super) fn way_back(to: &Url) -> String {
        let query = Form::parse(to.query().unwrap().as_bytes()).unwrap();
        let back = Url::parse(query.get("redirect_uri").unwrap()).unwrap();
        back.path().to_owned()
    }

    /// The whole way, from the click to the token; tells what was asked for.
    pub(super) fn authorize(&mut self, ring: usize) -> Form {
        let to = self.click(ring, 1).unwrap();
        let back = self.agree(&to);
        let answer = self.back(ring, 1, &back).expect("it is over");
        assert!(matches!(answer.status, 200 | 303), "{answer:?}");
        Form::parse(to.query().unwrap().as_bytes()).unwrap()
    }

    /// Nothing secret was logged.
    pub(super) fn assert_silent(&self) {
        for line in self.rings.iter().flat_map(|ring| &ring.logged) {
            for secret in ["access-", "refresh-", "code-", "s3cret"] {
                assert!(!line.contains(secret), "{line}");
            }
        }
    }
}

/// Reads a request as our own server does.
fn request(text: &str) -> WebRequest {
    let (mut server, mut frame) = (Server::new(1_000_000), Frame::default());
    server.receive(text.as_bytes());
    let head = match server.next(&mut frame) {
        Heard::Request(head) => head,
        other => panic!("{other:?}: {text}"),
    };
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    WebRequest {
        head,
        body: frame.bytes().to_vec(),
        peer: home,
        client: home,
    }
}
