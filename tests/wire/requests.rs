//! Plain requests of 2026-07-28 on a pipe.

use serde_json::{Value, json};

use super::pipe::{Pipe, meta};

fn none() -> Value {
    json!({})
}

#[test]
fn d2_discovery_names_what_is_served() {
    let mut pipe = Pipe::start(&[]);
    let told = pipe.modern("server/discover", none(), &none())["result"].clone();
    assert_eq!(told["supportedVersions"][0], "2026-07-28");
    assert_eq!(told["supportedVersions"].as_array().unwrap().len(), 5);
    assert!(told["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object());
    let mut pipe = Pipe::start(&["--era", "modern", "--no-tasks", "--no-prompts"]);
    let told = pipe.modern("server/discover", none(), &none())["result"].clone();
    assert_eq!(told["supportedVersions"], json!(["2026-07-28"]));
    assert!(told["capabilities"].get("prompts").is_none());
    let code = |answer: Value| answer["error"]["code"].clone();
    assert_eq!(code(pipe.modern("prompts/list", none(), &none())), -32601);
    assert_eq!(code(pipe.modern("tasks/get", none(), &none())), -32601);
}

#[test]
fn f1_a_server_may_be_too_new() {
    let mut pipe = Pipe::start(&["--era", "modern", "--modern-version", "2027-01-01"]);
    let error = pipe.modern("server/discover", none(), &none())["error"].clone();
    assert_eq!(error["code"], -32022);
    assert_eq!(error["data"]["supported"], json!(["2027-01-01"]));
}

#[test]
fn b2_both_eras_share_a_pipe() {
    let mut pipe = Pipe::start(&[]);
    assert!(pipe.modern("server/discover", none(), &none())["result"].is_object());
    assert_eq!(pipe.initialize(&none())["protocolVersion"], "2025-11-25");
    let params = json!({"name": "client", "arguments": {}});
    let old = pipe.ask("tools/call", &params)["result"].clone();
    assert!(old.get("resultType").is_none());
    let new = pipe.call("client", &none(), &json!({"sampling": {}}));
    assert_eq!(new["resultType"], "complete");
    let told: Value = serde_json::from_str(new["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(told["version"], "2026-07-28");
    assert_eq!(told["capabilities"], json!({"sampling": {}}));
}

#[test]
fn a_legacy_server_knows_nothing_of_it() {
    let mut pipe = Pipe::start(&["--era", "legacy"]);
    let id = pipe.begin("server/discover", &json!({"_meta": meta(&none())}));
    assert_eq!(pipe.answer(id)["error"]["code"], -32601);
    pipe.initialize(&none());
    let answer = pipe.ask("server/discover", &none());
    assert_eq!(answer["error"]["code"], -32601);
}

#[test]
fn d21_methods_of_the_handshake_are_gone() {
    let mut pipe = Pipe::start(&["--era", "modern"]);
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
        "nobody/knows",
    ] {
        let answer = pipe.modern(method, none(), &none());
        assert_eq!(answer["error"]["code"], -32601, "{method}");
    }
}

#[test]
fn d14_metadata_is_required_and_checked() {
    let mut pipe = Pipe::start(&["--era", "modern"]);
    let mut code = |params: Value| pipe.ask("tools/list", &params)["error"]["code"].clone();
    assert_eq!(code(none()), -32602);
    for missing in ["protocolVersion", "clientCapabilities"] {
        let mut broken = meta(&none());
        let members = broken.as_object_mut().unwrap();
        members.remove(&format!("io.modelcontextprotocol/{missing}"));
        assert_eq!(code(json!({"_meta": broken})), -32602, "{missing}");
    }
    let mut foreign = meta(&none());
    foreign["io.modelcontextprotocol/protocolVersion"] = json!("2025-11-25");
    assert_eq!(code(json!({"_meta": foreign})), -32022);
    let mut loud = meta(&none());
    loud["io.modelcontextprotocol/logLevel"] = json!("loud");
    assert_eq!(code(json!({"_meta": loud})), -32602);
}

#[test]
fn d4_lists_and_reads_carry_cache_hints() {
    let mut pipe = Pipe::start(&["--ttl", "5000", "--public", "--page", "3"]);
    for method in [
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        let result = pipe.modern(method, none(), &none())["result"].clone();
        assert_eq!(result["ttlMs"], 5000, "{method}");
        assert_eq!(result["cacheScope"], "public", "{method}");
    }
    let uri = json!({"uri": "test://static-text"});
    let result = pipe.modern("resources/read", uri, &none())["result"].clone();
    assert_eq!(result["cacheScope"], "public");
    let argument = json!({"name": "arg1", "value": "par"});
    let prompt = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    let params = json!({"ref": prompt, "argument": argument});
    let result = pipe.modern("completion/complete", params, &none())["result"].clone();
    assert!(result.get("ttlMs").is_none());
}

#[test]
fn a7_a_missing_resource_is_an_invalid_parameter() {
    let mut pipe = Pipe::start(&[]);
    let uri = json!({"uri": "test://nowhere"});
    let error = pipe.modern("resources/read", uri, &none())["error"].clone();
    assert_eq!(error["code"], -32602);
    assert_eq!(error["data"]["uri"], "test://nowhere");
}

#[test]
fn d9_logs_need_a_level_and_keep_to_it() {
    let mut pipe = Pipe::start(&[]);
    let mut loud = |level: Option<&str>| {
        let mut meta = meta(&none());
        if let Some(level) = level {
            meta["io.modelcontextprotocol/logLevel"] = json!(level);
        }
        let arguments = json!({"level": "warning", "text": "hello"});
        let params = json!({"name": "log", "arguments": arguments, "_meta": meta});
        let id = pipe.begin("tools/call", &params);
        let first = pipe.next();
        if first["id"] == id {
            return false;
        }
        assert_eq!(first["method"], "notifications/message");
        pipe.answer(id);
        true
    };
    assert!(!loud(None));
    assert!(loud(Some("debug")));
    assert!(loud(Some("warning")));
    assert!(!loud(Some("error")));
}

#[test]
fn d10_progress_comes_before_the_answer_and_only_with_a_token() {
    let mut pipe = Pipe::start(&[]);
    let mut params = json!({"name": "test_tool_with_progress", "arguments": {}});
    params["_meta"] = meta(&none());
    params["_meta"]["progressToken"] = json!("token");
    let id = pipe.begin("tools/call", &params);
    for progress in [0, 50, 100] {
        let told = pipe.next();
        assert_eq!(told["params"]["progress"], progress);
        assert_eq!(told["params"]["progressToken"], "token");
    }
    assert_eq!(pipe.next()["id"], id);
}

#[test]
fn b5_a_cancelled_call_is_never_answered() {
    let mut pipe = Pipe::start(&[]);
    let params = json!({"name": "slow", "arguments": {"ms": 60_000}, "_meta": meta(&none())});
    let id = pipe.begin("tools/call", &params);
    let cancelled = json!({"requestId": id, "reason": "enough"});
    pipe.send(&json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled,
    }));
    let counted = pipe.call("cancelled_count", &none(), &none());
    assert_eq!(counted["content"][0]["text"], "1");
    assert!(pipe.close().iter().all(|message| message["id"] != id));
}

#[test]
fn every_tool_answers_as_the_schema_has_it() {
    let mut pipe = Pipe::start(&["--tools", "2"]);
    let all = json!({"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}});
    let listed = pipe.modern("tools/list", none(), &all)["result"]["tools"].clone();
    let skip = [
        "crash",
        "exit_after_answer",
        "answer_twice",
        "result_type",
        "notify",
        "stray_request",
    ];
    for tool in listed.as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        if skip.contains(&name) {
            continue;
        }
        let arguments = json!({
            "text": "t", "a": 1, "b": 2, "bytes": 10, "mb": 0, "ms": 1, "name": "gen_0",
            "kind": "elicitation_url", "message": "m", "prompt": "p", "level": "info",
            "region": "eu", "seconds": 0, "filename": "f",
        });
        pipe.call(name, &arguments, &all);
    }
}

#[test]
fn f11_results_of_odd_kinds_are_sent_as_asked() {
    let mut pipe = Pipe::start(&[]);
    let mut raw = |arguments: Value| {
        // Not through the checks: these are no results of this revision.
        let params = json!({"name": "result_type", "arguments": arguments, "_meta": meta(&none())});
        let request = json!({"jsonrpc": "2.0", "id": "odd", "method": "tools/call",
            "params": params});
        pipe.send(&request);
        pipe.unchecked()["result"].clone()
    };
    assert!(raw(none()).get("resultType").is_none());
    assert_eq!(raw(json!({"value": "riddle"}))["resultType"], "riddle");
}
