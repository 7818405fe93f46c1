//! Starting 1mcp and talking to it, for the tests beside this file.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// No test waits longer than this for something that must happen. Far above what a busy machine
/// needs: it only turns a hang into a failure.
const LONG: Duration = Duration::from_secs(120);

const BUILT: &str = env!("CARGO_BIN_EXE_1mcp");

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}"#;
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The binary under test: the one that `ONE_MCP_BIN` names, else what cargo has just built.
pub(crate) fn binary() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| match std::env::var("ONE_MCP_BIN") {
        Ok(path) => {
            // Tests run it from other directories.
            let path = fs::canonicalize(&path).unwrap_or_else(|why| panic!("{path}: {why}"));
            path.to_str().unwrap().to_owned()
        }
        Err(_) => BUILT.to_owned(),
    });
    &BINARY
}

/// The fixture server, which cargo builds beside its own binary.
pub(crate) fn fixture() -> String {
    let beside = Path::new(BUILT).with_file_name("examples");
    let path = beside.join("fixture");
    assert!(path.exists(), "cargo build --example fixture");
    path.to_str().unwrap().to_owned()
}

/// A configuration directory of one test, removed afterwards.
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("1mcp-e2e-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        let path = path.canonicalize().unwrap();
        Self { path }
    }

    /// With servers: name, program, arguments.
    pub(crate) fn with(servers: &[(&str, &str, &[&str])]) -> Self {
        let home = Self::new();
        home.configure(servers);
        home
    }

    pub(crate) fn configure(&self, servers: &[(&str, &str, &[&str])]) {
        let entry = |(program, args): (&str, &[&str])| json!({"command": program, "args": args});
        let servers: serde_json::Map<String, Value> = servers
            .iter()
            .map(|(name, program, args)| ((*name).to_owned(), entry((program, args))))
            .collect();
        let text = json!({ "mcpServers": servers }).to_string();
        // As an editor would: whole or not at all.
        let new = self.file("mcp.json.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.file("mcp.json")).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// `1mcp serve` over this directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(["serve", "--config-dir", self.path()])
            .args(args);
        command
    }

    pub(crate) fn stdio(&self) -> Command {
        self.command(&["--transport", "stdio"])
    }

    pub(crate) fn http(&self) -> Command {
        self.command(&["--port", "0"])
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.path);
    }
}

/// A process that is killed at the end of its test, with its stderr collected.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    text: Mutex<(String, bool)>,
    more: Condvar,
}

impl Running {
    /// Starts it; stderr is read from now on.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().unwrap();
        let collector = Arc::clone(&log);
        thread::spawn(move || collect(stderr, &collector));
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the log has a line that contains this; that line.
    pub(crate) fn logged(&self, what: &str) -> String {
        let text = self.log.text.lock().unwrap();
        let wanted = |text: &str| text.lines().any(|line| line.contains(what));
        let (text, _) = self
            .log
            .more
            .wait_timeout_while(text, LONG, |(text, ended)| !*ended && !wanted(text))
            .unwrap();
        let line = text.0.lines().find(|line| line.contains(what));
        line.unwrap_or_else(|| panic!("no {what:?} in:\n{}", text.0))
            .to_owned()
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.text.lock().unwrap().0.clone()
    }

    /// The address from the ready line.
    pub(crate) fn address(&self) -> String {
        let line = self.logged("listening on http://");
        let rest = line.split("http://").nth(1).unwrap();
        rest.split('/').next().unwrap().to_owned()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn collect(stderr: ChildStderr, log: &Log) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        log.text
            .lock()
            .unwrap()
            .0
            .push_str(&String::from_utf8_lossy(&line));
        log.more.notify_all();
        line.clear();
    }
    log.text.lock().unwrap().1 = true;
    log.more.notify_all();
}

/// Waits for the end of a process; one that hangs is a failure.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let begun = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begun.elapsed() < LONG, "process {} hangs", child.id());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until something holds that nobody announces.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// A process as /proc shows it.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    pub(crate) command: String,
}

/// All processes that live; zombies do not.
pub(crate) fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let pid = path.file_name()?.to_str()?.parse().ok()?;
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            let mut words = stat.rsplit_once(") ")?.1.split(' ');
            let state = words.next()?;
            let command = fs::read(path.join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let parent = words.next()?.parse().ok()?;
            let session = words.nth(1)?.parse().ok()?;
            (state != "Z").then_some(Process {
                pid,
                parent,
                session,
                command,
            })
        })
        .collect()
}

/// The processes whose command line has this text, without the gateway that was given it.
pub(crate) fn processes_with(marker: &str) -> Vec<Process> {
    let mut found = processes();
    found.retain(|process| process.command.contains(marker));
    found
}

/// The children of a process.
pub(crate) fn children_of(pid: u32) -> Vec<Process> {
    let mut found = processes();
    found.retain(|process| process.parent == pid);
    found
}

/// The answer to one POST to /mcp: status and body.
pub(crate) fn post(
    address: &str,
    session: Option<&str>,
    body: &str,
) -> (u16, Option<String>, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let session = session.map_or_else(String::new, |id| format!("Mcp-Session-Id: {id}\r\n"));
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{session}Content-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let id = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("mcp-session-id")
            .then(|| value.trim().to_owned())
    });
    (status, id, body.to_owned())
}

/// A session over HTTP.
pub(crate) struct Session {
    address: String,
    pub(crate) id: String,
}

impl Session {
    pub(crate) fn open(address: &str) -> Self {
        let (status, id, body) = post(address, None, INITIALIZE);
        assert_eq!(status, 200, "{body}");
        let session = Self {
            address: address.to_owned(),
            id: id.unwrap(),
        };
        let (status, ..) = post(address, Some(&session.id), INITIALIZED);
        assert_eq!(status, 202);
        session
    }

    /// One request; its whole answer.
    pub(crate) fn request(&self, method: &str, params: &Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let (status, _, body) = post(&self.address, Some(&self.id), &body.to_string());
        assert_eq!(status, 200, "{body}");
        let text = if body.starts_with('{') {
            body
        } else {
            let mut data = body.lines().filter_map(|line| line.strip_prefix("data: "));
            data.next_back().unwrap().to_owned()
        };
        serde_json::from_str(&text).unwrap()
    }

    /// The text that a tool answered.
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> String {
        let answer = self.request("tools/call", &json!({"name": tool, "arguments": arguments}));
        match answer.pointer("/result/content/0/text") {
            Some(text) => text.as_str().unwrap().to_owned(),
            None => answer["error"]["message"].as_str().unwrap().to_owned(),
        }
    }

    /// What `echo` of this server makes of "hello".
    pub(crate) fn echo(&self, server: &str) -> String {
        self.call(&format!("{server}_1mcp_echo"), &json!({"text": "hello"}))
    }

    /// The names of all tools.
    pub(crate) fn tools(&self) -> Vec<String> {
        let answer = self.request("tools/list", &json!({}));
        let tools = answer["result"]["tools"].as_array().unwrap();
        let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }
}

/// The id and whether it is a result, of each line.
pub(crate) fn answers(text: &str) -> Vec<(u64, bool)> {
    let lines = text.lines().map(|line| {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
        (message["id"].as_u64(), message.get("result").is_some())
    });
    lines.filter_map(|(id, ok)| Some((id?, ok))).collect()
}
