//! Tasks between clients and servers of 2025-11-25 (protocol 3.1, LL): passed on under ids of ours.

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{POOL_IDLE_MS, TASK_MS_MAX};
use serde_json::json;

use crate::client::Client;
use crate::server::tools;
use crate::tasks_kit::*;
use crate::world::World;

#[test]
fn tasks_are_advertised_only_to_who_can_name_them_and_if_a_server_has_them() {
    let mut w = one().start();
    let shown = |w: &mut World, version: &str| {
        let c = Client::http(w);
        c.initialize(w, version, "{}")["capabilities"]["tasks"].clone()
    };
    let all = json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}});
    assert_eq!(shown(&mut w, "2025-11-25"), all);
    assert!(shown(&mut w, "2025-06-18").is_null());
    let mut w = World::http().server("s", tools(["t"])).start();
    assert!(shown(&mut w, "2025-11-25").is_null());
    let c = w.client("{}");
    for method in ["tasks/list", "tasks/get", "tasks/result", "tasks/cancel"] {
        let error = c.request(&mut w, method, r#"{"taskId":"1"}"#).error(&mut w);
        assert_eq!(error.0, -32601, "{method}");
    }
}

#[test]
fn a_task_param_for_a_server_without_tasks_is_ignored() {
    let mut w = World::http()
        .server("s", tools(["t"]))
        .server("o", script())
        .start();
    let old = Client::http(&mut w);
    old.initialize(&mut w, "2025-06-18", "{}");
    let new = w.client("{}");
    for (c, name, server) in [(new, "s_1mcp_t", "s"), (old, "o_1mcp_may", "o")] {
        let params = format!(r#"{{"name":"{name}","task":{{"ttl":1}},"arguments":{{}}}}"#);
        let call = c.request(&mut w, "tools/call", &params);
        let seen = w.server(server).expect(&mut w, "tools/call");
        assert_eq!(seen.value["params"].get("task"), None);
        seen.result(&mut w, "{}");
        assert_eq!(call.result(&mut w), json!({}));
    }
}

#[test]
fn a2_colliding_ids_of_two_clients_and_two_servers_never_meet() {
    let _reached = must_hit(Mark::TaskUnknown);
    let mut w = one().server("o", script()).start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let (s, o) = (w.server("s"), w.server("o"));
    let mine = begun(&mut w, a, s, "1");
    let call = b.request(&mut w, "tools/call", r#"{"name":"o_1mcp_may","task":{}}"#);
    takes(&mut w, o, "1");
    let theirs = call.result(&mut w)["task"]["taskId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(mine, theirs);
    for (c, id, server) in [(a, &mine, s), (b, &theirs, o)] {
        let call = about(&mut w, c, "tasks/get", id);
        let seen = asked(&mut w, server, "tasks/get", "1");
        seen.result(&mut w, &told("1", "completed"));
        let got = call.result(&mut w);
        assert_eq!(
            (&got["taskId"], &got["status"]),
            (&json!(id), &json!("completed"))
        );
        let listed = c.request(&mut w, "tasks/list", "{}").result(&mut w);
        assert_eq!(listed["tasks"].as_array().unwrap().len(), 1);
        assert_eq!(listed["tasks"][0], got);
    }
    for (c, foreign) in [(a, &theirs), (b, &mine)] {
        for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
            for id in [foreign.as_str(), "1", ""] {
                assert_eq!(about(&mut w, c, method, id).error(&mut w).0, -32602);
            }
        }
    }
    let modern = Client::modern(&mut w, KNOWS);
    assert_eq!(
        about(&mut w, modern, "tasks/get", &mine).error(&mut w).0,
        -32602
    );
    s.expect_nothing(&mut w);
    o.expect_nothing(&mut w);
}

#[test]
fn the_result_of_a_task_names_it_as_its_client_does() {
    let mut w = one().start();
    let c = w.client("{}");
    let s = w.server("s");
    let id = begun(&mut w, c, s, "x");
    let call = about(&mut w, c, "tasks/result", &id);
    let seen = asked(&mut w, s, "tasks/result", "x");
    w.advance(120_000);
    call.pending(&mut w);
    seen.result(
        &mut w,
        &format!(r#"{{"content":[],"n":1.0,"_meta":{{"{RELATED}":{{"taskId":"x"}},"v":1}}}}"#),
    );
    let line = call.line(&mut w).unwrap();
    assert!(line.contains(r#""n":1.0"#), "{line}");
    let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
    let meta = json!({RELATED: {"taskId": id}, "v": 1});
    assert_eq!(answer["result"]["_meta"], meta);
    let call = about(&mut w, c, "tasks/result", &id);
    let seen = asked(&mut w, s, "tasks/result", "x");
    seen.error(&mut w, r#"{"code":-32099,"message":"m"}"#);
    assert_eq!(call.error(&mut w), (-32099, "m".to_owned()));
}

#[test]
fn a_task_is_cancelled_by_its_client_and_its_error_passes() {
    let mut w = one().start();
    let c = w.client("{}");
    let s = w.server("s");
    let id = begun(&mut w, c, s, "x");
    let call = about(&mut w, c, "tasks/cancel", &id);
    asked(&mut w, s, "tasks/cancel", "x").result(&mut w, &told("x", "cancelled"));
    assert_eq!(call.result(&mut w)["status"], "cancelled");
    let call = about(&mut w, c, "tasks/cancel", &id);
    let seen = asked(&mut w, s, "tasks/cancel", "x");
    seen.error(&mut w, r#"{"code":-32602,"message":"over"}"#);
    assert_eq!(call.error(&mut w), (-32602, "over".to_owned()));
}

#[test]
fn status_and_progress_go_to_the_client_whose_task_it_is() {
    let mut w = one().start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    let call = a.request(
        &mut w,
        "tools/call",
        r#"{"name":"s_1mcp_may","task":{},"_meta":{"progressToken":"t"}}"#,
    );
    let seen = takes(&mut w, s, "x");
    let id = call.result(&mut w)["task"]["taskId"].clone();
    let token = &seen.value["params"]["_meta"]["progressToken"];
    let params = format!(r#"{{"progressToken":{token},"progress":1}}"#);
    s.notes(&mut w, "notifications/progress", &params);
    let note = a.expect(&mut w, "notifications/progress");
    assert_eq!(note["params"]["progressToken"], "t");
    s.notes(
        &mut w,
        "notifications/tasks/status",
        &told("x", "completed"),
    );
    let note = a.expect(&mut w, "notifications/tasks/status");
    assert_eq!(
        (&note["params"]["taskId"], &note["params"]["status"]),
        (&id, &json!("completed"))
    );
    s.notes(
        &mut w,
        "notifications/tasks/status",
        &told("y", "completed"),
    );
    a.expect_nothing(&mut w);
    b.expect_nothing(&mut w);
}

#[test]
fn s3_a_question_of_a_task_goes_to_whose_it_is_whoever_has_calls_there() {
    let _reached = must_hit(Mark::TaskAskOfNobody);
    let form = r#"{"elicitation":{}}"#;
    let mut w = one().start();
    let (a, b) = (w.client(form), w.client(form));
    let s = w.server("s");
    let id = begun(&mut w, a, s, "x");
    let result = about(&mut w, a, "tasks/result", &id);
    let seen = asked(&mut w, s, "tasks/result", "x");
    let other = b.call(&mut w, "s_1mcp_may", "{}");
    let others = s.expect(&mut w, "tools/call");
    s.asks(&mut w, "1", "elicitation/create", &question("x"));
    let ask = a.expect(&mut w, "elicitation/create");
    assert_eq!(
        ask["params"]["_meta"],
        json!({RELATED: {"taskId": id}, "v": 1})
    );
    a.answers(&mut w, &ask, r#"{"action":"accept"}"#);
    assert_eq!(s.granted(&mut w, "1"), json!({"action": "accept"}));
    s.asks(&mut w, "2", "elicitation/create", &question("nobody's"));
    assert_eq!(s.refused(&mut w, "2"), -32602);
    b.expect_nothing(&mut w);
    seen.result(&mut w, "{}");
    others.result(&mut w, "{}");
    result.result(&mut w);
    other.result(&mut w);
}

#[test]
fn x10_a_task_is_forgotten_when_its_time_is_over() {
    let _reached = must_hit(Mark::TaskExpires);
    let mut w = one().start();
    let c = w.client("{}");
    let s = w.server("s");
    let id = begun(&mut w, c, s, "x");
    let waiting = about(&mut w, c, "tasks/result", &id);
    asked(&mut w, s, "tasks/result", "x");
    w.advance(599_000);
    waiting.pending(&mut w);
    w.advance(2_000);
    assert_eq!(waiting.error(&mut w).0, -32602);
    assert_eq!(about(&mut w, c, "tasks/get", &id).error(&mut w).0, -32602);
    // Its server may go on for ever otherwise.
    asked(&mut w, s, "tasks/cancel", "x");
    let call = c.request(&mut w, "tools/call", r#"{"name":"s_1mcp_may","task":{}}"#);
    let ever = told("y", "working").replace("600000", "null");
    let seen = s.expect(&mut w, "tools/call");
    seen.result(&mut w, &format!(r#"{{"task":{ever}}}"#));
    assert_eq!(call.result(&mut w)["task"]["ttl"], TASK_MS_MAX);
}

#[test]
fn the_death_of_a_server_ends_its_tasks_and_their_client_is_told() {
    let _reached = must_hit(Mark::TaskLost);
    let mut w = one().start();
    let c = w.client("{}");
    let s = w.server("s");
    let id = begun(&mut w, c, s, "x");
    let waiting = about(&mut w, c, "tasks/result", &id);
    asked(&mut w, s, "tasks/result", "x");
    s.dies(&mut w);
    assert_eq!(waiting.error(&mut w).0, -32603);
    let note = c.expect(&mut w, "notifications/tasks/status");
    assert_eq!(note["params"]["status"], "failed");
    let got = about(&mut w, c, "tasks/get", &id).result(&mut w);
    assert_eq!(
        (&got["status"], &got["taskId"]),
        (&json!("failed"), &json!(id))
    );
    let error = about(&mut w, c, "tasks/result", &id).error(&mut w);
    assert!(error.0 == -32603 && error.1.contains("ended"), "{error:?}");
    assert_eq!(
        about(&mut w, c, "tasks/cancel", &id).error(&mut w).0,
        -32602
    );
    w.advance(601_000);
    assert_eq!(about(&mut w, c, "tasks/get", &id).error(&mut w).0, -32602);
}

#[test]
fn a_task_keeps_the_session_that_knows_it() {
    let own = r#""isolation":"session""#;
    let mut w = World::http().server_with("s", own, script()).start();
    let c = w.client("{}");
    let tool = r#"{"name":"s_1mcp_may","task":{}}"#;
    let call = c.request(&mut w, "tools/call", tool);
    let s = w.server("s");
    let ever = told("x", "working").replace("600000", "null");
    let seen = s.expect(&mut w, "tools/call");
    seen.result(&mut w, &format!(r#"{{"task":{ever}}}"#));
    let id = call.result(&mut w)["task"]["taskId"]
        .as_str()
        .unwrap()
        .to_owned();
    w.advance(3 * POOL_IDLE_MS);
    assert!(s.alive(&w));
    about(&mut w, c, "tasks/get", &id);
    asked(&mut w, s, "tasks/get", "x");
}

#[test]
fn the_tasks_of_a_client_that_leaves_are_cancelled() {
    let _reached = must_hit(Mark::TaskClientLeaves);
    let mut w = one().start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    begun(&mut w, a, s, "x");
    let kept = begun(&mut w, b, s, "y");
    a.leaves(&mut w);
    asked(&mut w, s, "tasks/cancel", "x");
    about(&mut w, b, "tasks/get", &kept);
    asked(&mut w, s, "tasks/get", "y");
}

#[test]
fn a_server_may_answer_at_once_or_with_an_error_instead_of_a_task() {
    let mut w = one().start();
    let c = w.client("{}");
    let s = w.server("s");
    let tool = r#"{"name":"s_1mcp_never","task":{}}"#;
    let call = c.request(&mut w, "tools/call", tool);
    let seen = s.expect(&mut w, "tools/call");
    seen.error(&mut w, r#"{"code":-32601,"message":"never"}"#);
    assert_eq!(call.error(&mut w), (-32601, "never".to_owned()));
    let call = c.request(&mut w, "tools/call", tool);
    s.expect(&mut w, "tools/call")
        .result(&mut w, r#"{"content":[]}"#);
    assert_eq!(call.result(&mut w), json!({"content": []}));
}
