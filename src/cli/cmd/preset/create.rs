//! `preset create`: one new preset in `presets.json`.

use std::cell::Cell;

use onemcp::config::edit;
use onemcp::filter::Expr;
use onemcp::filter::presets::{check_name, strategy, tag_query};
use onemcp::json::write;

use super::super::config_file::Changed;
use super::super::done::Done;
use super::{file, filter, name, servers};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::{out, places, variable};
use crate::shell::clock::{rfc3339, unix_ms};

/// What a new file says of itself: the form that the TypeScript 1MCP writes.
const VERSION: &str = "\"1.0.0\"";

/// Creates the preset.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let name = name(line, "create")?;
    check_name(&name).map_err(|why| Failure::Usage(format!("{name:?}: {why}")))?;
    let Some(expr) = filter(line)? else {
        return Err(Failure::Usage(format!(
            "preset create needs --filter EXPR: 1mcp preset create {name} --filter \"web and not \
             db\""
        )));
    };
    let places = places::resolve(line, variable)?;
    let path = file::path(&places);
    let shown = path.display();
    let entry = entry(&name, line, &expr)?;
    let replaced = Cell::new(false);
    let changed = file::change(&places, |old| {
        let keys = ["presets", &name];
        let found = edit::contains(old, &keys).map_err(|error| file::bad(&places, &error))?;
        replaced.set(found);
        if found && !line.is_set("force") {
            return Err(Failure::Failed(format!(
                "{name} is in {shown} already; --force replaces it, preset edit changes it"
            )));
        }
        let old = match old.trim_ascii().is_empty() {
            true => file::set(&places, old, &["version"], VERSION)?,
            false => old.to_vec(),
        };
        let new = file::set(&places, &old, &keys, &entry)?;
        file::check(&places, &new, &name)?;
        Ok(new)
    })?;
    let text = match (&changed, replaced.get()) {
        (Changed::No, _) => format!("{name} is in {shown} already, just so"),
        (Changed::Yes { .. }, true) => format!("replaced {name} in {shown}: {expr}"),
        (Changed::Yes { .. }, false) => format!("created {name} in {shown}: {expr}"),
    };
    let done = Done {
        action: "create",
        name: &name,
        text,
        changed,
        more: vec![
            ("replaced", replaced.get().to_string()),
            ("filter", write::string(&expr.to_string())),
        ],
    };
    done.tell_of(line, &path)?;
    // An mcp.json that cannot be read is not what was asked about.
    match servers::all(&places) {
        Ok(servers) if servers::admitted(&servers, &expr).is_empty() => {
            out::note(&format!("no configured server fits {name} now"));
        }
        Ok(_) | Err(_) => out::hint(&format!(
            "1mcp preset test {name} shows the servers that it admits, 1mcp preset url {name} \
             where clients find them"
        )),
    }
    Ok(0)
}

/// The entry as the TypeScript 1MCP writes it.
fn entry(name: &str, line: &Line, expr: &Expr) -> Result<String, Failure> {
    let description = line.get("description", |text| Ok(text.to_owned()))?;
    let description = description.filter(|text| !text.is_empty());
    let now = write::string(&rfc3339(unix_ms()));
    Ok(write::object([
        ("name", Some(write::string(name))),
        ("description", description.as_deref().map(write::string)),
        ("strategy", Some(write::string(strategy(expr)))),
        ("tagQuery", Some(tag_query(expr))),
        ("created", Some(now.clone())),
        ("lastModified", Some(now)),
    ]))
}
