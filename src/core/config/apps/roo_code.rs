//! Roo Code, inside VS Code. It replaces `${env:NAME}` and the variables of the open folder in all
//! strings; everything else stays as it is. Timeouts are seconds and for calls only.
//! `disabledTools` means what it does with us; `alwaysAllow` is its own affair. Its servers get
//! `HOME`, `LOGNAME`, `PATH`, `SHELL`, `TERM` and `USER` and what their `env` says, which ours get
//! without being told. A project's servers start in the project.

use super::app::{App, Automatic, File, How, Kind, OwnUrl, all_run, no_notes, plain_command};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings, extension_homes};
use super::texts;
use super::tree::Json;
use super::vscode;

pub(super) const APP: App = App {
    id: "roo-code",
    title: "Roo Code",
    aliases: &["roo", "roo-cline"],
    kind: Kind::Automatic,
    processes: vscode::PROCESSES,
    how: How::Automatic(Automatic {
        files,
        carry,
        own_command: plain_command,
        own_url: OwnUrl::Entry(own_url),
        lets_run: all_run,
        notes: no_notes,
    }),
};

static FILE: File = File {
    ways: &[&["mcpServers"]],
    is_array: false,
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    let mut files: Vec<Candidate> = extension_homes(around)
        .map(|(user, edition)| {
            let storage = user
                .join("globalStorage")
                .join("rooveterinaryinc.roo-cline");
            let path = storage.join("settings").join("mcp_settings.json");
            Candidate::user(path, storage, &FILE).of(edition)
        })
        .collect();
    if let Some(project) = &around.project {
        let folder = project.join(".roo");
        files.push(Candidate::project(folder.join("mcp.json"), folder, &FILE));
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
