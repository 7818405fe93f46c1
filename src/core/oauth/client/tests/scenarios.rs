//! What the conformance suite wants to see of clients (its scenarios `auth/*`), one by one.

use serde_json::json;

use super::issuer::Issuer;
use super::world::*;
use crate::base::form::Form;
use crate::settings::Settings;

/// A local server as the suite has them, and the names of its two hosts.
const SUITE: &str = "http://localhost:4001/mcp";
const SUITE_ISSUER: &str = "http://localhost:4002";

fn suite(issuer: &str, prm: Option<&str>, resource: &str) -> World {
    let mut world = World::empty();
    world.net.issuers.push(Issuer::new(issuer));
    if let Some(place) = prm {
        let document = json!({"resource": resource, "authorization_servers": [issuer]});
        let place = format!("http://localhost:4001{place}");
        world
            .net
            .documents
            .insert(place, (200, document.to_string()));
    }
    world.start(&Settings::default(), vec![protected("m", SUITE)]);
    world
}

/// Moves the metadata of the issuer to another place.
fn metadata_at(world: &mut World, place: &str) {
    let text = world.net.issuers[0].metadata();
    let own = "http://localhost:4002/.well-known/oauth-authorization-server";
    for path in ["", "/tenant1"] {
        world
            .net
            .documents
            .insert(format!("{own}{path}"), (404, String::new()));
    }
    let place = format!("http://localhost:4002{place}");
    world.net.documents.insert(place, (200, text));
}

const AT_PATH: &str = "/.well-known/oauth-protected-resource/mcp";
const AT_ROOT: &str = "/.well-known/oauth-protected-resource";

#[test]
fn o1_o3_metadata_are_found_in_every_place() {
    for (field, prm, issuer, metadata, asked) in [
        (
            "Bearer resource_metadata=\"http://localhost:4001/.well-known/oauth-protected-resource/mcp\"",
            AT_PATH,
            SUITE_ISSUER,
            "/.well-known/oauth-authorization-server",
            2,
        ),
        (
            "Bearer",
            AT_PATH,
            SUITE_ISSUER,
            "/.well-known/openid-configuration",
            3,
        ),
        (
            "Bearer",
            AT_ROOT,
            "http://localhost:4002/tenant1",
            "/.well-known/oauth-authorization-server/tenant1",
            3,
        ),
        (
            "Bearer resource_metadata=\"http://localhost:4001/custom/metadata/location.json\"",
            "/custom/metadata/location.json",
            "http://localhost:4002/tenant1",
            "/tenant1/.well-known/openid-configuration",
            4,
        ),
        (
            "Bearer",
            AT_PATH,
            "http://localhost:4002/tenant1",
            "/.well-known/openid-configuration/tenant1",
            3,
        ),
    ] {
        let mut world = suite(issuer, Some(prm), SUITE);
        metadata_at(&mut world, metadata);
        world.challenge(0, 401, field);
        assert_eq!(
            world.told(0),
            ["m awaiting: it wants an authorization from localhost:4002"]
        );
        assert_eq!(world.net.log.len(), asked, "{:?}", world.net.log);
        let query = world.authorize(0);
        assert_eq!(query.get("resource"), Some(SUITE));
        let back = query.get("redirect_uri").unwrap();
        let mark = back.strip_prefix("http://127.0.0.1:3050/oauth/callback/");
        assert_eq!(mark.map(str::len), Some(32), "{back}");
        assert_eq!(
            world.told(0),
            ["m token access-3 for http://localhost:4001/mcp"]
        );
        assert_eq!(world.net.registrations[0]["application_type"], "native");
        assert_eq!(
            world.net.registrations[0]["grant_types"],
            json!(["authorization_code", "refresh_token"])
        );
        world.assert_silent();
    }
}

#[test]
fn o2_resource_mismatch_ends_before_anything_is_sent() {
    for resource in [
        "https://evil.example/mcp",
        "http://localhost:4001/other",
        "http://localhost:4001/mc",
        "http://localhost:4001/mcp/deeper",
        "http://localhost:4001/mcp?x",
        "http://localhost:4001/mcp#x",
        "https://localhost:4001/mcp",
        "mcp",
        "",
    ] {
        let mut world = suite(SUITE_ISSUER, Some(AT_PATH), resource);
        world.challenge(0, 401, "Bearer");
        let told = world.told(0);
        assert!(
            told[0].contains("metadata are those of another one"),
            "{told:?}"
        );
        assert_eq!(world.net.log.len(), 1);
        assert!(world.click(0, 1).is_err());
    }
    for resource in [
        SUITE,
        "http://localhost:4001",
        "http://localhost:4001/",
        "HTTP://LOCALHOST:4001/mcp/",
    ] {
        let mut world = suite(SUITE_ISSUER, Some(AT_PATH), resource);
        world.challenge(0, 401, "Bearer");
        // O7: exactly as it was published.
        assert_eq!(world.authorize(0).get("resource"), Some(resource));
        assert_eq!(world.net.tokens[0].0.get("resource"), Some(resource));
    }
}

#[test]
fn o3_metadata_issuer_mismatch_is_refused() {
    for issuer in ["https://attacker.example.com", "http://localhost:4002/"] {
        let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
        world.net.issuers[0].said = json!({"issuer": issuer});
        world.challenge(0, 401, "Bearer");
        let told = world.told(0);
        assert!(told[0].contains("are those of another one"), "{told:?}");
        assert!(world.click(0, 1).is_err());
        assert!(world.net.registrations.is_empty());
    }
}

#[test]
fn o4_without_s256_the_issuer_is_not_used() {
    for methods in [json!(null), json!([]), json!(["plain"])] {
        let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
        world.net.issuers[0].said = json!({"code_challenge_methods_supported": methods});
        world.challenge(0, 401, "Bearer");
        let told = world.told(0);
        assert!(told[0].contains("does not offer PKCE"), "{told:?}");
    }
}

#[test]
fn o5_basic_cimd_and_offline_access() {
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    let id = "https://conformance-test.local/client-metadata.json";
    let mut server = protected("m", SUITE);
    server.entry.client_id = Some(id.to_owned());
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
    world.net.issuers[0].said = json!({
        "client_id_metadata_document_supported": true,
        "scopes_supported": ["mcp:basic", "offline_access"],
    });
    world.challenge(0, 401, "Bearer scope=\"mcp:basic\"");
    let query = world.authorize(0);
    assert_eq!(query.get("client_id"), Some(id));
    assert_eq!(query.get("scope"), Some("mcp:basic offline_access"));
    assert_eq!(world.net.tokens[0].0.get("client_id"), Some(id));
    assert!(world.net.registrations.is_empty());
}

#[test]
fn o5_a_document_that_the_issuer_does_not_read_is_no_registration() {
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    let mut server = protected("m", SUITE);
    server.entry.client_id = Some("https://us.example/client.json".to_owned());
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
    world.challenge(0, 401, "Bearer");
    assert_eq!(world.authorize(0).get("client_id"), Some("client-1"));
}

#[test]
fn o5_pre_registered_clients_are_used_with_their_secret() {
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    let mut server = protected("m", SUITE);
    server.entry.client_id = Some("given".to_owned());
    server.entry.client_secret = Some("s3cret".into());
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
    world.net.issuers[0].said = json!({
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "registration_endpoint": null,
    });
    world.challenge(0, 401, "Bearer");
    assert_eq!(world.authorize(0).get("client_id"), Some("given"));
    let basic = Some("Basic Z2l2ZW46czNjcmV0".to_owned());
    assert_eq!(world.net.tokens[0].1, basic);
    world.assert_silent();
}

#[test]
fn o5_without_any_way_the_operator_is_told_what_to_do() {
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    world.net.issuers[0].said = json!({"registration_endpoint": null});
    world.challenge(0, 401, "Bearer");
    let told = world.told(0);
    let wanted = "register one there with the redirect URL http://127.0.0.1:3050/oauth/callback \
                  and put its id into oauth.clientId of \"m\"";
    assert!(
        told[0].starts_with("m failed: ") && told[0].contains(wanted),
        "{told:?}"
    );
}

#[test]
fn o6_scopes_are_chosen_as_the_suite_wants() {
    for (field, listed, issuer, expected) in [
        ("Bearer scope=\"mcp:basic\"", None, None, Some("mcp:basic")),
        ("Bearer", Some(json!(["a", "b", "c"])), None, Some("a b c")),
        ("Bearer", None, None, None),
        (
            "Bearer",
            Some(json!(["a"])),
            Some(json!(["a", "offline_access"])),
            Some("a offline_access"),
        ),
        (
            "Bearer",
            Some(json!(["a"])),
            Some(json!(["a", "b"])),
            Some("a"),
        ),
    ] {
        let mut world = suite(SUITE_ISSUER, None, SUITE);
        let document = json!({
            "resource": SUITE,
            "authorization_servers": [SUITE_ISSUER],
            "scopes_supported": listed,
        });
        let place = format!("http://localhost:4001{AT_PATH}");
        world
            .net
            .documents
            .insert(place, (200, document.to_string()));
        world.net.issuers[0].said = json!({"scopes_supported": issuer});
        world.challenge(0, 401, field);
        assert_eq!(world.authorize(0).get("scope"), expected);
    }
}

#[test]
fn o8_iss_is_compared_as_it_is() {
    for (advertised, sent, is_fine) in [
        (true, Some(SUITE_ISSUER), true),
        (false, None, true),
        (false, Some(SUITE_ISSUER), true),
        (true, None, false),
        (true, Some("https://evil.example.com"), false),
        (false, Some("https://evil.example.com"), false),
        (true, Some("http://localhost:4002/"), false),
        (true, Some("http://LOCALHOST:4002"), false),
    ] {
        let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
        let issuer = world.net.issuer(SUITE_ISSUER);
        issuer.said = json!({"authorization_response_iss_parameter_supported": advertised});
        issuer.iss = sent.map(str::to_owned);
        world.challenge(0, 401, "Bearer");
        let to = world.click(0, 1).unwrap();
        let back = world.agree(&to);
        let answer = world.back(0, 1, &back).unwrap();
        let asked = world.net.count("/token");
        assert_eq!(
            (answer.status == 303, asked == 1),
            (is_fine, is_fine),
            "{advertised} {sent:?}"
        );
        if !is_fine {
            // Not even what the error is called is shown, and the flow is over.
            let query = Form::default()
                .with("state", back.get("state").unwrap())
                .with("iss", "https://evil.example.com")
                .with("error", "evil_words");
            let again = world.back(0, 1, &query).unwrap();
            let shown = String::from_utf8(again.body).unwrap();
            assert!(again.status == 400 && !shown.contains("evil"), "{shown}");
            assert_eq!(world.net.count("/token"), 0);
        }
    }
}

#[test]
fn o9_every_way_to_say_who_we_are() {
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
        let issuer = world.net.issuer(SUITE_ISSUER);
        issuer.said = json!({"token_endpoint_auth_methods_supported": [method]});
        issuer.registers = json!({"client_secret": "s3cret", "token_endpoint_auth_method": method});
        world.challenge(0, 401, "Bearer");
        world.authorize(0);
        let (form, field) = &world.net.tokens[0];
        let used = match (field, form.get("client_secret"), form.get("client_id")) {
            (Some(_), None, None) => "client_secret_basic",
            (None, Some(_), Some(_)) => "client_secret_post",
            (None, None, Some(_)) => "none",
            other => panic!("{other:?}"),
        };
        assert_eq!(used, method);
        assert_eq!(
            world.net.registrations[0]["token_endpoint_auth_method"],
            method
        );
        world.assert_silent();
    }
}

#[test]
fn o9_another_issuer_gets_nothing_of_the_first() {
    let second = "http://localhost:4003";
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    world.net.issuers.push(Issuer::new(second));
    for issuer in &mut world.net.issuers {
        let id = format!("only-for-{}", issuer.name);
        issuer.registers =
            json!({"client_id": id, "client_secret": format!("s3cret{}", issuer.name)});
        issuer.said = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
        issuer.grants = json!({"refresh_token": null});
    }
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    world.net.protect(SUITE, &[second]);
    world.challenge(0, 401, "Bearer scope=\"mcp:basic\"");
    let query = world.authorize(0);
    assert_eq!(
        query.get("client_id"),
        Some("only-for-http://localhost:4003")
    );
    assert_eq!(world.net.registrations.len(), 2);
    let (form, _) = world.net.tokens.last().unwrap();
    assert!(!form.text().contains("4002"), "{}", form.text());
}

#[test]
fn o9_a_given_client_does_not_move_to_another_issuer() {
    let second = "http://localhost:4003";
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    world.net.issuers.push(Issuer::new(second));
    let mut server = protected("m", SUITE);
    server.entry.client_id = Some("given".to_owned());
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server.clone()]));
    world.net.issuers[0].grants = json!({"refresh_token": null});
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    world.told(0);
    world.net.protect(SUITE, &[second]);
    world.challenge(0, 401, "Bearer");
    let told = world.told(0);
    let wanted = "now gets its keys from http://localhost:4003, but oauth.clientId of its entry";
    assert!(told[0].contains(wanted), "{told:?}");
    assert!(world.click(0, 1).is_err());
    // Another id is what the operator was told to put there.
    server.entry.client_id = Some("new".to_owned());
    world.with(0, |keyring, cx| keyring.configure(cx, vec![server]));
    world.challenge_with(0, 401, "Bearer", None, "initialize");
    assert_eq!(world.authorize(0).get("client_id"), Some("new"));
}

#[test]
fn o10_servers_of_2025_03_26_are_their_own_issuers() {
    let origin = "http://localhost:4001";
    let mut world = World::empty();
    let mut issuer = Issuer::new(&format!("{origin}/oauth"));
    issuer.said = json!({"issuer": origin});
    issuer.iss = Some(origin.to_owned());
    let place = format!("{origin}/.well-known/oauth-authorization-server");
    world.net.documents.insert(place, (200, issuer.metadata()));
    world.net.issuers.push(issuer);
    world.start(&Settings::default(), vec![protected("m", SUITE)]);
    world.challenge(0, 401, "");
    let query = world.authorize(0);
    assert_eq!(query.get("resource"), Some(SUITE));
    assert_eq!(world.told(0).len(), 2);
}

#[test]
fn o10_without_any_metadata_the_usual_paths_are_used() {
    let origin = "http://localhost:4001";
    let mut world = World::empty();
    let mut issuer = Issuer::new(origin);
    issuer.iss = None;
    issuer.registers = json!({"client_secret": "s3cret"});
    world.net.issuers.push(issuer);
    let place = format!("{origin}/.well-known/oauth-authorization-server");
    world.net.documents.insert(place, (404, String::new()));
    world.start(&Settings::default(), vec![protected("m", SUITE)]);
    world.challenge(0, 401, "");
    world.authorize(0);
    assert_eq!(
        world.net.log.last().unwrap(),
        "POST http://localhost:4001/token"
    );
    assert_eq!(world.rings[0].tokens["m"].1, "access-3");
}

#[test]
fn o11_more_is_asked_for_together_with_what_was_there() {
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    world.challenge(0, 401, "Bearer scope=\"mcp:basic\"");
    assert_eq!(world.authorize(0).get("scope"), Some("mcp:basic"));
    world.told(0);
    let field = "Bearer scope=\"mcp:write\", error=\"insufficient_scope\"";
    world.challenge(0, 403, field);
    // The same refusal of another call meanwhile is no other question, and has the same answer.
    world.challenge(0, 403, field);
    let asked =
        "m awaiting more: it wants an authorization for more (mcp:write) from localhost:4002";
    assert_eq!(world.told(0), [asked, asked]);
    assert_eq!(
        world
            .net
            .log
            .iter()
            .filter(|line| line.contains("register"))
            .count(),
        1
    );
    assert_eq!(world.authorize(0).get("scope"), Some("mcp:write mcp:basic"));
    assert!(world.told(0)[0].starts_with("m token "));
}

#[test]
fn o11_at_most_three_authorizations_for_one_operation() {
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    world.challenge(0, 401, "Bearer scope=\"mcp:admin\"");
    let mut authorizations = 1;
    world.authorize(0);
    for _ in 0..10 {
        world.told(0);
        world.challenge(
            0,
            403,
            "Bearer error=\"insufficient_scope\", scope=\"mcp:admin\"",
        );
        // Each refusal has an answer, or the call would wait for one.
        let told = world.told(0);
        if told != ["m no more"] {
            assert!(told[0].starts_with("m awaiting more: "), "{told:?}");
            authorizations += 1;
            world.authorize(0);
        }
    }
    assert_eq!(authorizations, 3);
}

#[test]
fn o11_a_plain_403_is_no_question() {
    let mut world = suite(SUITE_ISSUER, Some(AT_PATH), SUITE);
    world.challenge(0, 401, "Bearer");
    world.authorize(0);
    world.told(0);
    for field in [
        "",
        "Bearer",
        "Bearer error=\"access_denied\"",
        "Basic error=\"insufficient_scope\"",
        "DPoP error=\"insufficient_scope\"",
    ] {
        world.challenge(0, 403, field);
        assert_eq!(world.told(0), ["m no more"], "{field}");
    }
}
