//! Tokens that are none, are not for us, or belong to somebody else.

use std::io::{ErrorKind, Read};

use onemcp::base::base64;
use onemcp::base::form::Form;
use onemcp::now::UnixSeconds;
use onemcp::oauth::token::{Claims, SigningKey};

use crate::support::PATIENCE;
use crate::support::locked::{Browser, Locked, now};

fn signed(site: &Locked, change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = site.claims(1, "mcp");
    change(&mut claims);
    site.key().sign(&claims).reveal().to_owned()
}

/// Nobody comes in with this, by any way.
#[track_caller]
fn is_refused(site: &Locked, token: &str) {
    assert!(!site.lets_in(token), "{token}");
    let fields = format!("Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n");
    for (first, resource) in [
        ("GET /mcp", "mcp"),
        ("DELETE /mcp", "mcp"),
        ("GET /sse", "sse"),
        ("POST /messages?sessionId=x", "sse"),
    ] {
        let answer = site.ask(first, &fields, "");
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!(answer.status, 401, "{first}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        let own = site.own();
        let metadata = format!("\"{own}/.well-known/oauth-protected-resource/{resource}\"");
        assert!(challenge.contains(&metadata), "{challenge}");
        assert_eq!(answer.message()["jsonrpc"], "2.0");
    }
}

#[test]
fn r6_a_token_of_another_audience_or_issuer() {
    let site = Locked::start(&[]);
    assert!(site.lets_in(&signed(&site, |_| {})));
    let port = site.gateway.port;
    for other in [
        "https://other.example".to_owned(),
        format!("http://127.0.0.1:{}", port.wrapping_add(1)),
        format!("https://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}/mcp"),
        format!("http://127.0.0.1:{port}.evil.example"),
    ] {
        is_refused(
            &site,
            &signed(&site, |claims| claims.audience = other.as_str().into()),
        );
        is_refused(
            &site,
            &signed(&site, |claims| claims.issuer = other.as_str().into()),
        );
    }
}

#[test]
fn r2_expired_and_not_before() {
    let site = Locked::start(&[]);
    let now = now().0;
    let at = |seconds: u64| UnixSeconds(seconds);
    is_refused(&site, &signed(&site, |claims| claims.expires = at(now)));
    is_refused(&site, &signed(&site, |claims| claims.expires = at(0)));
    is_refused(
        &site,
        &signed(&site, |claims| claims.not_before = at(now + 600)),
    );
    is_refused(
        &site,
        &signed(&site, |claims| claims.issued = at(now + 600)),
    );
}

#[test]
fn r2_alg_confusion_and_signatures_that_are_none() {
    let site = Locked::start(&[]);
    let good = signed(&site, |_| {});
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts.as_slice() else {
        panic!("{good}");
    };
    let head_of = |alg: &str| {
        let text = String::from_utf8(base64::decode_url(head).unwrap()).unwrap();
        base64::encode_url(text.replace("EdDSA", alg).as_bytes())
    };
    for alg in ["none", "NONE", "HS256", "ES256"] {
        let head = head_of(alg);
        is_refused(&site, &format!("{head}.{body}."));
        is_refused(&site, &format!("{head}.{body}.{signature}"));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &site.key().public());
        let tag = ring::hmac::sign(&key, format!("{head}.{body}").as_bytes());
        is_refused(
            &site,
            &format!("{head}.{body}.{}", base64::encode_url(tag.as_ref())),
        );
    }
    is_refused(&site, &format!("{head}.{body}"));
    is_refused(&site, &format!("{head}.{body}."));
    is_refused(&site, &good[..good.len() - 4]);
    is_refused(&site, &format!("{good}AAAA"));
    // More scope under the old signature, and a stranger's signature under our key's name.
    let text = String::from_utf8(base64::decode_url(body).unwrap()).unwrap();
    let more = base64::encode_url(text.replace("\"mcp\"", "\"tag:a\"").as_bytes());
    is_refused(&site, &format!("{head}.{more}.{signature}"));
    let stranger = SigningKey::from_seed(&[1; 32]).unwrap();
    let theirs = stranger.sign(&site.claims(1, "mcp")).reveal().to_owned();
    is_refused(&site, &theirs);
    let (_, their_signature) = theirs.rsplit_once('.').unwrap();
    is_refused(&site, &format!("{head}.{body}.{their_signature}"));
}

#[test]
fn r1_a_token_in_the_query_or_in_a_form_is_none() {
    let site = Locked::start(&[]);
    let token = site.token(1, "mcp");
    let json = "Content-Type: application/json\r\n";
    let answer = site.ask(&format!("POST /mcp?access_token={token}"), json, "{}");
    assert_eq!(answer.status, 400);
    let form = Form::default().with("access_token", &token);
    assert_eq!(site.post_form("/mcp", "", &form).status, 401);
    let cookie = format!("{json}Cookie: access_token={token}\r\n");
    assert_eq!(site.ask("POST /mcp", &cookie, "{}").status, 401);
}

#[test]
fn r9_more_scope_by_filter_or_name() {
    let site = Locked::start(&[]);
    let (a, all) = (site.token(1, "tag:a"), site.token(2, "mcp"));
    let names = |token: &str, path: &str| {
        let answer = site.mcp(path, token, "tools/list", None);
        assert_eq!(answer.status, 200, "{answer:?}");
        let tools = answer.message()["result"]["tools"].clone();
        let names = tools
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].to_string());
        names.collect::<Vec<_>>()
    };
    assert!(
        names(&all, "/mcp")
            .iter()
            .any(|name| name.contains("two_1mcp"))
    );
    for path in [
        "/mcp",
        "/mcp?tags=b",
        "/mcp?tags=a,b",
        "/mcp?tag-filter=b",
        "/mcp?filter=b",
        "/mcp?preset=everything",
        "/mcp?scope=mcp",
    ] {
        let answer = site.mcp(path, &a, "tools/list", None);
        assert!(!answer.text().contains("two_1mcp"), "{path}");
        let answer = site.mcp(path, &a, "tools/call", Some("two_1mcp_echo"));
        assert!(
            matches!(answer.status, 400 | 403 | 404),
            "{path}: {answer:?}"
        );
        assert!(!answer.text().contains("hello"), "{path}");
    }
    let answer = site.mcp("/mcp", &a, "tools/call", Some("two_1mcp_echo"));
    assert_eq!(answer.status, 403, "{answer:?}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert_eq!(
        site.mcp("/mcp", &a, "tools/call", Some("one_1mcp_echo"))
            .status,
        200
    );
}

#[test]
fn r8_a_session_with_the_token_of_another_grant() {
    let site = Locked::start(&[]);
    let (mine, theirs) = (site.token(1, "mcp"), site.token(2, "mcp"));
    let session = site.session(&mine);
    let status = |token: &str, session: &str, first: &str| {
        let fields = format!(
            "Authorization: Bearer {token}\r\nMcp-Session-Id: {session}\r\n\
             Content-Type: application/json\r\n"
        );
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let body = if first.starts_with("POST") { body } else { "" };
        site.ask(first, &fields, body).status
    };
    for first in ["POST /mcp", "GET /mcp", "DELETE /mcp"] {
        assert_eq!(status(&theirs, &session, first), 404, "{first}");
    }
    assert_eq!(status(&mine, &session, "POST /mcp"), 200);
    // An id that the client chose itself opens nothing.
    assert_eq!(status(&mine, &"0".repeat(32), "POST /mcp"), 404);
}

#[test]
fn a_revoked_grant_with_an_open_stream() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let client = site.register(crate::support::locked::BACK);
    let tokens = site.let_in(&mut owner, &client);
    let session = site.session(&tokens.access);
    let fields = format!(
        "Authorization: Bearer {}\r\nMcp-Session-Id: {session}\r\nAccept: text/event-stream\r\n",
        tokens.access
    );
    let mut stream = site.connect("GET /mcp", &fields, "");
    assert_eq!(stream.stream().status, 200);
    let fields = format!("Authorization: Bearer {}\r\n", tokens.access);
    let mut old = site.connect("GET /sse", &fields, "");
    assert_eq!(old.stream().status, 200);
    let form = Form::default()
        .with("client_id", &client)
        .with("token", &tokens.refresh);
    assert_eq!(site.post_form("/revoke", "", &form).status, 200);
    // Both end by themselves.
    stream.ends();
    old.ends();
    assert!(!site.lets_in(&tokens.access));
    assert!(site.refresh(&client, &tokens.refresh).is_err());
}

#[test]
fn r5_host_and_forwarded_fields_never_name_us() {
    let site = Locked::start(&[]);
    let own = site.own();
    let forwarded = "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n\
                     X-Forwarded-Port: 1\r\nForwarded: host=evil.example;proto=https\r\n";
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/sse",
        "/.well-known/oauth-authorization-server",
    ] {
        let first = format!("GET {path}");
        let answer = site.ask(&first, forwarded, "");
        assert_eq!(answer.status, 200, "{path} {answer:?}");
        assert!(
            answer.text().contains(&own) && !answer.text().contains("evil"),
            "{answer:?}"
        );
        assert_eq!(
            site.ask(&first, "Host: evil.example\r\n", "").status,
            403,
            "{path}"
        );
    }
    let answer = site.ask("GET /mcp", forwarded, "");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.contains(&own) && !challenge.contains("evil"),
        "{challenge}"
    );
    // A wildcard accepts any Host with a token, and says none of them.
    let site = Locked::start(&[
        "--host",
        "0.0.0.0",
        "--external-url",
        "https://mcp.example.com",
    ]);
    let path = "GET /.well-known/oauth-authorization-server";
    let answer = site.ask(path, "Host: evil.example\r\n", "");
    assert_eq!(
        (answer.status, answer.text().contains("evil")),
        (200, false)
    );
    assert!(
        answer
            .text()
            .contains("\"issuer\":\"https://mcp.example.com\""),
        "{answer:?}"
    );
}

#[test]
fn x6_a_document_on_our_own_network_is_not_fetched() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = trap.local_addr().unwrap().port();
    for host in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("127.1:{port}"),
        "10.0.0.1".to_owned(),
        "169.254.169.254".to_owned(),
        "192.168.1.1".to_owned(),
        "[fd00::1]".to_owned(),
        "[fe80::1]".to_owned(),
        "0.0.0.0".to_owned(),
    ] {
        let url = format!("https://{host}/client.json");
        let wish = site.wish(&url, "https://app.example/cb");
        let answer = owner.get(&format!("/authorize?{}", wish.text()));
        assert!((400..=599).contains(&answer.status), "{url}: {answer:?}");
        assert_eq!(answer.header("location"), None, "{url}");
    }
    trap.set_nonblocking(true).unwrap();
    match trap.accept() {
        Ok((mut stream, from)) => {
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut said = [0; 100];
            let count = stream.read(&mut said).unwrap_or_default();
            panic!("{from} came and said {:?}", &said[..count]);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
    }
    // Strangers cannot even make us look.
    let wish = site.wish("https://10.0.0.1/client.json", "https://app.example/cb");
    let answer = Browser::new(&site).get(&format!("/authorize?{}", wish.text()));
    let location = answer.header("location").unwrap_or_default();
    assert!(location.starts_with("/oauth/login?"), "{answer:?}");
}
