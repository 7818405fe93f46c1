//! `preset`: filters with a name, kept in `presets.json` beside `mcp.json`. A running instance
//! watches the file.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod edit;
mod file;
pub(crate) mod list;
mod servers;
pub(crate) mod show;
pub(crate) mod test;
pub(crate) mod url;

pub(super) use file::completions;

use onemcp::filter::presets::{strategy, tag_query};
use onemcp::filter::{Expr, Preset};
use onemcp::json::write;

use crate::cli::args::Line;
use crate::cli::failure::Failure;

/// The one operand of a command.
fn name(line: &Line, command: &str) -> Result<String, Failure> {
    match &line.operands[..] {
        [name] => Ok(name.to_string_lossy().into_owned()),
        [] => Err(Failure::Usage(format!(
            "preset {command} needs the name of a preset (1mcp preset list shows them)"
        ))),
        [_, ..] => Err(Failure::Usage(format!("preset {command} takes one name"))),
    }
}

/// `--filter`. Of two different ones neither is guessed to be meant.
pub(super) fn filter(line: &Line) -> Result<Option<Expr>, Failure> {
    let expr = line.get("filter", expression)?;
    match line.contradiction("filter") {
        None => Ok(expr),
        Some((one, other)) => Err(Failure::Usage(format!(
            "{one} and {other} say different things; join them in one with \"and\": \
             --filter \"(A) and (B)\""
        ))),
    }
}

/// For [`Line::get`]: an expression over tags.
fn expression(text: &str) -> Result<Expr, String> {
    Expr::parse(text)
        .map_err(|misread| format!("an expression such as \"web and not db\" ({misread})"))
}

/// A preset as a JSON object; `servers` are those that it admits, if that is known.
fn json(name: &str, preset: &Preset, servers: Option<&[String]>) -> String {
    let array = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| write::string(name)).collect();
        format!("[{}]", names.join(","))
    };
    write::object([
        ("name", Some(write::string(name))),
        (
            "description",
            preset.description.as_deref().map(write::string),
        ),
        ("filter", Some(write::string(&preset.expr.to_string()))),
        ("strategy", Some(write::string(strategy(&preset.expr)))),
        ("tagQuery", Some(tag_query(&preset.expr))),
        ("servers", servers.map(array)),
    ])
}
