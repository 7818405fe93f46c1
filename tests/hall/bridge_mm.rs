//! Clients without a session over servers without (protocol 3.1, column MM), row by row.

use serde_json::{Value, json};

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{LIST_STALE_MS_MIN, REQUEST_STATE_BYTES_MAX};

use crate::client::{Call, Client, described};
use crate::schemas::meets;
use crate::server::{Child, Script, prompt, resource, tool, tools};
use crate::server_modern::stateless;
use crate::world::World;

const MODERN: &str = r#""era":"modern""#;
const ALL: &str = r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
const DONE: &str = r#"{"resultType":"complete","content":[]}"#;
const FORM: &str = r#"{"method":"elicitation/create","params":{"mode":"form","message":"who?","requestedSchema":{"type":"object","properties":{}}}}"#;
const META: &str = "io.modelcontextprotocol";

fn script() -> Script {
    stateless()
        .with("tools", [tool("t"), tool("u")])
        .with("prompts", [prompt("p")])
        .with("resources", [resource("x://1")])
}

fn world() -> World {
    World::http().server_with("s", MODERN, script()).start()
}

fn with(capabilities: &str) -> (World, Client, Child) {
    let mut w = world();
    let client = Client::modern(&mut w, capabilities);
    let server = w.server("s");
    (w, client, server)
}

/// A call that its server answers with this; our answer.
fn asked(w: &mut World, c: Client, params: &str, result: &str) -> Call {
    let call = c.request(w, "tools/call", params);
    w.server("s").expect(w, "tools/call").result(w, result);
    call
}

#[track_caller]
fn nothing_left(w: &World) {
    let counts = w.counts();
    assert_eq!((counts.calls, counts.exchanges), (0, 0));
}

// --- 3.2 ---

#[test]
fn p32_a_request_describes_itself_as_its_client_did_but_for_what_we_cannot_relay() {
    let declared =
        r#"{"elicitation":{"form":{"x/y":1.0}},"extensions":{"a/b":{}},"experimental":{"e":{}}}"#;
    let (mut w, c, s) = with(declared);
    let level = format!(r#""{META}/logLevel":"notice""#);
    c.says_of_itself(&mut w, &level);
    let params = r#"{"_meta":{"progressToken":7,"baggage":"b","v.x/k":[1e5]},"name":"s_1mcp_t","arguments":{ "n":1.0 }}"#;
    let call = c.request(&mut w, "tools/call", params);
    let seen = s.expect(&mut w, "tools/call");
    let (id, version) = (seen.id(), "0.0.0");
    let capabilities = r#"{"elicitation":{"form":{"x/y":1.0}},"experimental":{"e":{}}}"#;
    let described = format!(
        r#""{META}/protocolVersion":"2026-07-28","{META}/clientCapabilities":{capabilities},"{META}/clientInfo":{{"name":"1mcp","version":"{version}"}},{level}"#
    );
    let wanted = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"_meta":{{{described},"progressToken":{id},"baggage":"b","v.x/k":[1e5]}},"name":"t","arguments":{{ "n":1.0 }}}}}}"#
    );
    assert_eq!(seen.line, wanted);
    // Logging and progress rows.
    s.notes(
        &mut w,
        "notifications/message",
        r#"{"level":"error","data":1}"#,
    );
    assert_eq!(
        c.expect(&mut w, "notifications/message")["params"]["data"],
        1
    );
    s.notes(
        &mut w,
        "notifications/message",
        r#"{"level":"info","data":1}"#,
    );
    let progress = format!(r#"{{"progressToken":{id},"progress":1}}"#);
    s.notes(&mut w, "notifications/progress", &progress);
    let heard = c.expect(&mut w, "notifications/progress");
    assert_eq!(heard["params"], json!({"progressToken": 7, "progress": 1}));
    seen.result(&mut w, DONE);
    call.result(&mut w);
    assert_eq!(s.got(&w, "logging/setLevel"), 0);
    nothing_left(&w);
}

// --- call, get, read, completion ---

#[test]
fn call_row_a_result_passes_and_we_are_who_answers() {
    let (mut w, c, s) = with("{}");
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    s.expect(&mut w, "tools/call").result(
        &mut w,
        r#"{ "content":[{"type":"audio","data":"","mimeType":"a/b"}],"structuredContent":[1.0],"resultType":"complete","_meta":{"v":1,"io.modelcontextprotocol/serverInfo":{"name":"x","version":"1"}}}"#,
    );
    let version = "0.0.0";
    assert_eq!(
        call.line(&mut w).unwrap(),
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{ "content":[{{"type":"audio","data":"","mimeType":"a/b"}}],"structuredContent":[1.0],"resultType":"complete","_meta":{{"{META}/serverInfo":{{"name":"1mcp","version":"{version}"}},"v":1}}}}}}"#,
            call.id
        )
    );
    for (method, definition, params, result) in [
        (
            "prompts/get",
            "GetPromptResultResponse",
            r#"{"name":"s_1mcp_p"}"#,
            json!({"messages": []}),
        ),
        (
            "completion/complete",
            "CompleteResultResponse",
            r#"{"ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"a","value":""}}"#,
            json!({"completion": {"values": []}}),
        ),
        (
            "resources/read",
            "ReadResourceResultResponse",
            r#"{"uri":"x://1"}"#,
            json!({"contents": [], "ttlMs": 7, "cacheScope": "public"}),
        ),
    ] {
        let call = c.request(&mut w, method, params);
        let mut result = result;
        result["resultType"] = json!("complete");
        s.expect(&mut w, method).result(&mut w, &result.to_string());
        let answer = call.answer(&mut w);
        meets("2026-07-28", definition, &answer);
        let mut got = answer["result"].clone();
        let meta = got.as_object_mut().unwrap().remove("_meta").unwrap();
        assert_eq!(meta[format!("{META}/serverInfo")]["name"], "1mcp");
        assert_eq!(got, result);
    }
    nothing_left(&w);
}

#[test]
fn d3_an_older_result_without_a_type_is_complete() {
    let (mut w, c, s) = with("{}");
    let call = c.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
    s.expect(&mut w, "resources/read")
        .result(&mut w, r#"{"contents":[]}"#);
    let result = call.result(&mut w);
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(0), &json!("private"))
    );
}

#[test]
fn f11_results_of_no_known_kind_are_errors_that_name_the_server() {
    let _reached = must_hit(Mark::ResultUnreadable);
    let (mut w, c, _) = with("{}");
    for result in [r#"{"resultType":"later"}"#, r#"{"resultType":"task"}"#, "7"] {
        let call = asked(&mut w, c, r#"{"name":"s_1mcp_t"}"#, result);
        let (code, text) = call.error(&mut w);
        assert!(code == -32603 && text.contains("server s"), "{text}");
    }
    nothing_left(&w);
}

#[test]
fn server_errors_row_errors_pass_with_the_status_of_their_code() {
    let (mut w, c, s) = with("{}");
    for (error, status) in [
        (
            json!({"code": -32021, "message": "m", "data": {"requiredCapabilities": {"roots": {}}}}),
            400,
        ),
        (
            json!({"code": -32602, "message": "m", "data": {"uri": "x://1", "n": 1.5}}),
            200,
        ),
        (json!({"code": 7, "message": "own"}), 200),
    ] {
        let call = c.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
        s.expect(&mut w, "resources/read")
            .error(&mut w, &error.to_string());
        assert_eq!(call.answer(&mut w)["error"], error);
        assert_eq!(c.status(&mut w), Some(status));
    }
    nothing_left(&w);
}

#[test]
fn cancel_row_a_closed_stream_cancels_by_the_id_that_the_server_knows() {
    let (mut w, c, s) = with("{}");
    c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    c.hangs_up(&mut w);
    seen.is_cancelled(&mut w);
    seen.result(&mut w, DONE);
    nothing_left(&w);
}

// --- lists ---

fn hints(w: &mut World, c: Client) -> (Value, Value) {
    let result = c.request(w, "tools/list", "{}").result(w);
    assert_eq!(result["resultType"], "complete");
    (result["ttlMs"].clone(), result["cacheScope"].clone())
}

/// Answers the list that a server was asked for.
fn lists(w: &mut World, name: &str, ttl: u64, scope: &str) {
    let tools = tool("t");
    let result = format!(
        r#"{{"resultType":"complete","tools":[{tools}],"ttlMs":{ttl},"cacheScope":"{scope}"}}"#
    );
    w.server(name).expect(w, "tools/list").result(w, &result);
}

#[test]
fn d4_a_list_keeps_for_as_long_as_its_shortest_part_less_its_age() {
    let manual = || stateless().capable(r#"{"tools":{}}"#).manual("tools/list");
    let mut w = World::http()
        .server_with("a", MODERN, manual())
        .server_with("b", MODERN, manual())
        .start();
    let c = Client::modern(&mut w, "{}");
    lists(&mut w, "a", 60_000, "public");
    lists(&mut w, "b", 30_000, "public");
    assert_eq!(hints(&mut w, c), (json!(30_000), json!("public")));
    w.advance(10_000);
    assert_eq!(hints(&mut w, c), (json!(20_000), json!("public")));
    w.server("b").expect_nothing(&mut w);
    w.advance(25_000);
    assert_eq!(hints(&mut w, c), (json!(0), json!("public")));
    // F16: it is stale, and fetched for whoever asks next.
    lists(&mut w, "b", 30_000, "private");
    assert_eq!(hints(&mut w, c), (json!(25_000), json!("private")));
    w.server("a").expect_nothing(&mut w);
}

#[test]
fn f16_a_list_that_is_never_the_same_does_not_go_round_and_round() {
    let manual = stateless().capable(r#"{"tools":{}}"#).manual("tools/list");
    let mut w = World::http().server_with("a", MODERN, manual).start();
    let (c, s) = (Client::modern(&mut w, "{}"), w.server("a"));
    lists(&mut w, "a", 0, "private");
    for _ in 0..10 {
        assert_eq!(hints(&mut w, c), (json!(0), json!("private")));
        w.advance(LIST_STALE_MS_MIN / 20);
    }
    s.expect_nothing(&mut w);
    w.advance(LIST_STALE_MS_MIN);
    hints(&mut w, c);
    lists(&mut w, "a", 0, "private");
    hints(&mut w, c);
    s.expect_nothing(&mut w);
}

#[test]
fn d4_a_part_from_a_server_with_sessions_is_kept_by_nobody() {
    let manual = stateless().capable(r#"{"tools":{}}"#).manual("tools/list");
    let mut w = World::http()
        .server_with("a", MODERN, manual)
        .server("b", tools(["t"]))
        .start();
    let c = Client::modern(&mut w, "{}");
    lists(&mut w, "a", 60_000, "public");
    assert_eq!(hints(&mut w, c), (json!(0), json!("private")));
}

#[test]
fn d4_a_page_that_is_a_question_is_no_list() {
    let manual = stateless().capable(r#"{"tools":{}}"#).manual("tools/list");
    let mut w = World::http().server_with("a", MODERN, manual).start();
    let question = r#"{"resultType":"input_required","requestState":"x"}"#;
    w.server("a")
        .expect(&mut w, "tools/list")
        .result(&mut w, question);
    assert!(w.logged(&["server=a", "did not answer tools/list"]));
}

// --- questions ---

#[test]
fn elicitation_row_questions_pass_untouched_and_the_state_is_sealed() {
    let (mut w, c, s) = with(ALL);
    let state = r#""\u0061/=+b""#;
    let requests = format!(r#"{{"k\u0031": {FORM},"r":{{"method":"roots/list"}}}}"#);
    let question = format!(
        r#"{{"resultType":"input_required","inputRequests":{requests},"requestState":{state}}}"#
    );
    let call = asked(
        &mut w,
        c,
        r#"{"name":"s_1mcp_t","arguments":{"a":1.0}}"#,
        &question,
    );
    let line = call.line(&mut w).unwrap();
    assert!(
        line.contains(&format!(r#""inputRequests":{requests},"requestState":""#)),
        "{line}"
    );
    assert!(!line.contains(state) && !line.contains("ttlMs"), "{line}");
    let answer: Value = serde_json::from_str(&line).unwrap();
    meets("2026-07-28", "CallToolResultResponse", &answer);
    meets("2026-07-28", "InputRequiredResult", &answer["result"]);
    assert_eq!(
        answer["result"]["_meta"][format!("{META}/serverInfo")]["name"],
        "1mcp"
    );
    let sealed = answer["result"]["requestState"]
        .as_str()
        .unwrap()
        .to_owned();
    // Nothing is kept meanwhile.
    nothing_left(&w);
    let responses = r#"{"k\u0031":{"action" : "accept","content":{"n":1.0}}}"#;
    let retry = format!(
        r#"{{"name":"s_1mcp_t","arguments":{{"a":1.0}},"inputResponses":{responses},"requestState":"{sealed}"}}"#
    );
    let call = c.request(&mut w, "tools/call", &retry);
    let seen = s.expect(&mut w, "tools/call");
    assert!(
        seen.line.contains(&format!(
            r#""inputResponses":{responses},"requestState":{state}"#
        )),
        "{}",
        seen.line
    );
    seen.result(&mut w, DONE);
    call.result(&mut w);
    // Bound to what was asked (D15).
    for other in [
        retry.replace("1.0", "2.0"),
        retry.replace("s_1mcp_t", "s_1mcp_u"),
        retry.replace(&sealed, "AAAA"),
        retry.replace(&sealed, "\\u0061/=+b"),
    ] {
        let call = c.request(&mut w, "tools/call", &other);
        assert_eq!(call.error(&mut w).0, -32602, "{other}");
    }
    s.expect_nothing(&mut w);
    nothing_left(&w);
}

#[test]
fn elicitation_row_without_a_state_there_is_none_in_either_direction() {
    let (mut w, c, s) = with(ALL);
    let question = format!(r#"{{"resultType":"input_required","inputRequests":{{"k":{FORM}}}}}"#);
    let call = asked(&mut w, c, r#"{"name":"s_1mcp_t"}"#, &question);
    let result = call.result(&mut w);
    assert_eq!(result.get("requestState"), None);
    let retry = r#"{"name":"s_1mcp_t","inputResponses":{"k":{"action":"decline"}}}"#;
    let call = c.request(&mut w, "tools/call", retry);
    let seen = s.expect(&mut w, "tools/call");
    assert_eq!(
        seen.value["params"]["inputResponses"],
        json!({"k": {"action": "decline"}})
    );
    assert_eq!(seen.value["params"].get("requestState"), None);
    seen.result(&mut w, DONE);
    call.result(&mut w);
}

#[test]
fn d15_the_state_of_one_server_does_not_reach_another() {
    let mut w = World::http()
        .server_with("s", MODERN, script())
        .server_with("z", MODERN, script())
        .start();
    let c = Client::modern(&mut w, ALL);
    let question = r#"{"resultType":"input_required","requestState":"x"}"#;
    let call = asked(&mut w, c, r#"{"name":"s_1mcp_t"}"#, question);
    let sealed = call.result(&mut w)["requestState"].clone();
    let retry = json!({"name": "z_1mcp_t", "requestState": sealed}).to_string();
    let call = c.request(&mut w, "tools/call", &retry);
    assert_eq!(call.error(&mut w).0, -32602);
    w.server("z").expect_nothing(&mut w);
}

/// Where a URI leads may change between two rounds; who asked does not.
#[test]
fn answers_to_a_question_about_a_resource_reach_only_the_server_that_asked() {
    let (mut w, c, s) = with(ALL);
    let params = r#"{"uri":"x://1"}"#;
    let call = c.request(&mut w, "resources/read", params);
    let question = format!(r#"{{"resultType":"input_required","inputRequests":{{"k":{FORM}}}}}"#);
    s.expect(&mut w, "resources/read").result(&mut w, &question);
    let state = call.result(&mut w)["requestState"].to_string();
    let responses = r#""inputResponses":{"k":{"action":"decline"}}"#;
    let known = |state: &str| format!(r#"{{"uri":"x://1",{responses}{state}}}"#);
    for (sent, told) in [
        (known(&format!(r#","requestState":{state}"#)), true),
        (known(""), false),
    ] {
        let call = c.request(&mut w, "resources/read", &sent);
        let seen = s.expect(&mut w, "resources/read");
        let params = &seen.value["params"];
        assert_eq!(params.get("inputResponses").is_some(), told);
        assert_eq!(params.get("requestState"), None);
        seen.result(&mut w, r#"{"contents":[]}"#);
        call.result(&mut w);
    }
    nothing_left(&w);
}

#[test]
fn d16_d17_questions_that_may_not_be_are_errors_that_name_the_server() {
    let _reached = must_hit(Mark::RoundRefused);
    let (mut w, c, s) = with(r#"{"elicitation":{"url":{}}}"#);
    let ask = |request: &str| {
        format!(r#"{{"resultType":"input_required","inputRequests":{{"k":{request}}}}}"#)
    };
    let long = "x".repeat(REQUEST_STATE_BYTES_MAX);
    for question in [
        ask(FORM),
        ask(r#"{"method":"roots/list"}"#),
        ask(r#"{"method":"sampling/createMessage","params":{}}"#),
        ask(r#"{"method":"ping"}"#),
        r#"{"resultType":"input_required"}"#.to_owned(),
        format!(r#"{{"resultType":"input_required","requestState":"{long}"}}"#),
    ] {
        let call = asked(&mut w, c, r#"{"name":"s_1mcp_t"}"#, &question);
        let (code, text) = call.error(&mut w);
        assert!(code == -32603 && text.contains("server"), "{text}");
    }
    let params =
        r#"{"ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"a","value":""}}"#;
    let call = c.request(&mut w, "completion/complete", params);
    let state = r#"{"resultType":"input_required","requestState":"x"}"#;
    s.expect(&mut w, "completion/complete")
        .result(&mut w, state);
    assert_eq!(call.error(&mut w).0, -32603);
    nothing_left(&w);
}

#[test]
fn a2_two_clients_with_equal_ids_and_tokens_at_once_never_hear_of_each_other() {
    let mut w = world();
    let (a, b, s) = (
        Client::modern(&mut w, ALL),
        Client::modern(&mut w, ALL),
        w.server("s"),
    );
    let mut calls = Vec::new();
    for (client, me) in [(a, "a"), (b, "b")] {
        let params = format!(
            r#"{{"name":"s_1mcp_t","arguments":{{"me":"{me}"}},"_meta":{{"progressToken":"t"}}}}"#
        );
        let call = client.request_as(&mut w, "1", "tools/call", &params);
        calls.push((client, call, me));
    }
    let seen = [
        s.expect(&mut w, "tools/call"),
        s.expect(&mut w, "tools/call"),
    ];
    assert_ne!(seen[0].id(), seen[1].id());
    for one in seen.iter().rev() {
        let me = one.value["params"]["arguments"]["me"].as_str().unwrap();
        let params = format!(
            r#"{{"progressToken":{},"progress":1,"message":"{me}"}}"#,
            one.id()
        );
        s.notes(&mut w, "notifications/progress", &params);
        let form = FORM.replace("who?", me);
        let question = format!(
            r#"{{"resultType":"input_required","inputRequests":{{"k":{form}}},"requestState":"{me}"}}"#
        );
        one.result(&mut w, &question);
    }
    for (client, call, me) in &calls {
        let heard = client.expect(&mut w, "notifications/progress");
        assert_eq!(
            heard["params"],
            json!({"progressToken": "t", "progress": 1, "message": me})
        );
        let result = call.result(&mut w);
        assert_eq!(result["inputRequests"]["k"]["params"]["message"], *me);
        client.expect_nothing(&mut w);
        let state = &result["requestState"];
        let retry =
            format!(r#"{{"name":"s_1mcp_t","arguments":{{"me":"{me}"}},"requestState":{state}}}"#);
        client.request_as(&mut w, "1", "tools/call", &retry);
        let again = s.expect(&mut w, "tools/call");
        assert_eq!(again.value["params"]["requestState"], *me);
        again.result(&mut w, DONE);
        call.result(&mut w);
    }
    nothing_left(&w);
}

#[test]
fn b5_on_stdio_questions_are_results_and_the_retry_is_an_ordinary_line() {
    let mut w = World::stdio().server_with("s", MODERN, script()).begin();
    let c = w.stdin();
    let line = |id: u8, members: &str| {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"s_1mcp_t"{members}}}}}"#
        );
        described(&call, ALL, "")
    };
    let answer = |w: &mut World| -> Value {
        let mut answers = c.unread_answers(w);
        serde_json::from_str(&answers.pop().unwrap()).unwrap()
    };
    c.says(&mut w, &line(1, ""));
    w.advance(300);
    let s = w.server("s");
    let question = format!(
        r#"{{"resultType":"input_required","inputRequests":{{"k":{FORM}}},"requestState":"x"}}"#
    );
    s.expect(&mut w, "tools/call").result(&mut w, &question);
    let asked = answer(&mut w);
    assert_eq!(
        asked["result"]["inputRequests"]["k"]["params"]["message"],
        "who?"
    );
    let state = &asked["result"]["requestState"];
    let members =
        format!(r#","inputResponses":{{"k":{{"action":"decline"}}}},"requestState":{state}"#);
    c.says(&mut w, &line(2, &members));
    let again = s.expect(&mut w, "tools/call");
    assert_eq!(again.value["params"]["requestState"], "x");
    again.result(&mut w, DONE);
    assert_eq!((&answer(&mut w)["id"], w.counts().calls), (&json!(2), 0));
    c.expect_nothing(&mut w);
}

// --- listening ---

#[test]
fn subscribe_and_changed_rows_messages_carry_the_id_of_the_clients_own_stream() {
    let (mut w, _, s) = with("{}");
    let (a, b) = (Client::modern(&mut w, "{}"), Client::modern(&mut w, "{}"));
    let params = r#"{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["x://1"]}}"#;
    for (client, id) in [(a, "\"one\""), (b, "7")] {
        client.request_as(&mut w, id, "subscriptions/listen", params);
        let acknowledged = client.expect(&mut w, "notifications/subscriptions/acknowledged");
        let granted = &acknowledged["params"]["notifications"];
        assert_eq!(granted["resourceSubscriptions"], json!(["x://1"]));
    }
    s.updates(&mut w, "x://1");
    s.list_changed(&mut w, "tools");
    w.script("s").set("tools", [tool("new")]);
    s.list_changed(&mut w, "tools");
    w.advance(1_000);
    for (client, id) in [(a, json!("one")), (b, json!(7))] {
        for method in [
            "notifications/resources/updated",
            "notifications/tools/list_changed",
        ] {
            let told = client.expect(&mut w, method);
            assert_eq!(
                told["params"]["_meta"][format!("{META}/subscriptionId")],
                id
            );
        }
        client.expect_nothing(&mut w);
    }
}
