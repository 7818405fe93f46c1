//! Cherry Studio. Keeps its servers in a database of its own, so nothing reads here: its user
//! enters 1mcp by hand.

use super::app::App;
use super::plan::OwnEntry;

pub(super) const APP: App = App {
    aliases: &["cherry"],
    ..App::manual("cherry-studio", "Cherry Studio", instructions)
};

fn instructions(own: &OwnEntry) -> String {
    let open = "In Cherry Studio open Settings, then MCP Servers, then \"Add Server\", and enter:";
    match own {
        OwnEntry::Command { command, args } => format!(
            "{open}\n\n  Name:       1mcp\n  Type:       STDIO\n  Command:    {command}\n  \
             Arguments:  {}\n\nwith each argument on a line of its own. Then take away the servers \
             that 1mcp runs.",
            args.join("\n              ")
        ),
        OwnEntry::Url(url) => format!(
            "{open}\n\n  Name:  1mcp\n  Type:  Streamable HTTP\n  URL:   {url}\n\nThen take away the \
             servers that 1mcp runs."
        ),
    }
}
