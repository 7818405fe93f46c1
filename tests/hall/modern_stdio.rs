//! Both eras on one pipe (B2, B5 to B7), over servers with sessions.

use serde_json::json;

use crate::client::{Call, Client, described};
use crate::server::tools;
use crate::world::World;
use onemcp::limits::{GATHER_MS, INITIALIZE_WAIT_MS};

const DONE: &str = r#"{"content":[]}"#;

fn modern(w: &mut World, client: Client, id: &str, method: &str, params: &str) -> Call {
    declaring(w, client, (id, "{}"), method, params)
}

pub(crate) fn declaring(
    w: &mut World,
    client: Client,
    (id, capabilities): (&str, &str),
    method: &str,
    params: &str,
) -> Call {
    let params = described(&format!(r#"{{"params":{params}}}"#), capabilities, "");
    let params = params
        .strip_prefix(r#"{"params":"#)
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap()
        .to_owned();
    client.request_as(w, id, method, &params)
}

#[test]
fn b2_a_probe_is_answered_before_anything_else_and_starts_the_servers() {
    let mut w = World::stdio().server("s", tools(["t"])).begin();
    let c = w.stdin();
    assert_eq!(w.starts("s"), 0);
    let call = modern(&mut w, c, "1", "server/discover", "{}");
    w.advance(INITIALIZE_WAIT_MS);
    let result = call.result(&mut w);
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
    assert_eq!(w.starts("s"), 1);
    let call = modern(&mut w, c, "2", "tools/call", r#"{"name":"s_1mcp_t"}"#);
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, DONE);
    assert_eq!(call.result(&mut w)["resultType"], "complete");
    assert_eq!(w.exit, None);
}

#[test]
fn b2_a_modern_call_needs_no_probe_and_what_it_declares_holds_for_the_servers() {
    let mut w = World::stdio().server("s", tools(["t"])).begin();
    let c = w.stdin();
    let list = declaring(&mut w, c, ("1", r#"{"roots":{}}"#), "tools/list", "{}");
    w.advance(10);
    assert_eq!(list.result(&mut w)["tools"][0]["name"], "s_1mcp_t");
    assert_eq!(
        w.server("s").declared(&w)["roots"],
        json!({"listChanged": false})
    );
}

#[test]
fn b2_an_initialize_after_modern_requests_gets_servers_that_were_told_the_same() {
    for (capabilities, starts) in [("{}", 1), (r#"{"sampling":{}}"#, 2)] {
        let mut w = World::stdio().server("s", tools(["t"])).begin();
        let c = w.stdin();
        modern(&mut w, c, "\"m\"", "tools/list", "{}");
        w.advance(10);
        c.initialize(&mut w, "2025-11-25", capabilities);
        c.initialized(&mut w);
        w.advance(10);
        assert_eq!((w.starts("s"), w.running("s").len()), (starts, 1));
        let legacy = c.call(&mut w, "s_1mcp_t", r#"{"n":1}"#);
        let call = modern(&mut w, c, "\"n\"", "tools/call", r#"{"name":"s_1mcp_t"}"#);
        let server = w.server("s");
        let first = server.expect(&mut w, "tools/call");
        let second = server.expect(&mut w, "tools/call");
        second.result(&mut w, DONE);
        first.result(&mut w, DONE);
        assert_eq!(call.result(&mut w)["resultType"], "complete");
        assert_eq!(legacy.result(&mut w), json!({"content": []}));
    }
}

#[test]
fn b5_a_question_on_behalf_of_a_modern_line_is_never_put_to_the_legacy_client() {
    let mut w = World::stdio().server("s", tools(["t"])).begin();
    let c = w.stdin();
    c.initialize(&mut w, "2025-11-25", r#"{"sampling":{}}"#);
    c.initialized(&mut w);
    w.advance(10);
    c.clear(&mut w);
    let call = declaring(
        &mut w,
        c,
        ("\"m\"", r#"{"sampling":{}}"#),
        "tools/call",
        r#"{"name":"s_1mcp_t"}"#,
    );
    let server = w.server("s");
    let seen = server.expect(&mut w, "tools/call");
    server.asks(&mut w, "9", "sampling/createMessage", "{}");
    c.expect_nothing(&mut w);
    w.advance(GATHER_MS);
    let asked = call.result(&mut w);
    assert_eq!(asked["resultType"], "input_required");
    let keys: Vec<&String> = asked["inputRequests"].as_object().unwrap().keys().collect();
    let params = format!(
        r#"{{"name":"s_1mcp_t","inputResponses":{{"{}":{{}}}},"requestState":{}}}"#,
        keys[0], asked["requestState"]
    );
    let id = ("\"m\"", r#"{"sampling":{}}"#);
    let call = declaring(&mut w, c, id, "tools/call", &params);
    server.granted(&mut w, "9");
    seen.result(&mut w, DONE);
    assert_eq!(call.result(&mut w)["resultType"], "complete");
    // The legacy client itself is asked as ever.
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = server.expect(&mut w, "tools/call");
    server.asks(&mut w, "10", "sampling/createMessage", "{}");
    let ask = c.expect(&mut w, "sampling/createMessage");
    c.answers(&mut w, &ask, "{}");
    server.granted(&mut w, "10");
    seen.result(&mut w, DONE);
    call.result(&mut w);
}

#[test]
fn b5_a_cancelled_line_is_cancelled_at_the_server_and_not_answered() {
    let mut w = World::stdio().server("s", tools(["t"])).begin();
    let c = w.stdin();
    let call = modern(&mut w, c, "5", "tools/call", r#"{"name":"s_1mcp_t"}"#);
    w.advance(10);
    let server = w.server("s");
    let seen = server.expect(&mut w, "tools/call");
    c.cancels(&mut w, &call);
    seen.is_cancelled(&mut w);
    seen.result(&mut w, DONE);
    call.pending(&mut w);
    assert_eq!((w.counts().exchanges, w.exit), (0, None));
}

#[test]
fn b6_subscriptions_on_one_pipe_are_told_apart_and_end_with_the_input() {
    let mut w = World::stdio().server("s", tools(["a"])).begin();
    let c = w.stdin();
    let filter = r#"{"notifications":{"toolsListChanged":true}}"#;
    for id in ["1", "\"1\""] {
        modern(&mut w, c, id, "subscriptions/listen", filter);
        let ack = c.expect(&mut w, "notifications/subscriptions/acknowledged");
        let key = "io.modelcontextprotocol/subscriptionId";
        assert_eq!(ack["params"]["_meta"][key].to_string(), id);
    }
    w.advance(1_000);
    c.clear(&mut w);
    w.script("s").set("tools", [crate::server::tool("b")]);
    w.server("s").list_changed(&mut w, "tools");
    w.advance(1_000);
    for _ in 0..2 {
        c.expect(&mut w, "notifications/tools/list_changed");
    }
    c.expect_nothing(&mut w);
    c.leaves(&mut w);
    w.advance(2_000);
    let ends = c.unread_answers(&mut w);
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert!(
        ends.iter()
            .all(|end| end.contains(r#""resultType":"complete""#))
    );
    assert_eq!(w.exit, Some(0));
}
