//! `app status`: whether applications use 1mcp.

use onemcp::config::apps::{self, App, Kind};
use serde_json::{Value, json};

use super::look::{self, Says, Seen};
use super::{discover, own, which};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::places;
use crate::cli::terminal::{Terminal, readable, readable_lines};
use crate::cli::{out, variable};

/// Runs it. 1: a file cannot be read; 3: the application that was named is not here.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let named = which::find_all(&line.operands)?;
    if named.len() > 1 {
        let text = "app status takes one application, or none for all";
        return Err(Failure::Usage(text.to_owned()));
    }
    let places = places::resolve(line, variable)?;
    let around = which::surroundings()?;
    let all: Vec<&'static App> = match named.is_empty() {
        true => apps::all().iter().collect(),
        false => named.clone(),
    };
    let seen: Vec<Seen> = all
        .iter()
        .flat_map(|app| look::at(app, &around, &places))
        .collect();
    let manual = named.first().filter(|app| app.kind == Kind::Manual);
    let instructions = match manual {
        Some(app) => {
            let own = own::entry(line, &places, None)?;
            Some(app.instructions(&own.entry))
        }
        None => None,
    };
    if line.is_set("json") {
        let files: Vec<Value> = seen.iter().map(look::entry).collect();
        let document = json!({
            "files": files,
            "manual": manual.map(|app| app.id),
            "instructions": instructions,
        });
        out::result(&look::document(&document))?;
    } else {
        print(&seen, instructions.as_deref())?;
    }
    let is_unreadable = |seen: &Seen| matches!(seen.says, Says::Unreadable(_));
    match named.first() {
        Some(app) if seen.is_empty() && manual.is_none() => Err(Failure::Absent(format!(
            "{} was never used here: none of its files is there",
            app.title
        ))),
        _ => Ok(u8::from(seen.iter().any(is_unreadable))),
    }
}

fn print(seen: &[Seen], instructions: Option<&str>) -> Result<(), Failure> {
    if let Some(text) = instructions {
        let text = readable_lines(text.trim_end());
        return out::result(&format!("{text}\n"));
    }
    out::result(&discover::table(seen).show(Terminal::stdout()))?;
    for seen in seen {
        if let Says::Unreadable(why) = &seen.says {
            out::note(&readable(why));
        }
        if let Some(why) = seen.fault() {
            out::note(&readable(&format!("{}: {why}", seen.path)));
        }
        if let (Says::Servers(servers, _), "consolidated") = (&seen.says, seen.says.word()) {
            for server in servers {
                if let Some(why) = &server.kept {
                    let line = format!("{} stays beside 1mcp: it {why}", server.name);
                    out::note(&readable(&line));
                }
            }
        }
    }
    Ok(())
}
