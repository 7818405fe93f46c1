//! Continue. Its servers stand in YAML files with anchors and secrets of its hub, which are not
//! edited: its user enters 1mcp by hand.

use super::app::App;
use super::plan::OwnEntry;
use crate::json::write;

pub(super) const APP: App = App {
    aliases: &["continue-dev"],
    ..App::manual("continue", "Continue", instructions)
};

fn instructions(own: &OwnEntry) -> String {
    // A string of JSON is a string of YAML.
    let entry = match own {
        OwnEntry::Command { command, args } => {
            let args: Vec<String> = args.iter().map(|arg| write::string(arg)).collect();
            format!(
                "    command: {}\n    args: [{}]",
                write::string(command),
                args.join(", ")
            )
        }
        OwnEntry::Url(url) => {
            format!("    type: streamable-http\n    url: {}", write::string(url))
        }
    };
    format!(
        "Put this into ~/.continue/config.yaml, in the place of the servers that 1mcp runs:\n\n\
         mcpServers:\n  - name: 1mcp\n{entry}"
    )
}
