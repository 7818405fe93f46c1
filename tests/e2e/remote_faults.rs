//! The fault table of remote servers with real sockets: in every row the caller gets a clear error
//! in bounded time, other servers serve meanwhile, and calls are answered when the fault has ended.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::dir::{Dir, fixture};
use crate::support::gateway::Gateway;
use crate::support::mcp::{Client, text_of};
use crate::support::program;
use crate::support::remote::{Act, End, Of, Remote, clear, tls, tunnel};

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
        Self::around(r, change, &[])
    }

    /// The same with these variables in the environment.
    #[track_caller]
    fn around(r: Remote, change: &dyn Fn(&mut Value), variables: &[(&str, String)]) -> Self {
        let q = Remote::start();
        let dir = Dir::new();
        let mut entry = json!({"url": r.url(), "requestTimeout": 3_000});
        change(&mut entry);
        dir.servers(&[
            ("r", entry),
            ("q", json!({"url": q.url()})),
            ("s", fixture(&[])),
        ]);
        // Failures are rehearsed by what cargo builds with the tests, and by nothing else.
        let rehearses = variables
            .iter()
            .any(|(name, _)| name.starts_with("ONE_MCP"));
        let mut command = match rehearses {
            true => program::rehearsing(dir.path(), &["serve", "--port", "0", "--config-dir"]),
            false => program::command(dir.path(), &["serve", "--port", "0", "--config-dir"]),
        };
        command.arg(dir.path()).args(["--log-level", "debug"]);
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
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

/// A server of a name whose look-ups are rehearsed; the directory with its addresses.
fn named() -> (Row, Dir) {
    let names = Dir::new();
    let r = Remote::start();
    let url = format!("http://r.test:{}/mcp", r.port);
    let change = |entry: &mut Value| entry["url"] = json!(url);
    let directory = names.path().to_str().unwrap().to_owned();
    let row = Row::around(r, &change, &[("ONE_MCP_RESOLVER", directory)]);
    (row, names)
}

#[test]
fn dns_that_never_answers() {
    let (mut row, names) = named();
    // From the start.
    row.gateway.log.containing("r.test");
    row.others_serve();
    row.fails(&["r.test"]);
    names.replace("r.test", "127.0.0.1\n");
    row.gateway.log.containing("server=r ready");
    row.recovers();
    // And in the middle.
    std::fs::remove_file(names.file("r.test")).unwrap();
    row.r.cut();
    row.fails(&[]);
    row.others_serve();
    names.replace("r.test", "127.0.0.1\n");
    row.recovers();
    row.gateway.stop();
}

#[test]
fn dns_that_says_something_else_later() {
    let (mut row, names) = named();
    names.replace("r.test", "127.0.0.1\n");
    row.gateway.log.containing("server=r ready");
    row.serves();
    row.r.goes();
    row.fails(&["r.test", "refused"]);
    row.r.comes_at([127, 0, 0, 2].into());
    names.replace("r.test", "127.0.0.2\n");
    row.recovers();
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

// --- TLS ---

/// Trusts the authority of tests/tls.
fn trusted() -> (&'static str, String) {
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem");
    ("SSL_CERT_FILE", ca.to_owned())
}

/// A server with this certificate, at `https://localhost`.
#[track_caller]
fn secure(certificate: &str, variables: &[(&str, String)]) -> Row {
    let r = Remote::wrapped(tls(certificate));
    let port = r.port;
    let url =
        move |entry: &mut Value| entry["url"] = json!(format!("https://localhost:{port}/mcp"));
    Row::around(r, &url, variables)
}

#[test]
fn a_certificate_that_is_bad_from_the_start() {
    for (certificate, words) in [
        ("expired", "expired on 2020-12-31"),
        ("other-name", "is for other names: example.org"),
        (
            "self-signed",
            "is signed by an authority that is not trusted",
        ),
    ] {
        let mut row = secure(certificate, &[trusted()]);
        let line = row.gateway.log.containing(words);
        assert!(line.contains("localhost"), "{line}");
        row.fails(&["server r"]);
        row.r.wrap(tls("good"));
        row.gateway.log.containing("server=r ready");
        row.recovers();
        row.gateway.stop();
    }
}

#[test]
fn a_certificate_that_becomes_bad() {
    for (certificate, words) in [
        ("expired", "expired"),
        ("other-name", "other names"),
        ("self-signed", "not trusted"),
    ] {
        let mut row = secure("good", &[trusted()]);
        row.serves();
        row.r.wrap(tls(certificate));
        row.fails(&["certificate of localhost", words]);
        row.r.wrap(tls("good"));
        row.recovers();
        row.gateway.stop();
    }
}

#[test]
fn an_authority_that_nobody_named_is_not_trusted() {
    let mut row = secure("good", &[]);
    row.gateway
        .log
        .containing("pass its PEM with serve --ca-file, or in SSL_CERT_FILE");
    row.others_serve();
    row.gateway.stop();
}

#[test]
fn tls_where_there_is_none_and_none_where_there_is() {
    let mut row = secure("good", &[trusted()]);
    row.serves();
    row.r.wrap(|mut stream| {
        stream.read_exact(&mut [0; 16]).ok()?;
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        stream.write_all(answer).ok()?;
        None
    });
    row.fails(&["does not speak TLS"]);
    // Nor does who says nothing at all; but that is not known for sure.
    row.r.wrap(clear);
    row.fails(&[]);
    row.r.wrap(tls("good"));
    row.recovers();
    row.gateway.stop();
    let mut row = Row::new();
    row.serves();
    row.r.wrap(tls("good"));
    row.fails(&["127.0.0.1"]);
    row.r.wrap(clear);
    row.recovers();
    row.gateway.stop();
}

#[test]
fn cut_off_within_tls() {
    let half = format!("{HEAD}Content-Length: 99\r\n\r\n{{\"jsonrpc\"");
    let mut row = secure("good", &[trusted()]);
    row.serves();
    // The end of the socket is no end of TLS: here an answer without a length would look whole.
    for act in [
        Act::Says(half.into(), End::Closed),
        Act::Says(HEAD.as_bytes().to_vec(), End::Closed),
        Act::Says(format!("{HEAD}\r\n{{}}").into(), End::Closed),
    ] {
        row.r.breaks(Of::Calls, act);
        row.fails(&["localhost"]);
        row.r.heals();
        row.recovers();
    }
    row.gateway.stop();
}

// --- proxies ---

/// A proxy with a password on the way to a server that is nowhere else.
fn by_proxy(r: Remote, url: &'static str) -> Row {
    let way = format!("http://user:pass-1@127.0.0.1:{}", r.port);
    let ways = [("HTTP_PROXY", way.clone()), ("HTTPS_PROXY", way), trusted()];
    Row::around(r, &|entry| entry["url"] = json!(url), &ways)
}

#[test]
fn a_proxy_that_fails() {
    let mut row = by_proxy(Remote::start(), "http://far.example/mcp");
    row.serves();
    let requests = row.r.requests();
    let line = "POST http://far.example/mcp HTTP/1.1\r\nHost: far.example\r\n";
    assert!(
        requests
            .iter()
            .all(|one| one.head.starts_with(line) || one.head.starts_with("GET "))
    );
    for (status, words) in [(502, "502"), (407, "407")] {
        row.r.breaks(Of::All, Act::status(status, "", ""));
        row.fails(&[words]);
        row.r.heals();
        row.recovers();
    }
    row.r.goes();
    row.fails(&["127.0.0.1"]);
    row.r.comes();
    row.recovers();
    assert!(!row.gateway.log.text().contains("pass-1"));
    row.gateway.stop();
}

#[test]
fn a_proxy_that_lets_nobody_through() {
    let through = || tunnel(200, tls("other-name"));
    let mut row = by_proxy(Remote::wrapped(through()), "https://example.org/mcp");
    row.serves();
    for (status, words) in [(407, "user name and password"), (403, "answered 403")] {
        row.r.wrap(tunnel(status, clear));
        row.fails(&["proxy", words]);
        row.r.wrap(through());
        row.recovers();
    }
    row.r.wrap(tunnel(200, tls("expired")));
    row.fails(&["certificate of example.org"]);
    row.r.wrap(through());
    row.recovers();
    assert!(!row.gateway.log.text().contains("pass-1"));
    row.gateway.stop();
}
