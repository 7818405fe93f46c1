//! Which changes of an entry need another process, so that a reload touches only what it must.

use super::model::Server;

impl Server {
    /// Whether the running process (or the decision to run none) is no longer what the new entry
    /// says. Everything else (tags, tool lists, descriptions, prefix, timeouts, restart policy) is
    /// taken over in place. `isolation`, `era` and `roots` count: they decide what we declared to
    /// it at the handshake. So does another reason not to start it: it is shown.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> bool {
        if self.disabled && new.disabled {
            return false;
        }
        self.disabled != new.disabled
            || self.process_hash != new.process_hash
            || self.fault != new.fault
            || self.isolation != new.isolation
            || self.era != new.era
            || self.roots != new.roots
    }

    /// Whether the session is to be kept alive by other rules than before.
    #[must_use]
    pub fn keeps_alive_otherwise(&self, new: &Self) -> bool {
        self.connect_ms != new.connect_ms || self.restart != new.restart
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, read};
    use super::*;

    fn server(keys: &str) -> Server {
        let text = format!(r#"{{"mcpServers": {{"a": {{"command": "a"{keys}}}}}}}"#);
        let config = read(text.as_bytes(), &Environment::default()).unwrap();
        config.servers.into_iter().next().unwrap()
    }

    #[test]
    fn contract_2_only_what_matters_to_the_process_restarts_it() {
        let plain = server("");
        assert!(!plain.needs_restart(&plain));
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
            let other = server(keys);
            assert_ne!(plain, other, "{keys}");
            assert!(!plain.needs_restart(&other), "{keys}");
            assert!(!other.needs_restart(&plain), "{keys}");
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
            let other = server(keys);
            assert!(plain.needs_restart(&other), "{keys}");
            assert!(other.needs_restart(&plain), "{keys}");
        }
    }

    #[test]
    fn what_is_not_run_is_restarted_only_to_show_another_reason() {
        let off = |args: &str| server(&format!(r#", "disabled": true, "args": {args}"#));
        assert!(!off("[]").needs_restart(&off(r#"["x"]"#)));
        let fault = |name: &str| server(&format!(r#", "args": ["${name}"]"#));
        assert!(fault("A").needs_restart(&fault("B")));
        assert!(!fault("A").needs_restart(&fault("A")));
    }

    #[test]
    fn rules_of_keeping_alive() {
        let plain = server("");
        for keys in [
            r#", "connectionTimeout": 5"#,
            r#", "maxRestarts": 5"#,
            r#", "restartDelay": 5"#,
        ] {
            assert!(plain.keeps_alive_otherwise(&server(keys)), "{keys}");
        }
        assert!(!plain.keeps_alive_otherwise(&server(r#", "requestTimeout": 5"#)));
    }
}
