//! `preset test`: which configured servers a preset, or a filter without a name, admits.

use onemcp::config::Server;
use onemcp::filter::Expr;
use onemcp::json::write;

use super::{file, filter, name, servers};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::terminal::{Cell, Ink, Table, Terminal};
use crate::cli::{out, places, variable};

/// Shows all servers, and which of them are admitted; 3 if none is.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let typed = filter(line)?;
    let places = places::resolve(line, variable)?;
    let (expr, preset) = match (typed, line.operands.is_empty()) {
        (Some(expr), true) => (expr, None),
        (Some(_), false) => {
            let text = "preset test takes the name of a preset or --filter, not both";
            return Err(Failure::Usage(text.to_owned()));
        }
        (None, true) => {
            let text = "preset test needs the name of a preset, or --filter EXPR";
            return Err(Failure::Usage(text.to_owned()));
        }
        (None, false) => {
            let name = name(line, "test")?;
            let expr = Expr::clone(&file::read(&places)?.get(&name)?.expr);
            (expr, Some(name))
        }
    };
    let servers = servers::all(&places)?;
    let admitted = servers::admitted(&servers, &expr);
    let code = if admitted.is_empty() { 3 } else { 0 };
    if line.is_set("json") {
        let text = document(preset.as_deref(), &expr, &servers);
        return out::result(&text).map(|()| code);
    }
    if servers.is_empty() {
        let file = places.config_file.display();
        out::note(&format!("no servers in {file}"));
    } else if admitted.is_empty() {
        out::note(&format!("no server fits: {expr}"));
    }
    let mut table = Table::new(&["NAME", "ADMITTED", "TAGS"]);
    for server in &servers {
        let admitted = match (expr.admits(&server.tags), server.disabled) {
            (true, false) => Cell::inked(Ink::Good, "yes"),
            (true, true) => Cell::inked(Ink::Warn, "yes, but disabled"),
            (false, _) => Cell::inked(Ink::Dim, "no"),
        };
        table.row([
            Cell::new(&server.name),
            admitted,
            Cell::new(&server.tags.join(",")),
        ]);
    }
    out::result(&table.show(Terminal::stdout())).map(|()| code)
}

fn document(preset: Option<&str>, expr: &Expr, servers: &[Server]) -> String {
    let servers = servers.iter().map(|server| {
        let tags: Vec<String> = server.tags.iter().map(|tag| write::string(tag)).collect();
        format!(
            "{{\"name\":{},\"admitted\":{},\"disabled\":{},\"tags\":[{}]}}",
            write::string(&server.name),
            expr.admits(&server.tags),
            server.disabled,
            tags.join(",")
        )
    });
    let preset = preset.map(|name| format!("\"preset\":{},", write::string(name)));
    format!(
        "{{{}\"filter\":{},\"servers\":[{}]}}\n",
        preset.unwrap_or_default(),
        write::string(&expr.to_string()),
        servers.collect::<Vec<_>>().join(",")
    )
}
