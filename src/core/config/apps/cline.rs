//! Cline, inside VS Code. Newer versions replace `${env:NAME}`; everything else stays as it is.
//! Timeouts are seconds and for calls only. A URL without a type is HTTP+SSE; old entries call the
//! type `transportType`. `autoApprove` is its own affair. Its servers get `HOME`, `LOGNAME`,
//! `PATH`, `SHELL`, `TERM` and `USER` and what their `env` says, which ours get without being
//! told.

use super::app::{App, Automatic, File, How, Kind, OwnUrl, all_run, no_notes, plain_command};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings, extension_homes};
use super::texts;
use super::tree::Json;
use super::vscode;

pub(super) const APP: App = App {
    id: "cline",
    title: "Cline",
    aliases: &[],
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
    extension_homes(around)
        .map(|(user, edition)| {
            let storage = user.join("globalStorage").join("saoudrizwan.claude-dev");
            let path = storage.join("settings").join("cline_mcp_settings.json");
            Candidate::user(path, storage, &FILE).of(edition)
        })
        .collect()
}

fn carry(draft: &mut Draft<'_>) -> Step {
    draft.rename("transportType", "type");
    draft.seconds_to_milliseconds()?;
    draft.set_type(Untyped::Sse)?;
    draft.texts(&texts::env_only)
}

fn own_url(url: &str) -> Json {
    Json::object([
        ("type", Json::string("streamableHttp")),
        ("url", Json::string(url)),
    ])
}
