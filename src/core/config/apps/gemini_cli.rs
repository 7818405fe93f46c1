//! Gemini CLI. In all strings of its settings it replaces `$NAME` and `${NAME}`; there is no way
//! to write a literal dollar before a name. (One difference: it leaves a variable that is not set
//! as it stands; with us the server fails and names it.) `httpUrl` is streamable HTTP, `url` is
//! HTTP+SSE unless `type` says otherwise. Timeouts are milliseconds, for calls and for the start.
//! `includeTools` and `excludeTools` are our `enabledTools` and `disabledTools`. Beside the
//! servers, `mcp.allowed` and `mcp.excluded` say which of them run. Its servers inherit the
//! environment of the shell it was started from, so ours do.

use super::app::{App, Automatic, OWN_NAME, OwnUrl};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings, home_and_project};
use super::texts::Text;
use super::tree::Json;
use crate::config::substitute::is_name;

pub(super) const APP: App = App {
    aliases: &["gemini", "gemini-code"],
    processes: &["gemini"],
    ..App::automatic(
        "gemini-cli",
        "Gemini CLI",
        Automatic {
            own_url: OwnUrl::Entry(own_url),
            lets_run,
            notes,
            ..Automatic::usual(files, carry)
        },
    )
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    home_and_project(around, ".gemini", "settings.json")
}

fn carry(draft: &mut Draft<'_>) -> Step {
    draft.refuse("tcp", "is reached over a websocket")?;
    if draft.text("authProviderType") != Some("dynamic_discovery") {
        draft.refuse("authProviderType", "signs in through Gemini CLI")?;
    }
    if draft.get("url").is_none() && draft.get("httpUrl").is_some() {
        draft.rename("httpUrl", "url");
        draft.set("type", Json::string("http"));
    }
    draft.rename("includeTools", "enabledTools");
    draft.rename("excludeTools", "disabledTools");
    draft.set_type(Untyped::Sse)?;
    draft.texts(&text)?;
    draft.inherit();
    Ok(())
}

/// References of the shell's two forms; a `$` that begins none of them stays.
fn text(text: &str) -> Text {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let length = after
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        let (bare, after_bare) = after.split_at(length);
        let braced = after
            .strip_prefix('{')
            .and_then(|open| open.split_once('}'));
        match braced {
            Some((name, after)) if is_reference(name) => {
                out.push_str(&format!("${{{name}}}"));
                rest = after;
            }
            _ if is_name(bare) => {
                out.push_str(&format!("${{{bare}}}"));
                rest = after_bare;
            }
            _ => {
                out.push_str("$$");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// A name, with a default perhaps, which newer versions know.
fn is_reference(inside: &str) -> bool {
    match inside.split_once(":-") {
        Some((name, default)) => is_name(name) && !default.contains('$'),
        None => is_name(inside),
    }
}

fn lets_run(file: &Json, name: &str) -> bool {
    let Some(mcp) = file.get("mcp") else {
        return true;
    };
    let names = |key: &str| mcp.get(key).map(Json::as_strings);
    let is_excluded = names("excluded").is_some_and(|names| names.iter().any(|one| one == name));
    let is_allowed = names("allowed")
        .is_none_or(|names| names.is_empty() || names.iter().any(|one| one == name));
    is_allowed && !is_excluded
}

fn notes(file: &Json) -> Option<String> {
    (!lets_run(file, OWN_NAME)).then(|| {
        "The file says which servers may run, and 1mcp is not among them: add it to \
         \"mcp.allowed\", or take it out of \"mcp.excluded\"."
            .to_owned()
    })
}

fn own_url(url: &str) -> Json {
    Json::object([("httpUrl", Json::string(url))])
}
