//! The three places that are compared: the gateway over the fixture, nginx with a fixed answer,
//! and the fixture's pipe alone.

use crate::Fault;
use crate::http::{self, Figures};
use crate::process::{Running, pinned, pinned_words, which};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// The processor of whatever is measured; the load generator and the fixture have the other.
const MEASURED: usize = 1;
pub(crate) const OTHERS: usize = 0;
const READY_S_MAX: u64 = 20;

/// A folder that goes away with its owner.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self, Fault> {
        let path = std::env::temp_dir().join(format!("1mcp-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Where the programs are.
pub(crate) struct Programs {
    pub(crate) gateway: PathBuf,
    pub(crate) fixture: PathBuf,
    pub(crate) nginx: Option<PathBuf>,
}

impl Programs {
    /// `ONE_MCP_BIN` and `ONE_MCP_FIXTURE`, else beside this program.
    pub(crate) fn find() -> Result<Self, Fault> {
        let here = std::env::current_exe()?;
        let release = here
            .parent()
            .and_then(Path::parent)
            .ok_or("no release folder")?;
        let given =
            |name: &str, built: PathBuf| std::env::var_os(name).map_or(built, PathBuf::from);
        let found = Self {
            gateway: given("ONE_MCP_BIN", release.join("1mcp")),
            fixture: given("ONE_MCP_FIXTURE", release.join("examples/fixture")),
            nginx: which("nginx"),
        };
        for file in [&found.gateway, &found.fixture] {
            if !file.is_file() {
                return Err(
                    format!("{} is not there: make bench builds it", file.display()).into(),
                );
            }
        }
        Ok(found)
    }
}

/// A gateway that serves `servers` copies of the fixture, named `s0`, `s1` ..
pub(crate) struct Gateway {
    running: Running,
    pub(crate) addr: SocketAddr,
    /// Fields that every request to it has.
    pub(crate) fields: String,
    _folder: Folder,
}

impl Gateway {
    /// Starts it and waits for its ready line, not for its servers.
    pub(crate) fn start(programs: &Programs, servers: usize) -> Result<Self, Fault> {
        let command = pinned(MEASURED, &programs.gateway);
        Self::start_by(command, programs, servers, "legacy")
    }

    /// The same with one server that speaks only the dialect of this era.
    pub(crate) fn start_era(programs: &Programs, era: &str) -> Result<Self, Fault> {
        Self::start_by(pinned(MEASURED, &programs.gateway), programs, 1, era)
    }

    /// The same with one server and on any processor: `taskset` would be part of the start.
    pub(crate) fn start_anywhere(programs: &Programs) -> Result<Self, Fault> {
        Self::start_by(Command::new(&programs.gateway), programs, 1, "legacy")
    }

    /// The same with one server and `--enable-auth`, whose keys are in this record.
    pub(crate) fn start_locked(programs: &Programs, record: &[u8]) -> Result<Self, Fault> {
        let mut command = pinned(MEASURED, &programs.gateway);
        command.args(["serve", "--enable-auth"]);
        let folder = Folder::new("locked")?;
        fs::create_dir(folder.0.join("auth"))?;
        fs::write(folder.0.join("auth/server.json"), record)?;
        Self::start_in(folder, command, &fixtures(programs, 1, "legacy")?)
    }

    fn start_by(
        command: Command,
        programs: &Programs,
        servers: usize,
        era: &str,
    ) -> Result<Self, Fault> {
        Self::start_entries(command, &fixtures(programs, servers, era)?)
    }

    /// The same with servers that are configured like this.
    pub(crate) fn start_remote(programs: &Programs, entries: &[String]) -> Result<Self, Fault> {
        Self::start_entries(pinned(MEASURED, &programs.gateway), entries)
    }

    /// The same, trusting the authority in this file.
    pub(crate) fn start_trusting(
        programs: &Programs,
        authority: &Path,
        entries: &[String],
    ) -> Result<Self, Fault> {
        let mut command = pinned(MEASURED, &programs.gateway);
        command.env("SSL_CERT_FILE", authority);
        Self::start_entries(command, entries)
    }

    fn start_entries(mut command: Command, entries: &[String]) -> Result<Self, Fault> {
        command.arg("serve");
        let folder = Folder::new(&format!("gateway-{}", entries.len()))?;
        Self::start_in(folder, command, entries)
    }

    fn start_in(folder: Folder, mut command: Command, entries: &[String]) -> Result<Self, Fault> {
        let config = format!("{{\"mcpServers\": {{{}}}}}\n", entries.join(",\n"));
        fs::write(folder.0.join("mcp.json"), config)?;
        let mut child = command
            .args(["--port", "0", "--config-dir"])
            .arg(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no stderr")?;
        let running = Running(child);
        let addr = ready(stderr)?;
        Ok(Self {
            running,
            addr,
            fields: String::new(),
            _folder: folder,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.0.id()
    }

    /// Opens a session and answers its header line.
    pub(crate) fn session(&self) -> Result<String, Fault> {
        let mut stream = TcpStream::connect(self.addr)?;
        self.session_on(&mut stream)
    }

    /// The same on a connection that goes on.
    pub(crate) fn session_on(&self, stream: &mut TcpStream) -> Result<String, Fault> {
        let opened = http::exchange_on(stream, &initialize(&self.fields))?;
        let session = opened
            .header("mcp-session-id")
            .ok_or_else(|| format!("initialize gave no session, status {}", opened.status()))?;
        let header = format!("{}Mcp-Session-Id: {session}\r\n", self.fields);
        let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let accepted = http::exchange_on(stream, &http::post("/mcp", &header, note))?;
        if accepted.status() != 202 {
            return Err(format!("initialized was answered {}", accepted.status()).into());
        }
        Ok(header)
    }

    /// Waits until the tools of all `servers` are listed.
    pub(crate) fn wait_for(&self, servers: usize) -> Result<(), Fault> {
        let session = self.session()?;
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let request = http::post("/mcp", &session, list);
        let end = Instant::now() + Duration::from_secs(READY_S_MAX);
        loop {
            let text =
                String::from_utf8_lossy(&http::exchange(self.addr, &request)?.body).into_owned();
            let seen = (0..servers)
                .filter(|index| text.contains(&format!("\"s{index}_1mcp_echo\"")))
                .count();
            if seen == servers {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("{seen} of {servers} servers are listed").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Entries of `servers` copies of the fixture that speak only the dialect of this era.
fn fixtures(programs: &Programs, servers: usize, era: &str) -> Result<Vec<String>, Fault> {
    let mut words = pinned_words(OTHERS, &programs.fixture);
    words.extend(["--era", era].map(Into::into));
    let (program, args) = words.split_first().ok_or("no command")?;
    let entry = |index| {
        format!(
            "\"s{index}\": {{\"command\": {program:?}, \"args\": {args:?}, \
             \"isolation\": \"shared\"}}"
        )
    };
    Ok((0..servers).map(entry).collect())
}

/// The `initialize` request of a client of 2025-06-18, with these fields more.
pub(crate) fn initialize(fields: &str) -> Vec<u8> {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"load","version":"1"}}}"#;
    http::post("/mcp", fields, body)
}

/// A call of the fixture's echo.
pub(crate) fn echo_call(name: &str) -> String {
    let text = "a line of text as long as many";
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{"text":"{text}"}}}}}}"#
    )
}

/// Reads the ready line and goes on emptying the pipe, so that the log never blocks.
pub(crate) fn ready(stderr: ChildStderr) -> Result<SocketAddr, Fault> {
    let mut lines = BufReader::new(stderr);
    let mut log = String::new();
    let addr = loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(format!("ended before it was ready:\n{log}").into());
        }
        log.push_str(&line);
        let after = line
            .split_once("listening on http://")
            .map(|(_, after)| after);
        if let Some((addr, _)) = after.and_then(|after| after.split_once('/')) {
            break addr.parse()?;
        }
    };
    std::thread::spawn(move || drop(std::io::copy(&mut lines, &mut std::io::sink())));
    Ok(addr)
}

/// nginx in one process, answering everything with `bytes` bytes.
pub(crate) struct Nginx {
    running: Running,
    pub(crate) addr: SocketAddr,
    _folder: Folder,
}

impl Nginx {
    pub(crate) fn start(program: &Path, bytes: usize) -> Result<Self, Fault> {
        let body = "x".repeat(bytes);
        let location = format!("location / {{ return 200 '{body}'; }}");
        Self::start_by(pinned(MEASURED, program), "", &location)
    }

    /// Before the server at `site`; with a certificate and its key over TLS.
    pub(crate) fn before(
        program: &Path,
        site: SocketAddr,
        files: Option<(&Path, &Path)>,
    ) -> Result<Self, Fault> {
        let tls = files.map(|(certificate, key)| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("ssl_certificate {certificate}; ssl_certificate_key {key};\n")
        });
        let tls = tls.unwrap_or_default();
        let location = format!(
            "{tls}location / {{ proxy_pass http://{site}; proxy_http_version 1.1;\n\
             proxy_buffering off; proxy_read_timeout 600s; proxy_set_header Connection \"\"; }}"
        );
        let how = if tls.is_empty() { "" } else { " ssl" };
        Self::start_by(pinned(OTHERS, program), how, &location)
    }

    /// `how` it listens, and what the one server does.
    fn start_by(mut command: Command, how: &str, location: &str) -> Result<Self, Fault> {
        let folder = Folder::new("nginx")?;
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let dir = folder.0.display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1;\n\
             pid {dir}/pid; error_log {dir}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n access_log off; default_type application/json;\n\
             keepalive_requests 1000000000;\n\
             client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;\n\
             uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             server {{ listen {addr}{how}; {location} }}\n}}\n"
        );
        let file = folder.0.join("nginx.conf");
        fs::write(&file, config)?;
        let child = command
            .arg("-p")
            .arg(&folder.0)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let started = Self {
            running: Running(child),
            addr,
            _folder: folder,
        };
        let end = Instant::now() + Duration::from_secs(READY_S_MAX);
        while TcpStream::connect(addr).is_err() {
            if Instant::now() > end {
                return Err("nginx does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(started)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.0.id()
    }
}

/// Calls through the fixture's own pipe, `at_once` in flight: what is possible without us.
pub(crate) fn pipe(programs: &Programs, at_once: usize, time: Duration) -> Result<Figures, Fault> {
    let mut child = pinned(MEASURED, &programs.fixture)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no stdin")?;
    let mut output = child.stdout.take().ok_or("no stdout")?;
    let _running = Running(child);
    let opening = String::from_utf8_lossy(&initialize("")).into_owned();
    let opening = opening.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    writeln!(input, "{opening}\n{note}")?;
    let mut buffer = vec![0; 64 * 1024];
    let mut seen = 0;
    while seen == 0 {
        seen += lines_read(&mut output, &mut buffer)?;
    }

    let line = format!("{}\n", echo_call("echo"));
    let batch = line.repeat(at_once);
    let began = Instant::now();
    let mut sent = Vec::new();
    let mut latencies_ns = Vec::with_capacity(1 << 20);
    input.write_all(batch.as_bytes())?;
    sent.resize(at_once, Instant::now());
    while began.elapsed() < time {
        let answered = lines_read(&mut output, &mut buffer)?;
        let now = Instant::now();
        for since in sent.drain(..answered.min(sent.len())) {
            latencies_ns.push(u64::try_from(now.duration_since(since).as_nanos())?);
        }
        input.write_all(
            batch
                .get(..line.len() * answered)
                .unwrap_or_default()
                .as_bytes(),
        )?;
        sent.extend(std::iter::repeat_n(now, answered));
    }
    Ok(Figures::new(latencies_ns, began.elapsed()))
}

/// One read, and how many lines ended in it.
fn lines_read(output: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Fault> {
    let read = output.read(buffer)?;
    if read == 0 {
        return Err("the fixture closed its output".into());
    }
    let bytes = buffer.get(..read).unwrap_or_default();
    Ok(bytes.iter().filter(|&&byte| byte == b'\n').count())
}
