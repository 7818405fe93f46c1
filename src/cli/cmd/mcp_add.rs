//! `mcp add`: one new entry in `mcp.json`.

use std::path::absolute;

use onemcp::config::edit::{self, EditError};
use onemcp::config::{self, Environment, RemoteKind};
use onemcp::json::write;

use super::config_file;
use crate::cli::args::{Line, choice, number};
use crate::cli::failure::Failure;
use crate::cli::places::{self, Places};
use crate::cli::{out, variable};

/// Adds the server.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let places = places::resolve(line, variable)?;
    let (name, entry) = request(line)?;
    let force = line.is_set("force");
    let file = places.config_file.display().to_string();
    config_file::change(&places, |old| {
        let bad = |error: &EditError| config_file::bad_file(&places.config_file, error);
        let path = ["mcpServers", &name];
        if !force && edit::contains(old, &path).map_err(|error| bad(&error))? {
            let text = format!("{name} is in {file} already; --force replaces it");
            return Err(Failure::Failed(text));
        }
        let new = edit::set(old, &path, &entry).map_err(|error| bad(&error))?;
        check(&new, &name, &file)?;
        Ok(new)
    })?;
    out::result(&format!("added {name} to {file}\n"))?;
    if let Some(fault) = fault(&places, &name) {
        out::note(&format!("{name} cannot be started yet: {fault}"));
    }
    Ok(0)
}

/// Why `serve`, started from here, would not start it: a variable that is not set, say.
fn fault(places: &Places, name: &str) -> Option<String> {
    let text = config_file::read(&places.config_file).ok()??;
    let config = config::read(&text, &config_file::environment(places)).ok()?;
    let mut added = config
        .servers
        .into_iter()
        .filter(|server| &*server.name == name);
    added.next()?.fault
}

/// What was built must be what `serve` accepts, or its complaint is ours.
fn check(text: &[u8], name: &str, file: &str) -> Result<(), Failure> {
    let config = config::read(text, &Environment::default())
        .map_err(|error| Failure::Failed(format!("{file}: {error}")))?;
    if config.servers.iter().any(|server| &*server.name == name) {
        return Ok(());
    }
    let quoted = format!("{name:?}");
    let problem = config
        .problems
        .iter()
        .find(|problem| problem.text.contains(&quoted));
    let why = problem.map_or("this entry would not be accepted", |problem| &problem.text);
    Err(Failure::Usage(why.to_owned()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Stdio,
    Http,
    Sse,
}

const TYPES: [(&str, Type); 4] = [
    ("stdio", Type::Stdio),
    ("http", Type::Http),
    ("streamableHttp", Type::Http),
    ("sse", Type::Sse),
];

fn usage<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Usage(text.into()))
}

/// The name and the entry as JSON.
fn request(line: &Line) -> Result<(String, String), Failure> {
    let mut words = Vec::new();
    for operand in &line.operands {
        match operand.to_str() {
            Some(word) => words.push(word.to_owned()),
            None => return usage("a name or an argument is not UTF-8; mcp.json cannot hold it"),
        }
    }
    let Some((name, command)) = words.split_first() else {
        return usage("mcp add needs a name: 1mcp mcp add NAME -- COMMAND ARGS...");
    };
    if let Err(why) = config::check_name(name) {
        return usage(format!("{name:?}: {why}"));
    }
    let url = line.get("url", remote_url)?;
    let kind = line.get("type", choice(&TYPES))?;
    let mut members = Members::default();
    match (command.split_first(), url) {
        (Some((program, args)), None) => {
            if matches!(kind, Some(Type::Http | Type::Sse)) {
                return usage("--type http and sse need --url instead of a command");
            }
            stdio(line, program, args, &mut members)?;
        }
        (None, Some(url)) => {
            if kind == Some(Type::Stdio) {
                return usage("--type stdio needs a command instead of --url");
            }
            remote(line, &url, kind, &mut members)?;
        }
        (Some(_), Some(_)) => return usage("give either a command or --url, not both"),
        (None, None) => {
            return usage(format!(
                "{name} needs a command or a URL: 1mcp mcp add {name} -- COMMAND ARGS..., or --url URL"
            ));
        }
    }
    common(line, &mut members)?;
    Ok((name.clone(), members.finish()))
}

fn stdio(
    line: &Line,
    program: &str,
    args: &[String],
    members: &mut Members,
) -> Result<(), Failure> {
    let own_path = std::env::current_exe().ok();
    let own_path = own_path.as_ref().and_then(|path| path.to_str());
    if config::runs_1mcp(program, args, own_path) {
        return usage("this command runs 1mcp itself, which would be a loop");
    }
    if line.is_set("header") {
        return usage("--header goes with --url; a command takes --env");
    }
    members.push("command", &write::string(program));
    if !args.is_empty() {
        members.push("args", &array(args));
    }
    if let Some(cwd) = line.get("cwd", |text| Ok(text.to_owned()))? {
        // Relative to where it was typed, not to wherever serve will run.
        let full = absolute(&cwd).ok().filter(|_| !cwd.starts_with('$'));
        let cwd = full
            .and_then(|path| path.to_str().map(str::to_owned))
            .unwrap_or(cwd);
        members.push("cwd", &write::string(&cwd));
    }
    let variables = line.all("env", |text| match text.split('=').next() {
        Some("") | None => Err("NAME=VALUE or NAME".to_owned()),
        Some(_) => Ok(text.to_owned()),
    })?;
    if variables.iter().all(|variable| variable.contains('=')) {
        let pairs = variables
            .iter()
            .filter_map(|variable| variable.split_once('='));
        members.push_object("env", pairs);
    } else {
        members.push("env", &array(&variables));
    }
    Ok(())
}

fn remote(
    line: &Line,
    url: &str,
    kind: Option<Type>,
    members: &mut Members,
) -> Result<(), Failure> {
    for flag in ["env", "cwd"] {
        if line.is_set(flag) {
            return usage(format!("--{flag} goes with a command, not with --url"));
        }
    }
    let wanted = match kind {
        Some(Type::Sse) => RemoteKind::Sse,
        Some(Type::Http | Type::Stdio) => RemoteKind::Http,
        None => config::kind_of(url),
    };
    // Written only where it cannot be seen from the URL.
    if wanted != config::kind_of(url) {
        let name = if wanted == RemoteKind::Sse {
            "sse"
        } else {
            "http"
        };
        members.push("type", &write::string(name));
    }
    members.push("url", &write::string(url));
    let headers = line.all("header", |text| match text.split_once('=') {
        Some((name, value)) if is_token(name) && !value.contains(['\r', '\n', '\0']) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        Some(_) | None => Err("NAME=VALUE".to_owned()),
    })?;
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    members.push_object("headers", pairs);
    Ok(())
}

/// The flags that both kinds take.
fn common(line: &Line, members: &mut Members) -> Result<(), Failure> {
    let tags = line.list("tags")?;
    if !tags.is_empty() {
        members.push("tags", &array(&tags));
    }
    let numbers = [
        ("timeout", "timeout", 1, u64::MAX),
        ("max-restarts", "maxRestarts", 0, u64::from(u32::MAX)),
        ("restart-delay", "restartDelay", 1, u64::MAX),
    ];
    for (long, key, min, max) in numbers {
        if let Some(value) = line.get(long, number(min, max))? {
            members.push(key, &value.to_string());
        }
    }
    for (long, key) in [
        ("disabled", "disabled"),
        ("restart-on-exit", "restartOnExit"),
    ] {
        if line.is_set(long) {
            members.push(key, "true");
        }
    }
    Ok(())
}

fn remote_url(text: &str) -> Result<String, String> {
    let known = ["http://", "https://", "$"];
    let begins = known.iter().any(|begin| text.starts_with(begin));
    if begins && !text.contains(|c: char| c.is_control() || c == ' ') {
        Ok(text.to_owned())
    } else {
        Err("a URL that begins with http:// or https://".to_owned())
    }
}

/// A header name (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

fn array(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| write::string(item)).collect();
    format!("[{}]", items.join(","))
}

/// An object that grows.
#[derive(Default)]
struct Members(Vec<String>);

impl Members {
    fn push(&mut self, key: &str, json: &str) {
        let key = write::string(key);
        self.0.push(format!("{key}:{json}"));
    }

    /// An object of strings, the last of two equal keys; nothing if it has no members.
    fn push_object<'a>(&mut self, key: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut inner: Vec<(&str, &str)> = Vec::new();
        for (name, value) in pairs {
            inner.retain(|(known, _)| *known != name);
            inner.push((name, value));
        }
        let mut members = Self::default();
        for (name, value) in inner {
            members.push(name, &write::string(value));
        }
        if !members.0.is_empty() {
            self.push(key, &members.finish());
        }
    }

    fn finish(self) -> String {
        format!("{{{}}}", self.0.join(","))
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
    }

    #[test]
    fn contract_3_an_entry_that_runs_us_is_refused() {
        refuses("x -- npx -y @1mcp/agent", "loop");
        let own = std::env::current_exe().unwrap();
        refuses(&format!("x -- {} serve", own.display()), "loop");
    }
}
