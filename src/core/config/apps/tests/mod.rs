//! Every application there and back, on texts as people leave them behind.

mod broken;
mod files;
mod meaning;
mod merging;
mod paths;

use std::path::PathBuf;

use super::*;
use crate::config::{Config, Environment, Server, read};

pub(super) fn around() -> Surroundings {
    Surroundings {
        platform: Platform::Linux,
        home: PathBuf::from("/home/u"),
        config_home: PathBuf::from("/home/u/.config"),
        app_data: PathBuf::from("/home/u/AppData/Roaming"),
        local_app_data: PathBuf::from("/home/u/AppData/Local"),
        project: Some(PathBuf::from("/work/p")),
    }
}

fn own() -> OwnEntry {
    OwnEntry::Command {
        command: "/opt/bin/1mcp".to_owned(),
        args: vec!["serve".into(), "--transport".into(), "stdio".into()],
    }
}

/// One file of an application: its id, the number of the candidate, and what leads to its servers
/// with `@` in their place.
const FILES: [(&str, usize, &str); 11] = [
    ("claude-desktop", 0, r#"{"mcpServers":@}"#),
    ("claude-code", 0, r#"{"mcpServers":@}"#),
    ("cursor", 0, r#"{"mcpServers":@}"#),
    ("vscode", 0, r#"{"servers":@}"#),
    ("vscode", 1, r#"{"mcp":{"servers":@}}"#),
    ("gemini-cli", 0, r#"{"mcpServers":@}"#),
    ("augment", 5, r#"{"mcpServers":@}"#),
    ("roo-code", 0, r#"{"mcpServers":@}"#),
    ("cline", 0, r#"{"mcpServers":@}"#),
    ("windsurf", 0, r#"{"mcpServers":@}"#),
    ("zed", 0, r#"{"context_servers":@}"#),
];

fn candidate(id: &str, index: usize) -> Candidate {
    find(id).unwrap().candidates(&around()).remove(index)
}

/// Consolidates the file of a candidate.
fn plan_of(id: &str, index: usize, app: &str, mcp: &str) -> Result<Plan, Refusal> {
    let candidate = candidate(id, index);
    let request = Request {
        app_text: app.as_bytes(),
        level: candidate.level,
        mcp_text: mcp.as_bytes(),
        own: Some(&own()),
        own_path: Some("/opt/bin/1mcp"),
        running: &[],
        around: &around(),
    };
    consolidate(find(id).unwrap(), candidate.file, &request)
}

/// The same for the first file, which must be possible.
#[track_caller]
fn plan(id: &str, app: &str, mcp: &str) -> Plan {
    plan_of(id, 0, app, mcp).expect("a plan")
}

fn texts(plan: &Plan) -> (&str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (text(&plan.app_text), text(&plan.mcp_text))
}

/// What `mcp.json` makes of it, in an environment with a few variables.
fn config_of(text: &[u8]) -> Config {
    let pairs = [
        ("A", "one"),
        ("B", "$A ${A}"),
        ("HOME", "/home/u"),
        ("PATH", "/bin"),
    ];
    let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
    read(text, &Environment::new(pairs, b"")).unwrap()
}

#[track_caller]
fn server(plan: &Plan, name: &str) -> Server {
    let config = config_of(&plan.mcp_text);
    assert_eq!(config.problems, []);
    let mut servers = config.servers.into_iter();
    servers
        .find(|server| &*server.name == name)
        .expect("imported")
}

/// The reason why the only server of a file stays in it.
#[track_caller]
fn kept(id: &str, entry: &str) -> String {
    let (_, index, shape) = FILES.iter().find(|(app, ..)| *app == id).unwrap();
    let text = shape.replace('@', &format!(r#"{{"x":{entry}}}"#));
    let plan = plan_of(id, *index, &text, "").unwrap();
    assert_eq!(plan.imported, [], "{id} {entry}");
    plan.kept[0].reason.clone()
}

/// The only server of a file, taken over, as it stands in `mcp.json`.
#[track_caller]
fn carried(id: &str, entry: &str) -> String {
    let (_, index, shape) = FILES.iter().find(|(app, ..)| *app == id).unwrap();
    let text = shape.replace('@', &format!(r#"{{"x":{entry}}}"#));
    let plan = plan_of(
        id,
        *index,
        &text,
        "{\"mcpServers\":{\"z\":{\"command\":\"z\"}}}",
    )
    .unwrap();
    assert_eq!(plan.kept, [], "{id} {entry}");
    let (_, mcp) = texts(&plan);
    let begin = mcp.find("\"x\":").expect("imported") + 4;
    mcp[begin..mcp.len() - 2].to_owned()
}
