//! Contract 1: completions, tried in the shells themselves where they are installed, and the
//! manual page, read by the formatters.

use serde_json::json;

use crate::support::dir::Dir;
use crate::support::program::{command, other, run, run_with};

/// Whether a program is installed.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn configured() -> Dir {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.file(".config/1mcp")).unwrap();
    let servers = json!({"mcpServers": {
        "files": {"command": "true"},
        "fetch": {"command": "true", "disabled": true, "disabledTools": ["get"]},
    }});
    dir.write(".config/1mcp/mcp.json", servers.to_string());
    dir.write("a b.json", "{}");
    dir
}

#[test]
fn contract_1_bash_completes() {
    if !has("bash") {
        return;
    }
    let dir = configured();
    // A program that nothing beside the binary under test is named like.
    let program = dir.file("bin/unlike-others");
    std::fs::create_dir(dir.file("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/sh", program).unwrap();
    for (words, expected) in [
        (&["he"][..], "health"),
        (&["mcp", "rem"], "remove"),
        (&["mcp", "remove", ""], "fetch,files"),
        (&["mcp", "enable", ""], "fetch"),
        (&["mcp", "tools", "enable", "fetch", ""], "get"),
        (
            &["app", "consolidate", "cl"],
            "claude-desktop,claude-code,cline",
        ),
        (&["mcp", "update", "files", "--no-"], "--no-restart-on-exit"),
        (&["--log-level", "=", "d"], "debug"),
        (&["--log-format", ""], "text,json"),
        (&["--config", "a"], "a b.json"),
        (&["mcp", "add", "x", "--", "unlike-o"], "unlike-others"),
        (&["completions", "f"], "fish"),
        (&["nonsense", ""], ""),
    ] {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let script = format!(
            "source <(1mcp completions bash) || exit 9\n\
             PATH=\"$HOME/bin:$PATH\"; cd \"$HOME\" || exit 8\n\
             complete -p 1mcp >&2 || exit 7\n\
             COMP_WORDS=(1mcp {}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); _1mcp\n\
             IFS=,; printf '%s' \"${{COMPREPLY[*]}}\"",
            quoted.join(" ")
        );
        let ended = run(&mut other("bash", dir.path(), &["-c", &script]));
        assert_eq!(ended.expect(0).out(), expected, "{words:?} {ended:?}");
    }
}

#[test]
fn contract_1_zsh_and_fish_accept_their_scripts() {
    let dir = configured();
    for shell in ["zsh", "fish"] {
        let script = run(&mut command(dir.path(), &["completions", shell]));
        dir.write("script", script.expect(0).out());
        if has(shell) {
            let ended = run(&mut other(shell, dir.path(), &["-n", &dir.file("script")]));
            assert_eq!(ended.expect(0).err, "", "{shell}");
        }
    }
    if has("fish") {
        let ask = format!(
            "source {}; complete -C '1mcp mcp disable '; complete -C '1mcp --log-level=w'",
            dir.file("script")
        );
        let ended = run(&mut other("fish", dir.path(), &["-c", &ask]));
        assert_eq!(ended.expect(0).out(), "files\n--log-level=warn\n");
    }
}

#[test]
fn contract_1_an_unknown_shell_is_answered_with_what_was_meant() {
    let dir = Dir::new();
    let ended = run(&mut command(dir.path(), &["completions", "bsh"]));
    assert!(
        ended.expect(2).err.contains("did you mean bash?"),
        "{ended:?}"
    );
    run(&mut command(dir.path(), &["completions"])).expect(2);
    // Whatever is typed, asking for candidates never disturbs the line that is being typed.
    for words in [
        &["--nonsense"][..],
        &["-c"],
        &["-c", "/not/there", "mcp", "remove", ""],
        &[],
    ] {
        let ended = run(&mut command(
            dir.path(),
            &[&["__complete", "--"], words].concat(),
        ));
        assert_eq!(ended.expect(0).err, "", "{words:?}");
    }
}

#[test]
fn contract_1_the_manual_page_is_read_without_a_complaint() {
    let dir = Dir::new();
    let page = run(&mut command(dir.path(), &["man"]));
    let page = page.expect(0).out().to_owned();
    for (program, args) in [
        ("groff", &["-man", "-Tutf8", "-ww", "-z"][..]),
        ("mandoc", &["-Tlint", "-Werror"]),
    ] {
        if has(program) {
            let ended = run_with(&mut other(program, dir.path(), args), page.as_bytes());
            assert_eq!(
                (ended.expect(0).err.as_str(), ended.out()),
                ("", ""),
                "{program}"
            );
        }
    }
    if has("groff") {
        let args = ["-man", "-Tascii", "-P-c", "-P-b", "-P-u"];
        let shown = run_with(&mut other("groff", dir.path(), &args), page.as_bytes());
        let text = shown.expect(0).out();
        for expected in [
            "--no-restart-on-exit",
            "ONE_MCP_CONFIG_DIR",
            "~/.config/1mcp/.env",
        ] {
            assert!(text.contains(expected), "{expected}");
        }
    }
}
