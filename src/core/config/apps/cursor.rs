//! Cursor. In `command`, `args`, `env`, `url` and `headers` it replaces `${env:NAME}`,
//! `${userHome}`, `${pathSeparator}`, `${/}` and the variables of the open folder; everything else
//! stays as it is. (One difference: with us a variable must be set.) `envFile` names a file with
//! more variables, which we do not read. A URL without a type is tried as streamable HTTP, then as
//! HTTP+SSE. `auth` holds what `oauth` does with us. Its servers inherit the environment of the
//! editor, so ours do.

use super::app::{App, Automatic, OwnUrl};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings, home_and_project};
use super::texts;
use super::tree::Json;

pub(super) const APP: App = App {
    processes: &["Cursor", "cursor"],
    ..App::automatic(
        "cursor",
        "Cursor",
        Automatic {
            own_url: OwnUrl::Entry(own_url),
            ..Automatic::usual(files, carry)
        },
    )
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    home_and_project(around, ".cursor", "mcp.json")
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
