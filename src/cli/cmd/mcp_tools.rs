//! `mcp tools`: the tools of the servers, and which are offered.
//!
//! What a running instance knows of a server that is ready is taken from its record; the others
//! are started for a moment and asked.

use onemcp::config::{self, Config, Server};
use onemcp::json::write;

use super::mcp_status::unknown;
use super::{config_file, known_tools};
use crate::cli::args::Line;
use crate::cli::check::{self, Tool};
use crate::cli::failure::Failure;
use crate::cli::places::Places;
use crate::cli::terminal::{Cell, Ink, Progress, Table, Terminal, readable};
use crate::cli::{instances, out, places, variable};

/// Lists them: 0, 1 if a server could not be asked, 3 if there is none of that name.
pub(crate) fn list(line: &Line) -> Result<u8, Failure> {
    let name = match &line.operands[..] {
        [] => None,
        [name] => Some(name.to_string_lossy().into_owned()),
        [..] => {
            let text = "mcp tools takes at most one name, or: mcp tools disable|enable SERVER TOOL";
            return Err(Failure::Usage(text.to_owned()));
        }
    };
    let places = places::resolve(line, variable)?;
    let path = &places.config_file;
    let file = path.display().to_string();
    let text = config_file::read(path)?.unwrap_or_else(|| b"{}".to_vec());
    let config = config::read(&text, &config_file::environment(&places))
        .map_err(|error| config_file::bad_file(path, &error))?;
    for problem in &config.problems {
        out::note(&format!("{file}: {problem}"));
    }
    let wanted = wanted(&config, name.as_deref());
    if let Some(name) = name.as_deref().filter(|_| wanted.is_empty()) {
        return Err(unknown(name, &config, &file));
    }
    let found = ask(&places, wanted)?;
    let failed = found.iter().any(|server| server.tools.is_err());
    if line.is_set("json") {
        out::result(&document(&file, &found))?;
        return Ok(u8::from(failed));
    }
    out::result(&table(&found, Terminal::stdout()))?;
    for server in &found {
        match &server.tools {
            Err(why) => out::note(&format!("{}: {}", server.name, readable(why))),
            Ok(tools) if tools.is_empty() => out::note(&format!("{} has no tools", server.name)),
            Ok(_) => {}
        }
    }
    if found.is_empty() {
        out::note(&format!(
            "no enabled servers in {file}; add one with 1mcp mcp add NAME -- COMMAND ARGS..."
        ));
    } else {
        out::hint("1mcp mcp tools disable SERVER TOOL stops offering one");
    }
    Ok(u8::from(failed))
}

/// The one of that name, disabled or not, or all enabled ones.
fn wanted(config: &Config, name: Option<&str>) -> Vec<Server> {
    let wanted = |server: &&Server| match name {
        Some(name) => &*server.name == name,
        None => !server.disabled,
    };
    config.servers.iter().filter(wanted).cloned().collect()
}

/// One server and its tools, or why they are not known.
#[derive(Debug)]
struct Found {
    name: String,
    tools: Result<Vec<Tool>, String>,
}

fn ask(places: &Places, servers: Vec<Server>) -> Result<Vec<Found>, Failure> {
    let running = instances::ask(places, None).instances;
    let is_ready = |name: &str| {
        let mut all = running.iter().flat_map(|instance| &instance.servers);
        all.any(|server| server.name == name && server.state == "ready")
    };
    let mut found: Vec<(Found, bool)> = Vec::new();
    let mut to_start = Vec::new();
    for server in servers {
        let known = is_ready(&server.name)
            .then(|| known_tools::of(places, &server))
            .flatten();
        let is_known = known.is_some();
        let name = server.name.to_string();
        let tools = Ok(known.unwrap_or_default());
        found.push((Found { name, tools }, is_known));
        if !is_known {
            to_start.push(server);
        }
    }
    let mut progress = Progress::new();
    let checked = check::start_each(to_start, None, &mut |how_far| {
        progress.show(&how_far.line());
    });
    progress.clear();
    let mut checked = checked?.into_iter();
    let fill = |(mut server, is_known): (Found, bool)| {
        if !is_known && let Some(checked) = checked.next() {
            server.tools = checked.outcome.map(|_| checked.tools);
        }
        server
    };
    Ok(found.into_iter().map(fill).collect())
}

fn table(servers: &[Found], terminal: Terminal) -> String {
    let mut table = Table::new(&["SERVER", "TOOL", "STATE", "DESCRIPTION"]);
    for server in servers {
        for tool in server.tools.iter().flatten() {
            let state = if tool.offered {
                Cell::inked(Ink::Good, "offered")
            } else {
                Cell::inked(Ink::Dim, "disabled")
            };
            table.row([
                server.name.as_str().into(),
                tool.name.as_str().into(),
                state,
                tool.description.as_str().into(),
            ]);
        }
    }
    table.show(terminal)
}

fn document(file: &str, servers: &[Found]) -> String {
    let tool = |tool: &Tool| {
        format!(
            "{{\"name\":{},\"offered\":{},\"description\":{}}}",
            write::string(&tool.name),
            tool.offered,
            write::string(&tool.description)
        )
    };
    let server = |server: &Found| {
        let name = write::string(&server.name);
        match &server.tools {
            Ok(tools) => {
                let tools: Vec<String> = tools.iter().map(tool).collect();
                format!("{{\"name\":{name},\"tools\":[{}]}}", tools.join(","))
            }
            Err(why) => format!("{{\"name\":{name},\"error\":{}}}", write::string(why)),
        }
    };
    let servers: Vec<String> = servers.iter().map(server).collect();
    format!(
        "{{\"file\":{},\"servers\":[{}]}}\n",
        write::string(file),
        servers.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Vec<Found> {
        let tool = |name: &str, offered, description: &str| Tool {
            name: name.to_owned(),
            description: description.to_owned(),
            offered,
        };
        vec![
            Found {
                name: "files".to_owned(),
                tools: Ok(vec![tool("read", true, "Reads"), tool("write", false, "")]),
            },
            Found {
                name: "broken".to_owned(),
                tools: Err("no such \"program\"".to_owned()),
            },
        ]
    }

    #[test]
    fn contract_1_tools_are_listed_with_their_state() {
        assert_eq!(
            table(&found(), Terminal::plain()),
            "SERVER  TOOL   STATE     DESCRIPTION\n\
             files   read   offered   Reads\n\
             files   write  disabled  -\n"
        );
    }

    #[test]
    fn contract_1_json_is_one_valid_document() {
        let text = document("f", &found());
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["servers"][0]["tools"][1]["offered"], false);
        assert_eq!(document["servers"][1]["error"], "no such \"program\"");
    }
}
