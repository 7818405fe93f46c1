//! What a server at the other end of HTTP costs: its calls against those through a pipe, and what
//! hundreds of them take while nothing goes on.

use crate::Fault;
use crate::eras;
use crate::place::{self, Gateway, OTHERS, Programs};
use crate::process::{self, Running, pinned};
use crate::rows::{Row, measure, median, plain, woken};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

const SERVERS: usize = 200;
/// Children whose catalogs are as long, for comparison.
const CHILDREN: usize = 20;
const LISTED_S_MAX: u64 = 120;

/// The fixture behind HTTP.
pub(crate) struct Site {
    _running: Running,
    pub(crate) addr: SocketAddr,
}

impl Site {
    pub(crate) fn start(programs: &Programs, args: &[&str]) -> Result<Self, Fault> {
        let mut child = pinned(OTHERS, &programs.fixture)
            .args(["--http", "0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no stderr")?;
        let running = Running(child);
        Ok(Self {
            _running: running,
            addr: place::ready(stderr)?,
        })
    }

    /// So many entries, each a server of its own to the gateway.
    fn entries(&self, count: usize) -> Vec<String> {
        let entry = |index| {
            format!(
                "\"s{index}\": {{\"type\": \"http\", \"url\": \"http://{}/mcp?s={index}\", \
                 \"isolation\": \"shared\"}}",
                self.addr
            )
        };
        (0..count).map(entry).collect()
    }
}

/// Calls of a client with a session to a server behind HTTP, against the same server as a child.
pub(crate) fn speed(programs: &Programs, runs: usize, time: Duration) -> Result<Vec<Row>, Fault> {
    let sites = [
        Site::start(programs, &["--era", "legacy"])?,
        Site::start(programs, &["--era", "modern"])?,
    ];
    let gateways = [
        Gateway::start_era(programs, "legacy")?,
        Gateway::start_remote(programs, &sites[0].entries(1))?,
        Gateway::start_remote(programs, &sites[1].entries(1))?,
    ];
    let mut loads = Vec::new();
    for gateway in &gateways {
        gateway.wait_for(1)?;
        loads.push((gateway, eras::legacy(gateway)?));
    }
    let mut seen = vec![(Vec::new(), Vec::new()); loads.len()];
    for _ in 0..runs {
        for ((gateway, requests), (rates, costs)) in loads.iter().zip(&mut seen) {
            let (figures, each_us) = measure(gateway.addr, gateway.pid(), requests, time)?;
            rates.push(figures.per_second());
            costs.push(each_us);
        }
    }
    let medians = seen.into_iter();
    let medians: Vec<_> = medians
        .map(|(rates, costs)| (median(rates), median(costs)))
        .collect();
    let &[(pipe, pipe_us), (legacy, legacy_us), (modern, modern_us)] = medians.as_slice() else {
        return Err("three gateways".into());
    };
    let calls = |what, ours: f64| Row {
        what,
        ours: format!("{ours:.0}"),
        floor: format!("{pipe:.0}"),
        ratio: format!("{:.2}", ours / pipe),
        aim: "",
        met: true,
    };
    // Each call is an HTTP exchange more: head and framing on both ways, and two system calls.
    let cost = |what, ours: f64| Row {
        what,
        ours: format!("{ours:.1} us"),
        floor: format!("{pipe_us:.1} us"),
        ratio: format!("{:.2}", ours / pipe_us),
        aim: "<= 2",
        met: ours / pipe_us <= 2.0,
    };
    Ok(vec![
        calls(
            "calls/s to a server behind HTTP, against one behind a pipe",
            legacy,
        ),
        cost(
            "processor time per call to it, against one behind a pipe",
            legacy_us,
        ),
        calls("the same calls/s, server of 2026-07-28 behind HTTP", modern),
        cost(
            "the same processor time, server of 2026-07-28 behind HTTP",
            modern_us,
        ),
    ])
}

/// What two hundred servers behind HTTP take while nothing goes on: memory with a stream held open
/// to each, most of it their catalogs, and wake-ups without (the fixture's streams are never
/// silent for long).
pub(crate) fn idle(programs: &Programs, seconds: u64) -> Result<Vec<Row>, Fault> {
    let child = {
        let one = settled(Gateway::start(programs, 1)?, 1)?;
        let many = settled(Gateway::start(programs, CHILDREN)?, CHILDREN)?;
        (many.kib - one.kib) / (CHILDREN - 1) as f64
    };
    let remote = {
        let site = Site::start(programs, &["--era", "legacy"])?;
        let one = settled(Gateway::start_remote(programs, &site.entries(1))?, 1)?;
        let many = settled(
            Gateway::start_remote(programs, &site.entries(SERVERS))?,
            SERVERS,
        )?;
        (many.kib - one.kib) / (SERVERS - 1) as f64
    };
    let quiet = Site::start(programs, &["--no-get"])?;
    let many = Gateway::start_remote(programs, &quiet.entries(SERVERS))?;
    let many = settled(many, SERVERS)?;
    let (count, by) = woken(&many.gateway, seconds)?;
    Ok(vec![
        Row {
            what: "memory per server behind HTTP, idle, with its stream (200), against a child",
            ours: format!("{remote:.1} KiB"),
            floor: format!("{child:.1} KiB"),
            ratio: format!("{:.2}", remote / child),
            aim: "<= 1.25",
            met: remote / child <= 1.25,
        },
        plain(
            "wake-ups while idle, 200 servers behind HTTP",
            format!("{count} in {seconds} s ({by})"),
            "0",
            count == 0,
        ),
    ])
}

/// A gateway all of whose servers are listed, and its memory then.
struct Settled {
    gateway: Gateway,
    kib: f64,
}

fn settled(gateway: Gateway, servers: usize) -> Result<Settled, Fault> {
    let end = Instant::now() + Duration::from_secs(LISTED_S_MAX);
    while let Err(fault) = gateway.wait_for(servers) {
        if Instant::now() > end {
            return Err(fault);
        }
    }
    std::thread::sleep(Duration::from_secs(1));
    let kib = process::resident_kib(gateway.pid())? as f64;
    Ok(Settled { gateway, kib })
}
