//! What a command that changed `mcp.json` or `presets.json` says: a line, or one JSON document.

use std::path::Path;

use onemcp::json::write;

use super::config_file::Changed;
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::places::Places;
use crate::cli::terminal::readable;

/// What was done.
pub(super) struct Done<'a> {
    /// The command: `add`.
    pub(super) action: &'static str,
    /// The server, or the preset.
    pub(super) name: &'a str,
    /// The line for people.
    pub(super) text: String,
    pub(super) changed: Changed,
    /// Further members of the document, their values JSON.
    pub(super) more: Vec<(&'static str, String)>,
}

impl Done<'_> {
    /// Prints it, of `mcp.json`.
    pub(super) fn tell(self, line: &Line, places: &Places) -> Result<(), Failure> {
        self.tell_of(line, &places.config_file)
    }

    /// Prints it, of this file.
    pub(super) fn tell_of(self, line: &Line, file: &Path) -> Result<(), Failure> {
        if !line.is_set("json") {
            return out::result(&format!("{}\n", readable(&self.text)));
        }
        let file = file.display().to_string();
        let (changed, backup) = match self.changed {
            Changed::No => (false, None),
            Changed::Yes { backup } => (true, backup),
        };
        let backup = backup.map(|path| write::string(&path.display().to_string()));
        let members = [
            ("action", Some(write::string(self.action))),
            ("name", Some(write::string(self.name))),
            ("file", Some(write::string(&file))),
            ("changed", Some(changed.to_string())),
            ("backup", backup),
        ];
        let members = members
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .chain(self.more)
            .map(|(key, value)| format!("\"{key}\":{value}"));
        let members: Vec<String> = members.collect();
        out::result(&format!("{{{}}}\n", members.join(",")))
    }
}
