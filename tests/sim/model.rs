//! The shadow model: who asked for what, which server saw it, who may see the answer. Never how the
//! hub does it.
//!
//! Every call carries a marker that names its client, and servers put it into everything they say
//! about that call. So one rule covers most of what keeps people apart: no byte that a client reads
//! may hold the marker of another.

use onemcp::now::Tick;

use crate::clients::talk::Caps;
use crate::faults::Faults;
use crate::net::Net;
use crate::remotes::place;
use crate::rng::Rng;
use crate::wishes;

/// Place of a call in the model.
pub(crate) type CallId = usize;
/// Place of a question in the model.
pub(crate) type AskId = usize;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its client waits.
    Open,
    /// Its client does not want the answer any more; it may still come.
    Cancelled,
    /// Its client has the answer.
    Answered,
    /// The stream for its answer is gone.
    Lost,
    /// A subscription that was acknowledged: it lasts.
    Listening,
    /// It must not be taken at all.
    Refused,
    /// It was answered with questions: its client may come back, or not.
    Parked,
}

/// What a request without a session says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) caps: Caps,
    /// From which log level on it wants messages.
    pub(crate) level: Option<usize>,
    /// Its progress token (raw JSON).
    pub(crate) token: Option<String>,
    /// How far it is told to be.
    pub(crate) progress: f64,
    /// What a subscription is about, as asked for, then as acknowledged.
    pub(crate) filter: Filter,
    /// The first round of the call that this request goes on with.
    pub(crate) root: Option<CallId>,
    /// Which round it is.
    pub(crate) rounds: u32,
    /// Its state is not one for it.
    pub(crate) must_fail: bool,
}

/// Questions of a server without sessions, which keeps nothing.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// The first round of the call.
    pub(crate) call: CallId,
    pub(crate) server: String,
    /// Raw JSON: it comes back as it was.
    pub(crate) state: Option<String>,
    pub(crate) asks: Vec<(String, AskId)>,
}

/// A state that some client was given.
#[derive(Clone, Debug)]
pub(crate) struct Stolen {
    pub(crate) method: &'static str,
    pub(crate) params: String,
    pub(crate) state: String,
}

/// What `subscriptions/listen` is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) uris: Vec<String>,
}

/// One request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) client: usize,
    pub(crate) method: &'static str,
    /// The server and the name it must arrive at, if that is certain.
    pub(crate) target: Option<(String, String)>,
    /// `params.arguments` as sent.
    pub(crate) arguments: String,
    pub(crate) state: State,
    /// The processes that it arrived at.
    pub(crate) reached: Vec<usize>,
    pub(crate) began: u64,
    /// A request without a session.
    pub(crate) described: Option<Described>,
    /// What its client declared, in any of its rounds.
    pub(crate) caps: Caps,
    /// How often its client came back to it.
    pub(crate) rounds: usize,
    /// How often it did since the gateway had a question of its own, which makes it anew.
    pub(crate) anew: usize,
    /// Its server keeps nothing between rounds: it is made again.
    pub(crate) again: bool,
}

/// One question of a server.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) process: usize,
    pub(crate) method: &'static str,
    /// The call that caused it.
    pub(crate) call: Option<CallId>,
    /// Who got to see it.
    pub(crate) seen_by: Option<usize>,
    /// In the answer to which call, if not as a request.
    pub(crate) seen_in: Option<CallId>,
    /// Numbers of the answers that were given to it.
    pub(crate) given: Vec<u64>,
    /// The server has its answer, or is gone.
    pub(crate) over: bool,
}

/// What is known of a process from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProcessFacts {
    pub(crate) server: String,
    /// Its entry has static roots.
    pub(crate) roots: bool,
    /// It serves requests, not clients.
    pub(crate) stateless: bool,
    /// `isolation: session`: it may serve one client only.
    pub(crate) private: bool,
    /// Clients with a session whose calls arrived there.
    pub(crate) clients: Vec<usize>,
    /// Clients without one.
    pub(crate) visitors: Vec<usize>,
}

/// How often things happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) steps: u64,
    pub(crate) calls: u64,
    pub(crate) answers: u64,
    pub(crate) results: u64,
    pub(crate) errors: u64,
    pub(crate) notes: u64,
    pub(crate) asks: u64,
    pub(crate) asks_seen: u64,
    pub(crate) asks_answered: u64,
    pub(crate) resumed: u64,
    /// Requests without a session.
    pub(crate) stateless: u64,
    /// Subscriptions that were acknowledged.
    pub(crate) listens: u64,
    /// Answers that ask.
    pub(crate) parks: u64,
    pub(crate) retries: u64,
    pub(crate) logs: u64,
    /// Streams of remote servers that were asked for again.
    pub(crate) remote_resumed: u64,
    pub(crate) virtual_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) calls: Vec<Call>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) processes: Vec<ProcessFacts>,
    /// Ids of questions that some client saw, for clients that answer what they were not asked.
    pub(crate) ask_ids: Vec<String>,
    pub(crate) rounds: Vec<Round>,
    /// States that clients were given, for others that try them.
    pub(crate) stolen: Vec<Stolen>,
    /// One for each client, if the front door is locked.
    pub(crate) tokens: Vec<String>,
    pub(crate) stats: Stats,
    /// What must never be.
    pub(crate) violations: Vec<String>,
    /// Lines for people, while one seed is replayed.
    pub(crate) verbose: bool,
    /// The hub was told to stop, so answers may be missing.
    pub(crate) stopping: bool,
    /// The only client is at our own stdin.
    pub(crate) stdio: bool,
    pub(crate) now: u64,
}

/// Everything that an actor works with.
pub(crate) struct Cx<'a> {
    pub(crate) now: Tick,
    pub(crate) rng: &'a mut Rng,
    pub(crate) faults: &'a Faults,
    pub(crate) net: &'a mut Net,
    pub(crate) model: &'a mut Model,
}

impl Cx<'_> {
    /// Whether something goes wrong this time.
    pub(crate) fn hit(&mut self, fault: crate::faults::Fault) -> bool {
        self.faults.hit(fault, self.rng)
    }
}

impl Model {
    /// Something that must never be.
    pub(crate) fn violation(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.trace(|| format!("VIOLATION {what}"));
        self.violations.push(what);
    }

    /// A line for people.
    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            println!("{:>9} {}", self.now, line());
        }
    }

    /// A client asks for something.
    pub(crate) fn begin(&mut self, call: Call) -> CallId {
        self.stats.calls += 1;
        self.calls.push(call);
        self.calls.len() - 1
    }

    /// Whether the entry of a process has static roots.
    pub(crate) fn has_roots(&self, process: usize) -> bool {
        self.processes[process].roots
    }

    /// The first round of a call.
    pub(crate) fn root(&self, call: CallId) -> CallId {
        let described = self.calls[call].described.as_ref();
        described.and_then(|one| one.root).unwrap_or(call)
    }

    /// Notes a state for whoever tries those of others.
    pub(crate) fn steal(&mut self, state: Stolen) {
        self.stolen.push(state);
        if self.stolen.len() > 20 {
            self.stolen.remove(0);
        }
    }

    /// The marker of a call.
    pub(crate) fn marker(&self, call: CallId) -> String {
        format!("~m{call:06}c{:03}~", self.calls[call].client)
    }

    /// The call of a marker.
    pub(crate) fn unmark(&self, text: &str) -> Option<CallId> {
        let call: CallId = text.strip_prefix("~m")?.get(..6)?.parse().ok()?;
        (call < self.calls.len() && self.marker(call) == text).then_some(call)
    }

    /// The marker of a question.
    pub(crate) fn ask_marker(ask: AskId) -> String {
        format!("~a{ask:06}~")
    }

    /// The question of a marker.
    pub(crate) fn unmark_ask(&self, text: &str) -> Option<AskId> {
        let ask: AskId = text.strip_prefix("~a")?.strip_suffix('~')?.parse().ok()?;
        (ask < self.asks.len()).then_some(ask)
    }

    /// Nothing of other clients may be in what a client reads.
    pub(crate) fn overheard(&mut self, client: usize, text: &[u8]) {
        for secret in [place::SECRET, place::SESSION] {
            if text.windows(secret.len()).any(|at| at == secret.as_bytes()) {
                let shown = String::from_utf8_lossy(text).into_owned();
                self.violation(format!("client {client} learns a secret: {shown}"));
            }
        }
        let mut rest = text;
        while let Some(at) = rest.windows(2).position(|two| two == b"~m") {
            let marker = rest.get(at..at + 13).unwrap_or_default();
            let marker = String::from_utf8_lossy(marker).into_owned();
            if let Some(call) = self.unmark(&marker)
                && self.calls[call].client != client
            {
                let shown = String::from_utf8_lossy(text).into_owned();
                self.violation(format!("client {client} overhears call {call}: {shown}"));
            }
            rest = &rest[at + 2..];
        }
    }

    /// The stream for the answer is gone.
    pub(crate) fn lose(&mut self, call: CallId) {
        let call = &mut self.calls[call];
        if call.state == State::Open || call.state == State::Cancelled {
            call.state = State::Lost;
        }
    }

    /// Whether a client sees a server.
    pub(crate) fn sees(&self, client: usize, server: &str) -> bool {
        self.stdio || wishes::sees(client, server)
    }

    /// Whether a process may ask a client, which sees its server: nobody else ever used it, or the
    /// client did, or has a call on its way there.
    pub(crate) fn may_ask(&self, process: usize, client: usize) -> bool {
        let facts = &self.processes[process];
        if !self.sees(client, &facts.server) {
            return false;
        }
        let under_way = |call: &Call| {
            let there = call
                .target
                .as_ref()
                .is_none_or(|(server, _)| *server == facts.server);
            call.client == client && call.state != State::Answered && there
        };
        let mut known = facts.clients.iter().chain(&facts.visitors);
        known.clone().all(|known| *known == client)
            || known.any(|known| *known == client)
            || self.calls.iter().any(under_way)
    }

    /// A call arrived at a process, which works on these already.
    pub(crate) fn reach(
        &mut self,
        call: CallId,
        process: usize,
        (name, arguments): (&str, &str),
        busy: &[CallId],
    ) {
        self.share(call, process, busy);
        let server = self.processes[process].server.clone();
        let client = self.calls[call].client;
        if !self.sees(client, &server) {
            self.violation(format!(
                "call {call} of {client} arrives at {server}, which it leaves out"
            ));
        }
        let known = &mut self.calls[call];
        if known.state == State::Refused {
            self.violation(format!("call {call} arrives, which is to be refused"));
            return;
        }
        let rounds = if known.again {
            known.rounds
        } else {
            known.anew.saturating_sub(1)
        };
        let again = known.reached.len() > rounds && known.method != "resources/read";
        let twice = known.reached.iter().filter(|at| **at == process).count() > rounds;
        if again || twice {
            self.violation(format!("call {call} arrives again, at process {process}"));
            return;
        }
        known.reached.push(process);
        let right = known.target.as_ref().is_none_or(|(to, original)| {
            *to == server && (original == name || known.method == "completion/complete")
        });
        if !right || known.arguments != arguments {
            let known = known.clone();
            self.violation(format!(
                "{known:?} arrives as {name} {arguments} at {server}"
            ));
        }
    }

    /// Who may be where: a server that gives each client a session of its own serves one client
    /// with a session there, or requests without one, one at a time (S2).
    fn share(&mut self, call: CallId, process: usize, busy: &[CallId]) {
        let stateless = self.calls[call].described.is_some();
        let client = self.calls[call].client;
        let facts = &mut self.processes[process];
        let known = if stateless {
            &mut facts.visitors
        } else {
            &mut facts.clients
        };
        if !known.contains(&client) {
            known.push(client);
        }
        let mixed = !facts.visitors.is_empty() && !facts.clients.is_empty();
        let crowded = stateless && !busy.is_empty();
        if self.stdio || facts.stateless {
            // There is one person, or every request stands for itself.
            return;
        }
        if facts.private && (facts.clients.len() > 1 || mixed || crowded) {
            let (clients, visitors) = (facts.clients.clone(), facts.visitors.clone());
            self.violation(format!(
                "process {process} is shared by {clients:?}, {visitors:?}, {busy:?}"
            ));
        }
    }
}
