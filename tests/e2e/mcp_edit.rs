//! Contract 1: `mcp update`, `enable`, `disable`, `tools disable|enable` change the bytes of what
//! they were told to change, and nothing is lost when many do so at once.

use std::fs;
use std::thread;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::dir::Dir;
use crate::support::gateway::Gateway;
use crate::support::program::{cli, cli_in_turn, fixture};

/// An entry in files as people have them; `@` is the place of the tags.
const ODD: [(&str, &str); 6] = [
    (
        "CRLF and tabs",
        "{\r\n\t\"mcpServers\": {\r\n\t\t\"x\": {\r\n\t\t\t\"command\": \"npx\",\r\n\t\t\t\"tags\": @\r\n\t\t}\r\n\t}\r\n}",
    ),
    (
        "byte order mark and comments",
        "\u{feff}// mine\n{ \"mcpServers\": { // all\n  \"x\" : { /* why */ \"command\": \"npx\", \"tags\" :@ , \
         // last\n },\n }, } // end",
    ),
    (
        "one line",
        "{\"other\":[1 ,2],\"mcpServers\":{\"a\":{},\"x\":{\"tags\":@,\"command\":\"npx\"}},\"z\":1e5}",
    ),
    (
        "unknown keys",
        "{\n  \"mcpServers\": {\n    \"x\": {\n      \"later\": {\"a\": [ ]},\n      \"tags\": @,\n      \
         \"command\": \"npx\"\n    }\n  }\n}\n\n",
    ),
    (
        "other servers of every kind",
        "{\"mcpServers\": {\n\"bad\": 7,\n  \"x\": {\"command\": \"npx\", \"tags\": @},\n \
         \"y\": {\"url\": \"https://h/mcp\"}}}",
    ),
    (
        "escapes",
        "{\"mcp\\u0053ervers\": {\"\\u0078\": {\"command\": \"npx\", \"t\\u0061gs\": @, \"n\": \"\\ud83d\\ude00\"}}}",
    ),
];

#[test]
fn contract_1_update_changes_the_bytes_of_one_key() {
    for (name, file) in ODD {
        let dir = Dir::new();
        dir.write("mcp.json", file.replace('@', "[ \"old\" ]"));
        cli(dir.path(), &["mcp", "update", "x", "--tags", "new"]).expect(0);
        assert_eq!(
            dir.read("mcp.json"),
            file.replace('@', "[\"new\"]"),
            "{name}"
        );
        // There is a backup of what it said before.
        let mut backups = fs::read_dir(dir.file("backups/mcp")).unwrap();
        let backup = backups.next().unwrap().unwrap().path();
        let kept = fs::read_to_string(backup).unwrap();
        assert_eq!(kept, file.replace('@', "[ \"old\" ]"), "{name}");
    }
}

#[test]
fn contract_1_disabling_and_enabling_leaves_the_same_file() {
    for (name, file) in ODD {
        let dir = Dir::new();
        let old = file.replace('@', "[]");
        dir.write("mcp.json", &old);
        for (one, other) in [
            (&["mcp", "disable", "x"][..], &["mcp", "enable", "x"][..]),
            (
                &["mcp", "tools", "disable", "x", "t"],
                &["mcp", "tools", "enable", "x", "t"],
            ),
            (
                &["mcp", "update", "x", "--env", "A=1"],
                &["mcp", "update", "x", "--unset", "env"],
            ),
        ] {
            cli(dir.path(), one).expect(0);
            assert_ne!(dir.read("mcp.json"), old, "{name}");
            cli(dir.path(), other).expect(0);
            assert_eq!(dir.read("mcp.json"), old, "{name}: {other:?}");
        }
    }
}

#[test]
fn contract_1_what_is_so_already_is_said_and_not_written() {
    let dir = Dir::new();
    let file = "{\"mcpServers\": {\"x\": {\"command\": \"npx\", \"args\":[ \"-y\" ], \"disabled\": true,\
                \"disabledTools\": [ \"t\" ], \"env\": {\"A\":\"1\"}}}}";
    dir.write("mcp.json", file);
    for args in [
        &["mcp", "disable", "x"][..],
        &["mcp", "tools", "disable", "x", "x_1mcp_t"],
        &["mcp", "tools", "enable", "x", "other"],
        &["mcp", "update", "x", "--env", "A=1", "--disabled"],
        &["mcp", "update", "x", "--", "npx", "-y"],
    ] {
        let ended = cli(dir.path(), args);
        assert!(ended.expect(0).out().contains("already"), "{ended:?}");
        let document = cli(dir.path(), &[&["--json"], args].concat()).json();
        assert_eq!(document["changed"], false, "{args:?}");
        assert_eq!(dir.read("mcp.json"), file, "{args:?}");
    }
    assert!(!fs::exists(dir.file("backups")).unwrap());
}

#[test]
fn contract_1_every_change_is_told_as_one_document() {
    let dir = Dir::new();
    let run = |args: &[&str]| -> Value {
        let ended = cli(dir.path(), &[&["--json"], args].concat());
        ended.expect(0);
        assert_eq!(ended.err, "");
        ended.json()
    };
    let added = run(&["mcp", "add", "--tags", "a", "x", "true"]);
    let file = dir.file("mcp.json");
    let expected = json!({
        "action": "add", "name": "x", "file": file, "changed": true, "replaced": false,
    });
    assert_eq!(added, expected);
    let replaced = run(&["mcp", "add", "--force", "x", "true"]);
    assert_eq!(
        (&replaced["replaced"], &replaced["changed"]),
        (&json!(true), &json!(true))
    );
    assert!(fs::exists(replaced["backup"].as_str().unwrap()).unwrap());
    let updated = run(&["mcp", "update", "x", "--timeout", "5", "--env", "A=s3cret"]);
    assert_eq!(updated["keys"], json!(["env", "timeout"]));
    assert!(!updated.to_string().contains("s3cret"));
    for (args, action) in [
        (&["mcp", "disable", "x"][..], "disable"),
        (&["mcp", "enable", "x"], "enable"),
        (&["mcp", "tools", "disable", "x", "t"], "tools disable"),
        (&["mcp", "tools", "enable", "x", "t"], "tools enable"),
        (&["mcp", "remove", "x"], "remove"),
    ] {
        let document = run(args);
        assert_eq!(document["action"], action);
        assert_eq!(
            (&document["name"], &document["changed"]),
            (&json!("x"), &json!(true))
        );
    }
}

#[test]
fn contract_1_a_server_that_is_not_there_is_exit_code_3_with_the_nearest_name() {
    let dir = Dir::new();
    for command in [
        &["mcp", "update", "fiels", "--tags", "a"][..],
        &["mcp", "enable", "fiels"],
        &["mcp", "disable", "fiels"],
        &["mcp", "remove", "fiels"],
        &["mcp", "tools", "disable", "fiels", "t"],
    ] {
        cli(dir.path(), command).expect(3);
        assert!(!fs::exists(dir.file("mcp.json")).unwrap(), "{command:?}");
    }
    dir.servers(&[("files", json!({"command": "true"}))]);
    for command in [
        &["mcp", "update", "fiels", "--tags", "a"][..],
        &["mcp", "enable", "fiels"],
        &["mcp", "disable", "fiels"],
        &["mcp", "remove", "fiels"],
        &["mcp", "tools", "enable", "fiels", "t"],
        &["mcp", "tools", "fiels"],
    ] {
        let ended = cli(dir.path(), command);
        assert!(
            ended.expect(3).err.contains("did you mean files?"),
            "{ended:?}"
        );
    }
}

#[test]
fn contract_1_of_fifty_at_once_none_is_lost() {
    let dir = Dir::new();
    let threads: Vec<_> = (0..50)
        .map(|number| {
            let path = dir.path().to_owned();
            thread::spawn(move || {
                let name = format!("s{number}");
                cli_in_turn(&path, &["mcp", "add", &name, "--", "true"]).expect(0);
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let list = cli(dir.path(), &["mcp", "list", "--json"]).json();
    assert_eq!(list["servers"].as_array().unwrap().len(), 50);
    // And of changes of one entry neither.
    let threads: Vec<_> = (0..20)
        .map(|number| {
            let path = dir.path().to_owned();
            thread::spawn(move || {
                let variable = format!("V{number}=1");
                cli_in_turn(&path, &["mcp", "update", "s7", "--env", &variable]).expect(0);
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let file: Value = serde_json::from_str(&dir.read("mcp.json")).unwrap();
    assert_eq!(
        file["mcpServers"]["s7"]["env"].as_object().unwrap().len(),
        20
    );
}

#[test]
fn contract_1_what_cannot_be_edited_is_left_alone() {
    let dir = Dir::new();
    for (file, code) in [
        (
            "{\n  \"mcpServers\": {\"x\": {\"command\": \"c\"}, \"x\": {}}}",
            1,
        ),
        ("{\n  nonsense", 1),
        ("{\"mcpServers\": [\n]}", 1),
        ("{\"mcpServers\": {\"x\": 7}}", 1),
    ] {
        dir.write("mcp.json", file);
        let ended = cli(dir.path(), &["mcp", "update", "x", "--tags", "a"]);
        assert!(
            ended.expect(code).err.contains("mcp.json: line "),
            "{ended:?}"
        );
        assert_eq!(dir.read("mcp.json"), file);
    }
}

#[test]
fn contract_1_tools_are_listed_with_their_state() {
    let dir = Dir::new();
    let fixture = fixture();
    dir.servers(&[
        ("a", json!({"command": fixture, "disabledTools": ["echo"]})),
        ("b", json!({"command": "/not/there"})),
    ]);
    let ended = cli(dir.path(), &["mcp", "tools", "a", "--json"]);
    let document = ended.expect(0).json();
    let tools = document["servers"][0]["tools"].as_array().unwrap();
    let echo = tools.iter().find(|tool| tool["name"] == "echo").unwrap();
    assert_eq!(echo["offered"], false, "{document}");
    assert!(
        tools.iter().any(|tool| tool["offered"] == true),
        "{document}"
    );
    let ended = cli(dir.path(), &["mcp", "tools"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.out().starts_with("SERVER") && ended.err.contains("b: "),
        "{ended:?}"
    );
    cli(dir.path(), &["mcp", "tools", "nobody"]).expect(3);
}

#[test]
fn contract_1_tools_of_a_running_instance_are_known_without_starting_anything() {
    let dir = Dir::new();
    let pids = dir.file("pids");
    dir.servers(&[(
        "a",
        json!({"command": fixture(), "args": ["--pid-file", pids]}),
    )]);
    // What the first one learns is on the disk when it has ended.
    let patience = PATIENCE.as_millis().to_string();
    let ready = || {
        cli(dir.path(), &["mcp", "status", "a", "--wait", &patience])
            .expect(0)
            .code
    };
    let gateway = Gateway::start(dir.path(), &[]);
    ready();
    gateway.stop();
    let gateway = Gateway::start(dir.path(), &[]);
    ready();
    let started = dir.read("pids");
    let ended = cli(dir.path(), &["mcp", "tools", "a", "--json"]);
    assert!(ended.expect(0).out().contains("\"echo\""), "{ended:?}");
    assert_eq!(dir.read("pids"), started);
    let ended = cli(dir.path(), &["mcp", "tools", "disable", "a", "ehco"]);
    assert!(
        ended.expect(0).err.contains("did you mean echo?"),
        "{ended:?}"
    );
    let ended = cli(dir.path(), &["mcp", "tools", "disable", "a", "echo"]);
    assert_eq!(ended.expect(0).err, "");
    gateway.stop();
}
