//! Lists that have a few elements nearly always. Up to `N` of them live where the list is kept,
//! without an allocation.

use std::ops::{Deref, DerefMut};

/// A list of a few `T`.
#[derive(Clone, Debug)]
pub struct Few<T, const N: usize> {
    inline: [T; N],
    /// How many of `inline` count, while `many` is empty.
    length: usize,
    /// All of them, once they were more than `N`.
    many: Vec<T>,
}

impl<T: Default, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self {
            inline: std::array::from_fn(|_| T::default()),
            length: 0,
            many: Vec::new(),
        }
    }
}

impl<T: Default, const N: usize> Few<T, N> {
    /// Appends an element.
    pub fn push(&mut self, value: T) {
        if self.many.is_empty()
            && let Some(place) = self.inline.get_mut(self.length)
        {
            *place = value;
            self.length += 1;
            return;
        }
        if self.many.is_empty() {
            self.many.reserve(2 * N + 1);
            self.many.extend(self.inline.iter_mut().map(std::mem::take));
        }
        self.many.push(value);
    }
}

impl<T, const N: usize> Deref for Few<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        if self.many.is_empty() {
            self.inline.get(..self.length).unwrap_or_default()
        } else {
            &self.many
        }
    }
}

impl<T, const N: usize> DerefMut for Few<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        if self.many.is_empty() {
            self.inline.get_mut(..self.length).unwrap_or_default()
        } else {
            &mut self.many
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stay_in_order_whether_few_or_many() {
        for count in 0..10 {
            let mut few: Few<String, 3> = Few::default();
            let all: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            for one in &all {
                few.push(one.clone());
            }
            assert_eq!(*few, *all);
            few.reverse();
            assert!(few.iter().eq(all.iter().rev()));
        }
    }
}
