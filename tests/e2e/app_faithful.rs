//! Contract 6: what an application would have started is what 1mcp starts, for every application
//! that is taken over by itself: program, arguments, environment and directory, byte for byte.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::desktop::one;
use crate::support::dir::Dir;
use crate::support::program::fixture;
use crate::support::stdio::Stdio;

/// Where the user's file is on Linux, and how the entry stands in it; `@` is the entry.
const APPLICATIONS: [(&str, &str, &str); 10] = [
    (
        "claude-desktop",
        ".config/Claude/claude_desktop_config.json",
        r#"{"mcpServers": {"x": @}}"#,
    ),
    ("claude-code", ".claude.json", r#"{"mcpServers": {"x": @}}"#),
    ("cursor", ".cursor/mcp.json", r#"{"mcpServers": {"x": @}}"#),
    (
        "vscode",
        ".config/Code/User/mcp.json",
        r#"{"servers": {"x": @}}"#,
    ),
    (
        "gemini-cli",
        ".gemini/settings.json",
        r#"{"mcpServers": {"x": @}}"#,
    ),
    (
        "augment",
        ".config/Code/User/settings.json",
        r#"{"augment.advanced": {"mcpServers": [@]}}"#,
    ),
    (
        "roo-code",
        ".config/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        r#"{"mcpServers": {"x": @}}"#,
    ),
    (
        "cline",
        ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        r#"{"mcpServers": {"x": @}}"#,
    ),
    (
        "windsurf",
        ".codeium/windsurf/mcp_config.json",
        r#"{"mcpServers": {"x": @}}"#,
    ),
    (
        "zed",
        ".config/zed/settings.json",
        r#"{"context_servers": {"x": @}}"#,
    ),
];

/// Nothing that any of them substitutes, and everything that a shell, a JSON writer or we might
/// stumble over.
const ODD: &str = "5$ $ \\ \\\\n \"q\" 'x' %PATH% `y` ü 漢 \u{1f600} * ~ ;|&\t#";

#[test]
fn contract_6_every_application_has_its_server_started_as_before() {
    for (id, file, shape) in APPLICATIONS {
        let home = Dir::new();
        let folder = home.file("a $ fol'der ü");
        std::fs::create_dir_all(&folder).unwrap();
        let program = format!("{folder}/the server");
        symlink(fixture(), &program).unwrap();
        let mut entry = json!({
            "command": program,
            "args": ["--name", ODD],
            "env": {"ODD": ODD, "EMPTY": ""},
            "cwd": folder,
        });
        if id == "augment" {
            entry["name"] = json!("x");
        }
        let path = home.file(file);
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        home.write(file, shape.replace('@', &entry.to_string()));
        one(&home, &["app", "consolidate", id, "--yes"]).expect(0);
        let text = home.read(file);
        assert!(!text.contains("the server"), "{id}: {text}");

        let mut client = Stdio::start(&mut own_entry(&home, &text, id));
        client.ask("tools/list", &json!({}));
        let process = said(&mut client, "process", &json!({}));
        let process: Value = serde_json::from_str(&process).unwrap();
        assert_eq!(process["words"], json!([program, "--name", ODD]), "{id}");
        assert_eq!(process["cwd"], json!(folder), "{id}");
        assert_eq!(
            said(&mut client, "env", &json!({"name": "ODD"})),
            ODD,
            "{id}"
        );
        assert_eq!(
            said(&mut client, "env", &json!({"name": "EMPTY"})),
            "",
            "{id}"
        );
    }
}

fn said(client: &mut Stdio, tool: &str, arguments: &Value) -> String {
    let answer = client.call(&format!("x_1mcp_{tool}"), arguments);
    let text = &answer["result"]["content"][0]["text"];
    text.as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// Our entry as the application would start it, wherever it stands.
fn own_entry(home: &Dir, text: &str, id: &str) -> std::process::Command {
    fn find(value: &Value) -> Option<&Value> {
        if value["args"] == json!(["serve", "--transport", "stdio"]) {
            return Some(value);
        }
        match value {
            Value::Object(members) => members.values().find_map(find),
            Value::Array(elements) => elements.iter().find_map(find),
            _ => None,
        }
    }
    let file: Value = serde_json::from_str(text).unwrap();
    let entry = find(&file).unwrap_or_else(|| panic!("{id}: {text}"));
    let mut command = std::process::Command::new(entry["command"].as_str().unwrap());
    command
        .args(["serve", "--transport", "stdio"])
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var("PATH").unwrap());
    command
}
