//! `mcp remove`: one entry less in `mcp.json`.

use onemcp::config::edit::{self, EditError};
use onemcp::config::jsonc::{self, Dialect};

use super::config_file;
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::{out, places, suggest, variable};

/// Removes the server.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let name = match &line.operands[..] {
        [name] => name.to_string_lossy().into_owned(),
        [] => return Err(Failure::Usage("mcp remove needs a name".to_owned())),
        [_, ..] => return Err(Failure::Usage("mcp remove takes one name".to_owned())),
    };
    let places = places::resolve(line, variable)?;
    let file = places.config_file.display().to_string();
    if config_file::read(&places.config_file)?.is_none() {
        return Err(Failure::Absent(format!(
            "there is no {file} to remove {name} from"
        )));
    }
    config_file::change(&places, |old| {
        edit::remove(old, &["mcpServers", &name]).map_err(|error| match error {
            EditError::Missing(_) => {
                let hint = hint(old, &name);
                Failure::Absent(format!("there is no server {name:?} in {file}{hint}"))
            }
            other => config_file::bad_file(&places.config_file, &other),
        })
    })?;
    out::result(&format!("removed {name} from {file}\n"))?;
    Ok(0)
}

fn hint(text: &[u8], name: &str) -> String {
    let Ok(root) = jsonc::parse(text, Dialect::Relaxed) else {
        return String::new();
    };
    let servers = root.get("mcpServers");
    let members = servers.map(jsonc::Value::members).unwrap_or_default();
    suggest::hint(name, members.iter().map(|member| member.key.as_str()), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let text = br#"{"mcpServers": {"files": {}, "memory": {}}}"#;
        assert_eq!(hint(text, "fiels"), "; did you mean files?");
        assert_eq!(hint(text, "unrelated"), "");
        assert_eq!(hint(b"", "x"), "");
    }
}
