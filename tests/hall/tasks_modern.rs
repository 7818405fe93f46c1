//! Tasks of servers of 2025-11-25 for clients without a session that know of tasks (protocol 3.5).

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{TASK_QUESTION_BYTES_MAX, TASK_QUESTIONS_MAX, TASKS_PER_PRINCIPAL_MAX};
use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{Child, tools};
use crate::tasks_kit::*;
use crate::world::World;

fn start() -> (World, Client, Child) {
    let mut w = one().start();
    let c = Client::modern(&mut w, KNOWS);
    let s = w.server("s");
    (w, c, s)
}

#[test]
fn the_extension_is_advertised_if_a_server_has_tasks_and_asked_for_if_not_declared() {
    let (mut w, c, _) = start();
    let shown = c.request(&mut w, "server/discover", "{}").result(&mut w);
    let capabilities = &shown["capabilities"];
    let extension = json!({"io.modelcontextprotocol/tasks": {}});
    assert_eq!(capabilities["extensions"], extension);
    assert!(capabilities.get("tasks").is_none());
    let plain = Client::modern(&mut w, "{}");
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let answer = about(&mut w, plain, method, "x").answer(&mut w);
        assert_eq!(answer["error"]["code"], -32021, "{answer}");
        let needed = &answer["error"]["data"]["requiredCapabilities"]["extensions"];
        assert_eq!(*needed, extension);
        assert_eq!(plain.status(&mut w), Some(400));
    }
    for removed in ["tasks/list", "tasks/result"] {
        assert_eq!(about(&mut w, c, removed, "x").error(&mut w).0, -32601);
    }
    let mut w = World::http().server("s", tools(["t"])).start();
    let c = Client::modern(&mut w, KNOWS);
    let shown = c.request(&mut w, "server/discover", "{}").result(&mut w);
    assert!(shown["capabilities"].get("extensions").is_none());
    assert_eq!(about(&mut w, c, "tasks/get", "x").error(&mut w).0, -32601);
}

#[test]
fn a_result_completes_a_task_even_if_it_is_an_error_and_an_error_fails_it() {
    let (mut w, c, s) = start();
    let id = shown(&mut w, c, s, "x");
    let got = look(&mut w, c, s, (&id, "x"), "working");
    assert_eq!(
        (&got["status"], &got["ttlMs"]),
        (&json!("working"), &json!(600000))
    );
    assert!(got.get("ttl").is_none() && got.get("result").is_none());
    for (status, outcome) in [
        (
            "completed",
            r#""result":{"content":[],"n":1.0,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"x"}}}"#,
        ),
        ("failed", r#""result":{"content":[],"isError":true}"#),
        ("failed", r#""error":{"code":-32603,"message":"m"}"#),
    ] {
        let call = about(&mut w, c, "tasks/get", &id);
        asked(&mut w, s, "tasks/get", "x").result(&mut w, &told("x", status));
        let seen = asked(&mut w, s, "tasks/result", "x");
        s.says(
            &mut w,
            &format!(r#"{{"jsonrpc":"2.0","id":{},{outcome}}}"#, seen.id()),
        );
        let got = call.result(&mut w);
        assert_eq!(
            (&got["resultType"], &got["taskId"]),
            (&json!("complete"), &json!(id))
        );
        if outcome.contains("result") {
            assert_eq!(got["status"], "completed");
            assert!(got["result"]["content"].is_array() && got.get("error").is_none());
            let meta = got["result"]["_meta"].as_object().unwrap();
            assert!(!meta.contains_key(RELATED));
        } else {
            assert_eq!(got["status"], "failed");
            assert_eq!(got["error"], json!({"code": -32603, "message": "m"}));
            assert!(got.get("result").is_none());
        }
    }
}

#[test]
fn a_tool_that_need_not_be_a_task_is_none_for_who_does_not_know_of_them() {
    let (mut w, c, s) = start();
    let plain = Client::modern(&mut w, "{}");
    for (c, name) in [(plain, "may"), (plain, "never"), (c, "never")] {
        let params = format!(r#"{{"name":"s_1mcp_{name}","task":{{"ttl":1}}}}"#);
        let call = c.request(&mut w, "tools/call", &params);
        let seen = s.expect(&mut w, "tools/call");
        assert!(seen.value["params"].get("task").is_none(), "{}", seen.line);
        seen.result(&mut w, r#"{"content":[]}"#);
        assert_eq!(call.result(&mut w)["resultType"], "complete");
    }
    // What such a client writes itself is ours to write.
    let call = c.request(
        &mut w,
        "tools/call",
        r#"{"task":{"ttl":1},"name":"s_1mcp_may"}"#,
    );
    let seen = s.expect(&mut w, "tools/call");
    assert!(seen.value["params"]["task"]["ttl"].as_u64().unwrap() > 1);
    seen.result(&mut w, r#"{"content":[]}"#);
    assert_eq!(call.result(&mut w)["resultType"], "complete");
}

/// A task that asks once and is known to.
fn asking(w: &mut World, c: Client, s: Child) -> (String, Value) {
    let id = shown(w, c, s, "x");
    let got = look(w, c, s, (&id, "x"), "input_required");
    assert_eq!(got["status"], "working", "nothing was asked yet");
    asked(w, s, "tasks/result", "x");
    s.asks(w, "7", "elicitation/create", &question("x"));
    let got = look(w, c, s, (&id, "x"), "input_required");
    assert_eq!(got["status"], "input_required");
    (id, got["inputRequests"].clone())
}

fn update(w: &mut World, c: Client, id: &str, responses: &Value) -> crate::client::Call {
    let params = json!({"taskId": id, "inputResponses": responses});
    c.request(w, "tasks/update", &params.to_string())
}

#[test]
fn what_a_task_asks_is_answered_by_tasks_update() {
    let _reached = [must_hit(Mark::TaskAsks), must_hit(Mark::TaskAnswerUnasked)];
    let (mut w, c, s) = start();
    let (id, requests) = asking(&mut w, c, s);
    let (key, request) = requests.as_object().unwrap().iter().next().unwrap();
    assert_eq!(request["method"], "elicitation/create");
    assert_eq!(request["params"]["mode"], "form");
    assert_eq!(request["params"]["message"], "sure?");
    assert!(request["params"].get("_meta").is_none());
    s.asks(&mut w, "8", "elicitation/create", &question("x"));
    let got = look(&mut w, c, s, (&id, "x"), "input_required");
    let both = got["inputRequests"].as_object().unwrap().len();
    assert_eq!(both, 2);
    let wrong = update(&mut w, c, &id, &json!({key: 7}));
    assert_eq!(wrong.error(&mut w).0, -32602);
    let answer = json!({"action": "accept", "content": {}});
    let ack = update(&mut w, c, &id, &json!({key: answer, "q99": {}})).result(&mut w);
    assert_eq!(ack["resultType"], "complete");
    assert!(ack.get("taskId").is_none() && ack.get("status").is_none());
    assert_eq!(s.granted(&mut w, "7"), answer);
    let got = look(&mut w, c, s, (&id, "x"), "input_required");
    let left = got["inputRequests"].as_object().unwrap();
    assert!(left.len() == 1 && !left.contains_key(key));
    let (other, _) = left.iter().next().unwrap();
    update(
        &mut w,
        c,
        &id,
        &json!({key: {}, other: {"action": "decline"}}),
    )
    .result(&mut w);
    assert_eq!(s.granted(&mut w, "8"), json!({"action": "decline"}));
    // A key is never used again.
    s.asks(&mut w, "9", "elicitation/create", &question("x"));
    let got = look(&mut w, c, s, (&id, "x"), "input_required");
    let third = got["inputRequests"].as_object().unwrap();
    assert!(!third.contains_key(key) && !third.contains_key(other));
}

#[test]
fn d16_a_task_asks_only_what_was_declared_and_not_too_much() {
    let _reached = [
        must_hit(Mark::TaskAskUndeclared),
        must_hit(Mark::TaskQuestionsFull),
        must_hit(Mark::TaskAskWithdrawn),
    ];
    let (mut w, c, s) = start();
    let (id, _) = asking(&mut w, c, s);
    let sampling = format!(r#"{{"messages":[],"_meta":{{"{RELATED}":{{"taskId":"x"}}}}}}"#);
    s.asks(&mut w, "1", "sampling/createMessage", &sampling);
    assert_eq!(s.refused(&mut w, "1"), -32601);
    let long = question("x").replace("sure?", &"x".repeat(TASK_QUESTION_BYTES_MAX));
    s.asks(&mut w, "2", "elicitation/create", &long);
    assert_eq!(s.refused(&mut w, "2"), -32603);
    for number in 1..TASK_QUESTIONS_MAX {
        s.asks(
            &mut w,
            &format!("\"{number}\""),
            "elicitation/create",
            &question("x"),
        );
    }
    s.asks(&mut w, "3", "elicitation/create", &question("x"));
    assert_eq!(s.refused(&mut w, "3"), -32603);
    s.notes(&mut w, "notifications/cancelled", r#"{"requestId":7}"#);
    let got = look(&mut w, c, s, (&id, "x"), "input_required");
    let asked = got["inputRequests"].as_object().unwrap();
    assert_eq!(asked.len(), TASK_QUESTIONS_MAX - 1);
}

#[test]
fn a_cancelled_task_is_acknowledged_with_nothing_also_when_it_is_over() {
    let (mut w, c, s) = start();
    let id = shown(&mut w, c, s, "x");
    for answer in [
        Ok(told("x", "cancelled")),
        Err(r#"{"code":-32602,"message":"over"}"#),
    ] {
        let call = about(&mut w, c, "tasks/cancel", &id);
        if let Some(line) = s.next(&mut w) {
            let seen: Value = serde_json::from_str(&line).unwrap();
            let (name, value) = match &answer {
                Ok(task) => ("result", task.as_str()),
                Err(error) => ("error", *error),
            };
            let line = format!(
                r#"{{"jsonrpc":"2.0","id":{},"{name}":{value}}}"#,
                seen["id"]
            );
            s.says(&mut w, &line);
        }
        let ack = call.result(&mut w);
        assert_eq!(ack["resultType"], "complete");
        assert!(ack.get("taskId").is_none() && ack.get("status").is_none());
    }
}

#[test]
fn who_listens_to_a_task_is_told_all_of_it() {
    let (mut w, c, s) = start();
    let (id, other) = (shown(&mut w, c, s, "x"), shown(&mut w, c, s, "y"));
    let listener = Client::modern(&mut w, KNOWS);
    let params = json!({"notifications": {"taskIds": [id, "nobody's", id]}});
    listener.request(&mut w, "subscriptions/listen", &params.to_string());
    let granted = listener.expect(&mut w, "notifications/subscriptions/acknowledged");
    assert_eq!(granted["params"]["notifications"]["taskIds"], json!([id]));
    let deaf = Client::modern(&mut w, "{}");
    deaf.request(&mut w, "subscriptions/listen", &params.to_string());
    let granted = deaf.expect(&mut w, "notifications/subscriptions/acknowledged");
    assert!(granted["params"]["notifications"].get("taskIds").is_none());
    s.notes(
        &mut w,
        "notifications/tasks/status",
        &told("y", "completed"),
    );
    s.expect_nothing(&mut w);
    s.notes(
        &mut w,
        "notifications/tasks/status",
        &told("x", "input_required"),
    );
    asked(&mut w, s, "tasks/result", "x");
    asked(&mut w, s, "tasks/get", "x").result(&mut w, &told("x", "input_required"));
    assert_eq!(
        listener.expect(&mut w, "notifications/tasks")["params"]["status"],
        "working"
    );
    s.asks(&mut w, "1", "elicitation/create", &question("x"));
    asked(&mut w, s, "tasks/get", "x").result(&mut w, &told("x", "input_required"));
    let note = listener.expect(&mut w, "notifications/tasks");
    assert!(note["params"]["inputRequests"].is_object());
    s.notes(
        &mut w,
        "notifications/tasks/status",
        &told("x", "completed"),
    );
    asked(&mut w, s, "tasks/get", "x").result(&mut w, &told("x", "completed"));
    asked(&mut w, s, "tasks/result", "x").result(&mut w, r#"{"content":[]}"#);
    let note = listener.expect(&mut w, "notifications/tasks");
    let params = &note["params"];
    assert_eq!(
        (&params["taskId"], &params["status"]),
        (&json!(id), &json!("completed"))
    );
    assert_eq!(params["result"]["content"], json!([]));
    assert_eq!(params["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    deaf.expect_nothing(&mut w);
    assert_ne!(id, other);
}

#[test]
fn the_death_of_a_server_fails_its_tasks_and_a_restart_forgets_them() {
    let (mut w, c, s) = start();
    let id = shown(&mut w, c, s, "x");
    let listener = Client::modern(&mut w, KNOWS);
    let params = json!({"notifications": {"taskIds": [id]}}).to_string();
    listener.request(&mut w, "subscriptions/listen", &params);
    listener.clear(&mut w);
    s.dies(&mut w);
    let note = listener.expect(&mut w, "notifications/tasks");
    assert_eq!(note["params"]["status"], "failed");
    let got = about(&mut w, c, "tasks/get", &id).result(&mut w);
    assert_eq!(
        (&got["status"], &got["error"]["code"]),
        (&json!("failed"), &json!(-32603))
    );
    let ack = about(&mut w, c, "tasks/cancel", &id).result(&mut w);
    assert_eq!(ack["resultType"], "complete");
    // Another process of ours knows nothing of it.
    let (mut w, c, _) = start();
    assert_eq!(about(&mut w, c, "tasks/get", &id).error(&mut w).0, -32602);
}

#[test]
fn x10_with_too_many_tasks_a_tool_that_must_be_one_is_refused() {
    let _reached = must_hit(Mark::TasksFull);
    let (mut w, c, s) = start();
    for number in 0..TASKS_PER_PRINCIPAL_MAX {
        shown(&mut w, c, s, &number.to_string());
    }
    let error = c.call(&mut w, "s_1mcp_must", "{}").error(&mut w);
    assert!(
        error.0 == -32603 && error.1.contains("1024 tasks"),
        "{error:?}"
    );
    let call = c.call(&mut w, "s_1mcp_may", "{}");
    let seen = s.expect(&mut w, "tools/call");
    assert!(seen.value["params"].get("task").is_none());
    seen.result(&mut w, r#"{"content":[]}"#);
    assert_eq!(call.result(&mut w)["resultType"], "complete");
    w.advance(601_000);
    assert_eq!(w.counts().tasks, 0);
}
