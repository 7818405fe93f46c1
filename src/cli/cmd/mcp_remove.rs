//! `mcp remove`: one entry less in `mcp.json`.

use onemcp::config::edit::{self, EditError};

use super::config_file;
use super::done::Done;
use super::entry_edit::absent;
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::{places, variable};

/// Removes the server.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let name = line.one_name("mcp remove")?;
    let places = places::resolve(line, variable)?;
    let file = places.config_file.display().to_string();
    if config_file::read(&places.config_file)?.is_none() {
        return Err(Failure::Absent(format!(
            "there is no {file} to remove {name} from"
        )));
    }
    let changed = config_file::change(&places, |old| {
        edit::remove(old, &["mcpServers", &name]).map_err(|error| match error {
            EditError::Missing(_) => absent(old, &name, &file),
            other => config_file::bad_file(&places.config_file, &other),
        })
    })?;
    let done = Done {
        action: "remove",
        name: &name,
        text: format!("removed {name} from {file}"),
        changed,
        more: Vec::new(),
    };
    done.tell(line, &places).map(|()| 0)
}
