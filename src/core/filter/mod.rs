//! Which servers somebody wants to see, said by their tags (contract 4): expressions, presets, and
//! the query of a URL. Only ever narrows: what a token or the command line does not show stays
//! hidden whatever is said here.
//!
//! Never knows a server, a client or a file: it compares lists of tags.

pub mod expr;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod presets;
pub mod query;

use std::cmp::Ordering;
use std::rc::Rc;

pub use expr::{Expr, Misread};
pub use presets::{Preset, Presets};
pub use query::Wish;

/// What one client has asked for, and what that means at the moment. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Option<Rc<Chosen>>);

/// The expression is that of the wish or of the preset, and not another copy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Chosen {
    wish: Wish,
    expr: Rc<Expr>,
}

/// Any order, for tables: sessions that ask for the same have mostly the very same filter, and then
/// nothing is compared.
impl Ord for Filter {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) if Rc::ptr_eq(one, other) => Ordering::Equal,
            (one, other) => one.cmp(other),
        }
    }
}

impl PartialOrd for Filter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Filter {
    /// Everything.
    pub const ALL: Self = Self(None);

    /// What a wish means with these presets. A preset that is gone shows nothing: who asked for a
    /// few servers does not get all of them because somebody deleted a line.
    #[must_use]
    pub fn new(wish: Wish, presets: &Presets) -> Self {
        let expr = match &wish {
            Wish::All => return Self::ALL,
            Wish::By(expr) => Rc::clone(expr),
            Wish::Preset(name) => match presets.get(name) {
                Some(preset) => Rc::clone(&preset.expr),
                None => Rc::new(Expr::NOTHING),
            },
        };
        Self(Some(Rc::new(Chosen { wish, expr })))
    }

    /// The same wish with other presets.
    #[must_use]
    pub fn renewed(&self, presets: &Presets) -> Self {
        match &self.0 {
            Some(chosen) if matches!(chosen.wish, Wish::Preset(_)) => {
                Self::new(chosen.wish.clone(), presets)
            }
            _ => self.clone(),
        }
    }

    /// Whether nothing was asked for.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it is whatever the preset of this name says.
    #[must_use]
    pub fn asks_for(&self, preset: &str) -> bool {
        let wish = self.0.as_ref().map(|chosen| &chosen.wish);
        matches!(wish, Some(Wish::Preset(name)) if **name == *preset)
    }

    /// Whether a server with these tags is wanted.
    #[must_use]
    pub fn admits(&self, tags: &[String]) -> bool {
        self.0
            .as_ref()
            .is_none_or(|chosen| chosen.expr.admits(tags))
    }
}
