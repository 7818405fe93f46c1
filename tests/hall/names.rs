//! Names of tools and prompts: offered, accepted, hidden (A5, A6, contract 3).

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{anything, prompt, tool, tools};
use crate::world::{World, entry};

fn tool_of(w: &mut World, client: Client, name: &str) -> Value {
    let result = client.request(w, "tools/list", "{}").result(w);
    let tools = result["tools"].as_array().unwrap().clone();
    tools
        .into_iter()
        .find(|tool| tool["name"] == name)
        .unwrap_or_else(|| panic!("{result}"))
}

#[test]
fn a5_names_carry_their_server_and_lead_back_to_it() {
    let everything = anything()
        .with("tools", [tool("read.file"), tool("x/y z"), tool("ok")])
        .with("prompts", [prompt("greet me")]);
    let mut w = World::http()
        .server("files", everything)
        .server("my-db_2", tools(["ok"]))
        .start();
    let a = w.client("{}");
    let names = a.list(&mut w, "tools/list");
    let expected = [
        "files_1mcp_read_file",
        "files_1mcp_x_y_z",
        "files_1mcp_ok",
        "my-db_2_1mcp_ok",
    ];
    assert_eq!(names, expected);
    assert_eq!(a.list(&mut w, "prompts/list"), ["files_1mcp_greet_me"]);
    for (offered, server, original) in [
        ("files_1mcp_read_file", "files", "read.file"),
        ("files_1mcp_x_y_z", "files", "x/y z"),
        ("my-db_2_1mcp_ok", "my-db_2", "ok"),
        // The plain form is taken too.
        ("files_1mcp_read.file", "files", "read.file"),
        ("files_1mcp_x/y z", "files", "x/y z"),
    ] {
        a.call(&mut w, offered, "{}");
        let seen = w.server(server).expect(&mut w, "tools/call");
        assert_eq!(seen.value["params"]["name"], json!(original));
    }
    for offered in ["files_1mcp_greet_me", "files_1mcp_greet me"] {
        let params = format!(r#"{{"name":"{offered}","arguments":{{"a":"b"}}}}"#);
        let call = a.request(&mut w, "prompts/get", &params);
        let seen = w.server("files").expect(&mut w, "prompts/get");
        assert_eq!(
            seen.value["params"],
            json!({"name": "greet me", "arguments": {"a": "b"}})
        );
        seen.result(&mut w, r#"{"messages":[]}"#);
        assert_eq!(call.result(&mut w), json!({"messages": []}));
    }
}

#[test]
fn a5_a_name_that_is_too_long_is_cut_and_is_the_same_every_time() {
    let long = "a".repeat(100);
    let script = tools([]).with("tools", [tool(&long), tool(&format!("{long}b"))]);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut w = World::http().server("files", script.clone()).start();
        let a = w.client("{}");
        let names = a.list(&mut w, "tools/list");
        assert!(names.iter().all(|name| name.len() == 55), "{names:?}");
        assert_ne!(names[0], names[1]);
        for (name, original) in names.iter().zip([long.clone(), format!("{long}b")]) {
            a.call(&mut w, name, "{}");
            let seen = w.server("files").expect(&mut w, "tools/call");
            assert_eq!(seen.value["params"]["name"], json!(original));
        }
        seen.push(names);
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn a5_the_length_of_names_can_be_set() {
    let script = tools([]).with("tools", [tool(&"a".repeat(100))]);
    let mut w = World::http()
        .server("files", script)
        .settings(|settings| settings.name_bytes_max = 128)
        .start();
    let a = w.client("{}");
    assert_eq!(
        a.list(&mut w, "tools/list"),
        [format!("files_1mcp_{}", "a".repeat(100))]
    );
}

#[test]
fn a5_without_a_prefix_the_first_in_file_order_keeps_the_name() {
    let mut w = World::http()
        .server_with("one", r#""prefix":"""#, tools(["get", "a.b", "a/b"]))
        .server_with("two", r#""prefix":"""#, tools(["put", "get"]))
        .server_with("three", r#""prefix":"my-""#, tools(["get"]))
        .start();
    let a = w.client("{}");
    let names = a.list(&mut w, "tools/list");
    assert_eq!(names[0], "get");
    assert_eq!(names[1], "a_b");
    assert!(
        names[2].starts_with("a_b_") && names[2].len() == 12,
        "{names:?}"
    );
    assert_eq!(names[3..], ["put", "two_1mcp_get", "my-get"]);
    assert!(w.logged(&["Warn", "name taken", "get", "two"]));
    for (offered, server) in [
        ("get", "one"),
        ("two_1mcp_get", "two"),
        ("one_1mcp_get", "one"),
        ("my-get", "three"),
        ("three_1mcp_get", "three"),
    ] {
        a.call(&mut w, offered, "{}");
        let seen = w.server(server).expect(&mut w, "tools/call");
        assert_eq!(seen.value["params"]["name"], json!("get"), "{offered}");
    }
}

#[test]
fn a5_two_tools_of_one_name_are_offered_once() {
    let mut w = World::http().server("files", tools(["t", "t"])).start();
    let a = w.client("{}");
    let names = a.list(&mut w, "tools/list");
    assert_eq!(names, ["files_1mcp_t"]);
}

#[test]
fn a6_an_unknown_name_is_invalid_params_with_the_nearest_one() {
    let script = anything()
        .with("tools", [tool("echo")])
        .with("prompts", [prompt("greet")]);
    let mut w = World::http().server("files", script).start();
    let a = w.client("{}");
    for (method, name, message) in [
        (
            "tools/call",
            "files_1mcp_ehco",
            "unknown tool: files_1mcp_ehco; did you mean files_1mcp_echo?",
        ),
        ("tools/call", "zzz", "unknown tool: zzz"),
        (
            "tools/call",
            "nobody_1mcp_zzzzzzzzzz",
            "unknown tool: nobody_1mcp_zzzzzzzzzz",
        ),
        (
            "prompts/get",
            "files_1mcp_gret",
            "unknown prompt: files_1mcp_gret; did you mean files_1mcp_greet?",
        ),
        // A tool is no prompt, and the server's name in front makes no prompt of it a near one.
        (
            "prompts/get",
            "files_1mcp_echo",
            "unknown prompt: files_1mcp_echo",
        ),
    ] {
        let params = format!(r#"{{"name":"{name}"}}"#);
        let error = a.request(&mut w, method, &params).error(&mut w);
        assert_eq!(error, (-32602, message.to_owned()));
    }
    w.server("files").expect_nothing(&mut w);
}

#[test]
fn disabled_tools_are_neither_offered_nor_called_by_any_name() {
    let script = tools(["rm", "cp", "m.v"]);
    let mut w = World::http()
        .server_with("files", r#""disabledTools":["rm","m.v"]"#, script.clone())
        .server_with("only", r#""enabledTools":["cp"]"#, script.clone())
        .server_with("bare", r#""prefix":"","disabledTools":["rm"]"#, script)
        .start();
    let a = w.client("{}");
    let names = a.list(&mut w, "tools/list");
    assert_eq!(names, ["files_1mcp_cp", "only_1mcp_cp", "cp", "m_v"]);
    for params in [
        r#"{"name":"files_1mcp_rm"}"#,
        r#"{"name":"files_1mcp_m_v"}"#,
        r#"{"name":"files_1mcp_m.v"}"#,
        r#"{"name":"only_1mcp_rm"}"#,
        r#"{"name":"rm"}"#,
        r#"{"name":"bare_1mcp_rm"}"#,
        r#"{"name":"files_1mcp_cp","name":"files_1mcp_rm"}"#,
        r#"{"name":"files_1mcp_rm","name":"files_1mcp_cp"}"#,
        r#"{"name":"files_1mcp_cp","\u006eame":"files_1mcp_rm"}"#,
        r#"{"\u006eam\u0065":"files_1mcp_\u0072m"}"#,
    ] {
        assert_eq!(
            a.request(&mut w, "tools/call", params).error(&mut w).0,
            -32602,
            "{params}"
        );
    }
    for server in ["files", "only", "bare"] {
        w.server(server).expect_nothing(&mut w);
    }
}

#[test]
fn disabled_tools_cannot_be_called_while_the_server_was_never_seen() {
    let script = tools(["rm"]).manual("initialize");
    let mut w = World::http()
        .server_with("files", r#""disabledTools":["rm"]"#, script.clone())
        .server_with("only", r#""enabledTools":["cp"]"#, script)
        .start();
    let a = w.client("{}");
    for name in ["files_1mcp_rm", "only_1mcp_rm"] {
        assert_eq!(a.call(&mut w, name, "{}").error(&mut w).0, -32602, "{name}");
    }
}

#[test]
fn descriptions_can_be_overridden_and_the_rest_stays_as_it_is() {
    let raw = [
        r#"{ "description":"old","x":1.0,"name":"a","inputSchema":{"type":"object"} }"#,
        r#"{"name":"b","inputSchema":{"$schema":"s","$defs":{"d":{}},"if":{},"n":1e5}}"#,
        r#"{"name":"c","description":"kept \u00e9","inputSchema":{}}"#,
    ];
    let script = tools([]).with("tools", raw.map(str::to_owned));
    let members = r#""toolDescriptionOverrides":{"a":"new \"a\"","b":"new b"}"#;
    let mut w = World::http().server_with("files", members, script).start();
    let a = w.client("{}");
    let call = a.request(&mut w, "tools/list", "{}");
    assert_eq!(
        call.line(&mut w).unwrap(),
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{},{},{}]}}}}"#,
            call.id,
            r#"{ "description":"new \"a\"","x":1.0,"name":"files_1mcp_a","inputSchema":{"type":"object"} }"#,
            r#"{"description":"new b","name":"files_1mcp_b","inputSchema":{"$schema":"s","$defs":{"d":{}},"if":{},"n":1e5}}"#,
            r#"{"name":"files_1mcp_c","description":"kept \u00e9","inputSchema":{}}"#,
        )
    );
}

#[test]
fn a10_output_schemas_whose_root_is_no_object_are_removed() {
    let raw = [
        r#"{"outputSchema":{"type":"array"},"name":"a"}"#,
        r#"{"name":"b","outputSchema":{"anyOf":[]},"title":"B"}"#,
        r#"{"name":"c","outputSchema":{"type":["object"]}}"#,
        r#"{"name":"d","outputSchema":{"properties":{},"type":"object"}}"#,
        r#"{"name":"e","outputSchema":true}"#,
    ];
    let script = tools([]).with("tools", raw.map(str::to_owned));
    let mut w = World::http()
        .server_with("files", r#""prefix":"""#, script)
        .start();
    let a = w.client("{}");
    let result = a.request(&mut w, "tools/list", "{}").result(&mut w);
    assert_eq!(
        result["tools"],
        json!([
            {"name": "a"},
            {"name": "b", "title": "B"},
            {"name": "c"},
            {"name": "d", "outputSchema": {"properties": {}, "type": "object"}},
            {"name": "e"},
        ])
    );
}

#[test]
fn entries_without_a_usable_name_are_left_out_with_a_warning() {
    let raw = [
        r#"{"x":1}"#,
        "7",
        r#"{"name":"a","name":"b"}"#,
        r#"{"name":"c"}"#,
    ];
    let script = tools([]).with("tools", raw.map(str::to_owned));
    let mut w = World::http().server("files", script).start();
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["files_1mcp_c"]);
    assert!(w.logged(&["Warn", "server=files", "3 entries of tools/list left out"]));
}

#[test]
fn a_configured_server_keeps_its_names_while_it_is_down() {
    let mut w = World::http()
        .server_with("one", r#""prefix":"""#, tools(["get"]))
        .server_with("two", r#""prefix":"""#, tools(["get"]))
        .start();
    let a = w.client("{}");
    w.server("one").dies(&mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["two_1mcp_get"]);
    let (code, message) = a.call(&mut w, "get", "{}").error(&mut w);
    assert_eq!(
        (code, message.contains("server one is down")),
        (-32603, true),
        "{message}"
    );
}

#[test]
fn overrides_and_disabled_tools_apply_in_place() {
    let mut w = World::http().server("files", tools(["rm", "cp"])).start();
    let a = w.client("{}");
    let call = a.call(&mut w, "files_1mcp_cp", "{}");
    let seen = w.server("files").expect(&mut w, "tools/call");
    w.configure(&[entry(
        "files",
        r#""disabledTools":["rm"],"prefix":"f-","toolDescriptionOverrides":{"cp":"copies"}"#,
    )]);
    w.advance(100);
    assert_eq!(a.heard(&mut w), ["notifications/tools/list_changed"]);
    assert_eq!(a.list(&mut w, "tools/list"), ["f-cp"]);
    assert_eq!(tool_of(&mut w, a, "f-cp")["description"], json!("copies"));
    assert_eq!(
        a.call(&mut w, "files_1mcp_rm", "{}").error(&mut w).0,
        -32602
    );
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    assert_eq!(w.starts("files"), 1);
}
