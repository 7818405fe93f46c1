//! Stories of the authorization server over a scripted disk: clients that register, an owner that
//! says yes, tokens that come and go. `flow` has what works, `refused` what must not, `disk` what
//! the disk and other processes do to it.

mod disk;
mod documents;
mod flow;
mod refused;

use serde_json::Value;

use super::*;
use crate::base::base64;
use crate::base::form::Form;
use crate::base::frame::Frame;
use crate::base::slab::Slab;
use crate::base::timers::Timers;
use crate::cx::Cx;
use crate::effect::{Effect, Effects, RecordTicket};
use crate::entropy::Entropy;
use crate::fetch::{News, Order};
use crate::http1::server::{Server as Http, Step as Read};
use crate::links::Links;
use crate::now::{Now, Tick, UnixSeconds};
use crate::oauth::owner::Who;
use crate::oauth::token::{self, Bad, Claims};
use crate::tally::Tally;

const WALL: u64 = 1_800_000_000;
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "https://app.example/cb";

/// Everything around one server.
struct World {
    server: Server,
    now: Now,
    links: Links,
    keys_of_links: Slab<LinkKey, ()>,
    timers: Timers<Alarm>,
    effects: Effects,
    entropy: Entropy,
    tally: Tally,
    who: Who,
    host: &'static str,
    client_address: std::net::IpAddr,
    /// `server.json`.
    disk: Option<Vec<u8>>,
    /// Locks that wait, if the disk is held.
    held: Option<Vec<u32>>,
    /// Writes until one fails.
    fails_after: Option<u32>,
    stores: u32,
    locks: u32,
    answers: Vec<(LinkKey, Answer)>,
    asked: Vec<(u32, Order)>,
    given_up: Vec<u32>,
    keys: Option<Keys>,
    password: Option<record::Password>,
    log: Vec<String>,
}

impl World {
    fn new() -> Self {
        Self::with(&Settings {
            auth: true,
            external_url: Some("https://mcp.example.com".to_owned()),
            ..Settings::default()
        })
    }

    fn with(settings: &Settings) -> Self {
        let mut world = Self::cold(settings);
        world.configure(&["Files", "b c"]);
        world
    }

    /// Before the first configuration.
    fn cold(settings: &Settings) -> Self {
        Self {
            server: Server::new(settings),
            now: Now {
                tick: Tick(1_000),
                wall: UnixSeconds(WALL),
            },
            links: Links::default(),
            keys_of_links: Slab::default(),
            timers: Timers::default(),
            effects: Effects::default(),
            entropy: Entropy::new(&[5; 32]),
            tally: Tally::default(),
            who: Who::Owner,
            host: "mcp.example.com",
            client_address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            disk: None,
            held: None,
            fails_after: None,
            stores: 0,
            locks: 0,
            answers: Vec::new(),
            asked: Vec::new(),
            given_up: Vec::new(),
            keys: None,
            password: None,
            log: Vec::new(),
        }
    }

    fn configure(&mut self, tags: &[&str]) {
        self.act(|server, cx| server.configured(cx, tags.iter().copied()));
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Server, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx {
            now: self.now,
            log_level: Level::Debug,
            links: &mut self.links,
            timers: &mut self.timers,
            effects: &mut self.effects,
            entropy: &mut self.entropy,
            tally: &mut self.tally,
        };
        let told = act(&mut self.server, &mut cx);
        self.settle();
        told
    }

    /// Obeys orders and hears news until there are none.
    fn settle(&mut self) {
        loop {
            if let Some(effect) = self.effects.pop() {
                self.obey(effect);
            } else if let Some(news) = self.server.told() {
                match news {
                    ServerNews::Wish(Wish::Answer { link, answer }) => {
                        self.answers.push((link, answer));
                    }
                    ServerNews::Wish(Wish::Ask { number, order }) => {
                        self.asked.push((number, *order));
                    }
                    ServerNews::Wish(Wish::GiveUp { number }) => self.given_up.push(number),
                    ServerNews::Keys(keys) => self.keys = Some(keys),
                    ServerNews::Password(password) => self.password = password,
                }
            } else {
                return;
            }
        }
    }

    fn obey(&mut self, effect: Effect) {
        match effect {
            Effect::LockRecord { ticket, name } => {
                assert_eq!(name, RECORD);
                let RecordTicket::Server(number) = ticket else {
                    panic!("{ticket:?}")
                };
                self.locks += 1;
                match &mut self.held {
                    Some(held) => held.push(number),
                    None => self.grant_lock(number),
                }
            }
            Effect::StoreRecord { ticket, bytes } => {
                let RecordTicket::Server(number) = ticket else {
                    panic!("{ticket:?}")
                };
                self.stores += 1;
                let fails = self.fails_after == Some(0);
                self.fails_after = self.fails_after.and_then(|left| left.checked_sub(1));
                let done = if fails {
                    Err("server.json: no space left".to_owned())
                } else {
                    self.disk = Some(bytes);
                    Ok(())
                };
                self.act(|server, cx| server.stored(cx, number, done));
            }
            Effect::ReleaseRecord { .. } => {}
            Effect::Log { line, .. } => self.log.push(line),
            other => panic!("{other:?}"),
        }
    }

    fn grant_lock(&mut self, number: u32) {
        let found = Ok(self.disk.clone());
        self.act(|server, cx| server.locked(cx, number, found));
    }

    /// The disk works again.
    fn let_go(&mut self) {
        for number in self.held.take().into_iter().flatten() {
            self.grant_lock(number);
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now.tick = self.now.tick.after(seconds * 1_000);
        self.now.wall = self.now.wall.after(seconds);
        while self.timers.pop_due(self.now.tick).is_some() {
            self.act(Server::alarm);
        }
    }

    /// Sends a request; the answer may come later.
    fn send(&mut self, text: &str) -> (LinkKey, Option<Answer>) {
        let (mut http, mut frame) = (Http::new(1 << 20), Frame::default());
        http.receive(text.as_bytes());
        let Read::Request(head) = http.next(&mut frame) else {
            panic!("no request: {text}");
        };
        let request = WebRequest {
            head,
            body: frame.bytes().to_vec(),
            peer: self.client_address,
            client: self.client_address,
        };
        let visitor = Visitor {
            who: self.who,
            browser: [1; 32],
            csrf: "csrf-of-1".to_owned(),
            cookie: Some("c=1".to_owned()),
            own_page: true,
        };
        let link = self.keys_of_links.insert(());
        let step = self.act(|server, cx| server.request(cx, link, &request, &visitor));
        match step {
            Step::Answer(answer) => (link, Some(answer)),
            Step::Later => (link, self.answer_for(link)),
        }
    }

    fn answer_for(&mut self, link: LinkKey) -> Option<Answer> {
        let at = self.answers.iter().position(|(own, _)| *own == link)?;
        Some(self.answers.remove(at).1)
    }

    fn ask(&mut self, text: &str) -> Answer {
        self.send(text).1.expect("an answer")
    }

    fn get(&mut self, target: &str) -> Answer {
        let host = self.host;
        self.ask(&format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n"
        ))
    }

    fn post_text(&self, path: &str, form: &Form, fields: &str) -> String {
        let (host, body) = (self.host, form.text());
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        )
    }

    fn post(&mut self, path: &str, form: &Form) -> Answer {
        let accept = "Accept: text/html,*/*\r\n";
        let text = self.post_text(path, form, accept);
        self.ask(&text)
    }

    fn register_text(&self, body: &str) -> String {
        let (host, length) = (self.host, body.len());
        format!(
            "POST /register HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    }

    fn register(&mut self, body: &str) -> Answer {
        let text = self.register_text(body);
        self.ask(&text)
    }

    /// A public client that is sent back to [`BACK`].
    fn client(&mut self) -> String {
        let body = format!(
            "{{\"redirect_uris\":[\"{BACK}\"],\"token_endpoint_auth_method\":\"none\",\
             \"client_name\":\"App\"}}"
        );
        let answer = self.register(&body);
        assert_eq!(answer.status, 201);
        text_of(&json(&answer), "client_id")
    }

    /// The owner lets a client in; tells the parameters with which the browser is sent back.
    fn consent(&mut self, form: &Form) -> Form {
        let answer = self.post("/authorize", &allow(form));
        back(&answer)
    }

    fn code(&mut self, client: &str) -> String {
        let answer = self.consent(&request_of(client));
        answer.get("code").expect("a code").to_owned()
    }

    /// The whole way to tokens.
    fn tokens(&mut self, client: &str) -> Value {
        let code = self.code(client);
        let answer = self.post("/token", &redeem(client, &code));
        assert_eq!(answer.status, 200, "{}", json(&answer));
        json(&answer)
    }

    fn claims(&self, tokens: &Value) -> Result<Claims, Bad> {
        let keys = self.keys.as_ref().expect("keys");
        token::verify(keys, &text_of(tokens, "access_token"), self.now.wall)
    }
}

/// What a client asks for at `/authorize`.
fn request_of(client: &str) -> Form {
    Form::default()
        .with("response_type", "code")
        .with("client_id", client)
        .with("redirect_uri", BACK)
        .with("state", "s&1")
        .with("code_challenge", CHALLENGE)
        .with("code_challenge_method", "S256")
        .with("resource", "https://mcp.example.com/mcp")
}

/// The same form with one field changed, or left out.
fn but(form: &Form, name: &str, value: Option<&str>) -> Form {
    let others = form.fields().filter(|(own, _)| *own != name);
    let form = others.fold(Form::default(), |form, (name, value)| {
        form.with(name, value)
    });
    match value {
        Some(value) => form.with(name, value),
        None => form,
    }
}

fn allow(form: &Form) -> Form {
    let form = form.clone().with("csrf", "csrf-of-1");
    form.with("decision", "allow")
}

fn redeem(client: &str, code: &str) -> Form {
    Form::default()
        .with("grant_type", "authorization_code")
        .with("client_id", client)
        .with("code", code)
        .with("redirect_uri", BACK)
        .with("code_verifier", VERIFIER)
        .with("resource", "https://mcp.example.com")
}

fn refresh(client: &str, tokens: &Value) -> Form {
    Form::default()
        .with("grant_type", "refresh_token")
        .with("client_id", client)
        .with("refresh_token", &text_of(tokens, "refresh_token"))
}

/// The parameters of a redirect to [`BACK`].
fn back(answer: &Answer) -> Form {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 303, "{text}");
    let to = answer.field("location").expect("a location");
    let query = to
        .strip_prefix(BACK)
        .and_then(|rest| rest.strip_prefix('?'));
    let query = query.unwrap_or_else(|| panic!("sent to {to}"));
    Form::parse(query.as_bytes()).expect("a form")
}

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.field("content-type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn text_of(value: &Value, name: &str) -> String {
    let text = value.get(name).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

/// Status and code of an error.
fn error_of(answer: &Answer) -> (u16, String) {
    (answer.status, text_of(&json(answer), "error"))
}
