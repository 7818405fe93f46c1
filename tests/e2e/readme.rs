//! What the README prints is true: its flag tables, and every line that calls `1mcp`.

use std::fs;
use std::path::Path;

use crate::support::dir::Dir;
use crate::support::program::{command, other, run};

const BEGIN: &str = "<!-- flags: begin (make readme) -->\n";
const END: &str = "<!-- flags: end -->";

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn its_flag_tables_are_those_of_the_program() {
    let text = readme();
    let (_, rest) = text.split_once(BEGIN).unwrap();
    let (tables, _) = rest.split_once(END).unwrap();
    let dir = Dir::new();
    let ended = run(&mut command(dir.path(), &["__readme-flags"]));
    assert_eq!(tables, ended.out(), "make readme writes them");
}

/// The indented and fenced lines that call the binary, without comments.
fn lines(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let Some(line) = line.strip_prefix("    ").or(fenced.then_some(line)) else {
            continue;
        };
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.starts_with("1mcp ") || line.contains("| 1mcp ") {
            found.push(line.to_owned());
        }
    }
    found
}

#[test]
fn its_command_lines_are_understood() {
    let dir = Dir::new();
    let lines = lines(&readme());
    assert!(lines.len() > 4, "{lines:?}");
    for line in lines {
        // `--version` prints it and does nothing else, but the whole line is read first.
        let checked = line.replace("1mcp ", "1mcp --version ");
        let ended = run(&mut other("sh", dir.path(), &["-c", &checked]));
        assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
        assert!(ended.out().starts_with("1mcp "), "{line}: {ended:?}");
    }
}

#[test]
fn its_lines_that_change_or_show_the_configuration_do_what_they_say() {
    let dir = Dir::new();
    let mut last = None;
    for line in lines(&readme()) {
        if line.starts_with("1mcp mcp status") || line == "1mcp mcp tools" {
            // Would start servers that are to be downloaded first.
        } else if line.starts_with("1mcp mcp ") {
            let ended = run(&mut other("sh", dir.path(), &["-c", &line]));
            let out = ended.expect(0).out().to_owned();
            last = Some(out)
                .filter(|_| line.starts_with("1mcp mcp list"))
                .or(last);
        } else if line.starts_with("1mcp preset ") {
            run(&mut other("sh", dir.path(), &["-c", &line])).expect(0);
        } else if line.contains("| 1mcp serve") {
            let empty = Dir::new();
            let ended = run(&mut other("sh", empty.path(), &["-c", &line]));
            let printed = ended.expect(0).out();
            assert_eq!(printed.matches('\n').count(), 1, "{printed}");
            assert!(printed.contains("\"serverInfo\""), "{printed}");
        }
    }
    let list = last.unwrap();
    assert!(
        list.contains("sequential") && list.contains("files"),
        "{list}"
    );
}
