//! `1mcp serve --enable-auth` with an owner, and everybody who comes to its door: browsers, clients
//! with and without tokens.

use std::num::NonZeroU32;
use std::time::SystemTime;

use onemcp::base::form::Form;
use onemcp::entropy::Entropy;
use onemcp::now::UnixSeconds;
use onemcp::oauth::server::record::{Password, Record};
use onemcp::oauth::token::{Claims, SigningKey};
use onemcp::principal::{GrantId, Scopes};
use ring::pbkdf2;
use serde_json::{Value, json};

use super::dir::Dir;
use super::gateway::Gateway;
use super::http::{Answer, Connection};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Where clients are sent back to.
pub(crate) const BACK: &str = "https://app.example/cb";

/// A gateway behind a lock.
pub(crate) struct Locked {
    pub(crate) gateway: Gateway,
    pub(crate) dir: Dir,
    record: Record,
}

/// What a client was given.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Locked {
    /// Two servers with the tags `a` and `b`.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        let dir = Dir::new();
        let server = |tag: &str| json!({"command": super::program::fixture(), "tags": [tag]});
        dir.servers(&[("one", server("a")), ("two", server("b"))]);
        // Once is enough for a test.
        let (salt, rounds, mut key) = ([9; 16], NonZeroU32::MIN, [0; 32]);
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, rounds, &salt, PASSWORD.as_bytes(), &mut key);
        let mut record = Record::default();
        record.set_owner(Password::new(salt, rounds, key));
        record.draw_keys(now(), &mut Entropy::new(&[3; 32]));
        std::fs::create_dir(dir.file("auth")).unwrap();
        dir.write("auth/server.json", record.write());
        let mut all = vec!["--enable-auth", "--log-level", "debug"];
        all.extend(args);
        let gateway = Gateway::start(dir.path(), &all);
        Self {
            gateway,
            dir,
            record,
        }
    }

    /// Its origin.
    pub(crate) fn own(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway.port)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, first: &str, fields: &str, body: &str) -> Answer {
        self.connect(first, fields, body).answer()
    }

    /// The same; the answer is left to be read.
    pub(crate) fn connect(&self, first: &str, fields: &str, body: &str) -> Connection {
        let mut connection = Connection::open(self.gateway.port);
        let (port, length) = (self.gateway.port, body.len());
        let host = match fields.starts_with("Host: ") {
            true => String::new(),
            false => format!("Host: 127.0.0.1:{port}\r\n"),
        };
        let head = format!("{first} HTTP/1.1\r\n{host}Content-Length: {length}\r\n{fields}\r\n");
        connection.send(head + body);
        connection
    }

    #[track_caller]
    pub(crate) fn post_form(&self, path: &str, fields: &str, form: &Form) -> Answer {
        let fields = format!("Content-Type: application/x-www-form-urlencoded\r\n{fields}");
        self.ask(&format!("POST {path}"), &fields, &form.text())
    }

    // --- tokens of our own making ---

    /// The key that the gateway signs with.
    pub(crate) fn key(&self) -> SigningKey {
        self.record.signing_key().unwrap()
    }

    /// Claims of a good token.
    pub(crate) fn claims(&self, grant: u8, scopes: &str) -> Claims {
        let (own, now) = (self.own(), now());
        Claims {
            issuer: own.as_str().into(),
            audience: own.as_str().into(),
            grant: GrantId([grant; 16]),
            client: "c".into(),
            scopes: Scopes::parse(scopes).unwrap(),
            issued: now,
            not_before: now,
            expires: UnixSeconds(now.0 + 3_600),
            id: [grant; 16],
        }
    }

    pub(crate) fn token(&self, grant: u8, scopes: &str) -> String {
        let claims = self.claims(grant, scopes);
        self.key().sign(&claims).reveal().to_owned()
    }

    // --- what clients of MCP do ---

    /// A request without a session.
    #[track_caller]
    pub(crate) fn mcp(&self, path: &str, token: &str, method: &str, name: Option<&str>) -> Answer {
        let mut params = json!({
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        });
        let mut fields = format!(
            "Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n"
        );
        if let Some(name) = name {
            params["name"] = name.into();
            params["arguments"] = json!({"text": "hello"});
            fields.push_str(&format!("Mcp-Name: {name}\r\n"));
        }
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.ask(&format!("POST {path}"), &fields, &message.to_string())
    }

    /// Whether who has this token comes in.
    #[track_caller]
    pub(crate) fn lets_in(&self, token: &str) -> bool {
        let answer = self.mcp("/mcp", token, "server/discover", None);
        match answer.status {
            200 => true,
            401 => false,
            _ => panic!("{answer:?}"),
        }
    }

    /// A session of a token; its name.
    #[track_caller]
    pub(crate) fn session(&self, token: &str) -> String {
        let fields = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        let hello = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": super::mcp::initialize(),
        });
        let answer = self.ask("POST /mcp", &fields, &hello.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("mcp-session-id").unwrap().to_owned()
    }

    // --- what clients of OAuth do ---

    /// Registers a public client.
    #[track_caller]
    pub(crate) fn register(&self, redirect: &str) -> String {
        let body = json!({"client_name": "Attacker", "redirect_uris": [redirect],
            "token_endpoint_auth_method": "none"});
        let answer = self.ask(
            "POST /register",
            "Content-Type: application/json\r\n",
            &body.to_string(),
        );
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.message()["client_id"].as_str().unwrap().to_owned()
    }

    /// What a client asks for.
    pub(crate) fn wish(&self, client: &str, redirect: &str) -> Form {
        Form::default()
            .with("response_type", "code")
            .with("client_id", client)
            .with("redirect_uri", redirect)
            .with("state", "s1")
            .with("code_challenge", CHALLENGE)
            .with("code_challenge_method", "S256")
    }

    /// What a code is redeemed with.
    pub(crate) fn redemption(&self, client: &str, code: &str) -> Form {
        Form::default()
            .with("grant_type", "authorization_code")
            .with("client_id", client)
            .with("code", code)
            .with("redirect_uri", BACK)
            .with("code_verifier", VERIFIER)
    }

    #[track_caller]
    pub(crate) fn redeem(&self, form: &Form) -> Result<Tokens, (u16, Value)> {
        let answer = self.post_form("/token", "", form);
        let body = answer.message();
        if answer.status != 200 {
            return Err((answer.status, body["error"].clone()));
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Ok(Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
        })
    }

    pub(crate) fn refresh(&self, client: &str, token: &str) -> Result<Tokens, (u16, Value)> {
        let form = Form::default()
            .with("grant_type", "refresh_token")
            .with("client_id", client)
            .with("refresh_token", token);
        self.redeem(&form)
    }

    /// The whole way of a client that the owner lets in.
    #[track_caller]
    pub(crate) fn let_in(&self, owner: &mut Browser<'_>, client: &str) -> Tokens {
        let code = owner.allows(&self.wish(client, BACK));
        self.redeem(&self.redemption(client, &code)).unwrap()
    }
}

/// A browser.
pub(crate) struct Browser<'a> {
    site: &'a Locked,
    /// The value of its `Cookie`.
    pub(crate) cookie: String,
    /// What it adds to each request.
    pub(crate) fields: String,
}

impl<'a> Browser<'a> {
    /// One that has never been here.
    pub(crate) fn new(site: &'a Locked) -> Self {
        let fields = "Accept: text/html\r\n".to_owned();
        Self {
            site,
            cookie: String::new(),
            fields,
        }
    }

    /// The owner's.
    #[track_caller]
    pub(crate) fn owner(site: &'a Locked) -> Self {
        let mut browser = Self::new(site);
        let answer = browser.tries(PASSWORD);
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    fn heard(&mut self, answer: Answer) -> Answer {
        if let Some(set) = answer.header("set-cookie") {
            self.cookie = set.split(';').next().unwrap().to_owned();
        }
        answer
    }

    fn all_fields(&self) -> String {
        match self.cookie.is_empty() {
            true => self.fields.clone(),
            false => format!("{}Cookie: {}\r\n", self.fields, self.cookie),
        }
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        let answer = self
            .site
            .ask(&format!("GET {path}"), &self.all_fields(), "");
        self.heard(answer)
    }

    #[track_caller]
    pub(crate) fn post(&mut self, path: &str, form: &Form) -> Answer {
        let answer = self.site.post_form(path, &self.all_fields(), form);
        self.heard(answer)
    }

    /// Tries to log in with the form of the login page.
    #[track_caller]
    pub(crate) fn tries(&mut self, password: &str) -> Answer {
        let page = self.get("/oauth/login");
        let form = Form::default()
            .with("csrf", &csrf(&page))
            .with("password", password);
        self.post("/oauth/login", &form)
    }

    /// Whether it is logged in: the dashboard says so.
    #[track_caller]
    pub(crate) fn is_owner(&mut self) -> bool {
        self.get("/oauth").status == 200
    }

    /// Lets a client in; the code that it gets.
    #[track_caller]
    pub(crate) fn allows(&mut self, wish: &Form) -> String {
        let answer = self.decides(wish, "allow");
        sent(&answer).get("code").expect("a code").to_owned()
    }

    /// Reads the consent page and presses a button of it.
    #[track_caller]
    pub(crate) fn decides(&mut self, wish: &Form, decision: &str) -> Answer {
        let consent = format!("/authorize?{}", wish.text());
        let mut page = self.get(&consent);
        // Without TLS a login is good for one decision.
        if !page.text().contains("name=\"decision\"") {
            assert_eq!(self.tries(PASSWORD).status, 303);
            page = self.get(&consent);
        }
        assert_eq!(page.status, 200, "{page:?}");
        let form = wish.clone().with("csrf", &csrf(&page));
        self.post("/authorize", &form.with("decision", decision))
    }
}

/// The hidden field of a page's form.
#[track_caller]
pub(crate) fn csrf(page: &Answer) -> String {
    let (_, rest) = page
        .text()
        .split_once("name=\"csrf\" value=\"")
        .unwrap_or_else(|| panic!("no form: {page:?} {}", page.text()));
    rest.split('"').next().unwrap().to_owned()
}

/// What a redirect takes along.
#[track_caller]
pub(crate) fn sent(answer: &Answer) -> Form {
    let location = answer
        .header("location")
        .unwrap_or_else(|| panic!("{answer:?}"));
    let (_, query) = location.split_once('?').unwrap_or((location, ""));
    Form::parse(query.as_bytes()).unwrap()
}

pub(crate) fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixSeconds(since.unwrap().as_secs())
}
