//! Cline, inside VS Code. Newer versions replace `${env:NAME}`; everything else stays as it is.
//! Timeouts are seconds and for calls only. A URL without a type is HTTP+SSE; old entries call the
//! type `transportType`. `autoApprove` is its own affair. Its servers get `HOME`, `LOGNAME`,
//! `PATH`, `SHELL`, `TERM` and `USER` and what their `env` says, which ours get without being
//! told.

use super::app::{App, Automatic, OwnUrl};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings, extension_settings};
use super::texts;
use super::tree::Json;
use super::vscode;

pub(super) const APP: App = App {
    processes: vscode::PROCESSES,
    ..App::automatic(
        "cline",
        "Cline",
        Automatic {
            own_url: OwnUrl::Entry(own_url),
            ..Automatic::usual(files, carry)
        },
    )
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    extension_settings(around, "saoudrizwan.claude-dev", "cline_mcp_settings.json")
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
