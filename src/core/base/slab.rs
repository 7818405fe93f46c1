//! A table whose keys carry a generation, so that a late event for something that has gone can
//! never reach its successor in the same slot.

use std::marker::PhantomData;

/// A place in a [`Slab`]: where it is, and how often that place was reused before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Place in the table, from 0.
    pub index: u32,
    /// Reuse count of that place, from 0.
    pub generation: u32,
}

/// A newtype around [`Key`], so that the keys of two tables cannot be swapped.
pub trait SlabKey: Copy {
    /// Wraps a key.
    fn wrap(key: Key) -> Self;
    /// The key inside.
    fn key(self) -> Key;
}

/// Declares key types for slabs.
#[macro_export]
macro_rules! slab_keys {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $crate::base::slab::Key);

        impl $crate::base::slab::SlabKey for $name {
            fn wrap(key: $crate::base::slab::Key) -> Self {
                Self(key)
            }
            fn key(self) -> $crate::base::slab::Key {
                self.0
            }
        }
    )*};
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// A table of `T`; inserting, finding and removing are O(1).
#[derive(Debug)]
pub struct Slab<K, T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    length: usize,
    key: PhantomData<K>,
}

impl<K, T> Default for Slab<K, T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            length: 0,
            key: PhantomData,
        }
    }
}

impl<K: SlabKey, T> Slab<K, T> {
    /// Puts a value in and tells its key.
    pub fn insert(&mut self, value: T) -> K {
        self.length += 1;
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.value = Some(value);
            return K::wrap(Key {
                index,
                generation: slot.generation,
            });
        }
        // 2^32 live entries would need more memory than the address space of a slot table.
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot {
            generation: 0,
            value: Some(value),
        });
        K::wrap(Key {
            index,
            generation: 0,
        })
    }

    /// The value, unless it has been removed.
    #[must_use]
    pub fn get(&self, key: K) -> Option<&T> {
        let Key { index, generation } = key.key();
        let slot = self.slots.get(index as usize)?;
        if slot.generation == generation {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// The value, unless it has been removed.
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let Key { index, generation } = key.key();
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation == generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// Takes the value out; its key is never valid again.
    pub fn remove(&mut self, key: K) -> Option<T> {
        let Key { index, generation } = key.key();
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        self.length -= 1;
        Some(value)
    }

    /// Whether the key still names a value.
    #[must_use]
    pub fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// How many values are in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no value is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All values in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.slots.iter().zip(0u32..).filter_map(|(slot, index)| {
            let key = K::wrap(Key {
                index,
                generation: slot.generation,
            });
            slot.value.as_ref().map(|value| (key, value))
        })
    }

    /// All values in the order of their places.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut T)> {
        self.slots
            .iter_mut()
            .zip(0u32..)
            .filter_map(|(slot, index)| {
                let key = K::wrap(Key {
                    index,
                    generation: slot.generation,
                });
                slot.value.as_mut().map(|value| (key, value))
            })
    }

    /// The keys of all values, for loops that change the table.
    #[must_use]
    pub fn keys(&self) -> Vec<K> {
        self.iter().map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct TestKey(Key);

    impl SlabKey for TestKey {
        fn wrap(key: Key) -> Self {
            Self(key)
        }
        fn key(self) -> Key {
            self.0
        }
    }

    #[test]
    fn a_stale_key_never_reaches_the_successor() {
        let mut slab: Slab<TestKey, &str> = Slab::default();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(first.0.index, second.0.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!((slab.len(), slab.keys()), (1, vec![second]));
    }
}
