//! The start, its refusals, and the configuration while we serve.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use crate::gateway::{Home, Running, Session, children_of, fixture, until, wait};

#[test]
fn a_port_in_use_is_one_line_exit_1_and_nothing_was_started() {
    let home = Home::new();
    let pids = home.file("pids");
    home.configure(&[("a", &fixture(), &["--pid-file", pids.to_str().unwrap()])]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = home.command(&["--port", &port]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with("1mcp: cannot listen on 127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains("already in use"));
    assert!(!pids.exists());
}

#[test]
fn a_configuration_that_is_not_json_is_one_line_with_line_and_column() {
    let home = Home::new();
    fs::write(home.file("mcp.json"), "{\n  \"mcpServers\": {,}\n}").unwrap();
    let output = home.http().output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("mcp.json: line 2, column "), "{text}");
}

#[test]
fn without_a_configuration_it_serves_nobody_and_says_how_to_add_one() {
    let home = Home::new();
    let gateway = Running::start(&mut home.http());
    gateway.logged("(0 servers)");
    assert!(gateway.log().contains("1mcp mcp add"));
    assert!(Session::open(&gateway.address()).tools().is_empty());
}

#[test]
fn a_new_server_starts_and_the_old_one_does_not_notice() {
    let home = Home::new();
    let pids = home.file("pids");
    let old = ["--pid-file", pids.to_str().unwrap()];
    home.configure(&[("a", &fixture(), &old)]);
    let gateway = Running::start(&mut home.http());
    gateway.logged("server=a ready");
    let session = Session::open(&gateway.address());
    home.configure(&[("a", &fixture(), &old), ("b", &fixture(), &[])]);
    gateway.logged("server=b ready");
    assert_eq!(session.echo("b"), "hello");
    assert_eq!(home.text("pids").lines().count(), 1, "a was started once");
    home.configure(&[("b", &fixture(), &[])]);
    gateway.logged("server=a stopped");
    until("only the guard and b are left", || {
        children_of(gateway.pid()).len() == 2
    });
}

#[test]
fn garbage_while_serving_keeps_the_old_configuration_and_is_told() {
    let home = Home::with(&[("a", &fixture(), &[])]);
    let gateway = Running::start(&mut home.http());
    gateway.logged("server=a ready");
    fs::write(home.file("mcp.json"), "{ nonsense").unwrap();
    gateway.logged("line 1, column 3");
    let session = Session::open(&gateway.address());
    assert_eq!(session.echo("a"), "hello");
    fs::remove_file(home.file("mcp.json")).unwrap();
    gateway.logged("mcp.json is gone");
    assert_eq!(session.echo("a"), "hello");
    home.configure(&[("b", &fixture(), &[])]);
    gateway.logged("server=b ready");
}

#[test]
fn a_variable_from_dot_env_reaches_the_child_and_a_new_value_restarts_it() {
    let home = Home::new();
    let text = serde_json::json!({"mcpServers": {
        "a": {"command": fixture(), "env": {"TOKEN": "${E2E_TOKEN}"}}
    }});
    fs::write(home.file(".env"), "E2E_TOKEN=one\n").unwrap();
    fs::write(home.file("mcp.json"), text.to_string()).unwrap();
    let gateway = Running::start(&mut home.http());
    gateway.logged("server=a ready");
    let session = Session::open(&gateway.address());
    let token = || session.call("a_1mcp_env", &serde_json::json!({"name": "TOKEN"}));
    assert_eq!(token(), "one");
    fs::write(home.file(".env"), "E2E_TOKEN=two\n").unwrap();
    until("the new value arrives", || token() == "two");
}

#[test]
fn a_serve_below_itself_refuses_with_one_sentence() {
    let home = Home::new();
    let (program, dir) = (crate::gateway::binary(), home.path().to_owned());
    home.configure(&[("self", program, &["serve", "-t", "stdio", "-d", &dir])]);
    let gateway = Running::start(&mut home.http());
    gateway.logged("is served already by the 1mcp that started this one");
}

#[test]
fn two_instances_share_a_configuration_directory() {
    let home = Home::with(&[("a", &fixture(), &[])]);
    let first = Running::start(&mut home.http());
    let second = Running::start(&mut home.http());
    for gateway in [&first, &second] {
        gateway.logged("server=a ready");
        assert!(!Session::open(&gateway.address()).tools().is_empty());
    }
    let mut third = home.stdio();
    third.stdin(Stdio::null()).stdout(Stdio::null());
    assert_eq!(wait(&mut third.spawn().unwrap()).code(), Some(0));
}
