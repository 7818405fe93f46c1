//! The fault table of remote servers with real sockets: in every row the caller gets a clear error
//! in bounded time, other servers serve meanwhile, and calls are answered when the fault has ended.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::dir::{Dir, fixture};
use crate::support::gateway::{self, Gateway};
use crate::support::mcp::{Client, text_of};
use crate::support::remote::{Act, End, Of, Remote};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                      Transfer-Encoding: chunked\r\n\r\n";

/// A gateway over a remote server `r`, another one `q`, and a child `s`.
struct Row {
    r: Remote,
    _q: Remote,
    gateway: Gateway,
    client: Client,
    _dir: Dir,
}

impl Row {
    #[track_caller]
    fn new() -> Self {
        Self::with(Remote::start(), &|_| {})
    }

    #[track_caller]
    fn with(r: Remote, change: &dyn Fn(&mut Value)) -> Self {
        let q = Remote::start();
        let dir = Dir::new();
        let mut entry = json!({"url": r.url(), "requestTimeout": 3_000});
        change(&mut entry);
        dir.servers(&[
            ("r", entry),
            ("q", json!({"url": q.url()})),
            ("s", fixture(&[])),
        ]);
        let mut command = gateway::serve(dir.path(), &["--log-level", "debug"]);
        command.env("SSL_CERT_FILE", dir.file("ca.pem"));
        let gateway = Gateway::of(&mut command);
        let client = Client::open(gateway.port);
        let mut row = Self {
            r,
            _q: q,
            gateway,
            client,
            _dir: dir,
        };
        row.others_serve();
        row
    }

    #[track_caller]
    fn others_serve(&mut self) {
        self.client.echo("s");
        let response = self.client.call("q_1mcp_t", &json!({}));
        assert_eq!(text_of(&response), "far", "{response}");
    }

    fn call(&mut self) -> Value {
        self.client.call("r_1mcp_t", &json!({}))
    }

    #[track_caller]
    fn serves(&mut self) {
        let response = self.call();
        assert_eq!(text_of(&response), "far", "{response}");
    }

    /// A call fails with all of these words.
    #[track_caller]
    fn fails(&mut self, words: &[&str]) {
        let response = self.call();
        let text = response["error"]["message"].as_str();
        let text = text.unwrap_or_else(|| panic!("{response}")).to_owned();
        println!("{text}");
        for word in words.iter().chain(&["server r"]) {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
        self.others_serve();
    }

    /// Serves again within the time that a test may take.
    #[track_caller]
    fn recovers(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let response = self.call();
            if response.get("result").is_some() {
                break;
            }
            assert!(Instant::now() < end, "{response}");
            self.r.hears();
        }
        self.others_serve();
    }
}

/// One row: calls are treated in this way, and fail with these words.
#[track_caller]
fn row(words: &[&str], act: Act) {
    let mut row = Row::new();
    row.serves();
    row.r.breaks(Of::Calls, act);
    row.fails(words);
    row.r.heals();
    row.recovers();
    row.gateway.stop();
}

#[test]
fn connection_refused() {
    let mut row = Row::new();
    row.serves();
    row.r.goes();
    row.fails(&["127.0.0.1"]);
    row.fails(&["127.0.0.1", "refused"]);
    row.r.comes();
    row.recovers();
    row.gateway.stop();
}

#[test]
fn refused_from_the_start() {
    let mut r = Remote::start();
    r.goes();
    let mut row = Row::with(r, &|_| {});
    row.gateway.log.containing("server=r");
    row.r.comes();
    row.gateway.log.containing("server=r ready");
    row.recovers();
    row.gateway.stop();
}

#[test]
fn reset_before_the_response() {
    row(&["127.0.0.1"], Act::Says(Vec::new(), End::Reset));
}

#[test]
fn closed_before_the_response() {
    row(&["127.0.0.1"], Act::Says(Vec::new(), End::Closed));
}

#[test]
fn reset_in_the_head() {
    let half = HEAD.as_bytes()[..30].to_vec();
    row(
        &["in the middle of the response head"],
        Act::Says(half, End::Reset),
    );
}

#[test]
fn reset_in_the_body() {
    let half = format!("{HEAD}Content-Length: 99\r\n\r\n{{\"jsonrpc\"");
    row(
        &["in the middle of the response"],
        Act::Says(half.into(), End::Reset),
    );
}

#[test]
fn reset_in_the_stream() {
    let half = format!("{STREAM}5\r\ndata:\r\n");
    row(&["127.0.0.1"], Act::Says(half.clone().into(), End::Reset));
    row(&["127.0.0.1"], Act::Says(half.into(), End::Closed));
}

#[test]
fn a_wrong_content_type() {
    row(
        &["text/html"],
        Act::status(200, "Content-Type: text/html\r\n", "<html>Sign in</html>"),
    );
}

#[test]
fn ok_with_garbage() {
    for body in ["garbage", "{", "[]", "{\"jsonrpc\":\"2.0\"}"] {
        row(
            &["no response"],
            Act::status(200, "Content-Type: application/json\r\n", body),
        );
    }
}

#[test]
fn no_http_at_all() {
    let hello = b"SSH-2.0-OpenSSH_9.6\r\n".to_vec();
    row(&["127.0.0.1"], Act::Says(hello, End::Open));
}

#[test]
fn oversized() {
    let head = format!("{HEAD}Content-Length: 99999999999\r\n\r\n");
    row(&["more than 32 MiB"], Act::Says(head.into(), End::Open));
}

#[test]
fn oversized_in_chunks() {
    let mut bytes = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    let piece = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
    for _ in 0..=onemcp::limits::RESPONSE_BODY_BYTES_MAX >> 20 {
        bytes.extend(piece.as_bytes());
    }
    row(&["more than 32 MiB"], Act::Says(bytes, End::Open));
}

#[test]
fn a_slow_head() {
    let slow = Act::Drips("HTTP/1.1 200 OK\r\nX-", "x", Duration::from_millis(200));
    row(&[], slow);
}

#[test]
fn a_head_without_end() {
    let fast = Act::Drips("HTTP/1.1 200 OK\r\n", "X-A: aaaaaaaa\r\n", Duration::ZERO);
    row(&["127.0.0.1"], fast);
}

#[test]
fn silence() {
    row(&[], Act::Says(Vec::new(), End::Open));
    row(&[], Act::Says(STREAM.into(), End::Open));
}

#[test]
fn a_redirect_in_a_loop() {
    row(&["redirect"], Act::status(307, "Location: /mcp\r\n", ""));
}

#[test]
fn a_redirect_to_another_origin() {
    let elsewhere = Remote::start();
    let location = format!("Location: {}\r\n", elsewhere.url());
    row(&["redirect"], Act::status(307, &location, ""));
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn a_session_that_is_lost_is_replaced_unnoticed() {
    let mut row = Row::new();
    row.serves();
    row.r.forgets_sessions();
    row.serves();
    // As well when the whole server was started again between two calls.
    row.r.goes();
    row.r.comes();
    row.recovers();
    row.gateway.stop();
}

#[test]
fn a_server_that_was_started_again_with_other_tools() {
    let mut row = Row::new();
    row.serves();
    let mut events = row.client.listen();
    row.r.goes();
    row.r.has_more(&["new"]);
    row.r.comes();
    row.client.until(&mut events, |tools| {
        tools.iter().any(|tool| tool == "r_1mcp_new")
    });
    row.gateway.stop();
}

#[test]
fn answers_that_nobody_asked_for() {
    let body = r#"{"jsonrpc":"2.0","id":999999,"result":{}}"#;
    row(
        &["no response", "999999"],
        Act::status(200, "Content-Type: application/json\r\n", body),
    );
}

#[test]
fn too_many_requests_and_unavailable() {
    for status in [429, 503] {
        row(
            &[&status.to_string(), "1"],
            Act::status(status, "Retry-After: 1\r\n", ""),
        );
    }
}

#[test]
fn other_statuses() {
    for status in [403, 500, 502] {
        row(&[&status.to_string()], Act::status(status, "", "no"));
    }
}

#[test]
fn flapping() {
    let mut row = Row::new();
    for _ in 0..3 {
        row.serves();
        row.r.goes();
        row.fails(&[]);
        row.r.comes();
        row.recovers();
    }
    row.gateway.stop();
}

#[test]
fn a_name_without_an_address() {
    let mut row = Row::with(Remote::start(), &|entry| {
        entry["url"] = json!("http://nowhere.invalid:9/mcp");
    });
    row.others_serve();
    row.gateway.log.containing("nowhere.invalid");
    row.others_serve();
    row.gateway.stop();
}
