//! Contract 1, `serve`: what a start needs, and that nothing is half started when it fails.

use std::fs;
use std::io::Read;
use std::net::TcpListener;

use serde_json::json;

use crate::support::dir::{Dir, config, fixture};
use crate::support::gateway::{Gateway, serve};
use crate::support::http::Connection;
use crate::support::mcp::{Client, any_of, initialize, text_of};
use crate::support::program::{command, run, run_with};
use crate::support::stdio;

/// A server that leaves a line in `started` whenever it is started.
fn noted(dir: &Dir) -> serde_json::Value {
    fixture(&["--pid-file", &dir.file("started")])
}

#[test]
fn contract_1_a_port_in_use_is_one_line_and_nothing_is_started() {
    let dir = Dir::new();
    dir.servers(&[("a", noted(&dir))]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut serve = command(dir.path(), &["serve", "--port", &port, "--config-dir"]);
    let ended = run(serve.arg(dir.path()));
    ended.expect(1);
    assert!(
        ended.err.contains(&port) && ended.err.contains("--port"),
        "{ended:?}"
    );
    assert!(!fs::exists(dir.file("started")).unwrap());
    assert!(!fs::exists(dir.file("state")).unwrap());
}

#[test]
fn contract_1_a_ca_file_that_cannot_be_used_is_one_line_and_nothing_is_started() {
    let dir = Dir::new();
    dir.servers(&[("a", noted(&dir))]);
    dir.write("empty.pem", "");
    for (name, why) in [
        ("missing.pem", "there is no such file"),
        ("empty.pem", "it holds no certificate"),
    ] {
        let file = dir.file(name);
        let ended = run(&mut serve(dir.path(), &["--port", "0", "--ca-file", &file]));
        ended.expect(1);
        assert!(
            ended
                .err
                .contains(&format!("--ca-file: cannot use {file}: {why}")),
            "{ended:?}"
        );
    }
    assert!(!fs::exists(dir.file("started")).unwrap());
}

#[test]
fn contract_1_a_proxy_that_cannot_be_read_is_a_warning_without_its_value() {
    let dir = Dir::new();
    dir.servers(&[]);
    let mut serve = serve(dir.path(), &["--transport", "stdio"]);
    serve.env("https_proxy", "socks5://user:hunter2@proxy");
    let ended = run(&mut serve);
    ended.expect(0);
    assert!(
        ended
            .err
            .contains("https_proxy is ignored, servers are reached directly: the only proxies"),
        "{ended:?}"
    );
    assert!(!ended.err.contains("hunter2"), "{ended:?}");
}

#[test]
fn contract_2_what_is_not_json_is_told_with_line_and_column() {
    let dir = Dir::new();
    for (text, place) in [
        (
            "{\n  \"mcpServers\": nonsense\n}",
            "mcp.json: line 2, column 17: ",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"x\"}}",
            "mcp.json: line 1, column 39: ",
        ),
        ("\u{0}", "mcp.json: line 1, column 1: "),
        ("[]", "mcp.json: line 1, column 1: "),
    ] {
        dir.write("mcp.json", text);
        for transport in ["http", "stdio"] {
            let ended = run(&mut serve(dir.path(), &["--transport", transport]));
            ended.expect(1);
            assert!(ended.err.contains(place), "{place}: {ended:?}");
        }
    }
    fs::remove_file(dir.file("mcp.json")).unwrap();
    fs::create_dir(dir.file("mcp.json")).unwrap();
    run(&mut serve(dir.path(), &[])).expect(1);
}

#[test]
fn contract_2_a_bad_entry_is_told_and_skipped_and_the_others_run() {
    let dir = Dir::new();
    let good = fixture(&[]);
    let text = format!(
        "{{\"mcpServers\": {{\n  \"bad\": {{\"command\": 5}},\n  \"good\": {good},\n  \
         \"b d\": {{\"command\": \"x\"}}\n}}}}"
    );
    dir.write("mcp.json", text);
    let gateway = Gateway::start(dir.path(), &[]);
    gateway.log.containing("mcp.json: line 2, column 22: ");
    gateway.log.containing("mcp.json: line 4, column 3: ");
    let mut client = Client::open(gateway.port);
    client.echo("good");
    assert!(!client.offers("bad"));
    gateway.stop();
}

#[test]
fn contract_2_a_variable_that_is_not_set_fails_its_server_by_name() {
    let dir = Dir::new();
    let bad = json!({"command": "x", "args": ["${E2E_NOT_SET}"]});
    dir.servers(&[("bad", bad), ("good", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    gateway.log.containing("E2E_NOT_SET");
    let mut client = Client::open(gateway.port);
    client.echo("good");
    let response = client.call("bad_1mcp_anything", &json!({}));
    assert_eq!(response["error"]["code"], -32603, "{response}");
    let message = response["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("bad") && message.contains("E2E_NOT_SET"),
        "{message}"
    );
    gateway.stop();
}

#[test]
fn contract_2_variables_come_from_the_environment_then_from_dot_env() {
    let dir = Dir::new();
    dir.write(".env", "# mine\nFROM_FILE='a b'\nBOTH=file\n");
    let mut entry = fixture(&[]);
    entry["env"] = json!({"A": "${FROM_FILE}", "B": "${BOTH}", "C": "${NONE:-default}", "D": "$$"});
    dir.servers(&[("f", entry)]);
    let mut command = serve(dir.path(), &[]);
    command
        .env("BOTH", "environment")
        .env("E2E_SECRET", "not for children");
    let gateway = Gateway::of(&mut command);
    let mut client = Client::open(gateway.port);
    let mut variable = |name: &str| {
        let response = client.call("f_1mcp_env", &json!({"name": name}));
        (response["result"]["isError"] != true).then(|| text_of(&response).to_owned())
    };
    assert_eq!(variable("A").unwrap(), "a b");
    assert_eq!(variable("B").unwrap(), "environment");
    assert_eq!(variable("C").unwrap(), "default");
    assert_eq!(variable("D").unwrap(), "$");
    assert_eq!(variable("HOME").unwrap(), dir.path().to_str().unwrap());
    assert_eq!(variable("E2E_SECRET"), None);
    gateway.stop();
}

#[test]
fn contract_1_no_configuration_yet_is_a_start_that_says_what_to_do() {
    let dir = Dir::new();
    let gateway = Gateway::start(dir.path(), &[]);
    gateway.log.containing("1mcp mcp add");
    let mut client = Client::open(gateway.port);
    assert_eq!(client.tools(), [""; 0]);
    // What is added is there without a restart.
    let mut events = client.listen();
    dir.servers(&[("late", fixture(&[]))]);
    client.until(&mut events, |tools| any_of("late", tools));
    client.echo("late");
    gateway.stop();
}

#[test]
fn contract_1_in_stdio_mode_initialize_and_the_end_print_one_line() {
    let dir = Dir::new();
    dir.servers(&[("a", noted(&dir))]);
    let message =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize()});
    let input = format!("{message}\n");
    let ended = run_with(&mut stdio::serve(dir.path(), &[]), input.as_bytes());
    ended.expect(0);
    assert_eq!(ended.out().matches('\n').count(), 1, "{ended:?}");
    assert_eq!(ended.json()["result"]["serverInfo"]["name"], "1mcp");
    // A file as stdin: its end is there from the beginning, too.
    dir.write("input", &input);
    let file = fs::File::open(dir.file("input")).unwrap();
    let output = stdio::serve(dir.path(), &[]).stdin(file).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, ended.out);
}

#[test]
fn contract_1_in_stdio_mode_garbage_is_answered_and_survived() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let mut client = stdio::Stdio::start(&mut stdio::serve(dir.path(), &[]));
    let input = client.gateway.input.as_mut().unwrap();
    std::io::Write::write_all(
        input,
        b"garbage\n\xff\xfe\n\n{}\n[]\n{\"jsonrpc\":\"2.0\"}\n",
    )
    .unwrap();
    let response = client.call("a_1mcp_echo", &json!({"text": "x"}));
    assert_eq!(text_of(&response), "x");
    let errors = client.gateway.out.text();
    assert_eq!(errors.matches("-32700").count(), 2, "{errors}");
    assert!(errors.matches("-32600").count() >= 2, "{errors}");
}

#[test]
fn contract_2_a_state_directory_that_cannot_be_written_costs_nothing_else() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    // A file where the directory should be is in the way for root, too.
    dir.write("state", "");
    let gateway = Gateway::start(dir.path(), &[]);
    let mut client = Client::open(gateway.port);
    client.echo("a");
    gateway.stop();
    assert_eq!(dir.read("state"), "");
}

#[test]
fn contract_2_a_limit_of_file_sizes_costs_only_what_is_kept() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let line = format!("ulimit -f 0; exec 1mcp serve --port 0 -d {}", dir.file(""));
    let mut command = crate::support::program::other("sh", dir.path(), &["-c", &line]);
    let gateway = Gateway::of(&mut command);
    let mut client = Client::open(gateway.port);
    client.echo("a");
    client.tools();
    gateway.stop();
}

#[test]
fn contract_3_a_second_start_answers_from_memory_while_the_server_hangs() {
    let dir = Dir::new();
    let script = |rest: &str| {
        let fixture = fixture(&[]);
        let program = fixture["command"].as_str().unwrap();
        format!(
            "if [ -e {} ]; then {rest}; fi; exec {program}",
            dir.file("slow")
        )
    };
    // The same entry both times: what is remembered belongs to it.
    let wait = script(&format!("read line < {}", dir.file("fifo")));
    run(&mut crate::support::program::other(
        "mkfifo",
        dir.path(),
        &[&dir.file("fifo")],
    ))
    .expect(0);
    dir.servers(&[("a", json!({"command": "sh", "args": ["-c", wait]}))]);
    let gateway = Gateway::start(dir.path(), &[]);
    let mut client = Client::open(gateway.port);
    client.echo("a");
    let known = client.tools();
    let hello = Client::open(gateway.port).hello;
    gateway.stop();

    dir.write("slow", "");
    let gateway = Gateway::start(dir.path(), &["--list-wait", "600000"]);
    let mut client = Client::open(gateway.port);
    assert_eq!(client.hello["capabilities"], hello["capabilities"]);
    assert_eq!(client.hello["instructions"], hello["instructions"]);
    assert_eq!(client.tools(), known);
    // Now it may start, and a call that waits for it is answered.
    fs::write(dir.file("fifo"), "go\n").unwrap();
    client.echo("a");
    gateway.stop();
}

#[test]
fn contract_3_a_server_that_hangs_delays_nobody() {
    let dir = Dir::new();
    let hang = fixture(&["--hang"]);
    let mut servers: Vec<_> = (0..6).map(|_| hang.clone()).collect();
    servers.push(fixture(&[]));
    let names = ["h0", "h1", "h2", "h3", "h4", "h5", "good"];
    let servers: Vec<_> = names.into_iter().zip(servers).collect();
    dir.servers(&servers);
    let gateway = Gateway::start(dir.path(), &["--list-wait", "0"]);
    let mut client = Client::open(gateway.port);
    client.echo("good");
    assert!(client.offers("good"));
    gateway.stop();
}

#[test]
fn contract_4_tags_choose_by_tag_or_name() {
    let dir = Dir::new();
    let tagged = |tags: &[&str]| {
        let mut entry = fixture(&[]);
        entry["tags"] = json!(tags);
        entry
    };
    dir.servers(&[
        ("a", tagged(&["Fs"])),
        ("b", tagged(&["web"])),
        ("c", tagged(&[])),
    ]);
    for (flag, expected) in [("fs", "a"), ("c", "c"), ("FS,c", "ac"), ("none", "")] {
        let gateway = Gateway::start(dir.path(), &["--tags", flag]);
        let mut client = Client::open(gateway.port);
        let tools = client.tools();
        for name in ["a", "b", "c"] {
            let offered = tools
                .iter()
                .any(|tool| tool.starts_with(&format!("{name}_1mcp_")));
            assert_eq!(offered, expected.contains(name), "{flag}: {name}");
        }
        gateway.stop();
    }
}

#[test]
fn contract_1_several_instances_share_a_configuration_directory() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&[]))]);
    let gateways: Vec<_> = (0..3).map(|_| Gateway::start(dir.path(), &[])).collect();
    let mut one = stdio::Stdio::start(&mut stdio::serve(dir.path(), &[]));
    for gateway in &gateways {
        Client::open(gateway.port).echo("a");
    }
    assert_eq!(
        text_of(&one.call("a_1mcp_echo", &json!({"text": "x"}))),
        "x"
    );
    gateways.into_iter().for_each(Gateway::stop);
}

#[test]
fn contract_3_a_configuration_that_starts_itself_is_refused_with_one_sentence() {
    let dir = Dir::new();
    let own = dir.file("");
    let itself = json!({
        "command": crate::support::program::BINARY.as_str(),
        "args": ["serve", "--transport", "stdio", "--config-dir", own],
        "env": {"E2E_MARK": own},
    });
    // A second spelling, by a directory that is a link to the first, through a shell.
    let link = Dir::new();
    std::os::unix::fs::symlink(dir.path(), link.file("link")).unwrap();
    let line = format!("1mcp serve -t stdio -d {}; exit $?", link.file("link"));
    let shell = json!({
        "command": "sh", "args": ["-c", line],
        "env": {"E2E_MARK": own, "PATH": "${PATH}"},
    });
    dir.servers(&[("itself", itself), ("shell", shell), ("good", fixture(&[]))]);
    let gateway = Gateway::start(dir.path(), &[]);
    for name in ["itself", "shell"] {
        gateway.log.find("refusal", |line| {
            let sentence = "is served already by the 1mcp that started this one";
            (line.contains(&format!("[{name}]")) && line.contains(sentence)).then_some(())
        });
    }
    let mut client = Client::open(gateway.port);
    client.echo("good");
    let response = client.call("itself_1mcp_echo", &json!({}));
    assert_eq!(response["error"]["code"], -32603, "{response}");
    let message = response["error"]["message"].as_str().unwrap();
    assert!(message.contains("is served already"), "{message}");
    // Each try is at most the program, the shell and what the shell runs.
    let marked = crate::support::processes::marked(&own);
    assert!(marked.len() <= 4, "{marked:?}");
    gateway.stop();
    crate::support::processes::wait_for_none(&own);
}

#[test]
fn contract_3_one_1mcp_may_serve_another_that_has_its_own_configuration() {
    let (above, below) = (Dir::new(), Dir::new());
    below.servers(&[("f", fixture(&[]))]);
    let inner = json!({
        "command": crate::support::program::BINARY.as_str(),
        "args": ["serve", "-t", "stdio", "-d", below.file("")],
    });
    above.servers(&[("inner", inner)]);
    let gateway = Gateway::start(above.path(), &[]);
    let mut client = Client::open(gateway.port);
    let response = client.call("inner_1mcp_f_1mcp_echo", &json!({"text": "deep"}));
    assert_eq!(text_of(&response), "deep");
    gateway.stop();
}

#[test]
fn contract_1_a_stderr_that_nobody_reads_never_stops_calls() {
    let dir = Dir::new();
    dir.servers(&[("a", fixture(&["--flood-stderr"]))]);
    let mut command = serve(dir.path(), &["--log-level", "debug"]);
    let mut child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let process = crate::support::program::Process::of(child);
    // Up to the ready line, and no byte after it.
    let mut log = Vec::new();
    let port = loop {
        let mut byte = [0];
        assert_eq!(stderr.read(&mut byte).unwrap(), 1);
        log.push(byte[0]);
        let text = String::from_utf8_lossy(&log);
        if let Some(port) = text
            .strip_suffix('\n')
            .and_then(crate::support::gateway::port_of)
        {
            break port;
        }
    };
    let mut client = Client::open(port);
    for _ in 0..100 {
        client.echo("a");
    }
    // More lines than a pipe and our ring hold: each request is one of at least 50 bytes.
    let mut connection = Connection::open(port);
    for _ in 0..8 {
        let get = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        connection.send(get.repeat(1000));
        for _ in 0..1000 {
            assert_eq!(connection.answer().status, 200);
        }
    }
    client.echo("a");
    process.signal("TERM");
    assert!(process.ended().success());
    drop(stderr);
}

#[test]
fn contract_1_a_configuration_of_many_servers_starts() {
    let dir = Dir::new();
    let names: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
    let servers: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), fixture(&[])))
        .collect();
    dir.write("mcp.json", config(&servers));
    let gateway = Gateway::start(dir.path(), &["--list-wait", "600000"]);
    let mut client = Client::open(gateway.port);
    let tools = client.tools();
    for name in &names {
        assert!(tools.contains(&format!("{name}_1mcp_echo")), "{name}");
    }
    client.echo("s19");
    gateway.stop();
}
