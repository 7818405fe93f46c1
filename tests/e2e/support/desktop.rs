//! A home directory in which Claude Desktop was used.

use std::fs;

use serde_json::Value;

use super::dir::Dir;
use super::program::{self, Ended, command, fixture, run};

/// Where its file is, below the home directory.
pub(crate) const FILE: &str = ".config/Claude/claude_desktop_config.json";

/// A file as people have it: several servers, variables, other keys, odd formatting. What stands
/// before and after the servers is returned too.
pub(crate) fn text() -> (String, &'static str, &'static str) {
    let begin = "{\n\t\"globalShortcut\" : \"Ctrl+Space\",\n    \"mcpServers\": ";
    let end = "  ,\r\n  \"preferences\": {\"menuBarEnabled\":false , \"quick\" : [ ]}}";
    let program = fixture();
    let program = program.display();
    let servers = format!(
        "{{\n        \"files\": {{ \"command\": \"{program}\", \"args\": [\"--name\", \"my files\"],\n\
         \x20          \"env\": {{\"SECRET_TOKEN\": \"abc$def ${{X}} ü\\\"\", \"PLAIN\": \"x y\"}}\n\
         \x20       }},\n        \"memory\":{{\"command\":\"{program}\"}}\n    }}"
    );
    (format!("{begin}{servers}{end}"), begin, end)
}

/// A home in which Claude Desktop has this file.
pub(crate) fn home_with(text: &str) -> Dir {
    let home = Dir::new();
    fs::create_dir_all(home.file(".config/Claude")).unwrap();
    home.write(FILE, text);
    home
}

/// A home with the file of [`text`].
pub(crate) fn home() -> Dir {
    home_with(&text().0)
}

/// `1mcp` with only HOME and PATH.
#[track_caller]
pub(crate) fn one(home: &Dir, args: &[&str]) -> Ended {
    let mut command = command(home.path(), args);
    run(command.current_dir(home.path()))
}

/// The same with a rehearsed failure of a file operation.
#[track_caller]
pub(crate) fn failing(home: &Dir, at: &str, args: &[&str]) -> Ended {
    let mut command = program::failing(home.path(), at, args);
    run(command.current_dir(home.path()))
}

/// Starts what the file says, as the application does, with an environment of HOME and PATH.
pub(crate) fn entry(home: &Dir) -> std::process::Command {
    let file: Value = serde_json::from_str(&home.read(FILE)).unwrap();
    let entry = &file["mcpServers"]["1mcp"];
    let args: Vec<&str> = entry["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .collect();
    program::other(entry["command"].as_str().unwrap(), home.path(), &args)
}
