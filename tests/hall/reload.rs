//! A new configuration while clients are at work (contract 2).

use serde_json::json;

use crate::server::{resource, tools};
use crate::world::{World, entry};

const CHANGED: &str = "notifications/tools/list_changed";

#[test]
fn added_servers_start_removed_ones_stop_and_clients_are_told_once() {
    let mut w = World::http()
        .server("one", tools(["t"]))
        .server("two", tools(["t"]))
        .server("three", tools(["t"]))
        .start();
    w.configure(&[entry("one", ""), entry("two", "")]);
    w.advance(100);
    let a = w.client("{}");
    w.advance(100);
    a.clear(&mut w);
    let kept = a.call(&mut w, "one_1mcp_t", "{}");
    let lost = a.call(&mut w, "two_1mcp_t", "{}");
    let seen = w.server("one").expect(&mut w, "tools/call");
    let two = w.server("two");
    w.configure(&[entry("three", ""), entry("one", "")]);
    assert!(!two.alive(&w));
    let (code, message) = lost.error(&mut w);
    assert_eq!(
        (code, message.contains("server two is being stopped")),
        (-32603, true),
        "{message}"
    );
    assert_eq!(a.call(&mut w, "two_1mcp_t", "{}").error(&mut w).0, -32602);
    w.advance(100);
    assert_eq!(a.heard(&mut w), [CHANGED]);
    assert_eq!(a.list(&mut w, "tools/list"), ["three_1mcp_t", "one_1mcp_t"]);
    seen.result(&mut w, "{}");
    assert_eq!(kept.result(&mut w), json!({}));
    assert_eq!(
        (w.starts("one"), w.starts("two"), w.starts("three")),
        (1, 1, 2)
    );
}

#[test]
fn a_changed_command_line_restarts_only_that_server() {
    let mut w = World::http()
        .server("one", tools(["t"]))
        .server("two", tools(["t"]))
        .start();
    let a = w.client("{}");
    let lost = a.call(&mut w, "one_1mcp_t", "{}");
    let old = w.server("one");
    w.configure(&[entry("one", r#""args":["-v"]"#), entry("two", "")]);
    assert_eq!(lost.error(&mut w).0, -32603);
    assert!(!old.alive(&w));
    assert_eq!((w.starts("one"), w.starts("two")), (2, 1));
    assert_eq!(a.list(&mut w, "tools/list"), ["one_1mcp_t", "two_1mcp_t"]);
    a.call(&mut w, "one_1mcp_t", "{}");
    w.server("one").expect(&mut w, "tools/call");
}

#[test]
fn what_concerns_no_process_applies_in_place() {
    let mut w = World::http().server("one", tools(["t", "u"])).start();
    let a = w.client("{}");
    for members in [
        r#""tags":["x"]"#,
        r#""disabledTools":["u"]"#,
        r#""enabledTools":["t"]"#,
        r#""prefix":"p-""#,
        r#""toolDescriptionOverrides":{"t":"d"}"#,
        r#""instructionOverride":"i""#,
        r#""requestTimeout":5000"#,
    ] {
        w.configure(&[entry("one", members)]);
        w.advance(100);
        assert_eq!(w.starts("one"), 1, "{members}");
    }
    let call = a.call(&mut w, "one_1mcp_t", "{}");
    w.server("one").expect(&mut w, "tools/call");
    w.advance(5_000);
    assert_eq!(call.error(&mut w).0, -32603);
}

#[test]
fn what_concerns_the_session_restarts_it() {
    for members in [
        r#""isolation":"shared""#,
        r#""roots":[]"#,
        r#""env":{"A":"b"}"#,
        r#""cwd":"/tmp""#,
    ] {
        let mut w = World::http().server("one", tools(["t"])).start();
        w.configure(&[entry("one", members)]);
        w.advance(100);
        assert_eq!(
            (w.starts("one"), w.running("one").len()),
            (2, 1),
            "{members}"
        );
    }
}

#[test]
fn the_order_of_the_file_is_the_order_of_lists() {
    let mut w = World::http()
        .server("one", tools(["t"]))
        .server("two", tools(["t"]))
        .start();
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["one_1mcp_t", "two_1mcp_t"]);
    w.configure(&[entry("two", ""), entry("one", "")]);
    assert_eq!(a.list(&mut w, "tools/list"), ["two_1mcp_t", "one_1mcp_t"]);
    assert_eq!((w.starts("one"), w.starts("two")), (1, 1));
}

#[test]
fn disabled_stops_and_enabled_starts() {
    let mut w = World::http().server("one", tools(["t"])).start();
    let a = w.client("{}");
    w.configure(&[entry("one", r#""disabled":true"#)]);
    assert!(w.running("one").is_empty());
    assert_eq!(a.list(&mut w, "tools/list"), [""; 0]);
    w.configure(&[entry("one", "")]);
    assert_eq!(a.list(&mut w, "tools/list"), ["one_1mcp_t"]);
}

#[test]
fn whoever_waits_for_a_server_that_is_removed_does_not_wait_any_more() {
    let mut w = World::http()
        .server("hung", tools([]).manual("initialize"))
        .server("good", tools(["t"]))
        .start();
    let a = w.client("{}");
    let list = a.request(&mut w, "tools/list", "{}");
    let call = a.call(&mut w, "hung_1mcp_t", "{}");
    list.pending(&mut w);
    call.pending(&mut w);
    w.configure(&[entry("good", "")]);
    assert_eq!(
        crate::client::keys("tools/list", &list.result(&mut w)),
        ["good_1mcp_t"]
    );
    let (code, message) = call.error(&mut w);
    assert_eq!(
        (code, message.contains("hung")),
        (-32603, true),
        "{message}"
    );
    w.advance(5_000);
    assert_eq!((w.running("hung").len(), w.counts().backends), (0, 1));
}

#[test]
fn private_sessions_of_a_removed_server_end_too() {
    let mut w = World::http()
        .server_with("one", r#""isolation":"session""#, tools(["t"]))
        .start();
    let (a, b) = (w.client("{}"), w.client(r#"{"sampling":{}}"#));
    for client in [a, b] {
        client.call(&mut w, "one_1mcp_t", "{}");
    }
    assert_eq!(w.running("one").len(), 3);
    w.configure(&[]);
    w.advance(100);
    assert_eq!(
        (
            w.running("one").len(),
            w.counts().backends,
            w.counts().calls
        ),
        (0, 0, 0)
    );
    for client in [a, b] {
        assert_eq!(client.unread_answers(&mut w).len(), 1);
    }
}

#[test]
fn a_question_that_waits_ends_with_its_server() {
    let mut w = World::http().server("one", tools(["t"])).start();
    let a = w.client(r#"{"sampling":{}}"#);
    a.call(&mut w, "one_1mcp_t", "{}");
    let one = w.server("one");
    one.expect(&mut w, "tools/call");
    one.asks(&mut w, "1", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    w.configure(&[]);
    let told = std::iter::from_fn(|| a.next(&mut w)).collect::<Vec<_>>();
    let told = told
        .iter()
        .find(|told| told["method"] == "notifications/cancelled")
        .unwrap();
    assert_eq!(told["params"]["requestId"], ask["id"]);
    a.answers(&mut w, &ask, "{}");
}

#[test]
fn subscriptions_to_a_server_that_is_restarted_go_on() {
    let script = crate::server::anything().with("resources", [resource("x://a")]);
    let mut w = World::http().server("one", script).start();
    let a = w.client("{}");
    a.request(&mut w, "resources/subscribe", r#"{"uri":"x://a"}"#)
        .result(&mut w);
    w.configure(&[entry("one", r#""args":["-v"]"#)]);
    w.advance(500);
    a.clear(&mut w);
    let one = w.server("one");
    assert_eq!(one.got(&w, "resources/subscribe"), 1);
    one.notes(
        &mut w,
        "notifications/resources/updated",
        r#"{"uri":"x://a"}"#,
    );
    assert_eq!(a.heard(&mut w), ["notifications/resources/updated"]);
}

#[test]
fn a_server_that_was_given_up_is_tried_again_when_its_entry_changes() {
    let mut broken = tools(["t"]);
    broken.missing = Some("no such program".to_owned());
    let mut w = World::http()
        .server_with("one", r#""restartOnExit":false"#, broken)
        .start();
    let a = w.client("{}");
    let (_, message) = a.call(&mut w, "one_1mcp_t", "{}").error(&mut w);
    assert_eq!(message, "server one failed: no such program");
    w.script("one").missing = None;
    w.configure(&[entry("one", "")]);
    w.advance(100);
    assert_eq!(a.list(&mut w, "tools/list"), ["one_1mcp_t"]);
}
