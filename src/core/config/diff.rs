//! What changed between two configurations, so that a reload touches only what it must.

use std::collections::BTreeMap;

use super::model::{Config, Server};

/// One difference. Indices point into `old.servers` and `new.servers`. A server that did not
/// change is not mentioned, but its index may differ: servers are the same by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Stop it and forget it.
    Removed {
        /// Where it was.
        old: usize,
    },
    /// Start it (unless it is disabled or has a fault).
    Added {
        /// Where it is.
        new: usize,
    },
    /// Something that matters to the process changed, or it was enabled or disabled: stop the old
    /// one, then start the new one (unless it is disabled or has a fault).
    Restart {
        /// Where it was.
        old: usize,
        /// Where it is.
        new: usize,
    },
    /// The process goes on; everything else (tags, tool lists, descriptions, prefix, timeouts,
    /// restart policy) is to be taken from the new entry.
    InPlace {
        /// Where it was.
        old: usize,
        /// Where it is.
        new: usize,
    },
    /// The servers that were there before stand in another order.
    Reordered,
}

/// The differences: removed ones first, then the others in the new order, `Reordered` last.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let index = |servers: &[Server]| -> BTreeMap<_, _> {
        let names = servers.iter().map(|server| server.name.clone());
        names.zip(0usize..).collect()
    };
    let (before, after) = (index(&old.servers), index(&new.servers));
    let mut changes: Vec<Change> = (old.servers.iter().zip(0..))
        .filter(|(server, _)| !after.contains_key(&server.name))
        .map(|(_, old)| Change::Removed { old })
        .collect();
    let mut last = None;
    let mut reordered = false;
    for (server, at) in new.servers.iter().zip(0..) {
        let Some(was_at) = before.get(&server.name).copied() else {
            changes.push(Change::Added { new: at });
            continue;
        };
        reordered |= last > Some(was_at);
        last = Some(was_at);
        let Some(was) = old.servers.get(was_at) else {
            continue;
        };
        let (old, new) = (was_at, at);
        if process_changed(was, server) {
            changes.push(Change::Restart { old, new });
        } else if was != server {
            changes.push(Change::InPlace { old, new });
        }
    }
    if reordered {
        changes.push(Change::Reordered);
    }
    changes
}

/// Whether the running process (or the decision to run none) is no longer what the entry says.
/// `isolation`, `era` and `roots` count: they decide what we declared to it at the handshake.
fn process_changed(old: &Server, new: &Server) -> bool {
    let runs = |server: &Server| !server.disabled && server.fault.is_none();
    if !runs(old) && !runs(new) {
        return false;
    }
    runs(old) != runs(new)
        || old.process_hash != new.process_hash
        || old.isolation != new.isolation
        || old.era != new.era
        || old.roots != new.roots
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, read};
    use super::*;

    fn config(entries: &str) -> Config {
        let text = format!("{{\"mcpServers\": {{{entries}}}}}");
        read(text.as_bytes(), &Environment::default()).unwrap()
    }

    fn changes(old: &str, new: &str) -> Vec<Change> {
        diff(&config(old), &config(new))
    }

    const A: &str = r#""a": {"command": "a"}"#;
    const B: &str = r#""b": {"command": "b"}"#;

    #[test]
    fn contract_2_added_removed_reordered() {
        let both = format!("{A},{B}");
        assert_eq!(changes(&both, &both), []);
        assert_eq!(changes(A, &both), [Change::Added { new: 1 }]);
        assert_eq!(changes(&both, B), [Change::Removed { old: 0 }]);
        assert_eq!(changes(&both, &format!("{B},{A}")), [Change::Reordered]);
        assert_eq!(
            changes(A, B),
            [Change::Removed { old: 0 }, Change::Added { new: 0 }]
        );
    }

    #[test]
    fn contract_2_only_what_matters_to_the_process_restarts_it() {
        let with = |keys: &str| format!(r#""a": {{"command": "a"{keys}}}"#);
        for keys in [
            r#", "tags": ["x"]"#,
            r#", "disabledTools": ["x"]"#,
            r#", "enabledTools": ["x"]"#,
            r#", "toolDescriptionOverrides": {"x": "y"}"#,
            r#", "instructionOverride": "x""#,
            r#", "prefix": """#,
            r#", "timeout": 5"#,
            r#", "restartOnExit": false"#,
        ] {
            assert_eq!(
                changes(A, &with(keys)),
                [Change::InPlace { old: 0, new: 0 }],
                "{keys}"
            );
        }
        for keys in [
            r#", "args": ["x"]"#,
            r#", "env": {"X": "1"}"#,
            r#", "cwd": "/""#,
            r#", "isolation": "session""#,
            r#", "era": "legacy""#,
            r#", "roots": []"#,
            r#", "disabled": true"#,
            r#", "args": ["$MISSING"]"#,
        ] {
            let restart = [Change::Restart { old: 0, new: 0 }];
            assert_eq!(changes(A, &with(keys)), restart, "{keys}");
            assert_eq!(changes(&with(keys), A), restart, "{keys}");
        }
    }

    #[test]
    fn a_server_that_does_not_run_is_not_restarted() {
        let off =
            |args: &str| format!(r#""a": {{"command": "a", "disabled": true, "args": {args}}}"#);
        assert_eq!(
            changes(&off("[]"), &off(r#"["x"]"#)),
            [Change::InPlace { old: 0, new: 0 }]
        );
    }
}
