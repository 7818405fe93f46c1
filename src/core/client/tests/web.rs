//! HTTP around MCP: C13, CORS, connections, timeouts.

use std::rc::Rc;

use super::kit::*;
use crate::base::parents::Parents;
use crate::language::ClientEvent;
use crate::limits::{BODY_IDLE_MS_MAX, HEAD_MS_MAX, KEEP_ALIVE_IDLE_MS_MAX, LINGER_MS_MAX};
use crate::mcp::version::Version;
use crate::settings::Settings;

#[test]
fn c13_host_and_origin_are_checked_before_anything_else() {
    let mut kit = Kit::default();
    for field in [("Host", "evil.example"), ("Origin", "https://evil.example")] {
        for (method, path) in [
            ("POST", "/mcp"),
            ("GET", "/mcp"),
            ("DELETE", "/mcp"),
            ("PUT", "/mcp"),
            ("OPTIONS", "/mcp"),
            ("GET", "/sse"),
            ("POST", "/messages?sessionId=0"),
        ] {
            let (_, told, answer) = kit.ask_http(&http(method, path, &[field], ""));
            assert!(told.is_empty());
            assert_eq!(
                (answer.status, answer.code()),
                (403, -32600),
                "{method} {path}"
            );
            assert!(answer.body.contains("evil.example"));
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        let (_, told, answer) = kit.ask_http(&http("GET", "/health", &[field], ""));
        assert!(told.is_empty());
        assert_eq!(answer.status, 403);
        assert!(answer.body.starts_with(r#"{"error":"#) && answer.body.contains("--allowed-"));
    }
}

#[test]
fn contract_3_a_request_that_comes_round_is_refused_and_others_are_remembered() {
    let own = Parents::new("self", ["starter"].into_iter());
    let settings = Settings {
        parents: Rc::new(own),
        ..Settings::default()
    };
    let mut kit = Kit::with(&settings);
    let said = |kit: &Kit| settings.parents.say(kit.world.now.tick).unwrap();
    let round = [("X-1MCP-parents", "other, self")];
    for request in [
        post(&round, &initialize("2025-06-18")),
        http("GET", "/mcp", &round, ""),
        http("GET", "/sse", &round, ""),
        http("POST", "/messages?sessionId=0", &round, "{}"),
    ] {
        let (_, told, answer) = kit.ask_http(&request);
        assert!(told.is_empty());
        assert_eq!((answer.status, answer.code()), (508, -32600));
        assert!(answer.body.contains("Loop detected"), "{}", answer.body);
    }
    let (_, _, page) = kit.ask_http(&http("GET", "/health/live", &round, ""));
    assert_eq!(page.status, 0, "left to the hall");
    assert_eq!(said(&kit), "self,starter");
    let from = [("X-1mcp-Parents", "other,another")];
    let (_, told, _) = kit.ask_http(&post(&from, &initialize("2025-06-18")));
    assert_eq!(told.len(), 1);
    assert_eq!(said(&kit), "self,starter,other,another");
}

#[test]
fn x15_pages_of_allowed_origins_may_read_every_answer() {
    let mut kit = Kit::default();
    let origin = "http://localhost:6274";
    let fields = [("Origin", origin), ("Host", "localhost:3050")];
    let (link, told, _) = kit.ask_http(&post(&fields, &initialize("2025-06-18")));
    let (client, at, _) = told[0].request();
    kit.answer(client, at, RESULT);
    let opened = Answer::read(&kit.take_bytes(link));
    let (_, _, refused) = kit.ask_http(&post(&fields, "{"));
    let id = opened.header("mcp-session-id").unwrap();
    let get = [fields[0], fields[1], ("Mcp-Session-Id", id)];
    let (_, _, stream) = kit.ask_http(&http("GET", "/mcp", &get, ""));
    for answer in [&opened, &refused, &stream] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("Mcp-Session-Id"));
    }
    // The next request on the same connection comes from no page.
    kit.send(link, post(&[], "{"));
    let plain = Answer::read(&kit.take_bytes(link));
    assert_eq!(plain.header("access-control-allow-origin"), None);
}

#[test]
fn x15_preflight_names_what_may_be_sent() {
    let mut kit = Kit::default();
    let fields = [
        ("Origin", "http://127.0.0.1:1234"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "mcp-param-x"),
    ];
    let (_, told, answer) = kit.ask_http(&http("OPTIONS", "/mcp", &fields, ""));
    assert!(told.is_empty());
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("Last-Event-ID") && allowed.contains("mcp-param-x"));
    let (_, _, answer) = kit.ask_http(&http("OPTIONS", "/mcp", &[], ""));
    assert_eq!(
        (answer.status, answer.header("allow").is_some()),
        (204, true)
    );
}

#[test]
fn contract_5_wrong_methods_and_paths() {
    let mut kit = Kit::default();
    for (method, path, allow) in [
        ("PUT", "/mcp", "GET, POST, DELETE, OPTIONS"),
        ("POST", "/sse", "GET, OPTIONS"),
        ("GET", "/messages", "POST, OPTIONS"),
    ] {
        let (_, _, answer) = kit.ask_http(&http(method, path, &[], ""));
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)));
        assert_eq!(answer.code(), -32600);
    }
    let (_, _, answer) = kit.ask_http(&http("DELETE", "/health", &[], ""));
    assert_eq!(
        (answer.status, answer.header("allow").is_some()),
        (405, true)
    );
    let (_, _, answer) = kit.ask_http(&http("GET", "/nothing", &[], ""));
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains(r#""hint":"#));
}

#[test]
fn contract_5_http_1_0_is_answered_and_closed() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let old = session.http("GET", &[], "").replace("HTTP/1.1", "HTTP/1.0");
    let link = kit.connect();
    kit.send(link, old);
    let raw = kit.take(link);
    assert!(raw.contains("\r\n\r\nid: 0-0\ndata: \n\n") && !raw.contains("chunked"));
    kit.tell(session.client, NOTE);
    assert_eq!(kit.take(link), format!("id: 0-1\ndata: {NOTE}\n\n"));
    let old = session
        .post(&[], &request("1"))
        .replace("HTTP/1.1", "HTTP/1.0");
    let link = kit.connect();
    let told = kit.send(link, old);
    let (client, at, _) = told[0].request();
    kit.answer(client, at, RESULT);
    let answer = Answer::read(&kit.take_bytes(link));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.body, RESULT);
}

#[test]
fn rfc9110_10_1_1_expect_is_answered_before_the_body() {
    let mut kit = Kit::default();
    let text = post(&[("Expect", "100-continue")], &initialize("2025-06-18"));
    let end = text.find("\r\n\r\n").unwrap() + 4;
    let link = kit.connect();
    assert!(kit.send(link, &text[..end]).is_empty());
    assert_eq!(kit.take(link), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(kit.send(link, &text[end..]).len(), 1);
}

#[test]
fn rfc9112_9_6_after_the_last_answer_we_wait_for_the_peer() {
    for peer_closes in [true, false] {
        let mut kit = Kit::default();
        let link = kit.connect();
        kit.send(
            link,
            http("GET", "/nothing", &[("Connection", "close")], ""),
        );
        let answer = Answer::read(&kit.take_bytes(link));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(kit.closed().is_empty());
        assert_eq!(kit.clients.count().connections, 1);
        if peer_closes {
            kit.eof(link);
        } else {
            // What it still sends is thrown away.
            assert!(kit.send(link, post(&[], "{")).is_empty());
            kit.wait(LINGER_MS_MAX);
        }
        assert_eq!(kit.closed(), [link]);
        assert_eq!(kit.clients.count().connections, 0);
        assert!(kit.world.timers.is_empty());
    }
}

#[test]
fn rfc9112_a_half_closed_peer_still_gets_its_answer() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let call = kit.call(&session, &[], "1");
    assert!(kit.eof(call.link).is_empty());
    kit.answer(call.client, call.at, RESULT);
    kit.pull();
    assert!(kit.closed().iter().all(|link| *link != call.link));
    assert_eq!(Answer::read(&kit.take_bytes(call.link)).body, RESULT);
    assert_eq!(kit.closed(), [call.link]);
}

#[test]
fn slow_senders_get_408_and_idle_connections_are_closed() {
    let mut kit = Kit::default();
    let idle = kit.connect();
    kit.wait(KEEP_ALIVE_IDLE_MS_MAX + LINGER_MS_MAX);
    assert_eq!(kit.closed(), [idle]);
    let head = kit.connect();
    kit.send(head, "POST /mcp HTTP/1.1\r\n");
    kit.wait(HEAD_MS_MAX / 2);
    kit.send(head, "Host: localhost\r\n");
    kit.wait(HEAD_MS_MAX / 2);
    assert_eq!(Answer::read(&kit.take_bytes(head)).status, 408);
    let body = kit.connect();
    let text = post(&[], &initialize("2025-06-18"));
    kit.send(body, &text[..text.len() - 2]);
    kit.wait(BODY_IDLE_MS_MAX - 1);
    kit.send(body, &text[text.len() - 2..text.len() - 1]);
    kit.wait(BODY_IDLE_MS_MAX - 1);
    assert_eq!(kit.take(body), "");
    kit.wait(1);
    assert_eq!(Answer::read(&kit.take_bytes(body)).status, 408);
    kit.wait(LINGER_MS_MAX);
    assert_eq!(kit.clients.count().connections, 0);
}

#[test]
fn a_body_that_waited_for_us_gets_its_time() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let call = kit.call(&session, &[("Accept", "application/json")], "1");
    let next = post(&[], &initialize("2025-06-18"));
    kit.send(call.link, &next[..next.len() - 1]);
    kit.wait(2 * BODY_IDLE_MS_MAX);
    kit.answer(call.client, call.at, RESULT);
    kit.pull();
    kit.take_bytes(call.link);
    kit.wait(BODY_IDLE_MS_MAX - 1);
    assert_eq!(kit.take(call.link), "");
    let told = kit.send(call.link, &next[next.len() - 1..]);
    assert!(matches!(told[0].event, ClientEvent::Initialize { .. }));
}

#[test]
fn a_request_that_can_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let mut kit = Kit::default();
    let text = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\
                Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let (link, told, answer) = kit.ask_http(text);
    assert!(told.is_empty());
    assert_eq!(
        (answer.status, answer.header("connection")),
        (400, Some("close"))
    );
    assert!(answer.body.contains(r#""error":"#));
    assert!(kit.send(link, post(&[], "{")).is_empty());
    assert_eq!(kit.take(link), "");
}
