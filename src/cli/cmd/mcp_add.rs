//! `mcp add`: one new entry in `mcp.json`.

use onemcp::config::{self, RemoteKind, edit};
use onemcp::json::write;

use super::config_file::{self, Changed};
use super::done::Done;
use super::entry_edit::{check, fault};
use super::entry_flags::{self, Target, Type, Wish, array, object, usage};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::places;
use crate::cli::{out, variable};

/// Adds the server.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let places = places::resolve(line, variable)?;
    let (name, entry) = request(line)?;
    entry_flags::refuse_running(&places, line)?;
    let force = line.is_set("force");
    let file = places.config_file.display().to_string();
    let replaced = std::cell::Cell::new(false);
    let changed = config_file::change(&places, |old| {
        let bad = |error| config_file::bad_file(&places.config_file, &error);
        let path = ["mcpServers", &name];
        replaced.set(edit::contains(old, &path).map_err(bad)?);
        if replaced.get() && !force {
            return Err(Failure::Failed(format!(
                "{name} is in {file} already; --force replaces it, mcp update changes it"
            )));
        }
        let new = edit::set(old, &path, &entry).map_err(bad)?;
        check(&new, &name, &file)?;
        Ok(new)
    })?;
    let text = match (&changed, replaced.get()) {
        (Changed::No, _) => format!("{name} is in {file} already, just so"),
        (Changed::Yes { .. }, true) => format!("replaced {name} in {file}"),
        (Changed::Yes { .. }, false) => format!("added {name} to {file}"),
    };
    let fault = fault(&places, &name);
    let mut more = vec![("replaced", replaced.get().to_string())];
    more.extend(
        fault
            .as_deref()
            .map(|fault| ("fault", write::string(fault))),
    );
    let done = Done {
        action: "add",
        name: &name,
        text,
        changed,
        more,
    };
    done.tell(line, &places)?;
    match fault {
        Some(fault) => out::note(&format!("{name} cannot be started yet: {fault}")),
        None => out::hint(&format!(
            "1mcp mcp status {name} shows whether it works; 1mcp app consolidate claude-desktop \
             lets Claude Desktop use it"
        )),
    }
    Ok(0)
}

/// The name and the entry as JSON.
fn request(line: &Line) -> Result<(String, String), Failure> {
    let (name, wish) = entry_flags::read(line, "mcp add")?;
    if let Err(why) = config::check_name(&name) {
        return usage(format!("{name:?}: {why}"));
    }
    let Some(target) = &wish.target else {
        return usage(format!(
            "{name} needs a command or a URL: 1mcp mcp add {name} -- COMMAND ARGS..., or --url URL"
        ));
    };
    wish.fits(target.way())?;
    let members = members(&wish, target);
    let members = members
        .iter()
        .map(|(key, value)| format!("{}:{value}", write::string(key)));
    let members: Vec<String> = members.collect();
    Ok((name, format!("{{{}}}", members.join(","))))
}

/// The members of the new entry, with their values as JSON.
fn members(wish: &Wish, target: &Target) -> Vec<(&'static str, String)> {
    let mut members = Vec::new();
    match target {
        Target::Command { program, args } => {
            members.push(("command", write::string(program)));
            if !args.is_empty() {
                members.push(("args", array(args)));
            }
            if let Some(cwd) = &wish.cwd {
                members.push(("cwd", write::string(cwd)));
            }
            if !wish.env.is_empty() {
                members.push(("env", environment(&wish.env)));
            }
        }
        Target::Url(url) => {
            if let Some(kind) = type_for(wish.kind, url) {
                members.push(("type", kind.to_owned()));
            }
            members.push(("url", write::string(url)));
            if !wish.headers.is_empty() {
                let pairs = wish.headers.iter();
                let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
                members.push(("headers", object(pairs)));
            }
        }
    }
    if let Some(tags) = wish.tags.as_ref().filter(|tags| !tags.is_empty()) {
        members.push(("tags", array(tags)));
    }
    members.extend(wish.plain.iter().cloned());
    members
}

/// `env` as an object, or as a list if one of the variables has no value of its own.
pub(super) fn environment(variables: &[String]) -> String {
    let pairs: Option<Vec<(&str, &str)>> = variables
        .iter()
        .map(|variable| variable.split_once('='))
        .collect();
    match pairs {
        Some(pairs) => object(pairs.into_iter()),
        None => array(variables),
    }
}

/// `type` as JSON, where it cannot be seen from the URL.
pub(super) fn type_for(wanted: Option<Type>, url: &str) -> Option<&'static str> {
    let inferred = config::kind_of(url);
    match wanted {
        Some(Type::Sse) if inferred != RemoteKind::Sse => Some("\"sse\""),
        Some(Type::Http) if inferred != RemoteKind::Http => Some("\"http\""),
        Some(Type::Sse | Type::Http | Type::Stdio) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::args::parse;

    fn entry(args: &str) -> Result<(String, String), Failure> {
        let args = ["mcp", "add"].into_iter().chain(args.split_whitespace());
        request(&parse(args.map(OsString::from), |_| None)?)
    }

    #[track_caller]
    fn makes(args: &str, expected: &str) {
        let (name, json) = entry(args).unwrap();
        assert_eq!(json, expected);
        let text = edit::set(b"", &["mcpServers", &name], &json).unwrap();
        check(&text, &name, "f").unwrap();
    }

    #[track_caller]
    fn refuses(args: &str, expected: &str) {
        match entry(args) {
            Err(Failure::Usage(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn contract_1_commands() {
        makes(
            "x -- npx -y pkg",
            r#"{"command":"npx","args":["-y","pkg"]}"#,
        );
        makes("x npx", r#"{"command":"npx"}"#);
        makes(
            "x --env A=1=2 --env B= --env A=3 --cwd /d --tags a,b --timeout 5 --disabled \
             --restart-on-exit --max-restarts 3 --restart-delay 7 -- c --env Z",
            r#"{"command":"c","args":["--env","Z"],"cwd":"/d","env":{"B":"","A":"3"},"tags":["a","b"],"timeout":5,"maxRestarts":3,"restartDelay":7,"disabled":true,"restartOnExit":true}"#,
        );
        makes(
            "x --env A --env B=1 c",
            r#"{"command":"c","env":["A","B=1"]}"#,
        );
        makes("x --cwd $HOME/x c", r#"{"command":"c","cwd":"$HOME/x"}"#);
        makes(
            "x --no-restart-on-exit c",
            r#"{"command":"c","restartOnExit":false}"#,
        );
    }

    #[test]
    fn contract_1_urls_and_their_type() {
        makes("x --url https://h/mcp", r#"{"url":"https://h/mcp"}"#);
        makes("x --url https://h/sse", r#"{"url":"https://h/sse"}"#);
        makes(
            "x --url https://h/sse --type http",
            r#"{"type":"http","url":"https://h/sse"}"#,
        );
        makes(
            "x --url https://h/mcp --type sse",
            r#"{"type":"sse","url":"https://h/mcp"}"#,
        );
        makes(
            "x --url https://h/mcp --type http --header A=b=c",
            r#"{"url":"https://h/mcp","headers":{"A":"b=c"}}"#,
        );
    }

    #[test]
    fn contract_1_what_makes_no_sense_is_refused() {
        refuses("", "needs a name");
        refuses("x", "needs a command or a URL");
        refuses("a.b c", "letters, digits");
        refuses("1mcp c", "reserved");
        refuses("a_1mcp_b c", "must not contain");
        refuses("x --url https://h c", "not both");
        refuses("x --url ftp://h", "http://");
        refuses("x --type http c", "--url");
        refuses("x --type stdio --url https://h", "command");
        refuses("x --env =1 c", "--env must be");
        refuses("x --header A=1 c", "--header goes with --url");
        refuses("x --env A=1 --url https://h", "--env goes with a command");
        refuses("x --header nothing --url https://h", "--header must be");
        refuses("x --timeout 0 c", "--timeout must be");
        refuses("x --max-restarts 4294967296 c", "--max-restarts must be");
        refuses("x --prot 1 c", "unknown flag --prot");
        refuses("x --restart-on-exit --no-restart-on-exit c", "not both");
    }

    #[test]
    fn contract_3_an_entry_that_runs_us_is_refused() {
        refuses("x -- npx -y @1mcp/agent", "loop");
        let own = std::env::current_exe().unwrap();
        refuses(&format!("x -- {} serve", own.display()), "loop");
    }
}
