//! Claude Desktop. It substitutes nothing: values are used as they stand, so every `$` is doubled.
//! Its servers are programs; it gives them `HOME`, `LOGNAME`, `PATH`, `SHELL`, `TERM` and `USER`
//! and what their `env` says, all of which ours get without being told. It knows neither
//! `disabled` nor tool lists nor timeouts, and no servers by URL: those are entered in its
//! connector dialog. While it runs it writes its file from memory.

use super::app::{App, Automatic, MCP_SERVERS, OwnUrl};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Platform, Surroundings};
use super::texts;

pub(super) const APP: App = App {
    // Not "claude": that could be the other one.
    processes: &["Claude", "claude-desktop"],
    ..App::automatic(
        "claude-desktop",
        "Claude Desktop",
        Automatic {
            own_url: OwnUrl::ByHand(connector),
            ..Automatic::usual(files, carry)
        },
    )
};

const NAME: &str = "claude_desktop_config.json";

fn files(around: &Surroundings) -> Vec<Candidate> {
    let usual = around.config("Claude");
    let mut files = vec![Candidate::user(usual.join(NAME), usual, &MCP_SERVERS)];
    if around.platform == Platform::Windows {
        // The packaged edition has a roaming directory of its own.
        let packaged = around
            .local_app_data
            .join("Packages")
            .join("Claude_*")
            .join("LocalCache")
            .join("Roaming")
            .join("Claude");
        let file = Candidate::user(packaged.join(NAME), packaged, &MCP_SERVERS);
        files.push(file.of("Windows Store").may_not_create());
    }
    files
}

fn carry(draft: &mut Draft<'_>) -> Step {
    draft.set_type(Untyped::Either)?;
    draft.texts(&|text| Ok(texts::literal(text)))
}

fn connector(url: &str) -> String {
    format!(
        "Claude Desktop takes servers by URL in a dialog only:\n\n\
         1. Open Settings, then Connectors, then \"Add custom connector\".\n\
         2. Name: 1mcp\n\
         3. URL: {url}\n\
         4. Confirm with \"Add\".\n\n\
         The URL must be reachable over https from outside (a tunnel or a reverse proxy; start \
         1mcp with --external-url)."
    )
}
