//! `--help` and the flag tables of the README, both made from the table of commands.

use std::fmt::Write;

use super::table::{COMMANDS, Command, Flag, GLOBAL};

/// The help of one command.
pub(crate) fn of_command(command: &Command) -> String {
    let words = command.words.join(" ");
    let operands = match command.operands {
        "" => String::new(),
        operands => format!(" {operands}"),
    };
    let mut out = format!(
        "{}\n\nUsage: 1mcp {words} [FLAGS]{operands}\n",
        command.help
    );
    let shown: Vec<&Flag> = command.flags.iter().collect();
    if !shown.is_empty() {
        out.push_str("\nFlags:\n");
        push_flags(&mut out, &shown);
    }
    out.push_str("\nGlobal flags:\n");
    push_flags(&mut out, &GLOBAL.iter().collect::<Vec<_>>());
    if !command.examples.is_empty() {
        out.push_str("\nExamples:\n");
        for example in command.examples {
            push(&mut out, format_args!("  {example}\n"));
        }
    }
    out
}

/// The help of everything, or of the commands that begin with these words.
pub(crate) fn of_group(words: &[String]) -> String {
    let mut out = String::from("One MCP endpoint in front of many MCP servers.\n\n");
    let group = match words {
        [] => "COMMAND".to_owned(),
        words => format!("{} COMMAND", words.join(" ")),
    };
    push(
        &mut out,
        format_args!("Usage: 1mcp [FLAGS] {group}\n\nCommands:\n"),
    );
    let commands: Vec<(String, &str)> = COMMANDS
        .iter()
        .filter(|command| !command.hidden)
        .filter(|command| {
            command
                .words
                .iter()
                .zip(words)
                .all(|(known, word)| known == word)
        })
        .map(|command| (command.words.join(" "), command.help))
        .collect();
    push_columns(&mut out, &commands);
    out.push_str("\nGlobal flags:\n");
    push_flags(&mut out, &GLOBAL.iter().collect::<Vec<_>>());
    out.push_str("\n1mcp alone serves. 1mcp COMMAND --help shows the flags of a command.\n");
    out
}

/// The tables of the README, in Markdown.
pub(crate) fn readme_flags() -> String {
    let mut out = String::new();
    push_table(&mut out, "every command", GLOBAL, true);
    for command in COMMANDS.iter().filter(|command| !command.hidden) {
        if !command.flags.is_empty() {
            let name = format!("`{}`", command.words.join(" "));
            let variables = command == super::table::DEFAULT;
            push_table(&mut out, &name, command.flags, variables);
        }
    }
    out
}

fn push_table(out: &mut String, name: &str, flags: &[Flag], variables: bool) {
    let gap = if out.is_empty() { "" } else { "\n" };
    push(
        out,
        format_args!("{gap}Flags of {name}:\n\n| flag | default | |\n|---|---|---|\n"),
    );
    for flag in flags {
        let short = flag
            .short
            .map(|short| format!("-{short}, "))
            .unwrap_or_default();
        let value = flag
            .value
            .map(|value| format!(" {value}"))
            .unwrap_or_default();
        let help = flag.help;
        let default = flag.default;
        push(
            out,
            format_args!("| `{short}--{}{value}` | {default} | {help} |\n", flag.long),
        );
    }
    if variables {
        let example = flags.iter().find(|flag| flag.value.is_some());
        if let Some(flag) = example {
            let (long, variable) = (flag.long, flag.variable());
            push(
                out,
                format_args!("\n`--{long}` can be given as `{variable}`, the others likewise.\n"),
            );
        }
    }
}

fn push_flags(out: &mut String, flags: &[&Flag]) {
    let rows: Vec<(String, String)> = flags
        .iter()
        .map(|flag| {
            let short = match flag.short {
                Some(short) => format!("-{short}, "),
                None => "    ".to_owned(),
            };
            let value = flag
                .value
                .map(|value| format!(" {value}"))
                .unwrap_or_default();
            let default = match flag.default {
                "" => String::new(),
                default => format!(" [{default}]"),
            };
            (
                format!("{short}--{}{value}", flag.long),
                format!("{}{default}", flag.help),
            )
        })
        .collect();
    push_columns(out, &rows);
}

fn push_columns(out: &mut String, rows: &[(String, impl AsRef<str>)]) {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    for (left, right) in rows {
        push(out, format_args!("  {left:width$}  {}\n", right.as_ref()));
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_flag_is_in_the_help_and_in_the_readme_tables() {
        let readme = readme_flags();
        let global = of_group(&[]);
        for command in COMMANDS.iter().filter(|command| !command.hidden) {
            let help = of_command(command);
            assert!(global.contains(&command.words.join(" ")));
            for flag in command.flags.iter().chain(GLOBAL) {
                let long = format!("--{}", flag.long);
                assert!(help.contains(&long), "{long}");
                assert!(readme.contains(&long), "{long}");
            }
        }
        assert!(!global.contains("__"));
    }

    #[test]
    fn help_fits_a_terminal_and_nothing_is_cut() {
        let group = of_group(&["mcp".to_owned()]);
        assert!(group.contains("Usage: 1mcp [FLAGS] mcp COMMAND") && !group.contains("health"));
        let serve = of_command(super::super::table::DEFAULT);
        assert!(serve.contains("  -P, --port PORT"));
        assert!(serve.contains("[3050]"));
        for line in serve.lines().chain(group.lines()) {
            assert!(line.len() <= 130 && line.trim_end() == line, "{line}");
        }
    }
}
