//! `mcp list`: what is configured, secrets masked, as a table or as one JSON document.
//!
//! Shows the entries as they are written (`${TOKEN}` stays `${TOKEN}`), with what reading them
//! made of tags and faults.

use std::fmt::Write;

use onemcp::config::jsonc::{self, Dialect, Kind, Value};
use onemcp::config::{self, Config, Problem, RemoteKind, Server, Transport, mask};
use onemcp::json::write;

use super::config_file;
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::terminal::{Cell, Ink, Table, Terminal, readable};
use crate::cli::{out, places, variable};

/// Lists the servers.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    let places = places::resolve(line, variable)?;
    let path = &places.config_file;
    let text = config_file::read(path)?.unwrap_or_else(|| b"{}".to_vec());
    let config = config::read(&text, &config_file::environment(&places))
        .map_err(|error| config_file::bad_file(path, &error))?;
    let filter = Filter {
        tags: line.list("tags")?,
        disabled: line.is_set("show-disabled"),
    };
    let shown = shown(&text, &config, &filter, line.is_set("show-secrets"));
    let file = path.display().to_string();
    if line.is_set("json") {
        return out::result(&document(&file, &shown, &config)).map(|()| 0);
    }
    for problem in &config.problems {
        out::note(&format!("{file}: {problem}"));
    }
    if config.servers.is_empty() {
        out::note(&format!(
            "no servers in {file}; add one with 1mcp mcp add NAME -- COMMAND ARGS..."
        ));
    }
    let hidden = config.servers.iter().filter(|server| server.disabled);
    let hidden = hidden.filter(|server| filter.has_tag(server)).count();
    out::result(&table(&shown, Terminal::stdout()))?;
    if hidden > 0 && !filter.disabled {
        out::note(&format!("{hidden} disabled; --show-disabled shows them"));
    }
    Ok(0)
}

struct Filter {
    tags: Vec<String>,
    disabled: bool,
}

impl Filter {
    fn has_tag(&self, server: &Server) -> bool {
        let wanted = |tag: &String| {
            self.tags
                .iter()
                .any(|other| other.eq_ignore_ascii_case(tag))
        };
        self.tags.is_empty() || server.tags.iter().any(wanted)
    }

    fn shows(&self, server: &Server) -> bool {
        (self.disabled || !server.disabled) && self.has_tag(server)
    }
}

/// One server as it may be shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    name: String,
    kind: &'static str,
    command: Option<String>,
    args: Vec<String>,
    cwd: Option<String>,
    env: Vec<(String, String)>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    tags: Vec<String>,
    disabled: bool,
    fault: Option<String>,
}

fn shown(text: &[u8], config: &Config, filter: &Filter, secrets: bool) -> Vec<Shown> {
    let Ok(root) = jsonc::parse(text, Dialect::Relaxed) else {
        return Vec::new();
    };
    let entries = root.get("mcpServers");
    config
        .servers
        .iter()
        .filter(|server| filter.shows(server))
        .filter_map(|server| {
            let entry = entries?.get(&server.name)?;
            Some(one(server, entry, secrets))
        })
        .collect()
}

fn one(server: &Server, entry: &Value, secrets: bool) -> Shown {
    let text = |key: &str| entry.get(key).and_then(string);
    let secret = |value: String| {
        if secrets {
            value
        } else {
            mask::MASKED.to_owned()
        }
    };
    let pairs = |key: &str| -> Vec<(String, String)> {
        let found = entry.get(key).map(pairs).unwrap_or_default();
        found
            .into_iter()
            .map(|(name, value)| (name, secret(value)))
            .collect()
    };
    let mut shown = Shown {
        name: server.name.to_string(),
        tags: server.tags.clone(),
        disabled: server.disabled,
        fault: server.fault.clone(),
        ..Shown::default()
    };
    match &server.transport {
        Transport::Stdio(_) => {
            let args: Vec<String> = match entry.get("args").map(|args| &args.kind) {
                Some(Kind::Array(args)) => args.iter().filter_map(string).collect(),
                Some(_) | None => Vec::new(),
            };
            shown.kind = "stdio";
            // Some write the whole command line there, which then fails to start.
            shown.command = text("command").map(|command| match secrets {
                true => command,
                false => mask::arguments(&[command]).concat(),
            });
            shown.args = if secrets {
                args
            } else {
                mask::arguments(&args)
            };
            shown.cwd = text("cwd");
            shown.env = pairs("env");
        }
        Transport::Remote(remote) => {
            shown.kind = match remote.kind {
                RemoteKind::Http => "http",
                RemoteKind::Sse => "sse",
            };
            let url = text("url").unwrap_or_default();
            shown.url = Some(if secrets { url } else { mask::url(&url) });
            shown.headers = pairs("headers");
        }
    }
    shown
}

fn string(value: &Value) -> Option<String> {
    match &value.kind {
        Kind::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// An object of strings, or a list of `K=V` and `K`.
fn pairs(value: &Value) -> Vec<(String, String)> {
    match &value.kind {
        Kind::Object(members) => members
            .iter()
            .filter_map(|member| Some((member.key.clone(), string(&member.value)?)))
            .collect(),
        Kind::Array(elements) => elements
            .iter()
            .filter_map(string)
            .map(|text| match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (text.clone(), format!("${{{text}}}")),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn table(servers: &[Shown], terminal: Terminal) -> String {
    let mut table = Table::new(&["NAME", "TYPE", "STATE", "TAGS", "TARGET"]);
    for server in servers {
        let state = match (&server.fault, server.disabled) {
            (_, true) => Cell::inked(Ink::Dim, "disabled"),
            (Some(_), false) => Cell::inked(Ink::Bad, "fault"),
            (None, false) => Cell::inked(Ink::Good, "enabled"),
        };
        let target = match (&server.command, &server.url) {
            (Some(command), _) => {
                let words = std::iter::once(command).chain(&server.args);
                words.map(String::as_str).collect::<Vec<_>>().join(" ")
            }
            (None, url) => url.clone().unwrap_or_default(),
        };
        table.row([
            server.name.clone().into(),
            server.kind.into(),
            state,
            server.tags.join(",").into(),
            target.into(),
        ]);
    }
    let mut out = table.show(terminal);
    for server in servers {
        if let Some(fault) = &server.fault {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{}: {}", server.name, readable(fault));
        }
    }
    out
}

/// The whole list as one JSON document.
fn document(file: &str, servers: &[Shown], config: &Config) -> String {
    let servers: Vec<String> = servers.iter().map(json).collect();
    format!(
        "{{\"file\":{},\"servers\":[{}],\"problems\":{}}}\n",
        write::string(file),
        servers.join(","),
        problems(&config.problems)
    )
}

/// What is wrong with parts of a file, as a JSON array.
pub(super) fn problems(problems: &[Problem]) -> String {
    let problems = problems.iter().map(|problem| {
        let (line, column) = (problem.line, problem.column);
        let text = write::string(&problem.text);
        format!("{{\"line\":{line},\"column\":{column},\"text\":{text}}}")
    });
    format!("[{}]", problems.collect::<Vec<_>>().join(","))
}

fn json(server: &Shown) -> String {
    let array = |items: &[String]| {
        let items: Vec<String> = items.iter().map(|item| write::string(item)).collect();
        format!("[{}]", items.join(","))
    };
    let object = |pairs: &[(String, String)]| {
        let pairs = pairs.iter();
        write::object(pairs.map(|(name, value)| (name.as_str(), Some(write::string(value)))))
    };
    let text = |text: &Option<String>| text.as_deref().map(write::string);
    let stdio = server.command.is_some();
    let members = [
        ("name", Some(write::string(&server.name))),
        ("type", Some(write::string(server.kind))),
        ("command", text(&server.command)),
        ("args", stdio.then(|| array(&server.args))),
        ("cwd", text(&server.cwd)),
        ("env", stdio.then(|| object(&server.env))),
        ("url", text(&server.url)),
        ("headers", (!stdio).then(|| object(&server.headers))),
        ("tags", Some(array(&server.tags))),
        ("disabled", Some(server.disabled.to_string())),
        ("fault", text(&server.fault)),
    ];
    write::object(members)
}

#[cfg(test)]
mod tests {
    use onemcp::config::Environment;

    use super::*;

    const FILE: &[u8] = br#"{"mcpServers": {
        "a": {"command": "npx", "args": ["-y", "--api-key", "k", "$HOME"], "env": {"T": "s"},
              "tags": ["Fs"]},
        "b": {"url": "https://h/mcp?k=1", "headers": {"Authorization": "Bearer s"}},
        "c": {"command": "x", "disabled": true, "env": ["T=s", "U"]},
        "d": {"command": "${NOT_SET}\u001b[2J"}
    }}"#;

    fn list(filter: &Filter, secrets: bool) -> (Vec<Shown>, Config) {
        let environment = Environment::new([("HOME".into(), "/h".into())], b"");
        let config = config::read(FILE, &environment).unwrap();
        (shown(FILE, &config, filter, secrets), config)
    }

    fn everything() -> Filter {
        Filter {
            tags: Vec::new(),
            disabled: true,
        }
    }

    #[test]
    fn contract_1_secrets_are_masked_unless_asked_for() {
        let (masked, config) = list(&everything(), false);
        let text = document("f", &masked, &config);
        assert!(!text.contains("Bearer") && !text.contains("\"s\""));
        assert!(text.contains(r#""args":["-y","--api-key","***","$HOME"],"env":{"T":"***"}"#));
        assert!(text.contains(r#""url":"https://h/mcp?***","headers":{"Authorization":"***"}"#));
        let (open, config) = list(&everything(), true);
        let text = document("f", &open, &config);
        assert!(text.contains("Bearer s") && text.contains("?k=1") && text.contains("\"k\""));
    }

    #[test]
    fn contract_1_json_is_one_valid_document() {
        let (servers, config) = list(&everything(), false);
        let text = document("/x/\"mcp\".json", &servers, &config);
        assert!(onemcp::json::span::validate(text.as_bytes()).is_ok());
        assert!(text.ends_with("\n") && text.matches('\n').count() == 1);
    }

    #[test]
    fn the_table_is_aligned_and_cannot_steer_a_terminal() {
        let filter = Filter {
            tags: Vec::new(),
            disabled: false,
        };
        let (servers, _) = list(&filter, false);
        assert_eq!(
            table(&servers, Terminal::plain()),
            "NAME  TYPE   STATE    TAGS  TARGET\n\
             a     stdio  enabled  Fs    npx -y --api-key *** $HOME\n\
             b     http   enabled  -     https://h/mcp?***\n\
             d     stdio  fault    -     ${NOT_SET}?[2J\n\
             d: variable NOT_SET is not set: set it in the environment or in .env, or write \
             ${NOT_SET:-default}\n"
        );
        assert_eq!(table(&[], Terminal::plain()), "");
    }

    #[test]
    fn contract_4_tags_compare_without_case() {
        let filter = Filter {
            tags: vec!["fS".to_owned()],
            disabled: true,
        };
        let (servers, _) = list(&filter, false);
        assert_eq!(servers.len(), 1);
    }
}
