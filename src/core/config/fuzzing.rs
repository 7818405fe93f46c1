//! What must hold for any bytes as `mcp.json` or `.env`: reading never panics, the same bytes
//! mean the same, and every edit means the same on the text as on the tree.

use super::edit::Step;
use super::edit::model::{Edit, checked_remove, checked_set, checked_twice};
use super::jsonc::{self, Dialect, Kind, Value};
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

const KEYS: [&str; 6] = [
    "new",
    "k0",
    "",
    "a\"\\\n\u{1}",
    "mcpServers",
    "\u{e4}\u{1f600}",
];
const NEW_VALUES: [&str; 8] = [
    "null",
    "{}",
    "[]",
    r#"{"command":"npx","args":["-y","x"],"env":{"A":"$B \u00e4"}}"#,
    r#"[{"name":"a"},{"name":"b","d\u0041\n":-1.50e300}]"#,
    "123456789012345678901234567890",
    r#"[["a long one, which does not fit on a line of eighty characters together with","this"]]"#,
    " [ 1 ,\r\n [ ] ] ",
];

/// Edits any bytes as a document, in every way the editor knows. The first eight bytes choose the
/// edit, the place and the value.
pub fn edit(data: &[u8]) {
    let Some((control, text)) = data.split_first_chunk::<8>() else {
        return;
    };
    let [what, key, value, choices @ ..] = control;
    let pick = |list: &[&'static str], by: u8| list.get(usize::from(by) % list.len()).copied();
    let key = pick(&KEYS, *key).unwrap_or_default();
    let json = pick(&NEW_VALUES, *value).unwrap_or_default();
    let root = jsonc::parse(text, Dialect::Relaxed).ok();
    let path = choose(root.as_ref(), key, choices);
    let edit = match what % 4 {
        0 => Edit::Set(&path, json),
        1 => Edit::Remove(&path),
        2 => Edit::Append(&path, json),
        _ => Edit::Rename(&path, key),
    };
    if let Some(edited) = checked_twice(text, &edit) {
        // A second edit elsewhere finds what the first one left.
        let root = jsonc::parse(&edited, Dialect::Relaxed).ok();
        let reversed: Vec<u8> = choices.iter().rev().copied().collect();
        let path = choose(root.as_ref(), key, &reversed);
        drop(checked_twice(&edited, &Edit::Remove(&path)));
        drop(checked_twice(&edited, &Edit::Set(&path, json)));
    }
}

/// A way into the document: each byte takes one of the items there, or one that is not there.
fn choose<'v>(root: Option<&'v Value>, key: &'v str, choices: &[u8]) -> Vec<Step<'v>> {
    let mut path = Vec::new();
    let mut here = root;
    for choice in choices {
        // The upper half ends the way, but a document is no place by itself to set.
        if *choice >= 0xE0 {
            break;
        }
        let choice = usize::from(*choice);
        match here.map(|value| &value.kind) {
            Some(Kind::Array(elements)) => {
                let index = choice % (elements.len() + 1);
                path.push(Step::Index(index));
                here = elements.get(index);
            }
            Some(Kind::Object(members)) => {
                let member = members.get(choice % (members.len() + 1));
                path.push(Step::Key(member.map_or(key, |member| &member.key)));
                here = member.map(|member| &member.value);
            }
            // At a scalar, or at nothing: sometimes a step further all the same.
            Some(_) if choice % 4 != 0 => break,
            None if choice % 2 != 0 => break,
            Some(_) | None => {
                path.push(Step::Key(key));
                here = None;
            }
        }
    }
    path
}
