//! Headers and statuses of 2026-07-28.

use serde_json::{Value, json};

use super::pipe::meta;
use super::web::{Web, request};

type Headers = Vec<(String, String)>;

fn without(headers: &Headers, name: &str) -> Headers {
    let mut left = headers.clone();
    left.retain(|(known, _)| known != name);
    left
}

fn with(headers: &Headers, name: &str, value: &str) -> Headers {
    let mut changed = without(headers, name);
    changed.push((name.to_owned(), value.to_owned()));
    changed
}

#[test]
fn d1_a_post_is_told_apart_by_its_body_or_its_version() {
    let web = Web::start(&[]);
    let plain = |version: Option<&str>, body: &Value| {
        let version = version.map(|it| ("MCP-Protocol-Version".to_owned(), it.to_owned()));
        web.post(&Vec::from_iter(version), &body.to_string())
    };
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "wire", "version": "1"},
    }});
    let opened = plain(None, &initialize);
    assert_eq!(opened.last()["result"]["protocolVersion"], "2025-11-25");
    let mut modern = initialize;
    modern["params"]["_meta"] = meta(&json!({}));
    let (body, headers) = request("initialize", json!({}));
    let gone = web.check(&headers, &body);
    assert_eq!((gone.status, gone.code()), (404, json!(-32601)));
    let missing = plain(None, &modern);
    assert_eq!((missing.status, missing.code()), (400, json!(-32020)));
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(
        plain(Some("2025-11-25"), &list).status,
        400,
        "needs a session"
    );
    let bare = plain(Some("2026-07-28"), &list);
    assert_eq!((bare.status, bare.code()), (400, json!(-32602)));
    assert_eq!(bare.last()["id"], 1);
}

#[test]
fn d19_the_headers_must_repeat_the_body() {
    let web = Web::start(&[]);
    let (body, headers) = request(
        "tools/call",
        json!({"name": "echo", "arguments": {"text": "x"}}),
    );
    assert_eq!(web.check(&headers, &body).status, 200);
    for broken in [
        without(&headers, "MCP-Protocol-Version"),
        without(&headers, "Mcp-Method"),
        without(&headers, "Mcp-Name"),
        with(&headers, "Mcp-Method", "tools/list"),
        with(&headers, "Mcp-Method", "Tools/Call"),
        with(&headers, "Mcp-Name", "ECHO"),
        with(&headers, "Mcp-Name", "=?base64?ZWNobw=?="),
        with(&headers, "MCP-Protocol-Version", "2099-01-01"),
    ] {
        let refused = web.check(&broken, &body);
        assert_eq!(
            (refused.status, refused.code()),
            (400, json!(-32020)),
            "{broken:?}"
        );
    }
    let wrapped = with(&headers, "Mcp-Name", "=?base64?ZWNobw==?=");
    assert_eq!(web.check(&wrapped, &body).status, 200);
    let ignored = with(&headers, "Mcp-Session-Id", "nobody");
    assert_eq!(web.check(&ignored, &body).status, 200, "D12");
}

#[test]
fn d20_annotated_arguments_must_be_repeated() {
    let web = Web::start(&[]);
    let arguments = json!({"region": "é", "floor": 5, "place": {"zone": "z"}, "note": "n"});
    let (body, headers) = request(
        "tools/call",
        json!({"name": "locate", "arguments": arguments}),
    );
    let headers = with(&headers, "Mcp-Param-Region", "=?base64?w6k=?=");
    let headers = with(&headers, "Mcp-Param-Floor", "5");
    let good = with(&headers, "Mcp-Param-Zone", "z");
    let told = web.check(&good, &body).last()["result"]["content"][0]["text"].clone();
    let told: Value = serde_json::from_str(told.as_str().unwrap()).unwrap();
    assert_eq!(told["headers"]["mcp-param-region"], "=?base64?w6k=?=");
    assert_eq!(
        web.check(&headers, &body).code(),
        -32020,
        "the zone is missing"
    );
    let wrong = with(&good, "Mcp-Param-Floor", "6");
    assert_eq!(web.check(&wrong, &body).code(), -32020);
    let unknown = with(&good, "Mcp-Param-Nobody", "x");
    assert_eq!(web.check(&unknown, &body).status, 200);
}

#[test]
fn statuses_follow_the_error() {
    let web = Web::start(&[]);
    let status = |name: &str, params: Value| {
        let answer = web.ask(name, params);
        (answer.status, answer.code().as_i64().unwrap())
    };
    let call = |name: &str| json!({"name": name, "arguments": {}});
    assert_eq!(
        status("tools/call", call("test_missing_capability")),
        (400, -32021)
    );
    assert_eq!(status("tools/call", call("failing_job")), (400, -32021));
    assert_eq!(status("tasks/get", json!({"taskId": "x"})), (400, -32021));
    assert_eq!(status("tools/call", call("nobody")), (200, -32602));
    assert_eq!(
        status("tasks/result", json!({"taskId": "x"})),
        (404, -32601)
    );
    assert_eq!(
        status("resources/read", json!({"uri": "test://nowhere"})),
        (200, -32602)
    );
    let (mut body, headers) = request("tools/list", json!({}));
    body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let headers = with(&headers, "MCP-Protocol-Version", "2099-01-01");
    let foreign = web.check(&headers, &body);
    assert_eq!((foreign.status, foreign.code()), (400, json!(-32022)));
}

#[test]
fn a1_what_is_no_request_is_refused_without_an_id() {
    let web = Web::start(&["--era", "modern"]);
    for (text, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("5", -32600),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#,
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600),
    ] {
        let refused = web.post(&Vec::new(), text);
        assert_eq!(
            (refused.status, refused.code()),
            (400, json!(code)),
            "{text}"
        );
        assert!(
            refused.last().get("id").is_none(),
            "2026-07-28 has no null ids"
        );
    }
    let told = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 1}});
    let answer = web.post(&Vec::new(), &told.to_string());
    assert_eq!(answer.status, 202);
}

#[test]
fn f10_tools_may_be_badly_annotated() {
    let web = Web::start(&["--bad-headers"]);
    let tools = web.ask("tools/list", json!({})).last()["result"]["tools"].clone();
    let bad = tools.as_array().unwrap().iter();
    let bad = bad.filter(|tool| tool["name"].as_str().unwrap().starts_with("bad_header"));
    assert_eq!(bad.count(), 5);
}
