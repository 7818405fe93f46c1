//! `preset show`: one preset and what it admits.

use super::{file, json, name, servers};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::terminal::readable;
use crate::cli::{out, places, variable};

/// Shows the preset.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let name = name(line, "show")?;
    let places = places::resolve(line, variable)?;
    let known = file::read(&places)?;
    let preset = known.get(&name)?;
    let servers = servers::all(&places);
    let admitted = servers
        .as_ref()
        .map(|servers| servers::admitted(servers, &preset.expr));
    if line.is_set("json") {
        let text = json(&name, preset, admitted.ok().as_deref());
        return out::result(&format!("{text}\n")).map(|()| 0);
    }
    let admitted = match admitted {
        Ok(names) if names.is_empty() => "none".to_owned(),
        Ok(names) => names.join(", "),
        Err(failure) => failure.line().unwrap_or_default().to_owned(),
    };
    let mut text = String::new();
    let filter = preset.expr.to_string();
    for (label, value) in [
        ("name", Some(name.as_str())),
        ("description", preset.description.as_deref()),
        ("filter", Some(filter.as_str())),
        ("servers", Some(admitted.as_str())),
    ] {
        if let Some(value) = value {
            let label = format!("{label}:");
            text.push_str(&format!("{label:<13}{}\n", readable(value)));
        }
    }
    out::result(&text).map(|()| 0)
}
