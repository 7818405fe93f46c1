//! Running the binary: to its end, or beside the test.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::lines::Lines;
use super::{PATIENCE, processes};

/// The binary under test: the one that `ONE_MCP_BIN` names, else what cargo has just built.
pub(crate) static BINARY: LazyLock<String> = LazyLock::new(|| match std::env::var("ONE_MCP_BIN") {
    Ok(path) => {
        // Tests run it from other directories.
        let path = std::fs::canonicalize(&path).unwrap_or_else(|why| panic!("{path}: {why}"));
        path.to_str().unwrap().to_owned()
    }
    Err(_) => env!("CARGO_BIN_EXE_1mcp").to_owned(),
});

/// The fixture server, which cargo builds beside the tests.
pub(crate) fn fixture() -> PathBuf {
    // target/PROFILE/deps/e2e-HASH
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let fixture = profile.join("examples/fixture");
    assert!(fixture.exists(), "{} is not built", fixture.display());
    fixture
}

/// The binary with an environment that holds only PATH and a home.
pub(crate) fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(&*BINARY);
    clean(&mut command, home);
    command.args(args);
    command
}

/// The same with a rehearsed failure of a file operation. Only what cargo builds with the tests
/// can rehearse one, so this is never the binary that `ONE_MCP_BIN` names.
pub(crate) fn failing(home: &Path, at: &str, args: &[&str]) -> Command {
    let mut command = rehearsing(home, args);
    command.env("ONE_MCP_FAIL_AT", at);
    command
}

/// The binary that can rehearse failures, which is never the one that `ONE_MCP_BIN` names.
pub(crate) fn rehearsing(home: &Path, args: &[&str]) -> Command {
    other(env!("CARGO_BIN_EXE_1mcp"), home, args)
}

/// Any other program in the same environment.
pub(crate) fn other(program: &str, home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    clean(&mut command, home);
    command.args(args);
    command
}

fn clean(command: &mut Command, home: &Path) {
    let binaries = Path::new(&*BINARY).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap();
    command
        .env_clear()
        .env("PATH", format!("{binaries}:{path}"))
        .env("HOME", home);
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Its output as one JSON document.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).unwrap()
    }

    /// Fails unless it ended with this code; an error is one line that begins with our name.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        if code != 0 && self.out.is_empty() {
            assert_eq!(self.err.matches('\n').count(), 1, "{self:?}");
            assert!(self.err.starts_with("1mcp: "), "{self:?}");
        }
        self
    }
}

/// Runs a program to its end with this on its stdin.
#[track_caller]
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Whoever does not read its input closes it.
    thread::spawn(move || stdin.write_all(&input));
    let read = |mut reader: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes)
        })
    };
    let out = read(Box::new(child.stdout.take().unwrap()));
    let err = read(Box::new(child.stderr.take().unwrap()));
    let process = Process::of(child);
    let status = process.ended();
    Ended {
        code: status.code(),
        out: out.join().unwrap().unwrap(),
        err: String::from_utf8(err.join().unwrap().unwrap()).unwrap(),
    }
}

/// Runs a program to its end with an empty stdin.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ended {
    run_with(command, b"")
}

/// The binary with `--config-dir` and these arguments, to its end.
#[track_caller]
pub(crate) fn cli(dir: &Path, args: &[&str]) -> Ended {
    let dir_text = dir.to_str().unwrap();
    run(command(dir, &["--config-dir", dir_text]).args(args))
}

/// The same, for one of many that change a file at once: where the disk is slow some wait for the
/// lock for longer than a command does, are told so, and are to try again.
#[track_caller]
pub(crate) fn cli_in_turn(dir: &Path, args: &[&str]) -> Ended {
    loop {
        let ended = cli(dir, args);
        if !ended
            .err
            .contains("is being changed by another process; nothing was changed")
        {
            return ended;
        }
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
}

/// A program that runs beside the test; killed with it.
pub(crate) struct Process {
    pub(crate) pid: u32,
    status: Receiver<ExitStatus>,
    ended: std::cell::Cell<Option<ExitStatus>>,
}

impl Process {
    pub(crate) fn of(mut child: Child) -> Self {
        let (tell, status) = channel();
        let pid = child.id();
        thread::spawn(move || tell.send(child.wait().unwrap()));
        Self {
            pid,
            status,
            ended: None.into(),
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(&self) -> ExitStatus {
        if let Some(status) = self.ended.get() {
            return status;
        }
        let status = self.status.recv_timeout(PATIENCE).unwrap();
        self.ended.set(Some(status));
        status
    }

    /// Whether it still runs.
    pub(crate) fn runs(&self) -> bool {
        if self.ended.get().is_none()
            && let Ok(status) = self.status.try_recv()
        {
            self.ended.set(Some(status));
        }
        self.ended.get().is_none()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        processes::signal(self.pid, name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            self.signal("KILL");
            // Its directory is removed next: nothing may be written there any more.
            let _status = self.status.recv_timeout(PATIENCE);
        }
    }
}

/// A program whose pipes the test holds.
pub(crate) struct Beside {
    pub(crate) process: Process,
    pub(crate) input: Option<ChildStdin>,
    pub(crate) out: Lines,
    pub(crate) log: Lines,
}

impl Beside {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            out: Lines::of(child.stdout.take().unwrap()),
            log: Lines::of(child.stderr.take().unwrap()),
            process: Process::of(child),
        }
    }
}
