//! Claude Code. In `command`, `args`, `env`, `url` and `headers` it replaces `${NAME}` and
//! `${NAME:-default}`, which mean the same with us; `$NAME` and `$$` stay as they are. (One
//! difference: with us the default also takes the place of an empty value.) Timeouts are
//! milliseconds and for calls only. Its servers inherit its whole environment, usually that of a
//! shell with keys and paths, so ours do. A project's servers start in the project.

use super::app::{App, Automatic, MCP_SERVERS};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings};
use super::texts::{self, Text};
use super::tree::Json;
use crate::config::substitute::is_name;

pub(super) const APP: App = App {
    processes: &["claude"],
    ..App::automatic(
        "claude-code",
        "Claude Code",
        Automatic {
            notes,
            ..Automatic::usual(files, carry)
        },
    )
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    let home = around.home.join(".claude.json");
    let mut files = vec![Candidate::user(
        home,
        around.home.join(".claude"),
        &MCP_SERVERS,
    )];
    if let Some(project) = &around.project {
        let file = project.join(".mcp.json");
        files.push(Candidate::project(file.clone(), file, &MCP_SERVERS));
    }
    files
}

fn carry(draft: &mut Draft<'_>) -> Step {
    draft.refuse("headersHelper", "gets its headers from a program")?;
    draft.milliseconds();
    draft.set_type(Untyped::Either)?;
    draft.texts(&text)?;
    draft.inherit();
    Ok(())
}

fn text(text: &str) -> Text {
    texts::braced(text, &|inside| {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match default {
            _ if !is_name(name) => Ok(None),
            None => Ok(Some(format!("${{{name}}}"))),
            Some(default) if default.contains("${") => {
                Err(format!("has a default in a default (${{{inside}}})"))
            }
            Some(default) => Ok(Some(format!("${{{name}:-{}}}", texts::literal(default)))),
        }
    })
}

/// Servers that were added for one directory stand in another place of the same file.
fn notes(file: &Json) -> Option<String> {
    let projects = file.get("projects").map_or(&[][..], Json::members);
    let has_servers = |project: &Json| {
        let servers = project.get("mcpServers");
        servers.is_some_and(|servers| !servers.members().is_empty())
    };
    let with_servers: Vec<&str> = projects
        .iter()
        .filter(|(_, project)| has_servers(project))
        .map(|(directory, _)| directory.as_str())
        .collect();
    (!with_servers.is_empty()).then(|| {
        format!(
            "Servers that were added for one directory only stay as they are: {}.",
            with_servers.join(", ")
        )
    })
}
