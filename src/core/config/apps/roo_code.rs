//! Roo Code, inside VS Code. It replaces `${env:NAME}` and the variables of the open folder in all
//! strings; everything else stays as it is. Timeouts are seconds and for calls only.
//! `disabledTools` means what it does with us; `alwaysAllow` is its own affair. Its servers get
//! `HOME`, `LOGNAME`, `PATH`, `SHELL`, `TERM` and `USER` and what their `env` says, which ours get
//! without being told. A project's servers start in the project.

use super::app::{App, Automatic, MCP_SERVERS, OwnUrl};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings, extension_settings};
use super::texts;
use super::tree::Json;
use super::vscode;

pub(super) const APP: App = App {
    aliases: &["roo", "roo-cline"],
    processes: vscode::PROCESSES,
    ..App::automatic(
        "roo-code",
        "Roo Code",
        Automatic {
            own_url: OwnUrl::Entry(own_url),
            ..Automatic::usual(files, carry)
        },
    )
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    let mut files = extension_settings(around, "rooveterinaryinc.roo-cline", "mcp_settings.json");
    if let Some(project) = &around.project {
        let folder = project.join(".roo");
        files.push(Candidate::project(
            folder.join("mcp.json"),
            folder,
            &MCP_SERVERS,
        ));
    }
    files
}

fn carry(draft: &mut Draft<'_>) -> Step {
    draft.seconds_to_milliseconds()?;
    draft.set_type(Untyped::Either)?;
    draft.texts(&|text| {
        texts::braced(text, &|inside| match inside.strip_prefix("env:") {
            Some(name) => texts::variable(name).map(Some),
            None if inside.starts_with("workspaceFolder") => Err(format!(
                "depends on the open folder (${{{inside}}}), which only the application knows"
            )),
            None => Ok(None),
        })
    })
}

fn own_url(url: &str) -> Json {
    Json::object([
        ("type", Json::string("streamable-http")),
        ("url", Json::string(url)),
    ])
}
