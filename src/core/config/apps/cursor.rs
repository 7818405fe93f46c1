//! Cursor. In `command`, `args`, `env`, `url` and `headers` it replaces `${env:NAME}`,
//! `${userHome}`, `${pathSeparator}`, `${/}` and the variables of the open folder; everything else
//! stays as it is. (One difference: with us a variable must be set.) `envFile` names a file with
//! more variables, which we do not read. A URL without a type is tried as streamable HTTP, then as
//! HTTP+SSE. `auth` holds what `oauth` does with us. Its servers inherit the environment of the
//! editor, so ours do.

use super::app::{App, Automatic, File, How, Kind, OwnUrl, all_run, no_notes, plain_command};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings};
use super::texts;
use super::tree::Json;

pub(super) const APP: App = App {
    id: "cursor",
    title: "Cursor",
    aliases: &[],
    kind: Kind::Automatic,
    processes: &["Cursor", "cursor"],
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
    let home = around.home.join(".cursor");
    let mut files = vec![Candidate::user(home.join("mcp.json"), home, &FILE)];
    if let Some(project) = &around.project {
        let folder = project.join(".cursor");
        files.push(Candidate::project(folder.join("mcp.json"), folder, &FILE));
    }
    files
}

fn carry(draft: &mut Draft<'_>) -> Step {
    draft.refuse("envFile", "reads variables from a file")?;
    if let Some(Json::Object(auth)) = draft.get("auth").cloned() {
        let renamed = auth.into_iter().map(|(key, value)| {
            let key = match key.as_str() {
                "CLIENT_ID" => "clientId".to_owned(),
                "CLIENT_SECRET" => "clientSecret".to_owned(),
                _ => key,
            };
            (key, value)
        });
        let oauth = Json::Object(renamed.collect());
        draft.set("auth", oauth);
        draft.rename("auth", "oauth");
    }
    draft.set_type(Untyped::Either)?;
    let around = draft.around;
    draft.texts(&|text| texts::editor(text, around))?;
    draft.inherit();
    Ok(())
}

fn own_url(url: &str) -> Json {
    Json::object([("url", Json::string(url))])
}
