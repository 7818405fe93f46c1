//! Maps and sets from iterators. The standard library's `collect` sorts a list first, by code of
//! its own for each type: five kilobytes each time for maps of a few members.
//!
//! Decides nothing: of two equal keys the last one counts, as with `collect`.

use std::collections::{BTreeMap, BTreeSet};

/// What `collect` makes of pairs.
pub fn map<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        map.insert(key, value);
    }
    map
}

/// What `collect` makes of single things.
pub fn set<T: Ord>(things: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for thing in things {
        set.insert(thing);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_collected() {
        let pairs = [(2, 'a'), (1, 'b'), (2, 'c')];
        assert_eq!(map(pairs), pairs.into_iter().collect());
        assert_eq!(set([3, 1, 3]), [3, 1, 3].into_iter().collect());
    }
}
