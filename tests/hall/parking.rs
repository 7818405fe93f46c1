//! Clients without a session that are asked something in the midst of a call: in the answer to it,
//! so that the call waits here until they come back (protocol 3.5, S2, S4, D14-D17).

use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::server::tools;
use crate::world::World;
use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::REQUEST_STATE_MS_MAX;

const DONE: &str = r#"{"content":[]}"#;
const URL: &str = r#"{"elicitation":{"url":{}}}"#;
const CALL: &str = r#"{"name":"s_1mcp_t","arguments":{}}"#;
const STALE: &str = "request state expired or not ours: start over without it";

/// What a call was answered with: questions by their keys, and the state.
struct Asked {
    requests: Vec<(String, Value)>,
    state: String,
}

/// The answer to a call asks something.
#[track_caller]
fn asked(world: &mut World, call: &Call) -> Asked {
    let result = call.result(world);
    assert_eq!(result["resultType"], "input_required", "{result}");
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "1mcp", "{result}");
    let requests = result.get("inputRequests").map(|all| {
        let all = all.as_object().unwrap();
        let one = |(key, request): (&String, &Value)| (key.clone(), request.clone());
        all.iter().map(one).collect()
    });
    Asked {
        requests: requests.unwrap_or_default(),
        state: result["requestState"].as_str().unwrap().to_owned(),
    }
}

/// The same parameters once more, with answers (raw) and a state.
fn again(params: &str, responses: &str, state: &str) -> String {
    let members = params.strip_suffix('}').unwrap();
    format!(r#"{members},"inputResponses":{responses},"requestState":"{state}"}}"#)
}

/// The answer to a call is that its state is not good.
#[track_caller]
fn is_stale(world: &mut World, call: &Call) {
    assert_eq!(call.error(world), (-32602, STALE.to_owned()));
}

#[test]
fn a_url_that_is_to_be_visited_first_is_asked_for_and_the_call_made_again() {
    let _seen = must_hit(Mark::ElicitedFirst);
    let mut w = World::http().server("s", tools(["t"])).start();
    let c = Client::modern(&mut w, URL);
    let call = c.request(&mut w, "tools/call", CALL);
    let error = r#"{"code":-32042,"message":"m","data":{"elicitations":[
        {"mode":"url","elicitationId":"1","url":"http://x","message":"m","n":1.0},
        {"mode":"url","url":"http://y","message":"n","elicitationId":"2"}]}}"#;
    let server = w.server("s");
    let error = error.replace('\n', "");
    server.expect(&mut w, "tools/call").error(&mut w, &error);
    let first = asked(&mut w, &call);
    let mut params: Vec<String> = Vec::new();
    for (key, request) in &first.requests {
        assert_eq!(
            (key.len(), &request["method"]),
            (32, &json!("elicitation/create"))
        );
        params.push(request["params"].to_string());
    }
    params.sort();
    assert_eq!(
        params,
        [
            r#"{"message":"m","mode":"url","n":1.0,"url":"http://x"}"#,
            r#"{"message":"n","mode":"url","url":"http://y"}"#
        ]
    );
    // Nothing is kept meanwhile, and it may be made again more than once.
    assert_eq!((w.counts().calls, w.counts().remembered), (0, 0));
    for _ in 0..2 {
        let retry = again(CALL, r#"{"k":{"action":"accept"}}"#, &first.state);
        let call = c.request(&mut w, "tools/call", &retry);
        let seen = server.expect(&mut w, "tools/call");
        let params = json!({"name": "t", "arguments": {}, "_meta": {}});
        assert_eq!(seen.value["params"], params);
        seen.result(&mut w, DONE);
        assert_eq!(call.result(&mut w)["resultType"], "complete");
    }
    w.advance(REQUEST_STATE_MS_MAX);
    let call = c.request(&mut w, "tools/call", &again(CALL, "{}", &first.state));
    is_stale(&mut w, &call);
    server.expect_nothing(&mut w);
}

#[test]
fn d15_a_state_that_is_not_ours_is_refused_and_answers_without_one_mean_nothing() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let c = Client::modern(&mut w, "{}");
    for state in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let call = c.request(&mut w, "tools/call", &again(CALL, "{}", state));
        is_stale(&mut w, &call);
    }
    let state = r#"{"name":"s_1mcp_t","requestState":7}"#;
    let call = c.request(&mut w, "tools/call", state);
    is_stale(&mut w, &call);
    let server = w.server("s");
    server.expect_nothing(&mut w);
    for params in [
        r#"{"name":"s_1mcp_t","inputResponses":{},"arguments":{}}"#,
        r#"{"inputResponses":{"k":1},"name":"s_1mcp_t","arguments":{}}"#,
        r#"{"name":"s_1mcp_t","arguments":{},"task":{"ttl":1},"inputResponses":{}}"#,
    ] {
        let call = c.request(&mut w, "tools/call", params);
        let seen = server.expect(&mut w, "tools/call");
        let params = json!({"name": "t", "arguments": {}, "_meta": {}});
        assert_eq!(seen.value["params"], params);
        seen.result(&mut w, DONE);
        call.result(&mut w);
    }
    // To a client with a session these names mean nothing.
    let legacy = w.client("{}");
    let call = legacy.request(&mut w, "tools/call", &again(CALL, "{}", "x"));
    let seen = server.expect(&mut w, "tools/call");
    assert_eq!(seen.value["params"]["requestState"], "x");
    seen.result(&mut w, DONE);
    call.result(&mut w);
}
