//! What is counted of one server.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::tally::kinds::{Bytes, End, Ends, Method};
use crate::tally::{OTHER, OTHER_TOOL};

/// Upper ends of the buckets of [`Histogram`], in milliseconds: what is inside is between a server
/// on this machine that answers at once and one that works for a minute, the usual
/// `requestTimeout`.
pub const BUCKETS_MS: [u64; 13] = [
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
];

/// How long requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many were within each bucket and in none before it; the last one has no end.
    buckets: [u64; BUCKETS_MS.len() + 1],
    /// All of them together, in milliseconds.
    pub sum_ms: u64,
}

impl Histogram {
    fn observe(&mut self, ms: u64) {
        let place = BUCKETS_MS.partition_point(|end| *end < ms);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    /// How many took no longer than each of [`BUCKETS_MS`].
    pub fn up_to(&self) -> impl Iterator<Item = (u64, u64)> {
        let buckets = BUCKETS_MS.iter().zip(&self.buckets);
        buckets.scan(0, |sum, (end, count)| {
            *sum += count;
            Some((*end, *sum))
        })
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// How calls of one tool ended.
#[derive(Clone, Debug)]
pub struct ToolTally {
    name: Rc<str>,
    ends: [u64; End::ALL.len()],
}

impl ToolTally {
    /// What its server calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Those ends that there were.
    pub fn each(&self) -> impl Iterator<Item = (End, u64)> {
        let ends = End::ALL.iter().copied().zip(self.ends);
        ends.filter(|(_, count)| *count > 0)
    }
}

/// What is counted of one server.
#[derive(Debug)]
pub struct ServerTally {
    name: Rc<str>,
    /// Those that are not counted by tool.
    ends: Ends,
    tools: Vec<ToolTally>,
    by_name: BTreeMap<Rc<str>, u32>,
    /// Requests that have not ended.
    pub in_flight: u64,
    /// How long those took that were passed on.
    pub took: Histogram,
    /// How often it was started again.
    pub restarts: u64,
    /// Of messages.
    pub bytes: Bytes,
}

impl ServerTally {
    pub(super) fn new(name: &Rc<str>) -> Self {
        Self {
            name: Rc::clone(name),
            ends: Ends::default(),
            tools: Vec::new(),
            by_name: BTreeMap::new(),
            in_flight: 0,
            took: Histogram::default(),
            restarts: 0,
            bytes: Bytes::default(),
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its tools that were called.
    #[must_use]
    pub fn tools(&self) -> &[ToolTally] {
        &self.tools
    }

    /// What is not counted by tool.
    #[must_use]
    pub const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Everything that has ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        let tools = self.tools.iter().flat_map(|tool| tool.ends);
        self.ends.sum() + tools.sum::<u64>()
    }

    /// Everything that has ended so.
    #[must_use]
    pub fn ended_as(&self, end: End) -> u64 {
        let rest = self.ends.each().filter(|(_, own, _)| *own == end);
        let tools = self.tools.iter().flat_map(ToolTally::each);
        let tools = tools.filter(|(own, _)| *own == end);
        rest.map(|(_, _, count)| count).sum::<u64>() + tools.map(|(_, count)| count).sum::<u64>()
    }

    pub(super) fn find(&self, tool: &str) -> Option<u32> {
        self.by_name.get(tool).copied()
    }

    pub(super) fn add(&mut self, tool: &Rc<str>) -> u32 {
        let place = u32::try_from(self.tools.len()).unwrap_or(OTHER);
        self.tools.push(ToolTally {
            name: Rc::clone(tool),
            ends: [0; End::ALL.len()],
        });
        self.by_name.insert(Rc::clone(tool), place);
        place
    }

    pub(super) fn tool(&self, place: u32) -> &str {
        let tool = self.tools.get(place as usize);
        tool.map_or(OTHER_TOOL, |tool| &tool.name)
    }

    pub(super) fn count(&mut self, method: Method, tool: u32, end: End, ms: u64) {
        match self.tools.get_mut(tool as usize) {
            Some(tool) => tool.ends[end as usize] += 1,
            None => self.ends.count(method, end),
        }
        // What was not passed on says nothing of the server's speed.
        if end != End::Refused {
            self.took.observe(ms);
        }
    }
}
