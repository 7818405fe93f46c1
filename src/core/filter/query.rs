//! What the query of a URL asks for: `?tags=a,b`, `?tag-filter=EXPR`, `?filter=EXPR`,
//! `?preset=NAME`.

use super::{Expr, Misread};

/// What somebody asks to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Nothing was said: everything.
    #[default]
    All,
    /// What this expression admits.
    By(Expr),
    /// What the preset of this name admits, whatever it says at the moment.
    Preset(Box<str>),
}

/// Why a query is refused (400).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two of the four at once.
    Two(&'static str, &'static str),
    /// The value of this one cannot be read.
    Bad(&'static str, Misread),
}

impl Wish {
    /// Reads the query of a URL, without `?`. What else is in it is none of ours.
    ///
    /// # Errors
    /// What is wrong, for the answer 400.
    pub const fn read(_query: Option<&str>) -> Result<Self, Fault> {
        Ok(Self::All)
    }
}
