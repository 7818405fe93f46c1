//! The core's orders about secrets: records are locked, read and written, and passwords stretched,
//! on helper threads, since a disk, the lock of another process and half a million rounds take as
//! long as they like. Answers come in the order in which things were done.
//!
//! ```text
//! LockRecord -> Waiting -> Locking -> Held -> Storing -> answered
//!            for its name      \-> failed       \-> released
//! ```
//!
//! One order at a time has a name; further ones for that name wait in order. What records say is
//! told at the start and whenever somebody else has changed it (`vault/known`).

mod known;

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::num::NonZeroU32;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mio::{Registry, Token, Waker};
use onemcp::base::secret::Secret;
use onemcp::effect::{Level, RecordTicket};
use onemcp::input::Input;
use onemcp::limits::{RECORD_LOCK_MS_MAX, RECORD_ORDERS_MAX, RECORD_THREADS_MAX};
use onemcp::now::Tick;
use ring::pbkdf2;

use crate::shell::bell::Bell;
use crate::shell::disk::reason;
use crate::shell::event_loop::{fixed, fixed_token};
use crate::shell::secrets::{Found, Held, Secrets};
use crate::shell::watch::Watch;
use known::Known;

/// Everything of one process about one directory of secrets.
#[derive(Debug)]
pub(crate) struct Vault {
    secrets: Secrets,
    bell: Bell,
    /// How its watch is told from others.
    token: Token,
    /// How grave it is that an order fails.
    grave: Level,
    helpers: Arc<Helpers>,
    /// How long the lock of another process is waited for.
    wait: Duration,
    orders: BTreeMap<RecordTicket, Order>,
    /// Those that wait for a thread or for their name, in order; some may be gone by now.
    queue: VecDeque<RecordTicket>,
    threads: usize,
    stretches: VecDeque<Stretch>,
    stretching: bool,
    known: BTreeMap<String, Known>,
    watch: Option<Watch>,
    watch_event: bool,
    /// There is something to look at although no event has come.
    look: bool,
    told: VecDeque<Input<'static>>,
    notes: Vec<(Level, String)>,
    /// What was said last of an order that failed: said again only when it is something else.
    trouble: Option<String>,
}

/// How far one order is.
#[derive(Debug)]
enum Order {
    /// For its name, or for a thread.
    Waiting(String),
    /// A thread locks and reads. `true`: nobody wants it any more.
    Locking(String, bool),
    /// The core has it.
    Held(String, Held),
    /// To be written as soon as there is a thread.
    Full(String, Held, Vec<u8>),
    /// A thread writes these bytes.
    Storing(String, Vec<u8>),
}

impl Order {
    /// The record that it keeps others from.
    fn has(&self) -> Option<&str> {
        match self {
            Self::Waiting(_) => None,
            Self::Locking(name, _)
            | Self::Held(name, _)
            | Self::Full(name, _, _)
            | Self::Storing(name, _) => Some(name),
        }
    }
}

/// A password and how it is stretched.
struct Stretch {
    ticket: u64,
    password: Secret,
    salt: [u8; 16],
    rounds: NonZeroU32,
}

impl std::fmt::Debug for Stretch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stretch({})", self.ticket)
    }
}

/// What a helper thread has done.
#[derive(Debug)]
enum Done {
    Locked(RecordTicket, Result<(Held, Found), String>),
    Stored(RecordTicket, Result<Option<String>, String>),
    Stretched(u64, [u8; 32]),
}

/// What the threads have in common with the loop.
#[derive(Debug, Default)]
struct Helpers {
    work: Mutex<Work>,
    idle: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    done: Vec<Done>,
    /// Threads that write.
    writing: usize,
}

impl Helpers {
    fn lock(&self) -> MutexGuard<'_, Work> {
        // Only whole answers are pushed, and a number counted.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, done: Done, waker: &Waker) {
        let mut work = self.lock();
        if let Done::Stored(..) = done {
            work.writing -= 1;
            self.idle.notify_all();
        }
        work.done.push(done);
        drop(work);
        // Without a descriptor to wake the loop, the answer is found at the next event.
        let _woken = waker.wake();
    }
}

impl Vault {
    /// Names the directory; nothing is read yet.
    pub(crate) fn new(secrets: Secrets, bell: Bell) -> Self {
        Self {
            secrets,
            bell,
            token: fixed_token(fixed::VAULT),
            grave: Level::Error,
            helpers: Arc::default(),
            wait: Duration::from_millis(RECORD_LOCK_MS_MAX),
            orders: BTreeMap::new(),
            queue: VecDeque::new(),
            threads: 0,
            stretches: VecDeque::new(),
            stretching: false,
            known: BTreeMap::new(),
            watch: None,
            watch_event: false,
            look: false,
            told: VecDeque::new(),
            notes: Vec::new(),
            trouble: None,
        }
    }

    /// The same for what may be lost: the core alone says what that costs.
    pub(crate) fn of_state(secrets: Secrets, bell: Bell) -> Self {
        Self {
            token: fixed_token(fixed::SESSIONS),
            grave: Level::Debug,
            ..Self::new(secrets, bell)
        }
    }

    /// `Effect::LockRecord`.
    pub(crate) fn lock(&mut self, registry: &Registry, ticket: RecordTicket, name: String) {
        let path = self.secrets.path(&name);
        if self.orders.len() >= RECORD_ORDERS_MAX {
            let why = format!("too much waits for {}; try again", path.display());
            return self.unlocked(ticket, why);
        }
        if self.orders.contains_key(&ticket) {
            let why = format!("{} is locked with this ticket already", path.display());
            return self.unlocked(ticket, why);
        }
        self.orders.insert(ticket, Order::Waiting(name));
        self.queue.push_back(ticket);
        self.start(registry);
    }

    /// `Effect::StoreRecord`.
    pub(crate) fn store(&mut self, registry: &Registry, ticket: RecordTicket, bytes: Vec<u8>) {
        match self.orders.remove(&ticket) {
            Some(Order::Held(name, held)) => {
                self.orders.insert(ticket, Order::Full(name, held, bytes));
                // Before all that only wants to begin.
                self.queue.push_front(ticket);
                self.start(registry);
            }
            other => {
                if let Some(order) = other {
                    self.orders.insert(ticket, order);
                }
                let done = Err("nothing was written, since nothing was locked".to_owned());
                self.told.push_back(Input::RecordStored { ticket, done });
            }
        }
    }

    /// `Effect::ReleaseRecord`.
    pub(crate) fn release(&mut self, registry: &Registry, ticket: RecordTicket) {
        match self.orders.get_mut(&ticket) {
            Some(Order::Locking(_, unwanted)) => *unwanted = true,
            Some(Order::Waiting(_) | Order::Held(..)) => {
                self.orders.remove(&ticket);
                self.start(registry);
            }
            // What is being written is answered.
            Some(Order::Full(..) | Order::Storing(..)) | None => {}
        }
    }

    /// `Effect::Stretch`.
    pub(crate) fn stretch(
        &mut self,
        registry: &Registry,
        ticket: u64,
        password: Secret,
        salt: [u8; 16],
        rounds: NonZeroU32,
    ) {
        self.stretches.push_back(Stretch {
            ticket,
            password,
            salt,
            rounds,
        });
        self.start(registry);
    }

    /// The inotify queue has events. Acts later, in [`Self::act`].
    pub(crate) fn note(&mut self) {
        self.watch_event = true;
    }

    /// Somebody wants us to look, whether there are events or not.
    pub(crate) fn look_again(&mut self) {
        self.look = true;
    }

    /// Takes what was done, goes on with what waits, and looks at what has changed.
    pub(crate) fn act(&mut self, registry: &Registry, now: Tick) {
        let done = mem::take(&mut self.helpers.lock().done);
        for done in done {
            match done {
                Done::Locked(ticket, outcome) => self.locked(ticket, outcome),
                Done::Stored(ticket, outcome) => self.stored(ticket, outcome),
                Done::Stretched(ticket, key) => {
                    self.stretching = false;
                    self.told.push_back(Input::Stretched { ticket, key });
                }
            }
        }
        self.start(registry);
        self.watch(now);
    }

    /// When [`Self::act`] is to be called if no event comes.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let now = self.look.then_some(Tick(0));
        now.or_else(|| self.watch.as_ref()?.deadline())
    }

    /// What the core has to know, each once.
    pub(crate) fn next(&mut self) -> Option<Input<'static>> {
        self.told.pop_front()
    }

    /// What is worth a line of the log, each once.
    pub(crate) fn notes(&mut self) -> Vec<(Level, String)> {
        mem::take(&mut self.notes)
    }

    /// Waits until everything is written, at most `wait`: before the process ends.
    pub(crate) fn finish(&self, wait: Duration) {
        let work = self.helpers.lock();
        let _done = self
            .helpers
            .idle
            .wait_timeout_while(work, wait, |work| work.writing > 0)
            .unwrap_or_else(PoisonError::into_inner);
    }

    fn locked(&mut self, ticket: RecordTicket, outcome: Result<(Held, Found), String>) {
        self.threads -= 1;
        let Some(Order::Locking(name, unwanted)) = self.orders.remove(&ticket) else {
            return;
        };
        match outcome {
            Ok((held, found)) => {
                self.trouble = None;
                self.warn(found.notes);
                // What somebody else has written is told before it is answered with.
                self.compare(&name, found.bytes.as_deref());
                if !unwanted {
                    self.orders.insert(ticket, Order::Held(name, held));
                    let found = Ok(found.bytes);
                    self.told.push_back(Input::RecordLocked { ticket, found });
                }
            }
            Err(_) if unwanted => {}
            Err(why) => self.unlocked(ticket, why),
        }
    }

    fn unlocked(&mut self, ticket: RecordTicket, why: String) {
        self.complain(&why);
        let found = Err(why);
        self.told.push_back(Input::RecordLocked { ticket, found });
    }

    fn stored(&mut self, ticket: RecordTicket, outcome: Result<Option<String>, String>) {
        self.threads -= 1;
        let Some(Order::Storing(name, bytes)) = self.orders.remove(&ticket) else {
            return;
        };
        let done = match outcome {
            Ok(note) => {
                self.trouble = None;
                self.warn(note);
                self.wrote(&name, &bytes);
                Ok(())
            }
            Err(why) => {
                self.complain(&why);
                Err(why)
            }
        };
        // What came meanwhile was not looked at.
        self.look = true;
        self.told.push_back(Input::RecordStored { ticket, done });
    }

    fn warn(&mut self, notes: impl IntoIterator<Item = String>) {
        let notes = notes.into_iter().map(|note| (Level::Warn, note));
        self.notes.extend(notes);
    }

    /// An order failed. A place that cannot be written to is told of once, and not at each order.
    fn complain(&mut self, why: &str) {
        if self.trouble.as_deref() != Some(why) {
            self.trouble = Some(why.to_owned());
            self.notes.push((self.grave, why.to_owned()));
        }
    }

    /// Starts as many threads as there may be.
    fn start(&mut self, registry: &Registry) {
        self.start_stretch(registry);
        while self.threads < RECORD_THREADS_MAX {
            self.queue.retain(|ticket| self.orders.contains_key(ticket));
            let Some(place) = self.queue.iter().position(|ticket| self.is_free(*ticket)) else {
                return;
            };
            if let Some(ticket) = self.queue.remove(place) {
                self.start_one(registry, ticket);
            }
        }
    }

    /// Whether this order may begin: nobody else has its name.
    fn is_free(&self, ticket: RecordTicket) -> bool {
        match self.orders.get(&ticket) {
            Some(Order::Waiting(name)) => !self
                .orders
                .values()
                .any(|order| order.has() == Some(name.as_str())),
            Some(Order::Full(..)) => true,
            Some(Order::Locking(..) | Order::Held(..) | Order::Storing(..)) | None => false,
        }
    }

    fn start_one(&mut self, registry: &Registry, ticket: RecordTicket) {
        let helpers = Arc::clone(&self.helpers);
        match self.orders.remove(&ticket) {
            Some(Order::Waiting(name)) => {
                let (secrets, wait, wanted) = (self.secrets.clone(), self.wait, name.clone());
                let started = self.spawn(registry, move |waker| {
                    let outcome = secrets.lock(&wanted, wait);
                    helpers.answer(Done::Locked(ticket, outcome), waker);
                });
                match started {
                    Ok(()) => {
                        self.orders.insert(ticket, Order::Locking(name, false));
                    }
                    Err(why) => self.unlocked(ticket, why),
                }
            }
            Some(Order::Full(name, held, bytes)) => {
                let content = bytes.clone();
                helpers.lock().writing += 1;
                let started = self.spawn(registry, move |waker| {
                    let outcome = held.store(&content);
                    helpers.answer(Done::Stored(ticket, outcome), waker);
                });
                match started {
                    Ok(()) => {
                        self.orders.insert(ticket, Order::Storing(name, bytes));
                    }
                    Err(why) => {
                        self.helpers.lock().writing -= 1;
                        self.complain(&why);
                        let done = Err(why);
                        self.told.push_back(Input::RecordStored { ticket, done });
                    }
                }
            }
            Some(order @ (Order::Locking(..) | Order::Held(..) | Order::Storing(..))) => {
                self.orders.insert(ticket, order);
            }
            None => {}
        }
    }

    fn spawn(
        &mut self,
        registry: &Registry,
        run: impl FnOnce(&Waker) + Send + 'static,
    ) -> Result<(), String> {
        let directory = self.secrets.directory().display();
        let cannot = |error| {
            let why = reason(&error);
            format!("{directory} cannot be used: no thread: {why}; try again")
        };
        let waker = self.bell.rope(registry).map_err(cannot)?;
        let helper = thread::Builder::new().name("1mcp secrets".to_owned());
        helper.spawn(move || run(&waker)).map_err(cannot)?;
        self.threads += 1;
        Ok(())
    }

    /// One password at a time: guessing must not take more than one processor.
    fn start_stretch(&mut self, registry: &Registry) {
        while !self.stretching
            && let Some(stretch) = self.stretches.pop_front()
        {
            let (ticket, salt, rounds) = (stretch.ticket, stretch.salt, stretch.rounds);
            let password = stretch.password.reveal().to_owned();
            let stretch = move || stretched(&password, &salt, rounds);
            let helpers = Arc::clone(&self.helpers);
            let helper = thread::Builder::new().name("1mcp password".to_owned());
            let started = self.bell.rope(registry).and_then(|waker| {
                let stretch = stretch.clone();
                helper.spawn(move || helpers.answer(Done::Stretched(ticket, stretch()), &waker))
            });
            match started {
                Ok(_detached) => self.stretching = true,
                // Better everybody waits for a moment than that the owner cannot get in.
                Err(_no_thread) => {
                    let key = stretch();
                    self.told.push_back(Input::Stretched { ticket, key });
                }
            }
        }
    }
}

/// PBKDF2-HMAC-SHA256.
pub(crate) fn stretched(password: &str, salt: &[u8; 16], rounds: NonZeroU32) -> [u8; 32] {
    let mut key = [0; 32];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, rounds, salt, password.as_bytes(), &mut key);
    key
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
