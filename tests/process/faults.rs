//! Servers that misbehave, and a system that runs out: the others go on, everybody is answered.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::process::Command;

use serde_json::json;

use crate::gateway::{Home, Running, Session, binary, fixture, processes_with, until};

/// A gateway with a good server and a bad one; the good one answers.
fn beside(bad: &[&str]) -> (Home, Running, Session) {
    let home = Home::with(&[("good", &fixture(), &[]), ("bad", &fixture(), bad)]);
    let gateway = Running::start(&mut home.http());
    gateway.logged("server=good ready");
    let session = Session::open(&gateway.address());
    assert_eq!(session.echo("good"), "hello");
    (home, gateway, session)
}

#[test]
fn a_server_that_prints_garbage_or_answers_twice_still_serves() {
    for bad in [
        &["--garbage"][..],
        &["--twice"],
        &["--wrong-ids"],
        &["--flood-stderr"],
    ] {
        let (_home, gateway, session) = beside(bad);
        gateway.logged("server=bad ready");
        for _ in 0..20 {
            assert_eq!(session.echo("bad"), "hello", "{bad:?}");
        }
    }
}

#[test]
fn a_line_without_end_costs_that_line_and_no_memory() {
    let (_home, gateway, session) = beside(&["--long-line", "100"]);
    gateway.logged("server=bad ready");
    assert_eq!(session.echo("bad"), "hello");
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(peak < 90 * 1024, "{peak} kB");
}

#[test]
fn a_server_that_exits_at_once_is_tried_again_and_its_calls_are_refused_by_name() {
    let (_home, gateway, session) = beside(&["--exit-at-start", "3"]);
    gateway.logged("server=bad");
    until("the call names the server and why", || {
        let answer = session.echo("bad");
        answer.contains("bad") && answer.contains("exit code 3")
    });
    assert_eq!(session.echo("good"), "hello");
}

#[test]
fn a_crash_in_a_call_is_answered_and_the_server_comes_back() {
    let (_home, gateway, session) = beside(&[]);
    gateway.logged("server=bad ready");
    let answer = session.call("bad_1mcp_crash", &json!({}));
    assert!(answer.contains("bad"), "{answer}");
    until("it is back", || session.echo("bad") == "hello");
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_reason() {
    let home = Home::with(&[("good", &fixture(), &[]), ("bad", "no-such-npx", &[])]);
    let gateway = Running::start(&mut home.http());
    let line = gateway.logged("no-such-npx");
    assert!(line.contains("not found in PATH ("), "{line}");
    gateway.logged("server=good ready");
}

#[test]
fn a_grandchild_that_holds_the_pipes_does_not_keep_a_removed_server_alive() {
    let home = Home::new();
    let name = home.path().to_owned();
    home.configure(&[("bad", &fixture(), &["--fork", "--name", &name])]);
    let gateway = Running::start(&mut home.http());
    gateway.logged("server=bad ready");
    home.configure(&[]);
    gateway.logged("server=bad stopped");
    until("nobody is left", || {
        let found = processes_with(&name);
        found.iter().all(|found| found.command.contains("serve"))
    });
}

#[test]
fn without_descriptors_connections_are_dropped_and_accepted_again_later() {
    let home = Home::new();
    let mut command = Command::new("sh");
    let serve = "ulimit -n 36; exec \"$0\" serve -d \"$1\" -P 0";
    command.args(["-c", serve, binary(), home.path()]);
    let gateway = Running::start(&mut command);
    let address = gateway.address();
    // More than there can be. Which of them find none is for the moment to say: descriptors are
    // taken and given back while it starts.
    let connect = |_| TcpStream::connect(&address).unwrap();
    let open: Vec<TcpStream> = (0..60).map(connect).collect();
    gateway.logged("no file descriptor is left");
    // Who found none is told by the end of his connection.
    let is_closed = |mut one: &TcpStream| {
        one.set_nonblocking(true).unwrap();
        match one.read(&mut [0; 1]) {
            Ok(bytes) => bytes == 0,
            Err(why) => why.kind() == ErrorKind::ConnectionReset,
        }
    };
    until("one of them is closed", || open.iter().any(is_closed));
    drop(open);
    until("connections are served again", || {
        std::panic::catch_unwind(|| Session::open(&address)).is_ok()
    });
    let times = gateway.log().matches("no file descriptor is left").count();
    assert_eq!(times, 1, "said once");
}
