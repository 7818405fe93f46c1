//! Which era a server is of, and how that is found out.

use super::*;
use crate::limits::PROBE_SILENT_MS;

fn discover_error(id: &str, code: i32, data: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{code},\"message\":\"no\"{data}}}}}"
    )
}

#[test]
fn f2_whatever_is_no_answer_to_the_question_for_the_era_is_followed_by_initialize() {
    let missing = discover_error("\"server-error\"", -32600, "");
    let unknown = discover_error("\"1mcp-discover\"", -32601, "");
    let rows: [(u16, &str); 8] = [
        (400, "Bad Request: Missing session ID"),
        (400, &missing),
        (404, &unknown),
        (200, &unknown),
        (404, "<html>"),
        (405, ""),
        (202, ""),
        (500, "oops"),
    ];
    for (status, body) in rows {
        let mut bench = Bench::new();
        let pool = bench.start(remote(RemoteKind::Http));
        let asked = bench.one("server/discover");
        bench.respond(&asked, status, &[JSON], body);
        bench.initialize(None);
        assert_eq!(bench.state(pool), PoolState::Ready, "{status} {body}");
        let hello = bench.backends.hello(pool).unwrap();
        assert!(!hello.initialize_first && !hello.version.is_modern());
    }
}

#[test]
fn f2_a_connection_that_ends_without_an_answer_is_no_answer_either() {
    let mut bench = Bench::new();
    let pool = bench.start(remote(RemoteKind::Http));
    let asked = bench.one("server/discover");
    bench.reset(asked.link);
    bench.initialize(None);
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn f2_silence_is_followed_by_initialize_and_remembered() {
    let mut bench = Bench::new();
    let pool = bench.start(remote(RemoteKind::Http));
    let asked = bench.one("server/discover");
    bench.pass(PROBE_SILENT_MS);
    bench.initialize(None);
    assert_eq!(bench.state(pool), PoolState::Ready);
    assert!(!bench.links.contains(&asked.link), "nobody waits for it");
    bench.json(&asked, DISCOVERED);
    assert!(!bench.backends.hello(pool).unwrap().version.is_modern());
    assert!(bench.backends.hello(pool).unwrap().initialize_first);
}

/// The question for the era is still under way when the stream is asked for.
#[test]
fn f2_what_was_asked_by_the_other_transport_does_not_end_the_one_that_works() {
    let mut bench = Bench::new();
    let pool = bench.start(remote(RemoteKind::Http));
    let discover = bench.one("server/discover");
    bench.pass(15_000);
    let initialize = bench.one("initialize");
    bench.respond(&initialize, 405, &[], "");
    let stream = bench.one("GET");
    bench.reset(discover.link);
    assert_eq!(bench.state(pool), PoolState::Starting);
    bench.stream(&stream, &[]);
    bench.chunk(&stream, "event: endpoint\ndata: /post\n\n");
    let initialize = bench.one("initialize");
    bench.respond(&initialize, 202, &[], "");
    bench.chunk(&stream, &format!("data: {HELLO}\n\n"));
    let initialized = bench.one("notifications/initialized");
    bench.respond(&initialized, 202, &[], "");
    assert_eq!(bench.events(), ["Ready 0"]);
}

#[test]
fn f2_a_modern_error_that_lists_our_revision_is_asked_again() {
    for code in [-32020, -32021, -32022] {
        let data = ",\"data\":{\"supported\":[\"2026-07-28\"]}";
        let mut bench = Bench::new();
        bench.start(remote(RemoteKind::Http));
        let asked = bench.one("server/discover");
        let body = discover_error("\"1mcp-discover\"", code, data);
        bench.respond(&asked, 400, &[JSON], &body);
        let asked = bench.one("server/discover");
        bench.json(&asked, DISCOVERED);
        assert_eq!(bench.events(), ["Ready 0"]);
    }
}

#[test]
fn f2_who_wants_authorization_is_not_asked_on() {
    for (status, says) in [
        (
            401,
            "wants authorization (status 401): put an \"Authorization\" header",
        ),
        (403, "does not let us in (status 403); look at \"headers\""),
    ] {
        let mut bench = Bench::new();
        let pool = bench.start(remote(RemoteKind::Http));
        let asked = bench.one("server/discover");
        bench.respond(&asked, status, &[], "");
        assert_eq!(bench.events(), ["Down 0"]);
        assert!(bench.asked().is_empty());
        assert!(bench.why(pool).starts_with(says), "{}", bench.why(pool));
    }
}

#[test]
fn f2_the_configured_era_is_not_asked_for() {
    let legacy = PoolSpec {
        era: Era::Legacy,
        ..remote(RemoteKind::Http)
    };
    let mut bench = Bench::new();
    let pool = bench.start(legacy);
    bench.initialize(None);
    assert_eq!(bench.state(pool), PoolState::Ready);
    let modern = PoolSpec {
        era: Era::Modern,
        ..remote(RemoteKind::Http)
    };
    let mut bench = Bench::new();
    let pool = bench.start(modern);
    let asked = bench.one("server/discover");
    bench.respond(&asked, 404, &[], "");
    assert!(bench.asked().is_empty());
    let why = "does not know server/discover; its entry says \"era\": \"modern\"";
    assert_eq!(bench.why(pool), why);
}

#[test]
fn f3_a_legacy_server_is_not_asked_again_until_that_fails() {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.pass(crate::limits::IDLE_CONNECTION_MS_MAX);
    bench.told();
    bench.refuses = true;
    bench.call(pool, 1);
    assert_eq!(bench.events(), ["Down 0"]);
    bench.refuses = false;
    bench.pass(2_000);
    let asked = bench.one("initialize");
    bench.respond(&asked, 404, &[], "");
    let asked = bench.one("server/discover");
    bench.json(&asked, DISCOVERED);
    assert_eq!(bench.events(), ["Ready 0"]);
    assert!(!bench.backends.hello(pool).unwrap().initialize_first);
}

#[test]
fn retry_after_is_respected_by_the_handshake_and_by_calls() {
    for status in [429, 503] {
        let mut bench = Bench::new();
        let pool = bench.start(remote(RemoteKind::Http));
        let asked = bench.one("server/discover");
        bench.respond(&asked, status, &[("retry-after", "20")], "");
        let why = format!("is busy (status {status}) and wants to be left alone for 20.0 s");
        assert_eq!(bench.why(pool), why);
        bench.pass(19_000);
        assert!(bench.asked().is_empty());
        bench.pass(1_000);
        let asked = bench.one("server/discover");
        bench.json(&asked, DISCOVERED);
        bench.asked();
        bench.told();
        bench.call(pool, 1);
        let call = bench.one("tools/call");
        bench.respond(&call, status, &[("retry-after", "5")], "");
        let why = format!("is busy (status {status}) and wants to be left alone for 5.0 s");
        assert_eq!(bench.events(), [lost(1, &why)]);
        bench.call(pool, 2);
        assert!(bench.asked().is_empty());
        let why = "was busy and wants to be left alone for another 5.0 s";
        assert_eq!(bench.events(), [lost(2, why)]);
        bench.pass(5_000);
        bench.call(pool, 3);
        bench.one("tools/call");
    }
}
