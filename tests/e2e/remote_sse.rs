//! Servers of the 2024-11-05 transport with real sockets: the fixture at /sse, good and bad.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::support::dir::Dir;
use crate::support::gateway::Gateway;
use crate::support::lines::Lines;
use crate::support::mcp::{Client, text_of};
use crate::support::program::{self, Beside};

/// A gateway over one fixture.
struct Pair {
    gateway: Gateway,
    client: Client,
    fixture: Beside,
    _dir: Dir,
}

impl Pair {
    /// `page` and further members of the entry, and how the fixture behaves.
    #[track_caller]
    fn new(page: &str, members: &Value, flags: &[&str]) -> Self {
        let dir = Dir::new();
        let program = program::fixture();
        let program = program.to_str().unwrap();
        let mut command = program::other(program, dir.path(), &["--http", "0"]);
        let fixture = Beside::start(command.args(flags));
        let address = fixture.log.find("its address", |line| {
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.strip_suffix("/mcp")?.to_owned())
        });
        let mut entry = members.clone();
        entry["url"] = json!(format!("{address}{page}"));
        dir.servers(&[("r", entry)]);
        let gateway = Gateway::start(dir.path(), &["--log-level", "debug"]);
        let client = Client::open(gateway.port);
        Self {
            gateway,
            client,
            fixture,
            _dir: dir,
        }
    }

    #[track_caller]
    fn stop(self) {
        self.gateway.stop();
        drop(self.fixture);
    }
}

/// Waits until a line with this text was written so many times.
#[track_caller]
fn times(log: &Lines, text: &str, wanted: usize) {
    let left = Cell::new(0);
    log.find(text, |line| {
        left.set(left.get() + usize::from(line.contains(text)));
        (left.get() >= wanted).then_some(())
    });
}

#[test]
fn e2_calls_progress_and_long_answers_come_over_the_stream() {
    for endpoint in ["path", "absolute"] {
        let mut pair = Pair::new("/sse", &json!({}), &["--sse-endpoint", endpoint]);
        pair.gateway.log.containing("server=r ready");
        pair.client.echo("r");
        drop(pair.client.long_call("r"));
        let long = pair.client.call("r_1mcp_big", &json!({"bytes": 3_000_000}));
        assert_eq!(text_of(&long).len(), 3_000_000);
        let word = "x".repeat(1_000_000);
        let long = pair.client.call("r_1mcp_echo", &json!({"text": word}));
        assert_eq!(text_of(&long).len(), word.len());
        pair.stop();
    }
}

#[test]
fn f2_each_transport_is_found_whatever_the_entry_says() {
    for (page, kind, says) in [
        ("/sse", "http", "speaks HTTP+SSE of 2024-11-05 only"),
        ("/mcp", "sse", "speaks Streamable HTTP"),
    ] {
        let mut pair = Pair::new(page, &json!({"type": kind}), &["--era", "legacy"]);
        pair.gateway.log.containing("server=r ready");
        pair.gateway.log.containing(says);
        pair.client.echo("r");
        pair.stop();
    }
}

#[test]
fn a_stream_that_breaks_now_and_then_is_opened_again() {
    let mut pair = Pair::new("/sse", &json!({}), &["--sse-cut", "12"]);
    for ready in 1..4 {
        times(&pair.gateway.log, "server=r ready", ready);
        let why = loop {
            let response = pair.client.call("r_1mcp_echo", &json!({"text": "a"}));
            if response.get("error").is_some() {
                break response["error"]["message"].as_str().unwrap().to_owned();
            }
            assert_eq!(text_of(&response), "a");
        };
        assert!(
            why.contains("server r") && why.contains("event stream"),
            "{why}"
        );
    }
    pair.stop();
}

#[test]
fn a_session_that_is_forgotten_behind_an_open_stream_is_begun_anew() {
    let mut pair = Pair::new("/sse", &json!({}), &["--sse-forget", "12"]);
    for ready in 1..3 {
        times(&pair.gateway.log, "server=r ready", ready);
        let why = loop {
            let response = pair.client.call("r_1mcp_echo", &json!({"text": "a"}));
            if response.get("error").is_some() {
                break response["error"]["message"].as_str().unwrap().to_owned();
            }
        };
        assert!(why.contains("does not know its session any more"), "{why}");
    }
    pair.stop();
}

#[test]
fn x4_an_endpoint_elsewhere_is_refused_in_words() {
    let mut pair = Pair::new("/sse", &json!({}), &["--sse-endpoint", "elsewhere"]);
    let told = pair.gateway.log.containing("server=r down");
    assert!(told.contains("nothing is sent there"), "{told}");
    let response = pair.client.call("r_1mcp_echo", &json!({"text": "a"}));
    assert!(response.get("error").is_some(), "{response}");
    pair.stop();
}
