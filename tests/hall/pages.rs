//! The pages as a browser has them: who sees the dashboard, who may press its buttons.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use onemcp::input::{ExitStatus, Input, Port};
use onemcp::oauth::server::RECORD;
use onemcp::oauth::server::record::{Password, Record};
use ring::pbkdf2;
use serde_json::{Value, json};

use crate::http::Response;
use crate::server::tools;
use crate::world::World;

/// A browser: where it is, what it adds to its requests, its cookie.
struct Browser {
    peer: IpAddr,
    fields: &'static str,
    cookie: String,
}

/// What came back.
struct Shown {
    response: Response,
    body: String,
}

impl Shown {
    fn status(&self) -> u16 {
        self.response.status.unwrap()
    }

    /// The hidden field of the first form.
    fn csrf(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    fn here() -> Self {
        Self {
            peer: [127, 0, 0, 1].into(),
            fields: "Accept: text/html,*/*;q=0.8\r\n",
            cookie: String::new(),
        }
    }

    fn far() -> Self {
        Self {
            peer: [192, 168, 1, 7].into(),
            ..Self::here()
        }
    }

    fn get(&mut self, world: &mut World, path: &str) -> Shown {
        self.send(world, "GET", path, "", "")
    }

    fn post(&mut self, world: &mut World, path: &str, form: &str) -> Shown {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send(world, "POST", path, kind, form)
    }

    fn send(
        &mut self,
        world: &mut World,
        method: &str,
        path: &str,
        more: &str,
        body: &str,
    ) -> Shown {
        let link = world.new_link();
        let peer = SocketAddr::new(self.peer, 1);
        world.input(Input::Accepted {
            link,
            peer,
            port: Port::Clients,
        });
        let (fields, cookie, length) = (self.fields, &self.cookie, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:3050\r\n{fields}{cookie}{more}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        world.bytes(link, request.as_bytes());
        let received = std::mem::take(&mut world.peer(link).received);
        let mut response = Response::default();
        let body = response.take(&received).concat();
        if let Some(set) = response.header("set-cookie") {
            self.cookie = format!("Cookie: {}\r\n", set.split(';').next().unwrap());
        }
        Shown { response, body }
    }
}

/// A gateway with a server that serves and one that ends again and again.
fn gateway(auth: bool) -> World {
    let mut world = World::http()
        .settings(|settings| settings.auth = auth)
        .server("good", tools(["t", "u"]))
        .server("bad", tools(["t"]))
        .start();
    let bad = world
        .children
        .iter()
        .position(|child| child.alive && child.name == "bad")
        .unwrap();
    world.end_child(bad, ExitStatus::Code(3));
    world.settle();
    world
}

#[test]
fn contract_5_everybody_who_may_use_mcp_sees_how_the_servers_are() {
    let mut w = gateway(false);
    let page = Browser::far().get(&mut w, "/oauth");
    assert_eq!(page.status(), 200);
    for part in [
        "<bdi>good</bdi>",
        "<bdi>bad</bdi>",
        "Ready",
        "1 of 2 servers ready.",
    ] {
        assert!(page.body.contains(part), "{part} in {}", page.body);
    }
    assert!(!page.body.contains("<form") && page.body.contains("/oauth/login"));
    let program = Browser {
        fields: "Accept: application/json\r\n",
        ..Browser::far()
    };
    let answer = { program }.get(&mut w, "/oauth");
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    let state = |at: usize| {
        (
            told["servers"][at]["name"].clone(),
            told["servers"][at]["state"].clone(),
        )
    };
    assert_eq!(state(0), (json!("good"), json!("ready")));
    assert_eq!(state(1), (json!("bad"), json!("restarting")));
    assert_eq!(told["servers"][0]["tools"], 2);
    assert!(answer.response.header("set-cookie").is_none());
}

#[test]
fn contract_5_with_auth_the_dashboard_is_the_owners() {
    let mut w = gateway(true);
    for mut browser in [Browser::here(), Browser::far()] {
        let answer = browser.get(&mut w, "/oauth");
        assert_eq!(answer.status(), 303);
        let to = answer.response.header("location");
        assert_eq!(to, Some("/oauth/login?next=/oauth"));
        assert!(!answer.body.contains("good"));
    }
    let program = Browser {
        fields: "Accept: application/json\r\n",
        ..Browser::here()
    };
    let answer = { program }.get(&mut w, "/oauth");
    assert!(answer.status() == 401 && !answer.body.contains("good"));
}

#[test]
fn contract_5_retry_is_for_the_owner_or_somebody_at_this_machine() {
    let mut w = gateway(false);
    let spawned = w.children.len();
    let mut far = Browser::far();
    far.get(&mut w, "/oauth/login");
    let mut here = Browser::here();
    let page = here.get(&mut w, "/oauth");
    assert!(page.body.contains("Retry"), "{}", page.body);
    let form = |csrf: &str| format!("csrf={csrf}&server=bad");
    let refused = [
        far.post(&mut w, "/oauth/retry", &form(&page.csrf())),
        here.post(&mut w, "/oauth/retry", &form("x")),
        here.post(&mut w, "/oauth/retry", "server=good"),
    ];
    for answer in refused {
        assert_eq!(answer.status(), 403, "{}", answer.body);
    }
    assert_eq!(here.get(&mut w, "/oauth/retry").status(), 405);
    let unknown = format!("csrf={}&server=x", page.csrf());
    assert_eq!(here.post(&mut w, "/oauth/retry", &unknown).status(), 404);
    let plain = here.send(&mut w, "POST", "/oauth/retry", "", "a=b");
    assert_eq!(plain.status(), 415);
    assert_eq!(w.children.len(), spawned);
    let answer = here.post(&mut w, "/oauth/retry", &form(&page.csrf()));
    assert_eq!(answer.status(), 303, "{}", answer.body);
    assert_eq!(answer.response.header("location"), Some("/oauth"));
    w.advance(20);
    assert_eq!(w.children.len(), spawned + 1, "tried at once");
    let again = here.post(&mut w, "/oauth/retry", &form(&page.csrf()));
    assert_eq!(again.status(), 303, "there is nothing to do");
}

#[test]
fn a_form_of_another_browser_does_nothing() {
    let mut w = gateway(false);
    let csrf = Browser::here().get(&mut w, "/oauth").csrf();
    let mut other = Browser::here();
    other.get(&mut w, "/oauth");
    let form = format!("csrf={csrf}&server=bad");
    assert_eq!(other.post(&mut w, "/oauth/retry", &form).status(), 403);
}

#[test]
fn assets_and_unknown_pages() {
    let mut w = World::http().start();
    let mut browser = Browser::here();
    let style = browser.get(&mut w, "/style.css");
    assert_eq!(
        style.response.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert!(style.body.contains("prefers-color-scheme: dark") && browser.cookie.is_empty());
    assert_eq!(browser.get(&mut w, "/live.js").status(), 200);
    assert_eq!(browser.get(&mut w, "/oauth/").status(), 200);
    let start = browser.get(&mut w, "/");
    assert!(start.body.contains("http://127.0.0.1:3050/mcp") && start.body.contains("/health"));
}

/// The owner has this password from now on, as `auth set-password` writes it.
fn set_password(world: &mut World, password: &str) {
    let (salt, rounds, mut key) = ([7; 16], NonZeroU32::MIN, [0; 32]);
    let text = password.as_bytes();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, text, &mut key);
    let bytes = world.vault.records.get(RECORD).map(Vec::as_slice);
    let mut record = Record::read(bytes).unwrap();
    record.set_owner(Password::new(salt, rounds, key));
    let bytes = record.write();
    world.vault.records.insert(RECORD.to_owned(), bytes.clone());
    world.input(Input::Record {
        name: RECORD.to_owned(),
        bytes: Some(bytes),
    });
    world.settle();
}

#[test]
fn contract_5_the_owner_logs_in_sees_everything_and_logs_out() {
    let mut w = gateway(true);
    let mut owner = Browser::far();
    let page = owner.get(&mut w, "/oauth/login?next=/oauth");
    assert!(page.status() == 403 && page.body.contains("1mcp auth set-password"));
    set_password(&mut w, "open sesame");
    let page = owner.get(&mut w, "/oauth/login?next=/oauth");
    let before = owner.cookie.clone();
    let form = |password: &str| format!("csrf={}&next=/oauth&password={password}", page.csrf());
    let wrong = owner.post(&mut w, "/oauth/login", &form("guess"));
    assert_eq!(wrong.status(), 403, "{}", wrong.body);
    assert_eq!(owner.get(&mut w, "/oauth").status(), 303);
    let right = owner.post(&mut w, "/oauth/login", &form("open+sesame"));
    assert_eq!(right.status(), 303, "{}", right.body);
    assert_eq!(right.response.header("location"), Some("/oauth"));
    assert_eq!(Browser::far().get(&mut w, "/metrics").status(), 401);
    assert_eq!(owner.get(&mut w, "/metrics").status(), 200);
    let dashboard = owner.get(&mut w, "/oauth");
    assert_eq!(dashboard.status(), 200);
    assert!(dashboard.body.contains("Log out") && dashboard.body.contains("Retry"));
    let mut thief = Browser {
        cookie: before,
        ..Browser::far()
    };
    assert_eq!(thief.get(&mut w, "/oauth").status(), 303, "fixation");
    let csrf = format!("csrf={}", dashboard.csrf());
    let kept = owner.cookie.clone();
    assert_eq!(owner.post(&mut w, "/oauth/logout", &csrf).status(), 303);
    assert_eq!(owner.get(&mut w, "/oauth").status(), 303);
    thief.cookie = kept;
    assert_eq!(thief.get(&mut w, "/oauth").status(), 303, "it has ended");
    assert!(
        !w.log.iter().any(|line| line.contains("sesame")),
        "{:?}",
        w.log
    );
}

#[test]
fn contract_5_a_new_password_ends_logins_of_before() {
    let mut w = gateway(true);
    set_password(&mut w, "one");
    let mut owner = Browser::far();
    let csrf = owner.get(&mut w, "/oauth/login").csrf();
    let form = format!("csrf={csrf}&password=one");
    assert_eq!(owner.post(&mut w, "/oauth/login", &form).status(), 303);
    assert_eq!(owner.get(&mut w, "/oauth").status(), 200);
    set_password(&mut w, "two");
    assert_eq!(owner.get(&mut w, "/oauth").status(), 303);
}
