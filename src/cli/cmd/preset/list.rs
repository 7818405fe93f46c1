//! `preset list`: all presets, as a table or as one JSON document.

use onemcp::json::write;

use super::{file, json, servers};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::terminal::{Cell, Table, Terminal};
use crate::cli::{out, places, variable};

/// Lists the presets.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    let places = places::resolve(line, variable)?;
    let known = file::read(&places)?;
    // Presets are there without an mcp.json, or beside a broken one.
    let servers = servers::all(&places).ok();
    let admitted = |expr| {
        let servers = servers.as_deref();
        servers.map(|servers| servers::admitted(servers, expr))
    };
    if line.is_set("json") {
        let presets = known.presets.iter();
        let presets: Vec<String> = presets
            .map(|(name, preset)| json(name, preset, admitted(&preset.expr).as_deref()))
            .collect();
        let problems = super::super::mcp_list::problems(&known.problems);
        let file = write::string(&known.file);
        let presets = presets.join(",");
        let text = format!("{{\"file\":{file},\"presets\":[{presets}],\"problems\":{problems}}}\n");
        return out::result(&text).map(|()| 0);
    }
    for problem in &known.problems {
        out::note(&format!("{}: {problem}", known.file));
    }
    if known.presets.iter().len() == 0 {
        out::note(&format!(
            "no presets in {}; make one with 1mcp preset create NAME --filter EXPR",
            known.file
        ));
    }
    let mut table = Table::new(&["NAME", "SERVERS", "FILTER", "DESCRIPTION"]);
    for (name, preset) in known.presets.iter() {
        let count = admitted(&preset.expr).map(|names| names.len().to_string());
        table.row([
            Cell::new(name),
            Cell::new(&count.unwrap_or_default()),
            Cell::new(&preset.expr.to_string()),
            Cell::new(preset.description.as_deref().unwrap_or_default()),
        ]);
    }
    out::result(&table.show(Terminal::stdout())).map(|()| 0)
}
