//! Remote servers on the command line (contract 1): what is written, shown and refused, and whether
//! they work.

use serde_json::{Value, json};

use crate::support::dir::Dir;
use crate::support::gateway::Gateway;
use crate::support::program::{self, Beside, Ended, cli, command, fixture, other};

/// What no output may show.
const SECRET: &str = "s3cret-value";

#[track_caller]
fn run(dir: &Dir, args: &[&str]) -> Ended {
    let ended = cli(dir.path(), args);
    let shown = String::from_utf8_lossy(&ended.out).into_owned() + &ended.err;
    assert!(!shown.contains(SECRET), "{args:?}: {shown}");
    ended
}

fn entry(dir: &Dir, name: &str) -> Value {
    let file: Value = serde_json::from_str(&dir.read("mcp.json")).unwrap();
    file["mcpServers"][name].clone()
}

#[test]
fn contract_1_a_remote_is_added_with_what_it_needs_and_shown_without_its_secrets() {
    let dir = Dir::new();
    let authorization = format!("Authorization=Bearer {SECRET}");
    let url = format!("https://mcp.example.com/mcp?key={SECRET}");
    let add = |name: &str, more: &[&str]| {
        run(&dir, &[&["mcp", "add", name], more].concat()).expect(0);
    };
    add(
        "a",
        &["--url", &url, "--header", &authorization, "--timeout", "5"],
    );
    add("b", &["--url", "https://h.example/sse"]);
    add("c", &["--url", "https://h.example/x", "--type", "sse"]);
    add("d", &["--url", "https://h.example/sse", "--type", "http"]);
    add(
        "e",
        &[
            "--url",
            "https://${HOST_NOT_SET}/mcp",
            "--header",
            "X-Key=${KEY}",
            "--header",
            "x-key=$KEY",
        ],
    );
    let header = format!("Bearer {SECRET}");
    assert_eq!(
        entry(&dir, "a"),
        json!({"url": url, "headers": {"Authorization": header}, "timeout": 5})
    );
    assert_eq!(entry(&dir, "b"), json!({"url": "https://h.example/sse"}));
    assert_eq!(entry(&dir, "c")["type"], "sse");
    assert_eq!(entry(&dir, "d")["type"], "http");
    assert_eq!(entry(&dir, "e")["headers"], json!({"x-key": "$KEY"}));
    let list = run(&dir, &["mcp", "list"]);
    let list = list.expect(0).out();
    assert!(list.contains("https://mcp.example.com/mcp?***"), "{list}");
    assert!(list.contains("HOST_NOT_SET is not set"), "{list}");
    let list = run(&dir, &["mcp", "list", "--json"]).json();
    let kinds: Vec<&str> = list["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["http", "sse", "sse", "http", "http"]);
    assert_eq!(
        list["servers"][0]["headers"],
        json!({"Authorization": "***"})
    );
    let open = cli(dir.path(), &["mcp", "list", "--show-secrets"]);
    assert!(open.expect(0).out().contains(SECRET));
}

#[test]
fn contract_1_a_header_is_updated_whatever_its_case_and_a_url_changes_its_type() {
    let dir = Dir::new();
    let old = json!({"url": "https://h/sse", "headers": {"Authorization": "old", "X": "1"}});
    dir.servers(&[("a", old)]);
    run(
        &dir,
        &["mcp", "update", "a", "--header", "AUTHORIZATION=new"],
    )
    .expect(0);
    assert_eq!(
        entry(&dir, "a")["headers"],
        json!({"Authorization": "new", "X": "1"})
    );
    run(&dir, &["mcp", "update", "a", "--url", "https://h/mcp"]).expect(0);
    run(&dir, &["mcp", "update", "a", "--unset", "headers.X"]).expect(0);
    assert_eq!(
        entry(&dir, "a"),
        json!({"url": "https://h/mcp", "headers": {"Authorization": "new"}})
    );
    run(&dir, &["mcp", "disable", "a"]).expect(0);
    let status = run(&dir, &["mcp", "status", "a", "--json"]).json();
    assert_eq!(status["servers"][0]["state"], "disabled");
    run(&dir, &["mcp", "enable", "a"]).expect(0);
    run(&dir, &["mcp", "update", "a", "--", "true"]).expect(0);
    assert_eq!(entry(&dir, "a"), json!({"command": "true"}));
}

#[test]
fn contract_1_what_cannot_be_a_remote_is_wrong_usage_and_no_value_is_told() {
    let dir = Dir::new();
    let long = format!("X=a\n{SECRET}");
    let user = "https://user:%h1dden@h.example/mcp";
    let bare = "bob:h1dden@h.example/?key=h1dden";
    let colon = "Authorization: Bearer h1dden=";
    for (args, expected) in [
        (&["--url", "localhost:3000/mcp"][..], "does not begin with"),
        (&["--url", "https://h:99999/"], "port of the URL"),
        (&["--url", user], "the user name or password"),
        (&["--url", bare], "found \"***@h.example/?***\""),
        (&["--url", "https://h", "--header", "h1dden"], "NAME=VALUE"),
        (&["--url", "https://h", "--header", colon], "NAME=VALUE"),
        (&["--url", "https://h", "--header", "Host=x"], "1mcp itself"),
        (
            &["--url", "https://h", "--header", "Mcp-Session-Id=x"],
            "1mcp itself",
        ),
        (&["--url", "https://h", "--header", &long], "line ends"),
        (&["--url", "https://h", "--header", "a b=x"], "characters"),
        (&["--url", "https://h", "--header", "novalue"], "NAME=VALUE"),
        (&["--url", "https://h", "--env", "A=1"], "--env goes with"),
    ] {
        let ended = run(&dir, &[&["mcp", "add", "x"], args].concat());
        assert!(ended.expect(2).err.contains(expected), "{ended:?}");
        assert!(!ended.err.contains("h1dden"), "{ended:?}");
    }
    assert!(!std::fs::exists(dir.file("mcp.json")).unwrap());
}

#[test]
fn contract_3_a_running_instance_is_no_server_of_its_own() {
    let dir = Dir::new();
    dir.servers(&[]);
    let gateway = Gateway::start(dir.path(), &[]);
    let port = gateway.port;
    for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"] {
        let url = format!("http://{host}:{port}/mcp");
        let ended = run(&dir, &["mcp", "add", "x", "--url", &url]);
        assert!(ended.expect(2).err.contains("loop"), "{ended:?}");
    }
    // Whoever writes the file by hand is told by the server's state.
    let url = format!("http://localhost:{port}/mcp");
    dir.servers(&[("x", json!({"url": url}))]);
    gateway.log.find("the refusal", |line| {
        line.contains("leads to this 1mcp itself").then_some(())
    });
    let status = run(&dir, &["mcp", "status", "x", "--json"]).json();
    assert_eq!(status["servers"][0]["state"], "fault", "{status}");
    gateway.stop();
}

/// The fixture over HTTP, beside the test.
struct Far {
    url: String,
    _process: Beside,
}

impl Far {
    #[track_caller]
    fn start(dir: &Dir, args: &[&str]) -> Self {
        let program = fixture();
        let mut fixture = other(program.to_str().unwrap(), dir.path(), &["--http", "0"]);
        let process = Beside::start(fixture.args(args));
        let url = process.log.find("its address", |line| {
            line.strip_prefix("listening on ").map(str::to_owned)
        });
        Self {
            url,
            _process: process,
        }
    }
}

fn server(document: &Value, name: &str) -> Value {
    let servers = document["servers"].as_array().unwrap().iter();
    let mut named = servers.filter(|server| server["name"] == name);
    named.next().unwrap().clone()
}

#[test]
fn contract_1_remote_servers_are_tried_and_told_with_the_reason_in_words() {
    for era in ["legacy", "modern", "dual"] {
        let dir = Dir::new();
        let far = Far::start(&dir, &["--era", era]);
        let header = format!("X-Key={SECRET}");
        run(
            &dir,
            &["mcp", "add", "far", "--url", &far.url, "--header", &header],
        )
        .expect(0);
        let gone = [
            "mcp",
            "add",
            "gone",
            "--url",
            "http://127.0.0.1:1/mcp?k=s3cret-value",
        ];
        run(&dir, &gone).expect(0);
        // Without an instance.
        let status = run(&dir, &["mcp", "status", "--json"]);
        let status = status.expect(1).json();
        let one = server(&status, "far");
        assert_eq!(
            (&one["state"], &one["url"]),
            (&json!("ready"), &json!(far.url))
        );
        assert!(one["tools"].as_u64().unwrap() > 5, "{one}");
        let two = server(&status, "gone");
        assert_eq!(two["state"], "failed");
        assert!(two["why"].as_str().unwrap().contains("127.0.0.1"), "{two}");
        let tools = run(&dir, &["mcp", "tools", "far"]);
        assert!(tools.expect(0).out().contains("echo"), "{tools:?}");
        // With one.
        let gateway = Gateway::start(dir.path(), &["--health-info-level", "full"]);
        gateway.log.find("the failure", |line| {
            (line.contains("server=gone down") || line.contains("server=gone failed")).then_some(())
        });
        let status = run(&dir, &["mcp", "status", "--wait", "30000", "--json"]);
        let status = status.expect(1).json();
        let one = server(&status, "far");
        assert_eq!((&one["state"], one.get("pid")), (&json!("ready"), None));
        let two = server(&status, "gone");
        assert_eq!(two["url"], "http://127.0.0.1:1/mcp?***");
        assert!(two["why"].as_str().unwrap().contains("127.0.0.1"), "{two}");
        let details = run(&dir, &["mcp", "status", "far"]);
        assert!(details.expect(0).out().contains(&far.url), "{details:?}");
        gateway.stop();
    }
}

#[test]
fn contract_6_remote_servers_that_are_taken_over_are_tried() {
    let dir = Dir::new();
    let far = Far::start(&dir, &[]);
    std::fs::create_dir_all(dir.file(".cursor")).unwrap();
    let servers = json!({"mcpServers": {
        "far": {"url": far.url},
        "gone": {"url": "http://127.0.0.1:1/mcp"},
    }});
    dir.write(".cursor/mcp.json", servers.to_string());
    let mut consolidate = command(dir.path(), &["app", "consolidate", "cursor", "--yes"]);
    let ended = program::run(&mut consolidate);
    let out = ended.expect(0).out();
    let line = |name: &str| {
        let found = out.lines().find(|line| line.trim_start().starts_with(name));
        found.unwrap_or_else(|| panic!("{out}")).to_owned()
    };
    assert!(line("far").contains("imported, works ("), "{out}");
    assert!(
        line("gone").contains("imported, but does not work: "),
        "{out}"
    );
}

#[test]
fn contract_1_what_is_checked_without_an_instance_says_what_is_wrong_with_its_surroundings() {
    let dir = Dir::new();
    dir.servers(&[
        ("far", json!({"url": "https://127.0.0.1:1/mcp"})),
        ("odd", json!({"url": "https://${NO_HOST:-a b}/mcp"})),
    ]);
    let mut status = command(dir.path(), &["--config-dir"]);
    status.arg(dir.path()).args(["mcp", "status"]);
    status.env("https_proxy", format!("socks5://user:{SECRET}@proxy"));
    status.env("SSL_CERT_FILE", dir.file("missing.pem"));
    let ended = program::run(&mut status);
    let err = &ended.err;
    assert!(
        err.contains("https_proxy is ignored, servers are reached directly"),
        "{ended:?}"
    );
    assert!(
        err.contains("SSL_CERT_FILE: cannot use ") && err.contains("no such file"),
        "{err}"
    );
    assert!(!err.contains(SECRET), "{err}");
    let odd = run(&dir, &["mcp", "status", "odd"]);
    let out = odd.out();
    assert!(out.contains("the host of the URL"), "{out}");
    let empty = |line: &str| line.trim() == "url";
    assert!(!out.lines().any(empty), "{out}");
}
