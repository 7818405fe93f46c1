//! A set of numbers kept as ranges: most sessions of a run have ended, so the few that have not are
//! the gaps between few ranges.

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// First and last of each range, in order and never touching.
    ranges: Vec<(u64, u64)>,
}

impl Numbers {
    /// All that lie in one of these ranges; one that ends before it begins is nothing.
    pub(super) fn of(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        let mut own: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match own.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                Some(_) | None => own.push((first, last)),
            }
        }
        Self { ranges: own }
    }

    /// All below `end` but these.
    pub(super) fn below(end: u64, mut but: Vec<u64>) -> Self {
        but.sort_unstable();
        let mut ranges = Vec::with_capacity(but.len() + 1);
        let mut from = 0;
        for gap in but {
            if let Some(last) = gap.checked_sub(1) {
                ranges.push((from, last));
            }
            from = gap.saturating_add(1);
        }
        if let Some(last) = end.checked_sub(1) {
            ranges.push((from, last));
        }
        Self::of(ranges)
    }

    /// Adds all of another set.
    pub(super) fn add(&mut self, other: &Self) {
        if !other.ranges.is_empty() {
            let mut all = std::mem::take(&mut self.ranges);
            all.extend_from_slice(&other.ranges);
            *self = Self::of(all);
        }
    }

    /// Adds one.
    pub(super) fn insert(&mut self, number: u64) {
        self.add(&Self::of(vec![(number, number)]));
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        let after = self.ranges.partition_point(|(first, _)| *first <= number);
        let before = after.checked_sub(1).and_then(|at| self.ranges.get(at));
        before.is_some_and(|(_, last)| number <= *last)
    }

    /// First and last of each range.
    pub(super) fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_meet_are_one_and_those_without_numbers_are_none() {
        let numbers = Numbers::of(vec![(5, 7), (0, 1), (2, 2), (6, 9), (4, 3), (20, 20)]);
        assert_eq!(numbers.ranges(), [(0, 2), (5, 9), (20, 20)]);
        let inside: Vec<u64> = (0..25).filter(|n| numbers.contains(*n)).collect();
        assert_eq!(inside, [0, 1, 2, 5, 6, 7, 8, 9, 20]);
        let most = Numbers::of(vec![(0, u64::MAX), (3, u64::MAX)]);
        assert_eq!(most.ranges(), [(0, u64::MAX)]);
        assert!(!Numbers::default().contains(0));
    }

    #[test]
    fn what_is_left_out_is_all_that_is_missing() {
        assert_eq!(Numbers::below(0, vec![]).ranges(), []);
        assert_eq!(Numbers::below(3, vec![]).ranges(), [(0, 2)]);
        assert_eq!(Numbers::below(3, vec![2, 0]).ranges(), [(1, 1)]);
        assert_eq!(Numbers::below(3, vec![0, 1, 2]).ranges(), []);
        assert_eq!(Numbers::below(9, vec![3]).ranges(), [(0, 2), (4, 8)]);
    }

    #[test]
    fn numbers_are_added_one_by_one_and_all_at_once() {
        let mut numbers = Numbers::default();
        for number in [4, 2, 3, 9, 2] {
            numbers.insert(number);
        }
        assert_eq!(numbers.ranges(), [(2, 4), (9, 9)]);
        numbers.add(&Numbers::of(vec![(5, 8)]));
        assert_eq!(numbers.ranges(), [(2, 9)]);
    }
}
