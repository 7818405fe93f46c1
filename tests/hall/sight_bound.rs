//! What outlives one request is bound to the grant that made it: to another one it is as if it had
//! never been, whatever the ids are (R8, X3, X10, X11).

use onemcp::limits::{LEASES_PER_SERVER_MAX, POOL_IDLE_MS, SUSPENDED_PER_PRINCIPAL_MAX};
use serde_json::json;

use crate::client::{Call, Client};
use crate::parking::{CALL, DONE, again, all, ask, asked, back, begin};
use crate::server::{anything, resource, tool, tools};
use crate::server_modern::stateless;
use crate::sight::{read, three};
use crate::tasks_kit::{KNOWS, about, begun, script, shown};
use crate::token::{ERAS, Era, guarded, holder, holder_of, renews};
use crate::world::World;

const SESSION: &str = r#""isolation":"session""#;
const ASKABLE: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;
const ELICIT: (&str, &str) = (
    "elicitation/create",
    r#"{"message":"who?","requestedSchema":{"type":"object","properties":{}}}"#,
);
const UNKNOWN_TASK: &str = "unknown task: it has expired, or never was";

/// Two clients of two grants that see everything.
fn two(w: &mut World, era: Era, declares: &str) -> (Client, Client) {
    (
        holder_of(w, era, (1, "mcp"), declares),
        holder_of(w, era, (2, "mcp"), declares),
    )
}

fn is_stale(w: &mut World, call: &Call) {
    let (code, message) = call.error(w);
    assert_eq!(
        (code, message.contains("expired or not ours")),
        (-32602, true),
        "{message}"
    );
}

#[test]
fn r8_a_cursor_is_good_for_its_grant_and_what_that_sees() {
    let many = || anything().with("tools", [tool("1"), tool("2")]);
    for era in ERAS {
        let mut w = guarded()
            .settings(|settings| settings.page_entries = 1)
            .server_with("a", r#""tags":["a"]"#, many())
            .server_with("b", r#""tags":["b"]"#, many())
            .open();
        let list = |w: &mut World, client: Client, cursor: &str| {
            client.request(w, "tools/list", &json!({ "cursor": cursor }).to_string())
        };
        let mut known: Vec<(Client, String)> = Vec::new();
        for (grant, scopes) in [(1, "tag:b"), (2, "tag:b"), (1, "tag:a tag:b"), (1, "mcp")] {
            let client = holder(&mut w, era, grant, scopes);
            let first = client.request(&mut w, "tools/list", "{}").result(&mut w);
            let cursor = first["nextCursor"].as_str().unwrap().to_owned();
            known.push((client, cursor));
        }
        for (client, own) in &known {
            for (_, cursor) in &known {
                let call = list(&mut w, *client, cursor);
                if cursor == own {
                    let name = call.result(&mut w)["tools"][0]["name"].to_string();
                    assert!(name.ends_with("_1mcp_2\""), "{name}");
                } else {
                    assert_eq!(call.error(&mut w).0, -32602);
                }
            }
        }
    }
}

#[test]
fn r8_a_request_state_is_good_for_its_grant() {
    // Of a server with sessions that wants a URL visited.
    let mut w = guarded().server("s", tools(["t"])).open();
    let (a, b) = two(&mut w, Era::Modern, ASKABLE);
    let call = a.request(&mut w, "tools/call", CALL);
    let error = r#"{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"1","url":"http://x","message":"m"}]}}"#;
    w.server("s")
        .expect(&mut w, "tools/call")
        .error(&mut w, error);
    let first = asked(&mut w, &call);
    let call = b.request(&mut w, "tools/call", &again(CALL, "{}", &first.state));
    is_stale(&mut w, &call);
    // A newer token of the same grant will do.
    renews(&mut w, a, 1, "mcp");
    let call = a.request(&mut w, "tools/call", &again(CALL, "{}", &first.state));
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, DONE);
    call.result(&mut w);
    // Of one without.
    let script = stateless().with("tools", [tool("t")]);
    let mut w = guarded()
        .server_with("s", r#""era":"modern""#, script)
        .open();
    let (a, b) = two(&mut w, Era::Modern, ASKABLE);
    let call = a.request(&mut w, "tools/call", CALL);
    let question = json!({"method": ELICIT.0, "params": {"mode": "form", "message": "who?", "requestedSchema": {"type": "object", "properties": {}}}});
    let result = json!({"resultType": "input_required", "inputRequests": {"k": question}, "requestState": "theirs"});
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, &result.to_string());
    let first = asked(&mut w, &call);
    let params = again(CALL, r#"{"k":{"action":"decline"}}"#, &first.state);
    let call = b.request(&mut w, "tools/call", &params);
    is_stale(&mut w, &call);
    let call = a.request(&mut w, "tools/call", &params);
    let seen = w.server("s").expect(&mut w, "tools/call");
    assert_eq!(seen.value["params"]["requestState"], "theirs");
    seen.result(&mut w, r#"{"resultType":"complete","content":[]}"#);
    call.result(&mut w);
}

#[test]
fn r8_a_suspended_call_is_taken_up_by_its_grant_only() {
    let mut w = guarded().server_with("s", SESSION, tools(["t"])).open();
    let (a, b) = two(&mut w, Era::Modern, ASKABLE);
    let (call, child, seen) = begin(&mut w, a);
    let first = ask(&mut w, child, "7", ELICIT, &call);
    let stolen = back(&mut w, b, &first, r#"{"action":"accept"}"#);
    is_stale(&mut w, &stolen);
    child.expect_nothing(&mut w);
    let call = back(&mut w, a, &first, r#"{"action":"decline"}"#);
    assert_eq!(child.granted(&mut w, "7"), json!({"action": "decline"}));
    seen.result(&mut w, DONE);
    call.result(&mut w);
    // The same retry again hears the same, and nobody else does.
    let params = again(CALL, &all(&first, r#"{"action":"decline"}"#), &first.state);
    a.request(&mut w, "tools/call", &params).result(&mut w);
    let call = b.request(&mut w, "tools/call", &params);
    is_stale(&mut w, &call);
}

#[test]
fn x10_suspended_calls_are_counted_for_each_grant() {
    let lanes = LEASES_PER_SERVER_MAX;
    let servers = SUSPENDED_PER_PRINCIPAL_MAX / lanes + 1;
    let mut builder = guarded();
    for number in 0..servers {
        builder = builder.server_with(&format!("s{number}"), SESSION, tools(["t"]));
    }
    let mut w = builder.open();
    w.advance(2_000);
    let (a, b) = two(&mut w, Era::Modern, ASKABLE);
    let suspend = |w: &mut World, client: Client, number: usize| {
        let name = format!("s{number}");
        let call = client.call(w, &format!("{name}_1mcp_t"), "{}");
        w.advance(500);
        let running = w.running(&name);
        let child = running
            .into_iter()
            .find(|child| child.has_next(w, "tools/call"));
        let child = child.expect("no child has it");
        child.expect(w, "tools/call");
        child.asks(w, "7", ELICIT.0, ELICIT.1);
        w.advance(500);
        call.line(w)
            .is_some_and(|line| line.contains("input_required"))
    };
    for number in 0..SUSPENDED_PER_PRINCIPAL_MAX {
        assert!(suspend(&mut w, a, number / lanes), "{number}");
    }
    assert!(!suspend(&mut w, a, servers - 1));
    assert!(suspend(&mut w, b, servers - 1));
}

#[test]
fn x11_a_lent_session_is_lent_to_one_grant_only() {
    let mut w = guarded().server_with("s", SESSION, tools(["t"])).open();
    let (a, b) = two(&mut w, Era::Modern, ASKABLE);
    let mut used = Vec::new();
    for client in [a, b, a, b] {
        let (call, child, seen) = begin(&mut w, client);
        seen.result(&mut w, DONE);
        call.result(&mut w);
        used.push(child);
    }
    assert_ne!(used[0], used[1]);
    assert_eq!((used[0], used[1]), (used[2], used[3]));
    // What it offers to the one is not shown to the other.
    used[0].notes(&mut w, "notifications/tools/list_changed", "{}");
    w.advance(POOL_IDLE_MS + 1_000);
    assert!(!used[0].alive(&w) && !used[1].alive(&w));
}

#[test]
fn x3_tasks_of_one_grant_are_unknown_to_another_without_sessions() {
    let mut w = guarded().server("s", script()).open();
    let s = w.server("s");
    let (a, b) = two(&mut w, Era::Modern, KNOWS);
    let id = shown(&mut w, a, s, "same");
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let params = json!({"taskId": id, "inputResponses": {}}).to_string();
        let (code, message) = b.request(&mut w, method, &params).error(&mut w);
        assert_eq!((code, &*message), (-32602, UNKNOWN_TASK), "{method}");
    }
    s.expect_nothing(&mut w);
    // Nor does it hear of it.
    for (client, ids) in [(a, json!([id])), (b, json!([]))] {
        let filter = json!({"notifications": {"taskIds": [id]}}).to_string();
        client.request(&mut w, "subscriptions/listen", &filter);
        let ack = client.expect(&mut w, "notifications/subscriptions/acknowledged");
        assert_eq!(ack["params"]["notifications"]["taskIds"], ids);
    }
    // The same grant reaches it with any of its tokens.
    let again = holder_of(&mut w, Era::Modern, (1, "mcp"), KNOWS);
    about(&mut w, again, "tasks/get", &id);
    s.expect(&mut w, "tasks/get");
}

#[test]
fn x3_tasks_of_sessions_with_equal_ids_are_apart() {
    let mut w = guarded().server("s", script()).open();
    let s = w.server("s");
    let (a, b) = two(&mut w, Era::Legacy, "{}");
    let of_a = begun(&mut w, a, s, "one");
    let of_b = begun(&mut w, b, s, "two");
    for (client, own, other) in [(a, &of_a, &of_b), (b, &of_b, &of_a)] {
        let listed = client.request(&mut w, "tasks/list", "{}").result(&mut w);
        assert_eq!(listed["tasks"].as_array().unwrap().len(), 1);
        assert_eq!(listed["tasks"][0]["taskId"], **own);
        for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
            let (code, message) = about(&mut w, client, method, other).error(&mut w);
            assert_eq!((code, &*message), (-32602, UNKNOWN_TASK));
        }
    }
    s.expect_nothing(&mut w);
}

#[test]
fn r9_a_task_of_a_server_that_is_hidden_now_is_out_of_reach() {
    let mut w = guarded()
        .server_with("s", r#""tags":["s"]"#, script())
        .server_with("t", r#""tags":["t"]"#, script())
        .open();
    let s = w.server("s");
    let a = holder_of(&mut w, Era::Legacy, (1, "tag:s tag:t"), "{}");
    let id = begun(&mut w, a, s, "x");
    renews(&mut w, a, 1, "tag:t");
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        assert_eq!(about(&mut w, a, method, &id).error(&mut w).0, -32600);
    }
    let listed = a.request(&mut w, "tasks/list", "{}").result(&mut w);
    assert_eq!(listed["tasks"], json!([]));
    let status = json!({"taskId": "x", "status": "completed", "createdAt": "a", "lastUpdatedAt": "b", "ttl": 1});
    w.advance(1_000);
    a.clear(&mut w);
    s.notes(&mut w, "notifications/tasks/status", &status.to_string());
    a.expect_nothing(&mut w);
    s.expect_nothing(&mut w);
}

#[test]
fn x11_what_a_server_gives_to_everybody_is_kept_for_one_client_only() {
    let script = stateless()
        .capable(r#"{"tools":{},"resources":{}}"#)
        .manual("tools/list")
        .with("resources", [resource("x://1")]);
    let mut w = guarded()
        .server_with("s", r#""era":"modern""#, script)
        .open();
    let result = r#"{"resultType":"complete","tools":[],"ttlMs":60000,"cacheScope":"public"}"#;
    w.server("s")
        .expect(&mut w, "tools/list")
        .result(&mut w, result);
    let a = holder(&mut w, Era::Modern, 1, "mcp");
    let listed = a.request(&mut w, "tools/list", "{}").result(&mut w);
    assert_eq!(
        (&listed["cacheScope"], &listed["ttlMs"]),
        (&json!("private"), &json!(60_000))
    );
    let call = read(&mut w, a, "x://1");
    let result = r#"{"resultType":"complete","contents":[],"ttlMs":7,"cacheScope":"public"}"#;
    w.server("s")
        .expect(&mut w, "resources/read")
        .result(&mut w, result);
    let read = call.result(&mut w);
    assert_eq!(
        (&read["cacheScope"], &read["ttlMs"]),
        (&json!("private"), &json!(7))
    );
}

#[test]
fn r8_ids_of_two_grants_that_are_equal_never_meet() {
    let mut w = three();
    for era in ERAS {
        let (a, b) = two(&mut w, era, "{}");
        let of_a = a.request_as(
            &mut w,
            "77",
            "tools/call",
            r#"{"name":"work_1mcp_t","arguments":{},"_meta":{"progressToken":"same"}}"#,
        );
        let of_b = b.request_as(
            &mut w,
            "77",
            "tools/call",
            r#"{"name":"work_1mcp_t","arguments":{},"_meta":{"progressToken":"same"}}"#,
        );
        let work = w.server("work");
        let first = work.expect(&mut w, "tools/call");
        let second = work.expect(&mut w, "tools/call");
        // One cancels what it does not have.
        if era == Era::Legacy {
            b.notes(&mut w, "notifications/cancelled", r#"{"requestId":1}"#);
        }
        second.result(&mut w, r#"{"content":["b"]}"#);
        first.result(&mut w, r#"{"content":["a"]}"#);
        assert_eq!(of_a.result(&mut w)["content"], json!(["a"]));
        assert_eq!(of_b.result(&mut w)["content"], json!(["b"]));
    }
}
