//! `app list`: the applications that 1mcp knows.

use onemcp::config::apps::{self, App, Kind};
use serde_json::{Value, json};

use super::look;
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::terminal::{Cell, Table, Terminal};

/// Runs it.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    if line.is_set("json") {
        let apps: Vec<Value> = apps::all()
            .iter()
            .map(|app| {
                json!({
                    "id": app.id,
                    "title": app.title,
                    "aliases": app.aliases,
                    "setup": setup(app),
                })
            })
            .collect();
        return out::result(&look::document(&json!({"apps": apps}))).map(|()| 0);
    }
    let mut table = Table::new(&["ID", "APPLICATION", "SETUP"]);
    for app in apps::all() {
        table.row([app.id, app.title, setup(app)].map(Cell::new));
    }
    out::result(&table.show(Terminal::stdout()))?;
    out::note("take one over with 1mcp app consolidate ID; manual ones are told how to by it");
    Ok(0)
}

fn setup(app: &App) -> &'static str {
    match app.kind {
        Kind::Automatic => "automatic",
        Kind::Manual => "manual",
    }
}
