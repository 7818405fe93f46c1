//! `mcp update`: changes the keys of one entry that were given, and no other byte.

use onemcp::config::jsonc::{Kind, Value};
use onemcp::config::{self, RemoteKind};
use onemcp::json::write;

use super::config_file::Changed;
use super::done::Done;
use super::entry_edit::{self, Editor, fault};
use super::entry_flags::{self, Target, Type, Way, Wish, array, name_of, usage};
use super::mcp_add::{environment, type_for};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::{out, places, suggest, variable};

/// What only a command has.
const OF_COMMANDS: [&str; 6] = [
    "command",
    "args",
    "cwd",
    "env",
    "inheritParentEnv",
    "envFilter",
];
/// What only a remote server has.
const OF_REMOTES: [&str; 3] = ["url", "headers", "oauth"];

/// Changes the server.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    let (name, wish) = entry_flags::read(line, "mcp update")?;
    let unset = line.all("unset", |text| match text {
        "" => Err("the name of a key".to_owned()),
        text => Ok(text.to_owned()),
    })?;
    if wish.is_empty() && unset.is_empty() {
        return usage(format!(
            "nothing is to be changed: give {name} a flag, or a command after -- (see 1mcp mcp \
             update --help)"
        ));
    }
    let places = places::resolve(line, variable)?;
    entry_flags::refuse_running(&places, line)?;
    let file = places.config_file.display().to_string();
    let (changed, touched) = entry_edit::change(&places, &name, |editor| {
        // First away, then anew: `--unset env --env A=1` leaves one variable.
        unset
            .iter()
            .try_for_each(|key| take_away(editor, key, &name))?;
        apply(editor, &wish)
    })?;
    let text = match &changed {
        Changed::No => format!("nothing to change: {name} is so already in {file}"),
        Changed::Yes { .. } => format!("updated {name} in {file}: {}", touched.join(", ")),
    };
    let fault = fault(&places, &name);
    let mut more = vec![("keys", array(&touched))];
    more.extend(
        fault
            .as_deref()
            .map(|fault| ("fault", write::string(fault))),
    );
    let done = Done {
        action: "update",
        name: &name,
        text,
        changed,
        more,
    };
    done.tell(line, &places)?;
    if let Some(fault) = fault {
        out::note(&format!("{name} cannot be started yet: {fault}"));
    }
    Ok(0)
}

/// `--unset tags`, `--unset env.TOKEN`.
fn take_away(editor: &mut Editor<'_>, key: &str, name: &str) -> Result<(), Failure> {
    if editor.remove(&[key])? {
        return Ok(());
    }
    if let Some((outer, inner)) = key.split_once('.') {
        let is_list = |value: Value| matches!(value.kind, Kind::Array(_));
        if editor.get(outer)?.is_some_and(is_list) {
            if editor.remove_elements(outer, |item| name_of(item) == inner)? {
                return Ok(());
            }
        } else if editor.get(outer)?.is_some() && editor.remove(&[outer, inner])? {
            return Ok(());
        }
    }
    let entry = editor.entry()?;
    let keys = entry.iter().flat_map(Value::members);
    let hint = suggest::hint(key, keys.map(|member| member.key.as_str()), "");
    Err(Failure::Absent(format!(
        "{name} has no {key:?} to unset{hint}"
    )))
}

fn apply(editor: &mut Editor<'_>, wish: &Wish) -> Result<(), Failure> {
    let now = way(editor)?;
    let then = wish.target.as_ref().map_or(now, Target::way);
    wish.fits(then)?;
    if now != then {
        let others: &[&str] = match then {
            Way::Command => &OF_REMOTES,
            Way::Remote => &OF_COMMANDS,
        };
        for key in others.iter().chain(&["type"]) {
            editor.remove(&[key])?;
        }
    }
    match &wish.target {
        Some(Target::Command { program, args }) => {
            editor.set(&["command"], &write::string(program))?;
            if args.is_empty() {
                editor.remove(&["args"])?;
            } else {
                editor.set(&["args"], &array(args))?;
            }
        }
        Some(Target::Url(url)) => set_url(editor, url, wish.kind)?,
        None => {}
    }
    if then == Way::Remote
        && let Some(kind) = wish.kind
    {
        set_type(editor, kind)?;
    }
    if let Some(cwd) = &wish.cwd {
        editor.set(&["cwd"], &write::string(cwd))?;
    }
    set_env(editor, &wish.env)?;
    for (name, value) in &wish.headers {
        let name = header_there(editor, name)?;
        editor.set(&["headers", &name], &write::string(value))?;
    }
    if let Some(tags) = &wish.tags {
        editor.set(&["tags"], &array(tags))?;
    }
    wish.plain
        .iter()
        .try_for_each(|(key, value)| editor.set(&[key], value))
}

/// A header as it is written in the entry already: case means nothing there.
fn header_there(editor: &Editor<'_>, name: &str) -> Result<String, Failure> {
    let headers = editor.get("headers")?;
    let members = headers.iter().flat_map(Value::members);
    let mut same = members.filter(|member| member.key.eq_ignore_ascii_case(name));
    Ok(same.next().map_or(name, |member| &member.key).to_owned())
}

/// How the server is reached now.
fn way(editor: &Editor<'_>) -> Result<Way, Failure> {
    let kind = editor.get("type")?.map(|value| value.kind);
    Ok(match kind {
        Some(Kind::String(kind)) if kind == "stdio" => Way::Command,
        Some(Kind::String(_)) => Way::Remote,
        _ if editor.get("command")?.is_some() => Way::Command,
        _ if editor.get("url")?.is_some() => Way::Remote,
        _ => Way::Command,
    })
}

/// A new URL. A type that only says what the old URL says already follows the new one.
fn set_url(editor: &mut Editor<'_>, url: &str, wanted: Option<Type>) -> Result<(), Failure> {
    let text = |value: Option<Value>| match value.map(|value| value.kind) {
        Some(Kind::String(text)) => Some(text),
        _ => None,
    };
    let (kind, old) = (text(editor.get("type")?), text(editor.get("url")?));
    editor.set(&["url"], &write::string(url))?;
    let said = kind.as_deref().map(|kind| match kind {
        "sse" => RemoteKind::Sse,
        _ => RemoteKind::Http,
    });
    let follows = said.is_some() && said == old.as_deref().map(config::kind_of);
    if wanted.is_none() && follows && said != Some(config::kind_of(url)) {
        editor.remove(&["type"])?;
    }
    Ok(())
}

/// `type`, written where it cannot be seen from the URL or where it is written already.
fn set_type(editor: &mut Editor<'_>, kind: Type) -> Result<(), Failure> {
    let url = match editor.get("url")?.map(|value| value.kind) {
        Some(Kind::String(url)) => url,
        _ => String::new(),
    };
    let written = editor.get("type")?.map(|value| value.kind);
    let is_http = |text: &str| text != "sse" && text != "stdio";
    let said = match (&written, kind) {
        (Some(Kind::String(text)), Type::Http) => is_http(text),
        (Some(Kind::String(text)), Type::Sse) => text == "sse",
        _ => false,
    };
    match (type_for(Some(kind), &url), written.is_some()) {
        _ if said => Ok(()),
        (Some(json), _) => editor.set(&["type"], json),
        (None, true) => editor.remove(&["type"]).map(drop),
        (None, false) => Ok(()),
    }
}

/// Sets variables and keeps the others, in the form that `env` has.
fn set_env(editor: &mut Editor<'_>, variables: &[String]) -> Result<(), Failure> {
    if variables.is_empty() {
        return Ok(());
    }
    let list = match editor.get("env")?.map(|value| value.kind) {
        None => return editor.set(&["env"], &environment(variables)),
        Some(Kind::Array(_)) => true,
        Some(_) => false,
    };
    for variable in variables {
        let name = name_of(variable);
        match (list, variable.split_once('=')) {
            (true, _) => set_in_list(editor, name, variable)?,
            (false, Some((name, value))) => editor.set(&["env", name], &write::string(value))?,
            (false, None) => {
                return usage(format!(
                    "env is an object here, which cannot hold {name} without a value: give --env \
                     '{name}=${{{name}}}'"
                ));
            }
        }
    }
    Ok(())
}

fn set_in_list(editor: &mut Editor<'_>, name: &str, variable: &str) -> Result<(), Failure> {
    let list = editor.list("env")?.unwrap_or_default();
    let json = write::string(variable);
    // The last of several counts.
    match list.iter().rposition(|item| name_of(item) == name) {
        Some(at) if list.get(at).is_some_and(|item| item == variable) => Ok(()),
        Some(at) => editor.set_element("env", at, &json),
        None => editor.append("env", &json),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::args::parse;

    /// The entry of `x` after the command, in a file that holds only it.
    fn updated(entry: &str, args: &str) -> Result<String, Failure> {
        let args = ["mcp", "update", "x"]
            .into_iter()
            .chain(args.split_whitespace());
        let line = parse(args.map(OsString::from), |_| None)?;
        let (_, wish) = entry_flags::read(&line, "mcp update")?;
        let unset = line.all("unset", |text| Ok(text.to_owned()))?;
        let text = format!("{{\"mcpServers\":{{\"x\":{entry}}}}}");
        let text = entry_edit::edited(&text, "x", |editor| {
            unset
                .iter()
                .try_for_each(|key| take_away(editor, key, "x"))?;
            apply(editor, &wish)
        })?;
        entry_edit::check(text.as_bytes(), "x", "f")?;
        let inner = text.strip_prefix("{\"mcpServers\":{\"x\":").unwrap();
        Ok(inner.strip_suffix("}}").unwrap().to_owned())
    }

    #[track_caller]
    fn makes(entry: &str, args: &str, expected: &str) {
        assert_eq!(updated(entry, args).unwrap(), expected);
    }

    #[test]
    fn contract_1_only_what_is_given_changes() {
        let entry = r#"{"command":"npx", "args" : ["a"], "mine":[1, 2],"tags":["t"]}"#;
        makes(
            entry,
            "--tags a,b",
            r#"{"command":"npx", "args" : ["a"], "mine":[1, 2],"tags":["a","b"]}"#,
        );
        makes(entry, "--tags t", entry);
        makes(
            entry,
            "--unset tags --unset mine",
            r#"{"command":"npx", "args" : ["a"]}"#,
        );
        makes(
            entry,
            "-- uvx",
            r#"{"command":"uvx", "mine":[1, 2],"tags":["t"]}"#,
        );
        makes(entry, "-- npx a", entry);
        let timed = r#"{"command":"c","timeout":5e3,"restartOnExit":true}"#;
        makes(
            timed,
            "--timeout 7 --no-restart-on-exit --max-restarts 0 --disabled",
            r#"{"command":"c","timeout":7,"restartOnExit":false,"maxRestarts":0,"disabled":true}"#,
        );
    }

    #[test]
    fn contract_1_one_variable_is_set_and_the_others_stay() {
        let object = r#"{"command":"c","env":{"A":"1","B" : "2"}}"#;
        makes(
            object,
            "--env B=3=4 --env C=",
            r#"{"command":"c","env":{"A":"1","B" : "3=4","C":""}}"#,
        );
        makes(object, "--env A=1", object);
        makes(
            object,
            "--unset env.A",
            r#"{"command":"c","env":{"B" : "2"}}"#,
        );
        let list = r#"{"command":"c","env":["A=1" , "B"]}"#;
        makes(
            list,
            "--env B=2",
            r#"{"command":"c","env":["A=1" , "B=2"]}"#,
        );
        makes(
            list,
            "--env C",
            r#"{"command":"c","env":["A=1" , "B","C"]}"#,
        );
        makes(list, "--env A=1 --env B", list);
        makes(list, "--unset env.A", r#"{"command":"c","env":["B"]}"#);
        makes(
            r#"{"command":"c"}"#,
            "--env A --env B=1",
            r#"{"command":"c","env":["A","B=1"]}"#,
        );
        makes(
            object,
            "--unset env --env Z=1",
            r#"{"command":"c","env":{"Z":"1"}}"#,
        );
        let refused = updated(object, "--env PATH").unwrap_err();
        assert!(refused.line().unwrap().contains("PATH=${PATH}"));
    }

    #[test]
    fn contract_1_the_keys_of_the_other_kind_go() {
        makes(
            r#"{"type":"stdio","command":"c","args":["a"],"cwd":"/","env":{},"tags":["t"]}"#,
            "--url https://h/sse --header A=b",
            r#"{"tags":["t"],"url":"https://h/sse","headers":{"A":"b"}}"#,
        );
        makes(
            r#"{"type":"http","url":"https://h","headers":{"A":"b"},"tags":["t"]}"#,
            "--env A=1 -- c d",
            r#"{"tags":["t"],"command":"c","args":["d"],"env":{"A":"1"}}"#,
        );
        makes(
            r#"{"type":"stdio","command":"c"}"#,
            "-- d",
            r#"{"type":"stdio","command":"d"}"#,
        );
    }

    #[test]
    fn contract_1_the_type_follows_the_url_unless_it_was_chosen() {
        let plain = r#"{"type":"sse","url":"https://h/sse"}"#;
        makes(plain, "--url https://h/mcp", r#"{"url":"https://h/mcp"}"#);
        makes(
            plain,
            "--url https://g/sse",
            r#"{"type":"sse","url":"https://g/sse"}"#,
        );
        makes(
            r#"{"type":"sse","url":"https://h/old"}"#,
            "--url https://h/new",
            r#"{"type":"sse","url":"https://h/new"}"#,
        );
        makes(
            r#"{"url":"https://h/mcp"}"#,
            "--type sse",
            r#"{"url":"https://h/mcp","type":"sse"}"#,
        );
        makes(
            r#"{"type":"streamable-http","url":"https://h/mcp"}"#,
            "--type http --header B=c",
            r#"{"type":"streamable-http","url":"https://h/mcp","headers":{"B":"c"}}"#,
        );
    }

    #[test]
    fn contract_1_what_makes_no_sense_is_refused() {
        let stdio = r#"{"command":"c","tags":[]}"#;
        for (args, code, expected) in [
            ("--header A=b", 2, "--header goes with --url"),
            ("--type sse", 2, "--type http and sse need --url"),
            ("--unset command", 2, "neither"),
            ("--unset tag", 3, "did you mean tags?"),
            ("--unset env.A", 3, "no \"env.A\" to unset"),
            ("-- 1mcp serve", 2, "loop"),
            ("--url https://h -- c", 2, "not both"),
        ] {
            let failure = updated(stdio, args).unwrap_err();
            assert_eq!(failure.code(), code, "{args}");
            assert!(failure.line().unwrap().contains(expected), "{failure:?}");
        }
    }
}
