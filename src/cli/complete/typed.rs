//! The words before the cursor, read as forgivingly as a line that is not finished needs it.

use crate::cli::table::{COMMANDS, Command, DEFAULT, Flag, GLOBAL};

/// What they say so far.
#[derive(Debug, Default)]
pub(super) struct Typed<'a> {
    /// The longest command that they name.
    pub(super) command: Option<&'static Command>,
    /// The words of commands and groups.
    pub(super) words: Vec<&'a str>,
    pub(super) operands: Vec<&'a str>,
    /// The last word is a flag whose value comes next.
    pub(super) pending: Option<&'static Flag>,
    /// `--` was among them.
    pub(super) dashes: bool,
}

/// Puts together what bash takes apart: `--flag`, `=`, `value`. The second is whether the last word
/// was such a value.
pub(super) fn join(words: &[String]) -> (Vec<String>, bool) {
    let mut joined: Vec<String> = Vec::new();
    let mut apart = false;
    let mut open = false;
    for word in words {
        let is_flag = |last: &&mut String| last.starts_with("--") && last.len() > 2;
        match joined.last_mut().filter(is_flag) {
            Some(last) if word == "=" && !last.contains('=') => {
                last.push('=');
                (open, apart) = (true, true);
            }
            Some(last) if open => {
                last.push_str(word);
                open = false;
            }
            _ => {
                joined.push(word.clone());
                (open, apart) = (false, false);
            }
        }
    }
    (joined, apart)
}

impl<'a> Typed<'a> {
    pub(super) fn read(before: &'a [String]) -> Self {
        let mut typed = Self::default();
        for word in before {
            typed.take(word);
        }
        typed
    }

    fn take(&mut self, word: &'a str) {
        if self.dashes {
            self.operands.push(word);
        } else if self.pending.take().is_some() {
            // It was the value of that flag.
        } else if word == "--" {
            self.dashes = true;
        } else if let Some(long) = word.strip_prefix("--") {
            let takes = |flag: &&Flag| flag.is(long) && flag.value.is_some();
            self.pending = self.known().find(takes);
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            let mut letters = short.chars();
            let (first, rest) = (letters.next(), letters.as_str());
            let takes = |flag: &&Flag| flag.short == first && flag.value.is_some();
            self.pending = self.known().find(takes).filter(|_| rest.is_empty());
        } else {
            self.word(word);
        }
    }

    fn known(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        let own = match self.command {
            Some(command) => command.flags,
            None => DEFAULT.flags,
        };
        own.iter().chain(GLOBAL)
    }

    fn word(&mut self, word: &'a str) {
        let mut longer = self.words.clone();
        longer.push(word);
        let begins = |command: &&Command| command.words.iter().zip(&longer).all(|(a, b)| a == b);
        let mut known = COMMANDS
            .iter()
            .filter(|command| command.words.len() >= longer.len());
        if !self.operands.is_empty() || !known.any(|command| begins(&command)) {
            return self.operands.push(word);
        }
        let whole = COMMANDS.iter().find(|command| command.words == longer);
        self.command = whole.or(self.command);
        self.words = longer;
    }
}
