//! Text that nobody may read but its addressee: header values, tokens, passwords. It cannot be
//! printed, so that no log line, error or dump of a structure shows it by mistake.

use std::fmt;
use std::rc::Rc;

/// See the module. Equality is for noticing that a configuration changed; never compare with what
/// a peer sent (it is not done in constant time).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Rc<str>);

impl Secret {
    /// The text, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_to_nobody_but_whom_it_is_revealed_to() {
        let secret = Secret::from("tok-123");
        assert_eq!(
            format!("{secret:?} {:#?}", (&secret,)),
            "*** (\n    ***,\n)"
        );
        assert_eq!(secret.reveal(), "tok-123");
    }
}
