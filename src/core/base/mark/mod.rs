//! Coverage marks: names for the rare branches of the core, so that the simulator and the tests can
//! tell whether they were ever there. A test that passes because its branch was never reached, and
//! a simulator that never fills a table, look like success.
//!
//! `Mark::CallTimesOut.hit()` stands in the branch; [`Mark`] lists all of them (`list`). In a
//! release it is nothing: what was hit is kept only with the feature `fuzzing`, which tests, the
//! simulator and the fuzz targets are built with. Never decides anything.
//!
//! Three things must be so, and each is checked: every mark stands in the core, every mark without
//! an excuse is hit by `make sim`, and every excused one by a test that says `must_hit`.

#[macro_use]
mod declare;
#[macro_use]
mod oauth;
#[macro_use]
mod run;
mod list;

pub use list::Mark;

#[cfg(any(test, feature = "fuzzing"))]
pub use kept::{MustHit, must_hit, take};

impl Mark {
    /// This branch was reached.
    #[cfg(not(any(test, feature = "fuzzing")))]
    #[inline(always)]
    pub const fn hit(self) {}
}

#[cfg(any(test, feature = "fuzzing"))]
mod kept {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::Mark;

    thread_local! {
        /// Of this thread, on which one test or one seed runs at a time.
        static HIT: RefCell<BTreeSet<Mark>> = const { RefCell::new(BTreeSet::new()) };
    }

    impl Mark {
        /// This branch was reached.
        pub fn hit(self) {
            HIT.with_borrow_mut(|hit| hit.insert(self));
        }

        /// Its name, as it stands in the code.
        #[must_use]
        pub fn name(self) -> String {
            format!("{self:?}")
        }
    }

    /// What was hit on this thread since it was asked last.
    #[must_use]
    pub fn take() -> BTreeSet<Mark> {
        HIT.take()
    }

    /// See [`must_hit`].
    #[derive(Debug)]
    #[must_use = "the branch is looked for when this is dropped"]
    pub struct MustHit(Mark);

    /// The branch has to be reached before what this returns is dropped, at the end of the test:
    ///
    /// `let _reached = must_hit(Mark::CallTimesOut);`
    pub fn must_hit(mark: Mark) -> MustHit {
        HIT.with_borrow_mut(|hit| hit.remove(&mark));
        MustHit(mark)
    }

    impl Drop for MustHit {
        fn drop(&mut self) {
            let Self(mark) = self;
            let reached = HIT.with_borrow(|hit| hit.contains(mark));
            // What a test that fails anyway did not reach is no news.
            assert!(
                reached || std::thread::panicking(),
                "this test never reached {mark:?}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Mark, must_hit, take};

    #[test]
    fn a_mark_is_told_once() {
        drop(take());
        Mark::CallTimesOut.hit();
        Mark::CallTimesOut.hit();
        assert_eq!(take(), BTreeSet::from([Mark::CallTimesOut]));
        assert_eq!(take(), BTreeSet::new());
    }

    #[test]
    #[should_panic(expected = "never reached CallTimesOut")]
    fn what_was_hit_before_does_not_count() {
        Mark::CallTimesOut.hit();
        drop(must_hit(Mark::CallTimesOut));
    }

    #[test]
    fn the_list_has_each_mark_once_with_its_place() {
        let all: BTreeSet<Mark> = Mark::ALL.iter().copied().collect();
        assert_eq!(all.len(), Mark::ALL.len());
    }
}
