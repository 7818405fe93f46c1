//! `mcp tools disable` and `mcp tools enable`: the lists `disabledTools` and `enabledTools` of one
//! entry.
//!
//! A tool is offered unless `disabledTools` names it, and if there is a list `enabledTools`, only
//! if that names it. A list of the entry takes the place of the one in `serverDefaults`, so a list
//! that is begun here begins with what held until now.

use onemcp::json::write;

use super::config_file::Changed;
use super::done::Done;
use super::entry_edit::{self, Editor};
use super::entry_flags::array;
use super::known_tools;
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::{out, places, suggest, variable};

/// Stops offering tools.
pub(crate) fn disable(line: &Line) -> Result<u8, Failure> {
    switch(line, false)
}

/// Offers tools again.
pub(crate) fn enable(line: &Line) -> Result<u8, Failure> {
    switch(line, true)
}

fn switch(line: &Line, enable: bool) -> Result<u8, Failure> {
    let (action, state) = if enable {
        ("tools enable", "enabled")
    } else {
        ("tools disable", "disabled")
    };
    let (server, tools) = operands(line, action)?;
    let places = places::resolve(line, variable)?;
    let file = places.config_file.display().to_string();
    let (changed, _) = entry_edit::change(&places, &server, |editor| {
        tools.iter().try_for_each(|tool| {
            if enable {
                offer(editor, tool)
            } else {
                withhold(editor, tool)
            }
        })
    })?;
    let named = tools.join(", ");
    let text = match changed {
        Changed::No => format!("{state} already in {file}: {named} of {server}"),
        Changed::Yes { .. } => format!("{state} {named} of {server} in {file}"),
    };
    let known = known_tools::names(&places, &server);
    let unknown: Vec<String> = match &known {
        Some(known) => tools
            .iter()
            .filter(|tool| !known.contains(tool))
            .cloned()
            .collect(),
        None => Vec::new(),
    };
    let done = Done {
        action,
        name: &server,
        text,
        changed,
        more: vec![("tools", array(&tools)), ("unknown", array(&unknown))],
    };
    done.tell(line, &places)?;
    for tool in unknown {
        let names = known.iter().flatten().map(String::as_str);
        let hint = suggest::hint(&tool, names, "");
        let tool = write::string(&tool);
        out::note(&format!(
            "{server} had no tool {tool} when it last ran{hint}"
        ));
    }
    Ok(0)
}

/// The server and its tools, by the names that the server gives them.
fn operands(line: &Line, action: &str) -> Result<(String, Vec<String>), Failure> {
    let mut words = Vec::new();
    for operand in &line.operands {
        match operand.to_str() {
            Some(word) if !word.is_empty() => words.push(word.to_owned()),
            _ => return Err(Failure::Usage("a name is empty or not UTF-8".to_owned())),
        }
    }
    match words.split_first() {
        Some((server, tools)) if !tools.is_empty() => {
            // What clients see is `files_1mcp_read_file`; what the server calls it, `read_file`.
            let prefix = format!("{server}_1mcp_");
            let plain = |tool: &String| tool.strip_prefix(&prefix).unwrap_or(tool).to_owned();
            Ok((server.clone(), tools.iter().map(plain).collect()))
        }
        _ => Err(Failure::Usage(format!(
            "mcp {action} needs a server and a tool: 1mcp mcp {action} SERVER TOOL (1mcp mcp tools \
             shows them)"
        ))),
    }
}

/// `disabledTools` or `enabledTools` as they hold now.
fn effective(editor: &Editor<'_>, key: &str) -> Result<Option<Vec<String>>, Failure> {
    match editor.list(key)? {
        Some(own) => Ok(Some(own)),
        None => editor.default_list(key),
    }
}

fn withhold(editor: &mut Editor<'_>, tool: &str) -> Result<(), Failure> {
    match effective(editor, "enabledTools")? {
        Some(enabled) => take_out(editor, "enabledTools", &enabled, tool),
        None => put_in(editor, "disabledTools", tool),
    }
}

fn offer(editor: &mut Editor<'_>, tool: &str) -> Result<(), Failure> {
    let disabled = effective(editor, "disabledTools")?.unwrap_or_default();
    take_out(editor, "disabledTools", &disabled, tool)?;
    // A list that became empty here says nothing any more, unless another one would hold then.
    let is_empty = editor
        .list("disabledTools")?
        .is_some_and(|list| list.is_empty());
    if !disabled.is_empty() && is_empty && editor.default_list("disabledTools")?.is_none() {
        editor.remove(&["disabledTools"])?;
    }
    match effective(editor, "enabledTools")? {
        Some(_) => put_in(editor, "enabledTools", tool),
        None => Ok(()),
    }
}

fn put_in(editor: &mut Editor<'_>, key: &str, tool: &str) -> Result<(), Failure> {
    let now = effective(editor, key)?.unwrap_or_default();
    if now.iter().any(|known| known == tool) {
        return Ok(());
    }
    if editor.list(key)?.is_some() {
        return editor.append(key, &write::string(tool));
    }
    let begun: Vec<String> = now.into_iter().chain([tool.to_owned()]).collect();
    editor.set(&[key], &array(&begun))
}

fn take_out(editor: &mut Editor<'_>, key: &str, now: &[String], tool: &str) -> Result<(), Failure> {
    if !now.iter().any(|known| known == tool) {
        return Ok(());
    }
    if editor.list(key)?.is_some() {
        return editor.remove_elements(key, |known| known == tool).map(drop);
    }
    let left: Vec<String> = now.iter().filter(|known| *known != tool).cloned().collect();
    editor.set(&[key], &array(&left))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::args::parse;

    #[track_caller]
    fn makes(file: &str, edit: fn(&mut Editor<'_>, &str) -> Result<(), Failure>, expected: &str) {
        let edited = entry_edit::edited(file, "x", |editor| edit(editor, "t")).unwrap();
        assert_eq!(edited, expected);
    }

    #[test]
    fn contract_1_a_tool_is_withheld_and_offered_again() {
        for (offered, withheld) in [
            (
                r#"{"mcpServers":{"x":{"command":"c"}}}"#,
                r#"{"mcpServers":{"x":{"command":"c","disabledTools":["t"]}}}"#,
            ),
            (
                r#"{"mcpServers":{"x":{"disabledTools":["a"]}}}"#,
                r#"{"mcpServers":{"x":{"disabledTools":["a","t"]}}}"#,
            ),
            (
                r#"{"mcpServers":{"x":{"enabledTools":["a", "t"]}}}"#,
                r#"{"mcpServers":{"x":{"enabledTools":["a"]}}}"#,
            ),
            (
                r#"{"mcpServers":{"x":{"enabledTools":["t"]}}}"#,
                r#"{"mcpServers":{"x":{"enabledTools":[]}}}"#,
            ),
        ] {
            makes(offered, withhold, withheld);
            makes(withheld, withhold, withheld);
            makes(offered, offer, offered);
            let back = entry_edit::edited(withheld, "x", |editor| offer(editor, "t")).unwrap();
            assert_eq!(back.replace(", ", ","), offered.replace(", ", ","));
        }
        makes(
            r#"{"mcpServers":{"x":{"enabledTools":["a"],"disabledTools":["b","t"]}}}"#,
            offer,
            r#"{"mcpServers":{"x":{"enabledTools":["a","t"],"disabledTools":["b"]}}}"#,
        );
    }

    #[test]
    fn contract_2_what_the_defaults_say_goes_on_holding() {
        makes(
            r#"{"serverDefaults":{"disabledTools":["a"]},"mcpServers":{"x":{"y":1}}}"#,
            withhold,
            r#"{"serverDefaults":{"disabledTools":["a"]},"mcpServers":{"x":{"y":1,"disabledTools":["a","t"]}}}"#,
        );
        makes(
            r#"{"serverDefaults":{"disabledTools":["t"]},"mcpServers":{"x":{"y":1}}}"#,
            offer,
            r#"{"serverDefaults":{"disabledTools":["t"]},"mcpServers":{"x":{"y":1,"disabledTools":[]}}}"#,
        );
        makes(
            r#"{"serverDefaults":{"enabledTools":["a"]},"mcpServers":{"x":{"y":1}}}"#,
            offer,
            r#"{"serverDefaults":{"enabledTools":["a"]},"mcpServers":{"x":{"y":1,"enabledTools":["a","t"]}}}"#,
        );
    }

    #[test]
    fn names_as_clients_see_them_are_understood() {
        let read = |args: &str| {
            let args = args.split_whitespace().map(OsString::from);
            operands(&parse(args, |_| None).unwrap(), "tools disable")
        };
        let (server, tools) = read("mcp tools disable files files_1mcp_read other").unwrap();
        assert_eq!(
            (server.as_str(), tools.join(",").as_str()),
            ("files", "read,other")
        );
        assert_eq!(read("mcp tools disable files").unwrap_err().code(), 2);
    }
}
