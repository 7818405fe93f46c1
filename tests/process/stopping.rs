//! SIGTERM while clients are served, sockets that a parent has opened for us, and who is told.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{Home, Running, Session, binary, children_of, fixture, until};

const LONG: Duration = Duration::from_secs(120);

fn gateway() -> (Home, Running) {
    let home = Home::with(&[("a", &fixture(), &[])]);
    let gateway = Running::start(&mut home.http());
    gateway.logged("server=a ready");
    (home, gateway)
}

/// A call whose first message has come, so that the server is at work on it.
fn begin(address: &str, ms: u64) -> TcpStream {
    let session = Session::open(address);
    let params = json!({
        "name": "a_1mcp_slow",
        "arguments": {"ms": ms, "steps": 1_000},
        "_meta": {"progressToken": "p"}
    });
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    let mut stream = send(address, &session.id, &body);
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("notifications/progress") {
        let mut some = [0; 4096];
        let n = loop {
            match stream.read(&mut some) {
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                read => break read.unwrap(),
            }
        };
        assert!(n > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&some[..n]);
    }
    stream
}

fn send(address: &str, session: &str, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMcp-Session-Id: {session}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream
}

/// Everything that comes until the other side closes.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn contract_7_a_call_that_runs_is_answered_after_sigterm() {
    let (_home, mut gateway) = gateway();
    let address = gateway.address();
    let mut ready = TcpStream::connect(&address).unwrap();
    let call = begin(&address, 4_000);
    gateway.signal("TERM");
    gateway.logged("stopping");
    // Another process can have the port, while open connections are still answered.
    until("the port is free", || TcpListener::bind(&address).is_ok());
    let ask = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\n\r\n");
    ready.write_all(ask.as_bytes()).unwrap();
    let told = rest(ready);
    assert!(
        told.starts_with("HTTP/1.1 503 ") && told.contains(r#""status":"stopping""#),
        "{told}"
    );
    assert!(rest(call).contains("slept 4000 ms"));
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn stop_answer_ms_a_call_that_hangs_fails_and_a_second_sigterm_does_not_wait_for_it() {
    for twice in [false, true] {
        let (_home, mut gateway) = gateway();
        let call = begin(&gateway.address(), 600_000);
        gateway.signal("TERM");
        gateway.logged("stopping");
        if twice {
            gateway.signal("TERM");
            gateway.logged("stopping without waiting");
        }
        let told = rest(call);
        let last = told
            .lines()
            .rfind(|line| line.starts_with("data: "))
            .unwrap();
        assert!(
            last.contains(r#""id":7"#) && last.contains("-32603"),
            "{last}"
        );
        assert!(
            last.contains("1mcp is stopping, and server a had not answered"),
            "{last}"
        );
        assert_eq!(gateway.wait().code(), Some(0));
        let logged = gateway.log();
        assert_eq!(logged.contains("without waiting"), twice, "{logged}");
    }
}

/// Starts it as systemd does: the socket is descriptor 3, and the variables name the process.
fn activated(home: &Home, socket: impl Into<OwnedFd>, exports: &str, args: &str) -> Command {
    let mut command = Command::new("sh");
    let script =
        format!("exec 3<&0 </dev/null; export {exports}; exec \"$0\" serve -d \"$1\" {args}");
    command
        .args(["-c", &script, binary(), home.path()])
        .stdin(Stdio::from(socket.into()));
    command
}

#[test]
fn a_socket_that_was_passed_is_served_by_one_process_after_the_other() {
    let home = Home::new();
    let script = format!("env >{}/env; exec {}", home.path(), fixture());
    home.configure(&[("a", "sh", &["-c", &script])]);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let own = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok();
    for _ in 0..2 {
        // Whoever connects while nobody serves waits.
        let mut early = TcpStream::connect(&address).unwrap();
        let ask = format!("GET /health HTTP/1.0\r\nHost: {address}\r\n\r\n");
        early.write_all(ask.as_bytes()).unwrap();
        let exports = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=x";
        let socket = socket.try_clone().unwrap();
        let mut gateway = Running::start(&mut activated(&home, socket, exports, "--port 1"));
        let ready = gateway.logged("listening on ");
        assert!(ready.contains(&format!("http://{address}/mcp")), "{ready}");
        assert!(
            ready.contains(&format!("on a socket passed to it: {address}")),
            "{ready}"
        );
        gateway.logged("--host and --port have no effect");
        assert!(rest(early).starts_with("HTTP/1.1 200 "));
        gateway.logged("server=a ready");
        assert_eq!(Session::open(&address).echo("a"), "hello");
        assert!(
            !home.text("env").contains("LISTEN_"),
            "{}",
            home.text("env")
        );
        for child in children_of(gateway.pid()) {
            let open = std::fs::read_dir(format!("/proc/{}/fd", child.pid)).unwrap();
            let is_it = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).ok() == own;
            assert!(!open.flatten().any(is_it), "{child:?}");
        }
        gateway.signal("TERM");
        assert_eq!(gateway.wait().code(), Some(0));
    }
}

fn fails(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let line = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{line}");
    assert!(
        line.starts_with("1mcp: ") && line.matches('\n').count() == 1,
        "{line}"
    );
    line
}

#[test]
fn what_is_no_socket_to_listen_on_is_one_line() {
    let home = Home::new();
    let file = || File::open("/dev/null").unwrap();
    let ours = "LISTEN_PID=$$ LISTEN_FDS=1";
    assert!(fails(&mut activated(&home, file(), ours, "")).contains("descriptor 3, "));
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let passed = || socket.try_clone().unwrap();
    let two = "LISTEN_PID=$$ LISTEN_FDS=2";
    let line = fails(&mut activated(&home, passed(), two, ""));
    assert!(
        line.contains("descriptor 4, ") && line.contains("is not open"),
        "{line}"
    );
    let many = "LISTEN_PID=$$ LISTEN_FDS=x";
    let line = fails(&mut activated(&home, passed(), many, ""));
    assert!(line.contains("LISTEN_FDS must be a number"), "{line}");
    let line = fails(&mut activated(&home, passed(), ours, "-t stdio"));
    assert!(
        line.contains("LISTEN_FDS") && line.contains("stdio"),
        "{line}"
    );
    let one = TcpStream::connect(address).unwrap();
    let line = fails(&mut activated(&home, one, ours, ""));
    assert!(line.contains("Accept=no"), "{line}");
    // What was meant for somebody else is left alone.
    let other = "LISTEN_PID=1 LISTEN_FDS=1";
    let mut gateway = Running::start(&mut activated(&home, passed(), other, "--port 0"));
    assert_ne!(gateway.address(), address.to_string());
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn a_socket_that_everybody_reaches_is_worth_the_same_warning_as_a_host() {
    let home = Home::new();
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let exports = "LISTEN_PID=$$ LISTEN_FDS=1";
    let mut gateway = Running::start(&mut activated(&home, socket, exports, ""));
    gateway.logged("everybody who reaches 1mcp on 0.0.0.0");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn whoever_started_us_hears_when_we_are_ready_and_when_we_stop() {
    let home = Home::new();
    let listener = UnixDatagram::bind(home.file("notify")).unwrap();
    listener.set_read_timeout(Some(LONG)).unwrap();
    let heard = || {
        let mut bytes = [0; 64];
        let n = loop {
            match listener.recv(&mut bytes) {
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                received => break received.unwrap(),
            }
        };
        String::from_utf8(bytes[..n].to_vec()).unwrap()
    };
    let mut gateway = Running::start(home.http().env("NOTIFY_SOCKET", home.file("notify")));
    assert_eq!(heard(), "READY=1\n");
    assert!(TcpStream::connect(gateway.address()).is_ok());
    gateway.signal("TERM");
    assert_eq!(heard(), "STOPPING=1\n");
    assert_eq!(gateway.wait().code(), Some(0));
    let mut gateway = Running::start(home.http().env("NOTIFY_SOCKET", "vsock:2:1"));
    gateway.logged("nobody hears us at NOTIFY_SOCKET");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
}
