//! Which servers a client asks to see. Half of them ask for one side of the servers, in one of four
//! ways that mean the same; which client and which server is on which side never changes, so that
//! what one side does must never reach the other.

use onemcp::filter::{Expr, Preset, Presets};

/// The tags of servers.
const SIDES: [&str; 2] = ["left", "right"];

/// The tag of a server.
pub(crate) fn side_of(server: &str) -> &'static str {
    let sum: usize = server.bytes().map(usize::from).sum();
    SIDES[sum % 2]
}

/// What a client asks for; `None` for everything.
fn wish_of(client: usize) -> Option<(&'static str, &'static str)> {
    match client % 4 {
        1 => Some((SIDES[0], SIDES[1])),
        3 => Some((SIDES[1], SIDES[0])),
        _ => None,
    }
}

/// Whether a client on HTTP sees a server.
pub(crate) fn sees(client: usize, server: &str) -> bool {
    wish_of(client).is_none_or(|(wanted, _)| side_of(server) == wanted)
}

/// The target of a request of a client; `turn` chooses the way to say it.
pub(crate) fn target(client: usize, target: &str, turn: usize) -> String {
    let ours = matches!(target, "/mcp" | "/sse");
    let Some((wanted, other)) = wish_of(client).filter(|_| ours) else {
        return target.to_owned();
    };
    match turn % 4 {
        0 => format!("{target}?tags={wanted}"),
        1 => format!("{target}?filter={}+!{other}", wanted.to_uppercase()),
        2 => format!("{target}?x=1&tag-filter=not%20{other}"),
        _ => format!("{target}?preset={wanted}"),
    }
}

/// The presets that clients ask for.
pub(crate) fn presets() -> Presets {
    let mut presets = Presets::default();
    for side in SIDES {
        let expr = Expr::Tag(side.into()).into();
        let description = None;
        presets.insert(side, Preset { description, expr });
    }
    presets
}
