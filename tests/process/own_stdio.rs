//! Our own stdin, stdout and stderr in every kind that a client, a shell or a supervisor gives
//! (DESIGN 6, own stdio).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::gateway::{Home, INITIALIZE, INITIALIZED, Running, answers, binary, fixture, wait};

const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

fn script() -> String {
    format!("{INITIALIZE}\n{INITIALIZED}\n{LIST}\n")
}

fn home() -> Home {
    Home::with(&[("a", &fixture(), &[])])
}

/// The bits of an open file description, as /proc tells them.
fn is_nonblocking(fd: &impl AsRawFd) -> bool {
    let info = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let info = fs::read_to_string(info).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    i32::from_str_radix(flags.unwrap().trim(), 8).unwrap() & 0o4000 != 0
}

#[test]
fn pipes_are_answered_and_the_end_of_stdin_is_the_end() {
    let home = home();
    let mut command = home.stdio();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut gateway = Running::start(&mut command);
    let mut stdin = gateway.child.stdin.take().unwrap();
    let mut stdout = BufReader::new(gateway.child.stdout.take().unwrap());
    let mut line = String::new();
    // Byte by byte, as a person might.
    for byte in format!("{INITIALIZE}\n").bytes() {
        stdin.write_all(&[byte]).unwrap();
    }
    stdout.read_line(&mut line).unwrap();
    assert_eq!(answers(&line), [(1, true)]);
    stdin
        .write_all(format!("{INITIALIZED}\n{LIST}\n").as_bytes())
        .unwrap();
    line.clear();
    while answers(&line).is_empty() {
        // Notes may come in between.
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0);
    }
    assert_eq!(answers(&line), [(2, true)]);
    drop(stdin);
    assert_eq!(gateway.wait().code(), Some(0));
    line.clear();
    stdout.read_to_string(&mut line).unwrap();
    assert_eq!(answers(&line), []);
}

#[test]
fn the_echo_line_of_the_contract_prints_one_line_and_exits_0() {
    let home = home();
    let mut echo = Command::new("sh");
    echo.args([
        "-c",
        "echo \"$1\" | \"$0\" serve -d \"$2\" --transport stdio",
    ])
    .args([binary(), INITIALIZE, home.path()]);
    let output = echo.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers(&text), [(1, true)]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn socketpairs_are_answered_and_their_flags_stay_as_they_were() {
    let home = home();
    // Node and Electron give one socket for each, or the same for both.
    for same in [false, true] {
        let (ours_in, theirs_in) = UnixStream::pair().unwrap();
        let (ours_out, theirs_out) = if same {
            (ours_in.try_clone().unwrap(), theirs_in.try_clone().unwrap())
        } else {
            UnixStream::pair().unwrap()
        };
        let kept = theirs_in.try_clone().unwrap();
        let mut command = home.stdio();
        command
            .stdin(OwnedFd::from(theirs_in))
            .stdout(OwnedFd::from(theirs_out));
        let mut gateway = Running::start(&mut command);
        drop(command);
        (&ours_in).write_all(script().as_bytes()).unwrap();
        let mut stdout = BufReader::new(ours_out);
        let mut text = String::new();
        while answers(&text).len() < 2 {
            assert!(stdout.read_line(&mut text).unwrap() > 0);
        }
        assert_eq!(answers(&text), [(1, true), (2, true)]);
        assert!(!is_nonblocking(&kept));
        ours_in.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(gateway.wait().code(), Some(0), "same: {same}");
    }
}

#[test]
fn a_file_as_stdin_is_answered_whole_and_a_file_as_stdout_has_it_all() {
    let home = home();
    fs::write(home.file("in"), script()).unwrap();
    let mut command = home.stdio();
    command
        .stdin(File::open(home.file("in")).unwrap())
        .stdout(File::create(home.file("out")).unwrap());
    let mut gateway = Running::start(&mut command);
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(answers(&home.text("out")), [(1, true), (2, true)]);
}

#[test]
fn dev_null_and_closed_descriptors_end_at_once_with_0() {
    let home = home();
    for redirection in ["</dev/null", "<&-", "</dev/null >/dev/null", "<&- >&-"] {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!(
                "exec \"$0\" serve -d \"$1\" --transport stdio {redirection}"
            ))
            .args([binary(), home.path()])
            .stdout(Stdio::null());
        let mut gateway = Running::start(&mut shell);
        assert_eq!(gateway.wait().code(), Some(0), "{redirection}");
    }
}

#[test]
fn a_closed_stdout_or_stderr_disturbs_nobody() {
    let home = home();
    for redirection in [">&-", "2>&-", ">&- 2>&-", "2</dev/null", ">/dev/full"] {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!(
                "exec \"$0\" serve -d \"$1\" --transport stdio {redirection}"
            ))
            .args([binary(), home.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut gateway = shell.spawn().unwrap();
        let mut stdin = gateway.stdin.take().unwrap();
        // It may have found its stdout broken already.
        let _sent = stdin.write_all(script().as_bytes());
        drop(stdin);
        assert_eq!(wait(&mut gateway).code(), Some(0), "{redirection}");
    }
}

#[test]
fn a_client_that_reads_one_line_and_goes_is_gone_though_stdin_stays_open() {
    let home = home();
    let mut command = home.stdio();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut gateway = Running::start(&mut command);
    let mut stdin = gateway.child.stdin.take().unwrap();
    stdin.write_all(script().as_bytes()).unwrap();
    let mut stdout = BufReader::new(gateway.child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    assert_eq!(gateway.wait().code(), Some(0));
    drop(stdin);
}

#[test]
fn a_terminal_is_answered_and_its_end_of_input_is_the_end() {
    let home = home();
    // `script` runs its command on a pseudo terminal and types what it reads.
    let serve = format!(
        "stty -echo; {} serve -d {} --transport stdio; echo code=$?",
        binary(),
        home.path()
    );
    let spawned = Command::new("script")
        .args(["-qec", &serve, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut terminal) = spawned else {
        // Not every system has it; the shell's own tests open a pseudo terminal themselves.
        return;
    };
    let mut stdin = terminal.stdin.take().unwrap();
    let mut stdout = BufReader::new(terminal.stdout.take().unwrap());
    stdin
        .write_all(format!("{INITIALIZE}\n").as_bytes())
        .unwrap();
    let mut line = String::new();
    while !line.contains("\"serverInfo\"") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0);
    }
    drop(stdin);
    let mut rest = String::new();
    let _read = stdout.read_to_string(&mut rest);
    assert!(rest.contains("code=0"), "{rest}");
    wait(&mut terminal);
}

#[test]
fn a_full_stderr_never_stops_a_call() {
    let home = home();
    let (unread, stderr) = std::io::pipe().unwrap();
    let mut gateway = home
        .command(&["--transport", "stdio", "--log-level", "trace"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let mut stdin = gateway.stdin.take().unwrap();
    let mut stdout = BufReader::new(gateway.stdout.take().unwrap());
    stdin.write_all(script().as_bytes()).unwrap();
    let long = "x".repeat(4000);
    let mut line = String::new();
    for id in 10..200 {
        let params = format!(r#"{{"name":"a_1mcp_echo","arguments":{{"text":"{long}"}}}}"#);
        let call =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#);
        writeln!(stdin, "{call}").unwrap();
        while !line.contains(&format!("\"id\":{id},")) {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0);
        }
    }
    drop(stdin);
    assert_eq!(wait(&mut gateway).code(), Some(0));
    drop(unread);
}

#[test]
fn a_log_file_takes_the_log_and_stderr_stays_empty() {
    let home = home();
    let log = home.file("log");
    let log = log.to_str().unwrap();
    let mut gateway = home
        .command(&[
            "--transport",
            "stdio",
            "--log-file",
            log,
            "--log-format",
            "json",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut stderr = gateway.stderr.take().unwrap();
    stderr.read_to_string(&mut text).unwrap();
    assert_eq!(text, "");
    wait(&mut gateway);
    for line in home.text("log").lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["time"].is_string() && line["level"].is_string());
    }
}
