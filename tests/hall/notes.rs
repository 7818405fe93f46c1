//! Log messages: levels, and whose they are (C14, S3, protocol 3.1).

use onemcp::limits::LOG_MESSAGES_PER_10S_MAX;
use serde_json::json;

use crate::client::{Call, Client};
use crate::server::{Child, Seen, anything, tool, tools};
use crate::world::World;

fn calling(w: &mut World, client: Client, s: Child) -> (Call, Seen) {
    let call = client.call(w, "s_1mcp_t", "{}");
    let seen = s.expect(w, "tools/call");
    (call, seen)
}

fn level(w: &mut World, client: Client, level: &str) {
    let params = format!(r#"{{"level":"{level}"}}"#);
    assert_eq!(
        client.request(w, "logging/setLevel", &params).result(w),
        json!({})
    );
}

/// The levels that a child was told, in order.
fn levels(w: &World, child: Child) -> Vec<String> {
    let lines = w.children[child.0].lines.iter();
    let messages = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    messages
        .filter(|message| message["method"] == "logging/setLevel")
        .map(|message| message["params"]["level"].as_str().unwrap().to_owned())
        .collect()
}

fn logs(w: &mut World, s: Child, level: &str) {
    s.notes(
        w,
        "notifications/message",
        &format!(r#"{{"level":"{level}","data":{{"n":1.0}}}}"#),
    );
}

/// The levels of the log messages that a client heard.
fn heard(w: &mut World, client: Client) -> Vec<String> {
    let told: Vec<_> = std::iter::from_fn(|| client.next(w)).collect();
    let logs = told
        .iter()
        .filter(|told| told["method"] == "notifications/message");
    logs.map(|told| told["params"]["level"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn c14_the_server_gets_the_most_verbose_level_and_each_client_its_own() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    level(&mut w, a, "warning");
    level(&mut w, b, "error");
    level(&mut w, b, "debug");
    level(&mut w, b, "debug");
    level(&mut w, a, "info");
    assert_eq!(levels(&w, s), ["warning", "debug"]);
    let (_, seen) = calling(&mut w, a, s);
    for said in ["debug", "info", "error"] {
        logs(&mut w, s, said);
    }
    assert_eq!(heard(&mut w, a), ["info", "error"]);
    assert_eq!(heard(&mut w, b), [""; 0]);
    seen.result(&mut w, "{}");
    let (_, seen) = calling(&mut w, b, s);
    logs(&mut w, s, "debug");
    assert_eq!(heard(&mut w, b), ["debug"]);
    seen.result(&mut w, "{}");
    // Whoever wanted it so exactly is gone.
    b.leaves(&mut w);
    assert_eq!(levels(&w, s), ["warning", "debug", "info"]);
}

#[test]
fn c14_a_client_that_set_no_level_does_not_get_what_another_one_asked_for() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let (a, quiet) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    calling(&mut w, quiet, s);
    // As the server likes, while nobody said anything.
    logs(&mut w, s, "debug");
    assert_eq!(heard(&mut w, quiet), ["debug"]);
    level(&mut w, a, "debug");
    for said in ["debug", "info"] {
        logs(&mut w, s, said);
    }
    assert_eq!(heard(&mut w, quiet), ["info"]);
}

#[test]
fn c14_bad_levels_are_refused_and_the_level_is_set_again_after_a_restart() {
    let plain = anything().capable(r#"{"tools":{}}"#);
    let mut w = World::http()
        .server("s", tools(["t"]))
        .server("plain", plain)
        .start();
    let a = w.client("{}");
    for params in [
        "{}",
        r#"{"level":"loud"}"#,
        r#"{"level":7}"#,
        r#"{"level":"Debug"}"#,
        r#"{"level":"info","level":"debug"}"#,
    ] {
        assert_eq!(
            a.request(&mut w, "logging/setLevel", params)
                .error(&mut w)
                .0,
            -32602,
            "{params}"
        );
    }
    level(&mut w, a, "notice");
    assert_eq!(
        levels(&w, w.server("plain")),
        [""; 0],
        "it declared no logging"
    );
    w.server("s").dies(&mut w);
    w.advance(3_000);
    assert_eq!(levels(&w, w.server("s")), ["notice"]);
}

#[test]
fn s3_a_log_message_goes_to_the_only_client_in_flight_or_to_nobody() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    logs(&mut w, s, "error");
    assert!(w.logged(&["Debug", "server=s", "nobody in particular"]));
    let (_, first) = calling(&mut w, a, s);
    let line = r#"{"params":{"level":"error","x":1.0,"logger":"\u00e9"} ,"jsonrpc":"2.0","method":"notifications/message"}"#;
    s.says(&mut w, line);
    assert_eq!(a.next_line(&mut w).unwrap(), line);
    let (_, _) = calling(&mut w, b, s);
    logs(&mut w, s, "error");
    assert_eq!(
        (heard(&mut w, a), heard(&mut w, b)),
        (Vec::new(), Vec::new())
    );
    first.result(&mut w, "{}");
    logs(&mut w, s, "alert");
    assert_eq!(
        (heard(&mut w, a), heard(&mut w, b)),
        (Vec::new(), vec!["alert".to_owned()])
    );
}

#[test]
fn s3_what_a_cancelled_call_logs_reaches_nobody_else() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    let (call, _) = calling(&mut w, a, s);
    calling(&mut w, b, s);
    a.cancels(&mut w, &call);
    logs(&mut w, s, "error");
    assert_eq!(
        (heard(&mut w, a), heard(&mut w, b)),
        (Vec::new(), Vec::new())
    );
}

#[test]
fn s3_a_log_message_of_ones_own_session_needs_no_call() {
    let script = tools([]).with("tools", [tool("t")]);
    let mut w = World::http()
        .server_with("s", r#""isolation":"session""#, script)
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    for client in [a, b] {
        client.list(&mut w, "tools/list");
    }
    let own = w.running("s");
    level(&mut w, a, "debug");
    let told: Vec<usize> = own.iter().map(|child| levels(&w, *child).len()).collect();
    assert_eq!(
        told.iter().sum::<usize>(),
        2,
        "the common one and its own: {told:?}"
    );
    let of_a = own[1];
    logs(&mut w, of_a, "debug");
    assert_eq!(
        (heard(&mut w, a), heard(&mut w, b)),
        (vec!["debug".to_owned()], Vec::new())
    );
}

#[test]
fn a_client_that_does_not_read_loses_notes_but_no_answer() {
    let mut w = World::stdio().server("s", tools(["t"])).start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", "{}");
    a.initialized(&mut w);
    let s = w.server("s");
    let (call, seen) = calling(&mut w, a, s);
    let link = a.link(&mut w);
    w.peer(link).stalled = true;
    let text = "x".repeat(60_000);
    for _ in 0..100 {
        s.notes(
            &mut w,
            "notifications/message",
            &format!(r#"{{"level":"error","data":"{text}"}}"#),
        );
    }
    seen.result(&mut w, r#"{"n":1}"#);
    w.unstall(link);
    assert_eq!(call.result(&mut w), json!({"n": 1}));
    let got = heard(&mut w, a).len();
    assert!((10..30).contains(&got), "{got} of 100");
}

#[test]
fn a11_a_server_that_floods_its_log_is_cut_short_and_nobody_else_is() {
    let mut w = World::http()
        .server("s", anything().with("tools", [tool("t")]))
        .server("u", anything().with("tools", [tool("t")]))
        .start();
    let a = w.client("{}");
    let (s, u) = (w.server("s"), w.server("u"));
    let (call, seen) = calling(&mut w, a, s);
    let other = a.call(&mut w, "u_1mcp_t", "{}");
    for _ in 0..LOG_MESSAGES_PER_10S_MAX + 5 {
        logs(&mut w, s, "info");
    }
    logs(&mut w, u, "error");
    let told = heard(&mut w, a);
    assert_eq!(told.len(), LOG_MESSAGES_PER_10S_MAX as usize + 1);
    assert_eq!(told.last().map(String::as_str), Some("error"));
    w.advance(10_000);
    logs(&mut w, s, "info");
    assert_eq!(heard(&mut w, a), ["info"]);
    assert!(
        w.log
            .iter()
            .any(|line| line.contains("server=s 5 log messages were left out"))
    );
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    u.expect(&mut w, "tools/call").result(&mut w, "{}");
    assert_eq!(other.result(&mut w), json!({}));
}
