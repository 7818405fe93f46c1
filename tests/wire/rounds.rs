//! Questions inside of results (MRTR).

use serde_json::{Value, json};

use super::pipe::Pipe;

fn form() -> Value {
    json!({"elicitation": {"form": {}}})
}

fn accept(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

#[test]
fn d16_a_tool_asks_in_its_result_and_ends_with_the_answer() {
    let mut pipe = Pipe::start(&[]);
    let name = "test_input_required_result_elicitation";
    let asked = pipe.call(name, &json!({}), &form());
    assert_eq!(asked["resultType"], "input_required");
    assert_eq!(
        asked["inputRequests"]["user_name"]["method"],
        "elicitation/create"
    );
    assert!(asked.get("requestState").is_none());
    let responses = json!({"user_name": accept(&json!({"name": "Ada"})), "extra": {}});
    let params = json!({"name": name, "arguments": {}, "inputResponses": responses});
    let done = pipe.modern("tools/call", params, &form())["result"].clone();
    assert!(done["content"][0]["text"].as_str().unwrap().contains("Ada"));
}

#[test]
fn d15_a_state_is_checked() {
    let mut pipe = Pipe::start(&["--name", "one"]);
    let name = "test_input_required_result_tampered_state";
    let asked = pipe.call(name, &json!({}), &form());
    let state = asked["requestState"].as_str().unwrap().to_owned();
    let retry = |pipe: &mut Pipe, name: &str, state: &str| {
        let responses = json!({"confirm": accept(&json!({"ok": true}))});
        let params = json!({
            "name": name, "arguments": {}, "inputResponses": responses, "requestState": state,
        });
        pipe.modern("tools/call", params, &form())
    };
    assert_eq!(
        retry(&mut pipe, name, &format!("{state}x"))["error"]["code"],
        -32602
    );
    let other = "test_input_required_result_request_state";
    assert_eq!(retry(&mut pipe, other, &state)["error"]["code"], -32602);
    assert_eq!(
        retry(&mut pipe, name, &state)["result"]["resultType"],
        "complete"
    );
    let mut same = Pipe::start(&["--name", "one"]);
    let done = retry(&mut same, name, &state);
    assert_eq!(
        done["result"]["resultType"], "complete",
        "a restarted server"
    );
    let mut foreign = Pipe::start(&["--name", "two"]);
    assert_eq!(retry(&mut foreign, name, &state)["error"]["code"], -32602);
}

#[test]
fn d16_what_is_missing_is_asked_again() {
    let mut pipe = Pipe::start(&[]);
    let all = json!({"elicitation": {}, "sampling": {}, "roots": {}});
    let name = "test_input_required_result_multiple_inputs";
    let asked = pipe.call(name, &json!({}), &all);
    assert_eq!(asked["inputRequests"].as_object().unwrap().len(), 3);
    let mut params = json!({"name": name, "arguments": {}});
    params["requestState"] = asked["requestState"].clone();
    params["inputResponses"] = json!({"user_name": accept(&json!({"name": "Ada"}))});
    let again = pipe.modern("tools/call", params.clone(), &all)["result"].clone();
    let left: Vec<_> = again["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(left, ["client_roots", "greeting"]);
    params["requestState"] = again["requestState"].clone();
    params["inputResponses"] = json!({
        "client_roots": {"roots": []},
        "greeting": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "hi"}},
    });
    let done = pipe.modern("tools/call", params, &all)["result"].clone();
    let text = done["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Ada") && text.contains("hi"), "{text}");
}

#[test]
fn d17_prompts_and_resources_ask_too() {
    let mut pipe = Pipe::start(&[]);
    for (method, member, value, key) in [
        (
            "prompts/get",
            "name",
            "test_input_required_result_prompt",
            "user_context",
        ),
        ("resources/read", "uri", "test://asks-first", "word"),
    ] {
        let params = json!({member: value});
        let asked = pipe.modern(method, params.clone(), &form())["result"].clone();
        assert_eq!(asked["resultType"], "input_required");
        assert!(asked.get("ttlMs").is_none());
        let mut params = params;
        let content = json!({"context": "tea", "word": "tea"});
        params["inputResponses"] = json!({key: accept(&content)});
        let done = pipe.modern(method, params, &form())["result"].clone();
        assert_eq!(done["resultType"], "complete");
        assert!(done.to_string().contains("tea"));
    }
}

#[test]
fn d14_what_the_client_cannot_do_is_named() {
    let mut pipe = Pipe::start(&[]);
    let error = pipe.call("test_missing_capability", &json!({}), &form());
    assert_eq!(error["code"], -32021);
    assert_eq!(
        error["data"]["requiredCapabilities"],
        json!({"sampling": {}})
    );
    let error = pipe.call("ask", &json!({"kind": "elicitation_url"}), &form());
    let required = json!({"elicitation": {"url": {}}});
    assert_eq!(error["data"]["requiredCapabilities"], required);
}

#[test]
fn d15_answers_that_are_none_are_refused() {
    let mut pipe = Pipe::start(&[]);
    let name = "test_input_required_result_elicitation";
    for bad in [
        json!(null),
        json!([]),
        json!({"user_name": 1}),
        json!({"user_name": {}}),
    ] {
        let params = json!({"name": name, "arguments": {}, "inputResponses": bad});
        let answer = pipe.modern("tools/call", params, &form());
        assert_eq!(answer["error"]["code"], -32602, "{bad}");
    }
}

#[test]
fn a_tool_may_ask_without_end() {
    let mut pipe = Pipe::start(&[]);
    let mut params = json!({"name": "ask_forever", "arguments": {}});
    let mut states = Vec::new();
    for _ in 0..5 {
        let asked = pipe.modern("tools/call", params.clone(), &form())["result"].clone();
        assert_eq!(asked["resultType"], "input_required");
        states.push(asked["requestState"].to_string());
        params["requestState"] = asked["requestState"].clone();
        params["inputResponses"] = json!({"answer": accept(&json!({"answer": "no"}))});
    }
    states.dedup();
    assert_eq!(states.len(), 5, "every round has a state of its own");
}
