//! Clients without a session (2026-07-28) on `/mcp`, over servers with sessions (protocol 3.1, ML).

use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::server::{anything, prompt, resource, template, tool, tools};
use crate::world::World;
use onemcp::limits::{LEASES_PER_SERVER_MAX, LISTEN_ACK_MS, POOL_IDLE_MS};

const ASKABLE: &str = r#"{"elicitation":{"form":{}},"sampling":{},"roots":{}}"#;
const INFO: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const DONE: &str = r#"{"content":[]}"#;

/// What a server is told where a client declares [`ASKABLE`].
fn declared() -> Value {
    json!({"elicitation": {}, "roots": {"listChanged": false}, "sampling": {}})
}

/// A result that stands for itself: complete, and signed by us.
#[track_caller]
fn complete(world: &mut World, call: &Call) -> Value {
    let result = call.result(world);
    assert_eq!(result["resultType"], "complete", "{result}");
    assert_eq!(result["_meta"][INFO]["name"], "1mcp", "{result}");
    result
}

fn one(script: crate::server::Script) -> (World, Client) {
    let mut w = World::http().server("s", script).start();
    let client = Client::modern(&mut w, "{}");
    (w, client)
}

#[test]
fn d2_discover_tells_revisions_capabilities_and_who_we_are() {
    let (mut w, c) = one(anything());
    let call = c.request(&mut w, "server/discover", "{}");
    let result = complete(&mut w, &call);
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["supportedVersions"][1], "2025-11-25");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
    assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(0), &json!("private"))
    );
    assert!(result["instructions"].is_string());
    assert_eq!(w.counts().exchanges, 0);
}

#[test]
fn a3_what_nobody_offers_does_not_exist() {
    let (mut w, c) = one(tools(["t"]));
    for method in ["prompts/list", "resources/read", "resources/templates/list"] {
        let error = c.request(&mut w, method, "{}").error(&mut w);
        assert_eq!((error.0, c.status(&mut w)), (-32601, Some(404)), "{method}");
    }
    let call = c.request(&mut w, "server/discover", "{}");
    let shown = complete(&mut w, &call)["capabilities"].clone();
    assert_eq!(
        shown,
        json!({"tools": {"listChanged": true}, "logging": {}})
    );
}

#[test]
fn d3_d4_results_of_servers_are_stamped_and_lists_carry_hints() {
    let script = anything()
        .with("tools", [tool("t")])
        .with("prompts", [prompt("p")])
        .with("resources", [resource("x://1")])
        .with("resourceTemplates", [template("x://{a}")]);
    let (mut w, c) = one(script);
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        let call = c.request(&mut w, method, "{}");
        let result = complete(&mut w, &call);
        assert_eq!(crate::client::keys(method, &result).len(), 1, "{result}");
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"]),
            (&json!(0), &json!("private"))
        );
    }
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = w.server("s").expect(&mut w, "tools/call");
    // Nothing of this hop goes on (table 3.2).
    assert_eq!(seen.value["params"]["_meta"], json!({}));
    assert_eq!(seen.value["params"]["name"], "t");
    seen.result(
        &mut w,
        r#"{"content":[],"structuredContent":[1],"_meta":{"v":1,"io.modelcontextprotocol/related-task":{}}}"#,
    );
    let result = complete(&mut w, &call);
    assert_eq!(result["structuredContent"], json!([1]));
    assert_eq!(result["_meta"].as_object().unwrap().len(), 2);
    let call = c.request(&mut w, "prompts/get", r#"{"name":"s_1mcp_p"}"#);
    let seen = w.server("s").expect(&mut w, "prompts/get");
    seen.result(&mut w, r#"{"messages":[]}"#);
    complete(&mut w, &call);
    let call = c.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
    let seen = w.server("s").expect(&mut w, "resources/read");
    seen.result(&mut w, r#"{"contents":[]}"#);
    let result = complete(&mut w, &call);
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(0), &json!("private"))
    );
    let params =
        r#"{"ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"a","value":""}}"#;
    let call = c.request(&mut w, "completion/complete", params);
    let seen = w.server("s").expect(&mut w, "completion/complete");
    seen.error(&mut w, r#"{"code":-32601,"message":"no"}"#);
    assert_eq!(complete(&mut w, &call)["completion"]["values"], json!([]));
    assert_eq!(w.counts().exchanges, 0);
}

#[test]
fn d3_a_result_that_is_no_object_is_an_error_of_its_server() {
    let (mut w, c) = one(tools(["t"]));
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, "null");
    let (code, text) = call.error(&mut w);
    assert!(code == -32603 && text.contains("server s"), "{text}");
}

#[test]
fn d4_pages_share_one_scope() {
    let script = tools(["a", "b", "c"]);
    let world = World::http().server("s", script);
    let mut w = world.settings(|settings| settings.page_entries = 2).start();
    let c = Client::modern(&mut w, "{}");
    let call = c.request(&mut w, "tools/list", "{}");
    let first = complete(&mut w, &call);
    let params = json!({"cursor": first["nextCursor"]}).to_string();
    let call = c.request(&mut w, "tools/list", &params);
    let second = complete(&mut w, &call);
    assert_eq!(first["cacheScope"], second["cacheScope"]);
    assert_eq!(second["tools"].as_array().unwrap().len(), 1);
    let error = c
        .request(&mut w, "tools/list", r#"{"cursor":"x"}"#)
        .error(&mut w);
    assert_eq!((error.0, c.status(&mut w)), (-32602, Some(200)));
}

#[test]
fn lists_of_each_era_have_the_members_of_their_revision() {
    let odd = r#"{"name":"t","inputSchema":{"type":"object"},"outputSchema":{"type":"array"},"execution":{"taskSupport":"optional"}}"#;
    let (mut w, c) = one(tools(["x"]).with("tools", [odd.to_owned()]));
    let legacy = w.client("{}");
    for _ in 0..2 {
        let modern = c.request(&mut w, "tools/list", "{}").result(&mut w);
        let tool = &modern["tools"][0];
        assert!(tool["outputSchema"].is_object() && tool.get("execution").is_none());
        let listed = legacy.request(&mut w, "tools/list", "{}").result(&mut w);
        let tool = &listed["tools"][0];
        assert!(tool.get("outputSchema").is_none() && tool["execution"].is_object());
        assert_eq!(listed.get("resultType"), None);
    }
}

#[test]
fn a7_a_missing_resource_is_minus_32602_with_its_uri() {
    let (mut w, c) = one(anything().with("resources", [resource("x://1")]));
    let data = |w: &mut World, call: &Call| {
        let answer = call.answer(w);
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        answer["error"]["data"].clone()
    };
    let call = c.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
    let seen = w.server("s").expect(&mut w, "resources/read");
    seen.error(&mut w, r#"{"code":-32002,"message":"gone"}"#);
    assert_eq!(data(&mut w, &call), json!({"uri": "x://1"}));
    let (mut w, c) = one(anything().with("resources", [resource("x://1")]));
    let call = c.request(&mut w, "resources/read", r#"{"uri":"y://2"}"#);
    if let Some(line) = w.server("s").next(&mut w) {
        let asked: Value = serde_json::from_str(&line).unwrap();
        let error = json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32002, "message": "no", "data": {"uri": "y://2"}}});
        w.server("s").says(&mut w, &error.to_string());
    }
    assert_eq!(data(&mut w, &call), json!({"uri": "y://2"}));
}

#[test]
fn errors_of_servers_keep_only_codes_that_the_revision_has() {
    let url = r#""data":{"elicitations":[{"mode":"url","elicitationId":"1","url":"http://x","message":"m"}]}"#;
    for (capabilities, error, code, status) in [
        (
            "{}",
            r#"{"code":-32005,"message":"m","data":1}"#.to_owned(),
            -32005,
            200,
        ),
        ("{}", r#"{"code":7,"message":"m"}"#.to_owned(), 7, 200),
        (
            "{}",
            r#"{"code":-32601,"message":"m"}"#.to_owned(),
            -32601,
            200,
        ),
        (
            "{}",
            r#"{"code":-32002,"message":"m"}"#.to_owned(),
            -32602,
            200,
        ),
        (
            "{}",
            r#"{"code":-32022,"message":"m"}"#.to_owned(),
            -32603,
            200,
        ),
        (
            "{}",
            r#"{"code":-32099,"message":"m"}"#.to_owned(),
            -32603,
            200,
        ),
        (
            "{}",
            format!(r#"{{"code":-32042,"message":"m",{url}}}"#),
            -32021,
            400,
        ),
        (
            r#"{"elicitation":{"url":{}}}"#,
            r#"{"code":-32042,"message":"m"}"#.to_owned(),
            -32603,
            200,
        ),
    ] {
        let mut w = World::http().server("s", tools(["t"])).start();
        let c = Client::modern(&mut w, capabilities);
        let call = c.call(&mut w, "s_1mcp_t", "{}");
        w.server("s")
            .expect(&mut w, "tools/call")
            .error(&mut w, &error);
        let answer = call.answer(&mut w);
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(answer["error"]["message"], "m");
        assert_eq!(c.status(&mut w), Some(status), "{error}");
        if code == -32021 {
            let needed = json!({"elicitation": {"url": {}}});
            assert_eq!(answer["error"]["data"]["requiredCapabilities"], needed);
        }
    }
}

#[test]
fn a2_sixteen_callers_with_id_1_and_token_t_at_once() {
    let (mut w, _) = one(tools(["t"]));
    let callers: Vec<Client> = (0..16).map(|_| Client::modern(&mut w, "{}")).collect();
    let mut calls = Vec::new();
    for (number, caller) in callers.iter().enumerate() {
        let params = format!(
            r#"{{"name":"s_1mcp_t","arguments":{{"n":{number}}},"_meta":{{"progressToken":"t"}}}}"#
        );
        calls.push(caller.request_as(&mut w, "1", "tools/call", &params));
    }
    let server = w.server("s");
    let seen: Vec<_> = (0..16)
        .map(|_| server.expect(&mut w, "tools/call"))
        .collect();
    for one in &seen {
        let number = &one.value["params"]["arguments"]["n"];
        let token = &one.value["params"]["_meta"]["progressToken"];
        assert_eq!(one.value["params"]["_meta"].as_object().unwrap().len(), 1);
        let params = format!(r#"{{"progressToken":{token},"progress":{number}}}"#);
        server.notes(&mut w, "notifications/progress", &params);
    }
    for one in seen.iter().rev() {
        let number = one.value["params"]["arguments"]["n"].to_string();
        let text = format!(r#"{{"content":[{{"type":"text","text":"{number}"}}]}}"#);
        one.result(&mut w, &text);
    }
    for (number, (caller, call)) in callers.iter().zip(&calls).enumerate() {
        let note = caller.expect(&mut w, "notifications/progress");
        assert_eq!(
            note["params"],
            json!({"progressToken": "t", "progress": number})
        );
        let result = complete(&mut w, call);
        assert_eq!(result["content"][0]["text"], number.to_string());
        caller.expect_nothing(&mut w);
    }
    assert_eq!(w.counts().exchanges, 0);
}

#[test]
fn d7_a_dropped_connection_cancels_the_call_and_only_that() {
    let (mut w, c) = one(tools(["t"]));
    let other = Client::modern(&mut w, "{}");
    let kept = other.call(&mut w, "s_1mcp_t", "{}");
    c.call(&mut w, "s_1mcp_t", "{}");
    let server = w.server("s");
    let first = server.expect(&mut w, "tools/call");
    let second = server.expect(&mut w, "tools/call");
    c.hangs_up(&mut w);
    second.is_cancelled(&mut w);
    second.result(&mut w, DONE);
    first.result(&mut w, DONE);
    complete(&mut w, &kept);
    assert_eq!(w.counts().exchanges, 0);
}

#[test]
fn d9_log_messages_come_only_to_who_asked_and_from_its_level_on() {
    let (mut w, c) = one(tools(["t"]).manual("logging/setLevel"));
    let server = w.server("s");
    let say = |w: &mut World, level: &str| {
        let params = format!(
            r#"{{"level":"{level}","data":"x","_meta":{{"io.modelcontextprotocol/x":1}}}}"#
        );
        server.notes(w, "notifications/message", &params);
    };
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = server.expect(&mut w, "tools/call");
    say(&mut w, "emergency");
    seen.result(&mut w, DONE);
    complete(&mut w, &call);
    c.expect_nothing(&mut w);
    c.says_of_itself(&mut w, r#""io.modelcontextprotocol/logLevel":"warning""#);
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let set = server.expect(&mut w, "logging/setLevel");
    assert_eq!(set.value["params"]["level"], "warning");
    let seen = server.expect(&mut w, "tools/call");
    say(&mut w, "info");
    say(&mut w, "error");
    let note = c.expect(&mut w, "notifications/message");
    assert_eq!(
        (&note["params"]["level"], &note["params"]["_meta"]),
        (&json!("error"), &json!({}))
    );
    seen.result(&mut w, DONE);
    complete(&mut w, &call);
    // Between requests there is nobody to be told.
    say(&mut w, "error");
    c.expect_nothing(&mut w);
    // The same level again is no news to the server.
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    server.expect(&mut w, "tools/call").result(&mut w, DONE);
    complete(&mut w, &call);
}

#[test]
fn d10_progress_rises_and_carries_the_callers_token() {
    let (mut w, c) = one(tools(["t"]));
    let params = r#"{"name":"s_1mcp_t","_meta":{"progressToken":7,"v":1}}"#;
    let call = c.request(&mut w, "tools/call", params);
    let server = w.server("s");
    let seen = server.expect(&mut w, "tools/call");
    assert_eq!(seen.value["params"]["_meta"]["v"], 1);
    let token = seen.value["params"]["_meta"]["progressToken"].to_string();
    for progress in ["1", "1", "0.5", "2.5", "\"x\"", "1e1"] {
        let params = format!(r#"{{"progressToken":{token},"progress":{progress}}}"#);
        server.notes(&mut w, "notifications/progress", &params);
    }
    for progress in [json!(1), json!(2.5), json!(10.0)] {
        let note = c.expect(&mut w, "notifications/progress");
        assert_eq!(
            note["params"],
            json!({"progressToken": 7, "progress": progress})
        );
    }
    seen.result(&mut w, DONE);
    complete(&mut w, &call);
    let late = format!(r#"{{"progressToken":{token},"progress":99}}"#);
    server.notes(&mut w, "notifications/progress", &late);
    c.expect_nothing(&mut w);
}

#[test]
fn d18_a_listener_hears_what_it_asked_for_after_it_was_acknowledged() {
    let script = anything()
        .with("tools", [tool("a")])
        .with("resources", [resource("x://1")])
        .manual("resources/subscribe")
        .manual("resources/unsubscribe");
    let (mut w, c) = one(script);
    let filter = r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["x://1","none://2","x://1"]}}"#;
    let listen = c.request_as(&mut w, "\"L\"", "subscriptions/listen", filter);
    let server = w.server("s");
    let seen = server.expect(&mut w, "resources/subscribe");
    assert_eq!(seen.value["params"], json!({"uri": "x://1"}));
    let nobodys = server.expect(&mut w, "resources/subscribe");
    nobodys.error(&mut w, r#"{"code":-32602,"message":"no"}"#);
    // Nothing comes before the acknowledgement.
    w.script("s").set("tools", [tool("b")]);
    server.list_changed(&mut w, "tools");
    w.advance(1_000);
    c.expect_nothing(&mut w);
    seen.result(&mut w, "{}");
    let ack = c.expect(&mut w, "notifications/subscriptions/acknowledged");
    let granted = &ack["params"]["notifications"];
    let expected = json!({"toolsListChanged": true, "resourceSubscriptions": ["x://1"]});
    assert_eq!(*granted, expected);
    assert_eq!(ack["params"]["_meta"][SUBSCRIPTION], "L");
    w.script("s").set("tools", [tool("c")]);
    server.list_changed(&mut w, "tools");
    server.list_changed(&mut w, "prompts");
    w.advance(1_000);
    let changed = c.expect(&mut w, "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"][SUBSCRIPTION], "L");
    let params = r#"{"uri":"x://1","_meta":{"io.modelcontextprotocol/subscriptionId":9}}"#;
    server.notes(&mut w, "notifications/resources/updated", params);
    let updated = c.expect(&mut w, "notifications/resources/updated");
    assert_eq!(
        updated["params"],
        json!({"uri": "x://1", "_meta": {SUBSCRIPTION: "L"}})
    );
    c.expect_nothing(&mut w);
    listen.pending(&mut w);
    c.hangs_up(&mut w);
    let gone = server.expect(&mut w, "resources/unsubscribe");
    assert_eq!(gone.value["params"]["uri"], "x://1");
    assert_eq!(w.counts().exchanges, 0);
}

#[test]
fn d18_what_servers_refuse_or_do_not_answer_is_left_out() {
    let script = anything()
        .with("resources", [resource("x://1"), resource("x://2")])
        .manual("resources/subscribe");
    let (mut w, c) = one(script);
    let filter = r#"{"notifications":{"resourceSubscriptions":["x://1","x://2"]}}"#;
    c.request(&mut w, "subscriptions/listen", filter);
    let server = w.server("s");
    let first = server.expect(&mut w, "resources/subscribe");
    let second = server.expect(&mut w, "resources/subscribe");
    first.error(&mut w, r#"{"code":-32602,"message":"no"}"#);
    c.expect_nothing(&mut w);
    w.advance(LISTEN_ACK_MS);
    let ack = c.expect(&mut w, "notifications/subscriptions/acknowledged");
    assert_eq!(
        ack["params"]["notifications"],
        json!({"resourceSubscriptions": []})
    );
    // Too late, but it is granted: the client is told nothing that it was not promised, and who
    // would tell it is asked to stop.
    second.result(&mut w, "{}");
    let params = r#"{"uri":"x://2"}"#;
    server.notes(&mut w, "notifications/resources/updated", params);
    c.expect_nothing(&mut w);
    assert_eq!(server.got(&w, "resources/unsubscribe"), 1);
    let bad = c.request(&mut w, "subscriptions/listen", "{}");
    assert_eq!(bad.error(&mut w).0, -32602);
}

#[test]
fn d18_a_listener_that_leaves_takes_nothing_from_one_that_is_coming() {
    for (legacy, early) in [(false, true), (false, false), (true, false)] {
        let script = anything()
            .with("resources", [resource("x://1")])
            .manual("resources/subscribe");
        let (mut w, c) = one(script);
        let other = Client::modern(&mut w, "{}");
        let first = w.client("{}");
        let filter = r#"{"notifications":{"resourceSubscriptions":["x://1"]}}"#;
        let params = r#"{"uri":"x://1"}"#;
        if legacy {
            first.request(&mut w, "resources/subscribe", params);
        } else {
            c.request(&mut w, "subscriptions/listen", filter);
        }
        let server = w.server("s");
        let one = server.expect(&mut w, "resources/subscribe");
        other.request(&mut w, "subscriptions/listen", filter);
        let two = server.expect(&mut w, "resources/subscribe");
        if !early {
            one.result(&mut w, "{}");
        }
        if legacy {
            let call = first.request(&mut w, "resources/unsubscribe", params);
            call.result(&mut w);
        } else {
            c.hangs_up(&mut w);
        }
        if early {
            one.result(&mut w, "{}");
        }
        assert_eq!(
            server.got(&w, "resources/unsubscribe"),
            0,
            "{legacy} {early}"
        );
        two.result(&mut w, "{}");
        other.expect(&mut w, "notifications/subscriptions/acknowledged");
        server.notes(&mut w, "notifications/resources/updated", params);
        other.expect(&mut w, "notifications/resources/updated");
        other.hangs_up(&mut w);
        assert_eq!(
            server.got(&w, "resources/unsubscribe"),
            1,
            "{legacy} {early}"
        );
    }
}

#[test]
fn d18_two_listeners_share_one_subscription_and_have_ids_of_their_own() {
    let (mut w, c) = one(anything().with("resources", [resource("x://1")]));
    let other = Client::modern(&mut w, "{}");
    let legacy = w.client("{}");
    let filter = r#"{"notifications":{"resourceSubscriptions":["x://1"]}}"#;
    c.request_as(&mut w, "1", "subscriptions/listen", filter);
    other.request_as(&mut w, "\"1\"", "subscriptions/listen", filter);
    legacy
        .request(&mut w, "resources/subscribe", r#"{"uri":"x://1"}"#)
        .result(&mut w);
    let server = w.server("s");
    assert_eq!(server.got(&w, "resources/subscribe"), 1);
    for client in [c, other] {
        client.expect(&mut w, "notifications/subscriptions/acknowledged");
    }
    server.notes(
        &mut w,
        "notifications/resources/updated",
        r#"{"uri":"x://1"}"#,
    );
    for (client, id) in [(c, json!(1)), (other, json!("1"))] {
        let note = client.expect(&mut w, "notifications/resources/updated");
        assert_eq!(note["params"]["_meta"][SUBSCRIPTION], id);
    }
    let note = legacy.expect(&mut w, "notifications/resources/updated");
    assert_eq!(note["params"], json!({"uri": "x://1"}));
    c.hangs_up(&mut w);
    other.hangs_up(&mut w);
    assert_eq!(server.got(&w, "resources/unsubscribe"), 0);
}

#[test]
fn d20_fields_of_arguments_are_checked_where_a_tool_asks_for_them() {
    let annotated = r#"{"name":"q","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#;
    let mut w = World::http()
        .server(
            "s",
            tools(["t"]).with("tools", [annotated.to_owned(), tool("t")]),
        )
        .start();
    let legacy = w.client("{}");
    for (fields, arguments, fits) in [
        (vec![("Mcp-Param-Region", "eu")], r#"{"region":"eu"}"#, true),
        (
            vec![("MCP-PARAM-REGION", "=?base64?w7w=?=")],
            r#"{"region":"ü"}"#,
            true,
        ),
        (vec![], r#"{"region":null}"#, true),
        (vec![("Mcp-Param-Other", "x")], "{}", true),
        (vec![], r#"{"region":"eu"}"#, false),
        (
            vec![("Mcp-Param-Region", "us")],
            r#"{"region":"eu"}"#,
            false,
        ),
        (
            vec![("Mcp-Param-Region", "=?base64?w7w?=")],
            r#"{"region":"ü"}"#,
            false,
        ),
    ] {
        let c = Client::modern(&mut w, "{}");
        for (name, value) in fields {
            c.adds_field(&mut w, name, value);
        }
        let call = c.call(&mut w, "s_1mcp_q", arguments);
        if fits {
            w.server("s")
                .expect(&mut w, "tools/call")
                .result(&mut w, DONE);
            complete(&mut w, &call);
            // Tools that ask for none are not checked.
            c.call(&mut w, "s_1mcp_t", arguments);
            w.server("s")
                .expect(&mut w, "tools/call")
                .result(&mut w, DONE);
        } else {
            let (code, text) = call.error(&mut w);
            assert!(
                code == -32020 && text.contains("Mcp-Param-region"),
                "{text}"
            );
            assert_eq!(c.status(&mut w), Some(400));
        }
    }
    // With a session there are no such fields.
    legacy.call(&mut w, "s_1mcp_q", r#"{"region":"eu"}"#);
    w.server("s").expect(&mut w, "tools/call");
}

#[test]
fn a_question_to_who_declared_nothing_is_refused_and_reaches_nobody_else() {
    let (mut w, c) = one(tools(["t"]));
    let legacy = w.client(ASKABLE);
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let server = w.server("s");
    let seen = server.expect(&mut w, "tools/call");
    let params = r#"{"message":"?","requestedSchema":{}}"#;
    server.asks(&mut w, "7", "elicitation/create", params);
    assert_eq!(server.refused(&mut w, "7"), -32601);
    seen.result(&mut w, DONE);
    complete(&mut w, &call);
    legacy.clear(&mut w);
    legacy.expect_nothing(&mut w);
}

#[test]
fn s2_calls_take_turns_in_sessions_where_a_server_isolates() {
    let members = r#""isolation":"session""#;
    let mut w = World::http()
        .server_with("s", members, tools(["t"]))
        .start();
    let before = w.starts("s");
    let c = Client::modern(&mut w, ASKABLE);
    // Lists of who needs no session of its own come from the common one: they start none.
    let plain = Client::modern(&mut w, "{}");
    plain.request(&mut w, "tools/list", "{}").result(&mut w);
    assert_eq!(w.starts("s"), before);
    for _ in 0..3 {
        let call = c.call(&mut w, "s_1mcp_t", "{}");
        w.advance(1);
        let server = w.server("s");
        assert_eq!(server.declared(&w), declared());
        server.expect(&mut w, "tools/call").result(&mut w, DONE);
        complete(&mut w, &call);
    }
    assert_eq!(w.starts("s"), before + 1);
    // Two at once have one each, and the most is bounded.
    let calls: Vec<Call> = (0..=LEASES_PER_SERVER_MAX)
        .map(|_| Client::modern(&mut w, ASKABLE).call(&mut w, "s_1mcp_t", "{}"))
        .collect();
    w.advance(1);
    assert_eq!(w.starts("s"), before + LEASES_PER_SERVER_MAX);
    let (last, held) = calls.split_last().unwrap();
    let (code, text) = last.error(&mut w);
    assert!(code == -32603 && text.contains("busy"), "{text}");
    for server in w.running("s") {
        if server.got(&w, "tools/call") > 0 {
            server.expect(&mut w, "tools/call").result(&mut w, DONE);
        }
    }
    for call in held {
        complete(&mut w, call);
    }
    w.advance(2 * POOL_IDLE_MS);
    assert_eq!(w.running("s").len(), before);
}

#[test]
fn a_server_that_isolates_is_listed_by_what_the_request_declares() {
    let members = r#""isolation":"session""#;
    let script = tools(["t"]);
    let mut w = World::http()
        .server_with("s", members, script.manual("tools/list"))
        .start();
    let common = w.server("s");
    let (few, more) = (tool("t"), [tool("t"), tool("u")].join(","));
    let list = |entries: &str| format!(r#"{{"tools":[{entries}]}}"#);
    common
        .expect(&mut w, "tools/list")
        .result(&mut w, &list(&few));
    let plain = Client::modern(&mut w, "{}");
    let askable = Client::modern(&mut w, ASKABLE);
    let names = |result: &Value| {
        let tools = result["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].to_string()).collect()
    };
    let (t, u) = (r#""s_1mcp_t""#.to_owned(), r#""s_1mcp_u""#.to_owned());
    // Called by name it goes to a session that may know it, before anybody has seen a list.
    let call = askable.call(&mut w, "s_1mcp_u", "{}");
    w.advance(1);
    let lent = w.server("s");
    assert_ne!(lent, common);
    lent.expect(&mut w, "tools/call").result(&mut w, DONE);
    complete(&mut w, &call);
    assert_eq!(lent.got(&w, "tools/list"), 0);
    // The list of who can be asked is that of a session that declares the same.
    let listed = askable.request(&mut w, "tools/list", "{}");
    lent.expect(&mut w, "tools/list")
        .result(&mut w, &list(&more));
    let seen: Vec<String> = names(&listed.result(&mut w));
    assert_eq!(seen, [t.clone(), u]);
    // The next one is answered from memory, and others see what they saw.
    let again = askable.request(&mut w, "tools/list", "{}").result(&mut w);
    let seen: Vec<String> = names(&again);
    assert_eq!((seen.len(), lent.got(&w, "tools/list")), (2, 1));
    let others = plain.request(&mut w, "tools/list", "{}").result(&mut w);
    let seen: Vec<String> = names(&others);
    assert_eq!(seen, [t]);
    assert_eq!(w.starts("s"), 2);
    // Who cannot be asked gets no session of its own for a name that nobody listed.
    let (code, text) = plain.call(&mut w, "s_1mcp_x", "{}").error(&mut w);
    assert!(code == -32602 && text.contains("unknown tool"), "{text}");
}

#[test]
fn s3_a_cancelled_call_keeps_its_session_from_others_until_it_is_answered() {
    let members = r#""isolation":"session""#;
    let mut w = World::http()
        .server_with("s", members, tools(["t"]))
        .start();
    let c = Client::modern(&mut w, "{}");
    c.call(&mut w, "s_1mcp_t", "{}");
    w.advance(1);
    let first = w.server("s");
    let seen = first.expect(&mut w, "tools/call");
    c.hangs_up(&mut w);
    first.expect(&mut w, "notifications/cancelled");
    // It may still log or ask for that call: another gets another session.
    c.call(&mut w, "s_1mcp_t", "{}");
    w.advance(1);
    let second = w.server("s");
    assert_ne!(first, second);
    second.expect(&mut w, "tools/call").result(&mut w, DONE);
    first.asks(&mut w, "1", "roots/list", "{}");
    assert_eq!(first.refused(&mut w, "1"), -32601);
    seen.result(&mut w, DONE);
    c.call(&mut w, "s_1mcp_t", "{}");
    first.expect(&mut w, "tools/call");
}

#[test]
fn a_server_that_asked_serves_stateless_callers_by_what_they_declare() {
    let (mut w, plain) = one(tools(["t"]));
    let askable = Client::modern(&mut w, ASKABLE);
    let legacy = w.client(ASKABLE);
    let call = legacy.call(&mut w, "s_1mcp_t", "{}");
    let server = w.server("s");
    let seen = server.expect(&mut w, "tools/call");
    server.asks(&mut w, "1", "sampling/createMessage", "{}");
    let ask = legacy.expect(&mut w, "sampling/createMessage");
    legacy.answers(&mut w, &ask, "{}");
    seen.result(&mut w, DONE);
    call.result(&mut w);
    w.advance(300);
    let starts = w.starts("s");
    plain.call(&mut w, "s_1mcp_t", "{}");
    w.advance(1);
    assert_eq!(
        w.starts("s"),
        starts,
        "who cannot be asked shares the common one"
    );
    askable.call(&mut w, "s_1mcp_t", "{}");
    w.advance(1);
    assert_eq!(w.starts("s"), starts + 1);
    assert_eq!(w.server("s").declared(&w), declared());
}

#[test]
fn a_server_that_goes_away_fails_stateless_calls_in_words() {
    let (mut w, c) = one(tools(["t"]));
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    w.server("s").dies(&mut w);
    let answer = call.answer(&mut w);
    assert_eq!(answer["error"]["code"], -32603);
    assert_eq!(answer["error"]["data"]["server"], "s");
    let waits = c.call(&mut w, "s_1mcp_nothing", "{}");
    assert_eq!(waits.error(&mut w).0, -32602);
    assert_eq!(w.counts().exchanges, 0);
}

#[test]
fn memory_after_many_stateless_calls_is_what_it_was() {
    let (mut w, c) = one(tools(["t"]));
    let round = |w: &mut World| {
        for _ in 0..100 {
            let call = c.call(w, "s_1mcp_t", "{}");
            w.server("s").expect(w, "tools/call").result(w, DONE);
            complete(w, &call);
        }
        w.counts()
    };
    let before = round(&mut w);
    for _ in 0..20 {
        round(&mut w);
    }
    let after = round(&mut w);
    assert_eq!((before.exchanges, after.exchanges), (0, 0));
    assert_eq!(before.remembered, after.remembered);
    assert_eq!(
        (before.calls, before.backends),
        (after.calls, after.backends)
    );
}
