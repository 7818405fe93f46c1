//! What must not work.

use super::*;
use crate::limits::{ASKED_SCOPE_BYTES_MAX, CODE_MS, REGISTRATIONS_PER_ADDRESS_MAX};

#[test]
fn s3_a_bad_client_or_redirect_is_told_on_a_page() {
    let mut world = World::new();
    let client = world.client();
    let good = request_of(&client);
    for form in [
        but(&good, "client_id", None),
        but(&good, "client_id", Some("nobody")),
        good.clone().with("client_id", &client),
        but(&good, "redirect_uri", Some("https://evil.example/cb")),
        but(&good, "redirect_uri", Some("https://app.example/cb/")),
        but(&good, "redirect_uri", Some("https://app.example/cb?x=1")),
        but(&good, "redirect_uri", Some("javascript:alert(1)")),
        but(&good, "redirect_uri", Some("")),
        good.clone().with("redirect_uri", BACK),
    ] {
        for answer in [
            world.get(&format!("/authorize?{}", form.text())),
            world.post("/authorize", &allow(&form)),
        ] {
            assert_eq!(answer.status, 400, "{}", form.text());
            assert_eq!(answer.field("location"), None);
            assert!(
                answer
                    .field("content-type")
                    .unwrap()
                    .starts_with("text/html")
            );
        }
    }
    assert_eq!(world.get("/authorize?client_id=%zz").status, 400);
    let program = world.ask("GET /authorize HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(error_of(&program), (400, "This link is wrong".into()));
}

#[test]
fn s3_everything_else_is_told_by_a_redirect_to_clients_that_were_let_in() {
    let mut world = World::new();
    let client = world.client();
    world.tokens(&client);
    let good = request_of(&client);
    for (form, code) in [
        (but(&good, "response_type", None), "invalid_request"),
        (
            but(&good, "response_type", Some("token")),
            "unsupported_response_type",
        ),
        (but(&good, "code_challenge", None), "invalid_request"),
        (
            but(&good, "code_challenge", Some("short")),
            "invalid_request",
        ),
        (but(&good, "code_challenge_method", None), "invalid_request"),
        (
            but(&good, "code_challenge_method", Some("plain")),
            "invalid_request",
        ),
        (
            but(&good, "resource", Some("https://evil.example")),
            "invalid_target",
        ),
        (
            good.clone().with("resource", "https://evil.example"),
            "invalid_target",
        ),
        (
            but(&good, "scope", Some(&"mcp ".repeat(ASKED_SCOPE_BYTES_MAX))),
            "invalid_scope",
        ),
        (
            good.clone().with("scope", "mcp").with("scope", "mcp"),
            "invalid_request",
        ),
        (
            good.clone().with("code_challenge", CHALLENGE),
            "invalid_request",
        ),
    ] {
        let target = format!("/authorize?{}", form.text());
        let sent = back(&world.get(&target));
        assert_eq!(sent.get("error"), Some(code), "{}", form.text());
        assert_eq!(sent.once("state"), Ok(Some("s&1")));
        assert_eq!(sent.once("iss"), Ok(Some("https://mcp.example.com")));
        assert_eq!(sent.get("code"), None);
        // Strangers are sent nowhere but to our own login.
        world.who = Who::Stranger;
        let answer = world.get(&target);
        let to = answer.field("location").unwrap();
        assert!(to.starts_with("/oauth/login?"), "{to}");
        world.who = Who::Owner;
    }
    let twice = good.with("state", "other");
    let sent = back(&world.get(&format!("/authorize?{}", twice.text())));
    assert_eq!(
        (sent.get("error"), sent.get("state")),
        (Some("invalid_request"), None)
    );
}

/// Anybody can register an address; a link to us must not lead there by itself.
#[test]
fn s3_a_link_sends_nobody_to_a_client_that_was_not_let_in() {
    let mut world = World::new();
    let client = world.client();
    let form = but(&request_of(&client), "response_type", Some("nope"));
    let target = format!("/authorize?{}", form.text());
    for who in [Who::Stranger, Who::Local] {
        world.who = who;
        let answer = world.get(&target);
        let to = answer.field("location").unwrap();
        assert!(to.starts_with("/oauth/login?"), "{to}");
    }
    world.who = Who::Owner;
    let page = world.get(&target);
    assert_eq!((page.status, page.field("location")), (400, None));
    let text = String::from_utf8(page.body).unwrap();
    let link = "href=\"https://app.example/cb?error=unsupported_response_type&amp;";
    assert!(text.contains(link) && text.contains("iss="), "{text}");
    assert!(text.contains("Tell the application, at app.example"));
    let program = world.ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let expected = (400, "unsupported_response_type".to_owned());
    assert_eq!(error_of(&program), expected);
    world.tokens(&client);
    let sent = back(&world.get(&target));
    assert_eq!(sent.get("error"), Some("unsupported_response_type"));
}

#[test]
fn s5_a_decision_without_the_token_of_its_form_is_none() {
    let mut world = World::new();
    let client = world.client();
    let good = allow(&request_of(&client));
    for form in [
        but(&good, "csrf", None),
        but(&good, "csrf", Some("csrf-of-2")),
        good.clone().with("csrf", "csrf-of-1"),
    ] {
        assert_eq!(world.post("/authorize", &form).status, 403);
    }
    assert_eq!(
        world
            .post("/authorize", &but(&good, "decision", None))
            .status,
        400
    );
    let twice = good.with("decision", "allow");
    assert_eq!(world.post("/authorize", &twice).status, 400);
    assert!(world.server.codes.deadline().is_none());
}

#[test]
fn s6_a_code_is_for_whom_it_was_made_only() {
    let mut world = World::new();
    let (client, other) = (world.client(), world.client());
    for (name, value) in [
        ("client_id", Some(other.as_str())),
        ("redirect_uri", Some("https://app.example/other")),
        (
            "code_verifier",
            Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"),
        ),
        ("code_verifier", Some(CHALLENGE)),
    ] {
        let code = world.code(&client);
        let form = redeem(&client, &code);
        let answer = world.post("/token", &but(&form, name, value));
        assert_eq!(error_of(&answer), (400, "invalid_grant".into()), "{name}");
        // It is burnt.
        let answer = world.post("/token", &form);
        assert_eq!(error_of(&answer), (400, "invalid_grant".into()), "{name}");
    }
    let code = world.code(&client);
    let none = but(&redeem(&client, &code), "code_verifier", None);
    assert_eq!(
        error_of(&world.post("/token", &none)),
        (400, "invalid_request".into())
    );
    world.pass(CODE_MS / 1_000 - 1);
    assert_eq!(world.post("/token", &redeem(&client, &code)).status, 200);
    let code = world.code(&client);
    world.pass(CODE_MS / 1_000);
    let late = world.post("/token", &redeem(&client, &code));
    assert_eq!(error_of(&late), (400, "invalid_grant".into()));
    assert_eq!(Record::read(world.disk.as_deref()).unwrap().grants.len(), 1);
}

#[test]
fn s6_a_code_that_comes_twice_ends_what_was_given_for_it() {
    let mut world = World::new();
    let (client, other) = (world.client(), world.client());
    let (code, innocent) = (world.code(&client), world.tokens(&other));
    let tokens = json(&world.post("/token", &redeem(&client, &code)));
    assert!(world.claims(&tokens).is_ok());
    world.pass(300);
    // Whoever shows it.
    let again = world.post("/token", &redeem(&other, &code));
    assert_eq!(error_of(&again), (400, "invalid_grant".into()));
    assert_eq!(world.claims(&tokens), Err(Bad::Revoked));
    let refreshed = world.post("/token", &refresh(&client, &tokens));
    assert_eq!(error_of(&refreshed), (400, "invalid_grant".into()));
    assert!(world.claims(&innocent).is_ok());
    assert!(world.log.iter().any(|line| line.contains("used twice")));
}

#[test]
fn s6_a_code_that_comes_twice_while_the_disk_is_slow() {
    let mut world = World::new();
    let client = world.client();
    let code = world.code(&client);
    world.held = Some(Vec::new());
    let text = world.post_text("/token", &redeem(&client, &code), "");
    let (first, none) = world.send(&text);
    assert!(none.is_none());
    let (_, second) = world.send(&text);
    assert_eq!(error_of(&second.unwrap()), (400, "invalid_grant".into()));
    world.let_go();
    let tokens = json(&world.answer_for(first).unwrap());
    assert_eq!(world.claims(&tokens), Err(Bad::Revoked));
}

#[test]
fn s8_an_old_refresh_token_ends_its_grant_and_no_other() {
    let mut world = World::new();
    let (one, two) = (world.client(), world.client());
    let (first, innocent) = (world.tokens(&one), world.tokens(&two));
    let second = json(&world.post("/token", &refresh(&one, &first)));
    // Of another client it is worth nothing, and does no harm.
    let stolen = world.post("/token", &refresh(&two, &second));
    assert_eq!(error_of(&stolen), (400, "invalid_grant".into()));
    assert!(world.claims(&second).is_ok());
    let replayed = world.post("/token", &refresh(&one, &first));
    assert_eq!(error_of(&replayed), (400, "invalid_grant".into()));
    for tokens in [&first, &second] {
        assert_eq!(world.claims(tokens), Err(Bad::Revoked));
    }
    let dead = world.post("/token", &refresh(&one, &second));
    assert_eq!(error_of(&dead), (400, "invalid_grant".into()));
    assert!(world.claims(&innocent).is_ok());
    assert_eq!(world.post("/token", &refresh(&two, &innocent)).status, 200);
}

#[test]
fn s8_a_refresh_token_that_is_not_used_ends() {
    let mut world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    world.pass(crate::limits::REFRESH_SECONDS - 1);
    let tokens = json(&world.post("/token", &refresh(&client, &tokens)));
    world.pass(crate::limits::REFRESH_SECONDS);
    let late = world.post("/token", &refresh(&client, &tokens));
    assert_eq!(error_of(&late), (400, "invalid_grant".into()));
}

#[test]
fn s7_errors_of_the_token_endpoint() {
    let mut world = World::new();
    let client = world.client();
    let good = redeem(&client, "x");
    let refresh = Form::default()
        .with("client_id", &client)
        .with("grant_type", "refresh_token");
    for (form, status, code) in [
        (but(&good, "grant_type", None), 400, "invalid_request"),
        (
            but(&good, "grant_type", Some("password")),
            400,
            "unsupported_grant_type",
        ),
        (but(&good, "client_id", None), 401, "invalid_client"),
        (but(&good, "client_id", Some("x")), 401, "invalid_client"),
        (
            good.clone().with("client_secret", "x"),
            401,
            "invalid_client",
        ),
        (
            good.clone().with("client_id", &client),
            400,
            "invalid_request",
        ),
        (but(&good, "code", None), 400, "invalid_request"),
        (good.clone(), 400, "invalid_grant"),
        (
            but(&good, "resource", Some("https://evil.example")),
            400,
            "invalid_target",
        ),
        (refresh.clone(), 400, "invalid_request"),
        (refresh.with("refresh_token", "x"), 400, "invalid_grant"),
    ] {
        let answer = world.post("/token", &form);
        assert_eq!(
            error_of(&answer),
            (status, code.to_owned()),
            "{}",
            form.text()
        );
        assert_eq!(answer.field("cache-control"), Some("no-store"));
    }
    let text = "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                Content-Length: 2\r\n\r\n{}";
    assert_eq!(error_of(&world.ask(text)), (400, "invalid_request".into()));
    let long = good.with("x", &"x".repeat(crate::limits::AUTH_BODY_BYTES_MAX));
    assert_eq!(
        error_of(&world.post("/token", &long)),
        (413, "invalid_request".into())
    );
    let two = world.post_text(
        "/token",
        &redeem(&client, "x"),
        "Authorization: Basic eDp5\r\n",
    );
    assert_eq!(error_of(&world.ask(&two)), (400, "invalid_request".into()));
}

#[test]
fn s9_registrations_are_refused_by_the_rules() {
    let mut world = World::new();
    let with = |more: &str| format!("{{\"redirect_uris\":[\"{BACK}\"]{more}}}");
    for (body, code) in [
        (String::new(), "invalid_client_metadata"),
        ("[]".to_owned(), "invalid_client_metadata"),
        ("{}".to_owned(), "invalid_redirect_uri"),
        (
            "{\"redirect_uris\":[\"http://a.example/\"]}".to_owned(),
            "invalid_redirect_uri",
        ),
        (
            "{\"redirect_uris\":[\"javascript:x\"]}".to_owned(),
            "invalid_redirect_uri",
        ),
        (
            "{\"redirect_uris\":\"x\"}".to_owned(),
            "invalid_client_metadata",
        ),
        (with(",\"redirect_uris\":[]"), "invalid_client_metadata"),
        (
            with(",\"grant_types\":[\"implicit\"]"),
            "invalid_client_metadata",
        ),
        (
            with(",\"response_types\":[\"token\"]"),
            "invalid_client_metadata",
        ),
        (
            with(",\"token_endpoint_auth_method\":\"private_key_jwt\""),
            "invalid_client_metadata",
        ),
    ] {
        let answer = world.register(&body);
        assert_eq!(error_of(&answer), (400, code.to_owned()), "{body}");
    }
    assert!(
        Record::read(world.disk.as_deref())
            .unwrap()
            .clients
            .is_empty()
    );
    let long = with(&" ".repeat(crate::limits::AUTH_BODY_BYTES_MAX));
    assert_eq!(world.register(&long).status, 413);
}

#[test]
fn s9_a_flood_of_registrations_gets_429_and_costs_nobody_else() {
    let mut world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let mut refused = None;
    for _ in 0..=REGISTRATIONS_PER_ADDRESS_MAX {
        refused = Some(world.register(&format!("{{\"redirect_uris\":[\"{BACK}\"]}}")));
    }
    let refused = refused.unwrap();
    assert_eq!(error_of(&refused), (429, "too_many_requests".into()));
    assert!(
        refused
            .field("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
    world.client_address = "10.1.1.1".parse().unwrap();
    assert_eq!(world.client().len(), 32);
    assert_eq!(world.post("/token", &refresh(&client, &tokens)).status, 200);
}

/// A crowd from everywhere, and one noisy network: those whose page is being looked at stay, and
/// newcomers are let in.
#[test]
fn s9_a_flood_from_many_addresses_pushes_out_nobody_who_is_being_asked_about() {
    let mut world = World::new();
    let address = |n: u32| std::net::IpAddr::V4(n.into());
    let known = |world: &World, id: &str| {
        let record = Record::read(world.disk.as_deref()).unwrap();
        record.client(id, world.now.wall).is_some()
    };
    let clients: Vec<String> = (1..=3)
        .map(|n| {
            world.client_address = address(n);
            world.client()
        })
        .collect();
    let page = |world: &mut World, client: &str, who| {
        world.who = who;
        world.get(&format!("/authorize?{}", request_of(client).text()));
    };
    page(&mut world, &clients[0], Who::Owner);
    page(&mut world, &clients[1], Who::Stranger);
    // The third is quiet, but nobody looks at it. As long as one network is noisy, that gives way.
    world.client_address = address(0x0a00_0001);
    for _ in 0..20 {
        world.client();
    }
    for n in 0..90 {
        world.client_address = address(0x0b00_0000 + n);
        world.client();
    }
    assert!(clients.iter().all(|client| known(&world, client)));
    for n in 0..100 {
        world.client_address = address(0x0c00_0000 + n);
        world.client();
    }
    assert!(known(&world, &clients[0]) && known(&world, &clients[1]));
    assert!(!known(&world, &clients[2]));
    // For ten minutes.
    world.pass(crate::limits::SHOWN_MS / 1_000);
    for n in 0..100 {
        world.client_address = address(0x0d00_0000 + n);
        world.client();
    }
    assert!(!known(&world, &clients[0]));
}

#[test]
fn s9_a_registration_without_consent_is_gone_after_an_hour() {
    let mut world = World::new();
    let (kept, gone) = (world.client(), world.client());
    world.tokens(&kept);
    world.pass(crate::limits::UNCONSENTED_SECONDS);
    assert_eq!(
        Record::read(world.disk.as_deref()).unwrap().clients.len(),
        1
    );
    let target = |client: &str| format!("/authorize?{}", request_of(client).text());
    assert_eq!(world.get(&target(&gone)).status, 400);
    assert_eq!(world.get(&target(&kept)).status, 200);
}

#[test]
fn s4_nothing_of_a_client_breaks_out_of_a_redirect() {
    let mut world = World::new();
    let client = world.client();
    let state = "x\r\nSet-Cookie: a=b&iss=evil&code=evil";
    let sent = world.consent(&but(&request_of(&client), "state", Some(state)));
    assert_eq!(sent.once("state"), Ok(Some(state)));
    assert_eq!(sent.once("iss"), Ok(Some("https://mcp.example.com")));
    assert!(sent.once("code").unwrap().is_some());
}
