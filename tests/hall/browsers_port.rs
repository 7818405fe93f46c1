//! The loopback port of stdio mode, where everybody on this machine can knock: who comes without
//! the ticket finds nothing there, and who comes with it nothing but the way to authorize a server
//! (contract 5).

use onemcp::base::form::Form;
use onemcp::base::mark::{Mark, must_hit};
use onemcp::input::Input;
use onemcp::instance::survey::State;
use onemcp::limits::{BROWSER_BODY_BYTES_MAX, BROWSER_CONNECTIONS_MAX};
use onemcp::links::LinkKey;

use crate::client::Client;
use crate::http::Response;
use crate::remote::{ISSUER, SiteState, far};
use crate::server::{anything, tool, tools};
use crate::vault::LOCAL_PORT;
use crate::world::World;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#;

fn guarded() -> SiteState {
    far(anything().with("tools", [tool("t")])).guarded()
}

/// A gateway with a server that awaits its owner and one that serves, and its client.
fn gateway() -> (World, Client) {
    let mut w = World::stdio()
        .remote("r", guarded())
        .site(ISSUER, far(anything()).https())
        .server("s", tools(["v"]))
        .start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-11-25", "{}");
    a.initialized(&mut w);
    w.advance(300);
    assert!(w.vault.listens);
    (w, a)
}

/// The URL that the owner is told, without its origin.
fn page(w: &mut World) -> String {
    let servers = w.survey().servers;
    let url = servers.iter().find_map(|one| one.authorize_url.clone());
    let origin = format!("http://127.0.0.1:{LOCAL_PORT}");
    url.unwrap().strip_prefix(&origin).unwrap().to_owned()
}

fn request(line: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nHost: 127.0.0.1:{LOCAL_PORT}\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// What came back on a link so far.
fn got(w: &mut World, link: LinkKey) -> (Response, String) {
    let received = std::mem::take(&mut w.peer(link).received);
    let mut response = Response::default();
    let body = response.take(&received).concat();
    (response, body)
}

fn ask(w: &mut World, line: &str, fields: &str, body: &str) -> (Response, String) {
    let link = w.connect();
    w.bytes(link, request(line, fields, body).as_bytes());
    w.rest();
    let answer = got(w, link);
    assert_eq!(answer.0.header("connection"), Some("close"), "{line}");
    assert!(w.peer(link).closed, "{line}: nobody stays");
    answer
}

/// The owner's page: its cookie and the hidden field of its form.
fn opened(w: &mut World) -> (String, String) {
    let path = page(w);
    let (shown, body) = ask(w, &format!("GET {path}"), "", "");
    assert_eq!(shown.status, Some(200), "{body}");
    let cookie = shown.header("set-cookie").unwrap();
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let (_, rest) = body.split_once("name=\"csrf\" value=\"").unwrap();
    (cookie, rest.split('"').next().unwrap().to_owned())
}

#[test]
fn x8_nothing_of_the_gateway_is_at_the_port_for_browsers() {
    let _reached = must_hit(Mark::StrangeAtBrowsersPort);
    let (mut w, a) = gateway();
    let (cookie, csrf) = opened(&mut w);
    let retry = Form::default().with("csrf", &csrf).with("server", "r");
    let accepts = "Accept: application/json, text/event-stream\r\n";
    let json = format!("{accepts}Content-Type: application/json\r\n");
    let form = format!("{cookie}{FORM}");
    // Every path that there is at the port of clients, and some that are nowhere.
    for (line, fields, body) in [
        ("POST /mcp", &*json, HELLO),
        ("POST /mcp/", &json, HELLO),
        ("GET /mcp", accepts, ""),
        ("DELETE /mcp", "", ""),
        ("OPTIONS /mcp", "", ""),
        ("PUT /mcp", "", ""),
        ("GET /sse", accepts, ""),
        ("GET /sse/", accepts, ""),
        ("POST /messages?sessionId=x", &json, HELLO),
        ("POST /messages/", &json, HELLO),
        ("OPTIONS *", "", ""),
        ("GET /", "", ""),
        ("GET /health", "", ""),
        ("GET /health/live", "", ""),
        ("GET /health/ready", "", ""),
        ("GET /health/mcp", "", ""),
        ("GET /health/mcp/s", "", ""),
        ("GET /oauth", &cookie, ""),
        ("GET /oauth/", &cookie, ""),
        ("POST /oauth/retry", &form, &retry.text()),
        ("GET /oauth/login", &cookie, ""),
        ("POST /oauth/login", &form, &retry.text()),
        ("POST /oauth/logout", &form, &retry.text()),
        ("GET /oauth/client.json", "", ""),
        ("GET /oauth/connect", &cookie, ""),
        ("GET /oauth/callbacks", &cookie, ""),
        ("GET /authorize", &cookie, ""),
        ("POST /authorize", &form, &retry.text()),
        ("POST /token", FORM, ""),
        ("POST /register", &json, "{}"),
        ("POST /revoke", FORM, ""),
        ("GET /.well-known/oauth-authorization-server", "", ""),
        ("GET /.well-known/oauth-protected-resource/mcp", "", ""),
        ("OPTIONS /.well-known/oauth-authorization-server", "", ""),
        ("GET /nothing", "", ""),
        ("GET //oauth/connect/r", &cookie, ""),
    ] {
        let (response, body) = ask(&mut w, line, fields, body);
        assert_eq!(response.status, Some(404), "{line}: {body}");
        for told in ["s_1mcp", "r.test", "jsonrpc", "session"] {
            assert!(!body.contains(told), "{line}: {body}");
        }
    }
    // Our own stdin is the only client that there is, and it is served.
    assert_eq!(w.survey().sessions, 1);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_v"]);
}

#[test]
fn x9_without_the_ticket_nobody_begins_there() {
    let (mut w, _) = gateway();
    let (cookie, csrf) = opened(&mut w);
    let form = Form::default().with("csrf", &csrf);
    let other = |name: &str| format!("GET /oauth/connect/{name}");
    for (line, body) in [
        (&*other("r"), ""),
        (&other("r?ticket="), ""),
        (&other("r?ticket=wrong"), ""),
        // Which servers there are is told to nobody either.
        (&other("s"), ""),
        (&other("none"), ""),
        (&other(""), ""),
        ("POST /oauth/connect/r", &form.text()),
        ("POST /oauth/connect/r?ticket=wrong", &form.text()),
    ] {
        let fields = if body.is_empty() { "" } else { FORM };
        let (response, body) = ask(&mut w, line, fields, body);
        assert_eq!(response.status, Some(403), "{line}: {body}");
        assert!(response.header("set-cookie").is_none());
    }
    for line in ["GET /oauth/callback", "GET /oauth/callback?state=x&code=y"] {
        let (response, body) = ask(&mut w, line, "", "");
        assert_eq!(response.status, Some(400), "{line}: {body}");
    }
    let there = ["GET /style.css", "GET /live.js"];
    for line in there {
        assert_eq!(ask(&mut w, line, "", "").0.status, Some(200), "{line}");
    }
    // The owner's own browser goes on.
    let fields = format!("{cookie}{FORM}");
    let (sent, _) = ask(&mut w, "POST /oauth/connect/r", &fields, &form.text());
    assert_eq!(sent.status, Some(303));
    let host = "GET /oauth/connect/r HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let link = w.connect();
    w.bytes(link, host.as_bytes());
    assert_eq!(got(&mut w, link).0.status, Some(403));
}

#[test]
fn contract_5_the_port_ends_with_the_authorization_and_with_it_who_came() {
    let (mut w, a) = gateway();
    let (cookie, csrf) = opened(&mut w);
    let form = Form::default().with("csrf", &csrf);
    let fields = format!("{cookie}{FORM}");
    let (sent, _) = ask(&mut w, "POST /oauth/connect/r", &fields, &form.text());
    let to = sent.header("location").unwrap();
    let query = to.strip_prefix(&format!("https://{ISSUER}/authorize?"));
    let back = w.net.issuer.agree(query.unwrap());
    let origin = format!("http://127.0.0.1:{LOCAL_PORT}");
    let back = back.strip_prefix(&origin).unwrap().to_owned();
    // One says nothing, one has begun to.
    let (silent, begun) = (w.connect(), w.connect());
    w.bytes(begun, b"GET /oauth/connect/r HTTP/1.1\r\nHost: 127.0");
    assert!(!w.peer(silent).closed && !w.peer(begun).closed);
    let (done, text) = ask(&mut w, &format!("GET {back}"), &cookie, "");
    assert_eq!(done.status, Some(200), "{text}");
    assert!(!w.vault.listens);
    assert!(w.peer(silent).closed && w.peer(begun).closed);
    w.bytes(begun, b".0.1\r\n\r\n");
    assert!(w.peer(begun).received.is_empty());
    w.advance(10);
    let servers = w.survey().servers;
    assert!(servers.iter().all(|one| one.state == State::Ready));
    assert_eq!(a.list(&mut w, "tools/list"), ["r_1mcp_t", "s_1mcp_v"]);
}

#[test]
fn x10_who_comes_there_takes_little() {
    let (mut w, _) = gateway();
    let long = "x".repeat(BROWSER_BODY_BYTES_MAX + 1);
    for path in ["/oauth/connect/r", "/mcp"] {
        let (response, body) = ask(&mut w, &format!("POST {path}"), FORM, &long);
        assert_eq!(response.status, Some(413), "{body}");
        assert!(!body.contains("16 MiB"), "{body}");
    }
    let before = w.counts().links;
    let links: Vec<LinkKey> = (0..=BROWSER_CONNECTIONS_MAX).map(|_| w.connect()).collect();
    assert_eq!(w.counts().links, before + BROWSER_CONNECTIONS_MAX);
    for link in links {
        w.input(Input::Broken { link });
    }
}
