//! `/metrics`: what is counted how, and who may see it (contract 5). That every request is counted
//! exactly once is looked at after every step of every story here (`World::settle`).

use std::net::{IpAddr, SocketAddr};

use onemcp::input::{Input, Port};
use serde_json::json;

use crate::client::Client;
use crate::http::Response;
use crate::server::{Seen, tools};
use crate::token::{guarded, token};
use crate::world::{World, entry};

const HERE: [u8; 4] = [127, 0, 0, 1];
const FAR: [u8; 4] = [192, 168, 1, 7];

/// A GET of `/metrics` from there, with these lines after the request line.
fn scrape_as(world: &mut World, from: [u8; 4], method: &str, fields: &str) -> (Response, String) {
    let link = world.new_link();
    let peer = SocketAddr::new(IpAddr::from(from), 1);
    let port = Port::Clients;
    world.input(Input::Accepted { link, peer, port });
    let request = format!("{method} /metrics HTTP/1.1\r\n{fields}\r\n");
    world.bytes(link, request.as_bytes());
    world.settle();
    let received = std::mem::take(&mut world.peer(link).received);
    let mut response = Response::default();
    let body = response.take(&received).concat();
    (response, body)
}

/// The page, as somebody at this machine sees it.
fn page(world: &mut World) -> String {
    let (response, body) = scrape_as(world, HERE, "GET", "Host: 127.0.0.1:3050\r\n");
    assert_eq!(response.status, Some(200), "{body}");
    body
}

/// Those series of calls that are not 0, but for lists and `initialize`.
fn calls(world: &mut World) -> Vec<String> {
    let text = page(world);
    let calls = text
        .lines()
        .filter_map(|line| line.strip_prefix("onemcp_calls_total"));
    let calls = calls.filter(|line| !line.contains("/list\"") && !line.contains("initialize"));
    calls.map(str::to_owned).collect()
}

fn series(server: &str, method: &str, tool: &str, outcome: &str, count: u64) -> String {
    format!(
        "{{server=\"{server}\",method=\"{method}\",tool=\"{tool}\",outcome=\"{outcome}\"}} {count}"
    )
}

fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

fn files() -> World {
    World::http()
        .server_with("files", r#""requestTimeout":1000"#, tools(["echo", "fail"]))
        .start()
}

fn call(w: &mut World, client: Client, name: &str) -> (crate::client::Call, Seen) {
    let call = client.call(w, &format!("files_1mcp_{name}"), "{}");
    let seen = w.server("files").expect(w, "tools/call");
    (call, seen)
}

#[test]
fn contract_5_each_end_of_a_call_is_counted_apart() {
    let mut w = files();
    let a = w.client("{}");
    let (one, seen) = call(&mut w, a, "echo");
    assert!(page(&mut w).contains("onemcp_calls_in_flight{server=\"files\"} 1\n"));
    w.advance(20);
    seen.result(&mut w, r#"{"content":[]}"#);
    one.result(&mut w);
    let (one, seen) = call(&mut w, a, "fail");
    seen.result(&mut w, r#"{"content":[],"isError":true}"#);
    one.result(&mut w);
    let (one, seen) = call(&mut w, a, "fail");
    seen.error(&mut w, r#"{"code":-1,"message":"no"}"#);
    one.error(&mut w);
    let (one, _) = call(&mut w, a, "echo");
    w.advance(60_000);
    one.error(&mut w);
    w.server("files").expect(&mut w, "notifications/cancelled");
    let (one, _) = call(&mut w, a, "echo");
    a.cancels(&mut w, &one);
    w.server("files").expect(&mut w, "notifications/cancelled");
    let (one, _) = call(&mut w, a, "echo");
    w.server("files").dies(&mut w);
    w.settle();
    one.error(&mut w);
    let down = a.call(&mut w, "files_1mcp_echo", "{}");
    down.error(&mut w);
    a.request(&mut w, "ping", "{}").result(&mut w);
    let tool = |tool, outcome, count| series("files", "tools/call", tool, outcome, count);
    assert_eq!(
        calls(&mut w),
        [
            series("", "ping", "", "ok", 1),
            tool("echo", "ok", 1),
            tool("echo", "timeout", 1),
            tool("echo", "cancelled", 1),
            tool("echo", "lost", 1),
            tool("echo", "refused", 1),
            tool("fail", "tool_error", 1),
            tool("fail", "error", 1),
        ]
    );
    let text = page(&mut w);
    for (name, wanted) in [
        ("onemcp_call_seconds_count{server=\"files\"}", 6),
        (
            "onemcp_call_seconds_bucket{server=\"files\",le=\"0.01\"}",
            4,
        ),
        (
            "onemcp_call_seconds_bucket{server=\"files\",le=\"0.025\"}",
            5,
        ),
        ("onemcp_calls_in_flight{server=\"files\"}", 0),
        ("onemcp_calls_in_flight{server=\"\"}", 0),
        ("onemcp_sessions{transport=\"http\"}", 1),
        ("onemcp_server_up{server=\"files\"}", 0),
        ("process_open_fds", 7),
    ] {
        assert_eq!(value(&text, name), wanted, "{name}\n{text}");
    }
    assert!(!text.contains("process_resident"), "absent, never 0");
    w.advance(60_000);
    let text = page(&mut w);
    let restarts = "onemcp_server_restarts_total{server=\"files\"}";
    assert_eq!(value(&text, restarts), 1);
    assert_eq!(value(&text, "onemcp_server_up{server=\"files\"}"), 1);
}

#[test]
fn contract_5_names_that_clients_choose_never_become_labels() {
    let mut w = files();
    let a = w.client("{}");
    for name in [
        "evil",
        "evil_1mcp_echo",
        "files_1mcp_evil",
        r#"evil\"} 1\nevil 2"#,
    ] {
        a.call(&mut w, name, "{}").error(&mut w);
    }
    a.request(&mut w, "evil/method", "{}").error(&mut w);
    a.request(&mut w, "prompts/get", r#"{"name":"evil"}"#)
        .error(&mut w);
    a.request(&mut w, "resources/read", r#"{"uri":"evil://x"}"#)
        .error(&mut w);
    let text = page(&mut w);
    assert!(!text.contains("evil"), "{text}");
    assert_eq!(
        calls(&mut w),
        [
            series("", "tools/call", "", "refused", 4),
            series("", "prompts/get", "", "refused", 1),
            series("", "resources/read", "", "refused", 1),
            series("", "other", "", "refused", 1),
        ]
    );
}

#[test]
fn contract_5_a_tool_that_only_its_server_may_know_counts_without_a_name() {
    // It has not told its tools, so it is asked for whatever somebody wants of it.
    let mut w = World::http()
        .server("files", tools(["echo"]).manual("tools/list"))
        .start();
    let a = w.client("{}");
    let one = a.call(&mut w, "files_1mcp_evil", "{}");
    w.settle();
    if w.server("files").has_next(&mut w, "tools/call") {
        let seen = w.server("files").expect(&mut w, "tools/call");
        seen.error(&mut w, r#"{"code":-32602,"message":"unknown"}"#);
    } else {
        w.advance(60_000);
    }
    one.error(&mut w);
    let text = page(&mut w);
    assert!(!text.contains("evil"), "{text}");
    assert!(calls(&mut w)[0].contains("tool=\"\""), "{text}");
}

#[test]
fn contract_5_requests_without_a_session_are_counted_as_others_are() {
    let mut w = files();
    let c = Client::modern(&mut w, "{}");
    let (one, seen) = call(&mut w, c, "echo");
    assert_eq!(value(&page(&mut w), "onemcp_exchanges"), 1);
    seen.result(&mut w, r#"{"content":[]}"#);
    one.result(&mut w);
    let (_, _) = call(&mut w, c, "echo");
    c.hangs_up(&mut w);
    w.settle();
    c.request(&mut w, "evil", "{}").error(&mut w);
    let tool = |outcome| series("files", "tools/call", "echo", outcome, 1);
    assert_eq!(
        calls(&mut w),
        [
            series("", "other", "", "refused", 1),
            tool("ok"),
            tool("cancelled"),
        ]
    );
    assert_eq!(value(&page(&mut w), "onemcp_exchanges"), 0);
}

#[test]
fn contract_5_a_session_that_ends_has_cancelled_what_it_waited_for() {
    let mut w = files();
    let a = w.client("{}");
    let (_, _) = call(&mut w, a, "echo");
    a.leaves(&mut w);
    w.settle();
    let cancelled = series("files", "tools/call", "echo", "cancelled", 1);
    assert_eq!(calls(&mut w), [cancelled]);
}

#[test]
fn contract_5_a_server_that_leaves_the_configuration_takes_its_series_along() {
    let mut w = files();
    let a = w.client("{}");
    let (one, seen) = call(&mut w, a, "echo");
    seen.result(&mut w, r#"{"content":[]}"#);
    one.result(&mut w);
    let (one, _) = call(&mut w, a, "echo");
    let received = value(&page(&mut w), "onemcp_calls_received_total");
    w.script("files");
    w.configure(&[]);
    one.error(&mut w);
    let text = page(&mut w);
    assert!(!text.contains("files"), "{text}");
    assert_eq!(value(&text, "onemcp_calls_forgotten_total"), 2);
    assert_eq!(value(&text, "onemcp_calls_received_total"), received);
    // It comes back, and begins anew; nobody is counted twice.
    w.configure(&[entry("files", "")]);
    w.advance(300);
    let (one, seen) = call(&mut w, a, "echo");
    seen.result(&mut w, r#"{"content":[]}"#);
    one.result(&mut w);
    assert_eq!(
        calls(&mut w),
        [series("files", "tools/call", "echo", "ok", 1)]
    );
    let text = page(&mut w);
    assert_eq!(value(&text, "onemcp_calls_forgotten_total"), 2);
}

#[test]
fn contract_5_metrics_are_for_this_machine_where_there_are_no_tokens() {
    let mut w = files();
    for host in ["127.0.0.1:3050", "localhost:3050", "[::1]:3050"] {
        let (response, _) = scrape_as(&mut w, HERE, "GET", &format!("Host: {host}\r\n"));
        assert_eq!(response.status, Some(200), "{host}");
        let kind = response.header("content-type");
        assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    }
    for (from, fields, why) in [
        (FAR, "Host: 127.0.0.1:3050\r\n", "from another one"),
        (
            HERE,
            "Host: 127.0.0.1:3050\r\nX-Forwarded-For: 127.0.0.1\r\n",
            "forwarded",
        ),
        (HERE, "Host: 192.168.1.5:3050\r\n", "Host"),
        // Without auth a token means nothing.
        (
            FAR,
            "Host: 127.0.0.1:3050\r\nAuthorization: Bearer x\r\n",
            "from another one",
        ),
    ] {
        let (response, body) = scrape_as(&mut w, from, "GET", fields);
        assert_eq!(response.status, Some(403), "{body}");
        assert!(
            body.contains(why) && body.contains("--enable-auth"),
            "{body}"
        );
        assert!(!body.contains("files"), "{body}");
    }
    // As everywhere (C13).
    let (response, body) = scrape_as(&mut w, HERE, "GET", "Host: evil.example\r\n");
    assert_eq!(response.status, Some(403), "{body}");
    assert!(body.contains("--allowed-hosts"), "{body}");
    let (response, body) = scrape_as(&mut w, HERE, "HEAD", "Host: 127.0.0.1:3050\r\n");
    assert_eq!((response.status, body.as_str()), (Some(200), ""));
    let (response, _) = scrape_as(&mut w, HERE, "PUT", "Host: 127.0.0.1:3050\r\n");
    assert_eq!(response.status, Some(405));
}

#[test]
fn contract_5_behind_an_external_url_nobody_is_at_this_machine() {
    let mut w = World::http()
        .settings(|settings| settings.external_url = Some("https://mcp.example".to_owned()))
        .start();
    let (response, body) = scrape_as(&mut w, HERE, "GET", "Host: 127.0.0.1:3050\r\n");
    assert_eq!(response.status, Some(403), "{body}");
}

#[test]
fn contract_5_with_auth_a_token_that_is_good_for_everything_opens_metrics() {
    let mut w = guarded().server("files", tools(["echo"])).open();
    let host = "Host: 127.0.0.1:3050\r\n";
    let (response, body) = scrape_as(&mut w, HERE, "GET", host);
    assert_eq!(response.status, Some(401), "{body}");
    let challenge = response.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer resource_metadata="),
        "{challenge}"
    );
    let bad = format!("{host}Authorization: Bearer x\r\n");
    let (response, _) = scrape_as(&mut w, FAR, "GET", &bad);
    assert_eq!(response.status, Some(401));
    let challenge = response.header("www-authenticate").unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    let some = token(&mut w, 1, "tag:a");
    let some = format!("{host}Authorization: Bearer {some}\r\n");
    let (response, body) = scrape_as(&mut w, HERE, "GET", &some);
    assert_eq!(response.status, Some(403), "{body}");
    let challenge = response.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    let all = token(&mut w, 2, "mcp");
    let all = format!("{host}Authorization: Bearer {all}\r\n");
    let (response, body) = scrape_as(&mut w, FAR, "GET", &all);
    assert_eq!(response.status, Some(200), "{body}");
    assert!(
        body.contains("onemcp_server_up{server=\"files\"} 1"),
        "{body}"
    );
}

#[test]
fn contract_5_bytes_are_counted_in_both_directions() {
    let mut w = files();
    let a = w.client("{}");
    let (before, long) = (page(&mut w), "x".repeat(5000));
    let arguments = json!({ "text": long }).to_string();
    let one = a.call(&mut w, "files_1mcp_echo", &arguments);
    let seen = w.server("files").expect(&mut w, "tools/call");
    seen.result(&mut w, &json!({"content": [], "x": long}).to_string());
    one.result(&mut w);
    let after = page(&mut w);
    for name in [
        "onemcp_client_bytes_total{direction=\"in\"}",
        "onemcp_client_bytes_total{direction=\"out\"}",
        "onemcp_server_bytes_total{server=\"files\",direction=\"in\"}",
        "onemcp_server_bytes_total{server=\"files\",direction=\"out\"}",
    ] {
        let grown = value(&after, name) - value(&before, name);
        // The page itself goes to a client.
        let most = if name.contains("client") && name.contains("out") {
            20_000
        } else {
            6_000
        };
        assert!((5_000..most).contains(&grown), "{name} {grown}");
    }
}

#[test]
fn contract_8_a_call_is_one_line_with_what_became_of_it_and_no_payload() {
    let mut w = files();
    let a = w.client("{}");
    let one = a.call(&mut w, "files_1mcp_echo", r#"{"text":"secret"}"#);
    let seen = w.server("files").expect(&mut w, "tools/call");
    w.advance(12);
    seen.result(&mut w, r#"{"content":[]}"#);
    let length = one.line(&mut w).unwrap().len();
    let is_call = |line: &&String| line.starts_with("Debug call method=tools/call");
    let lines: Vec<String> = w.log.iter().filter(is_call).cloned().collect();
    assert_eq!(lines.len(), 1, "{:?}", w.log);
    let begins = "Debug call method=tools/call server=files tool=echo outcome=ok ms=12 bytes_in=";
    assert!(lines[0].starts_with(begins), "{}", lines[0]);
    assert!(
        lines[0].ends_with(&format!(" bytes_out={length}")),
        "{}",
        lines[0]
    );
    assert!(!lines[0].contains("secret"));
}
