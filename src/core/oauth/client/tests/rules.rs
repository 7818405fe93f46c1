//! What is left of the rules: our own document, registrations, records that are not ours.

use serde_json::{Value, json};

use super::world::*;
use crate::oauth::owner::Who;
use crate::settings::Settings;

fn external(url: &str) -> World {
    let mut world = World::empty();
    world.net.issuers.push(super::issuer::Issuer::new(ISSUER));
    world.net.protect(SERVER, &[ISSUER]);
    let settings = Settings {
        external_url: Some(url.to_owned()),
        ..Settings::default()
    };
    world.start(&settings, vec![protected("m", SERVER)]);
    world
}

#[test]
fn o5_our_own_document_is_there_with_an_https_external_url_only() {
    let get = "GET /oauth/client.json";
    let mut world = external("https://gate.example");
    let answer = world.visit(0, (Who::Stranger, 1), get, "").unwrap();
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(
        document["client_id"],
        "https://gate.example/oauth/client.json"
    );
    assert_eq!(
        document["redirect_uris"],
        json!(["https://gate.example/oauth/callback"])
    );
    assert_eq!(document["token_endpoint_auth_method"], "none");
    for none in ["http://localhost:3050", "http://gate.example"] {
        let answer = external(none)
            .visit(0, (Who::Stranger, 1), get, "")
            .unwrap();
        assert_eq!(answer.status, 404, "{none}");
    }
    let answer = World::new().visit(0, (Who::Stranger, 1), get, "").unwrap();
    assert_eq!(answer.status, 404);
}

#[test]
fn o5_we_are_known_by_our_document_where_it_can_be_read() {
    for (url, expected) in [
        (
            "https://gate.example",
            "https://gate.example/oauth/client/93e20fbd9d9436f74c252dbad30ec732.json",
        ),
        // Nobody outside could read these.
        ("https://gate.internal", "client-1"),
        ("https://192.168.1.5", "client-1"),
    ] {
        let mut world = external(url);
        let reads = json!({"client_id_metadata_document_supported": true});
        world.net.issuers[0].said = reads;
        world.challenge(0, 401, "Bearer");
        let form = "csrf=csrf-1";
        let answer = world
            .visit(0, (Who::Owner, 1), "POST /oauth/connect/m", form)
            .unwrap();
        let to = crate::base::url::Url::parse(answer.field("location").unwrap()).unwrap();
        let query = crate::base::form::Form::parse(to.query().unwrap().as_bytes()).unwrap();
        assert_eq!(query.get("client_id"), Some(expected));
        let redirect = format!("{url}/oauth/callback/93e20fbd9d9436f74c252dbad30ec732");
        assert_eq!(query.get("redirect_uri"), Some(redirect.as_str()));
        for registration in &world.net.registrations {
            assert_eq!(registration["application_type"], "web");
            assert_eq!(registration["redirect_uris"], json!([redirect]));
        }
    }
}

#[test]
fn o5_what_an_issuer_says_to_a_registration_is_told() {
    for (answer, said) in [
        (
            (
                400,
                json!({"error": "invalid_redirect_uri", "error_description": "no\nhttp"}),
            ),
            "invalid_redirect_uri no http",
        ),
        (
            (
                201,
                json!({"client_id": "c", "token_endpoint_auth_method": "private_key_jwt"}),
            ),
            "in a way that 1mcp does not know",
        ),
        ((201, json!({})), "unreadable"),
        ((500, json!("x")), "unreadable"),
    ] {
        let mut world = World::new();
        world.challenge(0, 401, "Bearer");
        let (status, body) = answer;
        let place = format!("{ISSUER}/register");
        world
            .net
            .documents
            .insert(place, (status, body.to_string()));
        let answer = world.click(0, 1).unwrap_err();
        let shown = String::from_utf8(answer.body).unwrap();
        assert!(answer.status == 502 && shown.contains(said), "{shown}");
        // It still waits for him.
        assert!(world.rings[0].keyring.standing("m").unwrap().authorize);
    }
}

#[test]
fn o5_a_registration_whose_secret_has_ended_is_made_again() {
    let mut world = World::new();
    world.net.issuers[0].registers =
        json!({"client_secret": "s3cret", "client_secret_expires_at": 2_000_000});
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    world.net.issuers[0].refresh.clear();
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    assert_eq!(world.net.registrations.len(), 1);
    world.wait(1_100_000_000);
    world.net.issuers[0].refresh.clear();
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    assert_eq!(world.net.registrations.len(), 2);
}

#[test]
fn o6_scopes_of_the_entry_are_asked_for_exactly() {
    let mut world = World::new();
    let mut server = protected("m", SERVER);
    server.entry.scopes = vec!["x".to_owned(), "y".to_owned()];
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
    world.challenge(0, 401, "Bearer scope=\"a b\"");
    assert_eq!(world.authorize(0).get("scope"), Some("x y"));
}

#[test]
fn o7_without_metadata_the_resource_is_the_url_without_what_may_be_a_key() {
    for (url, resource) in [
        (
            "HTTPS://M.Example:443/mcp?api_key=s3cret",
            "https://m.example/mcp",
        ),
        ("https://m.example/", "https://m.example"),
        ("https://m.example:8443/a/", "https://m.example:8443/a/"),
    ] {
        let mut world = World::empty();
        let mut issuer = super::issuer::Issuer::new(resource.split("/mcp").next().unwrap());
        issuer.iss = None;
        world.net.issuers.push(issuer);
        world.start(&Settings::default(), vec![protected("m", url)]);
        world.challenge(0, 401, "");
        let to = world.click(0, 1);
        if let Ok(to) = to {
            let query = crate::base::form::Form::parse(to.query().unwrap().as_bytes()).unwrap();
            assert_eq!(query.get("resource"), Some(resource));
        } else {
            assert!(url.ends_with("/a/"));
        }
        world.assert_silent();
    }
}

#[test]
fn records_that_are_unreadable_count_as_none_and_are_said() {
    let mut world = World::new();
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    let (name, bytes) = world
        .disk
        .iter()
        .next()
        .map(|(a, b)| (a.clone(), b.clone()))
        .unwrap();
    for (bad, says) in [
        (b"{".to_vec(), "unreadable"),
        (
            String::from_utf8(bytes)
                .unwrap()
                .replace("\"of\": \"", "\"of\": \"0")
                .into_bytes(),
            "of another server",
        ),
    ] {
        world.disk.insert(name.clone(), bad);
        let ring = world.start(&Settings::default(), vec![protected("m", SERVER)]);
        assert_eq!(world.told(ring), [""; 0]);
        let line = world.rings[ring].logged.first().unwrap();
        assert!(line.contains(says) && line.contains(&name), "{line}");
    }
}

#[test]
fn o9_keys_of_a_client_that_the_entry_names_no_more_are_not_used() {
    let mut world = World::new();
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    let mut server = protected("m", SERVER);
    server.entry.client_id = Some("given".to_owned());
    let ring = world.start(&Settings::default(), vec![server.clone()]);
    assert_eq!(world.told(ring), [""; 0]);
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
    world.challenge_with(0, 401, "Bearer", None, "initialize");
    assert_eq!(world.authorize(0).get("client_id"), Some("given"));
}

#[test]
fn the_alarm_is_set_only_while_there_is_something_to_wait_for() {
    let mut world = World::new();
    assert_eq!(world.alarms(0), 0);
    world.challenge(0, 401, "Bearer");
    assert_eq!(world.alarms(0), 0);
    world.click(0, 1).unwrap();
    assert_eq!(world.alarms(0), 1);
    world.wait(crate::limits::FLOW_MS_MAX);
    assert_eq!(world.alarms(0), 0);
}
