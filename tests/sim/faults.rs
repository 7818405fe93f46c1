//! What may go wrong, and how often. Each seed switches a random half of the faults off and weights
//! the rest wildly (swarm testing): faults that always come together hide each other's bugs.

use crate::rng::Rng;

/// Declares the faults with the highest rate of each, in a thousand.
macro_rules! faults {
    ($($name:ident = $rate:expr,)*) => {
        /// One thing that may go wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($name,)* }
        const FAULTS: &[(Fault, u32)] = &[$((Fault::$name, $rate),)*];
    };
}

faults! {
    // The network and the kernel.
    SplitRead = 1000,
    ShortWrite = 700,
    WouldBlock = 500,
    LateFlush = 500,
    HalfClose = 60,
    Reset = 60,
    StaleKey = 20,
    SlowReader = 100,
    Flood = 300,
    // Clients.
    Rush = 500,
    Stranger = 40,
    Impatient = 60,
    ResumesLate = 200,
    ResumesInVain = 300,
    NeverListens = 500,
    Uninitialized = 300,
    Again = 20,
    Pipelining = 400,
    Cancel = 200,
    BadRequest = 150,
    TwiceTheId = 80,
    Disconnect = 60,
    Delete = 30,
    JsonOnly = 150,
    StreamOnly = 150,
    Batch = 150,
    Chunked = 300,
    Detach = 100,
    AskUnanswered = 300,
    AskProgress = 300,
    AskTwice = 150,
    AskForeign = 200,
    Big = 60,
    // Clients without a session.
    WrongField = 100,
    HangsUp = 100,
    Undeclared = 200,
    ReturnsLate = 200,
    NeverReturns = 150,
    Tampers = 200,
    Replays = 200,
    Polls = 200,
    AnswersSome = 300,
    // Servers.
    SpawnFails = 150,
    SlowStart = 400,
    BadHandshake = 150,
    Progress = 500,
    Log = 400,
    Gush = 50,
    Huge = 25,
    Stderr = 200,
    AskEarly = 150,
    AskFlood = 100,
    Ask = 500,
    AskAlone = 60,
    AskWithdrawn = 150,
    ListChanged = 60,
    Slow = 500,
    Silent = 60,
    Deaf = 40,
    CancelIgnored = 500,
    Fails = 100,
    UrlFirst = 300,
    Twice = 150,
    Stray = 60,
    StringId = 60,
    Garbage = 100,
    BatchLine = 100,
    DiesAtByte = 100,
    Exits = 20,
    EofAlone = 10,
    HoldsPipe = 400,
    IgnoresEof = 300,
    IgnoresTerm = 300,
    // The question for the era, and servers without sessions.
    ProbeIgnored = 200,
    ProbeKills = 100,
    ProbeOddly = 200,
    AsksUndeclared = 100,
    OddType = 60,
    NoListen = 100,
    GrantsSome = 200,
    LateAck = 200,
    ListenEnds = 60,
    Untagged = 100,
    Asks = 30,
    // Servers that somebody else runs.
    OpenFails = 100,
    OpenHangs = 50,
    SiteRestarts = 10,
    SiteCuts = 50,
    SiteCutsLate = 100,
    SiteMute = 30,
    SiteStatus = 100,
    SiteGarbage = 60,
    SiteType = 40,
    SiteOversized = 40,
    SiteSlowHead = 40,
    SiteRedirects = 100,
    SiteForgets = 50,
    SiteElsewhere = 100,
    SiteBreaksOff = 200,
    // The world.
    TimeJumps = 20,
    WallJumps = 20,
    Config = 30,
    StateLost = 300,
    StateCorrupt = 300,
    VaultFails = 200,
    WrongToken = 100,
    Stop = 300,
}

/// The faults of one run.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    rates: Vec<u32>,
}

impl Faults {
    /// A random half of all faults, some rare, some all the time.
    pub(crate) fn swarm(rng: &mut Rng) -> Self {
        let rates = FAULTS.iter().map(|(_, rate)| match rng.below(6) {
            0..=2 => 0,
            3 => rate.div_ceil(10),
            4 => rate.div_ceil(3),
            _ => *rate,
        });
        Self {
            rates: rates.collect(),
        }
    }

    /// Everything works.
    pub(crate) fn none() -> Self {
        Self {
            rates: vec![0; FAULTS.len()],
        }
    }

    /// Whether it goes wrong this time.
    pub(crate) fn hit(&self, fault: Fault, rng: &mut Rng) -> bool {
        let rate = self.rates.get(fault as usize).copied().unwrap_or(0);
        rate > 0 && rng.chance(rate)
    }

    /// Whether it may go wrong.
    pub(crate) fn may(&self, fault: Fault) -> bool {
        self.rates.get(fault as usize).is_some_and(|rate| *rate > 0)
    }

    /// The faults that are on, for people.
    pub(crate) fn describe(&self) -> String {
        let on = FAULTS
            .iter()
            .zip(&self.rates)
            .filter(|(_, rate)| **rate > 0);
        on.map(|((fault, _), rate)| format!("{fault:?}={rate}"))
            .collect::<Vec<_>>()
            .join(" ")
    }
}
