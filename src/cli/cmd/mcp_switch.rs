//! `mcp enable` and `mcp disable`: the key `disabled` of one entry.

use onemcp::config::jsonc::Kind;

use super::config_file::Changed;
use super::done::Done;
use super::entry_edit;
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::{places, variable};

/// Enables the server.
pub(crate) fn enable(line: &Line) -> Result<u8, Failure> {
    switch(line, true)
}

/// Disables the server.
pub(crate) fn disable(line: &Line) -> Result<u8, Failure> {
    switch(line, false)
}

fn switch(line: &Line, enable: bool) -> Result<u8, Failure> {
    let (action, state) = if enable {
        ("enable", "enabled")
    } else {
        ("disable", "disabled")
    };
    let name = line.one_name(&format!("mcp {action}"))?;
    let places = places::resolve(line, variable)?;
    let file = places.config_file.display().to_string();
    let (changed, _) = entry_edit::change(&places, &name, |editor| {
        let disabled = editor.get("disabled")?.map(|value| value.kind);
        match (enable, disabled) {
            // `false` says what its absence says, and stays as somebody wrote it.
            (true, None | Some(Kind::Bool(false))) => Ok(()),
            (true, Some(_)) => editor.remove(&["disabled"]).map(drop),
            (false, _) => editor.set(&["disabled"], "true"),
        }
    })?;
    let text = match changed {
        Changed::No => format!("{name} is {state} already in {file}"),
        Changed::Yes { .. } => format!("{name} is now {state} in {file}"),
    };
    let done = Done {
        action,
        name: &name,
        text,
        changed,
        more: Vec::new(),
    };
    done.tell(line, &places).map(|()| 0)
}
