//! Codes and refresh tokens in the wrong hands.

use onemcp::base::form::Form;
use serde_json::json;

use crate::support::locked::{BACK, Browser, CHALLENGE, Locked, VERIFIER, sent};

/// The same form with other values of one field; none leaves it out.
fn but(form: &Form, name: &str, value: Option<&str>) -> Form {
    let others = form.fields().filter(|(own, _)| *own != name);
    let form = others.fold(Form::default(), |form, (own, value)| form.with(own, value));
    value
        .into_iter()
        .fold(form, |form, value| form.with(name, value))
}

#[test]
fn s6_a_code_that_is_replayed_ends_what_was_given_for_it() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let client = site.register(BACK);
    let code = owner.allows(&site.wish(&client, BACK));
    let form = site.redemption(&client, &code);
    let tokens = site.redeem(&form).unwrap();
    assert!(site.lets_in(&tokens.access));
    assert_eq!(
        site.redeem(&form).unwrap_err(),
        (400, json!("invalid_grant"))
    );
    site.gateway.log.containing("revoked a grant");
    assert!(!site.lets_in(&tokens.access));
    assert!(site.refresh(&client, &tokens.refresh).is_err());
}

#[test]
fn s6_a_code_that_is_injected_into_another_client_or_flow() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let (client, other) = (site.register(BACK), site.register(BACK));
    let wrong = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (name, value) in [
        ("client_id", Some(other.as_str())),
        ("code_verifier", Some(wrong)),
        ("code_verifier", Some(CHALLENGE)),
        ("redirect_uri", Some("https://app.example/other")),
    ] {
        let code = owner.allows(&site.wish(&client, BACK));
        let form = but(&site.redemption(&client, &code), name, value);
        assert_eq!(
            site.redeem(&form).unwrap_err(),
            (400, json!("invalid_grant")),
            "{name}"
        );
    }
}

#[test]
fn s3_pkce_cannot_be_left_out_or_made_plain() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let client = site.register(BACK);
    let wish = site.wish(&client, BACK);
    // Clients that were let in before are told; the others' addresses are left alone.
    let broken = format!("/authorize?{}", but(&wish, "code_challenge", None).text());
    assert_eq!(owner.get(&broken).status, 400);
    site.let_in(&mut owner, &client);
    // A plain login is good for one decision.
    assert_eq!(owner.tries(crate::support::locked::PASSWORD).status, 303);
    for wish in [
        but(&wish, "code_challenge", None),
        but(&wish, "code_challenge_method", None),
        but(&wish, "code_challenge_method", Some("plain")),
        but(
            &but(&wish, "code_challenge", Some(VERIFIER)),
            "code_challenge_method",
            Some("plain"),
        ),
    ] {
        let answer = owner.get(&format!("/authorize?{}", wish.text()));
        let back = sent(&answer);
        assert_eq!(
            back.get("error"),
            Some("invalid_request"),
            "{}",
            wish.text()
        );
        assert_eq!(back.get("code"), None);
    }
    let code = owner.allows(&wish);
    let form = but(&site.redemption(&client, &code), "code_verifier", None);
    assert_eq!(site.redeem(&form).unwrap_err().0, 400);
}

#[test]
fn s8_a_refresh_token_that_is_replayed_ends_its_family_and_no_other() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let (client, other) = (site.register(BACK), site.register(BACK));
    let (first, theirs) = (
        site.let_in(&mut owner, &client),
        site.let_in(&mut owner, &other),
    );
    let second = site.refresh(&client, &first.refresh).unwrap();
    assert!(site.lets_in(&second.access));
    // Somebody else's client cannot use it, and does not end it by trying.
    assert!(site.refresh(&other, &second.refresh).is_err());
    let third = site.refresh(&client, &second.refresh).unwrap();
    // The thief comes with the one that he copied.
    assert_eq!(
        site.refresh(&client, &first.refresh).unwrap_err(),
        (400, json!("invalid_grant"))
    );
    for tokens in [&first, &second, &third] {
        assert!(!site.lets_in(&tokens.access));
    }
    assert!(site.refresh(&client, &third.refresh).is_err());
    assert!(site.lets_in(&theirs.access));
    assert!(site.refresh(&other, &theirs.refresh).is_ok());
}

#[test]
fn s8_scope_never_grows() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let client = site.register(BACK);
    let wish = site.wish(&client, BACK).with("scope", "tag:a");
    let code = owner.allows(&wish);
    // Not in the redemption, and not in the refresh.
    let form = site.redemption(&client, &code).with("scope", "mcp");
    let tokens = site.redeem(&form).unwrap();
    // What a server has that still starts is unknown to all: this list waits for both.
    let list = site.mcp("/mcp", &site.token(9, "mcp"), "tools/list", None);
    assert_eq!(list.status, 200);
    let is_less = |access: &str| {
        let answer = site.mcp("/mcp", access, "tools/call", Some("two_1mcp_echo"));
        answer.status == 403
    };
    assert!(is_less(&tokens.access));
    let form = Form::default()
        .with("grant_type", "refresh_token")
        .with("client_id", &client)
        .with("refresh_token", &tokens.refresh)
        .with("scope", "mcp");
    match site.redeem(&form) {
        Ok(more) => assert!(is_less(&more.access)),
        Err(refused) => assert_eq!(refused, (400, json!("invalid_scope"))),
    }
}

#[test]
fn s3_redirects_are_those_that_were_registered() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let web = site.register(BACK);
    let here = site.register("http://127.0.0.1:1234/cb");
    for (client, redirect, is_good) in [
        (&web, BACK, true),
        (&web, "https://app.example/cb/", false),
        (&web, "https://app.example/cb?x=1", false),
        (&web, "https://app.example:444/cb", false),
        (&web, "http://app.example/cb", false),
        (&web, "https://APP.example/cb", false),
        (&web, "https://app.example.evil.example/cb", false),
        (&web, "https://app.example@evil.example/cb", false),
        (&web, "https://app.example/cb#x", false),
        (&web, "//evil.example/cb", false),
        (&web, "javascript:alert(1)", false),
        // RFC 8252 section 7.3: only the port may differ, and only on loopback.
        (&here, "http://127.0.0.1:1234/cb", true),
        (&here, "http://127.0.0.1:5678/cb", true),
        (&here, "http://127.0.0.1/cb", true),
        (&here, "http://localhost:1234/cb", false),
        (&here, "http://127.0.0.1:1234/other", false),
        (&here, "http://127.0.0.1:1234@evil.example/cb", false),
        (&here, "http://127.0.0.1.evil.example:1234/cb", false),
        (&here, "https://127.0.0.1:1234/cb", false),
    ] {
        let answer = owner.get(&format!(
            "/authorize?{}",
            site.wish(client, redirect).text()
        ));
        // A page either way, never a redirect to an address that nobody registered.
        assert_eq!(answer.status, if is_good { 200 } else { 400 }, "{redirect}");
        assert_eq!(answer.header("location"), None, "{redirect}");
    }
}

#[test]
fn s9_redirects_that_run_in_a_browser_are_not_registered() {
    let site = Locked::start(&[]);
    for redirect in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "about:blank",
        "blob:https://app.example/x",
        "http://app.example/cb",
        "ws://app.example/cb",
        "https://app.example/cb#fragment",
        "https://user@app.example/cb",
        "/cb",
        "",
    ] {
        let body = json!({"client_name": "x", "redirect_uris": [redirect]}).to_string();
        let answer = site.ask(
            "POST /register",
            "Content-Type: application/json\r\n",
            &body,
        );
        assert_eq!(answer.status, 400, "{redirect}: {answer:?}");
    }
}

#[test]
fn s4_nothing_breaks_out_of_a_redirect() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let client = site.register(BACK);
    let evil = "x\r\nSet-Cookie: a=b\r\n\r\n<script>\u{2028}&code=stolen#";
    let wish = but(&site.wish(&client, BACK), "state", Some(evil));
    for decision in ["allow", "deny"] {
        let answer = owner.decides(&wish, decision);
        let location = answer.header("location").unwrap();
        assert!(
            location.starts_with("https://app.example/cb?"),
            "{location}"
        );
        assert!(!location.contains(['\r', '\n', '#', '<']), "{location}");
        assert_eq!(answer.header("set-cookie"), None);
        let back = sent(&answer);
        assert_eq!(back.once("state"), Ok(Some(evil)));
        assert_eq!(back.once("iss"), Ok(Some(site.own().as_str())));
        assert_ne!(back.once("code"), Ok(Some("stolen")));
        assert_eq!(back.get("code").is_some(), decision == "allow");
    }
}
