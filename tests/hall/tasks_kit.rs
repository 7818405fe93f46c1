//! What the stories about tasks share.

use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::server::{Child, Script, Seen, tools};
use crate::world::{Builder, World};

/// What a server with sessions declares that works on tasks.
pub(crate) const OFFERS: &str =
    r#"{"tools":{},"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}}"#;
/// What a client without a session declares that knows of tasks.
pub(crate) const KNOWS: &str =
    r#"{"elicitation":{"form":{}},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
pub(crate) const RELATED: &str = "io.modelcontextprotocol/related-task";
pub(crate) const FORM: &str =
    r#""message":"sure?","requestedSchema":{"type":"object","properties":{}}"#;

/// A tool that says this about tasks.
pub(crate) fn tool(name: &str, support: &str) -> String {
    format!(
        r#"{{"name":{name:?},"inputSchema":{{"type":"object"}},"execution":{{"taskSupport":{support:?}}}}}"#
    )
}

/// A server with tools that may, must and must not be tasks.
pub(crate) fn script() -> Script {
    let all = [
        tool("may", "optional"),
        tool("must", "required"),
        tool("never", "forbidden"),
    ];
    tools([]).capable(OFFERS).with("tools", all)
}

pub(crate) fn one() -> Builder {
    World::http().server("s", script())
}

/// A task of 2025-11-25.
pub(crate) fn told(id: &str, status: &str) -> String {
    format!(
        r#"{{"taskId":"{id}","status":"{status}","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z","ttl":600000,"pollInterval":100}}"#
    )
}

/// The server answers a call with this task.
#[track_caller]
pub(crate) fn takes(w: &mut World, s: Child, id: &str) -> Seen {
    let seen = s.expect(w, "tools/call");
    seen.result(w, &format!(r#"{{"task":{}}}"#, told(id, "working")));
    seen
}

/// A client with a session calls a tool as a task, which its server knows as `theirs`: our id.
#[track_caller]
pub(crate) fn begun(w: &mut World, c: Client, s: Child, theirs: &str) -> String {
    let call = c.request(
        w,
        "tools/call",
        r#"{"name":"s_1mcp_may","arguments":{},"task":{"ttl":60000},"_meta":{"progressToken":"t"}}"#,
    );
    let seen = takes(w, s, theirs);
    assert_eq!(seen.value["params"]["task"], json!({"ttl": 60000}));
    let task = call.result(w)["task"].clone();
    assert_eq!(
        (&task["status"], &task["ttl"]),
        (&json!("working"), &json!(600000))
    );
    let id = task["taskId"].as_str().unwrap().to_owned();
    assert!(id.len() >= 32 && id != theirs);
    id
}

/// A client without a session calls a tool that becomes a task.
#[track_caller]
pub(crate) fn shown(w: &mut World, c: Client, s: Child, theirs: &str) -> String {
    let call = c.call(w, "s_1mcp_may", "{}");
    let seen = takes(w, s, theirs);
    assert!(seen.value["params"]["task"]["ttl"].is_u64());
    let result = call.result(w);
    assert_eq!(result["resultType"], "task", "{result}");
    assert!(result["ttlMs"] == 600000 && result["pollIntervalMs"] == 100);
    assert!(result.get("task").is_none() && result.get("ttl").is_none());
    result["taskId"].as_str().unwrap().to_owned()
}

/// Asks about a task.
pub(crate) fn about(w: &mut World, c: Client, method: &str, id: &str) -> Call {
    c.request(w, method, &json!({ "taskId": id }).to_string())
}

/// The server is asked about its task.
#[track_caller]
pub(crate) fn asked(w: &mut World, s: Child, method: &str, theirs: &str) -> Seen {
    let seen = s.expect(w, method);
    assert_eq!(seen.value["params"]["taskId"], theirs, "{}", seen.line);
    seen
}

/// What a client without a session is told of its task, of which its server tells this.
#[track_caller]
pub(crate) fn look(
    w: &mut World,
    c: Client,
    s: Child,
    (id, theirs): (&str, &str),
    status: &str,
) -> Value {
    let call = about(w, c, "tasks/get", id);
    asked(w, s, "tasks/get", theirs).result(w, &told(theirs, status));
    let result = call.result(w);
    assert_eq!(
        (&result["resultType"], &result["taskId"]),
        (&json!("complete"), &json!(id))
    );
    result
}

/// A question of a task.
pub(crate) fn question(theirs: &str) -> String {
    format!(r#"{{{FORM},"_meta":{{"{RELATED}":{{"taskId":"{theirs}"}},"v":1}}}}"#)
}
