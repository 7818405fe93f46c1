//! One child: its life as a process, and its stdout.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use onemcp::effect::StopSignal;
use onemcp::input::ExitStatus;
use onemcp::language::PoolKey;
use onemcp::limits::BATCH_MAX;

use crate::faults::Fault;
use crate::model::{AskId, Cx};
use crate::net::{ConnId, End};
use crate::servers::definition::Definition;
use crate::servers::modern::Stream;
use crate::servers::work::Job;
use crate::wire::lines::Lines;

/// How far the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `initialize` has not been answered.
    New,
    /// It has, `initialized` has not come.
    Greeted,
    /// Anything may be asked.
    Serving,
}

/// Whom a server was told that it may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) roots: bool,
    pub(crate) sampling: bool,
    pub(crate) form: bool,
    pub(crate) url: bool,
}

/// What a server with sessions makes of the question for its era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Unknown,
    Ignored,
    Kills,
    Odd,
}

impl Probe {
    fn plan(cx: &mut Cx<'_>) -> Self {
        if cx.hit(Fault::ProbeIgnored) {
            Self::Ignored
        } else if cx.hit(Fault::ProbeKills) {
            Self::Kills
        } else if cx.hit(Fault::ProbeOddly) {
            Self::Odd
        } else {
            Self::Unknown
        }
    }
}

/// One child.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: usize,
    pub(crate) server: String,
    pub(crate) pool: PoolKey,
    pub(crate) pid: u32,
    pub(crate) conn: ConnId,
    pub(crate) definition: Definition,
    pub(crate) alive: bool,
    /// How it ended, until the hub was told.
    pub(crate) exit: Option<ExitStatus>,
    /// Something else of its group holds its output open.
    pub(crate) held: bool,
    /// That something has left the group: no signal reaches it.
    escaped: bool,
    pub(crate) stage: Stage,
    pub(crate) declared: Declared,
    /// It was told that it is one without sessions.
    pub(crate) modern: bool,
    /// It has said that it can be one.
    pub(crate) discovered: bool,
    pub(crate) probe: Probe,
    pub(crate) streams: Vec<Stream>,
    pub(crate) silent: bool,
    pub(crate) deaf: bool,
    pub(crate) bad_handshake: bool,
    ignores_eof: bool,
    ignores_term: bool,
    /// Bytes of output after which it dies.
    dies_after: Option<usize>,
    /// When it exits by itself.
    pub(crate) dying: Option<u64>,
    pub(crate) stdin: Lines,
    /// What it wrote to its stderr, until the hub was given it.
    pub(crate) stderr: Vec<u8>,
    /// Ids of requests that it ever got.
    pub(crate) seen: BTreeSet<u64>,
    pub(crate) jobs: BTreeMap<u64, Job>,
    /// Requests that it has answered, or was told to forget.
    pub(crate) done: Vec<u64>,
    /// Questions without an answer, by their raw ids.
    pub(crate) asks: BTreeMap<String, AskId>,
    /// Questions that were taken back: an answer may still come.
    pub(crate) withdrawn: BTreeSet<String>,
    pub(crate) next_ask: u64,
    /// Questions by URL whose end it has not told.
    pub(crate) urls: Vec<AskId>,
    pub(crate) subscriptions: BTreeSet<String>,
    /// Lines that are said later.
    pub(crate) late: VecDeque<(u64, String)>,
    pub(crate) next_alone: u64,
    /// Tools beyond the definition, after list changes.
    pub(crate) more_tools: u64,
    /// It is spoken to over HTTP.
    pub(crate) far: Option<Far>,
}

/// How a server that somebody else runs is heard.
#[derive(Debug, Default)]
pub(crate) struct Far {
    /// Of which site.
    pub(crate) site: usize,
    /// It serves one request and is gone.
    pub(crate) solo: bool,
    /// By what it is known, once it is.
    pub(crate) session: Option<String>,
    /// The request that it talks about now.
    pub(crate) about: Option<u64>,
    /// What it said, and about which request, until that is written.
    pub(crate) out: Vec<(Option<u64>, String)>,
}

/// Who a new child is.
pub(crate) struct Birth {
    pub(crate) id: usize,
    pub(crate) server: String,
    pub(crate) pool: PoolKey,
    pub(crate) conn: ConnId,
    pub(crate) definition: Definition,
}

impl Process {
    /// A child that was just started; its faults are drawn now.
    pub(crate) fn new(cx: &mut Cx<'_>, birth: Birth, calm: bool) -> Self {
        let Birth {
            id,
            server,
            pool,
            conn,
            definition,
        } = birth;
        let dies_after = cx.hit(Fault::DiesAtByte).then(|| cx.rng.index(4000));
        let next_alone = if calm {
            u64::MAX
        } else {
            cx.now.0 + cx.rng.time(4000)
        };
        Self {
            id,
            server,
            pool,
            pid: u32::try_from(1000 + id).unwrap(),
            conn,
            definition,
            alive: true,
            exit: None,
            held: false,
            escaped: false,
            stage: Stage::New,
            declared: Declared::default(),
            modern: false,
            discovered: false,
            probe: Probe::plan(cx),
            streams: Vec::new(),
            silent: cx.hit(Fault::Silent),
            deaf: cx.hit(Fault::Deaf),
            bad_handshake: cx.hit(Fault::BadHandshake),
            ignores_eof: cx.hit(Fault::IgnoresEof),
            ignores_term: cx.hit(Fault::IgnoresTerm),
            dies_after,
            dying: None,
            stdin: Lines::default(),
            stderr: Vec::new(),
            seen: BTreeSet::new(),
            jobs: BTreeMap::new(),
            done: Vec::new(),
            asks: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            next_ask: 0,
            urls: Vec::new(),
            subscriptions: BTreeSet::new(),
            late: VecDeque::new(),
            next_alone,
            more_tools: 0,
            far: None,
        }
    }

    /// Whether it takes bytes from its stdin.
    pub(crate) const fn reads(&self) -> bool {
        self.alive && !self.deaf
    }

    /// Whether what is heard of it may go on for ever: it tells changes.
    pub(crate) fn lasts(&self) -> bool {
        self.alive && (!self.modern || !self.streams.is_empty())
    }

    /// Writes one line to its stdout, or as many bytes of it as it lives to write.
    pub(crate) fn say(&mut self, cx: &mut Cx<'_>, line: &str) {
        if let Some(far) = &mut self.far {
            far.out.push((far.about, line.to_owned()));
            return;
        }
        let mut text = String::new();
        if cx.hit(Fault::Garbage) {
            text.push_str(cx.rng.pick(&[
                "Server listening on stdio\n",
                "\n",
                "{\"jsonrpc\":\"2.0\",\"id\":1,\n",
                "{\"jsonrpc\":\"2.0\",\"id\":[],\"result\":{}}\n",
                "\u{1b}[32mready\u{1b}[0m\r\n",
                "[]\n",
                "[1,null,{}]\n",
                "null\n",
            ]));
        }
        if cx.hit(Fault::Stderr) {
            let lines = if cx.rng.chance(50) { 250 } else { 1 };
            self.stderr.extend(b"sim: it works\n".repeat(lines));
        }
        if cx.hit(Fault::BatchLine) {
            text.push('[');
            text.push_str(line);
            if cx.rng.chance(50) {
                // More than are taken of one line; the message itself is the first.
                let more = r#",{"jsonrpc":"2.0","method":"notifications/unknown"}"#;
                text.push_str(&more.repeat(BATCH_MAX));
            }
            text.push(']');
        } else {
            text.push_str(line);
        }
        text.push_str(if cx.rng.chance(20) { "\r\n" } else { "\n" });
        self.write(cx, text.as_bytes());
    }

    /// Writes bytes to its stdout.
    pub(crate) fn write(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        if !self.alive {
            return;
        }
        match &mut self.dies_after {
            Some(left) if *left < bytes.len() => {
                let left = *left;
                cx.net.send(self.conn, &bytes[..left]);
                self.die(cx, ExitStatus::Signal(11));
            }
            Some(left) => {
                *left -= bytes.len();
                cx.net.send(self.conn, bytes);
            }
            None => cx.net.send(self.conn, bytes),
        }
    }

    /// It ends. Its output may stay open, and what it wrote is still to be read.
    pub(crate) fn die(&mut self, cx: &mut Cx<'_>, status: ExitStatus) {
        if !self.alive {
            return;
        }
        let (id, server) = (self.id, &self.server);
        cx.model
            .trace(|| format!("process {id} {server} dies: {status}"));
        self.alive = false;
        self.exit = self.far.is_none().then_some(status);
        self.jobs.clear();
        self.late.clear();
        for ask in std::mem::take(&mut self.asks).into_values() {
            cx.model.asks[ask].over = true;
        }
        self.held = cx.hit(Fault::HoldsPipe);
        self.escaped = self.held && cx.rng.chance(300);
        let conn = &mut cx.net.conns[self.conn];
        conn.refused = true;
        conn.outbound.clear();
        conn.peer_told = true;
        if !self.held {
            cx.net.finish(self.conn);
        }
    }

    /// A signal to its group.
    pub(crate) fn signal(&mut self, cx: &mut Cx<'_>, signal: StopSignal) {
        let (id, alive) = (self.id, self.alive);
        cx.model
            .trace(|| format!("process {id} gets {signal:?} (alive: {alive})"));
        let (number, ignored) = match signal {
            StopSignal::Term => (15, self.ignores_term),
            StopSignal::Kill => (9, false),
        };
        if ignored {
            return;
        }
        self.die(cx, ExitStatus::Signal(number));
        if self.held && !self.escaped {
            self.held = false;
            cx.net.finish(self.conn);
        }
    }

    /// Its stdin was closed.
    pub(crate) fn stdin_ended(&mut self, cx: &mut Cx<'_>) {
        if self.alive && !self.ignores_eof && self.dying.is_none() {
            self.dying = Some(cx.now.0 + cx.rng.time(1000));
        }
    }

    /// It closes its output and lives on.
    pub(crate) fn close_output(&mut self, cx: &mut Cx<'_>) {
        let id = self.id;
        cx.model.trace(|| format!("process {id} closes its output"));
        cx.net.finish(self.conn);
    }

    /// From now on it behaves. One that cannot be mended ends, and its successor behaves.
    pub(crate) fn calm(&mut self, cx: &mut Cx<'_>) {
        self.next_alone = u64::MAX;
        self.probe = match self.probe {
            Probe::Kills => Probe::Unknown,
            other => other,
        };
        self.dies_after = None;
        self.ignores_eof = false;
        self.ignores_term = false;
        self.escaped = false;
        let mute = cx.net.conns[self.conn].inbound_end != End::Open;
        if self.alive && (self.silent || self.deaf || self.bad_handshake || mute) {
            self.die(cx, ExitStatus::Code(1));
        }
        if self.held {
            self.held = false;
            cx.net.finish(self.conn);
        }
    }
}
