//! Commands that stand alone.

use super::{Action, Command, command, value};

pub(super) const HEALTH: Command = Command {
    flags: &[value("url", "URL", "Where it runs").default("http://127.0.0.1:3050")],
    examples: &["1mcp health --url http://127.0.0.1:4000"],
    ..command(
        Action::Health,
        &["health"],
        "Ask a running instance how it is: exit code 0 healthy, 1 not, 3 not running",
    )
};

pub(super) const COMPLETIONS: Command = Command {
    operands: "bash|zsh|fish",
    examples: &["source <(1mcp completions bash)"],
    ..command(
        Action::Completions,
        &["completions"],
        "Print the completions of a shell",
    )
};

pub(super) const MAN: Command = Command {
    examples: &["1mcp man | man -l -"],
    ..command(Action::Man, &["man"], "Print the manual page")
};
