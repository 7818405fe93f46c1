//! VS Code, its Insiders edition and VSCodium. It replaces `${env:NAME}`, `${userHome}`,
//! `${pathSeparator}` and `${/}`; variables of the window, of settings and `${input:..}` are its
//! own; everything else stays as it is. (One difference: a variable that is not set is empty
//! there; with us the server fails and names it.) A leading `~` in `command`, `args` and `cwd` is
//! the home directory. In `env`, numbers are text, `null` takes a variable away, and `PATH` is
//! appended to the one that is there. `envFile` names a file with more variables, which we do not
//! read. Its servers inherit the environment of the editor, so ours do. A URL is tried as
//! streamable HTTP, then as HTTP+SSE. Older versions read the servers from `settings.json`.

use super::app::{App, Automatic, File};
use super::draft::{Draft, Step, Untyped};
use super::places::{CODE_EDITIONS, Candidate, Platform, Surroundings};
use super::texts;
use super::tree::Json;

pub(super) const APP: App = App {
    aliases: &["vs-code", "code"],
    processes: PROCESSES,
    ..App::automatic(
        "vscode",
        "VS Code",
        Automatic {
            own_command,
            ..Automatic::usual(files, carry)
        },
    )
};

/// For the applications inside VS Code too.
pub(super) const PROCESSES: &[&str] = &[
    "Code",
    "code",
    "Code - Insiders",
    "code-insiders",
    "VSCodium",
    "codium",
];

static FILE: File = File {
    ways: &[&["servers"]],
    is_array: false,
};

static OLD_FILE: File = File {
    ways: &[&["mcp", "servers"], &["mcp.servers"]],
    is_array: false,
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    let mut files = Vec::new();
    let profiles = ["profile", "VS Code Insiders, profile", "VSCodium, profile"];
    for ((folder, edition), profile) in CODE_EDITIONS.into_iter().zip(profiles) {
        let folder = around.config(folder);
        let user = folder.join("User");
        let file = |below: &str, what| {
            let path = below
                .split('/')
                .fold(user.clone(), |path, name| path.join(name));
            Candidate::user(path, folder.clone(), what).of(edition)
        };
        files.push(file("mcp.json", &FILE));
        files.push(file("settings.json", &OLD_FILE).older());
        // A profile does not read the file of the default one: it needs an entry of its own.
        let profiles = file("profiles/*/mcp.json", &FILE).of(profile);
        files.push(profiles.may_not_create());
    }
    if let Some(project) = &around.project {
        let folder = project.join(".vscode");
        let trace = folder.clone();
        files.push(Candidate::project(folder.join("mcp.json"), trace, &FILE));
        let settings = folder.join("settings.json");
        files.push(Candidate::project(settings, folder, &OLD_FILE).older());
    }
    files
}

fn carry(draft: &mut Draft<'_>) -> Step {
    draft.refuse("envFile", "reads variables from a file")?;
    draft.refuse("sandboxEnabled", "runs in a sandbox of the editor")?;
    draft.set_type(Untyped::Either)?;
    let around = draft.around;
    draft.texts(&|text| texts::editor(text, around))?;
    let home = texts::home(around);
    for key in ["command", "args", "cwd"] {
        if let Some(mut value) = draft.get(key).cloned() {
            expand_home(&mut value, home);
            draft.set(key, value);
        }
    }
    variables(draft);
    draft.inherit();
    Ok(())
}

fn expand_home(value: &mut Json, home: &str) {
    match value {
        Json::String(text) => {
            let rest = text.strip_prefix('~');
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(['/', '\\']))
            {
                *text = format!("{home}{rest}");
            }
        }
        Json::Array(elements) => {
            for element in elements {
                expand_home(element, home);
            }
        }
        _ => {}
    }
}

fn variables(draft: &mut Draft<'_>) {
    let Some(Json::Object(env)) = draft.get("env").cloned() else {
        return;
    };
    let list = match draft.around.platform {
        Platform::Linux | Platform::MacOs => ':',
        Platform::Windows => ';',
    };
    let mut kept = Vec::new();
    let mut taken_away = Vec::new();
    for (name, value) in env {
        match value {
            Json::Null => taken_away.push(format!("!{name}")),
            Json::Number(digits) => kept.push((name, Json::String(digits))),
            Json::String(text) if name.eq_ignore_ascii_case("PATH") => {
                let text = format!("${{{name}}}{list}{text}");
                kept.push((name, Json::String(text)));
            }
            other => kept.push((name, other)),
        }
    }
    draft.set("env", Json::Object(kept));
    if !taken_away.is_empty() && draft.get("envFilter").is_none() {
        draft.set("envFilter", Json::strings(&taken_away));
    }
}

fn own_command(command: &str, args: &[String]) -> Json {
    Json::object([
        ("type", Json::string("stdio")),
        ("command", Json::string(command)),
        ("args", Json::strings(args)),
    ])
}
