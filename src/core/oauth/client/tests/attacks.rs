//! What strangers try: other browsers, other issuers, other people's forms.

use serde_json::json;

use super::issuer::Issuer;
use super::world::*;
use crate::base::form::Form;
use crate::limits::{CONNECTS_MAX, FLOW_MS_MAX, FLOWS_MAX};
use crate::oauth::owner::Who;
use crate::settings::Settings;

/// A process whose server waits for its owner.
fn waiting() -> World {
    let mut world = World::new();
    world.challenge(0, 401, "Bearer");
    world.told(0);
    world
}

#[test]
fn o8_a_state_is_of_one_browser_once_and_for_ten_minutes() {
    let mut world = waiting();
    let to = world.click(0, 1).unwrap();
    let back = world.agree(&to);
    // Another browser: neither finishes it nor ends it.
    assert_eq!(world.back(0, 2, &back).unwrap().status, 403);
    let stranger = format!("GET /oauth/callback?{}", back.text());
    let answer = world.visit(0, (Who::Stranger, 1), &stranger, "").unwrap();
    assert_eq!(answer.status, 403);
    // A prefetching HEAD does not use it up.
    let head = format!("HEAD /oauth/callback?{}", back.text());
    assert_eq!(
        world.visit(0, (Who::Local, 1), &head, "").unwrap().status,
        405
    );
    assert_eq!(world.back(0, 1, &back).unwrap().status, 303);
    assert_eq!(world.back(0, 1, &back).unwrap().status, 400);
    assert_eq!(world.net.count("/token"), 1);
    // Too late.
    let mut world = waiting();
    let to = world.click(0, 1).unwrap();
    let back = world.agree(&to);
    world.wait(FLOW_MS_MAX);
    assert_eq!(world.back(0, 1, &back).unwrap().status, 400);
    assert_eq!(world.net.count("/token"), 0);
}

#[test]
fn o8_two_servers_and_two_flows_of_one_do_not_meet() {
    let (other, issuer) = ("https://n.example/mcp", "https://other.example");
    let mut world = World::new();
    world.net.issuers.push(Issuer::new(issuer));
    world.net.issuer(issuer).registers = json!({"client_id": "n-1"});
    world.net.protect(other, &[issuer]);
    let servers = vec![protected("m", SERVER), protected("n", other)];
    world.with(0, |keyring, cx| keyring.configure(cx, servers));
    for server in ["m", "n"] {
        let challenge = crate::language::Challenge {
            status: 401,
            fields: vec!["Bearer".to_owned()],
            token: None,
            operation: String::new(),
            accepted: false,
        };
        world.with(0, |keyring, cx| keyring.challenged(cx, server, challenge));
    }
    let first = world.click(0, 1).unwrap();
    let second = world.click(0, 1).unwrap();
    let form = "csrf=csrf-1";
    let third = world
        .visit(0, (Who::Local, 1), "POST /oauth/connect/n", form)
        .unwrap();
    let third = crate::base::url::Url::parse(third.field("location").unwrap()).unwrap();
    let state = |url: &crate::base::url::Url| {
        let query = Form::parse(url.query().unwrap().as_bytes()).unwrap();
        query.get("state").unwrap().to_owned()
    };
    assert!(state(&first) != state(&second) && state(&second) != state(&third));
    for to in [&third, &second, &first] {
        let back = world.agree(to);
        assert_eq!(world.back(0, 1, &back).unwrap().status, 303);
    }
    let told = world.told(0);
    let tokens = told.iter().filter(|line| line.contains("token")).count();
    assert_eq!(tokens, 3, "{told:?}");
    assert!(
        told.iter()
            .any(|line| line.starts_with("n token") && line.ends_with(other))
    );
    assert_eq!(world.disk.len(), 2);
}

#[test]
fn o8_mix_up_the_code_of_one_issuer_never_goes_to_another() {
    // The server n says that its issuer is honest, but has an endpoint of its own for tokens.
    let honest = "https://as.example";
    let mut world = World::new();
    let evil = "https://evil.example";
    let mut issuer = Issuer::new(evil);
    issuer.said = json!({
        "issuer": honest,
        "authorization_endpoint": "https://as.example/authorize",
    });
    world.net.issuers.push(issuer);
    world.net.protect("https://n.example/mcp", &[evil]);
    let servers = vec![protected("m", "https://n.example/mcp")];
    world.with(0, |keyring, cx| keyring.configure(cx, servers));
    world.challenge(0, 401, "Bearer");
    let told = world.told(0);
    assert!(told[0].contains("are those of another one"), "{told:?}");
    // It names itself, and sends the browser to the honest one, whose answer says who it is.
    world.net.issuer(evil).said = json!({
        "authorization_endpoint": "https://as.example/authorize",
        "authorization_response_iss_parameter_supported": null,
    });
    world.challenge(0, 401, "Bearer");
    let to = world.click(0, 1).unwrap();
    let back = world.agree(&to);
    assert_eq!(world.back(0, 1, &back).unwrap().status, 400);
    assert_eq!(world.net.count("/token"), 0);
}

#[test]
fn x8_only_the_owner_begins_and_with_his_own_form() {
    let mut world = waiting();
    let post = "POST /oauth/connect/m";
    for (who, form, status) in [
        ((Who::Stranger, 1), "csrf=csrf-1", 403),
        ((Who::Local, 1), "", 403),
        ((Who::Local, 1), "csrf=csrf-2", 403),
        ((Who::Owner, 1), "csrf=csrf-1&csrf=csrf-1", 403),
        ((Who::Owner, 1), "csrf=%", 400),
        ((Who::Owner, 1), "csrf=csrf-1", 303),
    ] {
        let answer = world.visit(0, who, post, form).unwrap();
        assert_eq!(answer.status, status, "{who:?} {form}");
    }
    let page = world
        .visit(0, (Who::Stranger, 1), "GET /oauth/connect/m", "")
        .unwrap();
    let login = "/oauth/login?next=%2Foauth%2Fconnect%2Fm";
    assert_eq!((page.status, page.field("location")), (303, Some(login)));
    let page = world
        .visit(0, (Who::Owner, 1), "GET /oauth/connect/m", "")
        .unwrap();
    let shown = String::from_utf8(page.body).unwrap();
    assert!(
        shown.contains("csrf-1") && shown.contains("as.example"),
        "{shown}"
    );
    let answer = world
        .visit(0, (Who::Owner, 1), "GET /oauth/connect/x", "")
        .unwrap();
    assert_eq!(answer.status, 404);
}

#[test]
fn a_server_that_wants_nothing_has_nothing_to_authorize() {
    let mut world = World::new();
    let page = world
        .visit(0, (Who::Local, 1), "GET /oauth/connect/m", "")
        .unwrap();
    assert!(
        String::from_utf8(page.body)
            .unwrap()
            .contains("wants no authorization")
    );
    let answer = world.visit(0, (Who::Local, 1), "POST /oauth/connect/m", "csrf=csrf-1");
    assert_eq!(answer.unwrap().status, 409);
    assert!(world.net.log.is_empty() && world.rings[0].keyring.standing("m").is_none());
}

#[test]
fn o12_words_of_an_issuer_are_shown_as_words() {
    let mut world = waiting();
    let to = world.click(0, 1).unwrap();
    let state = Form::parse(to.query().unwrap().as_bytes()).unwrap();
    let back = Form::default()
        .with("state", state.get("state").unwrap())
        .with("iss", ISSUER)
        .with("error", "access_denied")
        .with(
            "error_description",
            &format!("<script>\r\n{}", "x".repeat(3_000)),
        );
    let head = format!(
        "GET {}?{}\nAccept: text/html\nHost: 127.0.0.1:3050",
        World::way_back(&to),
        back.text()
    );
    let answer = world.visit(0, (Who::Local, 1), &head, "").unwrap();
    let shown = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(answer.status, 400);
    assert!(
        shown.contains("access_denied") && !shown.contains("<script>"),
        "{shown}"
    );
    assert!(shown.len() < 4_000 && answer.field("location").is_none());
    let standing = world.rings[0].keyring.standing("m").unwrap();
    assert!(
        standing.authorize && standing.says.contains("access_denied"),
        "{standing:?}"
    );
}

#[test]
fn o12_the_places_that_a_public_server_names_are_public() {
    for (endpoint, place) in [
        ("authorization_endpoint", "http://as.example/authorize"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", "http://127.0.0.1:22/"),
        ("authorization_endpoint", "https://localhost/"),
        ("token_endpoint", "https://169.254.169.254/token"),
        ("token_endpoint", "https://10.0.0.1/token"),
        ("registration_endpoint", "https://[::1]/register"),
    ] {
        let mut world = World::new();
        world.net.issuers[0].said = json!({endpoint: place});
        world.challenge(0, 401, "Bearer");
        let told = world.told(0);
        assert!(told[0].starts_with("m failed: the "), "{told:?}");
    }
    for named in [
        "http://as.example",
        "https://127.0.0.1",
        "https://intranet",
        "ftp://a",
        "x",
    ] {
        let mut world = World::new();
        world.net.protect(SERVER, &[named]);
        world.challenge(0, 401, "Bearer");
        assert!(
            world.told(0)[0].starts_with("m failed: the authorization server"),
            "{named}"
        );
        assert_eq!(world.net.log.len(), 1);
    }
    let mut world = World::new();
    let field = "Bearer resource_metadata=\"http://169.254.169.254/latest/meta-data\"";
    world.challenge(0, 401, field);
    assert!(world.told(0)[0].starts_with("m failed: the metadata"));
    assert!(world.net.log.is_empty());
}

#[test]
fn tokens_are_not_asked_for_a_server_in_the_clear() {
    let mut world = World::empty();
    world.start(
        &Settings::default(),
        vec![protected("m", "http://m.example/mcp")],
    );
    world.challenge(0, 401, "Bearer");
    let told = world.told(0);
    assert!(
        told[0].contains("keys are sent over https only"),
        "{told:?}"
    );
    assert!(world.net.log.is_empty());
}

#[test]
fn a_page_for_people_is_no_document_and_an_issuer_in_trouble_is_no_old_one() {
    let mut world = World::new();
    let at_path = "https://m.example/.well-known/oauth-protected-resource/mcp";
    let known = world.net.documents.remove(at_path).unwrap();
    let root = at_path.strip_suffix("/mcp").unwrap().to_owned();
    world
        .net
        .documents
        .insert(at_path.to_owned(), (200, "<html>".to_owned()));
    world.net.documents.insert(root, known);
    world.challenge(0, 401, "Bearer");
    assert!(world.told(0)[0].contains("awaiting"));
    let mut world = World::new();
    world
        .net
        .documents
        .insert(at_path.to_owned(), (503, String::new()));
    world.challenge(0, 401, "Bearer");
    assert!(world.told(0)[0].contains("cannot be read now (status 503)"));
    assert_eq!(world.net.log.len(), 1);
}

#[test]
fn more_flows_than_there_is_room_for_take_the_place_of_the_oldest() {
    let mut world = waiting();
    let first = world.click(0, 1).unwrap();
    let second = world.click(0, 1).unwrap();
    for _ in 1..FLOWS_MAX {
        world.click(0, 1).unwrap();
    }
    let back = world.agree(&first);
    assert_eq!(world.back(0, 1, &back).unwrap().status, 400);
    let back = world.agree(&second);
    assert_eq!(world.back(0, 1, &back).unwrap().status, 303);
}

#[test]
fn more_browsers_than_may_wait_are_sent_away() {
    let mut world = waiting();
    world.is_held = true;
    for _ in 0..CONNECTS_MAX {
        let answer = world.visit(0, (Who::Local, 1), "POST /oauth/connect/m", "csrf=csrf-1");
        assert!(answer.is_none());
    }
    let answer = world.visit(0, (Who::Local, 1), "POST /oauth/connect/m", "csrf=csrf-1");
    assert_eq!(answer.unwrap().status, 503);
    world.is_held = false;
    world.pump();
    let left = world.rings[0]
        .answers
        .values()
        .filter(|answer| answer.status == 303);
    assert_eq!(
        (left.count(), world.net.registrations.len()),
        (CONNECTS_MAX, 1)
    );
}

#[test]
fn a_code_that_is_refused_is_said_and_may_be_tried_again() {
    let mut world = waiting();
    let to = world.click(0, 1).unwrap();
    let mut back = world.agree(&to);
    back = Form::default()
        .with("state", back.get("state").unwrap())
        .with("iss", ISSUER)
        .with("code", "stolen");
    let answer = world.back(0, 1, &back).unwrap();
    let shown = String::from_utf8(answer.body).unwrap();
    assert!(
        answer.status == 502 && shown.contains("invalid_grant"),
        "{shown}"
    );
    assert!(!world.rings[0].tokens.contains_key("m"));
    world.authorize(0);
    assert!(world.rings[0].tokens.contains_key("m"));
}

#[test]
fn parameters_that_stand_twice_end_it() {
    for extra in [("code", "x"), ("iss", ISSUER), ("error", "y")] {
        let mut world = waiting();
        let to = world.click(0, 1).unwrap();
        let back = world
            .agree(&to)
            .with(extra.0, extra.1)
            .with(extra.0, extra.1);
        assert_eq!(world.back(0, 1, &back).unwrap().status, 400, "{extra:?}");
        assert_eq!(world.net.count("/token"), 0);
    }
    let mut world = waiting();
    let to = world.click(0, 1).unwrap();
    let back = world.agree(&to);
    let state = back.get("state").unwrap().to_owned();
    assert_eq!(
        world
            .back(0, 1, &back.with("state", &state))
            .unwrap()
            .status,
        400
    );
    assert_eq!(
        world
            .visit(0, (Who::Local, 1), "GET /oauth/callback?%", "")
            .unwrap()
            .status,
        400
    );
}
