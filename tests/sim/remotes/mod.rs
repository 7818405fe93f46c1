//! Servers that somebody else runs: connections that the hub opens, HTTP on them, and behind that
//! the same scripts as those of children. A legacy session is one script, and so is each request to
//! a server without sessions.

mod dial;
mod misbehave;
pub(crate) mod place;
mod reply;
#[expect(
    dead_code,
    reason = "shared with stories that look at more of a request"
)]
#[path = "../../hall/remote/request.rs"]
mod request;
mod serve;

use std::collections::{BTreeMap, VecDeque};

use onemcp::links::DialKey;

use crate::net::ConnId;
use crate::remotes::request::Reader;
use crate::rng::Rng;

/// A connection that is being opened.
#[derive(Debug)]
pub(crate) struct Dialing {
    dial: DialKey,
    site: usize,
    pub(crate) due: u64,
}

/// What a server does to a connection later.
#[derive(Debug)]
enum Late {
    Bytes(Vec<u8>),
    Close { reset: bool },
}

/// A connection, as its server sees it.
#[derive(Debug, Default)]
pub(crate) struct Line {
    reader: Reader,
    /// The response that is being written.
    stream: Option<usize>,
    /// Requests are not answered any more, or not read.
    deaf: bool,
    /// It is cut after so many more bytes.
    cut_after: Option<usize>,
    /// Whether its entry had static roots when the hub wrote to it last: what is on its way was
    /// said then, although the entry may have changed, or be gone, when the server reads it.
    pub(crate) roots: bool,
    late: VecDeque<(u64, Late)>,
}

/// A response that is an answer, or what is said before one.
#[derive(Debug)]
struct Stream {
    process: usize,
    /// To which request; `None` = what belongs to none.
    about: Option<u64>,
    conn: Option<ConnId>,
    /// Its head is written, and says that events follow.
    began: bool,
    /// Its events have ids, and can be had again.
    numbered: bool,
    events: Vec<String>,
    /// Everything is said.
    over: bool,
}

/// What kind of server it is; always the same for one URL.
#[derive(Clone, Copy, Debug)]
struct Habits {
    /// It has a stream for what belongs to no request.
    ears: bool,
    numbered: bool,
    /// What it says to a session that it does not know.
    lost_as: u16,
    /// How often it answers by JSON where it can, in a thousand.
    plain: u32,
    /// It closes connections after a response, that often without a word.
    closes: u32,
    /// It says of every response that the connection ends with it.
    announces: bool,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Remotes {
    seed: u64,
    pub(crate) dialing: Vec<Dialing>,
    pub(crate) lines: BTreeMap<ConnId, Line>,
    streams: Vec<Stream>,
    /// Streams that are not over, by process and request.
    open: BTreeMap<(usize, Option<u64>), usize>,
    sessions: BTreeMap<String, usize>,
    minted: usize,
    /// Sites that nobody can connect to until then.
    away_until: BTreeMap<usize, u64>,
    /// Sites that wanted to be left alone until a date, while our clock may be wrong: so long it
    /// may take until they are asked again.
    left_alone_until: BTreeMap<usize, u64>,
}

impl Line {
    /// When it has something to do.
    pub(crate) fn next_due(&self) -> u64 {
        self.late.front().map_or(u64::MAX, |(due, _)| *due)
    }
}

impl Remotes {
    /// Nothing is connected.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            dialing: Vec::new(),
            lines: BTreeMap::new(),
            streams: Vec::new(),
            open: BTreeMap::new(),
            sessions: BTreeMap::new(),
            minted: 0,
            away_until: BTreeMap::new(),
            left_alone_until: BTreeMap::new(),
        }
    }

    /// When one of them has something to do.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let dialing = self.dialing.iter().map(|one| one.due);
        let lines = self.lines.values().map(Line::next_due);
        dialing.chain(lines).min().filter(|due| *due < u64::MAX)
    }

    /// Until when a server may be left alone because it said so.
    pub(crate) fn left_alone_until(&self, server: &str) -> u64 {
        let until = self.left_alone_until.get(&place::number(server));
        until.copied().unwrap_or(0)
    }

    fn habits(&self, site: usize, variant: u64) -> Habits {
        let mut rng = Rng::new(self.seed ^ (1000 + site as u64 * 10 + variant));
        Habits {
            ears: rng.chance(700),
            numbered: rng.chance(500),
            lost_as: rng.pick(&[404, 404, 400, 401]),
            plain: rng.pick(&[0, 500, 1000]),
            closes: rng.pick(&[0, 0, 100]),
            announces: rng.chance(150),
        }
    }
}
