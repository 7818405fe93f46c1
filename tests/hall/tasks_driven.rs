//! Tools that must be tasks, for clients that know of none: the gateway looks after the task, and
//! the client gets the final result (protocol 3.1, LL and ML).

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::RETRY_AGAIN_MS;
use serde_json::json;

use crate::client::{Call, Client};
use crate::server::{Child, Seen};
use crate::tasks_kit::*;
use crate::world::World;

/// A call that has become a task; the server is asked for its result.
#[track_caller]
fn driven(w: &mut World, c: Client, s: Child) -> (Call, Seen, Seen) {
    let params = r#"{"name":"s_1mcp_must","arguments":{},"_meta":{"progressToken":"t"}}"#;
    let call = c.request(w, "tools/call", params);
    let first = takes(w, s, "x");
    assert!(first.value["params"]["task"]["ttl"].is_u64());
    let seen = asked(w, s, "tasks/result", "x");
    (call, first, seen)
}

#[test]
fn a_client_that_knows_no_tasks_gets_the_final_result() {
    let _reached = must_hit(Mark::TaskDriven);
    let mut w = one().start();
    let old = Client::http(&mut w);
    old.initialize(&mut w, "2025-03-26", "{}");
    let new = w.client("{}");
    let modern = Client::modern(&mut w, "{}");
    let s = w.server("s");
    for c in [old, new, modern] {
        let (call, first, seen) = driven(&mut w, c, s);
        // Longer than a call may take.
        w.advance(120_000);
        call.pending(&mut w);
        let token = &first.value["params"]["_meta"]["progressToken"];
        for progress in [1, 2] {
            let params = format!(r#"{{"progressToken":{token},"progress":{progress}}}"#);
            s.notes(&mut w, "notifications/progress", &params);
        }
        for progress in [1, 2] {
            let note = c.expect(&mut w, "notifications/progress");
            assert_eq!(
                note["params"],
                json!({"progressToken": "t", "progress": progress})
            );
        }
        let meta = format!(r#""_meta":{{"{RELATED}":{{"taskId":"x"}}}}"#);
        seen.result(
            &mut w,
            &format!(r#"{{"content":[],"isError":true,{meta}}}"#),
        );
        let result = call.result(&mut w);
        assert_eq!(
            (&result["content"], &result["isError"]),
            (&json!([]), &json!(true))
        );
        assert!(result["_meta"].get(RELATED).is_none());
        assert_eq!(w.counts().tasks, 0);
    }
    let (call, _, seen) = driven(&mut w, old, s);
    seen.error(&mut w, r#"{"code":-7,"message":"m"}"#);
    assert_eq!(call.error(&mut w), (-7, "m".to_owned()));
}

#[test]
fn a_tool_that_ends_at_once_needs_no_task() {
    let mut w = one().start();
    let c = w.client("{}");
    let call = c.call(&mut w, "s_1mcp_must", "{}");
    let seen = w.server("s").expect(&mut w, "tools/call");
    seen.result(&mut w, r#"{"content":[]}"#);
    assert_eq!(call.result(&mut w), json!({"content": []}));
}

#[test]
fn a_cancelled_call_cancels_its_task() {
    let _reached = must_hit(Mark::DrivenTaskCancelled);
    let mut w = one().start();
    let c = w.client("{}");
    let modern = Client::modern(&mut w, "{}");
    let s = w.server("s");
    let (call, _, _) = driven(&mut w, c, s);
    c.cancels(&mut w, &call);
    s.expect(&mut w, "notifications/cancelled");
    asked(&mut w, s, "tasks/cancel", "x").result(&mut w, &told("x", "cancelled"));
    driven(&mut w, modern, s);
    modern.hangs_up(&mut w);
    s.expect(&mut w, "notifications/cancelled");
    asked(&mut w, s, "tasks/cancel", "x");
    driven(&mut w, c, s);
    c.leaves(&mut w);
    s.expect(&mut w, "notifications/cancelled");
    asked(&mut w, s, "tasks/cancel", "x");
    assert_eq!(w.counts().tasks, 0);
}

#[test]
fn a_driven_task_asks_the_client_of_its_call() {
    let form = r#"{"elicitation":{}}"#;
    let mut w = one().start();
    let (a, b) = (w.client(form), w.client(form));
    let s = w.server("s");
    let (call, _, seen) = driven(&mut w, a, s);
    let other = b.call(&mut w, "s_1mcp_may", "{}");
    let others = s.expect(&mut w, "tools/call");
    s.asks(&mut w, "1", "elicitation/create", &question("x"));
    let ask = a.expect(&mut w, "elicitation/create");
    assert_eq!(ask["params"]["_meta"], json!({"v": 1}));
    a.answers(&mut w, &ask, r#"{"action":"accept"}"#);
    assert_eq!(s.granted(&mut w, "1"), json!({"action": "accept"}));
    seen.result(&mut w, r#"{"content":[]}"#);
    call.result(&mut w);
    others.result(&mut w, "{}");
    other.result(&mut w);
    b.expect_nothing(&mut w);
}

#[test]
fn the_death_of_a_server_ends_the_calls_behind_its_tasks() {
    let mut w = one().start();
    let c = w.client("{}");
    let s = w.server("s");
    let (call, _, _) = driven(&mut w, c, s);
    s.dies(&mut w);
    let error = call.error(&mut w);
    assert!(
        error.0 == -32603 && error.1.contains("server s"),
        "{error:?}"
    );
    assert_eq!(w.counts().tasks, 0);
}

#[test]
fn a_driven_task_asks_a_client_without_a_session_in_the_answer_to_its_call() {
    let mut w = one().start();
    let c = Client::modern(&mut w, r#"{"elicitation":{"form":{}}}"#);
    let s = w.server("s");
    let (call, first, seen) = driven(&mut w, c, s);
    s.asks(&mut w, "1", "elicitation/create", &question("x"));
    w.advance(100);
    let asked = call.result(&mut w);
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let (key, request) = asked["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(request["params"]["message"], "sure?");
    let params = format!(
        r#"{{"name":"s_1mcp_must","arguments":{{}},"_meta":{{"progressToken":"u"}},"requestState":{},"inputResponses":{{{key:?}:{{"action":"accept"}}}}}}"#,
        asked["requestState"]
    );
    let call = c.request(&mut w, "tools/call", &params);
    assert_eq!(s.granted(&mut w, "1"), json!({"action": "accept"}));
    let token = &first.value["params"]["_meta"]["progressToken"];
    let params = format!(r#"{{"progressToken":{token},"progress":1}}"#);
    s.notes(&mut w, "notifications/progress", &params);
    let note = c.expect(&mut w, "notifications/progress");
    assert_eq!(note["params"]["progressToken"], "u");
    seen.result(&mut w, r#"{"content":[]}"#);
    assert_eq!(call.result(&mut w)["content"], json!([]));
    // Until then the same request may come once more.
    w.advance(RETRY_AGAIN_MS);
    assert_eq!((w.counts().tasks, w.counts().suspended), (0, 0));
    s.expect_nothing(&mut w);
}
