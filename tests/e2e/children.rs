//! Contract 7: servers are supervised, and nothing of them is left behind, however we end.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::dir::{Dir, fixture};
use crate::support::gateway::{self, Gateway};
use crate::support::mcp::{Client, any_of, text_of};
use crate::support::processes::{marked, signal, wait_for_none};
use crate::support::stdio::{self, Stdio as Line};

/// A directory whose path is in the environment of every process that is started for it.
struct Marked(Dir);

impl Marked {
    fn new(servers: &[(&str, Value)]) -> Self {
        let dir = Dir::new();
        let servers: Vec<(&str, Value)> = servers
            .iter()
            .map(|(name, entry)| {
                let mut entry = entry.clone();
                entry["env"] = json!({"E2E_MARK": dir.file("")});
                (*name, entry)
            })
            .collect();
        dir.servers(&servers);
        Self(dir)
    }

    fn mark(&self) -> String {
        format!("E2E_MARK={}", self.0.file(""))
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = gateway::serve(self.0.path(), args);
        command.env("E2E_MARK", self.0.file(""));
        command
    }

    fn stdio(&self) -> std::process::Command {
        let mut command = stdio::serve(self.0.path(), &[]);
        command.env("E2E_MARK", self.0.file(""));
        command
    }
}

/// Deaf to everything but SIGKILL, behind a shell that is deaf too, with a grandchild.
fn deaf() -> Value {
    let program = fixture(&[])["command"].as_str().unwrap().to_owned();
    let line = format!("trap '' TERM INT HUP; {program} --ignore-eof --ignore-term --fork; exit 0");
    json!({"command": "sh", "args": ["-c", line]})
}

/// The number of the grandchild, from the server's stderr in our log.
fn grandchild(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("grandchild ")?;
    rest.split(' ').next()?.trim().parse().ok()
}

#[test]
fn contract_7_kill_9_leaves_no_child_and_no_grandchild() {
    let scene = Marked::new(&[("deaf", deaf()), ("plain", fixture(&[]))]);
    let gateway = Gateway::of(&mut scene.command(&[]));
    let mut client = Client::open(gateway.port);
    client.echo("deaf");
    client.echo("plain");
    gateway.log.find("grandchild", grandchild);
    let running = marked(&scene.mark());
    assert!(
        running.len() >= 5,
        "gateway, shell, two fixtures, grandchild: {running:?}"
    );
    gateway.process.signal("KILL");
    wait_for_none(&scene.mark());
}

#[test]
fn contract_7_kill_9_in_the_middle_of_starting_leaves_nothing() {
    for _ in 0..10 {
        let scene = Marked::new(&[("deaf", deaf()), ("b", deaf()), ("c", deaf())]);
        let gateway = Gateway::of(&mut scene.command(&[]));
        gateway.process.signal("KILL");
        gateway.process.ended();
        wait_for_none(&scene.mark());
    }
}

#[test]
fn contract_7_sigterm_ends_what_is_deaf_too() {
    let scene = Marked::new(&[("deaf", deaf()), ("plain", fixture(&[]))]);
    for name in ["TERM", "INT"] {
        let gateway = Gateway::of(&mut scene.command(&[]));
        let mut client = Client::open(gateway.port);
        client.echo("deaf");
        let mut call = client.long_call("plain");
        gateway.process.signal(name);
        // The call is answered before we go.
        let response = call.response();
        assert_eq!(response["error"]["code"], -32603, "{response}");
        assert!(gateway.process.ended().success());
        wait_for_none(&scene.mark());
    }
}

#[test]
fn contract_7_in_stdio_mode_sigterm_and_the_end_of_input_end_everything() {
    let scene = Marked::new(&[("deaf", deaf()), ("plain", fixture(&[]))]);
    for how in ["TERM", "INT", "end of input", "KILL"] {
        let mut client = Line::start(&mut scene.stdio());
        for name in ["deaf", "plain"] {
            let response = client.call(&format!("{name}_1mcp_echo"), &json!({"text": how}));
            assert_eq!(text_of(&response), how);
        }
        match how {
            "end of input" => client.gateway.input = None,
            name => client.gateway.process.signal(name),
        }
        let status = client.gateway.process.ended();
        assert_eq!(status.success(), how != "KILL", "{how}: {status}");
        wait_for_none(&scene.mark());
    }
}

#[test]
fn contract_7_in_stdio_mode_what_was_asked_before_the_end_is_answered() {
    let scene = Marked::new(&[("a", fixture(&[]))]);
    let mut client = Line::start(&mut scene.stdio());
    client.call("a_1mcp_echo", &json!({"text": "up"}));
    let arguments = json!({"name": "a_1mcp_slow", "arguments": {"ms": 200}});
    let id = client.begin("tools/call", &arguments);
    client.gateway.input = None;
    assert_eq!(text_of(&client.answer(id)), "slept 200 ms");
    assert!(client.gateway.process.ended().success());
    wait_for_none(&scene.mark());
}

#[test]
fn contract_7_in_stdio_mode_a_client_that_is_gone_is_the_end() {
    let scene = Marked::new(&[("deaf", deaf())]);
    // Nobody reads what we write, but the input stays open.
    let mut child = scene
        .stdio()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take();
    drop(child.stdout.take());
    let process = crate::support::program::Process::of(child);
    process.ended();
    drop(input);
    wait_for_none(&scene.mark());
}

#[test]
fn contract_7_a_server_that_crashes_is_named_and_started_again() {
    let dir = Dir::new();
    let mut entry = fixture(&[]);
    entry["restartDelay"] = json!(50);
    dir.servers(&[("a", entry), ("b", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    let mut client = Client::open(gateway.port);
    let mut events = client.listen();
    client.until(&mut events, |tools| {
        any_of("a", tools) && any_of("b", tools)
    });
    let response = client.call("a_1mcp_crash", &json!({}));
    assert_eq!(response["error"]["code"], -32603, "{response}");
    let message = response["error"]["message"].as_str().unwrap();
    assert!(message.contains('a') && message.contains('7'), "{message}");
    client.echo("b");
    // Its lists go with it and come back with it.
    client.until(&mut events, |tools| any_of("a", tools));
    while client.call("a_1mcp_echo", &json!({"text": "x"}))["error"].is_object() {
        events.tools_changed();
    }
    gateway.stop();
}

#[test]
fn contract_7_a_server_killed_from_outside_is_started_again() {
    let scene = Marked::new(&[("a", fixture(&[]))]);
    let gateway = Gateway::of(&mut scene.command(&[]));
    let mut client = Client::open(gateway.port);
    let pid = |client: &mut Client| {
        let response = client.call("a_1mcp_whoami", &json!({}));
        let found: Option<Value> = response["error"]
            .is_null()
            .then(|| serde_json::from_str(text_of(&response)).unwrap());
        found.and_then(|who| u32::try_from(who["pid"].as_u64().unwrap()).ok())
    };
    let first = pid(&mut client).unwrap();
    let mut events = client.listen();
    signal(first, "KILL");
    let second = loop {
        match pid(&mut client) {
            Some(pid) if pid != first => break pid,
            _ => events.tools_changed(),
        }
    };
    assert_ne!(first, second);
    gateway.stop();
    wait_for_none(&scene.mark());
}

#[test]
fn contract_7_a_program_that_is_not_there_is_named() {
    let dir = Dir::new();
    let missing = json!({"command": "/nowhere/at/all"});
    let unknown = json!({"command": "no-such-program"});
    let folder = json!({"command": dir.file("")});
    dir.write("plain", "no program");
    let plain = json!({"command": dir.file("plain")});
    dir.servers(&[
        ("missing", missing),
        ("unknown", unknown),
        ("folder", folder),
        ("plain", plain),
        ("good", fixture(&[])),
    ]);
    let gateway = Gateway::start(dir.path(), &[]);
    let mut client = Client::open(gateway.port);
    client.echo("good");
    for (name, reason) in [
        ("missing", "/nowhere/at/all"),
        ("unknown", "no-such-program"),
        ("folder", "is a directory"),
        ("plain", "no permission to execute"),
    ] {
        let response = client.call(&format!("{name}_1mcp_x"), &json!({}));
        assert_eq!(response["error"]["code"], -32603, "{response}");
        let message = response["error"]["message"]
            .as_str()
            .unwrap()
            .to_lowercase();
        assert!(
            message.contains(name) && message.contains(reason),
            "{message}"
        );
    }
    gateway.stop();
}

#[test]
fn contract_7_a_guard_that_is_killed_is_replaced() {
    let scene = Marked::new(&[("deaf", deaf())]);
    let gateway = Gateway::of(&mut scene.command(&[]));
    let mut client = Client::open(gateway.port);
    client.echo("deaf");
    let guard = |not: u32| {
        let all = marked(&scene.mark());
        let mut found = all
            .into_iter()
            .filter(|(_, words)| words.contains("__guard"));
        found.find(|(pid, _)| *pid != not).map(|(pid, _)| pid)
    };
    let first = guard(0).expect("a guard runs beside the first child");
    signal(first, "KILL");
    // It is replaced as soon as its end is seen, which no other process is told.
    while guard(first).is_none() {
        client.echo("deaf");
    }
    // By then it was told of everybody who had been told to the first one.
    gateway.log.containing("guard process was killed");
    gateway.process.signal("KILL");
    wait_for_none(&scene.mark());
}

#[test]
fn contract_7_the_log_has_what_servers_write_to_stderr() {
    let dir = Dir::new();
    let line = "echo first line >&2; printf 'half a line' >&2; exit 3";
    dir.servers(&[(
        "a",
        json!({"command": "sh", "args": ["-c", line], "maxRestarts": 1}),
    )]);
    let gateway = Gateway::start(dir.path(), &[]);
    gateway.log.containing("[a] first line");
    gateway.log.containing("[a] half a line");
    gateway.stop();
}
