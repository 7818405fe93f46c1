//! `auth`: the owner's password, clients, and what they were given.

use super::{Action, Command, Flag, command, switch, value};

pub(super) const SET_PASSWORD: Command = Command {
    examples: &[
        "1mcp auth set-password",
        "pass show 1mcp | 1mcp auth set-password",
    ],
    ..command(
        Action::AuthSetPassword,
        &["auth", "set-password"],
        "Set the owner's password; asked for twice, or the first line of stdin",
    )
};

pub(super) const CLIENT_ADD: Command = Command {
    operands: "NEW",
    flags: CLIENT_ADD_FLAGS,
    examples: &["1mcp auth client add claude --redirect https://claude.ai/api/mcp/auth_callback"],
    ..command(
        Action::AuthClientAdd,
        &["auth", "client", "add"],
        "Add a client by hand: prints the id and the secret for its dialog",
    )
};

const CLIENT_ADD_FLAGS: &[Flag] = &[
    value(
        "redirect",
        "URI",
        "Where the client takes its answer; may be given several times",
    ),
    switch(
        "public",
        "The client cannot keep a secret: a program on somebody's machine",
    ),
];

pub(super) const CLIENT_LIST: Command = command(
    Action::AuthClientList,
    &["auth", "client", "list"],
    "List the clients that are known, and how they came to be",
);

pub(super) const CLIENT_REMOVE: Command = Command {
    operands: "CLIENT",
    ..command(
        Action::AuthClientRemove,
        &["auth", "client", "remove"],
        "Remove a client, by its id or its name, and all that it was given",
    )
};

pub(super) const TOKENS_LIST: Command = command(
    Action::AuthTokensList,
    &["auth", "tokens", "list"],
    "List what clients were given: since when, for what, until when",
);

pub(super) const TOKENS_REVOKE: Command = Command {
    operands: "[TOKEN]",
    flags: &[switch("all", "Revoke everything that any client was given")],
    ..command(
        Action::AuthTokensRevoke,
        &["auth", "tokens", "revoke"],
        "Revoke what a client was given; a running 1mcp cuts it off within a second",
    )
};
