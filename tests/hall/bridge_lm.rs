//! Clients with a session over servers without (protocol 3.1, column LM), row by row.

use serde_json::{Value, json};

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{
    ASK_MS_MAX, BODY_BYTES_MAX, LINE_BYTES_MAX, POOL_IDLE_MS, REQUEST_MS, ROUND_QUESTIONS_MAX,
    ROUNDS_BYTES_MAX, ROUNDS_MAX,
};

use crate::client::{Call, Client};
use crate::schemas::meets;
use crate::server::{Child, Script, Seen, prompt, resource, tool};
use crate::server_modern::stateless;
use crate::world::World;

const MODERN: &str = r#""era":"modern""#;
const ALL: &str =
    r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
const DONE: &str = r#"{"resultType":"complete","content":[]}"#;
const FORM: &str = r#"{"method":"elicitation/create","params":{"mode":"form","message":"who?","requestedSchema":{"type":"object","properties":{"a":{"type":"string"}}}}}"#;
const META: &str = "io.modelcontextprotocol";

fn script() -> Script {
    stateless()
        .with("tools", [tool("t")])
        .with("prompts", [prompt("p")])
        .with("resources", [resource("x://1")])
}

fn world() -> World {
    World::http().server_with("s", MODERN, script()).start()
}

/// One client with these capabilities, and the server.
fn with(capabilities: &str) -> (World, Client, Child) {
    let mut w = world();
    let client = w.client(capabilities);
    let server = w.server("s");
    (w, client, server)
}

fn asks(requests: &str, state: &str) -> String {
    let state = match state {
        "" => String::new(),
        state => format!(",\"requestState\":{state}"),
    };
    format!(r#"{{"resultType":"input_required","inputRequests":{{{requests}}}{state}}}"#)
}

/// A call that its server answers with questions.
fn asked(w: &mut World, client: Client, requests: &str, state: &str) -> (Call, Seen) {
    let call = client.call(w, "s_1mcp_t", "{}");
    let seen = w.server("s").expect(w, "tools/call");
    seen.result(w, &asks(requests, state));
    (call, seen)
}

/// Nothing of any call is left.
#[track_caller]
fn nothing_left(w: &World) {
    assert_eq!(w.counts().calls, 0);
}

// --- 3.2: what a request says of itself ---

#[test]
fn p32_a_request_describes_itself_and_stays_as_it_was() {
    let (mut w, c, s) = with(ALL);
    let params = r#"{ "name":"s_1mcp_t","arguments":{ "n" : 1.0,"n":2 } ,"_meta":{"progressToken":"t","traceparent":"00-x","io.modelcontextprotocol/related-task":{"taskId":"1"},"v.x/k":[1e5]}}"#;
    let call = c.request(&mut w, "tools/call", params);
    let seen = s.expect(&mut w, "tools/call");
    let id = seen.id();
    let capabilities = r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
    let version = "0.0.0";
    let described = format!(
        r#""{META}/protocolVersion":"2026-07-28","{META}/clientCapabilities":{capabilities},"{META}/clientInfo":{{"name":"1mcp","version":"{version}"}}"#
    );
    let wanted = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{ "name":"t","arguments":{{ "n" : 1.0,"n":2 }} ,"_meta":{{{described},"progressToken":{id},"traceparent":"00-x","v.x/k":[1e5]}}}}}}"#
    );
    assert_eq!(seen.line, wanted);
    seen.result(&mut w, DONE);
    assert_eq!(call.result(&mut w), json!({"content": []}));
    nothing_left(&w);
}

#[test]
fn p32_the_level_of_the_session_goes_with_each_request_and_logs_come_back() {
    let (mut w, c, s) = with("{}");
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    let level = format!("{META}/logLevel");
    assert_eq!(seen.value["params"]["_meta"].get(&level), None);
    // It was not asked for any.
    s.notes(
        &mut w,
        "notifications/message",
        r#"{"level":"error","data":1}"#,
    );
    c.expect_nothing(&mut w);
    seen.result(&mut w, DONE);
    call.result(&mut w);
    c.request(&mut w, "logging/setLevel", r#"{"level":"warning"}"#)
        .result(&mut w);
    assert_eq!(s.got(&w, "logging/setLevel"), 0);
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    assert_eq!(seen.value["params"]["_meta"][&level], "warning");
    s.notes(
        &mut w,
        "notifications/message",
        r#"{"level":"info","data":1}"#,
    );
    s.notes(
        &mut w,
        "notifications/message",
        r#"{"level":"error","data":2}"#,
    );
    let heard = c.expect(&mut w, "notifications/message");
    assert_eq!(heard["params"]["data"], 2);
    c.expect_nothing(&mut w);
    seen.result(&mut w, DONE);
    call.result(&mut w);
}

#[test]
fn s3_a_log_message_that_could_be_for_several_clients_is_for_none() {
    let mut w = world();
    let (a, b, s) = (w.client("{}"), w.client("{}"), w.server("s"));
    for client in [a, b] {
        client
            .request(&mut w, "logging/setLevel", r#"{"level":"debug"}"#)
            .result(&mut w);
        client.call(&mut w, "s_1mcp_t", "{}");
    }
    s.notes(
        &mut w,
        "notifications/message",
        r#"{"level":"error","data":1}"#,
    );
    a.expect_nothing(&mut w);
    b.expect_nothing(&mut w);
}

// --- lists, call, get, read, completion ---

#[test]
fn list_row_results_have_nothing_of_the_other_era() {
    let odd = r#"{"name":"t","inputSchema":{"type":"object","$defs":{"a":{"$anchor":"b"}}},"outputSchema":{"type":"array"}}"#;
    let script = script().with("tools", [odd.to_owned(), tool("u")]);
    let mut w = World::http().server_with("s", MODERN, script).start();
    let c = w.client("{}");
    let line = c.request(&mut w, "tools/list", "{}").line(&mut w).unwrap();
    for gone in ["resultType", "ttlMs", "cacheScope", "outputSchema"] {
        assert!(!line.contains(gone), "{line}");
    }
    let kept = r#""inputSchema":{"type":"object","$defs":{"a":{"$anchor":"b"}}}"#;
    assert!(line.contains(kept), "{line}");
}

#[test]
fn call_row_a_result_passes_but_for_what_is_of_the_other_era() {
    let (mut w, c, s) = with("{}");
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    seen.result(
        &mut w,
        r#"{"resultType":"complete", "content":[{"type":"text","text":"\u00e9"}],"structuredContent":{"a":1.0},"x":1E2,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x","version":"1"},"v":1}}"#,
    );
    assert_eq!(
        call.line(&mut w).unwrap(),
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[{{"type":"text","text":"\u00e9"}}],"structuredContent":{{"a":1.0}},"x":1E2,"_meta":{{"v":1}}}}}}"#,
            call.id
        )
    );
    let call = c.request(&mut w, "prompts/get", r#"{"name":"s_1mcp_p"}"#);
    s.expect(&mut w, "prompts/get")
        .result(&mut w, r#"{"messages":[]}"#);
    assert_eq!(call.result(&mut w), json!({"messages": []}));
    let call = c.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
    s.expect(&mut w, "resources/read").result(
        &mut w,
        r#"{"contents":[],"ttlMs":5,"cacheScope":"public","resultType":"complete"}"#,
    );
    assert_eq!(call.result(&mut w), json!({"contents": []}));
}

#[test]
fn structured_output_row_what_is_no_object_becomes_text() {
    let (mut w, c, s) = with("{}");
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    s.expect(&mut w, "tools/call").result(
        &mut w,
        r#"{"resultType":"complete","structuredContent":[1, "b"],"content":[]}"#,
    );
    assert_eq!(
        call.result(&mut w),
        json!({"content": [{"type": "text", "text": "[1, \"b\"]"}]})
    );
}

#[test]
fn p33_blocks_are_rewritten_for_the_revision_of_the_session() {
    let mut w = world();
    let s = w.server("s");
    let c = Client::http(&mut w);
    c.initialize(&mut w, "2025-03-26", "{}");
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    s.expect(&mut w, "tools/call").result(
        &mut w,
        r#"{"resultType":"complete","content":[{"type":"resource_link","uri":"x://y","name":"n"}]}"#,
    );
    assert_eq!(
        call.result(&mut w)["content"],
        json!([{"type": "text", "text": "n: x://y"}])
    );
}

#[test]
fn completion_row_a_request_describes_itself_and_the_result_is_of_the_session() {
    let (mut w, c, s) = with("{}");
    let params = r#"{"ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"a","value":""},"context":{"arguments":{"b":"c"}}}"#;
    let call = c.request(&mut w, "completion/complete", params);
    let seen = s.expect(&mut w, "completion/complete");
    assert_eq!(seen.value["params"]["context"]["arguments"]["b"], "c");
    seen.result(
        &mut w,
        r#"{"resultType":"complete","completion":{"values":["x"]}}"#,
    );
    assert_eq!(
        call.result(&mut w),
        json!({"completion": {"values": ["x"]}})
    );
}

#[test]
fn a3_without_completions_nothing_is_asked() {
    let script = script().capable(r#"{"tools":{},"prompts":{}}"#);
    let mut w = World::http().server_with("s", MODERN, script).start();
    let (c, s) = (w.client("{}"), w.server("s"));
    let params =
        r#"{"ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"a","value":""}}"#;
    let result = c
        .request(&mut w, "completion/complete", params)
        .result(&mut w);
    assert_eq!(result["completion"]["values"], json!([]));
    s.expect_nothing(&mut w);
}

#[test]
fn f11_results_of_no_known_kind_are_errors_that_name_the_server() {
    let _reached = must_hit(Mark::ResultUnreadable);
    let (mut w, c, s) = with(ALL);
    for result in [
        r#"{"resultType":"later"}"#,
        r#"{"resultType":"task","taskId":"1"}"#,
        r#"{"resultType":"complete","resultType":"complete"}"#,
        "[]",
    ] {
        let call = c.call(&mut w, "s_1mcp_t", "{}");
        s.expect(&mut w, "tools/call").result(&mut w, result);
        let (code, text) = call.error(&mut w);
        assert!(code == -32603 && text.contains("server s"), "{text}");
    }
    nothing_left(&w);
}

// --- errors ---

#[test]
fn not_found_row_the_code_of_the_session_with_the_uri_that_was_asked() {
    let (mut w, c, s) = with("{}");
    let call = c.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
    let error = r#"{"code":-32602,"message":"gone","data":{"uri":"x://1"}}"#;
    s.expect(&mut w, "resources/read").error(&mut w, error);
    let answer = call.answer(&mut w);
    assert_eq!(
        answer["error"],
        json!({"code": -32002, "message": "gone", "data": {"uri": "x://1"}})
    );
    for error in [
        json!({"code": -32602, "message": "no such argument"}),
        json!({"code": -32602, "message": "other", "data": {"uri": "x://2"}}),
    ] {
        let call = c.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
        let text = error.to_string();
        s.expect(&mut w, "resources/read").error(&mut w, &text);
        assert_eq!(call.answer(&mut w)["error"], error);
    }
}

#[test]
fn server_errors_row_our_faults_are_not_the_clients() {
    let (mut w, c, s) = with("{}");
    for code in [-32020, -32022] {
        let call = c.call(&mut w, "s_1mcp_t", "{}");
        let error = format!(r#"{{"code":{code},"message":"m","data":{{"supported":[]}}}}"#);
        s.expect(&mut w, "tools/call").error(&mut w, &error);
        let answer = call.answer(&mut w);
        assert_eq!(answer["error"]["code"], -32603);
        assert_eq!(answer["error"]["data"]["code"], code);
    }
    let error =
        json!({"code": -32021, "message": "m", "data": {"requiredCapabilities": {"roots": {}}}});
    for passes in [error, json!({"code": 7, "message": "own", "data": [1.5]})] {
        let call = c.call(&mut w, "s_1mcp_t", "{}");
        let text = passes.to_string();
        s.expect(&mut w, "tools/call").error(&mut w, &text);
        assert_eq!(call.answer(&mut w)["error"], passes);
    }
}

#[test]
fn backend_gone_row_a_call_gets_an_error_that_names_the_server() {
    let (mut w, c, s) = with("{}");
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    s.expect(&mut w, "tools/call");
    s.dies(&mut w);
    assert_eq!(call.answer(&mut w)["error"]["data"]["server"], "s");
}

// --- progress and cancel ---

#[test]
fn progress_row_tokens_are_mapped_and_values_rise_through_all_rounds() {
    let (mut w, c, s) = with(ALL);
    let params = r#"{"name":"s_1mcp_t","_meta":{"progressToken":"mine"}}"#;
    let call = c.request(&mut w, "tools/call", params);
    let progress = |w: &mut World, seen: &Seen, value: u8| {
        let params = format!(r#"{{"progressToken":{},"progress":{value}}}"#, seen.id());
        s.notes(w, "notifications/progress", &params);
    };
    let first = s.expect(&mut w, "tools/call");
    assert_eq!(
        first.value["params"]["_meta"]["progressToken"],
        first.value["id"]
    );
    progress(&mut w, &first, 3);
    let heard = c.expect(&mut w, "notifications/progress");
    assert_eq!(
        heard["params"],
        json!({"progressToken": "mine", "progress": 3})
    );
    first.result(&mut w, &asks(&format!(r#""k":{FORM}"#), ""));
    let question = c.expect(&mut w, "elicitation/create");
    // Between two rounds there is no call.
    progress(&mut w, &first, 4);
    c.expect_nothing(&mut w);
    c.answers(&mut w, &question, r#"{"action":"decline"}"#);
    let again = s.expect(&mut w, "tools/call");
    assert_eq!(
        again.value["params"]["_meta"]["progressToken"],
        again.value["id"]
    );
    progress(&mut w, &again, 1);
    progress(&mut w, &again, 5);
    let heard = c.expect(&mut w, "notifications/progress");
    assert_eq!(heard["params"]["progress"], 5);
    again.result(&mut w, DONE);
    call.result(&mut w);
    c.expect_nothing(&mut w);
}

#[test]
fn cancel_row_the_server_is_told_by_the_id_that_it_knows() {
    let (mut w, c, s) = with("{}");
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    c.cancels(&mut w, &call);
    seen.is_cancelled(&mut w);
    seen.result(&mut w, DONE);
    call.pending(&mut w);
    nothing_left(&w);
}

#[test]
fn cancel_row_between_two_rounds_everything_ends_and_the_server_hears_nothing() {
    let (mut w, c, s) = with(ALL);
    let (call, first) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    let question = c.expect(&mut w, "elicitation/create");
    c.cancels(&mut w, &call);
    let withdrawn = c.expect(&mut w, "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    nothing_left(&w);
    c.answers(&mut w, &question, r#"{"action":"accept","content":{}}"#);
    first.result(&mut w, DONE);
    s.expect_nothing(&mut w);
    call.pending(&mut w);
}

#[test]
fn a_client_that_leaves_while_it_is_asked_takes_everything_along() {
    let (mut w, c, s) = with(ALL);
    asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    c.expect(&mut w, "elicitation/create");
    c.leaves(&mut w);
    nothing_left(&w);
    s.expect_nothing(&mut w);
}

// --- rounds ---

#[test]
fn elicitation_row_the_call_is_made_again_with_the_answer_and_the_exact_state() {
    let _reached = (must_hit(Mark::RoundBegins), must_hit(Mark::RoundEnds));
    let (mut w, c, s) = with(ALL);
    let params = r#"{"name":"s_1mcp_t","arguments":{"a" : 1.0}}"#;
    let call = c.request(&mut w, "tools/call", params);
    let first = s.expect(&mut w, "tools/call");
    let state = r#""a\u0062\/c""#;
    first.result(&mut w, &asks(&format!(r#""k\u0031":{FORM}"#), state));
    let question = c.expect(&mut w, "elicitation/create");
    assert_eq!(question["params"]["message"], "who?");
    assert_eq!(question["params"]["mode"], "form");
    call.pending(&mut w);
    let answer = r#"{"action":"accept", "content":{"a":"\u00e9"}}"#;
    c.answers(&mut w, &question, answer);
    let again = s.expect(&mut w, "tools/call");
    assert_ne!(first.id(), again.id());
    let repeated = format!(
        r#""params":{{"inputResponses":{{"k\u0031":{answer}}},"requestState":{state},"_meta":{{"#
    );
    assert!(again.line.contains(&repeated), "{}", again.line);
    assert!(
        again
            .line
            .ends_with(r#""name":"t","arguments":{"a" : 1.0}}}"#)
    );
    again.result(&mut w, DONE);
    assert_eq!(call.result(&mut w), json!({"content": []}));
    nothing_left(&w);
    // An answer to the first round comes too late.
    first.result(&mut w, DONE);
    assert_eq!(c.unread_answers(&mut w), Vec::<String>::new());
}

#[test]
fn elicitation_row_without_a_state_none_is_sent_and_a_state_alone_is_sent_back_at_once() {
    let (mut w, c, s) = with("{}");
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let state = r#"{"resultType":"input_required","requestState":"s1"}"#;
    s.expect(&mut w, "tools/call").result(&mut w, state);
    let again = s.expect(&mut w, "tools/call");
    assert_eq!(again.value["params"]["requestState"], "s1");
    assert_eq!(again.value["params"].get("inputResponses"), None);
    again.result(&mut w, DONE);
    call.result(&mut w);
    let c = w.client(ALL);
    let (call, _) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    let question = c.expect(&mut w, "elicitation/create");
    c.answers(&mut w, &question, r#"{"action":"cancel"}"#);
    let again = s.expect(&mut w, "tools/call");
    assert_eq!(again.value["params"].get("requestState"), None);
    assert_eq!(
        again.value["params"]["inputResponses"],
        json!({"k": {"action": "cancel"}})
    );
    again.result(&mut w, DONE);
    call.result(&mut w);
}

#[test]
fn several_questions_of_all_kinds_are_collected_before_the_call_is_made_again() {
    let (mut w, c, s) = with(ALL);
    let requests = [
        format!(r#""f":{FORM}"#),
        r#""u":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x"}}"#.to_owned(),
        r#""s":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1,"tools":[],"_meta":{"io.modelcontextprotocol/x":1,"v":1}}}"#.to_owned(),
        r#""r":{"method":"roots/list"}"#.to_owned(),
    ];
    let (call, _) = asked(&mut w, c, &requests.join(","), "");
    let form = c.expect(&mut w, "elicitation/create");
    let url = c.expect(&mut w, "elicitation/create");
    let sampling = c.expect(&mut w, "sampling/createMessage");
    let roots = c.expect(&mut w, "roots/list");
    for (definition, question) in [
        ("ElicitRequest", &form),
        ("ElicitRequest", &url),
        ("CreateMessageRequest", &sampling),
        ("ListRootsRequest", &roots),
    ] {
        meets("2025-11-25", definition, question);
    }
    let id = url["params"]["elicitationId"].as_str().unwrap();
    assert!(id.starts_with("s:"), "{id}");
    assert_eq!(sampling["params"]["_meta"], json!({"v": 1}));
    assert_eq!(roots.get("params"), None);
    // In another order.
    c.answers(&mut w, &roots, r#"{"roots":[]}"#);
    c.answers(&mut w, &url, r#"{"action":"accept"}"#);
    let message = r#"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m","_meta":{"io.modelcontextprotocol/y":1}}"#;
    c.answers(&mut w, &sampling, message);
    s.expect_nothing(&mut w);
    call.pending(&mut w);
    c.answers(&mut w, &form, r#"{"action":"decline"}"#);
    let again = s.expect(&mut w, "tools/call");
    assert_eq!(
        again.value["params"]["inputResponses"],
        json!({
            "f": {"action": "decline"},
            "u": {"action": "accept"},
            "s": {"role": "assistant", "content": {"type": "text", "text": "x"}, "model": "m", "_meta": {}},
            "r": {"roots": []},
        })
    );
    again.result(&mut w, DONE);
    call.result(&mut w);
}

#[test]
fn prompts_and_resources_have_rounds_too() {
    let (mut w, c, s) = with(ALL);
    for (method, params, result) in [
        (
            "prompts/get",
            r#"{"name":"s_1mcp_p"}"#,
            r#"{"messages":[]}"#,
        ),
        ("resources/read", r#"{"uri":"x://1"}"#, r#"{"contents":[]}"#),
    ] {
        let call = c.request(&mut w, method, params);
        let question = asks(&format!(r#""k":{FORM}"#), "\"z\"");
        s.expect(&mut w, method).result(&mut w, &question);
        let question = c.expect(&mut w, "elicitation/create");
        c.answers(&mut w, &question, r#"{"action":"accept","content":{}}"#);
        s.expect(&mut w, method).result(&mut w, result);
        assert_eq!(call.result(&mut w).to_string(), result);
    }
    nothing_left(&w);
}

#[test]
fn p33_questions_are_put_in_words_of_the_clients_revision() {
    let mut w = world();
    let s = w.server("s");
    let c = Client::http(&mut w);
    c.initialize(&mut w, "2025-06-18", r#"{"elicitation":{}}"#);
    c.initialized(&mut w);
    c.listen(&mut w);
    let (call, _) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    let question = c.expect(&mut w, "elicitation/create");
    assert_eq!(question["params"].get("mode"), None);
    c.answers(&mut w, &question, r#"{"action":"accept","content":{}}"#);
    s.expect(&mut w, "tools/call").result(&mut w, DONE);
    call.result(&mut w);
    let several = r#""k":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{"a":{"type":"array"}}}}}"#;
    let (call, _) = asked(&mut w, c, several, "");
    let result = call.result(&mut w);
    assert_eq!(result["isError"], true);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("server s") && text.contains("no words"),
        "{text}"
    );
    nothing_left(&w);
}

#[test]
fn roots_row_a_static_list_is_answered_from_the_configuration() {
    let members = r#""era":"modern","roots":[{"uri":"file:///tmp"}]"#;
    let mut w = World::http().server_with("s", members, script()).start();
    let (c, s) = (w.client("{}"), w.server("s"));
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    let declared = format!("{META}/clientCapabilities");
    assert_eq!(
        seen.value["params"]["_meta"][&declared],
        json!({"roots": {}})
    );
    seen.result(&mut w, &asks(r#""r":{"method":"roots/list"}"#, ""));
    let again = s.expect(&mut w, "tools/call");
    let roots = &again.value["params"]["inputResponses"]["r"]["roots"];
    assert_eq!(roots[0]["uri"], "file:///tmp");
    again.result(&mut w, DONE);
    call.result(&mut w);
    c.expect_nothing(&mut w);
}

// --- 3.4: refusals and the end of it ---

#[test]
fn sampling_row_a_question_comes_on_the_stream_of_the_call_that_caused_it() {
    let mut w = world();
    let (c, s) = (Client::http(&mut w), w.server("s"));
    c.initialize(&mut w, "2025-03-26", r#"{"sampling":{}}"#);
    c.initialized(&mut w);
    // There is no other stream: it opened none.
    let request = |blocks: &str| {
        format!(
            r#""k":{{"method":"sampling/createMessage","params":{{"messages":[{{"role":"user","content":[{blocks}]}}],"maxTokens":1}}}}"#
        )
    };
    let block = r#"{"type":"text","text":"x"}"#;
    let (call, _) = asked(&mut w, c, &request(block), "");
    let question = c.expect(&mut w, "sampling/createMessage");
    let content = &question["params"]["messages"][0]["content"];
    assert_eq!(content, &json!({"type": "text", "text": "x"}));
    c.answers(
        &mut w,
        &question,
        r#"{"role":"assistant","content":{"type":"text","text":"y"},"model":"m"}"#,
    );
    s.expect(&mut w, "tools/call").result(&mut w, DONE);
    call.result(&mut w);
    let (call, _) = asked(&mut w, c, &request(&format!("{block},{block}")), "");
    assert_eq!(call.result(&mut w)["isError"], true);
}

#[test]
fn p34_who_refuses_ends_the_call_and_the_server_is_told_nothing() {
    let _reached = must_hit(Mark::RoundRefusedByClient);
    let (mut w, c, s) = with(ALL);
    let requests = format!(r#""k":{FORM},"r":{{"method":"roots/list"}}"#);
    let refusal = |question: &Value| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-1,"message":"User rejected it"}}}}"#,
            question["id"]
        )
    };
    let (call, _) = asked(&mut w, c, &requests, "\"s\"");
    let question = c.expect(&mut w, "elicitation/create");
    let other = c.expect(&mut w, "roots/list");
    c.says(&mut w, &refusal(&question));
    let result = call.result(&mut w);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(
        result["isError"] == true && text.contains("User rejected it"),
        "{text}"
    );
    // The other question is not open any more.
    let withdrawn = c.expect(&mut w, "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], other["id"]);
    let call = c.request(&mut w, "prompts/get", r#"{"name":"s_1mcp_p"}"#);
    s.expect(&mut w, "prompts/get")
        .result(&mut w, &asks(&requests, ""));
    let question = c.expect(&mut w, "elicitation/create");
    c.says(&mut w, &refusal(&question));
    let (code, text) = call.error(&mut w);
    assert!(code == -1 && text.contains("User rejected it"), "{text}");
    s.expect_nothing(&mut w);
    nothing_left(&w);
}

#[test]
fn an_answer_that_is_no_object_ends_the_call() {
    let (mut w, c, s) = with(ALL);
    let (call, _) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    let question = c.expect(&mut w, "elicitation/create");
    c.answers(&mut w, &question, "7");
    assert_eq!(call.result(&mut w)["isError"], true);
    s.expect_nothing(&mut w);
}

#[test]
fn answers_that_no_message_could_hold_end_the_call() {
    let _reached = must_hit(Mark::RoundTooLong);
    let (mut w, c, s) = with(ALL);
    let requests = format!(r#""a":{FORM},"b":{FORM}"#);
    let (call, _) = asked(&mut w, c, &requests, "");
    let long = format!(
        r#"{{"action":"accept","content":{{"a":"{}"}}}}"#,
        "x".repeat(LINE_BYTES_MAX / 4)
    );
    for _ in 0..2 {
        let question = c.expect(&mut w, "elicitation/create");
        call.pending(&mut w);
        c.answers(&mut w, &question, &long);
    }
    let (code, text) = call.error(&mut w);
    assert!(code == -32603 && text.contains("too long"), "{text}");
    s.expect_nothing(&mut w);
    nothing_left(&w);
}

#[test]
fn d16_who_declared_nothing_is_not_asked() {
    let (mut w, c, s) = with(r#"{"sampling":{}}"#);
    for request in [
        FORM,
        r#"{"method":"roots/list"}"#,
        r#"{"method":"sampling/createMessage","params":{"tools":[]}}"#,
    ] {
        let (call, _) = asked(&mut w, c, &format!(r#""k":{request}"#), "");
        let result = call.result(&mut w);
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(
            result["isError"] == true && text.contains("declared"),
            "{text}"
        );
    }
    c.expect_nothing(&mut w);
    s.expect_nothing(&mut w);
    nothing_left(&w);
}

#[test]
fn d17_questions_that_are_none_are_errors_that_name_the_server() {
    let _reached = (
        must_hit(Mark::RoundRefused),
        must_hit(Mark::RoundQuestionsFull),
    );
    let (mut w, c, s) = with(ALL);
    let many: Vec<String> = (0..=ROUND_QUESTIONS_MAX)
        .map(|key| format!(r#""{key}":{{"method":"roots/list"}}"#))
        .collect();
    for result in [
        r#"{"resultType":"input_required"}"#.to_owned(),
        r#"{"resultType":"input_required","inputRequests":[]}"#.to_owned(),
        r#"{"resultType":"input_required","requestState":7}"#.to_owned(),
        asks(r#""k":{"method":"tools/call"}"#, ""),
        asks(r#""k":{"method":"roots/list","method":"roots/list"}"#, ""),
        asks(r#""k":7"#, ""),
        // Which of the two modes the client declared depends on who reads it.
        asks(
            r#""k":{"method":"elicitation/create","params":{"mode":"form","mode":"url"}}"#,
            "",
        ),
        asks(&many.join(","), ""),
    ] {
        let call = c.call(&mut w, "s_1mcp_t", "{}");
        s.expect(&mut w, "tools/call").result(&mut w, &result);
        let (code, text) = call.error(&mut w);
        assert!(code == -32603 && text.contains("server s"), "{text}");
    }
    let params =
        r#"{"ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"a","value":""}}"#;
    let call = c.request(&mut w, "completion/complete", params);
    let question = asks(&format!(r#""k":{FORM}"#), "");
    s.expect(&mut w, "completion/complete")
        .result(&mut w, &question);
    assert_eq!(call.error(&mut w).0, -32603);
    c.expect_nothing(&mut w);
    nothing_left(&w);
}

#[test]
fn p34_rounds_are_bounded_and_the_same_twice_leads_nowhere() {
    let _reached = must_hit(Mark::RoundsLeadNowhere);
    let (mut w, c, s) = with(ALL);
    let answer = |w: &mut World, state: &str, text: &str| {
        let seen = s.expect(w, "tools/call");
        seen.result(w, &asks(&format!(r#""k":{FORM}"#), state));
        if let Some(question) = c.next(w) {
            let answer = format!(r#"{{"action":"accept","content":{{"a":"{text}"}}}}"#);
            c.answers(w, &question, &answer);
        }
    };
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    answer(&mut w, "", "one");
    answer(&mut w, "", "two");
    answer(&mut w, "\"s\"", "two");
    call.pending(&mut w);
    answer(&mut w, "\"s\"", "two");
    let (code, text) = call.error(&mut w);
    assert!(code == -32603 && text.contains("again and again"), "{text}");
    s.expect_nothing(&mut w);
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    for round in 0..=ROUNDS_MAX {
        call.pending(&mut w);
        answer(&mut w, &format!("\"{round}\""), "x");
    }
    let (code, text) = call.error(&mut w);
    assert!(code == -32603 && text.contains("server s"), "{text}");
    nothing_left(&w);
}

#[test]
fn a_server_that_dies_while_its_client_is_asked_is_named() {
    let (mut w, c, s) = with(ALL);
    let (call, _) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    let question = c.expect(&mut w, "elicitation/create");
    s.dies(&mut w);
    let answer = call.answer(&mut w);
    assert_eq!(answer["error"]["code"], -32603);
    assert_eq!(answer["error"]["data"]["server"], "s");
    c.expect(&mut w, "notifications/cancelled");
    c.answers(&mut w, &question, r#"{"action":"decline"}"#);
    nothing_left(&w);
}

#[test]
fn b7_once_the_input_has_ended_nobody_is_asked_and_what_was_open_ends() {
    let mut w = World::stdio().server_with("s", MODERN, script()).begin();
    let c = w.stdin();
    c.initialize(&mut w, "2025-11-25", ALL);
    c.initialized(&mut w);
    w.advance(300);
    let s = w.server("s");
    c.clear(&mut w);
    let (open, _) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    let later = c.call(&mut w, "s_1mcp_t", "{}");
    let seen = s.expect(&mut w, "tools/call");
    c.expect(&mut w, "elicitation/create");
    c.leaves(&mut w);
    assert_eq!(open.result(&mut w)["isError"], true);
    seen.result(&mut w, &asks(&format!(r#""k":{FORM}"#), ""));
    let result = later.result(&mut w);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("input has ended"), "{text}");
}

#[test]
fn s1_who_is_asked_by_a_server_without_sessions_shares_its_child() {
    let mut w = world();
    let (a, b) = (w.client(ALL), w.client(ALL));
    for client in [a, b] {
        let (call, _) = asked(&mut w, client, &format!(r#""k":{FORM}"#), "");
        let question = client.expect(&mut w, "elicitation/create");
        client.answers(&mut w, &question, r#"{"action":"decline"}"#);
        let again = w.server("s").expect(&mut w, "tools/call");
        again.result(&mut w, DONE);
        call.result(&mut w);
    }
    assert_eq!(w.starts("s"), 1);
}

#[test]
fn the_clock_of_a_call_stands_still_while_a_person_is_asked() {
    let (mut w, c, s) = with(ALL);
    let (call, _) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    let question = c.expect(&mut w, "elicitation/create");
    w.advance(3 * REQUEST_MS);
    call.pending(&mut w);
    c.answers(&mut w, &question, r#"{"action":"decline"}"#);
    let again = s.expect(&mut w, "tools/call");
    w.advance(REQUEST_MS / 2);
    call.pending(&mut w);
    w.advance(2 * REQUEST_MS);
    assert_eq!(call.error(&mut w).0, -32603);
    again.is_cancelled(&mut w);
    let (call, _) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    c.expect(&mut w, "elicitation/create");
    w.advance(ASK_MS_MAX + 1);
    assert_eq!(call.result(&mut w)["isError"], true);
    s.expect_nothing(&mut w);
    nothing_left(&w);
}

#[test]
fn a_session_of_one_client_does_not_end_while_that_client_is_asked() {
    let members = format!(r#"{MODERN},"isolation":"session""#);
    let mut w = World::http().server_with("s", &members, script()).start();
    let c = w.client(ALL);
    c.call(&mut w, "s_1mcp_t", "{}");
    let s = *w.running("s").last().unwrap();
    let seen = s.expect(&mut w, "tools/call");
    seen.result(&mut w, &asks(&format!(r#""k":{FORM}"#), ""));
    let question = c.expect(&mut w, "elicitation/create");
    w.advance(2 * POOL_IDLE_MS);
    assert!(s.alive(&w));
    c.answers(&mut w, &question, r#"{"action":"decline"}"#);
    s.expect(&mut w, "tools/call").result(&mut w, DONE);
    w.advance(2 * POOL_IDLE_MS);
    assert!(!s.alive(&w));
    nothing_left(&w);
}

#[test]
fn members_of_the_other_era_cannot_be_smuggled_into_a_round() {
    let (mut w, c, s) = with(ALL);
    let params = r#"{"name":"s_1mcp_t","requestState":"mine","task":{}}"#;
    let call = c.request(&mut w, "tools/call", params);
    let question = asks(&format!(r#""k":{FORM}"#), "\"theirs\"");
    s.expect(&mut w, "tools/call").result(&mut w, &question);
    let question = c.expect(&mut w, "elicitation/create");
    c.answers(&mut w, &question, r#"{"action":"decline"}"#);
    assert_eq!(call.error(&mut w).0, -32602);
    s.expect_nothing(&mut w);
}

#[test]
fn a2_two_clients_with_equal_ids_are_asked_at_the_same_time_and_nothing_crosses() {
    let mut w = world();
    let (a, b, s) = (w.client(ALL), w.client(ALL), w.server("s"));
    let calls: Vec<(Client, Call, &str)> = [(a, "a"), (b, "b")]
        .into_iter()
        .map(|(client, name)| {
            let arguments = format!(r#"{{"me":"{name}"}}"#);
            (client, client.call(&mut w, "s_1mcp_t", &arguments), name)
        })
        .collect();
    assert_eq!(calls[0].1.id, calls[1].1.id);
    for round in 0..3 {
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(s.expect(&mut w, "tools/call"));
        }
        for one in &seen {
            let me = one.value["params"]["arguments"]["me"].as_str().unwrap();
            let form = FORM.replace("who?", &format!("{me}{round}"));
            one.result(
                &mut w,
                &asks(&format!(r#""k":{form}"#), &format!("\"{me}\"")),
            );
        }
        for (client, _, name) in calls.iter().rev() {
            let question = client.expect(&mut w, "elicitation/create");
            assert_eq!(question["params"]["message"], format!("{name}{round}"));
            let answer = format!(r#"{{"action":"accept","content":{{"a":"{name}{round}"}}}}"#);
            client.answers(&mut w, &question, &answer);
        }
    }
    for _ in 0..2 {
        let last = s.expect(&mut w, "tools/call");
        let params = &last.value["params"];
        let me = params["arguments"]["me"].as_str().unwrap();
        assert_eq!(params["requestState"], me);
        assert_eq!(
            params["inputResponses"]["k"]["content"]["a"],
            format!("{me}2")
        );
        let result = format!(r#"{{"resultType":"complete","content":[],"me":"{me}"}}"#);
        last.result(&mut w, &result);
    }
    for (_, call, name) in &calls {
        assert_eq!(call.result(&mut w)["me"], *name);
    }
    nothing_left(&w);
}

#[test]
fn x10_so_much_is_kept_for_calls_that_may_be_made_again_and_no_more() {
    let _reached = must_hit(Mark::RoundsFull);
    let (mut w, c, s) = with(ALL);
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(BODY_BYTES_MAX - 1024));
    let count = ROUNDS_BYTES_MAX / BODY_BYTES_MAX + 1;
    let calls: Vec<(Call, Seen)> = (0..count)
        .map(|_| {
            let call = c.call(&mut w, "s_1mcp_t", &long);
            (call, s.expect(&mut w, "tools/call"))
        })
        .collect();
    let question = asks(&format!(r#""k":{FORM}"#), "");
    let (last, seen) = calls.last().unwrap();
    seen.result(&mut w, &question);
    let (code, text) = last.error(&mut w);
    assert!(code == -32603 && text.contains("server s"), "{text}");
    assert!(text.contains("too much"), "{text}");
    // What is little is kept beside it.
    let (call, _) = asked(&mut w, c, &format!(r#""k":{FORM}"#), "");
    let question = c.expect(&mut w, "elicitation/create");
    c.answers(&mut w, &question, r#"{"action":"decline"}"#);
    s.expect(&mut w, "tools/call").result(&mut w, DONE);
    call.result(&mut w);
    for (call, seen) in calls.iter().take(count - 1) {
        seen.result(&mut w, DONE);
        call.result(&mut w);
    }
    // All was given back.
    let call = c.call(&mut w, "s_1mcp_t", &long);
    let seen = s.expect(&mut w, "tools/call");
    seen.result(&mut w, &asks(&format!(r#""k":{FORM}"#), ""));
    c.expect(&mut w, "elicitation/create");
    call.pending(&mut w);
}
