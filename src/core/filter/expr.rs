//! Expressions over tags: `web and not (db or slow)`.

use std::fmt;

/// An expression. Tags are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A server with this tag.
    Tag(Box<str>),
    /// A server that the other expression does not admit.
    Not(Box<Self>),
    /// A server that all of them admit; none of them admits every server.
    And(Vec<Self>),
    /// A server that one of them admits; none of them admits no server.
    Or(Vec<Self>),
}

/// Why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Where, in characters from 1; one behind the last character if something is missing there.
    pub position: usize,
    /// What was found and what is expected there.
    pub what: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}: {}", self.position, self.what)
    }
}

impl Expr {
    /// No server at all.
    pub const NOTHING: Self = Self::Or(Vec::new());

    /// Reads an expression.
    ///
    /// # Errors
    /// Where it stops making sense, and what is expected there.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        Ok(Self::Tag(text.trim().to_lowercase().into()))
    }

    /// Whether a server with these tags is meant, in any case of letters.
    #[must_use]
    pub fn admits(&self, tags: &[String]) -> bool {
        match self {
            Self::Tag(tag) => tags.iter().any(|own| own.to_lowercase() == **tag),
            Self::Not(inner) => !inner.admits(tags),
            Self::And(all) => all.iter().all(|one| one.admits(tags)),
            Self::Or(any) => any.iter().any(|one| one.admits(tags)),
        }
    }
}
