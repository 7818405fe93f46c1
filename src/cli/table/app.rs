//! `app`: the applications that can use 1mcp instead of their own servers.

use super::{Action, Command, Flag, command, switch, value};

pub(super) const DISCOVER: Command = command(
    Action::AppDiscover,
    &["app", "discover"],
    "Find installed applications, their files and their servers",
);

pub(super) const LIST: Command = command(
    Action::AppList,
    &["app", "list"],
    "List the applications that 1mcp knows",
);

pub(super) const STATUS: Command = Command {
    operands: "[APP]",
    ..command(
        Action::AppStatus,
        &["app", "status"],
        "Show whether applications use 1mcp",
    )
};

pub(super) const CONSOLIDATE: Command = Command {
    operands: "APP...",
    flags: CONSOLIDATE_FLAGS,
    examples: &[
        "1mcp app consolidate claude-desktop --dry-run",
        "1mcp app consolidate claude-desktop",
    ],
    ..command(
        Action::AppConsolidate,
        &["app", "consolidate"],
        "Take over the servers of an application and let it use 1mcp",
    )
};

pub(super) const BACKUPS: Command = Command {
    operands: "[APP]",
    flags: BACKUPS_FLAGS,
    ..command(
        Action::AppBackups,
        &["app", "backups"],
        "List the backups of application files",
    )
};

pub(super) const RESTORE: Command = Command {
    operands: "[APP...]",
    flags: RESTORE_FLAGS,
    examples: &["1mcp app restore claude-desktop"],
    ..command(
        Action::AppRestore,
        &["app", "restore"],
        "Give an application its file back, byte for byte",
    )
};

const DRY_RUN: Flag = switch("dry-run", "Show what would change, and change nothing");
const SHOW_SECRETS: Flag = switch("show-secrets", "Show secrets instead of ***");
const YES: Flag = switch("yes", "Answer every question with yes").short('y');

const CONSOLIDATE_FLAGS: &[Flag] = &[
    DRY_RUN,
    YES,
    switch(
        "force",
        "Do not check that the servers start; consolidate again",
    ),
    switch("backup-only", "Back the file up, and change nothing"),
    switch("no-backup", "Change the file without a backup"),
    switch(
        "manual-only",
        "Print what to enter by hand, and change nothing",
    ),
    value(
        "url",
        "URL",
        "Let the application use a running 1mcp at this URL",
    ),
    switch(
        "project",
        "The file of the project in this directory instead of the user's",
    ),
    SHOW_SECRETS,
];

const BACKUPS_FLAGS: &[Flag] = &[
    switch("verify", "Compare each backup with its hash"),
    value("cleanup", "DAYS", "Remove backups older than this"),
];

const RESTORE_FLAGS: &[Flag] = &[
    value("backup", "FILE", "This backup instead of the newest"),
    switch("list", "List the backups, and change nothing"),
    switch("all", "Every application that has a backup"),
    DRY_RUN,
    YES,
    switch(
        "remove-imported",
        "Remove the servers that came from the application from mcp.json too",
    ),
    SHOW_SECRETS,
];
