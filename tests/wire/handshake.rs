//! The eras with a handshake: what they answer still fits their schema.

use serde_json::json;

use super::pipe::Pipe;

#[test]
fn lists_and_calls_fit_the_schema_of_2025_11_25() {
    let mut pipe = Pipe::start(&["--era", "legacy", "--tools", "2"]);
    pipe.initialize(&json!({}));
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "ping",
    ] {
        assert!(
            pipe.ask(method, &json!({}))["result"].is_object(),
            "{method}"
        );
    }
    let arguments = json!({"text": "t", "a": 1, "b": 2, "region": "eu", "seconds": 0});
    for name in [
        "echo",
        "add",
        "whoami",
        "numbers",
        "locate",
        "slow_compute",
        "test_audio_content",
        "test_multiple_content_types",
        "test_sampling",
    ] {
        let params = json!({"name": name, "arguments": arguments});
        assert!(
            pipe.ask("tools/call", &params)["result"].is_object(),
            "{name}"
        );
    }
    let read = pipe.ask("resources/read", &json!({"uri": "test://nowhere"}));
    assert_eq!(read["error"]["code"], -32002);
}

#[test]
fn questions_are_requests_and_fit_the_schema() {
    let mut pipe = Pipe::start(&["--era", "legacy"]);
    pipe.initialize(&json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}));
    for kind in ["elicitation", "elicitation_url", "sampling", "roots"] {
        let params = json!({"name": "ask", "arguments": {"kind": kind, "message": "m"}});
        let id = pipe.begin("tools/call", &params);
        let question = pipe.next();
        let reply = json!({"action": "decline", "of": kind});
        pipe.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": reply}));
        let text = pipe.answer(id)["result"]["content"][0]["text"].to_string();
        assert!(text.contains(kind), "{text}");
    }
    for (method, member, value) in [
        ("prompts/get", "name", "test_input_required_result_prompt"),
        ("resources/read", "uri", "test://asks-first"),
    ] {
        let id = pipe.begin(method, &json!({member: value}));
        let question = pipe.next();
        assert_eq!(question["method"], "elicitation/create");
        let content = json!({"context": "tea", "word": "tea"});
        let reply = json!({"action": "accept", "content": content});
        pipe.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": reply}));
        assert!(pipe.answer(id)["result"].to_string().contains("tea"));
    }
}
