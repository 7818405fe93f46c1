//! Calls in flight: who asked, under which id, until when. The one table that maps an answer to its
//! caller.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::base::slab::{Key, Slab, SlabKey};
use crate::base::timers::DeadlineQueue;
use crate::json::envelope::{Envelope, JsonId};
use crate::language::{At, ClientKey, PoolKey};
use crate::limits::CALL_MS_MAX;
use crate::now::Tick;
use crate::route::ServerKey;
use crate::route::catalog::Kind;
use crate::route::rounds::Rounds;
use crate::route::suspended::SuspendedKey;
use crate::route::tasks::{Manner, TaskCall};

crate::slab_keys! {
    /// One call in flight.
    CallKey;
}

/// Bits of a wire id that name the place in the table; the generation stands above them. 52 bits
/// in all, since a JavaScript number holds 53.
const INDEX_BITS: u32 = 20;

/// The largest id, counted from 0.
pub(crate) const ID_MAX: u64 = (1 << (32 + INDEX_BITS)) - 1;

/// The id that a backend sees for a call. Never 0, which is the handshake's.
#[must_use]
pub fn to_wire(call: CallKey) -> u64 {
    let Key { index, generation } = call.key();
    (u64::from(generation) << INDEX_BITS | u64::from(index)) + 1
}

/// The call that a backend means by an id of ours.
#[must_use]
pub fn from_wire(id: u64) -> Option<CallKey> {
    let id = id.checked_sub(1)?;
    let index = u32::try_from(id & ((1 << INDEX_BITS) - 1)).ok()?;
    let generation = u32::try_from(id >> INDEX_BITS).ok()?;
    Some(CallKey(Key { index, generation }))
}

/// What a client wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `tools/call`.
    Tool,
    /// `prompts/get`.
    Prompt,
    /// `resources/read`.
    Read,
    /// `resources/subscribe`.
    Subscribe,
    /// `resources/unsubscribe`.
    Unsubscribe,
    /// `completion/complete`.
    Complete,
    /// `tools/call` that is to become a task.
    Task(Manner),
}

impl Method {
    /// How a call of a tool is made a task, if it is.
    #[must_use]
    pub const fn manner(self) -> Option<Manner> {
        match self {
            Self::Task(manner) => Some(manner),
            _ => None,
        }
    }

    /// The same, whatever becomes of it.
    #[must_use]
    pub const fn plain(self) -> Self {
        match self {
            Self::Task(_) => Self::Tool,
            other => other,
        }
    }

    /// Whether its answer may be a question (D17).
    #[must_use]
    pub const fn may_ask(self) -> bool {
        matches!(self.plain(), Self::Tool | Self::Prompt | Self::Read)
    }
}

/// Who asked, and how the answer is to be given back.
#[derive(Debug)]
pub struct Caller {
    /// Which client.
    pub client: ClientKey,
    /// Where its answer goes.
    pub at: At,
    /// What it called the request.
    pub id: JsonId,
    /// Its progress token (raw JSON), if it wants to hear of progress.
    pub token: Option<Box<[u8]>>,
    /// How far it was told to be (D10).
    pub progress: f64,
}

/// A read of a URI that nobody lists: the servers that are still to be asked (contract 3).
#[derive(Debug)]
pub struct Search {
    /// The request as it came.
    pub buffer: Rc<Vec<u8>>,
    /// Its members.
    pub envelope: Envelope,
    /// Who is asked next, last one first.
    pub left: Vec<ServerKey>,
}

/// Why a call was made.
#[derive(Debug)]
pub enum Origin {
    /// For a client.
    Client {
        /// Who asked.
        caller: Caller,
        /// What it wanted.
        method: Method,
        /// What it reads or subscribes to.
        resource: Option<Resource>,
        /// Other servers to be asked if this one does not know the URI.
        search: Option<Box<Search>>,
        /// What it takes to make it again, if the server may ask something first.
        rounds: Option<Box<Rounds>>,
    },
    /// To fetch a list for ourselves.
    List(Kind),
    /// For a client that listens: whether the server will tell of a resource.
    Listen {
        /// Who listens.
        client: ClientKey,
        /// Which of its URIs that is.
        index: usize,
        /// What it is to be told of.
        resource: Resource,
    },
    /// About a task.
    Task(Box<TaskCall>),
    /// To set a level or renew a subscription; its result tells us nothing.
    Quiet,
}

/// A resource that is read or subscribed to.
#[derive(Clone, Debug)]
pub struct Resource {
    /// What the server calls it.
    pub original: Rc<str>,
    /// `onemcp://<server>/`, if the client calls it by that name.
    pub prefix: Option<Rc<str>>,
}

/// One call in flight.
#[derive(Debug)]
pub struct Call {
    /// Why it was made.
    pub origin: Origin,
    /// Which session works on it: nobody else's answer counts.
    pub pool: PoolKey,
    /// Which server that is.
    pub server: ServerKey,
    /// How long it may take without a sign of life, in milliseconds.
    pub request_ms: u64,
    /// When it is given up.
    pub deadline: Tick,
    /// When it is given up whatever signs of life there are (F12).
    pub last: Tick,
    /// Its place in the list of its session's calls; past its end if it does not stand there.
    pub place: usize,
    /// It is suspended while its client is asked.
    pub suspended: Option<SuspendedKey>,
}

/// All calls in flight.
#[derive(Debug, Default)]
pub struct Calls {
    table: Slab<CallKey, Call>,
    /// Deadlines of equal length are a queue; there are as many lengths as `requestTimeout`s.
    deadlines: BTreeMap<u64, DeadlineQueue<CallKey>>,
}

impl Calls {
    /// Adds a call; its deadline begins now.
    ///
    /// # Errors
    /// There are as many calls as ids: the call is given back.
    pub fn insert(&mut self, now: Tick, mut call: Call) -> Result<CallKey, Box<Call>> {
        if self.table.len() >= 1 << INDEX_BITS {
            return Err(Box::new(call));
        }
        call.deadline = now.after(call.request_ms);
        call.last = now.after(CALL_MS_MAX.max(call.request_ms));
        let (deadline, length) = (call.deadline, call.request_ms);
        let key = self.table.insert(call);
        let table = &self.table;
        let queue = self.deadlines.entry(length).or_default();
        queue.push(deadline, key);
        queue.prune(table.len(), |key| !table.contains(key));
        Ok(key)
    }

    /// A call in flight.
    #[must_use]
    pub fn get(&self, key: CallKey) -> Option<&Call> {
        self.table.get(key)
    }

    /// A call in flight.
    pub fn get_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        self.table.get_mut(key)
    }

    /// Ends a call.
    pub fn remove(&mut self, key: CallKey) -> Option<Call> {
        self.table.remove(key)
    }

    /// A sign of life: the deadline begins anew.
    pub fn renew(&mut self, now: Tick, key: CallKey) {
        if let Some(call) = self.table.get_mut(key) {
            call.deadline = now.after(call.request_ms).min(call.last);
            if call.deadline == call.last {
                Mark::ProgressForTooLong.hit();
            }
        }
    }

    /// The earliest moment at which a call may have to be given up.
    pub fn next_deadline(&mut self) -> Option<Tick> {
        let table = &self.table;
        self.deadlines
            .values_mut()
            .filter_map(|queue| queue.next(|key| !table.contains(key)))
            .min()
    }

    /// One call whose deadline has passed. Calls that showed signs of life are queued again.
    pub fn pop_overdue(&mut self, now: Tick) -> Option<CallKey> {
        for (length, queue) in &mut self.deadlines {
            while let Some(key) = queue.pop_due(now) {
                match self.table.get(key) {
                    Some(call) if call.deadline <= now => return Some(key),
                    // Looked at again one whole length later: at most that much too late, and the
                    // queue stays in order.
                    Some(_) => {
                        Mark::DeadlineRenewed.hit();
                        queue.push(now.after(*length), key);
                    }
                    None => {}
                }
            }
        }
        None
    }

    /// An overdue call may go on, since a person is being asked; `false` if it may not.
    pub fn postpone(&mut self, now: Tick, key: CallKey) -> bool {
        self.renew(now, key);
        let Some(call) = self.table.get(key).filter(|call| call.deadline > now) else {
            return false;
        };
        let queue = self.deadlines.entry(call.request_ms).or_default();
        queue.push(call.deadline, key);
        true
    }

    /// The calls in one session, our own included.
    #[must_use]
    pub fn of_pool(&self, pool: PoolKey) -> Vec<CallKey> {
        let there = self.table.iter().filter(|(_, call)| call.pool == pool);
        there.map(|(key, _)| key).collect()
    }

    /// How many calls are in flight.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none is in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(request_ms: u64) -> Call {
        let key = Key {
            index: 0,
            generation: 0,
        };
        Call {
            origin: Origin::Quiet,
            pool: PoolKey(key),
            server: ServerKey(key),
            request_ms,
            deadline: Tick(0),
            last: Tick(0),
            place: 0,
            suspended: None,
        }
    }

    #[test]
    fn a2_wire_ids_fit_a_javascript_number_and_are_never_reused() {
        let mut calls = Calls::default();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let key = calls.insert(Tick(0), call(10)).unwrap();
            let wire = to_wire(key);
            assert!(wire > 0 && wire < 1 << 53 && seen.insert(wire));
            assert_eq!(from_wire(wire), Some(key));
            calls.remove(key);
        }
        let last = CallKey(Key {
            index: (1 << INDEX_BITS) - 1,
            generation: u32::MAX,
        });
        assert!(to_wire(last) < 1 << 53);
        assert_eq!((from_wire(0), from_wire(u64::MAX)), (None, None));
    }

    #[test]
    fn progress_renews_a_deadline_and_short_ones_come_first() {
        let mut calls = Calls::default();
        let long = calls.insert(Tick(0), call(100)).unwrap();
        let short = calls.insert(Tick(0), call(10)).unwrap();
        assert_eq!(calls.next_deadline(), Some(Tick(10)));
        calls.renew(Tick(5), short);
        assert_eq!(calls.pop_overdue(Tick(10)), None);
        assert_eq!(calls.pop_overdue(Tick(20)), Some(short));
        calls.remove(short);
        assert_eq!(calls.next_deadline(), Some(Tick(100)));
        assert_eq!(calls.pop_overdue(Tick(100)), Some(long));
    }

    #[test]
    fn one_long_call_does_not_make_the_queue_of_deadlines_grow() {
        let mut calls = Calls::default();
        let long = calls.insert(Tick(0), call(100)).unwrap();
        for _ in 0..10_000 {
            let key = calls.insert(Tick(0), call(100)).unwrap();
            calls.remove(key);
        }
        assert!(calls.deadlines[&100].len() < 200);
        assert_eq!((calls.len(), calls.pop_overdue(Tick(100))), (1, Some(long)));
    }
}
