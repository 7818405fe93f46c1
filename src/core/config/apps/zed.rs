//! Zed. It substitutes nothing, so every `$` is doubled. An entry has `command`, `args`, `env` or
//! a `url`; older ones have `"source": "custom"`, the oldest a `command` that is an object with
//! `path`, `args` and `env`. Without command and URL it configures an extension's server, which
//! only Zed can start. Timeouts are seconds and for calls only. `"enabled": false` is our
//! `disabled`. Its servers inherit the environment of the editor, so ours do. A project's servers
//! start in the project.

use super::app::{App, Automatic, File, OwnUrl};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Platform, Surroundings};
use super::texts;
use super::tree::Json;

pub(super) const APP: App = App {
    processes: &["zed", "zed-editor", "Zed"],
    ..App::automatic(
        "zed",
        "Zed",
        Automatic {
            own_command,
            own_url: OwnUrl::Entry(own_url),
            ..Automatic::usual(files, carry)
        },
    )
};

static FILE: File = File {
    ways: &[&["context_servers"]],
    is_array: false,
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    let folder = match around.platform {
        Platform::Linux => around.config_home.join("zed"),
        // Not where other applications of macOS have theirs.
        Platform::MacOs => around.home.join(".config").join("zed"),
        Platform::Windows => around.app_data.join("Zed"),
    };
    let mut files = vec![Candidate::user(folder.join("settings.json"), folder, &FILE)];
    if let Some(project) = &around.project {
        let folder = project.join(".zed");
        let settings = folder.join("settings.json");
        files.push(Candidate::project(settings, folder, &FILE));
    }
    files
}

fn carry(draft: &mut Draft<'_>) -> Step {
    let from_extension = draft.text("source") == Some("extension");
    if from_extension || (draft.get("command").is_none() && draft.get("url").is_none()) {
        return Err("is a server of an extension, which only Zed can start".to_owned());
    }
    draft.refuse("remote", "runs on the machine of the project")?;
    draft.take("source");
    if let Some(Json::Object(command)) = draft.get("command").cloned() {
        let path = command.iter().find(|(key, _)| key == "path");
        let path = path.map(|(_, value)| value.clone());
        draft.set("command", path.unwrap_or(Json::Null));
        for (key, value) in command {
            if key != "path" && draft.get(&key).is_none() {
                draft.set(&key, value);
            }
        }
    }
    draft.flip_enabled();
    draft.seconds_to_milliseconds()?;
    draft.set_type(Untyped::Either)?;
    draft.texts(&|text| Ok(texts::literal(text)))?;
    draft.inherit();
    Ok(())
}

fn own_command(command: &str, args: &[String]) -> Json {
    Json::object([
        ("source", Json::string("custom")),
        ("command", Json::string(command)),
        ("args", Json::strings(args)),
        ("env", Json::Object(Vec::new())),
    ])
}

fn own_url(url: &str) -> Json {
    Json::object([
        ("source", Json::string("custom")),
        ("url", Json::string(url)),
    ])
}
