//! One client on our own stdin: when servers start, what they are told, and the way out
//! (contract 1, 3, 7; B7, S1).

use onemcp::effect::StopSignal;
use onemcp::input::Input;
use serde_json::json;

use crate::client::Client;
use crate::server::tools;
use crate::world::{Builder, World, entry};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"sampling":{},"roots":{"listChanged":true}},"clientInfo":{"name":"t","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn call(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"s_1mcp_t"}}}}"#)
}

fn one() -> Builder {
    World::stdio().server("s", tools(["t"]))
}

/// Lines in one write, and then perhaps the end, all in one turn.
fn pipe(w: &mut World, client: Client, lines: &[&str], ends: bool) {
    let link = client.link(w);
    let bytes: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    w.bytes(link, bytes.as_bytes());
    if ends {
        w.input(Input::Eof { link });
    }
}

#[test]
fn s1_servers_start_after_initialize_and_are_told_exactly_what_the_client_declared() {
    let mut w = one().start();
    let a = w.stdin();
    w.advance(60_000);
    assert_eq!(w.starts("s"), 0);
    let hello = a.initialize(
        &mut w,
        "2025-06-18",
        r#"{"sampling":{},"roots":{"listChanged":true}}"#,
    );
    assert_eq!(hello["serverInfo"]["name"], "1mcp");
    assert_eq!(w.starts("s"), 1);
    let s = w.server("s");
    assert_eq!(
        s.declared(&w),
        json!({"sampling": {}, "roots": {"listChanged": true}})
    );
    a.initialized(&mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    s.expect(&mut w, "tools/call").result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
}

#[test]
fn initialize_waits_a_moment_for_servers_never_seen() {
    let mut w = World::stdio()
        .server("s", tools(["t"]).manual("initialize"))
        .start();
    let a = w.stdin();
    let hello = a.begin(&mut w, "2025-06-18", "{}");
    hello.pending(&mut w);
    w.advance(299);
    hello.pending(&mut w);
    w.advance(1);
    assert!(hello.result(&mut w)["capabilities"]["prompts"].is_object());
    // One that is fast says itself what it has.
    let mut w = one().start();
    let a = w.stdin();
    let hello = a.initialize(&mut w, "2025-06-18", "{}");
    assert_eq!(
        hello["capabilities"],
        json!({"tools": {"listChanged": true}, "logging": {}})
    );
}

#[test]
fn a_script_that_only_initializes_gets_one_line_and_starts_nothing() {
    for ends_later in [false, true] {
        let mut w = one().start();
        let a = w.stdin();
        pipe(&mut w, a, &[HELLO], !ends_later);
        if ends_later {
            // The end comes as the next input of the same turn.
            let link = a.link(&mut w);
            w.input(Input::Eof { link });
        }
        assert_eq!(a.unread_answers(&mut w).len(), 1);
        assert_eq!((w.exit, w.starts("s")), (Some(0), 0));
        w.advance(10_000);
        assert_eq!((w.starts("s"), w.counts().alarms), (0, 0));
    }
}

#[test]
fn a_script_gets_its_answers_although_its_input_has_ended() {
    let mut w = one().start();
    let a = w.stdin();
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    pipe(&mut w, a, &[HELLO, INITIALIZED, list, &call(3)], true);
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, r#"{"n":1}"#);
    let answers = a.unread_answers(&mut w);
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert!(
        answers.iter().any(|line| line.contains("s_1mcp_t")),
        "{answers:?}"
    );
    assert!(
        answers
            .iter()
            .any(|line| line.contains(r#""id":3,"result":{"n":1}"#)),
        "{answers:?}"
    );
    w.advance(2_000);
    assert_eq!(w.exit, Some(0));
    assert!(w.running("s").is_empty());
}

#[test]
fn calls_that_come_with_initialize_wait_for_their_server() {
    let mut w = one().start();
    let a = w.stdin();
    pipe(&mut w, a, &[HELLO, INITIALIZED, &call(2)], false);
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, "{}");
    let answers = a.unread_answers(&mut w);
    assert!(
        answers
            .iter()
            .any(|line| line.contains(r#""id":2,"result":{}"#)),
        "{answers:?}"
    );
}

#[test]
fn b7_the_end_of_input_answers_what_was_asked_and_then_stops_the_children() {
    let mut w = one().start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", "{}");
    a.initialized(&mut w);
    let calls = [
        a.call(&mut w, "s_1mcp_t", "{}"),
        a.call(&mut w, "s_1mcp_t", "{}"),
    ];
    let s = w.server("s");
    let seen = [
        s.expect(&mut w, "tools/call"),
        s.expect(&mut w, "tools/call"),
    ];
    a.leaves(&mut w);
    w.advance(500);
    assert!(s.alive(&w));
    seen[0].result(&mut w, "{}");
    assert_eq!(calls[0].result(&mut w), json!({}));
    assert_eq!((w.exit, s.alive(&w)), (None, true));
    w.advance(499);
    assert!(s.alive(&w));
    // A second is enough for a client that has left.
    w.advance(1);
    assert_eq!(
        (calls[1].error(&mut w).0, s.alive(&w), w.exit),
        (-32603, false, Some(0))
    );
}

#[test]
fn b7_questions_are_refused_once_nobody_can_answer_them() {
    let mut w = one().start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", r#"{"sampling":{}}"#);
    a.initialized(&mut w);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let s = w.server("s");
    let seen = s.expect(&mut w, "tools/call");
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    a.expect(&mut w, "sampling/createMessage");
    a.leaves(&mut w);
    assert_eq!(s.refused(&mut w, "1"), -32603);
    s.asks(&mut w, "2", "sampling/createMessage", "{}");
    assert_eq!(s.refused(&mut w, "2"), -32603);
    // So it may go on without, while there is time.
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
}

#[test]
fn b7_nothing_asked_means_leaving_at_once() {
    let mut w = one().start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", "{}");
    a.initialized(&mut w);
    a.leaves(&mut w);
    assert_eq!(
        (w.exit, w.running("s").len(), w.counts().alarms),
        (Some(0), 0, 0)
    );
}

#[test]
fn a_child_that_ignores_the_end_of_its_input_is_made_to_stop_in_time() {
    let mut script = tools(["t"]);
    (script.ignores_eof, script.ignores_term) = (true, true);
    let mut w = World::stdio().server("s", script).start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", "{}");
    a.initialized(&mut w);
    a.leaves(&mut w);
    let from = w.tick();
    w.advance(299);
    assert_eq!(w.children[0].signals, []);
    w.advance(1);
    assert_eq!(w.children[0].signals, [StopSignal::Term]);
    w.advance(300);
    assert_eq!(w.children[0].signals, [StopSignal::Term, StopSignal::Kill]);
    assert_eq!(w.exit, Some(0));
    assert!(w.tick() - from < 2_000);
}

#[test]
fn sigterm_answers_what_is_open_and_leaves() {
    let mut w = one().start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", "{}");
    a.initialized(&mut w);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    w.server("s").expect(&mut w, "tools/call");
    w.input(Input::Stop);
    let (code, message) = call.error(&mut w);
    assert_eq!(
        (code, message.contains("1mcp is stopping")),
        (-32603, true),
        "{message}"
    );
    assert_eq!((w.exit, w.running("s").len()), (Some(0), 0));
    w.advance(10_000);
    assert_eq!(w.counts().alarms, 0);
}

#[test]
fn sigterm_before_anything_was_said_leaves_at_once_and_starts_nothing() {
    let mut w = one().start();
    w.stdin();
    w.input(Input::Stop);
    assert_eq!(w.exit, Some(0));
    w.advance(10_000);
    assert_eq!(w.starts("s"), 0);
    let mut w = one().start();
    let b = w.stdin();
    pipe(&mut w, b, &[HELLO], false);
    w.input(Input::Stop);
    w.advance(10_000);
    assert_eq!((w.exit, w.starts("s")), (Some(0), 0));
    assert_eq!(b.unread_answers(&mut w).len(), 1);
}

#[test]
fn a_client_that_is_gone_ends_everything() {
    let mut w = one().start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", "{}");
    a.initialized(&mut w);
    a.call(&mut w, "s_1mcp_t", "{}");
    let link = a.link(&mut w);
    w.input(Input::Broken { link });
    w.advance(1_000);
    assert_eq!((w.exit, w.running("s").len()), (Some(0), 0));
    assert_eq!((w.counts().calls, w.counts().alarms), (0, 0));
}

#[test]
fn s3_questions_go_to_the_one_client_also_outside_any_call() {
    let mut w = one().start();
    let a = w.stdin();
    a.initialize(
        &mut w,
        "2025-11-25",
        r#"{"roots":{"listChanged":true},"elicitation":{}}"#,
    );
    a.initialized(&mut w);
    let s = w.server("s");
    s.asks(&mut w, "\"r\"", "roots/list", "{}");
    let ask = a.expect(&mut w, "roots/list");
    a.answers(&mut w, &ask, r#"{"roots":[{"uri":"file:///a"}]}"#);
    assert_eq!(
        s.granted(&mut w, "\"r\""),
        json!({"roots": [{"uri": "file:///a"}]})
    );
    a.notes(&mut w, "notifications/roots/list_changed", "{}");
    s.expect(&mut w, "notifications/roots/list_changed");
    s.asks(
        &mut w,
        "5",
        "elicitation/create",
        r#"{"message":"m","requestedSchema":{}}"#,
    );
    let ask = a.expect(&mut w, "elicitation/create");
    a.answers(&mut w, &ask, r#"{"action":"decline"}"#);
    assert_eq!(s.granted(&mut w, "5"), json!({"action": "decline"}));
    s.asks(&mut w, "6", "sampling/createMessage", "{}");
    assert_eq!(s.refused(&mut w, "6"), -32601);
    // Asking marks nothing here: there is nobody to be kept apart.
    assert_eq!((w.starts("s"), w.running("s").len()), (1, 1));
}

#[test]
fn a_second_initialize_starts_over_with_the_same_children() {
    let mut w = one().start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", "{}");
    a.initialized(&mut w);
    let lost = a.call(&mut w, "s_1mcp_t", "{}");
    let s = w.server("s");
    s.expect(&mut w, "tools/call");
    a.initialize(&mut w, "2025-11-25", "{}");
    s.expect(&mut w, "notifications/cancelled");
    a.initialized(&mut w);
    lost.pending(&mut w);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    s.expect(&mut w, "tools/call").result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    assert_eq!(w.starts("s"), 1);
}

#[test]
fn a_reload_while_the_client_is_silent_starts_new_servers_at_once() {
    let mut w = one().server("new", tools(["n"])).start();
    w.configure(&[entry("s", "")]);
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", r#"{"sampling":{}}"#);
    a.initialized(&mut w);
    w.advance(1_000);
    w.configure(&[entry("s", ""), entry("new", "")]);
    assert_eq!(w.server("new").declared(&w), json!({"sampling": {}}));
    w.advance(100);
    let heard = a.heard(&mut w);
    assert!(
        heard.contains(&"notifications/tools/list_changed".to_owned()),
        "{heard:?}"
    );
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t", "new_1mcp_n"]);
}

#[test]
fn too_many_requests_at_once_pause_the_input() {
    let mut w = one().start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-06-18", "{}");
    a.initialized(&mut w);
    let s = w.server("s");
    let max = onemcp::limits::CALLS_PER_CLIENT_MAX;
    let link = a.link(&mut w);
    let calls: Vec<_> = (0..max + 10)
        .map(|_| a.call(&mut w, "s_1mcp_t", "{}"))
        .collect();
    assert_eq!(w.paused.get(&link), Some(&true));
    let mut seen = Vec::new();
    while let Some(line) = s.next(&mut w) {
        seen.push(line);
    }
    assert_eq!(seen.len(), max);
    let value: serde_json::Value = serde_json::from_str(&seen[0]).unwrap();
    s.says(
        &mut w,
        &format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, value["id"]),
    );
    s.expect(&mut w, "tools/call");
    calls[0].result(&mut w);
    for line in &seen[1..] {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        s.says(
            &mut w,
            &format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, value["id"]),
        );
    }
    assert_eq!(w.paused.get(&link), Some(&false));
    for _ in 0..9 {
        s.expect(&mut w, "tools/call");
    }
}
