//! Contract 1: commands, flags, variables, exit codes, what goes to stdout and what to stderr.

use std::fs::OpenOptions;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::dir::{Dir, config};
use crate::support::program::{cli, command, other, run};

#[test]
fn contract_1_exit_codes() {
    let dir = Dir::new();
    cli(dir.path(), &["mcp", "add", "a", "--", "true"]).expect(0);
    cli(dir.path(), &["mcp", "add", "a", "--", "true"]).expect(1);
    cli(dir.path(), &["mcp", "add"]).expect(2);
    cli(dir.path(), &["mcp", "remove", "b"]).expect(3);
    cli(dir.path(), &["mcp", "remove", "a"]).expect(0);
    cli(dir.path(), &["mcp", "list"]).expect(0);
    dir.write("mcp.json", "{\n  nonsense");
    let ended = cli(dir.path(), &["mcp", "list"]);
    ended.expect(1);
    assert!(
        ended.err.contains("mcp.json: line 2, column 3: "),
        "{ended:?}"
    );
}

#[test]
fn contract_1_nobody_at_the_port_is_exit_code_3() {
    // Bound and let go: nobody listens there.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let dir = Dir::new();
    let url = format!("http://127.0.0.1:{port}");
    let ended = run(&mut command(dir.path(), &["health", "--url", &url]));
    assert!(ended.expect(3).err.contains(&url), "{ended:?}");
}

#[test]
fn contract_1_wrong_usage_is_answered_with_what_was_meant() {
    let dir = Dir::new();
    for (args, meant) in [
        (&["sevre"][..], "serve"),
        (&["mcp", "lsit"], "list"),
        (&["serve", "--prot", "1"], "--port"),
        (&["mcp", "add", "x", "--evn", "A=1", "true"], "--env"),
        (&["mcp", "list", "--jsn"], "--json"),
    ] {
        let ended = run(&mut command(dir.path(), args));
        ended.expect(2);
        assert!(
            ended.err.contains(&format!("did you mean {meant}?")),
            "{ended:?}"
        );
    }
    for args in [
        &["--nonsense"][..],
        &["-x"],
        &["serve", "--port"],
        &["serve", "--port", "x"],
        &["serve", "--transport", "tcp"],
        &["serve", "--demo=yes"],
        &["serve", "extra"],
        &["mcp"],
        &["mcp", "list", "--port", "1"],
        &["health", "--url", "nonsense"],
        &[
            "serve",
            "--enable-auth",
            "--external-url",
            "http://mcp.example.com",
        ],
        &["auth"],
        &["auth", "client"],
        &["auth", "client", "add", "x"],
        &["auth", "client", "add", "x", "--redirect", "javascript:x"],
        &["auth", "tokens", "revoke"],
        &["preset"],
        &["proxy"],
    ] {
        run(&mut command(dir.path(), args)).expect(2);
    }
}

#[test]
fn contract_1_help_is_a_result_and_there_for_every_command() {
    let dir = Dir::new();
    for args in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["mcp", "--help"],
        &["serve", "--help"],
        &["mcp", "add", "--help"],
        &["mcp", "list", "-h"],
        &["mcp", "remove", "--help", "--nonsense"],
        &["health", "--help"],
    ] {
        let ended = run(&mut command(dir.path(), args));
        ended.expect(0);
        assert!(ended.out().contains("Usage: 1mcp"), "{ended:?}");
        assert_eq!(ended.err, "");
    }
    let ended = run(&mut command(dir.path(), &["--version"]));
    assert_eq!(
        ended.out(),
        concat!("1mcp ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let ended = run(&mut command(dir.path(), &["-V", "--json"]));
    assert_eq!(ended.json()["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn contract_1_who_stops_reading_is_no_failure() {
    let dir = Dir::new();
    for args in ["--help", "mcp list --json", "__readme-flags"] {
        // A reader that has gone before the first byte: `exec` leaves a pipe with no other end.
        let line = format!("(sleep 0.2; 1mcp {args}; echo $? >&2) | exec true");
        let ended = run(&mut other("sh", dir.path(), &["-c", &line]));
        assert_eq!(ended.err.trim(), "0", "{args}");
    }
    let line = "1mcp --help | head -1";
    let ended = run(&mut other("sh", dir.path(), &["-c", line]));
    assert_eq!((ended.out().lines().count(), ended.err.as_str()), (1, ""));
}

#[test]
fn contract_1_a_full_disk_behind_stdout_is_a_failure() {
    let dir = Dir::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command(dir.path(), &["--help"]);
    let child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line, "1mcp: writing to stdout: no space left on device\n");
}

#[test]
fn contract_1_variables_stand_for_global_flags_and_flags_lose_to_none() {
    let dir = Dir::new();
    let elsewhere = Dir::new();
    dir.write("mcp.json", config(&[("here", json!({"command": "true"}))]));
    elsewhere.write("mcp.json", config(&[("there", json!({"command": "true"}))]));
    let list = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(dir.path(), &["mcp", "list"]);
        let ended = run(command.args(args).envs(variables.iter().copied()));
        ended.expect(0);
        ended.out
    };
    let (here, there) = (dir.file(""), elsewhere.file(""));
    let by_variable = list(&["--json"], &[("ONE_MCP_CONFIG_DIR", &here)]);
    let servers = |json: &[u8]| -> Value {
        let mut document: Value = serde_json::from_slice(json).unwrap();
        document["servers"][0]["name"].take()
    };
    assert_eq!(servers(&by_variable), "here");
    let flag = ["--json", "--config-dir", &there];
    assert_eq!(
        servers(&list(&flag, &[("ONE_MCP_CONFIG_DIR", &here)])),
        "there"
    );
    let json = list(&["-d", &here], &[("ONE_MCP_JSON", "1")]);
    assert_eq!(servers(&json), "here");
    // Unknown ones, and those of other commands, mean nothing.
    let variables = [
        ("ONE_MCP_NONSENSE", "1"),
        ("ONE_MCP_FORCE", "1"),
        ("ONE_MCP_TAGS", "x"),
    ];
    assert!(!list(&["-d", &here], &variables).is_empty());
    let mut add = command(
        dir.path(),
        &["mcp", "add", "here", "-d", &here, "--", "true"],
    );
    run(add.env("ONE_MCP_FORCE", "1")).expect(1);
}

#[test]
fn contract_1_bad_variables_are_named() {
    let dir = Dir::new();
    let mut serve = command(dir.path(), &["serve", "-d", &dir.file("")]);
    let ended = run(serve.env("ONE_MCP_PORT", "high"));
    assert!(ended.expect(2).err.contains("ONE_MCP_PORT"), "{ended:?}");
}

#[test]
fn contract_1_secrets_are_shown_only_when_asked_for() {
    let dir = Dir::new();
    let servers = [
        (
            "local",
            json!({
                "command": "npx",
                "args": ["--api-key", "s3cret-a", "--token=s3cret-b", "plain"],
                "env": {"KEY": "s3cret-c"},
            }),
        ),
        (
            "remote",
            json!({
                "url": "https://user:s3cret-d@h/mcp?key=s3cret-e",
                "headers": {"Authorization": "Bearer s3cret-f"},
            }),
        ),
    ];
    dir.servers(&servers);
    for json in [&[][..], &["--json"]] {
        let args = [&["mcp", "list"], json].concat();
        let masked = cli(dir.path(), &args);
        masked.expect(0);
        assert!(
            !masked.out().contains("s3cret") && masked.out().contains("***"),
            "{masked:?}"
        );
        assert!(!masked.err.contains("s3cret"), "{masked:?}");
        let open = cli(dir.path(), &[&args[..], &["--show-secrets"]].concat());
        assert!(open.out().contains("s3cret-b"), "{open:?}");
    }
    let open = cli(dir.path(), &["mcp", "list", "--show-secrets", "--json"]);
    for letter in ["a", "b", "c", "d", "e", "f"] {
        assert!(
            open.out().contains(&format!("s3cret-{letter}")),
            "{letter}: {open:?}"
        );
    }
}

#[test]
fn contract_1_lists_leave_out_what_is_disabled_or_tagged_otherwise() {
    let dir = Dir::new();
    dir.servers(&[
        ("a", json!({"command": "true", "tags": ["Fs"]})),
        ("b", json!({"command": "true", "disabled": true})),
    ]);
    let names = |args: &[&str]| -> Vec<String> {
        let ended = cli(dir.path(), &[&["mcp", "list", "--json"], args].concat());
        let document = ended.json();
        let servers = document["servers"].as_array().unwrap();
        servers
            .iter()
            .map(|server| server["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&[]), ["a"]);
    assert_eq!(names(&["--show-disabled"]), ["a", "b"]);
    assert_eq!(names(&["--tags", "fs,x", "--show-disabled"]), ["a"]);
    let text = cli(dir.path(), &["mcp", "list"]);
    assert!(text.err.contains("--show-disabled"), "{text:?}");
}
