//! The rows of the table: what is measured, how, and what we aim at.

use crate::Fault;
use crate::auth;
use crate::eras;
use crate::http::{self, Figures, Load};
use crate::place::{self, Gateway, Nginx, Programs};
use crate::process;
use crate::remote;
use crate::tls;
use std::fmt::Write as _;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 3;
pub(crate) const CONNECTIONS: usize = 16;
const SERVERS: usize = 10;
const SESSIONS: usize = 1000;
const RESULT_BYTES: usize = 10_000_000;
const CALLS_MAX: usize = 5_000_000;
const STARTS: usize = 21;
const SETTLE: Duration = Duration::from_secs(7);

/// One line of the table.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) ours: String,
    pub(crate) floor: String,
    pub(crate) ratio: String,
    pub(crate) aim: &'static str,
    pub(crate) met: bool,
}

/// Measures everything and answers the table.
pub(crate) fn all(quick: bool) -> Result<String, Fault> {
    let programs = Programs::find()?;
    let (runs, time) = if quick {
        (1, Duration::from_millis(500))
    } else {
        (RUNS, Duration::from_secs(3))
    };
    let mut rows = speed(&programs, runs, time)?;
    rows.extend(eras::rows(&programs, runs, time)?);
    rows.push(auth::cost(&programs, runs, time)?);
    rows.extend(remote::speed(&programs, runs, time)?);
    rows.push(tls::cost(&programs, runs, time)?);
    rows.push(start(&programs)?);
    rows.push(idle_memory(&programs, runs)?);
    rows.push(session_memory(&programs, runs, false)?);
    rows.push(session_memory(&programs, runs, true)?);
    rows.push(large_result(&programs, runs)?);
    let seconds = if quick { 2 } else { 10 };
    rows.push(wake_ups(&programs, seconds)?);
    rows.extend(remote::idle(&programs, seconds)?);

    let mut table =
        String::from("| what | gateway | floor | ratio | aim | |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let Row {
            what,
            ours,
            floor,
            ratio,
            aim,
            met,
        } = row;
        let mark = if met { "met" } else { "**missed**" };
        writeln!(
            table,
            "| {what} | {ours} | {floor} | {ratio} | {aim} | {mark} |"
        )?;
    }
    writeln!(
        table,
        "\nMedians of {runs} runs; {} bytes of binary; {}.",
        std::fs::metadata(&programs.gateway)?.len(),
        if process::can_pin() {
            "what is measured has a processor of its own, load and fixture the other"
        } else {
            "nothing pinned to processors"
        }
    )?;
    Ok(table)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One run against an HTTP server: its figures and its processor time per call in microseconds.
pub(crate) fn measure(
    addr: SocketAddr,
    pid: u32,
    requests: &[Vec<u8>],
    time: Duration,
) -> Result<(Figures, f64), Fault> {
    // The first calls warm caches and connections up.
    let warm = Load {
        addr,
        requests,
        time: time / 10,
        calls_max: CALLS_MAX,
    };
    http::run(&warm)?;
    let before = process::cpu_ns(pid)?;
    let figures = http::run(&Load { time, ..warm })?;
    let used = process::cpu_ns(pid)?.saturating_sub(before);
    let each_us = used as f64 / 1000.0 / figures.calls();
    Ok((figures, each_us))
}

/// Calls per second, processor time and latency: gateway, nginx and pipe in turns.
fn speed(programs: &Programs, runs: usize, time: Duration) -> Result<Vec<Row>, Fault> {
    let gateway = Gateway::start(programs, 1)?;
    gateway.wait_for(1)?;
    let call = place::echo_call("s0_1mcp_echo");
    let mut requests = Vec::new();
    let mut session = String::new();
    for _ in 0..CONNECTIONS {
        session = gateway.session()?;
        requests.push(http::post("/mcp", &session, &call));
    }
    let one = requests.get(..1).unwrap_or_default();
    let answer = http::exchange(gateway.addr, one.first().ok_or("no request")?)?;
    if answer.status() != 200 || !answer.body.windows(9).any(|part| part == b"\"content\"") {
        return Err(format!("echo: {}", String::from_utf8_lossy(&answer.body)).into());
    }
    let program = programs
        .nginx
        .as_deref()
        .ok_or("needs nginx (Debian: nginx-light)")?;
    let nginx = Nginx::start(program, answer.body.len())?;
    // The same bytes to both, session header included.
    let fixed = vec![http::post("/", &session, &call); CONNECTIONS];
    let fixed_one = fixed.get(..1).unwrap_or_default();

    let mut seen: [Vec<f64>; 8] = Default::default();
    for _ in 0..runs {
        let (ours, ours_cpu) = measure(gateway.addr, gateway.pid(), &requests, time)?;
        let (theirs, theirs_cpu) = measure(nginx.addr, nginx.pid(), &fixed, time)?;
        let bare = place::pipe(programs, CONNECTIONS, time)?;
        let (ours_one, _) = measure(gateway.addr, gateway.pid(), one, time / 2)?;
        let (theirs_one, _) = measure(nginx.addr, nginx.pid(), fixed_one, time / 2)?;
        let figures = [
            ours.per_second(),
            theirs.per_second(),
            bare.per_second(),
            ours_cpu,
            theirs_cpu,
            ours_one.percentile_us(50),
            theirs_one.percentile_us(50),
            ours.percentile_us(99),
        ];
        for (list, figure) in seen.iter_mut().zip(figures) {
            list.push(figure);
        }
    }
    Ok(speed_rows(seen.map(median)))
}

/// The rows of what [`speed`] measured, in its order.
fn speed_rows(medians: [f64; 8]) -> Vec<Row> {
    let [
        ours,
        theirs,
        bare,
        ours_cpu,
        theirs_cpu,
        ours_p50,
        theirs_p50,
        ours_p99,
    ] = medians;
    vec![
        Row {
            what: "calls/s, 16 connections, against nginx with a fixed answer",
            ours: format!("{ours:.0} (p99 {ours_p99:.0} us)"),
            floor: format!("{theirs:.0}"),
            ratio: format!("{:.2}", ours / theirs),
            aim: ">= 0.5",
            met: ours / theirs >= 0.5,
        },
        Row {
            what: "calls/s, 16 at once, against the server's pipe alone",
            ours: format!("{ours:.0}"),
            floor: format!("{bare:.0}"),
            ratio: format!("{:.2}", ours / bare),
            aim: "",
            met: true,
        },
        Row {
            what: "processor time per call, against nginx",
            ours: format!("{ours_cpu:.1} us"),
            floor: format!("{theirs_cpu:.1} us"),
            ratio: format!("{:.2}", ours_cpu / theirs_cpu),
            aim: "<= 2",
            met: ours_cpu / theirs_cpu <= 2.0,
        },
        Row {
            what: "median time of a call, one connection, against nginx",
            ours: format!("{ours_p50:.0} us"),
            floor: format!("{theirs_p50:.0} us"),
            ratio: format!("{:.2}", ours_p50 / theirs_p50),
            aim: "<= 2",
            met: ours_p50 / theirs_p50 <= 2.0,
        },
    ]
}

/// A row without a floor.
pub(crate) fn plain(what: &'static str, ours: String, aim: &'static str, met: bool) -> Row {
    Row {
        what,
        ours,
        floor: String::new(),
        ratio: String::new(),
        aim,
        met,
    }
}

/// From the start of the process to the first answer to `initialize`.
fn start(programs: &Programs) -> Result<Row, Fault> {
    let request = place::initialize("");
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        let gateway = Gateway::start_anywhere(programs)?;
        let answer = http::exchange(gateway.addr, &request)?;
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        if answer.status() != 200 {
            return Err(format!("initialize was answered {}", answer.status()).into());
        }
        times.push(ms);
    }
    let ms = median(times);
    Ok(plain(
        "start to first `initialize` answer",
        format!("{ms:.1} ms"),
        "<= 4 ms",
        ms <= 4.0,
    ))
}

/// Resident memory with ten servers ready and nothing going on.
fn idle_memory(programs: &Programs, runs: usize) -> Result<Row, Fault> {
    let mut sizes = Vec::new();
    for _ in 0..runs {
        let gateway = Gateway::start(programs, SERVERS)?;
        gateway.wait_for(SERVERS)?;
        std::thread::sleep(Duration::from_millis(500));
        sizes.push(process::resident_kib(gateway.pid())? as f64);
    }
    let mib = median(sizes) / 1024.0;
    let ours = format!("{mib:.2} MiB");
    Ok(plain(
        "resident memory, idle, 10 servers (without them)",
        ours,
        "<= 3 MiB",
        mib <= 3.0,
    ))
}

/// Memory per open session, with or without its stream held open.
fn session_memory(programs: &Programs, runs: usize, streams: bool) -> Result<Row, Fault> {
    let mut sizes = Vec::new();
    for _ in 0..runs {
        let gateway = Gateway::start(programs, 1)?;
        gateway.wait_for(1)?;
        let before = process::resident_kib(gateway.pid())?;
        let mut held = Vec::new();
        let mut shared = TcpStream::connect(gateway.addr)?;
        for _ in 0..SESSIONS {
            let session = gateway.session_on(&mut shared)?;
            if streams {
                held.push(open_stream(gateway.addr, &session)?);
            }
        }
        let after = process::resident_kib(gateway.pid())?;
        sizes.push(after.saturating_sub(before) as f64 / SESSIONS as f64);
    }
    let kib = median(sizes);
    let what = if streams {
        "memory per open session with its stream open (1000)"
    } else {
        "memory per open session (1000)"
    };
    Ok(plain(what, format!("{kib:.2} KiB"), "<= 8 KiB", kib <= 8.0))
}

/// Opens a session's GET stream and waits for its head.
fn open_stream(addr: SocketAddr, session: &str) -> Result<TcpStream, Fault> {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n{session}\r\n"
    )?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    if head != *b"HTTP/1.1 200" {
        return Err(format!("stream: {}", String::from_utf8_lossy(&head)).into());
    }
    Ok(stream)
}

/// Peak of memory while a result of 10 MB passes through.
fn large_result(programs: &Programs, runs: usize) -> Result<Row, Fault> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"s0_1mcp_big","arguments":{{"bytes":{RESULT_BYTES}}}}}}}"#
    );
    let mut peaks = Vec::new();
    for _ in 0..runs {
        let gateway = Gateway::start(programs, 1)?;
        gateway.wait_for(1)?;
        let request = http::post("/mcp", &gateway.session()?, &body);
        let before = process::resident_kib(gateway.pid())?;
        process::forget_peak(gateway.pid())?;
        let answer = http::exchange(gateway.addr, &request)?;
        if answer.status() != 200 || answer.body.len() < RESULT_BYTES {
            return Err(format!("{} bytes, status {}", answer.body.len(), answer.status()).into());
        }
        let grown = process::peak_kib(gateway.pid())?.saturating_sub(before);
        peaks.push(grown as f64 * 1024.0);
    }
    let bytes = median(peaks);
    let times = bytes / RESULT_BYTES as f64;
    Ok(Row {
        what: "peak of memory for a 10 MB result",
        ours: format!("{:.1} MB", bytes / 1e6),
        floor: "10 MB".to_owned(),
        ratio: format!("{times:.2}"),
        aim: "<= 2",
        met: times <= 2.0,
    })
}

/// Wake-ups of an idle gateway with ten servers: its system calls as strace sees them. Without
/// strace the scheduler's count stands in, which also counts waits for reclaimed pages.
fn wake_ups(programs: &Programs, seconds: u64) -> Result<Row, Fault> {
    let gateway = Gateway::start(programs, SERVERS)?;
    gateway.wait_for(SERVERS)?;
    let (count, by) = woken(&gateway, seconds)?;
    let ours = format!("{count} in {seconds} s ({by})");
    Ok(plain(
        "wake-ups while idle, 10 servers",
        ours,
        "0",
        count == 0,
    ))
}

/// How often an idle gateway wakes up in that time, and who says so.
pub(crate) fn woken(gateway: &Gateway, seconds: u64) -> Result<(usize, &'static str), Fault> {
    // Idle begins when the last timer of the last request has run out.
    std::thread::sleep(SETTLE);
    match traced(gateway.pid(), seconds)? {
        Some(calls) => Ok((calls, "strace")),
        None => {
            let before = process::sleeps(gateway.pid())?;
            std::thread::sleep(Duration::from_secs(seconds));
            let slept = process::sleeps(gateway.pid())?.saturating_sub(before);
            Ok((usize::try_from(slept)?, "scheduler"))
        }
    }
}

/// System calls in that time by strace, or `None` if it cannot be used here.
fn traced(pid: u32, seconds: u64) -> Result<Option<usize>, Fault> {
    let Some(strace) = process::which("strace") else {
        return Ok(None);
    };
    let folder = place::Folder::new("strace")?;
    let file = folder.0.join("calls");
    let child = Command::new(strace)
        .args(["-f", "-qq", "-p", &pid.to_string(), "-o"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut tracer = process::Running(child);
    // A line without a result is the wait that goes on.
    let ended = |line: &&str| line.contains(") = ");
    let lines = || -> std::io::Result<Vec<String>> {
        let text = std::fs::read_to_string(&file)?;
        Ok(text.lines().filter(ended).map(str::to_owned).collect())
    };
    // Attaching itself interrupts the wait once; what follows counts.
    std::thread::sleep(Duration::from_secs(1));
    if tracer.0.try_wait()?.is_some() {
        return Ok(None);
    }
    let before = lines()?.len();
    std::thread::sleep(Duration::from_secs(seconds));
    let calls = lines()?.split_off(before);
    for call in &calls {
        let mut err = std::io::stderr().lock();
        writeln!(err, "while idle: {call}")?;
    }
    Ok(Some(calls.len()))
}
