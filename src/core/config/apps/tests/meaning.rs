//! What an application would start is what we start.

use super::*;
use crate::json::write;

/// A model of what an application makes of a string, beside the code that translates. `None` if it
/// depends on something that is not modelled (a variable that is not set, a window).
fn meant(id: &str, text: &str) -> Option<String> {
    let get = |name: &str| match name {
        "A" => Some("one"),
        "B" => Some("$A ${A}"),
        _ => None,
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let braced = rest
            .strip_prefix("${")
            .and_then(|open| open.split_once('}'));
        let word: String = rest
            .chars()
            .skip(1)
            .take_while(|one| one.is_ascii_alphanumeric() || *one == '_')
            .collect();
        match (id, braced) {
            ("cursor" | "vscode" | "windsurf" | "roo-code" | "cline", Some((inside, after)))
                if inside.starts_with("env:") =>
            {
                out.push_str(get(&inside[4..])?);
                rest = after;
            }
            ("cursor" | "vscode", Some(("/", after))) => {
                out.push('/');
                rest = after;
            }
            ("claude-code", Some((inside, after))) if is_reference(inside) => {
                match inside.split_once(":-") {
                    Some((name, default)) => out.push_str(get(name).unwrap_or(default)),
                    None => out.push_str(get(inside)?),
                }
                rest = after;
            }
            ("gemini-cli", Some((inside, after))) if !inside.is_empty() => {
                out.push_str(get(inside)?);
                rest = after;
            }
            ("gemini-cli", None) if first == '$' && !word.is_empty() => {
                out.push_str(get(&word)?);
                rest = &rest[1 + word.len()..];
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    Some(out)
}

fn is_reference(inside: &str) -> bool {
    let name = inside.split(":-").next().unwrap();
    let is_word = |one: char| one.is_ascii_alphanumeric() || one == '_';
    !name.is_empty() && name.chars().all(is_word) && !name.starts_with(char::is_numeric)
}

fn entry(text: &str) -> String {
    let text = write::string(text);
    format!(r#"{{"command":{text},"args":["-y",{text},""],"env":{{"K":{text}}},"cwd":"/"}}"#)
}

fn check(id: &str, index: usize, shape: &str, text: &str) -> bool {
    let Some(meant) = meant(id, text) else {
        return false;
    };
    let app = shape.replace('@', &format!(r#"{{"x":{}}}"#, entry(text)));
    let plan = plan_of(id, index, &app, "").unwrap();
    if !plan.kept.is_empty() {
        return false;
    }
    let server = server(&plan, "x");
    assert_eq!(server.fault, None, "{id} {text:?}");
    let spec = server.spawn().unwrap();
    assert_eq!(spec.program, *meant, "{id} {text:?}");
    assert_eq!(spec.args, ["-y", &meant, ""], "{id} {text:?}");
    assert_eq!(spec.cwd.as_deref(), Some("/".as_ref()), "{id}");
    let mut env = spec.env.iter();
    let value = env.find(|(name, _)| name == "K").map(|(_, value)| value);
    assert_eq!(value, Some(&meant.into()), "{id} {text:?}");
    true
}

#[test]
fn contract_6_values_come_out_as_the_application_would_use_them() {
    let texts = [
        "plain",
        "a b  c",
        "$",
        "5$",
        "$$",
        "$A",
        "${A}",
        "$$A",
        "$${A}",
        "${env:A}",
        "$${env:B}/x",
        "${A:-x}",
        "${C:-x$y}",
        "${C:-}",
        "$1.50",
        "${",
        "${}",
        "a\"b'c",
        "back\\slash\\",
        "line\nnext\r\n\ttab",
        "grüße 漢字 😀",
        "--flag=^a$|b",
        "%PATH%",
        "`x` $(x)",
    ];
    for (id, index, shape) in FILES {
        let checked = texts
            .iter()
            .filter(|text| check(id, index, shape, text))
            .count();
        assert!(checked > 16, "{id}: {checked}");
    }
}

#[test]
fn contract_6_and_so_do_any_others() {
    let pieces = [
        "$", "{", "}", "${", "A", "B", "${A}", "$A", "$B", "${env:A}", "${env:B}", ":-", " ", "x",
        "/", "\\", "\"", "ü", "$$", "env:",
    ];
    let mut state = 7_u64;
    for (id, index, shape) in FILES {
        let mut checked = 0;
        for _ in 0..250 {
            let mut text = String::from("x");
            for _ in 0..6 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                text.push_str(pieces[usize::try_from(state >> 33).unwrap() % pieces.len()]);
            }
            checked += usize::from(check(id, index, shape, &text));
        }
        assert!(checked > 20, "{id}: {checked}");
    }
}

#[test]
fn contract_6_urls_types_and_headers() {
    for (id, entry, ours) in [
        (
            "gemini-cli",
            r#"{"httpUrl":"https://h/mcp","headers":{"K":"$A"}}"#,
            r#"{"url":"https://h/mcp","headers":{"K":"${A}"},"type":"http"}"#,
        ),
        (
            "gemini-cli",
            r#"{"url":"https://h/x"}"#,
            r#"{"url":"https://h/x","type":"sse"}"#,
        ),
        (
            "gemini-cli",
            r#"{"url":"https://h/x","type":"http"}"#,
            r#"{"url":"https://h/x","type":"http"}"#,
        ),
        (
            "windsurf",
            r#"{"serverUrl":"https://h/sse","headers":{"K":"Bearer ${env:A}"}}"#,
            r#"{"url":"https://h/sse","headers":{"K":"Bearer ${A}"},"type":"sse"}"#,
        ),
        (
            "roo-code",
            r#"{"type":"streamable-http","url":"https://h/mcp?a=$b"}"#,
            r#"{"type":"http","url":"https://h/mcp?a=$$b"}"#,
        ),
        (
            "cline",
            r#"{"url":"https://h/mcp"}"#,
            r#"{"url":"https://h/mcp","type":"sse"}"#,
        ),
        (
            "cline",
            r#"{"url":"https://h/mcp","transportType":"http"}"#,
            r#"{"url":"https://h/mcp","type":"http"}"#,
        ),
        (
            "cline",
            r#"{"url":"https://h/mcp","type":"streamableHttp"}"#,
            r#"{"url":"https://h/mcp","type":"http"}"#,
        ),
        (
            "cursor",
            r#"{"url":"https://h/sse"}"#,
            r#"{"url":"https://h/sse","type":"sse"}"#,
        ),
        (
            "cursor",
            r#"{"url":"https://h/mcp","auth":{"CLIENT_ID":"i","CLIENT_SECRET":"${env:A}"}}"#,
            r#"{"url":"https://h/mcp","oauth":{"clientId":"i","clientSecret":"${A}"},"type":"http"}"#,
        ),
        (
            "zed",
            r#"{"source":"custom","url":"https://h/mcp","timeout":90}"#,
            r#"{"url":"https://h/mcp","timeout":90000,"type":"http"}"#,
        ),
    ] {
        assert_eq!(carried(id, entry), ours, "{id}");
    }
}

#[test]
fn contract_6_every_key_comes_along() {
    for (id, entry, ours) in [
        (
            "claude-desktop",
            r#"{"command":"a","args":["b"],"cwd":"/x","note":{"k":[1,null]},"disabled":true}"#,
            r#"{"command":"a","args":["b"],"cwd":"/x","note":{"k":[1,null]},"disabled":true}"#,
        ),
        (
            "cline",
            r#"{"command":"a","url":"","cwd":"","headers":{}}"#,
            r#"{"command":"a","headers":{}}"#,
        ),
        (
            "roo-code",
            r#"{"command":"a","timeout":300,"alwaysAllow":["x"],"disabledTools":["y"]}"#,
            r#"{"command":"a","timeout":300000,"alwaysAllow":["x"],"disabledTools":["y"]}"#,
        ),
        (
            "cline",
            r#"{"command":"a","timeout":5,"autoApprove":["x"],"type":"stdio"}"#,
            r#"{"command":"a","timeout":5000,"autoApprove":["x"],"type":"stdio","connectionTimeout":60000}"#,
        ),
        (
            "gemini-cli",
            r#"{"command":"a","includeTools":["x"],"excludeTools":["y"],"timeout":600,"trust":true}"#,
            r#"{"command":"a","enabledTools":["x"],"disabledTools":["y"],"timeout":600,"trust":true,"inheritParentEnv":true}"#,
        ),
        (
            "claude-code",
            r#"{"type":"stdio","command":"a","env":{},"timeout":2000}"#,
            r#"{"type":"stdio","command":"a","env":{},"timeout":2000,"connectionTimeout":60000,"inheritParentEnv":true}"#,
        ),
        (
            "windsurf",
            r#"{"command":"a","disabledTools":["x"],"disabled":true}"#,
            r#"{"command":"a","disabledTools":["x"],"disabled":true,"inheritParentEnv":true}"#,
        ),
        (
            "zed",
            r#"{"enabled":false,"command":{"path":"a","args":["$x"],"env":{"K":"v"}},"settings":{}}"#,
            r#"{"command":"a","settings":{},"args":["$$x"],"env":{"K":"v"},"disabled":true,"inheritParentEnv":true}"#,
        ),
        (
            "vscode",
            r#"{"command":"~/bin/a","args":["~","~x"],"cwd":"~/w","env":{"N":5,"GONE":null,"PATH":"/p"}}"#,
            r#"{"command":"${HOME}/bin/a","args":["${HOME}","~x"],"cwd":"${HOME}/w","env":{"N":"5","PATH":"${PATH}:/p"},"envFilter":["!GONE"],"inheritParentEnv":true}"#,
        ),
    ] {
        assert_eq!(carried(id, entry), ours, "{id}");
    }
}

#[test]
fn contract_6_what_only_the_application_can_do_stays_there() {
    for (id, entry, reason) in [
        (
            "vscode",
            r#"{"command":"a","args":["${input:k}"]}"#,
            "asks for a value (${input:k})",
        ),
        (
            "vscode",
            r#"{"command":"a","env":{"K":"${workspaceFolder}/x"}}"#,
            "the open folder",
        ),
        (
            "vscode",
            r#"{"command":"a","envFile":"${userHome}/.env"}"#,
            "reads variables from a file",
        ),
        (
            "vscode",
            r#"{"command":"a","sandboxEnabled":true}"#,
            "sandbox",
        ),
        (
            "vscode",
            r#"{"type":"http","url":"unix:///run/x"}"#,
            "neither http:// nor https://",
        ),
        (
            "vscode",
            r#"{"command":"a","cwd":"x"}"#,
            "relative to a directory",
        ),
        (
            "cursor",
            r#"{"command":"a","cwd":"${workspaceFolder}"}"#,
            "the open folder",
        ),
        (
            "cursor",
            r#"{"command":"a","envFile":".env"}"#,
            "reads variables from a file",
        ),
        (
            "windsurf",
            r#"{"command":"a","env":{"K":"${file:/x}"}}"#,
            "out of a file",
        ),
        (
            "roo-code",
            r#"{"command":"a","args":["${workspaceFolder}"]}"#,
            "the open folder",
        ),
        (
            "roo-code",
            r#"{"command":"a","timeout":-1}"#,
            "timeout of -1 seconds",
        ),
        (
            "zed",
            r#"{"source":"extension","settings":{"k":"v"}}"#,
            "of an extension",
        ),
        ("zed", r#"{"settings":{}}"#, "of an extension"),
        (
            "zed",
            r#"{"command":"a","args":[],"remote":true}"#,
            "machine of the project",
        ),
        ("gemini-cli", r#"{"tcp":"ws://h"}"#, "websocket"),
        (
            "gemini-cli",
            r#"{"url":"https://h","authProviderType":"google_credentials"}"#,
            "signs in",
        ),
        (
            "claude-code",
            r#"{"type":"http","url":"https://h","headersHelper":"/x"}"#,
            "a program",
        ),
        (
            "claude-code",
            r#"{"command":"a","args":["${A:-${B}"]}"#,
            "a default in a default",
        ),
        (
            "claude-code",
            r#"{"type":"ws","url":"wss://h"}"#,
            "neither http:// nor https://",
        ),
        ("augment", r#"{"command":"npx -y x"}"#, "whole command line"),
        (
            "claude-desktop",
            r#"{"command":"./a"}"#,
            "relative to a directory",
        ),
        (
            "claude-desktop",
            r#"{"command":"a","cwd":"../x"}"#,
            "relative to a directory",
        ),
    ] {
        let found = kept(id, entry);
        assert!(found.contains(reason), "{id}: {found}");
    }
}

#[test]
fn what_the_application_says_beside_its_servers_counts() {
    let text = r#"{"mcp":{"allowed":["a","b"],"excluded":["b"]},
        "mcpServers":{"a":{"command":"a"},"b":{"command":"b"},"c":{"command":"c"}}}"#;
    let plan = plan("gemini-cli", text, "");
    let off: Vec<bool> = plan.imported.iter().map(|one| one.is_disabled).collect();
    assert_eq!(off, [false, true, true]);
    assert!(plan.notes[0].contains("mcp.allowed"), "{:?}", plan.notes);
}

#[test]
fn servers_for_one_directory_of_claude_code_stay_and_are_named() {
    let text = r#"{"projects":{"/p":{"mcpServers":{"a":{"command":"a"}}},"/q":{"mcpServers":{}}},
        "mcpServers":{}}"#;
    let plan = plan("claude-code", text, "");
    assert!(
        plan.notes[0].ends_with("stay as they are: /p."),
        "{:?}",
        plan.notes
    );
    assert!(texts(&plan).0.contains(r#"{"a":{"command":"a"}}"#));
}

#[test]
fn a_projects_servers_start_in_the_project() {
    for (id, index, key) in [
        ("claude-code", 1, "mcpServers"),
        ("cursor", 1, "mcpServers"),
        ("gemini-cli", 1, "mcpServers"),
        ("zed", 1, "context_servers"),
        ("roo-code", 5, "mcpServers"),
        ("vscode", 9, "servers"),
    ] {
        assert_eq!(candidate(id, index).level, Level::Project, "{id}");
        let text = format!(
            r#"{{"{key}":{{"a":{{"command":"./x"}},"b":{{"command":"b","cwd":"./d"}},"c":{{"command":"c","cwd":"/"}}}}}}"#
        );
        let plan = plan_of(id, index, &text, "").unwrap();
        let cwd = |name| server(&plan, name).spawn().unwrap().cwd.clone().unwrap();
        assert_eq!(
            [cwd("a"), cwd("b"), cwd("c")],
            ["/work/p", "/work/p/d", "/"],
            "{id}"
        );
    }
}

#[test]
fn each_application_gets_its_own_form_of_our_entry() {
    for (id, stdio, url) in [
        (
            "claude-code",
            r#"{"command":"c","args":["a"]}"#,
            r#"{"type":"http","url":"u"}"#,
        ),
        (
            "cursor",
            r#"{"command":"c","args":["a"]}"#,
            r#"{"url":"u"}"#,
        ),
        (
            "vscode",
            r#"{"type":"stdio","command":"c","args":["a"]}"#,
            r#"{"type":"http","url":"u"}"#,
        ),
        (
            "gemini-cli",
            r#"{"command":"c","args":["a"]}"#,
            r#"{"httpUrl":"u"}"#,
        ),
        (
            "roo-code",
            r#"{"command":"c","args":["a"]}"#,
            r#"{"type":"streamable-http","url":"u"}"#,
        ),
        (
            "cline",
            r#"{"command":"c","args":["a"]}"#,
            r#"{"type":"streamableHttp","url":"u"}"#,
        ),
        (
            "windsurf",
            r#"{"command":"c","args":["a"]}"#,
            r#"{"serverUrl":"u"}"#,
        ),
        (
            "zed",
            r#"{"source":"custom","command":"c","args":["a"],"env":{}}"#,
            r#"{"source":"custom","url":"u"}"#,
        ),
    ] {
        let (_, index, shape) = FILES.iter().find(|(app, ..)| *app == id).unwrap();
        let candidate = candidate(id, *index);
        let command = OwnEntry::Command {
            command: "c".into(),
            args: vec!["a".into()],
        };
        for (own, expected) in [(command, stdio), (OwnEntry::Url("u".into()), url)] {
            let app_text = shape.replace('@', r#"{"x":{"command":"x"}}"#);
            let request = Request {
                app_text: app_text.as_bytes(),
                level: candidate.level,
                mcp_text: b"",
                own: Some(&own),
                own_path: None,
                running: &[],
                around: &around(),
            };
            let app = find(id).unwrap();
            let plan = consolidate(app, candidate.file, &request).unwrap();
            let expected = shape.replace('@', &format!(r#"{{"1mcp":{expected}}}"#));
            assert_eq!(texts(&plan).0, expected, "{id}");
            let by_hand = app.instructions(&own);
            assert!(by_hand.contains("\"1mcp\": {"), "{by_hand}");
        }
    }
}

#[test]
fn paths_of_windows_are_absolute_there() {
    let windows = Surroundings {
        platform: Platform::Windows,
        ..around()
    };
    let text = r#"{"mcpServers":{"a":{"command":"C:\\x\\a.exe","cwd":"\\\\h\\s"},
        "b":{"command":"x\\b.exe"},"c":{"command":"c","args":["${userHome}${/}c"]}}}"#;
    let app = find("cursor").unwrap();
    let candidate = app.candidates(&windows).remove(0);
    let request = Request {
        app_text: text.as_bytes(),
        level: Level::User,
        mcp_text: b"",
        own: Some(&own()),
        own_path: None,
        running: &[],
        around: &windows,
    };
    let plan = consolidate(app, candidate.file, &request).unwrap();
    assert_eq!(plan.kept[0].name, "b");
    assert!(texts(&plan).1.contains(r#"${USERPROFILE}\\c"#));
    assert_eq!(plan.imported.len(), 2);
}
