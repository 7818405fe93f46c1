//! Which rare branches of the core the seeds of a sweep were in.

use std::collections::BTreeMap;
use std::fmt;

use onemcp::base::mark::{self, Mark};

/// A sweep of so many seeds has to reach every mark that is not excused.
pub(crate) const SEEDS_TO_MARK_MIN: u64 = 1000;

/// How many seeds hit each mark.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seeds: u64,
    hits: BTreeMap<Mark, (u64, u64)>,
}

impl Tally {
    /// Counts what was hit since the seed before.
    pub(crate) fn add(&mut self, seed: u64) {
        self.seeds += 1;
        for mark in mark::take() {
            let (count, _) = self.hits.entry(mark).or_insert((0, seed));
            *count += 1;
        }
    }

    /// The marks that had to be hit and were not.
    pub(crate) fn missed(&self) -> Vec<Mark> {
        let all = Mark::ALL.iter().copied();
        let missed = all.filter(|mark| mark.excuse().is_none() && !self.hits.contains_key(mark));
        match self.seeds >= SEEDS_TO_MARK_MIN {
            true => missed.collect(),
            false => Vec::new(),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seeds  first  branch")?;
        let mut rows: Vec<(u64, u64, Mark)> = Vec::new();
        for mark in Mark::ALL {
            let (count, first) = self.hits.get(mark).copied().unwrap_or_default();
            rows.push((count, first, *mark));
        }
        rows.sort();
        for (count, first, mark) in rows {
            let excuse = match mark.excuse() {
                Some(excuse) if count == 0 => format!(" (not asked for: {excuse})"),
                _ => String::new(),
            };
            writeln!(f, "{count:>5}  {first:>5}  {mark:?}{excuse}")?;
        }
        write!(
            f,
            "{} of {} branches in {} seeds",
            self.hits.len(),
            Mark::ALL.len(),
            self.seeds
        )
    }
}
