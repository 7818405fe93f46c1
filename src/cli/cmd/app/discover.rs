//! `app discover`: installed applications, their files, and the servers in them.

use onemcp::config::apps;
use serde_json::{Value, json};

use super::look::{self, Says, Seen};
use super::which;
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::places;
use crate::cli::terminal::{Cell, Ink, Table, Terminal, readable};
use crate::cli::{out, variable};

/// Runs it. Nothing found is an answer like any other to who asks what there is.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    let places = places::resolve(line, variable)?;
    let around = which::surroundings()?;
    let seen: Vec<Seen> = apps::all()
        .iter()
        .flat_map(|app| look::at(app, &around, &places))
        .collect();
    if line.is_set("json") {
        let files: Vec<Value> = seen.iter().map(look::entry).collect();
        return out::result(&look::document(&json!({"files": files}))).map(|()| 0);
    }
    out::result(&table(&seen).show(Terminal::stdout()))?;
    for seen in &seen {
        if let Says::Unreadable(why) = &seen.says {
            out::note(&readable(why));
        }
        if let Some(why) = seen.fault() {
            out::note(&readable(&format!("{}: {why}", seen.path)));
        }
    }
    match seen.iter().find(|seen| seen.says.word() == "direct") {
        Some(seen) => out::note(&format!(
            "next: 1mcp app consolidate {} --dry-run shows what taking its servers over comes to",
            seen.app.id
        )),
        None if seen.is_empty() => {
            out::note("no application that 1mcp knows was found here; 1mcp app list shows them");
        }
        None => {}
    }
    Ok(0)
}

/// A row for each file.
pub(super) fn table(seen: &[Seen]) -> Table {
    let mut table = Table::new(&["APP", "STATE", "SERVERS", "FILE"]);
    for seen in seen {
        let ink = match seen.says.word() {
            _ if seen.fault().is_some() => Ink::Warn,
            "consolidated" => Ink::Good,
            "unreadable" => Ink::Bad,
            _ => Ink::Dim,
        };
        let names = seen.says.names();
        let servers = match names.len() {
            0 => String::new(),
            count => format!("{count}: {}", names.join(", ")),
        };
        let file = match &seen.says {
            Says::Missing => format!("{} (not there yet)", seen.path),
            Says::Unreadable(_) | Says::Servers(..) => seen.path.clone(),
        };
        table.row([
            Cell::new(seen.app.id),
            Cell::inked(ink, seen.says.word()),
            Cell::new(&servers),
            Cell::new(&file),
        ]);
    }
    table
}
