//! Clients of the 2024-11-05 transport: one stream for everything (protocol E).

use serde_json::json;

use crate::client::Client;
use crate::server::tools;
use crate::world::{Builder, World};

fn one() -> Builder {
    World::http().server("s", tools(["t"]))
}

#[test]
fn e6_answers_questions_and_changes_come_on_the_one_stream() {
    let mut w = one().start();
    let a = Client::sse(&mut w);
    a.initialize(&mut w, "2024-11-05", r#"{"sampling":{}}"#);
    a.initialized(&mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let s = w.server("s");
    let seen = s.expect(&mut w, "tools/call");
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    a.answers(&mut w, &ask, r#"{"n":1}"#);
    assert_eq!(s.granted(&mut w, "1"), json!({"n": 1}));
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    w.advance(100);
    assert_eq!(a.heard(&mut w), ["notifications/tools/list_changed"]);
    assert!(a.statuses(&mut w).iter().all(|status| *status == 202));
}

#[test]
fn e5_a_request_without_initialize_is_served_as_from_a_client_without_capabilities() {
    let mut w = one().start();
    let a = Client::sse(&mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let s = w.server("s");
    let seen = s.expect(&mut w, "tools/call");
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    assert_eq!(s.refused(&mut w, "1"), -32601);
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    // An `initialize` that follows replaces this: what ran is given up.
    let lost = a.call(&mut w, "s_1mcp_t", "{}");
    let common = w.server("s");
    common.expect(&mut w, "tools/call");
    a.initialize(&mut w, "2025-06-18", r#"{"sampling":{}}"#);
    common.expect(&mut w, "notifications/cancelled");
    lost.pending(&mut w);
    assert_eq!(w.counts().calls, 0);
}

#[test]
fn e4_the_end_of_the_stream_is_the_end_of_the_session() {
    let mut w = one().start();
    let before = w.counts();
    let a = Client::sse(&mut w);
    a.initialize(&mut w, "2024-11-05", "{}");
    a.initialized(&mut w);
    a.call(&mut w, "s_1mcp_t", "{}");
    let s = w.server("s");
    s.expect(&mut w, "tools/call");
    a.leaves(&mut w);
    s.expect(&mut w, "notifications/cancelled");
    assert_eq!(
        (w.counts().calls, w.counts().sessions),
        (0, before.sessions)
    );
}

#[test]
fn a2_a_client_on_each_transport_with_the_same_ids() {
    let mut w = one().start();
    let (a, b) = (Client::sse(&mut w), w.client("{}"));
    a.initialize(&mut w, "2024-11-05", "{}");
    a.initialized(&mut w);
    let s = w.server("s");
    let calls = [a, b].map(|client| {
        client.request_as(
            &mut w,
            "\"x\"",
            "tools/call",
            r#"{"name":"s_1mcp_t","_meta":{"progressToken":"p"}}"#,
        )
    });
    let seen = [
        s.expect(&mut w, "tools/call"),
        s.expect(&mut w, "tools/call"),
    ];
    for (n, seen) in seen.iter().enumerate().rev() {
        let params = format!(r#"{{"progressToken":{},"progress":{n}}}"#, seen.id());
        s.notes(&mut w, "notifications/progress", &params);
        seen.result(&mut w, &format!(r#"{{"n":{n}}}"#));
    }
    for (n, (client, call)) in [a, b].iter().zip(&calls).enumerate() {
        assert_eq!(call.result(&mut w), json!({"n": n}));
        let note = client.expect(&mut w, "notifications/progress");
        assert_eq!(note["params"], json!({"progressToken": "p", "progress": n}));
        client.expect_nothing(&mut w);
    }
}
