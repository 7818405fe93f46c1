//! The stream of changes of a server without sessions, to each of its ends (protocol F13).

use super::*;
use crate::base::mark::{Mark, must_hit};
use crate::limits::{BACKOFF_MS_MAX, CHILD_OUTBOX_BYTES_MAX, LISTEN_OPEN_MS, WATCHED_URIS_MAX};
use crate::mcp::version::Era;

const DISCOVERED: &str = "{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-discover\",\"result\":{\
    \"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{\"listChanged\":true}}}}\n";

/// A modern server that serves, and the number of the stream that was asked for.
fn modern(bench: &mut Bench) -> (PoolKey, LinkKey) {
    let pool = bench.start(PoolSpec {
        era: Era::Modern,
        ..spec()
    });
    let link = bench.spawned(pool);
    bench.sent(link);
    bench.receive(link, DISCOVERED);
    bench.told();
    (pool, link)
}

/// What was sent, in few words: which stream was opened with which URIs, or closed.
fn sent(bench: &mut Bench, link: LinkKey) -> Vec<String> {
    let sent = bench.sent(link);
    let one = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let params = &message["params"];
        match message["method"].as_str() {
            Some("subscriptions/listen") => {
                assert!(params["_meta"].is_object(), "{line}");
                let wanted = &params["notifications"];
                assert_eq!(wanted["toolsListChanged"], true);
                assert!(wanted.get("promptsListChanged").is_none());
                let uris = wanted.get("resourceSubscriptions");
                let uris = uris.map(|uris| format!(" {uris}")).unwrap_or_default();
                format!("open {}{uris}", message["id"].as_str().unwrap())
            }
            Some("notifications/cancelled") => {
                format!("close {}", params["requestId"].as_str().unwrap())
            }
            _ => line.to_owned(),
        }
    };
    sent.lines().map(one).collect()
}

fn tagged(method: &str, id: &str, params: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{method}\",\"params\":{{{params}\
         \"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":\"1mcp-listen-{id}\"}}}}}}\n"
    )
}

fn ack(id: &str, uris: &str) -> String {
    let params = format!("\"notifications\":{{\"resourceSubscriptions\":[{uris}]}},");
    tagged("subscriptions/acknowledged", id, &params)
}

fn watch(bench: &mut Bench, pool: PoolKey, uris: &[&str]) {
    let uris = uris.iter().map(|uri| Rc::from(*uri)).collect();
    bench.input(|backends, cx| backends.watch(cx, pool, uris));
}

fn outcome(id: &str, outcome: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-listen-{id}\",{outcome}}}\n")
}

#[test]
fn f13_a_stream_is_asked_for_before_the_server_is_ready_and_heard_from_then_on() {
    let mut bench = Bench::new();
    let (_, link) = modern(&mut bench);
    assert_eq!(sent(&mut bench, link), ["open 1mcp-listen-1"]);
    bench.receive(link, &ack("1", ""));
    // Nothing is watched and nothing was missed: there is nothing to tell.
    assert_eq!(bench.told(), [""; 0]);
    let change = tagged("tools/list_changed", "1", "");
    bench.receive(link, &change);
    assert_eq!(bench.told(), [format!("note: {}", change.trim())]);
    for deaf in [
        tagged("tools/list_changed", "2", ""),
        tagged("resources/updated", "0", "\"uri\":\"x\","),
        change.replace("\"1mcp-listen-1\"", "1"),
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n".to_owned(),
        ack("1", "\"x\""),
        ack("7", "\"x\""),
        outcome("7", "\"result\":{}"),
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"}\n".into(),
    ] {
        bench.receive(link, &deaf);
        assert_eq!(bench.told(), [""; 0], "{deaf}");
    }
    // Progress and the like belong to calls, and to the hall.
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}";
    bench.receive(link, &format!("{note}\n"));
    assert_eq!(bench.told(), [format!("note: {note}")]);
}

#[test]
fn f13_each_end_of_a_stream_opens_another_one_and_tells_that_lists_were_missed() {
    let _reached = must_hit(Mark::ListenReopened);
    let cancelled = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
        \"params\":{\"requestId\":\"1mcp-listen-1\",\"reason\":\"bye\"}}\n";
    for end in [
        outcome("1", "\"result\":{\"resultType\":\"complete\"}"),
        outcome("1", "\"error\":{\"code\":-32603,\"message\":\"no\"}"),
        cancelled.to_owned(),
        // Both, in either order (6.1).
        format!("{cancelled}{}", outcome("1", "\"result\":{}")),
        format!("{}{cancelled}", outcome("1", "\"result\":{}")),
    ] {
        let mut bench = Bench::new();
        let (_, link) = modern(&mut bench);
        bench.receive(link, &ack("1", ""));
        sent(&mut bench, link);
        bench.receive(link, &end);
        assert_eq!(bench.told(), [""; 0], "{end}");
        assert_eq!(sent(&mut bench, link), [""; 0]);
        bench.pass(2_000);
        assert_eq!(sent(&mut bench, link), ["open 1mcp-listen-2"], "{end}");
        // What stood on the old one is not for us any more.
        bench.receive(link, &tagged("tools/list_changed", "1", ""));
        assert_eq!(bench.told(), [""; 0]);
        bench.receive(link, &ack("2", ""));
        assert_eq!(bench.told(), ["Watching  missed=true"]);
    }
}

#[test]
fn f13_a_stream_that_is_not_acknowledged_is_given_up_and_tried_again_ever_more_rarely() {
    let _reached = must_hit(Mark::ListenUnacknowledged);
    let mut bench = Bench::new();
    let (_, link) = modern(&mut bench);
    sent(&mut bench, link);
    bench.pass(LISTEN_OPEN_MS);
    assert_eq!(sent(&mut bench, link), ["close 1mcp-listen-1"]);
    // An acknowledgement that comes now opens nothing.
    bench.receive(link, &ack("1", ""));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let mut waited = 0;
        while !sent(&mut bench, link)
            .iter()
            .any(|sent| sent.starts_with("open"))
        {
            bench.pass(250);
            waited += 250;
        }
        pauses.push(waited);
        bench.pass(LISTEN_OPEN_MS);
    }
    assert!(pauses[0] <= 1_500, "{pauses:?}");
    let longest = *pauses.iter().max().unwrap();
    assert!(
        longest > 30_000 && longest <= BACKOFF_MS_MAX * 5 / 4,
        "{pauses:?}"
    );
    let last = bench.told();
    assert_eq!(last, [""; 0]);
    while bench.world.now.tick < Tick(10_000_000) {
        bench.pass(250);
        if let Some(open) = sent(&mut bench, link)
            .first()
            .filter(|sent| sent.starts_with("open"))
        {
            let id = open.rsplit('-').next().unwrap().to_owned();
            bench.receive(link, &ack(&id, ""));
            break;
        }
    }
    assert_eq!(bench.told(), ["Watching  missed=true"]);
}

#[test]
fn f13_a_server_without_the_method_is_left_in_peace() {
    let _reached = must_hit(Mark::ListenUnknown);
    let mut bench = Bench::new();
    let (pool, link) = modern(&mut bench);
    sent(&mut bench, link);
    bench.receive(
        link,
        &outcome("1", "\"error\":{\"code\":-32601,\"message\":\"?\"}"),
    );
    bench.pass(10 * BACKOFF_MS_MAX);
    assert_eq!(sent(&mut bench, link), [""; 0]);
    watch(&mut bench, pool, &["x://1"]);
    assert_eq!(bench.told(), ["Watching x://1=false missed=false"]);
    assert_eq!(sent(&mut bench, link), [""; 0]);
}

#[test]
fn f13_who_watches_while_the_method_turns_out_to_be_unknown_is_told() {
    let _reached = must_hit(Mark::ListenUnknown);
    let mut bench = Bench::new();
    let (pool, link) = modern(&mut bench);
    // The first stream is under way, and not for these.
    watch(&mut bench, pool, &["x://1", "x://2"]);
    assert_eq!(sent(&mut bench, link), ["open 1mcp-listen-1"]);
    bench.receive(
        link,
        &outcome("1", "\"error\":{\"code\":-32601,\"message\":\"?\"}"),
    );
    assert_eq!(
        bench.told(),
        ["Watching x://1=false x://2=false missed=false"]
    );
}

#[test]
fn f13_what_is_watched_is_replaced_without_a_gap_and_asked_for_again_after_a_restart() {
    let mut bench = Bench::new();
    let (pool, link) = modern(&mut bench);
    bench.receive(link, &ack("1", ""));
    sent(&mut bench, link);
    watch(&mut bench, pool, &["x://1"]);
    // Two more while the answer is awaited: one stream for both.
    watch(&mut bench, pool, &["x://1", "x://2"]);
    watch(&mut bench, pool, &["x://1", "x://2", "x://3"]);
    assert_eq!(sent(&mut bench, link), ["open 1mcp-listen-2 [\"x://1\"]"]);
    bench.receive(link, &tagged("tools/list_changed", "1", ""));
    assert_eq!(bench.told().len(), 1);
    bench.receive(link, &ack("2", "\"x://1\""));
    assert_eq!(bench.told(), ["Watching x://1=true missed=false"]);
    assert_eq!(
        sent(&mut bench, link),
        [
            "open 1mcp-listen-3 [\"x://1\",\"x://2\",\"x://3\"]",
            "close 1mcp-listen-1"
        ]
    );
    bench.receive(link, &ack("3", "\"x://3\",\"x://1\""));
    assert_eq!(
        bench.told(),
        ["Watching x://1=true x://2=false x://3=true missed=false"]
    );
    assert_eq!(sent(&mut bench, link), ["close 1mcp-listen-2"]);
    // What is heard already is only told once more.
    watch(&mut bench, pool, &["x://1", "x://2", "x://3"]);
    assert_eq!(bench.told().len(), 1);
    assert_eq!(sent(&mut bench, link), [""; 0]);
    bench.eof(link);
    bench.exited(pool, 0);
    bench.input(|backends, cx| backends.retry_now(cx, pool));
    let link = bench.spawned(pool);
    sent(&mut bench, link);
    bench.receive(link, DISCOVERED);
    assert_eq!(
        sent(&mut bench, link),
        ["open 1mcp-listen-1 [\"x://1\",\"x://2\",\"x://3\"]"]
    );
}

#[test]
fn f13_a_new_stream_that_is_refused_leaves_the_old_one_open() {
    let mut bench = Bench::new();
    let (pool, link) = modern(&mut bench);
    bench.receive(link, &ack("1", ""));
    watch(&mut bench, pool, &["x://1"]);
    bench.receive(link, &ack("2", "\"x://1\""));
    watch(&mut bench, pool, &["x://1", "bad"]);
    bench.told();
    sent(&mut bench, link);
    bench.receive(
        link,
        &outcome("3", "\"error\":{\"code\":-32602,\"message\":\"bad\"}"),
    );
    assert_eq!(bench.told(), ["Watching x://1=true bad=false missed=false"]);
    let change = tagged("resources/updated", "2", "\"uri\":\"x://1\",");
    bench.receive(link, &change);
    assert_eq!(bench.told(), [format!("note: {}", change.trim())]);
    // Without the bad one nothing has to be asked for, now or later.
    watch(&mut bench, pool, &["x://1"]);
    bench.pass(BACKOFF_MS_MAX);
    assert_eq!(sent(&mut bench, link), [""; 0]);
}

#[test]
fn f13_both_streams_may_end_while_one_takes_the_place_of_the_other() {
    let mut bench = Bench::new();
    let (pool, link) = modern(&mut bench);
    bench.receive(link, &ack("1", ""));
    watch(&mut bench, pool, &["x://1"]);
    bench.receive(link, &outcome("1", "\"result\":{}"));
    bench.receive(link, &ack("2", "\"x://1\""));
    assert_eq!(bench.told(), ["Watching x://1=true missed=true"]);
    watch(&mut bench, pool, &[]);
    bench.receive(link, &outcome("2", "\"result\":{}"));
    bench.receive(link, &outcome("3", "\"result\":{}"));
    sent(&mut bench, link);
    bench.pass(2_000);
    assert_eq!(sent(&mut bench, link), ["open 1mcp-listen-4"]);
}

#[test]
fn x10_a_server_that_reads_nothing_is_asked_for_no_more_streams() {
    let mut bench = Bench::new();
    let (pool, link) = modern(&mut bench);
    sent(&mut bench, link);
    let long = vec![b' '; CHILD_OUTBOX_BYTES_MAX - 1];
    bench.send(pool, &[long.as_slice().into()]).unwrap();
    for _ in 0..10 {
        bench.pass(LISTEN_OPEN_MS);
        bench.pass(2 * BACKOFF_MS_MAX);
    }
    assert_eq!(bench.sent(link).len(), CHILD_OUTBOX_BYTES_MAX);
}

#[test]
fn x10_an_acknowledgement_names_no_more_than_can_be_asked_for() {
    let mut bench = Bench::new();
    let (pool, link) = modern(&mut bench);
    bench.receive(link, &ack("1", ""));
    watch(&mut bench, pool, &["x://1", "x://2"]);
    let many = "\"x://1\",".repeat(WATCHED_URIS_MAX) + "\"x://2\"";
    bench.receive(link, &ack("2", &many));
    let told = bench.told();
    assert_eq!(told, ["Watching x://1=true x://2=false missed=false"]);
}

#[test]
fn b5_requests_of_a_modern_server_are_never_answered_and_told_once() {
    let _reached = must_hit(Mark::ModernAsks);
    let mut bench = Bench::new();
    let (_, link) = modern(&mut bench);
    sent(&mut bench, link);
    let asks = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\
        {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"roots/list\"}\n";
    bench.receive(link, asks);
    assert_eq!(
        bench.told(),
        ["server=files sends requests, which its protocol version does not have: ignored"]
    );
    assert_eq!(sent(&mut bench, link), [""; 0]);
}

#[test]
fn watching_is_nothing_to_servers_with_sessions_or_to_those_that_are_not_up() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    watch(&mut bench, pool, &["x://1"]);
    assert_eq!(
        (bench.sent(link), bench.told()),
        (String::new(), Vec::new())
    );
    let gone = PoolKey(Key {
        index: 99,
        generation: 3,
    });
    watch(&mut bench, gone, &["x://1"]);
    assert_eq!(bench.told(), [""; 0]);
}
