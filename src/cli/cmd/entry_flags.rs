//! What the flags of `mcp add` and `mcp update` say about an entry, read once for both.

use std::path::{Path, absolute};

use onemcp::base::url::Url;
use onemcp::config;
use onemcp::json::write;

use crate::cli::args::{Line, choice, number};
use crate::cli::failure::Failure;
use crate::cli::instances;
use crate::cli::places::Places;

/// How a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A command that we start.
    Command,
    /// A URL.
    Remote,
}

/// `--type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
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

/// What is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Command { program: String, args: Vec<String> },
    Url(String),
}

impl Target {
    pub(super) const fn way(&self) -> Way {
        match self {
            Self::Command { .. } => Way::Command,
            Self::Url(_) => Way::Remote,
        }
    }
}

/// What was asked for; `None` and empty where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) target: Option<Target>,
    pub(super) kind: Option<Type>,
    pub(super) cwd: Option<String>,
    /// `NAME=VALUE` or `NAME`, each name once.
    pub(super) env: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) tags: Option<Vec<String>>,
    /// Keys with their values as JSON: numbers and switches.
    pub(super) plain: Vec<(&'static str, String)>,
}

pub(super) fn usage<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Usage(text.into()))
}

/// The name and what is wanted of it; `command` is `mcp add`, for the answer.
pub(super) fn read(line: &Line, command: &str) -> Result<(String, Wish), Failure> {
    let mut words = Vec::new();
    for operand in &line.operands {
        match operand.to_str() {
            Some(word) => words.push(word.to_owned()),
            None => return usage("a name or an argument is not UTF-8; mcp.json cannot hold it"),
        }
    }
    let Some((name, words)) = words.split_first() else {
        return usage(format!(
            "{command} needs a name: 1mcp {command} NAME -- COMMAND ARGS..."
        ));
    };
    let url = line.get("url", remote_url)?;
    let target = match (words.split_first(), url) {
        (Some(_), Some(_)) => return usage("give either a command or --url, not both"),
        (Some((program, _)), None) if program.is_empty() => {
            return usage("the command must not be empty");
        }
        (Some((program, args)), None) => Some(Target::Command {
            program: program.clone(),
            args: args.to_vec(),
        }),
        (None, url) => url.map(Target::Url),
    };
    let wish = Wish {
        target,
        kind: line.get("type", choice(&TYPES))?,
        cwd: line.get("cwd", directory)?,
        env: last_of_each(line.all("env", variable)?),
        headers: headers(line)?,
        tags: line.is_set("tags").then(|| line.list("tags")).transpose()?,
        plain: plain(line)?,
    };
    if let Some(target) = &wish.target {
        refuse_ourselves(target)?;
    }
    Ok((name.clone(), wish))
}

fn plain(line: &Line) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut plain = Vec::new();
    let numbers = [
        ("timeout", "timeout", 1, u64::MAX),
        ("max-restarts", "maxRestarts", 0, u64::from(u32::MAX)),
        ("restart-delay", "restartDelay", 1, u64::MAX),
    ];
    for (long, key, min, max) in numbers {
        if let Some(value) = line.get(long, number(min, max))? {
            plain.push((key, value.to_string()));
        }
    }
    if line.is_set("disabled") {
        plain.push(("disabled", "true".to_owned()));
    }
    match (
        line.is_set("restart-on-exit"),
        line.is_set("no-restart-on-exit"),
    ) {
        (true, true) => {
            return usage("give either --restart-on-exit or --no-restart-on-exit, not both");
        }
        (true, false) => plain.push(("restartOnExit", "true".to_owned())),
        (false, true) => plain.push(("restartOnExit", "false".to_owned())),
        (false, false) => {}
    }
    Ok(plain)
}

impl Wish {
    /// Refuses what makes no sense for a server that is reached in this way.
    pub(super) fn fits(&self, way: Way) -> Result<(), Failure> {
        match (way, self.kind) {
            (Way::Command, Some(Type::Http | Type::Sse)) => {
                return usage("--type http and sse need --url instead of a command");
            }
            (Way::Remote, Some(Type::Stdio)) => {
                return usage("--type stdio needs a command instead of --url");
            }
            _ => {}
        }
        match way {
            Way::Command if !self.headers.is_empty() => {
                usage("--header goes with --url; a command takes --env")
            }
            Way::Remote if !self.env.is_empty() => {
                usage("--env goes with a command, not with --url")
            }
            Way::Remote if self.cwd.is_some() => usage("--cwd goes with a command, not with --url"),
            Way::Command | Way::Remote => Ok(()),
        }
    }

    /// Whether nothing was asked for.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An entry that runs 1mcp would be a loop (contract 3).
fn refuse_ourselves(target: &Target) -> Result<(), Failure> {
    let Target::Command { program, args } = target else {
        return Ok(());
    };
    let own_path = std::env::current_exe().ok();
    let own_text = own_path.as_ref().and_then(|path| path.to_str());
    if config::runs_1mcp(program, args, own_text)
        || own_path.is_some_and(|own| leads_to(program, &own))
    {
        return usage("this command runs 1mcp itself, which would be a loop");
    }
    Ok(())
}

/// A URL that leads to an instance of this configuration would be a loop as well.
pub(super) fn refuse_running(places: &Places, line: &Line) -> Result<(), Failure> {
    let url = line.get("url", remote_url)?;
    let url = url.and_then(|url| Url::parse(&url).ok());
    match url.is_some_and(|url| config::leads_to_one(&url, &instances::urls(places))) {
        true => usage("this URL leads to 1mcp itself, which would be a loop"),
        false => Ok(()),
    }
}

/// Whether a program, as a shell would find it, is this file under another name.
fn leads_to(program: &str, file: &Path) -> bool {
    let same = |path: &Path| path.canonicalize().is_ok_and(|path| path == file);
    if program.contains('/') {
        return same(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(program));
    found
        .into_iter()
        .find(|path| path.is_file())
        .is_some_and(|path| same(&path))
}

fn remote_url(text: &str) -> Result<String, String> {
    let expected = "a URL such as https://mcp.example.com/mcp";
    match config::check_url(text) {
        Ok(()) => Ok(text.to_owned()),
        // What variables make of it is looked at when they are known.
        Err(_) if text.contains('$') && !text.contains(|c: char| c.is_control() || c == ' ') => {
            Ok(text.to_owned())
        }
        Err(bad) => Err(format!("{expected} ({bad})")),
    }
}

fn directory(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a directory".to_owned());
    }
    // Relative to where it was typed, not to wherever serve will run.
    let full = absolute(text).ok().filter(|_| !text.starts_with('$'));
    let full = full.and_then(|path| path.to_str().map(str::to_owned));
    Ok(full.unwrap_or_else(|| text.to_owned()))
}

fn variable(text: &str) -> Result<String, String> {
    match text.split('=').next() {
        Some("") | None => Err("NAME=VALUE or NAME".to_owned()),
        Some(_) => Ok(text.to_owned()),
    }
}

/// The name of a variable in either form.
pub(super) fn name_of(variable: &str) -> &str {
    variable.split('=').next().unwrap_or_default()
}

fn last_of_each(variables: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for variable in variables {
        kept.retain(|known| name_of(known) != name_of(&variable));
        kept.push(variable);
    }
    kept
}

/// `--header`: an error shows the name, never the value.
fn headers(line: &Line) -> Result<Vec<(String, String)>, Failure> {
    let headers = line.all("header", |text| Ok(text.to_owned()))?;
    let mut last: Vec<(String, String)> = Vec::new();
    for header in headers {
        let Some((name, value)) = header.split_once('=') else {
            return usage("--header must be NAME=VALUE; this one has no \"=\"".to_owned());
        };
        let (name, value) = (name.to_owned(), value.to_owned());
        if let Err(bad) = config::check_header(&name, &value) {
            // In `Authorization: Bearer c2VjcmV0=` what precedes the `=` is no name.
            let shown = name.split([':', ' ']).next().unwrap_or_default();
            return usage(format!(
                "--header {shown:?} cannot be used (it is written NAME=VALUE): {bad}"
            ));
        }
        last.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        last.push((name, value));
    }
    Ok(last)
}

/// A list of strings as JSON.
pub(super) fn array(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| write::string(item)).collect();
    format!("[{}]", items.join(","))
}

/// A list of `NAME=VALUE` as a JSON object.
pub(super) fn object<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut members: Vec<(&str, String)> = Vec::new();
    for (name, value) in pairs {
        members.retain(|(known, _)| *known != name);
        members.push((name, write::string(value)));
    }
    let members = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", write::string(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}
