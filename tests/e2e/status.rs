//! Contract 1, `mcp status`: the truth about the servers, from the running instances or from a
//! check of its own; and the sockets on which instances are asked.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::support::dir::{Dir, fixture};
use crate::support::gateway::{self, Gateway};
use crate::support::mcp::Client;
use crate::support::processes::{marked, wait_for_none};
use crate::support::program::{self, Beside, Ended, cli, run};
use crate::support::{PATIENCE, stdio};

/// A server that says why it fails.
fn failing() -> Value {
    json!({"command": "sh", "args": ["-c", "echo 'no token here' >&2; exit 3"]})
}

/// `mcp status --json` with these arguments.
#[track_caller]
fn status(dir: &Dir, args: &[&str]) -> (i32, Value) {
    let ended = cli(dir.path(), &[&["mcp", "status", "--json"], args].concat());
    (ended.code.unwrap(), ended.json())
}

/// The rows of one server.
fn rows<'a>(document: &'a Value, name: &str) -> Vec<&'a Value> {
    let rows = document["servers"].as_array().unwrap();
    rows.iter().filter(|row| row["name"] == name).collect()
}

/// The directory of sockets where nothing but HOME and PATH is set.
fn usual() -> PathBuf {
    let user = fs::metadata("/proc/self").unwrap().uid();
    PathBuf::from(format!("/tmp/1mcp-{user}"))
}

/// The socket of a process in a directory.
fn socket_of(directory: &Path, pid: u32) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    let ending = format!("-{pid}");
    let mut names = entries.map(|entry| entry.unwrap().path());
    names.find(|path| path.to_str().unwrap().ends_with(&ending))
}

/// Asks on a socket with these bytes; everything that is answered.
fn ask(socket: &Path, question: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _refused = stream.write_all(question);
    let mut answer = Vec::new();
    // It may be closed with bytes of ours unread.
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// A command in the environment of the tests, and this variable.
fn with(mut command: Command, name: &str, value: &Path) -> Command {
    command.env(name, value);
    command
}

fn status_command(dir: &Dir) -> Command {
    let mut command = program::command(dir.path(), &["mcp", "status", "--json", "--config-dir"]);
    command.arg(dir.path());
    command
}

#[test]
fn contract_1_http_and_stdio_instances_are_both_told_and_their_sockets_go_with_them() {
    let dir = Dir::new();
    dir.servers(&[
        ("a", fixture(&[])),
        ("off", json!({"command": "x", "disabled": true})),
    ]);
    let http = Gateway::start(dir.path(), &[]);
    Client::open(http.port).echo("a");
    let mut stdio = stdio::Stdio::start(&mut stdio::serve(dir.path(), &[]));
    stdio.call("a_1mcp_echo", &json!({"text": "x"}));
    let (code, document) = status(&dir, &[]);
    assert_eq!(
        (code, &document["healthy"]),
        (0, &json!(true)),
        "{document}"
    );
    let instances = document["instances"].as_array().unwrap();
    let of = |transport: &str| {
        let mut found = instances.iter().filter(|one| one["transport"] == transport);
        found.next().unwrap()
    };
    assert_eq!(of("http")["pid"], http.process.pid);
    let url = format!("http://127.0.0.1:{}/mcp", http.port);
    assert_eq!(of("http")["url"], url);
    assert_eq!(of("http")["sessions"], 1);
    assert_eq!(of("stdio")["pid"], stdio.gateway.process.pid);
    assert_eq!(of("stdio")["configFile"], dir.file("mcp.json"));
    let all = rows(&document, "a");
    assert_eq!(all.len(), 2);
    for row in &all {
        assert_eq!(row["state"], "ready", "{row}");
        assert_eq!(row["serverName"], "fixture", "{row}");
        assert_eq!(row["protocolVersion"], "2026-07-28", "{row}");
        assert!(
            row["tools"].as_u64().unwrap() > 5 && row["pid"].is_u64(),
            "{row}"
        );
    }
    assert_ne!(all[0]["pid"], all[1]["pid"]);
    assert_eq!(rows(&document, "off")[0]["state"], "disabled");
    let table = cli(dir.path(), &["mcp", "status"]);
    assert!(
        table.expect(0).out().contains("INSTANCE  NAME"),
        "{table:?}"
    );
    // What is asked without a URL is what runs.
    cli(dir.path(), &["health"]).expect(0);
    let pids = [http.process.pid, stdio.gateway.process.pid];
    assert!(pids.iter().all(|pid| socket_of(&usual(), *pid).is_some()));
    stdio.gateway.input = None;
    assert!(stdio.gateway.process.ended().success());
    http.stop();
    assert!(pids.iter().all(|pid| socket_of(&usual(), *pid).is_none()));
}

#[test]
fn contract_1_without_an_instance_the_servers_are_checked_and_stopped() {
    let dir = Dir::new();
    let mark = format!("E2E_STATUS={}", dir.path().display());
    let mut good = fixture(&[]);
    good["env"] = json!({"E2E_STATUS": dir.path()});
    dir.servers(&[
        ("good", good),
        ("bad", failing()),
        (
            "remote",
            json!({"url": "http://127.0.0.1:1/mcp?k=s3cret", "connectionTimeout": 2000}),
        ),
        ("fault", json!({"command": "${E2E_NOT_SET}"})),
        ("off", json!({"command": "x", "disabled": true})),
    ]);
    let (code, document) = status(&dir, &[]);
    assert_eq!((code, &document["running"]), (1, &json!(false)));
    let state = |name: &str| rows(&document, name)[0]["state"].as_str().unwrap();
    assert_eq!(state("good"), "ready");
    assert_eq!(state("bad"), "failed");
    assert_eq!(state("remote"), "failed");
    let remote = rows(&document, "remote")[0];
    assert_eq!(remote["url"], "http://127.0.0.1:1/mcp?***");
    assert!(!document.to_string().contains("s3cret"), "{document}");
    assert_eq!(state("fault"), "fault");
    assert_eq!(state("off"), "disabled");
    let bad = rows(&document, "bad")[0];
    assert!(
        bad["why"].as_str().unwrap().contains("exit code 3"),
        "{bad}"
    );
    assert_eq!(bad["stderr"], json!(["no token here"]));
    assert!(
        rows(&document, "fault")[0]["why"]
            .as_str()
            .unwrap()
            .contains("E2E_NOT_SET")
    );
    wait_for_none(&mark);
    assert!(
        !fs::exists(dir.file("state")).unwrap(),
        "nothing is written"
    );
    let good = cli(dir.path(), &["mcp", "status", "good"]);
    assert!(
        good.expect(0).err.contains("no instance is running"),
        "{good:?}"
    );
    assert!(good.out().starts_with("good: ready\n"), "{good:?}");
    let bad = cli(dir.path(), &["mcp", "status", "bad"]);
    assert!(
        bad.out().contains("  stderr\n    no token here\n"),
        "{bad:?}"
    );
    assert_eq!(bad.code, Some(1));
}

#[test]
fn contract_1_a_name_that_nobody_has_is_3_and_a_bad_entry_is_1() {
    let dir = Dir::new();
    dir.write(
        "mcp.json",
        r#"{"mcpServers": {"files": {"command": "cat"}, "bad": {"command": 5}}}"#,
    );
    let unknown = cli(dir.path(), &["mcp", "status", "fils"]);
    assert!(unknown.err.contains("did you mean files?"), "{unknown:?}");
    assert_eq!(unknown.code, Some(3));
    assert_eq!(cli(dir.path(), &["mcp", "status", "a\nb"]).code, Some(3));
    let bad = cli(dir.path(), &["mcp", "status", "bad"]);
    assert_eq!(
        (bad.code, bad.err.contains("line 1")),
        (Some(1), true),
        "{bad:?}"
    );
    assert_eq!(cli(dir.path(), &["mcp", "status", "a", "b"]).code, Some(2));
    dir.write("mcp.json", r#"{"mcpServers": {}}"#);
    assert_eq!(cli(dir.path(), &["mcp", "status"]).code, Some(0));
    dir.write("mcp.json", "{");
    cli(dir.path(), &["mcp", "status"]).expect(1);
}

#[test]
fn contract_1_a_running_instance_knows_the_name_or_it_is_3() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[])), ("b", failing())]);
    let gateway = Gateway::start(dir.path(), &[]);
    assert_eq!(cli(dir.path(), &["mcp", "status", "c"]).code, Some(3));
    gateway.log.containing("server=b down");
    let (code, document) = status(&dir, &["b"]);
    assert_eq!(code, 1);
    assert_eq!(document["servers"].as_array().unwrap().len(), 1);
    let row = &document["servers"][0];
    assert_eq!(row["instance"], gateway.process.pid);
    assert!(["restarting", "starting"].contains(&row["state"].as_str().unwrap()));
    assert_eq!(row["stderr"][0], "no token here");
    gateway.stop();
}

#[test]
fn contract_1_a_server_that_restarts_is_told_with_why_and_when() {
    let dir = Dir::new();
    let mut slow = failing();
    slow["restartDelay"] = json!(50_000);
    dir.servers(&[("a", slow)]);
    let gateway = Gateway::start(dir.path(), &[]);
    gateway.log.containing("server=a down");
    let (code, document) = status(&dir, &[]);
    let row = &document["servers"][0];
    assert_eq!(
        (code, &row["state"]),
        (1, &json!("restarting")),
        "{document}"
    );
    assert!(row["retryInMs"].as_u64().unwrap() > 1000, "{row}");
    assert!(
        row["why"].as_str().unwrap().contains("exit code 3"),
        "{row}"
    );
    let text = cli(dir.path(), &["mcp", "status"]);
    assert!(text.out().contains("next try in"), "{text:?}");
    gateway.stop();
}

#[test]
fn contract_1_a_server_that_hangs_ends_with_its_time() {
    let dir = Dir::new();
    let mut short = fixture(&["--hang"]);
    short["connectionTimeout"] = json!(200);
    dir.servers(&[("long", fixture(&["--hang"])), ("short", short)]);
    let (code, document) = status(&dir, &["short"]);
    let why = document["servers"][0]["why"].as_str().unwrap();
    assert_eq!(
        (code, why),
        (1, "did not finish its handshake within 200 ms")
    );
    let (code, document) = status(&dir, &["long", "--wait", "300"]);
    assert_eq!(
        (code, &document["servers"][0]["state"]),
        (1, &json!("failed"))
    );
    let why = document["servers"][0]["why"].as_str().unwrap();
    assert!(why.contains("300 ms"), "{why}");
}

#[test]
fn contract_1_a_server_that_never_had_its_turn_is_not_blamed() {
    let dir = Dir::new();
    let hang = fixture(&["--hang"]);
    let mut servers: Vec<(&str, Value)> = Vec::new();
    servers.extend(["a", "b", "c", "d"].map(|name| (name, hang.clone())));
    servers.push(("last", fixture(&[])));
    dir.servers(&servers);
    let (code, document) = status(&dir, &["--wait", "300"]);
    let why = document["servers"][4]["why"].as_str().unwrap();
    assert_eq!(code, 1);
    assert!(why.ends_with("those before it were slow"), "{why}");
}

#[test]
fn contract_1_status_leaves_no_process_behind_however_it_ends() {
    for signal in ["INT", "KILL"] {
        let dir = Dir::new();
        let mark = format!("E2E_STATUS={}", dir.path().display());
        let mut entry = fixture(&["--hang", "--ignore-eof", "--ignore-term"]);
        entry["env"] = json!({"E2E_STATUS": dir.path()});
        dir.servers(&[("a", entry)]);
        let status = Beside::start(&mut status_command(&dir));
        while marked(&mark).is_empty() {
            thread::yield_now();
        }
        status.process.signal(signal);
        let ended = status.process.ended();
        if signal == "INT" {
            assert_eq!(ended.code(), Some(1));
            status.log.containing("interrupted");
        }
        wait_for_none(&mark);
    }
}

#[test]
fn the_socket_of_a_killed_instance_is_removed_by_whoever_finds_it() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    let socket = socket_of(&usual(), gateway.process.pid).unwrap();
    gateway.process.signal("KILL");
    gateway.process.ended();
    assert!(fs::symlink_metadata(&socket).is_ok());
    let (code, document) = status(&dir, &[]);
    assert_eq!(
        (code, &document["running"]),
        (0, &json!(false)),
        "{document}"
    );
    assert!(fs::symlink_metadata(&socket).is_err());
}

#[test]
fn the_runtime_directory_comes_first_and_others_find_what_is_there() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let runtime = dir.path().join("run");
    fs::create_dir(&runtime).unwrap();
    let serve = gateway::serve(dir.path(), &[]);
    let gateway = Gateway::of(&mut with(serve, "XDG_RUNTIME_DIR", &runtime));
    let place = runtime.join("1mcp");
    let socket = socket_of(&place, gateway.process.pid).unwrap();
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&place), mode(&socket)), (0o700, 0o600));
    assert!(
        fs::symlink_metadata(&socket)
            .unwrap()
            .file_type()
            .is_socket()
    );
    let asked = run(&mut with(status_command(&dir), "XDG_RUNTIME_DIR", &runtime));
    assert_eq!(asked.json()["instances"][0]["pid"], gateway.process.pid);
    gateway.stop();
    assert!(fs::symlink_metadata(&socket).is_err());
    // Applications start us with HOME and PATH alone; a shell has more.
    let gateway = Gateway::start(dir.path(), &[]);
    let asked = run(&mut with(status_command(&dir), "XDG_RUNTIME_DIR", &runtime));
    assert_eq!(asked.json()["instances"][0]["pid"], gateway.process.pid);
    gateway.stop();
}

#[test]
fn planted_open_and_long_directories_are_left_alone_and_serving_goes_on() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let name = usual().file_name().unwrap().to_owned();
    let temporary = |case: &str| {
        let path = dir.path().join(case);
        fs::create_dir(&path).unwrap();
        path
    };
    let elsewhere = temporary("elsewhere");
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
    let planted = temporary("planted");
    symlink(&elsewhere, planted.join(&name)).unwrap();
    let open = temporary("open");
    fs::create_dir(open.join(&name)).unwrap();
    fs::set_permissions(open.join(&name), fs::Permissions::from_mode(0o777)).unwrap();
    let long = temporary(&"long".repeat(25));
    for tmp in [&planted, &open, &long] {
        let serve = gateway::serve(dir.path(), &[]);
        let gateway = Gateway::of(&mut with(serve, "TMPDIR", tmp));
        Client::open(gateway.port).echo("a");
        // It is in the next place.
        assert!(
            socket_of(&usual(), gateway.process.pid).is_some(),
            "{tmp:?}"
        );
        for environment in [tmp.as_path(), Path::new("/tmp")] {
            let asked: Ended = run(&mut with(status_command(&dir), "TMPDIR", environment));
            asked.expect(0);
            assert_eq!(asked.json()["instances"][0]["pid"], gateway.process.pid);
        }
        gateway.stop();
    }
    let left = |path: PathBuf| fs::read_dir(path).unwrap().count();
    assert_eq!((left(elsewhere), left(open.join(&name))), (0, 0));
    assert_eq!(
        fs::metadata(open.join(&name)).unwrap().mode() & 0o777,
        0o777
    );
}

#[test]
fn ten_who_ask_at_once_are_all_answered() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    Client::open(gateway.port).echo("a");
    thread::scope(|scope| {
        let asks: Vec<_> = (0..10).map(|_| scope.spawn(|| status(&dir, &[]))).collect();
        for ask in asks {
            let (code, document) = ask.join().unwrap();
            assert_eq!((code, document["instances"][0]["pid"].as_u64()), {
                (0, Some(gateway.process.pid.into()))
            });
        }
    });
    gateway.stop();
}

#[test]
fn garbage_and_silence_on_the_socket_harm_nobody() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    Client::open(gateway.port).echo("a");
    let socket = socket_of(&usual(), gateway.process.pid).unwrap();
    // More than there are places for: the last ones are closed at once, the others in time.
    let silent: Vec<UnixStream> = (0..40)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // To its end: a read with a deadline may be interrupted, and this goes on then.
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x00\xff\xfe\n",
        b"\n",
        b"status \n",
        &[b'x'; 100_000],
    ] {
        let answer = ask(&socket, garbage);
        assert!(
            answer.starts_with("{\"error\":\"") && answer.ends_with("\"}\n"),
            "{answer}"
        );
    }
    let nobody: Value = serde_json::from_str(&ask(&socket, b"status nobody\n")).unwrap();
    assert_eq!(nobody["servers"], json!([]));
    assert_eq!(status(&dir, &[]).0, 0);
    Client::open(gateway.port).echo("a");
    gateway.stop();
}

#[test]
fn an_instance_that_does_not_answer_is_told_and_not_waited_for() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    gateway.process.signal("STOP");
    let ended = cli(dir.path(), &["mcp", "status"]);
    gateway.process.signal("CONT");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let told = format!("instance {} cannot be asked", gateway.process.pid);
    assert!(ended.err.contains(&told), "{ended:?}");
    gateway.stop();
}

#[test]
fn contract_1_in_stdio_mode_servers_wait_for_the_client_and_that_is_well() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let stdio = Beside::start(&mut stdio::serve(dir.path(), &[]));
    while socket_of(&usual(), stdio.process.pid).is_none() {
        assert!(stdio.process.runs());
        thread::yield_now();
    }
    let (code, document) = status(&dir, &[]);
    assert_eq!(
        (code, &document["servers"][0]["state"]),
        (0, &json!("waiting"))
    );
    stdio.process.signal("TERM");
    stdio.process.ended();
}

#[test]
fn two_files_in_one_directory_are_two_configurations() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    dir.write("other.json", r#"{"mcpServers": {}}"#);
    let gateway = Gateway::start(dir.path(), &[]);
    let other = dir.file("other.json");
    let ended = run(&mut program::command(
        dir.path(),
        &["--config", &other, "mcp", "status", "--json"],
    ));
    assert_eq!(ended.expect(0).json()["running"], json!(false));
    gateway.stop();
}
