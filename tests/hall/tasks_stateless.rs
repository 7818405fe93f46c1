//! Tasks of servers without sessions: passed on under ids of ours (MM), or looked after for clients
//! that know of none (LM).

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::TASK_POLL_MS_MIN;
use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::server::{Child, Seen};
use crate::server_modern::stateless;
use crate::tasks_kit::{KNOWS, about};
use crate::world::World;

const MODERN: &str = r#""era":"modern""#;
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const REFUSED: &str = r#"{"code":-32021,"message":"tasks only","data":{"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}"#;

fn start() -> (World, Child) {
    let script = stateless()
        .capable(r#"{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#)
        .with("tools", [crate::server::tool("t")]);
    let w = World::http().server_with("s", MODERN, script).start();
    let s = w.server("s");
    (w, s)
}

/// What is told of a task, with these members behind.
fn told(kind: &str, id: &str, status: &str, more: &str) -> String {
    format!(
        r#"{{"resultType":"{kind}","taskId":"{id}","status":"{status}","createdAt":"a","lastUpdatedAt":"b","ttlMs":600000,"pollIntervalMs":100{more}}}"#
    )
}

fn declares_tasks(seen: &Seen) -> bool {
    let declared = &seen.value["params"]["_meta"][CAPABILITIES]["extensions"];
    declared.get(EXTENSION).is_some()
}

#[track_caller]
fn shown(w: &mut World, c: Client, s: Child) -> String {
    let call = c.request(
        w,
        "tools/call",
        r#"{"task":{"ttl":1},"name":"s_1mcp_t","arguments":{}}"#,
    );
    let seen = s.expect(w, "tools/call");
    assert!(declares_tasks(&seen), "{}", seen.line);
    assert!(seen.value["params"].get("task").is_none());
    seen.result(w, &told("task", "x", "working", ""));
    let result = call.result(w);
    assert_eq!(result["resultType"], "task");
    assert_eq!(result["ttlMs"], 600_000);
    result["taskId"].as_str().unwrap().to_owned()
}

#[test]
fn mm_a_task_passes_under_an_id_of_ours() {
    let (mut w, s) = start();
    let c = Client::modern(&mut w, KNOWS);
    let shows = c.request(&mut w, "server/discover", "{}").result(&mut w);
    assert!(shows["capabilities"]["extensions"][EXTENSION].is_object());
    let id = shown(&mut w, c, s);
    assert!(id.len() >= 32);
    let call = about(&mut w, c, "tasks/get", &id);
    let seen = s.expect(&mut w, "tasks/get");
    assert!(declares_tasks(&seen) && seen.value["params"]["taskId"] == "x");
    let ending = r#","result":{"resultType":"complete","content":[],"n":1.0}"#;
    seen.result(&mut w, &told("complete", "x", "completed", ending));
    let line = call.line(&mut w).unwrap();
    assert!(line.contains(r#""n":1.0"#), "{line}");
    let got: Value = serde_json::from_str(&line).unwrap();
    let got = &got["result"];
    assert_eq!(
        (&got["taskId"], &got["status"]),
        (&json!(id), &json!("completed"))
    );
    assert!(got["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "1mcp");
    for (method, params) in [
        (
            "tasks/update",
            json!({"taskId": id, "inputResponses": {"k": {"action": "accept"}}}),
        ),
        ("tasks/cancel", json!({"taskId": id})),
    ] {
        let call = c.request(&mut w, method, &params.to_string());
        let seen = s.expect(&mut w, method);
        assert!(declares_tasks(&seen) && seen.value["params"]["taskId"] == "x");
        assert_eq!(
            seen.value["params"].get("inputResponses"),
            params.get("inputResponses")
        );
        seen.result(&mut w, r#"{"resultType":"complete"}"#);
        let ack = call.result(&mut w);
        assert!(ack["resultType"] == "complete" && ack.get("taskId").is_none());
    }
    let call = about(&mut w, c, "tasks/get", &id);
    let seen = s.expect(&mut w, "tasks/get");
    seen.error(&mut w, r#"{"code":-32602,"message":"gone"}"#);
    assert_eq!(call.error(&mut w), (-32602, "gone".to_owned()));
    // Whom no handle was given knows nothing of it.
    let old = w.client("{}");
    assert_eq!(about(&mut w, old, "tasks/get", &id).error(&mut w).0, -32601);
    assert_eq!(about(&mut w, c, "tasks/get", "x").error(&mut w).0, -32602);
    s.expect_nothing(&mut w);
}

#[test]
fn mm_a_handle_goes_only_to_who_declared_the_extension_with_that_request() {
    let (mut w, s) = start();
    let c = Client::modern(&mut w, r#"{"extensions":{"a/b":{}}}"#);
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    assert!(!declares_tasks(&seen));
    seen.error(&mut w, REFUSED);
    let answer = call.answer(&mut w);
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    assert_eq!(c.status(&mut w), Some(400));
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    seen.result(&mut w, &told("task", "x", "working", ""));
    assert_eq!(call.error(&mut w).0, -32603);
    assert_eq!(w.counts().tasks, 0);
}

#[test]
fn mm_a_tool_may_ask_before_it_becomes_a_task() {
    let (mut w, s) = start();
    let c = Client::modern(&mut w, KNOWS);
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let form = r#"{"k":{"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}}}}"#;
    s.expect(&mut w, "tools/call").result(
        &mut w,
        &format!(r#"{{"resultType":"input_required","inputRequests":{form},"requestState":"st"}}"#),
    );
    let asked = call.result(&mut w);
    let params = format!(
        r#"{{"name":"s_1mcp_t","arguments":{{}},"requestState":{},"inputResponses":{{"k":{{"action":"accept"}}}}}}"#,
        asked["requestState"]
    );
    let call = c.request(&mut w, "tools/call", &params);
    let seen = s.expect(&mut w, "tools/call");
    assert!(declares_tasks(&seen) && seen.value["params"]["requestState"] == "st");
    seen.result(&mut w, &told("task", "x", "working", ""));
    assert_eq!(call.result(&mut w)["resultType"], "task");
}

#[test]
fn mm_a_server_that_was_started_again_is_asked_for_its_tasks() {
    let (mut w, s) = start();
    let c = Client::modern(&mut w, KNOWS);
    let id = shown(&mut w, c, s);
    s.dies(&mut w);
    w.advance(5_000);
    let call = about(&mut w, c, "tasks/get", &id);
    let s = w.server("s");
    let seen = s.expect(&mut w, "tasks/get");
    seen.error(&mut w, r#"{"code":-32602,"message":"unknown"}"#);
    assert_eq!(call.error(&mut w).0, -32602);
}

/// A call of a client with a session that has become a task it does not know of.
fn driven(w: &mut World, c: Client, s: Child) -> Call {
    let call = c.call(w, "s_1mcp_t", "{}");
    let seen = s.expect(w, "tools/call");
    assert!(!declares_tasks(&seen));
    seen.error(w, REFUSED);
    let seen = s.expect(w, "tools/call");
    assert!(declares_tasks(&seen) && seen.value["params"]["name"] == "t");
    seen.result(w, &told("task", "x", "working", ""));
    call.pending(w);
    call
}

#[track_caller]
fn polled(w: &mut World, s: Child) -> Seen {
    s.expect_nothing(w);
    w.advance(TASK_POLL_MS_MIN);
    let seen = s.expect(w, "tasks/get");
    assert!(declares_tasks(&seen) && seen.value["params"]["taskId"] == "x");
    seen
}

#[test]
fn lm_a_tool_that_must_be_a_task_is_looked_after() {
    let _reached = must_hit(Mark::TaskDriven);
    let (mut w, s) = start();
    let c = w.client("{}");
    let call = driven(&mut w, c, s);
    polled(&mut w, s).result(&mut w, &told("complete", "x", "working", ""));
    let ending =
        r#","result":{"resultType":"complete","content":[],"n":1.0,"structuredContent":[1]}"#;
    let seen = polled(&mut w, s);
    call.pending(&mut w);
    seen.result(&mut w, &told("complete", "x", "completed", ending));
    let line = call.line(&mut w).unwrap();
    assert!(
        line.contains(r#""n":1.0"#) && !line.contains("resultType"),
        "{line}"
    );
    assert!(!line.contains("structuredContent"), "{line}");
    assert_eq!(w.counts().tasks, 0);
    let call = driven(&mut w, c, s);
    let ending = r#","error":{"code":-7,"message":"m"}"#;
    polled(&mut w, s).result(&mut w, &told("complete", "x", "failed", ending));
    assert_eq!(call.error(&mut w), (-7, "m".to_owned()));
    let call = driven(&mut w, c, s);
    polled(&mut w, s).result(&mut w, &told("complete", "x", "cancelled", ""));
    assert_eq!(call.error(&mut w).0, -32603);
    let call = driven(&mut w, c, s);
    polled(&mut w, s).error(&mut w, r#"{"code":-32602,"message":"unknown"}"#);
    assert_eq!(call.error(&mut w).0, -32603);
    assert_eq!((w.counts().tasks, w.counts().calls), (0, 0));
}

#[test]
fn lm_a_cancelled_call_cancels_its_task_also_between_two_looks() {
    let (mut w, s) = start();
    let c = w.client("{}");
    for look in [false, true] {
        let call = driven(&mut w, c, s);
        if look {
            polled(&mut w, s);
        }
        c.cancels(&mut w, &call);
        if look {
            s.expect(&mut w, "notifications/cancelled");
        }
        let seen = s.expect(&mut w, "tasks/cancel");
        assert_eq!(seen.value["params"]["taskId"], "x");
        seen.result(&mut w, r#"{"resultType":"complete"}"#);
        w.advance(10_000);
        s.expect_nothing(&mut w);
        assert_eq!((w.counts().tasks, w.counts().calls), (0, 0));
    }
}

#[test]
fn lm_a_task_asks_the_client_of_its_call_each_question_once() {
    let _reached = must_hit(Mark::PolledTaskAsks);
    let (mut w, s) = start();
    let (c, other) = (
        w.client(r#"{"elicitation":{}}"#),
        w.client(r#"{"elicitation":{}}"#),
    );
    let call = driven(&mut w, c, s);
    let form = r#"{"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{}}}}"#;
    let asks = format!(r#","inputRequests":{{"k":{form}}}"#);
    let asking = told("complete", "x", "input_required", &asks);
    polled(&mut w, s).result(&mut w, &asking);
    let ask = c.expect(&mut w, "elicitation/create");
    assert_eq!(ask["params"]["message"], "m");
    polled(&mut w, s).result(&mut w, &asking);
    c.answers(&mut w, &ask, r#"{"action":"accept","content":{"n":1.0}}"#);
    let seen = s.expect(&mut w, "tasks/update");
    assert!(declares_tasks(&seen) && seen.value["params"]["taskId"] == "x");
    assert!(
        seen.line
            .contains(r#""inputResponses":{"k":{"action":"accept","content":{"n":1.0}}}"#)
    );
    seen.result(&mut w, r#"{"resultType":"complete"}"#);
    c.expect_nothing(&mut w);
    other.expect_nothing(&mut w);
    let ending = r#","result":{"resultType":"complete","content":[]}"#;
    polled(&mut w, s).result(&mut w, &told("complete", "x", "completed", ending));
    assert_eq!(call.result(&mut w), json!({"content": []}));
    // One that is not answered ends the call, and one whose task is over is withdrawn.
    let call = driven(&mut w, c, s);
    polled(&mut w, s).result(&mut w, &asking);
    let ask = c.expect(&mut w, "elicitation/create");
    let error = format!(
        r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-1,"message":"no"}}}}"#,
        ask["id"]
    );
    c.says(&mut w, &error);
    let result = call.result(&mut w);
    assert!(
        result["isError"] == true && result.to_string().contains("no"),
        "{result}"
    );
    assert_eq!(
        s.expect(&mut w, "tasks/cancel").value["params"]["taskId"],
        "x"
    );
    let call = driven(&mut w, c, s);
    polled(&mut w, s).result(&mut w, &asking);
    c.expect(&mut w, "elicitation/create");
    polled(&mut w, s).result(&mut w, &told("complete", "x", "completed", ending));
    call.result(&mut w);
    c.expect(&mut w, "notifications/cancelled");
    assert_eq!(w.counts().tasks, 0);
}

#[test]
fn lm_a_task_that_asks_who_cannot_be_asked_ends_with_its_call() {
    let (mut w, s) = start();
    let c = w.client("{}");
    let call = driven(&mut w, c, s);
    let asks = r#","inputRequests":{"k":{"method":"roots/list"}}"#;
    polled(&mut w, s).result(&mut w, &told("complete", "x", "input_required", asks));
    assert_eq!(call.result(&mut w)["isError"], true);
    s.expect(&mut w, "tasks/cancel");
}

#[test]
fn lm_the_death_of_a_server_ends_the_call_behind_its_task() {
    let (mut w, s) = start();
    let c = w.client("{}");
    let call = driven(&mut w, c, s);
    s.dies(&mut w);
    assert_eq!(call.error(&mut w).0, -32603);
    w.advance(1_000);
    assert_eq!((w.counts().tasks, w.counts().calls), (0, 0));
}
