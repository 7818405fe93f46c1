//! Our side: names, duplicates, and taking back.

use super::*;

fn names(plan: &Plan) -> Vec<&str> {
    plan.imported.iter().map(|one| one.name.as_str()).collect()
}

fn app(servers: &str) -> String {
    format!(r#"{{"mcpServers":{servers}}}"#)
}

#[test]
fn contract_1_names_are_made_valid_and_said_so() {
    let long = "x".repeat(60);
    let text = app(&format!(
        r#"{{"My Server!":{{"command":"a"}},"a_1mcp_b":{{"command":"b"}},"日本":{{"command":"c"}},
        "{long}":{{"command":"d"}},"":{{"command":"e"}},"-ok_":{{"command":"f"}},"(1mcp)":{{"command":"g"}}}}"#
    ));
    let plan = plan("claude-desktop", &text, "");
    let cut = "x".repeat(50);
    let expected = [
        "My-Server",
        "a-1mcp-b",
        "server",
        &cut,
        "server-claude-desktop",
        "-ok_",
        "1mcp-server",
    ];
    assert_eq!(names(&plan), expected);
    for imported in &plan.imported {
        assert_eq!(
            imported.renamed.is_some(),
            imported.name != imported.name_in_app
        );
    }
    assert_eq!(config_of(&plan.mcp_text).problems, []);
    assert_eq!(config_of(&plan.mcp_text).servers.len(), 7);
}

#[test]
fn contract_6_the_same_definition_is_nothing_to_do() {
    let mcp = r#"{"mcpServers":{"a":{"type":"stdio","args":["x","5$$","$A"],"command":"a",
        "env":["K=v"],"tags":["t"],"timeout":5}}}"#;
    for (id, entry) in [
        (
            "cline",
            r#"{"command":"a","args":["x","5$","${env:A}"],"env":{"K":"v"},"timeout":60}"#,
        ),
        (
            "cursor",
            r#"{"env":{"K":"v"},"args":["x","5$","${env:A}"],"command":"a"}"#,
        ),
        (
            "gemini-cli",
            r#"{"command":"a","args":["x","5$","$A"],"env":{"K":"v"}}"#,
        ),
    ] {
        let plan = plan(id, &app(&format!(r#"{{"a":{entry}}}"#)), mcp);
        assert_eq!(texts(&plan).1, mcp, "{id}");
        assert_eq!(plan.already_there[0].name, "a");
        assert!(!texts(&plan).0.contains("\"a\""));
    }
}

#[test]
fn contract_6_another_definition_gets_the_name_of_the_application() {
    let mcp = r#"{"mcpServers":{"a":{"command":"a"}}}"#;
    for entry in [
        r#"{"command":"b"}"#,
        r#"{"command":"a","args":["x"]}"#,
        r#"{"command":"a","env":{"K":"v"}}"#,
        r#"{"command":"a","cwd":"/"}"#,
        r#"{"command":"a","disabledTools":["x"]}"#,
        r#"{"url":"https://h"}"#,
    ] {
        let text = app(&format!(r#"{{"a":{entry}}}"#));
        let first = plan("cursor", &text, mcp);
        assert_eq!(names(&first), ["a-cursor"], "{entry}");
        assert!(
            first.imported[0]
                .renamed
                .as_ref()
                .unwrap()
                .contains("another server a")
        );
        // Consolidated again after the file was restored: it is there already.
        let second = plan("cursor", &text, texts(&first).1);
        assert_eq!(second.already_there[0].name, "a-cursor");
        let other = app(r#"{"a":{"command":"other"}}"#);
        let third = plan("cursor", &other, texts(&first).1);
        assert_eq!(names(&third), ["a-cursor-2"]);
    }
    let long = "x".repeat(50);
    let mcp = format!(r#"{{"mcpServers":{{"{long}":{{"command":"a"}}}}}}"#);
    let plan = plan(
        "cursor",
        &app(&format!(r#"{{"{long}":{{"command":"b"}}}}"#)),
        &mcp,
    );
    assert_eq!(names(&plan), [format!("{}-cursor", "x".repeat(43))]);
}

#[test]
fn a_server_that_ran_runs_on() {
    let mcp = r#"{"mcpServers":{"a":{"command":"a","disabled":true}}}"#;
    let on = plan("cline", &app(r#"{"a":{"command":"a"}}"#), mcp);
    assert_eq!(names(&on), ["a-cline"]);
    let off = plan(
        "cline",
        &app(r#"{"a":{"command":"a","disabled":true}}"#),
        mcp,
    );
    assert_eq!(off.already_there.len(), 1);
}

#[test]
fn mcp_json_keeps_its_bytes_and_comments() {
    let mcp = "// ours\r\n{\r\n\t\"serverDefaults\": {\"env\": {\"X\": \"1\"}},\r\n\t\"mcpServers\": {\r\n\t\t\"z\": {\"command\": \"z\"}, // z\r\n\t},\r\n}";
    let plan = plan("cline", &app(r#"{"a":{"command":"a"}}"#), mcp);
    assert_eq!(
        texts(&plan).1,
        mcp.replace("// z\r\n", "// z\r\n\t\t\"a\": {\"command\": \"a\"},\r\n")
    );
    assert!(plan.notes[0].contains("serverDefaults"));
}

#[test]
fn taking_back_only_what_nobody_changed() {
    let text =
        app(r#"{"a":{"command":"a","args":["$x"]},"b":{"command":"b"},"c":{"command":"c"}}"#);
    let plan = plan("cline", &text, r#"{"mcpServers":{"z":{"command":"z"}}}"#);
    let marks: Vec<(String, String)> = plan
        .imported
        .iter()
        .map(|one| (one.name.clone(), one.fingerprint.clone()))
        .collect();
    let (_, mcp) = texts(&plan);
    let changed = mcp
        .replace(
            r#""b":{"command":"b"}"#,
            r#""b":{"command":"b","tags":["t"]}"#,
        )
        .replace(r#","c":{"command":"c"}"#, "")
        .replace(
            r#"{"command":"a","args":["$$x"]}"#,
            r#"{ "args": ["$$x"], "command": "a" }"#,
        );
    let removal = remove_imported(changed.as_bytes(), &marks).unwrap();
    assert_eq!(removal.removed, ["a"]);
    let reasons: Vec<&str> = removal
        .kept
        .iter()
        .map(|kept| kept.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "was changed since it was taken over",
            "is not in mcp.json any more"
        ]
    );
    assert_eq!(
        std::str::from_utf8(&removal.mcp_text).unwrap(),
        r#"{"mcpServers":{"z":{"command":"z"},"b":{"command":"b","tags":["t"]}}}"#
    );
    let all = remove_imported(mcp.as_bytes(), &marks).unwrap();
    assert_eq!(all.mcp_text, br#"{"mcpServers":{"z":{"command":"z"}}}"#);
    assert!(remove_imported(b"{", &marks).is_err());
    assert_eq!(remove_imported(b"", &marks).unwrap().kept.len(), 3);
}
