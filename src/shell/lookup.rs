//! Names to addresses, by the resolver of the system, which may take as long as it likes: every
//! look-up runs on a short-lived thread of its own, one for each host, and is given up when it
//! takes too long. The thread then goes on by itself; until it ends its host gets no other one.
//!
//! Decides who is asked when. Never waits, never sees an address literal or `localhost` (`dial`).

#[cfg(feature = "fuzzing")]
mod rehearsed;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mio::{Registry, Waker};
use onemcp::limits::{
    LOOKUP_MS_MAX, LOOKUPS_HUNG_MAX, LOOKUPS_MAX, LOOKUPS_SUSPECT_MAX, LOOKUPS_WAITING_MAX,
};
use onemcp::now::Tick;

use crate::shell::bell::Bell;

/// Whoever knows the addresses of a name; asked on a thread of its own.
pub(crate) type Resolve = dyn Fn(&str) -> Found + Send + Sync;

/// What the resolver says of one name.
type Found = io::Result<Vec<IpAddr>>;

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The resolver said so, in these words.
    No(String),
    /// It said nothing in time.
    Silent,
    /// We had no thread, no descriptor or no place in the queue to ask with.
    Exhausted(String),
}

/// What became of one host.
pub(crate) type Answer = (Box<str>, Result<Vec<IpAddr>, Unknown>);

/// All look-ups.
pub(crate) struct Lookups {
    resolve: Arc<Resolve>,
    bell: Bell,
    /// Made when the first name is asked for: most processes never ask.
    shared: Option<Arc<Shared>>,
    hosts: BTreeMap<Box<str>, State>,
    /// Hosts in [`State::Waiting`].
    queue: VecDeque<Box<str>>,
    /// Hosts that hung the last time: of them only one is asked at a time, so that they cannot
    /// take the places of all the others.
    suspects: VecDeque<Box<str>>,
    failed: Vec<Answer>,
}

/// How far one host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the queue.
    Waiting,
    /// A thread asks; it is given up then.
    Asking(Tick),
    /// It was given up and has not ended yet; perhaps somebody has asked again since, and waits for
    /// it until then.
    Hung(Option<Tick>),
}

/// What the threads have in common with the loop.
struct Shared {
    answers: Mutex<Vec<(Box<str>, Found)>>,
    waker: Arc<Waker>,
}

impl Shared {
    fn answer(&self, host: Box<str>, found: Found) {
        // Whole answers are pushed, so one of a thread that panicked leaves nothing half done.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push((host, found));
        drop(answers);
        // Without a descriptor to wake the loop, the answer is found when the look-up is given up.
        let _woken = self.waker.wake();
    }
}

/// The resolver of the standard library, which is the one of the C library.
pub(crate) fn by_system(host: &str) -> Found {
    #[cfg(feature = "fuzzing")]
    if let Some(found) = rehearsed::addresses(host) {
        return Ok(found);
    }
    let found = (host, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

impl Lookups {
    /// Nothing is asked yet.
    pub(crate) fn new(resolve: Arc<Resolve>) -> Self {
        Self {
            resolve,
            bell: Bell::default(),
            shared: None,
            hosts: BTreeMap::new(),
            queue: VecDeque::new(),
            suspects: VecDeque::new(),
            failed: Vec::new(),
        }
    }

    /// What wakes the loop, for others who start helper threads.
    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Wants the addresses of a host; the answer comes from [`Self::answers`], once for all who
    /// asked.
    pub(crate) fn ask(&mut self, registry: &Registry, now: Tick, host: &str) {
        match self.hosts.get_mut(host) {
            Some(State::Hung(wanted)) => {
                wanted.get_or_insert(now.after(LOOKUP_MS_MAX));
                return;
            }
            Some(State::Waiting | State::Asking(_)) => return,
            None => {}
        }
        if self.shared.is_none() {
            match self.bell.rope(registry) {
                Ok(waker) => {
                    let answers = Mutex::default();
                    self.shared = Some(Arc::new(Shared { answers, waker }));
                }
                Err(error) => return self.fail(host.into(), &error.to_string()),
            }
        }
        if self.queue.len() >= LOOKUPS_WAITING_MAX {
            return self.fail(host.into(), "too many names wait for the resolver");
        }
        self.hosts.insert(host.into(), State::Waiting);
        self.queue.push_back(host.into());
        self.start(now);
    }

    /// Nobody wants this host any more.
    pub(crate) fn forget(&mut self, host: &str) {
        match self.hosts.get_mut(host) {
            Some(State::Waiting) => {
                self.hosts.remove(host);
                self.queue.retain(|one| &**one != host);
            }
            Some(State::Hung(wanted)) => *wanted = None,
            // Its answer finds nobody.
            Some(State::Asking(_)) | None => {}
        }
    }

    /// What was answered, failed or took too long since the last time.
    pub(crate) fn answers(&mut self, now: Tick) -> Vec<Answer> {
        let mut told = std::mem::take(&mut self.failed);
        if let Some(shared) = &self.shared {
            let mut answers = shared
                .answers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let came = std::mem::take(&mut *answers);
            drop(answers);
            for (host, found) in came {
                let state = self.hosts.remove(&host);
                if let Some(State::Asking(_)) = state {
                    self.suspects.retain(|one| *one != host);
                }
                if let Some(State::Asking(_) | State::Hung(Some(_))) = state {
                    told.push((host, found.map_err(|error| unknown(&error))));
                }
            }
        }
        for (host, state) in &mut self.hosts {
            match *state {
                State::Asking(until) if until <= now => {
                    if !self.suspects.contains(host) {
                        self.suspects.push_back(host.clone());
                    }
                }
                State::Hung(Some(until)) if until <= now => {}
                State::Waiting | State::Asking(_) | State::Hung(_) => continue,
            }
            *state = State::Hung(None);
            told.push((host.clone(), Err(Unknown::Silent)));
        }
        while self.suspects.len() > LOOKUPS_SUSPECT_MAX {
            self.suspects.pop_front();
        }
        self.start(now);
        told.append(&mut self.failed);
        told
    }

    /// When somebody has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let until = |state: &State| match state {
            State::Asking(until) | State::Hung(Some(until)) => Some(*until),
            State::Waiting | State::Hung(None) => None,
        };
        let failed = (!self.failed.is_empty()).then_some(Tick(0));
        self.hosts.values().filter_map(until).chain(failed).min()
    }

    /// Starts as many threads as there may be.
    fn start(&mut self, now: Tick) {
        loop {
            let (mut asking, mut hung, mut suspect) = (0, 0, false);
            for (host, state) in &self.hosts {
                match state {
                    State::Asking(_) => {
                        asking += 1;
                        suspect |= self.suspects.contains(host);
                    }
                    State::Hung(_) => hung += 1,
                    State::Waiting => {}
                }
            }
            if asking >= LOOKUPS_MAX || hung >= LOOKUPS_HUNG_MAX {
                return;
            }
            let Some(host) = self
                .queue
                .iter()
                .position(|host| !(suspect && self.suspects.contains(host)))
                .and_then(|place| self.queue.remove(place))
            else {
                return;
            };
            self.start_one(now, host);
        }
    }

    fn start_one(&mut self, now: Tick, host: Box<str>) {
        let Some(shared) = self.shared.clone() else {
            return;
        };
        let (resolve, name) = (Arc::clone(&self.resolve), host.clone());
        let helper = thread::Builder::new().name("1mcp lookup".to_owned());
        let run = move || {
            let found = resolve(&name);
            shared.answer(name, found);
        };
        match helper.spawn(run) {
            Ok(_detached) => {
                let until = now.after(LOOKUP_MS_MAX);
                self.hosts.insert(host, State::Asking(until));
            }
            Err(error) => {
                self.hosts.remove(&host);
                self.fail(host, &error.to_string());
            }
        }
    }

    fn fail(&mut self, host: Box<str>, why: &str) {
        let why = Unknown::Exhausted(why.to_owned());
        self.failed.push((host, Err(why)));
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.hosts).finish()
    }
}

/// The standard library puts words of its own before those of the resolver.
fn unknown(error: &io::Error) -> Unknown {
    if let Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) = error.raw_os_error() {
        return Unknown::Exhausted(error.to_string());
    }
    let text = error.to_string();
    let said = text.strip_prefix("failed to lookup address information: ");
    Unknown::No(said.unwrap_or(&text).to_owned())
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
