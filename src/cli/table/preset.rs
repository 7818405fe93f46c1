//! `preset`: filters with a name.

use super::{Action, Command, Flag, command, switch, value};

pub(super) const CREATE: Command = Command {
    operands: "NEW",
    flags: &[
        FILTER,
        value("description", "TEXT", "What it is for"),
        FORCE,
    ],
    examples: &[
        "1mcp preset create dev --filter \"web,db\"",
        "1mcp preset create safe --filter \"web and not (db or slow)\" --description Guests",
    ],
    ..command(
        Action::PresetCreate,
        &["preset", "create"],
        "Give a filter a name, for ?preset=NAME and --preset",
    )
};

pub(super) const LIST: Command = command(
    Action::PresetList,
    &["preset", "list"],
    "List the presets and how many servers each admits",
);

pub(super) const SHOW: Command = Command {
    operands: "PRESET",
    ..command(
        Action::PresetShow,
        &["preset", "show"],
        "Show a preset and the servers that it admits",
    )
};

pub(super) const EDIT: Command = Command {
    operands: "PRESET",
    flags: &[FILTER, DESCRIPTION],
    examples: &["1mcp preset edit dev --filter \"web,db,cache\""],
    ..command(
        Action::PresetEdit,
        &["preset", "edit"],
        "Change what is given of a preset; sessions that use it follow at once",
    )
};

pub(super) const DELETE: Command = Command {
    operands: "PRESET",
    flags: &[YES],
    examples: &["1mcp preset delete dev --yes"],
    ..command(
        Action::PresetDelete,
        &["preset", "delete"],
        "Delete a preset; sessions that use it see nothing then",
    )
};

pub(super) const URL: Command = Command {
    operands: "PRESET",
    ..command(
        Action::PresetUrl,
        &["preset", "url"],
        "Print the URL under which a client sees only what a preset admits",
    )
};

pub(super) const TEST: Command = Command {
    operands: "[PRESET]",
    flags: &[TESTED],
    examples: &[
        "1mcp preset test dev",
        "1mcp preset test --filter \"web and not db\"",
    ],
    ..command(
        Action::PresetTest,
        &["preset", "test"],
        "Show which configured servers a preset or a filter admits: exit code 3 if none",
    )
};

const FILTER: Flag = value(
    "filter",
    "EXPR",
    "Which servers, by their tags: \"web and not (db or slow)\"",
)
.short('f');
const TESTED: Flag = value("filter", "EXPR", "A filter that has no name yet").short('f');
const DESCRIPTION: Flag = value(
    "description",
    "TEXT",
    "What it is for; an empty text removes it",
);
const FORCE: Flag = switch("force", "Replace a preset of the same name");
const YES: Flag = switch("yes", "Delete it without a question").short('y');
