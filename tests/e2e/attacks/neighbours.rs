//! Somebody else on the machine where a gateway runs whose client is its own stdin: the loopback
//! port that is open while a server awaits its owner.

use std::net::TcpStream;

use onemcp::base::form::Form;
use serde_json::json;

use crate::support::dir::{Dir, fixture};
use crate::support::http::{Answer, Connection};
use crate::support::locked::{Browser, Locked, csrf};
use crate::support::mcp::initialize;
use crate::support::program::cli;
use crate::support::stdio::{self, Stdio};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str =
    "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

#[track_caller]
fn ask(port: u16, line: &str, fields: &str, body: &str) -> Answer {
    let mut connection = Connection::open(port);
    let length = body.len();
    connection.send(format!(
        "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    ));
    let answer = connection.answer();
    assert!(connection.rest().is_empty());
    answer
}

/// The port of a URL of ours, and what is behind it.
fn parts(url: &str) -> (u16, &str) {
    let rest = url.strip_prefix("http://127.0.0.1:").unwrap();
    let (port, _) = rest.split_once('/').unwrap();
    (port.parse().unwrap(), &rest[port.len()..])
}

#[test]
fn x8_who_finds_the_port_of_a_stdio_gateway_finds_nothing_there() {
    let site = Locked::start(&[]);
    let dir = Dir::new();
    let far = json!({"url": format!("{}/mcp", site.own())});
    dir.servers(&[("far", far), ("near", fixture(&[]))]);
    let mut client = Stdio::start(&mut stdio::serve(dir.path(), &[]));
    let url = client.gateway.log.find("the page", |line| {
        let (_, rest) = line.split_once("server=far awaits authorization")?;
        let from = rest.find("http://127.0.0.1:")?;
        let url = rest[from..].split_whitespace().next()?;
        Some(url.to_owned())
    });
    let shown = cli(dir.path(), &["mcp", "status"]);
    assert!(shown.out().contains(&url), "{}", shown.out());
    let (port, page) = parts(&url);

    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize()});
    for (line, fields, body) in [
        ("POST /mcp", JSON, hello.to_string()),
        ("GET /mcp", JSON, String::new()),
        ("DELETE /mcp", "", String::new()),
        ("OPTIONS /mcp", "", String::new()),
        ("GET /sse", JSON, String::new()),
        ("POST /messages?sessionId=x", JSON, hello.to_string()),
        ("GET /", "", String::new()),
        ("GET /health", "", String::new()),
        ("GET /health/live", "", String::new()),
        ("GET /health/ready", "", String::new()),
        ("GET /health/mcp", "", String::new()),
        ("GET /health/mcp/near", "", String::new()),
        ("GET /oauth", "", String::new()),
        ("POST /oauth/retry", FORM, "server=far".to_owned()),
        ("GET /oauth/login", "", String::new()),
        ("POST /oauth/login", FORM, "password=x".to_owned()),
        ("POST /oauth/logout", FORM, String::new()),
        ("GET /oauth/client.json", "", String::new()),
        ("GET /authorize", "", String::new()),
        ("POST /token", FORM, String::new()),
        ("POST /register", JSON, "{}".to_owned()),
        ("POST /revoke", FORM, String::new()),
        (
            "GET /.well-known/oauth-authorization-server",
            "",
            String::new(),
        ),
        ("GET /nothing", "", String::new()),
    ] {
        let answer = ask(port, line, fields, &body);
        assert_eq!(answer.status, 404, "{line}: {answer:?}");
        assert!(!answer.text().contains("near"), "{line}: {answer:?}");
    }
    for line in [
        "GET /oauth/connect/far",
        "GET /oauth/connect/far?ticket=x",
        "POST /oauth/connect/far",
    ] {
        assert_eq!(ask(port, line, FORM, "").status, 403, "{line}");
    }
    assert_eq!(ask(port, "GET /oauth/callback", "", "").status, 400);

    // The owner has the URL: he goes the whole way, and nobody finds the port any more.
    let shown = ask(port, &format!("GET {page}"), "Accept: text/html\r\n", "");
    let cookie = shown.header("set-cookie").unwrap().split(';').next();
    let cookie = format!("Cookie: {}\r\nAccept: text/html\r\n", cookie.unwrap());
    let button = Form::default().with("csrf", &csrf(&shown)).text();
    let path = page.split('?').next().unwrap();
    let sent = ask(
        port,
        &format!("POST {path}"),
        &(cookie.clone() + FORM),
        &button,
    );
    assert_eq!(sent.status, 303, "{sent:?}");
    let there = sent.header("location").unwrap();
    let (_, query) = there.split_once("/authorize?").unwrap();
    let wish = Form::parse(query.as_bytes()).unwrap();
    let agreed = Browser::owner(&site).decides(&wish, "allow");
    let (back_port, back) = parts(agreed.header("location").unwrap());
    assert_eq!(back_port, port);
    let done = ask(port, &format!("GET {back}"), &cookie, "");
    assert_eq!(done.status, 200, "{done:?}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    client.gateway.log.containing("server=far ready");
    let called = client.call("far_1mcp_one_1mcp_echo", &json!({"text": "hello"}));
    assert_eq!(called["result"]["content"][0]["text"], "hello", "{called}");
}
