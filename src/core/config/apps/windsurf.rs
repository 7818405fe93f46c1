//! Windsurf. In `command`, `args`, `env`, `serverUrl`, `url` and `headers` it replaces
//! `${env:NAME}`; `${file:PATH}` is the content of a file, which we do not read; everything else
//! stays as it is. `serverUrl` or `url` is tried as streamable HTTP unless it ends in `/sse`.
//! `disabled` and `disabledTools` mean what they do with us. Its servers inherit the environment
//! of the editor, so ours do.

use super::app::{App, Automatic, MCP_SERVERS, OwnUrl};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings};
use super::texts;
use super::tree::Json;

pub(super) const APP: App = App {
    processes: &["Windsurf", "windsurf"],
    ..App::automatic(
        "windsurf",
        "Windsurf",
        Automatic {
            own_url: OwnUrl::Entry(own_url),
            ..Automatic::usual(files, carry)
        },
    )
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    let folder = around.home.join(".codeium").join("windsurf");
    let path = folder.join("mcp_config.json");
    vec![Candidate::user(path, folder, &MCP_SERVERS)]
}

fn carry(draft: &mut Draft<'_>) -> Step {
    draft.rename("serverUrl", "url");
    draft.set_type(Untyped::Either)?;
    draft.texts(&|text| {
        texts::braced(text, &|inside| match inside.strip_prefix("env:") {
            Some(name) => texts::variable(name).map(Some),
            None if inside.starts_with("file:") => Err(format!(
                "takes a value out of a file (${{{inside}}}), which 1mcp does not read"
            )),
            None => Ok(None),
        })
    })?;
    draft.inherit();
    Ok(())
}

fn own_url(url: &str) -> Json {
    Json::object([("serverUrl", Json::string(url))])
}
