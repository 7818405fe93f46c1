//! What is on the other end of stdout and stderr, and how to be pleasant there: colours, tables
//! that fit, differences of files, questions, a line of progress.
//!
//! Into a pipe goes plain text, whole and without colours, so that scripts read the same on every
//! day. Owns no thread and no state of the terminal: nothing has to be put back at the end.

mod diff;
mod hidden;
mod progress;
mod question;
mod safe;
mod table;
mod width;

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

pub(crate) use diff::diff;
pub(crate) use hidden::hidden;
pub(crate) use progress::Progress;
pub(crate) use question::{can_ask, confirm};
pub(crate) use safe::{readable, readable_lines};
pub(crate) use table::{Cell, Table};

use crate::shell::terminal_columns;

/// How wide a terminal is that does not tell.
const COLUMNS_DEFAULT: usize = 80;
/// Narrower than this nothing can be laid out; such a width is a slip of whoever set it.
const COLUMNS_MIN: usize = 20;

/// What a text is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    colours: bool,
    /// `None` where lines may be as long as they like: a pipe, a file.
    columns: Option<usize>,
}

/// What a piece of text means; the colour follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Works, was added.
    Good,
    /// Does not work, was removed.
    Bad,
    /// Works, but.
    Warn,
    /// A heading.
    Bold,
    /// Less important than the rest.
    Dim,
    /// A place in a file.
    Place,
}

impl Ink {
    /// The parameter of "select graphic rendition" (ECMA-48, 8.3.117).
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warn => "33",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Place => "36",
        }
    }
}

impl Terminal {
    /// Where results go.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        Self::of(stdout.is_terminal(), &stdout)
    }

    /// Where everything else goes.
    pub(crate) fn stderr() -> Self {
        let stderr = io::stderr();
        Self::of(stderr.is_terminal(), &stderr)
    }

    /// A pipe.
    pub(crate) const fn plain() -> Self {
        Self {
            colours: false,
            columns: None,
        }
    }

    fn of(is_terminal: bool, stream: &impl AsFd) -> Self {
        let told = || terminal_columns(stream.as_fd());
        Self::decide(is_terminal, told, |name| env::var_os(name))
    }

    fn decide(
        is_terminal: bool,
        told: impl Fn() -> Option<u16>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        if !is_terminal {
            return Self::plain();
        }
        // no-color.org: present and not empty, whatever its value.
        let unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let columns = told().map(usize::from).or_else(|| {
            let typed = variable("COLUMNS")?;
            typed.to_str()?.parse().ok()
        });
        let columns = columns.unwrap_or(COLUMNS_DEFAULT).max(COLUMNS_MIN);
        Self {
            colours: !unwanted && !is_dumb(&variable),
            columns: Some(columns),
        }
    }

    /// The text in its colour, or as it is.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", ink.code())
        } else {
            text.to_owned()
        }
    }

    /// How long a line may be.
    pub(crate) const fn columns(self) -> Option<usize> {
        self.columns
    }
}

/// A terminal that can do nothing but print: an editor's shell window, say.
fn is_dumb(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

#[cfg(test)]
impl Terminal {
    /// A terminal of this width with colours.
    pub(crate) const fn wide(columns: usize) -> Self {
        Self {
            colours: true,
            columns: Some(columns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(told: Option<u16>, variables: &[(&str, &str)]) -> Terminal {
        let variable = |name: &str| {
            let mut all = variables.iter().chain(&[("TERM", "xterm")]);
            let found = all.find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Terminal::decide(true, || told, variable)
    }

    #[test]
    fn contract_1_colours_on_a_terminal_only_and_not_where_unwanted() {
        assert!(decided(None, &[]).colours && decided(None, &[("NO_COLOR", "")]).colours);
        for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")] {
            assert!(!decided(None, &[unwanted]).colours, "{unwanted:?}");
        }
        let pipe = Terminal::decide(false, || Some(80), |_| None);
        assert_eq!(pipe, Terminal::plain());
        assert_eq!(pipe.paint(Ink::Bad, "x"), "x");
        assert_eq!(Terminal::wide(9).paint(Ink::Bad, "x"), "\x1b[31mx\x1b[0m");
    }

    #[test]
    fn the_width_is_what_the_terminal_says_then_the_variable_then_80() {
        let columns = |told, variables: &[(&str, &str)]| decided(told, variables).columns();
        assert_eq!(columns(Some(132), &[("COLUMNS", "90")]), Some(132));
        assert_eq!(columns(None, &[("COLUMNS", "90")]), Some(90));
        assert_eq!(columns(None, &[("COLUMNS", "wide")]), Some(80));
        assert_eq!(columns(Some(3), &[]), Some(20));
    }
}
