//! `preset delete`: one preset less in `presets.json`.

use onemcp::config::edit::{self, EditError};

use super::super::config_file;
use super::super::done::Done;
use super::{file, name};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::terminal::confirm;
use crate::cli::{out, places, variable};

/// Deletes the preset, once somebody has said yes.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let name = name(line, "delete")?;
    let places = places::resolve(line, variable)?;
    let path = file::path(&places);
    let shown = path.display().to_string();
    let keys = ["presets", &name];
    let text = config_file::read(&path)?.unwrap_or_default();
    if !edit::contains(&text, &keys).map_err(|error| file::bad(&places, &error))? {
        return Err(file::absent(&text, &name, &shown));
    }
    let question = format!("Delete the preset {name}? Sessions that use it see nothing then.");
    if !line.is_set("yes") && !confirm(&question, "--yes")? {
        out::note(&format!("{name} stays"));
        return Ok(0);
    }
    let changed = file::change(&places, |old| {
        edit::remove(old, &keys).map_err(|error| match error {
            EditError::Missing(_) => file::absent(old, &name, &shown),
            other => file::bad(&places, &other),
        })
    })?;
    let done = Done {
        action: "delete",
        name: &name,
        text: format!("deleted {name} from {shown}"),
        changed,
        more: Vec::new(),
    };
    done.tell_of(line, &path).map(|()| 0)
}
