//! What tools a server had when an instance last asked it: read from its record in the state
//! directory, so nothing has to be started to know them. There may be none, or an old one.

use onemcp::config::{self, Server};
use onemcp::limits::{STATE_BYTES_MAX, TOOL_TEXT_BYTES_MAX};
use onemcp::route::memory::record_name;
use serde::Deserialize;

use super::config_file;
use crate::cli::check::Tool;
use crate::cli::places::Places;
use crate::cli::terminal::readable;
use crate::shell::disk;

/// The part of a record that is of interest here.
#[derive(Deserialize)]
struct Record {
    tools: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    name: String,
    #[serde(default)]
    description: Option<String>,
}

/// The tools of a server, if anything is known of it.
pub(super) fn of(places: &Places, server: &Server) -> Option<Vec<Tool>> {
    let path = places.state_dir.join(record_name(&server.process_hash));
    let bytes = disk::read_bounded(&path, STATE_BYTES_MAX).ok()??;
    let record: Record = serde_json::from_slice(&bytes).ok()?;
    let named = |list: &[String], name: &str| list.iter().any(|known| known == name);
    let tool = |known: Known| Tool {
        offered: !named(&server.disabled_tools, &known.name)
            && server
                .enabled_tools
                .as_ref()
                .is_none_or(|enabled| named(enabled, &known.name)),
        description: first_line(known.description.as_deref().unwrap_or_default()),
        name: known.name,
    };
    Some(record.tools.into_iter().map(tool).collect())
}

/// Their names alone, by the name of the server.
pub(super) fn names(places: &Places, name: &str) -> Option<Vec<String>> {
    let text = config_file::read(&places.config_file).ok()??;
    let config = config::read(&text, &config_file::environment(places)).ok()?;
    let server = config.servers.iter().find(|server| &*server.name == name)?;
    let tools = of(places, server)?;
    Some(tools.into_iter().map(|tool| tool.name).collect())
}

fn first_line(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let end = line.floor_char_boundary(TOOL_TEXT_BYTES_MAX);
    readable(line.get(..end).unwrap_or_default())
}
