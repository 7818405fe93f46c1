//! What must hold for any bytes as `mcp.json` or `.env`: reading never panics, the same bytes
//! mean the same, and every edit means the same on the text as on the tree.

use super::edit::model::{checked_remove, checked_set};
use super::jsonc::{self, Dialect, Value};
use super::{Environment, read};

/// Reads any bytes as a configuration, and edits them if they are one. The first four bytes choose
/// the place and the value.
pub fn config(data: &[u8]) {
    let Some((control, text)) = data.split_first_chunk::<4>() else {
        return;
    };
    let environment = Environment::new(std::iter::empty(), text);
    if let Ok(config) = read(text, &environment) {
        let same = |server: &super::Server| !server.needs_restart(server);
        assert!(config.servers.iter().all(same));
        assert_eq!(read(text, &environment), Ok(config));
    }
    let root = jsonc::parse(text, Dialect::Relaxed).ok();
    let mut path: Vec<&str> = Vec::new();
    let mut here = root.as_ref();
    for choice in &control[..3] {
        let members = here.map(Value::members).unwrap_or_default();
        let member = members.get(usize::from(*choice));
        path.push(member.map_or("new", |member| member.key.as_str()));
        here = member.map(|member| &member.value);
        if here.is_none_or(|value| value.members().is_empty()) && choice % 2 == 0 {
            break;
        }
    }
    let values = [
        "null",
        "[1,\"x\"]",
        r#"{"a":{"b":[{"c":1}]},"d\u0041\n":-1.50e3}"#,
        "{}",
    ];
    let value = values[usize::from(control[3] % 4)];
    if let Some(edited) = checked_set(text, &path, value) {
        assert!(checked_set(&edited, &path, value).is_some());
        assert!(checked_remove(&edited, &path).is_some());
    }
    drop(checked_remove(text, &path));
}
