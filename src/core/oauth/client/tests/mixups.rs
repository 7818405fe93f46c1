//! Issuers that want the codes of others (RFC 9700 section 4.4).

use serde_json::{Value, json};

use super::issuer::Issuer;
use super::world::*;
use crate::base::form::Form;
use crate::base::url::Url;
use crate::language::Challenge;
use crate::oauth::client::place::mark;
use crate::oauth::owner::Who;
use crate::settings::Settings;

const EVIL: &str = "https://evil.example";
const OTHER: &str = "https://n.example/mcp";

/// The server m with its issuer, and n, whose issuer is evil.
fn two() -> World {
    let mut world = World::new();
    world.net.issuers.push(Issuer::new(EVIL));
    world.net.protect(OTHER, &[EVIL]);
    let servers = vec![protected("m", SERVER), protected("n", OTHER)];
    world.with(0, |keyring, cx| keyring.configure(cx, servers));
    for issuer in &mut world.net.issuers {
        issuer.iss = None;
        issuer.said = json!({"authorization_response_iss_parameter_supported": null});
    }
    world.challenge(0, 401, "Bearer");
    world
}

fn challenge_n(world: &mut World) -> Vec<String> {
    world.told(0);
    let challenge = Challenge {
        status: 401,
        fields: vec!["Bearer".to_owned()],
        token: None,
        operation: String::new(),
        accepted: false,
    };
    world.with(0, |keyring, cx| keyring.challenged(cx, "n", challenge));
    world.told(0)
}

fn click_n(world: &mut World) -> (u16, String) {
    let click = "POST /oauth/connect/n";
    let answer = world
        .visit(0, (Who::Local, 1), click, "csrf=csrf-1")
        .unwrap();
    match answer.field("location") {
        Some(to) => (answer.status, to.to_owned()),
        None => (answer.status, String::from_utf8(answer.body).unwrap()),
    }
}

#[test]
fn o8_a_flow_ends_on_the_path_of_its_issuer_only() {
    let own = format!("/oauth/callback/{}", mark(ISSUER));
    for (path, status) in [
        ("/oauth/callback".to_owned(), 400),
        (format!("/oauth/callback/{}", mark(EVIL)), 400),
        (own.clone(), 303),
        // No path of ours.
        (format!("{own}/"), 404),
        (own.to_uppercase(), 404),
        ("/oauth/callback/".to_owned(), 404),
    ] {
        let mut world = two();
        let to = world.click(0, 1).unwrap();
        assert_eq!(World::way_back(&to), own);
        let back = world.agree(&to);
        let state = back.get("state").unwrap().to_owned();
        world.paths.insert(state, path.clone());
        assert_eq!(world.back(0, 1, &back).unwrap().status, status, "{path}");
        assert_eq!(world.net.count("/token"), usize::from(status == 303));
    }
}

#[test]
fn o5_each_issuer_registers_a_way_back_of_its_own() {
    let mut world = two();
    world.net.issuer(EVIL).registers = json!({"client_id": "evil-1"});
    challenge_n(&mut world);
    world.click(0, 1).unwrap();
    assert_eq!(click_n(&mut world).0, 303);
    for (registration, issuer) in world.net.registrations.iter().zip([ISSUER, EVIL]) {
        let own = format!("http://127.0.0.1:3050/oauth/callback/{}", mark(issuer));
        assert_eq!(registration["redirect_uris"], json!([own]));
    }
}

#[test]
fn o9_a_registration_with_the_client_of_another_issuer_is_refused() {
    let mut world = two();
    world.authorize(0);
    world.net.issuer(EVIL).registers = json!({"client_id": "client-1"});
    challenge_n(&mut world);
    let (status, shown) = click_n(&mut world);
    assert!(
        status == 502 && shown.contains("a client id that 1mcp has at another"),
        "{shown}"
    );
    assert_eq!(world.net.count("/token"), 1);
}

#[test]
fn o8_nobody_sends_browsers_to_the_issuer_of_another_server() {
    let mut world = two();
    world.net.issuer(EVIL).said = json!({"authorization_endpoint": format!("{ISSUER}/authorize")});
    let told = challenge_n(&mut world);
    assert!(
        told[0].contains("sends browsers to as.example, which gives the keys to another server"),
        "{told:?}"
    );
    let (status, shown) = click_n(&mut world);
    assert!(status == 502 && shown.contains("as.example"), "{shown}");
    // Unless the operator says that it is meant so.
    let mut server = protected("n", OTHER);
    server.entry.client_id = Some("given".to_owned());
    let servers = vec![protected("m", SERVER), server];
    world.with(0, |keyring, cx| keyring.configure(cx, servers));
    let (status, to) = click_n(&mut world);
    assert!(status == 303 && to.starts_with(ISSUER), "{to}");
}

#[test]
fn o5_there_is_a_document_for_each_issuer() {
    let settings = Settings {
        external_url: Some("https://gate.example".to_owned()),
        ..Settings::default()
    };
    let mut world = World::empty();
    world.start(&settings, Vec::new());
    for issuer in [ISSUER, EVIL] {
        let path = format!("/oauth/client/{}.json", mark(issuer));
        let get = format!("GET {path}");
        let answer = world.visit(0, (Who::Stranger, 1), &get, "").unwrap();
        let document: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(document["client_id"], format!("https://gate.example{path}"));
        let own = format!("https://gate.example/oauth/callback/{}", mark(issuer));
        assert_eq!(document["redirect_uris"], json!([own]));
        let post = format!("POST {path}");
        let answer = world.visit(0, (Who::Stranger, 1), &post, "").unwrap();
        assert_eq!(answer.status, 405);
    }
    for path in ["/oauth/client/", "/oauth/client/x.json", "/oauth/client"] {
        let get = format!("GET {path}");
        let answer = world.visit(0, (Who::Stranger, 1), &get, "").unwrap();
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[test]
fn o5_what_the_operator_named_is_the_way_back_as_it_is() {
    let fixed = "http://localhost:3050/oauth/callback";
    for id in [None, Some("given")] {
        let mut world = World::new();
        let mut server = protected("m", SERVER);
        server.entry.redirect_url = Some(fixed.to_owned());
        server.entry.client_id = id.map(str::to_owned);
        world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
        world.challenge(0, 401, "Bearer");
        let click = "POST /oauth/connect/m\nHost: localhost:3050";
        let answer = world
            .visit(0, (Who::Local, 1), click, "csrf=csrf-1")
            .unwrap();
        let to = Url::parse(answer.field("location").unwrap()).unwrap();
        let query = Form::parse(to.query().unwrap().as_bytes()).unwrap();
        assert_eq!(query.get("redirect_uri"), Some(fixed));
        let back = world.agree(&to);
        assert_eq!(world.back(0, 1, &back).unwrap().status, 303);
    }
}
